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
from hypothesis import strategies as st

from cnai_magic.chat.order import CellPosition
from cnai_magic.errors import CnaiError
from cnai_magic.notebook.notebook_files import restore_notebook
from cnai_magic.session.kernel_session import KernelSession
from cnai_magic.session.question import Options, Target, build_question
from cnai_magic.settings import Cnai
from tests.edited_notebook import Cell, EditedNotebook, one_shell
from tests.in_process_server import InProcessServer
from tests.properties import random_examples, random_steps
from tests.servers import ScriptedServer, failure, sse


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    with InProcessServer() as running:
        running.always(sse("yes"))
        yield running


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("edited") / "lesson.ipynb"


@pytest.fixture(autouse=True)
def shell() -> Iterator[None]:
    with one_shell():
        yield


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
    *("append", "append", "twice", "new", "in another", "fail", "below", "restore", "else", "print"),
    *("outside", "click", "click", "go on", "go on", "capture again", "commands"),
    *("press attempt", "press attempt", "press compared", "press use", "press fork"),
]
_STEPS = random_steps(
    lambda chance: (chance.choice(KINDS), chance.randrange(100), chance.randrange(100)), 6, 14
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
        self.compared: object = None
        self.settings = Cnai(base_url=notebook.server.base_url, model="m", prices={"m": (1, 2)}, ledger="off")
        self.ask(notebook.insert(2))

    def do(self, kind: str, one: int, other: int) -> None:
        cells = self.notebook.cells
        index, to = one % len(cells), 1 + other % len(cells)
        if cells[index].id not in self.fixed:
            self._do_with(cells[index], kind, index, to, other)
        self._do_anywhere(kind, one, to, other)
        if self.notebook.told_by == "page":
            self._press(kind, one, other)
        # A fifth of the steps finds nothing to do.
        if self.snapshot() != self.compared or kind in ("click", "go on") or kind.startswith("press"):
            self.compare()
            self.compared = self.snapshot()

    def _do_with(self, cell: Cell, kind: str, index: int, to: int, other: int) -> None:
        """Run or edit a cell."""
        notebook, cells = self.notebook, self.notebook.cells
        if kind == "again" and cell.source.startswith("%cnai_chat"):
            self.run(cell, cell.source)
        elif kind == "again":
            self.ask(cell)
        elif kind == "append":
            self.ask(cell, "%%cnai --append\nquestion {}")
        elif kind == "in another":
            names = [each.name for each in notebook.session.conversations]
            self.ask(cell, f"%%cnai --chat {names[other % len(names)]}\nquestion {{}}")
        elif kind == "fail":
            self.ask(cell, "%cnai question {}\n%cnai_chat use nowhere")
        elif kind == "click" and not cell.has_output:
            """The widget is not there."""
        elif kind in ("click", "go on") and cell.id in notebook.requests and cell.count is not None:
            self.count += 1
            command = _COMMANDS[other % len(_COMMANDS)].format(notebook.session.conversations.current)
            magic, line = ("cnai", f"question {self.count}") if other % 3 else ("cnai_chat", command)
            with suppress(CnaiError):
                (notebook.click if kind == "click" else notebook.go_on)(cell, magic, line)
        elif kind == "capture again":
            self.run(cell, "%%capture\n%cnai Captured?")
        elif kind == "else":
            self.run(cell, "0")
        elif kind == "outside":
            self.run(cell, "%%cnai --once\nOutside?" if other % 2 else "%%cnai --times 2\nCompared?")
        elif kind == "delete":
            notebook.delete(index)
        elif kind == "copy":
            notebook.copy(index, to)
        elif kind == "copy, delete":
            notebook.copy(index, len(cells))
            notebook.delete(index)
        elif kind == "split":
            notebook.split(index)
        elif kind == "merge" and index + 1 < len(cells) and cells[index + 1].id not in self.fixed:
            notebook.merge(index)
        elif kind == "clear":
            notebook.clear(cell)

    def _do_anywhere(self, kind: str, one: int, to: int, other: int) -> None:
        """Run a new cell or all, or edit the notebook."""
        notebook, cells = self.notebook, self.notebook.cells
        index = one % len(cells)
        if kind == "ask":
            self.ask(notebook.insert(to))
        elif kind == "twice":
            self.ask(notebook.insert(to), "%cnai question {0}\n%cnai and question {0}")
        elif kind == "new":
            self.ask(notebook.insert(to), "%%cnai --new\nquestion {}")
        elif kind == "command":
            names = [each.name for each in notebook.session.conversations]
            command = _COMMANDS[one % len(_COMMANDS)].format(names[other % len(names)])
            self.run(notebook.insert(to), f"%cnai_chat {command}")
        elif kind == "commands":
            lines = [_COMMANDS[each % len(_COMMANDS)].format("main") for each in (one, other)]
            self.run(notebook.insert(to), "\n".join(f"%cnai_chat {each}" for each in lines))
        elif kind == "capture":
            self.run(notebook.insert(to), "%%capture\n%cnai Captured?")
        elif kind == "compare":
            self.run(notebook.insert(to), "%%cnai --times 2\nCompared?")
            self.run(notebook.insert(to + 1), "%cnai_chat versions --keep 2")
        elif kind == "below":
            for each in cells[index:]:
                if each.source and each.id not in self.fixed:
                    self.run(each, each.source)
        elif kind == "undo":
            notebook.undo()
        elif kind == "move" and index:
            notebook.move(index, max(1, to - 1))
        elif kind == "clear all":
            for each in cells:
                notebook.clear(each)
        elif kind == "print":
            notebook.session.settings.display = "markdown" if one % 3 == 2 else "text"
        elif kind == "restore":
            self.run(self.tools, "%cnai_chat restore")
        elif kind == "restart":
            notebook.restart(self.tools)

    def _press(self, kind: str, one: int, other: int) -> None:
        """Press a button: the extension's are there where the page tells the order."""
        notebook = self.notebook
        name = [each.name for each in notebook.session.conversations][0 if one % 2 else -1]
        if kind == "press attempt":
            for cell, facts in notebook.list_facts("attempts")[one % 8 :][:1]:
                answer = facts["attempts"][other % len(facts["attempts"])]
                notebook.press(
                    cell, do="keep", conversation=facts["conversation"], turn=facts["turn_id"], answer=answer
                )
        elif kind == "press compared":
            for cell, facts in notebook.list_facts("compared")[one % 2 :][:1]:
                notebook.press(cell, do="keep_compared", compared=facts["compared"], number=1 + other % 2)
        elif kind == "press use":
            notebook.press(None, do="use", conversation=name)
        elif kind == "press fork":
            turns = [] if other % 2 else notebook.session.conversations[name].turns
            notebook.press(None, do="fork", conversation=name, turn=turns[0].id if turns else None)

    def ask(self, cell: Cell, source: str = "%%cnai\nquestion {}") -> None:
        self.count += 1
        self.run(cell, source.format(self.count))

    def run(self, cell: Cell, source: str) -> None:
        if self.notebook.told_by == "file":
            self.notebook.save()
        # Not every command has something to change.
        with suppress(CnaiError):
            self.notebook.run(cell, source)

    def snapshot(self) -> object:
        """Return the cells, and what asked to run them last."""
        notebook = self.notebook
        return [each.saved() for each in notebook.cells], dict(notebook.requests)

    def compare(self) -> None:
        notebook = self.notebook
        if notebook.told_by == "page":
            notebook.save()
            notebook.tell()
        else:
            self.run(self.look, "print()")
        other = KernelSession(self.settings)
        other.cells.restore(restore_notebook(notebook.path))
        cells = [each.id for each in notebook.cells] + ["new"]
        mine, theirs = (self.describe(each, cells) for each in (notebook.session, other))
        assert mine == theirs, [
            (name, mine[name], theirs[name]) for name in mine if mine[name] != theirs[name]
        ]

    def describe(self, session: KernelSession, cells: Sequence[str]) -> dict[str, Any]:
        conversations = session.conversations
        return {
            "in use": conversations.current,
            "turns": {
                each.name: [(turn.cell, turn.reply.prompt, turn.attempt.id) for turn in each.turns]
                for each in conversations
            },
            "stale": {each.name: [turn.cell for turn in each.list_stale()] for each in conversations},
            "sent": {cell: _prepare(session, cell) for cell in cells},
            "next name": conversations.draft().name,
        }


def _prepare(session: KernelSession, cell: str) -> tuple[Any, ...]:
    question = build_question(
        "and now?",
        Options(),
        Target("m", demo=False),
        CellPosition(cell),
        settings=session.settings,
        conversations=session.conversations,
    )
    return question.conversation.name, question.request.messages


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


def _read_footer(cell: Cell) -> str:
    return str(list(cell.outputs.values())[-1]["data"]["text/plain"])


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
        said = "1 cell above not sent, not run or restored in this kernel"
        assert said in _read_footer(last)
        notebook.delete(1)
        assert ask(last, "and now?") == ["two", "one", "and now?"]
        assert "not sent" not in _read_footer(last)
        assert ask(notebook.cells[2], "three") == ["two", "three"]
        # One of another notebook was pasted: this kernel knows nothing of it, and says so.
        pasted = notebook.insert(1)
        (output,) = json.loads(json.dumps(list(second.outputs.values())))
        output["metadata"]["cnai"] |= {"id": "0", "turn_id": "0", "cell": "elsewhere", "prompt": "zero"}
        pasted.outputs, pasted.count = {"": output}, 1
        assert ask(last, "and now?") == ["two", "three", "and now?"]
        assert said in _read_footer(last)
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
        return _read_footer(asking)

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


@pytest.mark.parametrize("told_by", ["page", "file"])
@pytest.mark.parametrize(
    "source",
    [
        *("%%cnai\nother", "%cnai_chat system Be brief.", "%cnai other\n%cnai_chat use nowhere"),
        *("%%cnai --model refused\nother", "0"),
    ],
)
def test_a_cell_that_kept_a_compared_answer_of_another_holds_it_whatever_it_runs_then(
    server: ScriptedServer, path: Path, told_by: Literal["page", "file"], source: str
) -> None:
    notebook = EditedNotebook(server, path, told_by)
    walk = Walk(notebook)
    compared, keeping = notebook.insert(3), notebook.insert(4)

    def find_attempts() -> list[int]:
        """Return how many attempts the turn of the compared answers has, in both kernels."""
        walk.compare()
        restored = restore_notebook(path).conversations["main"]
        both = [
            [len(turn.attempts) for turn in each.turns if turn.cell == compared.id]
            for each in (notebook.session.conversations["main"], restored)
        ]
        assert both[0] == both[1]
        return both[0]

    try:
        walk.run(compared, "%%cnai --times 2\nCompared?")
        notebook.restart(walk.tools)
        walk.run(keeping, "%cnai_chat versions --keep 1")
        assert find_attempts() == [2]
        for _ in range(2):
            for each in (source, "%%cnai\nanother", source):
                if "refused" in each:
                    server.reply(failure(402, "insufficient_quota"))
                walk.run(keeping, each)
                assert find_attempts() == [2]
            notebook.restart(walk.tools)
        notebook.delete(4)
        assert find_attempts() == []
        notebook.undo()
        assert find_attempts() == [2]
        notebook.clear(keeping)
        assert find_attempts() == []
    finally:
        notebook.close()
        server.forget_replies()
        server.requests.clear()


def test_it_holds_it_too_where_the_output_of_the_other_cell_could_not_be_changed(
    server: ScriptedServer, path: Path
) -> None:
    notebook = EditedNotebook(server, path, "page")
    walk = Walk(notebook)
    compared, keeping = notebook.insert(3), notebook.insert(4)
    try:
        walk.run(compared, "%%cnai --times 2\nCompared?")
        # The page was loaded again.
        compared.outputs = {f"loaded {name}": each for name, each in compared.outputs.items()}
        walk.run(keeping, "%cnai_chat versions --keep 1")
        # A kernel that is killed while the cell asks has lost nothing either.
        meanwhile = notebook.session.cells.find_kept_meanwhile(keeping.id)
        assert [turn.cell for _, turn, _ in meanwhile.others] == [compared.id]
        for _ in range(2):
            walk.ask(keeping)
            walk.compare()
            restored = restore_notebook(path).conversations["main"]
            assert [turn.cell for turn in restored.turns] == ["cell-2", compared.id, keeping.id]
        # From here on its own output has it.
        walk.ask(compared)
        walk.ask(keeping)
        walk.compare()
        assert "kept_turns" not in json.dumps(keeping.saved())
    finally:
        notebook.close()
        server.requests.clear()


@random_examples(200, phases=[Phase.explicit, Phase.generate])
@given(st.sampled_from(["page", "file"]), _STEPS)
# Copies whose originals are gone: of an answer, of the command that kept one, of compared answers, of a cell
# that asked in a fork, of all that the notebook has.
@example("page", [("copy", 2, 2), ("clear", 2, 0), ("again", 2, 0)])
@example("page", [("delete", 2, 0), ("compare", 0, 0), ("copy", 2, 3), ("merge", 1, 0), ("ask", 0, 0)])
@example("page", [("compare", 0, 1), ("copy, delete", 2, 0), ("again", 2, 0)])
@example(
    "page", [("command", 7, 0), ("command", 6, 0), ("command", 96, 1), ("ask", 0, 0), ("copy, delete", 1, 0)]
)
@example("page", [("copy", 2, 2), ("clear", 2, 0), ("restart", 0, 0), ("copy", 3, 1), ("again", 3, 0)])
@example(
    "page",
    [
        ("command", 14, 0),
        ("command", 0, 2),
        ("ask", 0, 2),
        ("copy, delete", 3, 0),
        ("delete", 1, 0),
        ("copy, delete", 3, 0),
        ("clear", 2, 0),
    ],
)
@example("page", [("ask", 0, 0), ("command", 56, 1), ("clear", 1, 0), ("command", 66, 0)])
# A rated turn whose cell shows the answer of a fork, and a cell that was asked otherwise before.
@example(
    "page",
    [
        ("command", 6, 2),
        ("again", 2, 0),
        ("ask", 0, 0),
        ("delete", 1, 0),
        ("command", 0, 0),
        ("command", 81, 0),
    ],
)
# A fork that is made again, after one of its turns took the place of one that had been taken out.
@example(
    "page",
    [
        ("command", 14, 0),
        ("command", 6, 3),
        ("again", 3, 0),
        ("ask", 0, 0),
        ("delete", 1, 0),
        ("again", 4, 0),
    ],
)
@example("page", [("split", 2, 0), ("append", 2, 0), ("in another", 2, 0)])
# Buttons of the page: in a notebook that shows no answer, of which the answers are copies, or were copied
# before; and where a cell shows the answer of another conversation.
@example("page", [("clear all", 0, 0), ("press fork", 0, 1)])
@example("page", [("copy, delete", 2, 0), ("press fork", 0, 0)])
@example("page", [("copy", 2, 0), ("press fork", 0, 0), ("delete", 3, 0)])
@example("page", [("append", 2, 0), ("press fork", 0, 0), ("press fork", 0, 0)])
# A cell that was cleared, and asks anew: it had asked in another conversation, or had taken a turn out.
@example("page", [("command", 6, 0), ("again", 3, 0), ("clear", 3, 0), ("again", 3, 0)])
@example("page", [("ask", 0, 0), ("command", 14, 3), ("clear", 4, 0), ("fail", 4, 0)])
# One that asks anew in a conversation that was renamed while it showed nothing.
@example(
    "file", [("command", 0, 2), ("clear", 2, 0), ("command", 11, 2), ("ask", 0, 0), ("in another", 3, 0)]
)
# A fork that is made again, after a cell that asked in it has asked in its origin.
@example("page", [("command", 6, 2), ("ask", 0, 2), ("in another", 3, 0), ("again", 4, 0)])
# A cell that had asked, and shows compared answers or one outside of the conversation: only a copy is left.
@example("page", [("outside", 2, 0), ("copy, delete", 2, 0)])
@example("page", [("outside", 2, 1), ("copy, delete", 2, 0)])
# A conversation is deleted of which only a copy is there, and a fork has the turn whose cell is gone.
@example("page", [("press fork", 0, 1), ("ask", 0, 0), ("copy, delete", 3, 0), ("command", 12, 0)])
# Copies alone are there, one with what a widget had asked, and the cell of a command that is not sent.
@example("file", [("click", 2, 1), ("copy, delete", 2, 0), ("command", 81, 0)])
# Attempts of a fork that the output of its turn no longer holds.
@example(
    "page",
    [
        ("click", 2, 6),
        ("again", 2, 0),
        ("press fork", 0, 0),
        ("again", 2, 0),
        ("command", 20, 0),
        ("press fork", 1, 0),
    ],
)
# Only the last record of several commands tells in which cell they ran.
@example("file", [("commands", 3, 0), ("copy, delete", 1, 0)])
# A task goes on whose cell showed nothing.
@example("page", [("capture", 0, 1), ("go on", 2, 1), ("ask", 0, 3)])
# A cell that asks twice, had been cleared, and shows again what its second question got before.
@example(
    "page",
    [
        ("twice", 0, 1),
        ("clear", 2, 0),
        ("below", 2, 0),
        ("press attempt", 1, 0),
        ("restore", 0, 0),
        ("new", 0, 0),
    ],
)
# An answer that a command kept is in a copy, and its own cell asks in several ways again.
@example("page", [("compare", 0, 0), ("copy", 1, 4), ("clear", 1, 0), ("press use", 0, 0), ("outside", 1, 0)])
def test_a_kernel_sends_what_one_does_that_restores_its_notebook(
    server: ScriptedServer, path: Path, told_by: Literal["page", "file"], steps: list[tuple[str, int, int]]
) -> None:
    walk(server, path, told_by, steps)
