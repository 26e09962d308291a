"""The cells of a notebook file, read as JSON: one damaged cell does not make the others unreadable.

nbformat is not needed for it (its import alone takes longer than all the rest of a first question), and it
refuses a notebook whole where a part of it is wrong. What is used of a cell is checked by whoever uses it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import InputError
from ..next_steps import read_file
from .files import decode_error, expand_home, read_bytes
from .saved_outputs import SavedCell
from .untrusted import decode_number, describe

__all__ = ["NotebookFile", "read_notebook"]

_KEPT = "Jupyter kept an earlier state"
_Problem = Callable[[str], None]

_CELLS = re.compile(r'"cells"\s*:\s*\[')
_CELL = re.compile(r'\{\s*"(?:attachments|cell_type|execution_count|id|metadata|outputs|source)"\s*:')
_BETWEEN = re.compile(r"[\s,]*")
_MERGE = re.compile(r"^<{7}", re.MULTILINE)
# Of the places where a cell may begin after a damaged one; each can cost a look at the rest of the file.
_MOST_TRIALS = 200
_MOST_NOTES = 10
# What format 3 called the types that a Markdown answer has.
_OLD_TYPES = {"text": "text/plain", "html": "text/html"}
_UNREADABLE = object()
_OUTPUT_FIELDS = {"output_type", "metadata", "prompt_number"}


class NotebookFile(NamedTuple):
    """The code cells of a notebook file, in order, and a line for a person about each that is damaged."""

    cells: list[SavedCell]
    notes: list[str]


def read_notebook(path: Path) -> NotebookFile:
    """Read the code cells of a notebook file of any format; raises InputError where there are none to read.

    A cell without an ID of its own, or with that of an earlier one, gets one that no front end gives: its
    number, as "#3".
    """
    data = read_bytes(path)
    notes: list[str] = []
    unreadable: InputError | None = None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        text = data.decode("utf-8-sig", "replace")
        unreadable = decode_error(path, data, exc)
        notes.append(f"{path.name} is not whole: {unreadable.why}")
    try:
        cells = _read_cells(text, path, notes)
    except InputError as error:
        raise unreadable or error from None
    found = _read_code_cells(cells, notes)
    if len(notes) > _MOST_NOTES:
        notes[_MOST_NOTES:] = [f"and {len(notes) - _MOST_NOTES:,} more of the kind"]
    return NotebookFile(found, notes)


# -- the file as a whole ------------------------------------------------------------------------


def _read_cells(text: str, path: Path, notes: list[str]) -> list[Any]:
    """Return all cells of a notebook, _UNREADABLE for one that is not JSON."""
    try:
        body, end = _decode(text, len(text) - len(text.lstrip()))
    except (ValueError, RecursionError) as exc:
        return _read_one_by_one(text, path, exc, notes)
    if text[end:].strip():
        notes.append(f"{path.name}: what follows the notebook in the file is left out")
    found = _find_cells(body)
    if found is None:
        raise _explain_unreadable(path, "it is JSON, but not that of a notebook: it has no list of cells")
    return found


def _find_cells(body: object) -> list[Any] | None:
    """Return the list of cells in a notebook, which formats before 4 kept in worksheets."""
    if not isinstance(body, dict):
        return None
    if isinstance(body.get("cells"), list):
        return list(body["cells"])
    sheets = body.get("worksheets")
    if not isinstance(sheets, list):
        return None
    lists = [each.get("cells") for each in sheets if isinstance(each, dict)]
    return [_convert_cell(cell) for each in lists if isinstance(each, list) for cell in each]


def _read_one_by_one(text: str, path: Path, exc: Exception, notes: list[str]) -> list[Any]:
    """Return the cells that can be read of a file that is cut off, or damaged somewhere."""
    why = _explain_damage(text, exc)
    begin = _CELLS.search(text)
    found: list[Any] = []
    position, trials = begin.end() if begin else len(text), 0
    while (position := _BETWEEN.match(text, position).end()) < len(text) and text[position] != "]":  # type: ignore[union-attr]
        try:
            cell, position = _decode(text, position)
            found.append(cell)
        except (ValueError, RecursionError):
            found.append(_UNREADABLE)
            position, trials = _find_next_cell(text, position + 1, trials)
    if not any(isinstance(cell, dict) for cell in found):
        raise _explain_unreadable(path, why)
    lost = [str(place) for place, cell in enumerate(found, 1) if cell is _UNREADABLE]
    which = f"cell {lost[0]} cannot be read" if len(lost) == 1 else f"cells {', '.join(lost)} cannot be read"
    notes.append(f"{path.name} is damaged ({why})" + (f": {which}" if lost else "") + _name_kept_state(path))
    return found


def _find_next_cell(text: str, position: int, trials: int) -> tuple[int, int]:
    """Return where the next whole cell begins, and how often one was looked for so far."""
    while (match := _CELL.search(text, position)) and trials < _MOST_TRIALS:
        trials += 1
        try:
            body, end = _decode(text, match.start())
        except (ValueError, RecursionError):
            position = match.start() + 1
            continue
        if isinstance(body.get("cell_type"), str):
            return match.start(), trials
        position = end
    return len(text), trials


def _decode(text: str, position: int) -> tuple[Any, int]:
    """Decode the JSON that begins here, and return where it ends; raises ValueError or RecursionError."""
    # Line breaks and tabs within a text do no harm.
    try:
        return json.JSONDecoder(strict=False).raw_decode(text, position)
    except json.JSONDecodeError:
        raise
    except ValueError:
        # Python refuses numbers of thousands of digits.
        return json.JSONDecoder(strict=False, parse_int=decode_number).raw_decode(text, position)


def _explain_damage(text: str, exc: Exception) -> str:
    if not text.strip():
        return "the file is empty"
    if _MERGE.search(text):
        return "it holds the marks of a merge that was not finished"
    if isinstance(exc, RecursionError):
        return "it is nested too deeply"
    return f"it is not JSON, or ends too early: {exc}"


def _explain_unreadable(path: Path, why: str) -> InputError:
    kept = _find_checkpoint(path)
    step = f"{_KEPT}: " + read_file(str(kept)) if kept else "name another file: " + read_file("PATH")
    return InputError(f"{path.name} is not a notebook that can be read", why=why, next_step=step)


def _name_kept_state(path: Path) -> str:
    kept = _find_checkpoint(path)
    return f"; {_KEPT}: {kept}" if kept else ""


def _find_checkpoint(path: Path) -> Path | None:
    """Return the file in which Jupyter keeps an earlier state of a notebook, None where there is none."""
    path = expand_home(path)
    kept = path.parent / ".ipynb_checkpoints" / f"{path.stem}-checkpoint.ipynb"
    return kept if kept.is_file() else None


# -- one cell -----------------------------------------------------------------------------------


def _read_code_cells(cells: Sequence[Any], notes: list[str]) -> list[SavedCell]:
    """Return the code cells; each fault of a cell is noted once."""
    found: list[SavedCell] = []
    used: set[str] = set()
    for place, cell in enumerate(cells, 1):
        problems: list[str] = []
        read = _read_code_cell(cell, place, used, problems.append)
        if read is not None:
            found.append(read)
            used |= {read.id or ""}
        if problems:
            notes.append(f"cell {place} is damaged: {'; '.join(dict.fromkeys(problems))}")
    return found


def _read_code_cell(cell: object, place: int, used: set[str], problem: _Problem) -> SavedCell | None:
    if not isinstance(cell, dict):
        if cell is not _UNREADABLE:
            problem(f"it is {describe(cell)}")
        return None
    if cell.get("cell_type", "code") != "code" and "outputs" not in cell:
        return None
    name = cell.get("id")
    own = isinstance(name, str) and name and name not in used
    source, outputs = _read_source(cell.get("source"), problem), cell.get("outputs", [])
    has_output = bool(outputs)
    return SavedCell(name if own else f"#{place}", source, _read_outputs(outputs, problem), place, has_output)


def _read_source(given: object, problem: _Problem) -> str:
    if isinstance(given, str):
        return given
    lines = [each for each in given if isinstance(each, str)] if isinstance(given, list) else []
    if not isinstance(given, list) or len(lines) < len(given):
        problem(f"its source is {describe(given)}, not text")
    return "".join(lines)


def _read_outputs(given: object, problem: _Problem) -> list[Mapping[str, Any]]:
    if not isinstance(given, list):
        problem(f"its outputs are {describe(given)}")
        return []
    found: list[Mapping[str, Any]] = [each for each in given if isinstance(each, dict)]
    if len(found) < len(given):
        problem("one of its outputs is not an object")
    if any(not isinstance(each.get("metadata", {}), dict) for each in found):
        problem("the metadata of an output is not an object")
    return found


def _convert_cell(cell: object) -> object:
    """Return a cell of format 3 as one of format 4, with what is read of it."""
    if not isinstance(cell, dict):
        return cell
    made = {**cell, "source": cell.get("input", cell.get("source"))}
    if isinstance(cell.get("outputs"), list):
        outputs = cell["outputs"]
        made["outputs"] = [_convert_output(each) if isinstance(each, dict) else each for each in outputs]
    return made


def _convert_output(output: dict[str, Any]) -> dict[str, Any]:
    data = {_OLD_TYPES.get(name, name): each for name, each in output.items() if name not in _OUTPUT_FIELDS}
    return {"data": data, "metadata": output.get("metadata", {})}
