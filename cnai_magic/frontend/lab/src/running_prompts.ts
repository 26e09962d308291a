/** The prompts of a notebook that are running or wait to run, by the messages that asked for it. */

import type { DocumentRegistry } from "@jupyterlab/docregistry";
import type { INotebookModel } from "@jupyterlab/notebook";
import type { Kernel, KernelMessage } from "@jupyterlab/services";
import { type ISignal, Signal } from "@lumino/signaling";

import { asRecord, asText, isId } from "./facts";
import type { LiveWidget } from "./left_runs";

export interface RunningPrompt {
  readonly cell: string;
  /** When it began to run, in milliseconds since 1970; 0 while it waits. */
  since: number;
  count: number | null;
  /** The widget that shows its latest answer, once there is one. */
  live: LiveWidget | null;
}

const PROMPT = /cnai/;

export class RunningPrompts {
  readonly byMessage = new Map<string, RunningPrompt>();
  private readonly signal = new Signal<this, void>(this);
  private kernel: Kernel.IKernelConnection | null = null;

  constructor(private readonly context: DocumentRegistry.IContext<INotebookModel>) {
    context.sessionContext.kernelChanged.connect(() => this.follow());
    this.follow();
  }

  get changed(): ISignal<this, void> {
    return this.signal;
  }

  private follow(): void {
    const kernel = this.context.sessionContext.session?.kernel ?? null;
    if (kernel === this.kernel) return;
    this.kernel?.anyMessage.disconnect(this.read, this);
    this.byMessage.clear();
    this.kernel = kernel;
    kernel?.anyMessage.connect(this.read, this);
    this.signal.emit();
  }

  private read(_: unknown, { msg, direction }: Kernel.IAnyMessageArgs): void {
    if (direction === "send") this.readSent(msg);
    else this.readReceived(msg);
  }

  private readSent({ header, content, metadata }: KernelMessage.IMessage): void {
    const cell = asRecord(metadata).cellId;
    if (header.msg_type === "execute_request" && isId(cell) && PROMPT.test(asText(asRecord(content).code))) {
      this.byMessage.set(header.msg_id, { cell, since: 0, count: null, live: null });
      this.signal.emit();
    }
  }

  private readReceived({ header, content, parent_header }: KernelMessage.IMessage): void {
    const parent = asText(asRecord(parent_header).msg_id);
    const running = this.byMessage.get(parent);
    if (!running) return;
    const { execution_count, execution_state, comm_id, data } = asRecord(content);
    if (header.msg_type === "execute_input") {
      running.since = Date.now();
      running.count = typeof execution_count === "number" ? execution_count : null;
    } else if (header.msg_type === "execute_reply" || (header.msg_type === "status" && execution_state === "idle")) {
      this.byMessage.delete(parent);
    } else if (header.msg_type === "comm_open" && "snapshot" in asRecord(asRecord(data).state)) {
      running.live = { comm: asText(comm_id), header: asRecord(asRecord(asRecord(data).state).header) };
    } else return;
    this.signal.emit();
  }
}
