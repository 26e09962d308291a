"""Holds back what a streamed answer says from where a call of a tool begins in its text.

`written_calls` lists those calls. What is held back is only hidden while the answer comes: at the end its
whole text says whether it was a call. Nothing here does I/O.
"""

from __future__ import annotations

import re
from collections.abc import Collection

__all__ = ["CallFilter"]

# With the bars and low lines of DeepSeek's signs as those of ASCII.
_SIGNS = (
    *("<tool_call>", "<tools>", "[TOOL_CALLS]", "<|python_tag|>", "<|tool_call_begin|>"),
    *("<|tool_calls_begin|>", "<|tool_calls_section_begin|>", '<invoke name="', '<|DSML|invoke name="'),
    *("<minimax:tool_call>", "<|DSML|function_calls>", "<|DSML|tool_calls>"),
)
_ASCII = str.maketrans("｜▁", "|_")
_LONGEST = max(map(len, _SIGNS))
# A sign, and the first of what follows it in a call, as far as it has come: prose names these signs too.
_BEGIN = re.compile(
    r"<(?:tool_call|tools)>\s*(?:\Z|[{\[<]|[\w.-]{1,64}\s*(?:\Z|<))"
    r"|\[TOOL_CALLS\]\s*(?:\Z|[{\[]|[\w-]{1,64}(?:\Z|[{\[]))"
    r"|<\|python_tag\|>\s*(?:\Z|[{\[])"
    r"|<\|tool_calls?_(?:section_)?begin\|>"
    r'|<(?:\|DSML\|)?invoke name="[^"<>\s]{0,64}(?:\Z|")'
    r"|<(?:minimax:tool_call|\|DSML\|(?:function|tool)_calls)>\s*(?:\Z|<)"
)
_FENCE = re.compile(r"\s*(?:```\w*(?:\n|\Z)|`{1,2}\Z)")
_NAMED = re.compile(r'"name"\s*:\s*"([^"]*)"')
_LONGEST_HEAD = 500
_BARE = ('{"name":', '{"type":"function"', '{"function":')


class CallFilter:
    """Passes on the text of one answer, which comes in pieces, up to where a call begins.

    With `bare`, an answer that begins as JSON which calls one of the functions of these `names` is a call.
    """

    def __init__(self, names: Collection[str], *, bare: bool) -> None:
        self._names = names
        self._begins = bare
        self._calls = False
        self._held = ""
        self._passed: list[str] = []

    def feed(self, text: str) -> str:
        """Return what may be shown, now that this text has come."""
        if self._calls or not (text or self._held):
            return ""
        self._held += text
        if self._begins and _may_be_bare(self._held, self._names):
            return ""
        self._begins = False
        normal = self._held.translate(_ASCII)
        begin = _BEGIN.search(normal)
        if begin is not None:
            self._calls = begin.end() < len(normal)
        end = len(normal) - _measure_tail(normal) if begin is None else begin.start()
        passed, self._held = self._held[:end], self._held[end:]
        self._passed.append(passed)
        return passed

    def rest(self, text: str) -> str:
        """Return what was not passed on of an answer that, without its calls, is this text."""
        passed = "".join(self._passed).strip()
        return text[len(passed) :].strip() if text.startswith(passed) else ""


def _may_be_bare(text: str, names: Collection[str]) -> bool:
    """Return whether a text, of which this has come so far, may be a call of these functions as JSON."""
    named = _NAMED.search(text[:_LONGEST_HEAD])
    if named is not None and named[1] not in names:
        return False
    fence = _FENCE.match(text)
    begin = re.sub(r"\s", "", text[fence.end() if fence else 0 :][:64]).removeprefix("[")
    return any(each.startswith(begin) or begin.startswith(each) for each in _BARE)


def _measure_tail(text: str) -> int:
    """Return how many characters at the end may be the beginning of a sign."""
    tail = text[-_LONGEST:]
    sizes = (len(tail) - start for start, sign in enumerate(tail) if sign in "<[")
    return next((size for size in sizes if any(each.startswith(tail[-size:]) for each in _SIGNS)), 0)
