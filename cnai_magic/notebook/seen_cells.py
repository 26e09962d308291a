"""Cells sent with a question, of the notebook or a file: their code, and what they showed as text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..api.tokens import estimate_tokens
from ..chat.documents import place_by_runs
from ..chat.formatters import mask_secrets
from ..chat.formatters.bounded import strip_addresses
from ..chat.order import UNKNOWN_ORDER, Document
from ..redaction import clean
from .saved_outputs import SavedCell

__all__ = [
    "CellRun",
    "SeenCells",
    "choose_by_number",
    "fit",
    "place_above",
    "read_outputs",
    "write_notebook_text",
]

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
# What a cell may take of all that is shown, so that one long table leaves something for the others.
_SHARE = 4
_ASKS = re.compile(r"\s*%%?cnai\b")


@dataclass(frozen=True, slots=True)
class CellRun:
    """A cell as it is: the `count` of its last run in this kernel (0: none), its ID, source and output."""

    count: int
    cell: str | None
    source: str
    output: str

    def write(self, *, numbered: bool) -> str:
        """Return the cell as a model is shown it."""
        number = f" [{self.count or ' '}]" if numbered else ""
        shown = f"In{number}:\n{self.source.strip()}"
        # The first line keeps its indentation: it may be the head of a table.
        output = self.output.strip("\n").rstrip()
        return f"{shown}\n\nOut{number}:\n{output}" if output else shown


@dataclass(frozen=True, slots=True)
class SeenCells:
    """The `cells` that are shown, in order, of so many that were `wanted`; `where` is "above" or "".

    `masked` secrets stood in them.
    """

    cells: tuple[CellRun, ...]
    wanted: int
    where: str = ""
    masked: int = 0

    @property
    def text(self) -> str:
        """What a model is sent of them.

        Those above have no numbers, which another run would change: the same cells are the same request.
        """
        of = "" if len(self.cells) == self.wanted else f", the last {len(self.cells)} of {self.wanted}"
        head = f"Cells of the notebook in which this is asked{of}:"
        return "\n\n".join(
            [head, *(each.write(numbered=not self.where) for each in self.cells), "The question:"]
        )

    @property
    def label(self) -> str:
        """What a footer says of them: "7 cells above (2,310 tokens)"."""
        count = len(self.cells)
        of = "" if count == self.wanted else f" of {self.wanted}"
        where = f" {self.where}" if self.where else ""
        return f"{count}{of} cell{'s' * (self.wanted > 1)}{where} ({estimate_tokens(self.text):,} tokens)"


def place_above(
    saved: Sequence[SavedCell],
    runs: Iterable[CellRun],
    asking: str | None,
    document: Document = UNKNOWN_ORDER,
) -> list[CellRun]:
    """Return the cells above the one that asks, in the order of the document as far as it is known.

    `saved` are the cells of the notebook's file, `runs` all runs of this kernel. A cell that has no place in
    the document stands below the one that ran just before it; see `place_by_runs`. Where the asking cell has
    none, all cells count as above it. Cells that ask a model are left out: their turns are the conversation.
    """
    runs = list(runs)
    latest, known = _latest(runs, asking), {_name(each): each for each in saved}
    ran = {_find_name(run, saved): run for run in latest}
    order = sorted(document.places, key=document.places.__getitem__) or [*known]
    before = _list_runs_before(_find_name(run, saved) for run in runs)
    order = place_by_runs(order, {*ran} - document.deleted, before)
    above = order[: order.index(asking)] if asking in order else order
    placed = [
        replace(taken, output="") if name in document.without_output else taken
        for name in above
        if name in ran or name in known
        for taken in [_take(ran.get(name), known.get(name))]
    ]
    return [each for each in placed if each.source.strip() and not _ASKS.match(each.source)]


def choose_by_number(runs: Iterable[CellRun], numbers: Iterable[int]) -> list[CellRun]:
    """Return the runs with these numbers, in their order; raises KeyError with a number that there is not."""
    known = {run.count: run for run in runs}
    chosen: dict[int, CellRun] = {}
    for number in numbers:
        chosen[number] = known[number]
    return list(chosen.values())


def fit(cells: Sequence[CellRun], tokens: int, where: str = "") -> SeenCells:
    """Return the newest cells whose texts fit so many tokens; a long output is shortened in its middle.

    What looks like a secret is masked, and addresses in memory are left out.
    """
    kept: list[CellRun] = []
    left, masked = tokens, 0
    for cell in reversed(cells):
        source, in_source = mask_secrets(clean(cell.source))
        output, in_output = mask_secrets(strip_addresses(clean(cell.output)))
        shown = replace(
            cell,
            source=_shortened(source, tokens // _SHARE),
            output=_shortened(output, tokens // _SHARE),
        )
        left -= estimate_tokens(shown.write(numbered=not where))
        if left < 0:
            break
        kept.insert(0, shown)
        masked += in_source + in_output
    return SeenCells(tuple(kept), len(cells), where, masked)


def read_outputs(outputs: Iterable[Mapping[str, Any]]) -> str:
    """Return the text of outputs as a notebook file holds them: streams, results, displays, errors."""
    return "\n".join(filter(None, (_read_output(each).strip("\n") for each in outputs)))


def _read_output(output: Mapping[str, Any]) -> str:
    data = output.get("data")
    if isinstance(data, Mapping):
        return _join_lines(data.get("text/plain"))
    if output.get("output_type") == "error":
        return _ESCAPES.sub("", f"{_join_lines(output.get('ename'))}: {_join_lines(output.get('evalue'))}")
    return _ESCAPES.sub("", _join_lines(output.get("text")))


def _join_lines(given: object) -> str:
    """Return a text of a notebook file, which may be a list of lines."""
    lines = given if isinstance(given, list) else [given]
    return "".join(each for each in lines if isinstance(each, str))


def _latest(runs: Iterable[CellRun], asking: str | None) -> list[CellRun]:
    """Return the last run of each cell, in the order of these runs."""
    last: dict[str, CellRun] = {}
    for run in runs:
        key = run.cell or f" {run.source.strip()}"
        last.pop(key, None)
        last[key] = run
    return [run for run in last.values() if asking is None or run.cell != asking]


def _name(saved: SavedCell) -> str:
    return saved.id or f"#{saved.number}"


def _find_name(run: CellRun, saved: Iterable[SavedCell]) -> str:
    """Return what a cell that ran is called among others: where it has no ID, it is found by its source."""
    if run.cell is not None:
        return run.cell
    source = run.source.strip()
    same = (_name(each) for each in saved if each.source.strip() == source)
    return next(same, f" {source}")


def _list_runs_before(cells: Iterable[str]) -> dict[str, str | None]:
    """Return the cell that ran just before the first run of each, in the order of these runs."""
    before: dict[str, str | None] = {}
    last: str | None = None
    for cell in cells:
        before.setdefault(cell, last)
        last = cell
    return before


def _take(run: CellRun | None, saved: SavedCell | None) -> CellRun:
    """Return a cell as it last ran in this kernel, else as the file has it."""
    if run is None:
        assert saved is not None, "it ran or it is in the file"
        return CellRun(0, saved.id, saved.source, read_outputs(saved.outputs))
    unchanged = saved is not None and run.source.strip() == saved.source.strip()
    if saved is None or run.output or not unchanged:
        return run
    return replace(run, output=read_outputs(saved.outputs))


def _shortened(text: str, tokens: int) -> str:
    """Return a text of at most about so many tokens, without what is in its middle."""
    if (estimate := estimate_tokens(text)) <= tokens:
        return text
    half = max(1, len(text) * tokens // estimate // 2)
    return f"{text[:half]}\n… {len(text) - 2 * half:,} characters left out …\n{text[-half:]}"


def write_notebook_text(text: str) -> str | None:
    """Return the cells that the text of a notebook file holds, None where it is not such a file.

    Images and metadata are left out: they are long, and no model reads them as text.
    """
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        return None
    cells = body.get("cells") if isinstance(body, Mapping) else None
    if not isinstance(cells, list):
        return None
    return "\n\n".join(filter(None, map(str.strip, _write_cells(cells))))


def _write_cells(cells: list[Any]) -> Iterator[str]:
    for cell in cells:
        if not isinstance(cell, Mapping):
            continue
        source = _join_lines(cell.get("source"))
        if cell.get("cell_type") != "code":
            yield source
            continue
        outputs, count = cell.get("outputs"), cell.get("execution_count")
        listed = outputs if isinstance(outputs, list) else []
        shown = read_outputs(each for each in listed if isinstance(each, Mapping))
        if source.strip() or shown:
            yield CellRun(count if type(count) is int else 0, None, source, shown).write(numbered=True)
