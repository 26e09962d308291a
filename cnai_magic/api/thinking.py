"""Separates reasoning from the answer where both come as content, by the tags around the reasoning.

Models put their reasoning before the answer, between tags that each family names its own way. Some chat
templates write the first tag themselves, so that only the last one arrives. An answer may also mention such
tags: one without the other counts only where it ends a line or a sentence, outside of code. Nothing here
does I/O.
"""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["TAG_SIGNS", "Split", "ThinkingTags"]

# Qwen, DeepSeek, GLM, MiniMax, Hunyuan · variants of fine-tunes · Kimi-VL · Seed-OSS · LongCat · Magistral ·
# Command A · OpenThinker · Gemma 4 · gpt-oss (harmony)
_PAIRS = {
    **{
        f"<{name}>": f"</{name}>"
        for name in ("think", "thinking", "thought", "thoughts", "reasoning", "reason")
    },
    **{f"<{name}>": f"</{name}>" for name in ("seed:think", "longcat_think", "mm:think", "think_fast")},
    "◁think▷": "◁/think▷",
    "[think]": "[/think]",
    "<|start_thinking|>": "<|end_thinking|>",
    "<|begin_of_thought|>": "<|end_of_thought|>",
    "<|think|>": "<|/think|>",
    "<|channel>thought": "<channel|>",
    "<|channel|>analysis<|message|>": "<|end|>",
}
# What may stand between thought and answer.
_BETWEEN = ("<|start|>assistant", "<|channel|>final", "<|message|>", "<|begin_of_solution|>")
_OPENERS = tuple(_PAIRS)
_CLOSERS = tuple(dict.fromkeys(_PAIRS.values()))
_LONGEST = max(map(len, (*_OPENERS, *_CLOSERS)))
_CLOSER = re.compile("|".join(re.escape(tag) for tag in _CLOSERS if tag != "<|end|>"), re.IGNORECASE)
_OPENER = re.compile("|".join(map(re.escape, _OPENERS)), re.IGNORECASE)
TAG_SIGNS = "<◁["
"""Each tag begins with one of them."""
_FENCE = re.compile(r"^ {0,3}(?:```|~~~)", re.MULTILINE)
# So many tags without their pair are looked at in one answer.
_MOST_LOOKS = 8
_PIECES = 256
_LONGEST_LINE = 1024


class Split(NamedTuple):
    """The answer and the reasoning in a text; `all_thought`: the answer so far was reasoning too."""

    text: str = ""
    thought: str = ""
    all_thought: bool = False


class ThinkingTags:
    """Splits the content of one answer, which comes in pieces; holds back what may be half a tag.

    `watching` is False once no tag can come any more.
    """

    def __init__(self) -> None:
        self.watching = True
        self._closer = ""
        self._left = False
        self._begun = False
        self._held = ""
        # What was returned as answer: the last pieces, and what has to be known of those before them.
        self._given: list[str] = []
        self._opened = self._begun_lines = False
        self._fences = 0
        self._looks = 0

    def split(self, text: str) -> tuple[str, str, bool]:
        """Return as much of the text so far as is decided, as a Split."""
        begun = self._begun or bool(text.strip())
        if begun and not (self._closer or self._held or "<" in text or "[" in text or "◁" in text):
            # Nearly every piece is all answer and holds no sign of a tag: this costs a tenth of the rest.
            self._begun = True
            self._given.append(text)
            if len(self._given) > _PIECES:
                self._fold()
            return text, "", False
        return self._split(text)

    def _split(self, text: str) -> Split:
        text = self._held + text
        self._held = ""
        if self._left:
            return self._split_after(text) if self.watching else Split(text)
        if self._closer:
            return self._split_within(text)
        if not self._begun:
            start = text.lstrip()
            low = start.lower()
            tag = next((tag for tag in _OPENERS if low.startswith(tag)), "")
            if tag:
                self._closer = _PAIRS[tag]
                return self._split_within(start[len(tag) :])
            if len(low) < _LONGEST and any(tag.startswith(low) for tag in (*_OPENERS, *_CLOSERS)):
                self._held = text
                return Split()
            self._begun = True
        return self._find_unpaired(text)

    def finish(self) -> Split:
        """Return what was held back, at the end of the answer."""
        held, self._held = self._held, ""
        if self._closer and not self._left:
            return Split("", held)
        if held and not self._left and self.watching:
            return self._find_unpaired(held, ended=True)
        return Split(held)

    def _split_within(self, text: str) -> Split:
        place = text.lower().find(self._closer)
        if place >= 0:
            self._left = True
            rest = self._split_after(text[place + len(self._closer) :])
            return Split(rest.text, text[:place] + rest.thought)
        kept = _measure_tail(text, (self._closer,))
        self._held = text[len(text) - kept :]
        return Split("", text[: len(text) - kept])

    def _split_after(self, text: str) -> Split:
        # Line ends and tags between thought and answer may come in the next events.
        answer = text.lstrip("\n")
        while answer.lstrip().startswith("<|"):
            found = answer.lstrip()
            tag = next((tag for tag in _BETWEEN if found.startswith(tag)), "")
            if not tag:
                if any(tag.startswith(found) for tag in _BETWEEN):
                    self._held = found
                    return Split()
                break
            answer = found[len(tag) :].lstrip("\n")
        if answer and any(tag.startswith(answer) for tag in _BETWEEN):
            self._held = answer
            return Split()
        start = answer.lstrip()
        low = start.lower()
        tag = next((tag for tag in _OPENERS if low.startswith(tag)), "")
        if tag:  # more reasoning
            self._closer, self._left = _PAIRS[tag], False
            return self._split_within(start[len(tag) :])
        if start and any(tag.startswith(low) for tag in _OPENERS):
            self._held = answer
            return Split()
        self.watching = not answer
        return Split(answer)

    def _find_unpaired(self, text: str, *, ended: bool = False) -> Split:
        if not any(sign in text for sign in TAG_SIGNS):
            self._given.append(text)
            return Split(text)
        for found in _CLOSER.finditer(text):
            self._fold()
            before, after = "".join(self._given) + text[: found.start()], text[found.end() :]
            if not after and not ended:
                self._held = text[found.start() :]
                self._given.append(text[: found.start()])
                return Split(text[: found.start()])
            if self._ends_thought(before, after):
                self._left, self._closer = True, found[0].lower()
                rest = self._split_after(after)
                return Split(rest.text, text[: found.start()] + rest.thought, all_thought=True)
            self._looks += 1
            if self._looks > _MOST_LOOKS:
                self.watching = False
                return Split(text)
        kept = 0 if ended else _measure_tail(text, _CLOSERS)
        self._held = text[len(text) - kept :]
        self._given.append(text[: len(text) - kept])
        return Split(text[: len(text) - kept])

    def _fold(self) -> None:
        """Keep only the last line of the pieces, and what has to be known of the text before it."""
        text = "".join(self._given)
        end = text.rfind("\n") + 1
        self._opened = self._opened or _OPENER.search(text) is not None
        self._fences += len(_FENCE.findall(text[:end]))
        self._begun_lines = self._begun_lines or bool(text[:end].strip())
        line = text[end:]
        cut, kept = line[:-_LONGEST_LINE], line[-_LONGEST_LINE:]
        # An odd backtick in the part of a long line that is dropped still opens code.
        self._given = ["`" * (cut.count("`") % 2) + kept]

    def _ends_thought(self, before: str, after: str) -> bool:
        """Return whether a closing tag without its opening one ends reasoning, and is not only mentioned.

        `before` is the text before it, from the beginning of the line that was not folded away.
        """
        if not before.strip() and not self._begun_lines:
            return True
        line = before[before.rfind("\n") + 1 :]
        fences = self._fences + len(_FENCE.findall(before))
        if self._opened or _OPENER.search(before) or fences % 2 or line.count("`") % 2:
            return False
        if after[:1] in "`'\"”’」』)>.,;:，。、；：" and after:
            return False
        if not line.strip():
            return len(line) < 4 and not after.startswith((" ", "\t"))
        # Where it touches the text on both sides, as prose never writes it.
        last = line[-1:]
        return not (last.isspace() or last in "(<[{“‘「『（\"'" or after.startswith((" ", "\t")))


def _measure_tail(text: str, tags: tuple[str, ...]) -> int:
    """Return how many characters at the end may be the beginning of a tag."""
    tail = text[-_LONGEST:].lower()
    return next(
        (size for size in range(len(tail), 0, -1) if any(tag.startswith(tail[-size:]) for tag in tags)), 0
    )
