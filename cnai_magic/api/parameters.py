"""The parameters of a request, one row each.

All else is derived from a row: the option of the magics and of `cnai ask`, the setting with its help and its
environment variable, the field of the request body, the check of a saved answer, the cell that an export
writes, the advice if a server refuses it. To add a parameter, add its row here, and its typed argument to the
signatures in plain_python/session.py (a test names what is missing).

Nothing here does I/O.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf
from reprlib import repr as short_repr
from typing import Any

from ..errors import InputError
from ..next_steps import give_parameter
from ..redaction import replace_surrogates
from .extra_fields import check_fields, join_fields, read_fields
from .thinking_control import LEVELS

__all__ = [
    "BY_NAME",
    "FUNCTION_NAME",
    "PARAMETERS",
    "SWITCH",
    "VARIED",
    "Parameter",
    "ParameterValue",
    "check_parameters",
    "dump_parameters",
    "find_option",
    "find_parameters",
    "format_parameter",
    "is_setting",
    "join_parameters",
]

ParameterValue = float | int | bool | str | tuple[str, ...] | Mapping[str, Any]

# Whole numbers of 64 bits, as JSON readers and databases have them.
_LOWEST, _HIGHEST = -(2**63), 2**63 - 1
FUNCTION_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""What servers take for the name of a function."""
SWITCH = {"true": True, "yes": True, "on": True, "1": True}
SWITCH |= {"false": False, "no": False, "off": False, "0": False}
"""What the text of a setting that is True or False may be, in lower case."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a request, under the `name` that it has in Python and in settings.

    `type` is float, int, bool, str, or dict (an object of JSON). Numbers go from `low` to `high`; with
    `choices` one of these texts may stand in place of a number, and the first of them for 0. With `most`
    above 1 the value is a tuple of up to so many texts; a single text counts as a tuple of one. `fields` says
    that the value is fields of the request body, which the option gives one by one, `functions` that it is
    what is known of functions by their names, which the option gives.

    `wire_name` is its field in the request body if that differs from `name`, `other_names` are those that
    servers use in errors; `sent` False: it has no field, and `ChatRequest` writes what it means. `short` is
    the short form of its option, `long` the long one if that is not its name. `setting` says that it is a
    setting too, `saved` that a saved answer keeps it.
    """

    name: str
    type: type[Any]
    help: str
    low: float = -inf
    high: float = inf
    most: int = 1
    choices: tuple[str, ...] = ()
    fields: bool = False
    functions: bool = False
    short: str = ""
    long: str = ""
    metavar: str = "VALUE"
    wire_name: str = ""
    other_names: tuple[str, ...] = ()
    sent: bool = True
    setting: bool = True
    saved: bool = True

    @property
    def option(self) -> str:
        """The option of the magics and of `cnai ask`."""
        return self.long or f"--{self.name.replace('_', '-')}"

    @property
    def field(self) -> str:
        """The name in the request body."""
        return self.wire_name or self.name

    @property
    def allowed(self) -> str:
        """Which values it may have, in words."""
        if self.functions:
            return "functions with what is known of them"
        if self.most > 1:
            return f"a text, or a list of up to {self.most} texts"
        if self.type in (int, float):
            choices = f"{', '.join(self.choices)}, or " if self.choices else ""
            return f"{choices}a {'whole ' * (self.type is int)}number{self._range}"
        return {bool: "True or False", str: "text"}.get(self.type, "an object of JSON")

    @property
    def _range(self) -> str:
        if self.low > -inf and self.high < inf:
            return f" from {self.low:g} to {self.high:g}"
        return f" of at least {self.low:g}" if self.low > -inf else ""

    def check(self, value: object) -> ParameterValue:
        """Return a value as it is sent; raises InputError, which names the parameter, for any other."""
        if self.fields:
            return _refuse_own(check_fields(value))
        found = self._accept(value)
        if found is None:
            raise InputError(
                f"{self.name} is {short_repr(value)}", parameter=self.name, why=f"it is {self.allowed}"
            )
        return found

    def _accept(self, value: object) -> ParameterValue | None:
        if self.most > 1:
            return _read_texts(value, self.most)
        if self.functions:
            return _read_functions(value)
        if self.choices and (value in (0, *self.choices)):
            return str(value or self.choices[0])
        if isinstance(value, bool):
            return value if self.type is bool else None
        if self.type in (int, float) and isinstance(value, int if self.type is int else int | float):
            # A NaN fails the comparison, as it should.
            return value if max(self.low, _LOWEST) <= value <= min(self.high, _HIGHEST) else None
        if self.type is str and isinstance(value, str) and value:
            return replace_surrogates(value)
        return dict(value) if self.type is dict and isinstance(value, Mapping) else None

    def read(self, text: str) -> ParameterValue:
        """Return the value of a text that was typed, or set in the environment; raises InputError.

        Several texts are an array of JSON, as ["END", "\\\\n"]; so may be one that has line ends.
        """
        if self.fields:
            return _refuse_own(read_fields(text))
        try:
            return self.check(self._reader(text))
        except (ValueError, RecursionError):
            return self.check(text)

    @property
    def _reader(self) -> Callable[[str], object]:
        if self.most > 1:
            return lambda text: json.loads(text) if text.startswith("[") else text
        if self.type is str:
            return _read_text
        if self.type is bool:
            return lambda text: SWITCH.get(text.lower(), text)
        readers: dict[type, Callable[[str], object]] = {int: int, float: float, dict: json.loads}
        return readers[self.type]

    def to_arguments(self, value: ParameterValue) -> list[str]:
        """Return the arguments of a command line that give this value."""
        if self.functions and isinstance(value, Mapping):
            return [self.option, ",".join(value)]
        texts = value if isinstance(value, tuple) else (value,)
        return [word for each in texts for word in self._option_with(each)]

    def _option_with(self, value: object) -> list[str]:
        text = value if isinstance(value, str) else json.dumps(value)
        # argparse drops a value that is "--".
        if self.type is str and (text.startswith("[") or text == "--" or not text.isprintable()):
            text = json.dumps([text])
        # In one word: what begins with a dash would be taken for an option.
        return [f"{self.option}={text}"] if text.startswith("-") else [self.option, text]


def _read_text(text: str) -> object:
    found = json.loads(text) if text.startswith("[") else None
    return found[0] if isinstance(found, list) and len(found) == 1 and isinstance(found[0], str) else text


def _read_texts(value: object, most: int) -> tuple[str, ...] | None:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list | tuple) or not 1 <= len(texts) <= most:
        return None
    sound = all(isinstance(text, str) and text for text in texts)
    return tuple(replace_surrogates(text) for text in texts) if sound else None


def _read_functions(value: object) -> dict[str, Any] | None:
    named = dict(value) if isinstance(value, Mapping) else {}
    sound = all(
        isinstance(name, str) and FUNCTION_NAME.fullmatch(name) and isinstance(about, Mapping)
        for name, about in named.items()
    )
    return named if named and sound else None


def _refuse_own(fields: dict[str, Any]) -> dict[str, Any]:
    """Return fields; raises InputError for one that has a row of its own."""
    for row in PARAMETERS:
        if row.sent and row.field in fields:
            step = give_parameter(row.name)
            raise InputError(f"{row.field} is not extra", parameter="extra", next_step=step)
    return fields


PARAMETERS: tuple[Parameter, ...] = (
    Parameter("temperature", float, "Sampling randomness, 0 to 2.", low=0, high=2, short="-t", metavar="T"),
    Parameter("top_p", float, "Nucleus sampling, 0 to 1.", low=0, high=1, short="-p", metavar="P"),
    Parameter(
        "max_tokens",
        int,
        "Longest answer, in tokens.",
        low=1,
        short="-n",
        metavar="N",
        other_names=("max_completion_tokens", "max_new_tokens"),
    ),
    Parameter("stop", str, "The answer ends before this text; up to 4 of them.", most=4, metavar="TEXT"),
    Parameter(
        "seed",
        int,
        "The same seed gives the same answer, as far as servers can.",
        metavar="N",
    ),
    Parameter(
        "logprobs",
        int,
        "Show how probable each token was, and N others in its place.",
        low=0,
        high=20,
        metavar="N",
        other_names=("top_logprobs",),
        setting=False,
    ),
    Parameter(
        "think",
        int,
        "Think before the answer: off, low, medium, high, max, or N tokens.",
        low=1,
        choices=LEVELS,
        metavar="LEVEL",
        other_names=(
            *("thinking", "enable_thinking", "thinking_budget", "thinking_token_budget"),
            *("reasoning", "reasoning_effort", "chat_template_kwargs"),
        ),
        sent=False,
    ),
    Parameter(
        "prefix",
        str,
        "The answer begins with this text, and goes on from there.",
        metavar="TEXT",
        other_names=("partial", "continue_final_message", "add_generation_prompt"),
        sent=False,
        setting=False,
    ),
    Parameter(
        "extra",
        dict,
        "Any other field of the request, as top_k=20 or a.b=true.",
        fields=True,
        short="-x",
        metavar="NAME=VALUE",
        sent=False,
    ),
    Parameter(
        "schema",
        dict,
        "Answer with JSON; a schema is a variable, or words: 'name, age int'.",
        long="--json",
        metavar="SCHEMA",
        wire_name="response_format",
        other_names=("json_schema", "json_object", "json mode", "structured output"),
        setting=False,
    ),
    Parameter(
        "tools",
        dict,
        "Functions of the notebook that the model may call, and no others.",
        metavar="F,G",
        other_names=("tools", "tool_choice", "tool_calls", "tool use", "function calling", "function_call"),
        sent=False,
        functions=True,
        setting=False,
    ),
)
"""Every parameter, in the order in which they are sent and shown."""

BY_NAME = {parameter.name: parameter for parameter in PARAMETERS}
"""Every parameter by its name in Python."""

VARIED = tuple(name for name in BY_NAME if name not in ("schema", "tools", "prefix", "extra", "logprobs"))
"""The parameters that say how is answered, and not what is asked: compared answers may differ in them."""


def check_parameters(given: Mapping[str, object]) -> dict[str, ParameterValue]:
    """Return parameters by name, without those that are None; raises InputError for what is not one."""
    for name in given:
        if name not in BY_NAME:
            raise InputError(f"{short_repr(name)} is not a parameter", parameter="parameters")
    return {name: BY_NAME[name].check(value) for name, value in given.items() if value is not None}


def find_option(name: str) -> str:
    """Return the option of a parameter, or of the system message."""
    return BY_NAME[name].option if name in BY_NAME else f"--{name}"


def is_setting(name: str) -> bool:
    """Tell whether a parameter, or the system message, is a setting too."""
    return name not in BY_NAME or BY_NAME[name].setting


def find_parameters(words: str) -> list[str]:
    """Return the names of the parameters that an error of a server mentions."""
    words = words.lower()
    # "seed" is a part of the names of some models, "stop" of many words.
    return [
        each.name
        for each in PARAMETERS
        for name in (*((each.name, each.field) * each.sent), *each.other_names)
        if re.search(rf"(?<![a-z0-9-]){name}(?![a-z0-9-])", words)
    ]


def join_parameters(
    settings: Mapping[str, ParameterValue], own: Mapping[str, object]
) -> dict[str, ParameterValue]:
    """Return the parameters of a question: its own, and of the settings what these leave open.

    Raises InputError for what is not a parameter.
    """
    own = check_parameters(own)
    joined = {**settings, **own}
    for row in PARAMETERS:
        former, value = settings.get(row.name), own.get(row.name)
        if row.fields and isinstance(former, Mapping) and isinstance(value, Mapping):
            joined[row.name] = join_fields(former, value)
    return {row.name: joined[row.name] for row in PARAMETERS if row.name in joined}


def dump_parameters(sent: Mapping[str, ParameterValue]) -> dict[str, Any]:
    """Return the parameters that a saved answer keeps, as values of JSON."""
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in sent.items()
        if BY_NAME[name].saved
    }


def format_parameter(value: object) -> str:
    """Return the value of a parameter as it is shown, "" for None."""
    if isinstance(value, tuple):
        return ", ".join(json.dumps(each, ensure_ascii=False) for each in value)
    if isinstance(value, Mapping):
        return json.dumps(value, ensure_ascii=False)
    return "" if value is None else str(value)
