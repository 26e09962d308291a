"""The question about a cell that failed: its source, its error, and the names that may have been meant."""

from __future__ import annotations

import builtins
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ...languages import translate
from ...nearest import find_nearest
from ..formatters import mask_secrets, show_value
from ..formatters.table_reading import is_data_frame, read_table
from .failure import Failure

__all__ = ["build_failure_prompt"]

_TASK = (
    "A cell of my notebook failed. Explain in a few sentences why, then give the whole corrected cell as one "
    "block of Python code."
)
_HINT = (
    "A cell of my notebook failed, and I want to find the mistake myself. Give one hint that helps me on: "
    "what the error means and where to look. Write no code and do not solve it."
)
_NAME = re.compile(r"[A-Za-z_]\w*")
_MOST_NAMES = 5
_MOST_COLUMNS = 60
_LONGEST_NAME = 80


def build_failure_prompt(
    failure: Failure, variables: Mapping[str, Any], words: str, *, hint: bool, tokens: int
) -> str:
    """Return the question about a failure; `words` are what the person adds.

    Of the `variables` only names are sent, and the names of columns and keys. The traceback has at most so
    many `tokens`; the source is whole, as the corrected cell is to be. What looks like a secret is masked.
    """
    error = failure.error
    source, _ = mask_secrets(failure.source.strip("\n"))
    traceback = show_value(error, "the error", tokens).text
    known = list(_list_known(error, _failing_line(error) or failure.source, variables))
    parts = [
        translate(_HINT if hint else _TASK),
        f"{translate('The cell:')}\n\n{_fence(source, 'python')}" if source else "",
        f"{translate('The error:')}\n\n{_fence(traceback, 'text')}",
        "\n".join(known),
        words.strip(),
    ]
    return "\n\n".join(part for part in parts if part)


def _fence(text: str, language: str) -> str:
    marks = "`" * max(3, *(len(run) + 1 for run in re.findall("`+", text)), 3)
    return f"{marks}{language}\n{text}\n{marks}"


def _failing_line(error: BaseException) -> str:
    """Return the line of the notebook that raised, "" where that is not known."""
    import traceback

    if isinstance(error, SyntaxError):
        return error.text if isinstance(error.text, str) else ""
    frames = [each for each in traceback.extract_tb(error.__traceback__) if each.line]
    own = [each for each in frames if "ipykernel_" in each.filename or "<ipython-input" in each.filename]
    return str((own or frames)[-1].line) if frames else ""


def _list_known(error: BaseException, line: str, variables: Mapping[str, Any]) -> Iterator[str]:
    """Yield what there is that may have been meant: names, attributes, columns, keys."""
    if isinstance(error, NameError) and isinstance(error.name, str):
        names = [name for name in (*variables, *dir(builtins)) if isinstance(name, str)]
        public = [name for name in names if not name.startswith("_")]
        yield from _write_names("Similar names that exist", find_nearest(error.name, public, _MOST_NAMES))
    elif isinstance(error, AttributeError) and isinstance(error.name, str):
        names = _list_attributes(error.obj)
        kind = type(error.obj).__name__
        yield from _write_names(f"Similar attributes of {kind}", find_nearest(error.name, names, _MOST_NAMES))
    elif isinstance(error, LookupError | TypeError | ValueError):
        for name in dict.fromkeys(_NAME.findall(line)):
            if name in variables:
                yield from _write_names(*_list_labels(name, variables[name]))


def _list_attributes(value: object) -> list[str]:
    try:
        return [name for name in dir(value) if isinstance(name, str)]
    except Exception:  # noqa: BLE001  an object may raise wherever it is looked at
        return []


def _list_labels(name: str, value: Any) -> tuple[str, list[str]]:
    """Return the columns of a table or the keys of a dict that a name stands for, with words for them."""
    if is_data_frame(value):
        table = read_table(value)
        return f"Columns of {name}", [] if table is None else list(table.columns)
    keys = [key for key in value if isinstance(key, str)] if type(value) is dict else []
    return f"Keys of {name}", keys


def _write_names(words: str, names: Iterable[str]) -> Iterator[str]:
    known = list(names)
    shown = [mask_secrets(name[:_LONGEST_NAME])[0] for name in known[:_MOST_COLUMNS]]
    more = f", and {len(known) - len(shown):,} more" if len(known) > len(shown) else ""
    if shown:
        yield f"{translate(words)}: {', '.join(map(repr, shown))}{more}."
