"""The magics in a real kernel, with the embedded gateway."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cnai_magic.notebook.page_facts import PAGE_TYPE
from tests.kernels import Kernel, Ran, running_kernel, saved_as


@pytest.fixture(scope="module")
def shared_kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    with running_kernel(tmp_path_factory.mktemp("kernel"), CNAI_CONNECT_TIMEOUT="5") as kernel:
        # Nobody reads along here.
        assert not kernel.run(
            "from cnai_magic.gateway import embedded as gateway; _ = gateway.start_embedded(2000)"
        ).error
        yield kernel


@pytest.fixture
def kernel(shared_kernel: Kernel) -> Kernel:
    """The module's kernel with a new session: no conversation, nothing spent, default settings."""
    renew(shared_kernel)
    return shared_kernel


def renew(kernel: Kernel) -> None:
    """Load the magics anew, with a session that knows nothing."""
    ran = kernel.run(
        "from cnai_magic.magics import extension as magics\n"
        "magics.unload(get_ipython()); magics._loaded.clear()\n"
        "get_ipython().config.pop('Cnai', None)\n"
        "magics.load(get_ipython())\n"
        "session = get_ipython().magics_manager.registry['CnaiMagics'].session"
    )
    assert not ran.error, ran.error


def messages_of(ran: Ran) -> list[tuple[str, str]]:
    """Return the messages that demo-echo says it got."""
    block = ran.answer.split("```json\n", 1)[1].split("\n```", 1)[0]
    return [(each["role"], each["content"]) for each in json.loads(block)["messages"]]


# -- an answer ----------------------------------------------------------------------------------


def deltas(ran: Ran) -> list[dict[str, Any]]:
    """Return what was sent to the page while the answer came."""
    contents = [each["data"].get("content") or {} for each in ran.of("comm_msg")]
    return [content for content in contents if content.get("kind") == "delta"]


def test_an_answer_is_shown_while_it_comes_and_stays_as_plain_markdown(kernel: Kernel) -> None:
    kernel.run("%cnai What is 2+2?")
    ran = kernel.run("%%cnai\nPlease write a long answer", "a")
    (shown,) = ran.of("display_data")
    (final,) = ran.of("update_display_data")
    assert "application/vnd.jupyter.widget-view+json" in shown["data"]
    assert set(final["data"]) == {PAGE_TYPE, "text/markdown", "text/plain"}
    assert shown["transient"]["display_id"] == final["transient"]["display_id"]
    pieces = deltas(ran)
    assert [piece["seq"] for piece in pieces] == list(range(1, len(pieces) + 1))
    assert len(pieces) >= 3
    assert "".join(piece["text"] for piece in pieces).strip() == ran.answer
    assert len(ran.of("comm_close")) == 2, "the widget and its layout are closed"
    assert ran.final["finish_reason"] == "stop"


def test_a_console_shows_the_final_output_only(kernel: Kernel) -> None:
    ran = kernel.run("%%cnai\nWhat is 2+2?")
    assert len(ran.of("display_data")) == 2, "the notice about the key, and the answer"
    assert not ran.of("comm_open", "update_display_data")
    assert "4" in ran.answer


def test_a_headless_run_shows_the_final_output_only(kernel: Kernel) -> None:
    ran = kernel.run("%%cnai\nWhat is 2+2?", watched=False)
    assert len(ran.of("display_data")) == 2, "the notice about the key, and the answer"
    assert not ran.of("update_display_data")
    assert "4" in ran.answer


def test_the_first_answer_without_a_key_says_so_once(kernel: Kernel) -> None:
    assert "No API key is set" in kernel.run("%cnai What is 2+2?").shown
    assert "API key" not in kernel.run("%cnai What is 2+3?").shown


def test_a_follow_up_uses_the_answer_before(kernel: Kernel) -> None:
    kernel.run("%%cnai\nWhat is 12 * 12?", "a")
    assert "432" in kernel.run("%%cnai\nAnd times 3?", "b").answer


def test_an_answer_can_be_assigned_put_out_and_found_again(kernel: Kernel) -> None:
    ran = kernel.run("answer = %cnai What is 2+2?\nfor _ in range(1):\n    second = %cnai What is 2+3?")
    assert not ran.of("execute_result")
    assert "4" in kernel.value("answer.text")
    assert "5" in kernel.value("second.text")
    assert not kernel.run("%cnai What is 2+4?").of("execute_result")
    assert kernel.run("%%cnai -o kept\nWhat is 3+4?").reply["status"] == "ok"
    assert "7" in kernel.value("kept.text")
    assert kernel.value("kept is _cnai")


def test_the_models_are_listed_and_returned_where_they_are_used(kernel: Kernel) -> None:
    ran = kernel.run("%cnai_models")
    (shown,) = ran.of("display_data")
    assert "<table>" in shown["data"]["text/html"]
    assert "demo-guide" in shown["data"]["text/plain"]
    assert "default" in shown["data"]["text/plain"]
    assert not ran.of("execute_result")
    kernel.run("found = %cnai_models ngram")
    assert kernel.value("found") == ["demo-ngram"]
    assert any("no model matches 'qqq'" in line for line in kernel.run("%cnai_models qqq").error)


@pytest.mark.parametrize("question", ["What is my name?", "什么是中位数?", "Is it 'so'??", "what?  "])
def test_a_line_that_ends_in_a_question_mark_is_a_question(kernel: Kernel, question: str) -> None:
    ran = kernel.run(f"name = 1\nanswer = %cnai -m demo-echo {question}\n%cnai -m demo-echo {question}")
    assert not ran.error
    assert not ran.reply["payload"]
    assert kernel.value("answer.prompt") == question.strip()
    assert kernel.value("_cnai.prompt") == question.strip()


def test_what_follows_the_line_of_a_question_is_left_alone(kernel: Kernel) -> None:
    kernel.run("text = '''\n%cnai? %cnai_models?\nx %cnai why?\n'''")
    assert kernel.value("text") == "\n%cnai? %cnai_models?\nx %cnai why?\n"


def test_a_question_that_a_cell_no_longer_asks_is_not_sent_any_more(kernel: Kernel) -> None:
    kernel.run("%cnai What is 1+1?\n%cnai What is 2+2?", "a")
    kernel.run("%cnai What is 1+1?", "a")
    after = kernel.run("%%cnai demo-echo\nb", "b")
    assert [text for role, text in messages_of(after) if role == "user"] == ["What is 1+1?", "b"]
    kernel.run("%%cnai --once\nWhat is 1+1?", "a")
    after = kernel.run("%%cnai demo-echo\nb", "b")
    assert [text for role, text in messages_of(after) if role == "user"] == ["b"]


def test_a_cell_that_fails_keeps_its_turns_and_a_dry_run_takes_no_place(kernel: Kernel) -> None:
    kernel.run("%cnai --dry-run first\n%cnai What is 1+1?", "a")
    kernel.run("%cnai What is 1+1?\n%cnai -t 9 hot", "a")
    assert kernel.value("[len(turn.attempts) for turn in session.conversations['main'].turns]") == [2]
    kernel.run("%cnai -t 9 hot", "a")
    assert kernel.value("len(session.conversations['main'].turns)") == 1


LOOP = "for n in {}:\n    get_ipython().run_line_magic('cnai', f'-m demo-echo question {{n}}')"
PROMPTS = "[turn.reply.prompt for turn in session.conversations[session.conversations.current].turns]"


def test_a_loop_asks_a_turn_each_time_and_a_re_run_replaces_them_one_by_one(kernel: Kernel) -> None:
    kernel.run(LOOP.format([0, 1, 2]), "a")
    kernel.run("%%cnai demo-echo\nb", "b")
    again = kernel.run(LOOP.format([3, 4, 5]), "a")
    asked = [text for role, text in messages_of(again) if role == "user"]
    assert asked == ["question 3", "question 4", "question 5"]
    assert kernel.value(PROMPTS) == ["question 3", "question 4", "question 5", "b"]
    assert (again.final["turn"], again.final["attempt"], again.final["ordinal"]) == (3, 2, 2)
    assert "1 below is stale" in again.final["footer"]


def test_a_loop_that_asks_more_puts_them_beside_its_others_and_fewer_takes_them_out(kernel: Kernel) -> None:
    kernel.run(LOOP.format([0, 1]), "a")
    kernel.run("%%cnai demo-echo\nb", "b")
    more = kernel.run(LOOP.format([0, 1, 2]), "a")
    assert [text for role, text in messages_of(more) if role == "user"] == [
        "question 0",
        "question 1",
        "question 2",
    ]
    assert kernel.value(PROMPTS) == ["question 0", "question 1", "question 2", "b"]
    kernel.run(LOOP.format([0]), "a")
    assert kernel.value(PROMPTS) == ["question 0", "b"]
    kernel.run(LOOP.format([0, 1]), "a")
    attempts = "[len(turn.attempts) for turn in session.conversations['main'].turns]"
    assert kernel.value(PROMPTS) == ["question 0", "question 1", "b"]
    assert kernel.value(attempts) == [4, 3, 1]


def test_a_failure_in_the_middle_of_a_loop_takes_nothing_out(kernel: Kernel) -> None:
    kernel.run(LOOP.format([0, 1, 2]), "a")
    kernel.run(LOOP.format([3, 4]) + "\n1 / 0", "a")
    assert kernel.value(PROMPTS) == ["question 3", "question 4", "question 2"]
    caught = "try:\n    %cnai -t 9 hot\nexcept Exception:\n    pass"
    assert not kernel.run(f"{caught}\n%cnai -m demo-echo last", "a").error
    assert kernel.value(PROMPTS) == ["question 3", "last", "question 2"]


def test_code_that_a_cell_runs_as_a_cell_is_not_the_end_of_it(kernel: Kernel) -> None:
    kernel.run("%%cnai demo-echo\na", "a")
    kernel.run("%%cnai demo-echo\nb", "b")
    again = kernel.run("_ = get_ipython().run_cell('1 + 1')\n%cnai -m demo-echo a again", "a")
    assert [text for role, text in messages_of(again) if role == "user"] == ["a again"]
    assert kernel.value(PROMPTS) == ["a again", "b"]


def test_append_keeps_the_turn_that_stands_there(kernel: Kernel) -> None:
    kernel.run("%%cnai demo-echo\none", "a")
    appended = kernel.run("%%cnai demo-echo --append\ntwo", "a")
    assert [text for role, text in messages_of(appended) if role == "user"] == ["one", "two"]
    kernel.run('%config Cnai.on_rerun = "append"')
    kernel.run("%%cnai demo-echo\nthree", "a")
    assert kernel.value(PROMPTS) == ["one", "two", "three"]
    kernel.run('%config Cnai.on_rerun = "replace"')
    kernel.run("%%cnai demo-echo\none again", "a")
    assert kernel.value(PROMPTS) == ["one again", "two", "three"]


# -- the notebook is the conversation -------------------------------------------------------------


def test_running_a_cell_again_asks_anew_in_its_place(kernel: Kernel) -> None:
    kernel.run("%%cnai demo-echo\none", "a")
    kernel.run("%%cnai\nWhat is 2+2?", "b")
    kernel.run("%%cnai\nWhat is 3+3?", "c")
    again = kernel.run("%%cnai demo-echo\ntwo", "b")
    assert [text for role, text in messages_of(again) if role == "user"] == ["one", "two"]
    assert again.final["turn"] == 2
    assert again.final["attempt"] == 2
    after = kernel.run("%%cnai demo-echo\nthree", "d")
    assert [text for role, text in messages_of(after) if role == "user"] == [
        "one",
        "two",
        "What is 3+3?",
        "three",
    ]


def test_two_questions_in_one_cell_are_two_turns_also_when_it_runs_again(kernel: Kernel) -> None:
    cell = "%cnai What is 1+1?\n%cnai -m demo-echo second"
    kernel.run(cell, "a")
    again = kernel.run(cell, "a")
    assert [text for role, text in messages_of(again) if role == "user"] == ["What is 1+1?", "second"]
    assert kernel.value("[len(turn.attempts) for turn in session.conversations['main'].turns]") == [2, 2]


def test_without_a_cell_id_every_question_is_a_new_turn(kernel: Kernel) -> None:
    kernel.run("%cnai What is 1+1?")
    kernel.run("%cnai What is 1+1?")
    assert kernel.value("len(session.conversations['main'].turns)") == 2


def test_conversations_are_begun_used_shown_and_shortened(kernel: Kernel) -> None:
    kernel.run("%cnai_chat system Answer briefly")
    kernel.run("%%cnai -s 'Answer at length'\nWhat is 2+2?", "a")
    kernel.run("%%cnai --new -c other\nWhat is 5+5?", "b")
    listed = kernel.run("%cnai_chat").shown
    assert "main" in listed
    assert "other" in listed
    kernel.run("%cnai_chat use main")
    shown = kernel.run("%cnai_chat show").shown
    assert "What is 2+2?" in shown
    assert "What is 5+5?" not in shown
    assert "Answer briefly" in kernel.run("%cnai_chat system").shown
    kernel.run("%cnai_chat undo")
    assert "no turns yet" in kernel.run("%cnai_chat show").shown
    assert any("no turn 4" in line for line in kernel.run("%cnai_chat drop 4").error)
    assert any("did you mean show?" in line for line in kernel.run("%cnai_chat shwo").error)


def record(ran: Ran) -> dict[str, Any]:
    """Return what a command has left in the metadata of its output."""
    (shown,) = ran.of("display_data")
    about: dict[str, Any] = shown["metadata"]["cnai"]
    assert about["schema"] == 2
    return about


def test_the_attempts_of_a_turn_are_compared_and_an_earlier_one_is_kept(kernel: Kernel) -> None:
    first = kernel.run("%%cnai\nWhat is 2+2?", "a")
    second = kernel.run("%%cnai -t 0\nWhat is 2+3?", "a")
    assert [each["id"] for each in second.final["others"]] == [first.final["id"]]
    (shown,) = kernel.run("%cnai_chat versions").of("display_data")
    assert "Turn 1 of main: 2 attempts" in shown["data"]["text/plain"]
    assert "<del" in shown["data"]["text/html"]
    assert "cnai" not in shown["metadata"]
    kept = record(kernel.run("%cnai_chat versions 1 --keep 1"))
    assert (kept["event"], kept["conversation"]) == ("keep", "main")
    assert (kept["turn_id"], kept["answer"]) == (first.final["turn_id"], first.final["id"])
    after = kernel.run("%%cnai demo-echo\nb", "b")
    assert [text for role, text in messages_of(after) if role == "user"] == ["What is 2+2?", "b"]
    error = kernel.run("%cnai_chat versions 1 --keep 7").error
    assert error == [
        "InputError: this turn has no attempt 7",
        "  why: it has 1, 2",
        "  next: see them with %cnai_chat versions",
    ]


def test_a_fork_goes_its_own_way_also_when_the_cells_of_its_origin_are_run_again(kernel: Kernel) -> None:
    asked = [kernel.run(f"%%cnai demo-echo\n{name}", name).final["id"] for name in "abc"]
    forked = record(kernel.run("%cnai_chat fork other --at 2"))
    assert (forked["event"], forked["conversation"], forked["name"]) == ("fork", "main", "other")
    assert forked["answers"] == asked[:2]
    again = kernel.run("%%cnai demo-echo\nb, otherwise", "b")
    assert again.final["conversation"] == "other"
    assert [text for role, text in messages_of(again) if role == "user"] == ["a", "b, otherwise"]
    assert kernel.value(PROMPTS) == ["a", "b, otherwise"]
    kernel.run("1 + 1", "a")
    assert kernel.value(PROMPTS) == ["b, otherwise"]
    kernel.run("%cnai_chat use main")
    assert kernel.value(PROMPTS) == ["a", "b", "c"]
    assert "there is a conversation 'other' already" in kernel.run("%cnai_chat fork other").error[0]


def test_every_change_leaves_its_record_in_the_notebook(kernel: Kernel) -> None:
    turns = [kernel.run(f"%%cnai demo-echo\n{name}", name).final["turn_id"] for name in "abc"]
    changes = [
        ("%cnai_chat drop 2", {"event": "drop", "conversation": "main", "turn_id": turns[1]}),
        ("%cnai_chat undo", {"event": "drop", "conversation": "main", "turn_id": turns[2]}),
        ("%cnai_chat system Be brief.", {"event": "system", "conversation": "main", "system": "Be brief."}),
        (
            "get_ipython().run_line_magic('cnai_chat', 'system one\\n  two')",
            {"event": "system", "conversation": "main", "system": "one\n  two"},
        ),
        ("%cnai_chat new plan", {"event": "use", "conversation": "plan"}),
        ("%cnai_chat use main", {"event": "use", "conversation": "main"}),
    ]
    for line, expected in changes:
        assert expected.items() <= record(kernel.run(line)).items()
    after = kernel.run("%%cnai demo-echo\nd", "d")
    assert messages_of(after)[0] == ("system", "one\n  two")
    assert [text for role, text in messages_of(after) if role == "user"] == ["a", "d"]


def test_a_turn_that_was_dropped_and_is_asked_again_comes_back_in_its_place(kernel: Kernel) -> None:
    for name in "ab":
        kernel.run(f"%%cnai demo-echo\n{name}", name)
    kernel.run("%cnai_chat drop 1")
    again = kernel.run("%%cnai demo-echo\na again", "a")
    assert [text for role, text in messages_of(again) if role == "user"] == ["a again"]
    assert (again.final["turn"], again.final["attempt"]) == (1, 2)


@pytest.mark.parametrize("suffix", ["ipynb", "json"])
def test_a_conversation_is_exported_and_imported_and_goes_on(kernel: Kernel, suffix: str) -> None:
    kernel.run("%cnai_chat system Be brief.")
    kernel.run("%%cnai\nMy name is Ada. What is 2+2?", "a")
    kernel.run("%%cnai\nAnd times 3?", "b")
    path = f"it's a chat.{suffix}"
    kernel.run(f"import pathlib; pathlib.Path({path!r}).unlink(missing_ok=True)")
    assert "2 turns in 'main'" in kernel.run(f'%cnai_chat export "{path}"').shown
    assert "exists already" in kernel.run(f'%cnai_chat export "{path}"').error[0]
    imported = kernel.run(f'%cnai_chat import "{path}" --as again')
    assert "in 'again', now in use" in imported.shown
    assert record(imported)["event"] == "import"
    after = kernel.run("%%cnai demo-echo\nWhat is my name?", "c")
    assert messages_of(after)[0] == ("system", "Be brief.")
    assert [text for role, text in messages_of(after) if role == "user"] == [
        "My name is Ada. What is 2+2?",
        "And times 3?",
        "What is my name?",
    ]
    spent = kernel.value("session.book.get_total(demo=True).requests")
    assert spent == 3, "what is imported was not spent here"


def test_a_restore_says_where_the_conversation_in_use_is_empty(kernel: Kernel, tmp_path: Path) -> None:
    cells = [("a", "%%cnai\nWhat is 2+2?"), ("b", "%cnai_chat new plan")]
    saved_as(tmp_path / "saved.ipynb", *((name, source, kernel.run(source, name)) for name, source in cells))
    renew(kernel)
    restored = kernel.run(f"%cnai_chat restore --from {tmp_path}/saved.ipynb", "c")
    assert "In use is 'plan', which has no turns" in restored.shown


def test_what_the_file_of_a_notebook_holds_is_restored_in_a_new_session(
    kernel: Kernel, tmp_path: Path
) -> None:
    cells = [
        (name, source, kernel.run(source, name))
        for name, source in (
            ("a", "%%cnai\nWhat is 2+2?"),
            ("b", "%cnai What is 1+1?\n%cnai And times 5?"),
            ("c", "%%cnai\nAnd times 3?"),
            ("d", "%cnai_chat fork other --at 1"),
            ("e", "%%cnai\nAnd times 7?"),
            ("f", "%cnai_chat use main"),
        )
    ]
    again = "%%cnai\nWhat is 2+3?"
    cells[0] = ("a", again, kernel.run(again, "a"))
    cells.append(("g", "%cnai_chat drop 4", kernel.run("%cnai_chat drop 4", "g")))
    saved_as(tmp_path / "saved.ipynb", *cells)
    everything = (
        "{each.name: [(turn.position.cell, turn.position.index_in_cell, turn.id, turn.current, "
        "[(a.id, a.reply.prompt, a.reply.text, a.number, a.turn) for a in turn.attempts]) "
        "for turn in each.turns] "
        "for each in session.conversations}"
    )
    before = kernel.value(everything)
    assert [len(turns) for turns in before.values()] == [3, 2]
    renew(kernel)
    restored = kernel.run(f"%cnai_chat restore --from {tmp_path}/saved.ipynb", "h")
    assert "nothing was sent" in restored.shown
    assert kernel.value(everything) == before
    assert kernel.value("session.conversations.current") == "main"
    assert kernel.value("session.book.get_before(demo=True).requests") == 6
    assert kernel.value("session.book.get_total(demo=True).requests") == 0
    kernel.run("%%cnai\nWhat is 2+4?", "a")
    assert kernel.value("[len(turn.attempts) for turn in session.conversations['main'].turns]") == [3, 1, 1]
    after = kernel.run("%%cnai demo-echo\nlast", "i")
    asked = [text for role, text in messages_of(after) if role == "user"]
    assert asked == ["What is 2+4?", "What is 1+1?", "And times 5?", "last"]


def test_reload_keeps_conversations_and_spend_and_unload_removes_the_magics(kernel: Kernel) -> None:
    kernel.run("%cnai What is 2+2?")
    kernel.run("%config Cnai.temperature = 0.5")
    assert not kernel.run("%reload_ext cnai_magic").error
    assert kernel.value("get_ipython().magics_manager.registry['CnaiMagics'].session is session")
    assert kernel.value("len(session.conversations['main'].turns), session.settings.temperature") == (1, 0.5)
    kernel.run("%unload_ext cnai_magic")
    names = "{name for kind in get_ipython().magics_manager.magics.values() for name in kind}"
    assert not kernel.value(f"[name for name in {names} if name.startswith('cnai')]")
    kernel.run("%load_ext cnai_magic")
    assert "demo-guide" in kernel.run("%cnai_spend --by model").shown


# -- money --------------------------------------------------------------------------------------


def test_the_spend_table_is_the_sum_of_the_footers(kernel: Kernel) -> None:
    costs = [
        kernel.run(f"%%cnai {options}\n{question}", cell).final["cost"]
        for cell, options, question in (
            ("a", "", "What is 2+2?"),
            ("b", "--once", "show a table of squares"),
            ("a", "", "What is 2+3?"),
            ("c", "demo-reasoner", "What is 4*4?"),
            ("d", "--no-stream", "And times 2?"),
        )
    ]
    assert all(cost > 0 for cost in costs)
    (total,) = (
        line.split()[1].removeprefix("$")
        for line in kernel.run("%cnai_spend --by model").shown.splitlines()
        if line.startswith("Total")
    )
    assert round(float(total) * 10**9) == sum(costs)
    ran = kernel.run("rows = %cnai_spend --by chat")
    assert not ran.error
    assert kernel.value("sum(row['nano_usd'] for row in rows)") == sum(costs)
    assert kernel.value("sum(row['nano_usd'] for row in rows if row['chat'] == '')") == costs[1]


def test_a_model_without_a_price_is_unpriced_and_gets_one(kernel: Kernel) -> None:
    kernel.run('%config Cnai.prices = {"demo-guide": (1000, 2000)}')
    final = kernel.run("%%cnai\nWhat is 2+2?").final
    usage = final["usage"]
    assert final["cost"] == usage["prompt_tokens"] * 1_000_000 + usage["completion_tokens"] * 2_000_000


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("", "this kernel"),
        ("--by model", "demo-guide"),
        ("--by chat", "(in no conversation)"),
        ("--by day", "Day"),
        ("--by notebook", "(no notebook)"),
        ("--of today", "today, all notebooks"),
        ("--of all --by model", "all time, all notebooks"),
        ("--plot", "Demo credit of this kernel"),
        ("--price some-model 0.8 2.0", "some-model: input $0.80, output $2.00 per million tokens"),
        ("--budget 0.5", "Budget of this kernel: $0.5000 of demo credit"),
        ("--budget off", "This kernel has no budget."),
        ("--budget-day off", "No daily budget is set."),
        ("--reset", "starts again"),
        ("--help", "--budget-day"),
    ],
)
def test_the_spend_is_shown_and_limited(kernel: Kernel, line: str, shown: str) -> None:
    kernel.run("%%cnai\nWhat is 2+2?", "a")
    kernel.run("%%cnai --once\nWhat is 2+3?", "b")
    ran = kernel.run(f"%cnai_spend {line}")
    assert not ran.error
    assert shown in ran.shown


def test_a_budget_that_is_used_up_refuses_the_next_question(kernel: Kernel) -> None:
    kernel.run("%%cnai\nWhat is 2+2?", "a")
    kernel.run("%cnai_spend --budget 0.00001")
    error = kernel.run("%%cnai\nWhat is 2+3?", "b").error
    assert error[0] == "BudgetError: the question does not fit the budget, so it was not sent"
    assert any("%cnai_spend --budget USD" in line for line in error)
    kernel.run("%cnai_spend --budget off")
    assert not kernel.run("%%cnai\nWhat is 2+3?", "b").error


def test_the_requests_are_written_to_a_file(kernel: Kernel, tmp_path: Path) -> None:
    kernel.run("%%cnai\nWhat is 2+2?", "a")
    ran = kernel.run(f"%cnai_spend --of kernel --csv {tmp_path}/spend.csv")
    assert ran.shown == f"Written to {tmp_path}/spend.csv: 1 request of this kernel."
    assert len((tmp_path / "spend.csv").read_text().splitlines()) == 2
    assert "--force" in kernel.run(f"%cnai_spend --of kernel --csv {tmp_path}/spend.csv").error[-1]


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("%cnai_spend --by modl", "did you mean model?"),
        ("%cnai_spend --budgt 1", "did you mean --budget?"),
        ("%cnai_spend all", "%cnai_spend?"),
        ("%cnai_spend --budget much", "is not an amount"),
        ("%cnai_spend --price m 1", "two or three amounts"),
        ("%cnai_spend --of notebook", "%config Cnai.notebook"),
        ("%cnai_chat vesions", "did you mean versions?"),
        ("%cnai_chat restor", "did you mean restore?"),
        ("%cnai_chat fork --att 1", "did you mean --at?"),
        ("%cnai_chat versions --kep 1", "did you mean --keep?"),
        ("%cnai_chat import x.json --ass y", "did you mean --as?"),
        ("%cnai_chat export x.md --forse", "did you mean --force?"),
        ("%cnai_chat restore --form x.ipynb", "did you mean --from?"),
        ("%cnai_chat versions x", "not a whole number"),
        ("%cnai_chat fork --at 1", "no turn 1"),
        ("%cnai_chat undo", "no turn to undo"),
        ("%cnai_chat versions", "no turns yet"),
        ("%cnai_chat export nothing.md", "no turns to write"),
        ("%cnai_chat import nowhere.json", "there is no file"),
        ("%cnai_chat restore", "--from PATH"),
        ("%cnai_chat use 'open", "a quote is not closed"),
    ],
)
def test_a_mistake_in_a_command_fails_in_a_few_lines(kernel: Kernel, line: str, hint: str) -> None:
    ran = kernel.run(line, "a")
    assert ran.reply["status"] == "error"
    assert 2 <= len(ran.error) <= 4
    assert ran.error[0].startswith("InputError: ")
    assert any(hint in each for each in ran.error), ran.error
    assert kernel.value("[each.name for each in session.conversations]") == ["main"]


# -- help, dry run, settings ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("%%cnai?", "--temperature"),
        ("%cnai?", "--dry-run"),
        ("%cnai_models?", "PATTERN"),
        *(
            ("%cnai_chat?", f"\n  {name} ")
            for name in (
                *("list", "show", "use", "new", "fork", "undo", "drop"),
                *("versions", "system", "restore", "export", "import"),
            )
        ),
        ("%cnai_spend?", "--reset"),
        ("%cnai_key?", "--save"),
        ("%%cnai?", "[answer =] %cnai"),
    ],
)
def test_help_is_real(kernel: Kernel, asked: str, expected: str) -> None:
    pages = [page["data"]["text/plain"] for page in kernel.run(asked).reply["payload"]]
    assert expected in "".join(pages)


@pytest.mark.parametrize(
    "asked",
    [
        *("%%cnai --help\n ", "%cnai -h", "%cnai_models -h", "%cnai_spend --help", "%cnai_chat help"),
        *(f"%cnai_chat {name} --help" for name in ("fork", "versions", "restore", "export", "import", "use")),
    ],
)
def test_the_usual_options_show_help_too(kernel: Kernel, asked: str) -> None:
    ran = kernel.run(asked)
    assert not ran.error
    assert "%cnai" in ran.stdout + ran.shown


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ("%%cnai --help rows", "--over ROWS"),
        ("%cnai --help compare", "--over ROWS"),
        ("%%cnai --over ?", "--over ROWS"),
        ("%cnai --grid?", "--over ROWS"),
        ("%%cnai --once?\n\n", "--temperature"),
    ],
)
def test_options_that_ask_several_times_have_a_page_of_the_help(
    kernel: Kernel, asked: str, shown: str
) -> None:
    ran = kernel.run(asked)
    assert not ran.error
    assert shown in ran.stdout


def test_a_dry_run_shows_the_body_and_sends_nothing(kernel: Kernel) -> None:
    prompt = "Braces {x} {{ y }} {% z %} $HOME `code` 'quotes' \U0001f600"
    options = """-t 0 -s 'Be brief' --stop '$END {x}' --stop '["\\n"]' --seed -7"""
    ran = kernel.run(f"%%cnai {options} --dry-run json\n{prompt}")
    body = json.loads(ran.stdout.rsplit("\n≈", 1)[0])
    assert (body["temperature"], body["stop"], body["seed"]) == (0, ["$END {x}", "\n"], -7)
    assert body["messages"] == [
        {"role": "system", "content": "Be brief"},
        {"role": "user", "content": prompt},
    ]
    assert kernel.value("session.book.charges") == []
    assert kernel.value("len(session.conversations['main'].turns)") == 0


def test_config_lists_the_settings_with_their_help(kernel: Kernel) -> None:
    shown = kernel.run("%config Cnai").stdout
    assert "Cnai.base_url" in shown
    assert "Sampling randomness" in shown


def test_a_key_is_typed_unseen_and_used(kernel: Kernel) -> None:
    key = "sk-" + "typed" * 5
    ran = kernel.run("%cnai_key", typed=key)
    assert "The key of cnaitoken.store is set for this kernel." in ran.stdout
    assert "demo" not in ran.stdout
    assert key not in json.dumps(ran.messages, default=str)
    assert kernel.value("session.resolve_endpoint().key.reveal()") == key
    kernel.run("%cnai_key --forget")
    assert kernel.value("session.resolve_endpoint().demo")


def test_a_key_that_the_demo_models_do_not_need_says_how_to_use_it(kernel: Kernel) -> None:
    kernel.run('%config Cnai.base_url = "demo"')
    ran = kernel.run("%cnai_key", typed="sk-" + "typed" * 5)
    assert 'choose that server: %config Cnai.base_url = "https://cnaitoken.store/v1"' in ran.stdout


def test_a_key_cannot_be_typed_where_a_program_runs_the_notebook(kernel: Kernel) -> None:
    ran = kernel.run("%cnai_key", watched=False)
    assert ran.error[0] == "InputError: no key can be typed here"
    assert "set the variable CNAI_API_KEY" in ran.error[-1]


# -- bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "name", "hint"),
    [
        ("%%cnai\n  \n", "InputError", "there is no question"),
        ("%cnai", "InputError", "there is no question"),
        ("%%cnai --temprature 1\nhello", "InputError", "did you mean --temperature?"),
        ("%%cnai -t hot\nhello", "InputError", "not a number"),
        ("%%cnai -s\nhello", "InputError", "needs a value"),
        ("%%cnai dmo-ngram\nhello", "InputError", "did you mean demo-ngram?"),
        ("%%cnai -t 3\nhello", "InputError", "temperature"),
        ("%%cnai -t nan\nhello", "InputError", "temperature"),
        ("%%cnai -p 1.5\nhello", "InputError", "top_p"),
        ("%%cnai -n 0\nhello", "InputError", "max_tokens"),
        ("%%cnai demo-giude\nhello", "ModelNotFoundError", "did you mean demo-guide?"),
        ("%%cnai gpt-4\nhello", "InputError", "%cnai_key"),
        ("%%cnai demo-guide hello\nhello", "InputError", "body of the cell"),
        ("%%cnai -o 3x\nhello", "InputError", "variable"),
        ("%%cnai --once --new\nhello", "InputError", "--once"),
        ("%%cnai -s 'open\nhello", "InputError", "quote"),
        ("%%cnai -c 'two words'\nhello", "InputError", "one word"),
        ("%%cnai demo-faults\n401", "AuthenticationError", "%cnai_key"),
        ("%%cnai demo-faults\n402", "QuotaError", "https://cnaitoken.store/panel/topup"),
        ("%%cnai demo-faults\n500", "ServerError", "request"),
        ("%%cnai demo-faults\ncut", "TruncatedError", "ask again"),
        ("%%cnai demo-faults\ngarbage", "GarbageError", "not JSON"),
        ("%%cnai demo-faults\nhtml", "ServerError", "502"),
        ("%%cnai demo-faults\nhtml200", "HTMLError", "web page"),
        ("%%cnai demo-faults --no-stream\n402", "QuotaError", "recharge"),
    ],
)
def test_a_mistake_fails_the_cell_in_a_few_lines_and_changes_nothing(
    kernel: Kernel, cell: str, name: str, hint: str
) -> None:
    kernel.run("%config Cnai.retries = 0")
    ran = kernel.run(cell, "a")
    assert ran.reply["status"] == "error"
    lines = ran.error
    assert 2 <= len(lines) <= 4, lines
    assert lines[0].startswith(f"{name}: ")
    assert "Session" not in ran.reply["evalue"]
    assert any(hint in line for line in lines), lines
    assert not any("Traceback" in line for line in lines)
    assert kernel.value("[len(each.turns) for each in session.conversations]") == [0]
    assert kernel.value("session.conversations.current") == "main"


@pytest.mark.parametrize("options", ["", "--no-stream"])
def test_too_many_requests_are_waited_for_visibly_and_given_up(kernel: Kernel, options: str) -> None:
    kernel.run("%config Cnai.retries = 1")
    ran = kernel.run(f"%%cnai demo-faults {options}\n429", "a")
    states = [each["data"].get("state", {}).get("status", {}) for each in ran.of("comm_msg")]
    assert any(state.get("phase") == "retry" and state["seconds"] > 0 for state in states)
    assert ran.error[0].startswith("RateLimitError")


def test_no_server_and_a_wrong_key_say_what_to_do(kernel: Kernel) -> None:
    kernel.run("%config Cnai.retries = 0")
    address = kernel.value("session.servers.get_client(session.resolve_endpoint()).base_url")
    kernel.run(f'%config Cnai.base_url = "{address}"')
    wrong = kernel.run("%cnai -m demo-guide hello", "a")
    assert wrong.error[0].startswith("AuthenticationError")
    kernel.run('%config Cnai.base_url = "http://127.0.0.1:9/v1"')
    nobody = kernel.run("%cnai hello", "a")
    assert nobody.error[0].startswith("ConnectionFailed")
    assert any("127.0.0.1:9" in line for line in nobody.error)
    kernel.run('%config Cnai.base_url = "http://example.com/v1"')
    kernel.run("session.use_key('sk-for-another-machine')")
    clear = kernel.run("%cnai hello", "a")
    kernel.run("session.use_key(None)")
    assert clear.error[0].startswith("InputError")
    assert any("https" in line for line in clear.error)


@pytest.mark.parametrize(
    "prompt",
    [
        "{ {{ }} } {% if %} {# x #} ${HOME} %s \\N{DASH} \\(x\\)",
        "bell \x07 escape \x1b[31m null-free \x7f tab\tdone",
        "\U0001f600 \U0001f468\u200d\U0001f469\u200d\U0001f467 汉字 \u202e שלום",
    ],
    ids=["braces", "controls", "emoji"],
)
def test_odd_prompts_arrive_as_they_were_typed(kernel: Kernel, prompt: str) -> None:
    kernel.run(f"text = {prompt!r}\nget_ipython().run_cell_magic('cnai', 'demo-echo', text)", "a")
    assert kernel.value("session.conversations['main'].turns[0].reply.prompt") == prompt
    text = kernel.value("session.latest.text")
    block = text.split("```json\n", 1)[1].split("\n```", 1)[0]
    assert json.loads(block)["messages"][-1]["content"] == prompt


def test_a_body_of_two_megabytes_is_sent_or_refused_without_harm(kernel: Kernel) -> None:
    ran = kernel.run("get_ipython().run_cell_magic('cnai', '--once', 'word ' * 400_000)")
    assert ran.reply["status"] == "ok", ran.error
    assert kernel.value("session.latest.usage.prompt_tokens") >= 400_000
    assert "4" in kernel.run("%cnai --once What is 2+2?").answer


# -- interrupts -----------------------------------------------------------------------------------


def test_an_interrupt_keeps_the_partial_answer_and_goes_on_upwards(kernel: Kernel) -> None:
    interrupted = []

    def interrupt(message: dict[str, Any]) -> None:
        content = message["content"].get("data", {}).get("content", {})
        if message["msg_type"] == "comm_msg" and content.get("kind") == "delta" and not interrupted:
            interrupted.append(True)
            kernel.manager.interrupt_kernel()

    ran = kernel.run("%%cnai demo-faults\nstall", "a", meanwhile=interrupt)
    assert ran.reply["ename"] == "KeyboardInterrupt"
    assert ran.error == ["KeyboardInterrupt: the answer was interrupted; what arrived of it is kept"]
    assert ran.final["finish_reason"] == "interrupted"
    assert ran.final["usage"]["estimated"]
    assert ran.answer
    assert kernel.value("len(session.book.charges), len(session.conversations['main'].turns)") == (1, 1)
    assert (
        kernel.value("[t.name for t in __import__('threading').enumerate() if t.name == 'cnai-stream']") == []
    )
    assert kernel.value("_cnai.finish_reason") == "interrupted"
    ran = kernel.run("%cnai What is 2+2?", "b")
    assert "4" in ran.answer
    # What was interrupted is the answer in force, and no former one.
    assert "former" not in ran.final["footer"]


_INTERRUPTING_IMPORTS = """
import signal, sys
left = ["cnai_magic.money.spending", "ipywidgets.widgets.widget_int", "requests.adapters"]
class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name in left:
            left.remove(name)
            signal.raise_signal(signal.SIGINT)
sys.meta_path.insert(0, Interrupting())
"""


def test_an_interrupt_leaves_no_module_imported_by_half(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A kernel in which none is imported yet.
    monkeypatch.delenv("JUPYTER_PATH", raising=False)
    with running_kernel(tmp_path, CNAI_BASE_URL="demo") as kernel:
        kernel.run(_INTERRUPTING_IMPORTS)
        for module in kernel.value("left"):
            ran = kernel.run("%%cnai\nWhat is 2+2?", "a")
            assert ran.error == ["KeyboardInterrupt: the answer was interrupted; what arrived of it is kept"]
            assert kernel.value(f"{module!r} in sys.modules and {module!r} not in left")
        assert "4" in kernel.run("%%cnai\nWhat is 2+2?", "a").answer


def test_a_cell_run_in_a_new_kernel_keeps_the_answers_that_the_file_holds_for_it(tmp_path: Path) -> None:
    path = tmp_path / "saved.ipynb"
    source = "%%cnai demo-echo\n{}"
    folders = [tmp_path / name for name in ("first", "second")]
    for folder in folders:
        folder.mkdir()
    with running_kernel(folders[0], CNAI_BASE_URL="demo") as kernel:
        kernel.run(source.format("one"), "a")
        last = kernel.run(source.format("two"), "a")
        saved_as(path, ("a", source.format("two"), last))
    with running_kernel(folders[1], CNAI_BASE_URL="demo", JPY_SESSION_NAME=str(path)) as kernel:
        again = kernel.run(source.format("three"), "a")
        assert [text for role, text in messages_of(again) if role == "user"] == ["three"]
        assert again.final["attempt"] == 3
        assert [each["prompt"] for each in again.final["others"]] == ["one", "two"]
        new = kernel.run(source.format("four"), "b")
        assert (new.final["attempt"], "others" in new.final) == (1, False)
        path.write_text("{")
        assert kernel.run(source.format("five"), "c").final["attempt"] == 1


# -- languages ----------------------------------------------------------------------------------


def test_a_page_in_chinese_gets_chinese_and_what_is_sent_and_kept_is_the_same(kernel: Kernel) -> None:
    english = kernel.run("%%cnai demo-echo -t 0\nhello", "a")
    chinese = kernel.run("%%cnai demo-echo -t 0\nhello", "a", language="zh-CN")
    assert " · turn 1 · " in english.final["footer"]
    assert " · 第 1 轮第 2 次 · " in chinese.final["footer"]
    assert chinese.final["request"] == english.final["request"]
    assert chinese.answer == english.answer
    wrong = kernel.run("%%cnai demo-giude\nhello", "b", language="zh-CN")
    assert wrong.error[0] == "ModelNotFoundError: 服务器没有模型 'demo-giude'"
    assert wrong.error[2] == "  下一步: 换一个：用 %cnai_models 查看"
    assert "轮数" in kernel.run("%cnai_chat", "c", language="zh-CN").shown
    kernel.run('%config Cnai.language = "en"', "d", language="zh-CN")
    assert "Turns" in kernel.run("%cnai_chat", "c", language="zh-CN").shown


@pytest.mark.parametrize(
    ("before", "ask", "saved"),
    [
        ("import ipywidgets; out = ipywidgets.Output()", "with out:\n    %cnai What is 2+2?", 1),
        ("%config Cnai.display = 'text'", "%%cnai\nWhat is 2+2?", 1),
        ("", "%%cnai\nWhat is 2+2?", 0),
    ],
)
def test_an_answer_that_no_output_of_its_cell_holds_is_kept_with_the_cell(
    tmp_path: Path, before: str, ask: str, saved: int
) -> None:
    path = tmp_path / "saved.ipynb"
    with running_kernel(tmp_path, CNAI_BASE_URL="demo") as kernel:
        kernel.run(before)
        ran = kernel.run(ask, "a")
        notes = [
            each for each in ran.of("display_data") if "The notebook keeps" in each["data"]["text/plain"]
        ]
        assert len(notes) == saved
        # A front end puts what goes into an output widget there, and not into the cell.
        messages = [each for each in ran.messages if not notes or each["content"] in notes]
        saved_as(path, ("a", ask, Ran(messages, ran.reply)))
    with running_kernel(tmp_path, CNAI_BASE_URL="demo") as kernel:
        assert "1 turn" in kernel.run(f"%cnai_chat restore --from {path}", "r").shown
        assert "12" in kernel.run("%%cnai\nAnd times 3?", "b").answer
