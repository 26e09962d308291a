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
_AT_END = re.compile(rf"(?:\s*(?:{'|'.join(map(re.escape, _ENDS))}))+\s*\Z", re.IGNORECASE)


class SpecialTokens:
    """Strips the tokens of one answer, which comes in pieces; `held` is what may be one, or half of one.

    A piece without "<" needs no call, where nothing is held: it is noted in `before`.
    """

    def __init__(self) -> None:
        self.held = ""
        self.before = ""
        self._struck = False

    def strip(self, piece: str, *, ended: bool = False) -> str:
        """Return what is decided of the text; all of it where it has `ended`."""
        text, half = self.held + piece, ""
        if not ended:
            kept = _measure_half(text)
            text, half = text[: len(text) - kept], text[len(text) - kept :]
        self._struck = self._struck or _STRUCK in text
        found, leaked = _AT_END.search(text), ""
        if found is not None and self._is_leaked(found[0], self.before + text[: found.start()]):
            text, leaked = text[: found.start()], found[0]
        self.held = "" if ended else leaked + half
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


def _measure_half(text: str) -> int:
    """Return how many characters at the end are the beginning of a token, or a box that may be quoted."""
    place = text.rfind("<", -_LONGEST - 1)
    if place < 0:
        return 0
    tail = text[place:].lower()
    return len(tail) if any(token.startswith(tail) for token in _TOKENS) else 0
