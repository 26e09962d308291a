/** An answer's Markdown as nodes of the page, made without any HTML, each block drawn again only when it changed. */

import type { Block } from "./block_starts";
import { BlockParser } from "./blocks";
import { offerCopy } from "../copy";
import { type Inline, parseInline, parseLead } from "./inline";
import { JsonText } from "./json_text";
import { type Typeset, TypesetQueue } from "./maths";
import { make } from "../nodes";
import { definitions } from "./references";
import { unescaped } from "./url";
import type { PieceList } from "../answer/store";

// A drawing that is behind, as in a view opened late, catches up over several frames.
const PIECE = 2048;
const BUDGET = 6;
const LINES_PER_GROUP = 32;

export interface MarkdownOptions {
  /** The child of the host that all blocks stand before. */
  before?: Node;
  typeset?: Typeset | null;
  /** Show a text that is nothing but JSON as code. */
  asJson?: boolean;
}

interface Mount {
  block: Block | null;
  element: HTMLElement;
  host: HTMLElement;
  children: Block[];
  inline: Inline[];
  lines: string[];
  /** The child of the host that its blocks stand before. */
  before: Node | null;
}

export class MarkdownView {
  private parser = new BlockParser();
  private mounts = new Map<Block, Mount>();
  private readonly drawn = new Set<Block>();
  private edition: number;
  private piece = 0;
  private offset = 0;
  private finished = false;
  private readonly before: Node | null;
  private readonly asJson: boolean;
  private readonly typesetting: TypesetQueue | null;
  private formulas = new Set<HTMLElement>();
  /** The blocks that use a label which is not defined yet. */
  private wanted = new Map<string, Set<Block>>();
  private references = new Map<string, string>();
  private defined: [string, string][] = [];
  /** What may be nothing but JSON is shown as code, until it turns out to be something else. */
  private json: JsonText | null = null;

  constructor(
    private readonly source: PieceList,
    private readonly host: HTMLElement,
    { before, typeset, asJson }: MarkdownOptions = {},
  ) {
    this.asJson = asJson ?? false;
    this.before = before ?? null;
    this.typesetting = typeset ? new TypesetQueue(typeset) : null;
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
      if (this.json !== null && !this.goesOnAsJson(part)) continue;
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
    if (!behind && over && this.json?.complete === false) {
      this.begin(false);
      return this.draw(over);
    }
    if (!behind && over && !this.finished) {
      this.parser.finish();
      this.finished = true;
      this.update();
      this.settle();
    } else if (!this.finished) {
      // What the growing line closes may be open again with its next piece.
      this.update();
      this.settle();
      this.parser.show();
      this.update();
      this.formulas.clear();
      this.defined = [];
    }
    return behind;
  }

  private update(): void {
    this.drawn.clear();
    for (const block of this.parser.touched()) {
      if (!block.withdrawn && !this.drawn.has(block)) this.updateBlock(block);
    }
  }

  private goesOnAsJson(part: string): boolean {
    this.json!.feed(part);
    if (this.json!.possible) return true;
    this.begin(false);
    return false;
  }

  private begin(mayBeJson = true): void {
    for (const child of this.mounts.get(this.parser.root)?.children ?? []) this.unmount(child);
    this.parser = new BlockParser();
    this.mounts = new Map([[this.parser.root, mount(this.host, this.host, this.before)]]);
    this.piece = this.offset = 0;
    this.finished = false;
    this.wanted = new Map();
    this.references = new Map();
    this.defined = [];
    this.json = mayBeJson && this.asJson ? new JsonText() : null;
    if (this.json) this.parser.feed("```json\n");
  }

  private updateBlock(block: Block): void {
    const own = this.mounts.get(block);
    // Not mounted: its parent will mount it, or it was taken back.
    if (own === undefined) return;
    this.drawn.add(block);
    if (block.kind === "code") drawLines(own, shownLines(block));
    else if (block.kind === "maths") this.drawFormula(own, block);
    else if (block.kind === "paragraph" || block.kind === "heading") this.drawText(own, block);
    else if (block.kind === "row") this.typesetIn(own.host);
    else if (block.kind !== "rule") this.updateChildren(block, own);
  }

  private drawText(own: Mount, block: Block): void {
    const defined = block.kind === "paragraph" ? definitions(block.lines) : { found: [], lines: 0 };
    if (!block.open) this.defined.push(...defined.found);
    const text = block.lines.slice(defined.lines).join("\n").trimEnd();
    const inline = (block.leads ? parseLead : parseInline)(text, block.open, (name) => this.address(name, block));
    drawInline(own.host, own.inline, inline);
    own.inline = inline;
    if (defined.lines || own.host.hidden) own.host.hidden = text === "";
    if (!block.open) this.typesetIn(own.host);
  }

  /** Take in what nothing changes any more: definitions of links, and formulas. */
  private settle(): void {
    const changed = new Set<Block>();
    for (const [name, address] of this.defined) {
      if (this.references.has(name)) continue;
      this.references.set(name, address);
      for (const block of this.wanted.get(name) ?? []) changed.add(block);
      this.wanted.delete(name);
    }
    this.defined = [];
    for (const block of changed) {
      const own = this.mounts.get(block);
      if (own !== undefined && !block.withdrawn) this.drawText(own, block);
    }
    this.defined = [];
    this.typesetSettled();
  }

  private address(name: string, block: Block): string | undefined {
    const found = this.references.get(name);
    if (found === undefined) {
      if (!this.wanted.has(name)) this.wanted.set(name, new Set());
      this.wanted.get(name)!.add(block);
    }
    return found;
  }

  private drawFormula(own: Mount, block: Block): void {
    own.host.textContent = block.lines.join("\n");
    if (!block.open) this.formulas.add(own.host);
  }

  /** Formulas are typeset once nothing changes them any more: typesetting takes their text away. */
  private typesetIn(host: HTMLElement): void {
    for (const each of host.querySelectorAll<HTMLElement>(".cnai-maths")) this.formulas.add(each);
  }

  private typesetSettled(): void {
    if (this.formulas.size === 0) return;
    for (const each of this.formulas) this.typesetting?.add(each);
    this.formulas.clear();
  }

  private updateChildren(block: Block, own: Mount): void {
    if (block.kind === "list") own.host.toggleAttribute("data-tight", !block.loose);
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
        own.host.insertBefore(made.element, own.before);
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

function mount(outer: HTMLElement, host = outer, before: Node | null = null): Mount {
  return { block: null, element: outer, host, children: [], inline: [], lines: [], before };
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
    const cell = make(name);
    if (alignment) cell.align = alignment;
    drawInline(cell, [], parseInline(cells[index] ?? ""));
    made.append(cell);
  }
  return made;
}

/** A block of code as the notebook renders it; its button stands above the text and takes no place. */
function code(block: Block): Mount {
  const language = unescaped(block.info).split(/\s/)[0]!.slice(0, 40);
  const outer = make("pre", "cnai-code");
  const inner = make("code");
  const own = mount(outer, inner);
  const button = make("button", "cnai-button cnai-copy");
  offerCopy(button, language ? `the ${language} code` : "the code", () => shownLines(own.block!).join("\n"));
  outer.append(inner, button);
  return own;
}

/** What scrolls inside can be reached and scrolled by the keyboard. */
function scroller<Each extends HTMLElement>(each: Each, label: string): Each {
  each.tabIndex = 0;
  each.setAttribute("role", "region");
  each.setAttribute("aria-label", label);
  return each;
}

function shownLines(block: Block): string[] {
  if (block.fence !== "") return block.lines;
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
  if (before.kind === "box" && after.kind === "box") return before.checked === after.checked;
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
    case "box": {
      const made = make("input");
      made.type = "checkbox";
      made.disabled = true;
      // The attribute, as the notebook's renderer writes it.
      made.toggleAttribute("checked", node.checked);
      return made;
    }
    case "maths": {
      const made = make("span", "cnai-maths");
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
    default: {
      const made = make(node.kind);
      drawInline(made, [], node.children);
      return made;
    }
  }
}
