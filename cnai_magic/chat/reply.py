"""One answer, as its user holds it, and the words of the line below it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import Any
from uuid import uuid4

from ..api.message_parts import Part
from ..api.messages import Message
from ..api.model_facts import describe_models
from ..api.parameters import ParameterValue
from ..api.token_usage import Usage
from ..errors import InputError
from ..money.cost import Cost, Spend
from ..redaction import clean, to_one_line
from .json_answer import DATA_LANGUAGES, JSONProblem, read_json
from .json_table import find_columns, find_rows, make_frame, write_table
from .markdown import fenced_blocks, find_code_blocks, write_markdown
from .python_values import to_python
from .schemas import check_schema, find_schema
from .token_table import TokenTable

__all__ = ["ENDS", "Reply", "join_messages"]

_UNCOUNTED = 2
_LONGEST_REMARK = 80
ENDS = {
    "content_filter": "cut by the content filter",
    "stopped": "stopped",
    "interrupted": "interrupted",
    "failed": "broke off",
    "invalid": "not the JSON that was asked for",
    "budget": "stopped at the budget",
    "tool_steps": "stopped: it calls tools again and again",
    "insufficient_system_resource": "cut by the server: out of resources",
    "network_error": "cut by the server: network error",
    "error": "cut by the server: it failed",
}
"""How an answer ended, by its `finish_reason`; where a limit of tokens cut it, other facts say which."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer: `text`, `reasoning`, `usage` and `cost`, and the question that it answers.

    `model` was asked; `answered_by` is the model that the server names, "" where it is the same. `parameters`
    are those that were sent. `prompt_parts` are the question where it is more than text, `attached` says what
    was sent with it, `steps` are the calls of tools and their results between it and the answer,
    `call_seconds` the time of each call. `finish_reason` is the server's ("stop", "length",
    "content_filter", …), or "stopped", "interrupted", "failed", "budget", "tool_steps" where the model did
    not stop calling, or "invalid" for what is not the JSON that was asked for. `note` is a remark where
    something odd followed the complete answer, mostly "". `seconds` and `first_token_after` count from
    `started`, when it was asked. `demo` tells that the answer took demo credit. `id` names the answer in the
    notebook and in the ledger. `request` is the digest of all that was sent, by which an answer can be
    `replayed`: shown again from the notebook instead of being asked for. `rest` is what the last request
    took, where the answer was cut and went on: `usage` and `cost` are those of all its requests. `footer` is
    the line that was shown below the answer.
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
    call_seconds: tuple[float, ...] = ()
    rest: tuple[Usage, Cost] | None = None
    footer: str = field(default="", compare=False)
    logprobs: TokenTable = field(default=TokenTable(), compare=False, repr=False)
    _data: list[Any] = field(default_factory=list, init=False, repr=False, compare=False)
    _messages: tuple[Message, ...] = field(default=(), init=False, repr=False, compare=False)

    @property
    def messages(self) -> tuple[Message, ...]:
        """The question, calls of tools and the answer as they are sent with later questions."""
        if not self._messages:
            question = Message("user", self.prompt_parts or self.prompt)
            object.__setattr__(self, "_messages", (question, *self.steps, Message("assistant", self.text)))
        return self._messages

    @property
    def charged(self) -> tuple[Usage, Cost]:
        """What its own request took: of an answer that went on, the earlier attempts were charged before."""
        return self.rest or (self.usage, self.cost)

    def continued_by(self, whole: Reply) -> Reply:
        """Return the whole answer as one: `whole` has all of its text, and what its last request took."""
        return replace(
            whole,
            steps=self.steps,
            call_seconds=self.call_seconds,
            logprobs=TokenTable((*self.logprobs, *whole.logprobs)),
            reasoning="\n\n".join(filter(None, (self.reasoning, whole.reasoning))),
            usage=self.usage + whole.usage,
            cost=self.cost + whole.cost,
            seconds=self.seconds + whole.seconds,
            request=self.request,
            rest=(whole.usage, whole.cost),
        )

    @property
    def code(self) -> str:
        """The first block of code in the answer, or "" where it has none."""
        return next(iter(self.code_blocks()), "")

    def code_blocks(self, language: str = "") -> list[str]:
        """Return the fenced blocks of code, only those in `language` where one is named.

        Blocks of JSON are data, not code: they are returned where "json" is named.
        """
        if language:
            return find_code_blocks(self.text, language)
        return [code for info, code in fenced_blocks(self.text) if info.lower() not in DATA_LANGUAGES]

    def json(self) -> Any:
        """Return the JSON of the answer: bare, in a fenced block, or alone among other words.

        Raises InputError where there is none, or more than one.
        """
        return self._read(None)

    @property
    def data(self) -> Any:
        """The answer as a value of Python that fits the schema that was asked for; without one, `json()`.

        It is read once, and the same object each time. Raises InputError where the answer does not fit.
        """
        if not self._data:
            self._data.append(self._read(self.schema))
        return self._data[0]

    @property
    def schema(self) -> Mapping[str, Any] | None:
        """The JSON Schema that was asked for, {} for any JSON, None where no JSON was asked for."""
        schema = self.parameters.get("schema")
        return schema if isinstance(schema, Mapping) else None

    def _read(self, schema: Mapping[str, Any] | None) -> Any:
        if schema:
            check_schema(schema)
        try:
            return read_json(self.text, schema)
        except JSONProblem as problem:
            begins = f"; it begins: {self.text[:200]}{'…' * (len(self.text) > 200)}" if self.text else ""
            fits = not (problem.found and schema)
            raise InputError(
                "the answer is not JSON" if fits else "the answer does not fit its schema",
                why=f"{problem}{begins}",
                next_step="ask for JSON and nothing else, or read .text",
            ) from problem

    def to(self, kind: Any) -> Any:
        """Return the JSON of the answer as a value of a type: a dataclass, a pydantic model, `list[Person]`.

        Raises InputError where it is none.
        """
        value = self._read(find_schema(kind))
        try:
            return to_python(value, kind)
        except Exception as error:  # whatever a type raises that is made of a value
            name = getattr(kind, "__name__", str(kind))
            raise InputError(
                f"the answer is not a {name:.60}", why=str(error)[:300], next_step="use .data"
            ) from error

    def to_frame(self) -> Any:
        """Return the rows of the answer, a list of flat objects, as a DataFrame.

        It has all columns that were asked for, also those that no row has. It is one of polars where polars
        is imported and pandas is not, else one of pandas. Raises InputError where the answer is anything
        else, or neither can be imported.
        """
        rows = find_rows(self.data)
        columns = find_columns(self.schema) if rows or self.data == [] else []
        if not rows and not columns:
            raise InputError(
                "the answer is not a list of flat objects",
                why="only such a list is a table",
                next_step="use .data, or ask for such a list: 'list[name, age int]'",
            )
        if not rows:
            return make_frame({name: [] for name in columns}, "install it, or use .data")
        asked = dict.fromkeys(name for name in columns if not any(name in row for row in rows))
        return make_frame([{**row, **asked} for row in rows], "install it, or use .data")

    @property
    def markdown(self) -> str:
        """The answer as Markdown that is safe in a notebook, with maths that it typesets.

        A list of flat objects that was asked for as JSON is a table, other JSON a block of code.
        """
        text = clean(self.text).strip("\n")
        rows = find_rows(_read_or_none(text)) if self.schema is not None and not self.failed else []
        return write_table(rows) if rows else write_markdown(_fenced(text))

    @property
    def summary(self) -> str:
        """The part of the footer that is about this answer alone: model, tokens, cost and time."""
        return self.line()

    def line(
        self, *, turn: int = 0, attempt: int = 1, notebook: Spend | None = None, remarks: Iterable[str] = ()
    ) -> str:
        """Return the line below this answer: short, the same while it comes, in its output and in a terminal.

        It is "deepseek-chat · turn 3 · 20 → 8 tokens · $0.000054 · 1.2 s · notebook $0.0132" and the remarks.
        A `turn` of 0 and a `notebook` of None are left out.
        """
        parts = [describe_models(self.model, self.answered_by)]
        if turn:
            parts.append(f"turn {turn}, attempt {attempt}" if attempt > 1 else f"turn {turn}")
        money = self.cost.write(demo=self.demo)
        parts += [str(self.usage), f"replayed, had cost {money}" if self.replayed else money]
        parts.append(f"{self.seconds:.1f} s")
        if notebook is not None:
            parts.append(f"notebook {notebook}")
        attached = f"with {', '.join(self.attached)}" if self.attached else ""
        more = (attached, self.ended, self.note, *remarks)
        return to_one_line(" · ".join([*parts, *(_shorten(each) for each in more if each)]))

    @property
    def failed(self) -> bool:
        """Whether it broke off, or is not the JSON that was asked for; it is then no turn."""
        return self.finish_reason in ("failed", "invalid")

    @property
    def ended(self) -> str:
        """How the answer ended, in words; "" where it simply is complete."""
        if self.finish_reason == "length":
            return self._cut
        return ENDS.get(self.finish_reason, "")

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


def _read_or_none(text: str) -> Any:
    try:
        return read_json(text)
    except JSONProblem:
        return None


def _fenced(text: str) -> str:
    """Return an answer that is nothing but JSON as a block of code: Markdown would run its lines together."""
    if text[:1] not in ("{", "[") or "```" in text:
        return text
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return text
    return f"```json\n{text}\n```"


def _shorten(remark: str) -> str:
    line = " ".join(remark.split())
    return line if len(line) <= _LONGEST_REMARK else f"{line[: _LONGEST_REMARK - 1].rstrip()}…"


def join_messages(replies: Iterable[Reply]) -> list[Message]:
    """Return the messages of replies, in their order."""
    # Without a call for each: a long conversation has many.
    return [message for reply in replies for message in reply._messages or reply.messages]
