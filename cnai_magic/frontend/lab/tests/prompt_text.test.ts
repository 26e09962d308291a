import { expect, test } from "vitest";

import { endOfHead, expressionPattern, isQuestion, isRaw } from "../src/prompt_text";

const head = (text: string): string => text.slice(0, endOfHead(text.split("\n")));
const expressions = (text: string): string[] => [...text.matchAll(expressionPattern("g"))].map((match) => match[1]!.trim());

test.each([
  ["%%cnai", "%%cnai"],
  ["%%cnai -t 0.2\nWhat is a median?", "%%cnai -t 0.2"],
  ["  %%cnai\tdeepseek-chat\n", "  %%cnai\tdeepseek-chat"],
  ["%%capture kept\n%%cnai\nOne?", "%%capture kept\n%%cnai"],
  ["%%cnai_other\nx", ""],
  ["%cnai What is it?", ""],
  ["%%cna\n%%cnai", "%%cna\n%%cnai"],
  ["x = 1\n%%cnai", ""],
  ["# %%cnai", ""],
  ["", ""],
])("the head of %j is %j", (text, expected) => {
  expect(head(text)).toBe(expected);
});

test("only the first lines are looked at", () => {
  let read = 0;
  function* lines(): Generator<string> {
    for (;;) yield `%%other ${(read += 1)}`;
  }
  expect(endOfHead(lines())).toBe(0);
  expect(read).toBe(5);
});

test.each([
  ["the {{ total }} of {{ df | head(5) }}", ["total", "df | head(5)"]],
  ["{{ totals['a}}b'] + 1 }}", ["totals['a}}b'] + 1"]],
  ["{{a}}{{b}}", ["a", "b"]],
  ["\\{{ a }} ${{ b }} {{{ c }}}", []],
  ["{{#each rows}} {{/each}} {{- .Name -}} {{ .Name }} {{!-- no --}}", []],
  ["{{ over\ntwo lines", []],
  ["{{}} {{ {'a': 1} }}", []],
])("the expressions of %j are %j", (text, expected) => {
  expect(expressions(text)).toEqual(expected);
});

test("--raw switches them off", () => {
  expect(isRaw("%%cnai -t 1 --raw")).toBe(true);
  expect(isRaw("%%cnai --rawest")).toBe(false);
});

test.each([
  ["%%cnai\nWhy?", true],
  ["  %%cnai -t 0.2\nWhy?", true],
  ["!rm -rf ~", false],
  ["%%bash\n%%cnai", false],
  ["%cnai {run()}", false],
  ["x = 1\n%%cnai", false],
])("a stale answer is asked again by its question only: %j", (source, asks) => {
  expect(isQuestion(source)).toBe(asks);
});
