/** Cells of a notebook, as the parts of an answer need them. */

import type { Cell, ICodeCellModel } from "@jupyterlab/cells";
import type { INotebookTracker, NotebookPanel } from "@jupyterlab/notebook";

/** A cell in a view of a notebook. */
export interface Place {
  readonly panel: NotebookPanel;
  readonly cell: Cell;
  readonly index: number;
}

/** The cell whose view holds an element; null for an element elsewhere, as in a view of one output. */
export function findPlace(notebooks: INotebookTracker, element: Element): Place | null {
  const panel = notebooks.find((each) => each.content.node.contains(element));
  const index = panel?.content.widgets.findIndex((each) => each.node.contains(element)) ?? -1;
  const cell = panel?.content.widgets[index];
  return panel && cell ? { panel, cell, index } : null;
}

/** The code cell of an ID. */
export function findCell(panel: NotebookPanel, id: string): Cell | undefined {
  return panel.content.widgets.find((each) => each.model.id === id && each.model.type === "code");
}

/** The model of the code cell of an ID, also where its view is gone. */
export function findModel({ context }: NotebookPanel, id: string): ICodeCellModel | undefined {
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
