"""Reads the rows of a list, a table, a dict of columns, or a file, and puts each into a template."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...api.interrupts import defer_interrupts
from ...chat.formatters.plain import list_kinds
from ...chat.formatters.table_reading import is_blank, is_data_frame, read_table
from ...chat.prompts.prompt import render_prompt
from ...errors import InputError
from ...next_steps import NextStep
from ..text_file import read_text_file
from .row_files import LineRows, name_columns, read_row_file
from .row_prompts import RowPrompts

__all__ = ["FrameRows", "read_rows", "render_rows"]

_NAMES = "name a list, a table, a dict of columns, or a file (.csv, .tsv, .jsonl, .json)"


class FrameRows(list[Any]):
    """Rows of a DataFrame of pandas: `labels` is its index."""

    def __init__(self, rows: Iterable[Any], labels: object) -> None:
        super().__init__(rows)
        self.labels = labels


def read_rows(source: object) -> list[Any]:
    """Return the rows of a list, of a DataFrame of pandas or polars, of a dict of columns, or of a file.

    A row of a table is a dict by the names of its columns, of which the second of two with one name is
    `NAME_2`; of a list, and of a series, it is the item. A dict whose values are not columns of one length
    has a row `{"key": …, "value": …}` for each item. Raises InputError for anything else, and where there is
    no row.
    """
    rows = _read(source)
    if not rows:
        raise InputError("there is no row to ask for", parameter="rows", next_step=_NAMES)
    return rows


def _read(source: object) -> list[Any]:
    if isinstance(source, str | Path):
        found = read_row_file(Path(source))
        return _read_mapping(found) if isinstance(found, Mapping) else found
    if is_data_frame(source):
        return _read_frame(source)
    if isinstance(source, Mapping):
        return _read_mapping(source)
    if isinstance(source, Iterable) and not isinstance(source, bytes | bytearray):
        return list(source)
    raise InputError(f"the rows are of type {type(source).__name__}", parameter="rows", next_step=_NAMES)


def _read_frame(frame: Any) -> list[Any]:
    labels = frame.index if ("pandas", "NDFrame") in list_kinds(frame) else None
    if type(frame).__name__ == "Series":
        return FrameRows(frame.to_list(), labels)
    table = read_table(frame)
    assert table is not None, "it is a data frame"
    # A row number that a selection of rows has left is no column: df[df.n > 3].
    skipped = int(table.labelled and table.types[0].startswith("int") and frame.index.names == [None])
    columns = name_columns(table.columns[skipped:])
    rows = (dict(zip(columns, row[skipped:], strict=True)) for row in table.rows(range(table.size)))
    return FrameRows(rows, labels)


def _read_mapping(found: Mapping[Any, Any]) -> list[Any]:
    columns = {str(name): _read_column(value) for name, value in found.items()}
    lengths = {len(column) for column in columns.values() if column is not None}
    if len(lengths) == 1 and None not in columns.values():
        values = [column for column in columns.values() if column is not None]
        return [dict(zip(columns, row, strict=True)) for row in zip(*values, strict=True)]
    return [{"key": key, "value": value} for key, value in found.items()]


def _read_column(value: Any) -> Sequence[Any] | None:
    if isinstance(value, list | tuple | range):
        return value
    if hasattr(value, "tolist") and getattr(value, "ndim", 1) == 1:  # an array, a series
        return list(value.tolist())
    return list(value.to_list()) if hasattr(value, "to_list") else None


def render_rows(
    rows: Sequence[Any],
    template: str | None,
    names: Mapping[str, Any],
    value_tokens: int,
    *,
    also: str = "",
    on_remark: Callable[[str], None] = lambda remark: None,
) -> Sequence[str]:
    """Return the prompt of each row: the template with its values, or the row itself where there is none.

    In the template `row` and `item` are the row, and so is what `also` names. What is None or NaN is an empty
    text, also before a filter of text; within a whole row that is shown it stays a value. Of remarks about
    values, that they are empty or sent in part for example, each is made once, with the number of its first
    row. Raises InputError, which names the row, for braces without a value.
    """
    if template is None:
        _check_texts(rows)
        return rows
    row_names = list(filter(None, ("row", "item", also)))
    with defer_interrupts():  # what an interrupt leaves imported by half may never be imported again
        from ...chat.prompts.expressions import missing_text_is_empty
        from .row_template import check_template
    check_template(template, rows[0], row_names)

    def render() -> Iterator[str]:
        remarks: set[str] = set()
        blank: dict[str, list[int]] = {}
        for number, row in enumerate(rows, 1):
            values = {**names, **dict.fromkeys(row_names, row)}
            try:
                with missing_text_is_empty():
                    rendered = render_prompt(template, values, value_tokens, read_text_file)
            except InputError as error:
                raise _name_row(error, rows, number) from error.__cause__
            for remark in rendered.remarks:
                if (what := remark.partition(":")[0]) not in remarks:
                    remarks.add(what)
                    on_remark(f"row {number:,}: {remark}")
            for piece in rendered.replaced:
                if is_blank(piece.value):
                    blank.setdefault(piece.source, []).append(number)
            yield "".join(
                "" if piece.shown is not None and is_blank(piece.value) else piece.text
                for piece in rendered.pieces
            )
        for source, at in blank.items():
            on_remark(f"{source} is empty in {len(at):,} of {len(rows):,} rows, first in row {at[0]:,}")

    return RowPrompts(render())


def _check_texts(rows: Sequence[Any]) -> None:
    for number, row in enumerate(rows, 1):
        if not isinstance(row, str):
            raise InputError(
                f"row {number:,} is of type {type(row).__name__}, not text",
                parameter="template",
                next_step="give a template that says what is asked of it: {{ row }} or {{ row.NAME }}",
            )


def _name_row(error: InputError, rows: Sequence[Any], number: int) -> InputError:
    """Return the error with the row, or the line of a file, of this number; a key may be optional."""
    named = rows.name_row(number) if isinstance(rows, LineRows) else f"row {number:,}"
    error.what = f"{named}: {error.what}"
    missing = getattr(error.__cause__, "missing", "")
    before, row = rows[0], rows[number - 1]
    if missing and isinstance(row, Mapping) and list(row) == ["key", "value"]:
        error.why = "a row of a dict is 'key' and 'value', unless all its values are columns of one length"
    if isinstance(before, Mapping) and isinstance(row, Mapping) and missing in before and missing not in row:
        optional = f"{{{{ row[{missing!r}] if {missing!r} in row }}}}"
        error.next_step = NextStep.of(f"nothing was sent: add it there, or allow for it: {optional}")
    return error
