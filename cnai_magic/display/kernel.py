"""How messages of the page reach a kernel whose main thread is busy with the answer.

With ipykernel 7 and JupyterLab 4.4 a comm message is handled on a subshell's thread. Elsewhere it waits
until the cell has ended, and the page interrupts the kernel instead, where Stop was pressed. A page that was
reloaded sends its messages on the control channel. Everything that uses ipykernel's private parts is in this
module; where one of them is missing, Stop is an ordinary interrupt.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = [
    "BusyReport",
    "address_subshell",
    "can_display_below",
    "displayed_below",
    "find_kernel_id",
    "get_request",
    "is_of_widget",
    "is_stop_queued",
    "list_opened_comms",
    "list_queued",
    "read_comms_on_control",
    "wait_until_settled",
]

# Seconds to wait for the page; only one that was closed lets all of them pass.
_PATIENCE = 5.0
# Seconds between two reports that the kernel is busy.
_BUSY_EVERY = 1.0


def get_request(shell: Any) -> dict[str, Any]:
    """Return the message that asked the kernel to run the cell; empty outside of a kernel."""
    kernel = getattr(shell, "kernel", None)
    # The shell of Pyodide's kernel has none.
    found = getattr(shell, "parent_header", None) or getattr(kernel, "_parent_header", None)
    return found if isinstance(found, dict) else {}


def is_of_widget(request: Mapping[str, Any]) -> bool:
    """Tell whether a message is of a widget, and so runs no cell."""
    return bool(request.get("header", {}).get("msg_type") == "comm_msg")


def list_opened_comms(shell: Any) -> list[str]:
    """Return the IDs of the comms that code of the kernel has opened, as each widget does."""
    comms = getattr(getattr(getattr(shell, "kernel", None), "comm_manager", None), "comms", {})
    return [name for name, comm in [*comms.items()] if getattr(comm, "primary", True)]


def can_display_below(shell: Any) -> bool:
    """Tell whether outputs can go below another cell than the one that runs: not in Pyodide's kernel."""
    return hasattr(shell.display_pub, "register_hook")


@contextmanager
def displayed_below(shell: Any, request: Mapping[str, Any]) -> Iterator[None]:
    """Let what this thread displays be below the cell that a message asked to run, where it can be."""
    if not can_display_below(shell):
        yield
        return

    def move(message: dict[str, Any]) -> dict[str, Any]:
        return {**message, "parent_header": request["header"]}

    shell.display_pub.register_hook(move)
    try:
        yield
    finally:
        shell.display_pub.unregister_hook(move)


def find_kernel_id(shell: Any) -> str:
    """Return the ID of the kernel, by which the page can interrupt it; "" where it is unknown."""
    connection = str(shell.config.get("IPKernelApp", {}).get("connection_file", ""))
    name = Path(connection).stem
    return name.removeprefix("kernel-") if name.startswith("kernel-") else ""


def read_comms_on_control(shell: Any) -> None:
    """Let the kernel take messages to widgets on its control channel too, which has a thread of its own."""
    kernel = getattr(shell, "kernel", None)
    handlers = getattr(kernel, "control_handlers", None)
    receive = getattr(getattr(kernel, "comm_manager", None), "comm_msg", None)
    if isinstance(handlers, dict) and receive is not None:
        handlers.setdefault("comm_msg", receive)


def address_subshell(widget: Any) -> None:
    """Let the page's messages to a widget go to the subshell that they are addressed to.

    ipykernel 7.4 sends them to the shell that last wrote to the comm: the main one, which is busy. Call this
    after each message to the page.
    """
    for each in (widget, widget.layout):
        if each.comm is not None:
            vars(each.comm).pop("_reply_subshell_id", None)


class BusyReport:
    """Says again and again that the kernel is busy.

    Each message of the page is handled beside the cell, and its end is reported as "idle", which JupyterLab
    takes for the end of the cell.
    """

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._next = 0.0

    def send(self) -> None:
        """Say it, once a second at most, on the thread of the cell."""
        publish = getattr(getattr(self._shell, "kernel", None), "_publish_status", None)
        if publish is not None and time.monotonic() >= self._next:
            self._next = time.monotonic() + _BUSY_EVERY
            publish("busy", "shell", get_request(self._shell))


def is_stop_queued(shell: Any, widget: Any) -> bool:
    """Tell whether a Stop of this widget is in the queue of an ipykernel 6.

    If so, the interrupt that has just come is the page's own, sent because Stop was not acknowledged.
    """
    return _is_queued(shell, widget, "stop")


def wait_until_settled(shell: Any, widget: Any) -> None:
    """Wait until the page, whose Stop was not handled before the end, says that no interrupt will follow.

    It may have sent one already, which must not interrupt the next cell.
    """
    limit = time.monotonic() + _PATIENCE
    while not _is_queued(shell, widget, "settled") and time.monotonic() < limit:
        time.sleep(0.01)


def list_queued(shell: Any, widget: Any) -> list[dict[str, Any]]:
    """Return the messages of the page to this widget that are in the queue of an ipykernel 6, in order."""
    kernel = shell.kernel
    stream, queue = getattr(kernel, "shell_stream", None), getattr(kernel, "msg_queue", None)
    queued = getattr(queue, "_queue", None)
    if stream is None or queued is None or widget.comm is None:
        return []
    stream.flush()
    identifier = widget.comm.comm_id
    read = (_read_message(kernel.session, arguments, identifier) for _, _, arguments in list(queued))
    return [each for each in read if each is not None]


def _is_queued(shell: Any, widget: Any, kind: str) -> bool:
    return any(each.get("kind") == kind for each in list_queued(shell, widget))


def _read_message(session: Any, arguments: tuple[Any, ...], comm_id: str) -> dict[str, Any] | None:
    """Return the message of the page to this comm that the arguments of a queued call are, None for none."""
    if not arguments or not isinstance(arguments[0], list):
        return None
    _, frames = session.feed_identities(arguments[0], copy=False)
    # Not deserialize(): the session takes a message that it has deserialized before for a replay.
    content = session.unpack(frames[4].bytes)
    data = content.get("data", {}) if content.get("comm_id") == comm_id else {}
    message = data.get("content") if data.get("method") == "custom" else None
    return message if isinstance(message, dict) else None
