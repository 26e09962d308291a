"""Compared answers while they come: all at once, each with an end of its own."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator, Sequence

import pytest

from cnai_magic.errors import BudgetError, CnaiError, InputError, ModelNotFoundError
from cnai_magic.notebook.comparison_record import build_comparison_metadata, read_comparison
from cnai_magic.redaction import ApiKey
from cnai_magic.session.batches.batch_view import BatchView, Column
from cnai_magic.session.batches.compare import Ways
from cnai_magic.session.batches.row_progress import Progress
from cnai_magic.session.kernel_session import KernelSession
from cnai_magic.session.question import Options
from cnai_magic.settings import Cnai
from tests.browser.answers import Gate, stream, thought
from tests.servers import CLOSE, SILENCE, ScriptedServer, failure


class Watch(BatchView):
    """Calls `look` with the columns before they are asked, and each time that progress is shown."""

    def __init__(self, look: Callable[[Sequence[Column]], object]) -> None:
        self.columns: Sequence[Column] = ()
        self._look = look

    def begin(self, columns: Sequence[Column]) -> None:
        self.columns = columns
        self._look(columns)

    def show(self, progress: Progress) -> None:
        self._look(self.columns)


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        yield running


@pytest.fixture
def session(server: ScriptedServer) -> Iterator[KernelSession]:
    session = KernelSession(
        Cnai(base_url=server.base_url, model="a", ledger="off", retries=0, prices={"*": (1, 2)})
    )
    yield session
    session.close()


def find(columns: Sequence[Column], text: str) -> Column | None:
    """Return the column in which a text has come."""
    return next((each for each in columns if text in each.live.arriving.arrived().text), None)


def test_answers_come_at_once_each_with_its_time_to_first_token(
    server: ScriptedServer, session: KernelSession
) -> None:
    both = Gate()
    server.reply(stream(thought("hm"), "one", both, " and more"))
    server.reply(stream("two", both, " and more"))

    def look(columns: Sequence[Column]) -> None:
        if find(columns, "one") and find(columns, "two"):
            both.open()

    comparison = session.compare("Hi?", Options(), Ways(times=2), view=Watch(look))
    assert {each.text for each in comparison.replies} == {"one and more", "two and more"}
    assert {each.reasoning for each in comparison.replies} == {"hm", ""}
    assert all(0 < (each.first_token_after or 0) <= each.seconds for each in comparison.replies)
    assert all(request.json()["stream"] for request in server.requests)


def test_a_stop_ends_one_answer_and_the_others_go_on(server: ScriptedServer, session: KernelSession) -> None:
    goes_on = Gate()
    server.reply(stream("stopped here", SILENCE))
    server.reply(stream("goes", goes_on, " on"))
    server.reply(stream("the third"))

    def look(columns: Sequence[Column]) -> None:
        if (column := find(columns, "stopped here")) and find(columns, "goes"):
            column.live.stop()
            if column.live.over:
                goes_on.open()

    comparison = session.compare("Hi?", Options(), Ways(times=3), parallel=2, view=Watch(look))
    assert {each.text: each.finish_reason for each in comparison.replies} == {
        "stopped here": "stopped",
        "goes on": "stop",
        "the third": "stop",
    }
    assert [each.usage.estimated for each in session.book.charges].count(True) == 1


def test_what_is_stopped_before_its_turn_is_not_sent(server: ScriptedServer, session: KernelSession) -> None:
    session.settings.budget = 0.01
    server.reply(stream("first"))
    watch = Watch(lambda columns: columns[1].live.stop())
    comparison = session.compare("Hi?", Options(), Ways(times=2), parallel=1, view=watch)
    assert len(server.requests) == 1
    assert str(comparison[1].error) == "stopped before anything of it came; ask again"
    # Nothing is held any more.
    server.reply(stream("again"))
    session.ask("And?", Options(parameters={"max_tokens": 4_000}))


def test_what_is_charged_without_an_answer_is_in_the_sum(
    server: ScriptedServer, session: KernelSession
) -> None:
    server.reply(stream("first"))
    server.reply([SILENCE])

    def look(columns: Sequence[Column]) -> None:
        if len(server.requests) == 2:
            columns[1].live.stop()

    comparison = session.compare("Hi?", Options(), Ways(times=2), parallel=1, view=Watch(look))
    assert comparison[1].reply is None
    assert comparison[1].cost.nano
    assert comparison.cost.nano == session.book.get_total().nano
    assert f" · {comparison[1].cost} without an answer" in comparison.summary
    assert comparison.to_frame()["cost"].sum() == comparison.cost.nano / 10**9
    # Also when it is read from the notebook again.
    about = json.loads(json.dumps(build_comparison_metadata(comparison)))["cnai"]
    restored = read_comparison(about, None).build(comparison._keep)
    assert (restored.summary, restored.to_text()) == (comparison.summary, comparison.to_text())
    assert restored.cost == comparison.cost


def test_an_interrupt_keeps_what_came(server: ScriptedServer, session: KernelSession) -> None:
    server.reply(stream("whole"))
    server.reply(stream("begun", SILENCE))

    def look(columns: Sequence[Column]) -> None:
        if any(each.live.over for each in columns) and find(columns, "begun"):
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        session.compare("Hi?", Options(), Ways(times=3), parallel=1, view=Watch(look))
    comparison = session.comparisons.undecided
    assert comparison is not None
    assert [(each.text, each.finish_reason) for each in comparison.replies] == [
        ("whole", "stop"),
        ("begun", "interrupted"),
    ]
    assert str(comparison[2].error) == "interrupted before it was asked; ask again"
    assert session.book.get_total().requests == 2
    kept = comparison.keep(2)
    assert session.conversations.in_use.turns[0].reply.text == kept.text == "begun"


def test_an_interrupt_before_the_first_request_leaves_what_there_is() -> None:
    """The first thing that a person sees is what is said of the server."""
    session = KernelSession(Cnai(), notify=lambda line: signal.raise_signal(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        session.compare("Hi?", Options(model="demo-echo"), Ways(times=2), view=BatchView())
    comparison = session.comparisons.undecided
    assert comparison is not None
    assert [str(each.error) for each in comparison] == ["interrupted before it was asked; ask again"] * 2
    assert session.book.charges == []


def test_a_model_that_is_not_there_leaves_the_others(server: ScriptedServer, session: KernelSession) -> None:
    server.reply(failure(404, "model_not_found", "no such model"))
    server.reply(stream("b says"))
    ways = Ways(models=["a", "b"])
    comparison = session.compare("Hi?", Options(), ways, parallel=1, view=BatchView())
    assert isinstance(comparison[0].error, ModelNotFoundError)
    assert [each.text for each in comparison.replies] == ["b says"]


def test_what_broke_off_is_kept_beside_its_error(server: ScriptedServer, session: KernelSession) -> None:
    server.reply(stream("half of", CLOSE))
    (answer,) = session.compare("Hi?", Options(), Ways(), view=BatchView())
    assert isinstance(answer.error, CnaiError)
    assert (answer.reply, answer.partial) == (None, "half of")
    assert session.book.get_total().usage.estimated


def test_what_failed_is_asked_again_alone_and_as_before(
    server: ScriptedServer, session: KernelSession
) -> None:
    server.reply(stream("half of", CLOSE))
    server.reply(stream("two"))
    server.reply(failure(401, "invalid_api_key", "no"))
    comparison = session.compare("Hi?", Options(), Ways(times=3), parallel=1, view=BatchView())
    comparison.expect("^(one|two)$")
    name, charged = comparison.turn and comparison.turn.id, comparison.cost
    server.reply(stream("later"))
    session.ask("Later?")  # what is asked again does not know of it
    session.use_key(ApiKey("another"))
    server.reply(stream("one"))
    server.reply(failure(500, "broken"))
    before = len(server.requests)
    assert comparison.retry() is comparison
    asked = [request.json()["messages"] for request in server.requests[before:]]
    assert asked == [server.requests[0].json()["messages"]] * 2
    assert {request.headers["authorization"] for request in server.requests[before:]} == {"Bearer another"}
    assert [each.passed for each in comparison] == [True, True, False]
    assert "broken" in str(comparison[2].error)
    # What the one that broke off had cost stays in the sum, also in that of a restart.
    assert comparison.cost.nano == (charged.nano or 0) + 36_000
    assert comparison[0].charged.nano
    assert comparison.turn is not None
    assert comparison.turn.id == name
    about = json.loads(json.dumps(build_comparison_metadata(comparison)))["cnai"]
    restored = read_comparison(about, None).build(comparison._keep)
    assert restored.summary == comparison.summary
    with pytest.raises(InputError, match="not there any more"):
        restored.retry()
    # A budget that it does not fit, and an interrupt, leave what there is.
    session.settings.budget = 0.0001
    with pytest.raises(BudgetError):
        comparison.retry()
    assert "broken" in str(comparison[2].error)
    session.settings.budget = None
    comparison.keep(1)
    assert [each.reply.text for each in session.conversations.in_use.turns[-1].attempts] == ["one", "two"]
    with pytest.raises(InputError, match="in the conversation already"):
        comparison.retry()


def test_a_retry_that_is_interrupted_keeps_what_came(server: ScriptedServer, session: KernelSession) -> None:
    def look(columns: Sequence[Column]) -> None:
        if len(server.requests) == 4:
            signal.raise_signal(signal.SIGINT)

    for _ in range(2):
        server.reply(failure(500, "broken"))
    comparison = session.compare("Hi?", Options(), Ways(times=2), parallel=1, view=Watch(look))
    with pytest.raises(InputError):
        comparison.best("score")
    server.reply(stream("one"))
    server.reply([SILENCE])
    with pytest.raises(KeyboardInterrupt):
        comparison.retry()
    assert [each.text for each in comparison.replies] == ["one"]
    assert comparison[1].charged.nano
    assert comparison.cost.nano == session.book.get_total().nano
    server.reply(stream("two"))
    assert [each.text for each in comparison.retry().replies] == ["one", "two"]
    assert comparison.cost.nano == session.book.get_total().nano
