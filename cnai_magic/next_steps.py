"""What to do next, as facts; the words for it belong to the door at which an error is read.

A person meets this package in a notebook's cell, at the `cnai` command or in plain Python, and does the same
thing by other words there: `%cnai_key`, a variable, `Session.use_key`. So whoever raises an error names the
step (`set_key()`), or adds steps to plain text: `"wait longer: " + change_setting("timeout", 300)`. Each
`Door` has a table with its words: `PYTHON` in python_words.py, `CELL` in magics/cell_words.py, `TERMINAL` in
cli.py.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .languages import translate
from .redaction import redact, strip_controls

__all__ = [
    "CHECK_ADDRESS",
    "Door",
    "NextStep",
    "Step",
    "ask_for_more",
    "assign_first",
    "attach_file",
    "attach_image",
    "begin_conversation",
    "by_door",
    "change_setting",
    "choose_host",
    "choose_port",
    "clean_line",
    "confirm_cost",
    "correct_setting",
    "correct_settings",
    "either",
    "give_parameter",
    "go_on_in",
    "keep_as_text",
    "keep_attempt",
    "limit_cost",
    "list_attempts",
    "list_models",
    "list_turns",
    "name_conversation",
    "name_model",
    "new_conversation",
    "omit_field",
    "omit_parameter",
    "raise_budget",
    "raise_limit",
    "read_file",
    "remove_budget",
    "rename_conversation",
    "replace_file",
    "see_request",
    "see_spend",
    "send_less",
    "set_any_price",
    "set_key",
    "set_local_key",
    "set_price",
    "show_value_as_text",
    "use_conversation",
    "wait_for_whole",
    "write_question",
]

_LONGEST = 400


@dataclass(frozen=True, slots=True, eq=False)
class Door:
    """Where a person reads and types: a name, and the words of each step there, by the step's name.

    Words are a format of the step's facts ("%cnai_chat use {name}"), or a function of them. A step without
    words is not shown: it cannot be done there.
    """

    name: str
    words: Mapping[str, str | Callable[..., str]]


@dataclass(frozen=True, slots=True)
class NextStep:
    """Plain text and steps, one after another."""

    parts: tuple[str | Step, ...] = ()

    @classmethod
    def of(cls, step: str | Step | NextStep) -> NextStep:
        """Return a text, or one step, as a NextStep."""
        if isinstance(step, NextStep):
            return step
        return cls((step,) if step else ())

    def at(self, door: Door) -> str:
        """Return the words for one door, in one line that shows no key."""
        parts = (translate(part) if isinstance(part, str) else part.at(door) for part in self.parts)
        return clean_line("".join(parts))

    def __add__(self, other: str | Step | NextStep) -> NextStep:
        return NextStep(self.parts + NextStep.of(other).parts)

    def __radd__(self, other: str) -> NextStep:
        return NextStep.of(other) + self

    def __bool__(self) -> bool:
        return bool(self.parts)


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do: its name, and the facts that the words of a door may use."""

    name: str
    facts: Mapping[str, Any]

    def at(self, door: Door) -> str:
        """Return the words for this step at a door, "" where it cannot be done there."""
        words = door.words.get(self.name, "")
        if isinstance(words, str):
            return translate(words).format(**self.facts)
        return translate(words(**self.facts))

    def __add__(self, other: str | Step | NextStep) -> NextStep:
        return NextStep.of(self) + other

    def __radd__(self, other: str) -> NextStep:
        return NextStep.of(other) + self


class _Either(Step):
    __slots__ = ()

    def at(self, door: Door) -> str:
        return translate(", or ").join(
            filter(None, (NextStep.of(step).at(door) for step in self.facts["steps"]))
        )


class _ByDoor(Step):
    __slots__ = ()

    def at(self, door: Door) -> str:
        return translate(str(self.facts.get(door.name, "")))


def either(*steps: str | Step | NextStep) -> Step:
    """Do one of these; what cannot be done at a door is not offered there."""
    return _Either("either", {"steps": steps})


def by_door(cell: str = "", terminal: str = "") -> Step:
    """Read these words: for advice that `magics` and `cli` themselves give."""
    return _ByDoor("by door", {"cell": cell, "terminal": terminal})


def clean_line(text: str) -> str:
    """Return a text as one line of moderate length, without keys and control sequences."""
    # Control sequences first: one in the middle of a key would hide it from redact.
    text = " ".join(redact(strip_controls(text)).split()).encode("utf-8", "replace").decode()
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


# -- settings, keys, models ---------------------------------------------------------------------


def change_setting(name: str, value: object) -> Step:
    """Give a setting this value."""
    return Step("change_setting", {"name": name, "value": value, "literal": _write_literal(value)})


def _write_literal(value: object) -> str:
    """Return a value as Python reads it."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str | dict) else repr(value)


def correct_setting(name: str, variable: str) -> Step:
    """Correct a setting where it is set: it may be in this environment variable."""
    return Step("correct_setting", {"name": name, "variable": variable})


def correct_settings() -> Step:
    """Correct a setting of unknown name where it is set."""
    return Step("correct_settings", {})


def set_key(variable: str = "CNAI_API_KEY") -> Step:
    """Set the API key, which this environment variable may hold too."""
    return Step("set_key", {"variable": variable})


def set_local_key(base_url: str) -> Step:
    """Set the API key of a server on this machine."""
    return Step("set_local_key", {"base_url": base_url})


def list_models() -> Step:
    """List the models of the server."""
    return Step("list_models", {})


def name_model() -> Step:
    """Name the model of a question, or the one that is asked where none is named."""
    return Step("name_model", {})


CHECK_ADDRESS = "check the address, it usually ends in /v1: " + change_setting("base_url", "https://HOST/v1")


# -- a question ---------------------------------------------------------------------------------


def write_question() -> Step:
    """Write a question where it is expected."""
    return Step("write_question", {})


def ask_for_more() -> Step:
    """Ask a question that goes on from the answer."""
    return Step("ask_for_more", {})


def go_on_in(name: str) -> Step:
    """Go on with the answer that was cut in another conversation."""
    return Step("go_on_in", {"name": name})


def keep_as_text() -> Step:
    """Send braces as they were typed."""
    return Step("keep_as_text", {})


def attach_file() -> Step:
    """Send a file as text."""
    return Step("attach_file", {})


def attach_image() -> Step:
    """Send a file as an image."""
    return Step("attach_image", {})


def show_value_as_text(name: str) -> Step:
    """Put a value into the question as text."""
    return Step("show_value_as_text", {"name": name})


def assign_first() -> Step:
    """Put a value into a variable before the prompt names it."""
    return Step("assign_first", {})


def see_request() -> Step:
    """Look at the request without sending it."""
    return Step("see_request", {})


def send_less() -> Step:
    """Shorten what is sent."""
    return Step("send_less", {})


def give_parameter(name: str) -> Step:
    """Give a parameter by its name, not as a field of the request."""
    return Step("give_parameter", {"name": name})


def wait_for_whole() -> Step:
    """Wait for the whole answer; it comes as a stream otherwise."""
    return Step("wait_for_whole", {})


def omit_parameter(name: str) -> Step:
    """Leave a parameter out of the request."""
    return Step("omit_parameter", {"name": name})


def omit_field(name: str) -> Step:
    """Leave a field out of the request that is sent as it is."""
    return Step("omit_field", {"name": name})


def raise_limit(limit: int | None, *, own: bool = False, origin: str = "") -> Step:
    """Let answers be longer: `limit` is the most tokens so far, None for the model's own limit.

    `own` tells that the question sets it, `origin` what else does: "" for a setting.
    """
    higher = max(8_000, 2 * (limit or 0))
    return Step("raise_limit", {"higher": higher, "limit": limit, "own": own, "origin": origin})


# -- money --------------------------------------------------------------------------------------


def see_spend() -> Step:
    """Look at what was spent."""
    return Step("see_spend", {})


def raise_budget(*, day: bool = False) -> Step:
    """Raise the budget of this kernel, or that of the day."""
    return Step("raise_budget", {"day": day})


def confirm_cost() -> Step:
    """Send the question although it may cost more than a set sum."""
    return Step("confirm_cost", {})


def limit_cost() -> Step:
    """Say how much all rows may cost together."""
    return Step("limit_cost", {})


def remove_budget(*, kernel: bool, day: bool) -> Step:
    """Go on without these budgets."""
    return Step("remove_budget", {"kernel": kernel, "day": day})


def set_price(model: str) -> Step:
    """Set the price of a model, in USD per million tokens."""
    return Step("set_price", {"model": model, "prices": _write_literal({model: [1, 2]})})


def set_any_price() -> Step:
    """Set the price of whichever model has none."""
    return Step("set_any_price", {})


# -- conversations ------------------------------------------------------------------------------


def new_conversation() -> Step:
    """Begin a conversation with the next question."""
    return Step("new_conversation", {})


def begin_conversation(name: str) -> Step:
    """Begin a conversation of this name."""
    return Step("begin_conversation", {"name": name})


def use_conversation(name: str) -> Step:
    """Go on in another conversation."""
    return Step("use_conversation", {"name": name})


def name_conversation() -> Step:
    """Give a conversation a name that it can have."""
    return Step("name_conversation", {})


def rename_conversation(old: str, new: str) -> Step:
    """Give a conversation another name."""
    return Step("rename_conversation", {"old": old, "new": new})


def list_turns() -> Step:
    """Look at the turns of the conversation."""
    return Step("list_turns", {})


def list_attempts() -> Step:
    """Look at the attempts of a turn."""
    return Step("list_attempts", {})


def keep_attempt(conversation: str, turn: int, attempt: int) -> Step:
    """Let another attempt of a turn be the one that counts."""
    return Step("keep_attempt", {"conversation": conversation, "turn": turn, "attempt": attempt})


# -- files and servers --------------------------------------------------------------------------


def read_file(path: str) -> Step:
    """Read this file instead."""
    return Step("read_file", {"path": path})


def replace_file() -> Step:
    """Replace a file that is there."""
    return Step("replace_file", {})


def choose_port(example: int) -> Step:
    """Listen on another port, this one for example."""
    return Step("choose_port", {"example": example})


def choose_host() -> Step:
    """Listen on this machine's own address."""
    return Step("choose_host", {})
