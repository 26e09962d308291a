"""What a reader sees from top to bottom is what is sent: random edits and runs, compared with a reader.

The reader knows the cells from top to bottom, what each was asked last and in which conversation. A real
shell gets what pages send with each request, or the file alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import Phase, example, given
from hypothesis import strategies as st

from tests.edited_notebook import Cell, EditedNotebook, one_shell
from tests.in_process_server import InProcessServer
from tests.properties import random_examples, random_steps
from tests.servers import ScriptedServer, sse


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


@dataclass
class _Chat:
    """A conversation as a reader knows it: the question that is in force of each cell.

    `systems` are the system messages that cells set, each with when its cell first did; `by` is the cell that
    made a fork. `dropped` are questions that commands took out, each with the cell of its command.
    """

    origin: str = ""
    made: int = 0
    by: str = ""
    systems: dict[str, tuple[str, int]] = field(default_factory=dict)
    asked: dict[str, str] = field(default_factory=dict)
    # When each cell was asked last in it, when what is in force was asked, and with which questions above.
    times: dict[str, int] = field(default_factory=dict)
    answered: dict[str, int] = field(default_factory=dict)
    above: dict[str, list[str | None]] = field(default_factory=dict)
    away: set[str] = field(default_factory=set)
    dropped: dict[str, str] = field(default_factory=dict)

    def take(self, cell: str, other: _Chat) -> None:
        """Have the question of a cell as another conversation has it."""
        self.asked[cell], self.above[cell] = other.asked[cell], other.above[cell]
        self.answered[cell] = other.answered[cell]

    def list_standing(self, document: Sequence[str]) -> list[str]:
        return [cell for cell in document if self.has(cell, document)]

    def list_above(self, cell: str, document: Sequence[str]) -> list[str]:
        above = document[: document.index(cell)]
        return [each for each in self.list_standing(document) if each in above]

    def has(self, cell: str, document: Sequence[str]) -> bool:
        return cell in self.asked and cell not in self.away and self.dropped.get(cell) not in document


class _Reader:
    def __init__(self) -> None:
        self.chats = {"main": _Chat()}
        self.current = "main"
        self.clock = 0
        self.first: dict[str, int] = {}

    def forget(self, cell: str) -> None:
        """Forget what a cell asked and set whose outputs were cleared: the file has it no more."""
        for chat in self.chats.values():
            for each in (chat.systems, chat.asked, chat.times, chat.dropped):
                each.pop(cell, None)
            chat.away.discard(cell)
            chat.dropped = {other: by for other, by in chat.dropped.items() if by != cell}
        self.first.pop(cell, None)

    def ask(
        self, cell: str, question: str, document: Sequence[str], system: str | None = None
    ) -> list[str | None]:
        """Return what is sent: the system message above the cell, the questions above it, and this one.

        With `system` the cell sets that one first; else it sets none any more.
        """
        if system is not None:
            self.set_system(cell, system, document)
        else:
            for each in self.chats.values():
                each.systems.pop(cell, None)
        self.clock += 1
        chat = self.chats[self.choose(cell, document)]
        above = self.list_above(chat, cell, document)
        self.first.setdefault(cell, self.clock)
        chat.asked[cell], chat.times[cell], chat.above[cell] = question, self.clock, above
        chat.answered[cell] = self.clock
        chat.away.discard(cell)
        chat.dropped.pop(cell, None)
        return [*above, question]

    def list_above(self, chat: _Chat, cell: str, document: Sequence[str]) -> list[str | None]:
        sent = self.list_systems(chat, document)
        systems = [sent[each][0] for each in document[: document.index(cell) + 1] if each in sent]
        above = chat.list_above(cell, document)
        return [systems[-1] if systems else None, *(chat.asked[each] for each in above)]

    def list_systems(self, chat: _Chat, document: Sequence[str]) -> dict[str, tuple[str, int]]:
        """Return the system messages of a conversation: its own, and those above the cell that forked it."""
        if not chat.origin:
            return chat.systems
        above = document[: document.index(chat.by)]
        theirs = self.list_systems(self.chats[chat.origin], document)
        return {cell: system for cell, system in theirs.items() if cell in above} | chat.systems

    def set_system(self, cell: str, text: str, document: Sequence[str]) -> None:
        """Set the message of a cell where it set one before, in the conversation in use where it did not."""
        self.clock += 1
        systems = self.chats[self._choose_to_set(cell, document)].systems
        systems[cell] = text, systems[cell][1] if cell in systems else self.clock

    def _choose_to_set(self, cell: str, document: Sequence[str]) -> str:
        holding = [name for name, chat in self.chats.items() if cell in chat.systems]
        if not holding or self.current in holding:
            return self.current
        chat = self.chats[self.current]
        sent = self.list_systems(chat, document).get(cell)
        for name in holding:
            if self.chats[name].systems[cell] is sent:
                return name
        name, made = self.current, 0
        while name := self.chats[name].origin if (made := self.chats[name].made) else "":
            if name in holding and self.chats[name].systems[cell][1] < made:
                return self.current
        return holding[-1]

    def list_stale(self, name: str, document: Sequence[str]) -> list[str]:
        chat = self.chats[name]
        return [
            each
            for each in chat.list_standing(document)
            if self.list_above(chat, each, document) != chat.above[each]
        ]

    def choose(self, cell: str, document: Sequence[str]) -> str:
        """Return the conversation of a cell: where it was asked, or a fork made since that is in use."""
        holding = [name for name, chat in self.chats.items() if chat.has(cell, document)]
        holding = holding or [name for name, chat in self.chats.items() if cell in chat.asked]
        if not holding or self.current in holding:
            return self.current
        name, made = self.current, 0
        while name := self.chats[name].origin if (made := self.chats[name].made) else "":
            if name in holding and self.first[cell] < made:
                return self.current
        return max(holding, key=lambda each: self.chats[each].times.get(cell, 0))

    def drop(self, cell: str, number: int, document: Sequence[str]) -> None:
        chat = self.chats[self.current]
        chat.dropped[chat.list_standing(document)[number - 1]] = cell

    def begin(self, name: str) -> None:
        self.chats[name] = _Chat()
        self.current = name

    def fork(self, name: str, cell: str, document: Sequence[str]) -> None:
        self.clock += 1
        self.chats[name] = _Chat(self.current, self.clock, cell)
        self._begin_fork(name, cell, document)
        self.current = name

    def _begin_fork(self, name: str, cell: str, document: Sequence[str]) -> None:
        """Let a fork have what stands above its cell; what its origin has below comes back when asked."""
        fork = self.chats[name]
        origin = self.chats[fork.origin]
        above = document[: document.index(cell)]
        for each in origin.list_standing(document):
            if each in above or self.first[each] < fork.made:
                fork.take(each, origin)
                (fork.away.discard if each in above else fork.away.add)(each)

    def fork_again(self, name: str, cell: str, document: Sequence[str]) -> None:
        """What was asked above since goes back to the origin; what was asked below stays."""
        fork, above = self.chats[name], document[: document.index(cell)]
        origin = self.chats[fork.origin]
        for other in filter(lambda chat: self._comes_from(chat, origin), self.chats.values()):
            for each in other.list_above(cell, document):
                if self.first[each] < fork.made <= other.answered[each]:
                    self._take_back(origin, other, each)
        self.chats[name] = kept = _Chat(fork.origin, fork.made, cell, fork.systems, times=fork.times)
        self._begin_fork(name, cell, document)
        for each in fork.asked:
            if each in above:
                is_own = self.first[each] >= fork.made and each not in origin.asked
            else:
                is_own = each in fork.times
            if is_own and fork.has(each, document):
                kept.take(each, fork)
                kept.away.discard(each)
            elif (
                fork.dropped.get(each) in document
                and self.first[each] >= fork.made
                and not kept.has(each, document)
            ):
                kept.take(each, fork)
                kept.dropped[each] = fork.dropped[each]
        self.current = name

    def _comes_from(self, chat: _Chat, origin: _Chat) -> bool:
        while chat.origin:
            chat = self.chats[chat.origin]
            if chat is origin:
                return True
        return False

    def _take_back(self, origin: _Chat, other: _Chat, cell: str) -> None:
        stands = cell in origin.asked and cell not in origin.away
        newer = stands and origin.answered[cell] >= other.answered[cell]
        left_out = not stands and origin.origin and self.first[cell] < origin.made
        if not (newer or left_out):
            origin.take(cell, other)
            origin.times[cell] = other.answered[cell]
            origin.away.discard(cell)
            origin.dropped.pop(cell, None)

    def restart(self, document: Sequence[str]) -> None:
        """What was deleted is not in the file."""
        for chat in self.chats.values():
            chat.systems = {cell: each for cell, each in chat.systems.items() if cell in document}
            for cell in [each for each in chat.asked if each not in document]:
                del chat.asked[cell]
                chat.away.discard(cell)
            chat.dropped = {
                cell: by for cell, by in chat.dropped.items() if cell in chat.asked and by in document
            }


_Step = tuple[str, int, int]
_KINDS = [
    *["insert"] * 3,
    *["run"] * 7,
    *("delete", "delete", "undo", "undo", "move", "move", "copy", "split", "merge"),
    *["system"] * 4,
    *("drop", "drop", "clear", "clear", "clear all"),
    *("fork", "again", "new", "use", "restart", "save", "save"),
]
_STEPS = random_steps(
    lambda chance: (chance.choice(_KINDS), chance.randrange(31), chance.randrange(31)), 8, 25
)


class _Both:
    """Does each step with the notebook and with the reader, and compares what is sent."""

    def __init__(self, notebook: EditedNotebook) -> None:
        self.notebook, self.reader = notebook, _Reader()
        # Commands run here; a command that begins a conversation has a cell of its own. They stay: what
        # becomes of them otherwise is in test_live_and_restored.py.
        self.tools = notebook.cells[0]
        self.fixed = {self.tools.id}
        self.forks: list[tuple[str, Cell]] = []
        self.count = 0

    def do(self, kind: str, one: int, other: int) -> None:
        notebook, cells = self.notebook, self.notebook.cells
        index, to = one % len(cells), 1 + other % len(cells)
        free = cells[index].id not in self.fixed
        if kind == "insert":
            self._ask(notebook.insert(to))
        elif kind == "run" and free:
            source = cells[index].source
            if source.startswith(("%cnai_chat drop", "%cnai_chat undo")):
                self._drop(cells[index], other)
            elif source.startswith("%cnai_chat") and "%cnai " not in source:
                self._set_system(cells[index])
            else:
                self._ask(cells[index], with_system=other % 5 == 0)
        elif kind == "system":
            self._set_system(notebook.insert(to))
        elif kind == "drop":
            self._drop(notebook.insert(to), one)
        elif kind == "delete" and free:
            notebook.delete(index)
        elif kind == "move" and index:
            notebook.move(index, max(1, to - 1))
        elif kind == "copy" and free:
            # What becomes of one that does not run is in test_live_and_restored.py.
            notebook.copy(index, to)
            self._ask(notebook.cells[to])
        elif kind == "split" and free:
            notebook.split(index)
        elif kind == "merge" and free and index + 1 < len(cells) and cells[index + 1].id not in self.fixed:
            notebook.merge(index)
        elif kind == "undo":
            notebook.undo()
        elif kind == "clear" and free:
            self._clear(cells[index])
        elif kind == "clear all" and one % 3 == 0:
            for each in cells:
                if each.id not in self.fixed:
                    self._clear(each)
        elif kind == "fork":
            self._begin(to, "fork")
        elif kind == "again" and self.forks:
            name, cell = self.forks[one % len(self.forks)]
            self.reader.fork_again(name, cell.id, self.document)
            self._run(cell, f"%cnai_chat fork {name}")
        elif kind == "new":
            self._begin(to, "new")
        elif kind == "use":
            names = list(self.reader.chats)
            self.reader.current = names[other % len(names)]
            self._run(self.tools, f"%cnai_chat use {self.reader.current}")
        elif kind == "restart":
            notebook.restart(self.tools)
            self.reader.restart(self.document)
            self._compare()

    @property
    def document(self) -> list[str]:
        return [cell.id for cell in self.notebook.cells]

    def _clear(self, cell: Cell) -> None:
        """Clear the outputs of a cell, which is told before it can run again, or saved."""
        self.notebook.clear(cell)
        self.reader.forget(cell.id)
        self.notebook.tell()

    def _begin(self, to: int, command: str) -> None:
        cell, name = self.notebook.insert(to), f"chat{len(self.reader.chats)}"
        self.notebook.undone.clear()
        self.fixed.add(cell.id)
        if command == "fork":
            self.forks.append((name, cell))
            self.reader.fork(name, cell.id, self.document)
        else:
            self.reader.begin(name)
        self._run(cell, f"%cnai_chat {command} {name}")

    def _ask(self, cell: Cell, *, with_system: bool = False) -> None:
        self.count += 1
        question, system = f"question {self.count}", f"Be {self.count}." if with_system else None
        expected = self.reader.ask(cell.id, question, self.document, system)
        asked = f"%cnai {question}" if with_system else f"%%cnai\n{question}"
        self._run(cell, f"%cnai_chat system {system}\n{asked}" if with_system else asked)
        assert [self.notebook.sent_system(), *self.notebook.sent()] == expected

    def _set_system(self, cell: Cell) -> None:
        self.count += 1
        # Now and then one that was set before.
        text = f"Be {self.count % 7}."
        self.reader.set_system(cell.id, text, self.document)
        self._run(cell, f"%cnai_chat system {text}")

    def _drop(self, cell: Cell, one: int) -> None:
        standing = self.reader.chats[self.reader.current].list_standing(self.document)
        if standing:
            takes_last = one % 3 == 0 and not cell.source
            number = len(standing) if takes_last else 1 + one % len(standing)
            self.reader.drop(cell.id, number, self.document)
            self._run(cell, "%cnai_chat undo" if takes_last else f"%cnai_chat drop {number}")

    def _run(self, cell: Cell, source: str) -> None:
        if self.notebook.told_by == "file":
            self.notebook.save()
        self.notebook.run(cell, source)
        self._compare()

    def _compare(self) -> None:
        """What the kernel has after a run is what the reader sees: turns, and which answers are stale."""
        conversations = self.notebook.session.conversations
        assert conversations.current == self.reader.current
        for conversation in conversations:
            name, document = conversation.name, self.document
            chat = self.reader.chats[name]
            assert [turn.cell for turn in conversation.turns] == chat.list_standing(document)
            assert [turn.cell for turn in conversation.list_stale()] == self.reader.list_stale(name, document)
            systems = self.reader.list_systems(chat, document)
            sent = [
                each.cell for each in sorted(conversation.list_system_messages(), key=lambda each: each.order)
            ]
            assert sent == [each for each in document if each in systems]


class _OldFile(_Both):
    """The same where the file is saved now and then: what the kernel cannot know, it says.

    `_saved` are the cells of the version that it saw last, `_held` those of all versions, `_back` those that
    ran since and were not in it.
    """

    def __init__(self, notebook: EditedNotebook) -> None:
        super().__init__(notebook)
        self._saved: list[str] = []
        self._held: set[str] = set()
        self._back: set[str] = set()
        self._ran: set[str] = set()
        notebook.save()
        self._on_disk = self.document

    def do(self, kind: str, one: int, other: int) -> None:
        if kind not in ("fork", "again", "system", "drop", "clear", "clear all"):
            super().do(kind, one, other)
        if kind in ("save", "restart"):
            self.notebook.save()
            self._on_disk = self.document
        if kind == "restart":
            self._saved, self._held, self._back, self._ran = self.document, {*self.document}, set(), set()

    def _begin(self, to: int, command: str) -> None:
        # What a fork takes is not the question here.
        self.notebook.save()
        self._on_disk = self.document
        super()._begin(to, command)

    def _look(self, cell: str) -> None:
        """Know what the kernel knows when a cell runs."""
        if self._on_disk != self._saved:
            self._saved, self._back = self._on_disk, set()
            self._held |= {*self._saved}
        self._ran.add(cell)
        if cell not in self._saved:
            self._back.add(cell)

    def _ask(self, cell: Cell, *, with_system: bool = False) -> None:
        self._look(cell.id)
        new = self._ran - self._held
        known = {*self._saved, *self._back, *new}
        chat = self.reader.chats[self.reader.choose(cell.id, self.document)]
        standing = {each for each in chat.asked if each not in chat.away and each in known} - {cell.id}
        self.count += 1
        question = f"question {self.count}"
        self._run(cell, f"%%cnai\n{question}")
        unplaced = {cell.id, *standing} - {*self._saved}
        attempt = self.notebook.session.latest_attempt
        assert attempt is not None
        said = "order of the saved notebook" in attempt.footer
        assert said is bool(standing and unplaced)
        document = self._saved if cell.id in self._saved else [*self._saved, cell.id]
        expected = self.reader.ask(cell.id, question, document)
        if not unplaced:
            assert self.notebook.sent() == expected[1:]
        assert {*self.notebook.sent()} <= {question, *(chat.asked[each] for each in standing)}

    def _run(self, cell: Cell, source: str) -> None:
        self._look(cell.id)
        self.notebook.run(cell, source)

    def _compare(self) -> None:
        assert self.notebook.session.conversations.current == self.reader.current


@random_examples(360, phases=[Phase.explicit, Phase.generate])
@given(st.sampled_from(["page", "file saved before each run", "file saved now and then"]), _STEPS)
@example("file saved before each run", [("system", 0, 0), ("new", 0, 0), ("clear all", 0, 0), ("run", 2, 0)])
def test_what_tells_the_order_is_followed_and_the_rest_is_told(
    server: ScriptedServer, path: Path, told_by: str, steps: list[_Step]
) -> None:
    notebook = EditedNotebook(server, path, "page" if told_by == "page" else "file")
    try:
        both = (_OldFile if told_by == "file saved now and then" else _Both)(notebook)
        for step in steps:
            both.do(*step)
    finally:
        notebook.close()
        server.requests.clear()
