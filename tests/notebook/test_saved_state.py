"""The state of all conversations in an output: which one holds, what stands beside it, what is not sound."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from cnai_magic.notebook.restore import Restored, restore
from cnai_magic.notebook.saved_outputs import SavedCell
from tests.servers import ScriptedServer
from tests.working_notebook import Ask, WorkingNotebook


@pytest.fixture
def notebook() -> Iterator[WorkingNotebook]:
    with ScriptedServer() as server:
        made = WorkingNotebook(server)
        for cell in "ab":
            made.run(cell, Ask(prompt=cell))
        yield made
        made.session.close()


def _prompts(restored: Restored) -> dict[str, list[str]]:
    return {name: [turn.reply.prompt for turn in each.turns] for name, each in restored.conversations.items()}


def _state(notebook: WorkingNotebook, cell: str) -> dict[str, Any]:
    *_, last = notebook.outputs[cell].values()
    state: dict[str, Any] = last["metadata"]["cnai"]["kept"]["state"]
    return state


def test_questions_alone_keep_no_state(notebook: WorkingNotebook) -> None:
    notebook.run("a", Ask(prompt="a again"))
    outputs = [output for cell in notebook.outputs.values() for output in cell.values()]
    assert not any("kept" in output["metadata"]["cnai"] for output in outputs)


def test_the_latest_state_holds_with_the_answers_that_came_after_it(notebook: WorkingNotebook) -> None:
    notebook.run("v", "drop 1")
    notebook.run("w", "fork plan")
    notebook.run("c", Ask(prompt="c"))
    assert _prompts(restore(notebook.saved())) == {"main": ["b"], "plan": ["b", "c"]}
    notebook.run("d", Ask(prompt="d"))
    del notebook.outputs["w"]
    # The answer that came after the command states it too.
    assert _prompts(restore(notebook.saved())) == {"main": ["b"], "plan": ["b", "c", "d"]}
    del notebook.outputs["c"]
    # As if the command had not been there: what was asked in the fork names it.
    assert _prompts(restore(notebook.saved())) == {"main": ["b"], "plan": ["d"]}


def test_a_turn_whose_output_was_cleared_is_told_but_not_one_whose_cell_was_deleted(
    notebook: WorkingNotebook,
) -> None:
    notebook.run("v", "fork plan")
    del notebook.outputs["b"]
    deleted = restore(notebook.saved())
    assert (_prompts(deleted), deleted.notes) == ({"main": ["a"], "plan": ["a"]}, [])
    restored = restore([*notebook.saved(), SavedCell("b", "%%cnai\nb", [])])
    assert _prompts(restored) == {"main": ["a"], "plan": ["a"]}
    assert restored.notes == [
        f"{name!r} lacks 1 of its turns: it is not in the notebook" for name in ("main", "plan")
    ]


def test_what_another_kernel_asked_stands_beside_what_a_state_knows(notebook: WorkingNotebook) -> None:
    notebook.run("v", "fork plan")
    notebook.run("c", Ask(prompt="c"))
    other = WorkingNotebook(notebook.server)
    other.outputs = notebook.outputs
    try:
        other.run("d", Ask(prompt="d"))
        other.run("w", "new idea")
        other.run("e", Ask(prompt="e"))
    finally:
        other.session.close()
    restored = restore(notebook.saved())
    assert _prompts(restored) == {"main": ["a", "b", "d"], "idea": ["e"], "plan": ["a", "b", "c"]}
    assert restored.current == "idea"


def test_an_appended_turn_that_was_taken_out_stays_out_in_its_own_kernel(notebook: WorkingNotebook) -> None:
    notebook.run("c", Ask({"append": True}))
    saved = notebook.saved()
    notebook.run("v", "undo")
    notebook.session.cells.restore(restore(saved))
    assert [turn.reply.prompt for turn in notebook.session.conversations["main"].turns] == ["a", "b"]


@pytest.mark.parametrize(
    ("options", "command"), [({"append": True}, "undo"), ({"chat": "plan"}, "delete plan")]
)
def test_what_is_taken_out_after_a_restart_stays_out(
    notebook: WorkingNotebook, options: dict[str, Any], command: str
) -> None:
    notebook.run("c", Ask(options))
    notebook.restart()
    notebook.run("v", command)
    assert _prompts(restore(notebook.saved())) == {"main": ["a", "b"]}


@pytest.mark.parametrize(
    "change",
    [
        {"current": "a b"},
        {"current": None},
        {"conversations": 5},
        {"conversations": [5]},
        {"conversations": [{"name": "-rf /"}]},
        {"conversations": [{"name": "main", "turns": ["x"]}]},
        {"conversations": [{"name": "main", "turns": {"x": 5}}]},
        {"conversations": [{"name": "main", "turns": {"x\n": "y"}}]},
        {"conversations": [{"name": "main", "others": {"x": "y"}, "turns": {"x": "y"}}]},
        {"conversations": [{"name": "main", "origin": -1}]},
        {"conversations": [{"name": "main", "begun_by": {"cell": "a", "kind": "else"}}]},
        {"conversations": [{"name": "main", "made": "yesterday"}]},
        {"conversations": [{"name": "main", "system": 5}]},
        {"gone": "all"},
        {"gone": [None]},
        {"first_runs": {"a": "then"}},
        {"dropped": [{"cell": "a"}]},
    ],
)
def test_a_state_that_is_not_sound_is_left_out_and_told(
    notebook: WorkingNotebook, change: dict[str, Any]
) -> None:
    notebook.run("v", "new plan")
    _state(notebook, "v").update(change)
    restored = restore(notebook.saved())
    assert _prompts(restored)["main"] == ["a", "b"]
    assert len(restored.notes) == 1
    assert restored.notes[0].startswith("left out: what 1 output tells of all conversations, because ")


def test_forks_of_each_other_come_to_an_end(notebook: WorkingNotebook) -> None:
    notebook.run("v", "new plan")
    many = [{"name": f"fork-{number}", "origin": number + 1} for number in range(500)]
    _state(notebook, "v")["conversations"] = [*many, {"name": "main", "origin": 0}]
    restored = restore([*notebook.saved(), SavedCell("x", "", [])])
    assert len(restored.conversations) == 502
    assert max(each.depth for each in restored.conversations.values()) <= 500
