"""A notebook that is run twice from top to bottom asks the same twice, whatever its cells do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.properties import random_examples
from tests.servers import ScriptedServer
from tests.working_notebook import Ask, Step, WorkingNotebook


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
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
        notebook.session.provider.close()


def _named(number: int, steps: list[Step]) -> list[Step]:
    return [
        replace(step, prompt=f"question {number}.{index}") if isinstance(step, Ask) else step
        for index, step in enumerate(steps)
    ]
