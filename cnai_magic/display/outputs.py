"""Outputs of this kernel that are changed after they were shown."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import uuid4

from IPython.display import display

from ..chat.attempt import Attempt
from ..chat.cell_run import CellOutput, CellRun
from ..notebook.cell_history import Kept, list_kept_turns
from ..notebook.read_record import name_record
from ..notebook.record import WRITTEN, build_bundle, build_metadata
from ..notebook.written_outputs import WrittenOutput
from ..session.kernel_session import KernelSession
from .line import Line, Recorded

__all__ = [
    "build_kept_metadata",
    "build_shown_outputs",
    "change_output",
    "keep_below",
    "keep_in_outputs",
    "show_as_now",
    "show_in_force",
    "write_late",
]

_KEPT_HERE = "The notebook keeps the answer here, so that the conversation goes on with it after a restart."


def change_output(session: KernelSession, shown: object) -> None:
    """Bring an attempt that a command has put into force into the output of its cell."""
    if isinstance(shown, Recorded) and shown.changed is not None:
        show_in_force(session, *shown.changed)


def show_in_force(
    session: KernelSession, display_id: str, attempt: Attempt, conversation: str, former: str = ""
) -> None:
    """Bring an attempt into the output of its cell, with what the cell did before.

    What stood in a copy is of the cell of the copy from now on. `former` names the output in the notebook
    whose place it takes, where neither `display_id` nor its turn does.
    """
    cells = session.cells
    kept, cell = cells.find_kept_beside(attempt), cells.find_cell(attempt)
    output = CellOutput(display_id, replace(attempt, cell=cell))
    about = _update(output, session, kept, conversation)
    cells.written.change(cell, _write(output, about), cells.documents.document, former)


def show_as_now(session: KernelSession, output: CellOutput, cell: str | None) -> None:
    """Show in an output of a cell what that shows, as it is now, with what the cell did before."""
    _update(output, session, session.cells.find_kept(cell))


def build_shown_outputs(session: KernelSession, cell: str) -> list[dict[str, Any]]:
    """Return the outputs that the last run of a cell has shown, as its file would hold them."""
    shown, found = session.cells.get_shown(cell), []
    for number, (_, each) in enumerate(shown, 1):
        kept = None
        if number == len(shown) and isinstance(each, Attempt):
            kept = session.cells.find_kept_beside(each)
        data, about = _build_output(kept, session, each)
        found.append({"data": data, "metadata": about})
    return found


def keep_in_outputs(session: KernelSession, run: CellRun, kept: Kept, *, succeeded: bool) -> None:
    """Keep what a cell did before in its last output, or below an error, which says what is in force."""
    written = [_write(each) for each in run.outputs]
    if kept and run.outputs and succeeded:
        about = _update(run.outputs[-1], session, kept)
        written[-1] = _write(run.outputs[-1], about)
    elif kept:
        is_answered = bool(run.answered) and succeeded
        line = _KEPT_HERE if is_answered else kept.note(session.conversations)
        note = CellOutput(uuid4().hex, Line(line))
        data, about = _build_output(kept, session, note.shown)
        display(data, metadata=about, raw=True, display_id=note.display_id)  # type: ignore[no-untyped-call]
        run.kept_below = note.display_id if is_answered else ""
        written.append(_write(note, about))
    if run.cell is not None:
        session.cells.written.write(run.cell, written)


def write_late(session: KernelSession, run: CellRun) -> None:
    """Note what a run has shown after its cell had ended."""
    for each in session.cells.show_late(run):
        if run.cell is not None:
            session.cells.write_below(run.cell, _write(each))


def keep_below(session: KernelSession, run: CellRun, kept: Kept) -> None:
    """Keep what a run did after its cell had ended in an output of its own."""
    is_new = not run.kept_below
    run.kept_below = run.kept_below or uuid4().hex
    output = CellOutput(run.kept_below, Line(_KEPT_HERE))
    data, about = _build_output(kept, session, output.shown)
    display(data, metadata=about, raw=True, display_id=output.display_id, update=not is_new)  # type: ignore[no-untyped-call]
    session.cells.write_below(kept.cell, _write(output, about))


def _write(output: CellOutput, about: dict[str, Any] | None = None) -> WrittenOutput:
    """Return an output as the file will hold it, with its metadata where more is kept beside it."""
    shown = output.shown
    if isinstance(shown, Attempt):
        # All are read whenever a cell is deleted, cleared or back: so this one is not written to be read.
        record = {"id": shown.id, "cell": shown.cell, "turn": shown.turn} if about is None else about["cnai"]
        saved = {"metadata": {"cnai": {**record, WRITTEN: shown}}}
        return WrittenOutput(
            output.display_id,
            name_record(record),
            shown.id,
            shown.turn_id,
            lambda: saved,
            list_kept_turns(record),
        )
    record = (about or Recorded.of(shown).record or {}).get("cnai", {})
    return WrittenOutput(
        output.display_id,
        name_record(record),
        str(record.get("id", "")),
        "",
        lambda: {"metadata": Recorded.of(shown).record if about is None else about},
        list_kept_turns(record),
    )


def _update(
    output: CellOutput, session: KernelSession, kept: Kept | None, conversation: str = ""
) -> dict[str, Any]:
    """Show an output anew, where it was shown at all; return its metadata."""
    data, about = _build_output(kept, session, output.shown, conversation)
    if output.display_id:
        display(data, metadata=about, raw=True, display_id=output.display_id, update=True)  # type: ignore[no-untyped-call]
    return about


def _build_output(
    kept: Kept | None, session: KernelSession, shown: object, conversation: str = ""
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return an output, its metadata with what is kept beside it."""
    data: dict[str, Any]
    if isinstance(shown, Attempt):
        data, about = build_bundle(shown, conversation), build_metadata(shown, conversation)
    else:
        data, about = Recorded.of(shown)._repr_mimebundle_()
    return data, _keep_beside(kept, session, about) if kept else about


def build_kept_metadata(session: KernelSession, cell: str | None) -> dict[str, Any]:
    """Return the metadata of the output of an answer that is arriving: what its cell did before."""
    kept = session.cells.find_kept_meanwhile(cell)
    return _keep_beside(kept, session) if kept else {}


def _keep_beside(kept: Kept, session: KernelSession, about: dict[str, Any] | None = None) -> dict[str, Any]:
    about = about or kept.to_metadata(session.conversations)
    return {"cnai": {**about["cnai"], "kept": kept.record(session.settings.save_attempts)}}
