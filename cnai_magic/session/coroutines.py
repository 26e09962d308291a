"""Waits for what an async function returns, where the caller is not async.

The event loop of a kernel does not go on while a cell's question is answered, so the function runs in a loop
of its own, in a thread of its own. What belongs to another loop (a client that a cell made with `await`) does
not work there; what the function makes itself does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from typing import TypeVar

from ..api.worker import run_in_worker

__all__ = ["run_coroutine"]

_Result = TypeVar("_Result")


def run_coroutine(awaitable: Awaitable[_Result]) -> _Result:
    """Return what comes of an awaitable; an interrupt cancels it, and is raised here."""
    running: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[_Result]]] = []

    async def wait() -> _Result:
        task = asyncio.current_task()
        assert task is not None, "asyncio runs this as a task"
        running.append((asyncio.get_running_loop(), task))
        try:
            return await awaitable
        except asyncio.CancelledError as exc:
            # To its caller that is a failure like any other, and no reason to stop.
            raise RuntimeError("it was cancelled") from exc

    def cancel() -> None:
        for loop, task in running:
            with suppress(RuntimeError):  # the loop may have ended by now
                loop.call_soon_threadsafe(task.cancel)

    return run_in_worker(partial(copy_context().run, asyncio.run, wait()), cancel)
