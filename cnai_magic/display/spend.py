"""What was spent, as tables and as a file for a spreadsheet."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone

from ..csv_cells import escape_csv, is_plain_cell, write_csv_line
from ..languages import translate
from ..money.cost import Record, Spend, format_usd, to_dollars
from ..money.holds import BudgetStatus
from ..next_steps import Door, set_any_price
from ..python_words import PYTHON
from .tables import Table

__all__ = [
    "ScopeTotal",
    "build_budget_table",
    "build_grouped_table",
    "build_overview_table",
    "describe_unpriced",
    "write_charges_csv",
    "write_rows_csv",
]

_CSV_HEADINGS = (
    *("id", "time", "day", "notebook", "conversation", "host", "model", "answered_by"),
    *("prompt_tokens", "completion_tokens", "reasoning_tokens", "cached_tokens"),
    *("estimated", "cost_usd", "demo", "finish_reason"),
)
_SHOWN_IF_ANY = ("Thinking", "Cached", "of it estimated", "Unpriced")
# What a charge without a name in the group is called.
_NAMELESS = {"Conversation": "(in no conversation)", "Notebook": "(no notebook)"}


@dataclass(frozen=True, slots=True)
class ScopeTotal:
    """What was spent within a scope, money and demo credit apart, and its budget where it has one."""

    money: Spend = field(default_factory=Spend)
    demo: Spend = field(default_factory=Spend)
    budget: BudgetStatus | None = None


def build_overview_table(totals: Mapping[str, ScopeTotal], door: Door = PYTHON) -> Table:
    """Return what was spent within each scope ("today", "this kernel", …), one in a row, money first.

    Columns that would be empty are left out; sums in one column have the same number of decimals. The note
    uses the words of `door`.
    """
    each = list(totals.values())
    demo = any(total.demo.requests for total in each)
    money = any(total.money.requests for total in each) or not demo
    columns: list[tuple[str, list[str]]] = []
    if money:
        columns.append(("Cost", _write_costs([total.money for total in each])))
    if demo:
        columns.append(("Demo credit", _write_costs([total.demo for total in each])))
    columns.append(("Requests", [f"{total.money.requests + total.demo.requests:,}" for total in each]))
    without = [total.money.unpriced_requests + total.demo.unpriced_requests for total in each]
    if any(without):
        columns.append(("Unpriced", [f"{count:,}" if count else "" for count in without]))
    rows = [[translate(name), *(cells[row] for _, cells in columns)] for row, name in enumerate(totals)]
    headings = [heading for heading, _ in columns]
    spends = [spend for total in each for spend in (total.money, total.demo)]
    notes = _write_notes(spends, demo, dict(columns), door)
    return Table(["", *headings], rows, right=headings, note="; ".join(notes))


def build_budget_table(totals: Mapping[str, ScopeTotal], *, demo: bool) -> Table | None:
    """Return what is left of each budget, and what answers under way hold of that; None without a budget."""
    found = {name: total.budget for name, total in totals.items() if total.budget is not None}
    if not found:
        return None
    left = [
        f"overspent by {format_usd(each.spent - each.limit)}"
        if each.spent > each.limit
        else format_usd(each.limit - each.spent)
        for each in found.values()
    ]
    held = [format_usd(each.held) if each.held else "" for each in found.values()]
    columns = {"Left": left, "Of": [format_usd(each.limit) for each in found.values()], "Held": held}
    shown = {name: cells for name, cells in columns.items() if any(cells)}
    rows = [[translate(name), *(cells[row] for cells in shown.values())] for row, name in enumerate(found)]
    return Table(["Budget", *shown], rows, right=list(shown), note="of demo credit" if demo else "")


def build_grouped_table(
    heading: str,
    sums: Mapping[str, Spend],
    *,
    demo: bool,
    scope: str = "this kernel",
    door: Door = PYTHON,
) -> Table:
    """Return what was spent by model, conversation, day or notebook, with the exact total as the last row.

    `heading` says what the keys of `sums` are, `scope` what the total is of.
    """
    nameless = _NAMELESS.get(heading, "(not known)")
    names = [*(name or translate(nameless) for name in sums), translate("Total")]
    spends = [*sums.values(), sum(sums.values(), Spend())]
    columns = {
        "Demo credit" if demo else "Cost": _write_costs(spends, exact=True),
        "Requests": [f"{spend.requests:,}" for spend in spends],
        "Prompt": _write_tokens(spends, "prompt_tokens"),
        "Completion": _write_tokens(spends, "completion_tokens"),
        "Thinking": _write_tokens(spends, "reasoning_tokens"),
        "Cached": _write_tokens(spends, "cached_tokens"),
        "of it estimated": _write_amounts([spend.estimated_nano for spend in spends], exact=True),
        "Unpriced": [describe_unpriced(spend) for spend in spends],
    }
    shown = {name: cells for name, cells in columns.items() if name not in _SHOWN_IF_ANY or any(cells)}
    rows = [[name, *(cells[row] for cells in shown.values())] for row, name in enumerate(names)]
    note = "; ".join(filter(None, [scope, *_write_notes(spends, demo, shown, door)]))
    return Table([heading, *shown], rows, right=list(shown), note=note, total=True)


def write_rows_csv(rows: Iterable[Mapping[str, object]]) -> Iterator[str]:
    """Yield rows of sums as lines of CSV, headings first; `cost_usd` is exact."""
    headings: list[str] = []
    for row in rows:
        if not headings:
            headings = [name for name in row if name != "nano_usd"]
            yield write_csv_line(headings)
        nano = row["nano_usd"]
        assert isinstance(nano, int)
        exact = {**row, "cost_usd": f"{to_dollars(nano):f}"}
        yield write_csv_line(
            escape_csv(value)
            if isinstance(value, str)
            else str(value).lower()
            if isinstance(value, bool)
            else value
            for value in (exact[name] for name in headings)
        )


def describe_unpriced(spend: Spend) -> str:
    """Say how much has no price: "2 requests, 1,234 tokens", or "" where everything has one."""
    count = spend.unpriced_requests
    return f"{count:,} request{'s' * (count != 1)}, {spend.unpriced_tokens:,} tokens" if count else ""


def write_charges_csv(records: Iterable[Record]) -> Iterator[str]:
    r"""Yield charges as lines of CSV (RFC 4180: commas, `\r\n`, quotes where needed), headings first.

    `time` is ISO 8601 in UTC, `day` the day of it where this program runs. `cost_usd` is exact, and empty
    where the model has no price. Text that a spreadsheet would take for a formula begins with an apostrophe.
    """
    yield write_csv_line(_CSV_HEADINGS)
    for record in records:
        charge_id, milliseconds, notebook, conversation, host, model, answered_by = record[:7]
        prompt, completion, reasoning, cached, estimated, nano, demo, finish_reason = record[7:]
        quarter, within = divmod(milliseconds, 900_000)
        hour, first, day = _format_quarter(quarter)
        second, within = divmod(within, 1000)
        shown_id = charge_id if is_plain_cell(charge_id) else _write_csv_cells(charge_id)
        # A million rows: written from integers, which takes half the time of a Decimal.
        cost = (
            ""
            if nano is None
            else f"{nano // 10**9}.{nano % 10**9:09d}"
            if nano >= 0
            else f"{to_dollars(nano):f}"
        )
        yield (
            f"{shown_id},{hour}:{first + second // 60:02d}:{second % 60:02d}.{within:03d}+00:00,{day},"
            f"{_write_known_cells(notebook, conversation, host, model, answered_by)},"
            f"{prompt},{completion},{reasoning},{cached},{'true' if estimated else 'false'},{cost},"
            f"{'true' if demo else 'false'},{_write_known_cells(finish_reason)}\r\n"
        )


@functools.lru_cache(4096)
def _format_quarter(number: int) -> tuple[str, int, str]:
    """Return the hour in UTC, the first minute and the local day of a quarter of an hour since 1970.

    Time zones differ by whole quarters of an hour, so all of its minutes are of the same day.
    """
    time = datetime.fromtimestamp(number * 900, timezone.utc)
    return time.strftime("%Y-%m-%dT%H"), time.minute, time.astimezone().date().isoformat()


def _write_costs(spends: Sequence[Spend], *, exact: bool = False) -> list[str]:
    """Return what sums cost, all with the same number of decimals, or as a word."""
    amounts = _align([spend.nano for spend in spends], exact=exact)
    return [_write_cost(spend, amount) for spend, amount in zip(spends, amounts, strict=True)]


def _write_cost(spend: Spend, amount: str) -> str:
    if spend.requests and spend.unpriced_requests == spend.requests:
        return "unpriced"
    return "free" if spend.free else f"{'≈' if spend.estimated_nano else ''}{amount}"


def _write_amounts(nanos: Sequence[int], *, exact: bool) -> list[str]:
    """Return amounts with the same number of decimals; "" for none."""
    return [text if nano else "" for nano, text in zip(nanos, _align(nanos, exact=exact), strict=True)]


def _align(nanos: Sequence[int], *, exact: bool) -> list[str]:
    written = [format_usd(nano, exact=exact) for nano in nanos if nano]
    decimals = max((len(text.partition(".")[2]) for text in written), default=2)
    return [f"${to_dollars(nano):,.{decimals}f}" for nano in nanos]


def _write_tokens(spends: Sequence[Spend], name: str) -> list[str]:
    zero = "" if name in ("reasoning_tokens", "cached_tokens") else "0"
    return [
        f"{'≈' if spend.usage.estimated else ''}{count:,}" if (count := getattr(spend.usage, name)) else zero
        for spend in spends
    ]


def _write_notes(
    spends: Iterable[Spend], demo: bool, shown: Mapping[str, Sequence[str]], door: Door
) -> list[str]:
    """Return notes that explain the marks in the columns `shown`, and how to set a price."""
    notes = ["demo credit is not money"] if demo else []
    if any(cell.startswith("≈") for cells in shown.values() for cell in cells):
        notes.append("≈ marks sums whose tokens no server reported")
    if any(spend.unpriced_requests for spend in spends):
        notes.append(f"set a price, in USD per million tokens, with {set_any_price().at(door)}")
    return notes


def _write_csv_cells(*texts: str) -> str:
    """Return texts as cells of one line of CSV, commas between them."""
    # A single cell without text would be quoted.
    return write_csv_line([*map(escape_csv, texts), ""]).removesuffix(",\r\n")


_write_known_cells = functools.lru_cache(4096)(_write_csv_cells)  # for texts that come again and again
