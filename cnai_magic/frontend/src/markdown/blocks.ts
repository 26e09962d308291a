/**
 * The blocks of an answer, from text that comes in pieces (CommonMark 0.31 and GFM's tables).
 *
 * A finished line is read once. The line that still grows is read too, and taken back through a journal when
 * more of it comes, so the blocks depend on the text alone, never on how it was cut. Blocks keep their
 * identity; `touched` says which of them changed since it was last asked.
 */

import {
  type Alignment,
  type Block,
  makeBlock,
  dedent,
  measureIndent,
  isBlank,
  isComplete,
  type Marker,
  readLeaf,
  readMarker,
  type Rest,
  splitCells,
  stripQuoteMark,
} from "./block_starts";
import { readDefinitions } from "./references";

// Deeper nesting is text: no answer means it, and pages grow slow.
const DEEPEST = 24;
const WIDEST = 100;

const UNDERLINE = /^(?:=+|-+)[ \t]*$/;
const ALIGNMENT = /^:?-+:?$/;
// What may yet become one thing or another is not shown before it has: "-" is a bullet, an underline, a rule.
const UNDECIDED = /^[-=+*_#`~|:>\s]*(?:\d{1,9}[.)]?)?$/;

export class BlockParser {
  readonly root = makeBlock("document");
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
    for (const line of lines) this.read(line);
  }

  /** Read the line that still grows, until the next piece comes. */
  show(): void {
    if (this.journal !== null || this.partial === "" || UNDECIDED.test(this.partial)) return;
    const { gap, stack: [...stack] } = this;
    this.journal = [() => ((this.stack = stack), (this.gap = gap))];
    this.read(this.partial);
  }

  /** The text is complete. */
  finish(): void {
    this.feed(this.carriage ? "\n" : "");
    this.carriage = false;
    if (this.partial !== "") this.read(this.partial);
    this.partial = "";
    this.closeTo(1);
  }

  /** The blocks that changed since the last call. */
  takeChanged(): Set<Block> {
    const touched = this.changed;
    this.changed = new Set();
    return touched;
  }

  private rollBack(): void {
    const journal = this.journal;
    this.journal = null;
    for (const undo of journal?.reverse() ?? []) undo();
  }

  private noteUndo(undo: () => void): void {
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
    this.noteUndo(() => {
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
    this.noteUndo(() => {
      list.loose = false;
      this.changed.add(list);
    });
  }

  private push(leaf: Block, line: string): void {
    leaf.lines.push(line);
    this.changed.add(leaf);
    this.noteUndo(() => {
      leaf.lines.pop();
      this.changed.add(leaf);
    });
  }

  private closeTo(length: number): void {
    while (this.stack.length > length) {
      const closed = this.stack.pop()!;
      closed.open = false;
      this.changed.add(closed);
      this.noteUndo(() => {
        closed.open = true;
        this.changed.add(closed);
      });
      // What began as a formula and has no end was text.
      if (closed.kind === "maths" && !isComplete(closed)) this.exchange(closed, paragraphsOf(closed.lines.map((line) => line.trimStart())));
    }
  }

  private read(line: string): void {
    this.afterGap = this.gap;
    this.gap = false;
    let rest: Rest = { text: line, column: 0 };
    let matched = 1;
    // Which of the open containers go on in this line?
    for (; matched < this.stack.length; matched += 1) {
      const each = this.stack[matched]!;
      if (each.kind === "quote") {
        const inner = stripQuoteMark(rest);
        if (inner === null) break;
        rest = inner;
      } else if (each.kind === "item") {
        if (isBlank(rest)) {
          // An item may begin with one blank line, not with two.
          if (each.children.length === 0) break;
        } else if (measureIndent(rest) >= each.level) rest = dedent(rest, each.level);
        else break;
      } else if (each.kind !== "list") break;
    }
    const tip = this.tip;
    const leaf = matched === this.stack.length - 1 && isLeaf(tip) ? tip : null;
    if (leaf?.kind === "code" && this.continueCode(leaf, rest)) return;
    if (leaf?.kind === "maths" && this.continueMaths(leaf, rest)) return;
    this.beginBlocks(rest, matched, leaf);
  }

  private continueCode(code: Block, rest: Rest): boolean {
    if (code.fence === "") {
      if (!isBlank(rest) && measureIndent(rest) < 4) return false;
      this.push(code, dedent(rest, 4).text);
      return true;
    }
    const bare = rest.text.trim();
    if (measureIndent(rest) < 4 && bare.startsWith(code.fence) && bare.replace(/^(`+|~+)/, "") === "") {
      this.closeTo(this.stack.length - 1);
    } else this.push(code, dedent(rest, code.indent).text);
    return true;
  }

  private continueMaths(maths: Block, rest: Rest): boolean {
    if (isBlank(rest)) return false;
    this.push(maths, rest.text);
    if (rest.text.includes(maths.fence)) this.closeTo(this.stack.length - 1);
    return true;
  }

  /** Begin the blocks that a line begins, after `matched` open containers; the rest of it is text. */
  private beginBlocks(line: Rest, matched: number, leaf: Block | null): void {
    let rest = line;
    let length = matched;
    const lazy = this.tip.kind === "paragraph" ? this.tip : null;
    let paragraph = leaf?.kind === "paragraph" ? leaf : null;
    let fresh = false;
    for (;;) {
      if (isBlank(rest)) return this.endAtBlank(length, fresh);
      const indent = measureIndent(rest);
      const text = rest.text.trimStart();
      if (indent >= 4) {
        if (lazy !== null && !fresh) break;
        this.closeTo(length);
        this.leaveList();
        this.push(this.add(makeBlock("code")), dedent(rest, 4).text);
        return;
      }
      if (paragraph !== null && !fresh && this.makeHeading(paragraph, text)) return;
      const deep = length > DEEPEST;
      if (text.startsWith(">") && !deep) {
        this.closeTo(length);
        this.leaveList();
        this.add(makeBlock("quote"));
        rest = stripQuoteMark(rest)!;
      } else if (this.beginLeaf(text, indent, length)) return;
      else {
        const marker = deep ? null : readMarker(rest, paragraph !== null && !fresh);
        if (marker === null) break;
        this.closeTo(length);
        this.beginItem(marker);
        rest = marker.rest;
      }
      length = this.stack.length;
      paragraph = null;
      fresh = true;
    }
    this.addText(rest.text.trimStart(), length, fresh ? null : lazy, leaf);
  }

  private endAtBlank(length: number, fresh: boolean): void {
    // A blank line ends a paragraph, a table and maths, and the quotes that it is outside of. One within a quote
    // does not part the items of the list around it.
    this.gap = !fresh && this.stack[length - 1]!.kind !== "quote";
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

  private beginLeaf(text: string, indent: number, length: number): boolean {
    const made = readLeaf(text, indent);
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
    if (list.kind !== "list" || list.info !== marker.bullet) {
      this.leaveList();
      this.add(makeBlock("list", { ordered: marker.ordered, level: marker.number, info: marker.bullet }));
    }
    this.add(makeBlock("item", { level: marker.width }));
  }

  private addText(text: string, length: number, lazy: Block | null, leaf: Block | null): void {
    if (lazy !== null && this.tip === lazy) {
      if (leaf === lazy && this.makeTable(lazy, text)) return;
      return this.push(lazy, text);
    }
    if (leaf?.kind === "table" && this.tip === leaf) {
      this.add(makeBlock("row", { cells: splitCells(text).slice(0, leaf.cells.length) }));
      return this.closeTo(this.stack.length - 1);
    }
    this.closeTo(length);
    this.leaveList();
    this.push(this.add(makeBlock("paragraph")), text);
  }

  /** Turn a paragraph into a heading, where a line underlines it. */
  private makeHeading(paragraph: Block, text: string): boolean {
    if (!UNDERLINE.test(text)) return false;
    if (this.makeTable(paragraph, text)) return true;
    const { lines } = paragraph;
    const defining = readDefinitions(lines).lines;
    if (defining === lines.length) return false;
    const heading = makeBlock("heading", { level: text.startsWith("=") ? 1 : 2, lines: lines.slice(defining) });
    this.replace(paragraph, [...paragraphsOf(lines.slice(0, defining)), heading]);
    return true;
  }

  /** Turn the last line of a paragraph into a table's head, where a line of dashes follows. */
  private makeTable(paragraph: Block, text: string): boolean {
    if (!text.includes("-") || !/^[|:\- \t]+$/.test(text)) return false;
    const head = paragraph.lines[paragraph.lines.length - 1]!;
    const dashes = splitCells(text);
    const titles = splitCells(head);
    if (!(text.includes("|") || head.includes("|")) || dashes.length !== titles.length) return false;
    if (titles.length > WIDEST || !dashes.every((each) => ALIGNMENT.test(each))) return false;
    const alignments = dashes.map((each): Alignment => {
      const right = each.endsWith(":");
      return each.startsWith(":") ? (right ? "center" : "left") : right ? "right" : "";
    });
    this.replace(paragraph, [...paragraphsOf(paragraph.lines.slice(0, -1)), makeBlock("table", { cells: titles, alignments })]);
    return true;
  }

  /** Put other blocks in the place of the paragraph at the tip; a table stays open. */
  private replace(paragraph: Block, blocks: Block[]): void {
    this.closeTo(this.stack.length - 1);
    this.exchange(paragraph, blocks);
  }

  /** Put other blocks in the place of a closed one, the last of its parent. */
  private exchange(former: Block, blocks: Block[]): void {
    const parent = this.tip;
    parent.children.pop();
    this.changed.add(parent);
    this.noteUndo(() => {
      parent.children.push(former);
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

function paragraphsOf(lines: string[]): Block[] {
  return lines.length ? [makeBlock("paragraph", { lines })] : [];
}
