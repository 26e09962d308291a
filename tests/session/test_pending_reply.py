"""What a question is charged for, whatever becomes of it, and what it waits for before it is sent."""

from __future__ import annotations

import os
import select
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cnai_magic.errors import BudgetError, CnaiError, InvalidRequestError, ResponseTimeout
from cnai_magic.money.cost import Charge
from cnai_magic.session.kernel_session import KernelSession
from cnai_magic.session.question import Options, Question
from cnai_magic.session.view import Batch
from tests.money.test_spending import PROMPT, TOKEN, locked, set_day_budget, unlock, usd_of
from tests.servers import (
    CLOSE,
    PATIENCE,
    RESET,
    SILENCE,
    ScriptedServer,
    Step,
    Tell,
    Wait,
    answer,
    completion,
    failure,
    head,
    http_chunk,
    json_response,
    sse,
)
from tests.session.test_kernel_session import Watcher, begun


def _total(session: KernelSession, **options: Any) -> int | None:
    """Ask, and return what the notebook had spent then, the answer included."""
    session.ask("a", **options)
    assert session.latest_attempt is not None
    return session.latest_attempt.total.nano


def rows(session: KernelSession) -> list[Charge]:
    assert session.ledger is not None
    return list(session.ledger.read_charges())


def lines(session: KernelSession) -> list[str]:
    return session.lines  # type: ignore[attr-defined, no-any-return]


class Seen(Watcher):
    """Does something when the question waits."""

    def __init__(self, kind: str, work: Callable[[], object]) -> None:
        super().__init__()
        self._kind, self._work = kind, work

    def update(self, batch: Batch) -> None:
        super().update(batch)
        if batch.notice is not None and batch.notice.kind == self._kind:
            self._work()


_NOTHING: list[Step] = [head(Transfer_Encoding="chunked"), b"0\r\n\r\n"]


# -- one row per request that was sent ------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "rows_of_first"),
    [
        ([CLOSE], 1),
        ([RESET], 1),
        (_NOTHING, 1),
        (failure(429, "rate_limit_exceeded", Retry_After=0), 0),
        (failure(500, "server_error"), 0),
        (failure(503, "model_overloaded"), 0),
        (failure(504, "gateway_timeout"), 1),
    ],
)
def test_each_request_is_a_row_unless_it_was_refused(
    server: ScriptedServer, make: Callable[..., KernelSession], first: list[Step], rows_of_first: int
) -> None:
    session = make(retries=2)
    server.reply(first)
    server.reply(first)
    server.reply(sse("yes", tokens=(20, 8)))
    try:
        reply_id = session.ask("a").id
    except CnaiError:
        # What may have been generated is not asked for twice.
        assert len(server.requests) == 1
        assert len(rows(session)) == rows_of_first
        return
    assert len(server.requests) == 3
    *lost, kept = rows(session)
    assert len(lost) == 2 * rows_of_first
    assert (kept.id, kept.usage.total_tokens, kept.finish_reason) == (reply_id, 28, "stop")
    assert all(row.usage.estimated and row.finish_reason == "failed" for row in lost)
    assert [row.id for row in rows(session)] == [charge.id for charge in session.book.charges]


def test_a_stream_option_that_is_refused_costs_nothing(
    server: ScriptedServer, make: Callable[..., KernelSession]
) -> None:
    session = make()
    server.reply(failure(400, "invalid_request_error", "stream_options is not supported"))
    server.reply(sse("yes"))
    session.ask("a")
    assert len(server.requests) == 2
    assert [row.finish_reason for row in rows(session)] == ["stop"]


class Interrupting(Watcher):
    """Presses Ctrl-C once the server has the request."""

    def __init__(self, asked: threading.Event) -> None:
        super().__init__()
        main = threading.main_thread().ident
        assert main is not None

        def press() -> None:
            if asked.wait(PATIENCE):
                signal.pthread_kill(main, signal.SIGINT)

        self._thread = threading.Thread(target=press, daemon=True)

    def begin(self, question: Question, stop: Callable[[], None] | None) -> None:
        super().begin(question, stop)
        self._thread.start()


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="signals of POSIX")
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("headers", [[], [head(Transfer_Encoding="chunked")]])
def test_an_interrupt_while_the_server_works_leaves_a_charge(
    server: ScriptedServer, make: Callable[..., KernelSession], stream: bool, headers: list[Step]
) -> None:
    session, asked = make(), threading.Event()
    server.reply(headers, Tell(asked), SILENCE)
    view = Interrupting(asked)
    with pytest.raises(KeyboardInterrupt):
        session.ask("a long question", Options(stream=stream), view=view)
    (row,) = rows(session)
    assert (row.finish_reason, row.usage.completion_tokens) == ("interrupted", 0)
    assert row.usage.estimated
    assert row.usage.prompt_tokens > 0
    assert [attempt.reply.finish_reason for attempt in view.ended] == ["interrupted"]


@pytest.mark.parametrize("stream", [True, False])
def test_a_time_out_leaves_a_charge(
    server: ScriptedServer, make: Callable[..., KernelSession], stream: bool
) -> None:
    session = make(timeout=0.2)
    server.reply(SILENCE)
    with pytest.raises(ResponseTimeout):
        session.ask("a", Options(stream=stream))
    (row,) = rows(session)
    assert (row.finish_reason, row.usage.estimated) == ("failed", True)


def test_what_is_not_sent_leaves_no_row(make: Callable[..., KernelSession]) -> None:
    session = make(base_url="http://127.0.0.1:9/v1", retries=1)
    with pytest.raises(CnaiError):
        session.ask("a")
    assert rows(session) == session.book.charges == []


# -- thinking that passes max_tokens --------------------------------------------------------------


def test_thinking_that_passes_max_tokens_is_told_once_and_held_for_from_then_on(
    server: ScriptedServer, make: Callable[..., KernelSession]
) -> None:
    server.always(json_response(completion("yes", (20, 500))))
    session = make(budget=usd_of(10_000))
    for _ in range(2):
        session.ask("a", Options(once=True, stream=False, parameters={"max_tokens": 100}))
    (line,) = lines(session)
    assert "m at 127.0.0.1 counted 500 tokens where max_tokens was 100" in line
    assert "hold 400 tokens more" in line
    # The next needs its prompt, one token of answer, and 400 of thinking.
    session.settings.budget = usd_of(2 * 520 + PROMPT + 400)
    with pytest.raises(BudgetError, match="400 tokens of thinking included"):
        session.ask("a", Options(stream=False))
    session.settings.budget = usd_of(2 * 520 + PROMPT + 401)
    session.ask("a", Options(stream=False))
    assert server.requests[-1].json()["max_tokens"] == 1


@pytest.mark.parametrize("day", [True, False])
def test_thinking_is_remembered_for_the_kernels_to_come(
    server: ScriptedServer, make: Callable[..., KernelSession], day: bool
) -> None:
    server.always(json_response(completion("yes", (20, 500))))
    make().ask("a", Options(stream=False, parameters={"max_tokens": 100}))
    later = make(budget=None if day else usd_of(PROMPT + 400))
    if day:
        set_day_budget(later, 520 + PROMPT + 400)
    with pytest.raises(BudgetError):
        later.ask("a", Options(stream=False))
    assert lines(later) == []


@pytest.mark.parametrize("completion_tokens", [99, 100, 101, 110])
def test_an_end_that_is_counted_otherwise_is_no_thinking(
    server: ScriptedServer, make: Callable[..., KernelSession], completion_tokens: int
) -> None:
    server.reply(json_response(completion("yes", (20, completion_tokens))))
    session = make(budget=usd_of(10_000))
    session.ask("a", Options(stream=False, parameters={"max_tokens": 100}))
    assert lines(session) == []


@pytest.mark.parametrize(
    ("message", "sent"),
    [
        ("max_tokens must be less than or equal to 4096", [8192, 4096]),
        ("Range of max_tokens should be [1, 2048]", [8192, 2048]),
        ("This model supports at most 4,096 completion tokens, max_tokens was 8192", [8192, 4096]),
        ("max_tokens is too large", [8192, 4096]),
        ("Invalid max_tokens value, the valid range of max_tokens is [1, 8000]", [8192, 8000]),
    ],
)
def test_a_limit_of_the_budget_that_the_model_refuses_is_lowered(
    server: ScriptedServer, make: Callable[..., KernelSession], message: str, sent: list[int]
) -> None:
    server.reply(failure(400, "invalid_parameter_error", message))
    server.always(sse("yes", tokens=(20, 8)))
    session = make(budget=1)
    assert session.ask("a").text == "yes"
    session.ask("b")
    assert [request.json()["max_tokens"] for request in server.requests] == [*sent, sent[-1]]
    assert len(rows(session)) == 2


def test_a_limit_of_the_person_that_the_model_refuses_is_an_error(
    server: ScriptedServer, make: Callable[..., KernelSession]
) -> None:
    server.reply(failure(400, "invalid_parameter_error", "max_tokens must be at most 4096"))
    session = make(budget=1)
    with pytest.raises(InvalidRequestError):
        session.ask("a", Options(parameters={"max_tokens": 9000}))
    assert rows(session) == []


# -- what others hold -----------------------------------------------------------------------------


@pytest.mark.parametrize("kernels", [1, 2])
def test_a_question_waits_a_little_for_what_others_hold(
    server: ScriptedServer, make: Callable[..., KernelSession], kernels: int
) -> None:
    first = make(max_tokens=8)
    second = first if kernels == 1 else make(max_tokens=8)
    if kernels == 1:
        first.settings.budget = usd_of(PROMPT + 28 + 10)
    else:
        set_day_budget(first, PROMPT + 28 + 10)
    asked, go_on = threading.Event(), threading.Event()
    server.reply(head(Transfer_Encoding="chunked"), Tell(asked), Wait(go_on), _pieces("yes"))
    server.reply(sse("yes", tokens=(20, 8)))
    thread = threading.Thread(target=lambda: first.ask("a", Options(once=True)))
    thread.start()
    assert asked.wait(PATIENCE)

    assert second.ask("a", Options(once=True), view=Seen("holds", go_on.set)).text == "yes"
    thread.join(PATIENCE)
    assert go_on.is_set()
    assert len(rows(first)) == 2


def _pieces(text: str) -> list[bytes]:
    return [*map(http_chunk, answer(text, tokens=(20, 8))), b"0\r\n\r\n"]


# -- a ledger that another process has locked -----------------------------------------------------


def test_what_a_locked_ledger_did_not_take_is_written_in_the_background(
    server: ScriptedServer, make: Callable[..., KernelSession], tmp_path: Path
) -> None:
    server.always(sse("yes", tokens=(20, 8)))
    session = make()
    session.notebook = "/report.ipynb"
    session.ask("a")
    connection = locked(tmp_path / "ledger.sqlite3")
    # The total goes on counting, from what is read and what waits.
    assert [_total(session) for _ in range(3)] == [n * 28 * TOKEN for n in (2, 3, 4)]
    assert len(rows(session)) == 1
    unlock(connection)
    _wait_for_the_writer(session)
    assert len(rows(session)) == 4
    assert _total(session) == 5 * 28 * TOKEN
    assert len(lines(session)) == 1


def test_a_hold_waits_a_little_for_a_lock(
    server: ScriptedServer, make: Callable[..., KernelSession], tmp_path: Path
) -> None:
    server.always(sse("yes", tokens=(20, 8)))
    session = make()
    set_day_budget(session, 10_000)
    connection = locked(tmp_path / "ledger.sqlite3")
    held = [connection]
    view = Seen("holds", lambda: unlock(held.pop()) if held else None)
    assert session.ask("a", view=view).text == "yes"
    assert len(rows(session)) == 1


def test_an_interrupt_ends_the_wait_for_a_lock_at_once(
    server: ScriptedServer, make: Callable[..., KernelSession], tmp_path: Path
) -> None:
    session = make()
    set_day_budget(session, 10_000)
    connection = locked(tmp_path / "ledger.sqlite3")
    view = Seen("holds", lambda: signal.raise_signal(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        session.ask("a", view=view)
    unlock(connection)
    assert server.requests == []
    assert session.ledger is not None
    assert session.ledger.day.read_left("money") == 10_000 * TOKEN


# -- prices are looked up beside the question -----------------------------------------------------

_LIST = {"data": [{"model_name": "m", "model_ratio": 0.5, "completion_ratio": 1}]}


def test_a_price_list_that_says_nothing_keeps_neither_question_nor_answer_waiting(
    server: ScriptedServer, make: Callable[..., KernelSession]
) -> None:
    listed = threading.Event()
    server.pricing = [Wait(listed), *json_response(_LIST)]
    server.reply(sse("yes", tokens=(20, 8)))
    session = make(prices={})
    reply = session.ask("a")
    # The answer is there although the list is not.
    assert (reply.text, str(reply.cost)) == ("yes", "unpriced")
    assert session.book.get_total().unpriced_requests == 1
    listed.set()
    _wait_for_the_writer(session)
    assert session.book.get_total().nano == 28 * TOKEN
    assert [row.cost.nano for row in rows(session)] == [28 * TOKEN]
    assert session.book.get_total().unpriced_requests == 0


def test_a_price_list_that_comes_is_used(server: ScriptedServer, make: Callable[..., KernelSession]) -> None:
    server.pricing = _LIST
    server.reply(sse("yes", tokens=(20, 8)))
    assert make(prices={}).ask("a").cost.nano == 28 * TOKEN


def test_with_a_budget_the_price_is_waited_for_where_that_is_shown(
    server: ScriptedServer, make: Callable[..., KernelSession]
) -> None:
    listed = threading.Event()
    server.pricing = [Wait(listed), *json_response(_LIST)]
    server.reply(sse("yes", tokens=(20, 8)))

    def give() -> None:
        assert server.requests == []
        listed.set()

    assert make(prices={}, budget=usd_of(1000)).ask("a", view=Seen("prices", give)).cost.nano == 28 * TOKEN


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="signals of POSIX")
def test_an_interrupt_ends_the_wait_for_a_price(
    server: ScriptedServer, make: Callable[..., KernelSession]
) -> None:
    asked = threading.Event()
    server.pricing = [Tell(asked), SILENCE]
    session = make(prices={}, budget=1)
    view = Interrupting(asked)
    with pytest.raises(KeyboardInterrupt):
        session.ask("a", view=view)
    assert server.requests == []
    assert (view.ended, view.failed) == ([], [None])
    assert session.spending.get_status(session.budget, demo=False) == (10**9, 0, 0)


def test_a_question_that_is_only_prepared_asks_no_server(
    server: ScriptedServer, make: Callable[..., KernelSession], monkeypatch: pytest.MonkeyPatch
) -> None:
    make(prices={}).prepare("a")
    assert (server.requests, server.lookups) == ([], [])
    from cnai_magic.gateway import embedded as gateway

    monkeypatch.setattr(gateway, "start_embedded", lambda: pytest.fail("the gateway was started"))
    assert make(base_url="demo", model="", prices={}).prepare("a").demo


def _wait_for_the_writer(session: KernelSession) -> None:
    """Wait until the thread that writes into the ledger in the background has nothing left to write."""
    thread = session.spending.pending._thread
    assert thread is not None
    assert thread.wait(PATIENCE), "it still writes"


# -- the total of a notebook ----------------------------------------------------------------------


def test_the_total_of_a_notebook_is_that_of_the_ledger_in_all_its_kernels(
    server: ScriptedServer, make: Callable[..., KernelSession]
) -> None:
    server.always(sse("yes", tokens=(20, 8)))
    one, other = make(), make()
    one.notebook = other.notebook = "/report.ipynb"
    elsewhere = make()
    elsewhere.notebook = "/other.ipynb"
    for session in (one, other, elsewhere, one):
        session.ask("a", Options(once=True))
        assert session.ledger is not None
        assert session.latest_attempt is not None
        total = session.latest_attempt.total
        assert (
            total
            == session.ledger.read_total(notebook=session.notebook)
            == session.spending.notebook(session.notebook, demo=False)
        )
    assert total.nano == 3 * 28 * TOKEN
    # A kernel begun anew knows of it too, before and with its first answer.
    late = make()
    late.notebook = "/report.ipynb"
    view = Watcher()
    assert _total(late, view=view) == 4 * 28 * TOKEN
    assert view.question is not None
    assert view.question.spent.nano == 3 * 28 * TOKEN


def test_without_a_ledger_the_total_is_what_this_kernel_knows(
    server: ScriptedServer, make: Callable[..., KernelSession]
) -> None:
    server.always(sse("yes", tokens=(20, 8)))
    session = make(ledger="off")
    session.notebook = "/report.ipynb"
    assert [_total(session) for _ in range(2)] == [28 * TOKEN, 2 * 28 * TOKEN]


def test_a_request_is_in_the_journal_until_it_is_in_the_ledger(
    server: ScriptedServer, make: Callable[..., KernelSession], tmp_path: Path
) -> None:
    session = make()
    server.reply([*begun("so far"), SILENCE])
    seen: list[str] = []

    def look(view: Watcher) -> None:
        (journal,) = tmp_path.glob("*-owners/*")
        seen.append(journal.read_text())
        assert view.stop is not None
        view.stop()

    session.ask("a", view=Watcher(look))
    assert '"open"' in seen[0]
    (journal,) = tmp_path.glob("*-owners/*")
    assert journal.read_text() == ""


def test_what_a_notebook_s_outputs_tell_is_not_counted_beside_the_ledger(
    server: ScriptedServer, make: Callable[..., KernelSession]
) -> None:
    server.always(sse("yes", tokens=(20, 8)))
    session = make()
    session.notebook = "/report.ipynb"
    session.ask("a")
    later = make()
    later.notebook = "/report.ipynb"
    later.book.restore(session.book.charges)
    assert _total(later) == 2 * 28 * TOKEN


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks of POSIX")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_that_is_forked_while_the_accounts_are_locked_asks_on(
    server: ScriptedServer, make: Callable[..., KernelSession]
) -> None:
    server.always(sse("yes", tokens=(20, 8)))
    session = make()
    session.ask("a")
    inside, go_on = threading.Event(), threading.Event()

    def hold_the_locks() -> None:
        spending = session.spending
        with spending._lock, spending.pending._writing, spending.budget._lock:
            inside.set()
            go_on.wait(PATIENCE)

    thread = threading.Thread(target=hold_the_locks)
    thread.start()
    assert inside.wait(PATIENCE)
    told, tell = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(tell, session.ask("b").text.encode())
        os._exit(0)
    go_on.set()
    thread.join(PATIENCE)
    answered, _, _ = select.select([told], [], [], PATIENCE)
    if not answered:
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(tell)
    assert answered, "the child hangs"
    assert os.read(told, 9) == b"yes"
    os.close(told)
    assert len(rows(session)) == 2


# -- the bound of a prompt ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prompt", "most_per_character"),
    [
        ("When does the ferry leave? " * 20, 0.9),
        ("渡轮几点开？" * 50, 1.5),
        ("フェリーはいつ出ますか。" * 50, 1.6),
    ],
)
def test_a_prompt_is_held_for_at_what_its_script_may_cost(
    server: ScriptedServer, make: Callable[..., KernelSession], prompt: str, most_per_character: float
) -> None:
    server.reply(sse("yes", tokens=(20, 8)))
    session = make(budget=usd_of(int(len(prompt) * most_per_character) + PROMPT))
    session.ask(prompt)
    assert server.requests[0].json()["max_tokens"] >= 1


def test_a_prompt_that_may_cost_more_than_there_is_is_refused(make: Callable[..., KernelSession]) -> None:
    with pytest.raises(BudgetError):
        make(budget=usd_of(300)).ask("渡轮几点开？" * 50)
