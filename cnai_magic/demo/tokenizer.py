"""The tokenizer of the demo models: text to tokens that join back to exactly the same text.

A token is one of
- a word, or ten letters of a longer one, with the space before it;
- up to three digits, with the space before them;
- one other character (punctuation, a symbol), with the space before it;
- one Chinese, Japanese or Korean character, or one full-width form;
- a run of up to sixteen line breaks, of spaces before another space, or of tabs.

Where a token ends depends on the one character after it and on nothing else. Tokens that were once
seen side by side therefore stay two tokens wherever they are put side by side; demo-ngram relies on it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

__all__ = ["count_tokens", "iterate_tokens", "tokenize", "tokenize_blocks"]

_BLOCK = 8192
_LONGEST_RUN = 16

_WIDE = "\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff"

_TOKEN = re.compile(
    rf" ?[^\W\d_{_WIDE}]{{1,10}}"
    r"| ?[0-9]{1,3}"
    rf"|[{_WIDE}]"
    r"|\n{1,16}|\t{1,16}"
    r"| {1,16}(?= )"
    rf"| ?[^\s{_WIDE}]"
    r"|\s"
)


def tokenize(text: str) -> list[str]:
    """Return the tokens of `text`; joined, they are `text` again."""
    return _TOKEN.findall(text)


def iterate_tokens(text: str) -> Iterator[str]:
    """Yield the tokens of `text`, without a list of them all.

    One character of another script makes all of a string wide: kept in blocks, only its block is.
    """
    blocks = [text[place : place + _BLOCK] for place in range(0, len(text), _BLOCK)]
    del text
    for tokens in tokenize_blocks(blocks):
        yield from tokens


def count_tokens(text: str) -> int:
    """Return how many tokens the demo models count in `text`; other threads can run meanwhile."""
    blocks = (text[place : place + _BLOCK] for place in range(0, len(text), _BLOCK))
    return sum(map(len, tokenize_blocks(blocks)))


def tokenize_blocks(blocks: Iterable[str]) -> Iterator[list[str]]:
    """Yield the tokens of a text that comes in blocks."""
    rest = ""
    for block in blocks:
        tokens = _TOKEN.findall(rest + block)
        # The last token may go on in the next block, and a run of spaces before it too.
        rest = tokens.pop()
        while tokens and len(tokens[-1]) < _LONGEST_RUN and not tokens[-1].strip(" "):
            rest = tokens.pop() + rest
        yield tokens
    yield _TOKEN.findall(rest)
