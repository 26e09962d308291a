/** How links are written, and which addresses may be followed: model output is untrusted. */

const PUNCTUATION = /[!-/:-@[-`{-~]/;
const BARE = /https?:\/\/[^\s<>`"]{1,2000}/iy;
// Longer targets and titles are text: no answer means them, and they cost time.
const LONGEST_TARGET = 4000;
const LONGEST_TITLE = 1000;
const MOST_PARENTHESES = 32;
// Whatever a browser would skip in an address, and what makes one look like another.
 
const UNSEEN = /[\u0000-\u0020\u007f-\u00a0\u00ad\u1680\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff\ufff9-\uffff]/;
// A browser takes a backslash for a slash, so none may stand where the host's name ends.
const LINKED = /^(?:https?:\/\/[^/\\?#]+(?:[/?#]|$)|mailto:[^/])/i;

/** The address of a link, or null where it must not be one: only http, https and mailto, never relative. */
export function checkAddress(target: string): string | null {
  if (UNSEEN.test(target) || !LINKED.test(target)) return null;
  try {
    const url = new URL(target.replace(/\\/g, "%5C"));
    return ["http:", "https:", "mailto:"].includes(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}

/** Where a link leads, as it is written, and where that ends; not complete where the text ends inside of it. */
export interface Target {
  address: string;
  end: number;
  complete: boolean;
}

/** Read the target of a link from after its parenthesis. With `open`, the text goes on after its end. */
export function readTarget(text: string, start: number, open: boolean): Target | null {
  const partial = open ? { address: "", end: text.length, complete: false } : null;
  const from = skipSpace(text, start);
  const written = text[from] === "<" ? readBracketed(text, from) : readBare(text, from);
  if (written === null || written.end >= text.length) return written && partial;
  const { address } = written;
  let end = skipSpace(text, written.end);
  if (end > written.end && /["'(]/.test(text[end] ?? "")) {
    const title = findTitleEnd(text, end);
    if (title === null) return null;
    end = skipSpace(text, title);
  }
  if (end >= text.length) return partial;
  return text[end] === ")" ? { address, end: end + 1, complete: true } : null;
}

interface Written {
  address: string;
  end: number;
}

function readBracketed(text: string, start: number): Written | null {
  const match = /^<((?:\\[^\n]|[^<>\n\\])*)>/.exec(text.slice(start, start + LONGEST_TARGET));
  return match && { address: match[1]!, end: start + match[0].length };
}

/** An address without brackets, whose own parentheses are balanced. */
function readBare(text: string, start: number): Written | null {
  let depth = 0;
  let end = start;
  for (; end < text.length && end - start < LONGEST_TARGET; end += 1) {
    const character = text[end]!;
    if (/[\u0000-\u0020\u007f]/.test(character)) break;
    if (character === "\\" && PUNCTUATION.test(text[end + 1] ?? "")) end += 1;
    else if (character === "(" && ++depth > MOST_PARENTHESES) return null;
    else if (character === ")" && --depth < 0) break;
  }
  return depth > 0 && end < text.length ? null : { address: text.slice(start, end), end };
}

/** Where the title that begins at `start` ends; the text's end where it does not, null where it is too long. */
function findTitleEnd(text: string, start: number): number | null {
  const closing = text[start] === "(" ? ")" : text[start];
  let end = start + 1;
  while (end < text.length && end - start < LONGEST_TITLE && text[end] !== closing) end += text[end] === "\\" ? 2 : 1;
  if (end >= text.length) return text.length;
  return text[end] === closing ? end + 1 : null;
}

function skipSpace(text: string, from: number): number {
  let at = from;
  while (text[at] === " " || text[at] === "\n" || text[at] === "\t") at += 1;
  return at;
}

/** The address that begins at `position` without any brackets (GFM 6.9), "" where there is none. */
export function readBareAddress(text: string, position: number): string {
  BARE.lastIndex = position;
  let address = BARE.exec(text)?.[0] ?? "";
  const bracket = address.search(/\]|\*\*/);
  if (bracket >= 0) address = address.slice(0, bracket);
  // What ends a sentence, and a parenthesis that was opened before, is not part of the address.
  for (;;) {
    const trimmed = address.replace(/[?!.,:;*_~'\]]+$/, "");
    if (!trimmed.endsWith(")") || countCharacter(trimmed, ")") <= countCharacter(trimmed, "(")) return trimmed;
    address = trimmed.slice(0, -1);
  }
}

function countCharacter(text: string, character: string): number {
  return text.split(character).length - 1;
}
