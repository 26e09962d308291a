/** What is known of one answer. It belongs to the model; every view draws from it. */

import { GrowingText } from "../markdown/growing_text";
import type { Loss } from "./kernel_watch";

export interface Header {
  model: string;
  turn: number;
  attempt: number;
  kernel_id: string;
  can_stop: boolean;
}
export interface Snapshot {
  seq: number;
  text: string;
  reasoning: string;
}
export type Phase = "waiting" | "queued" | "retry" | "streaming" | "stopping" | "done";
export interface Status {
  phase: Phase;
  seconds?: number;
  why?: string;
}
export interface Footer {
  tokens: number;
  /** How many of the tokens are thinking. */
  thinking: number;
  rate: number | null;
  cost: string;
  /** The footer that the answer would have if it ended now. */
  line: string;
}

// A gap that lasts is more than messages out of order; what came since is dropped for the snapshot.
const MOST_PENDING = 2000;

export class AnswerStore {
  readonly texts = new GrowingText();
  readonly thoughts = new GrowingText();
  status: Status = { phase: "waiting" };
  /** When the phase began, in the clock's milliseconds; a status sent again does not begin it anew. */
  since: number;
  footer: Footer | null = null;
  ended = false;
  /** How the kernel was lost before the answer ended. */
  lost: Loss | null = null;
  /** The kernel has said that it stops. */
  acknowledged = false;
  private seq = 0;
  private pending = new Map<number, Snapshot>();
  private asked = false;
  private listeners = new Set<() => void>();

  constructor(
    private readonly resync: () => void,
    private readonly clock: () => number,
  ) {
    this.since = clock();
  }

  get over(): boolean {
    return this.ended || this.lost !== null || this.status.phase === "done";
  }

  /** Whether nothing of the answer has come yet. */
  get waiting(): boolean {
    return !this.over && this.texts.empty && this.thoughts.empty;
  }

  /** What will stand below the answer, as far as it is known. */
  get finalLine(): string {
    return this.footer?.line ?? "";
  }

  subscribe(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  snapshot(value: unknown): void {
    const snapshot = asSnapshot(value);
    if (snapshot === null || snapshot.seq <= this.seq) return;
    this.texts.become(snapshot.text);
    this.thoughts.become(snapshot.reasoning);
    this.seq = snapshot.seq;
    this.drain();
    this.tell();
  }

  setStatus(value: unknown): void {
    const status = value as Partial<Status> | null | undefined;
    if (!status || !isPhase(status.phase)) return;
    if (status.phase !== this.status.phase || status.phase === "retry") this.since = this.clock();
    this.status = status as Status;
    if (status.phase === "stopping") this.acknowledged = true;
    this.tell();
  }

  message(value: unknown): void {
    const message = value as { kind?: unknown } | null | undefined;
    switch (message?.kind) {
      case "delta": {
        const delta = asSnapshot(message);
        if (delta === null || delta.seq <= this.seq) return;
        if (this.pending.size < MOST_PENDING) this.pending.set(delta.seq, delta);
        this.drain();
        break;
      }
      case "footer":
        this.footer = message as unknown as Footer;
        break;
      case "stopping":
        this.acknowledged = true;
        break;
      case "ended": {
        const { footer: line } = message as { footer?: unknown };
        if (typeof line === "string") this.footer = { ...this.footer, line } as Footer;
        this.ended = true;
        break;
      }
      default:
        return;
    }
    this.tell();
  }

  /** The kernel is no more: what has arrived is all that will. */
  lose(how: Loss): void {
    if (this.over) return;
    this.lost = how;
    this.tell();
  }

  /** Take in the pieces that follow; ask for the whole, once, where one is missing. */
  private drain(): void {
    for (let next = this.pending.get(this.seq + 1); next; next = this.pending.get(this.seq + 1)) {
      this.pending.delete(next.seq);
      this.texts.push(next.text);
      this.thoughts.push(next.reasoning);
      this.seq = next.seq;
    }
    for (const seq of this.pending.keys()) if (seq <= this.seq) this.pending.delete(seq);
    if (this.pending.size === 0) this.asked = false;
    else if (!this.asked) {
      this.asked = true;
      this.resync();
    }
  }

  private tell(): void {
    for (const listener of [...this.listeners]) listener();
  }
}

function asSnapshot(value: unknown): Snapshot | null {
  const { seq, text, reasoning } = (value ?? {}) as Partial<Snapshot>;
  if (typeof seq !== "number" || !Number.isInteger(seq)) return null;
  return { seq, text: typeof text === "string" ? text : "", reasoning: typeof reasoning === "string" ? reasoning : "" };
}

function isPhase(phase: unknown): phase is Phase {
  return ["waiting", "queued", "retry", "streaming", "stopping", "done"].includes(phase as string);
}
