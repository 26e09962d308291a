/** What the line below an answer says while it comes. */

import type { StopState } from "./stop";
import type { AnswerStore, Header, Status } from "./store";
import { chooseWords, sayInEnglish, type Words } from "./words";

export const INTERRUPT_YOURSELF = "The kernel could not be reached from here: press the notebook\u2019s own Interrupt button.";

/** Model and turn, then what is waited for, or how far the answer is; at the end the footer. `elapsed` is in milliseconds. */
export function writeStatus(header: Header, store: AnswerStore, elapsed: number): string {
  if (store.ended && store.footer) return store.footer;
  const { model, turn, attempt } = header;
  const say = chooseWords(header.language);
  const place = turn ? say(attempt > 1 ? "turn {turn}, attempt {attempt}" : "turn {turn}", { turn, attempt }) : "";
  return [model, place, ...describeState(store, elapsed, say)].filter(Boolean).join(" \u00b7 ");
}

/** What one of several answers waits for, or how far it is; at the end, what came of it. */
export function writeColumnStatus(store: AnswerStore, elapsed: number, say: Words): string {
  if (store.waiting) return describeWait(store.status, elapsed / 1000, say);
  const { progress: facts, problem, stopped, over, lost } = store;
  const first = facts?.first ?? null;
  const end = lost ? [say("kernel {event}", { event: say(lost) })] : problem ? [say("failed")] : stopped ? [say("stopped")] : [];
  const time = over && facts?.seconds !== undefined ? [say("{time} s", { time: facts.seconds.toFixed(1) })] : [];
  const began = first === null ? [] : [say("first token {time} s", { time: first.toFixed(1) })];
  // Of a request that failed at once there is nothing to say.
  const known = facts?.tokens || !problem ? describeProgress(store, say) : [];
  // A line ends between two facts, not within one.
  return [...end, ...began, ...known, ...time].map((fact) => fact.replace(/ /g, "\u00a0")).join(" \u00b7 ");
}

function describeState(store: AnswerStore, elapsed: number, say: Words): string[] {
  if (store.lost) return [describeLoss(store, say)];
  return store.waiting ? [describeWait(store.status, elapsed / 1000, say)] : describeProgress(store, say);
}

/** What is left of an answer whose kernel was lost. */
function describeLoss({ lost, empty }: AnswerStore, say: Words): string {
  const what = empty ? "kernel {event}: nothing had arrived" : "kernel {event}: the answer above is all that arrived";
  return say(what, { event: say(lost ?? "gone") });
}

/** What the answer waits for, with the seconds since that began. */
function describeWait(status: Status, elapsed: number, say: Words): string {
  if (status.phase === "retry") {
    const time = Math.ceil((status.seconds ?? 0) - elapsed);
    const why = status.why || say("failed");
    return say(time > 0 ? "{why}; trying again in {time} s" : "{why}; trying again", { why, time });
  }
  const what = {
    waiting: "waiting {time} s",
    streaming: "waiting {time} s",
    queued: "queued {time} s",
    prices: "waiting for prices {time} s",
    holds: "waiting for the budget {time} s",
    turn: "waiting for its turn {time} s",
  };
  return say(what[status.phase], { time: Math.max(Math.floor(elapsed), 0) });
}

function describeProgress({ progress, text, reasoning }: AnswerStore, say: Words): string[] {
  const thinks = text.empty && !reasoning.empty;
  const parts = thinks ? [say("thinking")] : [];
  if (progress === null) return parts;
  const { tokens, thinking, rate, cost } = progress;
  const part = thinking && !thinks ? say(" ({count} thinking)", { count: writeNumber(thinking) }) : "";
  parts.push(say(tokens === 1 ? "{count} token" : "{count} tokens", { count: writeNumber(tokens) }) + part);
  if (rate > 0) parts.push(say("{rate}/s", { rate: rate < 10 ? rate.toFixed(1) : Math.round(rate) }));
  parts.push(cost);
  return parts;
}

function writeNumber(number: number): string {
  return number.toLocaleString("en-US");
}

/** What a screen reader says: each phase once, and no seconds, which change. */
export function writeAnnouncement(store: AnswerStore, stop: StopState, say: Words = sayInEnglish): string {
  if (store.lost) return describeLoss(store, say);
  if (store.over) return say("The answer is complete");
  if (stop === "unreachable") return say(INTERRUPT_YOURSELF);
  if (stop !== "idle") return say("Stopping");
  const { phase, why } = store.status;
  // A page that was reloaded may have heard of the text alone.
  if (phase === "streaming" || (phase === "waiting" && !store.empty)) return say("The answer is arriving");
  if (phase === "queued") return say("The question is queued");
  return phase === "retry" ? say("{why}; trying again", { why: why || say("failed") }) : say("Waiting for the answer");
}

/** What a screen reader says of several answers: how many are over, and nothing that changes all the time. */
export function announceColumns(stores: readonly AnswerStore[], say: Words): string {
  const lost = stores.find((each) => each.lost)?.lost;
  if (lost) return say("kernel {event}: what stands here is all that arrived", { event: say(lost) });
  const done = stores.filter((each) => each.over).length;
  return say("{done} of {count} answers are over", { done, count: stores.length });
}

export function writeStopLabel(state: StopState): string {
  return state === "idle" || state === "unreachable" ? "Stop" : "Stopping\u2026";
}
