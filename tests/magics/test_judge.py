"""`--judge` with comparisons and rows, in a real kernel."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.kernels import Kernel, running_kernel
from tests.magics.test_extension import renew


@pytest.fixture(scope="module")
def shared_kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    folder = tmp_path_factory.mktemp("kernel")
    prompts = folder / "prompts"
    prompts.mkdir()
    (prompts / "rubric.md").write_text(
        "---\ntemperature: 0\nvariables:\n  best: the shortest one\n---\nThe best answer is {{ best }}.\n"
    )
    (prompts / "ask.md").write_text("What is the capital of {{ input }}?\n")
    with running_kernel(folder, CNAI_BASE_URL="demo") as kernel:
        yield kernel


@pytest.fixture
def kernel(shared_kernel: Kernel) -> Kernel:
    renew(shared_kernel)
    return shared_kernel


def test_compared_answers_are_scored_by_a_saved_rubric(kernel: Kernel) -> None:
    ran = kernel.run(
        "%%cnai -T ask --compare demo-guide,demo-echo --judge demo-guide -T rubric -o both\nFrance", "a"
    )
    assert not ran.error
    table = ran.of("display_data", "update_display_data")[-1]["data"]["text/markdown"]
    assert "| model | answer | score | reason | tokens |" in table
    assert " · judge demo-guide: demo credit " in table
    assert kernel.value("[(each.score, each.scores) for each in both]") == [(5, (5, 5)), (1, (1, 1))]
    assert kernel.value("both.replies[0].prompt") == "What is the capital of France?"
    assert kernel.value("both.best('score').text") == "The capital of France is **Paris**."
    assert "3 requests" not in table
    charged = kernel.value("[each.conversation for each in session.book.charges]")
    assert charged == ["main", "main", "(judge)", "(judge)"]
    # What the judge thinks, and what it cost, stays with each answer: in all ways to see attempts again.
    kernel.run("%cnai_chat versions --keep 1", "b")
    shown = kernel.run("%cnai_chat versions", "c").of("display_data")[0]["data"]
    assert "Judge: 5 · demo-guide, demo credit " in shown["text/plain"]
    assert "Judge: 1 · demo-guide, demo credit " in shown["text/plain"]
    kernel.run("%cnai_chat export attempts.csv\n%cnai_chat export attempts.md", "d")
    kernel.run("import csv\nlines = list(csv.DictReader(open('attempts.csv', encoding='utf-8-sig')))")
    assert kernel.value("[each['score'] for each in lines]") == ["5.0", "1.0"]
    costs = kernel.value("[each['judge_cost_usd'] for each in lines]")
    assert round(sum(map(float, costs)) * 10**9) == kernel.value("both.judgement.cost.nano")
    assert "Judge: 5" in kernel.value("open('attempts.md', encoding='utf-8').read()")


def test_rows_are_scored_and_what_fails_of_the_judge_is_said(kernel: Kernel) -> None:
    kernel.run("lands = ['France', 'Peru', 'France']")
    ran = kernel.run("%%cnai --over lands --judge demo-guide -o rows\nWhat is the capital of {{ row }}?", "a")
    assert not ran.error
    assert kernel.value("[each.score for each in rows]") == [5, 5, 5]
    assert kernel.value("len(session.book.charges)") == 4
    again = kernel.run(
        "%%cnai --over lands --judge demo-none -o rows\nWhat is the capital of {{ row }}?", "a"
    )
    assert not again.error
    assert kernel.value("[each.answer.split()[-1] for each in rows]") == [
        "**Paris**.",
        "**Lima**.",
        "**Paris**.",
    ]
    assert "requests of the judge failed: the server has no model 'demo-none'" in str(again.messages)
    plan = kernel.run("%%cnai --over lands --judge demo-guide --dry-run\nHi {{ row }}", "b")
    assert "demo-guide judges each answer: demo credit ≈$" in plan.shown
    assert plan.shown.endswith(" without the answers · nothing was sent")


def test_rows_and_their_judge_share_what_they_may_cost(kernel: Kernel) -> None:
    kernel.run("lands = ['Kenya', 'Japan']")
    ran = kernel.run(
        "%%cnai --over lands --judge demo-guide --max-cost 0.0003 -o rows --fresh\n"
        "What is the capital of {{ row }}?",
        "a",
    )
    assert not ran.error
    table = ran.of("update_display_data")[-1]["data"]["text/plain"]
    assert "2 rows · 2 answered" in table
    assert "2 of 2 requests of the judge failed" in table
    assert "$0.00022104 is left" in table
    assert kernel.value("[each.score for each in rows]") == [None, None]
    assert kernel.value("len(session.book.charges)") == 2
    shown = kernel.run("%%cnai --over lands --judge demo-guide\nWhat is the capital of {{ row }}?", "a")
    assert "judging · " in str(shown.messages)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("--times 2 --judge nothing", "does not serve nothing"),
        ("--over lands --judge nothing", "does not serve nothing"),
        ("--times 2 --judge demo-guide -T none", "no saved prompt 'none'"),
        ("--times 2 --rubric rubric", "--rubric has no judge"),
        ("--times 2 --judge", "--judge needs a value"),
    ],
)
def test_who_cannot_judge_is_an_error_before_anything_is_sent(kernel: Kernel, line: str, words: str) -> None:
    kernel.run("row = lands = ['France']")
    ran = kernel.run(f"%%cnai {line}\n{{{{ lands }}}}{{{{ row }}}}", "a")
    assert words in "\n".join(ran.error)
    assert kernel.value("len(session.book.charges)") == 0
