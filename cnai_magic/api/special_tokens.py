"""Takes the special tokens out of an answer that a server left in it.

A model ends its answer with a token that its server should not pass on, and marks what counts in ways of its
own. An answer may also speak of such tokens: then they are quoted, or stand apart. Nothing here does I/O.
"""

from __future__ import annotations

import re

__all__ = ["SpecialTokens"]

# Qwen and ChatML · Llama 3, Llama 4 · GPT, GLM · Phi, gpt-oss · Qwen's first · Command · GLM ends its turn as
# the next begins · Mistral, Llama 2 · Gemma · DeepSeek
_ENDS = (
    *("<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<|eot|>", "<|endoftext|>", "<|end_of_text|>"),
    *("<|end|>", "<|return|>", "<|eod|>", "<|end_of_turn_token|>", "<|user|>", "<|observation|>"),
    *("</s>", "<end_of_turn>", "<｜end▁of▁sentence｜>"),
)
# What GLM's models that see put around the part that answers.
_BOXES = ("<|begin_of_box|>", "<|end_of_box|>")
_STRUCK = "<s>"
_TOKENS = (*_ENDS, *_BOXES, _STRUCK)
_LONGEST = max(map(len, _TOKENS))
_OPENING, _EITHER, _CLOSING = "“‘「『«(（", "`'\"", "”’」』»"
_BOX_MARK = "_of_box|>"
_BOX = re.compile(
    f"(?<![{_OPENING}{_EITHER}])(?:{'|'.join(map(re.escape, _BOXES))})(?![{_CLOSING}{_EITHER}])"
)


class SpecialTokens:
    """Strips the tokens of one answer, which comes in pieces; `held` tells that some may be held back.

    A piece without "<" needs no call, where nothing is held: it is noted in `before`.
    """

    def __init__(self) -> None:
        self.before = ""
        self.held = False
        self._leaked: list[str] = []
        self._half = ""
        self._struck = False

    def strip(self, piece: str, *, ended: bool = False) -> str:
        """Return what is decided of the text; all of it where it has `ended`."""
        text = self._strip(piece, ended)
        self.held = bool(self._half or self._leaked)
        return text

    def _strip(self, piece: str, ended: bool) -> str:
        text, self._half = self._half + piece, ""
        if not ended:
            kept = _measure_half(text)
            text, self._half = text[: len(text) - kept], text[len(text) - kept :]
        if self._leaked:
            if _find_run(text) == 0 or not text.strip():
                # Some models end without an end.
                self._leaked.append(text)
                return ""
            text = "".join((*self._leaked, text))
            self._leaked.clear()
        self._struck = self._struck or _STRUCK in text
        start = _find_run(text)
        if start < len(text) and self._is_leaked(text[start:], self.before + text[:start]):
            text, leaked = text[:start], text[start:]
            if not ended:
                self._leaked.append(leaked)
        if _BOX_MARK in text:
            before = self.before[-1:]  # which may be a quote
            text = _BOX.sub("", before + text)[len(before) :]
        self.before = (self.before + text)[-4:]
        return text

    def _is_leaked(self, tokens: str, before: str) -> bool:
        """Return whether tokens at the end are no part of the text: they touch it, or stand below it."""
        if self._struck and "</s>" in tokens.lower():
            return False
        gap = before[len(before.rstrip()) :] + tokens[: len(tokens) - len(tokens.lstrip())]
        text = before.rstrip()
        if gap:
            return "\n" in gap and not text.endswith((":", "："))
        opens = text[-1:] in _OPENING or (text[-1:] in _EITHER and not text[-2:-1].strip())
        return bool(text) and not opens


def _find_run(text: str) -> int:
    """Return where the tokens at the end begin, with the white space around them; its length for none."""
    place = start = len(text)
    while True:
        while start and text[start - 1].isspace():
            start -= 1
        token = next((each for each in _ENDS if text[max(start - len(each), 0) : start].lower() == each), "")
        if not token:
            return start if place < len(text) else place
        place = start = start - len(token)


def _measure_half(text: str) -> int:
    """Return how many characters at the end are the beginning of a token, or a box that may be quoted."""
    place = text.rfind("<", -_LONGEST - 1)
    if place < 0:
        return 0
    tail = text[place:].lower()
    return len(tail) if any(token.startswith(tail) for token in _TOKENS) else 0
