"""Compared answers while they come: columns of one widget, each with a Stop, replaced by a table at the end.

All that is new goes to the page in one message, as often as the progress is shown: four times a second at
most. Of a single answer each column has the messages; see `frontend/README.md`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import uuid4

from IPython.display import display

from ..api.parameters import format_parameter
from ..api.tokens import TokenCount
from ..languages import get_language, translate
from ..redaction import clean, to_one_line
from ..session.batches.batch_view import BatchView, Column
from ..session.batches.row_progress import Progress
from ..session.beginning import JoinedText
from ..session.reply_reader import ArrivingReply, NewText
from . import is_redirected, is_watched
from .kernel import BusyReport, address_subshell, list_queued
from .line import Recorded
from .page_widget import SNAPSHOTS, PageWidget, open_page_widget
from .rows import RowsView, choose_progress_view, choose_rows_view
from .shown_comparison import ShownComparison
from .shown_rows import ShownRows

__all__ = ["choose_columns_view"]

_Message = dict[str, Any]


class _ColumnsWidgetView(RowsView):
    """Shows the columns in a widget, and the table in its place."""

    def __init__(self, shell: Any) -> None:
        super().__init__()
        self.display_id = uuid4().hex
        self._shell = shell
        self._widget: PageWidget | None = None
        self._busy = BusyReport(shell)
        self._columns: list[_ShownColumn] = []
        # The page is heard on a thread of its own.
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._snapshots = list(SNAPSHOTS)
        self._retried: Progress | None = None
        self._retry_view: BatchView | None = None

    def begin(self, columns: Sequence[Column]) -> None:
        """Show the widget, with all columns waiting."""
        several = any(each.sample > 1 for each in columns)
        self._columns = [_ShownColumn(each, several=several) for each in columns]
        header = {
            "columns": [each.heading for each in self._columns],
            "language": get_language(),
        }
        widget = self._widget = open_page_widget(self._shell, header)
        widget.on_msg(self._receive)
        view, _ = widget._repr_mimebundle_() or ({}, {})
        coming = "1 answer is coming …" if len(columns) == 1 else f"{len(columns)} answers are coming …"
        shown = {**view, "text/plain": translate(coming)}
        display(shown, raw=True, display_id=self.display_id)  # type: ignore[no-untyped-call]
        address_subshell(widget)

    def show(self, progress: Progress) -> None:
        """Send what is new of all columns, or how far what follows them is: they are judged."""
        widget = self._widget
        if widget is None:
            self._show_retry(progress)
            return
        self._busy.send()
        if progress.what:
            widget.send({"kind": "afterwards", "line": clean(translate(progress.write()))})
            address_subshell(widget)
            return
        for message in list_queued(self._shell, widget):
            self._stop(widget, message)
        with self._lock:
            news = [(index, each) for index, column in enumerate(self._columns) for each in column.read()]
            self._send(widget, news)
        if self._snapshots and time.monotonic() - self._began >= self._snapshots[0]:
            self._snapshots.pop(0)
            self._send_snapshot(widget)

    def end(self, shown: ShownRows | ShownComparison) -> None:
        """Replace the widget by what stays."""
        widget = self._widget
        if widget is not None:
            widget.send({"kind": "ended"})
        data, about = Recorded.of(shown)._repr_mimebundle_()
        display(data, metadata=about, raw=True, display_id=self.display_id, update=widget is not None)  # type: ignore[no-untyped-call]
        if widget is not None:
            widget.remove()
            self._widget = None

    def _show_retry(self, progress: Progress) -> None:
        """Show how far those are that are asked again, mostly from another cell."""
        if progress is not self._retried:
            self._retried, self._retry_view = progress, choose_progress_view("auto")
        if self._retry_view is not None:
            self._retry_view.show(progress)

    def _receive(self, _: object, message: _Message, buffers: object) -> None:
        """Act on a message of the page, perhaps on a thread of its own while the answers are read."""
        widget = self._widget
        if widget is None:
            return
        if message.get("kind") in ("resync", "ready"):
            self._send_snapshot(widget)
        else:
            self._stop(widget, message)
        address_subshell(widget)

    def _stop(self, widget: PageWidget, message: _Message) -> None:
        """Stop the column that a message of the page names, if it is that."""
        index = message.get("column")
        if message.get("kind") != "stop" or type(index) is not int or not 0 <= index < len(self._columns):
            return
        live = self._columns[index].live
        if not live.stopped:
            live.stop()
            self._send(widget, [(index, {"kind": "stopping"})])

    def _send(self, widget: PageWidget, news: Sequence[tuple[int, _Message]]) -> None:
        if news:
            widget.send({"kind": "columns", "messages": news})
            address_subshell(widget)

    def _send_snapshot(self, widget: PageWidget) -> None:
        with self._lock:
            columns = [list(each.repeat()) for each in self._columns]
            widget.send_snapshot({"seq": 0, "text": "", "reasoning": "", "columns": columns})
        address_subshell(widget)


class _ShownColumn:
    """What the page was sent of one answer."""

    def __init__(self, column: Column, *, several: bool) -> None:
        self.live = column.live
        self._question = column.question
        varied = [f"{name} {format_parameter(value)}" for name, value in column.varied.items()]
        sample = [translate(f"sample {column.sample}")] if several else []
        self.heading = {
            "number": column.number,
            "model": to_one_line(column.question.request.model),
            "varied": to_one_line(" · ".join([*varied, *sample])),
        }
        self._begin(column.live.arriving)
        self._sent = 0
        self._status: _Message = {}
        self._progress: _Message = {}
        self._ended: _Message = {}

    def _begin(self, arriving: ArrivingReply) -> None:
        self._arriving = arriving
        self._new = NewText(arriving)
        self._beginning = self._question.request.prefix or ""
        self._joined = JoinedText(self._beginning) if self._beginning else None
        self._texts: list[str] = []
        self._reasonings: list[str] = []
        self._tokens, self._reasoning_tokens = TokenCount(), TokenCount()

    def read(self) -> Iterator[_Message]:
        """Yield what is new."""
        if self._ended:
            return
        live = self.live
        over = live.over
        if live.arriving is not self._arriving:
            had = bool(self._texts)
            self._begin(live.arriving)
            if had:  # it is asked again
                self._sent += 1
                yield self._write_snapshot()
        text, reasoning = self._new.read(ended=over)
        if text or reasoning or over:
            self._count(text, reasoning)
            if (shown := self._join(text, ended=over)) or reasoning:
                yield self._write_delta(shown, reasoning)
        status = self._write_status()
        if status != self._status:
            self._status = status
            yield status
        if self._texts or over:
            self._progress = self._write_progress()
            yield self._progress
        if over or (live.stopped and not live.seconds):
            self._ended = self._write_end()
            yield self._ended

    def _count(self, text: str, reasoning: str) -> None:
        for each in (text, reasoning):
            self._tokens.add(each)
        self._reasoning_tokens.add(reasoning)

    def _join(self, text: str, *, ended: bool) -> str:
        """Return what a piece of the answer adds to its beginning, which stands before the first one."""
        joined, exact = self._joined, self.live.prefix_taken
        if joined is None:
            return text
        shown = joined.feed(text, exact=exact) if text else ""
        if ended:
            shown += joined.rest(exact=exact)
        if text and self._beginning:
            shown, self._beginning = self._beginning + shown, ""
        return shown

    def repeat(self) -> Iterator[_Message]:
        """Yield all that was sent, for a page that begins to look."""
        yield self._write_snapshot()
        yield from filter(None, (self._status, self._progress, self._ended))

    def _write_snapshot(self) -> _Message:
        text, reasoning = "".join(self._texts), "".join(self._reasonings)
        return {"kind": "snapshot", "seq": self._sent, "text": text, "reasoning": reasoning}

    def _write_delta(self, text: str, reasoning: str) -> _Message:
        self._texts.append(text)
        self._reasonings.append(reasoning)
        self._sent += 1
        return {"kind": "delta", "seq": self._sent, "text": text, "reasoning": reasoning}

    def _write_status(self) -> _Message:
        notice = self.live.notice
        if notice is None:
            return {"kind": "status", "phase": "streaming"}
        why = translate(clean(notice.error.what)) if notice.error else ""
        phase = "retry" if notice.kind == "repair" else notice.kind
        return {"kind": "status", "phase": phase, "seconds": notice.seconds, "why": why}

    def _write_progress(self) -> _Message:
        """Return how far it is; at the end what the server reported, while it comes an estimate."""
        live, received = self.live, self.live.received
        first = live.first_token_after
        if received is None:
            tokens, thinking = self._tokens.tokens, self._reasoning_tokens.tokens
            _, cost, _ = self._question.estimate(tokens, thinking)
            seconds = live.seconds
        else:
            tokens, thinking = received.usage.completion_tokens, received.usage.reasoning_tokens
            cost, seconds = received.cost, received.seconds
        streamed = seconds - (first or 0.0)
        return {
            "kind": "progress",
            "tokens": tokens,
            "thinking": thinking,
            "rate": round(tokens / streamed, 1) if first is not None and streamed > 0 else 0,
            "cost": translate(cost.write(demo=self._question.demo)),
            "footer": "",
            "first": first,
            "seconds": round(seconds, 1),
        }

    def _write_end(self) -> _Message:
        live = self.live
        error, received = live.error, live.received
        problem = "" if error is None else clean(str(error))
        stopped = live.stopped and (received is None or received.finish_reason == "stopped")
        return {"kind": "ended", "footer": "", "problem": problem, "stopped": stopped}


def choose_columns_view(shell: Any, setting: str) -> RowsView:
    """Return what shows compared answers; see `choose_rows_view`."""
    if setting == "widget" or (setting == "auto" and is_watched(shell)):
        return RowsView() if is_redirected(shell) else _ColumnsWidgetView(shell)
    return choose_rows_view(shell, setting)
