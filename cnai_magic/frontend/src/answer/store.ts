/** What is known of one answer. It belongs to the model; every view draws from it. */

import { GrowingText } from "../markdown/growing_text";
import type { Loss } from "./kernel_watch";

/** What is known from the beginning. */
export interface Header {
  model: string;
  turn: number;
  attempt: number;
  kernel_id: string;
  /** What the kernel speaks: "en" or "zh". */
  language?: string;
}

// The kernel is waiting for an answer's beginning, for prices, for what other questions hold of the budget, for other
// answers that come first, in the server's queue, before another try; or text is arriving.
const PHASES = ["waiting", "prices", "holds", "turn", "queued", "retry", "streaming"] as const;
export interface Status {
  phase: (typeof PHASES)[number];
  /** Seconds until the next try. */
  seconds?: number;
  /** Why there is another try. */
  why?: string;
}

export interface Progress {
  tokens: number;
  /** How many of the tokens are thinking. */
  thinking: number;
  /** Tokens per second. */
  rate: number;
  cost: string;
  /** Of one of several answers: the seconds to the first token, and since it was asked. */
  first?: number | null;
  seconds?: number;
}

interface Delta {
  seq: number;
  text: string;
  reasoning: string;
}

// A gap that lasts is more than messages out of order; what came since is dropped for the snapshot.
const MOST_PENDING = 2000;

export class AnswerStore {
  readonly text = new GrowingText();
  readonly reasoning = new GrowingText();
  status: Status = { phase: "waiting" };
  /** When the phase began, in the clock's milliseconds; a status sent again does not begin it anew. */
  since: number;
  progress: Progress | null = null;
  /** The footer that the answer would have if it ended now. */
  footer = "";
  ended = false;
  /** Of one of several answers: why it failed, and whether it was stopped. */
  problem = "";
  stopped = false;
  /** How the kernel was lost before the answer ended. */
  lost: Loss | null = null;
  /** The kernel has said that it stops. */
  acknowledged = false;
  /** The number of the last delta that is part of the text. */
  private seq = 0;
  private readonly pending = new Map<number, Delta>();
  private asked = false;
  private readonly listeners = new Set<() => void>();

  constructor(
    private readonly resync: () => void,
    private readonly clock: () => number,
  ) {
    this.since = clock();
  }

  get over(): boolean {
    return this.ended || this.lost !== null;
  }

  /** Whether nothing has arrived. */
  get empty(): boolean {
    return this.text.empty && this.reasoning.empty;
  }

  /** Whether the answer is still to begin. */
  get waiting(): boolean {
    return !this.over && this.empty;
  }

  /** Call back after each change; returns what ends that. */
  subscribe(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  takeSnapshot(value: unknown): void {
    const snapshot = readDelta(value);
    if (snapshot === null || snapshot.seq <= this.seq) return;
    this.text.become(snapshot.text);
    this.reasoning.become(snapshot.reasoning);
    this.seq = snapshot.seq;
    this.drain();
    this.notify();
  }

  takeStatus(value: unknown): void {
    const status = (value ?? {}) as Status;
    if (!PHASES.includes(status.phase)) return;
    if (status.phase !== this.status.phase || status.phase === "retry") this.since = this.clock();
    this.status = status;
    this.notify();
  }

  takeMessage(value: unknown): void {
    const message = (value ?? {}) as { kind?: unknown };
    switch (message.kind) {
      case "delta": {
        const delta = readDelta(message);
        if (delta === null || delta.seq <= this.seq) return;
        if (this.pending.size < MOST_PENDING) this.pending.set(delta.seq, delta);
        this.drain();
        break;
      }
      case "snapshot":
        return this.takeSnapshot(message);
      case "status":
        return this.takeStatus(message);
      case "progress": {
        const { footer, ...progress } = message as Progress & { kind: unknown; footer: string };
        this.progress = progress;
        this.footer = footer;
        break;
      }
      case "stopping":
        this.acknowledged = true;
        break;
      case "ended":
        this.takeEnd(message as { footer?: string; problem?: string; stopped?: boolean });
        break;
      default:
        return;
    }
    this.notify();
  }

  private takeEnd({ footer, problem, stopped }: { footer?: string; problem?: string; stopped?: boolean }): void {
    this.footer = footer ?? this.footer;
    this.problem = problem ?? this.problem;
    this.stopped = stopped ?? this.stopped;
    this.ended = true;
  }

  /** The kernel is gone: what has arrived is all that will. */
  loseKernel(how: Loss): void {
    if (this.over) return;
    this.lost = how;
    this.notify();
  }

  /** Take in the deltas that follow; ask for the whole, once, where one is missing. */
  private drain(): void {
    for (let next = this.pending.get(this.seq + 1); next; next = this.pending.get(this.seq + 1)) {
      this.pending.delete(next.seq);
      this.text.push(next.text);
      this.reasoning.push(next.reasoning);
      this.seq = next.seq;
    }
    for (const seq of this.pending.keys()) if (seq <= this.seq) this.pending.delete(seq);
    if (this.pending.size === 0) this.asked = false;
    else if (!this.asked) {
      this.asked = true;
      this.resync();
    }
  }

  private notify(): void {
    for (const listener of [...this.listeners]) listener();
  }
}

function readDelta(value: unknown): Delta | null {
  const { seq, text, reasoning } = (value ?? {}) as Partial<Delta>;
  if (typeof seq !== "number" || !Number.isInteger(seq)) return null;
  return { seq, text: typeof text === "string" ? text : "", reasoning: typeof reasoning === "string" ? reasoning : "" };
}
