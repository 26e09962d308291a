/**
 * What the asset widget does by itself: where the notebook has no extension of ours, it sends the order of the cells.
 *
 * The widget manager of JupyterLab and Notebook 7 knows the document it belongs to, which is documented nowhere:
 * where anything of it is missing, nothing is done, and the kernel reads the order from the saved notebook.
 */

import { type ExecutingKernel, keepIds, type NotebookContext, sendOrder } from "./order";

interface Model {
  widget_manager?: {
    context?: NotebookContext & { sessionContext?: { session?: { kernel?: ExecutingKernel | null } | null } };
  };
}

export default {
  initialize({ model }: { model: Model }): void {
    try {
      const context = model.widget_manager?.context;
      const kernel = context?.sessionContext?.session?.kernel;
      // A restarted kernel keeps its connection; another one gets another asset widget.
      if (kernel && context.model.cells) {
        sendOrder(kernel, context);
        keepIds(context);
      }
    } catch {
      // The page does not say.
    }
  },
};
