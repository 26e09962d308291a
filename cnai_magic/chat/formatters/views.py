"""Shows what a filter asks for: a part of a value (head, sample), or another form of it (csv, json, …)."""

from __future__ import annotations

import dataclasses
import inspect
import statistics
from collections.abc import Callable, Sequence
from itertools import islice, repeat
from random import Random
from typing import Any

from .arrays import is_array
from .as_json import show_json
from .bounded import bounded_repr
from .code import is_code, show_source
from .masking import MASK
from .plain import Printer, list_fields
from .shown import FormatError, Shown, View, cut_text
from .table_reading import Table, is_data_frame, read_table
from .tables import show_csv, show_schema, show_table

__all__ = ["show_view"]

_PARTS = ("head", "sample")
_MOST_FIELDS = 50

_Show = Callable[[Any, str, int], Shown]


@dataclasses.dataclass(frozen=True, slots=True)
class _Part:
    """A value from which some rows or items were chosen, of so many."""

    value: Any
    table: Table | None = None
    chosen: int = 0
    total: int = 0
    what: str = "items"


def show_view(view: View, name: str, tokens: int, show: _Show) -> Shown:
    """Show a view; `show` is how any other value is shown. Raises FormatError for a form it cannot have."""
    name = name.partition("|")[0].strip()
    if view.form in _PARTS:
        part = _choose(view)
        if part.table is not None:
            return show_table(part.table, name, tokens, part.table.size)
        shown = show(part.value, name, tokens)
        if part.chosen >= part.total:
            return shown
        note = f"{part.chosen:,} of {part.total:,} {part.what}"
        text = f"{name}: {note}\n{shown.text}"
        return Shown(text, note, block=True, cut=shown.cut)
    part = _choose(view.value) if isinstance(view.value, View) else _Part(view.value, read_table(view.value))
    return _FORMS[view.form](part, view, name, tokens)


def _choose(view: View) -> _Part:
    """Return the rows or items that a view chooses."""
    if view.form not in _PARTS:
        raise FormatError(f"{view.form} makes text: let it be the last filter")
    assert view.count is not None
    value = view.value
    outer = _choose(value) if isinstance(value, View) else _Part(value, read_table(value))
    if outer.table is not None:
        numbers = _choose_numbers(view.form, outer.table.size, view.count)
        return _Part(outer.value, outer.table.choose(numbers))
    value, what = outer.value, "items"
    if fields := list_fields(value):
        value = dict(zip(fields, value, strict=False))
    if isinstance(value, str):
        value, what = value.splitlines(), "lines"
    if not (is_array(value) or isinstance(value, list | tuple | dict | set | frozenset | range)):
        kind = type(value).__name__
        raise FormatError(f"{view.form} is for tables, lists, dicts, arrays and text, not for {kind}")
    numbers = _choose_numbers(view.form, len(value), view.count)
    total = outer.total or len(value)
    if is_array(value):
        return _Part(value[list(numbers)], None, len(numbers), total, "rows")
    wanted = set(numbers)
    items = enumerate(value.items() if isinstance(value, dict) else value)
    chosen = [each for number, each in islice(items, max(numbers, default=-1) + 1) if number in wanted]
    if isinstance(value, dict):
        return _Part(dict(chosen), None, len(chosen), total, what)
    if what == "lines":
        return _Part("\n".join(chosen), None, len(chosen), total, what)
    return _Part(chosen, None, len(chosen), total, what)


def _choose_numbers(form: str, size: int, count: int) -> Sequence[int]:
    """Return the numbers of chosen rows; a sample is the same each time, so that cells can be replayed."""
    count = min(count, size)
    return range(count) if form == "head" else sorted(Random(0).sample(range(size), count))


def _require_table(part: _Part, form: str) -> Table:
    if part.table is None:
        kind = type(part.value).__name__
        raise FormatError(f"{form} is for tables and lists of records, not for {kind}")
    return part.table


def _show_as_csv(part: _Part, view: View, name: str, tokens: int) -> Shown:
    return show_csv(_require_table(part, "csv"), name, tokens, view.count)


def _show_as_json(part: _Part, view: View, name: str, tokens: int) -> Shown:
    return show_json(part.value, part.table, name, tokens)


def _show_as_repr(part: _Part, view: View, name: str, tokens: int) -> Shown:
    if part.table is not None and is_data_frame(part.value) and part.table.has_secrets():
        return show_table(part.table, name, tokens)  # its own repr masks nothing
    printed = Printer(_MOST_FIELDS, 20, 10_000, 10**6).print(part.value)
    text, left_out = cut_text(printed if MASK in printed else bounded_repr(part.value), tokens)
    return Shown(text, "repr", block="\n" in text, cut=left_out)


def _show_as_source(part: _Part, view: View, name: str, tokens: int) -> Shown:
    return show_source(part.value, name, tokens)


def _show_as_schema(part: _Part, view: View, name: str, tokens: int) -> Shown:
    if part.table is not None:
        return show_schema(part.table, name, tokens)
    text, left_out = cut_text(f"{name}: {_describe_type(part.value, ())}", tokens)
    return Shown(text, "schema", block="\n" in text, cut=left_out)


def _describe_type(value: Any, path: tuple[int, ...]) -> str:
    """Return what a value is made of: types in place of values."""
    kind = type(value)
    if is_array(value):
        return f"array of {' × '.join(f'{each:,}' for each in value.shape)}, {value.dtype}"
    if dataclasses.is_dataclass(value):
        fields = (f"{each.name}: {_name_type(each.type)}" for each in dataclasses.fields(value))
        return f"{getattr(value, '__name__', kind.__name__)}({', '.join(fields)})"
    if is_code(value):
        try:
            return f"{value.__name__}{inspect.signature(value)}"
        except (TypeError, ValueError):
            return f"{value.__name__}(…)"
    if id(value) in path or len(path) > 5 or not issubclass(kind, dict | list | tuple | set | frozenset):
        return kind.__name__
    inner = (*path, id(value))
    if issubclass(kind, dict):
        items = [
            f"{key!r}: {_describe_type(item, inner)}" for key, item in islice(value.items(), _MOST_FIELDS)
        ]
        more = [f"… {len(value) - _MOST_FIELDS:,} more"] if len(value) > _MOST_FIELDS else []
        return "{" + ", ".join([*items, *more]) + "}"
    if names := list_fields(value):
        described = map(_describe_type, value, repeat(inner))
        return f"{kind.__name__}({', '.join(map(': '.join, zip(names, described, strict=False)))})"
    kinds = list(dict.fromkeys(_describe_type(each, inner) for each in islice(value, 1000)))
    return f"{kind.__name__} of {len(value):,} {' or '.join(kinds[:5])}".rstrip()


def _name_type(kind: Any) -> str:
    return kind.__name__ if isinstance(kind, type) else str(kind)


def _show_as_description(part: _Part, view: View, name: str, tokens: int) -> Shown:
    value = part.value
    if part.table is not None and callable(getattr(value, "describe", None)):
        if part.table.of:
            raise FormatError("describe is for the whole table: leave the filter before it out")
        if part.table.kind == "Series" and part.table.has_secrets():
            raise FormatError("describe would show what is secret in it")
        try:
            described = read_table(value.describe())
        except ValueError as error:
            raise FormatError(f"it cannot be described: {error}") from error
        assert described is not None
        return show_table(described, f"{name}, described", tokens, described.size)
    numbers = value.ravel().tolist() if is_array(value) else value
    if not isinstance(numbers, list | tuple | set | frozenset) or not all(
        isinstance(each, int | float) and not isinstance(each, bool) for each in numbers
    ):
        raise FormatError(f"describe is for tables and numbers, not for {type(value).__name__}")
    numbers = sorted(each for each in numbers if each == each)
    if not numbers:
        raise FormatError("describe has no number to describe")
    quartiles = statistics.quantiles(numbers, n=4, method="inclusive") if len(numbers) > 1 else numbers * 3
    facts = {
        "count": len(numbers),
        "mean": statistics.fmean(numbers),
        "std": statistics.stdev(numbers) if len(numbers) > 1 else 0.0,
        "min": numbers[0],
        **dict(zip(("25%", "50%", "75%"), quartiles, strict=True)),
        "max": numbers[-1],
    }
    return Shown(f"{name}: " + ", ".join(f"{key} {item:.6g}" for key, item in facts.items()), "described")


_FORMS: dict[str, Callable[[_Part, View, str, int], Shown]] = {
    "csv": _show_as_csv,
    "describe": _show_as_description,
    "json": _show_as_json,
    "repr": _show_as_repr,
    "schema": _show_as_schema,
    "source": _show_as_source,
}
