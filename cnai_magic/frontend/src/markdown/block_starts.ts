/** What one line begins: blocks and their marks, by CommonMark 0.31 and GFM's tables. */

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

const FENCE = /^(`{3,}(?=[^`]*$)|~{3,})(.*)$/;
const HEADING = /^(#{1,6})(?:[ \t]+|$)(.*)$/;
const RULE = /^(?:(?:\*[ \t]*){3,}|(?:-[ \t]*){3,}|(?:_[ \t]*){3,})$/;
const BULLET = /^([-*+])(?=[ \t]|$)/;
const NUMBER = /^(\d{1,9})([.)])(?=[ \t]|$)/;
const MATHS: [RegExp, string][] = [[/^\$\$/, "$$"], [/^\\\[/, "\\]"], [/^\\begin\{([A-Za-z]{1,20}\*?)\}/, "\\end{"]];
// The length of "$$" and of "\[".
const OPENING = 2;

export function makeBlock(kind: BlockKind, more: Partial<Block> = {}): Block {
  return {
    kind, children: [], lines: [], open: true, level: 0, info: "", fence: "", indent: 0, ordered: false, loose: false, leads: false,
    cells: [], alignments: [], withdrawn: false, ...more,
  };
}

/** What is left of a line after the marks of the blocks that hold it, and the column where it begins. */
export interface Rest {
  text: string;
  column: number;
}

export function isBlank({ text }: Rest): boolean {
  return /^[ \t]*$/.test(text);
}

/** The columns of white space at the beginning; a tab goes to the next multiple of four of the line. */
export function measureIndent({ text, column }: Rest): number {
  let width = 0;
  for (const character of text) {
    if (character === " ") width += 1;
    else if (character === "\t") width += 4 - ((column + width) % 4);
    else break;
  }
  return width;
}

/** Take up to `width` columns of white space from the beginning; what is left of a tab becomes spaces. */
export function dedent({ text, column }: Rest, width: number): Rest {
  let taken = 0;
  let at = 0;
  for (; at < text.length && taken < width; at += 1) {
    if (text[at] === " ") taken += 1;
    else if (text[at] === "\t") taken += 4 - ((column + taken) % 4);
    else break;
  }
  return { text: " ".repeat(Math.max(taken - width, 0)) + text.slice(at), column: column + Math.min(taken, width) };
}

/** What a line holds after the mark of a quote, or null where it has none. */
export function stripQuoteMark(rest: Rest): Rest | null {
  const indent = measureIndent(rest);
  const bare = rest.text.trimStart();
  if (indent > 3 || !bare.startsWith(">")) return null;
  return dedent({ text: bare.slice(1), column: rest.column + indent + 1 }, 1);
}

/** The heading, fence, rule or formula that a line begins, without its indentation. */
export function readLeaf(text: string, indent: number): Block | null {
  const heading = HEADING.exec(text);
  if (heading) return makeBlock("heading", { level: heading[1]!.length, lines: [dropClosingHashes(heading[2]!)] });
  const fence = FENCE.exec(text);
  if (fence) return makeBlock("code", { fence: fence[1]!, info: fence[2]!.trim(), indent });
  return RULE.test(text) ? makeBlock("rule") : readFormula(text);
}

function dropClosingHashes(text: string): string {
  const title = text.trimEnd();
  let end = title.length;
  while (title[end - 1] === "#") end -= 1;
  return end === 0 || /[ \t]/.test(title[end - 1]!) ? title.slice(0, end).trimEnd() : title;
}

function readFormula(text: string): Block | null {
  for (const [opening, closing] of MATHS) {
    const match = opening.exec(text);
    if (!match) continue;
    const fence = match[1] === undefined ? closing : `${closing}${match[1]}}`;
    const at = text.indexOf(fence, match[0].length);
    // A formula with text after it is part of a paragraph.
    if (at >= 0 && text.slice(at + fence.length).trim() !== "") return null;
    return makeBlock("maths", { fence, lines: [text], open: at < 0 });
  }
  return null;
}

/** Whether the formula of a block has its end. */
export function isComplete({ fence, lines }: Block): boolean {
  return lines.join("\n").indexOf(fence, OPENING) >= 0;
}

export interface Marker {
  ordered: boolean;
  number: number;
  bullet: string;
  /** Columns from the item's indentation to its content. */
  width: number;
  rest: Rest;
}

/** The mark of a list's item that a line begins; `interrupts` where it would end a paragraph. */
export function readMarker(line: Rest, interrupts: boolean): Marker | null {
  const indent = measureIndent(line);
  const text = line.text.trimStart();
  const bullet = BULLET.exec(text);
  const number = bullet ? null : NUMBER.exec(text);
  const mark = (bullet ?? number)?.[0];
  if (mark === undefined) return null;
  const after = { text: text.slice(mark.length), column: line.column + indent + mark.length };
  const empty = isBlank(after);
  // CommonMark 5.2: only a list that begins with 1, and not an empty item, interrupts a paragraph.
  if (interrupts && (empty || (number !== null && number[1] !== "1"))) return null;
  const gap = measureIndent(after);
  const padding = empty || gap > 4 ? 1 : gap;
  return {
    ordered: number !== null,
    number: number ? Number(number[1]) : 0,
    bullet: number ? number[2]! : mark,
    width: indent + mark.length + padding,
    rest: empty ? { text: "", column: after.column } : dedent(after, padding),
  };
}

/** The cells of a table's row; a pipe after a backslash is text. */
export function splitCells(line: string): string[] {
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
