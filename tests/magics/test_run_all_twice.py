"""A notebook that is run twice from top to bottom asks the same twice, whatever its cells do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.in_process_server import InProcessServer
from tests.properties import random_examples
from tests.servers import ScriptedServer
from tests.working_notebook import Ask, Step, WorkingNotebook


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    with InProcessServer() as running:
        yield running


def run_all(notebook: WorkingNotebook, cells: dict[str, list[Step]]) -> list[list[tuple[str, str]]]:
    """Run all cells, but the one that fails and those below it, and return what was sent."""
    before = len(notebook.server.requests)
    for cell, steps in list(cells.items()):
        if cell in cells and not notebook.run(cell, *steps):
            for each in list(cells)[list(cells).index(cell) :]:
                del cells[each]
    return [notebook.sent(number) for number in range(before, len(notebook.server.requests))]


def prompts(sent: list[list[tuple[str, str]]]) -> list[list[tuple[str, str]]]:
    return [[(role, "" if role == "assistant" else text) for role, text in each] for each in sent]


_ASK = st.builds(
    Ask,
    st.sampled_from(
        [
            *({} for _ in range(6)),
            {"new": True},
            {"chat": "plan"},
            {"chat": "main"},
            {"new": True, "chat": "named"},
            {"system": "Be brief."},
            {"once": True},
        ]
    ),
)
_COMMAND = st.one_of(
    st.sampled_from(["use main", "use plan", "use chat-2", "new", "new plan", "new idea", "new"]),
    st.builds("fork {}".format, st.sampled_from(["", "one", "two", "one --at 1", "two --at 1", "--at 0"])),
)
_CELLS = st.lists(
    st.lists(_ASK, min_size=1, max_size=2)
    | st.lists(_ASK, min_size=1, max_size=1)
    | st.tuples(_COMMAND).map(list),
    min_size=3,
    max_size=10,
)


@random_examples()
@given(_CELLS)
def test_run_all_twice_sends_the_same_twice(server: ScriptedServer, steps: list[list[Step]]) -> None:
    notebook = WorkingNotebook(server)
    cells = {f"cell {number}": _named(number, each) for number, each in enumerate(steps)}
    try:
        first = run_all(notebook, cells)
        first = first[: sum(isinstance(step, Ask) for each in cells.values() for step in each)]
        left = len(cells)
        second = run_all(notebook, cells)
        assert len(cells) == left, "what succeeded once succeeds again"
        assert prompts(second) == prompts(first)
    finally:
        notebook.session.close()


def _named(number: int, steps: list[Step]) -> list[Step]:
    return [
        replace(step, prompt=f"question {number}.{index}") if isinstance(step, Ask) else step
        for index, step in enumerate(steps)
    ]


_ASKED = {"q": Ask(), "q -c plan": Ask({"chat": "plan"})}


@pytest.mark.parametrize(
    "steps",
    [
        ["q", "rename intro", "q", "new plan", "q"],
        ["new plan", "q", "rename plan idea", "q", "use main", "q"],
        ["new plan", "q", "delete plan", "q"],
        ["q -c plan", "q", "delete plan", "q -c plan", "q"],
        ["q", "q", "drop 1", "q"],
        ["q", "q", "undo", "q"],
        ["q", "fork", "undo", "q", "use main", "q"],
        ["new", "q", "new", "q", "use chat-2", "q"],
        ["import {file} --as talk", "q", "use main", "q"],
        ["import {file}", "q", "rename talk other", "q"],
        ["q", "q", "versions 1 --keep 1", "q"],
        ["q", "fork a", "q", "fork b", "q", "use a", "q", "use main", "q"],
    ],
)
def test_run_all_twice_sends_the_same_twice_with_other_commands(
    server: ScriptedServer, steps: list[str], tmp_path: Path
) -> None:
    file = tmp_path / "talk.json"
    file.write_text('[{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}]')
    notebook = WorkingNotebook(server)
    cells: dict[str, list[Step]] = {
        f"cell {number}": _named(number, [_ASKED.get(step) or step.format(file=file)])
        for number, step in enumerate(steps)
    }
    try:
        first = run_all(notebook, cells)
        assert len(cells) == len(steps)
        assert [prompts(run_all(notebook, cells)) for _ in range(2)] == [prompts(first)] * 2
        assert len(cells) == len(steps)
    finally:
        notebook.session.close()


def test_a_fork_that_is_made_again_knows_what_cells_above_it_ask_now(server: ScriptedServer) -> None:
    notebook = WorkingNotebook(server)
    try:
        for prompt in ("before", "after"):
            notebook.run("a", Ask(prompt=prompt))
            notebook.run("b", "fork plan")
            notebook.run("c", Ask(prompt="in the fork"))
            notebook.run("d", "use main")
            notebook.run("e", Ask(prompt="in main"))
            for number in (-1, -2):
                assert next(text for role, text in notebook.sent(number) if role == "user") == prompt
                notebook.session.conversations.use("plan")
    finally:
        notebook.session.close()
