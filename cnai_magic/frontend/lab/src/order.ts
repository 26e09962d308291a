/** Each request to run a cell carries the order of the notebook's cells. */

import type { JupyterFrontEndPlugin } from "@jupyterlab/application";
import { INotebookTracker, type NotebookPanel } from "@jupyterlab/notebook";

import { type ExecutingKernel, sendOrder } from "../../src/order";

export const order: JupyterFrontEndPlugin<void> = {
  id: "cnai-magic:order",
  description: "Tells the kernel in which order the cells of a notebook stand.",
  autoStart: true,
  requires: [INotebookTracker],
  activate: (_app, notebooks: INotebookTracker) => {
    notebooks.forEach(follow);
    notebooks.widgetAdded.connect((_, panel) => follow(panel));
  },
};

/** Send it to the kernel that the notebook has, and to each that it gets. */
function follow({ context, sessionContext }: NotebookPanel): void {
  const send = (): void => {
    const kernel = sessionContext.session?.kernel;
    if (kernel) sendOrder(kernel as unknown as ExecutingKernel, context);
  };
  send();
  sessionContext.kernelChanged.connect(send);
}
