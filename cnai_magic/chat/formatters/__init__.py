"""How the values of a notebook are shown to a model: as useful text, within a cap on its tokens.

No library of data is imported: a value is known by the names of its classes and of their modules.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ...errors import InputError
from .arrays import is_array, show_array
from .code import is_code, show_code, show_exception
from .figures import is_figure, show_figure
from .held_secrets import mask_held_secrets
from .masking import learn_secrets, mask_secrets
from .plain import list_kinds, show_plain, show_text
from .shown import FormatError, Shown, View, cut_text
from .table_reading import is_data_frame, read_table
from .tables import show_table
from .views import show_view

__all__ = [
    "FormatError",
    "Shown",
    "learn_secrets",
    "mask_secrets",
    "register_formatter",
    "show_value",
]

_registered: dict[type, Callable[[Any], str]] = {}


def register_formatter(kind: type, function: Callable[[Any], str] | None) -> None:
    """Show values of a type, in `{{ }}` of prompts, by a function of your own; None forgets it.

    The function gets the value and returns its text. It holds for subclasses that have none themselves, and
    comes before what this package knows of the type. Its text is capped as any other (`Cnai.value_tokens`).

        cnai_magic.register_formatter(Molecule, lambda molecule: molecule.to_smiles())

    Raises InputError for what is not a type, or not a function.
    """
    if not isinstance(kind, type):
        raise InputError(f"a formatter is registered for a type, not for {kind!r:.60}")
    if function is None:
        _registered.pop(kind, None)
    elif callable(function):
        _registered[kind] = function
    else:
        raise InputError(f"the formatter of {kind.__name__} is not a function")


def show_value(value: object, name: str, tokens: int, read_file: Callable[[Any], str] | None = None) -> Shown:
    """Show a value that the prompt calls `name`, in at most so many tokens; 0 means no limit.

    A path is shown by what `read_file` returns for it. What looks like a secret is masked. Raises FormatError
    for what cannot be shown as it was asked for.
    """
    try:
        if read_file is not None and ("pathlib", "PurePath") in list_kinds(value):
            shown = _show_file(read_file(value), value, name, tokens)
        else:
            shown = _show(value, name, tokens)
    except (FormatError, InputError):
        raise
    except Exception as error:  # noqa: BLE001  objects may raise wherever they are looked at
        while issubclass(type(value), View):
            value = value.value  # type: ignore[attr-defined]
        shown = Shown(f"<{type(value).__name__}: it raises {type(error).__name__} when it is looked at>")
    text, masked = mask_secrets(mask_held_secrets(shown.text, value))
    return replace(shown, text=text, masked=masked) if masked else shown


def _show(value: Any, name: str, tokens: int) -> Shown:
    kinds = type(value).__mro__
    registered = next((kind for kind in kinds if kind in _registered), None)
    if registered is not None:
        return _show_registered(_registered[registered], registered, value, tokens)
    if issubclass(type(value), str):
        return show_text(str.__str__(value), name, tokens)
    if issubclass(type(value), BaseException):
        return show_exception(value, name, tokens)
    if issubclass(type(value), View):
        return show_view(value, name, tokens, _show)
    if is_code(value):
        return show_code(value, name, tokens)
    if is_array(value) and not is_data_frame(value):
        return show_array(value, name, tokens)
    if is_figure(value):
        return show_figure(value, name, tokens)
    if ("polars", "LazyFrame") in list_kinds(value):
        return Shown(f"{name}: a LazyFrame of polars, which has no rows before .collect()", "not collected")
    if ("pandas", "Index") in list_kinds(value):
        return show_plain(value.tolist(), name, tokens)
    table = read_table(value) if is_data_frame(value) else None
    return show_plain(value, name, tokens) if table is None else show_table(table, name, tokens)


def _show_file(text: str, path: object, name: str, tokens: int) -> Shown:
    lines = text.count("\n") + (not text.endswith("\n") and bool(text))
    note = f"{path}, {lines:,} line{'s' * (lines != 1)}"
    text, left_out = cut_text(text.rstrip("\n"), tokens)
    return Shown(f"{name}: {note}\n{text}", note, block=True, cut=left_out)


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
