"""What the page of a notebook asks of a real kernel, and what its buttons do there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cnai_magic.notebook.page_facts import PAGE_TYPE
from tests.kernels import Kernel, Ran, running_kernel, saved_as
from tests.servers import KEY, ScriptedServer, json_response, sse


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        yield server


def environment(server: ScriptedServer) -> dict[str, str]:
    about = {"CNAI_BASE_URL": server.base_url, "CNAI_API_KEY": KEY, "CNAI_MODEL": "m"}
    return {**about, "CNAI_LEDGER": "off"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("notebook")


@pytest.fixture(scope="module")
def kernel(server: ScriptedServer, folder: Path) -> Iterator[Kernel]:
    with running_kernel(folder, **environment(server)) as kernel:
        yield kernel


def ask(kernel: Kernel, server: ScriptedServer, cell: str, question: str, answer: str) -> dict[str, Any]:
    """Ask a question in a cell; return the facts that its output has for the page."""
    server.reply(sse(answer))
    facts: dict[str, Any] = kernel.run(f"%%cnai\n{question}", cell).final["data"][PAGE_TYPE]
    return facts


def sent(server: ScriptedServer) -> list[str]:
    return [each["content"] for each in server.requests[-1].json()["messages"]]


def test_the_page_sees_the_state_and_puts_attempts_into_force(server: ScriptedServer, tmp_path: Path) -> None:
    with running_kernel(tmp_path, **environment(server)) as kernel:
        state, ran = kernel.ask_page(do="state")
        facts = {"model": "m", "demo": False, "conversation": "main", "stale": [], "renumbered": []}
        assert state == {"loaded": True, "spent": "", "left": "", "left_today": "", **facts}
        assert not ran.of("stream", "display_data", "execute_input", "error")

        cells: dict[str, tuple[str, Ran]] = {}
        first = ask(kernel, server, "a", "One?", "first")
        server.reply(sse("second"))
        cells["a"] = "%%cnai\nOne?", kernel.run("%%cnai\nOne?", "a")
        second = cells["a"][1].final["data"][PAGE_TYPE]
        assert second["attempts"] == [first["id"], second["id"]]
        server.reply(sse("below"))
        cells["b"] = "%%cnai\nTwo?", kernel.run("%%cnai\nTwo?", "b")
        below = cells["b"][1].final["data"][PAGE_TYPE]["turn_id"]

        place = {"do": "keep", "conversation": "main", "turn": second["turn_id"], "cell": "a"}
        state, ran = kernel.ask_page(**place, answer=first["id"])
        assert state["stale"] == [{"conversation": "main", "above": second["turn_id"], "turns": {below: "b"}}]
        (shown,) = ran.of("update_display_data")
        assert shown["data"]["text/plain"].startswith("first")
        assert shown["data"][PAGE_TYPE]["attempts"] == second["attempts"]
        assert shown["data"][PAGE_TYPE]["id"] == first["id"]
        for wrong in ({"cell": "b", "answer": second["id"]}, {"answer": "another"}):
            refused, ran_again = kernel.ask_page(**{**place, **wrong})
            assert "unknown here" in refused["error"][0], "a copy of a cell changes nothing"
            assert not ran_again.of("update_display_data")
        ask(kernel, server, "c", "Three?", "third")
        assert sent(server) == ["One?", "first", "Two?", "below", "Three?"]

    # As the front end saves it: the update took the place of the output with this display ID.
    cells["a"][1].messages += [each for each in ran.messages if each["msg_type"] == "update_display_data"]
    saved_as(tmp_path / "kept.ipynb", *[(cell, source, ran) for cell, (source, ran) in cells.items()])
    with running_kernel(tmp_path, **environment(server)) as kernel:
        kernel.run("%cnai_chat restore --from kept.ipynb", "r")
        ask(kernel, server, "d", "Four?", "fourth")
        assert sent(server) == ["One?", "first", "Two?", "below", "Four?"]
        # The output is not of this kernel: it is shown again all the same, for the page to find.
        _, ran = kernel.ask_page(**place, answer=second["id"])
        (shown,) = ran.of("update_display_data")
        assert shown["data"]["text/plain"].startswith("second")


def test_a_line_that_keeps_a_printed_answer_keeps_what_buttons_do(
    server: ScriptedServer, tmp_path: Path
) -> None:
    with running_kernel(tmp_path, **environment(server)) as kernel:
        kernel.run("%config Cnai.display = 'text'")
        server.reply(sse("printed"))
        printed = kernel.run("%%cnai\nOne?", "a")
        for name, chosen in (("fork", "main"), ("use", "main"), ("use", "plan")):
            state, ran = kernel.ask_page(do=name, conversation=chosen, name="plan")
            assert "error" not in state
            printed.messages += [each for each in ran.messages if each["msg_type"] == "update_display_data"]
        saved_as(tmp_path / "kept.ipynb", ("a", "%%cnai\nOne?", printed))
    with running_kernel(tmp_path, **environment(server)) as kernel:
        kernel.run("%cnai_chat restore --from kept.ipynb", "r")
        state, _ = kernel.ask_page(do="state")
        assert state["conversation"] == "plan"
        ask(kernel, server, "b", "Two?", "second")
        assert sent(server) == ["One?", "printed", "Two?"]


def test_conversations_are_outlined_used_forked_and_exported(
    kernel: Kernel, server: ScriptedServer, folder: Path
) -> None:
    kernel.run("%cnai_chat new base", "new")
    one = ask(kernel, server, "a", "One\x1b[31m?\n" + "more " * 100, "first")
    ask(kernel, server, "b", "Two?", "second")
    state, ran = kernel.ask_page(do="fork", conversation="base", turn=one["turn_id"], name="plan")
    assert state["conversation"] == "plan"
    assert ran.of("update_display_data"), "a notebook's output keeps that there is a fork"
    ask(kernel, server, "c", "Three?", "third")
    assert len(sent(server)) == 3
    found, _ = kernel.ask_page(do="outline")
    _, base, plan = found["conversations"]
    assert [base["name"], base["count"], base["in_use"]] == ["base", 2, False]
    assert [plan["name"], plan["count"], plan["in_use"], plan["origin"]] == ["plan", 2, True, "base"]
    turn = base["turns"][0]
    assert [turn["turn"], turn["cell"], turn["number"], turn["tokens"]] == [one["turn_id"], "a", 1, 28]
    assert turn["question"].startswith("One? more")
    assert len(turn["question"]) <= 80
    state, _ = kernel.ask_page(do="use", conversation="base")
    assert state["conversation"] == "base"
    state, _ = kernel.ask_page(do="export", conversation="plan", path="plan.md")
    assert "error" not in state
    assert "Three?" in (folder / "plan.md").read_text()
    state, _ = kernel.ask_page(do="export", conversation="plan", path="plan.md")
    assert state["error"], "a file is not written over"


def test_what_no_output_could_keep_is_not_done(server: ScriptedServer, tmp_path: Path) -> None:
    with running_kernel(tmp_path, **environment(server)) as kernel:
        kernel.run("%cnai_chat new base", "new")
        for do in ("fork", "use"):
            state, ran = kernel.ask_page(do=do, conversation="main")
            assert "the notebook shows no answer yet that could keep this" in "\n".join(state["error"])
            assert not ran.of("update_display_data")
        outline, _ = kernel.ask_page(do="outline")
        assert [each["name"] for each in outline["conversations"] if each["in_use"]] == ["base"]
        assert len(outline["conversations"]) == 2


def test_stale_answers_and_numbers_follow_the_cells_as_the_page_has_them_now(
    server: ScriptedServer, tmp_path: Path
) -> None:
    with running_kernel(tmp_path, **environment(server)) as kernel:
        turns = {}
        for cell in ("a", "b"):
            server.reply(sse(cell))
            ran = kernel.run(f"%%cnai\n{cell}?", cell, document=["a", "b"])
            turns[cell] = ran.final["data"][PAGE_TYPE]["turn_id"]

        def find(name: str, *document: str) -> list[dict[str, Any]]:
            state, ran = kernel.ask_page(document, do="state")
            assert not ran.of("stream", "display_data", "error")
            found: list[dict[str, Any]] = state[name]
            return found

        moved = {"conversation": "main", "above": "", "turns": {turns["b"]: "b", turns["a"]: "a"}}
        assert find("stale", "b", "a") == [moved]
        assert find("stale", "new", "a", "b") == []
        assert find("stale", "b") == [{**moved, "turns": {turns["b"]: "b"}}], "the other one was deleted"
        assert find("stale", "a", "b") == []
        assert find("renumbered", "a", "b") == []
        renumbered = {"conversation": "main", "turns": {turns["b"]: 1}}
        assert find("renumbered", "b") == [renumbered]
        assert find("renumbered", "b", "a") == [{**renumbered, "turns": {turns["b"]: 1, turns["a"]: 2}}]
        assert find("stale", "a", "b") == []
        # Nothing is told by what is not sound.
        assert find("stale", "b", "\x00") == []
        kernel.run("%cnai_chat drop 1", "c", document=["a", "b", "c"])
        assert find("renumbered", "a", "b", "c") == [{**renumbered, "turns": {turns["b"]: 1, turns["a"]: 0}}]


def test_a_command_holds_as_long_as_its_cell_is_there_or_an_answer_states_it(
    server: ScriptedServer, tmp_path: Path
) -> None:
    with running_kernel(tmp_path, **environment(server)) as kernel:

        def run(source: str, cell: str, *document: str) -> None:
            if "?" in source:
                server.reply(sse(cell))
            assert not kernel.run(source, cell, document=document).error

        def find_in_use(*document: str) -> str:
            return str(kernel.ask_page(document, do="state")[0]["conversation"])

        run("%%cnai\nOne?", "a", "a")
        run("%cnai_chat new plan", "new", "a", "new")
        assert find_in_use("a", "new") == "plan"
        assert find_in_use("a") == "main"
        assert find_in_use("a", "new") == "plan", "it came back"
        run("%%cnai\nTwo?", "b", "a", "new", "b")
        assert find_in_use("a", "b") == "plan", "the answer states it"
        run("%cnai_chat use main", "use", "a", "b", "use")
        assert find_in_use("a", "b") == "plan"
        # Where nothing told of it, the next run does.
        run("%%cnai\nThree?", "c", "a", "b", "c")
        assert [each["content"] for each in server.requests[-1].json()["messages"]] == ["Two?", "b", "Three?"]
        assert find_in_use("a") == "main"
        assert find_in_use("a", "b", "c") == "plan"


def test_what_is_left_of_the_days_budget_is_told(kernel: Kernel, tmp_path: Path) -> None:
    kernel.run(f"%config Cnai.ledger = {str(tmp_path / 'ledger.sqlite')!r}\n%cnai_spend --budget-day 2")
    assert kernel.ask_page(do="state")[0]["left_today"] == "$2.00"
    kernel.run("%config Cnai.ledger = 'off'")


def test_a_page_that_was_not_there_gets_the_outputs_of_the_last_run(
    kernel: Kernel, server: ScriptedServer
) -> None:
    server.reply(sse("one"))
    server.reply(sse("two"))
    ran = kernel.run("%cnai One?\n%cnai Two?", "two")
    found, _ = kernel.ask_page(do="outputs", cells=["two", "unknown"])
    assert found["outputs"]["unknown"] == []
    texts = [each["data"]["text/plain"].partition("\n")[0] for each in found["outputs"]["two"]]
    assert texts == ["one", "two"]
    assert found["outputs"]["two"][-1]["metadata"]["cnai"]["id"] == ran.final["id"]


def test_a_model_is_chosen_among_those_of_the_key(kernel: Kernel, server: ScriptedServer) -> None:
    server.reply(json_response({"data": [{"id": "m"}, {"id": "model-n"}]}))
    found, _ = kernel.ask_page(do="models")
    assert [each["id"] for each in found["models"]] == ["m", "model-n"]
    state, _ = kernel.ask_page(do="use_model", model="model-n")
    assert state["model"] == "model-n"
    state, _ = kernel.ask_page(do="use_model", model="model-nn")
    assert "did you mean model-n" in "\n".join(state["error"])


HOSTILE: list[dict[str, Any]] = [
    {},
    {"do": "__import__"},
    {"do": ["state"]},
    {"do": "keep"},
    {"do": "keep", "turn": "x'); import os; os.system('true", "answer": "y"},
    {"do": "keep", "turn": "unknown", "answer": "unknown"},
    {"do": "keep", "conversation": {"a": 1}, "turn": "a", "answer": "b"},
    {"do": "use", "conversation": "no such one"},
    {"do": "use", "conversation": "a b"},
    {"do": "fork", "turn": 10**30},
    {"do": "fork", "turn": True},
    {"do": "fork", "name": "a\u202eb"},
    {"do": "use_model", "model": "m\n%cnai_key"},
    {"do": "use_model", "model": 3},
    {"do": "export", "path": "a\x00.md"},
    {"do": "export", "path": 3},
    {"do": "export", "path": "../outside.md"},
    {"do": "export", "path": "/tmp/outside.md"},
    {"do": "export", "path": "other.ipynb/x.md"},
    {"do": "outputs", "cells": ["a", "b'"]},
    {"do": "outputs", "cells": [["a"], None]},
    {"do": "\ud800"},
    {"do": "x" * 10_000},
    {"do": None, "why": [{}] * 10_000},
    {"do": "keep", "turn": "\ud800", "answer": "b", "cell": "c"},
    {"do": "keep", "turn": float("nan"), "answer": float("inf"), "cell": -1},
    {"do": "keep", "turn": "a" * 65, "answer": "b", "cell": "c"},
    {"do": "use", "conversation": "\ud800"},
    {"do": "use", "conversation": ["main"]},
    {"do": "use", "conversation": "x" * 5_000},
    {"do": "fork", "turn": float("nan")},
    {"do": "fork", "turn": ["a"]},
    {"do": "fork", "turn": "1"},
    {"do": "keep_compared", "number": 10**30},
    {"do": "fork", "name": "main"},
    {"do": "use_model", "model": "x" * 5_000},
    {"do": "use_model", "model": None},
]
# Python literals; the last ones are base64 of nested, endless and too long JSON.
NO_JSON = [
    *("None", "3", "b''", "''", "'é'", "'!'", "'W10='", "'MQ=='", "'e30'", "['e30=']", "chr(0xD800)"),
    "__import__('base64').b64encode(b'[' * 100_000).decode()",
    "__import__('base64').b64encode(b'{\"do\": ' + b'9' * 10_000 + b'}').decode()",
    "'e30g' * 1_000_000",
]


def test_what_is_no_request_is_refused_in_words(kernel: Kernel) -> None:
    before = [each["name"] for each in kernel.ask_page(do="outline")[0]["conversations"]]
    for request in HOSTILE:
        answer, ran = kernel.ask_page(**request)
        assert answer["error"], request
        assert not ran.of("error", "stream"), request
    for literal in (*NO_JSON, '"no base64"'):
        answer, ran = kernel.ask_page_literally(literal)
        assert answer["error"], literal
        assert not ran.of("error", "stream"), literal
    # Nothing came of them; what is asked again, as after a lost connection, leads to the same.
    for _ in range(2):
        assert kernel.ask_page(do="use", conversation="main")[0]["conversation"] == "main"
        outline, _ = kernel.ask_page(do="outline")
        assert [each["name"] for each in outline["conversations"]] == before


def test_a_kernel_without_the_magics_says_so(kernel: Kernel) -> None:
    links = "[each['text'] for each in get_ipython().kernel.help_links if 'cnai' in each['text']]"
    assert len(kernel.value(links)) == 1, "a page that connects later is told"
    kernel.run("%unload_ext cnai_magic")
    assert kernel.value(links) == []
    assert kernel.ask_page(do="state")[0] == {"loaded": False}
    kernel.run("%load_ext cnai_magic\n%reload_ext cnai_magic")
    assert len(kernel.value(links)) == 1
    assert kernel.ask_page(do="state")[0]["loaded"] is True
