/** Links that are defined apart from their uses: "[label]: address 'title'" (CommonMark 4.7). */

/** Returns the address of a label, undefined where none is known. */
export type References = (label: string) => string | undefined;

export const NONE: References = () => undefined;

const LABEL = String.raw`\[((?:\\[^]|[^[\]\\]){1,999})\]`;
const ADDRESS = String.raw`(?:<((?:\\.|[^<>\\\n])*)>|([^\s<]\S*))`;
const TITLE = String.raw`(?:"(?:\\[^]|[^"\\]){0,999}"|'(?:\\[^]|[^'\\]){0,999}'|\((?:\\[^]|[^()\\]){0,999}\))`;
const SPACE = String.raw`[ \t]*(?:\n[ \t]*)?`;
const DEFINITION = new RegExp(`${LABEL}:${SPACE}${ADDRESS}(?:(?=\\s)${SPACE}${TITLE})?[ \\t]*(?:\\n|$)`, "y");

/** The definitions that a paragraph begins with, each a label and an address, and how many lines they take. */
export function readDefinitions(lines: string[]): { found: [string, string][]; lines: number } {
  const found: [string, string][] = [];
  if (!lines[0]?.startsWith("[")) return { found, lines: 0 };
  const text = lines.join("\n");
  let end = 0;
  for (;;) {
    DEFINITION.lastIndex = end;
    const match = DEFINITION.exec(text);
    const name = match && normalizeLabel(match[1]!);
    if (!match || !name) break;
    found.push([name, match[2] ?? match[3]!]);
    end = DEFINITION.lastIndex;
  }
  return { found, lines: end === text.length && end > 0 ? lines.length : text.slice(0, end).split("\n").length - 1 };
}

/** Labels are the same whatever their case and white space. */
export function normalizeLabel(text: string): string {
  return text.trim().replace(/\s+/g, " ").toLowerCase().toUpperCase();
}
