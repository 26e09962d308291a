"""What was spent, as tables and as a file for a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timezone

from ..safety import strip_controls
from ..spend import Charge, Spend, usd
from .tables import Table

__all__ = ["charges_csv", "grouped_table", "overview_table", "unpriced"]

_CSV_HEADINGS = (
    *("id", "time", "day", "notebook", "conversation", "host", "model", "answered_by"),
    *("prompt_tokens", "completion_tokens", "reasoning_tokens", "cached_tokens"),
    *("estimated", "cost_usd", "demo", "finish_reason"),
)
_WHERE_THERE_IS_ANY = ("of it estimated", "Thinking tokens", "Unpriced")
# What a charge without a name in the group is called.
_NAMELESS = {"Conversation": "(outside: --once)", "Notebook": "(no notebook)"}
# A cell that begins so is a formula to a spreadsheet, the full-width forms in some languages.
_FORMULA = tuple("=+-@\t\r\n＝＋－＠")


def overview_table(scopes: Mapping[str, Spend], *, demo: bool) -> Table:
    """Return what was spent within each scope ("This kernel", "Today (all notebooks)", …), one in a row."""
    return _table("", list(scopes.items()), _notes(scopes.values(), demo), demo)


def grouped_table(
    heading: str, sums: Mapping[str, Spend], *, demo: bool, scope: str = "this kernel", notes: bool = True
) -> Table:
    """Return what was spent by model, conversation, day or notebook, with the exact total as the last row.

    `heading` says what the keys of `sums` are, `scope` what the whole is of. `notes` False leaves out the
    line below, for a table that stands beneath another which says the same.
    """
    nameless = _NAMELESS.get(heading, "(not known)")
    rows = [(name or nameless, spend) for name, spend in sums.items()]
    rows.append(("Total", sum(sums.values(), Spend())))
    if not notes:
        return _table(f"{heading}, {scope}", rows, [], demo, total=True)
    return _table(heading, rows, [scope, *_notes([spend for _, spend in rows], demo)], demo, total=True)


def unpriced(spend: Spend) -> str:
    """Say how much has no price: "2 requests, 1,234 tokens", or "" where all has."""
    count = spend.unpriced_requests
    return f"{count:,} request{'s' * (count != 1)}, {spend.unpriced_tokens:,} tokens" if count else ""


def charges_csv(charges: Iterable[Charge]) -> Iterator[str]:
    r"""Yield the charges as lines of CSV (RFC 4180: commas, `\r\n`, quotes where needed), headings first.

    `time` is ISO 8601 in UTC, `day` the day of it where this program runs. `cost_usd` is exact, and empty
    where the model has no price. Text that a spreadsheet would take for a formula begins with an apostrophe.
    """
    yield _csv_line(_CSV_HEADINGS)
    for charge in charges:
        usage, nano = charge.usage, charge.cost.nano
        texts = (charge.notebook, charge.conversation, charge.host, charge.model, charge.answered_by)
        yield _csv_line(
            [
                _csv_text(charge.id),
                charge.time.astimezone(timezone.utc).isoformat(timespec="milliseconds"),
                charge.time.astimezone().date().isoformat(),
                *map(_csv_text, texts),
                *(usage.prompt_tokens, usage.completion_tokens, usage.reasoning_tokens, usage.cached_tokens),
                "true" if charge.cost.estimated or usage.estimated else "false",
                "" if nano is None else f"{nano // 10**9}.{nano % 10**9:09d}",
                "true" if charge.demo else "false",
                _csv_text(charge.finish_reason),
            ]
        )


def _table(
    heading: str, spends: Sequence[tuple[str, Spend]], notes: list[str], demo: bool, *, total: bool = False
) -> Table:
    money = "Demo credit" if demo else "Cost"
    headings = [heading, "Requests", "Prompt tokens", "Completion tokens", money, *_WHERE_THERE_IS_ANY]
    rows = [[name, *_cells(spend)] for name, spend in spends]
    kept = [
        index
        for index, name in enumerate(headings)
        if name not in _WHERE_THERE_IS_ANY or any(row[index] for row in rows)
    ]
    return Table(
        [headings[index] for index in kept],
        [[row[index] for index in kept] for row in rows],
        right=headings[1:],
        note="; ".join(notes),
        total=total,
    )


def _notes(spends: Iterable[Spend], demo: bool) -> list[str]:
    spends = list(spends)
    notes = ["demo credit is no money"] if demo else []
    if any(spend.usage.estimated or spend.estimated_nano for spend in spends):
        notes.append("≈ marks what no server reported the tokens of")
    if any(spend.unpriced_requests for spend in spends):
        notes.append("set a price, in USD per million tokens, with %cnai_spend --price MODEL IN OUT")
    return notes


def _cells(spend: Spend) -> list[str]:
    about = "≈" if spend.usage.estimated else ""
    usage = spend.usage
    tokens = [f"{about}{count:,}" for count in (usage.prompt_tokens, usage.completion_tokens)]
    thinking = f"{about}{usage.reasoning_tokens:,}" if usage.reasoning_tokens else ""
    cost = f"{'≈' if spend.estimated_nano else ''}{usd(spend.nano, exact=True)}"
    if spend.requests and spend.unpriced_requests == spend.requests:
        cost = "unpriced"
    estimated = usd(spend.estimated_nano, exact=True) if spend.estimated_nano else ""
    return [f"{spend.requests:,}", *tokens, cost, estimated, thinking, unpriced(spend)]


def _csv_line(cells: Iterable[object]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\r\n").writerow(cells)
    return line.getvalue()


def _csv_text(text: str) -> str:
    # A path may hold bytes that are no text, which no file in UTF-8 can.
    text = strip_controls(text).encode("utf-8", "replace").decode()
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA) else text
