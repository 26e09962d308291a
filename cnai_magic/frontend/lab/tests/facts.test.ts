import { describe, expect, it } from "vitest";

import { findPython, readAnswer, readFacts, readOtherQuestion } from "../src/facts";

const facts = { id: "b", conversation: "main", turn_id: "t", attempts: ["a", "b"] };

describe("facts of an output", () => {
  it("are read where they are sound", () => {
    expect(readFacts(facts)).toEqual({ id: "b", conversation: "main", turn: "t", attempts: ["a", "b"], staleRemark: "" });
  });

  it.each([
    null,
    "text",
    [],
    {},
    { ...facts, id: "x');__import__('os')" },
    { ...facts, id: 1e308 },
    { ...facts, turn_id: "<img src=x onerror=alert(1)>" },
    { ...facts, turn_id: "a".repeat(65) },
    { ...facts, conversation: ["main"] },
    { ...facts, conversation: "a".repeat(201) },
    { ...facts, attempts: "ab" },
    { ...facts, attempts: ["a", "b", null] },
    { ...facts, attempts: ["a", "\u202eb"] },
    { ...facts, attempts: ["a"] },
    { ...facts, attempts: Array.from({ length: 1001 }, () => "b") },
  ])("are none where they are not (%#)", (value) => {
    expect(readFacts(value)).toBeNull();
  });
});

describe("the answer of an output", () => {
  it("is what stands above its footer", () => {
    const data = { "text/plain": "Four.\n\nm · turn 1" };
    expect(readAnswer(data, { cnai: { footer: "m · turn 1" } })).toBe("Four.");
    expect(readAnswer(data, { cnai: { footer: "m · turn 1", text: " Four.\n" } })).toBe(" Four.\n");
    expect(readAnswer(data, "nothing")).toBe("Four.\n\nm · turn 1");
    expect(readAnswer({ "text/plain": ["a"] }, { cnai: [] })).toBe("");
  });

  it("has another question where the latest attempt had", () => {
    const asked = (...others: unknown[]) => readOtherQuestion({ cnai: { attempt: 2, prompt: "Why?", others } });
    expect(asked({ attempt: 1, prompt: "What?" })).toBe("");
    expect(asked({ attempt: 3, prompt: "Why?\n" })).toBe("");
    expect(asked({ attempt: 3, prompt: "What?" }, { attempt: 1, prompt: "Why?" })).toBe("Why?");
    expect(asked(null, 3, { attempt: "9", prompt: ["x"] })).toBe("");
    expect(readOtherQuestion({ cnai: { prompt: {}, others: { length: 1e9 } } })).toBe("");
  });

  it("has Python in blocks that say so", () => {
    expect(findPython("```python\n\na = 1\n```\ntext\n~~~py\nb\n~~~\n```sh\nls\n```\n```\nx\n```")).toBe("a = 1\n\nb");
    expect(findPython("````python\n```\na\n````")).toBe("```\na");
    expect(findPython("no code")).toBe("");
    expect(findPython("```python\ncut(")).toBe("cut(");
  });

  it("is searched line by line, however many blocks begin", () => {
    expect(findPython("```python\n".repeat(300_000)).length).toBeGreaterThan(1_000_000);
  });
});
