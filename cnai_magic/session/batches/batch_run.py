"""Waits for a batch in the caller's thread: writes its charges, shows its progress, and ends it on Ctrl-C."""

from __future__ import annotations

import time
from collections.abc import Callable

from ...api.interrupts import Interrupted, defer_interrupts
from ...api.pyodide import IN_PYODIDE
from ...api.worker import Worker
from ...errors import InputError
from ...money.spending import Spending
from .batch import Batch

__all__ = ["PACE", "run_batch"]

PACE = 0.25
"""Seconds between two looks at how far it is. An interrupt does not wait for the next."""

# Seconds to wait for the end of what was interrupted.
_PATIENCE = 1.0


def run_batch(batch: Batch, spending: Spending, show: Callable[[float], None]) -> None:
    """Run a batch to its end; `show` is called with its seconds so far.

    An interrupt is raised here, once what was under way is charged. Raises InputError in a browser (Pyodide).
    """
    if IN_PYODIDE:
        raise InputError(
            "many rows cannot be asked in a browser",
            why="they are asked side by side, and a page has no connections for that",
            next_step="ask them one by one, or in a kernel outside of the browser",
        )
    worker = Worker(batch.run)
    began = time.monotonic()
    try:
        worker.start()
        ended = False
        while not ended:
            ended = worker.wait(PACE)
            with defer_interrupts():
                spending.write()
                show(time.monotonic() - began)
    except BaseException as error:
        batch.cancel()
        worker.wait(_PATIENCE)
        with defer_interrupts():
            spending.write()
        if isinstance(error, KeyboardInterrupt):
            raise Interrupted from None
        raise
    if worker.error is not None:
        raise worker.error
