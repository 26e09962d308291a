"""The example notebooks, executed as a person runs them and as a program does."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat import NotebookNode

from cnai_magic.money.cost import format_usd
from cnai_magic.notebook.notebook_files import restore_notebook
from cnai_magic.notebook.page_facts import PAGE_TYPE
from cnai_magic.notebook.record import SCHEMA
from tests.example_notebooks import (
    FOLDER,
    NAMES,
    comparable,
    environment,
    example,
    executed,
    main,
    run_as,
    saved_run,
)
from tests.notebooks import FrontEnd, code

EVERY = pytest.mark.parametrize("name", NAMES)
# Cells that only load or set something.
SILENT = {"load", "language", "replay", "live", "file", "term", "tool", "remove-instructions", "tidy"}
SILENT |= {"expect", "rows", "more"}
BUDGET = 4_000_000


@pytest.fixture(scope="module")
def quickstart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FrontEnd]:
    with executed(example("quickstart"), tmp_path_factory.mktemp("run") / "quickstart.ipynb") as front_end:
        yield front_end


@pytest.fixture(scope="module")
def quickstart_zh_cn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FrontEnd]:
    file = tmp_path_factory.mktemp("run") / "quickstart.ipynb"
    with executed(example("quickstart.zh-CN"), file) as front_end:
        yield front_end


@pytest.fixture(scope="module")
def prompt_iteration(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FrontEnd]:
    file = tmp_path_factory.mktemp("run") / "prompt_iteration.ipynb"
    with executed(example("prompt_iteration"), file) as front_end:
        yield front_end


@pytest.fixture(scope="module")
def lesson(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FrontEnd]:
    with executed(example("lesson"), tmp_path_factory.mktemp("run") / "lesson.ipynb") as front_end:
        yield front_end


@pytest.fixture(scope="module")
def analysis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FrontEnd]:
    with executed(example("analysis"), tmp_path_factory.mktemp("run") / "analysis.ipynb") as front_end:
        yield front_end


@pytest.fixture(scope="module")
def prompts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FrontEnd]:
    with executed(example("prompts"), tmp_path_factory.mktemp("run") / "prompts.ipynb") as front_end:
        yield front_end


@pytest.fixture(scope="module")
def compare_and_batch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FrontEnd]:
    file = tmp_path_factory.mktemp("run") / "compare_and_batch.ipynb"
    with executed(example("compare_and_batch"), file) as front_end:
        yield front_end


@pytest.fixture
def front_end(name: str, request: pytest.FixtureRequest) -> FrontEnd:
    """A front end with a kernel in which every cell of the notebook `name` was run."""
    found: FrontEnd = request.getfixturevalue(re.sub(r"\W", "_", name).lower())
    return found


# -- what is in a notebook ------------------------------------------------------------------------


def cell_of(notebook: NotebookNode, identifier: str) -> NotebookNode:
    return next(cell for cell in notebook.cells if cell["id"] == identifier)


def records(*cells: NotebookNode) -> list[dict[str, Any]]:
    """Return what the outputs of cells keep of answers, without what they keep of commands."""
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    found = [output.metadata["cnai"] for output in outputs if "cnai" in output.get("metadata", {})]
    return [about for about in found if "event" not in about]


def answer_of(cell: NotebookNode) -> tuple[str, dict[str, Any]]:
    """Return the text of the answer in a cell's output, and what its metadata says."""
    (output,) = [each for each in cell.outputs if "cnai" in each.get("metadata", {})]
    about = output.metadata["cnai"]
    assert set(output.data) - {PAGE_TYPE} == {"text/markdown", "text/plain"}
    return output.data["text/plain"].removesuffix(about["footer"]).strip(), about


def shown(cell: NotebookNode) -> str:
    """Return all that a cell shows, as plain text."""
    return "\n".join(
        output["text"] if output.output_type == "stream" else output.data["text/plain"]
        for output in cell.outputs
    )


def spent(*cells: NotebookNode) -> int:
    """Return what the answers of cells cost, all attempts that their outputs keep, in nano-USD."""
    found = records(*cells)
    costs = {each["id"]: each["cost"] for about in found for each in (about, *about.get("others", []))}
    return sum(costs.values())


def run_headless(name: str, folder: Path, **variables: str) -> NotebookNode:
    """Run a copy of an example as a program does, in a kernel that is sent no cell IDs, and return it."""
    source, notebook = folder / f"{name}.ipynb", example(name)
    nbformat.write(notebook, source)
    front_end = FrontEnd(notebook, watched=False, resources={"metadata": {"path": str(folder)}})
    notebook = front_end.execute(env={**environment(folder / "home"), **variables})
    nbformat.validate(notebook)
    return notebook


# -- every notebook -------------------------------------------------------------------------------


@EVERY
def test_the_committed_notebook_holds_the_outputs_of_every_cell(name: str) -> None:
    notebook = example(name)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.execution_count
            assert cell.outputs or cell["id"] in SILENT
    assert {about["schema"] for about in records(*notebook.cells)} == {SCHEMA}
    assert notebook.metadata.keys() == {"kernelspec", "language_info"}


@EVERY
def test_the_committed_notebook_tells_nothing_of_the_machine_it_ran_on(name: str) -> None:
    text = (FOLDER / f"{name}.ipynb").read_text()
    for position in (FOLDER.parent, Path.home(), Path(tempfile.gettempdir()), Path(sys.prefix)):
        assert f"{position}{os.sep}" not in text
    assert not re.search(r"/home/|/Users/|/root/|/tmp/|[A-Z]:\\\\|\bsk-\w{8}", text)


@EVERY
def test_a_run_gives_the_outputs_that_are_committed(name: str, front_end: FrontEnd) -> None:
    # Without what other tests have asked in this kernel since.
    committed = comparable(example(name))
    found = comparable(front_end.nb)
    assert {identifier: found[identifier] for identifier in committed} == committed


def test_a_program_runs_it_too(tmp_path: Path) -> None:
    # Each cell once, without cell IDs: one attempt of everything.
    name = "prompt_iteration"
    notebook = run_headless(name, tmp_path)
    assert "widgets" not in notebook.metadata
    for committed, cell in zip(example(name).cells, notebook.cells, strict=True):
        then, now = records(committed), records(cell)
        # An earlier attempt that was kept is in the place of the latest one, which is that of the source.
        latest = [max([each, *each.get("others", ())], key=lambda it: it["attempt"]) for each in then]
        assert [about["model"] for about in now] == [about["model"] for about in latest]
        assert {about["attempt"] for about in now} <= {1}
        assert all("widget" not in kind for each in cell.get("outputs", []) for kind in each.get("data", {}))


# A simple one, and one with forks and attempts; the lesson is replayed wherever it is run.
@pytest.mark.parametrize("name", ["quickstart", "prompt_iteration"])
def test_it_is_replayed_as_a_whole(name: str, tmp_path: Path) -> None:
    notebook = run_headless(name, tmp_path, CNAI_REPLAY="1")
    for cell in notebook.cells:
        committed = cell_of(example(name), cell["id"])
        # Without cell IDs an attempt that is kept later does not come into the output of its cell.
        for now, then in zip(records(cell), records(committed), strict=True):
            assert "replayed" in now
            assert now["id"] in [each["id"] for each in (then, *then.get("others", ()))]


@pytest.mark.parametrize("name", ["quickstart", "prompt_iteration"])
def test_the_spend_table_is_the_sum_of_the_footers(name: str, front_end: FrontEnd) -> None:
    cells = front_end.nb.cells
    tables = shown(cell_of(front_end.nb, "spend"))
    (total,) = re.findall(r"^this kernel +≈?\$([\d.]+) ", tables, re.M)
    assert len(records(*cells)) >= 6
    # To the decimals that are shown.
    assert abs(float(total) * 10**9 - spent(*cells)) <= 5 * 10 ** (8 - len(total.partition(".")[2]))


def test_a_name_that_is_no_example_is_refused_before_anything_runs() -> None:
    with pytest.raises(
        SystemExit, match="no example 'lessons'; there are: analysis, compare_and_batch, lesson"
    ):
        main(["lessons"])


# -- prompt iteration -----------------------------------------------------------------------------


def test_the_attempts_of_a_cell_are_its_wordings_in_order(prompt_iteration: FrontEnd) -> None:
    cells = [cell for cell in prompt_iteration.nb.cells if "cnai_earlier" in cell.metadata]
    assert {cell["id"] for cell in cells} == {"wording", "model", "fork-ask"}
    for cell in cells:
        sources = [*cell.metadata["cnai_earlier"], cell.source]
        _, about = answer_of(cell)
        attempts = sorted([*about["others"], about], key=lambda each: each["attempt"])
        assert [each["attempt"] for each in attempts] == list(range(1, len(sources) + 1))
        assert [each["prompt"] for each in attempts] == [source.split("\n", 1)[1] for source in sources]
    versions = shown(cell_of(prompt_iteration.nb, "versions"))
    assert versions.startswith("Turn 1 of main: 3 attempts")
    assert "- Show a table of the first three planets\n+ Show the first three planets as JSON" in versions


def test_the_committed_conversations_restore_with_fork_attempts_and_the_one_that_was_kept() -> None:
    restored = restore_notebook(FOLDER / "prompt_iteration.ipynb")
    main_one, fork = restored.conversations["main"], restored.conversations["json"]
    assert restored.current == "main"
    assert [turn.reply.prompt for turn in main_one.turns] == [
        "Show the first three planets as JSON",
        "What is 12756 / 4879?",
        "How many questions have I asked?",
    ]
    assert [len(turn.attempts) for turn in main_one.turns] == [3, 2, 1]
    assert main_one.turns[1].reply.model == "demo-guide"
    assert not main_one.system
    assert fork.turns[0].reply == main_one.turns[0].reply
    assert [each.reply.system for each in fork.turns[1].attempts] == [None, "Answer with JSON only"]
    assert '"answer": 2.61' in fork.turns[1].reply.text


def test_the_fork_leaves_the_conversation_as_it_was(prompt_iteration: FrontEnd) -> None:
    assert "**3** questions" in answer_of(cell_of(prompt_iteration.nb, "back-ask"))[0]
    exported = shown(cell_of(prompt_iteration.nb, "exported"))
    assert [line.split()[0] for line in exported.splitlines()] == 3 * ["user:", "assistant:"]


def test_the_budget_ends_an_answer_and_then_refuses_the_next(prompt_iteration: FrontEnd) -> None:
    notebook = prompt_iteration.nb
    _, about = answer_of(cell_of(notebook, "limit"))
    assert about["finish_reason"] == "budget"
    assert BUDGET - 200_000 < spent(*notebook.cells) <= BUDGET
    (refused,) = cell_of(notebook, "refused").outputs
    assert refused.ename == "BudgetError"
    assert refused.traceback[0] == "BudgetError: the question does not fit the budget, so it was not sent"
    assert len(refused.traceback) <= 4


# -- lesson ---------------------------------------------------------------------------------------


def test_the_lesson_shows_the_committed_answers_and_spends_nothing(lesson: FrontEnd) -> None:
    before = lesson.nb.cells[: lesson.nb.cells.index(cell_of(lesson.nb, "live"))]
    replayed = records(*before)
    assert all(about["replayed"] for about in replayed)
    committed = {about["id"]: about for about in records(*example("lesson").cells)}
    assert [committed[about["id"]] for about in replayed] == replayed
    bill = shown(cell_of(lesson.nb, "spend"))
    assert re.search(r"^this kernel +\$0\.0+ +0$", bill, re.M)
    assert f"{len(replayed)} answers were replayed at no cost" in bill
    assert f"demo credit {format_usd(spent(*before))}." in bill
    assert shown(cell_of(lesson.nb, "class")).startswith(
        f"{len(replayed)} answers: {format_usd(spent(*before))}; "
    )


def test_the_arithmetic_of_the_lesson_is_right(lesson: FrontEnd) -> None:
    assert re.search(r"by hand (\$\S+), in the answer \1\n", shown(cell_of(lesson.nb, "price")))
    assert re.search(r" = (\d+), and it was \1\n", shown(cell_of(lesson.nb, "law")))
    costs = re.findall(r"\$(\S+)", shown(cell_of(lesson.nb, "law")))
    assert 90 < float(costs[2]) / float(costs[1]) < 100
    cold, hot = re.findall(r"(\d+) different words of \d+, (\S+)", shown(cell_of(lesson.nb, "same")))
    assert int(cold[0]) < int(hot[0])
    assert cold[1] == hot[1]


def test_the_last_part_of_the_lesson_is_asked_and_drawn(lesson: FrontEnd) -> None:
    live = [cell_of(lesson.nb, name) for name in ("ask-live", "ask-reasoner")]
    assert not any("replayed" in about for about in records(*live))
    (plot,) = cell_of(lesson.nb, "plot").outputs
    assert "application/vnd.vegalite.v5+json" in plot.data
    (total,) = re.findall(r"^Total +\$([\d.]+)", plot.data["text/plain"], re.M)
    assert round(float(total) * 10**9) == spent(*live)


def test_another_question_is_not_answered_with_the_one_that_was_saved(lesson: FrontEnd) -> None:
    cells = lesson.nb.cells
    cells.append(code("%config Cnai.replay = True", identifier="again"))
    run_as(lesson, len(cells) - 1, cells[-1].source)
    first = cells.index(cell_of(lesson.nb, "first"))
    kept = cells[first].outputs
    cells[first].metadata["tags"] = ["raises-exception"]
    try:
        outputs = run_as(lesson, first, "%%cnai -o first\nCount from 1 to 40").outputs
    finally:
        cells[first].outputs = kept
        del cells[first].metadata["tags"]
    (error,) = [each for each in outputs if each.output_type == "error"]
    assert error.ename == "ReplayError"
    assert "the prompt had 'Count from 1 to 30', and has 'Count from 1 to 40'" in error.evalue


def test_the_lesson_is_recorded_anew_with_answers_of_its_own(tmp_path: Path) -> None:
    recorded, committed = saved_run("lesson", tmp_path), example("lesson")
    assert comparable(recorded) == comparable(committed)
    before, now = ({each["id"] for each in records(*run.cells)} for run in (committed, recorded))
    assert len(now) == len(before)
    assert not now & before


# -- analysis -------------------------------------------------------------------------------------


def test_the_analysis_shows_data_as_values_and_code(analysis: FrontEnd) -> None:
    notebook = analysis.nb
    plan = shown(cell_of(notebook, "dry-run"))
    assert "df: 2 of 360 rows, 4 columns (DataFrame)" in plan
    assert r"{{\frac{1}{n}}}  no expression" in plan
    # What is answered about data is what pandas says.
    mean = shown(cell_of(notebook, "by-station"))
    assert re.search(r"Station +90 +301\.6 ", mean)
    assert (
        "**Station** has the largest mean of the 4 in your prompt: **301.6**"
        in answer_of(cell_of(notebook, "busiest"))[0]
    )
    assert "**Market** has the smallest max" in answer_of(cell_of(notebook, "see"))[0]
    assert re.search(r"Station +301\.6\n", shown(cell_of(notebook, "run-code")))
    corrected, _ = answer_of(cell_of(notebook, "fix"))
    assert 'print(f"{typical:.0f} trips on a usual day")' in corrected
    hint, _ = answer_of(cell_of(notebook, "hint"))
    assert "```" not in hint


# -- prompts --------------------------------------------------------------------------------------


def test_the_prompts_are_kept_thought_over_and_continued(prompts: FrontEnd) -> None:
    notebook = prompts.nb
    assert "Saved as prompts/explain.md" in shown(cell_of(notebook, "save"))
    for name, word in (("use", "variance"), ("use-again", "Overfitting")):
        assert word in answer_of(cell_of(notebook, name))[0]
    assert re.search(r"^13 tokens, 0 .*\n118 tokens, 105 ", shown(cell_of(notebook, "compare")))
    assert "100" in answer_of(cell_of(notebook, "ask-tool"))[0]
    assert "ValueError" in answer_of(cell_of(notebook, "ask-tool-error"))[0]
    # The answer that was cut is whole, in its own cell.
    whole, about = answer_of(cell_of(notebook, "cut"))
    assert whole.endswith("19, 20.")
    assert about["finish_reason"] == "stop"
    drawn, sure = (cell_of(notebook, name) for name in ("logprobs", "cold"))
    assert "The boldest choice was" in shown(drawn)
    assert "[100%]" in shown(sure)


# -- comparison and rows --------------------------------------------------------------------------


def test_answers_are_compared_tested_judged_and_rated(compare_and_batch: FrontEnd) -> None:
    notebook = compare_and_batch.nb
    assert "3 answers · demo credit" in shown(cell_of(notebook, "compare"))
    assert shown(cell_of(notebook, "grid-use")).splitlines() == [
        *("temperature 0: 1 different of 2", "temperature 1.5: 2 different of 2")
    ]
    assert cell_of(notebook, "expect-fails").outputs[-1].ename == "ExpectationError"
    assert "1 of 2 as expected" in cell_of(notebook, "expect-fails").outputs[0].data["text/markdown"]
    assert "judge demo-guide: demo credit" in shown(cell_of(notebook, "judge"))
    # What is kept is the answer of its cell, with the other one as its attempt.
    text, about = answer_of(cell_of(notebook, "kept"))
    assert (text, about["turn"], len(about["others"])) == ("12 * 12 = **144**", 1, 1)
    restored = restore_notebook(FOLDER / "compare_and_batch.ipynb").conversations["main"]
    assert [str(each.rating or "") for each in restored.turns[0].attempts] == [
        *("good", "3 of 5: right, but it thinks for long")
    ]
    assert "432" in answer_of(cell_of(notebook, "follow"))[0]
    attempts = shown(cell_of(notebook, "attempts"))
    assert attempts.startswith("14 attempts; those with a rating:")
    assert "\n1 | 2 | demo-reasoner | What is 12 * 12? | 3 | right, but it thinks for long" in attempts


def test_rows_are_asked_resumed_and_retried(compare_and_batch: FrontEnd) -> None:
    notebook = compare_and_batch.nb
    assert "3 rows, 2 requests" in shown(cell_of(notebook, "dry-run"))
    assert "4 rows · 4 answered · 3 of them before" in shown(cell_of(notebook, "over-again"))
    assert "\n4 Grace Hopper 85 " in shown(cell_of(notebook, "frame"))
    assert cell_of(notebook, "stopped").outputs[-1].ename == "BudgetError"
    table = cell_of(notebook, "stopped").outputs[0].data["text/plain"]
    assert "3 answered · 2 left out: the question does not fit the budget" in table
    assert "5 answered · 3 of them before" in shown(cell_of(notebook, "retry"))


# -- quickstart -----------------------------------------------------------------------------------


def test_the_models_are_a_table(quickstart: FrontEnd) -> None:
    (output,) = cell_of(quickstart.nb, "models").outputs
    assert "demo-guide" in output.data["text/html"]


def test_an_answer_was_streamed_and_the_next_one_uses_it(quickstart: FrontEnd) -> None:
    text, about = answer_of(cell_of(quickstart.nb, "first"))
    assert "144" in text
    assert about["conversation"] == "main"
    assert about["turn"] == 1
    assert "432" in answer_of(cell_of(quickstart.nb, "follow-up"))[0]
    assert "Ada" in answer_of(cell_of(quickstart.nb, "memory"))[0]


def test_the_error_reads_well(quickstart: FrontEnd) -> None:
    (output,) = cell_of(quickstart.nb, "error").outputs
    assert output.output_type == "error"
    assert output.traceback[0] == "ModelNotFoundError: the server has no model 'demo-giude'"
    assert output.traceback[1].strip() == "why: did you mean demo-guide?"
    assert len(output.traceback) <= 4


def test_the_quickstart_in_chinese_asks_answers_and_says_all_in_chinese(quickstart_zh_cn: FrontEnd) -> None:
    english, chinese = example("quickstart"), quickstart_zh_cn.nb
    assert [cell["id"] for cell in chinese.cells if not cell["id"].startswith("language")] == [
        cell["id"] for cell in english.cells
    ]
    text, about = answer_of(cell_of(chinese, "follow-up"))
    assert "432" in text
    assert about["footer"].startswith("demo-guide · 第 2 轮 · ")
    assert "小明" in answer_of(cell_of(chinese, "memory"))[0]
    (output,) = cell_of(chinese, "error").outputs
    assert output.traceback[:2] == [
        "ModelNotFoundError: 服务器没有模型 'demo-giude'",
        "  原因: 是不是想输入 demo-guide？",
    ]
    for name in ("models", "versions", "chat", "spend"):
        # Names, amounts and what somebody typed are all that is not Chinese.
        words = re.findall(
            r"\b[a-z]{4,}\b", re.sub(r"demo-\w+|deepseek-chat", "", shown(cell_of(chinese, name)))
        )
        assert set(words) <= {"main", "demo", "tokens", "versions", "keep"}, name


def test_running_a_cell_again_replaces_its_turn(quickstart: FrontEnd) -> None:
    # Last of all: it changes the conversation that the tests above look at.
    cells = quickstart.nb.cells
    first, follow_up = (cells.index(cell_of(quickstart.nb, name)) for name in ("first", "follow-up"))
    text, about = answer_of(run_as(quickstart, first, "%%cnai\nMy name is Grace. What is 10 * 10?"))
    assert "100" in text
    assert (about["turn"], about["attempt"]) == (1, 2)
    assert "300" in answer_of(run_as(quickstart, follow_up, cells[follow_up].source))[0]
    cells.append(code("%cnai_chat show", identifier="shown"))
    conversation = shown(run_as(quickstart, len(cells) - 1, "%cnai_chat show"))
    assert "Grace" in conversation
    assert "12 * 12" not in conversation
    places = [conversation.index(each) for each in ("10 * 10?", "And times 3?", "What is my name?")]
    assert places == sorted(places)
