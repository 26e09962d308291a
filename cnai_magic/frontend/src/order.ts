/**
 * The order of a notebook's cells, sent with each of its execute requests: a question is sent the turns above it.
 *
 * Used by the extension of JupyterLab and Notebook 7, and by the asset widget where that is not installed.
 */

/** What is used of a notebook's document. */
export interface NotebookContext {
  readonly localPath: string;
  readonly model: { readonly cells?: Iterable<DocumentCell>; readonly sharedModel?: object };
}

/** What is used of a cell; only cells of code have outputs. */
interface DocumentCell {
  readonly id: string;
  readonly type: string;
  readonly outputs?: { readonly length: number };
}

/** What is used of a request to run a cell, and of the answer to it. */
interface Future {
  readonly done?: PromiseLike<Reply>;
}

interface Reply {
  readonly content?: { readonly status?: string };
}

/** What the kernel is told of a notebook; `document` is its name within this page, whatever its path becomes. */
export type Order = { cells: string[]; path: string; document: string };

/**
 * A document in this page: the cells that have shown something since they ran last, or whose run was aborted, and the
 * requests that run one.
 */
interface KnownDocument {
  readonly name: string;
  readonly shown: Set<string>;
  readonly running: Map<object, unknown>;
}

/** What is used of a connection to a kernel. */
export interface ExecutingKernel {
  requestExecute(content: object, disposeOnDone?: boolean, metadata?: object, ...others: unknown[]): unknown;
}

// The extension and the widget find each other's mark.
const MARK = Symbol.for("cnai_magic.order");
const documents = new WeakMap<NotebookContext, KnownDocument>();

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
    const ended = beginRun(metadata, context);
    const future = send.call(this, content, disposeOnDone, addOrder(metadata, context, language), ...others);
    void Promise.resolve((future as Future | undefined)?.done).then(ended, () => ended());
    return future;
  };
}

/**
 * Let the file keep the IDs of its cells: before format 4.5 it has none, and each page that opens it makes up others,
 * so that the kernel would know none of its cells again.
 */
export function keepIds({ model }: NotebookContext): void {
  const format = model.sharedModel as { nbformat?: number; nbformat_minor?: number } | undefined;
  if (format?.nbformat === 4 && format.nbformat_minor! < 5) format.nbformat_minor = 5;
}

/** Note that a cell runs, or waits to: it shows nothing yet. Returns what notes that it has ended, and how. */
function beginRun(metadata: object | undefined, context: NotebookContext): (reply?: Reply) => void {
  if (!metadata || !("cellId" in metadata)) return () => undefined;
  const { shown, running } = getDocument(context);
  const cell = metadata.cellId as string;
  shown.delete(cell);
  running.set(metadata, cell);
  return (reply) => {
    running.delete(metadata);
    // Below a cell that failed none is run, and what it had shown is gone.
    if (/^abort/.test(reply?.content?.status ?? "")) shown.add(cell);
  };
}

/**
 * Describe the code cells in order. One whose outputs were cleared is left out, as if it was deleted: nobody reads its
 * answer any more, and the file does not hold it.
 */
export function describeOrder(context: NotebookContext): Order {
  const { name, shown, running } = getDocument(context);
  const busy = new Set(running.values());
  const cells: string[] = [];
  for (const { id, type, outputs } of context.model.cells ?? []) {
    if (type !== "code") continue;
    if (!busy.has(id)) {
      if (outputs?.length) shown.add(id);
      else if (shown.has(id)) continue;
    }
    cells.push(id);
  }
  return { cells, path: context.localPath, document: name };
}

function getDocument(context: NotebookContext): KnownDocument {
  let known = documents.get(context);
  if (!known) {
    known = { name: Math.random().toString(36).slice(2, 10), shown: new Set(), running: new Map() };
    documents.set(context, known);
  }
  return known;
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
