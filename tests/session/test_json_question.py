"""Questions whose answers are to be JSON: how they are asked, corrected, charged and kept."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable
from typing import Any

import pytest

from cnai_magic.chat.conversation import CellPosition
from cnai_magic.chat.reply import Reply
from cnai_magic.errors import (
    BudgetError,
    InvalidRequestError,
    JSONAnswerError,
    JSONCutError,
    RateLimitError,
)
from cnai_magic.magics.cell_words import CELL
from cnai_magic.plain_python.session import Session
from cnai_magic.session.kernel_session import KernelSession
from cnai_magic.session.question import Options
from cnai_magic.session.view import Batch
from tests.servers import RESET, SILENCE, ScriptedServer, Tell, failure, sse
from tests.session.test_kernel_session import Watcher
from tests.session.test_pending_reply import Interrupting, rows

WORDS = "name, age int"
ADA = '{"name": "Ada", "age": 36}'
OLD = '{"name": "Ada", "age": "old"}'
PROSE = "Ada was 36 years old."
REPAIRED = "JSON repaired (1 more request)"


def ask(session: KernelSession, schema: object = WORDS, prompt: str = "Who?", **options: Any) -> Reply:
    return session.ask(prompt, Options(parameters={"schema": schema}, **options))


def formats(server: ScriptedServer) -> list[str]:
    """Return the type of `response_format` of each request, "" for none."""
    return [request.json().get("response_format", {}).get("type", "") for request in server.requests]


def last_message(server: ScriptedServer, number: int = -1) -> str:
    return str(server.requests[number].json()["messages"][-1]["content"])


# -- an answer that fits ------------------------------------------------------------------------


def test_an_answer_that_fits_is_data(session: KernelSession, server: ScriptedServer) -> None:
    server.reply(sse(ADA))
    reply = ask(session)
    assert reply.data == {"name": "Ada", "age": 36}
    sent = server.requests[0].json()
    assert sent["response_format"]["json_schema"]["strict"] is True
    assert sent["messages"] == [{"role": "user", "content": "Who?"}]
    assert reply.note == ""
    assert [turn.reply.text for turn in session.conversations.in_use.turns] == [ADA]


def test_plain_python_takes_types_and_returns_data(server: ScriptedServer) -> None:
    server.reply(sse('{"items": ["a", "b"]}'))
    with Session(base_url=server.base_url, model="m") as plain:
        assert plain.ask("Which?", schema=list[str]).data == ["a", "b"]


def test_any_json_is_asked_for_with_the_word_json(session: KernelSession, server: ScriptedServer) -> None:
    server.reply(sse("```json\n[1, 2]\n```"))
    assert ask(session, {}).data == [1, 2]
    assert formats(server) == ["json_object"]
    assert "JSON" in last_message(server)
    # The question itself is as it was asked.
    assert session.conversations.in_use.turns[0].reply.messages[0].content == "Who?"


# -- the ladder ---------------------------------------------------------------------------------

SCHEMA_REFUSED = [
    (400, "invalid_request_error", "This response_format type is unavailable now"),
    (422, "", "response_format: response_format.type `json_schema` is unavailable now at line 1 column 9"),
    (400, "InvalidParameter", "The parameter `response_format.type` specified in the request are not valid"),
    (400, "", "Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model."),
    (400, "20024", "Json mode is not supported for this model."),
    (400, "", "Json mode response is not supported when enable_thinking is true"),
    (500, "", "failed to load model vocabulary required for format: grammar"),
]


@pytest.mark.parametrize(("status", "code", "message"), SCHEMA_REFUSED)
def test_what_a_server_refuses_is_asked_for_in_the_next_way(
    session: KernelSession, server: ScriptedServer, status: int, code: str, message: str
) -> None:
    server.reply(failure(status, code, message))
    server.reply(sse(ADA))
    assert ask(session).data["age"] == 36
    assert formats(server) == ["json_schema", "json_object"]
    assert '"age"' in last_message(server)
    # A refused request costs nothing, and is no row.
    assert len(rows(session)) == 1


def test_the_last_way_is_words_alone_and_is_remembered(
    session: KernelSession, server: ScriptedServer
) -> None:
    for word in ("json_schema", "json_object"):
        server.reply(failure(400, "", f"response_format {word} is not supported"))
    server.always(sse(ADA))
    ask(session)
    ask(session, prompt="And now?")
    assert formats(server) == ["json_schema", "json_object", "", ""]
    assert "JSON Schema" in last_message(server)
    ask(session, model="other")
    assert formats(server)[-1] == "json_schema"
    assert session.prepare("b", Options(parameters={"schema": WORDS})).request.json_mode == "prompt"


def test_a_refusal_that_names_nothing_is_tried_in_words_once(
    session: KernelSession, server: ScriptedServer
) -> None:
    for _ in range(2):  # the second one without stream_options
        server.reply(failure(400, "1210", "API 调用参数有误，请检查文档。"))
    server.reply(sse(ADA))
    ask(session)
    assert formats(server) == ["json_schema", "json_schema", ""]


def test_a_refusal_of_something_else_is_an_error_at_once(
    session: KernelSession, server: ScriptedServer
) -> None:
    server.reply(failure(400, "", "temperature must be 1 for this model"))
    options = Options(parameters={"schema": WORDS, "temperature": 0})
    with pytest.raises(InvalidRequestError):
        session.ask("a", options)
    assert len(server.requests) == 1


def test_what_every_way_refuses_is_the_servers_error(session: KernelSession, server: ScriptedServer) -> None:
    server.always(failure(400, "", "no response_format, and no JSON, here"))
    with pytest.raises(InvalidRequestError):
        ask(session)
    assert formats(server) == ["json_schema", "json_object", ""]
    assert rows(session) == []
    server.always(sse(ADA))
    ask(session)
    assert formats(server)[-1] == "json_schema"


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("", "Invalid schema for response_format 'answer': In context=(), 'x' is not permitted."),
        ("json_validate_failed", "Failed to generate JSON in json mode. Please adjust your prompt."),
    ],
)
def test_a_refusal_of_one_schema_or_answer_is_not_remembered(
    session: KernelSession, server: ScriptedServer, code: str, message: str
) -> None:
    server.reply(failure(400, code, message))
    server.always(sse(ADA))
    ask(session)
    ask(session, "name, age int, x?")
    assert formats(server) == ["json_schema", "json_object", "json_schema"]


# -- one request to correct it ------------------------------------------------------------------


def test_an_answer_that_does_not_fit_is_corrected_once_and_both_are_charged(
    session: KernelSession, server: ScriptedServer
) -> None:
    server.reply(sse(OLD, tokens=(20, 8)))
    server.reply(sse(ADA, tokens=(60, 9)))
    reply = ask(session)
    assert (reply.text, reply.data["age"], reply.note) == (ADA, 36, REPAIRED)
    assert REPAIRED in reply.footer
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens) == (80, 17)
    assert reply.cost.nano == 97_000
    roles = [each["role"] for each in server.requests[1].json()["messages"]]
    assert roles == ["user", "assistant", "user"]
    assert "age: 'old' is not of type 'integer'" in last_message(server)
    assert [row.usage.total_tokens for row in rows(session)] == [28, 69]
    assert session.book.get_total().nano == 97_000
    # The conversation has the question and the answer that fits, and nothing else.
    (turn,) = session.conversations.in_use.turns
    assert [each.text for each in turn.reply.messages] == ["Who?", ADA]


def test_a_mode_without_effect_is_left_and_remembered(session: KernelSession, server: ScriptedServer) -> None:
    for text in (PROSE, ADA, PROSE, ADA, ADA):
        server.reply(sse(text))
    for _ in range(3):
        ask(session)
    assert formats(server) == ["json_schema", "json_object", "json_object", "", ""]


def test_a_limit_that_the_strict_form_does_not_have_says_nothing_of_the_mode(
    session: KernelSession, server: ScriptedServer
) -> None:
    short = {"type": "object", "properties": {"name": {"type": "string", "maxLength": 3}}}
    for text in ('{"name": "Adalbert"}', '{"name": "Ada"}', '{"name": "Bob"}'):
        server.reply(sse(text))
    assert ask(session, short).data == {"name": "Ada"}
    ask(session, short)
    assert formats(server) == ["json_schema"] * 3


@pytest.mark.parametrize("text", ["", "   \n "])
def test_an_empty_answer_is_asked_for_again(
    session: KernelSession, server: ScriptedServer, text: str
) -> None:
    server.reply(sse(text))
    server.reply(sse(ADA))
    assert ask(session).data["age"] == 36
    # Some vendors refuse an empty message of the assistant.
    assert [each["role"] for each in server.requests[1].json()["messages"]] == ["user"]
    # One empty answer is no proof that the mode has no effect.
    server.reply(sse(ADA))
    ask(session)
    assert formats(server)[-1] == "json_schema"


def test_an_answer_that_cannot_be_corrected_is_an_error_that_keeps_its_text(
    session: KernelSession, server: ScriptedServer
) -> None:
    server.reply(sse("Hello."))
    session.ask("Hi")
    server.reply(sse(PROSE))
    server.reply(sse(OLD))
    view = Watcher()
    with pytest.raises(JSONAnswerError) as caught:
        session.ask("Who?", Options(parameters={"schema": WORDS}), view=view)
    assert "'old' is not of type 'integer'" in caught.value.why
    assert caught.value.text == OLD
    assert session.latest is not None
    assert (session.latest.text, session.latest.finish_reason) == (OLD, "invalid")
    assert "not the JSON that was asked for · 1 more request did not help" in session.latest.footer
    assert len(rows(session)) == 3
    assert len(server.requests) == 3
    server.reply(sse("Bye."))
    session.ask("And?")
    assert [each["content"] for each in server.requests[-1].json()["messages"]] == ["Hi", "Hello.", "And?"]


def test_the_former_answer_stays_in_force_where_the_new_one_does_not_fit(
    session: KernelSession, server: ScriptedServer
) -> None:
    cell = CellPosition("a")
    server.reply(sse(ADA))
    session.ask("Who?", Options(parameters={"schema": WORDS}), position=cell)
    server.always(sse(PROSE))
    with pytest.raises(JSONAnswerError):
        session.ask("Who?", Options(parameters={"schema": WORDS}), position=cell)
    assert session.latest is not None
    assert "attempt 1 stays in force" in session.latest.footer
    assert [turn.reply.text for turn in session.conversations.in_use.turns] == [ADA]


def test_an_answer_that_was_cut_is_not_corrected(session: KernelSession, server: ScriptedServer) -> None:
    server.reply(sse('[{"name": "Ada", "age": 36}, {"na', finish="length"))
    with pytest.raises(JSONCutError) as caught:
        ask(session, "list[name, age int]")
    assert caught.value.text.endswith('{"na')
    assert len(server.requests) == 1
    assert session.latest is not None
    assert "cut before its JSON ended" in session.latest.footer
    assert session.conversations.in_use.turns == []
    server.reply(sse(ADA, finish="length"))
    assert ask(session).data["age"] == 36


@pytest.mark.parametrize(
    ("settings", "options", "step"),
    [
        ({}, {}, "-n 8000, or %config Cnai.max_tokens = 8000"),
        ({"max_tokens": 9000}, {}, "-n 18000, or %config Cnai.max_tokens = 18000"),
        ({"max_tokens": 9000}, {"parameters": {"max_tokens": 5}}, "-n 8000 in place of -n 5"),
        (
            {},
            {"parameters": {"max_tokens": 5}, "origins": {"max_tokens": "the saved prompt 'review'"}},
            "-n 8000 (the saved prompt 'review' sets max_tokens: 5)",
        ),
    ],
)
def test_the_limit_that_cut_an_answer_is_named(
    make: Callable[..., KernelSession],
    server: ScriptedServer,
    settings: dict[str, Any],
    options: dict[str, Any],
    step: str,
) -> None:
    server.reply(sse('{"name": "A', finish="length"))
    options = {**options, "parameters": {**options.get("parameters", {}), "schema": WORDS}}
    with pytest.raises(JSONCutError) as caught:
        make(**settings).ask("Who?", Options(**options))
    assert caught.value.lines(CELL)[-1].endswith(f"ask for less, or for a longer answer: {step}")


def test_an_answer_that_the_filter_stopped_is_not_corrected(
    session: KernelSession, server: ScriptedServer
) -> None:
    server.reply(sse('{"name": "A', finish="content_filter"))
    with pytest.raises(JSONAnswerError, match="cut by the content filter"):
        ask(session)
    assert len(server.requests) == 1


def test_a_request_to_correct_that_fails_keeps_the_first_answer(
    session: KernelSession, server: ScriptedServer
) -> None:
    server.reply(sse(PROSE))
    server.reply(failure(429, "", "slow down"))
    with pytest.raises(JSONAnswerError, match="the request to correct it failed") as caught:
        ask(session)
    assert isinstance(caught.value.__cause__, RateLimitError)
    assert session.latest is not None
    assert (session.latest.text, session.latest.finish_reason) == (PROSE, "invalid")
    assert len(rows(session)) == 1


def test_a_request_to_correct_that_breaks_off_is_charged_too(
    session: KernelSession, server: ScriptedServer
) -> None:
    server.reply(sse(PROSE))
    server.reply(sse('{"name": "Ada', finish=None, tokens=None, done=False)[0], RESET)
    with pytest.raises(JSONAnswerError):
        ask(session)
    assert len(rows(session)) == 2


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="signals of POSIX")
def test_an_interrupt_of_the_request_to_correct_keeps_the_first_answer_and_charges_both(
    session: KernelSession, server: ScriptedServer
) -> None:
    asked = threading.Event()
    server.reply(sse(PROSE))
    server.reply(Tell(asked), SILENCE)
    view = Interrupting(asked)
    with pytest.raises(KeyboardInterrupt):
        session.ask("Who?", Options(parameters={"schema": WORDS}), view=view)
    assert session.latest is not None
    assert (session.latest.text, session.latest.finish_reason) == (PROSE, "invalid")
    assert [row.finish_reason for row in rows(session)] == ["stop", "interrupted"]
    assert session.conversations.in_use.turns == []


def test_a_budget_holds_for_the_request_to_correct_as_well(
    make: Callable[..., KernelSession], server: ScriptedServer
) -> None:
    session = make(budget=0.0005, max_tokens=100)
    server.reply(sse(PROSE, tokens=(20, 400)))
    with pytest.raises(JSONAnswerError) as caught:
        ask(session)
    assert isinstance(caught.value.__cause__, BudgetError)
    assert len(server.requests) == 1
    assert session.latest is not None
    assert session.latest.text == PROSE


def test_stop_ends_it_without_an_error_or_another_request(
    session: KernelSession, server: ScriptedServer
) -> None:
    class Stopper(Watcher):
        def update(self, batch: Batch) -> None:
            super().update(batch)
            if batch.text:
                self.stop()

    server.reply([*sse('{"name": ', finish=None, tokens=None, done=False)])
    reply = session.ask("Who?", Options(parameters={"schema": WORDS}), view=Stopper())
    assert reply.finish_reason == "stopped"
    assert len(server.requests) == 1


def test_a_view_is_told_that_another_answer_follows(session: KernelSession, server: ScriptedServer) -> None:
    notices: list[str] = []

    class Notices(Watcher):
        def update(self, batch: Batch) -> None:
            super().update(batch)
            notices.extend([batch.notice.kind] if batch.notice else [])

    server.reply(sse(PROSE))
    server.reply(sse(ADA))
    session.ask("Who?", Options(parameters={"schema": WORDS}), view=Notices())
    assert notices == ["repair"]


# -- saved answers ------------------------------------------------------------------------------


def test_the_schema_is_part_of_what_replay_looks_for(session: KernelSession, server: ScriptedServer) -> None:
    server.reply(failure(400, "", "no response_format"))
    server.reply(sse(ADA))
    ask(session)
    saved = session.latest_attempt
    assert saved is not None
    session.settings.replay = True
    options = Options(parameters={"schema": WORDS}, once=True)
    assert session.replay("Who?", [saved], options).data == {"name": "Ada", "age": 36}
    with pytest.raises(Exception, match="schema was"):
        session.replay("Who?", [saved], Options(parameters={"schema": "name"}, once=True))


def test_a_dry_run_shows_the_schema(session: KernelSession) -> None:
    body = session.prepare("Who?", Options(parameters={"schema": WORDS})).request.body()
    assert json.dumps(body["response_format"]).count("age") == 2
