/** What the lines above and below an answer say. */

import type { Footer, Header, Status } from "./store";
import type { StopState } from "./stop";

export const INTERRUPT_YOURSELF = "The kernel could not be reached from here: press the notebook\u2019s own Interrupt button.";

export function headline(header: Partial<Header>): string {
  const { model, conversation, turn } = header;
  const where = turn ? [conversation, `turn ${turn}`].filter(Boolean).join(", ") : "once";
  return [model, where].filter(Boolean).join(" \u00b7 ");
}

/** What a reader waits for, with the seconds since the phase began; empty once there is text to see. */
export function waiting(status: Status, elapsed: number): string {
  const seconds = Math.max(Math.floor(elapsed / 1000), 0);
  switch (status.phase) {
    case "waiting":
      return `waiting ${seconds} s`;
    case "queued":
      return `queued ${seconds} s`;
    case "retry": {
      const left = Math.ceil((status.seconds ?? 0) - elapsed / 1000);
      return `${status.why || "failed"}; ${left > 0 ? `trying again in ${left} s` : "trying again"}`;
    }
    default:
      return "";
  }
}

/** What is read out: each phase once, and no seconds. */
export function announcement(status: Status, stop: StopState): string {
  if (stop === "unreachable" && status.phase !== "done") return INTERRUPT_YOURSELF;
  switch (status.phase) {
    case "waiting":
      return "Waiting for the answer";
    case "queued":
      return "The question is queued";
    case "retry":
      return `${status.why || "failed"}; trying again in ${Math.ceil(status.seconds ?? 0)} seconds`;
    case "streaming":
      return stop === "idle" ? "The answer is arriving" : "Stopping";
    case "stopping":
      return "Stopping";
    case "done":
      return "The answer is complete";
  }
}

export function footline(footer: Partial<Footer> | null, final: string | undefined): string {
  if (final) return final;
  if (footer === null) return "";
  const { tokens, rate, first_token: first, cost, total } = footer;
  const parts: string[] = [];
  if (typeof tokens === "number") parts.push(`${tokens} ${tokens === 1 ? "token" : "tokens"}`);
  if (typeof rate === "number" && rate > 0) parts.push(`${rate < 10 ? rate.toFixed(1) : Math.round(rate)} tokens/s`);
  if (typeof first === "number") parts.push(`first token ${first.toFixed(1)} s`);
  if (cost) parts.push(cost);
  if (total) parts.push(`this notebook ${total}`);
  return parts.join(" \u00b7 ");
}

export function stopLabel(state: StopState): string {
  return state === "idle" || state === "unreachable" ? "Stop" : "Stopping\u2026";
}
