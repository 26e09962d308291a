import { describe, expect, it } from "vitest";
import { corpus } from "./corpus";
import { outline, show, streamed, whole } from "./show";

const ELEMENTS = new Set(
  ("p h1 h2 h3 h4 h5 h6 ul ol li blockquote pre code div span table thead tbody tr th td hr em strong del a br button").split(" "),
);
const ATTRIBUTES = new Set(["class", "href", "target", "rel", "type", "title", "aria-label", "role", "tabindex", "start"]);

function inspect(host: HTMLElement): void {
  for (const element of host.querySelectorAll("*")) {
    expect(ELEMENTS).toContain(element.localName);
    expect(element.namespaceURI).toBe("http://www.w3.org/1999/xhtml");
    for (const { name, value } of element.attributes) {
      expect(ATTRIBUTES).toContain(name);
      if (name === "class") expect(value).toMatch(/^cnai-[a-z -]+$/);
      if (name === "href") {
        expect(value).toMatch(/^(https?:\/\/[^/]|mailto:[^/])/);
        expect(element.getAttribute("rel")).toBe("noopener noreferrer");
        expect(element.getAttribute("target")).toBe("_blank");
      }
    }
  }
}

describe("untrusted answers", () => {
  it("are many", () => expect(corpus.length).toBeGreaterThan(150));

  it.each(corpus)("make no foreign node: %j", (payload) => {
    const atOnce = whole(payload);
    inspect(atOnce);
    const inPieces = streamed(payload);
    inspect(inPieces);
    expect(inPieces.isEqualNode(atOnce)).toBe(true);
  });

  it.each(corpus)("make no foreign node on the way: %j", (payload) => {
    for (let end = 1; end < payload.length; end += 1) inspect(show([payload.slice(0, end)], false));
  });

  it.each(corpus.filter((each) => /^(<|\[x\]\()/.test(each)))("show no image and lose no letter: %j", (payload) => {
    expect(whole(payload).querySelector("img, script, svg, math, iframe")).toBeNull();
  });

  it("shows raw HTML as text", () => {
    expect(outline(whole("a <b onclick=x>c</b> <!-- d -->"))).toBe("<p>a <b onclick=x>c</b> <!-- d --></p>");
    expect(whole("a <b>c</b>").querySelector("b")).toBeNull();
  });

  it("loads an image only when asked to", () => {
    const host = whole("![a cat](https://example.org/cat.png)");
    expect(host.querySelector("img")).toBeNull();
    const button = host.querySelector("button")!;
    expect(button.textContent).toBe("Show image: a cat");
    button.click();
    const image = host.querySelector("img")!;
    expect([image.src, image.alt, image.referrerPolicy]).toEqual(["https://example.org/cat.png", "a cat", "no-referrer"]);
  });

  it("keeps a shown image while the paragraph goes on", async () => {
    const { MarkdownView } = await import("../src/markdown_view");
    const { PieceList } = await import("../src/store");
    const source = new PieceList();
    const host = document.createElement("div");
    const view = new MarkdownView(source, host);
    source.push("![a](https://example.org/a.png) and");
    view.draw(false);
    host.querySelector("button")!.click();
    source.push(" more");
    view.draw(false);
    expect(host.querySelector("img")).not.toBeNull();
    expect(host.textContent).toBe(" and more");
  });
});
