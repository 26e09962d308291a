/** Commands that make prompt cells: in the palette, the menu of a cell, and by key. */

import type { JupyterFrontEndPlugin } from "@jupyterlab/application";
import { ICommandPalette } from "@jupyterlab/apputils";
import { INotebookTracker, type Notebook, NotebookActions, type NotebookPanel } from "@jupyterlab/notebook";
import { ITranslator, nullTranslator } from "@jupyterlab/translation";

import { hasMagics, knownToHaveMagics } from "./kernel_magics";
import { endOfHead } from "./prompt_text";
import { chooseWords } from "./words";

const INSERT = "cnai-magic:insert-prompt-below";
const CHANGE = "cnai-magic:change-to-prompt";

export const promptCommands: JupyterFrontEndPlugin<void> = {
  id: "cnai-magic:prompt-commands",
  description: "Makes prompt cells.",
  autoStart: true,
  requires: [INotebookTracker],
  optional: [ICommandPalette, ITranslator],
  activate: (
    { commands },
    notebooks: INotebookTracker,
    palette: ICommandPalette | null,
    translator: ITranslator | null,
  ) => {
    const words = chooseWords(translator);
    // The group of JupyterLab's own commands for cells, by its own name.
    const category = (translator ?? nullTranslator).load("jupyterlab").__("Notebook Cell Operations");
    const add = (id: string, label: string, caption: string, act: (notebook: Notebook) => unknown): void => {
      commands.addCommand(id, {
        label: words(label),
        caption: words(caption),
        isEnabled: () => notebooks.currentWidget !== null,
        isVisible: () => isOffered(notebooks.currentWidget, () => commands.notifyCommandChanged(id)),
        execute: async () => {
          const panel = notebooks.currentWidget;
          if (panel && !lacksMagics(panel)) await act(panel.content);
        },
      });
      palette?.addItem({ command: id, category });
    };
    add(INSERT, "Insert Prompt Cell Below", "Insert a cell below that asks a model", insertBelow);
    add(CHANGE, "Change to Prompt Cell Type", "Make the cell ask a model", changeSelected);
    notebooks.forEach(askEarly);
    notebooks.widgetAdded.connect((_, panel) => askEarly(panel));
  },
};

/** A menu is not drawn again while it is open: whether it has an entry should be known before. */
function askEarly({ sessionContext }: NotebookPanel): void {
  const ask = (): void => {
    const kernel = sessionContext.session?.kernel;
    if (kernel) void hasMagics(kernel);
  };
  ask();
  sessionContext.kernelChanged.connect(ask);
}

/** Whether the kernel of a notebook has the magics; where that is not known yet, `changed` is called when it is. */
function isOffered(panel: NotebookPanel | null, changed: () => void): boolean {
  const kernel = panel?.sessionContext.session?.kernel;
  if (!kernel) return false;
  const known = knownToHaveMagics(kernel);
  if (known === undefined) void hasMagics(kernel).then(changed);
  return known ?? false;
}

function lacksMagics(panel: NotebookPanel): boolean {
  const kernel = panel.sessionContext.session?.kernel;
  return !!kernel && knownToHaveMagics(kernel) === false;
}

async function insertBelow(notebook: Notebook): Promise<void> {
  NotebookActions.insertBelow(notebook);
  // A person may have set another type for new cells.
  if (notebook.activeCell?.model.type !== "code") NotebookActions.changeCellType(notebook, "code");
  const cell = notebook.activeCell;
  if (!cell) return;
  cell.model.sharedModel.setSource("%%cnai\n");
  await cell.ready;
  notebook.mode = "edit";
  cell.editor?.setCursorPosition({ line: 1, column: 0 });
}

function changeSelected(notebook: Notebook): void {
  const selected = [...notebook.widgets.keys()].filter((index) => notebook.isSelectedOrActive(notebook.widgets[index]!));
  // Cells of another type are replaced, and nothing is selected any more.
  NotebookActions.changeCellType(notebook, "code");
  for (const index of selected) {
    const { model } = notebook.widgets[index]!;
    const source = model.sharedModel;
    if (model.getMetadata("editable") === false) continue;
    if (endOfHead(source.getSource().split("\n", 5)) === 0) source.updateSource(0, 0, "%%cnai\n");
  }
}
