"""Emphasis next to Chinese, Japanese and Korean text, in which no blanks set words apart.

CommonMark (6.2) takes `**` after punctuation for the end of emphasis only where no letter follows, so
`**重要：**请` shows its stars. The rule here is that of the "CommonMark CJK-friendly amendments"
(<https://github.com/tats-u/markdown-cjk-friendly>): CJK punctuation counts as a letter, and a CJK character
on the other side as a blank. Renderers do not know that rule: where it matters, emphasis is written as HTML.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence

from markdown_it.common.utils import isMdAsciiPunct, isWhiteSpace
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

__all__ = ["amend", "write_tags"]

_Rule = Callable[[StateInline, bool], bool]

# East Asian wide, full-width and half-width characters that are no emoji, Hangul, and ideographic variation
# selectors. The live view has the same table (`frontend/src/markdown/flanking.ts`).
_CJK = re.compile(
    "[\u1100-\u11ff\u2329\u232a\u2e80-\ua4cf\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\ufe10-\ufe19\ufe30-\ufe6f"
    "\uff01-\uffee\U00016fe0-\U00018dff\U0001aff0-\U0001b2ff\U00020000-\U0003fffd\U000e0100-\U000e01ef]"
)
_TAGS = {"em": "em", "strong": "strong", "s": "del"}


def amend(rule: _Rule) -> _Rule:
    """Return a rule of the parser for a kind of delimiter, with the amended conditions."""

    def read(state: StateInline, silent: bool) -> bool:
        start, first, before = state.pos, len(state.tokens), len(state.delimiters)
        if not rule(state, silent):
            return False
        left = state.src[start - 1] if start else " "
        right = state.src[state.pos] if state.pos < state.posMax else " "
        if left.isascii() and right.isascii():
            return True
        in_word = state.src[start] != "_"
        opens, closes = _judge_sides(left, right, "PS", in_word=in_word, cjk=True)
        for delimiter in state.delimiters[before:]:
            delimiter.open, delimiter.close = opens, closes
        # Renderers also differ in whether symbols are punctuation.
        plain = [_judge_sides(left, right, kinds, in_word=in_word) for kinds in ("P", "PS")]
        for token in state.tokens[first:]:
            token.meta["begins"], token.meta["ends"] = map(all, zip(*plain, strict=True))
        return True

    return read


def _judge_sides(left: str, right: str, kinds: str, *, in_word: bool, cjk: bool = False) -> tuple[bool, bool]:
    """Return whether delimiters between two characters may begin and may end emphasis.

    `kinds` are the categories of Unicode that are punctuation, `in_word` tells that emphasis may begin and
    end within a word, and `cjk` that CJK characters have their own rule.
    """
    blank_left, blank_right = isWhiteSpace(ord(left)), isWhiteSpace(ord(right))
    mark_left, mark_right = _is_mark(left, kinds), _is_mark(right, kinds)
    cjk_left, cjk_right = cjk and bool(_CJK.match(left)), cjk and bool(_CJK.match(right))
    before = not blank_right and (not mark_right or cjk_right or blank_left or mark_left or cjk_left)
    after = not blank_left and (not mark_left or cjk_left or blank_right or mark_right or cjk_right)
    opens = before and (in_word or not after or mark_left)
    closes = after and (in_word or not before or mark_right)
    return opens, closes


def _is_mark(character: str, kinds: str) -> bool:
    return isMdAsciiPunct(ord(character)) or unicodedata.category(character)[0] in kinds


def write_tags(tokens: Sequence[Token]) -> None:
    """Let emphasis be written as HTML where only the amended conditions give it.

    The same goes for emphasis that begins or ends beside a tag, which is punctuation to a renderer, and for
    what is left of a run of delimiters of which some are text: by CommonMark's rules 9 and 10 its length
    decides what it may end.
    """
    tokens = [token for token in tokens if token.content or token.type != "text"]
    partners = _pair(tokens)
    left = [index for index in partners if _needs_tag(tokens[index]) or _is_left_over(tokens, index)]
    while left:
        index = left.pop()
        token = tokens[index]
        if token.markup[0] != "<":
            token.markup = f"<{'/' if token.nesting < 0 else ''}{_TAGS[token.tag]}>"
            left += [partners[index], *(near for near in (index - 1, index + 1) if near in partners)]


def _needs_tag(token: Token) -> bool:
    return not token.meta.get({1: "begins", -1: "ends"}.get(token.nesting, ""), True)


def _is_left_over(tokens: Sequence[Token], index: int) -> bool:
    """Tell whether a delimiter stands beside text that is the same character."""
    mark = tokens[index].markup[:1]
    before = tokens[index - 1].content[-1:] if index else ""
    after = tokens[index + 1].content[:1] if index + 1 < len(tokens) else ""
    return mark in (before, after)


def _pair(tokens: Sequence[Token]) -> dict[int, int]:
    """Return for each index of a token that begins or ends emphasis that of the other one."""
    partners: dict[int, int] = {}
    opened: list[int] = []
    for index, token in enumerate(tokens):
        if token.tag not in _TAGS:
            continue
        if token.nesting > 0:
            opened.append(index)
        else:
            begin = opened.pop()
            partners[begin], partners[index] = index, begin
    return partners
