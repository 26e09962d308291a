"""One answer, with all that is known of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any
from uuid import uuid4

from ..api.messages import Message, Part, Usage
from ..api.parameters import ParameterValue
from ..errors import InputError
from ..money.cost import Cost, Spend
from ..redaction import clean
from .footer import footer_line
from .markdown import code_blocks, notebook_markdown

__all__ = ["Reply"]

_UNCOUNTED = 2
_ENDS = {
    "content_filter": "cut by the content filter",
    "stopped": "stopped",
    "interrupted": "interrupted",
    "failed": "broke off",
    "budget": "stopped at the budget",
    "insufficient_system_resource": "cut by the server: out of resources",
    "network_error": "cut by the server: network error",
}


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer: `text`, `reasoning`, `usage` and `cost`, the question, and its place in the conversation.

    `finish_reason` is the server's ("stop", "length", "content_filter", …), or "stopped" or "interrupted".
    `prompt_parts` are the question where it is more than text, `steps` the calls of tools and their results
    between it and the answer. `seconds` and `first_token_after` are seconds since the request was sent.
    `turn` and `attempt` count from 1; `turn` is 0 for an answer outside the conversation. `total` is what the
    notebook had spent, this answer included. `omitted_turns` counts the oldest turns that did not fit
    `history_tokens`, `later` the turns below that were asked before this attempt. `id` is the answer's own
    everywhere: in the notebook, in the ledger. `request` is the digest of all that was sent, by which an
    answer can be `replayed`: shown again from the notebook in place of being asked for. `index_in_cell`
    counts the questions of one run of its cell, from 0; `began` tells that it began its conversation with
    --new. `others` are attempts of the same turn that its output keeps, so that they outlive the kernel.
    `answered_by` is the model that the server names, "" where it is the one that was asked. `note` is a
    remark where something odd followed the complete answer, "" mostly. `first_run` is when the cell of the
    turn first ran, by which turns are ordered, `appended` tells that the question made a turn of its own,
    `chosen` that it named its conversation with -c. Where an answer is no turn, `in_force` is the attempt
    that the turn of its cell still has; `with_former` are the turns above that were sent with a former
    answer, because the last run of their cells had none.
    """

    text: str
    prompt: str
    model: str
    conversation: str = "main"
    answered_by: str = ""
    note: str = ""
    reasoning: str = ""
    system: str | None = None
    parameters: Mapping[str, ParameterValue] = field(default_factory=dict)
    usage: Usage = field(default_factory=Usage)
    cost: Cost = field(default_factory=lambda: Cost(None))
    total: Spend = field(default_factory=Spend)
    finish_reason: str = "stop"
    started: datetime = field(default_factory=lambda: datetime.now(timezone.utc))
    seconds: float = 0.0
    first_token_after: float | None = None
    turn: int = 0
    turn_id: str = ""
    attempt: int = 1
    omitted_turns: int = 0
    later: int = 0
    demo: bool = False
    id: str = field(default_factory=lambda: uuid4().hex[:16])
    request: str = ""
    replayed: bool = False
    index_in_cell: int = 0
    began: bool = False
    first_run: datetime | None = field(default=None, compare=False)
    appended: bool = False
    chosen: bool = False
    prompt_parts: tuple[Part, ...] = ()
    steps: tuple[Message, ...] = ()
    in_force: int = 0
    with_former: tuple[int, ...] = ()
    others: tuple[Reply, ...] = field(default=(), repr=False, compare=False)

    @property
    def code(self) -> str:
        """The first fenced code block of the answer, or "" where it has none."""
        return next(iter(self.code_blocks()), "")

    def code_blocks(self, language: str = "") -> list[str]:
        """Return the fenced code blocks, only those in `language` where one is named."""
        return code_blocks(self.text, language)

    def json(self) -> Any:
        """Return the answer read as JSON, bare or in a fenced block; raises InputError where it is none."""
        for text in (self.text, *self.code_blocks("json"), *self.code_blocks()):
            try:
                return json.loads(text)
            except ValueError:
                continue
        raise InputError(
            "the answer is not JSON",
            why=self.text[:200],
            next_step="ask for JSON and nothing else, or read .text",
        )

    @property
    def markdown(self) -> str:
        """The answer as Markdown that is safe in a notebook, with maths that it typesets."""
        return notebook_markdown(clean(self.text))

    @property
    def footer(self) -> str:
        """One line: model, turn, tokens, cost, time, what the notebook has spent, and what else there is."""
        return self._line(turn=self.turn, attempt=self.attempt, notebook=self.total)

    @property
    def summary(self) -> str:
        """The part of the footer that is about this answer alone."""
        return self._line(turn=0, attempt=1, notebook=None, remarks=[self.ended, self.note])

    def _line(
        self, *, turn: int, attempt: int, notebook: Spend | None, remarks: Sequence[str] | None = None
    ) -> str:
        return footer_line(
            self.model,
            self.usage,
            self.cost,
            self.seconds,
            answered_by=self.answered_by,
            turn=turn,
            attempt=attempt,
            demo=self.demo,
            replayed=self.replayed,
            notebook=notebook,
            remarks=self._remarks if remarks is None else remarks,
        )

    @property
    def _remarks(self) -> list[str]:
        """What else a reader needs to know of the answer's place and its end, in few words."""
        remarks = [self.ended, self.note]
        if self.in_force:
            remarks.append(f"attempt {self.in_force} stays in force")
        if self.with_former:
            turns = ", ".join(map(str, self.with_former))
            remarks.append(f"turn{'s' * (len(self.with_former) > 1)} {turns} sent with the former answer")
        if self.later:
            remarks.append("1 below is older" if self.later == 1 else f"{self.later} below are older")
        if self.omitted_turns:
            remarks.append(f"{self.omitted_turns} oldest turn{'s' * (self.omitted_turns > 1)} omitted")
        return remarks

    @property
    def ended(self) -> str:
        """How the answer ended, in words; "" where it simply is complete."""
        if self.finish_reason == "length":
            return self._cut
        return _ENDS.get(self.finish_reason, "")

    @property
    def _cut(self) -> str:
        """Which limit cut the answer: ours, or one of the model's that came first."""
        limit = self.parameters.get("max_tokens")
        if not isinstance(limit, int):
            return "cut at the model's own limit"
        # Some servers count the last token or two not at all; an estimate is not near enough to tell.
        come = self.usage.completion_tokens + _UNCOUNTED
        ours = self.usage.estimated or come >= limit
        return "cut at max_tokens" if ours else "cut: the model's context is full"

    def __str__(self) -> str:
        return self.text

    def _repr_markdown_(self) -> str:
        return self.markdown

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(clean(self.text))
