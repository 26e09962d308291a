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
    store.takeMessage(delta(1, "a", "r"));
    store.takeMessage(delta(2, "b"));
    store.takeMessage(delta(2, "b"));
    store.takeMessage(delta(1, "a"));
    expect([store.text.whole, store.reasoning.whole]).toEqual(["ab", "r"]);
    expect(resync).not.toHaveBeenCalled();
  });

  it("asks once for the whole where a piece is missing, and goes on from it", () => {
    const { store, resync } = made();
    store.takeMessage(delta(1, "a"));
    store.takeMessage(delta(3, "c"));
    store.takeMessage(delta(4, "d"));
    expect(store.text.whole).toBe("a");
    expect(resync).toHaveBeenCalledTimes(1);
    store.takeSnapshot({ seq: 3, text: "abc", reasoning: "" });
    expect(store.text.whole).toBe("abcd");
    store.takeMessage(delta(5, "e"));
    expect(store.text.whole).toBe("abcde");
    store.takeMessage(delta(7, "g"));
    expect(resync).toHaveBeenCalledTimes(2);
  });

  it("takes a piece that comes late without a snapshot", () => {
    const { store } = made();
    store.takeMessage(delta(2, "b"));
    store.takeMessage(delta(1, "a"));
    expect(store.text.whole).toBe("ab");
  });

  it("ignores older snapshots and begins anew where the text is another", () => {
    const { store } = made();
    store.takeSnapshot({ seq: 0, text: "", reasoning: "" });
    store.takeMessage(delta(1, "abc"));
    store.takeSnapshot({ seq: 1, text: "x", reasoning: "" });
    expect(store.text.whole).toBe("abc");
    store.takeSnapshot({ seq: 2, text: "abcd", reasoning: "" });
    expect(store.text.edition).toBe(0);
    store.takeSnapshot({ seq: 3, text: "other", reasoning: "" });
    expect([store.text.whole, store.text.edition]).toEqual(["other", 1]);
  });

  it("takes nothing malformed", () => {
    const { store } = made();
    for (const value of [null, undefined, 1, "x", {}, { kind: "delta" }, { kind: "delta", seq: "1" }, { kind: "other" }]) store.takeMessage(value);
    for (const value of [null, {}, { seq: 1.5, text: "a" }]) store.takeSnapshot(value);
    for (const value of [null, {}, { phase: "x" }]) store.takeStatus(value);
    store.takeMessage({ kind: "delta", seq: 1, text: 5, reasoning: null });
    expect([store.text.whole, store.status.phase]).toEqual(["", "waiting"]);
  });

  it("counts a phase from its beginning, and each retry anew", () => {
    const { store, clock } = made();
    clock.now = 100;
    store.takeStatus({ phase: "queued" });
    clock.now = 200;
    store.takeStatus({ phase: "queued" });
    expect(store.since).toBe(100);
    store.takeStatus({ phase: "retry", seconds: 4 });
    clock.now = 300;
    store.takeStatus({ phase: "retry", seconds: 8 });
    expect(store.since).toBe(300);
  });

  it("is over when it has ended, and calls its listeners until they leave", () => {
    const { store } = made();
    const listener = vi.fn();
    const leave = store.subscribe(listener);
    store.takeMessage({ kind: "stopping" });
    expect([store.acknowledged, store.over]).toEqual([true, false]);
    store.takeMessage({ kind: "ended" });
    expect(store.over).toBe(true);
    leave();
    store.takeStatus({ phase: "streaming" });
    expect(listener).toHaveBeenCalledTimes(2);
  });
});
