"""`%%cnai --over`, in a real kernel."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kernels import Kernel, Ran, running_kernel, saved_as
from tests.magics.test_extension import renew
from tests.servers import PATIENCE, SILENCE, ScriptedServer, Tell, completion, json_response


@pytest.fixture(scope="module")
def shared_kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    with running_kernel(tmp_path_factory.mktemp("kernel"), CNAI_BASE_URL="demo") as kernel:
        yield kernel


@pytest.fixture
def kernel(shared_kernel: Kernel) -> Kernel:
    renew(shared_kernel)
    shared_kernel.run("rows = [{'a': n, 'b': n + 1} for n in range(4)]")
    return shared_kernel


def test_each_row_is_asked_and_the_answers_are_a_table(kernel: Kernel) -> None:
    ran = kernel.run("%%cnai --over rows --fresh -o sums\nWhat is {{ row.a }} + {{ row.b }}?", "a")
    assert not ran.error
    assert [each["answer"] for each in kernel.value("[each.to_dict() for each in sums]")] == [
        f"{n} + {n + 1} = **{2 * n + 1}**" for n in range(4)
    ]
    # One output, changed while they came; at the end it is a table, and no widget.
    first, *others = ran.of("display_data", "update_display_data")
    assert len({each["transient"]["display_id"] for each in (first, *others)}) == 1
    assert len(ran.of("display_data")) == 1
    assert "progress" in first["data"]["text/html"]
    assert first["data"]["text/plain"].endswith(" · interrupt the kernel to stop")
    last = others[-1]["data"]
    assert set(last) == {"text/markdown", "text/plain"}
    assert "| 3 | 4 | 3 + 4 = **7** |" in last["text/markdown"]
    # Demo credit is no money; where no row failed there is no column for errors.
    assert last["text/markdown"].count("| demo credit ") == 4
    assert " tokens · demo credit $" in last["text/plain"]
    assert "error" not in last["text/markdown"]
    assert "4 rows · 4 answered · " in last["text/markdown"]
    assert kernel.value("len(session.conversations.in_use.turns)") == 0
    assert kernel.value("_cnai is sums")


def test_code_that_asks_for_rows_shows_the_same_progress(kernel: Kernel) -> None:
    kernel.run("import cnai_magic\npython = cnai_magic.Session(base_url='demo')\nask = python.map")
    ran = kernel.run("answers = ask(['1', '2'], 'What is 1+{{ row }}?', fresh=True)", "a")
    _find_progress(ran, "2 of 2")
    assert not ran.stdout
    # What a judge or a retry does later is shown in its own cell; what is there already, not at all.
    _find_progress(kernel.run("answers.judge('demo-guide')", "b"), "judging · 2 of 2")
    assert not kernel.run("ask(['1', '2'], 'What is 1+{{ row }}?');", "c").of("display_data", "stream")
    source = "ask(['1', '2'], 'What is 1+{{ row }}?', fresh=True, progress=%s);"
    assert not kernel.run(source % False, "d").of("display_data", "stream")
    assert kernel.run(source % None).stdout.splitlines()[-1].startswith("2 of 2 · ")  # nobody watches
    captured = kernel.run(f"%%capture lines\n{source % None}", "e")
    assert not captured.of("display_data", "update_display_data")
    assert "progress is 1, not True, False or None" in "\n".join(kernel.run(source % 1, "f").error)


def _find_progress(ran: Ran, begins: str) -> set[str]:
    """Return the name of the one output that shows progress: first a bar, at the end the last line."""
    shown = ran.of("display_data", "update_display_data")
    first, *_, last = [each for each in shown if " of " in each["data"]["text/plain"]]
    assert "<progress " in first["data"]["text/html"]
    assert first["data"]["text/plain"].endswith(" · interrupt the kernel to stop")
    assert set(last["data"]) == {"text/plain"}
    assert last["data"]["text/plain"].startswith(begins)
    names = {each["transient"]["display_id"] for each in (first, last)}
    assert len(names) == 1
    return names


def test_a_terminal_shows_the_first_rows_as_text(kernel: Kernel) -> None:
    kernel.run("many = [{'n': n, 'gone': float('nan')} for n in range(21)]\n%config Cnai.display = 'text'")
    try:
        ran = kernel.run("%%cnai --over many --fresh\nWhat is {{ row.n }} + 1?", "a")
    finally:
        kernel.run("%config Cnai.display = 'auto'")
    table, end = ran.stdout.rstrip().rsplit("\n\n", 1)
    assert "\nn   gone  answer         " in table
    *_, last, note = table.splitlines()
    assert last.split()[:6] == ["19", "19", "+", "1", "=", "**20**"]
    assert note == "… 20 of 21 rows"
    assert end.startswith("21 rows · 21 answered")


def test_the_fields_of_an_answer_are_shown_once(kernel: Kernel) -> None:
    ran = kernel.run(
        "%%cnai --over rows --fresh --json 'sum int' -o sums\nAdd {{ row.a }} and {{ row.b }}", "a"
    )
    heading = ran.of("update_display_data")[-1]["data"]["text/markdown"].splitlines()[0]
    assert heading == "| a | b | sum | tokens | cost |"
    assert kernel.value("'answer' in sums[0].to_dict()")


def test_a_cell_that_runs_again_asks_only_what_is_missing(kernel: Kernel) -> None:
    kernel.run("%%cnai --over rows --fresh --as n\n{{ n.a }} * 2?", "a")
    kernel.run("rows.append({'a': 7, 'b': 8})")
    before = kernel.value("len(session.book.charges)")
    ran = kernel.run("%%cnai --over rows --as n\n{{ n.a }} * 2?", "a")
    assert "5 rows · 5 answered · 4 of them before" in ran.of("update_display_data")[-1]["data"]["text/plain"]
    assert kernel.value("len(session.book.charges)") == before + 1
    # The sum is that of all answers: what this run cost is said beside it.
    ran = kernel.run("%%cnai --over rows --as n\n{{ n.a }} * 2?", "a")
    assert ran.of("display_data")[-1]["data"]["text/plain"].endswith(" · demo credit $0 in this run>")
    kernel.run("again = %cnai --over rows {{ row.a }} * 2?", "b")
    assert kernel.value("again is _cnai and len(again)") == 5
    ran = kernel.run("%%cnai --over rows --as n --dry-run\n{{ n.a }} * 2?", "a")
    assert "5 rows, 0 requests · 5 answered before · nothing was sent" in ran.shown


def test_a_dry_run_shows_two_rows_and_the_sum(kernel: Kernel) -> None:
    before = kernel.value("len(session.book.charges)")
    ran = kernel.run("%%cnai demo-echo --over rows -n 1000 -s Briefly --dry-run\nSay {{ row.a }}", "a")
    system, first, second, end = ran.shown.split("\n\n")
    assert system == "system · ≈2 tokens\n    Briefly"
    assert (first, second) == ("row 1\n    Say 0", "row 2\n    Say 1")
    assert end.startswith("demo-echo · 4 rows · ≈")
    most = " without the answers · at most demo credit ≈$0.0101 with the longest answers · nothing was sent"
    assert end.endswith(most)
    assert kernel.value("len(session.book.charges)") == before


def test_rows_come_from_a_file_or_an_expression_too(kernel: Kernel) -> None:
    folder = Path(kernel.value("__import__('os').getcwd()"))
    (folder / "words.csv").write_text("word\nsea\nsky\n", encoding="utf-8")
    ran = kernel.run("%%cnai demo-echo --over words.csv --fresh\nSay {{ row.word }}")
    assert "2 rows · 2 answered" in ran.of("display_data", "update_display_data")[-1]["data"]["text/plain"]
    kernel.run("data = {'train': rows[:2]}")
    ran = kernel.run("%%cnai demo-echo --over data.train --fresh\nSay {{ row.a }}")
    assert "2 rows · 2 answered" in ran.of("display_data", "update_display_data")[-1]["data"]["text/plain"]


def test_without_a_person_before_it_a_few_lines_say_how_far_it_is(kernel: Kernel) -> None:
    ran = kernel.run("%%cnai demo-echo --over range(12) --fresh --parallel 2\nSay {{ item }}")
    assert ran.error
    kernel.run("many = list(range(12))")
    ran = kernel.run("%%cnai demo-echo --over many --fresh --parallel 2\nSay {{ item }}")
    assert 1 <= len(ran.stdout.splitlines()) <= 4
    assert ran.stdout.splitlines()[-1].startswith("12 of 12")


def test_a_row_that_fails_is_named_and_leaves_the_others(kernel: Kernel) -> None:
    kernel.run("faults = ['500', 'none of them']\n%config Cnai.retries = 0")
    ran = kernel.run("%%cnai demo-faults --over faults --fresh -o answers\n{{ item }}", "a")
    assert not ran.error
    assert "failed: the server failed; demo fault" in ran.stdout
    assert "answers = answers.retry()" in ran.stdout
    assert kernel.value("[each.error is None for each in answers]") == [False, True]


def test_a_cell_is_a_test_of_a_prompt(kernel: Kernel) -> None:
    kernel.run("def right(answer, row):\n    return f'**{row[\"a\"] * 2}**' in answer")
    cell = "%%cnai --over rows -o sums --expect {} --pass {}\nWhat is {{{{ row.a }}}} + {{{{ row.a }}}}?"
    ran = kernel.run(cell.format("right", 1))
    assert not ran.error
    assert "4 of 4 as expected" in ran.of("display_data")[-1]["data"]["text/plain"]
    ran = kernel.run(cell.format(r"'\*\*[02]'", 0.9))
    assert ran.error[0] == "ExpectationError: 50% of the answers are as expected, and 90% are wanted"
    assert kernel.value("[each.passed for each in sums]") == [True, True, False, False]


def test_after_an_interrupt_the_same_cell_goes_on(kernel: Kernel) -> None:
    cell = "%%cnai --over many --parallel 2 -o said\nSay {{ item }}"
    kernel.run("many = [f'number {n}' for n in range(30)]")
    both_wait = threading.Event()

    def interrupt(message: dict[str, Any]) -> None:
        if message["msg_type"] == "display_data" and both_wait.wait(PATIENCE):
            kernel.manager.interrupt_kernel()

    with ScriptedServer() as server:
        for _ in range(10):
            server.reply(json_response(completion("Done.")))
        server.reply(SILENCE)
        server.always(Tell(both_wait), SILENCE)
        kernel.run(f"%config Cnai.base_url = {server.base_url!r}")
        ran = kernel.run(cell, "a", meanwhile=interrupt)
        (error,) = ran.error
        assert error.startswith("KeyboardInterrupt: the rows were interrupted; the same again asks only for")
        assert "To ask for the rest, run the cell again, or: said = said.retry()" in ran.stdout
        # What came is there: in the variable, and in place of the line that said how far it was.
        came = ran.of("update_display_data")[-1]["data"]
        assert "30 rows · " in came["text/plain"]
        assert " s left" not in came["text/plain"]
        errors = kernel.value("[str(each.error) for each in said.failed]")
        assert len(errors) == 20
        assert set(errors) == {"interrupted before it was answered; ask again"}
        server.always(json_response(completion("Done.")))
        ran = kernel.run(cell, "a")
    assert not ran.error
    end = ran.of("update_display_data")[-1]["data"]["text/plain"]
    assert " · 10 of them before" in end
    assert "30 rows · 30 answered" in end


def test_a_saved_system_message_is_filled_once_and_says_nothing_of_a_row(kernel: Kernel) -> None:
    folder = Path(kernel.value("__import__('os').getcwd()")) / "prompts"
    folder.mkdir(exist_ok=True)
    wrong = {"row.a": "the system message of the saved prompt 'said' says something of the row"}
    wrong["tonne"] = "{{ tonne }}: there is no tonne in the notebook"
    for braces in ("tone", *wrong):
        head = f"---\nsystem: Say {{{{ {braces} }}}}.\nvariables:\n  tone: little\n---\n"
        (folder / "said.md").write_text(head + "What is {{ input }}?\n")
        ran = kernel.run("%%cnai -T said --over rows --fresh\n{{ row.a }} + 1", "a")
        assert ran.error[:1] == ([f"InputError: {wrong[braces]}"] if braces in wrong else [])


@pytest.mark.parametrize(
    ("line", "body", "words"),
    [
        ("--over nothing", "{{ row }}", "there is no nothing in the notebook"),
        ("--over row", "{{ row }}", "did you mean rows?"),
        ("--over rows", "the same", "would be the same for all"),
        ("--over rows -c plan", "{{ row }}", "-c is of no use with --over"),
        ("--over rows --pass 0.9", "{{ row }}", "--pass has nothing to count"),
        ("--over rows --pass 9 --expect x", "{{ row }}", "--pass"),
        ("--over rows --expect '('", "{{ row }}", "not a regular expression"),
        ("--over rows --expect '{{ row.b }}'", "{{ row.a }}", "def right(answer, row)"),
        ('--over rows --expect "lambda a: True"', "{{ row.a }}", "is a pattern here, and neither code nor"),
        ("--over rows --parallel 0", "{{ row }}", "--parallel"),
        ("--over rows --max-cost much", "{{ row.a }}", "--max-cost 1"),
        ("--over rows", "the same {{ rows }}", "would be the same for all"),
        ("--over rows", "{{ row.c }}", "row 1: {{ row.c }}: there is no item 'c'\n  why: there are 'a', 'b'"),
        ("--over rows --as n", "{{ n.long name }}", "is written {{ n['full text'] }}"),
        ("--over missing.csv", "{{ row }}", "missing.csv"),
        ("--over []", "{{ row }}", "--over [] names no rows"),
        ("--over rows.copy()", "{{ row }}", "nothing is called here"),
        ('--over frame["a"]', "{{ row }}", "write --over frame.a, or --over \"frame['a']\""),
        ("--over once", "{{ row }}", "make a list of it: rows = list(once)"),
        ("--over wrods.csv", "{{ row }}", "did you mean 'words.csv'?"),
        ("--over words.cvs", "{{ row }}", "no file words.cvs\n  why: did you mean words.csv?"),
        ("--over rows", "{{ rwo }}", "would be the same for all\n  why: did you mean row?"),
        ("--over rows", "{{ a }}", "why: a is a column: {{ row.a }}"),
        ("--over blank", "{{ row }}", "row 2: there is no question\n  next: leave the row out"),
        ("--over __name__", "{{ row }}", "__name__ is a text, not rows"),
    ],
)
def test_what_cannot_be_asked_is_an_error(kernel: Kernel, line: str, body: str, words: str) -> None:
    (Path(kernel.value("__import__('os').getcwd()")) / "words.csv").write_text("a\n", encoding="utf-8")
    kernel.run("once, frame, blank = iter(rows), {'a': [1]}, ['1', ' ']")
    before = kernel.value("len(session.book.charges)")
    ran = kernel.run(f"%%cnai {line}\n{body}", "a")
    assert words in "\n".join(ran.error)
    assert kernel.value("len(session.book.charges)") == before


def test_rows_are_replayed_from_the_answers_that_are_kept(kernel: Kernel) -> None:
    source = "%%cnai --over lands --judge demo-guide -o rows{}\nWhat is the capital of {{{{ row }}}}?"
    kernel.run("lands = ['France', 'Peru']")
    kernel.run(source.format(""), "a")
    renew(kernel)
    kernel.run("lands = ['France', 'Peru']\n%config Cnai.replay = True")
    try:
        again = kernel.run(source.format(" --fresh"), "a")
        assert not again.error
        assert kernel.value("[each.score for each in rows]") == [5, 5]
        assert "2 of them before" in again.shown
        kernel.run("lands += ['Chad']")
        more = kernel.run(source.format(""), "a")
        assert more.error[0] == "ReplayError: the answers to 1 of 3 rows are not kept"
        assert "%config Cnai.replay = False" in more.error[-1]
        assert kernel.value("[bool(each.answer) for each in rows]") == [True, True, False]
        none = kernel.run(source.format("").replace("capital", "flag"), "a")
        assert none.error[0] == "ReplayError: the answers to 3 of 3 rows are not kept"
        assert kernel.value("len(session.book.charges)") == 0
    finally:
        kernel.run("%config Cnai.replay = False")


def test_few_rows_are_replayed_from_the_notebook_anywhere(kernel: Kernel, tmp_path: Path) -> None:
    kernel.run("lands = ['France', 'Peru', 'France']")
    cell = "%%cnai --over lands --fresh --judge demo-guide -o rows\nWhat is the capital of {{ row }}?"
    first = kernel.run(cell, "a")
    about = first.of("update_display_data")[-1]["metadata"]["cnai"]
    assert (about["event"], len(about["answers"])) == ("rows", 2)
    facts = "[each.to_dict() for each in rows]"
    before, judged = kernel.value(facts), kernel.value("rows.judgement.summary")
    path = tmp_path / "lesson.ipynb"
    saved_as(path, ("a", cell, first))
    renew(kernel)  # another machine: it has the notebook, and no ledger
    kernel.run(
        f"%config Cnai.notebook = {str(path)!r}\n%config Cnai.replay = True\n%config Cnai.ledger = 'off'"
    )
    kernel.run("lands = ['France', 'Peru', 'France']")
    try:
        again = kernel.run(cell, "a")
        assert not again.error
        assert (kernel.value(facts), kernel.value("rows.judgement.summary")) == (before, judged)
        kept = again.of("update_display_data", "display_data")[-1]["metadata"]["cnai"]
        assert kept["answers"] == about["answers"]
        assert kernel.value("len(session.book.charges)") == 0
        assert not kernel.run("%cnai_chat restore", "b").error
        kernel.run("lands += ['Chad']")
        assert "ReplayError: the answers to 4 of 4 rows are not kept" in kernel.run(cell, "a").error
    finally:
        kernel.run("%config Cnai.replay = False\n%config Cnai.notebook = ''\n%config Cnai.ledger = 'on'")


def test_what_a_budget_has_stopped_is_asked_by_a_retry_once_it_is_raised(kernel: Kernel) -> None:
    kernel.run("lands = ['France', 'Peru', 'Kenya']")
    ran = kernel.run("%%cnai --over lands --fresh --max-cost 0.000001\nThe capital of {{ row }}?", "a")
    assert ran.error[0].startswith("BudgetError: one more answer does not fit what all may cost together")
    assert "--max-cost" in ran.error[-1]
    kernel.run("%cnai_spend --reset --budget 0.000106")
    ran = kernel.run(
        "%%cnai --over lands --fresh --parallel 1 -o capitals\nWhat is the capital of {{ row }}?", "a"
    )
    assert ran.error[0].startswith("BudgetError")
    table = ran.of("update_display_data")[-1]["data"]["text/markdown"]
    # The first one was cut: it is paid for, shown, and not an answer to keep.
    assert "| France | The capital of | 10 |" in table
    assert "the budget allows no more of this answer; raise the budget with %cnai&#95;spend" in table
    assert kernel.value("len(capitals.failed)") == 3
    again = kernel.run("%cnai_spend --budget off\ncapitals = capitals.retry()")
    assert not again.error
    # The retry shows how far it is in its own cell, and the table stays.
    table = {each["transient"]["display_id"] for each in ran.of("display_data")}
    assert not table & _find_progress(again, "3 of 3")
    assert kernel.value("[each.answer.split()[-1] for each in capitals]") == [
        *("**Paris**.", "**Lima**.", "**Nairobi**.")
    ]
