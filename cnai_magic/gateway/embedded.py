"""The gateway: a small server of the same API, embedded in the kernel or stand-alone.

aiohttp is imported by the first call of `start_embedded` or `serve`, and not before.
"""

from __future__ import annotations

import atexit
import contextlib
import math
import os
import secrets
import string
import threading
from typing import TYPE_CHECKING

from ..api.pyodide import IN_PYODIDE
from ..api.worker import run_in_worker
from ..errors import CnaiError, InputError
from ..next_steps import change_setting
from ..redaction import ApiKey

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence

    from ..api.in_process import Transport
    from .charges import Settlement
    from .in_process import InProcessGateway

__all__ = ["EmbeddedGateway", "serve", "start_embedded"]

_ALPHABET = string.ascii_letters + string.digits
_GRACE = 0.1
_PATIENCE = 30.0


class EmbeddedGateway:
    """A gateway in a daemon thread of this process, on a free port of 127.0.0.1, with a random key.

    `base_url` ends in `/v1`; `key` is the key that it accepts, `charges` what that key was charged. Requests
    reach it over its socket, and not by a `transport`.
    """

    transport: Transport | None = None

    def __init__(self, tokens_per_second: float) -> None:
        from . import server
        from .charges import Account

        self.key = _new_key()
        self._account = Account()
        self._pid = os.getpid()
        self._closing = False
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        app = server.make_app(self.key, tokens_per_second=tokens_per_second, account=self._account)
        self._listener = server.bind("127.0.0.1", 0)
        self.base_url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/v1"

        def work() -> None:
            try:
                server.run(app, self._listener, self._begin, grace=_GRACE)
            except BaseException as exc:  # noqa: BLE001 - raised again in the thread that waits
                self._failure = exc
            finally:
                self._listener.close()
                self._ready.set()

        self._thread = threading.Thread(target=work, name="cnai-gateway", daemon=True)
        self._thread.start()
        if not self._ready.wait(_PATIENCE) or self._failure is not None:
            raise CnaiError(
                "the embedded gateway did not start",
                next_step="ask another server: " + change_setting("base_url", "https://HOST/v1"),
            ) from self._failure

    @property
    def charged(self) -> int:
        """What its answers cost since it started, in nano-USD of demo credit."""
        return self._account.charged

    @property
    def charges(self) -> list[Settlement]:
        """What each of its latest 10,000 answers cost; an answer is listed before its end is sent."""
        return self._account.settlements

    @property
    def running(self) -> bool:
        """Whether it serves in this process: a fork has the object but not the thread."""
        return self._pid == os.getpid() and not self._closing and self._thread.is_alive()

    def close(self) -> None:
        """End the streams under way, the thread and the socket; a second call does nothing.

        It remains the gateway of this process until the next one is started.
        """
        # In a thread where no interrupt is raised, so that an interrupted close still ends.
        run_in_worker(self.end)

    def end(self) -> None:
        """Close it, in this thread."""
        if self._pid != os.getpid():
            return
        self._closing = True
        if self._loop is not None and self._stop is not None and self._thread.is_alive():
            # The loop may end between the check and the call.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(_PATIENCE)

    def abandon(self) -> None:
        """Close, in the child of a fork, the copy of the parent's socket."""
        self._listener.close()

    def _begin(self, loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
        self._loop, self._stop = loop, stop
        self._ready.set()


_lock = threading.Lock()
_current: EmbeddedGateway | InProcessGateway | None = None


def start_embedded(tokens_per_second: float = 80) -> EmbeddedGateway | InProcessGateway:
    """Return the gateway of this process, started by the first call.

    `tokens_per_second` is the pace of streamed demo answers, 0 for as fast as possible; only the
    call that starts the gateway uses it. Raises CnaiError where it cannot be started.
    """
    _check_pace(tokens_per_second)
    found = _current
    if found is not None and found.running:
        return found
    # In a thread where no interrupt is raised: an interrupt here could leak a running gateway. A start
    # under way is finished, and the next call returns its gateway.
    given_up: list[bool] = []
    return run_in_worker(lambda: _start_once(tokens_per_second, given_up), lambda: given_up.append(True))


def serve(
    host: str = "127.0.0.1",
    port: int = 8787,
    key: ApiKey | None = None,
    tokens_per_second: float = 80,
    allow_origins: Sequence[str] = (),
) -> None:
    """Serve until SIGINT or SIGTERM, for `cnai serve`.

    Prints the base URL, and the key where none was given, once it listens; port 0 takes a free one. Web
    pages of `allow_origins` may use it. Raises InputError where it cannot listen there.
    """
    from . import server

    _check_pace(tokens_per_second)
    server.serve_until_signal(
        host,
        port,
        key or _new_key(),
        show_key=not key,
        tokens_per_second=tokens_per_second,
        allow_origins=allow_origins,
    )


def _new_key() -> ApiKey:
    return ApiKey("sk-" + "".join(secrets.choice(_ALPHABET) for _ in range(48)))


def _check_pace(tokens_per_second: float) -> None:
    if not (tokens_per_second >= 0 and math.isfinite(tokens_per_second)):
        raise InputError(
            f"the pace is {tokens_per_second!r} tokens per second",
            parameter="tokens_per_second",
            why="it is a number of at least 0",
        )


def _start_once(tokens_per_second: float, given_up: list[bool]) -> EmbeddedGateway | InProcessGateway:
    global _current
    with _lock:
        if given_up:
            raise CnaiError("the start of the embedded gateway was interrupted")
        if _current is None or not _current.running:
            if _current is not None:
                _current.end()  # which may be under way
            _current = _start(tokens_per_second)
        return _current


def _start(tokens_per_second: float) -> EmbeddedGateway | InProcessGateway:
    if IN_PYODIDE:
        from .in_process import InProcessGateway

        return InProcessGateway(_new_key(), tokens_per_second)
    return EmbeddedGateway(tokens_per_second)


@atexit.register
def _close_at_exit() -> None:
    if _current is not None:
        _current.end()


def _reset_after_fork() -> None:
    """Reset the child of a fork: its thread is gone, and its lock may never be released."""
    global _lock, _current
    _lock = threading.Lock()
    if _current is not None:
        _current.abandon()
        _current = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_after_fork)
