"""How Stop reaches a kernel whose main thread is busy with the answer.

With ipykernel 7 and JupyterLab 4.4 a comm message is handled on a subshell's thread. Elsewhere it waits
until the cell has ended, and the page interrupts the kernel instead. All that is not public in ipykernel
is here, and guarded: where it is missing, Stop is an interrupt like any other.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

__all__ = ["asked_to_stop", "kernel_id", "let_comm_be_heard", "wait_until_settled"]

# Seconds; only a page that has gone away lets all of them pass.
_PATIENCE = 5.0


def kernel_id(shell: Any) -> str:
    """Return the ID of the kernel, by which the page can interrupt it; "" where it is not known."""
    connection = str(shell.config.get("IPKernelApp", {}).get("connection_file", ""))
    name = Path(connection).stem
    return name.removeprefix("kernel-") if name.startswith("kernel-") else ""


def let_comm_be_heard(widget: Any) -> None:
    """Let the page's messages to a widget go to the subshell that they are addressed to.

    ipykernel 7.4 sends them to the shell that last wrote to the comm: the main one, which is busy.
    """
    for each in (widget, widget.layout):
        if each.comm is not None:
            vars(each.comm).pop("_reply_subshell_id", None)


def asked_to_stop(shell: Any, widget: Any) -> bool:
    """Tell whether a Stop for this widget waits in the queue of an ipykernel 6.

    Then the interrupt that has just come is the page's own, sent because nobody answered. The messages
    stay in the queue, in their order.
    """
    return _waits(shell, widget, "stop")


def wait_until_settled(shell: Any, widget: Any) -> None:
    """Wait until the page, whose Stop was not heard before the end, says that no interrupt will follow.

    It may have sent one already, and that must not meet the next cell.
    """
    limit = time.monotonic() + _PATIENCE
    while not _waits(shell, widget, "settled") and time.monotonic() < limit:
        time.sleep(0.01)


def _waits(shell: Any, widget: Any, kind: str) -> bool:
    """Tell whether such a message of this widget's page waits in the queue of an ipykernel 6."""
    kernel = shell.kernel
    stream, queue = getattr(kernel, "shell_stream", None), getattr(kernel, "msg_queue", None)
    waiting = getattr(queue, "_queue", None)
    if stream is None or waiting is None or widget.comm is None:
        return False
    stream.flush()
    identifier = widget.comm.comm_id
    return any(_is(kind, kernel.session, arguments, identifier) for _, _, arguments in list(waiting))


def _is(kind: str, session: Any, arguments: tuple[Any, ...], comm_id: str) -> bool:
    if not arguments or not isinstance(arguments[0], list):
        return False
    _, frames = session.feed_identities(arguments[0], copy=False)
    # Not deserialize(): a message that was deserialized once is taken for a replay the second time.
    content = session.unpack(frames[4].bytes)
    data = content.get("data", {}) if content.get("comm_id") == comm_id else {}
    return bool(data.get("method") == "custom" and data.get("content", {}).get("kind") == kind)
