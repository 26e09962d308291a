/** What makes a text a prompt, and where its expressions stand. No DOM, nothing of JupyterLab. */

/** Lines that are looked at: other magics may stand above `%%cnai`, as `%%capture` does. */
export const MOST_LINES = 5;
const CELL_MAGIC = /^[ \t]*%%\w/;
const PROMPT_MAGIC = /^[ \t]*%%cnai(?=\s|$)/;

/** Where the head of a prompt ends, the line of `%%cnai` and magics above; 0 where the text is no prompt. */
export function endOfHead(lines: Iterable<string>): number {
  let end = 0;
  let count = 0;
  for (const line of lines) {
    end += line.length;
    if (PROMPT_MAGIC.test(line)) return end;
    if ((count += 1) === MOST_LINES || !CELL_MAGIC.test(line)) return 0;
    end += 1;
  }
  return 0;
}

/** Whether a cell asks a model and does nothing else: no other magic is above `%%cnai`. */
export function isQuestion(source: string): boolean {
  return /^[ \t]*%%cnai(?=\s|$)/.test(source);
}

/** Whether the head of a prompt says that braces in it are text. */
export function isRaw(head: string): boolean {
  return /\s--raw(?=\s|$)/.test(head);
}

const EXPRESSION =
  /(?<![\\{$])\{\{(?![{#/>^&!@~-]|\s*\.)((?:"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|[^{}"'\\])+)\}\}(?!\})/;

/**
 * An expression in double braces, within one line. Not after a backslash, and not what other languages write in
 * braces, as far as that shows: `${{`, `{{{`, blocks of Handlebars, blanks that are cut, `{{ .Name }}` of Go.
 */
export function expressionPattern(flag: "g" | "y"): RegExp {
  return new RegExp(EXPRESSION, flag);
}
