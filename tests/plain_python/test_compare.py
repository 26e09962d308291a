"""One question in several ways: all answers side by side, and none a turn until it is kept."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from typing import Any

import pytest

from cnai_magic import BudgetError, InputError, Session
from cnai_magic.notebook.comparison_record import build_comparison_metadata, count_unsaved
from tests.servers import ScriptedServer, completion, failure, json_response

PRICES = {"*": (1, 2)}


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        running.always(json_response(completion("yes", tokens=(20, 8))))
        yield running


@pytest.fixture
def session(server: ScriptedServer) -> Iterator[Session]:
    settings: dict[str, Any] = {"ledger": "off", "retries": 0, "prices": PRICES, "model": "a"}
    with Session(base_url=server.base_url, **settings) as made:
        yield made


def test_each_model_is_asked_with_each_combination_so_many_times(
    server: ScriptedServer, session: Session
) -> None:
    grid = {"temperature": [0, 0.7], "max_tokens": [5, 6]}
    comparison = session.compare("Hi?", models=["a", "b"], grid=grid, times=2)
    assert len(comparison) == len(comparison.replies) == len(server.requests) == 16
    asked = {
        (body["model"], body["temperature"], body["max_tokens"])
        for body in (request.json() for request in server.requests)
    }
    assert len(asked) == 8
    assert [each.number for each in comparison] == list(range(1, 17))
    first, second = comparison[0], comparison[1]
    assert (first.model, dict(first.varied), first.sample) == ("a", {"temperature": 0, "max_tokens": 5}, 1)
    assert second.sample == 2
    assert session.cost == comparison.cost
    assert session.cost.nano == 16 * 36_000


def test_none_is_a_turn_until_one_is_kept_and_the_others_are_its_attempts(
    server: ScriptedServer, session: Session
) -> None:
    session.ask("First?")
    server.reply(json_response(completion("one")))
    server.reply(json_response(completion("longer")))
    comparison = session.compare("Second?", times=2, parallel=1)
    assert [len(request.json()["messages"]) for request in server.requests] == [1, 3, 3]
    assert len(session.conversation()) == 1
    assert comparison.best(lambda reply: len(reply.text)).text == "longer"
    kept = comparison.keep(2)
    assert (kept.text, comparison.kept) == ("longer", kept)
    assert [reply.text for reply in session.conversation().replies] == ["yes", "longer"]
    session.ask("Third?")
    assert [each["content"] for each in server.requests[-1].json()["messages"]] == [
        *("First?", "yes", "Second?", "longer", "Third?")
    ]
    with pytest.raises(InputError, match="in the conversation already"):
        comparison.keep(1)


def test_what_is_too_long_for_a_notebook_is_counted(server: ScriptedServer, session: Session) -> None:
    for size in (1_500_000, 3, 600_000):
        server.reply(json_response(completion("a" * size)))
    comparison = session.compare("Hi?", times=3, parallel=1)
    kept = build_comparison_metadata(comparison)
    assert [each["compared"]["number"] for each in kept["cnai"]["answers"]] == [1, 2]
    assert count_unsaved(comparison, kept) == 1


def test_what_fails_leaves_the_others(server: ScriptedServer, session: Session) -> None:
    server.reply(failure(500, "broken"))
    cut = completion("ye")
    cut["choices"][0]["finish_reason"] = "length"
    server.reply(json_response(cut))
    comparison = session.compare("Hi?", times=3, parallel=1)
    assert [each.to_dict()["ended"] for each in comparison] == [None, "cut at the model's own limit", None]
    assert [each.error is None for each in comparison] == [False, True, True]
    with pytest.raises(InputError, match="no such answer"):
        comparison.keep(1)
    frame = comparison.to_frame()
    assert list(frame) == [
        *("number", "model", "sample", "answer", "tokens", "cost", "first_token", "seconds", "ended", "error")
    ]
    assert frame["answer"].tolist()[1:] == ["ye", "yes"]


def test_short_answers_stand_in_the_table_as_safe_markdown(server: ScriptedServer, session: Session) -> None:
    server.always(json_response(completion("**a** | b <script>alert(1)</script>")))
    table, summary = session.compare("Hi?", grid={"temperature": [0, 1]})._repr_markdown_().rsplit("\n\n", 1)
    assert table.startswith("|   | model | temperature | answer | tokens | cost | first token | seconds |\n")
    assert table.count("| **a** &#124; b &lt;script>alert(1)&lt;/script> |") == 2
    assert len(table.split("\n")) == 4
    assert summary == r"2 answers · <span>\$</span>0.000072"


def test_longer_answers_stand_below_the_table_each_under_its_name(
    server: ScriptedServer, session: Session
) -> None:
    long = "# Heading\n\n<img src=x>\n\n</details>\n\n- one\n- two"
    server.always(json_response(completion(long)))
    comparison = session.compare("Hi?", models=["a", "<b>"], times=2)
    table, *sections, _ = comparison._repr_markdown_().split("\n\n<details")
    assert table.split("\n")[0] == "|   | model | sample | tokens | cost | first token | seconds |"
    assert sections[1].startswith(" open><summary>2 · a · sample 2</summary>\n\n# Heading\n\n&lt;img")
    assert "<summary>3 · &#60;b&#62; · sample 1</summary>" in comparison._repr_markdown_()
    assert comparison._repr_markdown_().count("\n</details>\n") == 4
    assert comparison.to_text().count("[4] <b> · sample 2\n\n# Heading") == 1
    # Many are folded.
    assert "<details open" not in session.compare("Hi?", times=5)._repr_markdown_()


def test_what_all_may_cost_is_held_before_the_first_is_sent(server: ScriptedServer, session: Session) -> None:
    session.settings.budget = 0.001
    with pytest.raises(BudgetError, match="3 answers do not fit the budget together"):
        session.compare("Hi?", times=3, max_tokens=200)
    assert not server.requests
    assert len(session.compare("Hi?", times=3, max_tokens=100).replies) == 3
    # Nothing is held any more.
    session.ask("And?", max_tokens=400)


def test_without_a_limit_of_their_own_they_share_what_is_left(
    server: ScriptedServer, session: Session
) -> None:
    session.settings.budget = 0.002
    assert len(session.compare("Hi?", times=3).replies) == 3
    assert {request.json()["max_tokens"] for request in server.requests} == {256}


def test_answers_are_pickled_without_what_asked_for_them(server: ScriptedServer, session: Session) -> None:
    server.reply(failure(500, "broken"))
    comparison = session.compare("Hi?", times=2, parallel=1).expect("yes")
    saved = pickle.loads(pickle.dumps(comparison))
    assert saved.to_text() == comparison.to_text()
    assert saved.best(lambda reply: len(reply.text)).text == "yes"
    for act in (saved.retry, lambda: saved.keep(2)):
        with pytest.raises(InputError, match="not there any more"):
            act()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"models": "a,b"}, 'write models=["a", "b"]'),
        ({"models": []}, "not a list of names"),
        ({"grid": {"warmth": [1]}}, "warmth cannot be varied"),
        ({"grid": {"schema": ["n int"]}}, "schema cannot be varied"),
        ({"grid": {"temperature": 0.5}}, "not a list"),
        ({"grid": {"temperature": [9]}}, "temperature"),
        ({"times": 0}, "times is 0"),
        ({"times": 101}, "too many"),
    ],
)
def test_what_cannot_be_compared_is_an_error(
    server: ScriptedServer, session: Session, arguments: dict[str, Any], words: str
) -> None:
    with pytest.raises(InputError) as caught:
        session.compare("Hi?", **arguments)
    assert words in str(caught.value)
    assert not server.requests
