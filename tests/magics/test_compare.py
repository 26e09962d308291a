"""`%%cnai --compare`, `--grid` and `--times`, in a real kernel."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cnai_magic.notebook.page_facts import PAGE_TYPE
from tests.kernels import Kernel, Ran, running_kernel, saved_as
from tests.magics.test_extension import renew


@pytest.fixture(scope="module")
def shared_kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    with running_kernel(tmp_path_factory.mktemp("kernel"), CNAI_BASE_URL="demo") as kernel:
        yield kernel


@pytest.fixture
def kernel(shared_kernel: Kernel) -> Kernel:
    renew(shared_kernel)
    return shared_kernel


def test_answers_stand_side_by_side_in_one_output(kernel: Kernel) -> None:
    ran = kernel.run(
        "%%cnai --compare demo-guide,demo-echo --grid temperature=0,0.7 -o both\nWhat is 2+2?", "a"
    )
    assert not ran.error
    last = ran.of("display_data", "update_display_data")[-1]["data"]
    assert set(last) == {"text/markdown", "text/plain", PAGE_TYPE}
    assert last[PAGE_TYPE]["numbers"] == [1, 2, 3, 4]
    assert last["text/markdown"].count("\n| ") == 5
    assert "| 1 | demo-guide | 0.0 | 2 + 2 = **4** |" in last["text/markdown"]
    assert "| 3 | demo-echo | 0.0 | (below) |" in last["text/markdown"]
    assert "<details open><summary>3 · demo-echo · temperature 0.0</summary>" in last["text/markdown"]
    assert "4 answers · demo credit $" in last["text/plain"]
    # In the output itself: what is kept takes its place.
    assert last["text/markdown"].endswith("chat versions --keep NUMBER")
    assert ran.stdout == ""
    assert kernel.value("[each.model for each in both]") == ["demo-guide"] * 2 + ["demo-echo"] * 2
    assert kernel.value("_cnai is both")
    assert kernel.value("len(session.conversations.in_use.turns)") == 0


def test_a_terminal_shows_each_answer_as_text(kernel: Kernel) -> None:
    kernel.run("%config Cnai.display = 'text'")
    try:
        ran = kernel.run("%%cnai --compare demo-guide,demo-echo --grid temperature=0\nWhat is 2+2?", "a")
    finally:
        kernel.run("%config Cnai.display = 'auto'")
    first, second = ran.stdout.partition("[2] demo-echo · temperature 0.0\n\n")[::2]
    assert "[1] demo-guide · temperature 0.0\n\n2 + 2 = **4**\n\ndemo-guide · " in first
    assert "2 answers · demo credit" in second


def test_blanks_between_names_change_nothing(kernel: Kernel) -> None:
    assert not kernel.run(
        "%%cnai --compare demo-guide, demo-echo, demo-guide -o two\nWhat is 2+2?", "a"
    ).error
    assert kernel.value("[each.model for each in two]") == ["demo-guide", "demo-echo"]


def test_two_grids_multiply(kernel: Kernel) -> None:
    assert not kernel.run("four = %cnai --grid temperature=0,0.7 --grid seed=1,2 What is 2+2?", "a").error
    found = kernel.value("[(each.varied['temperature'], each.varied['seed']) for each in four]")
    assert [tuple(each) for each in found] == [(0, 1), (0, 2), (0.7, 1), (0.7, 2)]


def test_one_is_kept_and_its_cell_shows_it(kernel: Kernel) -> None:
    kernel.run("%%cnai\nWhat is 1+1?", "a")
    compared = kernel.run("%%cnai --compare demo-guide,demo-echo\nWhat is 2+2?", "b")
    shown = kernel.run("%cnai_chat versions", "c").shown
    assert "2 answers" in shown
    ran = kernel.run("%cnai_chat versions --keep 1", "d")
    assert not ran.error
    assert "is now attempt 1" in ran.shown
    name = compared.of("display_data")[0]["transient"]["display_id"]
    changed = next(each for each in ran.of("update_display_data") if each["transient"]["display_id"] == name)
    assert "2 + 2 = **4**" in changed["data"]["text/markdown"]
    assert (
        kernel.value("[turn.reply.model for turn in session.conversations.in_use.turns]")
        == ["demo-guide"] * 2
    )
    assert kernel.value("len(session.conversations.in_use.turns[1].attempts)") == 2
    follow = kernel.run("%%cnai\nAnd times 3?", "e")
    assert "12" in follow.answer


def test_another_one_is_kept_after_undo(kernel: Kernel) -> None:
    kernel.run("%%cnai --compare demo-guide,demo-echo -o both\nWhat is 2+2?", "a")
    kernel.run("%cnai_chat versions --keep 1", "b")
    refused = kernel.run("both.keep(2)", "c")
    assert "one of these answers is in the conversation already" in "\n".join(refused.error)
    kernel.run("%cnai_chat undo", "d")
    assert "2 answers" in kernel.run("%cnai_chat versions", "e").shown
    assert not kernel.run("both.keep(2)", "f").error
    assert kernel.value("[turn.reply.model for turn in session.conversations.in_use.turns]") == ["demo-echo"]


def test_a_turn_that_the_cell_had_stays_until_one_is_kept(kernel: Kernel) -> None:
    kernel.run("%%cnai\nWhat is 2+2?", "a")
    kernel.run("%%cnai --times 2\nWhat is 3+3?", "a")
    assert kernel.value("[turn.reply.prompt for turn in session.conversations.in_use.turns]") == [
        "What is 2+2?"
    ]
    kernel.run("%cnai_chat versions --keep 2", "b")
    assert kernel.value("[turn.reply.prompt for turn in session.conversations.in_use.turns]") == [
        "What is 3+3?"
    ]
    assert kernel.value("len(session.conversations.in_use.turns[0].attempts)") == 3


def test_answers_are_held_against_what_is_expected(kernel: Kernel) -> None:
    ran = kernel.run(
        r"%%cnai --compare demo-guide,demo-echo --expect '= \*\*4' --pass 0.9" + "\nWhat is 2+2?", "a"
    )
    assert ran.error[0] == "ExpectationError: 50% of the answers are as expected, and 90% are wanted"
    table = ran.of("display_data", "update_display_data")[-1]["data"]["text/markdown"]
    assert table.startswith("|   | model | answer | passed | tokens |")
    assert "1 of 2 as expected" in table


def test_one_answer_that_is_expected_is_a_turn_as_any(kernel: Kernel) -> None:
    ran = kernel.run("%%cnai --expect 4 --pass 1\nWhat is 2+2?", "a")
    assert not ran.error
    assert ran.stdout.endswith("as expected\n")
    assert kernel.value("len(session.conversations.in_use.turns)") == 1
    ran = kernel.run("%%cnai --expect 5 --pass 1\nWhat is 2+2?", "a")
    assert ran.error[0] == "ExpectationError: the answer is not as expected"
    assert kernel.value("_cnai.text") == "2 + 2 = **4**"
    # A name that is none is a pattern, and that is said.
    kernel.run("def is_four(text): return True")
    said = kernel.run("%%cnai --expect is_fuor\nWhat is 2+2?", "a").stdout
    assert "is_fuor is taken as a pattern: no function or schema has this name; did you mean is_four?" in said


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("--grid temprature=1", "did you mean temperature?"),
        ("--grid nosuch=1,2", "there are temperature, top_p, "),
        ("--grid temperature", "parameter has\n  next: write it as --grid temperature=0,0.7"),
        ("--grid temperature=hot", "temperature"),
        ("--times 0", "--times"),
        ("--compare demo-guide --once", "--once is of no use"),
        ("--compare nothing", "does not serve nothing"),
    ],
)
def test_what_cannot_be_compared_is_an_error(kernel: Kernel, line: str, words: str) -> None:
    ran = kernel.run(f"%%cnai {line}\nWhat is 2+2?", "a")
    assert words in "\n".join(ran.error)
    assert kernel.value("len(session.book.charges)") == 0


@pytest.mark.parametrize(("line", "question"), [("--times 2", "2"), ("--over two", "{{ row }}")])
def test_an_expectation_that_raises_loses_no_answer(kernel: Kernel, line: str, question: str) -> None:
    kernel.run("two = [1, 2]\ndef broken(text): 1 / 0")
    ran = kernel.run(f"%%cnai {line} --expect broken -o kept\nWhat is 2+{question}?", "a")
    assert ran.error[:2] == [
        "ExpectationError: broken raises ZeroDivisionError in line 2",
        "  why: division by zero",
    ]
    assert kernel.value("len(list(kept))") == 2
    assert "2 + 2" in str(ran.messages)


def test_what_failed_is_asked_again_and_its_cell_shows_it(kernel: Kernel) -> None:
    ran = kernel.run("%%cnai --compare demo-faults,demo-guide -o both\nWhat is 402?", "a")
    assert not ran.error
    shown = ran.of("display_data", "update_display_data")[-1]
    facts = shown["data"][PAGE_TYPE]
    assert facts["again"] is True
    assert shown["data"]["text/plain"].endswith("To ask again only for what failed: both.retry()")
    again = kernel.run("both.retry();", "b")
    assert again.of("display_data")[0]["data"]["text/plain"].startswith("0 of 1")
    (changed,) = [each for each in again.of("update_display_data") if PAGE_TYPE in each["data"]]
    assert changed["transient"] == shown["transient"]
    assert changed["metadata"]["cnai"]["time"] == shown["metadata"]["cnai"]["time"]
    # The button of the page does the same, in the cell that asked and in no other.
    request = {"do": "retry_compared", "compared": facts["compared"]}
    assert kernel.ask_page(**request, cell="b")[0]["error"]
    state, ran = kernel.ask_page(**request, cell="a")
    assert "error" not in state
    (changed,) = ran.of("update_display_data")
    assert changed["transient"] == shown["transient"]
    assert kernel.value("len(session.book.charges)") == 1
    kernel.run("both.keep(2)", "c")
    assert kernel.ask_page(**request, cell="a")[0]["error"]
    assert "in the conversation already" in "\n".join(kernel.run("both.retry()", "d").error)


def test_what_was_not_kept_yet_survives_a_restart(kernel: Kernel, tmp_path: Path) -> None:
    first = kernel.run("%%cnai\nWhat is 1+1?", "a")
    source = "%%cnai --compare demo-guide,demo-echo --grid temperature=0,0.7 --expect 4\nWhat is 2+2?"
    compared = kernel.run(source, "b")
    path = tmp_path / "saved.ipynb"
    saved_as(path, ("a", "%%cnai\nWhat is 1+1?", first), ("b", source, compared))
    spent = kernel.value("session.book.get_total(demo=True).nano")
    renew(kernel)
    restored = kernel.run(f"%cnai_chat restore --from {path}", "c")
    assert "Of 1 comparison no answer is kept yet" in restored.shown
    assert kernel.value("session.book.get_notebook(demo=True).nano") == spent
    shown = kernel.run("%cnai_chat versions", "d").of("display_data")[0]["data"]
    assert shown == compared.of("display_data", "update_display_data")[-1]["data"]
    assert not kernel.run("%cnai_chat versions --keep 2", "e").error
    turns = "session.conversations.in_use.turns"
    assert kernel.value(f"[len(turn.attempts) for turn in {turns}]") == [1, 4]
    assert kernel.value(f"{turns}[1].attempt.reply.parameters") == {"temperature": 0.7}
    assert kernel.value(f"{turns}[1].position.cell") == "b"
    assert "12" in kernel.run("%%cnai\nAnd times 3?", "f").answer
    # A restart: the page chooses, from the cell that asked and from no other.
    renew(kernel)
    kernel.run(f"%cnai_chat restore --from {path}", "c")
    facts = compared.of("display_data", "update_display_data")[-1]["data"][PAGE_TYPE]
    choice = {"do": "keep_compared", "compared": facts["compared"], "number": 3}
    for wrong in ({"cell": "a"}, {"cell": "b", "number": 9}, {"cell": "b", "compared": "other"}):
        assert kernel.ask_page(**{**choice, **wrong})[0]["error"]
    state, ran = kernel.ask_page(**choice, cell="b")
    assert "error" not in state
    (shown,) = ran.of("update_display_data")
    assert shown["data"][PAGE_TYPE]["attempts"][2] == shown["data"][PAGE_TYPE]["id"]
    assert kernel.ask_page(**choice, cell="b")[0]["error"]
    # Kept, it is one no more.
    renew(kernel)
    assert "What is 2+2" not in kernel.run("%cnai_chat versions", "d").shown


def test_compared_answers_are_replayed_from_the_notebook(kernel: Kernel, tmp_path: Path) -> None:
    """Recorded, one kept, and run again without a request: also where the cell has changed since."""
    source = (
        "%%cnai --compare demo-guide,demo-echo,demo-none --grid temperature=0,0.7 --times 2 --expect 4 "
        "--judge demo-guide -o found\nWhat is 2+2?"
    )
    compared = kernel.run(source, "b")
    (keep, follow), path = ("%cnai_chat versions --keep 5", "%%cnai\nAnd times 3?"), tmp_path / "saved.ipynb"
    kept, followed = kernel.run(keep, "c"), kernel.run(follow, "d")
    facts = "[(each.reply and each.reply.id, each.passed, each.score, each.error is None) for each in found]"
    before, judged = kernel.value(facts), kernel.value("found.judgement.summary")
    renew(kernel)
    saved_as(path, ("b", source, compared), ("c", keep, kept), ("d", follow, followed))
    kernel.run(f"%config Cnai.notebook = {str(path)!r}\n%config Cnai.replay = True")
    try:
        for _ in range(2):
            again = kernel.run(source, "b")
            assert not again.error
            assert kernel.value(facts) == before
            assert kernel.value("found.judgement.summary") == judged
            assert " · replayed, had cost demo credit $" in again.shown
        assert not kernel.run(keep, "c").error
        assert kernel.run(follow, "d").answer == followed.answer
        fewer = kernel.run(source.replace("0,0.7", "0.7,1").replace("--judge demo-guide ", ""), "b")
        came = kernel.value("[each.reply is not None for each in found]")
        assert came == [True, True, False, False] * 2 + [False] * 4
        assert "no saved answer to this request" in fewer.shown
        other = kernel.run(source.replace("2+2", "2+3"), "b")
        assert other.error[0].startswith("ReplayError: ")
        assert "'What is 2+2?'" in "".join(other.error)
        assert kernel.value("len(session.book.charges)") == 0
        assert kernel.value("session.book.get_replayed(demo=True).requests") == 9
    finally:
        kernel.run('%config Cnai.replay = False\n%config Cnai.notebook = ""')


def test_answers_of_which_none_is_kept_are_in_the_table_of_all_attempts(kernel: Kernel) -> None:
    kernel.run("%%cnai --compare demo-guide,demo-echo\nWhat is 2+2?", "a")
    kernel.run("%%cnai --times 2\nWhat is 3+3?", "b")
    early = kernel.run("%cnai_chat rate 1 2 good", "c")
    assert early.error[1:] == [
        "  why: none of the compared answers is kept yet",
        "  next: keep one, and rate them then: %cnai_chat versions --keep NUMBER",
    ]
    kernel.run("%cnai_chat versions --keep 2", "c")
    ran = kernel.run("%cnai_chat export attempts.csv --force", "d")
    assert "4 attempts of all conversations" in ran.shown
    rows = kernel.value(
        "[[each[name] for name in ('turn', 'attempt', 'in_force', 'model')] for each in"
        " __import__('csv').DictReader(open('attempts.csv', encoding='utf-8-sig'))]"
    )
    assert rows == [
        *(["1", "1", "false", "demo-guide"], ["1", "2", "true", "demo-guide"]),
        *(["", "1", "false", "demo-guide"], ["", "2", "false", "demo-echo"]),
    ]


@pytest.mark.parametrize("keep", ["%cnai_chat versions --keep 2", "_ = both.keep(2)"])
def test_what_was_kept_survives_a_restart_where_its_cell_still_has_the_table(
    kernel: Kernel, tmp_path: Path, keep: str
) -> None:
    source = "%%cnai --compare demo-echo,demo-guide -o both\nWhat is 2+2?"
    compared = kernel.run(source, "a")
    ran = kernel.run(keep, "b")
    assert "Its cell shows it, unless the page was loaded again since: %cnai_chat show 1" in ran.shown
    again = kernel.run("both.keep(1)", "c").error
    assert again[1:] == [
        "  why: answer 2 was kept",
        "  next: let this one count in main: %cnai_chat versions 1 --keep 1",
    ]
    assert "there are 1, 2" in "\n".join(kernel.run("both.keep(99)", "c").error)
    assert "Attempt 2 (current)" in kernel.run("%cnai_chat versions", "c").shown
    # The page was loaded again: the cell of the question has its table, and not what took its place.
    own = ran.of("display_data", "update_display_data")[0]["transient"]["display_id"]
    ran.messages = [
        each for each in ran.messages if each["content"].get("transient", {}).get("display_id") == own
    ]
    path, facts = tmp_path / "saved.ipynb", "[(turn.reply.model, len(turn.attempts), turn.position.cell)"
    saved_as(path, ("a", source, compared), ("b", keep, ran))
    renew(kernel)
    restored = kernel.run(f"%cnai_chat restore --from {path}", "d")
    assert "1 turn with 2 answers" in restored.shown
    assert "no answer is kept yet" not in restored.shown
    found = kernel.value(f"{facts} for turn in session.conversations.in_use.turns]")
    assert [tuple(each) for each in found] == [("demo-guide", 2, "a")]
    assert kernel.value("len(session.book.charges)") == 0
    # The command runs again in its cell, and another restart follows.
    ran = kernel.run("%cnai_chat versions 1 --keep 1", "b")
    assert "Its cell still shows what it did" in ran.shown
    saved_as(path, ("a", source, compared), ("b", keep, ran))
    renew(kernel)
    kernel.run(f"%cnai_chat restore --from {path}", "d")
    assert kernel.value("[turn.reply.model for turn in session.conversations.in_use.turns]") == ["demo-echo"]
    # Cleared, it is no longer a part of the conversation, whatever the command's cell still says.
    saved_as(path, ("a", source, Ran()), ("b", keep, ran))
    renew(kernel)
    kernel.run(f"%cnai_chat restore --from {path}", "d")
    assert kernel.value("session.conversations.in_use.turns") == []
    # So it is where something else was asked in its cell since.
    other = kernel.run("%%cnai\nWhat is 3+3?", "a")
    saved_as(path, ("a", "%%cnai\nWhat is 3+3?", other), ("b", keep, ran))
    renew(kernel)
    kernel.run(f"%cnai_chat restore --from {path}", "d")
    assert kernel.value("[turn.reply.prompt for turn in session.conversations.in_use.turns]") == [
        "What is 3+3?"
    ]


def test_what_its_cell_does_not_show_any_more_is_not_kept(kernel: Kernel) -> None:
    kernel.run("%%cnai --times 2 -o both\nWhat is 2+2?", "a")
    assert "--keep NUMBER" in kernel.run("%cnai_chat versions", "b").shown
    kernel.run("1 + 1", "a")
    assert "--keep NUMBER" not in kernel.run("%cnai_chat versions", "b").shown
    for source in ("%cnai_chat versions --keep 1", "both.keep(1)"):
        assert "is not there any more" in "\n".join(kernel.run(source, "b").error)
    assert kernel.value("len(session.conversations.in_use.turns)") == 0
    # Where a run asks them and keeps one, its cell shows them.
    kernel.run("both = %cnai --times 2 What is 2+2?\nboth.keep(1)", "a")
    assert kernel.value("len(session.conversations.in_use.turns)") == 1


def test_a_thread_of_another_cell_is_not_the_run_that_shows_them(kernel: Kernel) -> None:
    kernel.run("1 + 1", "a")
    kernel.run(
        "import threading\nbegun, ended = threading.Event(), threading.Event()\n"
        "other = %cnai --times 2 What is 1+1?\n"
        "def keep_other():\n    begun.wait()\n    other.keep(1)\n    ended.set()\n"
        "threading.Thread(target=keep_other).start()",
        "b",
    )
    source = "both = %cnai --times 2 What is 2+2?\nbegun.set()\nended.wait()\nboth.keep(1)"
    assert not kernel.run(source, "a").error
    assert kernel.value("len(session.conversations.in_use.turns)") == 2


def test_answers_that_were_printed_in_a_notebook_can_be_kept_after_a_restart(
    kernel: Kernel, tmp_path: Path
) -> None:
    source = "%%cnai --times 2\nWhat is 2+2?"
    kernel.run("%config Cnai.display = 'text'")
    try:
        compared = kernel.run(source, "a")
    finally:
        kernel.run("%config Cnai.display = 'auto'")
    saved_as(tmp_path / "saved.ipynb", ("a", source, compared))
    for is_restored in (False, True):
        if is_restored:
            renew(kernel)
            kernel.run(f"%cnai_chat restore --from {tmp_path / 'saved.ipynb'}", "b")
        assert not kernel.run("%cnai_chat versions --keep 2", "b").error
        turns = "session.conversations.in_use.turns"
        assert kernel.value(f"[(turn.cell, len(turn.attempts)) for turn in {turns}]") == [("a", 2)]
