/**
 * The blocks of an answer, from text that comes in pieces (CommonMark 0.31 and GFM's tables).
 *
 * A finished line is read once. The line that still grows is read too, and taken back through a journal when
 * more of it comes, so the blocks depend on the text alone, never on how it was cut. Blocks keep their
 * identity; `touched` says which of them changed since it was last asked.
 */

export type BlockKind =
  | "document" | "quote" | "list" | "item"
  | "paragraph" | "heading" | "code" | "maths" | "rule" | "table" | "row";
export type Alignment = "" | "left" | "center" | "right";

export interface Block {
  kind: BlockKind;
  children: Block[];
  lines: string[];
  /** Whether lines may still be added. */
  open: boolean;
  /** Heading: 1 to 6. List: the first number. Item: columns of its content. */
  level: number;
  /** Code: the info string. List: its bullet or delimiter. */
  info: string;
  /** Code: the fence, empty for indented code. Maths: what ends it. */
  fence: string;
  /** Code: columns before the fence. */
  indent: number;
  ordered: boolean;
  /** List: blank lines stand between its items, or between the blocks of one. */
  loose: boolean;
  /** Paragraph: the first of an item, so that it may begin with a task's box. */
  leads: boolean;
  cells: string[];
  alignments: Alignment[];
  /** It was read from a line that went on otherwise. */
  withdrawn: boolean;
}

// Deeper nesting is text: no answer means it, and pages grow slow.
const DEEPEST = 24;
const WIDEST = 100;

const FENCE = /^(`{3,}(?=[^`]*$)|~{3,})(.*)$/;
const HEADING = /^(#{1,6})(?:[ \t]+|$)(.*)$/;
const RULE = /^(?:(?:\*[ \t]*){3,}|(?:-[ \t]*){3,}|(?:_[ \t]*){3,})$/;
const BULLET = /^([-*+])(?=[ \t]|$)/;
const NUMBER = /^(\d{1,9})([.)])(?=[ \t]|$)/;
const UNDERLINE = /^(?:=+|-+)[ \t]*$/;
const ALIGNMENT = /^:?-+:?$/;
const MATHS: [RegExp, string][] = [[/^\$\$/, "$$"], [/^\\\[/, "\\]"], [/^\\begin\{([A-Za-z]{1,20}\*?)\}/, "\\end{"]];
// What may yet become one thing or another is not shown before it has: "-" is a bullet, an underline, a rule.
const UNDECIDED = /^[-=+*_#`~|:>\s]*(?:\d{1,9}[.)]?)?$/;

function block(kind: BlockKind, more: Partial<Block> = {}): Block {
  return {
    kind, children: [], lines: [], open: true, level: 0, info: "", fence: "", indent: 0, ordered: false, loose: false, leads: false,
    cells: [], alignments: [], withdrawn: false, ...more,
  };
}

export class BlockParser {
  readonly root = block("document");
  private stack: Block[] = [this.root];
  private partial = "";
  private carriage = false;
  private journal: (() => void)[] | null = null;
  private changed = new Set<Block>();
  /** The last line was blank; what begins after it in a list makes that list loose. */
  private gap = false;
  private afterGap = false;

  /** Add a piece of the text. `show` reads also the line that is not finished. */
  feed(piece: string): void {
    this.rollBack();
    let text = (this.carriage ? "\r" : "") + piece;
    this.carriage = text.endsWith("\r");
    if (this.carriage) text = text.slice(0, -1);
     
    const lines = text.replace(/\r\n?/g, "\n").replace(/\u0000/g, "\ufffd").split("\n");
    lines[0] = this.partial + lines[0]!;
    this.partial = lines.pop()!;
    for (const line of lines) this.line(line);
  }

  /** Read the line that still grows, until the next piece comes. */
  show(): void {
    if (this.journal !== null || this.partial === "" || UNDECIDED.test(this.partial)) return;
    const { gap, stack: [...stack] } = this;
    this.journal = [() => ((this.stack = stack), (this.gap = gap))];
    this.line(this.partial);
  }

  /** The text is complete. */
  finish(): void {
    this.feed(this.carriage ? "\n" : "");
    this.carriage = false;
    if (this.partial !== "") this.line(this.partial);
    this.partial = "";
    this.closeTo(1);
  }

  /** The blocks that changed since the last call. */
  touched(): Set<Block> {
    const touched = this.changed;
    this.changed = new Set();
    return touched;
  }

  private rollBack(): void {
    const journal = this.journal;
    this.journal = null;
    for (const undo of journal?.reverse() ?? []) undo();
  }

  private undoable(undo: () => void): void {
    this.journal?.push(undo);
  }

  private get tip(): Block {
    return this.stack[this.stack.length - 1]!;
  }

  private add(child: Block): Block {
    const parent = this.tip;
    if (this.afterGap && parent.children.length > 0) this.loosen(parent);
    child.leads = parent.kind === "item" && parent.children.length === 0;
    parent.children.push(child);
    this.stack.push(child);
    this.changed.add(parent).add(child);
    this.undoable(() => {
      parent.children.pop();
      child.withdrawn = true;
      this.changed.add(parent);
    });
    return child;
  }

  private loosen(parent: Block): void {
    const list = parent.kind === "item" ? this.stack[this.stack.length - 2]! : parent;
    if (list.kind !== "list" || list.loose) return;
    list.loose = true;
    this.changed.add(list);
    this.undoable(() => {
      list.loose = false;
      this.changed.add(list);
    });
  }

  private push(leaf: Block, line: string): void {
    leaf.lines.push(line);
    this.changed.add(leaf);
    this.undoable(() => {
      leaf.lines.pop();
      this.changed.add(leaf);
    });
  }

  private closeTo(length: number): void {
    while (this.stack.length > length) {
      const closed = this.stack.pop()!;
      closed.open = false;
      this.changed.add(closed);
      this.undoable(() => {
        closed.open = true;
        this.changed.add(closed);
      });
    }
  }

  private line(whole: string): void {
    this.afterGap = this.gap;
    this.gap = false;
    let rest = whole;
    let matched = 1;
    // Which of the open containers go on in this line?
    for (; matched < this.stack.length; matched += 1) {
      const each = this.stack[matched]!;
      if (each.kind === "quote") {
        const inner = quoted(rest);
        if (inner === null) break;
        rest = inner;
      } else if (each.kind === "item") {
        if (isBlank(rest)) {
          // An item may begin with one blank line, not with two.
          if (each.children.length === 0) break;
        } else if (columns(rest) >= each.level) rest = dedent(rest, each.level);
        else break;
      } else if (each.kind !== "list") break;
    }
    const tip = this.tip;
    const leaf = matched === this.stack.length - 1 && isLeaf(tip) ? tip : null;
    if (leaf?.kind === "code" && this.inCode(leaf, rest)) return;
    if (leaf?.kind === "maths" && this.inMaths(leaf, rest)) return;
    this.begin(rest, matched, leaf);
  }

  private inCode(code: Block, rest: string): boolean {
    if (code.fence === "") {
      if (!isBlank(rest) && columns(rest) < 4) return false;
      this.push(code, dedent(rest, 4));
      return true;
    }
    const bare = rest.trim();
    if (columns(rest) < 4 && bare.startsWith(code.fence) && bare.replace(/^(`+|~+)/, "") === "") {
      this.closeTo(this.stack.length - 1);
    } else this.push(code, dedent(rest, code.indent));
    return true;
  }

  private inMaths(maths: Block, rest: string): boolean {
    if (isBlank(rest)) return false;
    this.push(maths, rest);
    if (rest.includes(maths.fence)) this.closeTo(this.stack.length - 1);
    return true;
  }

  /** Begin the blocks that a line begins, after `matched` open containers; the rest of it is text. */
  private begin(line: string, matched: number, leaf: Block | null): void {
    let rest = line;
    let length = matched;
    const lazy = this.tip.kind === "paragraph" ? this.tip : null;
    let paragraph = leaf?.kind === "paragraph" ? leaf : null;
    let fresh = false;
    for (;;) {
      if (isBlank(rest)) return this.blank(length, fresh);
      const indent = columns(rest);
      const text = rest.trimStart();
      if (indent >= 4) {
        if (lazy !== null && !fresh) break;
        this.closeTo(length);
        this.leaveList();
        this.push(this.add(block("code")), dedent(rest, 4));
        return;
      }
      if (paragraph !== null && !fresh && this.underline(paragraph, text)) return;
      const deep = length > DEEPEST;
      if (text.startsWith(">") && !deep) {
        this.closeTo(length);
        this.leaveList();
        this.add(block("quote"));
        rest = quoted(rest)!;
      } else if (this.leafBlock(text, indent, length)) return;
      else {
        const marker = deep ? null : listMarker(text, indent, paragraph !== null && !fresh);
        if (marker === null) break;
        this.closeTo(length);
        this.beginItem(marker);
        rest = marker.rest;
      }
      length = this.stack.length;
      paragraph = null;
      fresh = true;
    }
    this.text(rest.trimStart(), length, fresh ? null : lazy, leaf);
  }

  private blank(length: number, fresh: boolean): void {
    // A blank line ends a paragraph, a table and maths, and the quotes that it is outside of.
    this.gap = !fresh;
    if (fresh) return;
    const first = this.stack.findIndex((each, index) => index >= length && (each.kind === "quote" || isLeaf(each)));
    const end = first < 0 ? this.stack.length : first;
    const item = this.stack.findIndex((each, index) => index >= length && each.kind === "item" && !each.children.length);
    this.closeTo(item < 0 ? end : Math.min(item, end));
  }

  /** After an item's end a list may only go on with another item. */
  private leaveList(): void {
    while (this.tip.kind === "list") this.closeTo(this.stack.length - 1);
  }

  private leafBlock(text: string, indent: number, length: number): boolean {
    const made = leafOf(text, indent);
    if (made === null) return false;
    this.closeTo(length);
    this.leaveList();
    this.add(made);
    const ended = made.kind === "heading" || made.kind === "rule" || (made.kind === "maths" && !made.open);
    made.open = true;
    if (ended) this.closeTo(this.stack.length - 1);
    return true;
  }

  private beginItem(marker: Marker): void {
    const list = this.tip;
    if (list.kind !== "list" || list.info !== marker.sign) {
      this.leaveList();
      this.add(block("list", { ordered: marker.ordered, level: marker.number, info: marker.sign }));
    }
    this.add(block("item", { level: marker.width }));
  }

  private text(text: string, length: number, lazy: Block | null, leaf: Block | null): void {
    if (lazy !== null && this.tip === lazy) {
      if (leaf === lazy && this.table(lazy, text)) return;
      return this.push(lazy, text);
    }
    if (leaf?.kind === "table" && this.tip === leaf) {
      this.add(block("row", { cells: cells(text).slice(0, leaf.cells.length) }));
      return this.closeTo(this.stack.length - 1);
    }
    this.closeTo(length);
    this.leaveList();
    this.push(this.add(block("paragraph")), text);
  }

  /** Turn a paragraph into a heading, where a line underlines it. */
  private underline(paragraph: Block, text: string): boolean {
    if (!UNDERLINE.test(text)) return false;
    if (this.table(paragraph, text)) return true;
    const heading = block("heading", { level: text.startsWith("=") ? 1 : 2, lines: [...paragraph.lines] });
    this.replace(paragraph, [heading]);
    return true;
  }

  /** Turn the last line of a paragraph into a table's head, where a line of dashes follows. */
  private table(paragraph: Block, text: string): boolean {
    if (!text.includes("-") || !/^[|:\- \t]+$/.test(text)) return false;
    const head = paragraph.lines[paragraph.lines.length - 1]!;
    const dashes = cells(text);
    const titles = cells(head);
    if (!(text.includes("|") || head.includes("|")) || dashes.length !== titles.length) return false;
    if (titles.length > WIDEST || !dashes.every((each) => ALIGNMENT.test(each))) return false;
    const alignments = dashes.map((each): Alignment => {
      const right = each.endsWith(":");
      return each.startsWith(":") ? (right ? "center" : "left") : right ? "right" : "";
    });
    const before = paragraph.lines.slice(0, -1);
    const made = before.length ? [block("paragraph", { lines: before, open: false })] : [];
    this.replace(paragraph, [...made, block("table", { cells: titles, alignments })]);
    return true;
  }

  /** Put other blocks in the place of the paragraph at the tip; a table stays open. */
  private replace(paragraph: Block, blocks: Block[]): void {
    this.closeTo(this.stack.length - 1);
    const parent = this.tip;
    parent.children.pop();
    this.undoable(() => {
      parent.children.push(paragraph);
      this.changed.add(parent);
    });
    for (const each of blocks) {
      this.add(each);
      if (each.kind !== "table") this.closeTo(this.stack.length - 1);
    }
  }
}

function isLeaf(each: Block): boolean {
  return !["document", "quote", "list", "item"].includes(each.kind);
}

function isBlank(text: string): boolean {
  return /^[ \t]*$/.test(text);
}

/** The columns of white space that a line begins with; a tab goes to the next multiple of four. */
function columns(text: string): number {
  let width = 0;
  for (const sign of text) {
    if (sign === " ") width += 1;
    else if (sign === "\t") width += 4 - (width % 4);
    else break;
  }
  return width;
}

/** Take up to `width` columns of white space from the beginning of a line. */
function dedent(text: string, width: number): string {
  let taken = 0;
  let at = 0;
  for (; at < text.length && taken < width; at += 1) {
    if (text[at] === " ") taken += 1;
    else if (text[at] === "\t") taken += 4 - (taken % 4);
    else break;
  }
  return " ".repeat(Math.max(taken - width, 0)) + text.slice(at);
}

/** What a line holds after the mark of a quote. */
function quoted(text: string): string | null {
  if (columns(text) > 3) return null;
  const bare = text.trimStart();
  return bare.startsWith(">") ? dedent(bare.slice(1), 1) : null;
}

function leafOf(text: string, indent: number): Block | null {
  const heading = HEADING.exec(text);
  if (heading) {
    const title = heading[2]!.trimEnd();
    let end = title.length;
    while (title[end - 1] === "#") end -= 1;
    const bare = end === 0 || title[end - 1] === " " || title[end - 1] === "\t" ? title.slice(0, end).trimEnd() : title;
    return block("heading", { level: heading[1]!.length, lines: [bare] });
  }
  const fence = FENCE.exec(text);
  if (fence) return block("code", { fence: fence[1]!, info: fence[2]!.trim(), indent });
  if (RULE.test(text)) return block("rule");
  for (const [opening, closing] of MATHS) {
    const match = opening.exec(text);
    if (!match) continue;
    const end = match[1] === undefined ? closing : `${closing}${match[1]}}`;
    const at = text.indexOf(end, match[0].length);
    // A formula with text after it is part of a paragraph.
    if (at >= 0 && text.slice(at + end.length).trim() !== "") return null;
    return block("maths", { fence: end, lines: [text], open: at < 0 });
  }
  return null;
}

interface Marker {
  ordered: boolean;
  number: number;
  sign: string;
  width: number;
  rest: string;
}

function listMarker(text: string, indent: number, interrupts: boolean): Marker | null {
  const bullet = BULLET.exec(text);
  const number = bullet ? null : NUMBER.exec(text);
  const mark = (bullet ?? number)?.[0];
  if (mark === undefined) return null;
  const after = text.slice(mark.length);
  const empty = isBlank(after);
  // CommonMark 5.2: only a list that begins with 1, and not an empty item, interrupts a paragraph.
  if (interrupts && (empty || (number !== null && number[1] !== "1"))) return null;
  const gap = columns(after);
  const padding = empty || gap > 4 ? 1 : gap;
  return {
    ordered: number !== null,
    number: number ? Number(number[1]) : 0,
    sign: number ? number[2]! : mark,
    width: indent + mark.length + padding,
    rest: empty ? "" : dedent(after, padding),
  };
}

/** The cells of a table's row; a pipe after a backslash is text. */
function cells(line: string): string[] {
  const text = line.trim().replace(/^\|/, "");
  const found: string[] = [];
  let cell = "";
  for (let at = 0; at < text.length; at += 1) {
    if (text[at] === "\\" && text[at + 1] === "|") {
      cell += "|";
      at += 1;
    } else if (text[at] === "|") {
      found.push(cell.trim());
      cell = "";
    } else cell += text[at];
  }
  if (cell.trim() !== "" || found.length === 0) found.push(cell.trim());
  return found;
}
