"""How the values of a notebook are shown to a model: as useful text, within a cap on its tokens.

No library of data is imported: a value is known by the names of its classes and of their modules.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ...errors import InputError
from .masking import mask_secrets
from .plain import print_whole_number, show_plain, show_text
from .shown import FormatError, Shown, cut_text

__all__ = ["FormatError", "Shown", "register_formatter", "show_value"]

_registered: dict[type, Callable[[Any], str]] = {}


def register_formatter(kind: type, function: Callable[[Any], str] | None) -> None:
    """Show values of a type, in `{{ }}` of prompts, by a function of your own; None forgets it.

    The function gets the value and returns its text. It holds for subclasses that have none themselves, and
    comes before what this package knows of the type. Its text is capped as any other (`Cnai.value_tokens`).

        cnai_magic.register_formatter(Molecule, lambda molecule: molecule.to_smiles())

    Raises InputError for what is no type, or no function.
    """
    if not isinstance(kind, type):
        raise InputError(f"a formatter is registered for a type, not for {kind!r:.60}")
    if function is None:
        _registered.pop(kind, None)
    elif callable(function):
        _registered[kind] = function
    else:
        raise InputError(f"the formatter of {kind.__name__} is not a function")


def show_value(value: object, name: str, tokens: int) -> Shown:
    """Show a value that the prompt calls `name`, in at most so many tokens; 0 is no limit.

    What looks like a secret is masked. Raises FormatError for what cannot be shown as it was asked for.
    """
    shown = _show(value, name, tokens)
    text, masked = mask_secrets(shown.text)
    return replace(shown, text=text, masked=masked) if masked else shown


def _show(value: Any, name: str, tokens: int) -> Shown:
    for kind in type(value).__mro__:
        if kind in _registered:
            return _show_registered(_registered[kind], kind, value, tokens)
    if isinstance(value, str):
        return show_text(str(value), name, tokens)
    if type(value) is int:
        return Shown(print_whole_number(value))
    return show_plain(value, name, tokens)


def _show_registered(function: Callable[[Any], str], kind: type, value: object, tokens: int) -> Shown:
    try:
        text = function(value)
    except Exception as error:
        raise FormatError(
            f"the formatter of {kind.__name__} raises {type(error).__name__}: {error}"
        ) from error
    if not isinstance(text, str):
        raise FormatError(f"the formatter of {kind.__name__} returns {type(text).__name__}, not text")
    text, left_out = cut_text(text, tokens)
    return Shown(text, left_out, block="\n" in text, cut=left_out)
