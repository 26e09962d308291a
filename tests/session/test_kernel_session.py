"""One question from end to end, against a real socket: what is sent, kept, shown and charged."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

import keyring
import keyring.backend
import pytest

from cnai_magic.api import interrupts
from cnai_magic.api.messages import Message
from cnai_magic.api.parameters import BY_NAME
from cnai_magic.api.token_usage import Usage
from cnai_magic.api.tokens import estimate_tokens
from cnai_magic.api.usage import estimate_usage
from cnai_magic.api.vendors import parse_address
from cnai_magic.chat.attempt import Attempt
from cnai_magic.chat.conversation import CellPosition, KernelConversation
from cnai_magic.chat.reply import Reply
from cnai_magic.errors import (
    AuthenticationError,
    CnaiError,
    HTMLError,
    InputError,
    ModelNotFoundError,
    QuotaError,
    ServerError,
    TruncatedError,
)
from cnai_magic.gateway import embedded as gateway
from cnai_magic.magics.cell_words import CELL
from cnai_magic.money import budget, spending
from cnai_magic.money.cost import Charge, Cost, Spend
from cnai_magic.notebook.read_record import read_answer
from cnai_magic.notebook.record import build_bundle, build_metadata
from cnai_magic.redaction import ApiKey
from cnai_magic.session import kernel_session as session_module
from cnai_magic.session import pending_reply, recorder, reply_reader, sent_request
from cnai_magic.session.kernel_session import KernelSession
from cnai_magic.session.keys import forget_key, save_key
from cnai_magic.session.question import Options, Question
from cnai_magic.session.sent_request import SentRequest
from cnai_magic.session.view import Batch
from cnai_magic.settings import Cnai
from tests.options import options_of
from tests.servers import (
    CLOSE,
    KEY,
    PATIENCE,
    SILENCE,
    ScriptedServer,
    answer,
    chunked,
    completion,
    delta,
    event,
    failure,
    head,
    http_chunk,
    json_response,
    response,
    sse,
    usage,
)


def latest(session: KernelSession) -> Attempt:
    """Return the latest attempt of a session."""
    assert session.latest_attempt is not None
    return session.latest_attempt


def stands(session: KernelSession) -> tuple[str, int, int]:
    """Return where the latest answer stands: conversation, turn (0: outside), and number of the attempt."""
    attempt = latest(session)
    return attempt.conversation, attempt.turn, attempt.number


class Watcher:
    """A view that notes what it is told, and may do something when text arrives."""

    def __init__(self, on_text: Callable[[Watcher], None] | None = None) -> None:
        self.question: Question | None = None
        self.stop: Callable[[], None] | None = None
        self.text = ""
        self.reasoning = ""
        self.ended: list[Attempt] = []
        self.failed: list[Attempt | None] = []
        self._on_text = on_text

    def begin(self, question: Question, stop: Callable[[], None] | None) -> None:
        self.question, self.stop = question, stop

    def update(self, batch: Batch) -> None:
        self.text += batch.text
        self.reasoning += batch.reasoning
        if batch.text and self._on_text:
            self._on_text(self)

    def end(self, attempt: Attempt) -> None:
        self.ended.append(attempt)

    def fail(self, attempt: Attempt | None) -> None:
        self.failed.append(attempt)

    def is_stopping(self) -> bool:
        return False


class FakeKeyring(keyring.backend.KeyringBackend):
    """A keyring in memory."""

    priority = 1  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[tuple[str, str], str] = {}
        self.reads = 0

    def get_password(self, service: str, username: str) -> str | None:
        self.reads += 1
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.kept[service, username]


@pytest.fixture
def own_keyring() -> Iterator[FakeKeyring]:
    before = keyring.get_keyring()
    fake = FakeKeyring()
    keyring.set_keyring(fake)
    yield fake
    keyring.set_keyring(before)


@pytest.fixture
def own_gateway() -> Iterator[None]:
    yield
    gateway.start_embedded().close()


@pytest.fixture
def session(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[KernelSession]:
    monkeypatch.setenv("CNAI_API_KEY", KEY)
    monkeypatch.setenv("CNAI_BASE_URL", server.base_url)
    asking = KernelSession(Cnai(base_url=server.base_url, retries=0, prices={"deepseek-chat": (1.68, 2.52)}))
    yield asking
    asking.close()


def sent(server: ScriptedServer, index: int = -1) -> list[tuple[str, str]]:
    return [(message["role"], message["content"]) for message in server.requests[index].json()["messages"]]


def main(session: KernelSession) -> list[str]:
    return [turn.reply.text for turn in session.conversations["main"].turns]


def begun(*texts: str) -> list[bytes]:
    """The head and the first chunks of a stream that goes on."""
    return [head(Transfer_Encoding="chunked"), *(http_chunk(event(delta(text))) for text in texts)]


# -- what is sent -------------------------------------------------------------------------------


def test_a_question_is_sent_as_it_stands_and_answered(server: ScriptedServer, session: KernelSession) -> None:
    server.reply(sse("Hel", "lo"))
    reply = session.ask("Hi {x} {{y}} {% z %} $5")
    assert str(reply) == "Hello"
    body = server.requests[0].json()
    assert body == {
        "model": "deepseek-chat",
        "messages": [{"role": "user", "content": "Hi {x} {{y}} {% z %} $5"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    assert server.requests[0].path == "/v1/chat/completions"
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"


def test_a_follow_up_sends_the_turns_before_it(server: ScriptedServer, session: KernelSession) -> None:
    server.reply(sse("one"))
    server.reply(sse("two"))
    session.conversations["main"].system = "Be brief."
    session.ask("first")
    session.ask("second")
    assert sent(server) == [
        ("system", "Be brief."),
        ("user", "first"),
        ("assistant", "one"),
        ("user", "second"),
    ]
    assert server.connections == 1


def test_a_cell_run_again_is_asked_in_its_place(server: ScriptedServer, session: KernelSession) -> None:
    for text in ("one", "two", "one again", "three"):
        server.reply(sse(text))
    session.ask("a", position=CellPosition("A"))
    session.ask("b", position=CellPosition("B"))
    session.ask("a, better", position=CellPosition("A"))
    assert sent(server) == [("user", "a, better")]
    assert stands(session) == ("main", 1, 2)
    assert main(session) == ["one again", "two"]
    session.ask("c", position=CellPosition("C"))
    assert [content for _, content in sent(server)] == ["a, better", "one again", "b", "two", "c"]
    assert session.book.get_total().requests == 4


def test_append_makes_a_new_turn_of_the_same_cell(server: ScriptedServer, session: KernelSession) -> None:
    server.always(sse("yes"))
    session.ask("a", position=CellPosition("A"))
    session.ask("a", Options(append=True), position=CellPosition("A"))
    assert stands(session) == ("main", 2, 1)
    assert len(sent(server)) == 3


def test_on_rerun_append_makes_every_run_a_new_turn(server: ScriptedServer, session: KernelSession) -> None:
    server.always(sse("yes"))
    session.settings.on_rerun = "append"
    for turn in (1, 2, 3):
        session.ask("a", position=CellPosition("A"))
        assert stands(session) == ("main", turn, 1)


def test_once_neither_reads_nor_writes_the_conversation(
    server: ScriptedServer, session: KernelSession
) -> None:
    server.always(sse("yes"))
    session.ask("a", position=CellPosition("A"))
    session.ask("aside", Options(once=True, system="Other."), position=CellPosition("B"))
    assert sent(server) == [("system", "Other."), ("user", "aside")]
    assert stands(session)[1] == 0
    assert main(session) == ["yes"]
    assert session.conversations["main"].system is None
    assert session.book.get_total().requests == 2
    assert latest(session).reply.prompt == "aside"
    session.conversations["main"].system = "Of the conversation."
    session.ask("a", position=CellPosition("A"))
    session.ask("aside", Options(once=True))
    assert sent(server) == [("user", "aside")]


def test_parameters_that_are_unset_are_not_sent_and_zero_is(
    server: ScriptedServer, session: KernelSession
) -> None:
    server.always(sse("yes"))
    session.ask("a")
    assert not BY_NAME.keys() & set(server.requests[0].json())
    sent = {"temperature": 0, "top_p": 0.5, "max_tokens": 7, "stop": ["END"], "seed": 0}
    given = {**sent, "think": "off", "extra": {"top_k": 20}}
    assert {*given, "schema", "prefix", "logprobs", "tools"} == BY_NAME.keys()
    reply = session.ask("b", options_of(given))
    sent |= {"top_k": 20, "thinking": {"type": "disabled"}}
    assert sent.items() <= server.requests[1].json().items()
    assert reply.parameters == {**given, "stop": ("END",)}
    session.settings.temperature = 1.5
    session.ask("c")
    assert server.requests[2].json()["temperature"] == 1.5
    session.ask("d", Options(parameters={"temperature": 0}))
    assert server.requests[3].json()["temperature"] == 0


@pytest.mark.parametrize(
    ("options", "parameter"),
    [
        ({"temperature": 3}, "temperature"),
        ({"temperature": -0.1}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"top_p": 1.1}, "top_p"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": -5}, "max_tokens"),
        ({"model": "  "}, "model"),
    ],
)
def test_a_parameter_out_of_range_is_refused_and_nothing_sent(
    session: KernelSession, server: ScriptedServer, options: dict[str, Any], parameter: str
) -> None:
    with pytest.raises(InputError) as caught:
        session.ask("a", options_of(options))
    assert caught.value.parameter == parameter
    assert server.requests == []


def test_a_system_message_of_a_question_is_not_that_of_the_conversation(
    server: ScriptedServer, session: KernelSession
) -> None:
    server.always(sse("yes"))
    session.settings.system = "From the settings."
    session.ask("a")
    assert sent(server)[0] == ("system", "From the settings.")
    session.ask("b", Options(system="Own."))
    assert sent(server)[0] == ("system", "Own.")
    session.ask("c", Options(system=""))
    assert sent(server)[0][0] == "user"
    session.ask("d")
    assert sent(server)[0] == ("system", "From the settings.")
    session.conversations["main"].system = "Of the conversation."
    session.ask("e")
    assert sent(server)[0] == ("system", "Of the conversation.")


def test_history_tokens_leaves_out_the_oldest_turns_and_says_so(
    server: ScriptedServer, session: KernelSession
) -> None:
    server.always(sse("yes"))
    for prompt in ("a", "b", "c"):
        session.ask(prompt)
    session.settings.history_tokens = estimate_tokens("c") + estimate_tokens("yes")
    reply = session.ask("d")
    assert [content for _, content in sent(server)] == ["c", "yes", "d"]
    assert latest(session).omitted_turns == 2
    assert "2 oldest turns omitted" in reply.footer


def test_an_answer_may_be_asked_for_as_a_whole(server: ScriptedServer, session: KernelSession) -> None:
    server.reply(json_response(completion("Hello", (3, 1))))
    view = Watcher()
    reply = session.ask("Hi", Options(stream=False), view=view)
    assert (reply.text, reply.usage) == ("Hello", Usage(3, 1))
    assert "stream" not in server.requests[0].json()


@pytest.mark.parametrize(
    "prompt",
    [
        "{}{{}}{{{x}}}{%%}{##}$x ${x} %s %(x)s \\n \\",
        "a\x00b\x1b[31mred\x07\x7f",
        "🙂 👩‍👩‍👧 é 漢字 \U0001f1ec\U0001f1e7",
        "line\r\nline\rline\u2028line",
        "  indented\n\ttabbed  \n",
        '"quoted" \\"twice\\" </script>',
    ],
)
def test_whatever_is_in_a_prompt_is_sent_as_it_is(
    server: ScriptedServer, session: KernelSession, prompt: str
) -> None:
    server.reply(sse("yes"))
    assert session.ask(prompt).prompt == prompt
    assert sent(server) == [("user", prompt)]


def test_half_a_character_in_a_prompt_does_no_harm(server: ScriptedServer, session: KernelSession) -> None:
    server.reply(sse("yes"))
    session.ask("half \ud83d")
    assert sent(server) == [("user", "half �")]


def test_a_prompt_of_two_megabytes_is_sent(server: ScriptedServer, session: KernelSession) -> None:
    server.reply(sse("long", tokens=None))
    prompt = "word " * 400_000
    reply = session.ask(prompt)
    assert sent(server) == [("user", prompt)]
    assert reply.usage.prompt_tokens == estimate_tokens(prompt)


@pytest.mark.parametrize("prompt", ["", " ", "\n\t\n"])
def test_an_empty_prompt_is_refused(server: ScriptedServer, session: KernelSession, prompt: str) -> None:
    with pytest.raises(InputError, match="no question"):
        session.ask(prompt)
    assert server.requests == []


def test_preparing_a_question_sends_nothing_and_changes_nothing(
    server: ScriptedServer, session: KernelSession
) -> None:
    question = session.prepare("a", Options(model="deepseek-chat", chat="plan", system="S"))
    usage, cost, _ = question.estimate(0)
    assert (question.turn, question.attempt, question.system) == (1, 1, "S")
    assert usage.estimated
    assert cost.nano is not None
    assert server.requests == []
    assert "plan" not in session.conversations
    assert session.book.get_total() == Spend()


# -- conversations ------------------------------------------------------------------------------


def test_a_named_chat_is_asked_without_leaving_the_one_in_use(
    server: ScriptedServer, session: KernelSession
) -> None:
    server.always(sse("yes"))
    session.ask("a")
    session.ask("b", Options(chat="plan"))
    assert sent(server) == [("user", "b")]
    assert (stands(session)[0], session.conversations.current) == ("plan", "main")
    session.ask("c", Options(chat="plan"))
    assert len(sent(server)) == 3


def test_new_begins_a_conversation_and_goes_on_in_it(server: ScriptedServer, session: KernelSession) -> None:
    server.always(sse("yes"))
    session.ask("a")
    session.ask("b", Options(new=True))
    assert stands(session)[0] == "chat-2"
    assert session.conversations.current == "chat-2"
    session.ask("c")
    assert [content for _, content in sent(server)] == ["b", "yes", "c"]
    session.ask("d", Options(new=True, chat="plan"))
    assert stands(session)[0] == "plan"


def test_a_new_cell_run_again_is_asked_in_the_conversation_that_it_began(
    server: ScriptedServer, session: KernelSession
) -> None:
    server.always(sse("yes"))
    session.ask("a", Options(new=True), position=CellPosition("A"))
    first = stands(session)[0]
    session.ask("b", position=CellPosition("B"))
    session.ask("a, better", Options(new=True), position=CellPosition("A"))
    assert stands(session) == (first, 1, 2)
    assert sent(server) == [("user", "a, better")]
    assert len(list(session.conversations)) == 2
    for number in (1, 2):
        session.ask("n", Options(new=True, chat="plan"), position=CellPosition("N"))
        assert stands(session) == ("plan", 1, number)


def test_new_does_not_take_a_name_that_another_cell_began(
    server: ScriptedServer, session: KernelSession
) -> None:
    server.reply(sse("yes"))
    session.ask("a", Options(new=True, chat="plan"), position=CellPosition("A"))
    with pytest.raises(InputError, match="already"):
        session.ask("b", Options(new=True, chat="plan"), position=CellPosition("B"))


# -- failures -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "error", "charged"),
    [
        (failure(401, "invalid_api_key"), AuthenticationError, False),
        (failure(402, "insufficient_quota"), QuotaError, False),
        (failure(500, "server_error"), ServerError, False),
        # What waited for the answer gave up, and the answer may have come.
        (failure(504, "server_error"), ServerError, True),
        (failure(524, "server_error"), ServerError, True),
        (json_response({"error": {"message": "no", "code": "server_error"}}), CnaiError, False),
        (response("<html>Sign in</html>", kind="text/html"), HTMLError, False),
        ([head(Transfer_Encoding="chunked"), CLOSE], CnaiError, True),
        ([CLOSE], CnaiError, True),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
def test_a_failure_before_the_first_token_changes_nothing_but_is_charged_where_it_may_cost(
    server: ScriptedServer,
    session: KernelSession,
    reply: list[bytes],
    error: type[CnaiError],
    charged: bool,
    stream: bool,
) -> None:
    server.reply(sse("one"))
    first = session.ask("a", Options(system="S"), position=CellPosition("A"))
    before = session.book.get_total()
    server.reply(reply)
    view = Watcher()
    with pytest.raises(error):
        session.ask(
            "b",
            Options(system="T", new=True, chat="plan", stream=stream),
            position=CellPosition("A"),
            view=view,
        )
    assert view.failed == [None]
    assert view.ended == []
    assert main(session) == ["one"]
    assert len(session.conversations["main"].turns[0].attempts) == 1
    assert session.conversations["main"].system is None
    assert session.conversations.current == "main"
    assert "plan" not in session.conversations
    assert session.book.get_total().requests - before.requests == charged
    if charged:
        lost = session.book.charges[-1]
        assert (lost.finish_reason, lost.usage) == (
            "failed",
            estimate_usage([Message("user", "T"), Message("user", "b")], ""),
        )
        assert lost.cost.estimated
    assert session.latest == first


def test_a_failure_after_the_first_token_is_shown_and_charged_but_not_kept(
    server: ScriptedServer, session: KernelSession
) -> None:
    server.reply([*begun("half an "), http_chunk(event(delta("answer"))), CLOSE])
    view = Watcher()
    with pytest.raises(TruncatedError):
        session.ask("a", Options(system="S"), view=view)
    assert view.text == "half an answer"
    (attempt,) = view.failed
    assert attempt is not None
    reply = attempt.reply
    assert (reply.text, reply.finish_reason, attempt.turn) == ("half an answer", "failed", 0)
    assert reply.usage == Usage(
        estimate_tokens("a") + estimate_tokens("S"), estimate_tokens("half an answer"), estimated=True
    )
    assert main(session) == []
    assert session.conversations["main"].system is None
    total = session.book.get_total()
    assert (total.requests, total.nano) == (1, reply.cost.nano)
    assert total.estimated_nano == total.nano > 0
    assert str(total).startswith("≈$")


def test_a_failure_in_the_reasoning_is_charged_too(server: ScriptedServer, session: KernelSession) -> None:
    server.reply(head(Transfer_Encoding="chunked"), http_chunk(event(delta(reasoning_content="hm"))), CLOSE)
    with pytest.raises(TruncatedError):
        session.ask("a")
    assert session.book.get_total().usage.reasoning_tokens == estimate_tokens("hm")


def test_a_model_that_is_unknown_names_the_nearest(server: ScriptedServer, session: KernelSession) -> None:
    server.reply(failure(404, "model_not_found", X_Request_Id="req-7"))
    server.reply(json_response({"data": [{"id": "deepseek-chat"}, {"id": "qwen-max"}]}))
    with pytest.raises(ModelNotFoundError) as caught:
        session.ask("a", Options(model="deepseek-caht"))
    assert "did you mean deepseek-chat?" in caught.value.why
    assert caught.value.request_id == "req-7"
    assert "%cnai_models" in caught.value.next_step.at(CELL)


def test_a_model_like_no_other_lists_some_there_are(server: ScriptedServer, session: KernelSession) -> None:
    session.settings.prices = {"*": (1, 1)}  # else the list is asked for its prices too
    server.reply(failure(404, "model_not_found"))
    server.reply(json_response({"data": [{"id": f"model-{number}"} for number in range(9)]}))
    with pytest.raises(ModelNotFoundError) as caught:
        session.ask("a", Options(model="zzz"))
    assert "model-0, model-1, model-2, model-3, model-4" in caught.value.why
    assert "model-5" not in caught.value.why


def test_a_model_that_is_unknown_is_told_even_where_models_cannot_be_listed(
    server: ScriptedServer, session: KernelSession
) -> None:
    server.reply(failure(404, "model_not_found", "no such model"))
    server.reply(failure(500))
    with pytest.raises(ModelNotFoundError):
        session.ask("a", Options(model="zzz"))


def test_no_server_is_an_error_that_names_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedServer() as gone:
        pass
    monkeypatch.setenv("CNAI_API_KEY", KEY)
    session = KernelSession(Cnai(base_url=gone.base_url, retries=0))
    with pytest.raises(CnaiError) as caught:
        session.ask("a")
    assert "is the server running" in caught.value.next_step.at(CELL)
    assert session.book.get_total() == Spend()


# -- ending early -------------------------------------------------------------------------------


def test_an_interrupt_keeps_the_part_that_arrived_and_charges_it_once(
    server: ScriptedServer, session: KernelSession
) -> None:
    server.reply([*begun("half an answer"), SILENCE])

    def interrupt(view: Watcher) -> None:
        raise KeyboardInterrupt

    view = Watcher(interrupt)
    with pytest.raises(KeyboardInterrupt):
        session.ask("a", view=view)
    (attempt,) = view.ended
    reply = attempt.reply
    assert (reply.text, reply.finish_reason, attempt.turn) == ("half an answer", "interrupted", 1)
    assert reply.usage.estimated
    assert main(session) == ["half an answer"]
    assert session.book.get_total().requests == 1
    assert session.latest == reply
    server.reply(sse("more"))
    session.ask("go on")
    assert [content for _, content in sent(server)] == ["a", "half an answer", "go on"]


def test_stop_ends_the_answer_as_if_it_were_complete(server: ScriptedServer, session: KernelSession) -> None:
    server.reply([*begun("half an answer"), SILENCE])

    def stop(view: Watcher) -> None:
        assert view.stop is not None
        view.stop()

    reply = session.ask("a", view=Watcher(stop))
    assert (reply.text, reply.finish_reason) == ("half an answer", "stopped")
    assert reply.footer.endswith("stopped")
    assert main(session) == ["half an answer"]
    assert session.book.get_total().requests == 1


def test_stop_before_the_first_token_leaves_no_turn(server: ScriptedServer, session: KernelSession) -> None:
    arrived = threading.Event()
    server.reply([head(Transfer_Encoding="chunked"), SILENCE])
    view = Watcher()

    def stop_once_asked() -> None:
        assert arrived.wait(PATIENCE)
        assert view.stop is not None
        view.stop()

    stopping = threading.Thread(target=stop_once_asked)
    stopping.start()
    begin = view.begin

    def begin_and_tell(question: Question, stop: Callable[[], None] | None) -> None:
        begin(question, stop)
        arrived.set()

    view.begin = begin_and_tell  # type: ignore[method-assign]
    reply = session.ask("a", view=view)
    stopping.join(PATIENCE)
    assert (reply.text, reply.finish_reason, stands(session)[1]) == ("", "stopped", 0)
    assert main(session) == []


def test_a_view_that_breaks_does_not_lose_the_answer(server: ScriptedServer, session: KernelSession) -> None:
    server.reply([*begun("half an answer"), SILENCE])

    def broken(view: Watcher) -> None:
        raise RuntimeError("the front end is gone")

    with pytest.raises(RuntimeError, match="front end"):
        session.ask("a", view=Watcher(broken))
    assert main(session) == ["half an answer"]
    assert session.book.get_total().requests == 1


# -- usage and cost -----------------------------------------------------------------------------


def test_usage_that_the_server_reports_is_charged_exactly(
    server: ScriptedServer, session: KernelSession
) -> None:
    server.always(sse("hi", tokens=(20, 8)))
    reply = session.ask("a")
    assert reply.usage == Usage(20, 8)
    assert reply.cost.nano == 53_760
    assert "20 → 8 tokens · $0.000054" in reply.footer
    session.ask("b")
    assert latest(session).total.nano == 2 * 53_760


def test_usage_that_is_not_reported_is_estimated_and_marked(
    server: ScriptedServer, session: KernelSession
) -> None:
    server.reply(sse("hi there", tokens=None))
    reply = session.ask("What?")
    assert reply.usage == Usage(estimate_tokens("What?"), estimate_tokens("hi there"), estimated=True)
    assert "≈2 → ≈2 tokens" in reply.footer
    assert "≈$" in reply.footer


def test_the_model_that_answered_is_kept_where_it_is_another(
    server: ScriptedServer, session: KernelSession, tmp_path: Path
) -> None:
    session.settings.ledger = str(tmp_path / "ledger.sqlite3")
    named = [event({**delta("4"), "model": name}) for name in ("", "deepseek-chat", "qwen2.5-coder-0.5b", "")]
    server.reply(chunked([*named, event({**delta(finish="stop"), "model": None}), event("[DONE]")]))
    server.reply(sse("6"))
    reply = session.ask("2+2?")
    assert (reply.model, reply.answered_by) == ("deepseek-chat", "qwen2.5-coder-0.5b")
    attempt = latest(session)
    assert session.ask("3+3?").answered_by == ""
    assert (
        read_answer(build_metadata(attempt)["cnai"], build_bundle(attempt)).reply.answered_by
        == "qwen2.5-coder-0.5b"
    )
    expected = ["deepseek-chat, answered by qwen2.5-coder-0.5b", "deepseek-chat"]
    assert session.ledger is not None
    assert list(session.ledger.read_sums("model")) == expected
    assert [charge.answered_by for charge in session.ledger.read_charges()] == ["qwen2.5-coder-0.5b", ""]


def test_a_model_without_a_price_is_unpriced(server: ScriptedServer, session: KernelSession) -> None:
    server.always(sse("hi"))
    server.pricing = {"data": [{"model_name": "another", "model_ratio": 1, "completion_ratio": 1}]}
    reply = session.ask("a", Options(model="qwen-max"))
    assert reply.cost.nano is None
    assert "unpriced" in reply.footer
    session.settings.prices = {"qwen-max": (1, 2)}
    assert session.ask("b", Options(model="qwen-max")).cost.nano == 20 * 1000 + 8 * 2000


def test_reasoning_is_kept_apart_and_never_sent_back(server: ScriptedServer, session: KernelSession) -> None:
    server.reply(chunked([event(delta(reasoning_content="hm, 6*7")), *answer("42")]))
    server.reply(sse("yes"))
    view = Watcher()
    reply = session.ask("a", view=view)
    assert (reply.reasoning, reply.text, view.reasoning) == ("hm, 6*7", "42", "hm, 6*7")
    session.ask("b")
    assert b"6*7" not in server.requests[1].body


def test_an_answer_that_is_empty_is_charged_and_is_no_turn(
    server: ScriptedServer, session: KernelSession
) -> None:
    server.reply(sse("", tokens=(5, 0)))
    session.ask("a")
    assert stands(session)[1] == 0
    assert main(session) == []
    assert session.book.get_total().usage == Usage(5, 0)


# -- what the review of a hostile reader asked for ------------------------------------------------


def test_an_interrupt_before_the_server_took_the_question_costs_nothing(
    server: ScriptedServer, session: KernelSession
) -> None:
    class Impatient(Watcher):
        def begin(self, question: Question, stop: Callable[[], None]) -> None:
            raise KeyboardInterrupt

    view = Impatient()
    with pytest.raises(KeyboardInterrupt):
        session.ask("a", view=view)
    assert server.requests == []
    assert session.book.charges == []
    assert (view.ended, view.failed) == ([], [None])


def test_a_stop_while_a_retry_is_waited_for_costs_nothing(
    server: ScriptedServer, session: KernelSession
) -> None:
    session.settings.retries = 1
    server.reply(failure(429, "rate_limit_exceeded", Retry_After=30))

    class Impatient(Watcher):
        def update(self, batch: Batch) -> None:
            assert self.stop is not None
            self.stop()

    reply = session.ask("a", view=Impatient())
    assert (reply.finish_reason, reply.cost, reply.usage) == ("stopped", Cost(0), Usage())
    assert session.book.charges == []
    assert main(session) == []


def test_what_arrives_after_an_early_count_is_estimated_and_marked(
    server: ScriptedServer, session: KernelSession
) -> None:
    first = event({**delta("a"), "usage": usage(20, 1)})
    server.reply(
        [head(Transfer_Encoding="chunked"), http_chunk(first), http_chunk(event(delta("b" * 1000))), SILENCE]
    )

    def stop(view: Watcher) -> None:
        if len(view.text) > 1000 and view.stop is not None:
            view.stop()

    reply = session.ask("a", view=Watcher(stop))
    assert reply.usage == Usage(20, 1 + estimate_tokens("b" * 1000), estimated=True)


def test_a_price_that_is_none_is_found_before_anything_is_sent(
    server: ScriptedServer, session: KernelSession
) -> None:
    session.settings.prices = {"deepseek-chat": 1.5}
    with pytest.raises(InputError, match="the price of deepseek-chat"):
        session.ask("a")
    assert server.requests == []


def test_demo_answers_of_another_server_are_not_priced_as_money(
    server: ScriptedServer, session: KernelSession
) -> None:
    server.reply(sse("hi"))
    assert session.ask("a", Options(model="demo-guide")).cost == Cost(0, local=True)


def test_a_server_on_this_machine_without_a_price_list_is_free(
    server: ScriptedServer, session: KernelSession
) -> None:
    server.always(sse("hi"))
    reply = session.ask("a", Options(model="qwen-local"))
    assert "· free, local ·" in reply.footer
    assert reply.footer.endswith("notebook free")
    session.settings.prices = {"*": (0, 0)}
    assert "· $0 ·" in session.ask("b", Options(model="qwen-local")).footer


def test_without_a_model_the_only_one_of_the_server_is_asked(
    server: ScriptedServer, session: KernelSession
) -> None:
    server.only_model = "tiny"
    server.always(sse("hi"))
    assert session.ask("a").model == "tiny"
    assert session.find_default_model() == "tiny"


def test_without_a_model_a_server_with_several_names_a_few(
    server: ScriptedServer, session: KernelSession
) -> None:
    server.reply(json_response({"data": [{"id": f"model-{number}"} for number in range(9)]}))
    with pytest.raises(InputError, match="no model is named") as caught:
        session.ask("a")
    assert caught.value.why == "the server has model-0, model-1, model-2, model-3, model-4 and others"
    assert "%%cnai MODEL" in caught.value.next_step.at(CELL)
    assert [request.path for request in server.requests] == ["/v1/models"]


def test_without_a_model_a_dry_run_asks_nobody(server: ScriptedServer, session: KernelSession) -> None:
    assert "model" in session.prepare("a").request.model
    assert server.requests == server.lookups == []


def test_plain_http_to_another_machine_is_told_once_and_never_with_a_key() -> None:
    lines: list[str] = []
    session = KernelSession(
        Cnai(base_url="http://192.0.2.2:8000/v1", model="m", retries=0), notify=lines.append
    )
    session.use_key(ApiKey(KEY))
    with pytest.raises(InputError, match="plain http"):
        session.ask("a")
    session.use_key(None)
    for _ in range(2):
        session._announce(session.resolve_endpoint())
    assert [line for line in lines if "plain http" in line] == lines[:1]


def test_an_interrupt_while_an_answer_is_settled_waits_until_it_is(
    server: ScriptedServer, session: KernelSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.reply(sse("hi"))
    add = session.book.add

    def interrupted_add(charges: Sequence[Charge]) -> None:
        signal.raise_signal(signal.SIGINT)
        add(charges)

    monkeypatch.setattr(session.book, "add", interrupted_add)
    view = Watcher()
    with pytest.raises(KeyboardInterrupt):
        session.ask("a", view=view)
    assert session.book.get_total().requests == len(session.book.charges) == 1
    assert main(session) == ["hi"]
    assert [attempt.reply.text for attempt in view.ended] == ["hi"]


def test_an_interrupt_while_the_budget_is_asked_leaves_nothing_held(
    server: ScriptedServer, session: KernelSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    session.settings.budget = 1
    allow = session.spending.allow

    def interrupted_allow(*arguments: Any, **options: Any) -> Any:
        signal.raise_signal(signal.SIGINT)
        return allow(*arguments, **options)

    monkeypatch.setattr(session.spending, "allow", interrupted_allow)
    with pytest.raises(KeyboardInterrupt):
        session.ask("a")
    assert server.requests == []
    assert session.spending.get_status(session.budget, demo=False) == (10**9, 0, 0)


def test_an_answer_replayed_outside_of_the_conversation_is_no_turn(
    server: ScriptedServer, session: KernelSession
) -> None:
    server.always(sse("yes"))
    session.ask("a", Options(new=True, chat="plan"))
    saved = latest(session)
    assert saved.began
    session.settings.replay = True
    fresh = KernelSession(session.settings)
    assert fresh.replay("a", [saved], Options(once=True)).replayed
    outside = latest(fresh)
    fresh.replay("a", [saved])
    within = latest(fresh)
    assert (outside.turn, outside.began) == (0, False)
    assert (within.turn, within.began, within.conversation) == (1, False, "main")
    assert fresh.book.get_total() == Spend()
    assert len(server.requests) == 1


def test_a_conversation_that_is_taken_in_belongs_to_no_cell(session: KernelSession) -> None:
    read = KernelConversation("talk", begun_by=CellPosition("A"))
    read.record(CellPosition("A"), Attempt(Reply("yes", "a", "m")))
    taken = session.cells.take_in(read, "", "talk")
    assert (taken.begun_by, taken.turns[0].position) == (None, CellPosition())
    assert session.conversations.current == "talk"


def test_many_threads_may_ask_one_session(server: ScriptedServer, session: KernelSession) -> None:
    server.always(sse("yes"))
    replies: list[Reply] = []

    def ask(number: int) -> None:
        replies.extend(session.ask(f"{number}.{index}", Options(chat="shared")) for index in range(10))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    turns = session.conversations["shared"].turns
    assert len(turns) == len(session.book.charges) == session.book.get_total().requests == 60
    assert {reply.id for reply in replies} == {turn.reply.id for turn in turns}
    assert [turn.attempt.turn for turn in turns] == list(range(1, 61))


def test_turns_that_a_cell_no_longer_asks_are_not_sent_and_come_back_with_their_attempts(
    server: ScriptedServer, session: KernelSession
) -> None:
    server.always(sse("yes"))
    first, second = CellPosition("a", 0), CellPosition("a", 1)
    session.ask("a1", position=first)
    session.ask("a2", position=second)
    session.ask("a1", position=first)
    session.conversations.end_of_cell("a", [("main", first)])
    session.ask("b", position=CellPosition("b"))
    assert [text for role, text in sent(server) if role == "user"] == ["a1", "b"]
    session.ask("a2 again", position=second)
    assert stands(session) == ("main", 2, 2)
    assert [text for role, text in sent(server) if role == "user"] == ["a1", "a2 again"]


def test_a_cell_that_moves_to_another_conversation_leaves_the_first(
    server: ScriptedServer, session: KernelSession
) -> None:
    server.always(sse("yes"))
    position = CellPosition("a")
    session.ask("in main", position=position)
    session.ask("in plan", Options(chat="plan"), position=position)
    session.conversations.end_of_cell("a", [("plan", position)])
    session.ask("b", position=CellPosition("b"))
    assert sent(server) == [("user", "b")]


def test_new_in_the_first_cell_of_a_conversation_begins_another(
    server: ScriptedServer, session: KernelSession
) -> None:
    server.always(sse("yes"))
    session.ask("q1", position=CellPosition("a"))
    session.ask("q2", position=CellPosition("b"))
    session.ask("fresh", Options(new=True), position=CellPosition("a"))
    assert (stands(session)[0], session.conversations.current) == ("chat-2", "chat-2")
    assert sent(server) == [("user", "fresh")]
    session.ask("fresh again", Options(new=True), position=CellPosition("a"))
    assert stands(session)[0] == "chat-2"


def test_a_re_run_tells_how_many_turns_below_are_stale(
    server: ScriptedServer, session: KernelSession
) -> None:
    server.always(sse("yes"))
    for cell in "abc":
        session.ask(cell, position=CellPosition(cell))
    again = session.ask("a, changed", position=CellPosition("a"))
    assert latest(session).stale_below == 2
    assert "2 below are stale" in again.footer
    for cell, stale_below in (("b", 1), ("c", 0)):
        session.ask(cell, position=CellPosition(cell))
        assert latest(session).stale_below == stale_below


# -- keys, servers, models ----------------------------------------------------------------------


def test_the_prompt_may_not_hold_the_own_key(server: ScriptedServer, session: KernelSession) -> None:
    with pytest.raises(InputError, match="own API key"):
        session.ask(f"what is {KEY}?")
    assert server.requests == []
    assert main(session) == []
    assert session.book.get_total() == Spend()


def test_a_key_that_was_typed_wins_over_the_environment_and_that_over_the_keyring(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, own_keyring: FakeKeyring
) -> None:
    server.always(sse("yes"))
    session = KernelSession(Cnai(base_url=server.base_url))

    def key() -> str:
        session.ask("a")
        return server.requests[-1].headers.get("authorization", "none")

    assert key() == "none"
    save_key(ApiKey("stored-key"), parse_address(server.base_url))
    session.use_key(None)
    assert key() == "Bearer stored-key"
    monkeypatch.setenv("CNAI_API_KEY", "environment-key")
    assert key() == "Bearer stored-key"  # a server on this machine gets no key that is for another
    monkeypatch.setenv("CNAI_BASE_URL", server.base_url)
    assert key() == "Bearer environment-key"
    session.use_key(ApiKey("typed-key"))
    assert key() == "Bearer typed-key"
    session.use_key(None)
    assert key() == "Bearer environment-key"
    monkeypatch.delenv("CNAI_API_KEY")
    assert key() == "Bearer stored-key"
    assert forget_key(parse_address(server.base_url))
    assert not forget_key(parse_address(server.base_url))
    session.close()


def test_the_keyring_is_not_asked_for_every_question(
    server: ScriptedServer, own_keyring: FakeKeyring
) -> None:
    server.always(sse("yes"))
    session = KernelSession(Cnai(base_url=server.base_url))
    for _ in range(3):
        session.ask("a")
    assert own_keyring.reads == 1
    session.close()


def test_a_machine_without_a_keyring_holds_no_key_and_keeps_none(
    server: ScriptedServer, own_keyring: FakeKeyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*args: str) -> None:
        raise keyring.errors.NoKeyringError("no backend")

    for name in ("get_password", "set_password", "delete_password"):
        monkeypatch.setattr(own_keyring, name, none)
    server.reply(sse("yes"))
    session = KernelSession(Cnai(base_url=server.base_url))
    session.ask("a")
    assert "authorization" not in server.requests[0].headers
    assert not forget_key(parse_address(server.base_url))
    with pytest.raises(InputError, match="no keyring") as caught:
        save_key(ApiKey(KEY), parse_address(server.base_url))
    assert "CNAI_API_KEY" in caught.value.next_step.at(CELL)
    session.close()


def test_models_are_asked_for_once_per_server_and_key(server: ScriptedServer, session: KernelSession) -> None:
    server.reply(json_response({"data": [{"id": "one", "owned_by": "them"}]}))
    server.reply(json_response({"data": [{"id": "two"}]}))
    assert [model.id for model in session.models()] == ["one"]
    assert [model.id for model in session.models()] == ["one"]
    assert len(server.requests) == 1
    assert [model.id for model in session.models(refresh=True)] == ["two"]
    server.reply(json_response({"data": [{"id": "three"}]}))
    session.use_key(ApiKey("another-key"))
    assert [model.id for model in session.models()] == ["three"]
    session.use_key(None)
    assert [model.id for model in session.models()] == ["two"]


def test_a_server_of_ones_own_is_asked_without_a_key(server: ScriptedServer) -> None:
    lines: list[str] = []
    server.reply(sse("yes"))
    session = KernelSession(Cnai(base_url=server.base_url), notify=lines.append)
    assert not session.ask("a", Options(model="any-model")).demo
    assert "authorization" not in server.requests[0].headers
    assert lines == []
    session.close()


def test_the_environment_names_the_server_and_the_model(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CNAI_BASE_URL", server.base_url)
    monkeypatch.setenv("CNAI_MODEL", "glm-4")
    server.always(sse("yes"))
    session = KernelSession(Cnai())
    assert session.find_default_model() == "glm-4"
    session.ask("a")
    session.settings.model = "qwen-max"
    session.ask("b")
    session.ask("c", Options(model="deepseek-chat"))
    assert [request.json()["model"] for request in server.requests] == ["glm-4", "qwen-max", "deepseek-chat"]
    session.close()


# -- the demo -----------------------------------------------------------------------------------


def test_without_a_key_the_embedded_gateway_answers_offline_and_says_so_once(own_gateway: None) -> None:
    lines: list[str] = []
    session = KernelSession(Cnai(), notify=lines.append)
    reply = session.ask("What is 2 + 2?")
    assert reply.demo
    assert reply.model == "demo-guide"
    assert "4" in reply.text
    assert "demo" in reply.footer
    session.ask("And 3 + 3?", Options(model="demo-echo"))
    assert len(lines) == 1
    assert "CNAI_API_KEY" in lines[0]
    assert "%" not in lines[0]
    assert session.book.get_total() == Spend()
    assert session.book.get_total(demo=True).requests == 2
    assert {model.id for model in session.models()} >= {"demo-guide", "demo-echo"}
    session.close()


def test_where_the_demo_was_chosen_nobody_is_told_that_a_key_is_missing(own_gateway: None) -> None:
    lines: list[str] = []
    session = KernelSession(Cnai(base_url="demo"), notify=lines.append)
    assert session.resolve_endpoint().demo
    session.ask("hello")
    assert lines == []
    session.close()


def test_without_a_key_another_model_is_an_error_that_says_how_to_set_one(own_gateway: None) -> None:
    session = KernelSession(Cnai())
    with pytest.raises(InputError) as caught:
        session.ask("a", Options(model="deepseek-chat"))
    assert caught.value.parameter == "model"
    assert caught.value.why == "no API key is set"
    assert "%cnai_key" in caught.value.next_step.at(CELL)
    assert "CNAI_API_KEY" in caught.value.next_step.at(CELL)


def test_with_a_key_the_demo_can_still_be_chosen(monkeypatch: pytest.MonkeyPatch, own_gateway: None) -> None:
    monkeypatch.setenv("CNAI_API_KEY", KEY)
    session = KernelSession(Cnai(base_url="demo"))
    assert session.ask("hello").demo
    session.close()


def test_tokens_that_the_server_counted_before_it_failed_are_charged(
    server: ScriptedServer, session: KernelSession
) -> None:
    session.settings.retries = 2
    counted = event({"choices": [], "usage": usage(20, 50)})
    server.reply(chunked([counted, event({"error": {"message": "no", "code": "server_error"}})]))
    with pytest.raises(CnaiError):
        session.ask("a")
    assert len(server.requests) == 1
    assert session.book.get_total().usage == Usage(20, 50)
    assert session.book.get_total().nano == 20 * 1680 + 50 * 2520


@pytest.mark.parametrize("presses", [1, 2])
def test_an_interrupt_at_any_line_loses_neither_answer_nor_charge_nor_hold(
    server: ScriptedServer, session: KernelSession, monkeypatch: pytest.MonkeyPatch, presses: int
) -> None:
    """Ctrl-C at each line that receives and settles an answer; pressed twice, at the next line too."""
    server.always(sse("yes", tokens=(20, 8)))
    session.settings.budget = 1
    requests: list[SentRequest] = []

    class Watched(SentRequest):
        def __init__(self, *given: Any, **named: Any) -> None:
            super().__init__(*given, **named)
            requests.append(self)

    monkeypatch.setattr(pending_reply, "SentRequest", Watched)
    asking = (session_module, recorder, pending_reply, sent_request, reply_reader)
    modules = (*asking, interrupts, spending, budget)
    files = {str(module.__file__) for module in modules}
    reached = line = 0
    while reached >= line:
        line += 1
        reached = _interrupted_at(line, presses, files, lambda: session.ask("a", Options(once=True)))
        total = session.book.get_total()
        assert total.requests == sum(each.chargeable for each in requests), line
        assert session.spending.get_status(session.budget, demo=False) == (10**9, total.nano, 0), line
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler, line
    assert line > 40


def _interrupted_at(line: int, presses: int, files: set[str], work: Callable[[], object]) -> int:
    """Do some work with Ctrl-C at the line of this number; return how many lines of `files` there were."""
    passed = 0

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal passed
        if frame.f_code.co_filename not in files:
            return None
        if event == "line":
            passed += 1
            if line <= passed < line + presses:
                signal.raise_signal(signal.SIGINT)
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        with suppress(KeyboardInterrupt):
            work()
    finally:
        sys.settrace(before)
    return passed


@pytest.mark.parametrize("prompt", [5, None, b"What is a median?", ["What?"]])
def test_a_question_that_is_no_text_is_refused_in_words(prompt: Any) -> None:
    session = KernelSession(Cnai(base_url="http://127.0.0.1:9/v1", model="m", ledger="off"))
    with pytest.raises(InputError, match=f"of type {type(prompt).__name__}, not text"):
        session.ask(prompt)
