/**
 * Where a run of `*`, `_` or `~` may begin and may end emphasis: CommonMark 6.2, and the "CommonMark CJK-friendly
 * amendments" (https://github.com/tats-u/markdown-cjk-friendly), because in Chinese, Japanese and Korean text no
 * blanks set words apart: CJK punctuation counts as a letter, and a CJK character on the other side as a blank.
 */

const PUNCTUATION = /[!-/:-@[-`{-~\p{P}\p{S}]/u;
// East Asian wide, full-width and half-width characters that are no emoji, Hangul, and ideographic variation
// selectors. The final Markdown has the same table (`chat/markdown/emphasis.py`).
const CJK =
  /[\u1100-\u11ff\u2329\u232a\u2e80-\ua4cf\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\ufe10-\ufe19\ufe30-\ufe6f\uff01-\uffee\u{16fe0}-\u{18dff}\u{1aff0}-\u{1b2ff}\u{20000}-\u{3fffd}\u{e0100}-\u{e01ef}]/u;

/** Judge a run of `character` that stands between two characters; the ends of a text are line breaks. */
export function judgeFlanking(character: string, before: string, after: string): { opens: boolean; closes: boolean } {
  const [left, right] = [classify(before), classify(after)];
  const leftFlanking = !right.space && (!right.mark || right.cjk || left.apart);
  const rightFlanking = !left.space && (!left.mark || left.cjk || right.apart);
  const inWord = character === "_";
  return {
    opens: leftFlanking && (!inWord || !rightFlanking || left.mark),
    closes: rightFlanking && (!inWord || !leftFlanking || right.mark),
  };
}

function classify(character: string): { space: boolean; mark: boolean; cjk: boolean; apart: boolean } {
  const space = /\s/.test(character);
  const mark = PUNCTUATION.test(character);
  const cjk = CJK.test(character);
  return { space, mark, cjk, apart: space || mark || cjk };
}

export function findCharacterBefore(text: string, position: number): string {
  const low = text[position - 1]!;
  return /[\udc00-\udfff]/.test(low) ? text.slice(Math.max(position - 2, 0), position) : low;
}
