/** A run that began in a page that was left: what it shows goes to its cell, as if the page had stayed. */

import type { CodeCell, ICodeCellModel } from "@jupyterlab/cells";
import type { NotebookPanel } from "@jupyterlab/notebook";
import type { KernelMessage } from "@jupyterlab/services";

import { noteRun } from "../../src/order";
import { ComingAnswer } from "./coming_answer";
import { CommLink } from "./comm_link";
import { asRecord, asText, PAGE_TYPE, WIDGET_TYPE } from "./facts";
import type { LeftRun } from "./left_runs";
import { LeftWidget } from "./left_widget";
import { findCell, findModel } from "./notebook_cells";
import type { Words } from "./words";

export class TakenUpRun {
  private readonly coming: ComingAnswer;
  private readonly positions = new Map<string, number>();
  private count: number | null;
  private widget: LeftWidget | null = null;
  private over = false;
  private readonly ended: () => void;

  constructor(
    readonly run: LeftRun,
    private readonly panel: NotebookPanel,
    words: Words,
  ) {
    this.count = run.count;
    this.ended = noteRun(panel.context, run.cell);
    this.coming = new ComingAnswer(words, run.since);
    // As the page that was left had it: without what the cell showed of a former run.
    this.outputs?.fromJSON(run.outputs as never);
    void this.showComing();
    if (run.live) this.showLive(run.live.comm, run.live.header);
  }

  get isOver(): boolean {
    return this.over;
  }

  /** Show what a message brings, if it is of the run, or of the widget of its answer. */
  take({ header, parent_header, content }: KernelMessage.IMessage): void {
    const { execution_state, execution_count, comm_id, data } = asRecord(content);
    const type = header.msg_type;
    const isOwn = asText(asRecord(parent_header).msg_id) === this.run.message;
    if (type === "comm_msg") return this.takeLive(asText(comm_id), data, isOwn);
    if (!isOwn) return;
    if (type === "execute_input") {
      this.count = typeof execution_count === "number" ? execution_count : null;
      this.coming.begin(Date.now());
    } else if (["stream", "display_data", "execute_result", "error", "update_display_data"].includes(type)) {
      this.show(type, asRecord(content));
    } else if (type === "status" && execution_state === "idle") this.end();
  }

  /** Add the outputs that the page has missed; the run is over. */
  complete(outputs: readonly Record<string, unknown>[]): void {
    this.end();
    const known = new Set(this.outputs?.toJSON().map(nameRecord));
    for (const { data, metadata } of outputs) {
      const name = nameRecord({ metadata });
      if (name && !known.has(name)) this.outputs?.add({ output_type: "display_data", data, metadata } as never);
    }
  }

  /** The kernel restarted or is gone: what came of an answer stays in sight until the cell shows something else. */
  lose(): void {
    if (this.over) return;
    const { outputs } = this;
    if (!outputs || !this.coming.lose()) return this.end();
    this.over = true;
    this.ended();
    this.cell?.setPrompt("");
    const close = (): void => {
      outputs.changed.disconnect(close);
      this.coming.close();
    };
    outputs.changed.connect(close);
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
    // What comes later in the run has a view of its own.
    if (isEnd || WIDGET_TYPE in asRecord(output.data)) this.coming.close();
    if (isUpdate && position !== undefined) this.outputs?.set(position, made);
    else if (!isUpdate || isEnd) {
      const count = this.outputs?.add(made);
      if (name && count) this.positions.set(name, count - 1);
    }
  }

  private takeLive(comm: string, data: unknown, isOwn: boolean): void {
    const { kind } = asRecord(asRecord(data).content);
    if (!this.widget && isOwn && (kind === "delta" || kind === "progress")) this.showLive(comm, {});
    if (this.widget?.comm === comm) this.widget.take(data);
  }

  /** Show the answer that comes by a comm; without a header its model is unknown. */
  private showLive(comm: string, header: Record<string, unknown>): void {
    const { panel } = this;
    const kernel = panel.sessionContext.session?.kernel;
    if (!kernel || this.over) return;
    const manager = {
      get kernel() {
        return panel.sessionContext.session?.kernel ?? null;
      },
      rendermime: panel.content.rendermime,
    };
    const link = new CommLink(kernel, comm);
    this.widget = new LeftWidget(comm, { model: "", turn: 0, attempt: 0, ...header, kernel_id: kernel.id }, link, manager);
    // Where the view cannot be loaded, the line stays that says that an answer is coming.
    void this.coming.show(this.widget).catch(() => undefined);
  }

  private end(): void {
    if (this.over) return;
    this.over = true;
    this.ended();
    this.coming.close();
    const { model, cell } = this;
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
