"""Answers to one question, side by side: of several models, with several settings, asked several times."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, overload

from ..api.parameters import ParameterValue
from ..errors import CnaiError, InputError
from ..languages import translate
from ..money.cost import Cost, write_sum
from .answers import load_frames, write_share
from .expectation import make_expectation
from .json_table import write_table
from .reply import Reply
from .turn import Turn

__all__ = ["ComparedAnswer", "Comparison"]


@dataclass(frozen=True, slots=True)
class ComparedAnswer:
    """One of the answers: the `reply`, or the `error`.

    `number` counts from 1. `varied` are the parameters in which the answers differ, `sample` counts those
    that were asked with the same ones. `passed` says whether it is as expected, None where nothing is; see
    `Comparison.expect`. `partial` is what came of an answer that broke off.
    """

    number: int
    model: str
    varied: Mapping[str, ParameterValue]
    sample: int = 1
    reply: Reply | None = None
    error: CnaiError | None = None
    passed: bool | None = None
    partial: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the row of a table; `cost` is in USD, None where the model has no price."""
        reply = self.reply
        nano = None if reply is None else reply.cost.nano
        return {
            "number": self.number,
            "model": self.model,
            **self.varied,
            "sample": self.sample,
            "answer": None if reply is None else reply.text,
            **({} if self.passed is None else {"passed": self.passed}),
            "tokens": None if reply is None else reply.usage.total_tokens,
            "cost": None if nano is None else nano / 10**9,
            "seconds": None if reply is None else round(reply.seconds, 3),
            "error": None if self.error is None else str(self.error),
        }


class Comparison(Sequence[ComparedAnswer]):
    """The answers to one question, as `Session.compare` returns them: a sequence of `ComparedAnswer`.

        comparison = session.compare("Name a colour.", models=["deepseek-chat", "qwen-plus"], times=3)
        comparison.to_frame()
        comparison.keep(comparison.best(lambda reply: -len(reply.text)))

    None of them is part of the conversation until one is kept.
    """

    def __init__(
        self, answers: Sequence[ComparedAnswer], keep: Callable[[Sequence[Reply], Reply], Turn]
    ) -> None:
        self._answers = answers
        self._keep = keep
        self.kept: Reply | None = None
        """The answer that was kept, None before."""
        self.display_id = ""
        """The name of the output that shows it, "" for none."""

    @overload
    def __getitem__(self, index: int) -> ComparedAnswer: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[ComparedAnswer]: ...

    def __getitem__(self, index: int | slice) -> ComparedAnswer | Sequence[ComparedAnswer]:
        return self._answers[index]

    def __len__(self) -> int:
        return len(self._answers)

    def __iter__(self) -> Iterator[ComparedAnswer]:
        return iter(self._answers)

    @property
    def replies(self) -> list[Reply]:
        """The answers that came, in order."""
        return [each.reply for each in self._answers if each.reply is not None]

    @property
    def cost(self) -> Cost:
        """What all of them cost."""
        return sum((reply.cost for reply in self.replies), Cost(0))

    def best(self, key: Callable[[Reply], float]) -> Reply:
        """Return the answer for which `key` is largest, the first of several.

        Raises InputError where none came.
        """
        if not self.replies:
            raise InputError("there is no answer to choose from", why="each request failed")
        return max(self.replies, key=key)

    def expect(self, expected: object) -> Comparison:
        """Note of each answer whether it is as expected, as `passed`, and return this comparison.

        `expected` is that of `Answers.expect`; a request that failed is not as expected.
        """
        holds = make_expectation(expected)
        self._answers = [
            replace(each, passed=each.reply is not None and holds(each.reply.text, None))
            for each in self._answers
        ]
        return self

    @property
    def share(self) -> float:
        """The part of the answers that are as expected, from 0 to 1."""
        return sum(bool(each.passed) for each in self._answers) / len(self._answers)

    def keep(self, answer: int | Reply) -> Reply:
        """Let an answer join the conversation, by its number or itself; the others are its other attempts.

        Raises InputError for another answer, and where one was kept already.
        """
        if self.kept is not None:
            raise InputError(
                "one of these answers is in the conversation already",
                next_step="choose another one among the attempts of its turn",
            )
        found = [each.reply for each in self._answers if answer in (each.number, each.reply) and each.reply]
        if not found:
            numbers = ", ".join(str(each.number) for each in self._answers if each.reply is not None)
            raise InputError(
                f"there is no such answer among them: {answer!r:.60}", why=f"there are {numbers}"
            )
        self._keep(self.replies, found[0]).display_id = self.display_id
        self.kept = found[0]
        return found[0]

    def to_frame(self) -> Any:
        """Return a DataFrame with a row for each answer, of polars or pandas as `Answers.to_frame` has it."""
        rows = [each.to_dict() for each in self._answers]
        return load_frames().DataFrame({name: [row.get(name) for row in rows] for name in rows[0]})

    @property
    def summary(self) -> str:
        """Say in one line how many answers there are, and what they cost."""
        failed = len(self) - len(self.replies)
        passed = write_share([each.passed for each in self._answers])
        cost = write_sum((reply.cost, reply.demo) for reply in self.replies)
        parts = [f"{len(self.replies)} answers", f"{failed} failed" if failed else "", passed, cost]
        return " · ".join(filter(None, parts))

    def __repr__(self) -> str:
        return f"<Comparison: {self.summary}>"

    def _repr_markdown_(self) -> str:
        rows = []
        for each in self._answers:
            row, reply = each.to_dict(), each.reply
            shown = {"": row.pop("number"), **row}
            shown["cost"] = "" if reply is None else reply.cost.write(demo=reply.demo)
            shown["seconds"] = "" if reply is None else f"{reply.seconds:.1f}"
            if all(other.sample == 1 for other in self._answers):
                del shown["sample"]
            if all(other.error is None for other in self._answers):
                del shown["error"]
            rows.append(shown)
        return f"{write_table(rows)}\n\n{translate(self.summary)}"
