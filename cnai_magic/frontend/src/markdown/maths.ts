/** Maths typeset by the notebook itself, with what MathJax offers beyond formulas left out. */

export type Typeset = (element: HTMLElement) => void;

// Links, styles, HTML, actions, extensions and definitions: none of them is a formula. Nor is a tag.
const REFUSED = new RegExp(
  "\\\\(?:href|url|class|style|cssId|data|html\\w*|require|unicode|bbox|includegraphics|mmlToken|toggle|mathtip|texttip|" +
    "(?:eq)?ref|label|csname|[gex]?def|let|futurelet|(?:re|provide)?new\\w*|renew\\w*|provide\\w*|Declare\\w*)(?![A-Za-z])|<[A-Za-z/!?]",
);

/** Whether a text with its delimiters is a formula that may be typeset. */
export function isFormula(text: string): boolean {
  if (REFUSED.test(text) || text.length > 4000) return false;
  let depth = 0;
  for (const each of text.match(/\\?[{}]/g) ?? []) {
    depth += each === "{" ? 1 : each === "}" ? -1 : 0;
    if (depth < 0) return false;
  }
  return depth === 0;
}

/** What typesets elements in turn, each frame only a few: a formula costs milliseconds. */
export class TypesetQueue {
  private readonly waiting = new Set<HTMLElement>();
  private frame = 0;

  constructor(private readonly typeset: Typeset) {}

  add(element: HTMLElement): void {
    this.waiting.add(element);
    this.frame ||= requestAnimationFrame(() => this.run());
  }

  private run(): void {
    this.frame = 0;
    const deadline = performance.now() + 8;
    for (const each of this.waiting) {
      this.waiting.delete(each);
      if (each.isConnected && isFormula(each.textContent ?? "")) {
        each.textContent = keepInLine(each.textContent ?? "", each);
        this.typeset(each);
      }
      if (performance.now() >= deadline) break;
    }
    if (this.waiting.size) this.frame = requestAnimationFrame(() => this.run());
  }
}

/** A displayed formula within a paragraph stays in its line, as in the final Markdown. */
function keepInLine(text: string, element: HTMLElement): string {
  const inner = /^\$\$([^]*)\$\$$/.exec(text)?.[1] ?? /^\\\[([^]*)\\\]$/.exec(text)?.[1];
  return inner === undefined || element.localName !== "span" ? text : `$\\displaystyle ${inner.trim()}$`;
}
