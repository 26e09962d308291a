/**
 * The order of a notebook's cells, sent with each of its execute requests: a question is sent the turns above it.
 *
 * Used by the extension of JupyterLab and Notebook 7, and by the asset widget where that is not installed.
 */

/** What is used of a notebook's document. */
export interface NotebookContext {
  readonly localPath: string;
  readonly model: { readonly cells?: Iterable<{ readonly id: string; readonly type: string }> };
}

/** What is used of a connection to a kernel. */
export interface ExecutingKernel {
  requestExecute(content: object, disposeOnDone?: boolean, metadata?: object, ...others: unknown[]): unknown;
}

// The extension and the widget find each other's mark.
const MARK = Symbol.for("cnai_magic.order");

/**
 * From now on each request to run a cell says in `metadata.cnai` which code cells the notebook has, in order, and the
 * page's `language` where it was chosen: English is what nobody chose.
 */
export function sendOrder(kernel: ExecutingKernel, context: NotebookContext, language = ""): void {
  const marked = kernel as ExecutingKernel & { [MARK]?: boolean };
  if (marked[MARK]) return;
  Object.defineProperty(marked, MARK, { value: true });
  const send = kernel.requestExecute;
  kernel.requestExecute = function (content, disposeOnDone, metadata, ...others) {
    return send.call(this, content, disposeOnDone, addOrder(metadata, context, language), ...others);
  };
}

/** What the kernel is told of a notebook: its path, and its code cells in order. */
export function describeOrder({ localPath, model }: NotebookContext): { cells: string[]; path: string } {
  const cells: string[] = [];
  for (const cell of model.cells ?? []) if (cell.type === "code") cells.push(cell.id);
  return { cells, path: localPath };
}

function addOrder(metadata: object | undefined, context: NotebookContext, language: string): object | undefined {
  if (!metadata || !("cellId" in metadata)) return metadata;
  try {
    const chosen = language && !/^(en|default)/i.test(language) ? { language } : {};
    return { ...metadata, cnai: { ...describeOrder(context), ...chosen } };
  } catch {
    // The cell runs, whatever becomes of its document.
    return metadata;
  }
}
