"""--prefix and --continue in a real kernel: the joined text is one answer, and is restored as one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kernels import Kernel, Ran, running_kernel, saved_as
from tests.servers import ScriptedServer, sse

WHOLE = "The **median** is the middle value of sorted numbers: half of them lie below it, half above."
QUESTION = "What is a median?"


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    with running_kernel(tmp_path_factory.mktemp("kernel"), CNAI_BASE_URL="demo") as kernel:
        yield kernel


def updated(ran: Ran, first: Ran) -> dict[str, Any]:
    """Return what one execution has put into the output of another."""
    (shown,) = first.of("display_data")
    wanted = shown["transient"]["display_id"]
    found = [each for each in ran.of("update_display_data") if each["transient"]["display_id"] == wanted]
    return {"data": found[-1]["data"], **found[-1]["metadata"]["cnai"]}


def test_an_answer_begins_with_a_prefix(kernel: Kernel) -> None:
    ran = kernel.run(f"%%cnai --prefix 'In short: ' --once\n{QUESTION}")
    assert ran.answer.startswith(f"In short: {WHOLE}")
    assert ran.final["parameters"] == {"prefix": "In short: "}
    assert '"prefix": true' in kernel.run("%%cnai --prefix '{' --dry-run json\nHi").stdout
    # So do those of a comparison, and of rows.
    kernel.run(f"questions = [{QUESTION!r}]")
    for option, body in (("--times 2", QUESTION), ("--over questions", "{{ row }}")):
        assert not kernel.run(f"%%cnai --prefix 'In short: ' {option} -o found\n{body}", "a").error
        texts = kernel.value("[each.reply.text if hasattr(each, 'reply') else each.answer for each in found]")
        assert {each[: len(f"In short: {WHOLE}")] for each in texts} == {f"In short: {WHOLE}"}


def test_a_cell_goes_on_with_its_own_answer(kernel: Kernel) -> None:
    cut = kernel.run(f"%%cnai -c own -n 10\n{QUESTION}", "a").final
    assert cut["footer"].endswith("cut at max_tokens")
    whole = kernel.run(f"%%cnai -c own --continue\n{QUESTION}", "a").final
    assert whole["data"]["text/plain"].startswith(WHOLE)
    assert whole["attempt"] == 2
    tokens = [each["usage"]["completion_tokens"] for each in (cut, whole, whole["rest"])]
    assert tokens[1] == tokens[0] + tokens[2]
    assert whole["cost"] == cut["cost"] + whole["rest"]["cost"]
    assert [each["id"] for each in whole["others"]] == [cut["id"]]
    assert whole["request"] == cut["request"]


def test_a_cell_below_goes_on_with_the_last_answer_in_the_output_of_its_cell(kernel: Kernel) -> None:
    source = f"%%cnai -c below -n 10\n{QUESTION}"
    kernel.run("%cnai_chat new below")
    first = kernel.run(source, "b")
    kernel.run("%cnai --continue -n 5", "c")
    rest = kernel.run("%cnai --continue", "d")
    assert "goes on in the output of its cell" in updated(rest, rest)["data"]["text/plain"]
    whole = updated(rest, first)
    assert whole["data"]["text/plain"].startswith(WHOLE)
    assert (whole["turn"], whole["attempt"], len(whole["others"])) == (1, 3, 2)
    assert kernel.value("_cnai.text").startswith(WHOLE)
    shown = kernel.run("%cnai_chat list").shown
    assert shown.count("below") == 1


def test_an_answer_that_is_printed_goes_on_in_the_output_of_its_cell_too(kernel: Kernel) -> None:
    kernel.run("%cnai_chat new printed")
    first = kernel.run(f"%%cnai -n 10\n{QUESTION}", "p")
    kernel.run("%config Cnai.display = 'text'")
    rest = kernel.run("%cnai --continue", "q")
    kernel.run("%config Cnai.display = 'auto'")
    assert not rest.error
    assert rest.stdout.strip()
    assert updated(rest, first)["data"]["text/plain"].startswith(WHOLE)


def test_an_answer_that_a_line_keeps_goes_on_there(kernel: Kernel) -> None:
    kernel.run("%cnai_chat new asked by a widget")
    ask = "lambda change: get_ipython().run_line_magic('cnai', change.new)"
    first = kernel.run(f"import ipywidgets\nbox = ipywidgets.Text()\nbox.observe({ask}, 'value')", "w")
    kernel.change_widget(kernel.value("box.comm.comm_id"), value=f"-n 10 {QUESTION}")
    rest = kernel.run("%cnai --continue", "v")
    assert not rest.error
    (turn,) = updated(rest, first)["kept"]["turns"]
    assert turn["text"].startswith(WHOLE)
    assert turn["attempt"] == 2


def test_what_cannot_go_on_is_explained(kernel: Kernel) -> None:
    kernel.run("%cnai_chat new complete")
    assert "there is no answer to go on with" in kernel.run("%cnai --continue").error[0]
    kernel.run(f"%%cnai\n{QUESTION}", "e")
    complete = "\n".join(kernel.run("%cnai --continue", "f").error)
    assert "the answer is complete" in complete
    assert "ask for more in a question of its own" in complete
    # One that was cut elsewhere is named.
    kernel.run(f"%%cnai -c elsewhere -n 3\n{QUESTION}", "x")
    assert "%cnai -c elsewhere --continue" in "\n".join(kernel.run("%cnai --continue", "f").error)
    kernel.run("%%cnai -n 3\nWhat is 2+2, and why?", "g")
    other = kernel.run("%%cnai --continue\nWhat is 3+3?", "g")
    assert "not the one of the answer that was cut" in other.error[0]


def test_a_server_without_a_way_of_its_own_is_asked_in_words(kernel: Kernel) -> None:
    with ScriptedServer() as server:
        kernel.run(f'%config Cnai.base_url = "{server.base_url}"')
        server.reply(sse("One, two,", finish="length", tokens=(10, 3)))
        server.reply(sse("One, two,", " three.", tokens=(30, 4)))
        kernel.run("%cnai_chat new words")
        first = kernel.run("%%cnai m -n 3 -t 0.5\nCount", "h")
        rest = kernel.run("%cnai --continue", "i")
        kernel.run("%config Cnai.base_url = 'demo'")
    whole = updated(rest, first)
    assert whole["data"]["text/plain"].startswith("One, two, three.\n")
    assert "40 → 7 tokens" in whole["footer"]
    asked = server.requests[1].json()
    assert [each["role"] for each in asked["messages"]] == ["user", "assistant", "user"]
    assert asked["messages"][1]["content"] == "One, two,"
    assert (asked["temperature"], "max_tokens" in asked) == (0.5, False)


def saved_again(path: Path, source: str, first: Ran, line: str, rest: Ran) -> None:
    """Save a notebook whose second cell has changed the output of its first one."""
    (shown,) = first.of("display_data")
    wanted = shown["transient"]["display_id"]
    of_first = [
        each
        for each in rest.messages
        if each["msg_type"] == "update_display_data" and each["content"]["transient"]["display_id"] == wanted
    ]
    others = [each for each in rest.messages if each not in of_first]
    saved_as(path, ("a", source, Ran([*first.messages, *of_first])), ("b", line, Ran(others)))


def test_an_answer_that_went_on_is_restored_and_replayed_as_one(tmp_path: Path) -> None:
    source, line, path = f"%%cnai -n 10\n{QUESTION}", "%cnai --continue", tmp_path / "notebook.ipynb"
    folder = tmp_path / "kernel"
    folder.mkdir()
    with running_kernel(folder, CNAI_BASE_URL="demo") as kernel:
        saved_again(path, source, kernel.run(source, "a"), line, kernel.run(line, "b"))
        tokens = kernel.value("_cnai.usage.total_tokens")
    with running_kernel(folder, CNAI_BASE_URL="demo", CNAI_REPLAY="1", CNAI_NOTEBOOK=str(path)) as kernel:
        assert "1 turn with 2 answers" in kernel.run("%cnai_chat restore").shown
        shown = kernel.run("%cnai_chat show").shown
        assert shown.count(QUESTION) == 1
        assert WHOLE in shown
        session = "get_ipython().magics_manager.registry['CnaiMagics'].session"
        assert kernel.value(f"{session}.book.get_before(demo=True).usage.total_tokens") == tokens
        again = kernel.run(source, "a")
        assert not again.error
        assert again.answer.startswith(WHOLE)
        assert "Replayed" in kernel.run(line, "b").stdout
