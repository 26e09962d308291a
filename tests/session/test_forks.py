"""A child that is forked while another thread holds a lock must not wait for it for ever."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from cnai_magic import Session
from cnai_magic.api.http import Cancellation
from cnai_magic.demo import ngram
from tests.servers import KEY, PATIENCE, ScriptedServer, sse


def forked(work: Callable[[], bool]) -> int:
    """Do the work in a forked child, which a signal ends if it hangs; return how it exited."""
    child = os.fork()
    if not child:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(int(PATIENCE))
        try:
            os._exit(0 if work() else 1)
        except BaseException:  # noqa: BLE001  the child must never run on in the tests
            os._exit(2)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def held(lock: AbstractContextManager[object]) -> Callable[[], None]:
    """Hold a lock in another thread; call what is returned to let it go."""
    taken, let_go = threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            taken.set()
            let_go.wait(PATIENCE)

    thread = threading.Thread(target=hold, daemon=True)
    thread.start()
    assert taken.wait(PATIENCE)

    def end() -> None:
        let_go.set()
        thread.join(PATIENCE)

    return end


@pytest.mark.filterwarnings("ignore:This process.*is multi-threaded:DeprecationWarning")
def test_a_child_asks_though_the_locks_of_a_session_were_held_at_the_fork() -> None:
    with ScriptedServer() as server:
        server.always(sse("four"))
        session = Session(base_url=server.base_url, model="m", ledger="off")
        session.use_key(KEY)
        ends = [held(session._kernel._recorder.lock.current), held(session._kernel.servers._lock.current)]
        try:
            assert forked(lambda: session.ask("2 + 2?").text == "four") == 0
        finally:
            for end in ends:
                end()
        assert session.ask("2 + 2?").text == "four"


@pytest.mark.filterwarnings("ignore:This process.*is multi-threaded:DeprecationWarning")
def test_a_child_neither_waits_for_the_exchange_of_its_parent_nor_trains_behind_it() -> None:
    exchange = Cancellation()
    ends = [held(exchange._lock), held(ngram._training)]
    try:
        assert forked(lambda: exchange.release() is False and ngram.load_model() is not None) == 0
    finally:
        for end in ends:
            end()
