/** What the line below an answer says while it comes. */

import type { AnswerStore, Header } from "./store";
import type { StopState } from "./stop";

export const INTERRUPT_YOURSELF = "The kernel could not be reached from here: press the notebook\u2019s own Interrupt button.";

/** Model and turn, then what is waited for, or how far the answer is. */
export function facts(header: Partial<Header>, store: AnswerStore, elapsed: number): string {
  if (store.over && store.finalLine && !store.lost) return store.finalLine;
  const { model, turn, attempt } = header;
  const where = turn ? `turn ${turn}${(attempt ?? 1) > 1 ? `, attempt ${attempt}` : ""}` : "";
  return [model, where, ...state(store, elapsed)].filter(Boolean).join(" \u00b7 ");
}

function state(store: AnswerStore, elapsed: number): string[] {
  if (store.lost) return [lossOf(store)];
  return store.waiting ? [waiting(store, elapsed)] : progress(store);
}

/** What is left of an answer whose kernel was lost. */
function lossOf({ lost, texts, thoughts }: AnswerStore): string {
  const left = texts.empty && thoughts.empty ? "nothing had arrived" : "the answer above is all that arrived";
  return `kernel ${lost}: ${left}`;
}

/** What a reader waits for, with the seconds since the phase began. */
function waiting({ status }: AnswerStore, elapsed: number): string {
  const seconds = Math.max(Math.floor(elapsed / 1000), 0);
  switch (status.phase) {
    case "queued":
      return `queued ${seconds} s`;
    case "retry": {
      const left = Math.ceil((status.seconds ?? 0) - elapsed / 1000);
      return `${status.why || "failed"}; ${left > 0 ? `trying again in ${left} s` : "trying again"}`;
    }
    default:
      return `waiting ${seconds} s`;
  }
}

function progress({ footer, texts, thoughts }: AnswerStore): string[] {
  const thinks = texts.empty && !thoughts.empty;
  const parts = thinks ? ["thinking"] : [];
  if (footer === null) return parts;
  const { tokens, thinking, rate, cost } = footer;
  if (typeof tokens === "number") {
    const part = thinking && !thinks ? ` (${count(thinking)} thinking)` : "";
    parts.push(`${count(tokens)} ${tokens === 1 ? "token" : "tokens"}${part}`);
  }
  if (typeof rate === "number" && rate > 0) parts.push(`${rate < 10 ? rate.toFixed(1) : Math.round(rate)}/s`);
  if (cost) parts.push(cost);
  return parts;
}

function count(number: number): string {
  return number.toLocaleString("en-US");
}

/** What is read out: each phase once, and no seconds. */
export function announcement(store: AnswerStore, stop: StopState): string {
  const { status } = store;
  if (store.lost) return lossOf(store);
  if (store.over) return "The answer is complete";
  if (stop === "unreachable") return INTERRUPT_YOURSELF;
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

export function stopLabel(state: StopState): string {
  return state === "idle" || state === "unreachable" ? "Stop" : "Stopping\u2026";
}
