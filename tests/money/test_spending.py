"""Budgets that hold and a ledger that may fail: real sessions, a real server, real files and processes."""

from __future__ import annotations

import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

from cnai_magic.api.tokens import estimate_tokens
from cnai_magic.chat.conversation import CellPosition
from cnai_magic.errors import BudgetError, CnaiError, InputError, LedgerError, ServerError
from cnai_magic.gateway import embedded as gateway
from cnai_magic.magics.cell_words import CELL
from cnai_magic.magics.spend import run_spend_command
from cnai_magic.money.cost import Spend
from cnai_magic.money.ledger import Ledger, find_default_path
from cnai_magic.redaction import ApiKey
from cnai_magic.session.kernel_session import KernelSession
from cnai_magic.session.question import Options
from cnai_magic.settings import Cnai
from tests.forked_kernels.process import Process, start_python
from tests.options import options_of
from tests.servers import (
    CLOSE,
    KEY,
    PATIENCE,
    SILENCE,
    ScriptedServer,
    Tell,
    Trickle,
    Wait,
    completion,
    delta,
    event,
    failure,
    head,
    http_chunk,
    json_response,
    sse,
)
from tests.session.test_kernel_session import Watcher, begun

# A token costs 1,000 nano-USD, so that budgets can be read as tokens.
TOKEN = 1000
PROMPT = 33
"""Tokens that are held for the question "a": its byte, and what a template may add."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite3"


@pytest.fixture
def make(
    server: ScriptedServer, path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., KernelSession]]:
    """Return a function that makes a session, as a kernel of its own would have it."""
    monkeypatch.setenv("CNAI_API_KEY", KEY)
    made: list[KernelSession] = []

    def session(**settings: Any) -> KernelSession:
        usual = {"base_url": server.base_url, "model": "m", "retries": 0, "timeout": PATIENCE}
        usual |= {"ledger": str(path), "prices": {"m": (1, 1), "free": (0, 0)}}
        made.append(KernelSession(Cnai(**{**usual, **settings})))
        return made[-1]

    yield session
    for each in made:
        each.close()
        if each.ledger is not None:
            each.ledger.close()


def usd_of(tokens: int) -> str:
    """Return what so many tokens cost, as a person types it."""
    return f"{tokens * TOKEN / 10**9:.9f}"


def left(session: KernelSession) -> int | None:
    """Return the tokens that the kernel's budget leaves."""
    status = session.spending.get_status(session.budget, demo=False)
    return None if status is None else status.left // TOKEN


def left_today(session: KernelSession) -> int | None:
    """Return the tokens that the day's budget leaves."""
    assert session.ledger is not None
    nano = session.ledger.day.read_left("money")
    return None if nano is None else nano // TOKEN


def set_day_budget(session: KernelSession, tokens: int) -> None:
    assert session.ledger is not None
    session.ledger.day.set_limit(tokens * TOKEN)


def make_impatient(session: KernelSession) -> None:
    """Let the ledger wait for no other writer."""
    assert session.ledger is not None
    session.ledger._store.patience = 0.05
    session.ledger.close()


def ask_until_refused(session: KernelSession, **options: Any) -> None:
    with suppress(BudgetError):
        while True:
            session.ask("a", options_of({"once": True, **options}))


def limits_sent(server: ScriptedServer) -> list[int | None]:
    return [request.json().get("max_tokens") for request in server.requests]


# -- before a question is sent ------------------------------------------------------------------


def test_a_question_that_does_not_fit_is_not_sent_and_says_what_is_left_and_what_to_do(
    server: ScriptedServer, make: Callable[..., KernelSession]
) -> None:
    session = make(budget=usd_of(PROMPT))
    with pytest.raises(BudgetError) as caught:
        session.ask("a")
    assert server.requests == []
    assert caught.value.why == "it may cost $0.000034 and more, and $0.000033 is left"
    assert "%cnai_spend --budget USD" in caught.value.next_step.at(CELL)
    assert "--once" in caught.value.next_step.at(CELL)
    assert session.book.charges == []
    assert left(session) == PROMPT


def test_a_question_of_which_one_token_can_be_answered_is_sent(
    server: ScriptedServer, make: Callable[..., KernelSession]
) -> None:
    server.reply(json_response(completion("yes", (PROMPT, 1))))
    session = make(budget=usd_of(PROMPT + 1))
    session.ask("a", Options(stream=False))
    assert limits_sent(server) == [1]
    assert left(session) == 0


@pytest.mark.parametrize(("asked", "sent"), [(None, 100), (7, 7), (100, 100), (500, 100)])
@pytest.mark.parametrize("stream", [True, False])
def test_max_tokens_is_lowered_to_what_is_left_and_never_raised(
    server: ScriptedServer, make: Callable[..., KernelSession], asked: int | None, sent: int, stream: bool
) -> None:
    server.reply(sse("yes") if stream else json_response(completion("yes")))
    reply = make(budget=usd_of(PROMPT + 100)).ask(
        "a", Options(stream=stream, parameters={"max_tokens": asked})
    )
    assert limits_sent(server) == [sent]
    assert reply.parameters == {"max_tokens": sent}


def test_what_an_answer_costs_is_taken_from_the_next(
    server: ScriptedServer, make: Callable[..., KernelSession]
) -> None:
    server.always(sse("yes", tokens=(20, 8)))
    session = make(budget=usd_of(PROMPT + 100))
    for _ in range(3):
        session.ask("a", Options(once=True))
    assert limits_sent(server) == [100, 72, 44]
    session.ask("a", position=CellPosition("cell"))
    with pytest.raises(BudgetError):
        session.ask("a", position=CellPosition("cell"))
    assert session.book.get_total().nano == 4 * 28 * TOKEN


@pytest.mark.parametrize("stream", [True, False])
def test_a_limit_is_sent_however_much_is_left(
    server: ScriptedServer, make: Callable[..., KernelSession], stream: bool
) -> None:
    server.reply(sse("yes") if stream else json_response(completion("yes")))
    make(budget=usd_of(PROMPT + 10**6)).ask("a", Options(stream=stream))
    assert limits_sent(server) == [8192]


def test_without_a_budget_no_limit_is_sent_and_none_is_needed(
    server: ScriptedServer, make: Callable[..., KernelSession]
) -> None:
    server.always(sse("yes"))
    session = make()
    session.ask("a")
    session.ask("b", Options(model="unpriced"))
    assert limits_sent(server) == [None, None]
    assert left(session) is None


@pytest.mark.parametrize(("options", "off"), [((1, None), "--budget off"), ((None, 1), "--budget-day off")])
def test_a_model_without_a_price_is_refused_and_says_how_to_set_one(
    server: ScriptedServer,
    make: Callable[..., KernelSession],
    options: tuple[int | None, int | None],
    off: str,
) -> None:
    server.pricing = {"data": [{"model_name": "another", "model_ratio": 1, "completion_ratio": 1}]}
    session = make(budget=options[0])
    if options[1]:
        set_day_budget(session, 10**6)
    with pytest.raises(BudgetError) as caught:
        session.ask("a", Options(model="new-model"))
    assert server.requests == []
    assert "new-model has no price" in caught.value.what
    assert "%cnai_spend --price new-model INPUT OUTPUT" in caught.value.next_step.at(CELL)
    assert caught.value.next_step.at(CELL).endswith(off)
    server.reply(sse("yes"))
    list(run_spend_command(session, "--price new-model 1 1"))
    session.ask("a", Options(model="new-model"))


def test_a_model_that_costs_nothing_is_asked_whatever_is_left(
    server: ScriptedServer, make: Callable[..., KernelSession]
) -> None:
    server.always(sse("yes", tokens=(20, 8)))
    session = make()
    session.ask("a")
    # Less than what was spent.
    session.settings.budget = 0
    set_day_budget(session, 0)
    session.ask("b", Options(model="free"))
    assert limits_sent(server) == [None, None]
    session.settings.prices = {**session.settings.prices, "free": (0, 1)}
    with pytest.raises(BudgetError):
        session.ask("c", Options(model="free"))


def test_a_budget_that_is_lowered_below_what_was_spent_leaves_nothing(
    server: ScriptedServer, make: Callable[..., KernelSession]
) -> None:
    server.reply(sse("yes"))
    session = make(budget=1)
    session.ask("a")
    session.settings.budget = usd_of(5)
    with pytest.raises(BudgetError, match=r"and \$0\.00 is left: \$0\.000028 was spent"):
        session.ask("a")
    assert left(session) == 5 - 28
    session.settings.budget = None
    server.reply(sse("yes"))
    session.ask("a")


@pytest.mark.parametrize(("value", "nano"), [("0.1", 10**8), (0.1, 10**8), ("0.3", 3 * 10**8), ("", None)])
def test_a_budget_is_the_exact_amount_that_was_written(
    make: Callable[..., KernelSession], monkeypatch: pytest.MonkeyPatch, value: str | float, nano: int | None
) -> None:
    assert make(budget=value).budget == nano
    monkeypatch.setenv("CNAI_BUDGET", str(value))
    assert make().budget == nano


def test_three_tenths_are_spent_to_the_last_nano_usd(
    server: ScriptedServer, make: Callable[..., KernelSession]
) -> None:
    # In floats 0.1 + 0.1 + 0.1 is more than 0.3.
    server.always(sse("yes", tokens=(10**5 - 1, 1)))
    session = make(budget="0.3")
    for _ in range(3):
        session.ask("a", Options(once=True))
    assert left(session) == 0


@pytest.mark.parametrize("value", ["lots", "nan", "inf", "-1", "1,5", "$5"])
def test_a_budget_that_is_no_amount_is_refused_before_anything_is_sent(
    server: ScriptedServer, make: Callable[..., KernelSession], monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("CNAI_BUDGET", value)
    with pytest.raises(InputError) as caught:
        make().ask("a")
    assert caught.value.parameter == "budget"
    assert server.requests == []


# -- while an answer comes ----------------------------------------------------------------------


def test_a_server_that_keeps_to_the_limit_ends_at_the_budget_and_the_footer_says_so(
    server: ScriptedServer, make: Callable[..., KernelSession]
) -> None:
    server.always(sse("so far", finish="length", tokens=(20, 100)))
    reply = make(budget=usd_of(PROMPT + 100)).ask("a")
    assert (reply.finish_reason, reply.usage.estimated) == ("budget", False)
    assert reply.footer.endswith("stopped at the budget")
    own = make(budget=usd_of(PROMPT + 100)).ask("a", Options(parameters={"max_tokens": 100}))
    assert own.footer.endswith("cut at max_tokens")


def test_a_server_that_ignores_the_limit_is_stopped_there(
    server: ScriptedServer, make: Callable[..., KernelSession]
) -> None:
    server.reply(head(Transfer_Encoding="chunked"), Trickle(http_chunk(event(delta("word ")))))
    session = make(budget=usd_of(PROMPT + 20))

    def give_up(view: Watcher) -> None:
        assert len(view.text) < 1000, "nobody stops it"

    reply = session.ask("a", view=Watcher(give_up))
    assert limits_sent(server) == [20]
    assert reply.finish_reason == "budget"
    assert reply.footer.endswith("stopped at the budget")
    assert reply.usage.estimated
    assert reply.usage.completion_tokens >= 20
    assert (left(session) or 0) >= 0
    assert session.conversations["main"].turns[0].reply.text == reply.text


def test_a_whole_answer_within_the_limit_is_complete_however_long_it_seems(
    server: ScriptedServer, make: Callable[..., KernelSession]
) -> None:
    server.reply(json_response(completion("x" * 1000, (20, 90))))
    reply = make(budget=usd_of(PROMPT + 100)).ask("a", Options(stream=False))
    assert (reply.finish_reason, reply.cost.nano, len(reply.text)) == ("stop", 110 * TOKEN, 1000)


class Gate(Watcher):
    """A view that lets the next piece of an answer come, and notes what the budget leaves meanwhile."""

    def __init__(self, session: KernelSession, gates: list[threading.Event]) -> None:
        super().__init__()
        self.left: list[int | None] = []
        self._session = session
        self._gates = iter(gates)

    def update(self, batch: Any) -> None:
        super().update(batch)
        self.left.append(left(self._session))
        next(self._gates).set()


PIECE = "abcde, " * 3_714
"""A piece of somewhat fewer than 8,192 tokens."""
assert 7_000 < estimate_tokens(PIECE) < 8_192


def piecewise(pieces: list[str], end: list[Any]) -> tuple[list[Any], list[threading.Event]]:
    """Return the steps of an answer of which each piece waits for the one before it to be shown."""
    gates = [threading.Event() for _ in pieces]
    steps: list[Any] = [head(Transfer_Encoding="chunked")]
    for piece, gate in zip(pieces, gates, strict=True):
        steps += [http_chunk(event(delta(piece))), Wait(gate)]
    return [*steps, *end], gates


def test_more_is_held_while_a_long_answer_comes_and_let_go_at_its_end(
    server: ScriptedServer, make: Callable[..., KernelSession]
) -> None:
    end = [http_chunk(each) for each in (event(delta(finish="stop")), event("[DONE]"))] + [b"0\r\n\r\n"]
    steps, gates = piecewise([PIECE, PIECE, PIECE, "x" * 100], end)
    server.reply(steps)
    session = make(budget=usd_of(PROMPT + 100_000))
    view = Gate(session, gates)
    reply = session.ask("a", view=view)
    assert reply.finish_reason == "stop"
    # 8,192 tokens are held at a time.
    assert view.left == [100_000 - held * 8192 for held in (1, 1, 2, 3)]
    assert left(session) == PROMPT + 100_000 - reply.usage.total_tokens


def test_a_long_answer_is_stopped_where_no_more_can_be_held(
    server: ScriptedServer, make: Callable[..., KernelSession]
) -> None:
    steps, gates = piecewise([PIECE] * 5, [SILENCE])
    server.reply(steps)
    session = make(budget=usd_of(PROMPT + 33_000))
    view = Gate(session, gates)
    reply = session.ask("a", view=view)
    assert limits_sent(server) == [8192]
    assert (reply.finish_reason, len(reply.text)) == ("budget", 5 * len(PIECE))
    # The last part that is held is what there was.
    assert view.left == [33_000 - held for held in (8192, 8192, 16_384, 24_576, 32_768)]
    assert left(session) == PROMPT + 33_000 - reply.usage.total_tokens


def test_what_another_holds_stops_a_long_answer_too(
    server: ScriptedServer, make: Callable[..., KernelSession]
) -> None:
    steps, gates = piecewise([PIECE] * 2, [SILENCE])
    server.reply(steps)
    session = make()
    set_day_budget(session, PROMPT + 40_000)
    assert session.ledger is not None

    class Greedy(Gate):
        def update(self, batch: Any) -> None:
            if not self.left:
                assert session.ledger is not None
                session.ledger.day.hold("money", (40_000 - 8192) * TOKEN)
            super().update(batch)

    reply = session.ask("a", view=Greedy(session, gates))
    assert (reply.finish_reason, len(reply.text)) == ("budget", 2 * len(PIECE))


def test_a_ledger_that_fails_stops_an_answer_for_which_more_must_be_held(
    server: ScriptedServer, make: Callable[..., KernelSession], path: Path
) -> None:
    steps, gates = piecewise([PIECE] * 2, [SILENCE])
    server.reply(steps)
    warnings: list[str] = []
    session = make()
    session.spending._notify = warnings.append
    set_day_budget(session, 10**6)

    class Breaking(Gate):
        def update(self, batch: Any) -> None:
            if not self.left:
                assert session.ledger is not None
                session.ledger.close()
                path.write_bytes(b"no ledger")
            super().update(batch)

    reply = session.ask("a", view=Breaking(session, gates))
    assert (reply.finish_reason, len(reply.text)) == ("budget", 2 * len(PIECE))
    assert session.book.get_total().nano == reply.cost.nano
    assert len(warnings) == 1


# -- what is held is let go ---------------------------------------------------------------------


def _interrupt(view: Watcher) -> None:
    raise KeyboardInterrupt


def _stop(view: Watcher) -> None:
    assert view.stop is not None
    view.stop()


def _break(view: Watcher) -> None:
    raise RuntimeError("the front end is gone")


@pytest.mark.parametrize(
    ("steps", "on_text", "error"),
    [
        (sse("yes"), None, None),
        (sse("yes", tokens=None), None, None),
        (failure(500), None, ServerError),
        (failure(403), None, CnaiError),
        ([CLOSE], None, CnaiError),
        ([head(Transfer_Encoding="chunked"), CLOSE], None, CnaiError),
        ([*begun("half"), CLOSE], None, CnaiError),
        ([*begun("half"), SILENCE], _interrupt, KeyboardInterrupt),
        ([*begun("half"), SILENCE], _stop, None),
        ([*begun("half"), SILENCE], _break, RuntimeError),
    ],
)
def test_however_an_answer_ends_only_its_cost_is_taken_from_the_budgets(
    server: ScriptedServer,
    make: Callable[..., KernelSession],
    steps: list[Any],
    on_text: Callable[[Watcher], None] | None,
    error: type[BaseException] | None,
) -> None:
    server.reply(steps)
    session = make(budget=usd_of(10_000))
    set_day_budget(session, 20_000)
    if error is None:
        session.ask("a", view=Watcher(on_text))
    else:
        with pytest.raises(error):
            session.ask("a", view=Watcher(on_text))
    spent = session.book.get_total().nano // TOKEN
    assert left(session) == 10_000 - spent
    assert left_today(session) == 20_000 - spent
    assert [charge.id for charge in session.book.charges] == [row.id for row in rows(session)]


def test_a_question_that_cannot_be_sent_holds_nothing(
    server: ScriptedServer, make: Callable[..., KernelSession]
) -> None:
    session = make(budget=usd_of(10_000))
    set_day_budget(session, 20_000)
    session.use_key(ApiKey(KEY))
    with pytest.raises(InputError, match="own API key"):
        session.ask(f"what is {KEY}?")
    assert (left(session), left_today(session)) == (10_000, 20_000)


def test_a_hold_that_cannot_be_let_go_is_let_go_when_the_ledger_works_again(
    server: ScriptedServer, make: Callable[..., KernelSession], path: Path
) -> None:
    server.reply(failure(500))
    session = make()
    set_day_budget(session, 20_000)
    make_impatient(session)

    class Locking(Watcher):
        def begin(self, *arguments: Any) -> None:
            locks.append(locked(path))

    locks: list[sqlite3.Connection] = []
    with pytest.raises(ServerError):
        session.ask("a", view=Locking())
    unlock(locks[0])
    assert left_today(session) == 20_000 - PROMPT - 8192
    server.reply(sse("yes"))
    session.ask("a")
    assert left_today(session) == 20_000 - 28


def test_another_ledger_chosen_meanwhile_gets_the_charge_and_the_first_its_hold_back(
    server: ScriptedServer, make: Callable[..., KernelSession], tmp_path: Path
) -> None:
    server.reply(sse("yes"))
    session = make()
    set_day_budget(session, 20_000)
    first = session.ledger
    assert first is not None

    def choose(view: Watcher) -> None:
        session.settings.ledger = str(tmp_path / "other.sqlite3")
        assert session.ledger is not first

    session.ask("a", view=Watcher(choose))
    assert [row.usage.total_tokens for row in rows(session)] == [28]
    assert first.day.read_left("money") == 20_000 * TOKEN
    assert first.read_total() == Spend()
    first.close()


# -- many at once -------------------------------------------------------------------------------


def test_questions_at_once_in_one_kernel_never_hold_more_than_there_is(
    server: ScriptedServer, make: Callable[..., KernelSession]
) -> None:
    answer = threading.Event()
    server.always(Wait(answer), sse("yes", tokens=(PROMPT, 10)))
    session = make(budget=usd_of(3 * (PROMPT + 10)))
    barrier = threading.Barrier(8)
    ended: SimpleQueue[str] = SimpleQueue()

    def ask(number: int) -> None:
        barrier.wait(PATIENCE)
        try:
            session.ask("a", Options(once=True, parameters={"max_tokens": 10}))
            ended.put("answered")
        except BudgetError as error:
            ended.put(error.why)

    threads = [threading.Thread(target=ask, args=(number,), daemon=True) for number in range(8)]
    for thread in threads:
        thread.start()
    # Three are under way until the five others were told.
    refused = [ended.get(timeout=PATIENCE) for _ in range(5)]
    answer.set()
    answered = [ended.get(timeout=PATIENCE) for _ in range(3)]
    for thread in threads:
        thread.join(PATIENCE)
    assert set(refused) == {
        "it may cost $0.000034 and more, and $0.00 is left: requests under way hold $0.000129"
    }
    assert answered == ["answered"] * 3
    assert session.book.get_total().nano == 3 * (PROMPT + 10) * TOKEN
    assert left(session) == 0


def test_threads_spend_a_budget_to_its_end_and_no_further(
    server: ScriptedServer, make: Callable[..., KernelSession]
) -> None:
    server.always(sse("yes", tokens=(20, 8)))
    session = make(budget=usd_of(1000))
    set_day_budget(session, 1000)
    barrier = threading.Barrier(6)

    def ask_on() -> None:
        barrier.wait(PATIENCE)
        ask_until_refused(session, max_tokens=8)

    threads = [threading.Thread(target=ask_on) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    ask_until_refused(session, max_tokens=8)
    assert (left(session), left_today(session)) == (1000 - 28 * 35,) * 2
    assert len(server.requests) == 35


def test_demo_credit_has_a_budget_of_its_own(
    server: ScriptedServer, make: Callable[..., KernelSession]
) -> None:
    running = gateway.start_embedded(tokens_per_second=0)
    try:
        session = make(budget="0.001", base_url="demo", model="")
        assert session.ledger is not None
        session.ledger.day.set_limit(10**6)
        spent = session.ask("hello").cost.nano or 0
        assert spent > 0
        assert session.spending.get_status(session.budget, demo=True) == (10**6, spent, 0)
        assert session.ledger.day.read_left("demo") == 10**6 - spent
        ask_until_refused(session)
        session.settings.base_url, session.settings.model = server.base_url, "m"
        server.reply(sse("yes"))
        session.ask("a", Options(once=True))
        assert left(session) == left_today(session) == 1000 - 28
    finally:
        running.close()


# -- the budget of the day ----------------------------------------------------------------------


def test_the_budget_that_is_too_small_is_the_one_that_is_named(
    server: ScriptedServer, make: Callable[..., KernelSession]
) -> None:
    session = make(budget=usd_of(10))
    set_day_budget(session, 1000)
    with pytest.raises(BudgetError) as caught:
        session.ask("a")
    assert "the budget," in caught.value.what
    assert "--budget USD" in caught.value.next_step.at(CELL)
    session.settings.budget = 1
    set_day_budget(session, 20)
    with pytest.raises(BudgetError) as caught:
        session.ask("a")
    assert "day's budget of all notebooks" in caught.value.what
    assert caught.value.why.startswith("it may cost $0.000034 and more, and $0.00002 is left")
    assert "--budget-day USD" in caught.value.next_step.at(CELL)
    assert server.requests == []


def test_the_smaller_of_two_budgets_limits_the_answer(
    server: ScriptedServer, make: Callable[..., KernelSession]
) -> None:
    server.always(sse("yes"))
    session = make(budget=usd_of(PROMPT + 50))
    set_day_budget(session, PROMPT + 100)
    session.ask("a", Options(once=True))
    session.settings.budget = usd_of(28 + PROMPT + 90)
    session.ask("a", Options(once=True))
    assert limits_sent(server) == [50, 72]


def test_what_another_kernel_holds_is_not_left(
    server: ScriptedServer, make: Callable[..., KernelSession]
) -> None:
    one, other = make(), make()
    set_day_budget(one, 2 * PROMPT + 100)
    server.reply([*begun("half"), SILENCE])
    refused: list[BudgetError] = []

    def ask_too(view: Watcher) -> None:
        with pytest.raises(BudgetError) as caught:
            other.ask("a", Options(parameters={"max_tokens": 1}))
        refused.append(caught.value)
        _stop(view)

    one.ask("a", view=Watcher(ask_too))
    assert "requests under way hold $0.000166" in refused[0].why
    server.reply(sse("yes"))
    assert other.ask("a", Options(parameters={"max_tokens": 1})).text == "yes"


_CHILD = """
import sys
from cnai_magic.errors import BudgetError
from cnai_magic.session.kernel_session import KernelSession
from cnai_magic.session.question import Options
from cnai_magic.session.view import View
from cnai_magic.settings import Cnai

def tell(*words):
    print(*words, flush=True)

session = KernelSession(
    Cnai(base_url=sys.argv[1], ledger=sys.argv[2], model="m", prices={"m": (1, 1)}, max_tokens=8, retries=0)
)
tell("ready")
input()
"""

# Shows the first text; when more comes, the first is noted in the journal, and nothing after it will be.
_ASK_AND_STAND_STILL = """
class CountingView(View):
    texts = 0

    def update(self, batch):
        if batch.text:
            self.texts += 1
            tell("shown" if self.texts == 1 else "noted")
            if self.texts > 1:
                input()

session.ask("a", Options(parameters={"max_tokens": 2000}), view=CountingView())
"""


def kill_in_mid_answer(process: Process, shown: threading.Event) -> None:
    """Kill a kernel that asks and stands still, once it has noted the text that came before `shown`."""
    go(process)
    assert heard(process) == "shown"
    shown.set()
    assert heard(process) == "noted"
    process.kill()
    process.wait(PATIENCE)


@contextmanager
def kernels(count: int, code: str, server: ScriptedServer, path: Path) -> Iterator[list[Process]]:
    """Start processes that have a session and do `code` once they are told to go; none outlives the block."""
    running = [start_python(_CHILD + code, server.base_url, str(path)) for _ in range(count)]
    try:
        for process in running:
            assert heard(process) == "ready"
        yield running
    finally:
        for process in running:
            process.kill()
            process.communicate()


def go(process: Process) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def heard(process: Process) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_five_kernels_at_once_spend_the_day_s_budget_and_no_more(
    server: ScriptedServer, make: Callable[..., KernelSession], path: Path
) -> None:
    server.always(sse("yes", tokens=(20, 8)))
    budget = 28 * 60 + 20
    session = make(max_tokens=8)
    set_day_budget(session, budget)
    ask_on = """
answers = 0
for _ in range(24):
    try:
        session.ask("a", Options(once=True))
        answers += 1
    except BudgetError:
        pass
tell(answers)
"""
    with kernels(5, ask_on, server, path) as running:
        for process in running:
            go(process)
        answered = sum(int(heard(process)) for process in running)
    assert answered == len(server.requests)
    ask_until_refused(session)
    # Sixty fit, and for the last of them 41 tokens had to be left.
    assert len(server.requests) == 60
    assert left_today(session) == budget - 60 * 28


def test_a_kernel_that_is_killed_frees_what_it_held(
    server: ScriptedServer, make: Callable[..., KernelSession], path: Path
) -> None:
    asked = threading.Event()
    server.reply(head(Transfer_Encoding="chunked"), Tell(asked), SILENCE)
    session = make(max_tokens=8)
    set_day_budget(session, 60)
    with kernels(1, 'session.ask("a")', server, path) as (process,):
        go(process)
        assert asked.wait(PATIENCE)
        with pytest.raises(BudgetError, match="under way hold"):
            session.ask("a")
        process.kill()
        process.wait(PATIENCE)
        server.reply(sse("yes"))
        session.ask("a")
    # Of the lost question its prompt is charged: nothing of its answer had come.
    assert left_today(session) == 60 - 28 - 1
    assert [(row.finish_reason, row.cost.estimated) for row in rows(session)] == [
        ("lost", True),
        ("stop", False),
    ]


def test_what_had_come_of_the_answer_of_a_killed_kernel_counts_in_the_day_s_budget(
    server: ScriptedServer, make: Callable[..., KernelSession], path: Path
) -> None:
    text = "word " * 400
    shown = threading.Event()
    server.reply([*begun(text), Wait(shown), http_chunk(event(delta("more"))), SILENCE])
    session = make(max_tokens=10)
    set_day_budget(session, 10_000)
    with kernels(1, _ASK_AND_STAND_STILL, server, path) as (process,):
        kill_in_mid_answer(process, shown)
    spent = estimate_tokens("a") + estimate_tokens(text)
    assert left_today(session) == 10_000 - spent
    (row,) = rows(session)
    assert (row.finish_reason, row.cost.nano, row.cost.estimated) == ("lost", spent * TOKEN, True)
    assert session.ledger is not None
    assert session.ledger.read_total() == Spend.of(row)


def test_what_a_killed_kernel_could_not_write_is_entered_exactly(
    server: ScriptedServer, make: Callable[..., KernelSession], path: Path
) -> None:
    server.always(sse("yes", tokens=(20, 8)))
    session = make()
    session.ask("a")
    connection = locked(path)
    with kernels(1, 'session.ask("a"); tell("asked"); input()', server, path) as (process,):
        go(process)
        assert heard(process) == "asked"
        process.kill()
        process.wait(PATIENCE)
    unlock(connection)
    assert [(row.finish_reason, row.usage.estimated) for row in rows(session)] == [("stop", False)] * 2


def test_two_kernels_that_find_the_same_dead_one_enter_its_requests_once(
    server: ScriptedServer, make: Callable[..., KernelSession], path: Path
) -> None:
    shown = threading.Event()
    server.reply([*begun("half"), Wait(shown), http_chunk(event(delta("more"))), SILENCE])
    with kernels(1, _ASK_AND_STAND_STILL, server, path) as (process,):
        kill_in_mid_answer(process, shown)
    # One of them enters the request; the others may read while it does.
    count = "tell(len(list(session.ledger.read_charges()))); input()\n"
    with kernels(4, count * 2, server, path) as running:
        for process in running:
            go(process)
        assert {heard(process) for process in running} <= {"0", "1"}
        for process in running:
            go(process)
        assert [heard(process) for process in running] == ["1"] * 4
    assert len(rows(make())) == 1
    assert [*path.parent.glob("*-owners/*")] == []


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"{",
        b"\x00" * 100,
        b'["open", [], null]',
        b'[["open", [], null]]',
        b'[["open", ["a", 1], null]]',
        b'[["open", 7, 1]]',
        b"[1, [], [[]], {}]",
        b'[["closed", 5]]',
        b'[["closed", [[]]]]',
        b'[["grown", "x"], ["grown", [], 1, null], ["grown"]]',
        b'[["settled"], ["settled", ["a"]]]',
    ],
)
def test_a_note_that_is_damaged_is_left_out(
    make: Callable[..., KernelSession], path: Path, damage: bytes
) -> None:
    session = make()
    assert rows(session) == []
    folder = path.with_name(f"{path.name}-owners")
    folder.mkdir(exist_ok=True)
    dead = folder / ("ab" * 16)
    dead.write_bytes(damage)
    assert rows(session) == []
    assert not dead.exists()


# -- a ledger that fails ------------------------------------------------------------------------


def locked(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    return connection


def unlock(connection: sqlite3.Connection) -> None:
    connection.execute("COMMIT")
    connection.close()


def rows(session: KernelSession) -> list[Any]:
    assert session.ledger is not None
    return list(session.ledger.read_charges())


def _below_a_file(path: Path) -> Callable[[], object]:
    path.parent.mkdir(exist_ok=True)
    path.parent.rmdir()
    path.parent.write_text("")
    return path.parent.unlink


def _damaged(path: Path) -> Callable[[], object]:
    path.write_bytes(b"this is no database at all" * 100)
    return path.unlink


def _of_another_program(path: Path) -> Callable[[], object]:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    return path.unlink


def _locked(path: Path) -> Callable[[], object]:
    ledger = Ledger(path)
    ledger.read_total()
    ledger.close()
    connection = locked(path)
    return lambda: unlock(connection)


def _a_folder(path: Path) -> Callable[[], object]:
    path.mkdir()
    return path.rmdir


def _behind_a_dead_link(path: Path) -> Callable[[], object]:
    path.parent.rmdir()
    path.parent.symlink_to(path.with_name("nowhere"))

    def mend() -> None:
        path.parent.unlink()
        path.parent.mkdir()

    return mend


@pytest.mark.parametrize(
    "broken", [_below_a_file, _behind_a_dead_link, _damaged, _of_another_program, _locked, _a_folder]
)
def test_a_ledger_that_fails_is_told_once_loses_no_answer_and_is_written_later(
    server: ScriptedServer, tmp_path: Path, make: Callable[..., KernelSession], broken: Callable[..., Any]
) -> None:
    path = tmp_path / "folder" / "ledger.sqlite3"
    path.parent.mkdir()
    mend = broken(path)
    server.always(sse("yes"))
    warnings: list[str] = []
    session = make(ledger=str(path))
    session.spending._notify = warnings.append
    make_impatient(session)
    replies = [session.ask("a") for _ in range(3)]
    assert [reply.text for reply in replies] == ["yes"] * 3
    assert session.book.get_total().nano == 3 * 28 * TOKEN
    assert session.spending.get_ledger_to_read(), "sums must not say that nothing was spent"
    assert "notebook $0.000084" in replies[-1].footer
    assert len(warnings) == 1, warnings
    assert warnings[0].startswith(f"The ledger {path} cannot be read or written")
    assert "Answers and this kernel's own totals are not affected" in warnings[0]
    assert "\n" not in warnings[0]
    mend()
    replies.append(session.ask("a"))
    assert [row.id for row in rows(session)] == [reply.id for reply in replies]
    assert session.ledger.read_total() == session.book.get_total()
    assert len(warnings) == 1


def test_a_ledger_that_fails_again_is_told_again(
    server: ScriptedServer, make: Callable[..., KernelSession], path: Path
) -> None:
    server.always(sse("yes"))
    warnings: list[str] = []
    session = make()
    session.spending._notify = warnings.append
    session.ask("a")
    make_impatient(session)
    for times in (1, 2):
        connection = locked(path)
        session.ask("a")
        session.ask("a")
        assert len(warnings) == times
        unlock(connection)
        session.ask("a")
    assert len(rows(session)) == 7


def test_what_could_not_be_written_counts_before_the_next_question_is_allowed(
    server: ScriptedServer, make: Callable[..., KernelSession], path: Path
) -> None:
    server.always(sse("yes", tokens=(20, 8)))
    session = make()
    session.ask("a")
    make_impatient(session)
    connection = locked(path)
    session.ask("a", Options(once=True))
    unlock(connection)
    # The next fits beside one answer, and not beside two.
    set_day_budget(make(), 2 * 28 + PROMPT)
    with pytest.raises(BudgetError):
        session.ask("a", Options(once=True, parameters={"max_tokens": 1}))
    assert len(rows(session)) == 2


def test_what_could_not_be_written_is_written_when_the_sums_are_looked_at(
    server: ScriptedServer, make: Callable[..., KernelSession], path: Path
) -> None:
    server.always(sse("yes"))
    session = make()
    session.ask("a")
    make_impatient(session)
    connection = locked(path)
    session.ask("a")
    unlock(connection)
    shown = "\n".join(map(repr, run_spend_command(session, "--of all --by day")))
    assert "2" in shown.splitlines()[2].split()
    assert len(rows(session)) == 2


@pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
def test_a_full_disk_is_told_once_and_what_is_missing_is_written_when_there_is_room(
    server: ScriptedServer, make: Callable[..., KernelSession], path: Path
) -> None:
    server.always(sse("yes"))
    code = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
warnings = []
session.spending._notify = warnings.append
ids = [session.ask("a", Options(once=True)).id for _ in range(2)]
limits = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
ids += [session.ask("a", Options(once=True)).id for _ in range(3)]
tell(len(warnings), session.book.get_total().nano, warnings)
resource.setrlimit(resource.RLIMIT_FSIZE, limits)
ids.append(session.ask("a", Options(once=True)).id)
tell(len(warnings), *ids)
"""
    with kernels(1, code, server, path) as (process,):
        go(process)
        count, nano, warning = heard(process).split(" ", 2)
        assert (int(count), int(nano)) == (1, 5 * 28 * TOKEN)
        assert "free some space" in warning
        count, *ids = heard(process).split()
    assert count == "1"
    assert [row.id for row in rows(make())] == ids


@pytest.mark.parametrize("place", ["/proc/ledger.sqlite3", "~nobody-of-this-name/ledger.sqlite3", "a\0b"])
@pytest.mark.skipif(sys.platform != "linux", reason="/proc is of Linux")
def test_a_place_where_no_ledger_can_be_is_told_once_and_loses_no_answer(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.setenv("CNAI_API_KEY", KEY)
    server.always(sse("yes"))
    warnings: list[str] = []
    session = KernelSession(Cnai(base_url=server.base_url, model="m", ledger=place), notify=warnings.append)
    assert [session.ask("a").text for _ in range(3)] == ["yes"] * 3
    assert len(warnings) == 1
    assert "choose another file" in warnings[0]
    assert session.book.get_total().requests == 3
    session.close()


def test_where_a_day_s_budget_is_known_and_the_ledger_fails_nothing_is_sent(
    server: ScriptedServer, make: Callable[..., KernelSession], path: Path
) -> None:
    server.always(sse("yes"))
    session = make()
    set_day_budget(session, 10**6)
    session.ask("a")
    assert session.ledger is not None
    session.ledger.close()
    path.rename(path.with_name("kept"))
    path.write_bytes(b"this is no database at all" * 100)
    with pytest.raises(LedgerError) as caught:
        session.ask("a")
    assert "the budget of the day cannot be kept: the question was not sent" in caught.value.what
    assert "damaged" in caught.value.why
    assert len(server.requests) == 1
    # The way out that the error names.
    session.settings.ledger = "off"
    session.ask("a")


def test_a_lock_that_only_keeps_the_hold_from_being_written_refuses_too(
    server: ScriptedServer, make: Callable[..., KernelSession], path: Path
) -> None:
    session = make()
    set_day_budget(session, 10**6)
    make_impatient(session)
    connection = locked(path)
    with pytest.raises(LedgerError, match="the question was not sent"):
        session.ask("a")
    unlock(connection)
    assert server.requests == []


# -- no file that nobody asked for --------------------------------------------------------------


def files(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


def test_with_the_ledger_off_no_file_is_touched(
    server: ScriptedServer, make: Callable[..., KernelSession]
) -> None:
    before = files(Path.home())
    server.always(sse("yes"))
    session = make(ledger="off", budget=1)
    session.ask("a")
    list(run_spend_command(session, ""))
    assert files(Path.home()) == before
    assert session.book.get_total().requests == 1


def test_nothing_is_touched_before_the_first_question_and_to_look_at_the_sums_touches_nothing(
    server: ScriptedServer, make: Callable[..., KernelSession]
) -> None:
    before = files(Path.home())
    session = make(ledger="on")
    for line in ("", "--by day", "--of all", "--of today --by model", "--plot --of all", "--help"):
        assert list(run_spend_command(session, line))
    assert files(Path.home()) == before
    server.reply(sse("yes"))
    session.ask("a")
    assert find_default_path() in files(Path.home())


def test_a_charge_that_no_ledger_can_hold_keeps_no_other_from_it(
    make: Callable[..., KernelSession], server: ScriptedServer
) -> None:
    session = make(prices={"m": (1, 1), "dear": (10**9, 10**9)})
    server.reply(sse("yes", tokens=(15 * 10**6, 8)))
    server.always(sse("yes", tokens=(20, 8)))
    session.ask("a", Options(model="dear"))
    for _ in range(2):
        session.ask("a")
    assert session.ledger is not None
    assert session.ledger.read_total() == sum((Spend.of(each) for each in session.book.charges[1:]), Spend())
    assert session.book.get_total().requests == 3


_LAST_QUESTION = """
import sqlite3, sys
from cnai_magic.session.kernel_session import KernelSession
from cnai_magic.settings import Cnai

url, ledger = sys.argv[1:]
session = KernelSession(Cnai(base_url=url, model="m", ledger=ledger, prices={"m": (1, 1)}))
session.ask("first")
session.ledger._store.patience = 0.05
session.ledger.close()
other = sqlite3.connect(ledger, isolation_level=None)
other.execute("BEGIN EXCLUSIVE")
session.ask("last")
other.execute("ROLLBACK")
"""


def test_what_a_lock_kept_out_of_the_ledger_is_written_at_exit(server: ScriptedServer, path: Path) -> None:
    server.always(sse("yes"))
    with start_python(_LAST_QUESTION, server.base_url, str(path)) as process:
        _, errors = process.communicate(timeout=PATIENCE * 3)
    assert process.returncode == 0, errors
    assert len(list(Ledger(path).read_charges())) == 2
