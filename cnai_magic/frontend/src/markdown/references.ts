/** Definitions of links that stand apart from their uses: "[label]: address" (CommonMark 4.7, on one line). */

/** Returns the address of a label, undefined where none is known. */
export type References = (label: string) => string | undefined;

export const NONE: References = () => undefined;

const DEFINITION =
  /^\[((?:\\.|[^[\]\\]){1,999})\]:[ \t]*(<[^<>]*>|[^\s<]\S*)(?:[ \t]+(?:"[^"]*"|'[^']*'|\([^()]*\)))?[ \t]*$/;

/** The definitions that a paragraph begins with: label and address, one for each of its first lines. */
export function definitions(lines: string[]): [string, string][] {
  const found: [string, string][] = [];
  for (const line of lines) {
    const match = line.startsWith("[") ? DEFINITION.exec(line) : null;
    const name = match && label(match[1]!);
    if (!match || !name) break;
    found.push([name, match[2]!.replace(/^<(.*)>$/, "$1")]);
  }
  return found;
}

/** Labels are the same whatever their case and white space. */
export function label(text: string): string {
  return text.trim().replace(/\s+/g, " ").toLowerCase();
}
