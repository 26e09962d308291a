/**
 * What came of an answer whose kernel was lost stays in the notebook as plain text: its widget would be an error after
 * a reload. As text, because only the kernel makes safe Markdown of what a model wrote.
 */

import type { JupyterFrontEndPlugin } from "@jupyterlab/application";
import type { CodeCell } from "@jupyterlab/cells";
import { INotebookTracker } from "@jupyterlab/notebook";

import { LOST } from "../../src/answer/loss";
import { asText } from "./facts";
import { findPlace } from "./notebook_cells";

export const lostAnswers: JupyterFrontEndPlugin<void> = {
  id: "cnai-magic:lost-answers",
  description: "Keeps what came of an answer whose kernel was lost.",
  autoStart: true,
  requires: [INotebookTracker],
  activate: (_app, notebooks: INotebookTracker) => {
    document.addEventListener(LOST, (event) => {
      const view = event.target as Element;
      const cell = findPlace(notebooks, view)?.cell;
      if (cell?.model.type === "code") keep(cell as CodeCell, view, asText((event as CustomEvent).detail));
    });
  },
};

function keep({ model, outputArea }: CodeCell, view: Element, text: string): void {
  const shown = { output_type: "display_data", data: { "text/plain": text }, metadata: {} };
  const index = outputArea.widgets.findIndex((each) => each.node.contains(view));
  // The view of an answer that came while its page was reloaded is no output.
  if (index < 0) model.outputs.add(shown as never);
  else model.outputs.set(index, shown as never);
}
