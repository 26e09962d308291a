"""Answers in a terminal: text as it arrives, then the footer."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import TextIO

from ..api.retries import Notice
from ..chat.attempt import Attempt
from ..chat.reply import Reply
from ..errors import InputError
from ..languages import translate
from ..redaction import clean
from ..session.question import Question
from ..session.view import Batch, View

__all__ = ["TerminalView", "write_notice"]


class TerminalView(View):
    """Writes the answer to standard output while it comes, then its footer.

    With `alone`, for an answer outside of a notebook, the footer is about it alone and goes to standard
    error: a pipe gets the answer and nothing else, and of one that is to be JSON, the JSON alone. Model
    output is untrusted: what is written is clean. Styles are used on a terminal only.
    """

    is_saved = False

    def __init__(self, *, alone: bool = False) -> None:
        self._alone = alone
        self._waiting = ""
        self._shown = 0
        self._thinking = False
        self._ends_line = True
        self._waits_for_data = False

    def begin(self, question: Question, stop: Callable[[], None]) -> None:
        """Show nothing yet."""
        asks_json = question.request.schema is not None
        self._waits_for_data = self._alone and asks_json and not sys.stdout.isatty()

    def update(self, batch: Batch) -> None:
        """Write what arrived."""
        if batch.notice is not None:
            self._take_notice(batch.notice)
        if self._waits_for_data:
            return
        if batch.aside:
            self._write_call(clean(batch.aside))
        if batch.reasoning:
            self._thinking = True
            self._write(_dim(clean(batch.reasoning), sys.stdout))
        if batch.text:
            text = clean(batch.text)
            if self._thinking:
                self._thinking = False
                self._write("\n\n")
            shown = text if self._shown else text.lstrip("\n")
            self._shown += len(text)
            self._write(shown)

    def _write_call(self, words: str) -> None:
        """Write a call, or its result, on a line of its own: the function may print between them."""
        if not self._ends_line:
            self._write("\n")
        # What was shown before is not the answer: another one follows.
        self._shown, self._thinking = 0, False
        self._write(f"{_dim(words.strip(), sys.stdout)}\n")

    def _take_notice(self, notice: Notice) -> None:
        if notice.kind == "repair":
            # What was shown is not the answer: another one follows.
            if not self._ends_line:
                self._write("\n")
            self._shown, self._thinking = 0, False
        self._write_aside(write_notice(notice))

    def end(self, attempt: Attempt) -> None:
        """Write what was not shown yet, then the footer."""
        reply = attempt.reply
        rest = clean(reply.text)[self._shown :]
        if self._waits_for_data:
            self._waits_for_data = False
            rest = rest if reply.failed else clean(_write_data(reply))
        if rest:
            self.update(Batch(rest))
        if not self._ends_line:
            self._write("\n")
        self._write_aside("")
        to = sys.stderr if self._alone else sys.stdout
        footer = translate(reply.summary if self._alone else reply.footer)
        print(f"\n{_dim(footer, to)}", file=to, flush=True)

    def fail(self, attempt: Attempt | None) -> None:
        """Write the footer of the part that arrived."""
        self._write_aside("")
        if attempt is not None:
            self.end(attempt)
        elif not self._ends_line:
            self._write("\n")

    def is_stopping(self) -> bool:
        """Return False: an interrupt is the person's own here."""
        return False

    def _write(self, text: str) -> None:
        if text:
            self._write_aside("")
            self._ends_line = text.endswith("\n")
            sys.stdout.write(text)
            sys.stdout.flush()

    def _write_aside(self, line: str) -> None:
        """Say what is waited for: on a terminal in one line that is replaced, elsewhere once."""
        before, self._waiting = self._waiting, line
        if sys.stderr.isatty():
            if before or line:
                sys.stderr.write(f"\r\x1b[K{line}")
                sys.stderr.flush()
        elif line and not before:
            print(line, file=sys.stderr, flush=True)


_WAITS = {
    "prices": "waiting for the server's prices, which the budget needs",
    "repair": "that is not the JSON that was asked for: asking once more",
    "holds": "waiting for other questions that hold the rest of the budget",
}


def write_notice(notice: Notice) -> str:
    """Say what is being waited for."""
    if notice.kind == "retry" and notice.error is not None:
        return translate(f"{notice.error.what}; trying again in {notice.seconds:.0f} s")
    return translate(_WAITS.get(notice.kind, "queued at the server"))


def _write_data(reply: Reply) -> str:
    """Return the JSON of an answer without what stands around it."""
    try:
        return json.dumps(reply.data, ensure_ascii=False, indent=2)
    except InputError:
        return reply.text  # it was stopped


def _dim(text: str, to: TextIO) -> str:
    return f"\x1b[2m{text}\x1b[22m" if to.isatty() else text
