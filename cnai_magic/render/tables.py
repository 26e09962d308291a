"""Tables of models, turns and spend, as HTML and as text."""

from __future__ import annotations

import html
from collections.abc import Sequence

from ..conversation import Conversations
from ..protocol import Model
from ..safety import strip_controls
from ..session import Session
from ..spend import Charge, Spend, SpendBook, usd

__all__ = ["Table", "conversations_table", "escaped", "models_table", "spend_tables"]

_BEGINS_MATHS = str.maketrans({"$": "<span>$</span>", "\\": "<span>\\</span>"})


def escaped(text: str) -> str:
    """Return foreign text as HTML that shows it as it is: no tag, no maths, no control sequence.

    What begins maths stands in an element of its own: a notebook looks for maths, but not across elements.
    """
    return html.escape(strip_controls(text)).translate(_BEGINS_MATHS)


class Table:
    """Shows rows of text under headings; columns named in `right` are numbers and stand to the right.

    `note` is a line below; with `total` the last row is the sum of those above it. Cells come from servers
    and people: they are escaped in HTML, and cleaned of control sequences in text.
    """

    def __init__(
        self,
        headings: Sequence[str],
        rows: Sequence[Sequence[object]],
        *,
        right: Sequence[str] = (),
        note: str = "",
        total: bool = False,
    ) -> None:
        self.headings = [_line(heading) for heading in headings]
        self.rows = [[_line(cell) for cell in row] for row in rows]
        self.note = _line(note)
        self._right = [heading in right for heading in headings]
        self._total = total and len(self.rows) > 1

    def __repr__(self) -> str:
        widths = [max(len(cell) for cell in column) for column in zip(self.headings, *self.rows, strict=True)]
        rule = "  ".join("─" * width for width in widths)
        lines = [self._aligned(self.headings, widths), rule]
        lines += [self._aligned(row, widths) for row in self.rows]
        if self._total:
            lines.insert(-1, rule)
        return "\n".join([*lines, self.note] if self.note else lines)

    def _repr_html_(self) -> str:
        rows = [self._row("td", row) for row in self.rows]
        foot = f"<tfoot>{self._row('th', self.rows[-1])}</tfoot>" if self._total else ""
        body = "".join(rows[:-1] if self._total else rows)
        note = f"<small>{escaped(self.note)}</small>" if self.note else ""
        return (
            f"<table><thead>{self._row('th', self.headings)}</thead><tbody>{body}</tbody>{foot}</table>{note}"
        )

    def _aligned(self, cells: Sequence[str], widths: Sequence[int]) -> str:
        aligned = (
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(cells, widths, self._right, strict=True)
        )
        return "  ".join(aligned).rstrip()

    def _row(self, tag: str, cells: Sequence[str]) -> str:
        sides = ("right" if right else "left" for right in self._right)
        return (
            "<tr>"
            + "".join(
                f'<{tag} style="text-align:{side}">{escaped(cell)}</{tag}>'
                for side, cell in zip(sides, cells, strict=True)
            )
            + "</tr>"
        )


def models_table(models: Sequence[Model], session: Session) -> Table:
    """Return a table of models: ID, owner, prices in USD per million tokens; the default is marked."""
    rows = []
    sources = set()
    prices = session.provider.prices
    for model in models:
        price = prices.find(model.id, session.provider.host)
        mark = "default" if model.id == session.default_model else ""
        if price is None:
            rows.append([model.id, model.owner, "unpriced", "unpriced", mark])
            continue
        sources.add(f"{price.source}{f', {price.date}' if price.date else ''}")
        rows.append(
            [model.id, model.owner, usd(price.input, exact=True), usd(price.output, exact=True), mark]
        )
    money = "demo credit, no money," if session.provider.demo else "prices in USD"
    note = f"{len(models)} model{'s' * (len(models) != 1)}; {money} per million tokens"
    note += f" ({'; '.join(sorted(sources))})" if sources else ""
    return Table(["ID", "Owner", "Input", "Output", ""], rows, right=["Input", "Output"], note=note)


def conversations_table(conversations: Conversations) -> Table:
    """Return a table of conversations, the one in use marked."""
    rows = []
    for each in conversations:
        last = each.turns[-1].reply.prompt if each.turns else ""
        attempts = sum(len(turn.attempts) for turn in each.turns)
        mark = "in use" if each.name == conversations.current else ""
        rows.append([each.name, len(each.turns), attempts, _short(each.system or ""), _short(last), mark])
    headings = ["Conversation", "Turns", "Answers", "System", "Last question", ""]
    return Table(headings, rows, right=["Turns", "Answers"])


def spend_tables(book: SpendBook, by: str | None = None) -> list[Table]:
    """Return what was spent, by model and by conversation; demo credit in tables of its own."""
    tables = []
    for demo in (False, True):
        total = book.total(demo=demo)
        if not total.requests and (demo or book.total(demo=True).requests):
            continue
        if by != "chat":
            tables.append(_spend_table("Model", book.by(_model, demo=demo), total, demo))
        if by != "model":
            tables.append(_spend_table("Conversation", book.by(_conversation, demo=demo), total, demo))
    return tables


def _spend_table(heading: str, sums: dict[str, Spend], total: Spend, demo: bool) -> Table:
    columns = ["Requests", "Prompt tokens", "Completion tokens", "Demo credit" if demo else "Cost"]
    rows = [[name, *_spend_cells(spend)] for name, spend in sums.items()]
    rows.append(["Total", *_spend_cells(total)])
    notes = ["this kernel" + ("; demo credit is no money" if demo else "")]
    if total.estimated_nano or total.usage.estimated:
        notes.append(f"≈ marks estimates, {usd(total.estimated_nano, exact=True)} in all")
    if total.unpriced_requests:
        notes.append('unpriced: set a price with %config Cnai.prices = {"MODEL": (input, output)}')
    return Table([heading, *columns], rows, right=columns, note="; ".join(notes))


def _spend_cells(spend: Spend) -> list[str]:
    about = "≈" if spend.usage.estimated else ""
    tokens = [f"{about}{count:,}" for count in (spend.usage.prompt_tokens, spend.usage.completion_tokens)]
    return [f"{spend.requests:,}", *tokens, spend.text(exact=True)]


def _model(charge: Charge) -> str:
    return charge.model


def _conversation(charge: Charge) -> str:
    return charge.conversation or "(outside: --once)"


def _line(content: object) -> str:
    return " ".join(strip_controls(str(content)).split())


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 48 else text[:47] + "…"
