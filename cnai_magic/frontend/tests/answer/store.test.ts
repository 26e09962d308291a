import { describe, expect, it, vi } from "vitest";
import { AnswerStore } from "../../src/answer/store";

function made(): { store: AnswerStore; resync: ReturnType<typeof vi.fn>; clock: { now: number } } {
  const resync = vi.fn();
  const clock = { now: 0 };
  return { store: new AnswerStore(resync, () => clock.now), resync, clock };
}
const delta = (seq: number, text: string, reasoning = ""): unknown => ({ kind: "delta", seq, text, reasoning });

describe("the store of an answer", () => {
  it("adds pieces in order and ignores those it has", () => {
    const { store, resync } = made();
    store.message(delta(1, "a", "r"));
    store.message(delta(2, "b"));
    store.message(delta(2, "b"));
    store.message(delta(1, "a"));
    expect([store.texts.text, store.thoughts.text]).toEqual(["ab", "r"]);
    expect(resync).not.toHaveBeenCalled();
  });

  it("asks once for the whole where a piece is missing, and goes on from it", () => {
    const { store, resync } = made();
    store.message(delta(1, "a"));
    store.message(delta(3, "c"));
    store.message(delta(4, "d"));
    expect(store.texts.text).toBe("a");
    expect(resync).toHaveBeenCalledTimes(1);
    store.snapshot({ seq: 3, text: "abc", reasoning: "" });
    expect(store.texts.text).toBe("abcd");
    store.message(delta(5, "e"));
    expect(store.texts.text).toBe("abcde");
    store.message(delta(7, "g"));
    expect(resync).toHaveBeenCalledTimes(2);
  });

  it("takes a piece that comes late without a snapshot", () => {
    const { store } = made();
    store.message(delta(2, "b"));
    store.message(delta(1, "a"));
    expect(store.texts.text).toBe("ab");
  });

  it("ignores older snapshots and begins anew where the text is another", () => {
    const { store } = made();
    store.snapshot({ seq: 0, text: "", reasoning: "" });
    store.message(delta(1, "abc"));
    store.snapshot({ seq: 1, text: "x", reasoning: "" });
    expect(store.texts.text).toBe("abc");
    store.snapshot({ seq: 2, text: "abcd", reasoning: "" });
    expect(store.texts.edition).toBe(0);
    store.snapshot({ seq: 3, text: "other", reasoning: "" });
    expect([store.texts.text, store.texts.edition]).toEqual(["other", 1]);
  });

  it("takes nothing malformed", () => {
    const { store } = made();
    for (const value of [null, undefined, 1, "x", {}, { kind: "delta" }, { kind: "delta", seq: "1" }, { kind: "other" }]) store.message(value);
    for (const value of [null, {}, { seq: 1.5, text: "a" }]) store.snapshot(value);
    for (const value of [null, {}, { phase: "x" }]) store.setStatus(value);
    store.message({ kind: "delta", seq: 1, text: 5, reasoning: null });
    expect([store.texts.text, store.status.phase]).toEqual(["", "waiting"]);
  });

  it("counts a phase from its beginning, and each retry anew", () => {
    const { store, clock } = made();
    clock.now = 100;
    store.setStatus({ phase: "queued" });
    clock.now = 200;
    store.setStatus({ phase: "queued" });
    expect(store.since).toBe(100);
    store.setStatus({ phase: "retry", seconds: 4 });
    clock.now = 300;
    store.setStatus({ phase: "retry", seconds: 8 });
    expect(store.since).toBe(300);
  });

  it("is over when it has ended or is done, and tells its listeners until they leave", () => {
    const { store } = made();
    const listener = vi.fn();
    const leave = store.subscribe(listener);
    store.message({ kind: "stopping" });
    expect([store.acknowledged, store.over]).toEqual([true, false]);
    store.message({ kind: "ended" });
    expect(store.over).toBe(true);
    leave();
    store.setStatus({ phase: "done" });
    expect(listener).toHaveBeenCalledTimes(2);
  });
});
