"""What `--see` does: the cells of the notebook are sent with a question."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain
from typing import Any

from ..api.message_parts import TextPart
from ..chat.attachments import Attachment
from ..errors import InputError
from ..languages import say
from ..notebook.seen_cells import CellRun, choose_by_number, fit, place_above, read_outputs
from ..notebook.untrusted import may_be_saved
from .shell_session import ShellSession

__all__ = ["attach_cells"]

_NUMBERS = re.compile(r"\d{1,7}(-\d{1,7})?(,\d{1,7}(-\d{1,7})?)*")


def attach_cells(shell_session: ShellSession, which: str) -> Attachment:
    """Return the cells that `which` names, "above" or numbers as "3-5,7", to be sent with a question.

    Raises InputError where it names none.
    """
    shell_session.learn_secrets()
    runs = list(_read_runs(shell_session))
    which = which.strip().lower()
    if which == "above":
        shell_session.identify_cell()
        shell_session.arrange()
        document = shell_session.session.cells.documents.document
        cells = place_above(shell_session.file.read_cells(), runs, shell_session.cell.run.cell, document)
        if not cells:
            raise InputError("there is no cell above that could be sent", next_step="leave --see out")
    else:
        cells = _choose(runs, which)
    seen = fit(cells, shell_session.settings.see_tokens, "above" if which == "above" else "")
    if seen.masked:
        say(f"The cells held {seen.masked} secret{'s' * (seen.masked > 1)}: masked")
    return Attachment(TextPart(seen.text), seen.label)


def _choose(runs: list[CellRun], which: str) -> list[CellRun]:
    numbers = list(_read_ranges(which)) if _NUMBERS.fullmatch(which) else []
    if not any(numbers):
        raise InputError(
            f"--see {which} does not name cells",
            next_step="name those above as --see above, or some by the numbers beside them, as --see 3-5,7",
        )
    try:
        return choose_by_number(runs, chain(*numbers))
    except KeyError as error:
        known = [run.count for run in runs]
        have = f"there are {known[0]} to {known[-1]}" if known else "none ran yet"
        raise InputError(f"no cell ran as In [{error.args[0]}]", why=have) from None


def _read_ranges(numbers: str) -> Iterator[range]:
    """Yield the ranges that "3-5,7" means."""
    for each in numbers.split(","):
        first, _, last = each.partition("-")
        yield range(int(first), int(last or first) + 1)


def _read_runs(shell_session: ShellSession) -> Iterator[CellRun]:
    """Yield the cells that this kernel has run, the one under way too."""
    history = shell_session.shell.history_manager
    for count, source in enumerate(history.input_hist_raw):
        if count:
            cell = shell_session.cells_of_runs.get(count)
            known = cell if cell is not None and may_be_saved(cell) else None
            yield CellRun(count, known, source, _read_output(history, count))


def _read_output(history: Any, count: int) -> str:
    """Return the text that a run showed, as far as IPython keeps it: before version 9 only its result."""
    outputs = getattr(history, "outputs", {}).get(count, ())
    texts: list[dict[str, Any]] = [
        {"text": each.bundle["stream"]} if "stream" in each.bundle else {"data": each.bundle}
        for each in outputs
    ]
    if not texts and count in history.output_hist_reprs:
        texts.append({"text": history.output_hist_reprs[count]})
    error = getattr(history, "exceptions", {}).get(count)
    if error:
        texts.append({"output_type": "error", **error})
    return read_outputs(texts)
