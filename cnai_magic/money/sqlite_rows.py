"""Charges as rows of the ledger, and the SQL of their sums: the columns, without the database."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from typing import Any

from ..api.token_usage import Usage
from ..redaction import hide_keys_in
from .cost import Charge, Cost, Record, Spend

__all__ = [
    "ADDED",
    "COLUMNS",
    "JOINED",
    "ONE",
    "SUMMED",
    "SUM_COLUMNS",
    "find_day_start",
    "to_charge",
    "to_record",
    "to_rows",
    "to_spend",
    "to_text",
    "to_value",
    "write_where",
]

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MILLISECOND = timedelta(milliseconds=1)
# A date has four digits of the year, also in the time zone of this machine.
_FIRST, _LAST = (
    (datetime(*day, tzinfo=timezone.utc) - _EPOCH) // _MILLISECOND for day in ((1, 1, 3), (9999, 12, 29))
)

COLUMNS = (
    "id, time, day, model, host, conversation, notebook, finish_reason, answered_by, demo, prompt_tokens, "
    "completion_tokens, reasoning_tokens, cached_tokens, usage_estimated, nano, cost_estimated"
)
_NUMBERS = {
    "prompt": "prompt_tokens",
    "completion": "completion_tokens",
    "reasoning": "reasoning_tokens",
    "cached": "cached_tokens",
    "nano": "COALESCE(nano, 0)",
    "estimated_nano": "CASE WHEN cost_estimated THEN COALESCE(nano, 0) ELSE 0 END",
    "unpriced_prompt": "CASE WHEN nano IS NULL THEN prompt_tokens ELSE 0 END",
    "unpriced_completion": "CASE WHEN nano IS NULL THEN completion_tokens ELSE 0 END",
}
# SQLite's sum fails beyond 63 bits: the high and the low halves are summed apart, and joined in Python.
_HALVES = {
    name: half
    for number, value in _NUMBERS.items()
    for name, half in ((f"{number}_high", f"({value}) >> 32"), (f"{number}_low", f"({value}) & 4294967295"))
}
SUM_COLUMNS = ("first", "requests", "estimated", "unpriced", *_HALVES)
"""What a row of `sums` holds of its charges: when the first was asked, how many there are, and their sums."""

_OF_ONE = {"first": "time", "requests": "1", "estimated": "usage_estimated", "unpriced": "nano IS NULL"}
_OF_ONE |= _HALVES


def _join(name: str, values: str) -> str:
    function = {"first": "MIN", "estimated": "MAX"}.get(name, "SUM")
    return f"{function}({values})"


ONE = ", ".join(f"{value} AS {name}" for name, value in _OF_ONE.items())
"""SQL: the SUM_COLUMNS of one charge."""
SUMMED = {name: _join(name, value) for name, value in _OF_ONE.items()}
"""SQL: each of the SUM_COLUMNS of many charges."""
JOINED = ", ".join(_join(name, name) for name in SUM_COLUMNS)
"""SQL: the SUM_COLUMNS of many sums."""
ADDED = ", ".join(
    f"{name} = {'MIN' if name == 'first' else 'MAX'}(sums.{name}, excluded.{name})"
    if name in ("first", "estimated")
    else f"{name} = sums.{name} + excluded.{name}"
    for name in SUM_COLUMNS
)
"""SQL: what a sum becomes where another is added to it."""


def to_rows(charges: Iterable[tuple[Charge, str]]) -> Iterator[tuple[object, ...]]:
    """Yield charges as the values of COLUMNS: times in milliseconds, and a day, "" for that it was asked."""
    # Of many that are entered together nearly all have the same texts.
    hidden: dict[tuple[str, ...], list[str | bytes]] = {}
    for charge, day in charges:
        *counts, estimated = charge.usage
        nano, guessed, _ = charge.cost
        texts = _list_texts(charge)
        if texts not in hidden:
            hidden[texts] = list(map(to_value, hide_keys_in(texts)))
        milliseconds = (charge.time - _EPOCH) // _MILLISECOND
        yield (
            to_value(charge.id),
            milliseconds,
            day or _find_local_day(milliseconds // 1000),
            *hidden[texts],
            int(charge.demo),
            *counts,
            int(estimated),
            nano,
            int(guessed),
        )


@lru_cache(64)
def _find_local_day(seconds: int) -> str:
    """Return the day at so many seconds since 1970; very many charges may be of the same second."""
    return (_EPOCH + timedelta(seconds=seconds)).astimezone().date().isoformat()


def _list_texts(charge: Charge) -> tuple[str, str, str, str, str, str]:
    where_asked = charge.model, charge.host, charge.conversation, charge.notebook
    return *where_asked, charge.finish_reason, charge.answered_by


def to_charge(row: tuple[object, ...]) -> Charge:
    """Return the charge that the values of COLUMNS hold; raises ValueError where they are damaged."""
    charge_id, milliseconds, _day, model, host, conversation, notebook, finish_reason, answered_by = row[:9]
    demo, prompt, completion, reasoning, cached, usage_estimated, nano, cost_estimated = row[9:]
    return Charge(
        model=to_text(model),
        conversation=to_text(conversation),
        usage=Usage(
            _check_integer(prompt),
            _check_integer(completion),
            _check_integer(reasoning),
            _check_integer(cached),
            bool(usage_estimated),
        ),
        cost=Cost(None if nano is None else _check_integer(nano), bool(cost_estimated)),
        demo=bool(demo),
        id=to_text(charge_id),
        time=_EPOCH + _check_time(milliseconds) * _MILLISECOND,
        host=to_text(host),
        notebook=to_text(notebook),
        finish_reason=to_text(finish_reason),
        answered_by=to_text(answered_by),
    )


def find_day_start(day: str) -> int:
    """Return when a day begins in UTC, in milliseconds since 1970; raises ValueError for another text."""
    return (datetime.fromisoformat(day).replace(tzinfo=timezone.utc) - _EPOCH) // _MILLISECOND


def to_record(row: tuple[Any, ...]) -> Record:
    """Return the record that the values of COLUMNS hold; raises ValueError where they are damaged."""
    # A file may have a million of these, and nearly all of them need nothing changed.
    if tuple(map(type, row)) not in _USUAL_ROWS or not _FIRST < row[1] < _LAST:
        charge_id, time, *texts = row[:9]
        numbers = [None if value is None else _check_integer(value) for value in row[9:]]
        row = (to_text(charge_id), _check_time(time), *map(to_text, texts), *numbers)
    charge_id, time, _, model, host, conversation, notebook, finish_reason, answered_by = row[:9]
    demo, prompt, completion, reasoning, cached, usage_estimated, nano, cost_estimated = row[9:]
    return Record(
        *(charge_id, time, notebook, conversation, host, model, answered_by),
        *(prompt, completion, reasoning, cached),
        *(bool(usage_estimated or cost_estimated), nano, bool(demo), finish_reason),
    )


_USUAL_TEXTS = (str, int, *[str] * 7)
_USUAL_ROWS = {(*_USUAL_TEXTS, *[int] * 6, nano, int) for nano in (int, type(None))}


def to_text(value: object) -> str:
    """Return a text as it was before it became a value of a row."""
    return value.decode(errors="surrogatepass") if isinstance(value, bytes) else str(value)


def write_where(demo: bool | None, notebook: str | None, day: str | None) -> tuple[str, list[object]]:
    """Return the SQL condition for those of the three that are given, and its values."""
    wanted: dict[str, object] = {}
    if demo is not None:
        wanted["demo"] = int(demo)
    if notebook is not None:
        wanted["notebook"] = to_value(notebook)
    if day is not None:
        wanted["day"] = day
    condition = " AND ".join(f"{column} = ?" for column in wanted)
    return (f"WHERE {condition}" if condition else ""), list(wanted.values())


def to_spend(
    first: int | None, requests: int | None, estimated: int | None, unpriced: int | None, *halves: int | None
) -> Spend:
    """Return the sum that the values of SUM_COLUMNS hold."""
    sums = [((high or 0) << 32) + (low or 0) for high, low in zip(halves[::2], halves[1::2], strict=True)]
    prompt, completion, reasoning, cached, nano, estimated_nano, unpriced_prompt, unpriced_completion = sums
    return Spend(
        requests=requests or 0,
        usage=Usage(prompt, completion, reasoning, cached, bool(estimated)),
        nano=nano,
        estimated_nano=estimated_nano,
        unpriced_requests=unpriced or 0,
        unpriced_tokens=unpriced_prompt + unpriced_completion,
    )


def to_value(text: str) -> str | bytes:
    """Return a text as SQLite can hold it: a file name that is not Unicode has lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode(errors="surrogatepass")
    return text


def _check_time(value: object) -> int:
    """Return a time in milliseconds since 1970; raises ValueError for one that no calendar has."""
    time = _check_integer(value)
    if not _FIRST < time < _LAST:
        raise ValueError(f"{time} is not a time between the years 1 and 9999")
    return time


def _check_integer(value: object) -> int:
    if not isinstance(value, int):
        raise ValueError(f"{value!r} is not a whole number")
    return value
