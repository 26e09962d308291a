/**
 * A prompt that was to run, and did not, shows its answer again: JupyterLab empties all cells of a run at once, and those
 * below one that fails stay empty. What is saved then would have lost their answers.
 */

import type { JupyterFrontEndPlugin } from "@jupyterlab/application";
import type { CodeCell, ICodeCellModel } from "@jupyterlab/cells";
import { INotebookTracker, NotebookActions, type NotebookPanel } from "@jupyterlab/notebook";

import { isRecorded } from "./notebook_cells";

/** What a cell showed before it was to run. */
interface Shown {
  readonly outputs: object[];
  readonly count: number | null;
  readonly trusted: boolean;
}

const emptied = new WeakMap<ICodeCellModel, Shown>();

export const emptiedPrompts: JupyterFrontEndPlugin<void> = {
  id: "cnai-magic:emptied-prompts",
  description: "Shows the answers of prompts again that were to run, and did not.",
  autoStart: true,
  requires: [INotebookTracker],
  activate: (_app, notebooks: INotebookTracker) => {
    NotebookActions.executionScheduled.connect((_, { cell }) => {
      if (cell.model.type === "code") keep(cell.model as ICodeCellModel);
    });
    NotebookActions.executed.connect((_, { cell, success }) => {
      if (cell.model.type === "code") putBack(cell as CodeCell, success);
    });
    NotebookActions.outputCleared.connect((_, { cell }) => {
      emptied.delete(cell.model as ICodeCellModel);
    });
    const follow = ({ content, sessionContext }: NotebookPanel): void => {
      sessionContext.statusChanged.connect((_, status) => {
        if (!/restarting|dead|terminating/.test(status)) return;
        for (const cell of content.widgets) if (cell.model.type === "code") putBack(cell as CodeCell, false);
      });
    };
    notebooks.forEach(follow);
    notebooks.widgetAdded.connect((_, panel) => follow(panel));
  },
};

function keep(model: ICodeCellModel): void {
  const { outputs, executionCount: count, trusted } = model;
  if (isRecorded(outputs)) emptied.set(model, { outputs: outputs.toJSON(), count, trusted });
}

/** Show again what the cell showed, unless it has begun to run. */
function putBack(cell: CodeCell, success: boolean): void {
  const { model } = cell;
  const shown = emptied.get(model);
  emptied.delete(model);
  if (!shown || success || model.outputs.length || model.executionCount !== null) return;
  // An empty cell is trusted; what it showed is no more than before.
  if (!shown.trusted) {
    model.trusted = false;
    model.deleteMetadata("trusted");
  }
  model.outputs.fromJSON(shown.outputs as never);
  model.executionCount = shown.count;
  cell.setPrompt(shown.count === null ? "" : String(shown.count));
}
