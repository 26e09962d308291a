/** Cells of a notebook, as the parts of an answer need them. */

import type { Cell, ICodeCellModel } from "@jupyterlab/cells";
import type { INotebookModel, INotebookTracker, NotebookPanel } from "@jupyterlab/notebook";

/** A cell in a view of a notebook. */
export interface Place {
  readonly panel: NotebookPanel;
  readonly cell: Cell;
}

/** A notebook, whether or not it has a view. */
export type Notebook = Pick<NotebookPanel, "context">;

/** The cells with answers and commands, in order: what is stale may be others when they stand otherwise. */
export function listRecorded(model: INotebookModel): string {
  const found: string[] = [];
  for (const cell of model.cells) {
    if (cell.type === "code" && isRecorded((cell as ICodeCellModel).outputs)) found.push(cell.id);
  }
  return found.join();
}

/** Tell whether outputs hold an answer, or what a command changed. */
export function isRecorded(outputs: ICodeCellModel["outputs"]): boolean {
  for (let index = 0; index < outputs.length; index++) if ("cnai" in outputs.get(index).metadata) return true;
  return false;
}

/** The cell whose view holds an element; null for an element elsewhere, as in a view of one output. */
export function findPlace(notebooks: INotebookTracker, element: Element): Place | null {
  const panel = notebooks.find((each) => each.content.node.contains(element));
  const cell = panel?.content.widgets.find((each) => each.node.contains(element));
  return panel && cell ? { panel, cell } : null;
}

/** The code cell of an ID. */
export function findCell(panel: NotebookPanel, id: string): Cell | undefined {
  return panel.content.widgets.find((each) => each.model.id === id && each.model.type === "code");
}

/** The model of the code cell of an ID, also where its view is gone. */
export function findModel({ context }: Notebook, id: string): ICodeCellModel | undefined {
  for (const each of context.model.cells) if (each.id === id && each.type === "code") return each as ICodeCellModel;
  return undefined;
}

/** Show a cell, and make it the one that keys act on. */
export async function goTo(panel: NotebookPanel, cell: Cell): Promise<void> {
  const { content } = panel;
  content.activeCellIndex = content.widgets.indexOf(cell);
  content.deselectAll();
  await content.scrollToItem(content.activeCellIndex, "smart");
}
