"""The session of plain Python: what it takes, what it returns, and that it knows no cells."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import cnai_magic
from cnai_magic import Cost, InputError, QuotaError, Reply, Session, Usage
from cnai_magic.api.parameters import BY_NAME
from cnai_magic.settings import Cnai
from tests.images import make_data_url, make_png
from tests.servers import KEY, ScriptedServer, completion, failure, json_response, sse


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        running.always(sse("yes", tokens=(20, 8)))
        yield running


@pytest.fixture
def session(server: ScriptedServer) -> Iterator[Session]:
    with Session(base_url=server.base_url, model="m", ledger="off", retries=0, prices={"m": (1, 2)}) as made:
        yield made


def test_an_answer_has_its_text_usage_and_cost_and_the_session_their_sums(session: Session) -> None:
    reply = session.ask("Hi?")
    assert isinstance(reply, Reply)
    assert (str(reply), reply.usage, reply.cost) == ("yes", Usage(20, 8), Cost(36_000))
    session.ask("And?")
    assert (session.usage, session.cost) == (Usage(40, 16), Cost(72_000))
    assert session.latest is not None
    assert session.latest.prompt == "And?"


def test_a_cost_without_a_price_has_no_amount(session: Session) -> None:
    assert session.cost == Cost(0)
    session.settings.base_url = session.settings.base_url.replace("127.0.0.1", "localhost")
    session.ask("Hi?", model="another")
    assert session.ask("Hi?", model="another").cost == Cost(0, local=True)
    session.settings.prices = {"m": (1, 2), "another": (1, 1)}
    session.ask("Hi?", model="another")
    assert session.cost == Cost(28_000)


def test_arguments_are_settings_and_none_leaves_them_to_the_environment(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CNAI_MODEL", "of-the-environment")
    monkeypatch.setenv("CNAI_TEMPERATURE", "0.5")
    with Session(base_url=server.base_url, model=None, temperature=0, stop=["END"], ledger="off") as session:
        session.ask("Hi?")
    body = server.requests[0].json()
    assert (body["model"], body["temperature"], body["stop"]) == ("of-the-environment", 0, ["END"])
    with Session(Cnai(base_url=server.base_url, model="m", ledger="off")) as session:
        assert session.ask("Hi?").model == "m"
    with pytest.raises(InputError, match="temperature"):
        Session(temperature=3)
    with pytest.raises(InputError, match="given twice"):
        Session(Cnai(), model="m")


def test_every_argument_of_a_question_is_sent(session: Session, server: ScriptedServer) -> None:
    sent = {"temperature": 0.5, "top_p": 0.9, "max_tokens": 7, "stop": "END", "seed": 1}
    sent |= {"logprobs": 2, "think": 500, "extra": {"top_k": 20}}
    assert {*sent, "schema", "prefix", "tools"} == BY_NAME.keys()
    reply = session.ask("Hi?", model="n", system="Be brief.", **sent)  # type: ignore[arg-type]
    body = server.requests[0].json()
    written = {"temperature": 0.5, "top_p": 0.9, "max_tokens": 7, "stop": ["END"], "seed": 1}
    assert {**written, "top_logprobs": 2, "reasoning_effort": "low", "top_k": 20}.items() <= body.items()
    assert not {"think", "extra"} & body.keys()
    assert [each["content"] for each in body["messages"]] == ["Be brief.", "Hi?"]
    assert (reply.model, reply.system, reply.parameters) == ("n", "Be brief.", {**sent, "stop": ("END",)})


def test_a_request_can_be_seen_without_being_sent(session: Session, server: ScriptedServer) -> None:
    body = session.prepare("Hi?", system="Be brief.", temperature=0)
    assert [each["content"] for each in body["messages"]] == ["Be brief.", "Hi?"]
    assert server.requests == []
    session.ask("Hi?", system="Be brief.", temperature=0)
    assert server.requests[0].json() == body


def test_a_whole_answer_may_be_asked_for_at_once(session: Session, server: ScriptedServer) -> None:
    server.reply(json_response(completion("Hello", (3, 1))))
    assert session.ask("Hi", stream=False).text == "Hello"
    assert "stream" not in server.requests[0].json()


def test_the_conversation_is_remembered_and_can_be_read_and_changed(
    session: Session, server: ScriptedServer
) -> None:
    session.ask("first")
    session.ask("second")
    session.ask("aside", once=True)
    session.ask("elsewhere", chat="plan")
    conversation = session.conversation()
    assert (conversation.name, len(conversation)) == ("main", 2)
    assert [each.prompt for each in conversation.replies] == ["first", "second"]
    assert [each.name for each in session.conversations] == ["main", "plan"]
    conversation.system = "Be brief."
    assert conversation.undo().prompt == "second"
    session.ask("third")
    assert [each["content"] for each in server.requests[-1].json()["messages"]] == [
        "Be brief.",
        "first",
        "yes",
        "third",
    ]
    session.ask("new", new=True)
    assert session.conversation().name == "chat-3"
    assert session.conversation("plan").replies[0].prompt == "elsewhere"
    with pytest.raises(InputError, match="there is no conversation 'plam'"):
        session.conversation("plam")


def test_answers_are_rated_and_listed_with_what_they_cost(session: Session, server: ScriptedServer) -> None:
    reply = session.ask("first", temperature=0)
    other = session.ask("elsewhere", chat="plan")
    conversation = session.conversation()
    conversation.rate(reply, 4, "short\nand right")
    (row,) = conversation.list_attempts()
    assert (row["prompt"], row["answer"], row["model"], row["turn"]) == ("first", "yes", "m", 1)
    assert (row["parameters"], row["rating"], row["note"]) == ({"temperature": 0}, 4, "short and right")
    conversation.rate(1, "bad")
    assert conversation.list_attempts()[0]["rating"] == "bad"
    conversation.rate(1, None)
    assert conversation.list_attempts()[0]["rating"] is None
    with pytest.raises(InputError, match="not part of the conversation"):
        conversation.rate(other, "good")
    for wrong in (6, True, "fine", 4.5):
        with pytest.raises(InputError, match="is not a rating"):
            conversation.rate(reply, wrong)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="answer is of type str"):
        conversation.rate("1", "good")  # type: ignore[arg-type]


def test_an_error_says_the_next_step_in_the_words_of_python(session: Session, server: ScriptedServer) -> None:
    server.reply(failure(402, "insufficient_quota"))
    with pytest.raises(QuotaError) as caught:
        session.ask("Hi?")
    assert "%" not in str(caught.value)
    assert len(session.conversation()) == 0


def test_a_key_is_used_for_the_server_that_is_set(session: Session, server: ScriptedServer) -> None:
    session.use_key(KEY)
    session.ask("Hi?")
    session.use_key(None)
    session.ask("Hi?")
    assert [each.headers.get("authorization") for each in server.requests] == [f"Bearer {KEY}", None]


def test_one_question_needs_no_session(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CNAI_LEDGER", "off")
    reply = cnai_magic.ask("Hi?", model="m", base_url=server.base_url, temperature=0)
    assert (reply.text, reply.model) == ("yes", "m")
    assert server.requests[0].json()["temperature"] == 0


def test_models_are_listed(session: Session, server: ScriptedServer) -> None:
    server.reply(json_response({"data": [{"id": "qwen-max"}, {"id": "glm-4"}]}))
    assert [model.id for model in session.models("qwen*")] == ["qwen-max"]


@pytest.mark.parametrize("value", [5, b"text", ["text"], object()], ids=lambda value: type(value).__name__)
def test_an_argument_of_a_wrong_type_is_an_error_that_names_it(session: Session, value: Any) -> None:
    calls: dict[str, Callable[[], object]] = {
        "model": lambda: session.ask("Hi?", model=value),
        "system": lambda: session.ask("Hi?", system=value),
        "chat": lambda: session.ask("Hi?", chat=value),
        "name": lambda: session.conversation(value),
        "pattern": lambda: session.models(value),
        "key": lambda: session.use_key(value),
        "settings": lambda: Session(value),
        "notify": lambda: Session(notify=value),
        "prices": lambda: Session(prices=value),
    }
    for name, call in calls.items():
        with pytest.raises(InputError) as caught:
            call()
        assert caught.value.parameter == name
        assert name in str(caught.value)
    with pytest.raises(InputError, match="system is of type"):
        session.conversation().system = value
    assert len(session.conversation()) == 0


@pytest.mark.parametrize("model", [" ", "two\nlines", "\ud800", "long" * 100])
def test_what_cannot_be_the_name_of_a_model_is_not_asked(session: Session, model: str) -> None:
    with pytest.raises(InputError) as caught:
        session.ask("Hi?", model=model)
    assert caught.value.parameter == "model"


def test_files_and_images_are_sent_with_a_question(
    session: Session, server: ScriptedServer, tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_text("x;y\n1;0.5\n2;\n", encoding="utf-8")
    (tmp_path / "a.png").write_bytes(make_png())
    images = [tmp_path / "a.png", make_png(3, 2), "https://a.example/x.png"]
    reply = session.ask("Why?", files=[str(tmp_path / "a.csv")], images=images)
    *sent, text = server.requests[-1].json()["messages"][-1]["content"]
    assert [each["image_url"]["url"] for each in sent] == [
        make_data_url(make_png()),
        make_data_url(make_png(3, 2)),
        "https://a.example/x.png",
    ]
    table = "a.csv: 2 rows, 2 columns (CSV)\ncolumns: x int, y float (1 missing)\nx,y\n1,0.5\n2,\n\nWhy?"
    assert text["text"].startswith(table)
    assert reply.attached[0] == "a.png (8×6)"
    # A question that follows sends them again.
    session.ask("And?")
    assert server.requests[-1].json()["messages"][0]["content"] == [*sent, text]
    for wrong in ({"images": "a.png"}, {"files": [3]}, {"images": [3]}, {"files": [""]}):
        with pytest.raises(InputError):
            session.ask("Why?", **wrong)  # type: ignore[arg-type]
