/** A run that began in a page that was left: what it shows goes to its cell, as if the page had stayed. */

import type { CodeCell, ICodeCellModel } from "@jupyterlab/cells";
import type { NotebookPanel } from "@jupyterlab/notebook";
import type { KernelMessage } from "@jupyterlab/services";

import { noteRun } from "../../src/order";
import { ComingAnswer } from "./coming_answer";
import { CommLink } from "./comm_link";
import { asRecord, asText, PAGE_TYPE, WIDGET_TYPE } from "./facts";
import type { LeftRun, LiveWidget } from "./left_runs";
import { LeftWidget } from "./left_widget";
import { findCell, findModel } from "./notebook_cells";
import type { Words } from "./words";

export class TakenUpRun {
  private coming: ComingAnswer;
  private readonly positions = new Map<string, number>();
  private since: number;
  private count: number | null;
  private live: LiveWidget | null;
  private widget: LeftWidget | null = null;
  private over = false;
  private readonly ended: () => void;
  private readonly former: string | undefined;

  constructor(
    private readonly run: LeftRun,
    private readonly panel: NotebookPanel,
    private readonly words: Words,
  ) {
    this.since = run.since;
    this.count = run.count;
    this.live = run.live;
    this.former = this.lastRun;
    this.ended = noteRun(panel.context, run.cell);
    this.coming = new ComingAnswer(words, run.since);
    // As the page that was left had it: without what the cell showed of a former run.
    this.outputs?.fromJSON(run.outputs as never);
    void this.showComing();
    if (run.live) this.showLive(run.live, false);
  }

  get message(): string {
    return this.run.message;
  }

  get cellId(): string {
    return this.run.cell;
  }

  get isOver(): boolean {
    return this.over;
  }

  /** What the next page needs of it, if this one is left too. */
  describe(): LeftRun {
    const { run, since, count, live } = this;
    const outputs = since ? (this.outputs?.toJSON() ?? []) : [];
    return { ...run, since, count, live, outputs: outputs.filter((each) => !(WIDGET_TYPE in asRecord(each.data))) };
  }

  /** Show what a message brings, if it is of the run, or of the widget of its answer. */
  take({ header, parent_header, content }: KernelMessage.IMessage): void {
    if (this.isPast) return this.end();
    const { execution_state, execution_count, comm_id, data } = asRecord(content);
    const type = header.msg_type;
    const isOwn = asText(asRecord(parent_header).msg_id) === this.run.message;
    if (type === "comm_msg") return this.takeLive(asText(comm_id), data, isOwn);
    if (!isOwn) return;
    if (type === "execute_input") {
      this.since = Date.now();
      this.count = typeof execution_count === "number" ? execution_count : null;
      this.coming.begin(this.since);
    } else if (type === "comm_open") this.open(asText(comm_id), asRecord(asRecord(data).state));
    else if (["stream", "display_data", "execute_result", "error", "update_display_data"].includes(type)) {
      this.show(type, asRecord(content));
    } else if (type === "status" && execution_state === "idle") this.end();
  }

  /** Add the outputs that the page has missed; the run is over. */
  complete(outputs: readonly Record<string, unknown>[]): void {
    this.end();
    if (this.isPast) return;
    const known = new Set(this.outputs?.toJSON().map(nameRecord));
    for (const { data, metadata } of outputs) {
      const name = nameRecord({ metadata });
      if (name && !known.has(name)) this.outputs?.add({ output_type: "display_data", data, metadata } as never);
    }
  }

  /** The kernel restarted or is gone: what came of an answer stays as text. */
  lose(): void {
    this.coming.lose();
    this.count = null;
    this.end();
  }

  /** Whether its cell has been run again since: what it shows is of that run. */
  private get isPast(): boolean {
    return this.lastRun !== this.former;
  }

  /** The request by which this view ran its cell last, if it did. */
  private get lastRun(): string | undefined {
    return this.cell?.outputArea.future?.msg.header.msg_id;
  }

  private get model(): ICodeCellModel | undefined {
    return findModel(this.panel, this.run.cell);
  }

  private get outputs(): ICodeCellModel["outputs"] | undefined {
    return this.model?.outputs;
  }

  private show(type: string, content: Record<string, unknown>): void {
    const { transient, ...output } = content;
    const name = asText(asRecord(transient).display_id);
    const position = this.positions.get(name);
    const isUpdate = type === "update_display_data";
    const made = { ...output, output_type: isUpdate ? "display_data" : type } as never;
    // Of an answer that this page did not see begin, it does not know the name of the output.
    const isEnd = isUpdate && position === undefined && (PAGE_TYPE in asRecord(output.data) || this.coming.isLive);
    const view = asRecord(asRecord(output.data)[WIDGET_TYPE]);
    // It is shown already: in a page that does not have what an earlier cell opened the widget would find nothing.
    if (this.live && view.model_id === this.live.comm) return;
    if (isEnd || WIDGET_TYPE in asRecord(output.data)) this.coming.close();
    if (isUpdate && position !== undefined) this.outputs?.set(position, made);
    else if (!isUpdate || isEnd) {
      const count = this.outputs?.add(made);
      if (name && count) this.positions.set(name, count - 1);
    }
  }

  /** An answer begins in this page: show it as it comes. */
  private open(comm: string, state: Record<string, unknown>): void {
    if (!("snapshot" in state)) return;
    this.coming.close();
    this.coming = new ComingAnswer(this.words, this.since);
    void this.showComing();
    this.showLive({ comm, header: asRecord(state.header) }, true);
  }

  private takeLive(comm: string, data: unknown, isOwn: boolean): void {
    const { kind } = asRecord(asRecord(data).content);
    if (!this.widget && isOwn && (kind === "delta" || kind === "progress")) this.showLive({ comm, header: {} }, false);
    if (this.widget?.comm === comm) this.widget.take(data);
  }

  /** Show the answer that comes by a comm, of which this page sees all or not; without a header its model is unknown. */
  private showLive(live: LiveWidget, whole: boolean): void {
    const { panel } = this;
    const { comm, header } = live;
    const kernel = panel.sessionContext.session?.kernel;
    if (!kernel || this.over) return;
    const manager = {
      get kernel() {
        return panel.sessionContext.session?.kernel ?? null;
      },
      rendermime: panel.content.rendermime,
    };
    const link = new CommLink(kernel, comm);
    const about = { model: "", turn: 0, attempt: 0, ...header, kernel_id: kernel.id };
    this.live = live;
    this.widget = new LeftWidget(comm, about, link, manager, whole);
    // Where the view cannot be loaded, the line stays that says that an answer is coming.
    void this.coming.show(this.widget).catch(() => undefined);
  }

  private end(): void {
    if (this.over) return;
    this.over = true;
    this.ended();
    this.coming.close();
    const { model, cell } = this;
    if (this.isPast) return;
    if (this.count !== null && model) model.executionCount = this.count;
    cell?.setPrompt(this.count === null ? "" : String(this.count));
  }

  private get cell(): CodeCell | undefined {
    return findCell(this.panel, this.run.cell) as CodeCell | undefined;
  }

  private async showComing(): Promise<void> {
    const { cell } = this;
    await cell?.ready;
    if (this.over || !cell || cell.isDisposed) return;
    cell.setPrompt("*");
    cell.outputArea.node.append(this.coming.node);
    // Below a cell that shows something JupyterLab leaves a little space.
    cell.removeClass("jp-mod-noOutputs");
  }
}

/** By what an output is known that holds an answer or a change of a conversation; "" for any other. */
function nameRecord(output: object): string {
  const { id, time } = asRecord(asRecord(asRecord(output).metadata).cnai);
  return asText(id) || asText(time);
}
