/** Stands for the widget of an answer whose page was left: its live view shows what the messages of its comm bring. */

import type { WidgetModel } from "../../src/index";
import type { CommLink } from "./comm_link";
import { asRecord, asText } from "./facts";

type Listener = (value: unknown) => void;

export class LeftWidget implements WidgetModel {
  private readonly state: Record<string, unknown>;
  private readonly listeners = new Map<string, Listener[]>();
  private early: unknown[] = [];

  constructor(
    readonly comm: string,
    header: Record<string, unknown>,
    private readonly link: CommLink,
    readonly widget_manager: WidgetModel["widget_manager"],
    private whole = false,
  ) {
    this.state = { header, snapshot: null, status: null };
  }

  get(name: string): unknown {
    return this.state[name];
  }

  on(event: string, listener: Listener): void {
    this.listeners.set(event, [...(this.listeners.get(event) ?? []), listener]);
    if (event !== "msg:custom") return;
    for (const each of this.early.splice(0)) listener(each);
  }

  send(message: unknown): void {
    this.link.send({ method: "custom", content: message as never });
  }

  /** Take what the kernel sent to the widget. */
  take(data: unknown): void {
    const { method, content, state } = asRecord(data);
    if (method === "custom") this.takeMessage(content);
    if (method !== "update") return;
    for (const [name, value] of Object.entries(asRecord(state))) this.update(name, value);
  }

  /** The kernel restarted or is gone: what has come is all that will. */
  lose(): void {
    this.emit("comm_live_update", undefined);
  }

  close(): void {
    this.link.close();
  }

  private takeMessage(message: unknown): void {
    const { kind, seq } = asRecord(message);
    if (kind !== "delta" || typeof seq !== "number" || this.whole) return this.emit("msg:custom", message);
    // The view has asked for the beginning, which a kernel may not hear before it is idle. Until it comes the text is
    // shown without it; the numbers are such that the whole is taken for newer.
    if (this.state.snapshot === null) this.emit("msg:custom", { kind: "snapshot", seq: seq - 2, text: "… ", reasoning: "" });
    this.state.snapshot ??= {};
    this.emit("msg:custom", { ...asRecord(message), seq: seq - 1 });
  }

  private update(name: string, value: unknown): void {
    if (name === "snapshot") {
      const { text, reasoning, columns } = asRecord(value);
      if (asText(text) || asText(reasoning) || Array.isArray(columns)) this.whole = true;
    }
    this.state[name] = value;
    this.emit(`change:${name}`, value);
  }

  private emit(event: string, value: unknown): void {
    const listeners = this.listeners.get(event);
    if (!listeners && event === "msg:custom") this.early.push(value);
    for (const each of listeners ?? []) each(value);
  }
}
