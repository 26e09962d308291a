"""Answers in a terminal: text as it arrives, then the footer."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TextIO

from ..client import Notice
from ..reply import Reply
from ..safety import strip_controls
from ..session import Question
from ..stream import Batch

__all__ = ["TerminalView", "notice_line"]


class TerminalView:
    """Writes the answer to standard output while it comes, and the footer to `footer_to` (standard output).

    Model output is untrusted: control sequences are taken out. Styles are used on a terminal only.
    """

    def __init__(self, *, footer_to: TextIO | None = None) -> None:
        self._footer_to = footer_to
        self._shown = 0
        self._thinking = False
        self._ends_line = True

    def begin(self, question: Question, stop: Callable[[], None] | None) -> None:
        """Show nothing yet."""

    def update(self, batch: Batch) -> None:
        """Write what arrived."""
        if batch.notice is not None:
            self._aside(notice_line(batch.notice))
        if batch.reasoning:
            self._thinking = True
            self._write(_dim(strip_controls(batch.reasoning), sys.stdout))
        if batch.text:
            text = strip_controls(batch.text)
            if self._thinking:
                self._thinking = False
                self._write("\n\n")
            if not self._shown:
                text = text.lstrip("\n")
            self._shown += len(batch.text)
            self._write(text)

    def end(self, reply: Reply) -> None:
        """Write what was not shown yet, then the footer."""
        if self._shown < len(reply.text):
            self.update(Batch(reply.text[self._shown :]))
        if not self._ends_line:
            self._write("\n")
        footer_to = self._footer_to or sys.stdout
        print(f"\n{_dim(reply.footer, footer_to)}", file=footer_to, flush=True)

    def fail(self, reply: Reply | None) -> None:
        """Write the footer of the part that arrived."""
        if reply is not None:
            self.end(reply)
        elif not self._ends_line:
            self._write("\n")

    def stopping(self) -> bool:
        """Return False: an interrupt is the person's own here."""
        return False

    def _write(self, text: str) -> None:
        if text:
            self._ends_line = text.endswith("\n")
            sys.stdout.write(text)
            sys.stdout.flush()

    def _aside(self, line: str) -> None:
        """Write a line about the waiting, which the next one replaces on a terminal."""
        if sys.stderr.isatty():
            sys.stderr.write(f"\r\x1b[K{line}")
            sys.stderr.flush()


def notice_line(notice: Notice) -> str:
    """Say what is being waited for."""
    if notice.kind == "retry" and notice.error is not None:
        return f"{notice.error.what}; trying again in {notice.seconds:.0f} s"
    return "queued at the server"


def _dim(text: str, to: TextIO) -> str:
    return f"\x1b[2m{text}\x1b[22m" if to.isatty() else text
