"""Any history of a notebook, asked of a real server by a real session, and what its document brings back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnai_magic.cell_run import CellRun
from cnai_magic.chat_commands import run_chat_command
from cnai_magic.conversation import Conversation, Turn
from cnai_magic.documents.output import bundle, metadata
from cnai_magic.documents.restore import Restored, SavedCell, restore
from cnai_magic.errors import CnaiError, InputError
from cnai_magic.question import Unseen
from cnai_magic.reply import Reply
from cnai_magic.safety import ApiKey
from cnai_magic.session import Session
from cnai_magic.spend import Spend
from tests.properties import random_examples
from tests.servers import CLOSE, KEY, ScriptedServer, answer, chunked, failure, sse

_CELLS = "abcd"


class Shown(Unseen):
    """A view that writes the final output, as the views of a notebook do."""

    def __init__(self, outputs: list[dict[str, Any]]) -> None:
        self._outputs = outputs

    def end(self, reply: Reply) -> None:
        self._outputs.append({"data": bundle(reply), "metadata": metadata(reply)})

    def fail(self, reply: Reply | None) -> None:
        if reply is not None:
            self.end(reply)


def next_millisecond() -> None:
    """Let the millisecond end: what a document tells has no order within one, and no person is as fast."""
    began = datetime.now(timezone.utc).microsecond // 1000
    while datetime.now(timezone.utc).microsecond // 1000 == began:
        pass


@dataclass
class Ask:
    """A question: its options, and whether it is answered, refused, or breaks off."""

    options: dict[str, Any]
    outcome: str = "answered"


@dataclass
class Told:
    """What was so since something of the document: since an answer, or since a command ("")."""

    since: str
    value: str


@dataclass
class Notebook:
    """A notebook and its kernel, and what the kernel did: which attempts counted, and what was in use."""

    session: Session
    server: ScriptedServer
    outputs: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {cell: [] for cell in _CELLS})
    counted: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    systems: dict[str, list[Told]] = field(default_factory=dict)
    in_use: list[Told] = field(default_factory=lambda: [Told("", "main")])
    asked: int = 0

    def run(self, cell: str, questions: list[Ask]) -> None:
        """Run a cell that asks these questions, as the magics do."""
        outputs = self.outputs[cell] = []
        run = CellRun(object(), cell)
        for question in questions:
            next_millisecond()
            self.asked += 1
            text = f"answer {self.asked}\n\n"
            self.server.reply(
                {
                    "answered": sse(text),
                    "refused": failure(402, "insufficient_quota"),
                    "broken": [*chunked(answer(text, done=False))[:2], CLOSE],
                }[question.outcome]
            )
            place = run.ask()
            try:
                reply = self.session.ask(
                    f"  question {self.asked}", view=Shown(outputs), place=place, **question.options
                )
            except CnaiError:
                return
            once = question.options.get("once", False)
            run.answer("" if once else reply.conversation, place)
            if not once:
                told = self.systems.setdefault(reply.conversation, [])
                told.append(Told(reply.id, reply.system or ""))
                if question.options.get("new"):
                    self.in_use.append(Told(reply.id, reply.conversation))
            self.look()
        self.session.end_of_cell(run)

    def command(self, line: str) -> None:
        """Run a command in a new cell."""
        next_millisecond()
        conversations = self.session.conversations
        try:
            shown: Any = run_chat_command(self.session, line, lambda: None)
        except InputError:
            return
        data, about = shown._repr_mimebundle_()
        self.outputs[f"command-{len(self.outputs)}"] = [{"data": data, "metadata": about}]
        current = conversations[conversations.current]
        if line.startswith(("system", "fork")):
            self.systems.setdefault(current.name, []).append(Told("", current.system or ""))
        if line.startswith(("use", "new", "fork")):
            self.in_use.append(Told("", current.name))
        self.look()

    def look(self) -> None:
        """Take note of the attempts that count now."""
        for conversation in self.session.conversations:
            for turn in conversation.turns:
                counted = self.counted.setdefault((conversation.name, turn.id), [])
                if counted[-1:] != [turn.reply.id]:
                    counted.append(turn.reply.id)

    def saved(self) -> list[SavedCell]:
        return [SavedCell(cell, "", json.loads(json.dumps(held))) for cell, held in self.outputs.items()]

    @property
    def standing(self) -> dict[str, int]:
        """Which output holds an answer, for every answer of the document."""
        found: dict[str, int] = {}
        abouts = [output["metadata"]["cnai"] for outputs in self.outputs.values() for output in outputs]
        for number, about in enumerate(abouts):
            if "event" not in about:
                for each in (*about.get("others", []), about):
                    found[each["id"]] = number
        return found


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        yield running


def begun(server: ScriptedServer) -> Notebook:
    session = Session(
        base_url=server.base_url, retries=0, ledger="off", prices={"deepseek-chat": (1.68, 2.52)}
    )
    session.use_key(ApiKey(KEY))
    return Notebook(session, server)


_OPTIONS: list[dict[str, Any]] = [
    {},
    {},
    {},
    {"once": True},
    {"append": True},
    {"new": True},
    {"chat": "plan"},
    {"chat": "main"},
    {"system": "Be brief."},
    {"system": ""},
]
_ASKS = st.builds(
    Ask,
    st.sampled_from(_OPTIONS),
    st.sampled_from(["answered"] * 8 + ["refused", "broken"]),
)
_NUMBERS = st.integers(min_value=1, max_value=3)
_RUNS = st.tuples(st.sampled_from(_CELLS), st.just([Ask({})]) | st.lists(_ASKS, min_size=1, max_size=3))
_COMMANDS = st.one_of(
    st.sampled_from(["undo", "fork", "fork --at 1", "new", "system Be long.", 'system ""']),
    st.sampled_from(["use main", "use chat-2", "use chat-3", "use plan"]),
    st.builds("drop {}".format, _NUMBERS),
    st.builds("versions {} --keep {}".format, _NUMBERS, _NUMBERS),
)
_STEPS = st.lists(_RUNS | _RUNS | _COMMANDS, min_size=8, max_size=24)


@random_examples()
@given(_STEPS)
def test_a_document_brings_back_all_that_it_holds(
    server: ScriptedServer, steps: list[str | tuple[str, list[Ask]]]
) -> None:
    """What the outputs hold comes back, in the order of the document, and nothing else does.

    A document has lost what its outputs no longer hold: a turn whose cell was run again and asked in another
    conversation, in another branch after a fork, appended, or failed; and with such an answer that it was in
    use, or had set a system message. Then that is so which the document shows last. A fork has a turn where
    the document holds the answer that it was forked with, or one that was asked in the fork. Of a turn that a
    cell let go of, the attempts that the output of a fork holds come back: nothing tells that it let go.
    """
    notebook = begun(server)
    for step in steps:
        notebook.command(step) if isinstance(step, str) else notebook.run(*step)
    restored = restore(notebook.saved())
    try:
        check_conversations(notebook, restored)
        check_spend(notebook, restored)
        check_restored_where_it_was_asked(notebook)
    finally:
        notebook.session.provider.close()


def check_conversations(notebook: Notebook, restored: Restored) -> None:
    standing = notebook.standing
    kept = {}
    for mine in notebook.session.conversations:
        turns = []
        for turn in (*mine.turns, *mine.retired.values()):
            first = notebook.counted[mine.name, turn.id][0]
            own = [each.id for each in turn.attempts if each.conversation == mine.name]
            if any(each in standing for each in (first, *own)):
                turns.append(turn)
        if turns:
            kept[mine.name] = mine
        theirs = restored.conversations.get(mine.name, Conversation(mine.name))
        expected = []
        for turn in turns:
            counted = notebook.counted[mine.name, turn.id]
            current = next(each for each in reversed(counted) if each in standing)
            expected.append((standing[current], turn.id, current, held(turn, standing)))
        expected.sort()
        assert [(turn.id, turn.reply.id, facts(turn)) for turn in theirs.turns] == [
            each[1:] for each in expected
        ]
        places = {turn.id: turn.place for turn in theirs.turns}
        assert all(places[turn.id] == turn.place for turn in turns if turn.place.cell is not None)
        assert len(set(places.values())) == len(places)
        assert [turn.reply.turn for turn in theirs.turns] == list(range(1, len(theirs.turns) + 1))
        assert (theirs.system or "") == last(notebook.systems.get(mine.name, []), standing)
    assert {name for name, each in restored.conversations.items() if each.turns} == set(kept)
    for one in kept.values():
        for other in kept.values():
            families = (restored.conversations[each.name].family for each in (one, other))
            assert (one.family == other.family) == (len(set(families)) == 1)
    assert restored.current == last(notebook.in_use, standing)
    assert all("not in the notebook" in note for note in restored.notes)


def held(turn: Turn, standing: dict[str, int]) -> list[tuple[int, str, str, str]]:
    return [each for each in facts(turn) if each[1] in standing]


def facts(turn: Turn) -> list[tuple[int, str, str, str]]:
    return [(each.attempt, each.id, each.prompt, each.text) for each in turn.attempts]


def last(told: list[Told], standing: dict[str, int]) -> str:
    return next((each.value for each in reversed(told) if not each.since or each.since in standing), "")


def check_spend(notebook: Notebook, restored: Restored) -> None:
    standing = notebook.standing
    charges = [charge for charge in notebook.session.book.charges if charge.id in standing]
    assert {charge.id for charge in restored.charges} == {charge.id for charge in charges} == set(standing)
    assert sum(map(Spend.of, restored.charges), Spend()) == sum(map(Spend.of, charges), Spend())


def check_restored_where_it_was_asked(notebook: Notebook) -> None:
    """A kernel that restores its own notebook has nothing new: only the order is the document's."""
    session = notebook.session

    def known() -> dict[str, Any]:
        return {
            each.name: {turn.id: (turn.reply.id, facts(turn)) for turn in each.turns}
            for each in session.conversations
        }

    before, current = known(), session.conversations.current
    asked = any(each.turns for each in session.conversations)
    session.restore(restore(notebook.saved()))
    assert {name: turns for name, turns in known().items() if turns} == {
        name: turns for name, turns in before.items() if turns
    }
    assert session.book.before() == Spend()
    assert not asked or session.conversations.current == current
