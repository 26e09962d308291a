"""Asks for rows from plain Python, with a line of progress in a terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

from ..chat.answers import Answers
from ..chat.formatters import learn_secrets
from ..errors import InputError
from ..session.batches.row_progress import ProgressLine
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
    progress: bool,
) -> Answers:
    """Ask for the rows of a source; see `Session.map`."""
    check_text(template, "template")
    if parallel is not None and (type(parallel) is not int or parallel < 1):
        raise InputError(f"parallel is {parallel!r}, not a number of at least 1", parameter="parallel")
    rows = read_rows(source)
    prompts = _render(kernel, rows, template)
    line = ProgressLine(sys.stderr) if progress and sys.stderr is not None and sys.stderr.isatty() else None
    try:
        return kernel.ask_rows(
            rows,
            prompts,
            options,
            parallel=parallel,
            max_cost=max_cost,
            fresh=fresh,
            show=line.show if line else lambda progress: None,
        )
    finally:
        if line is not None:
            line.end()


def _render(kernel: KernelSession, rows: Sequence[Any], template: str | None) -> Sequence[str]:
    if template is not None:
        learn_secrets(os.environ)
    return render_rows(rows, template, {}, kernel.settings.value_tokens, on_remark=kernel.notify)
