import { MarkdownView } from "../../src/markdown/markdown_view";
import { GrowingText } from "../../src/markdown/growing_text";

export function show(pieces: string[], over = true): HTMLElement {
  const source = new GrowingText();
  const host = document.createElement("div");
  const view = new MarkdownView(source, host);
  for (const piece of pieces) {
    source.push(piece);
    while (view.draw(false));
  }
  while (view.draw(over));
  return host;
}

export const whole = (text: string): HTMLElement => show([text]);
export const streamed = (text: string): HTMLElement => show(text.split(""));

/** The nodes as text, so that a test can compare and read them. */
export function outline(node: Node): string {
  if (node.nodeType === Node.TEXT_NODE) return node.textContent!;
  const element = node as Element;
  const inner = [...element.childNodes].map(outline).join("");
  const name = element.localName;
  if (element.className === "cnai-code") {
    const label = element.querySelector("button")!.getAttribute("aria-label")!;
    const language = /^Copy the (.*?) ?code$/.exec(label)![1]!;
    return `<code ${language}>${element.querySelector("code")!.textContent}</code>`;
  }
  if (name === "span" || name === "div") return inner;
  if (element.hasAttribute("data-tight")) return `<${name} tight>${inner}</${name}>`;
  if (name === "input") return element.hasAttribute("checked") ? "<checked>" : "<unchecked>";
  const href = element.getAttribute("href");
  return `<${name}${href ? ` ${href}` : ""}>${inner}</${name}>`;
}
