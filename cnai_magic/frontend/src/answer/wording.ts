/** What the line below an answer says while it comes. */

import type { StopState } from "./stop";
import type { AnswerStore, Header, Status } from "./store";

export const INTERRUPT_YOURSELF = "The kernel could not be reached from here: press the notebook\u2019s own Interrupt button.";

/** Model and turn, then what is waited for, or how far the answer is; at the end the footer. `elapsed` is in milliseconds. */
export function statusText(header: Header, store: AnswerStore, elapsed: number): string {
  if (store.ended && store.footer) return store.footer;
  const { model, turn, attempt } = header;
  const place = turn ? `turn ${turn}${attempt > 1 ? `, attempt ${attempt}` : ""}` : "";
  return [model, place, ...state(store, elapsed)].filter(Boolean).join(" \u00b7 ");
}

function state(store: AnswerStore, elapsed: number): string[] {
  if (store.lost) return [loss(store)];
  return store.waiting ? [waiting(store.status, elapsed / 1000)] : progress(store);
}

/** What is left of an answer whose kernel was lost. */
function loss({ lost, empty }: AnswerStore): string {
  return `kernel ${lost}: ${empty ? "nothing had arrived" : "the answer above is all that arrived"}`;
}

/** What the answer waits for, with the seconds since that began. */
function waiting(status: Status, elapsed: number): string {
  if (status.phase === "retry") {
    const left = Math.ceil((status.seconds ?? 0) - elapsed);
    return `${status.why || "failed"}; trying again${left > 0 ? ` in ${left} s` : ""}`;
  }
  const what = { waiting: "waiting", streaming: "waiting", queued: "queued", prices: "waiting for prices", holds: "waiting for the budget" };
  return `${what[status.phase]} ${Math.max(Math.floor(elapsed), 0)} s`;
}

function progress({ progress, text, reasoning }: AnswerStore): string[] {
  const thinks = text.empty && !reasoning.empty;
  const parts = thinks ? ["thinking"] : [];
  if (progress === null) return parts;
  const { tokens, thinking, rate, cost } = progress;
  const part = thinking && !thinks ? ` (${count(thinking)} thinking)` : "";
  parts.push(`${count(tokens)} ${tokens === 1 ? "token" : "tokens"}${part}`);
  if (rate > 0) parts.push(`${rate < 10 ? rate.toFixed(1) : Math.round(rate)}/s`);
  parts.push(cost);
  return parts;
}

function count(number: number): string {
  return number.toLocaleString("en-US");
}

/** What a screen reader says: each phase once, and no seconds, which change. */
export function announcement(store: AnswerStore, stop: StopState): string {
  if (store.lost) return loss(store);
  if (store.over) return "The answer is complete";
  if (stop === "unreachable") return INTERRUPT_YOURSELF;
  if (stop !== "idle") return "Stopping";
  const { phase, why } = store.status;
  if (phase === "streaming") return "The answer is arriving";
  if (phase === "queued") return "The question is queued";
  return phase === "retry" ? `${why || "failed"}; trying again` : "Waiting for the answer";
}

export function stopLabel(state: StopState): string {
  return state === "idle" || state === "unreachable" ? "Stop" : "Stopping\u2026";
}
