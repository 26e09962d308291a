"""Cells of front ends that name them otherwise, or show their outputs elsewhere; in a real kernel."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kernels import Kernel, Ran, running_kernel, saved_as


@pytest.fixture(scope="module")
def shared_kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    with running_kernel(tmp_path_factory.mktemp("kernel"), CNAI_BASE_URL="demo") as kernel:
        assert not kernel.run(
            "from cnai_magic.gateway import embedded as gateway; _ = gateway.start_embedded(2000)"
        ).error
        yield kernel


def renew(kernel: Kernel) -> None:
    """Load the magics anew, with a session that knows nothing, as after a restart."""
    ran = kernel.run(
        "from cnai_magic.magics import extension as magics\n"
        "magics.unload(get_ipython()); magics._loaded.clear()\n"
        "get_ipython().config.pop('Cnai', None)\n"
        "magics.load(get_ipython())\n"
        "session = get_ipython().magics_manager.registry['CnaiMagics'].session"
    )
    assert not ran.error, ran.error


@pytest.fixture
def kernel(shared_kernel: Kernel) -> Kernel:
    """The module's kernel with a new session."""
    assert not shared_kernel.run("get_ipython().user_ns.pop('__vsc_ipynb_file__', None)").error
    renew(shared_kernel)
    return shared_kernel


PROMPTS = "[turn.reply.prompt for turn in session.conversations['main'].turns]"


# -- outputs that go elsewhere --------------------------------------------------------------------

# The code, and how the answer is found afterwards, where it is not below the cell.
ELSEWHERE: dict[str, tuple[str, str]] = {
    "%%capture": ("%%capture out\n%%cnai\nWhat is 2+2?", "out.outputs[0].data['text/markdown']"),
    "capture_output": (
        "from IPython.utils.capture import capture_output\n"
        "with capture_output() as out:\n    %cnai What is 2+2?",
        "out.outputs[0].data['text/markdown']",
    ),
    "an Output widget": ("import ipywidgets\nwith ipywidgets.Output():\n    %cnai What is 2+2?", ""),
    "Output.capture": (
        "import ipywidgets\n@ipywidgets.Output().capture()\ndef ask():\n    %cnai What is 2+2?\nask()",
        "",
    ),
    "interact": (
        "import ipywidgets\n@ipywidgets.interact(n=(2, 3))\ndef ask(n=2):\n    %cnai What is {n}+{n}?",
        "",
    ),
    "a thread": (
        "import threading\ndef ask():\n    %cnai What is 2+2?\n"
        "thread = threading.Thread(target=ask)\nthread.start(); thread.join()",
        "",
    ),
}


def answers_below(ran: Ran) -> list[dict[str, Any]]:
    """Return the answers that were shown, in the cell or elsewhere; none of them is an update."""
    records = [(each["metadata"].get("cnai", {}), each) for each in ran.of("display_data")]
    shown = [each for about, each in records if about and "event" not in about]
    assert not ran.of("update_display_data")
    return shown


@pytest.mark.parametrize("watched", [True, False], ids=["watched", "headless"])
@pytest.mark.parametrize("name", ELSEWHERE)
def test_an_answer_that_is_shown_elsewhere_stays_and_leaves_no_widget(
    kernel: Kernel, name: str, watched: bool
) -> None:
    code, where = ELSEWHERE[name]
    before = kernel.value("type(session).__name__")
    ran = kernel.run(code, "a", watched=watched)
    assert not ran.error, ran.error
    assert before == "KernelSession"
    shown = answers_below(ran)
    if where:
        assert not shown
        assert not ran.of("display_data", "stream")
        assert "4" in kernel.value(where)
    else:
        assert ["4" in each["data"]["text/markdown"] for each in shown] == [True]
    widgets = "[w for w in __import__('ipywidgets').Widget.widgets.values() if '_Answer' in type(w).__name__]"
    assert (
        kernel.run(f"import warnings; warnings.simplefilter('ignore'); print(len({widgets}))").stdout == "0\n"
    )
    assert kernel.value("session.conversations['main'].turns[0].reply.text != ''")


def test_what_is_printed_elsewhere_takes_the_answer_nowhere(kernel: Kernel) -> None:
    ran = kernel.run(
        "import contextlib, io\nwith contextlib.redirect_stdout(io.StringIO()):\n    %cnai What is 2+2?", "a"
    )
    assert "4" in ran.answer
    assert len(ran.of("comm_close")) == 2


def test_an_answer_that_is_timed_is_shown_once(kernel: Kernel) -> None:
    ran = kernel.run("%%time\n%cnai What is 2+2?", "a")
    assert not ran.of("execute_result")
    assert "Wall time" in ran.stdout


def test_a_setting_for_the_widget_is_not_followed_where_it_cannot_work(kernel: Kernel) -> None:
    ran = kernel.run(
        '%config Cnai.display = "widget"\nfrom ipywidgets import Output\nwith Output():\n    %cnai hi'
    )
    assert len(answers_below(ran)) == 1


# -- a line of its own, with variables ------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "prompt"),
    [
        ("Say {name}, $name; it's {n + 1}?", "Say Ada, Ada; it's 6?"),
        ('What is {"a": 1} and {unknown} for $5?', 'What is {"a": 1} and {unknown} for $5?'),
        (r"Is \frac{n}{name} 'so'??", r"Is \frac{n}{name} 'so'??"),
        ('-s "For {name}" {n};', "5;"),
    ],
)
def test_variables_in_a_line_are_replaced(kernel: Kernel, line: str, prompt: str) -> None:
    ran = kernel.run(f"name, n = 'Ada', 5\nanswer = %cnai -m demo-echo {line}")
    assert not ran.error, ran.error
    assert kernel.value("answer.prompt") == prompt
    assert kernel.value("answer.system") == ("For Ada" if "-s" in line else None)


def test_variables_of_a_function_are_known_there(kernel: Kernel) -> None:
    kernel.run(
        "def ask(name):\n    answer = %cnai -m demo-echo Who is {name}?\n    return answer\nfound = ask('Bo')"
    )
    assert kernel.value("found.prompt") == "Who is Bo?"


def test_single_braces_and_dollars_in_the_body_of_a_cell_are_text(kernel: Kernel) -> None:
    kernel.run("name = 'Ada'\nNone")
    kernel.run("%%cnai demo-echo\n{name} $name {{name}}", "a")
    assert kernel.value("_cnai.prompt") == "{name} $name Ada"


# -- what was typed -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        ">>> 1 + 1\n2",
        "text\n>>> x\n... y",
        "In [1]: x\n   ...: y",
        "\n\n\ttab\r\nCR\n\n ",
        "    all\n      indented",
    ],
)
def test_a_body_arrives_as_it_was_typed_also_in_a_cell_that_a_cell_runs(kernel: Kernel, body: str) -> None:
    kernel.run(f"%%cnai demo-echo\n{body}", "a")
    assert kernel.value("_cnai.prompt") == body
    kernel.run(f"_ = get_ipython().run_cell({'%%cnai demo-echo' + chr(10) + body!r})", "b")
    assert kernel.value("_cnai.prompt") == body
    kernel.run(f"%%capture\n%%cnai demo-echo\n{body}", "c")
    assert kernel.value("_cnai.prompt") == body


def test_a_comment_above_the_magic_is_told_to_move_and_nothing_runs(kernel: Kernel) -> None:
    ran = kernel.run("ran = True\n# ask\n%%cnai\nhello", "a")
    assert ran.error == [
        "InputError: %%cnai must be the first line of its cell",
        "  why: above it is: ran = True",
        "  next: move %%cnai to the top, or into a cell of its own; nothing was run",
    ]
    assert not kernel.value("'ran' in globals()")


# -- cells that are named otherwise ---------------------------------------------------------------

VS_CODE = "vscode-notebook-cell:/home/ada/lesson.ipynb#W{}sZmlsZQ%3D%3D"


def save_three(kernel: Kernel, path: Path) -> None:
    """Ask the same question in two cells, and another in a third; save them with IDs of their own."""
    sources = ["%%cnai demo-echo\nsame", "%%cnai demo-echo\nother", "%%cnai demo-echo\nsame"]
    ran = [(f"cell-{n}", source, kernel.run(source, f"cell-{n}")) for n, source in enumerate(sources)]
    saved_as(path, *ran)


@pytest.mark.parametrize("known", [True, False], ids=["the file is known", "the file is named"])
def test_a_restored_turn_is_asked_again_in_its_place_also_from_vs_code(
    kernel: Kernel, tmp_path: Path, known: bool
) -> None:
    path = tmp_path / "lesson.ipynb"
    save_three(kernel, path)
    renew(kernel)
    if known:
        kernel.run(f"__vsc_ipynb_file__ = {str(path)!r}")
    command = "%cnai_chat restore" if known else f"%cnai_chat restore --from {path}"
    assert "3 turns" in kernel.run(command, VS_CODE.format(9)).shown
    kernel.run("%%cnai demo-echo\nsame", VS_CODE.format(0))
    kernel.run("%%cnai demo-echo\nsame", VS_CODE.format(2))
    kernel.run("%%cnai demo-echo\nchanged", VS_CODE.format(2))
    kernel.run("%%cnai demo-echo\nnew", VS_CODE.format(3))
    assert kernel.value(PROMPTS) == ["same", "other", "changed", "new"]
    attempts = "[len(turn.attempts) for turn in session.conversations['main'].turns]"
    assert kernel.value(attempts) == [2, 1, 3, 1]


def test_vs_code_keeps_the_answers_that_the_file_holds_as_earlier_attempts(
    kernel: Kernel, tmp_path: Path
) -> None:
    path = tmp_path / "lesson.ipynb"
    save_three(kernel, path)
    renew(kernel)
    kernel.run(f"__vsc_ipynb_file__ = {str(path)!r}")
    ran = kernel.run("%%cnai demo-echo\nother", VS_CODE.format(1))
    assert (ran.final["attempt"], [each["prompt"] for each in ran.final["others"]]) == (2, ["other"])


@pytest.mark.parametrize("name", [VS_CODE, ""], ids=["VS Code", "no IDs"])
def test_answers_are_replayed_by_their_source_and_in_order(kernel: Kernel, tmp_path: Path, name: str) -> None:
    path = tmp_path / "lesson.ipynb"
    sources = ["%%cnai --once\nWrite a poem", "%%cnai --once\nWrite a poem"]
    ran = [(f"cell-{n}", source, kernel.run(source, f"cell-{n}")) for n, source in enumerate(sources)]
    saved_as(path, *ran)
    renew(kernel)
    kernel.run(f"__vsc_ipynb_file__ = {str(path)!r}\n%config Cnai.replay = True")
    again = [kernel.run(source, name.format(n)) for n, source in enumerate(sources)]
    assert [each.final["id"] for each in again] == [each.final["id"] for _, _, each in ran]
    assert all(each.final["replayed"] for each in again)


def test_cells_of_a_file_without_ids_are_asked_again_in_their_place(kernel: Kernel, tmp_path: Path) -> None:
    path = tmp_path / "lesson.ipynb"
    save_three(kernel, path)
    body = json.loads(path.read_text())
    for cell in body["cells"]:
        del cell["id"]
    path.write_text(json.dumps({**body, "nbformat_minor": 4}))
    renew(kernel)
    assert "3 turns" in kernel.run(f"%cnai_chat restore --from {path}", "lab-9").shown
    kernel.run("%%cnai demo-echo\nother", "lab-1")
    kernel.run("%%cnai demo-echo\nedited", "lab-1")
    assert kernel.value(PROMPTS) == ["same", "edited", "same"]
