"""Conversations had back from what the outputs of a notebook say."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given

from cnai_magic.chat.attempt import Attempt
from cnai_magic.chat.conversation import CellPosition, KernelConversation
from cnai_magic.chat.conversations import Conversations
from cnai_magic.errors import InputError
from cnai_magic.magics.chat_commands import run_chat_command
from cnai_magic.money.cost import Spend
from cnai_magic.notebook import cell_history, unstated_changes
from cnai_magic.notebook.cell_history import Kept, collect_kept
from cnai_magic.notebook.merge import merge
from cnai_magic.notebook.read_record import read_answer
from cnai_magic.notebook.record import build_bundle, build_event_metadata, build_metadata
from cnai_magic.notebook.restore import Restored, restore
from cnai_magic.notebook.saved_outputs import SavedCell, read_answers
from cnai_magic.session.kernel_session import KernelSession
from cnai_magic.settings import Cnai
from tests.display.answers import attempt
from tests.properties import Chance, random_examples, random_steps

_BEGIN = datetime(2026, 11, 24, 9, 0, tzinfo=timezone.utc)


@dataclass
class Document:
    """A notebook as it is worked on: cells in order, each with the outputs of its last run.

    Every answer and every command is a second later than the one before.
    """

    session: KernelSession = field(default_factory=KernelSession)
    outputs: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    clock: Iterator[datetime] = field(
        default_factory=lambda: (_BEGIN + timedelta(seconds=number) for number in range(10**6))
    )

    def ask(self, cell: str, *prompts: str, chat: str = "", **facts: Any) -> None:
        """Run a cell that asks these questions, one after the other."""
        self.outputs[cell] = []
        conversations = self.session.conversations
        asked = []
        for index_in_cell, prompt in enumerate(prompts):
            if chat and chat not in conversations:
                conversations.new(chat)
            conversation = conversations.use(chat) if chat else conversations.in_use
            position = CellPosition(cell, index_in_cell)
            answer = attempt(
                f"answer to {prompt}",
                prompt=prompt,
                id=f"id-{next(self.clock):%H%M%S}",
                started=next(self.clock),
                conversation=conversation.name,
                turn_id="",
                parameters={},
                **facts,
            )
            turn = conversation.record(position, answer)
            asked.append((conversation.name, position))
            self.show(cell, turn.shown(10))
            turn.display_id = "shown"
        conversations.end_of_cell(cell, asked)
        self.keep(cell)

    def keep(self, cell: str) -> None:
        """Keep in the last output what the cell did before."""
        conversations = self.session.conversations
        held = {each.id for output in self.cells(cell)[0].outputs for each in _attempts(output)}
        kept = collect_kept(conversations, cell, next(self.clock), held, changed=False)
        if kept:
            self.outputs[cell][-1]["metadata"]["cnai"]["kept"] = kept.record(10)
        for _, turn in self.session.conversations.find_turns(cell):
            turn.display_id = ""

    def show(self, cell: str, answer: Attempt) -> None:
        self.outputs.setdefault(cell, []).append(
            {"data": build_bundle(answer), "metadata": build_metadata(answer)}
        )

    def command(self, cell: str, line: str) -> None:
        """Run a cell with a command of %cnai_chat."""
        shown: Any = run_chat_command(self.session, line, lambda: None)
        data, about = shown._repr_mimebundle_()
        # The clock of the test, in place of the machine's.
        about = {"cnai": {**about["cnai"], "time": next(self.clock).isoformat()}}
        self.outputs[cell] = [{"data": data, "metadata": about}]

    def cells(self, *order: str) -> list[SavedCell]:
        """Return the cells as the file has them, in this order or in that of their first runs."""
        saved = json.loads(json.dumps(self.outputs))
        return [SavedCell(cell, "", saved[cell]) for cell in order or self.outputs]

    def restored(self, *order: str) -> Restored:
        return restore(self.cells(*order))


def _attempts(output: dict[str, Any]) -> Iterator[Attempt]:
    answer = read_answer(output["metadata"]["cnai"], output["data"])
    yield from (answer, *answer.others)


def told(conversation: KernelConversation) -> list[tuple[str, int, list[tuple[int, str, str]]]]:
    """Return what a conversation is made of: for each turn its cell, its current attempt, all attempts."""
    return [
        (
            f"{turn.position.cell}:{turn.position.index_in_cell}",
            turn.attempt.number,
            [(each.number, each.reply.prompt, each.reply.text) for each in turn.attempts],
        )
        for turn in conversation.turns
    ]


def prompts(restored: Restored, name: str = "main") -> list[str]:
    return [turn.reply.prompt for turn in restored.conversations[name].turns]


@pytest.fixture
def document() -> Document:
    made = Document()
    for cell in "abc":
        made.ask(cell, f"question {cell}")
    return made


# -- the whole ----------------------------------------------------------------------------------


def test_a_conversation_comes_back_with_its_attempts_places_and_spend(document: Document) -> None:
    document.ask("b", "question b, better", system="Be brief.")
    restored = document.restored()
    main = restored.conversations["main"]
    assert told(main) == told(document.session.conversations["main"])
    assert [turn.attempt.turn for turn in main.turns] == [1, 2, 3]
    assert main.last_system is None
    assert restored.current == "main"
    assert restored.notes == []
    assert len({charge.id for charge in restored.charges}) == len(restored.charges) == 4
    assert sum(charge.cost.nano or 0 for charge in restored.charges) == 4 * 53_760


def test_a_turn_taken_out_stays_out_and_comes_back_where_it_was_asked_again(document: Document) -> None:
    document.command("x", "drop 2")
    assert prompts(document.restored()) == ["question a", "question c"]
    document.ask("b", "question b, again")
    assert prompts(document.restored()) == ["question a", "question b, again", "question c"]


def test_the_attempt_that_was_kept_is_the_one_that_counts(document: Document) -> None:
    document.ask("b", "second")
    document.ask("b", "third")
    document.command("x", "versions 2 --keep 1")
    assert prompts(document.restored()) == ["question a", "question b", "question c"]
    document.ask("b", "fourth")
    assert prompts(document.restored()) == ["question a", "fourth", "question c"]


def test_a_fork_comes_back_with_the_turns_it_began_with(document: Document) -> None:
    document.command("x", "fork plan --at 2")
    document.ask("d", "in the fork")
    restored = document.restored()
    assert prompts(restored) == ["question a", "question b", "question c"]
    assert prompts(restored, "plan") == ["question a", "question b", "in the fork"]
    assert restored.current == "plan"
    assert restored.conversations["plan"].is_fork_of(restored.conversations["main"])


def test_a_cell_run_again_in_a_fork_leaves_the_origin_its_own_answer(document: Document) -> None:
    document.command("x", "fork plan")
    document.ask("b", "otherwise")
    restored = document.restored()
    assert prompts(restored) == ["question a", "question b", "question c"]
    assert prompts(restored, "plan") == ["question a", "otherwise", "question c"]


def test_the_fork_of_a_fork_comes_back_too(document: Document) -> None:
    document.command("x", "fork one --at 2")
    document.ask("d", "in one")
    document.command("y", "fork two --at 3")
    document.ask("e", "in two")
    restored = document.restored()
    assert prompts(restored, "two") == ["question a", "question b", "in one", "in two"]


def test_a_fork_keeps_the_answers_of_its_time(document: Document) -> None:
    document.command("x", "fork plan --at 2")
    document.command("y", "use main")
    document.ask("a", "question a, changed")
    restored = document.restored()
    assert prompts(restored)[0] == "question a, changed"
    assert prompts(restored, "plan")[0] == "question a"
    assert restored.current == "main"


def test_a_system_message_that_was_set_or_removed_comes_back(document: Document) -> None:
    document.command("x", "system Be brief.")
    assert document.restored().conversations["main"].last_system == "Be brief."
    document.command("y", 'system ""')
    assert document.restored().conversations["main"].last_system == ""
    document.ask("d", "question", system="From the option.")
    assert document.restored().conversations["main"].last_system == ""


def test_the_conversation_in_use_comes_back_also_where_it_has_no_turn(document: Document) -> None:
    document.command("x", "new plan")
    restored = document.restored()
    assert (restored.current, restored.conversations["plan"].turns) == ("plan", [])


def test_a_cell_that_began_a_conversation_is_asked_again_in_it(document: Document) -> None:
    document.ask("n", "new one", chat="chat-2", began=True)
    restored = document.restored()
    assert restored.current == "chat-2"
    assert restored.conversations["chat-2"].begun_by == CellPosition("n")


def test_an_import_is_told_and_not_made_again(document: Document) -> None:
    document.outputs["x"] = [{"data": {}, "metadata": build_event_metadata("import", "talk", path="talk.md")}]
    assert any("import it again" in note for note in document.restored().notes)


def test_several_questions_of_one_cell_come_back_as_its_turns() -> None:
    document = Document()
    document.ask("a", "one", "two", "three")
    document.ask("a", "one, again", "two, again")
    assert told(document.restored().conversations["main"]) == told(document.session.conversations["main"])


def test_what_is_outside_of_a_conversation_or_broke_off_is_spend_and_no_turn(document: Document) -> None:
    document.show("x", attempt("aside", id="once", turn=0))
    document.show("x", attempt("half an", id="failed", finish_reason="failed", turn=0))
    restored = document.restored()
    assert len(prompts(restored)) == 3
    assert [charge.conversation for charge in restored.charges[-2:]] == ["", ""]


# -- any history --------------------------------------------------------------------------------


def _make_step(chance: Chance) -> tuple[str, Any, int]:
    what = chance.choice(["ask", "drop", "keep", "fork", "use", "undo", "system"])
    first = {
        "ask": chance.choice("abcd"),
        "drop": chance.randint(1, 4),
        "keep": chance.randint(1, 4),
        "fork": chance.randint(0, 4),
        "use": chance.choice(["main", "chat-2", "chat-3"]),
        "undo": 0,
        "system": chance.choice(["Be brief.", "Be long."]),
    }
    return what, first[what], chance.randint(1, 3)


def _line(what: str, first: object, second: int) -> str:
    if what == "keep":
        return f"versions {first} --keep {second}"
    if what == "fork":
        return f"fork --at {first}"
    return f"{what} {first}" if what != "undo" else "undo"


@random_examples()
@given(random_steps(_make_step, 0, 14))
def test_any_history_of_a_notebook_comes_back(steps: list[tuple[str, Any, int]]) -> None:
    """What a reader sees is what comes back.

    That is: for each cell the answers of its last run, in the conversations they were asked in, unless a
    later command took them out; with all their attempts; and the forks. What a document has lost is not
    looked for: an answer is compared where it is still shown.
    """
    document = Document()
    for number, (what, first, second) in enumerate(steps):
        if what == "ask":
            document.ask(first, *(f"q{number}.{index_in_cell}" for index_in_cell in range(second)))
            continue
        try:
            document.command(f"command-{number}", _line(what, first, second))
        except InputError:
            continue
    restored = document.restored()
    # The second answer of a cell that now asks one question is gone from the document, and told of.
    assert all("not in the notebook" in note for note in restored.notes)
    assert restored.current == document.session.conversations.current
    shown = {
        output["metadata"]["cnai"]["id"]
        for outputs in document.outputs.values()
        for output in outputs
        if "id" in output["metadata"]["cnai"]
    }
    for mine in document.session.conversations:
        if mine.name not in restored.conversations:
            assert not any(turn.attempts[-1].id in shown for turn in mine.turns)
            continue
        theirs = restored.conversations[mine.name]
        by_place = {turn.position: turn for turn in theirs.turns}
        for turn in mine.turns:
            last = turn.attempts[-1]
            if last.id in shown and last.conversation == mine.name:
                found = by_place[turn.position]
                assert found.reply.id == turn.reply.id
                assert [each.id for each in found.attempts] == [each.id for each in turn.attempts]


# -- other notebooks ----------------------------------------------------------------------------


def test_turns_stand_in_the_order_of_the_document(document: Document) -> None:
    document.ask("a", "question a, again")
    restored = document.restored("c", "a", "b")
    assert prompts(restored) == ["question c", "question a, again", "question b"]
    # Each keeps the number that its footer names, so that the page can say which it has now.
    assert [turn.attempt.turn for turn in restored.conversations["main"].turns] == [3, 1, 2]


def test_where_nothing_tells_when_a_cell_first_ran_its_turn_stands_as_in_the_document(
    document: Document,
) -> None:
    cells = document.cells("c", "a", "b")
    for cell in cells:
        del cell.outputs[0]["metadata"]["cnai"]["first_run"]
    assert prompts(restore(cells)) == ["question c", "question a", "question b"]


def test_a_copied_cell_is_left_out_and_told(document: Document) -> None:
    cells = document.cells()
    restored = restore([*cells, SavedCell("copy", "", cells[0].outputs)])
    assert prompts(restored) == ["question a", "question b", "question c"]
    assert restored.notes == ["left out: 1 output, because it is a copy of another one"]
    assert len(restored.charges) == 3


def test_a_copied_cell_that_was_run_again_is_another_attempt_of_nobody(document: Document) -> None:
    document.outputs["copy"] = copy.deepcopy(document.outputs["a"])
    document.ask("copy", "question of the copy")
    assert prompts(document.restored()) == ["question a", "question b", "question c", "question of the copy"]


def test_two_notebooks_in_one_file_are_one_after_the_other(document: Document) -> None:
    other = Document()
    for _ in range(20):
        next(other.clock)
    other.ask("z", "question z")
    restored = restore([*document.cells(), *other.cells()])
    assert prompts(restored) == ["question a", "question b", "question c", "question z"]


def test_cells_of_one_id_are_not_run_in_each_others_place(document: Document) -> None:
    cells = document.cells()
    restored = restore([cells[0], cells[1]._replace(id="a"), cells[2]])
    places = [turn.position.cell for turn in restored.conversations["main"].turns]
    assert places == ["a", None, "c"]


def test_without_cell_ids_all_comes_back_and_new_questions_append(document: Document) -> None:
    restored = restore([cell._replace(id=None) for cell in document.cells()])
    assert prompts(restored) == ["question a", "question b", "question c"]
    assert {turn.position.cell for turn in restored.conversations["main"].turns} == {None}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"schema": 3}, "it was written by a newer version of cnai_magic"),
        ({"schema": 1}, "it is not a record of cnai_magic"),
        ({"schema": "2"}, "it is not a record of cnai_magic"),
        ({"schema": None}, "it is not a record of cnai_magic"),
        ({"prompt": 5}, "its prompt is not text"),
        ({"conversation": "two words"}, "its conversation has a name that cannot be one"),
        ({"conversation": "../../etc\x1b[2J"}, "its conversation is not a name"),
        ({"cost": -1}, "its cost is not a count"),
        ({"cost": 1.5}, "its cost is not a count"),
        ({"cost": 10**30}, "its cost is not a count"),
        ({"usage": []}, "one of its parts is not an object"),
        ({"usage": {"prompt_tokens": True, "completion_tokens": 1}}, "its prompt_tokens is not a count"),
        ({"parameters": {"temperature": "hot"}}, "its parameters are not those of a request"),
        ({"parameters": {"api_key": "x"}}, "its parameters are not those of a request"),
        ({"time": "yesterday"}, "its time is not a time"),
        ({"time": "0001-01-01T00:00:00+23:59"}, "its time is not a time"),
        ({"seconds": float("nan")}, "its seconds are not a duration"),
        ({"model": "m" * 10**6}, "its model is not a name"),
        ({"turn": -1}, "its turn is not a count"),
        ({"demo": "yes"}, "its demo is neither true nor false"),
        ({"footer": None, "text": None}, "its text is missing"),
    ],
)
def test_what_is_not_sound_is_left_out_and_told_and_the_rest_comes_back(
    document: Document, change: dict[str, Any], reason: str
) -> None:
    cells = document.cells()
    cells[1].outputs[0]["metadata"]["cnai"].update(change)
    restored = restore(cells)
    assert prompts(restored) == ["question a", "question c"]
    assert restored.notes == [f"left out: 1 output, because {reason}"]


@pytest.mark.parametrize(
    ("others", "reason"),
    [
        ([1], "one of its parts is not an object"),
        ({}, "its other attempts are not a list, or too many"),
        ([{}] * 1001, "its other attempts are not a list, or too many"),
        ([{"prompt": "x"}], "its text is missing"),
    ],
)
def test_an_answer_whose_other_attempts_are_not_sound_comes_back_without_them(
    document: Document, others: Any, reason: str
) -> None:
    cells = document.cells()
    cells[1].outputs[0]["metadata"]["cnai"]["others"] = others
    restored = restore(cells)
    assert prompts(restored) == ["question a", "question b", "question c"]
    assert restored.notes == [f"left out: the other attempts of 1 answer, because {reason}"]


@pytest.mark.parametrize(
    "about", [None, 5, "text", [], {}, {"event": 5}, {"schema": 2, "event": "explode"}, {"schema": 2}]
)
def test_what_another_tool_or_nobody_wrote_changes_nothing(document: Document, about: object) -> None:
    cells = document.cells()
    foreign = [{"metadata": {"cnai": about}, "data": []}, {"metadata": 3}, {"output_type": "stream"}]
    assert prompts(restore([*cells, SavedCell("x", "", foreign)])) == prompts(restore(cells))


def test_an_output_edited_by_hand_is_what_stands_there_now(document: Document) -> None:
    cells = document.cells()
    output = cells[0].outputs[0]
    output["data"]["text/plain"] = output["data"]["text/plain"].replace("answer to", "a better answer to")
    output["metadata"]["cnai"]["text"] = "answer to question a\n"
    assert restore(cells).conversations["main"].turns[0].reply.text == "a better answer to question a"


def test_a_hostile_change_of_a_conversation_is_left_out(document: Document) -> None:
    later = _BEGIN + timedelta(days=1)
    outputs = [
        {"metadata": build_event_metadata("fork", "main", name="a b", answers=[], time=later)},
        {"metadata": build_event_metadata("fork", "main", name="x", answers="all", time=later)},
        {
            "metadata": build_event_metadata(
                "fork", "main", name="y", answers=[None, {}, "nobody"], time=later
            )
        },
        {"metadata": build_event_metadata("drop", "main", turn_id=["x"], time=later)},
        {"metadata": build_event_metadata("keep", "main", turn_id="nobody", answer="x", time=later)},
        {"metadata": build_event_metadata("system", "main", system={"x": 1}, time=later)},
        {"metadata": build_event_metadata("use", "-rf /", time=later)},
    ]
    restored = restore(
        [*document.cells(), SavedCell("x", "", outputs), SavedCell("cleared", "%cnai Hi?", [])]
    )
    assert prompts(restored) == ["question a", "question b", "question c"]
    assert restored.conversations["main"].last_system is None
    assert "'y' lacks 3 of the turns that it was forked with: they are not in the notebook" in restored.notes
    assert set(restored.conversations) == {"main", "y"}


def test_answers_of_a_cell_are_those_that_are_sound(document: Document) -> None:
    (cell, *_) = document.cells()
    broken = {"metadata": {"cnai": {"schema": 2}}, "data": {}}
    assert [each.reply.prompt for each in read_answers(cell._replace(outputs=[broken, *cell.outputs]))] == [
        "question a"
    ]


def test_a_copy_above_does_not_take_the_place_of_the_cell_that_was_run_again(document: Document) -> None:
    document.outputs["copy"] = copy.deepcopy(document.outputs["b"])
    document.ask("b", "question b, better")
    restored = document.restored("copy", "a", "b", "c")
    assert prompts(restored) == ["question a", "question b, better", "question c"]
    assert [turn.position.cell for turn in restored.conversations["main"].turns] == ["a", "b", "c"]


def test_one_notebook_twice_in_one_file_is_one(document: Document) -> None:
    document.ask("b", "question b, better")
    document.command("x", "fork plan --at 2")
    once, twice = document.restored(), restore([*document.cells(), *document.cells()])
    assert [told(each) for each in twice.conversations.values()] == [
        told(each) for each in once.conversations.values()
    ]
    assert twice.charges == once.charges
    assert twice.notes == ["left out: 3 outputs, each because it is a copy of another one"]


def test_outputs_that_were_stripped_bring_back_the_rest(document: Document) -> None:
    document.outputs["b"] = []
    for output in document.outputs["c"]:
        del output["metadata"]["cnai"]
    restored = document.restored()
    assert (prompts(restored), restored.notes) == (["question a"], [])


def test_a_fork_whose_origin_is_gone_has_what_was_asked_in_it(document: Document) -> None:
    document.command("x", "fork plan")
    document.ask("d", "in the fork")
    restored = document.restored("x", "d")
    assert prompts(restored, "plan") == ["in the fork"]
    assert restored.notes == []


def test_a_fork_whose_command_is_gone_is_still_one(document: Document) -> None:
    document.command("x", "fork plan")
    document.ask("b", "otherwise")
    restored = document.restored("a", "b", "c")
    assert prompts(restored, "plan") == ["question a", "otherwise", "question c"]
    # What is asked in one leaves the other as it is.
    assert restored.conversations["plan"].is_fork_of(restored.conversations["main"])


def test_a_fork_has_all_attempts_of_its_turns(document: Document) -> None:
    document.ask("b", "question b, better")
    document.command("x", "fork plan")
    document.command("y", "versions 2 --keep 1")
    restored = document.restored()
    assert told(restored.conversations["plan"]) == told(document.session.conversations["plan"])
    assert prompts(restored, "plan")[1] == "question b"
    assert prompts(restored)[1] == "question b, better"
    assert restored.notes == []


def test_of_two_forks_of_one_name_the_later_is_the_one(document: Document) -> None:
    """A kernel that has nothing restored may fork under a name that an earlier kernel had."""
    document.command("x", "fork plan")
    outputs, document.session = document.outputs, KernelSession(Cnai())
    document.ask("n", "of another kernel")
    document.command("y", "fork plan")
    assert document.outputs is outputs
    assert prompts(document.restored(), "plan") == ["of another kernel"]


def test_an_attempt_that_was_kept_and_is_gone_is_told(document: Document) -> None:
    document.ask("b", "second")
    document.command("x", "versions 2 --keep 1")
    cells = document.cells()
    del cells[1].outputs[0]["metadata"]["cnai"]["others"]
    # Where the cell may show what it did before, the command's own output has the turn.
    assert prompts(restore(cells)) == ["question a", "question b", "question c"]
    for each in cells:
        each.outputs[0]["metadata"]["cnai"].pop("kept_turn", None)
    restored = restore(cells)
    assert prompts(restored) == ["question a", "second", "question c"]
    assert restored.notes == ["an attempt that was kept in 'main' is not in the notebook"]


def test_of_the_turns_that_another_cell_holds_those_come_back_that_are_sound(document: Document) -> None:
    document.ask("b", "second")
    document.command("x", "versions 2 --keep 1")
    cells = document.cells()
    del cells[1].outputs[0]["metadata"]["cnai"]["others"]
    about = cells[-1].outputs[0]["metadata"]["cnai"]
    turn = about.pop("kept_turn")
    unsound = {**turn, "conversation": "-rf /"}
    about["kept"] = {"time": about["time"], "kept_turns": [unsound, turn]}
    restored = restore(cells)
    assert prompts(restored) == ["question a", "question b", "question c"]
    reason = "its conversation has a name that cannot be one"
    assert restored.notes == [f"left out: 1 earlier answer, because {reason}"]
    about["kept"]["kept_turns"] = [*[unsound] * 1000, turn]
    assert prompts(restore(cells)) == ["question a", "second", "question c"]
    about["kept"]["kept_turns"] = {}
    assert restore(cells).notes == ["left out: 1 output, because what its cell did before is not a list"]
    del about["kept"]
    about["kept_turn"] = unsound
    assert restore(cells).notes[-1] == f"left out: 1 output, because {reason}"


def test_turns_that_a_cell_holds_of_others_are_not_written_without_end(
    document: Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cell_history, "_MOST_CHARACTERS", 10)
    conversation = document.session.conversations["main"]
    kept = Kept(_BEGIN, others=[(conversation, turn, False) for turn in conversation.turns])
    assert [each["prompt"] for each in kept.record(10)["kept_turns"]] == ["question a"]


def test_commands_and_answers_of_one_millisecond_stand_in_their_order() -> None:
    document = Document(clock=iter([_BEGIN] * 100))
    identifiers = iter("abcdef")
    position = CellPosition("n")

    def ask(name: str) -> None:
        conversation = document.session.conversations[name]
        answer = attempt("yes", id=next(identifiers), started=_BEGIN, conversation=name, turn_id="")
        document.show("n", conversation.record(position, answer).attempt)

    document.command("x", "new one")
    document.command("y", "new two")
    ask("two")
    restored = document.restored()
    assert restored.current == "two"
    document.command("z", "drop 1")
    assert document.restored().conversations["two"].turns == []


def test_an_attempt_counts_that_was_asked_in_the_millisecond_after_another_was_kept(
    document: Document,
) -> None:
    document.ask("b", "second")
    document.command("x", "versions 2 --keep 1")
    kept = document.outputs["x"][0]["metadata"]["cnai"]["time"]
    document.clock = iter([datetime.fromisoformat(kept)] * 9)
    document.ask("b", "third")
    assert prompts(document.restored()) == ["question a", "third", "question c"]


def test_a_system_message_that_was_removed_stays_removed_when_more_is_asked(document: Document) -> None:
    """ "" is not None: with None the one of the settings would be sent again."""
    document.command("x", 'system ""')
    document.ask("d", "without")
    assert document.restored().conversations["main"].last_system == ""


def test_questions_of_one_cell_that_append_are_not_asked_again() -> None:
    document = Document()
    document.ask("a", "one")
    main = document.session.conversations["main"]
    position = CellPosition("a", kind="append")
    for prompt in ("two", "three"):
        answer = attempt(prompt, prompt=prompt, id=prompt, turn_id="", started=next(document.clock))
        document.show("a", main.record(position, answer).attempt)
    turns = document.restored().conversations["main"].turns
    assert [turn.position for turn in turns] == [CellPosition("a"), position, position]
    assert [turn.reply.prompt for turn in turns] == ["one", "two", "three"]


def test_what_was_made_to_take_long_or_fill_the_memory_does_not(
    document: Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand of attempts of one turn, of questions of one cell, of drops, keeps, forks and reasons."""
    (template,) = document.outputs["a"]
    facts, later, many = template["metadata"]["cnai"], _BEGIN + timedelta(days=1), 1000
    monkeypatch.setattr(unstated_changes, "_MOST_INHERITED", 10_000)
    turn_id = facts["turn_id"]
    outputs: list[dict[str, Any]] = []
    for number in range(many):
        about = {**facts, "id": f"attempt-{number}"}
        outputs.append({**template, "metadata": {"cnai": about}})
        outputs.append({**template, "metadata": {"cnai": {**about, "id": f"own-{number}", "turn_id": ""}}})
    for number in range(many):
        name, answer = f"fork-{number}", f"attempt-{number}"
        outputs += [
            {"metadata": build_event_metadata("fork", "main", name=name, answers=[answer], time=later)},
            {"metadata": build_event_metadata("keep", "main", turn_id=turn_id, answer=answer, time=later)},
            {
                "metadata": build_event_metadata(
                    "keep", "main", turn_id=turn_id, answer=f"no-{number}", time=later
                )
            },
            {"metadata": build_event_metadata("drop", name, turn_id=turn_id, time=later)},
            {"metadata": {"cnai": {"schema": 2, "event": "use", "conversation": "\x1b"}}},
        ]
    restored = restore([SavedCell("a", "", outputs)])
    turns = restored.conversations["main"].turns
    assert len(turns) == many + 1
    assert max(len(turn.attempts) for turn in turns) == many
    every = (turn for each in restored.conversations.values() for turn in each.turns + each.taken_out)
    assert sum(len(turn.attempts) for turn in every) < 20_000
    assert len(restored.notes) == 21
    assert restored.notes[-1].endswith("more of the kind")


# -- into a kernel that has asked already ---------------------------------------------------------


def test_a_kernel_that_has_asked_nothing_takes_all_over(document: Document) -> None:
    document.command("x", "fork plan")
    kernel = Conversations()
    merge(kernel, document.restored())
    assert kernel.current == "plan"
    assert [each.name for each in kernel] == ["main", "plan"]
    assert told(kernel["main"]) == told(document.session.conversations["main"])


def test_by_its_former_name_a_renamed_conversation_is_found_again(document: Document) -> None:
    document.command("x", "rename talk")
    kernel = Conversations()
    merge(kernel, document.restored())
    assert [each.name for each in kernel] == ["talk"]
    assert kernel["main"] is kernel["talk"]


def test_what_a_kernel_did_by_a_former_name_stays(document: Document) -> None:
    document.command("x", "rename talk")
    document.command("y", "new plan")
    kernel = Conversations()
    kernel["main"].system = "Be brief."
    merge(kernel, document.restored())
    assert [each.name for each in kernel] == ["main", "talk", "plan"]


def test_a_cell_that_was_run_before_the_restore_keeps_its_new_answer_and_gets_the_former_ones(
    document: Document,
) -> None:
    kernel = Conversations()
    new = attempt("new answer", prompt="question b, new", id="new", started=_BEGIN + timedelta(hours=1))
    kernel["main"].record(CellPosition("b"), new)
    kernel["main"].record(
        CellPosition("z"), attempt("new answer", prompt="question z", id="newer", started=new.reply.started)
    )
    merge(kernel, document.restored())
    main = kernel["main"]
    assert [turn.reply.prompt for turn in main.turns] == [
        "question a",
        "question b, new",
        "question c",
        "question z",
    ]
    assert [(each.number, each.reply.prompt) for each in main.turns[1].attempts] == [
        (1, "question b"),
        (2, "question b, new"),
    ]


def test_a_fork_that_comes_back_is_one_of_the_conversation_in_the_kernel(document: Document) -> None:
    """The conversation of the start is there before: run again in the fork, a cell must leave it as it is."""
    document.command("x", "fork plan")
    kernel = Conversations()
    merge(kernel, document.restored())
    answer = attempt("otherwise", id="other", conversation="plan", started=_BEGIN + timedelta(hours=1))
    kernel["plan"].record(CellPosition("b"), answer)
    kernel.end_of_cell("b", [("plan", CellPosition("b"))])
    assert [turn.reply.prompt for turn in kernel["main"].turns] == ["question a", "question b", "question c"]
    assert kernel["plan"].is_fork_of(kernel["main"])


def test_turns_that_are_older_than_the_notebook_come_first(document: Document) -> None:
    """Such as those of a conversation that was imported again, and had gone on in this notebook."""
    kernel = Conversations()
    for number, prompt in enumerate(("imported", "and more")):
        old = attempt("yes", prompt=prompt, id=prompt, first_run=_BEGIN - timedelta(days=2 - number))
        kernel["main"].record(CellPosition(), old)
    merge(kernel, document.restored())
    assert [turn.reply.prompt for turn in kernel["main"].turns] == [
        "imported",
        "and more",
        "question a",
        "question b",
        "question c",
    ]


def test_a_turn_that_was_taken_out_here_stays_out_where_the_notebook_tells_of_it(document: Document) -> None:
    session = KernelSession(Cnai())
    session.cells.restore(document.restored())
    session.conversations["main"].drop(2)
    document.command("x", "drop 2")
    session.cells.restore(document.restored())
    assert [turn.reply.prompt for turn in session.conversations["main"].turns] == ["question a", "question c"]


def test_a_turn_that_its_cell_let_go_of_does_not_come_back(document: Document) -> None:
    session = KernelSession(Cnai())
    session.cells.restore(document.restored())
    session.conversations["main"].detach("b", [])
    session.cells.restore(document.restored())
    assert [turn.reply.prompt for turn in session.conversations["main"].turns] == ["question a", "question c"]


def test_to_restore_twice_changes_nothing(document: Document) -> None:
    session = KernelSession(Cnai())
    for _ in range(2):
        session.cells.restore(document.restored())
    assert told(session.conversations["main"]) == told(document.session.conversations["main"])
    assert session.book.get_before().requests == 3
    assert session.book.get_total() == Spend()


def test_to_restore_what_the_kernel_itself_asked_charges_nothing_twice(document: Document) -> None:
    session = document.session
    restored = document.restored()
    session.book.add(restored.charges)
    session.cells.restore(restored)
    assert session.book.get_before() == Spend()
    assert told(session.conversations["main"]) == told(document.session.conversations["main"])
