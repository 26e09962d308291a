"""Reads tables: data frames and series of pandas and polars, tables of pyarrow, records, arrays with fields.

No library is imported: a table that exists has imported its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .masking import MASK, is_secret_name
from .plain import list_kinds

__all__ = ["Table", "is_blank", "is_data_frame", "read_table"]

# Counting missing values reads the whole table.
_MOST_CELLS_COUNTED = 20_000_000
_MOST_ROWS_SEARCHED = 1_000

_FRAMES = {(module, name) for module in ("pandas", "polars") for name in ("DataFrame", "Series")}
_FRAMES |= {("pyarrow", "Table"), ("pyarrow", "RecordBatch")}


@dataclass(frozen=True, slots=True)
class Table:
    """A table of any library: its columns with their types, and its rows when they are needed.

    `missing` counts the missing values of each column, where they were counted. `rows` returns the rows of
    these numbers, each as long as `columns`. `of` is how many there were before some rows were chosen.
    With `labelled`, the first column names the rows.
    """

    kind: str
    columns: Sequence[str]
    types: Sequence[str]
    size: int
    rows: Callable[[Sequence[int]], Iterable[Sequence[Any]]]
    missing: Sequence[int] = ()
    of: int = 0
    labelled: bool = False

    def choose(self, numbers: Sequence[int]) -> Table:
        """Return the table of some of its rows, by their numbers from 0."""
        chosen = [number for number in numbers if number < self.size]
        return replace(
            self,
            size=len(chosen),
            rows=lambda wanted: self.rows([chosen[number] for number in wanted]),
            of=self.of or self.size,
        )

    def read(self, size: int) -> Iterator[list[Any]]:
        """Yield the first rows, with `MASK` for what the name of its column or of its row says is secret."""
        secret = [is_secret_name(name) for name in self.columns]
        named = self.labelled or len(secret) == 2
        for row in self.rows(range(size)) if size else ():
            hidden = named and type(row[0]) is str and is_secret_name(row[0])
            yield [
                MASK if (hide and not is_blank(cell)) or (hidden and place and type(cell) is str) else cell
                for place, (cell, hide) in enumerate(zip(row, secret, strict=False))
            ]

    def has_secrets(self) -> bool:
        """Tell whether anything is masked in the first rows."""
        rows = self.read(min(self.size, _MOST_ROWS_SEARCHED))
        return any(cell is MASK for row in rows for cell in row)

    @property
    def total(self) -> int:
        """How many rows the whole table has."""
        return self.of or self.size


def is_data_frame(value: object) -> bool:
    """Tell whether a value is a table of a library: a data frame, a series, an array with fields."""
    kinds = set(list_kinds(value))
    return not _FRAMES.isdisjoint(kinds) or _has_fields(value, kinds)


def is_blank(cell: object) -> bool:
    """Tell whether a cell is empty or missing."""
    if cell is None or (type(cell) is str and not cell):
        return True
    if isinstance(cell, float):
        return cell != cell
    return not {("pandas", "NAType"), ("pandas", "NaTType")}.isdisjoint(list_kinds(cell))


def _has_fields(value: Any, kinds: set[tuple[str, str]]) -> bool:
    return ("numpy", "ndarray") in kinds and value.ndim == 1 and value.dtype.names is not None


def read_table(value: Any, *, count_missing: bool = True) -> Table | None:
    """Return a value as a Table, None where it is not a table."""
    kinds = set(list_kinds(value))
    if ("pandas", "DataFrame") in kinds:
        return _read_pandas(value, type(value).__name__, count_missing=count_missing)
    if ("pandas", "Series") in kinds:
        name = value.name if value.name is not None else "value"
        return _read_pandas(value.to_frame(name), type(value).__name__, count_missing=count_missing)
    if ("polars", "DataFrame") in kinds:
        return _read_polars(value, type(value).__name__)
    if ("polars", "Series") in kinds:
        return _read_polars(value.to_frame(value.name or "value"), type(value).__name__)
    if kinds & {("pyarrow", "Table"), ("pyarrow", "RecordBatch")}:
        return _read_arrow(value, type(value).__name__)
    return _read_fields(value) if _has_fields(value, kinds) else _read_records(value)


def _read_pandas(frame: Any, kind: str, *, count_missing: bool) -> Table:
    index = frame.index
    numbered = type(index).__name__ == "RangeIndex" and index.start == 0 and index.step == 1
    plain = numbered and index.name is None
    names = [] if plain else [_name_column(name) or "index" for name in index.names]
    types = [] if plain else [str(each) for each in getattr(index, "dtypes", [index.dtype])]
    counted = count_missing and frame.size <= _MOST_CELLS_COUNTED
    missing = [int(each) for each in frame.isna().sum()] if counted else []

    def rows(numbers: Sequence[int]) -> Iterable[Sequence[Any]]:
        chosen = frame.iloc[list(numbers)]
        for row in chosen.itertuples(index=not plain, name=None):
            first = row[0] if not plain and isinstance(row[0], tuple) else row[:1]
            yield row if plain else (*first, *row[1:])

    return Table(
        kind,
        [*names, *map(_name_column, frame.columns)],
        [*types, *(str(each) for each in frame.dtypes)],
        len(frame),
        rows,
        [*(0 for _ in names), *missing] if counted else [],
        labelled=not plain,
    )


def _name_column(name: object) -> str:
    if isinstance(name, tuple):
        return " / ".join(map(str, name))
    return "" if name is None else str(name)


def _read_polars(frame: Any, kind: str) -> Table:
    return Table(
        kind,
        list(frame.columns),
        [str(each) for each in frame.dtypes],
        frame.height,
        lambda numbers: frame[list(numbers)].rows(),
        list(frame.null_count().row(0)) if frame.width else [],
    )


def _read_arrow(table: Any, kind: str) -> Table:
    names = list(table.schema.names)
    return Table(
        f"{kind} of pyarrow",
        names,
        [str(each) for each in table.schema.types],
        table.num_rows,
        lambda numbers: (list(row.values()) for row in _take_arrow(table, numbers)),
        [column.null_count for column in table.columns],
    )


def _take_arrow(table: Any, numbers: Sequence[int]) -> Iterator[dict[str, Any]]:
    # Names may be there twice, which a row as a dict cannot say.
    names = [str(place) for place in range(table.num_columns)]
    yield from table.take(list(numbers)).rename_columns(names).to_pylist()


def _read_fields(array: Any) -> Table:
    names = list(array.dtype.names)
    return Table(
        "array with fields",
        names,
        [str(array.dtype[name]) for name in names],
        len(array),
        lambda numbers: array[list(numbers)].tolist(),
    )


def _read_records(value: Any) -> Table | None:
    """Return a list of dicts, or of rows of one length, as a table."""
    if type(value) not in (list, tuple) or not value:
        return None
    if all(type(each) is dict for each in value):
        columns = list(dict.fromkeys(str(key) for each in value for key in each))
        named = [{str(key): item for key, item in each.items()} for each in value]
        types = [_describe_types(each[name] for each in named if name in each) for name in columns]
        missing = [sum(each.get(name) is None for each in named) for name in columns]
        return Table(
            "list of dicts",
            columns,
            types,
            len(value),
            lambda numbers: ([named[number].get(name) for name in columns] for number in numbers),
            missing,
        )
    if all(type(each) in (list, tuple) and len(each) == len(value[0]) for each in value) and value[0]:
        columns = [str(number) for number in range(len(value[0]))]
        types = [_describe_types(each[number] for each in value) for number in range(len(columns))]
        return Table(
            "list of rows", columns, types, len(value), lambda numbers: (value[each] for each in numbers)
        )
    return None


def _describe_types(values: Iterable[object]) -> str:
    names = list(dict.fromkeys(type(each).__name__ for each in values if each is not None))
    return " or ".join(names[:3]) + (" or …" if len(names) > 3 else "") or "NoneType"
