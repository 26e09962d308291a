import { describe, expect, it } from "vitest";
import { JsonText } from "../../src/markdown/json_text";
import { MarkdownView } from "../../src/markdown/markdown_view";
import { GrowingText } from "../../src/markdown/growing_text";
import { outline } from "./show";

const isJson = (text: string): boolean => {
  const read = new JsonText();
  for (const sign of text) read.feed(sign);
  return read.complete;
};
const values = [
  '{"a": [1, -2.5e+3, true, null, "x\\" }"], "b": {}}', "[]", "{}", "[[], {}, [1]]", '[\n  "a",\n  "b"\n]\n', "[NaN, -Infinity, 0.5]",
  '{"a": {"b": [{"c": "d"}]}}',
];
const others = [
  "[a](https://example.org)", "[1] A source", "{name} is", "[1,]", '{"a" 1}', '{"a": 1,}', "[01]", "[1 2]", "[truth]", "[tru]", "[-]", "[1.]",
  '["a\nb"]', "[}", "{]", "[] and more", '{"a": 1} {"b": 2}', "[1", '{"a', "{1: 2}", " [1]", '"a"', "12", "[+1]", "[1e]",
];

describe("JSON", () => {
  it.each(values)("is %j", (text) => expect([isJson(text), () => JSON.parse(text)]).toEqual([true, expect.anything()]));
  it.each(others)("is not %j", (text) => expect(isJson(text)).toBe(false));

  const shown = (text: string, over: boolean): string => {
    const source = new GrowingText();
    const host = document.createElement("div");
    const view = new MarkdownView(source, host, { asJson: true });
    for (const sign of text) {
      source.push(sign);
      view.draw(false);
    }
    while (view.draw(over));
    return outline(host);
  };

  it("is shown as code as it comes, and as text where it turns out to be something else", () => {
    expect(shown('{"a":\n "b', false)).toBe('<code json>{"a":\n "b\n</code>');
    expect(shown('{"a":\n 1}', true)).toBe('<code json>{"a":\n 1}\n</code>');
    expect(shown('{"a":\n 1', true)).toBe('<p>{"a":\n1</p>');
    expect(shown("[a](https://example.org) *b*", true)).toBe("<p><a https://example.org/>a</a> <em>b</em></p>");
    expect(shown("# a", true)).toBe("<h1>a</h1>");
    expect(shown("", true)).toBe("");
  });
});
