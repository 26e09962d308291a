import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { MarkdownView } from "../../src/markdown/markdown_view";
import { isFormula } from "../../src/markdown/maths";
import { GrowingText } from "../../src/markdown/growing_text";

describe("maths", () => {
  const typeset: string[] = [];
  let source: GrowingText;
  let host: HTMLElement;
  let view: MarkdownView;

  const show = (piece: string, over = false): string[] => {
    typeset.length = 0;
    source.push(piece);
    view.draw(over);
    vi.advanceTimersByTime(100);
    return [...typeset];
  };

  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["requestAnimationFrame", "performance"] });
    source = new GrowingText();
    host = document.createElement("div");
    document.body.replaceChildren(host);
    view = new MarkdownView(source, host, {
      typeset: (element) => {
        typeset.push(element.textContent!);
        element.textContent = "(typeset)";
      },
    });
  });
  afterEach(() => void vi.useRealTimers());

  it("is typeset once nothing changes it any more", () => {
    expect(show("so $a_1$ and ")).toEqual([]);
    expect(show("more\n")).toEqual([]);
    expect(show("# Next")).toEqual([]);
    expect(show("\n")).toEqual(["$a_1$"]);
    expect(show("$$\nb\n")).toEqual([]);
    expect(show("$$")).toEqual([]);
    expect(show("\n")).toEqual(["$$\nb\n$$"]);
    expect(show("| $c$ |\n|---|\n| $d$ |\n")).toEqual(["$d$"]);
    expect(show("- $e$", true)).toEqual(["$e$"]);
    expect(host.textContent).toContain("so (typeset) and more");
  });

  it("stays in its line within a paragraph", () => {
    expect(show("a $$x$$ b \\[y\\] c \\(z\\)\n\n")).toEqual(["$\\displaystyle x$", "$\\displaystyle y$", "\\(z\\)"]);
  });

  it("is left as typed where it is more than a formula", () => {
    expect(show("$\\href{javascript:f()}{x}$ $\\style{color:red}{x}$ $}{$ $\\def\\x{1}$\n\n")).toEqual([]);
  });

  it.each([
    ["\\frac{1}{2}", true], ["\\text{a} \\{ \\hrefx", true], ["\\begin{cases} a & b \\end{cases}", true], ["a < b", true],
    ["\\href{a}{b}", false], ["\\url{a}", false], ["\\class{a}{b}", false], ["\\cssId{a}{b}", false], ["\\htmlData{a}{b}", false],
    ["\\data{a=1}{b}", false], ["\\require{html}", false], ["\\unicode{x41}", false], ["\\newcommand{\\a}{b}", false],
    ["\\renewcommand\\a b", false], ["\\gdef\\a{b}", false], ["\\let\\a=b", false], ["\\includegraphics{a}", false],
    ["\\bbox[red]{x}", false], ["\\csname href\\endcsname{a}{b}", false], ["\\providecommand\\a b", false], ["\\toggle{a}{b}\\endtoggle", false], ["\\eqref{a}", false],
    ["<img src=x>", false], ["a<b", false], ["}{", false], ["{", false], ["x".repeat(5000), false],
  ])("%s: %j", (text, expected) => {
    expect(isFormula(`$${text}$`)).toBe(expected);
  });
});
