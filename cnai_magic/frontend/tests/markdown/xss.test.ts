import { describe, expect, it } from "vitest";
import { corpus } from "./corpus";
import { outline, show, streamed, whole } from "./show";

const ELEMENTS = new Set(
  ("p h1 h2 h3 h4 h5 h6 ul ol li blockquote pre code div span table thead tbody tr th td hr em strong del a br button input").split(" "),
);
const ATTRIBUTES = new Set(["class", "data-tight", "href", "target", "checked", "disabled", "hidden", "rel", "type", "align", "aria-label", "role", "tabindex", "start"]);

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
  it("are many", () => expect(corpus.length).toBeGreaterThan(500));

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

  it("shows an image as a link to it, and loads none", () => {
    const link = "<a https://example.org/cat.png>image: a cat</a>";
    expect(outline(whole("![a *cat*](https://example.org/cat.png)"))).toBe(`<p>${link}</p>`);
    expect(outline(whole("[![a cat](https://example.org/cat.png)](https://example.org)"))).toBe(
      "<p><a https://example.org/>[image: a cat]</a></p>",
    );
    expect(whole("![a](https://example.org/a.png)").querySelector("img")).toBeNull();
  });
});
