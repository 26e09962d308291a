/**
 * Stopping an answer: ask the kernel by the widget's own channel, and where no acknowledgement comes in time,
 * interrupt it as the notebook's own button does. Never after the answer has ended.
 */

export type StopState = "idle" | "asked" | "interrupting" | "stopping" | "unreachable" | "over";

// Milliseconds that the kernel has to acknowledge.
export const PATIENCE = 400;

export interface StopEffects {
  send(): void;
  /** Interrupt the kernel; null where there is no way to. Resolves to whether the server took it. */
  interrupt(): Promise<boolean> | null;
  /** Tell the kernel that whatever interrupt there was has gone out, and that none will follow. */
  settled(): void;
  /** Act later; returns what cancels that. */
  after(milliseconds: number, action: () => void): () => void;
}

export class StopControl {
  state: StopState = "idle";
  private cancel: () => void = () => undefined;
  private acknowledged = false;
  private interruption: Promise<boolean> = Promise.resolve(false);
  private readonly listeners = new Set<() => void>();

  constructor(private readonly effects: StopEffects) {}

  /** Call back after each change; returns what ends that. */
  subscribe(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  /** Stop was pressed. Pressing it again does nothing, except where the kernel could not be reached. */
  press(): void {
    if (this.state !== "idle" && this.state !== "unreachable") return;
    this.become("asked");
    this.effects.send();
    this.cancel = this.effects.after(PATIENCE, () => void this.fallBack());
  }

  /** The kernel has said that it stops. */
  acknowledge(): void {
    if (this.state === "over" || this.state === "stopping") return;
    this.cancel();
    this.acknowledged = true;
    this.become("stopping");
  }

  /** The answer has ended: from now on nothing is sent. */
  end(): void {
    if (this.state === "over") return;
    this.cancel();
    // The kernel waits for this: an interrupt that is on its way must not meet its next cell.
    if (this.state !== "idle" && !this.acknowledged) void this.interruption.then(() => this.effects.settled());
    this.become("over");
  }

  private async fallBack(): Promise<void> {
    if (this.state !== "asked") return;
    const answer = this.effects.interrupt();
    if (answer === null) return this.become("unreachable");
    this.become("interrupting");
    this.interruption = answer.catch(() => false);
    const taken = await this.interruption;
    // Meanwhile it may have ended, or have been acknowledged.
    if ((this.state as StopState) === "interrupting") this.become(taken ? "stopping" : "unreachable");
  }

  private become(state: StopState): void {
    this.state = state;
    for (const listener of [...this.listeners]) listener();
  }
}
