/** A run that began in a page that was left: what it shows goes to its cell, as if the page had stayed. */

import type { CodeCell, ICodeCellModel } from "@jupyterlab/cells";
import type { NotebookPanel } from "@jupyterlab/notebook";
import type { KernelMessage } from "@jupyterlab/services";

import { ComingAnswer } from "./coming_answer";
import { asRecord, asText, PAGE_TYPE, WIDGET_TYPE } from "./facts";
import type { LeftRun } from "./left_runs";
import { findCell, findModel } from "./notebook_cells";
import type { Words } from "./words";

export class TakenUpRun {
  private readonly coming: ComingAnswer;
  private readonly positions = new Map<string, number>();
  private count: number | null;
  private over = false;

  constructor(
    readonly run: LeftRun,
    private readonly panel: NotebookPanel,
    words: Words,
  ) {
    this.count = run.count;
    this.coming = new ComingAnswer(words, run.since);
    // As the page that was left had it: without what the cell showed of a former run.
    this.outputs?.fromJSON(run.outputs as never);
    void this.showComing();
  }

  get isOver(): boolean {
    return this.over;
  }

  /** Show what a message of the run brings. */
  take({ header, content }: KernelMessage.IMessage): void {
    const { execution_state, execution_count, data } = asRecord(content);
    const type = header.msg_type;
    if (type === "execute_input") {
      this.count = typeof execution_count === "number" ? execution_count : null;
      this.coming.begin(Date.now());
    } else if (type === "comm_msg") this.coming.take(data);
    else if (["stream", "display_data", "execute_result", "error", "update_display_data"].includes(type)) {
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
    // Its own view shows the answer from here on.
    if (WIDGET_TYPE in asRecord(output.data)) this.coming.close();
    if (isUpdate && position !== undefined) this.outputs?.set(position, made);
    else if (!isUpdate || PAGE_TYPE in asRecord(output.data)) {
      const count = this.outputs?.add(made);
      if (name && count) this.positions.set(name, count - 1);
    }
  }

  private end(): void {
    if (this.over) return;
    this.over = true;
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
  }
}

/** By what an output is known that holds an answer or a change of a conversation; "" for any other. */
function nameRecord(output: object): string {
  const { id, time } = asRecord(asRecord(asRecord(output).metadata).cnai);
  return asText(id) || asText(time);
}
