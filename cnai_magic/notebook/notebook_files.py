"""Notebook files: found, read, and written from a conversation.

Reading executes nothing; what a file says is untrusted and goes through `restore`.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..api.message_parts import ImagePart
from ..api.parameters import BY_NAME
from ..chat.attachments import name_images
from ..chat.attempt import Attempt, Turn
from ..chat.conversation import KernelConversation
from ..chat.markdown import escape_markdown
from ..chat.prompts.braces import has_braces
from ..chat.reply import Reply
from ..money.cost import Spend
from ..redaction import strip_controls
from .comparison_record import SavedComparison
from .files import find_folder
from .ipynb import read_notebook
from .kept_images import find_images_again
from .messages_json import NO_MODEL
from .record import build_bundle, build_event_metadata, build_metadata
from .restore import Restored, restore
from .rows_record import SavedRows
from .saved_outputs import SavedCell, read_answers, read_comparisons, read_rows

__all__ = [
    "find_notebook",
    "find_possible_notebooks",
    "find_saved_answers",
    "find_saved_comparisons",
    "find_saved_rows",
    "read_saved_cells",
    "restore_notebook",
    "write_notebook",
]

# Limits of the search for the notebook of a cell in a folder: notebooks, and bytes of each.
_MOST_NOTEBOOKS = 200
_LARGEST_SEARCHED = 64 * 2**20
_KERNEL = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
_IMAGE_FILE = re.compile(r".+\.(png|jpe?g|gif|webp)", re.IGNORECASE)
# What a front end would change in the body of a cell: other line ends, controls.
_CHANGED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\x85\u2028\u2029]")


def find_notebook(
    named: str, *, exact: bool = False, cell: str | None = None, source: str = ""
) -> Path | None:
    """Return the file of the notebook that runs, or None where it is unknown.

    `named` is its given name; `exact` says that the user or the front end gave it, not the environment of the
    kernel, which is stale after a rename and tells nothing in a headless run. Then it is the one notebook of
    the folder that holds the running cell, by its ID or else by its source.
    """
    found = find_possible_notebooks(named, exact=exact, cell=cell, source=source)
    if len(found) == 1:
        return found[0]
    path = _make_path(named)
    return path if path is not None and path.is_file() else None


def find_possible_notebooks(
    named: str, *, exact: bool = False, cell: str | None = None, source: str = ""
) -> list[Path]:
    """Return the files that may be the notebook that runs: more than one where copies lie in its folder."""
    path = _make_path(named)
    if path is not None and (exact or (path.is_file() and (cell is None or _holds(path, cell, "")))):
        return [path]
    folder = path.parent if path is not None and path.parent.is_dir() else find_folder()
    holding = [each for each in _list_notebooks(folder) if _holds(each, cell, source)]
    # A cell that was not saved yet is in no file: then what Jupyter says has to do.
    return holding or ([path] if path is not None and path.is_file() else [])


def restore_notebook(path: Path) -> Restored:
    """Return the conversations and the spend that a notebook file holds; see `restore`."""
    cells, notes = read_notebook(path)
    restored = restore(cells)
    restored.notes[:0] = [*notes, *find_images_again(restored.conversations.values(), path.parent)]
    restored.cells = [each._replace(outputs=[*filter(_is_recorded, each.outputs)]) for each in cells]
    return restored


def _is_recorded(output: Mapping[str, Any]) -> bool:
    about = output.get("metadata")
    return isinstance(about, Mapping) and isinstance(about.get("cnai"), Mapping)


def read_saved_cells(path: Path) -> tuple[SavedCell, ...]:
    """Return the code cells of a notebook file, which is read again only where it has changed."""
    try:
        state = path.stat()
    except (OSError, ValueError):
        # Reading it raises the error that says why.
        return tuple(read_notebook(path).cells)
    return _read_cached_cells(path, state.st_mtime_ns, state.st_size)


def find_saved_answers(
    cells: Sequence[SavedCell], cell: str | None, source: str, nth: int = 0
) -> list[Attempt]:
    """Return the answers saved in the cell that runs: the one of this ID, else those of this source.

    Of several of this source, those of the `nth` (from 0, and round again) come first.
    """
    return [attempt for each in _find_cells(cells, cell, source, nth) for attempt in read_answers(each)]


def find_saved_comparisons(
    cells: Sequence[SavedCell], cell: str | None, source: str, nth: int = 0
) -> list[SavedComparison]:
    """Return the compared answers saved in the cell that runs, as `find_saved_answers` finds it."""
    return [found for each in _find_cells(cells, cell, source, nth) for found in read_comparisons(each)]


def find_saved_rows(
    cells: Sequence[SavedCell], cell: str | None, source: str, nth: int = 0
) -> list[SavedRows]:
    """Return the answers to rows saved in the cell that runs, as `find_saved_answers` finds it."""
    return [found for each in _find_cells(cells, cell, source, nth) for found in read_rows(each)]


def _find_cells(cells: Sequence[SavedCell], cell: str | None, source: str, nth: int) -> list[SavedCell]:
    own = [each for each in cells if cell is not None and each.id == cell]
    if own:
        return own
    same = [each for each in cells if each.source.strip() == source.strip()]
    first = nth % len(same) if same else 0
    return [*same[first:], *same[:first]]


def write_notebook(conversation: KernelConversation) -> bytes:
    """Return a notebook file that holds a conversation: it opens, runs, and restores.

    The same conversation is the same file.
    """
    import nbformat

    # Not nbformat's functions, which check each cell and each output apart; all are checked once below.
    cells = [{**cell, "id": f"cnai-{number}"} for number, cell in enumerate(_write_cells(conversation))]
    about = {"kernelspec": dict(_KERNEL), "language_info": {"name": "python"}}
    notebook = nbformat.from_dict({"cells": cells, "metadata": about, "nbformat": 4, "nbformat_minor": 5})
    nbformat.validate(notebook)
    return f"{nbformat.writes(notebook)}\n".encode("utf-8", "replace")


# -- found --------------------------------------------------------------------------------------


def _list_notebooks(folder: Path) -> list[Path]:
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
        return re.search(rb'"id"\s*:\s*' + re.escape(json.dumps(cell).encode()), text) is not None
    # As nbformat writes it: a list of lines.
    lines = [line for line in source.strip().splitlines() if line.strip()]
    return bool(lines) and all(any(form in text for form in _list_forms(line)) for line in lines)


def _list_forms(line: str) -> Iterator[bytes]:
    """Yield the ways in which a line of a cell may stand in a file."""
    for escaped_too in (False, True):
        written = json.dumps(line, ensure_ascii=escaped_too)[:-1].encode("utf-8", "replace")
        yield written + b'"'
        yield written + b"\\n"


def _make_path(named: str) -> Path | None:
    return find_folder() / _expand_home(Path(named)) if named else None


def _expand_home(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError:
        # An unknown home folder: a name like any other.
        return path


# -- read ---------------------------------------------------------------------------------------


@lru_cache(maxsize=4)
def _read_cached_cells(path: Path, modified: int, size: int) -> tuple[SavedCell, ...]:
    return tuple(read_notebook(path).cells)


# -- written ------------------------------------------------------------------------------------


def _write_cells(conversation: KernelConversation) -> Iterator[dict[str, Any]]:
    times = [each.reply.started for turn in conversation.turns for each in turn.attempts]
    begin, end = (min(times), max(times)) if times else (datetime.fromtimestamp(0, timezone.utc),) * 2
    yield {
        "cell_type": "markdown",
        "metadata": {},
        "source": f"# Conversation {escape_markdown(conversation.name)}",
    }
    yield _make_code_cell("%load_ext cnai_magic")
    if conversation.name != "main":
        yield _make_use_cell(conversation.name, begin)
    system = conversation.system or ""
    if conversation.system is not None:
        yield _make_system_cell(conversation.system, conversation.name, begin)
    spent = {False: Spend(), True: Spend()}
    for number, turn in enumerate(conversation.turns, 1):
        reply = turn.reply
        wanted = reply.system or ""
        if wanted != system and _is_long(wanted):
            yield _make_system_cell(wanted, conversation.name, reply.started)
            system = wanted
        for attempt in turn.attempts:
            spent[attempt.reply.demo] += Spend.of(attempt.make_charge())
        source = _write_question(reply, wanted != system, conversation.name)
        yield _make_code_cell(source, _make_output(turn, number, conversation.name, spent[reply.demo]))
    if conversation.system is not None and conversation.system != system:
        # A question was asked with another one that does not fit its line.
        later = end + timedelta(milliseconds=1) if end.year < datetime.max.year else end
        yield _make_system_cell(conversation.system, conversation.name, later)


def _write_question(reply: Reply, with_system: bool, conversation: str) -> str:
    """Return the cell that asks a question again."""
    options = []
    if reply.model != NO_MODEL:
        options.append(reply.model if not reply.model.startswith("-") else f"--model={reply.model}")
    if conversation != "main":
        options += ["-c", conversation]
    if with_system:
        system = reply.system or ""
        # In one word: what begins with a dash would be taken for an option.
        options += [f"--system={system}"] if system.startswith("-") else ["-s", system]
    for name, value in reply.parameters.items():
        options += BY_NAME[name].to_arguments(value)
    prompt, images = reply.prompt, _name_image_files(reply)
    if images:
        prompt = prompt.removesuffix(name_images(reply.prompt_parts))
        options += [f"--image={name}" for name in images]
    if has_braces(prompt):
        options.append("--raw")  # what was sent has its values already
    line = shlex.join(options)
    if not _CHANGED.search(prompt):
        # The end of the last line is not part of the body.
        return f"%%cnai {line}".rstrip() + f"\n{prompt}" + "\n" * prompt.endswith("\n")
    body = "\n".join(f"    {part!r}" for part in f"{prompt}\n".splitlines(keepends=True))
    return f'get_ipython().run_cell_magic(\n    "cnai",\n    {line!r},\n{body},\n)'


def _name_image_files(reply: Reply) -> list[str]:
    """Return the files of the images of a question; none where any of them is of something else."""
    names = [part.name for part in reply.prompt_parts if isinstance(part, ImagePart)]
    return names if all(map(_IMAGE_FILE.fullmatch, names)) else []


def _is_long(system: str) -> bool:
    """Tell whether a system message cannot stand in a magic's line."""
    return not system.isprintable() or system == "--"


def _make_use_cell(name: str, time: datetime) -> dict[str, Any]:
    return _make_command_cell(
        f"%cnai_chat new {shlex.quote(name)}",
        f"Conversation {name!r} is in use.",
        build_event_metadata("use", name, time=time, began=True),
    )


def _make_system_cell(system: str, conversation: str, time: datetime) -> dict[str, Any]:
    # In quotes: the command takes off one pair, and with it the blanks around.
    line = f'system "{system}"'
    source = (
        f"get_ipython().run_line_magic('cnai_chat', {line!r})" if _is_long(system) else f"%cnai_chat {line}"
    )
    shown = f"System message of {conversation!r}: {system}" if system else "There is no system message."
    return _make_command_cell(
        source, shown, build_event_metadata("system", conversation, time=time, system=system)
    )


def _make_code_cell(source: str, *outputs: dict[str, Any]) -> dict[str, Any]:
    return {
        "cell_type": "code",
        "execution_count": None,
        "metadata": {},
        "outputs": list(outputs),
        "source": source,
    }


def _make_display(data: dict[str, str], about: dict[str, Any]) -> dict[str, Any]:
    return {"output_type": "display_data", "data": data, "metadata": about}


def _make_command_cell(source: str, shown: str, record: dict[str, Any]) -> dict[str, Any]:
    return _make_code_cell(source, _make_display({"text/plain": strip_controls(shown)}, record))


def _make_output(turn: Turn, number: int, conversation: str, total: Spend) -> dict[str, Any]:
    def placed(attempt: Attempt) -> Attempt:
        return replace(
            attempt,
            conversation=conversation,
            turn=number,
            turn_id=turn.id,
            index_in_cell=0,
            began=False,
            stale_below=0,
        )

    others = tuple(placed(each) for each in turn.attempts if each is not turn.attempt)
    shown = replace(placed(turn.attempt), total=total, others=others)
    return _make_display(build_bundle(shown), build_metadata(shown))
