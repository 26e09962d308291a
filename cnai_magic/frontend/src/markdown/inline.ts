/** The text of a paragraph as nodes: CommonMark's emphasis, code and links; an image is a link to it. */

import { findCharacterBefore, judgeFlanking } from "./flanking";
import { decodeEntity, ENTITY, unescapeTarget } from "./entities";
import { gather, type Inline, type Item, joinText, limitDepth } from "./inline_nodes";
import { checkAddress, readBareAddress, readTarget, type Target } from "./links";
import { NONE, normalizeLabel, type References } from "./references";

interface Delimiter {
  item: Item;
  character: string;
  left: number;
  original: number;
  opens: boolean;
  closes: boolean;
}
interface Bracket {
  item: Item;
  image: boolean;
  active: boolean;
  delimiters: number;
  /** Where its text begins. */
  at: number;
}

const LONGEST_LABEL = 200;

const SPECIAL = /[\\`*_~[\]!<&$\n]|https?:\/\//g;
const AUTOLINK = /<((?:https?:\/\/|mailto:)[^\s<>]*)>/iy;
const MAIL = /<([\w.+-]+@[\w-]+(?:\.[\w-]+)+)>/y;
const DOLLAR = /\$(?![\s$])(?:[^$\n\\]|\\[^\n]){0,999}?(?<![\s\\$])\$(?![\d$])/y;

/** Parse the text of one block. With `open`, the text goes on: what has been begun is taken as meant. */
export function parseInline(text: string, open = false, references = NONE): Inline[] {
  return new InlineParser(text, open, references).parse();
}

const LABEL = /\[((?:\\.|[^[\]\\]){0,200})\]/y;
const TASK = /^\[([ xX])\] +(?=\S)/;

/** Parse the first paragraph of an item, which may be a task (GFM 5.3). */
export function parseLead(text: string, open = false, references = NONE): Inline[] {
  const box = TASK.exec(text);
  if (box === null) return parseInline(text, open, references);
  return [{ kind: "box", checked: box[1] !== " " }, ...parseInline(` ${text.slice(box[0].length)}`, open, references)];
}

class InlineParser {
  private position = 0;
  private first: Item | null = null;
  private last: Item | null = null;
  private delimiters: Delimiter[] = [];
  private brackets: Bracket[] = [];
  private readonly unclosed = new Set<string>();

  constructor(
    private readonly text: string,
    private readonly open: boolean,
    private readonly references: References,
  ) {}

  parse(): Inline[] {
    const { text } = this;
    while (this.position < text.length) {
      SPECIAL.lastIndex = this.position;
      const match = SPECIAL.exec(text);
      if (match === null) {
        this.push(text.slice(this.position));
        break;
      }
      if (match.index > this.position) this.push(text.slice(this.position, match.index));
      this.position = match.index;
      this.parseSpecial(match[0]);
    }
    this.processEmphasis(0);
    if (this.open) this.closeWhatIsBegun();
    return gather(this.first);
  }

  private parseSpecial(character: string): void {
    switch (character) {
      case "\\": return this.parseBackslash();
      case "`": return this.parseCode();
      case "*": case "_": case "~": return this.parseDelimiter(character);
      case "[": return this.openBracket(false);
      case "!": return this.text[this.position + 1] === "[" ? this.openBracket(true) : this.take(1);
      case "]": return this.closeBracket();
      case "<": return this.parseAngle();
      case "&": return this.parseEntity();
      case "$": return this.parseDollar();
      case "\n": return this.parseNewline();
      default: return this.parseBareLink();
    }
  }

  private push(text: string): void {
    if (this.last?.node.kind === "text" && !this.isMark(this.last)) this.last.node.text += text;
    else this.append({ kind: "text", text });
  }

  /** Whether an item may yet turn out to be a delimiter, and so must not grow. */
  private isMark(item: Item): boolean {
    return (
      this.delimiters[this.delimiters.length - 1]?.item === item ||
      this.brackets[this.brackets.length - 1]?.item === item
    );
  }

  private append(node: Inline): Item {
    const item: Item = { node, previous: this.last, next: null };
    if (this.last) this.last.next = item;
    else this.first = item;
    this.last = item;
    return item;
  }

  private take(length: number): void {
    this.push(this.text.slice(this.position, this.position + length));
    this.position += length;
  }

  private takeFormula(length: number): void {
    this.append({ kind: "maths", text: this.text.slice(this.position, this.position + length) });
    this.position += length;
  }

  private parseBackslash(): void {
    const following = this.text[this.position + 1] ?? "";
    if (following === "\n") {
      this.append({ kind: "break" });
      this.position += 2;
      return;
    }
    if (following === "(" || following === "[") {
      const end = this.find(following === "(" ? "\\)" : "\\]", this.position + 2);
      if (end >= 0) return this.takeFormula(end + 2 - this.position);
      // Left as typed while its end may yet come.
      if (this.open) return this.take(2);
    }
    if (this.text.startsWith("\\begin{", this.position)) {
      const name = /^[A-Za-z]{1,20}\*?\}/.exec(this.text.slice(this.position + 7, this.position + 30))?.[0];
      const end = name === undefined ? -1 : this.find(`\\end{${name}`, this.position);
      if (end >= 0) return this.takeFormula(end + 5 + name!.length - this.position);
    }
    if (/[!-/:-@[-`{-~]/.test(following)) {
      this.push(following);
      this.position += 2;
      return;
    }
    this.take(1);
  }

  /** Like indexOf, but asks once only for what is not there. */
  private find(what: string, from: number): number {
    if (this.unclosed.has(what)) return -1;
    const found = this.text.indexOf(what, from);
    if (found < 0) this.unclosed.add(what);
    return found;
  }

  private parseCode(): void {
    const { text, position } = this;
    let start = position;
    while (text[start] === "`") start += 1;
    const ticks = text.slice(position, start);
    let end = this.unclosed.has(ticks) ? -1 : start - 1;
    while (end >= 0) {
      end = text.indexOf(ticks, end + 1);
      if (end < 0) break;
      if (text[end + ticks.length] !== "`") break;
      while (text[end] === "`") end += 1;
    }
    if (end < 0) {
      this.unclosed.add(ticks);
      const rest = text.slice(start);
      if (this.open && ticks.length < 3 && rest.trim() !== "" && !rest.includes("\n")) {
        this.append({ kind: "code", text: rest });
        this.position = text.length;
      } else this.take(ticks.length);
      return;
    }
    let code = text.slice(start, end).replace(/\n/g, " ");
    if (code.startsWith(" ") && code.endsWith(" ") && code.trim() !== "") code = code.slice(1, -1);
    this.append({ kind: "code", text: code });
    this.position = end + ticks.length;
  }

  private parseDelimiter(character: string): void {
    const { text, position } = this;
    let end = position;
    while (text[end] === character) end += 1;
    const length = end - position;
    if (character === "~" && length !== 2) return this.take(length);
    const before = position === 0 ? "\n" : findCharacterBefore(text, position);
    const after = end >= text.length ? "\n" : String.fromCodePoint(text.codePointAt(end)!);
    const item = this.append({ kind: "text", text: text.slice(position, end) });
    this.position = end;
    this.delimiters.push({
      item,
      character,
      left: length,
      original: length,
      ...judgeFlanking(character, before, after),
    });
  }

  /** CommonMark's "process emphasis" for the delimiters from `bottom` on. */
  private processEmphasis(bottom: number): void {
    const stack = this.delimiters.slice(bottom);
    const kept: Delimiter[] = [];
    // Where no opener was found for a kind of closer, none is below either: this keeps the search linear.
    const floors = new Map<string, number>();
    for (const closer of stack) {
      while (closer.closes && closer.left > 0) {
        const kind = `${closer.character}${closer.opens}${closer.original % 3}`;
        let index = kept.length - 1;
        const floor = floors.get(kind) ?? 0;
        while (index >= floor && !canPair(kept[index]!, closer)) index -= 1;
        if (index < floor) {
          floors.set(kind, kept.length);
          break;
        }
        const opener = kept[index]!;
        kept.length = index + 1;
        for (const [each, at] of floors) if (at > kept.length) floors.set(each, kept.length);
        const width = closer.character === "~" ? 2 : opener.left >= 2 && closer.left >= 2 ? 2 : 1;
        const name = closer.character === "~" ? "del" : width === 2 ? "strong" : "em";
        this.wrap(opener.item, closer.item, name);
        shorten(opener, width);
        shorten(closer, width);
        if (opener.left === 0) {
          this.remove(opener.item);
          kept.pop();
        }
        if (closer.left === 0) this.remove(closer.item);
      }
      if (closer.left > 0 && closer.opens) kept.push(closer);
    }
    this.delimiters.length = bottom;
    this.delimiters.push(...kept);
  }

  private wrap(from: Item, to: Item | null, kind: "em" | "strong" | "del"): void {
    const inner = from.next === to ? null : from.next;
    if (inner === null) return;
    const end = to?.previous ?? this.last!;
    end.next = null;
    inner.previous = null;
    const children = gather(inner);
    const item: Item = { node: { kind, children: limitDepth(children) }, previous: from, next: to };
    from.next = item;
    if (to) to.previous = item;
    else this.last = item;
  }

  private remove(item: Item): void {
    if (item.previous) item.previous.next = item.next;
    else this.first = item.next;
    if (item.next) item.next.previous = item.previous;
    else this.last = item.previous;
  }

  /** In the paragraph that still grows, show "**bold" as bold before its end has come. */
  private closeWhatIsBegun(): void {
    for (const opener of this.delimiters.slice(-2).reverse()) {
      if (!opener.opens || opener.left > 3 || opener.item.next === null) continue;
      const strong = opener.left >= 2;
      this.wrap(opener.item, null, opener.character === "~" ? "del" : strong ? "strong" : "em");
      this.remove(opener.item);
    }
  }

  private openBracket(image: boolean): void {
    const length = image ? 2 : 1;
    const item = this.append({ kind: "text", text: image ? "![" : "[" });
    this.position += length;
    this.brackets.push({ item, image, active: true, delimiters: this.delimiters.length, at: this.position });
  }

  private closeBracket(): void {
    const opener = this.brackets.pop();
    if (opener === undefined || !opener.active) return this.take(1);
    const { text, position } = this;
    const target = (text[position + 1] === "(" ? readTarget(text, position + 2, this.open) : null) ?? this.resolveReference(opener);
    if (target === null) return this.take(1);
    const address = target.complete ? checkAddress(unescapeTarget(target.address)) : null;
    if (address === null && target.complete) return this.take(1);
    this.processEmphasis(opener.delimiters);
    this.delimiters.length = opener.delimiters;
    const inner = opener.item.next;
    const before = opener.item.previous;
    if (inner) inner.previous = null;
    this.last = before;
    if (before) before.next = null;
    else this.first = null;
    const children = gather(inner);
    this.position = target.end;
    if (address === null) for (const child of children) this.append(child);
    else if (opener.image && this.brackets.some((each) => each.active)) this.push(`[image: ${joinText(children)}]`);
    else {
      const shown: Inline[] = opener.image ? [{ kind: "text", text: `image: ${joinText(children)}` }] : limitDepth(children);
      this.append({ kind: "link", href: address, children: shown });
      this.deactivate();
    }
  }

  /** The target of a link that is defined elsewhere: [text][label], [label][] or [label]. */
  private resolveReference(opener: Bracket): Target | null {
    if (this.position - opener.at > LONGEST_LABEL) return null;
    LABEL.lastIndex = this.position + 1;
    const other = LABEL.exec(this.text);
    const name = other?.[1] || this.text.slice(opener.at, this.position);
    const address = /(?<!\\)[[\]]/.test(name) ? undefined : this.references(normalizeLabel(name));
    if (address === undefined) return null;
    return { address, end: this.position + 1 + (other?.[0].length ?? 0), complete: true };
  }

  /** A link holds no other link. */
  private deactivate(): void {
    for (let index = this.brackets.length - 1; index >= 0; index -= 1) {
      const each = this.brackets[index]!;
      if (!each.active) return;
      if (!each.image) each.active = false;
    }
  }

  private parseAngle(): void {
    AUTOLINK.lastIndex = MAIL.lastIndex = this.position;
    const match = AUTOLINK.exec(this.text);
    const mail = match ? null : MAIL.exec(this.text);
    const href = match ? checkAddress(match[1]!) : mail ? checkAddress(`mailto:${mail[1]}`) : null;
    if (href === null) return this.take(1);
    this.append({ kind: "link", href, children: [{ kind: "text", text: (match ?? mail)![1]! }] });
    this.position += (match ?? mail)![0].length;
  }

  private parseBareLink(): void {
    const address = readBareAddress(this.text, this.position);
    const inLink = this.brackets.some((each) => each.active);
    const wordBefore = /[\p{L}\p{N}_]/u.test(this.position === 0 ? " " : findCharacterBefore(this.text, this.position));
    const href = inLink || wordBefore ? null : checkAddress(address);
    if (href === null) return this.take(Math.max(address.length, 1));
    this.append({ kind: "link", href, children: [{ kind: "text", text: address }] });
    this.position += address.length;
  }

  private parseEntity(): void {
    ENTITY.lastIndex = this.position;
    const match = ENTITY.exec(this.text);
    if (match === null) return this.take(1);
    this.push(decodeEntity(match[0], match[1], match[2], match[3]));
    this.position += match[0].length;
  }

  private parseDollar(): void {
    if (this.text.startsWith("$$", this.position)) {
      const end = this.find("$$", this.position + 2);
      return end < 0 ? this.take(2) : this.takeFormula(end + 2 - this.position);
    }
    DOLLAR.lastIndex = this.position;
    const match = DOLLAR.exec(this.text);
    if (match) this.takeFormula(match[0].length);
    else this.take(1);
  }

  private parseNewline(): void {
    const node = this.last?.node;
    let trailing = 0;
    if (node?.kind === "text") {
      while (node.text[node.text.length - 1 - trailing] === " ") trailing += 1;
      if (trailing) node.text = node.text.slice(0, -trailing);
    }
    this.position += 1;
    while (this.text[this.position] === " ") this.position += 1;
    if (trailing >= 2) this.append({ kind: "break" });
    else this.push("\n");
  }
}

/** CommonMark's rules of three: whether two runs of the same character belong together. */
function canPair(opener: Delimiter, closer: Delimiter): boolean {
  if (opener.character !== closer.character) return false;
  const either = opener.closes || closer.opens;
  const sum = opener.original + closer.original;
  return !(either && sum % 3 === 0 && !(opener.original % 3 === 0 && closer.original % 3 === 0));
}

function shorten(delimiter: Delimiter, by: number): void {
  delimiter.left -= by;
  const { node } = delimiter.item;
  if (node.kind === "text") node.text = node.text.slice(by);
}
