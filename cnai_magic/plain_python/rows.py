"""Asks for rows from plain Python, and shows how far they are in a notebook or a terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from ..chat.answers import Answers
from ..chat.formatters import learn_secrets
from ..errors import InputError
from ..session.batches.row_progress import Progress, ProgressLine, ProgressLines
from ..session.batches.row_sources import read_rows, render_rows
from ..session.kernel_session import KernelSession
from ..session.question import Options
from .options import check_text

__all__ = ["ask_rows"]


def ask_rows(
    kernel: KernelSession,
    source: object,
    template: str | None,
    options: Options,
    parallel: int | None,
    max_cost: float | str | None,
    *,
    fresh: bool,
    progress: bool | None,
) -> Answers:
    """Ask for the rows of a source; see `Session.map`."""
    check_text(template, "template")
    if parallel is not None and (type(parallel) is not int or parallel < 1):
        raise InputError(f"parallel is {parallel!r}, not a number of at least 1", parameter="parallel")
    rows = read_rows(source)
    prompts = _render(kernel, rows, template)
    return kernel.ask_rows(
        rows,
        prompts,
        options,
        parallel=parallel,
        max_cost=max_cost,
        fresh=fresh,
        show=_choose_show(progress, kernel.settings.display),
    )


def _choose_show(progress: bool | None, display: str) -> Callable[[Progress], None]:
    """Return what shows the progress: as `%%cnai --over` does in a kernel, else on the standard error.

    Where that is no terminal, a few lines are written, if they are wanted: None leaves them out.
    """
    if progress is not None and not isinstance(progress, bool):
        raise InputError(f"progress is {progress!r:.60}, not True, False or None", parameter="progress")
    if progress is False:
        return _show_nothing
    if "IPython" in sys.modules:
        from ..display.rows import choose_progress_view

        if view := choose_progress_view(display):
            return view.show
    if sys.stderr is None:
        return _show_nothing
    if sys.stderr.isatty():
        return ProgressLine(sys.stderr).show
    return ProgressLines(sys.stderr).show if progress else _show_nothing


def _show_nothing(progress: Progress) -> None:
    """Show nothing."""


def _render(kernel: KernelSession, rows: Sequence[Any], template: str | None) -> Sequence[str]:
    if template is not None:
        learn_secrets(os.environ)
    return render_rows(rows, template, {}, kernel.settings.value_tokens, on_remark=kernel.notify)
