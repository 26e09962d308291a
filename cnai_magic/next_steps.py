"""What to do next, as facts; the words for it belong to the door at which an error is read.

A person meets this package in a notebook's cell, at the `cnai` command or in plain Python, and does the same
thing by other words there: `%cnai_key`, a variable, `Session.use_key`. So whoever raises an error names the
step (`SetKey()`) or adds steps to plain text (`"ask again, or wait longer: " + Setting("timeout", 300)`), and
each `Door` has a table with its words: `PYTHON` stands here, `CELL` in magics/cell_words.py, `TERMINAL` in
cli.py.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .redaction import redact, strip_controls

__all__ = [
    "CHECK_ADDRESS",
    "PYTHON",
    "BeginConversation",
    "ByDoor",
    "ChooseHost",
    "ChoosePort",
    "CorrectSetting",
    "CorrectSettings",
    "Door",
    "Either",
    "ListAttempts",
    "ListModels",
    "ListTurns",
    "NameConversation",
    "NameModel",
    "NewConversation",
    "NextStep",
    "OmitParameter",
    "RaiseBudget",
    "ReadFile",
    "RemoveBudget",
    "RenameConversation",
    "ReplaceFile",
    "SeeRequest",
    "SeeSpend",
    "SendLess",
    "SetAnyPrice",
    "SetKey",
    "SetLocalKey",
    "SetPrice",
    "Setting",
    "Step",
    "UseConversation",
    "WriteQuestion",
    "clean_line",
]

_LONGEST = 400


@dataclass(frozen=True, slots=True, eq=False)
class Door:
    """Where a person reads and types: a name, and the words of each step there.

    Words are a format with the fields of the step (`{step.name}`), or a function of it. A step without words
    is not shown: it cannot be done there.
    """

    name: str
    words: Mapping[type[Step], str | Callable[[Any], str]]


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
        parts = (part if isinstance(part, str) else part.at(door) for part in self.parts)
        return clean_line("".join(parts))

    def __add__(self, other: str | Step | NextStep) -> NextStep:
        return NextStep(self.parts + NextStep.of(other).parts)

    def __radd__(self, other: str) -> NextStep:
        return NextStep.of(other) + self

    def __bool__(self) -> bool:
        return bool(self.parts)


@dataclass(frozen=True, slots=True)
class Step:
    """Base of all steps; its docstring says what is done."""

    def at(self, door: Door) -> str:
        """Return the words for this step at a door, "" where it cannot be done there."""
        words = door.words.get(type(self), "")
        return words(self) if callable(words) else words.format(step=self)

    def __add__(self, other: str | Step | NextStep) -> NextStep:
        return NextStep.of(self) + other

    def __radd__(self, other: str) -> NextStep:
        return NextStep.of(other) + self


def clean_line(text: str) -> str:
    """Return a text as one line of moderate length, without keys and control sequences."""
    # Control sequences first: one in the middle of a key would hide it from redact.
    text = " ".join(redact(strip_controls(text)).split()).encode("utf-8", "replace").decode()
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


# -- composed -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Either(Step):
    """Do one of these; what cannot be done at a door is not offered there."""

    steps: tuple[str | Step | NextStep, ...]

    def at(self, door: Door) -> str:
        """Return what can be done at a door, joined by "or"."""
        return ", or ".join(filter(None, (NextStep.of(step).at(door) for step in self.steps)))


@dataclass(frozen=True, slots=True)
class ByDoor(Step):
    """Read these words: for advice that is given by `magics` and `cli` themselves."""

    cell: str = ""
    terminal: str = ""

    def at(self, door: Door) -> str:
        """Return the words of a cell or of the terminal; plain Python has none."""
        return {"cell": self.cell, "terminal": self.terminal}.get(door.name, "")


# -- settings, keys, models ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Setting(Step):
    """Give a setting this value."""

    name: str
    value: object

    @property
    def literal(self) -> str:
        """The value as Python reads it."""
        if isinstance(self.value, str | dict):
            return json.dumps(self.value, ensure_ascii=False)
        return repr(self.value)


@dataclass(frozen=True, slots=True)
class CorrectSetting(Step):
    """Correct a setting where it is set: it may be in this environment variable."""

    name: str
    variable: str


@dataclass(frozen=True, slots=True)
class CorrectSettings(Step):
    """Correct a setting of unknown name where it is set."""


@dataclass(frozen=True, slots=True)
class SetKey(Step):
    """Set the API key, which this environment variable may hold too."""

    variable: str = "CNAI_API_KEY"


@dataclass(frozen=True, slots=True)
class SetLocalKey(Step):
    """Set the API key of a server on this machine."""

    base_url: str


@dataclass(frozen=True, slots=True)
class ListModels(Step):
    """List the models of the server."""


@dataclass(frozen=True, slots=True)
class NameModel(Step):
    """Name the model of a question, or the one that is asked where none is named."""


CHECK_ADDRESS = "check the address, it usually ends in /v1: " + Setting("base_url", "https://HOST/v1")


# -- a question ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class WriteQuestion(Step):
    """Write a question where it is expected."""


@dataclass(frozen=True, slots=True)
class SeeRequest(Step):
    """Look at the request without sending it."""


@dataclass(frozen=True, slots=True)
class SendLess(Step):
    """Shorten what is sent."""


@dataclass(frozen=True, slots=True)
class OmitParameter(Step):
    """Leave a parameter out of the request."""

    name: str


# -- money --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SeeSpend(Step):
    """Look at what was spent."""


@dataclass(frozen=True, slots=True)
class RaiseBudget(Step):
    """Raise the budget of this kernel, or that of the day."""

    day: bool = False


@dataclass(frozen=True, slots=True)
class RemoveBudget(Step):
    """Go on without these budgets."""

    kernel: bool
    day: bool


@dataclass(frozen=True, slots=True)
class SetAnyPrice(Step):
    """Set the price of whichever model has none."""


@dataclass(frozen=True, slots=True)
class SetPrice(Step):
    """Set the price of a model, in USD per million tokens."""

    model: str

    @property
    def setting(self) -> Setting:
        """The setting, with an example of a price."""
        return Setting("prices", {self.model: [1, 2]})


# -- conversations ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NewConversation(Step):
    """Begin a conversation with the next question."""


@dataclass(frozen=True, slots=True)
class BeginConversation(Step):
    """Begin a conversation of this name."""

    name: str


@dataclass(frozen=True, slots=True)
class UseConversation(Step):
    """Go on in another conversation."""

    name: str


@dataclass(frozen=True, slots=True)
class NameConversation(Step):
    """Give a conversation a name that it can have."""


@dataclass(frozen=True, slots=True)
class RenameConversation(Step):
    """Give a conversation another name."""

    old: str
    new: str


@dataclass(frozen=True, slots=True)
class ListTurns(Step):
    """Look at the turns of the conversation."""


@dataclass(frozen=True, slots=True)
class ListAttempts(Step):
    """Look at the attempts of a turn."""


# -- files and servers --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ReadFile(Step):
    """Read this file instead."""

    path: str


@dataclass(frozen=True, slots=True)
class ReplaceFile(Step):
    """Replace a file that is there."""


@dataclass(frozen=True, slots=True)
class ChoosePort(Step):
    """Listen on another port, this one for example."""

    example: int


@dataclass(frozen=True, slots=True)
class ChooseHost(Step):
    """Listen on this machine's own address."""


# What `Session` does not take: it has no cells.
_OF_NOTEBOOKS = ("display", "notebook", "on_rerun", "replay", "save_attempts")


def _python_setting(name: str, literal: str) -> str:
    return f"session.settings.{name} = {literal}" if name in _OF_NOTEBOOKS else f"Session({name}={literal})"


PYTHON = Door(
    "python",
    {
        Setting: lambda step: _python_setting(step.name, step.literal),
        CorrectSetting: lambda step: f"{_python_setting(step.name, '…')}, or the variable {step.variable}",
        CorrectSettings: "Session(…)",
        SetKey: "set the variable {step.variable}, or call Session.use_key",
        SetLocalKey: "set the key of this server with Session.use_key",
        ListModels: "list them with Session.models()",
        NameModel: 'Session(model="MODEL")',
        SeeRequest: "see the exact request with Session.prepare",
        SendLess: "send less: a shorter prompt, ask(…, new=True), or Session(history_tokens=N)",
        OmitParameter: "{step.name} (in ask or in Session)",
        RaiseBudget: lambda step: "" if step.day else "raise the budget with Session(budget=USD)",
        SetAnyPrice: "Session(prices={{MODEL: [IN, OUT]}})",
        SetPrice: "set its price in USD per million tokens: Session(prices={step.setting.literal})",
        NewConversation: "begin anew: ask(…, new=True)",
        ReadFile: "{step.path}",
        ChoosePort: "choose another port, {step.example} for example, or 0 for a free one",
        ChooseHost: "choose 127.0.0.1, which is this machine only",
    },
)
