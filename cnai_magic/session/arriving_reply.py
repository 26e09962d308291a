"""What has arrived of one answer, while it comes and afterwards; and the part of it that is new to a reader.

The thread that reads the answer is the only one that writes here. Lists are only added to, and each other
fact changes in one step, so any thread may read at any moment.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ..api.logprobs import TokenProbability
from ..api.messages import Chunk, Message
from ..api.token_usage import Usage
from ..api.tool_calls import CalledTools
from ..api.usage import complete_usage, estimate_usage
from ..redaction import Cleaner, hide_keys

__all__ = ["Arrived", "ArrivingReply", "NewText"]


class Arrived(NamedTuple):
    """What has arrived of an answer; `uncounted` is the part that came after usage was last reported.

    `logprobs` are the probabilities of the tokens of the text; none where a key would stand among them.
    """

    text: str
    reasoning: str
    uncounted: str
    logprobs: tuple[TokenProbability, ...]


class ArrivingReply:
    """Takes the chunks of an answer.

    `arrived()`, `usage` (None where none was reported), `finish_reason`, `model` and `note` hold what has
    arrived so far, whatever ended it; `called` are calls of tools, known at the end.
    """

    def __init__(self) -> None:
        self.usage: Usage | None = None
        self.finish_reason = ""
        self.model = ""
        self.note = ""
        self.called: CalledTools | None = None
        self.texts: list[str] = []
        self.thoughts: list[str] = []
        # So many of the texts were reasoning, as a tag that came after them said.
        self._thought = 0
        self._counted = (0, 0)
        self._logprobs: list[TokenProbability] = []

    def take(self, chunk: Chunk) -> None:
        """Add what a chunk brings."""
        text, thought, finish_reason, usage, model, note, all_thought, logprobs, called = chunk
        texts, thoughts = self.texts, self.thoughts
        if logprobs:
            self._logprobs += logprobs
        if all_thought:
            self._thought = len(texts)
        if text:
            texts.append(text)
        if thought:
            thoughts.append(thought)
        if usage is not None:
            self.usage = usage
            self._counted = (len(texts), len(thoughts))
        self.finish_reason = finish_reason or self.finish_reason
        self.model = model or self.model
        self.note = note or self.note
        self.called = called or self.called

    def arrived(self) -> Arrived:
        """Return what has arrived so far."""
        texts, thoughts = self._counted
        return Arrived(
            text="".join(self.texts[self._thought :]),
            reasoning="".join(self.thoughts + self.texts[: self._thought]),
            uncounted="".join(self.texts[texts:] + self.thoughts[thoughts:]),
            logprobs=_drop_keys(self._logprobs) if self._logprobs else (),
        )

    def sum_up(self, messages: Sequence[Message]) -> tuple[Chunk, Usage]:
        """Return what has arrived of the answer to `messages` as one chunk, and its tokens.

        These are the reported ones; what no report counts, or cannot have counted, is estimated.
        """
        text, reasoning, uncounted, logprobs = self.arrived()
        reported, called = self.usage, self.called
        chunk = Chunk(
            text,
            reasoning,
            self.finish_reason,
            reported,
            model=self.model,
            note=self.note,
            logprobs=logprobs,
            called=called,
        )
        if reported is not None and uncounted:
            return chunk, complete_usage(reported, messages, "") + estimate_usage((), uncounted)
        calls = called.calls if called is not None and reported is None else ()
        written = "".join(f"{call.name} {call.arguments}" for call in calls)
        return chunk, complete_usage(reported, messages, text + written, reasoning)


class NewText:
    """Returns what is new of an answer, safe to show, each time that it is asked."""

    def __init__(self, arriving: ArrivingReply) -> None:
        self._arriving = arriving
        self._texts = self._thoughts = 0
        self._clean, self._clean_thought = Cleaner(), Cleaner()

    def read(self, *, ended: bool) -> tuple[str, str]:
        """Return text and reasoning that came since the last call; what has `ended` comes whole."""
        texts = self._arriving.texts[self._texts :]
        thoughts = self._arriving.thoughts[self._thoughts :]
        self._texts += len(texts)
        self._thoughts += len(thoughts)
        text = self._clean.feed("".join(texts), ended=ended)
        return text, self._clean_thought.feed("".join(thoughts), ended=ended)


def _drop_keys(logprobs: Iterable[TokenProbability]) -> tuple[TokenProbability, ...]:
    found = tuple(logprobs)
    text = "".join(each.token for each in found)
    return found if hide_keys(text) == text else ()
