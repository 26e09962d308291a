"""Reads the channels in which gpt-oss writes, where a server passes its format on as it is.

`<|channel|>analysis<|message|>` … `<|end|><|start|>assistant<|channel|>final<|message|>` … `<|return|>` (the
harmony response format of OpenAI). Models leave out a `<|start|>`, or write after an end without one. Nothing
here does I/O.
"""

from __future__ import annotations

import re

__all__ = ["HARMONY_OPENERS", "HarmonyChannels"]

HARMONY_OPENERS = ("<|channel|>", "<|start|>assistant")
"""What such an answer begins with."""

_SIGNS = ("<|start|>", "<|channel|>", "<|message|>", "<|end|>", "<|return|>", "<|call|>")
_SIGN = re.compile("|".join(map(re.escape, _SIGNS)))
_CALLED = re.compile(r" to=functions\.([\w-]+)")
_TAIL = re.compile(r"<(?:\|(?:[a-z]{1,7}(?:\|)?)?)?\Z")
_HEAD = re.compile(
    r"(?:<\|start\|>)?(?:assistant)?(?: to=\S*)?"
    r"(?:<\|channel\|>\s*(?:analysis|commentary|final)?(?: to=\S*)?\s*(?:<\|constrain\|>\s*\w*)?)?"
)
# A head names the role, the channel, and what it is written to: more text than this is not a head.
_LONGEST_HEAD = 200


class HarmonyChannels:
    """Splits one answer, which comes in pieces, into the text for the person and the reasoning.

    The reasoning is the channel `analysis`, and what is written to tools of the model's own. What is written
    to a function is a call in the text, as `written_calls` reads it.
    """

    def __init__(self) -> None:
        self._held = ""
        self._head: str | None = ""
        self._thinks = False
        # What was written before, so that messages of one kind do not run into each other.
        self._wrote = {True: False, False: False}
        self._gap = self._end_of_call = ""
        self._speaks = False

    def split(self, text: str, *, ended: bool = False) -> tuple[str, str]:
        """Return as much of the text and of the reasoning as is decided; all of it where it has `ended`."""
        if self._speaks:
            return text, ""
        text = self._held + text
        tail = None if ended else _TAIL.search(text)
        self._held = tail[0] if tail else ""
        pieces: dict[bool, list[str]] = {True: [], False: []}
        at = 0
        for sign in _SIGN.finditer(text, 0, len(text) - len(self._held)):
            self._take(text[at : sign.start()], pieces)
            if not self._speaks:
                self._follow(sign[0], pieces)
            at = sign.start() if self._speaks else sign.end()
            if self._speaks:
                self._held = ""
                break
        self._take(text[at : len(text) - len(self._held)], pieces)
        if ended:
            self._close_call(pieces)
            self._release(pieces)
        return "".join(pieces[False]), "".join(pieces[True])

    def _follow(self, sign: str, pieces: dict[bool, list[str]]) -> None:
        if sign != "<|message|>":
            self._close_call(pieces)
        if sign == "<|message|>" and self._head is not None:
            channel = self._head.rpartition("<|channel|>")[2]
            called = _CALLED.search(self._head)
            self._thinks = channel.strip().startswith("analysis") or (" to=" in self._head and not called)
            self._begin()
            if called:
                self._take(f'<tool_call>{{"name": "{called[1]}", "arguments": ', pieces)
                self._end_of_call = "}</tool_call>"
        elif sign == "<|channel|>":
            self._release(pieces)
            if not self._speaks:
                self._head = f"{self._head or ''}{sign}"
        elif sign != "<|message|>":
            self._release(pieces)
            if not self._speaks:
                self._head = sign if sign == "<|start|>" else ""

    def _close_call(self, pieces: dict[bool, list[str]]) -> None:
        end, self._end_of_call = self._end_of_call, ""
        self._take(end, pieces)

    def _begin(self) -> None:
        self._head = None
        self._gap = "\n\n" if self._wrote[self._thinks] else ""

    def _take(self, text: str, pieces: dict[bool, list[str]]) -> None:
        """Add a text without signs to the head, or to what the channel has."""
        if self._head is not None:
            self._head += text
            if len(self._head) > _LONGEST_HEAD:
                self._release(pieces)
        elif text:
            pieces[self._thinks].append(self._gap + text)
            self._gap, self._wrote[self._thinks] = "", True

    def _release(self, pieces: dict[bool, list[str]]) -> None:
        """Take a head that no message followed as text, unless it is one that was cut off."""
        head = self._head or ""
        if not _HEAD.fullmatch(head.strip()):
            # An answer that begins so without being in this format speaks of its signs.
            self._speaks = "<|" in head and not any(self._wrote.values())
            self._thinks = False
            self._begin()
            self._take(head, pieces)
