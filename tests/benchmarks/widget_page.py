"""What a page receives and does while one cell runs: its websocket's messages, its tasks, its frames."""

from __future__ import annotations

import base64
import json
import time
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

from jupyter_server.services.kernels.connection.base import deserialize_msg_from_ws_v1
from playwright.sync_api import Browser

from tests.browser.pages import NotebookPage

__all__ = ["Figures", "Phase", "measure"]

PATIENCE = 180.0
"""Seconds after which a cell that does not end fails the benchmark."""

_TASK = "ThreadControllerImpl::RunTask"
_TEXTS = ("text", "reasoning", "value", "text/markdown", "text/plain")

# A reader who follows the end, four times a second; and the times of all frames.
_WATCH = """() => {
  const times = window.frameTimes = [];
  const panel = document.querySelector('.jp-WindowedPanel-outer');
  const frame = () => {
    times.push(performance.now());
    if (times.length % 15 === 0) panel.scrollTop = 1e9;
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
}"""

# Drawn is all of it when the frames come in time again.
_UNTIL_CALM = """() => new Promise(resolve => {
  let last = performance.now(), calm = 0, since = last;
  const frame = () => {
    const now = performance.now();
    if (now - last > 40) { calm = 0; since = now } else calm += 1;
    last = now;
    if (calm >= 15) resolve(since); else requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
})"""


@dataclass(frozen=True)
class _Message:
    at: float
    channel: str
    kind: str
    frame: int
    """Bytes of the frame: envelope and content."""
    content: Any


class _Task(NamedTuple):
    at: float
    took: float
    cpu: float


@dataclass
class Phase:
    """A part of the answer's time; `text` counts the bytes of the answer in its messages, each time again."""

    frames: int = 0
    messages: int = 0
    text: int = 0
    tasks: list[_Task] = field(default_factory=list)
    intervals: list[float] = field(default_factory=list)

    @property
    def busy(self) -> float:
        return sum(task.took for task in self.tasks)

    @property
    def busy_cpu(self) -> float:
        return sum(task.cpu for task in self.tasks)

    @property
    def longest(self) -> float:
        return max((task.took for task in self.tasks), default=0.0)

    @property
    def longest_cpu(self) -> float:
        """The most that a task worked: the rest of a longer one was spent without a processor."""
        return max((task.cpu for task in self.tasks), default=0.0)

    @property
    def p95_frame(self) -> float:
        ordered = sorted(self.intervals)
        return ordered[int(0.95 * (len(ordered) - 1))] if ordered else 0.0


@dataclass(frozen=True)
class Figures:
    """While it streams; from there until all is drawn; how long after the kernel the page was done."""

    stream: Phase
    final: Phase
    behind: float


def measure(browser: Browser, notebook: NotebookPage, cell: int) -> Figures:
    """Run a cell and measure until the page has drawn what came of it."""
    page = notebook.page
    session = page.context.new_cdp_session(page)
    received: list[dict[str, Any]] = []
    session.on("Network.webSocketFrameReceived", lambda frame: received.append(frame))
    session.send("Network.enable")
    session.send("Performance.enable")
    metrics = {each["name"]: each["value"] for each in session.send("Performance.getMetrics")["metrics"]}
    origin = metrics["NavigationStart"]
    page.evaluate(_WATCH)
    browser.start_tracing(page=page, categories=["toplevel"])
    notebook.run_cell(cell)
    messages: list[_Message] = []
    taken = 0
    limit = time.monotonic() + PATIENCE
    # Nothing is asked of the page meanwhile: it would have to work for its answer.
    while not any(map(_is_reply, messages)):
        page.wait_for_timeout(200)
        messages += _messages(received[taken:])
        taken = len(received)
        if time.monotonic() > limit:
            raise TimeoutError("the cell does not end")
    drawn = origin + page.evaluate(_UNTIL_CALM) / 1000
    times = [origin + each / 1000 for each in page.evaluate("() => frameTimes")]
    trace = browser.stop_tracing()
    messages += _messages(received[taken:])
    session.detach()

    [reply] = filter(_is_reply, messages)
    assert reply.content["status"] == "ok", reply.content
    begin = messages[0].at
    end = next((each.at for each in messages if _is_end(each)), None)
    split = end if end is not None else drawn
    stream, final = Phase(), Phase()
    for each in messages:
        phase = final if each.at >= split or each.at > reply.at else stream
        phase.frames += each.frame
        phase.messages += 1
        phase.text += _text(each.content)
    for task in _tasks(trace):
        if begin <= task.at <= drawn:
            phase = stream if task.at < split else final
            phase.tasks.append(task)
    for before, after in pairwise(times):
        if begin <= before and after <= drawn:
            (stream if after < split else final).intervals.append(after - before)
    return Figures(stream, final, max(0.0, drawn - reply.at))


def _messages(received: list[dict[str, Any]]) -> list[_Message]:
    """Return the messages of a kernel in these frames; other sockets send text."""
    found = []
    for each in received:
        if each["response"]["opcode"] != 2:
            continue
        frame = base64.b64decode(each["response"]["payloadData"])
        channel, parts = deserialize_msg_from_ws_v1(frame)
        header, content = json.loads(parts[0]), json.loads(parts[3])
        found.append(_Message(each["timestamp"], channel, header["msg_type"], len(frame), content))
    return found


def _is_reply(message: _Message) -> bool:
    """Tell whether a cell has ended; what the extension asks the kernel beside it has expressions."""
    return message.kind == "execute_reply" and not message.content.get("user_expressions")


def _is_end(message: _Message) -> bool:
    data = message.content.get("data") or {}
    return message.kind == "comm_msg" and (data.get("content") or {}).get("kind") == "ended"


def _text(content: Any) -> int:
    """Count the bytes of the answer's text in a message, wherever it carries it."""
    if not isinstance(content, dict):
        return 0
    return sum(
        len(value.encode()) if name in _TEXTS and isinstance(value, str) else _text(value)
        for name, value in content.items()
    )


def _tasks(trace: bytes) -> list[_Task]:
    """Return the tasks of the page's main thread, in seconds; its renderer is the one that works the most."""
    events = json.loads(trace)["traceEvents"]
    tasks: dict[tuple[int, int], list[_Task]] = {
        (each["pid"], each["tid"]): []
        for each in events
        if each["name"] == "thread_name" and each["args"]["name"] == "CrRendererMain"
    }
    for each in events:
        thread = each.get("pid"), each.get("tid")
        if each["name"] == _TASK and thread in tasks:
            times = (each.get(name, 0) / 1e6 for name in ("ts", "dur", "tdur"))
            tasks[thread].append(_Task(*times))
    return _outermost(max(tasks.values(), key=lambda found: sum(task.took for task in found)))


def _outermost(tasks: list[_Task]) -> list[_Task]:
    found: list[_Task] = []
    over = 0.0
    for task in sorted(tasks):
        if task.at >= over:
            found.append(task)
            over = task.at + task.took
    return found
