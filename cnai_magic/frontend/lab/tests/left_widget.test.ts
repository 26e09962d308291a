import { describe, expect, it } from "vitest";

import { AnswerStore } from "../../src/answer/store";
import { LeftWidget } from "../src/left_widget";

const delta = (seq: number, text: unknown) => ({ method: "custom", content: { kind: "delta", seq, text, reasoning: "" } });
const snapshot = (seq: number, text: string) => ({ method: "update", state: { snapshot: { seq, text, reasoning: "" } } });

/** The text that a live view shows after messages. */
function show(...messages: unknown[]): string {
  const link = { send: () => undefined, close: () => undefined };
  const widget = new LeftWidget("c", {}, link as never, undefined);
  const store = new AnswerStore(() => widget.send({ kind: "resync" }), () => 0);
  // The first comes before the view is there.
  widget.take(messages[0]);
  widget.on("change:snapshot", (value) => store.takeSnapshot(value));
  widget.on("msg:custom", (message) => store.takeMessage(message));
  for (const each of messages.slice(1)) widget.take(each);
  return store.text.whole;
}

describe("an answer whose page was left", () => {
  it("is shown from here on until the kernel sends its beginning again", () => {
    expect(show(delta(7, "one "), delta(8, "<b>two</b>"))).toBe("… one <b>two</b>");
    expect(show(delta(7, "one "), delta(8, "two"), snapshot(8, "zero one two"), delta(9, " three"))).toBe("zero one two three");
  });

  it("shows nothing of what is no message of its view", () => {
    const none = [null, 3, { method: "custom" }, delta(7, null), { method: "update", state: [] }];
    expect(show(...none).replace("… ", "")).toBe("");
  });
});
