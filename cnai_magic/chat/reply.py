"""One answer, as its user holds it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
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
    """One answer: `text`, `reasoning`, `usage` and `cost`, and the question that it answers.

    `model` was asked; `answered_by` is the model that the server names, "" where it is the same. `parameters`
    are those that were sent. `prompt_parts` are the question where it is more than text, `attached` says what
    was sent with it, `steps` are the calls of tools and their results between it and the answer.
    `finish_reason` is the server's ("stop", "length", "content_filter", …), or "stopped", "interrupted",
    "failed" or "budget". `note` is a remark where something odd followed the complete answer, mostly "".
    `seconds` and `first_token_after` count from `started`, when it was asked. `demo` tells that the answer
    took demo credit. `id` names the answer in the notebook and in the ledger. `request` is the digest of all
    that was sent, by which an answer can be `replayed`: shown again from the notebook instead of being asked
    for. `footer` is the line that was shown below the answer.
    """

    text: str
    prompt: str
    model: str
    answered_by: str = ""
    note: str = ""
    reasoning: str = ""
    system: str | None = None
    parameters: Mapping[str, ParameterValue] = field(default_factory=dict)
    usage: Usage = field(default_factory=Usage)
    cost: Cost = field(default_factory=lambda: Cost(None))
    finish_reason: str = "stop"
    started: datetime = field(default_factory=lambda: datetime.now(timezone.utc))
    seconds: float = 0.0
    first_token_after: float | None = None
    demo: bool = False
    id: str = field(default_factory=lambda: uuid4().hex[:16])
    request: str = ""
    replayed: bool = False
    prompt_parts: tuple[Part, ...] = ()
    attached: tuple[str, ...] = ()
    steps: tuple[Message, ...] = ()
    footer: str = field(default="", compare=False)

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
            why=f"it begins: {self.text[:200]}{'…' * (len(self.text) > 200)}" if self.text else "it is empty",
            next_step="ask for JSON and nothing else, or read .text",
        )

    @property
    def markdown(self) -> str:
        """The answer as Markdown that is safe in a notebook, with maths that it typesets."""
        return notebook_markdown(clean(self.text))

    @property
    def summary(self) -> str:
        """The part of the footer that is about this answer alone: model, tokens, cost and time."""
        return self.line()

    def line(
        self, *, turn: int = 0, attempt: int = 1, notebook: Spend | None = None, remarks: Iterable[str] = ()
    ) -> str:
        """Return the footer of this answer as an attempt of a turn, with remarks; see `footer_line`."""
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
            attached=self.attached,
            remarks=(self.ended, self.note, *remarks),
        )

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
