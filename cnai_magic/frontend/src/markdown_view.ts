/** An answer's Markdown as nodes of the page, made without any HTML, each block drawn again only when it changed. */

import { type Block, BlockParser } from "./blocks";
import { copyText } from "./copy";
import { type Inline, parseInline } from "./inline";
import type { PieceList } from "./store";

// A drawing that is behind, as in a view opened late, catches up over several frames.
const PIECE = 2048;
const BUDGET = 6;
const LINES_PER_GROUP = 32;

interface Mount {
  block: Block | null;
  element: HTMLElement;
  host: HTMLElement;
  children: Block[];
  inline: Inline[];
  lines: string[];
}

export class MarkdownView {
  private parser = new BlockParser();
  private mounts = new Map<Block, Mount>();
  private readonly drawn = new Set<Block>();
  private edition: number;
  private piece = 0;
  private offset = 0;
  private finished = false;

  constructor(
    private readonly source: PieceList,
    private readonly host: HTMLElement,
  ) {
    this.edition = source.edition;
    this.begin();
  }

  /** Draw what came since; returns whether there is more than fits into a frame. */
  draw(over: boolean): boolean {
    if (this.edition !== this.source.edition) {
      this.edition = this.source.edition;
      this.begin();
    }
    const deadline = performance.now() + BUDGET;
    const { pieces } = this.source;
    // More came after what was taken for the end.
    if (this.finished && this.piece < pieces.length) this.begin();
    while (this.piece < pieces.length) {
      const piece = pieces[this.piece]!;
      const part = piece.slice(this.offset, this.offset + PIECE);
      this.parser.feed(part);
      this.offset += part.length;
      if (this.offset >= piece.length) {
        this.piece += 1;
        this.offset = 0;
      }
      if (performance.now() >= deadline) break;
      // A large piece becomes nodes step by step, so that the deadline counts them too.
      if (part.length === PIECE) this.update();
    }
    const behind = this.piece < pieces.length;
    if (!behind && over && !this.finished) {
      this.parser.finish();
      this.finished = true;
    } else if (!this.finished) this.parser.show();
    this.update();
    return behind;
  }

  private update(): void {
    this.drawn.clear();
    for (const block of this.parser.touched()) {
      if (!block.withdrawn && !this.drawn.has(block)) this.updateBlock(block);
    }
  }

  private begin(): void {
    this.parser = new BlockParser();
    this.mounts = new Map();
    this.piece = this.offset = 0;
    this.finished = false;
    this.host.replaceChildren();
    this.mounts.set(this.parser.root, mount(this.host));
  }

  private updateBlock(block: Block): void {
    const own = this.mounts.get(block);
    // Not mounted: its parent will mount it, or it was taken back.
    if (own === undefined) return;
    this.drawn.add(block);
    if (block.kind === "code") followEnd(own.host.parentElement!, () => drawLines(own, shownLines(block)));
    else if (block.kind === "maths") drawLines(own, shownLines(block));
    else if (block.kind === "paragraph" || block.kind === "heading") {
      const inline = parseInline(block.lines.join("\n").trimEnd(), block.open);
      drawInline(own.host, own.inline, inline);
      own.inline = inline;
    } else if (block.kind !== "rule" && block.kind !== "row") this.updateChildren(block, own);
  }

  private updateChildren(block: Block, own: Mount): void {
    // Only the end of a container changes: from there back to what is still the same.
    let same = Math.min(own.children.length, block.children.length);
    while (same > 0 && own.children[same - 1] !== block.children[same - 1]) same -= 1;
    const gone = own.children.splice(same);
    for (const child of block.children.slice(same)) {
      // A line that has grown is a new block: it goes on in the element of the one that was withdrawn.
      const former = gone.shift();
      const reused = former && alike(former, child) ? this.mounts.get(former) : undefined;
      const made = reused ?? element(child, block);
      if (reused) this.mounts.delete(former!);
      else {
        for (const each of former ? [former, ...gone.splice(0)] : []) this.unmount(each);
        own.host.append(made.element);
      }
      made.block = child;
      this.mounts.set(child, made);
      own.children.push(child);
      this.updateBlock(child);
    }
    for (const each of gone) this.unmount(each);
  }

  private unmount(block: Block): void {
    const own = this.mounts.get(block);
    this.mounts.delete(block);
    own?.element.remove();
    for (const child of own?.children ?? []) this.unmount(child);
  }
}

/** Whether one block's element can serve another. */
function alike(former: Block, next: Block): boolean {
  if (!["quote", "list", "item", "paragraph", "heading", "code", "maths"].includes(next.kind)) return false;
  const levels = next.kind === "item" || former.level === next.level;
  return former.kind === next.kind && levels && former.ordered === next.ordered && former.info === next.info;
}

function mount(outer: HTMLElement, host = outer): Mount {
  return { block: null, element: outer, host, children: [], inline: [], lines: [] };
}

function make<Name extends keyof HTMLElementTagNameMap>(name: Name, className = ""): HTMLElementTagNameMap[Name] {
  const made = document.createElement(name);
  if (className) made.className = className;
  return made;
}

function element(block: Block, parent: Block): Mount {
  switch (block.kind) {
    case "quote":
      return mount(make("blockquote"));
    case "list": {
      if (!block.ordered) return mount(make("ul"));
      const list = make("ol");
      if (block.level !== 1) list.start = block.level;
      return mount(list);
    }
    case "item":
      return mount(make("li"));
    case "heading":
      return mount(make(`h${block.level}` as "h1"));
    case "rule":
      return mount(make("hr"));
    case "code":
      return code(block);
    case "maths":
      return mount(make("p", "cnai-maths"));
    case "table":
      return table(block);
    case "row":
      return mount(row(block.cells, parent, "td"));
    default:
      return mount(make("p"));
  }
}

function table(block: Block): Mount {
  const outer = scroller(make("div", "cnai-table"), "Table");
  const inner = make("table");
  const head = make("thead");
  const body = make("tbody");
  head.append(row(block.cells, block, "th"));
  inner.append(head, body);
  outer.append(inner);
  return mount(outer, body);
}

function row(cells: string[], parent: Block, name: "td" | "th"): HTMLElement {
  const made = make("tr");
  for (let index = 0; index < parent.cells.length; index += 1) {
    const alignment = parent.alignments[index];
    const cell = make(name, alignment ? `cnai-${alignment}` : "");
    drawInline(cell, [], parseInline(cells[index] ?? ""));
    made.append(cell);
  }
  return made;
}

function code(block: Block): Mount {
  const language = block.info.split(/\s/)[0]!.slice(0, 40);
  const outer = make("div", "cnai-code");
  const bar = make("div", "cnai-code-bar");
  const name = make("span", "cnai-language");
  name.textContent = language;
  const button = make("button", "cnai-button");
  button.type = "button";
  button.textContent = "Copy";
  button.setAttribute("aria-label", language ? `Copy the ${language} code` : "Copy the code");
  const pre = scroller(make("pre"), language ? `${language} code` : "Code");
  const inner = make("code");
  const own = mount(outer, inner);
  button.addEventListener("click", () => {
    void copyText(shownLines(own.block!).join("\n"), inner).then((done) => {
      button.textContent = done ? "Copied" : "Press Ctrl+C";
      setTimeout(() => (button.textContent = "Copy"), 1500);
    });
  });
  bar.append(name, button);
  pre.append(inner);
  outer.append(bar, pre);
  return own;
}

/** What scrolls inside can be reached and scrolled by the keyboard. */
function scroller<Each extends HTMLElement>(each: Each, label: string): Each {
  each.tabIndex = 0;
  each.setAttribute("role", "region");
  each.setAttribute("aria-label", label);
  return each;
}

/** Keep what scrolls at its end while it grows, where the reader has not scrolled away from there. */
export function followEnd(box: HTMLElement, grow: () => void): void {
  const atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 24;
  grow();
  if (atEnd) box.scrollTop = box.scrollHeight;
}

function shownLines(block: Block): string[] {
  if (block.kind === "maths" || block.fence !== "") return block.lines;
  let end = block.lines.length;
  while (end > 0 && block.lines[end - 1]!.trim() === "") end -= 1;
  return block.lines.slice(0, end);
}

/** Lines as text nodes, in groups: a long program is laid out group by group. */
function drawLines(own: Mount, lines: string[]): void {
  const { host } = own;
  let same = own.lines.length;
  while (same > 0 && (same > lines.length || own.lines[same - 1] !== lines[same - 1])) {
    same -= 1;
    const group = host.lastElementChild!;
    group.lastChild!.remove();
    if (group.firstChild === null) group.remove();
  }
  own.lines.length = same;
  for (const line of lines.slice(same)) {
    if (own.lines.length % LINES_PER_GROUP === 0) host.append(make("span", "cnai-lines"));
    host.lastElementChild!.append(document.createTextNode(`${line}\n`));
    own.lines.push(line);
  }
}

/** Make a host's nodes those of `after`, keeping as many of `before` as are the same. */
function drawInline(host: HTMLElement, before: Inline[], after: Inline[]): void {
  let index = 0;
  for (; index < Math.min(before.length, after.length); index += 1) {
    if (!keep(host.childNodes[index]!, before[index]!, after[index]!)) break;
  }
  while (host.childNodes.length > index) host.lastChild!.remove();
  for (const node of after.slice(index)) host.append(inlineNode(node));
}

/** Turn a node into the next, where that can be done in place. */
function keep(node: ChildNode, before: Inline, after: Inline): boolean {
  if (before.kind !== after.kind) return false;
  if ("text" in before && "text" in after) {
    if (before.text !== after.text) {
      if (node instanceof Text) node.data = after.text;
      else node.textContent = after.text;
    }
    return true;
  }
  if (before.kind === "image" && after.kind === "image") return before.src === after.src && before.alt === after.alt;
  if (before.kind === "link" && after.kind === "link" && before.href !== after.href) return false;
  if ("children" in before && "children" in after) drawInline(node as HTMLElement, before.children, after.children);
  return true;
}

function inlineNode(node: Inline): Node {
  switch (node.kind) {
    case "text":
      return document.createTextNode(node.text);
    case "break":
      return make("br");
    case "code": {
      const made = make("code");
      made.textContent = node.text;
      return made;
    }
    case "link": {
      const made = make("a");
      made.href = node.href;
      made.target = "_blank";
      made.rel = "noopener noreferrer";
      drawInline(made, [], node.children);
      return made;
    }
    case "image":
      return image(node.src, node.alt);
    default: {
      const made = make(node.kind);
      drawInline(made, [], node.children);
      return made;
    }
  }
}

/** An image is loaded only when the reader asks for it: its address may tell who reads. */
function image(src: string, alt: string): HTMLElement {
  const outer = make("span", "cnai-image");
  const button = make("button", "cnai-button");
  button.type = "button";
  button.textContent = `Show image: ${alt || new URL(src).hostname}`;
  button.title = src;
  button.addEventListener("click", (event) => {
    event.preventDefault();
    const shown = make("img");
    shown.referrerPolicy = "no-referrer";
    shown.alt = alt;
    shown.src = src;
    button.replaceWith(shown);
  });
  outer.append(button);
  return outer;
}
