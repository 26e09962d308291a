import { describe, expect, it, vi } from "vitest";
import { outline, show, streamed, whole } from "./show";

const link = '<a https://example.org/>';
const cases: [string, string][] = [
  ["# A\n\nb", "<h1>A</h1><p>b</p>"],
  ["### A #\n####### b", "<h3>A</h3><p>####### b</p>"],
  ["A\n===\nB\n---", "<h1>A</h1><h2>B</h2>"],
  ["a\n\n---\n***\n_ _ _", "<p>a</p><hr></hr><hr></hr><hr></hr>"],
  ["*a* **b** ***c*** ~~d~~ _e_ __f__", "<p><em>a</em> <strong>b</strong> <em><strong>c</strong></em> <del>d</del> <em>e</em> <strong>f</strong></p>"],
  ["snake_case_name 2 * 3 * 4 a*b*c", "<p>snake_case_name 2 * 3 * 4 a<em>b</em>c</p>"],
  ["**a *b* c** *a **b** c*", "<p><strong>a <em>b</em> c</strong> <em>a <strong>b</strong> c</em></p>"],
  ["**a", "<p>**a</p>"],
  ["`a` ``b`c`` `*d*` `e", "<p><code>a</code> <code>b`c</code> <code>*d*</code> `e</p>"],
  ["a  \nb\\\nc\nd", "<p>a<br></br>b<br></br>c\nd</p>"],
  ["- a\n- b\n  - c\n    - d\n- e", "<ul tight><li><p>a</p></li><li><p>b</p><ul tight><li><p>c</p><ul tight><li><p>d</p></li></ul></li></ul></li><li><p>e</p></li></ul>"],
  ["3. a\n4. b\n\n   c\n\n5. d", "<ol><li><p>a</p></li><li><p>b</p><p>c</p></li><li><p>d</p></li></ol>"],
  ["- a\n\n\n- b\n\nc", "<ul><li><p>a</p></li><li><p>b</p></li></ul><p>c</p>"],
  ["- a\n  - b\n\n- c", "<ul><li><p>a</p><ul tight><li><p>b</p></li></ul></li><li><p>c</p></li></ul>"],
  ["- a\n  - b\n\n    c\n- d", "<ul tight><li><p>a</p><ul><li><p>b</p><p>c</p></li></ul></li><li><p>d</p></li></ul>"],
  ["[a b][r] [R] [r][] [x][y] [a][ r ]\n\n[r]: https://example.org 't'\n[r]: https://other.org\n", `<p>${link}a b</a> ${link}R</a> ${link}r</a> [x][y] ${link}a</a></p><p></p>`],
  ["[a]: <https://example.org>\n*b* [a]\n# [a]\n- ![a]", `<p><em>b</em> ${link}a</a></p><h1>${link}a</a></h1><ul tight><li><p>${link}image: a</a></p></li></ul>`],
  ["[a]\n\n[a]: javascript:x\n\nb\n[b]: c", "<p>[a]</p><p></p><p>b\n[b]: c</p>"],
  ["- [ ] a\n- [x] *b*\n- [X] c\n- [ ]\n- [y] d\n- e [ ] f", "<ul tight><li><p><unchecked> a</p></li><li><p><checked> <em>b</em></p></li><li><p><checked> c</p></li><li><p>[ ]</p></li><li><p>[y] d</p></li><li><p>e [ ] f</p></li></ul>"],
  ["[ ] a", "<p>[ ] a</p>"],
  ["- a\n\nb", "<ul tight><li><p>a</p></li></ul><p>b</p>"],
  ["- a\n* b\n1. c\n2) d", "<ul tight><li><p>a</p></li></ul><ul tight><li><p>b</p></li></ul><ol tight><li><p>c</p></li></ol><ol tight><li><p>d</p></li></ol>"],
  ["1. a\n   ```py\n   x = 1\n\n     y\n   ```\n2. b", "<ol tight><li><p>a</p><code py>x = 1\n\n  y\n</code></li><li><p>b</p></li></ol>"],
  ["a\n- b\nc", "<p>a</p><ul tight><li><p>b\nc</p></li></ul>"],
  ["a\n2. b", "<p>a\n2. b</p>"],
  ["-\n  a\n-\n\nb", "<ul tight><li><p>a</p></li><li></li></ul><p>b</p>"],
  ["> a\nb\n>\n> c\n\nd", "<blockquote><p>a\nb</p><p>c</p></blockquote><p>d</p>"],
  ["> > a\n> - b", "<blockquote><blockquote><p>a</p></blockquote><ul tight><li><p>b</p></li></ul></blockquote>"],
  ["```python\na = 1\n\n  b\n```\nc", "<code python>a = 1\n\n  b\n</code><p>c</p>"],
  ["~~~\n```\n~~~", "<code >```\n</code>"],
  ["````\n```\nx\n```\n````", "<code >```\nx\n```\n</code>"],
  ["```js\nunfinished", "<code js>unfinished\n</code>"],
  ["a\n```\nb\n```", "<p>a</p><code >b\n</code>"],
  ["    a\n\n      b\n\nc", "<code >a\n\n  b\n</code><p>c</p>"],
  ["| a | b |\n|:--|--:|\n| 1 | `x` |\n| 2 \\| 3 |\n\nc", "<table><thead><tr><th>a</th><th>b</th></tr></thead><tbody><tr><td>1</td><td><code>x</code></td></tr><tr><td>2 | 3</td><td></td></tr></tbody></table><p>c</p>"],
  ["text\na | b\n--|--\n1 | 2", "<p>text</p><table><thead><tr><th>a</th><th>b</th></tr></thead><tbody><tr><td>1</td><td>2</td></tr></tbody></table>"],
  ["| a |\n|---|\n# b", "<table><thead><tr><th>a</th></tr></thead><tbody></tbody></table><h1>b</h1>"],
  ["a | b\n--|--|--", "<p>a | b\n--|--|--</p>"],
  [`[a *b*](https://example.org "t") <https://example.org> https://example.org.`, `<p>${link}a <em>b</em></a> ${link}https://example.org</a> ${link}https://example.org</a>.</p>`],
  ["[a](<https://example.org>) [b] [c](d) x[0](1)", `<p>${link}a</a> [b] [c](d) x[0](1)</p>`],
  ["(see https://example.org/a_(b))", "<p>(see <a https://example.org/a_(b)>https://example.org/a_(b)</a>)</p>"],
  ["**https://example.org/**", `<p><strong>${link}https://example.org/</a></strong></p>`],
  ["<me@example.org> [m](mailto:me@example.org)", "<p><a mailto:me@example.org>me@example.org</a> <a mailto:me@example.org>m</a></p>"],
  ["$a_1 * b_2$ and $*x*$ and \\(a*b*c\\) and \\[*x*\\]", "<p>$a_1 * b_2$ and $*x*$ and \\(a*b*c\\) and \\[*x*\\]</p>"],
  ["$$\n- a\n= b\n$$\nc", "<p>$$\n- a\n= b\n$$</p><p>c</p>"],
  ["$$\n*a*\n- b\n\n\\[a\n\n\\begin{a}", "<p>$$\n<em>a</em>\n- b</p><p>[a</p><p>\\begin{a}</p>"],
  ["\\[1] and \\(b\\) c\\) \\(d", "<p>[1] and \\(b\\) c) (d</p>"],
  ["<https://a.b/\\c> <https://a.b\\@c.d>", "<p><a https://a.b/%5Cc>https://a.b/\\c</a> <https://a.b\\@c.d></p>"],
  ["$5 and *$10*", "<p>$5 and <em>$10</em></p>"],
  ["&lt;b&gt; &amp; &unknown; &#65; \\*a\\*", "<p><b> & &unknown; A *a*</p>"],
  ["a\r\nb\rc", "<p>a\nb\nc</p>"],
  ["中文**加粗**。", "<p>中文<strong>加粗</strong>。</p>"],
  ["**重要：**请 **“引用”**后", "<p><strong>重要：</strong>请 <strong>“引用”</strong>后</p>"],
  ["他说**（好）**吧，*“好”*吧", "<p>他说<strong>（好）</strong>吧，<em>“好”</em>吧</p>"],
  ["***a（b）***中~~（x）~~中", "<p><em><strong>a（b）</strong></em>中<del>（x）</del>中</p>"],
  ["**한국어(Korean)**은 **價格$**元", "<p><strong>한국어(Korean)</strong>은 <strong>價格$</strong>元</p>"],
  ["**a:**b（_好_）𠮷_中_", "<p>**a:**b（<em>好</em>）𠮷_中_</p>"],
  ["_重要。_请", "<p>_重要。_请</p>"],
  ["", ""],
  ["\n\n", ""],
];

describe("Markdown", () => {
  it.each(cases)("%j", (text, expected) => {
    expect(outline(whole(text)).replace(/^<div>|<\/div>$/g, "")).toBe(expected);
  });

  it.each(cases)("is the same in pieces: %j", (text) => {
    expect(streamed(text).isEqualNode(whole(text))).toBe(true);
  });

  it("is the same however it is cut", () => {
    const alphabet = ["a", "b ", " ", "\n", "\n\n", "    ", "- ", "1. ", "> ", "```", "`", "*", "**", "_", "~~", "|", "---", "|-|", "#", "# ", "[", "](", ")", "https://a.b", "!", "$", "$$", "\\", "\\(", "===", "<b>", "&lt;", "\r\n", "\t"];
    let seed = 7;
    const random = (below: number): number => {
      seed = (seed * 1103515245 + 12345) % 2147483648;
      return Math.floor((seed / 2147483648) * below);
    };
    for (let round = 0; round < 300; round += 1) {
      const text = Array.from({ length: 1 + random(40) }, () => alphabet[random(alphabet.length)]!).join("");
      const once = whole(text);
      expect(streamed(text).isEqualNode(once), JSON.stringify(text)).toBe(true);
      const half = random(text.length);
      expect(show([text.slice(0, half), text.slice(half)]).isEqualNode(once), JSON.stringify(text)).toBe(true);
    }
  });

  it("shows what is begun before it ends", () => {
    expect(outline(show(["a **bo"], false))).toBe("<p>a <strong>bo</strong></p>");
    expect(outline(show(["a `co"], false))).toBe("<p>a <code>co</code></p>");
    expect(outline(show(["see [the page](https://exam"], false))).toBe("<p>see the page</p>");
    expect(outline(show(["```py\nx ="], false))).toBe("<code py>x =\n</code>");
  });

  it("does not show what may yet be something else", () => {
    expect(outline(show(["a\n-"], false))).toBe("<p>a</p>");
    expect(outline(show(["a\n\n``"], false))).toBe("<p>a</p>");
    expect(outline(show(["a\n\n1."], false))).toBe("<p>a</p>");
  });

  it("leaves finished blocks alone", async () => {
    const { MarkdownView } = await import("../../src/markdown/markdown_view");
    const { GrowingText } = await import("../../src/markdown/growing_text");
    const source = new GrowingText();
    const host = document.createElement("div");
    const view = new MarkdownView(source, host);
    source.push("# a\n\n- b\n- c\n\ntext **d** e");
    view.draw(false);
    const before = [...host.querySelectorAll("h1, li, p, strong")];
    source.push(" f\n\n- g");
    view.draw(false);
    expect([...host.querySelectorAll("h1, li, p, strong")].slice(0, before.length)).toEqual(before);
    for (const [index, node] of before.entries()) expect(host.querySelectorAll("h1, li, p, strong")[index]).toBe(node);
  });

  it("draws again when the text became another", async () => {
    const { MarkdownView } = await import("../../src/markdown/markdown_view");
    const { GrowingText } = await import("../../src/markdown/growing_text");
    const source = new GrowingText();
    const host = document.createElement("div");
    const view = new MarkdownView(source, host);
    source.push("old");
    view.draw(false);
    source.become("new");
    view.draw(true);
    expect(host.textContent).toBe("new");
    source.become("new and more");
    view.draw(true);
    expect(host.textContent).toBe("new and more");
  });

  it("draws before what its host holds already, and takes only its own away", async () => {
    const { MarkdownView } = await import("../../src/markdown/markdown_view");
    const { GrowingText } = await import("../../src/markdown/growing_text");
    const source = new GrowingText();
    const host = document.createElement("div");
    const before = document.createElement("i");
    host.append(before);
    const view = new MarkdownView(source, host, { before });
    source.push("one\n\ntwo");
    view.draw(false);
    expect(outline(host)).toBe("<p>one</p><p>two</p><i></i>");
    source.become("other");
    view.draw(true);
    expect(outline(host)).toBe("<p>other</p><i></i>");
  });

  it("copies code as it stands", async () => {
    const writeText = vi.fn().mockResolvedValue(undefined);
    vi.stubGlobal("navigator", { clipboard: { writeText } });
    const button = whole("```py\na < b\n\n  c\n```").querySelector("button")!;
    expect(button.getAttribute("aria-label")).toBe("Copy the py code");
    button.click();
    await vi.waitFor(() => expect(button.textContent).toBe("Copied"));
    expect(writeText).toHaveBeenCalledWith("a < b\n\n  c");
    vi.unstubAllGlobals();
  });

  it.each([[true, "Copied"], [false, "Not copied"]])("copies without the clipboard's API: %j", async (works, says) => {
    const copied: string[] = [];
    const copy = (): boolean => {
      copied.push((document.activeElement as HTMLTextAreaElement).value);
      return works;
    };
    Object.assign(document, { execCommand: copy });
    vi.stubGlobal("navigator", {});
    const host = whole("```\na\n\n  b\n```");
    document.body.append(host);
    const button = host.querySelector("button")!;
    button.focus();
    button.click();
    await vi.waitFor(() => expect(button.textContent).toBe(says));
    expect([copied, document.activeElement, document.querySelector("textarea")]).toEqual([["a\n\n  b"], button, null]);
    vi.unstubAllGlobals();
    host.remove();
  });

  const hostile: [string, string][] = [
    ["quotes", ">".repeat(20000)], ["lists", "- ".repeat(20000)], ["brackets", "[".repeat(20000)], ["images", "![".repeat(20000)],
    ["links", "[a](b".repeat(10000)], ["closers", "[a](https://b.c)".repeat(3000) + "]".repeat(10000)], ["stars", "*a_ ".repeat(10000)],
    ["openers", "**a ".repeat(10000)], ["mixed", "*a **b ".repeat(5000) + "c** d*".repeat(5000)], ["ticks", Array.from({ length: 300 }, (_, n) => "`".repeat(n)).join(" ")],
    ["dollars", "$a ".repeat(10000)], ["angles", "<https://".repeat(10000)], ["spaces", `a${" ".repeat(50000)}b`], ["hashes", `# ${"#".repeat(50000)}x`],
    ["marks", `https://a.b/${"!".repeat(50000)}x`], ["begin", "\\begin{a}".repeat(5000)], ["pipes", `${"|".repeat(5000)}\n${"|-".repeat(5000)}`],
    ["definitions", Array.from({ length: 3000 }, (_, n) => `[a][r${n}]\n\n[r${n}]: https://a.b\n\n`).join("")],
    ["titles", '[a](b "'.repeat(5000)], ["parentheses", `[a](${"(".repeat(20000)}`], ["entities", "&#".repeat(20000)], ["dashes", `${"- ".repeat(2000)}a`],
  ];
  it.each(hostile)("reads hostile %s to its end", (_, text) => {
    expect(whole(text).querySelectorAll("*").length).toBeLessThan(70000);
  });
});
