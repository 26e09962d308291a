/** The examples of the CommonMark specification, and those that are shown otherwise on purpose. */

import { tests } from "commonmark-spec";
import { expect, it } from "vitest";
import { show, whole } from "./show";

const DIFFERENT: Record<string, number[]> = {
  "raw HTML is text": [
    21, 31, 148, 149, 150, 151, 152, 153, 154, 155, 156, 157, 158, 159, 160, 161, 162, 163, 164, 165, 166, 167, 169, 170,
    171, 172, 173, 174, 175, 176, 177, 178, 179, 180, 181, 182, 183, 184, 185, 186, 187, 188, 189, 190, 191, 201, 308, 309, 344,
    475, 476, 477, 491, 494, 524, 536, 613, 614, 615, 616, 617, 623, 625, 626, 627, 628, 629, 630, 631, 642, 643,
  ],
  "only http, https and mailto addresses without white space become links": [
    22, 23, 32, 33, 194, 195, 200, 203, 204, 206, 484, 485, 486, 487, 489, 492, 495, 496, 498, 499, 500, 501, 502, 503, 504, 507,
    520, 522, 567, 579, 580, 596, 598, 599, 601,
  ],
  "an address is a link without angle brackets too (GFM 6.9)": [14, 197, 209, 508, 511, 513, 518, 519, 547, 548, 551, 552, 590, 602, 608, 611],
  "\\( and \\[ begin a formula": [12],
  "only the names of common characters are known; the final Markdown knows all": [25, 34],
  "the description of an image says of an image within it that it is one": [574],
};

// Relative addresses are refused; what most examples are about is how a link is written.
const absolute = (text: string): string =>
  text.replace(/(?<!\w)\/(?=(?:\w+-)?ur[li])/g, "https://e.org/").replace(/(?<=[(: "])(?=(?:train|moon)\.jpg)/g, "https://e.org/");
const examples = tests.map(({ markdown, html, number }) => {
  const [text, page] = [markdown, html].map((each) => absolute(each.replaceAll("→", "\t")));
  return { text: text!, page: page!, number };
});

it("reads each example of the specification as it says, but for those listed", () => {
  const listed = Object.values(DIFFERENT).flat();
  const different: number[] = [];
  for (const { text, page, number } of examples) {
    const [ours, theirs] = [said(whole(text)), said(parsed(page))];
    if (!listed.includes(number)) expect(ours, `${number}: ${JSON.stringify(text)}`).toBe(theirs);
    else if (ours !== theirs) different.push(number);
  }
  expect([examples.length, different]).toEqual([652, listed.sort((one, other) => one - other)]);
});

it("reads each of them canReuse in pieces", () => {
  for (const { text, number } of examples) {
    const pieces = text.match(/[^]{1,4}/g)!;
    expect(show(pieces).isEqualNode(whole(text)), String(number)).toBe(true);
  }
});

function parsed(html: string): HTMLElement {
  const page = document.createElement("div");
  page.innerHTML = html;
  return page;
}

/** What a page says, whichever elements the two use for it. */
function said(page: HTMLElement): string {
  return outline(page)
    .replace(/\s*(<\/?(?:p|h[1-6]|ul|ol|li|blockquote|hr)\b[^>]*>)\s*/g, "$1")
    .replace(/<br><\/br>\s*/g, "<br>")
    .trim();
}

function outline(node: Node, pre = false): string {
  if (node instanceof Text) return pre ? node.data : node.data.replace(/\s+/g, " ");
  if (!(node instanceof HTMLElement)) return "<!>";
  const name = node.localName;
  if (name === "button" || node.hidden) return "";
  if (name === "img") return image(node);
  const inside = [...node.childNodes].map((each) => outline(each, pre || name === "pre")).join("");
  if (["div", "span"].includes(name) || (name === "p" && node.parentElement!.parentElement?.hasAttribute("data-tight"))) return inside;
  const facts = [address(node.getAttribute("href")), node.getAttribute("start"), name === "pre" && language(node)];
  return `<${[name, ...facts.filter(Boolean)].join(" ")}>${inside}</${name}>`;
}

function image(element: HTMLElement): string {
  const named = `image: ${element.getAttribute("alt")}`;
  return element.parentElement!.localName === "a" ? `[${named}]` : `<a ${address(element.getAttribute("src"))}>${named}</a>`;
}

function address(target: string | null): string | null {
  try {
    return decodeURIComponent(new URL(target!).href);
  } catch {
    return target;
  }
}

function language(pre: HTMLElement): string | undefined {
  const label = pre.querySelector("button")?.getAttribute("aria-label") ?? "";
  return /^Copy the (.+) code$/.exec(label)?.[1] ?? /language-(\S+)/.exec(pre.querySelector("code")?.className ?? "")?.[1];
}
