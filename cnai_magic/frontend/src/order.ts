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
  readonly outputs?: { readonly length: number; get?(index: number): { readonly metadata?: object } | undefined };
}

/** What is read of the record that an output keeps of its answer, or a command's of an `event`. */
interface Recorded {
  readonly event?: unknown;
  readonly id?: unknown;
  readonly time?: unknown;
  readonly cell?: unknown;
  readonly kept?: { readonly cell?: unknown; readonly time?: unknown };
  readonly turn?: unknown;
}

/** What is used of a request to run a cell, and of the answer to it. */
interface Future {
  readonly done?: PromiseLike<unknown>;
}

/**
 * What the kernel is told of a notebook: its code cells, and by their indices those that show nothing, and those that
 * show answers and changes; of a copy, which shows those of another cell, with their names. `document` is its name within
 * this page, whatever its path becomes.
 */
export type Order = {
  cells: string[];
  without_output: number[];
  recorded: (number | [number, ...string[]])[];
  path: string;
  document: string;
};

/** A document in this page, and its cells that run or wait to. */
interface KnownDocument {
  readonly name: string;
  readonly running: Set<{ readonly cell: string }>;
}

/** What is used of a connection to a kernel. */
export interface ExecutingKernel {
  requestExecute(content: object, disposeOnDone?: boolean, metadata?: object, ...others: unknown[]): unknown;
}

// The extension and the widget find each other's mark.
const MARK = Symbol.for("cnai_magic.order");
/** Events that change nothing of what is sent: compared, rate, rows; or the turn of an answer in no conversation. */
const NEVER_SENT = /^(co|ra|ro|0)/;
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
    const ended = metadata && "cellId" in metadata ? noteRun(context, metadata.cellId as string) : () => undefined;
    const future = send.call(this, content, disposeOnDone, addOrder(metadata, context, language), ...others);
    void Promise.resolve((future as Future | undefined)?.done).then(ended, ended);
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

/** Note that a cell runs, or waits to: it shows nothing yet. Returns what notes that it has ended. */
export function noteRun(context: NotebookContext, cell: string): () => void {
  const { running } = getDocument(context);
  const run = { cell };
  running.add(run);
  return () => {
    running.delete(run);
  };
}

/**
 * Describe the code cells in order. What a cell asked that shows nothing cannot be read here, nor in the file: nobody ran
 * it, its outputs were cleared or captured, or a cell above it failed.
 */
export function describeOrder(context: NotebookContext): Order {
  const { name, running } = getDocument(context);
  const busy = new Set([...running].map((run) => run.cell));
  const cells: string[] = [];
  const withoutOutput: number[] = [];
  const recorded: Order["recorded"] = [];
  for (const cell of context.model.cells ?? []) {
    if (cell.type !== "code") continue;
    if (!cell.outputs?.length && !busy.has(cell.id)) withoutOutput.push(cells.length);
    const copied = listCopied(cell);
    if (copied) recorded.push(copied.length ? [cells.length, ...copied] : cells.length);
    cells.push(cell.id);
  }
  return { cells, without_output: withoutOutput, recorded, path: context.localPath, document: name };
}

/**
 * Return the names of the records in a cell that are of another one: the answer or the time of each, and when what it
 * keeps was written; undefined where the cell has none that is sent. A notebook may come from anybody.
 */
function listCopied({ id, outputs }: DocumentCell): string[] | undefined {
  let found: string[] | undefined;
  for (let index = 0; index < (outputs?.length as number); index++) {
    const metadata = outputs!.get?.(index)?.metadata as { cnai?: Recorded } | undefined;
    const record = metadata?.cnai;
    if (!record) continue;
    const isCopy = (record.cell ?? record.kept?.cell) !== id;
    if ((isCopy && record.kept) || !NEVER_SENT.test((record.event ?? record.turn ?? 0) as string)) {
      found ??= [];
      if (isCopy) found.push((record.id ?? record.time) as string, record.kept?.time as string);
    }
  }
  return found;
}

function getDocument(context: NotebookContext): KnownDocument {
  let known = documents.get(context);
  if (!known) {
    known = { name: Math.random().toString(36).slice(2), running: new Set() };
    documents.set(context, known);
  }
  return known;
}

function addOrder(metadata: object | undefined, context: NotebookContext, language: string): object | undefined {
  if (!metadata || !("cellId" in metadata)) return metadata;
  try {
    const chosen = language && !/^(en|default)/i.test(language) && { language };
    return { ...metadata, cnai: { ...describeOrder(context), ...(chosen as object) } };
  } catch {
    // The cell runs, whatever becomes of its document.
    return metadata;
  }
}
