import { describe, expect, it } from "vitest";

import { ComingAnswer } from "../src/coming_answer";

const delta = (text: unknown) => ({ method: "custom", content: { kind: "delta", seq: 9, text } });
const snapshot = (text: string) => ({ method: "update", state: { snapshot: { seq: 9, text } } });

function make(...messages: unknown[]): string {
  const coming = new ComingAnswer((english) => english, 0);
  for (const each of messages) coming.take(each);
  coming.close();
  return coming.node.querySelector(".cnai-coming-text")!.textContent!;
}

describe("an answer that this page did not see begin", () => {
  it("is shown from here on until its beginning is sent again", () => {
    expect(make(delta("one "), delta("<b>two</b>"))).toBe("… one <b>two</b>");
    expect(make(delta("two"), snapshot("one two"), delta(" three"))).toBe("one two three");
  });

  it("is not shown by what is no message of its view", () => {
    expect(make(null, 3, { method: "custom" }, delta(null), { method: "update", state: [] })).toBe("… ");
  });
});
