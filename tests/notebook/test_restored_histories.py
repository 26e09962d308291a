"""Any history of a notebook, asked by a real session, and what its document brings back."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from hypothesis import Phase, given

from cnai_magic.chat.conversation import KernelConversation, Turn
from cnai_magic.chat.tools import build_tools
from cnai_magic.money.cost import Charge, Spend
from cnai_magic.notebook.restore import Restored, restore
from cnai_magic.session.kernel_session import KernelSession
from tests.in_process_server import InProcessServer
from tests.properties import random_examples, random_steps
from tests.servers import ScriptedServer
from tests.working_notebook import Ask, Step, WorkingNotebook


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    with InProcessServer() as running:
        yield running


def look_up() -> str:
    return "found"


_OPTIONS: list[dict[str, Any]] = [
    *({} for _ in range(4)),
    {"once": True},
    {"append": True},
    {"append": True},
    {"new": True},
    {"chat": "plan"},
    {"chat": "main"},
    {"new": True, "chat": "idea"},
    {"system": "Be brief."},
    {"go_on": True},
    {"go_on": True},
    {"tools": build_tools([look_up])},
]
_OUTCOMES = ["answered"] * 8 + ["cut"] * 3 + ["refused", "broken", "empty"]
# {} are numbers.
_COMMANDS = [
    *("undo", "fork", "fork --at 1", "fork side --at 2", "fork side", "new", "new plan"),
    *("system Be long.", 'system ""', "rename plan", "rename main plan", "rename plan idea"),
    *("use main", "use chat-2", "use plan", "use side", "delete plan", "delete side"),
    *["drop {}"] * 6,
    *["rate {} good", "rate {} 3 so so", "rate {} none"] * 2,
    *["rate {} {} 5"] * 6,
    *["versions {} --keep {}"] * 6,
    *["versions --keep {}"] * 12,
    *["rate {} {} good why", "rate {} {} 4", "rate {} {} none"] * 2,
]
_RESTART: tuple[str, list[Step]] = ("", [])
# Commands stand among the questions.
_DOCUMENT = ["v", "a", "w", "b", "x", "c", "y", "d", "z", "new"]


def _ask(chance: Random) -> Step:
    return Ask(chance.choice(_OPTIONS), chance.choice(_OUTCOMES))


def _command(chance: Random) -> Step:
    return chance.choice(_COMMANDS).format(chance.randint(1, 3), chance.randint(1, 3))


def _run(chance: Random) -> tuple[str, list[Step]]:
    """Return a run of a cell, or a restart."""
    kind = chance.choice(["ask", "ask", "compare", "command", "command", "mixed", "restart"])
    if kind == "ask":
        asks = [_ask(chance) for _ in range(chance.choice([1, 1, 2, 3]))]
        return chance.choice("abcd"), [Ask()] if chance.random() < 0.5 else asks
    if kind == "compare":
        steps = [Ask(chance.choice([{}, {"chat": "plan"}]), times=2), _ask(chance)]
        return chance.choice("abcd"), chance.choice([steps, steps[:1], steps[::-1]])
    if kind == "command":
        return chance.choice("vwxyz"), [_command(chance)]
    if kind == "mixed":
        return chance.choice("ax"), [
            chance.choice([_ask, _command])(chance) for _ in range(chance.randint(1, 2))
        ]
    return _RESTART


@random_examples(200, phases=[Phase.generate])
@given(random_steps(_run, 6, 20))
def test_a_document_brings_back_all_that_the_kernel_had(
    server: ScriptedServer, steps: list[tuple[str, list[Step]]]
) -> None:
    """Conversations, their turns with order, places and attempts, what is in force, in use, a fork, begun.

    Also where cells failed, were run again in a fork, appended, or were commands first and questions later,
    and where the kernel was restarted meanwhile.
    """
    notebook = WorkingNotebook(server, document=_DOCUMENT)
    notebook.session.settings.save_attempts = 100
    try:
        charges: list[Charge] = []
        for cell, each in steps:
            if cell:
                notebook.run(cell, *each)
            else:
                charges += notebook.session.book.charges
                notebook.restart()
        charges += notebook.session.book.charges
        order = [cell for cell in _DOCUMENT if cell in notebook.outputs]
        restored = restore(notebook.saved(order))
        assert state(restored.conversations.values()) == state(notebook.session.conversations)
        assert restored.current == notebook.session.conversations.current
        assert restored.removed == notebook.session.conversations.removed
        check_spend(charges, restored.charges)
        check_next_requests(notebook, restored)
        check_restored_where_it_was_asked(notebook, restored)
    finally:
        notebook.session.close()


def test_a_cell_whose_conversation_was_deleted_asks_where_it_first_ran(server: ScriptedServer) -> None:
    notebook = WorkingNotebook(server)
    for cell, step in (("c", Ask({"chat": "plan"})), ("a", Ask()), ("z", "delete plan")):
        notebook.run(cell, step)
    try:
        check_next_requests(notebook, restore(notebook.saved(["c", "a", "z"])))
    finally:
        notebook.session.close()


def test_the_attempts_of_an_answer_that_its_cell_shows_twice_come_back(server: ScriptedServer) -> None:
    notebook = WorkingNotebook(server)
    try:
        notebook.run("a", Ask({}, "cut"), Ask({"go_on": True}))
        notebook.run("z", "versions 1 --keep 1")
        restored = restore(notebook.saved(["a", "z"]))
        assert state(restored.conversations.values()) == state(notebook.session.conversations)
        check_next_requests(notebook, restored)
    finally:
        notebook.session.close()


def test_an_attempt_kept_after_a_rename_to_a_deleted_name_is_of_the_renamed_conversation(
    server: ScriptedServer,
) -> None:
    notebook = WorkingNotebook(server)
    try:
        for cell, step in (
            *(("b", Ask({"chat": "plan"})), ("a", Ask()), ("a", Ask()), ("v", "delete plan")),
            *(("y", "rename main plan"), ("w", "versions 1 --keep 1")),
        ):
            notebook.run(cell, step)
        restored = restore(notebook.saved())
        assert state(restored.conversations.values()) == state(notebook.session.conversations)
    finally:
        notebook.session.close()


def test_a_conversation_that_was_deleted_stays_so_where_a_fork_has_its_turns(server: ScriptedServer) -> None:
    notebook = WorkingNotebook(server)
    try:
        for cell, *steps in (
            *(("a", Ask()), ("a", Ask()), ("a", "rename plan"), ("a", Ask()), ("v", "fork")),
            ("a", "delete plan", Ask()),
        ):
            notebook.run(cell, *steps)
        assert set(restore(notebook.saved()).conversations) == {"chat-2"}
    finally:
        notebook.session.close()


def test_a_fork_keeps_a_turn_that_its_origin_lost(server: ScriptedServer) -> None:
    notebook = WorkingNotebook(server)
    try:
        for cell, *steps in (
            *(
                ("a", Ask()),
                ("a", Ask({"append": True})),
                ("a", "fork", "use main"),
                ("v", "undo"),
                ("a", Ask()),
            ),
        ):
            notebook.run(cell, *steps)
        restored = restore(notebook.saved())
        assert state(restored.conversations.values()) == state(notebook.session.conversations)
    finally:
        notebook.session.close()


def test_a_cell_of_a_deleted_conversation_stands_where_it_first_ran_also_as_a_command(
    server: ScriptedServer,
) -> None:
    notebook = WorkingNotebook(server)
    try:
        for cell, step in (
            *(("a", Ask()), ("a", Ask()), ("v", "rename plan"), ("v", "delete plan")),
            *(("b", Ask()), ("a", "fork")),
        ):
            notebook.run(cell, step)
        check_next_requests(notebook, restore(notebook.saved(["a", "b", "v"])))
    finally:
        notebook.session.close()


def state(conversations: Any) -> dict[str, Any]:
    """Return all that conversations are."""
    return {each.name: _state(each) for each in conversations}


def _state(conversation: KernelConversation) -> dict[str, Any]:
    return {
        "turns": [_turn(turn) for turn in conversation.turns],
        "detached": {position: _turn(turn) for position, turn in conversation.detached.items()},
        "taken out": {turn.id: (_turn(turn), turn.taken_out_by) for turn in conversation.taken_out},
        "system": (conversation.system, conversation.last_system),
        "system messages": [
            (each.position, each.text, each.first_run) for each in conversation.system_messages
        ],
        "origin": conversation.origin and conversation.origin.name,
        "made at": conversation.made_at,
        "begun by": conversation.begun_by,
        "former names": conversation.former_names,
        "renamed by": conversation.renamed_by,
    }


def _turn(turn: Turn) -> tuple[Any, ...]:
    attempts = [
        (each.id, each.reply.prompt, each.reply.text, len(each.reply.steps), each.rating)
        for each in turn.attempts
    ]
    return turn.id, turn.position, turn.first_run, turn.asked, turn.failed, turn.reply.id, attempts


def check_spend(made: list[Charge], restored: list[Charge]) -> None:
    known = {charge.id for charge in restored}
    charges = [charge for charge in made if charge.id in known]
    assert {charge.id for charge in restored} == {charge.id for charge in charges}
    assert sum(map(Spend.of, restored), Spend()) == sum(map(Spend.of, charges), Spend())


def check_next_requests(notebook: WorkingNotebook, restored: Restored) -> None:
    """A kernel that restored the notebook sends what this one would, from each cell and from a new one."""
    other = WorkingNotebook(notebook.server, document=notebook.document)
    try:
        other.session.cells.restore(restored)
        for cell in (*"abcd", "new"):
            sent = [_next(each.session, cell) for each in (notebook, other)]
            assert sent[0] == sent[1]
    finally:
        other.session.close()


def _next(session: KernelSession, cell: str) -> tuple[Any, ...]:
    from cnai_magic.chat.order import CellPosition

    question = session.prepare("and now?", position=CellPosition(cell))
    return question.conversation.name, question.request.messages, session.conversations.draft().name


def check_restored_where_it_was_asked(notebook: WorkingNotebook, restored: Restored) -> None:
    """A kernel that restores its own notebook has nothing new."""
    session = notebook.session
    before, current = state(session.conversations), session.conversations.current
    spent = session.book.get_before()
    session.cells.restore(restored)
    assert state(session.conversations) == before
    assert session.book.get_before() == spent
    assert session.conversations.current == current
