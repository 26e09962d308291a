"""Notebook files: found, read, and written from a conversation.

Reading executes nothing; what a file says is untrusted and goes through `restore`.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from .conversation import Conversation, Turn
from .errors import InputError
from .files import read_text
from .output import bundle, metadata
from .reply import Reply
from .restore import Restored, SavedCell, answers_of, restore

__all__ = ["cells_of", "find_notebook", "notebook_of", "restored_from", "saved_answers"]

# A folder is searched for the notebook of a cell: so many notebooks, each up to so many bytes.
_MOST_NOTEBOOKS = 200
_LARGEST_SEARCHED = 64 * 2**20
_KERNEL = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}


def find_notebook(
    named: str, *, exact: bool = False, cell: str | None = None, source: str = ""
) -> Path | None:
    """Return the file of the notebook that runs, or None where nobody knows it.

    `named` is what is told of it; `exact` says that a person or the front end did, not the environment of the
    kernel, which is stale after a rename and tells nothing in a headless run. Then it is the one notebook of
    the folder that holds the running cell, told by its ID or else by its source.
    """
    path = Path(named).expanduser().absolute() if named else None
    if exact or (path is not None and path.is_file() and (cell is None or _holds(path, cell, ""))):
        return path
    folder = path.parent if path is not None and path.parent.is_dir() else Path.cwd()
    holding = [each for each in _notebooks(folder) if _holds(each, cell, source)]
    if len(holding) == 1:
        return holding[0]
    # A cell that was not saved yet is in no file: then what Jupyter says has to do.
    return path if path is not None and path.is_file() else None


def cells_of(path: Path) -> list[SavedCell]:
    """Return the code cells of a notebook file, in order; raises InputError where it is none."""
    import nbformat

    text = read_text(path)
    try:
        notebook = nbformat.reads(text, as_version=4)
    except Exception as exc:
        # nbformat raises whatever a file makes it raise: KeyErrors and recursion errors among others.
        raise InputError(
            f"{path.name} is no notebook that can be read",
            why=_why(text, exc),
            next_step=_next_to_a_broken_one(path),
        ) from exc
    return [
        SavedCell(_identifier(cell), str(cell.get("source", "")), _outputs(cell))
        for cell in notebook.get("cells", [])
        if isinstance(cell, Mapping) and cell.get("cell_type") == "code"
    ]


def restored_from(path: Path) -> Restored:
    """Return the conversations and the spend that a notebook file holds; see `restore`."""
    return restore(cells_of(path))


def saved_answers(path: Path, cell: str | None, source: str) -> list[Reply]:
    """Return the answers saved in the cell that runs: the one of this ID, else those of this source."""
    try:
        state = path.stat()
    except OSError as exc:
        raise InputError(f"{path} cannot be read", why=exc.strerror or str(exc)) from exc
    cells = _cached_cells(path, state.st_mtime_ns, state.st_size)
    own = [each for each in cells if cell is not None and each.id == cell]
    own = own or [each for each in cells if each.source.strip() == source.strip()]
    return [reply for each in own for reply in answers_of(each)]


def notebook_of(conversation: Conversation) -> bytes:
    """Return a notebook file that holds a conversation: it opens, runs, and restores."""
    import nbformat

    notebook = nbformat.v4.new_notebook()
    notebook.metadata["kernelspec"] = dict(_KERNEL)
    notebook.metadata["language_info"] = {"name": "python"}
    title = nbformat.v4.new_markdown_cell(f"# Conversation {conversation.name}")
    notebook.cells = [title, nbformat.v4.new_code_cell("%load_ext cnai_magic")]
    system: str | None = None
    for number, turn in enumerate(conversation.turns, 1):
        if turn.reply.system != system and _is_long(turn.reply.system or ""):
            notebook.cells.append(nbformat.v4.new_code_cell(_system_cell(turn.reply.system or "")))
        cell = nbformat.v4.new_code_cell(_question(turn.reply, system, conversation.name))
        cell.outputs = [_output(turn, number, conversation.name)]
        notebook.cells.append(cell)
        system = turn.reply.system
    for number, cell in enumerate(notebook.cells):
        # Not nbformat's random ones: the same conversation is the same file.
        cell["id"] = f"cnai-{number}"
    nbformat.validate(notebook)
    return f"{nbformat.writes(notebook)}\n".encode()


# -- found --------------------------------------------------------------------------------------


def _notebooks(folder: Path) -> list[Path]:
    try:
        found = [each for each in sorted(folder.glob("*.ipynb")) if each.is_file()]
    except OSError:
        return []
    return found[:_MOST_NOTEBOOKS]


def _holds(path: Path, cell: str | None, source: str) -> bool:
    """Tell whether a notebook file holds the cell with this ID, or where there is none, this source."""
    try:
        if path.stat().st_size > _LARGEST_SEARCHED:
            return False
        text = path.read_bytes()
    except OSError:
        return False
    if cell is not None:
        return f'"id": {json.dumps(cell)}'.encode() in text
    # As nbformat writes it: a list of lines.
    lines = [line for line in source.strip().splitlines(keepends=True) if line.strip()]
    return bool(lines) and all(
        any(json.dumps(line, ensure_ascii=escaped)[:-1].encode() in text for escaped in (False, True))
        for line in lines
    )


# -- read ---------------------------------------------------------------------------------------


@lru_cache(maxsize=4)
def _cached_cells(path: Path, modified: int, size: int) -> tuple[SavedCell, ...]:
    return tuple(cells_of(path))


def _identifier(cell: Mapping[str, Any]) -> str | None:
    found = cell.get("id")
    return found if isinstance(found, str) and found else None


def _outputs(cell: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found = cell.get("outputs")
    return [each for each in found if isinstance(each, Mapping)] if isinstance(found, list) else []


def _why(text: str, exc: Exception) -> str:
    if not text.strip():
        return "the file is empty"
    if text.lstrip().startswith("<<<<<<<") or "\n<<<<<<< " in text:
        return "it holds the marks of a merge that was not finished"
    try:
        json.loads(text)
    except ValueError as error:
        return f"it is not JSON, or ends too early: {error}"
    except RecursionError:
        return "it is nested too deeply"
    return f"nbformat says: {type(exc).__name__}: {exc}"


def _next_to_a_broken_one(path: Path) -> str:
    checkpoint = path.parent / ".ipynb_checkpoints" / f"{path.stem}-checkpoint.ipynb"
    if checkpoint.is_file():
        return f"Jupyter kept an earlier state: --from {shlex.quote(str(checkpoint))}"
    return "name another file: --from PATH"


# -- written ------------------------------------------------------------------------------------


def _question(reply: Reply, system: str | None, conversation: str) -> str:
    """Return the cell that asks a question again."""
    words = ["%%cnai", shlex.quote(reply.model)]
    if conversation != "main":
        words += ["-c", shlex.quote(conversation)]
    if reply.system != system and not _is_long(reply.system or ""):
        words += ["-s", shlex.quote(reply.system or "")]
    for name, value in reply.parameters.items():
        words += [f"--{name.replace('_', '-')}", repr(value)]
    if "{{" in reply.prompt:
        words.append("--raw")
    return " ".join(words) + "\n" + reply.prompt


def _is_long(system: str) -> bool:
    """Tell whether a system message cannot stand in a magic's line."""
    return len(system.splitlines()) > 1 or not system.isprintable()


def _system_cell(system: str) -> str:
    return f'get_ipython().run_line_magic("cnai_chat", {"system " + system!r})'


def _output(turn: Turn, number: int, conversation: str) -> Any:
    import nbformat

    reply = replace(
        turn.reply, conversation=conversation, turn=number, turn_id=turn.id, ordinal=0, later=0, began=False
    )
    shown = replace(reply, others=tuple(_others(turn, conversation, number)))
    return nbformat.v4.new_output("display_data", bundle(shown), metadata=metadata(shown))


def _others(turn: Turn, conversation: str, number: int) -> Iterator[Reply]:
    for each in turn.attempts:
        if each is not turn.reply:
            yield replace(each, conversation=conversation, turn=number, turn_id=turn.id, ordinal=0)
