"""Every setting: its name, its meaning, and its values.

The first that is set counts: an option, `%config Cnai.x = …`, the environment, `ipython_config.py`, the
default. The parameters of a request are in api/parameters.py.
"""

from __future__ import annotations

import os
import reprlib
from collections.abc import Callable
from typing import Any

from traitlets import Bool, Dict, Enum, Float, Integer, TraitError, TraitType, Unicode, Union
from traitlets.config import Configurable

from .api.parameters import PARAMETERS, SWITCH, Parameter, ParameterValue
from .errors import InputError
from .languages import LANGUAGES, translate
from .nearest import suggest_name
from .next_steps import correct_setting, correct_settings

__all__ = ["DEFAULT_BASE_URL", "MOST_PARALLEL", "Cnai", "Seconds", "Value"]

DEFAULT_BASE_URL = "https://cnaitoken.store/v1"
MOST_PARALLEL = 512
"""More requests under way at a time need more open files than a process has."""

# Seconds, 11 days: sockets take no time that is much longer.
_LONGEST_WAIT = 1e6


class Value(TraitType[Any, Any]):
    """The value of a parameter of a request as a setting; None leaves it out. `%config` shows this name."""

    def __init__(self, parameter: Parameter) -> None:
        super().__init__(None, allow_none=True, help=parameter.help)
        self._parameter = parameter
        self.tag(config=True, allowed=parameter.allowed)

    def validate(self, obj: Any, value: object) -> ParameterValue:
        """Return the value as it is sent."""
        return self._translate(lambda: self._parameter.check(value))

    def from_string(self, s: str) -> ParameterValue | None:
        """Return the value that a text means, from the environment or a command line."""
        return self._translate(lambda: self._parameter.read(s))

    def _translate(self, read: Callable[[], ParameterValue]) -> ParameterValue:
        try:
            return read()
        except InputError as exc:
            raise TraitError(f"{exc.what}: {exc.why}") from exc


class Seconds(Float[Any, Any]):
    """How long to wait; a time without an end would make a question hang."""

    def __init__(self, default: float, **metadata: Any) -> None:
        super().__init__(default, min=0.1, max=_LONGEST_WAIT, **metadata)

    def validate(self, obj: Any, value: object) -> Any:
        """Return the value as a number of seconds."""
        # A NaN passes both bounds.
        return self.error(obj, value) if value != value else super().validate(obj, value)


class Cnai(Configurable):
    """Settings of the chat magics; see them all, with their help, with `%config Cnai`."""

    base_url = Unicode(
        DEFAULT_BASE_URL,
        help="Address of the API, up to /v1, or a name: demo (the embedded gateway), ollama, lmstudio, "
        "llamacpp, vllm, or a vendor, as deepseek. Over http another machine gets no key.",
    ).tag(config=True)
    model = Unicode(
        "",
        help="Model to ask. Unset: deepseek-chat, demo-guide where there is no key, or the only one that "
        "another server lists.",
    ).tag(config=True)
    system = Unicode(None, allow_none=True, help="System message of new conversations. Unset: none.").tag(
        config=True
    )
    # In a class body, vars() is the namespace of the class: each becomes a trait as if written here.
    vars().update({each.name: Value(each) for each in PARAMETERS if each.setting})
    history_tokens = Integer(
        0, min=0, help="Tokens of earlier turns that are sent; 0 sends all. The oldest turns go first."
    ).tag(config=True)
    see_tokens = Integer(
        8000,
        min=100,
        help="Tokens of cells that are sent with a question; the newest are sent if not all fit.",
    ).tag(config=True)
    on_rerun = Enum(
        ["replace", "append"],
        default_value="replace",
        help="A cell that is run again replaces its turn, or appends a new one.",
    ).tag(config=True)
    value_tokens = Integer(
        2000, min=0, help="Tokens of each value that {{ }} puts into a prompt, at most; 0 sends all of it."
    ).tag(config=True)
    file_tokens = Integer(
        20_000, min=0, help="Tokens of each text file that -f sends, at most; 0 sends all of it."
    ).tag(config=True)
    image_pixels = Integer(
        1024, min=0, help="Pixels of each side of an image that is sent, at most; 0 sends it as it is."
    ).tag(config=True)
    tool_steps = Integer(
        8, min=1, help="How often a question may call tools before the model has to answer."
    ).tag(config=True)
    connect_timeout = Seconds(10.0, help="Seconds to wait for a connection.").tag(config=True)
    timeout = Seconds(120.0, help="Seconds to wait for the next piece of an answer.").tag(config=True)
    retries = Integer(
        2, min=0, help="How often a request that failed before its first token is sent again."
    ).tag(config=True)
    parallel = Integer(
        4,
        min=1,
        max=MOST_PARALLEL,
        help="How many requests for rows, or to compare, are under way at a time, at most.",
    ).tag(config=True)
    prices = Dict(
        help='Your prices in USD per million tokens, by model or pattern: {"qwen*": (input, output)}, or '
        "with cached input third."
    ).tag(config=True, allowed='a dict of your prices, as {"MODEL": (input, output)}')
    budget = Union(
        [Float(min=0), Unicode()],
        default_value=None,
        allow_none=True,
        help="USD that this kernel may spend, estimates included; a question that does not fit is not sent.",
    ).tag(config=True, allowed="an amount in USD of at least 0")
    confirm_above = Float(
        None,
        allow_none=True,
        min=0,
        help="USD above which what a cell asks is sent only once it is confirmed; by its prompts, and its "
        "longest answer where that is limited. Unset: every question is sent.",
    ).tag(config=True)
    ledger = Unicode(
        "on", help='Record of what all notebooks spend: "on", "off", or the path of its file.'
    ).tag(config=True)
    replay = Bool(
        False,
        help="Answer cells from their saved output, rows from answers that are kept; other requests fail.",
    ).tag(config=True)
    notebook = Unicode("", help="File of this notebook. Unset: Jupyter is asked.").tag(config=True)
    save_attempts = Integer(
        10, min=0, help="Earlier attempts that an answer's output keeps, so that they outlive the kernel."
    ).tag(config=True)
    language = Enum(
        ["auto", *LANGUAGES],
        default_value="auto",
        help="Language of footers, messages and help: auto (that of JupyterLab, else of the system), en, zh.",
    ).tag(config=True)
    display = Enum(
        ["auto", "widget", "markdown", "text"],
        default_value="auto",
        help="How an answer is shown: auto, a live widget, final Markdown only, or plain text as it comes.",
    ).tag(config=True)

    def __init__(self, **settings: Any) -> None:
        known = self.class_trait_names(config=True)
        chosen = {name: settings.pop(name) for name in list(settings) if name in known}
        for name in settings.keys() - set(self.class_trait_names()):
            raise InputError(
                f"there is no setting {name!r}",
                why=suggest_name(name, known) or f"there are: {', '.join(known)}",
            )
        try:
            super().__init__(**settings)
        except TraitError as exc:
            raise InputError(
                "a setting has a value that it cannot have",
                why=str(exc),
                next_step="correct it where it is set: " + correct_settings(),
            ) from exc
        for name in known:
            text = os.environ.get(_name_variable(name), "").strip()
            if text and name not in chosen:
                self._set(name, text, self._read)
        for name, value in chosen.items():
            self._set(name, value, lambda name, value: value)

    def __setattr__(self, name: str, value: Any) -> None:
        """Set a setting; raises a TraitError of one line, which %config shows, for a wrong value."""
        try:
            super().__setattr__(name, value)
        except TraitError as exc:
            if name not in self.class_trait_names(config=True):
                raise
            raise TraitError(
                f"Cnai.{name} cannot be {reprlib.repr(value)}: {self._describe_allowed(name)}"
            ) from exc

    @classmethod
    def class_get_trait_help(cls, trait: Any, inst: Any = None, helptext: str | None = None) -> str:
        """Return the help of a setting in the person's language, as %config shows it."""
        return super().class_get_trait_help(trait, inst, helptext or translate(trait.help))

    def _describe_allowed(self, name: str) -> str:
        """Return in words which values a setting may have."""
        trait = self.traits()[name]
        words = trait.metadata.get("allowed") or _describe_trait(trait)
        return f"it must be {words}{', or None' if trait.allow_none else ''}"

    def _set(self, name: str, value: Any, read: Callable[[str, Any], Any]) -> None:
        try:
            setattr(self, name, read(name, value))
        except (TraitError, ValueError, SyntaxError) as exc:
            raise InputError(
                f"the setting {name} is {value!r}",
                parameter=name,
                why=self._describe_allowed(name),
                next_step="correct it where it is set: " + correct_setting(name, _name_variable(name)),
            ) from exc

    def _read(self, name: str, text: str) -> Any:
        """Return the value that an environment variable means."""
        trait = self.traits()[name]
        return SWITCH.get(text.lower(), text) if isinstance(trait, Bool) else trait.from_string(text)


def _describe_trait(trait: Any) -> str:
    if isinstance(trait, Enum):
        *others, last = map(repr, trait.values or ())
        return f"{', '.join(others)} or {last}"
    if isinstance(trait, Integer | Float):
        bounds = (
            f"of at least {trait.min:g}" if trait.max is None else f"from {trait.min:g} to {trait.max:,.0f}"
        )
        return f"a {'whole ' * isinstance(trait, Integer)}number {bounds}"
    return "True or False" if isinstance(trait, Bool) else "text"


def _name_variable(name: str) -> str:
    """Return the environment variable of a setting."""
    return f"CNAI_{name.upper()}"
