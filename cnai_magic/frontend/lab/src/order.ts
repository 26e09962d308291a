/** Each request to run a cell carries the order of the notebook's cells. */

import type { JupyterFrontEndPlugin } from "@jupyterlab/application";
import { INotebookTracker, type NotebookPanel } from "@jupyterlab/notebook";
import { ITranslator } from "@jupyterlab/translation";

import { type ExecutingKernel, sendOrder } from "../../src/order";

export const order: JupyterFrontEndPlugin<void> = {
  id: "cnai-magic:order",
  description: "Tells the kernel in which order the cells of a notebook stand, and the language of the page.",
  autoStart: true,
  requires: [INotebookTracker],
  optional: [ITranslator],
  activate: (_app, notebooks: INotebookTracker, translator: ITranslator | null) => {
    const language = translator?.languageCode;
    notebooks.forEach((panel) => follow(panel, language));
    notebooks.widgetAdded.connect((_, panel) => follow(panel, language));
  },
};

/** Send it to the kernel that the notebook has, and to each that it gets. */
function follow({ context, sessionContext }: NotebookPanel, language?: string): void {
  const send = (): void => {
    const kernel = sessionContext.session?.kernel;
    if (kernel) sendOrder(kernel as unknown as ExecutingKernel, context, language);
  };
  send();
  sessionContext.kernelChanged.connect(send);
}
