"""`--see`: cells of the notebook are sent with a question, in a real kernel."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kernels import Kernel, running_kernel, saved_as


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    with running_kernel(tmp_path_factory.mktemp("kernel")) as kernel:
        yield kernel


def sent(kernel: Kernel, line: str, cell: str = "q") -> str:
    """Return what is sent for a question with these options."""
    ran = kernel.run(f"%%cnai demo-echo {line}\nWhy?", cell)
    assert not ran.error, ran.error
    return str(ran.answer)


def test_cells_are_sent_with_what_they_showed(kernel: Kernel) -> None:
    kernel.run("print('printed'); total = 41\ntotal + 1", "a")
    kernel.run("1 / 0", "b")
    kernel.run("%%cnai demo-echo --once\nhidden", "other")
    answer = sent(kernel, "--see above --once")
    for each in ("total = 41", "printed", "42", "1 / 0", "ZeroDivisionError: division by zero", "Why?"):
        assert each in answer
    assert "hidden" not in answer
    assert answer.index("total = 41") < answer.index("1 / 0") < answer.index("Why?")


def test_footer_record_and_next_question_know_the_cells(kernel: Kernel) -> None:
    kernel.run("shown = 'seen by the model'", "a")
    ran = kernel.run("%%cnai demo-echo --new --see above\nWhy?", "q1")
    final = ran.final
    (label,) = final["attached"]
    assert " cells above (" in label
    assert f"with {label}" in final["footer"]
    assert "seen by the model" in final["prompt"]
    # The next question sends what was sent before.
    assert "seen by the model" in sent(kernel, "", "q2")


def test_cells_are_named_by_the_numbers_beside_them(kernel: Kernel) -> None:
    number = kernel.run("numbered = 'this one'", "n").reply["execution_count"]
    kernel.run("another = 'not this one'", "m")
    answer = sent(kernel, f"--see {number} --once")
    assert "this one" in answer
    assert "another" not in answer


@pytest.mark.parametrize(
    ("which", "said"),
    [
        ("below", "--see above, or some by the numbers"),
        ("5-3", "does not name cells"),
        ("1,,2", "does not name cells"),
        ("1-9999999", "there are 1 to"),
        ("0", "no cell ran as In [0]"),
    ],
)
def test_a_wrong_choice_sends_nothing_and_says_what_to_write(kernel: Kernel, which: str, said: str) -> None:
    ran = kernel.run(f"%%cnai demo-echo --see {which}\nWhy?", "wrong")
    assert said in "\n".join(ran.error)
    assert not ran.of("display_data")


def test_a_saved_notebook_shows_the_cells_of_an_earlier_kernel_in_its_order(tmp_path: Path) -> None:
    path = tmp_path / "lesson.ipynb"
    cells = {
        "a": "earlier = 'from the file'\ndisplay(earlier)",
        "q": "%%cnai demo-echo --once --see above\nWhy?",
        "z": "below = 'not above'",
    }
    with running_kernel(tmp_path, CNAI_NOTEBOOK=str(path)) as kernel:
        ran = {cell: kernel.run(source, cell) for cell, source in cells.items() if cell != "q"}
        ran["q"] = kernel.run(cells["q"], "q")
        saved_as(path, *((cell, source, ran[cell]) for cell, source in cells.items()))
    with running_kernel(tmp_path, CNAI_NOTEBOOK=str(path)) as kernel:
        answer = kernel.run(cells["q"], "q").answer
    assert (
        "Out:\n'from the file'"
        in json.loads(answer.split("```json\n")[1].split("\n```")[0])["messages"][0]["content"]
    )
    assert "not above" not in answer


def test_what_looks_like_a_secret_is_masked_and_said(kernel: Kernel) -> None:
    number = kernel.run("password = 'hunter2secret'\nprint(password)", "s").reply["execution_count"]
    ran = kernel.run(f"%%cnai demo-echo --once --see {number}\nWhy?", "q")
    assert "password = '[secret masked]'" in ran.answer
    assert "The cells held 1 secret: masked" in ran.stdout
