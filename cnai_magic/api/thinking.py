"""Finds the reasoning of an answer: in fields of its own, in parts of the content, between tags in the text.

Models put their reasoning before the answer, between tags that each family names its own way. Some chat
templates write the first tag themselves, so that only the last one arrives. An answer may also mention such
tags: one without the other counts only where it ends a line or a sentence, outside of code. Nothing here
does I/O.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from .harmony import HARMONY_OPENERS, HarmonyChannels

__all__ = [
    "REASONING_NAMES",
    "Split",
    "ThinkingTags",
    "find_reasoning",
    "may_hold_thought",
    "split_parts",
]

REASONING_NAMES = (
    "reasoning_content",
    "reasoning",
    "reasoning_text",
    "thinking",
    "thinking_content",
    "thought",
    "thoughts",
    "reasoning_details",
    "thinking_blocks",
)
"""The fields of a delta or a message in which servers send the reasoning."""

# Parts of a content array that are not the answer.
_THOUGHT_PARTS = ("thinking", "reasoning", "reasoning_text", "thought", "reasoning.text", "reasoning.summary")
_SECRET_PARTS = ("redacted_thinking", "reasoning.encrypted")
# Where a part has its text.
_TEXT_NAMES = ("text", "content", "value", "output_text", "refusal")
_THOUGHT_NAMES = (
    *("text", "thinking", "summary", "reasoning", "reasoning_text", "content", "thought", "value"),
    *("reasoning_content", "reasoningText", "parts", "delta"),
)

# Qwen, DeepSeek, GLM, MiniMax, Hunyuan · variants of fine-tunes · Kimi-VL · Seed-OSS · LongCat · Magistral ·
# Command A · OpenThinker · Gemma 4 · Solar Open · Apertus
_PAIRS = {
    **{
        f"<{name}>": f"</{name}>"
        for name in ("think", "thinking", "thought", "thoughts", "reasoning", "reason")
    },
    **{
        f"<{name}>": f"</{name}>"
        for name in ("seed:think", "longcat_think", "mm:think", "think_fast", "think_faster")
    },
    "◁think▷": "◁/think▷",
    "[think]": "[/think]",
    "<|start_thinking|>": "<|end_thinking|>",
    "<|begin_of_thought|>": "<|end_of_thought|>",
    "<|think|>": "<|/think|>",
    "<|channel>thought": "<channel|>",
    "<|inner_prefix|>": "<|inner_suffix|>",
}
# Solar Open ends its thought as any message.
_ALSO_CLOSES = {"<|think|>": "<|end|>"}
# What stands between thought and answer without having been opened: Apriel, and gpt-oss whose first sign is
# gone, or all of them ("analysisWe need …assistantfinalFour"): a word follows at once, as in no prose.
_NEXT_CHANNEL = "<|end|><|start|>assistant"
_CLOSE_ALONE = ("[begin final response]", _NEXT_CHANNEL)
_UNSIGNED_OPENER, _UNSIGNED_CLOSER = "analysis", "assistantfinal"
# What may stand between thought and answer.
_BETWEEN = (
    *("<|begin|>assistant", "<|content|>"),
    *("<|begin_of_solution|>", "<|start_response|>", "<|start_text|>"),
)
# What may stand behind the answer where such tags stood before it.
_ENDS = {
    "<|start_thinking|>": ("<|end_response|>", "<|end_text|>", "<|end_of_turn_token|>"),
    "<|begin_of_thought|>": ("<|end_of_solution|>",),
    "<|channel>thought": ("<turn|>",),
    "<|think|>": ("<|end|>",),
    "[begin final response]": ("[end final response]", "<|end|>"),
}
_OPENERS = tuple(_PAIRS)
_CLOSERS = tuple(dict.fromkeys((*_PAIRS.values(), *_CLOSE_ALONE)))
_LONGEST = max(map(len, (*_OPENERS, *_CLOSERS, *HARMONY_OPENERS)))
_CLOSER = re.compile("|".join(map(re.escape, _CLOSERS)), re.IGNORECASE)
_CLOSER_OF_UNSIGNED = re.compile(f"{_CLOSER.pattern}|{_UNSIGNED_CLOSER}", re.IGNORECASE)
_OPENER = re.compile("|".join(map(re.escape, _OPENERS)), re.IGNORECASE)
_BEGINNINGS = (*_OPENERS, *_CLOSERS, *HARMONY_OPENERS)
# Each tag begins with one of them.
_SIGNS = "<◁["
# Before the first tag: they are not seen.
_UNSEEN = " \t\r\n\u200b\u2060\ufeff"
_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})([^\n]*)", re.MULTILINE)
# So many tags without their pair are looked at in one answer.
_MOST_LOOKS = 8
_PIECES = 256
_ASCII = "\x7f"
_LONGEST_LINE = 1024


def may_hold_thought(text: str) -> bool:
    """Tell whether a whole answer may hold reasoning, as nearly none does."""
    # Written out: one of very many rows is looked at in half of the time.
    return "<" in text or "[" in text or "◁" in text or text.startswith(_UNSIGNED_OPENER)


def find_reasoning(delta: Mapping[str, Any]) -> str:
    """Return the reasoning of a delta or a message, which may stand there under several names at once."""
    for name in REASONING_NAMES:
        value = delta.get(name)
        if value:
            text = value if type(value) is str else "".join(split_parts(value, thought=True))
            if text:
                return text
    return ""


def split_parts(content: object, *, thought: bool = False) -> tuple[str, str]:
    """Return the text and the reasoning of a content that is not a text: parts, one of them, nested ones."""
    if isinstance(content, int | float) and not isinstance(content, bool):
        content = str(content)
    if isinstance(content, str):
        return ("", content) if thought else (content, "")
    if isinstance(content, list):
        pairs = [split_parts(part, thought=thought) for part in content if isinstance(part, dict | str)]
        return "".join(text for text, _ in pairs), "".join(reasoning for _, reasoning in pairs)
    if not isinstance(content, dict) or content.get("type") in _SECRET_PARTS:
        return "", ""
    thought = thought or content.get("type") in _THOUGHT_PARTS or content.get("thought") is True
    names = _THOUGHT_NAMES if thought else _TEXT_NAMES
    value = next((content[name] for name in names if content.get(name)), "")
    return split_parts(value, thought=thought) if isinstance(value, str | list | dict) else ("", "")


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
        self._closers: tuple[str, ...] = ()
        self._ends: tuple[str, ...] = ()
        self._channels: HarmonyChannels | None = None
        self._left = self._answering = False
        self._begun = False
        # Whether a piece without a sign of a tag is all answer.
        self._decided = False
        self._held = ""
        self._blank: list[str] = []
        # Whether it may be a thought of gpt-oss without signs, as its first letters say.
        self._unsigned, self._beginning = True, ""
        # What was returned as answer: the last pieces, and what has to be known of those before them.
        self._given: list[str] = []
        self._opened = self._begun_lines = False
        self._fence = ""
        self._looks = 0

    def split(self, text: str, *, ended: bool = False) -> tuple[str, str, bool]:
        """Return as much of the text so far as is decided, as a Split; all of it where it has `ended`."""
        if self._decided and not ("<" in text or "[" in text or "◁" in text):
            # Nearly every piece is all answer and holds no sign of a tag: this costs a tenth of the rest.
            given = self._given
            given.append(text)
            if len(given) > _PIECES:
                self._fold()
            return text, "", False
        split = self._split(text) if text else Split()
        self._decided = self._begun and not (self._closers or self._held or self._unsigned)
        if not ended:
            return split
        rest = self._finish()
        if rest.all_thought:
            return Split(rest.text, split.thought + split.text + rest.thought, all_thought=True)
        return Split(split.text + rest.text, split.thought + rest.thought, split.all_thought)

    def _split(self, text: str) -> Split:
        if self._channels is not None:
            return Split(*self._channels.split(text))
        if self._waiting and text.isspace():
            self._blank.append(text)  # joined once: a model may write nothing else for very long
            return Split()
        text = "".join((*self._blank, self._held, text))
        self._held = ""
        self._blank.clear()
        if self._left:
            if self._answering:
                return Split(self._drop_ends(text))
            return self._split_after(text) if self.watching else Split(text)
        if self._closers:
            return self._split_within(text)
        if not self._begun:
            start = text.lstrip(_UNSEEN)
            low = start.lower()
            if low.startswith(HARMONY_OPENERS):
                return self._read_channels(start)
            tag = next((tag for tag in _OPENERS if low.startswith(tag)), "")
            if tag:
                self._open(tag)
                return self._split_within(start[len(tag) :])
            if len(low) < _LONGEST and any(tag.startswith(low) for tag in _BEGINNINGS):
                self._held = text
                return Split()
            self._begun = True
        if self._unsigned:
            size = len(_UNSIGNED_OPENER)
            self._beginning = (self._beginning + (text if self._beginning else text.lstrip(_UNSEEN)))[
                : size + 1
            ]
            opener, following = self._beginning[:size], self._beginning[size:]
            self._unsigned = _UNSIGNED_OPENER.startswith(opener) and (not following or following.isalnum())
        return self._find_unpaired(text)

    def _finish(self) -> Split:
        """Return what was held back, at the end of the answer."""
        if self._channels is not None:
            return Split(*self._channels.split("", ended=True))
        held, self._held = "".join((*self._blank, self._held)), ""
        if self._closers and not self._left:
            return Split("", held)
        if held and not self._left and self.watching:
            return self._find_unpaired(held, ended=True)
        return Split(held)

    @property
    def _waiting(self) -> bool:
        """Whether nothing but white space has come."""
        return not (self._begun or self._closers or self._left or self._held)

    def _open(self, tag: str) -> None:
        self._left = False
        self._closers = tuple(filter(None, (_PAIRS[tag], _ALSO_CLOSES.get(tag, ""))))
        self._ends = _ENDS.get(tag, ())

    def _read_channels(self, text: str) -> Split:
        self._channels, self._begun, self._closers = HarmonyChannels(), True, HARMONY_OPENERS
        return Split(*self._channels.split(text))

    def _split_within(self, text: str) -> Split:
        low = text.lower()
        found = [(place, tag) for tag in self._closers if (place := low.find(tag)) >= 0]
        if found:
            place, tag = min(found)
            self._left = True
            rest = self._split_after(text[place + len(tag) :])
            return Split(rest.text, text[:place] + rest.thought)
        kept = _measure_tail(text, self._closers)
        self._held = text[len(text) - kept :]
        return Split("", text[: len(text) - kept])

    def _split_after(self, text: str) -> Split:
        # Line ends and tags between thought and answer may come in the next events.
        answer = text.lstrip("\n")
        while answer.lstrip().startswith("<|"):
            found = answer.lstrip()
            low = found.lower()
            tag = next((tag for tag in _BETWEEN if low.startswith(tag)), "")
            if not tag:
                if any(tag.startswith(low) for tag in _BETWEEN):
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
            self._open(tag)
            return self._split_within(start[len(tag) :])
        if answer and any(tag.startswith(low) for tag in _OPENERS):
            self._held = answer
            return Split()
        self._answering = bool(answer and self._ends)
        self.watching = not answer or self._answering
        return Split(self._drop_ends(answer) if self._answering else answer)

    def _drop_ends(self, text: str) -> str:
        """Return an answer without the tags behind it; what may be half of one is held back."""
        text = re.sub("|".join(map(re.escape, self._ends)), "", text, flags=re.IGNORECASE)
        kept = _measure_tail(text, self._ends)
        self._held = text[len(text) - kept :]
        return text[: len(text) - kept]

    def _find_unpaired(self, text: str, *, ended: bool = False) -> Split:
        if not (self._unsigned or any(sign in text for sign in _SIGNS)):
            self._given.append(text)
            return Split(text)
        unsigned = self._unsigned and len(self._beginning) > len(_UNSIGNED_OPENER)
        for found in (_CLOSER_OF_UNSIGNED if unsigned else _CLOSER).finditer(text):
            self._fold()
            before, after = "".join(self._given) + text[: found.start()], text[found.end() :]
            if after in ("", "*", "<") and not ended:
                self._held = text[found.start() :]
                self._given.append(text[: found.start()])
                return Split(text[: found.start()])
            tag = found[0].lower()
            if self._ends_thought(tag, before, after):
                if tag == _NEXT_CHANNEL:
                    rest = self._read_channels(after)
                    return Split(rest.text, text[: found.start()] + rest.thought, all_thought=True)
                self._left, self._closers, self._ends = True, (tag,), _ENDS.get(tag, ())
                rest = self._split_after(after)
                return Split(rest.text, text[: found.start()] + rest.thought, all_thought=True)
            self._looks += 1
            if self._looks > _MOST_LOOKS:
                self.watching = False
                return Split(text)
        tags = (*_CLOSERS, _UNSIGNED_CLOSER) if unsigned else _CLOSERS
        kept = 0 if ended else _measure_tail(text, tags)
        self._held = text[len(text) - kept :]
        self._given.append(text[: len(text) - kept])
        return Split(text[: len(text) - kept])

    def _fold(self) -> None:
        """Keep only the last line of the pieces, and what has to be known of the text before it."""
        text = "".join(self._given)
        end = text.rfind("\n") + 1
        self._opened = self._opened or _OPENER.search(text) is not None
        self._fence = _find_open_fence(text[:end], self._fence)
        self._begun_lines = self._begun_lines or bool(text[:end].strip())
        line = text[end:]
        cut, kept = line[:-_LONGEST_LINE], line[-_LONGEST_LINE:]
        # An odd backtick in the part of a long line that is dropped still opens code.
        self._given = ["`" * (cut.count("`") % 2) + kept]

    def _ends_thought(self, tag: str, before: str, after: str) -> bool:
        """Return whether a closing tag without its opening one ends reasoning, and is not only mentioned.

        `before` is the text before it, from the beginning of the line that was not folded away.
        """
        if tag == _UNSIGNED_CLOSER:
            return True
        if not before.strip() and not self._begun_lines:
            return True
        line = before[before.rfind("\n") + 1 :]
        if self._opened or _OPENER.search(before) or _find_open_fence(before, self._fence):
            return False
        if line.count("`") % 2 or (line.count("**") % 2 and after.startswith("**")):
            return False
        if after.startswith("</") or (after and after[0] in "`'\"”’」』)>.,;:，。、；："):
            return False
        if not line.strip():
            return len(line) < 4 and not after.startswith((" ", "\t"))
        # Where it touches the text on both sides, as no prose does, but for Chinese within a sentence.
        last = line[-1:]
        if line.lstrip().startswith("|") or (last > _ASCII and last.isalpha() and after[:1].isalpha()):
            return False
        return not (last.isspace() or last in "(<[{“‘「『（，、；,\"'" or after.startswith((" ", "\t")))


def _find_open_fence(text: str, fence: str) -> str:
    """Return the fence of the code that is open at the end of a text, "" for none; `fence` is that before."""
    for found in _FENCE.finditer(text):
        run, info = found.groups()
        if not fence:
            fence = run if run[0] == "~" or "`" not in info else ""
        elif run.startswith(fence) and not info.strip():
            fence = ""
    return fence


def _measure_tail(text: str, tags: tuple[str, ...]) -> int:
    """Return how many characters at the end may be the beginning of a tag."""
    tail = text[-_LONGEST:].lower()
    return next(
        (size for size in range(len(tail), 0, -1) if any(tag.startswith(tail[-size:]) for tag in tags)), 0
    )
