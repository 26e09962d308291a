"""A kernel sends what one would that restores its notebook: random edits and commands, compared at each step.

What a command did holds as long as its cell is there and shows it, or an answer that came after it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import Phase, example, given
from IPython.core.interactiveshell import InteractiveShell

from cnai_magic.chat.order import CellPosition
from cnai_magic.errors import CnaiError
from cnai_magic.notebook.notebook_files import restore_notebook
from cnai_magic.redaction import ApiKey
from cnai_magic.session.kernel_session import KernelSession
from cnai_magic.settings import Cnai
from tests.edited_notebook import Cell, EditedNotebook
from tests.properties import random_examples, random_steps
from tests.servers import KEY, ScriptedServer, sse


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        running.always(sse("yes"))
        yield running


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("edited") / "lesson.ipynb"


@pytest.fixture(autouse=True)
def shell() -> Iterator[None]:
    assert not InteractiveShell.initialized()
    try:
        yield
    finally:
        InteractiveShell.clear_instance()


# {} is the name of a conversation that there is.
_COMMANDS = [
    *("use {}", "use {}", "use {}", "new", "new", "new plan", "fork side", "fork", "fork", "fork --at 1"),
    *("rename plan", "rename {} idea", "delete {}", "undo", "drop 1", "drop 2"),
    *("system Be brief.", "system Be long.", "rate 1 good", "versions 1 --keep 1", "versions --keep 1"),
]
KINDS = [
    *["ask"] * 6,
    *["again"] * 3,
    *["command"] * 6,
    *["delete"] * 5,
    *("undo", "undo", "move", "copy", "split", "merge", "clear", "clear", "clear all", "restart"),
    *("copy, delete", "copy, delete", "copy, delete", "capture", "compare", "compare"),
]
_STEPS = random_steps(
    lambda chance: (chance.choice(KINDS), chance.randrange(100), chance.randrange(100)), 6, 20
)


class Walk:
    """Does each step, and compares the kernel with one that restores the saved notebook."""

    def __init__(self, notebook: EditedNotebook) -> None:
        self.notebook = notebook
        # One cell is there for restarts, one lets the kernel look at the file.
        self.tools, self.look = notebook.cells[0], notebook.insert(1)
        self.fixed = {each.id for each in notebook.cells}
        notebook.undone.clear()
        self.count = 0
        self.ask(notebook.insert(2))

    def do(self, kind: str, one: int, other: int) -> None:
        notebook, cells = self.notebook, self.notebook.cells
        index, to = one % len(cells), 1 + other % len(cells)
        free = cells[index].id not in self.fixed
        if kind == "ask":
            self.ask(notebook.insert(to))
        elif kind == "again" and free:
            if cells[index].source.startswith("%cnai_chat"):
                self.run(cells[index], cells[index].source)
            else:
                self.ask(cells[index])
        elif kind == "command":
            names = [each.name for each in notebook.session.conversations]
            command = _COMMANDS[one % len(_COMMANDS)].format(names[other % len(names)])
            self.run(notebook.insert(to), f"%cnai_chat {command}")
        elif kind == "capture":
            self.run(notebook.insert(to), "%%capture\n%cnai Captured?")
        elif kind == "compare":
            self.run(notebook.insert(to), "%%cnai --times 2\nCompared?")
            self.run(notebook.insert(to + 1), "%cnai_chat versions --keep 2")
        elif kind == "delete" and free:
            notebook.delete(index)
        elif kind == "undo":
            notebook.undo()
        elif kind == "move" and index:
            notebook.move(index, max(1, to - 1))
        elif kind == "copy" and free:
            notebook.copy(index, to)
        elif kind == "copy, delete" and free:
            notebook.copy(index, len(cells))
            notebook.delete(index)
        elif kind == "split" and free:
            notebook.split(index)
        elif kind == "merge" and free and index + 1 < len(cells) and cells[index + 1].id not in self.fixed:
            notebook.merge(index)
        elif kind == "clear" and free:
            notebook.clear(cells[index])
        elif kind == "clear all":
            for each in cells:
                notebook.clear(each)
        elif kind == "restart":
            notebook.restart(self.tools)
        self.compare()

    def ask(self, cell: Cell) -> None:
        self.count += 1
        self.run(cell, f"%%cnai\nquestion {self.count}")

    def run(self, cell: Cell, source: str) -> None:
        if self.notebook.told_by == "file":
            self.notebook.save()
        # Not every command has something to change.
        with suppress(CnaiError):
            self.notebook.run(cell, source)

    def compare(self) -> None:
        notebook = self.notebook
        notebook.save()
        if notebook.told_by == "page":
            notebook.tell()
        else:
            self.run(self.look, "0")
        other = KernelSession(
            Cnai(base_url=notebook.server.base_url, model="m", prices={"m": (1, 2)}, ledger="off")
        )
        try:
            other.use_key(ApiKey(KEY))
            other.cells.restore(restore_notebook(notebook.path))
            cells = [each.id for each in notebook.cells] + ["new"]
            mine, theirs = (self.describe(each, cells) for each in (notebook.session, other))
            assert mine == theirs, [
                (name, mine[name], theirs[name]) for name in mine if mine[name] != theirs[name]
            ]
        finally:
            other.close()

    def describe(self, session: KernelSession, cells: Sequence[str]) -> dict[str, Any]:
        conversations = session.conversations
        return {
            "in use": conversations.current,
            "turns": {
                each.name: [(turn.cell, turn.reply.prompt) for turn in each.turns] for each in conversations
            },
            "stale": {each.name: [turn.cell for turn in each.list_stale()] for each in conversations},
            "sent": {cell: _prepare(session, cell) for cell in cells},
        }


def _prepare(session: KernelSession, cell: str) -> tuple[Any, ...]:
    question = session.prepare("and now?", position=CellPosition(cell))
    return question.conversation.name, question.request.messages, session.conversations.draft().name


def walk(
    server: ScriptedServer,
    path: Path,
    told_by: Literal["page", "file"],
    steps: Sequence[tuple[str, int, int]],
) -> None:
    notebook = EditedNotebook(server, path, told_by)
    try:
        walk = Walk(notebook)
        for step in steps:
            walk.do(*step)
    finally:
        notebook.close()
        server.requests.clear()


@pytest.mark.parametrize("told_by", ["page", "file"])
def test_a_copied_answer_stands_for_one_whose_cell_is_gone(
    server: ScriptedServer, path: Path, told_by: Literal["page", "file"]
) -> None:
    notebook = EditedNotebook(server, path, told_by)

    def ask(cell: Cell, question: str) -> list[str]:
        notebook.save()
        notebook.run(cell, f"%%cnai\n{question}")
        return notebook.sent()

    first, second, last = (notebook.insert(index) for index in (1, 2, 3))
    try:
        for cell, question in ((first, "one"), (second, "two")):
            ask(cell, question)
        notebook.copy(1, 3)
        assert ask(last, "and now?") == ["one", "two", "and now?"]
        notebook.delete(1)
        assert ask(last, "and now?") == ["two", "one", "and now?"]
        assert ask(notebook.cells[2], "three") == ["two", "three"]
        # One of another notebook was pasted: this kernel knows nothing of it, and says so.
        pasted = notebook.insert(1)
        (output,) = json.loads(json.dumps(list(second.outputs.values())))
        output["metadata"]["cnai"] |= {"id": "0", "turn_id": "0", "cell": "elsewhere", "prompt": "zero"}
        pasted.outputs, pasted.count = {"": output}, 1
        assert ask(last, "and now?") == ["two", "three", "and now?"]
        (output,) = last.outputs.values()
        said = "1 cell above not sent, not run or restored in this kernel"
        assert said in output["data"]["text/plain"]
        notebook.run(notebook.cells[0], "%cnai_chat restore")
        assert ask(last, "and now?") == ["zero", "two", "three", "and now?"]
    finally:
        notebook.close()
        server.requests.clear()


@pytest.mark.parametrize("told_by", ["page", "file"])
def test_cells_that_no_question_is_sent_are_not_counted_as_unknown(
    server: ScriptedServer, path: Path, told_by: Literal["page", "file"]
) -> None:
    notebook = EditedNotebook(server, path, told_by)

    def ask(source: str) -> str:
        asking = notebook.insert(len(notebook.cells))
        notebook.save()
        notebook.run(asking, source)
        notebook.save()
        return str(list(asking.outputs.values())[-1]["data"]["text/plain"])

    try:
        for source in (
            *("%%cnai\none", "%%cnai --times 2\nCompared?", "rows = ['a']", "%cnai_chat rate 1 good"),
            "%%cnai --over rows\nWhat is {{ row }}?",
        ):
            notebook.save()
            notebook.run(notebook.insert(len(notebook.cells)), source)
        notebook.save()
        notebook.close()
        notebook._begin()
        assert "1 cell above not sent" in ask("%%cnai\ntwo")
        for source in ("%%cnai --new\nthree", "%%cnai\nfour", "%%cnai --once\nfive"):
            assert "not sent" not in ask(source)
    finally:
        notebook.close()
        server.requests.clear()


@random_examples(40, phases=[Phase.explicit, Phase.generate])
@given(_STEPS)
@example([("copy", 2, 2), ("clear", 2, 0), ("again", 2, 0)])
@example([("ask", 0, 0), ("command", 56, 1), ("clear", 1, 0), ("command", 66, 0)])
def test_what_the_page_tells_and_what_the_file_holds_are_the_same(
    server: ScriptedServer, path: Path, steps: list[tuple[str, int, int]]
) -> None:
    walk(server, path, "page", steps)


@random_examples(40, phases=[Phase.generate])
@given(_STEPS)
def test_without_a_page_the_file_tells_all(
    server: ScriptedServer, path: Path, steps: list[tuple[str, int, int]]
) -> None:
    walk(server, path, "file", steps)
