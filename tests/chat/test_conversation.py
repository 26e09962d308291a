from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnai_magic.api.messages import Message
from cnai_magic.api.tokens import estimate_tokens
from cnai_magic.chat.attempt import Attempt
from cnai_magic.chat.context import collect_messages
from cnai_magic.chat.conversation import CellPosition, KernelConversation, Turn
from cnai_magic.chat.conversations import Conversations, Removed
from cnai_magic.chat.forking import fork
from cnai_magic.chat.order import Document
from cnai_magic.chat.reply import Reply
from cnai_magic.errors import InputError
from cnai_magic.magics.cell_words import CELL
from cnai_magic.next_steps import NextStep, list_turns
from cnai_magic.redaction import ApiKey
from tests.properties import Chance, random_examples, random_steps


def ask(
    conversation: KernelConversation, prompt: str, position: CellPosition | None = None, answer: str = ""
) -> list[str]:
    """Ask as a session does, and return the contents of the messages that are sent."""
    position = position or CellPosition()
    messages, _ = collect_messages(conversation.locate(position).above, prompt)
    conversation.record(position, Attempt(Reply(answer or f"answer to {prompt}", prompt, "m")))
    return [message.content for message in messages]


def prompts(conversation: KernelConversation) -> list[str]:
    return [turn.reply.prompt for turn in conversation.turns]


def three_cells() -> KernelConversation:
    conversation = KernelConversation("main")
    for name in "abc":
        ask(conversation, name, CellPosition(name))
    return conversation


# -- the re-run rule ----------------------------------------------------------------------------


def test_a_new_cell_sends_all_turns_before_it() -> None:
    conversation = three_cells()
    sent = ask(conversation, "d", CellPosition("d"))
    assert sent == ["a", "answer to a", "b", "answer to b", "c", "answer to c", "d"]


def test_a_cell_run_again_sends_only_the_turns_before_its_own() -> None:
    assert ask(three_cells(), "b, better", CellPosition("b")) == ["a", "answer to a", "b, better"]


def test_a_cell_run_again_replaces_its_turn_and_later_turns_stay() -> None:
    conversation = three_cells()
    ask(conversation, "b, better", CellPosition("b"))
    assert prompts(conversation) == ["a", "b, better", "c"]


def test_a_later_question_sends_the_replacing_answer_and_not_the_replaced_one() -> None:
    conversation = three_cells()
    ask(conversation, "b", CellPosition("b"), "second answer")
    assert ask(conversation, "d")[2:4] == ["b", "second answer"]


def test_the_replaced_attempt_is_kept_and_the_turn_keeps_its_id() -> None:
    conversation = three_cells()
    before = conversation.turns[1].id
    ask(conversation, "b, better", CellPosition("b"))
    turn = conversation.turns[1]
    assert [attempt.reply.prompt for attempt in turn.attempts] == ["b", "b, better"]
    assert turn.current == 1
    assert {attempt.turn_id for attempt in turn.attempts} == {before} == {turn.id}


def test_the_first_cell_run_again_sends_nothing_but_its_question() -> None:
    assert ask(three_cells(), "a", CellPosition("a")) == ["a"]


def test_a_second_question_of_one_run_is_the_second_turn_of_the_cell() -> None:
    conversation = KernelConversation("main")
    ask(conversation, "first", CellPosition("a", 0))
    ask(conversation, "second", CellPosition("a", 1))
    assert prompts(conversation) == ["first", "second"]
    ask(conversation, "first again", CellPosition("a", 0))
    assert ask(conversation, "second again", CellPosition("a", 1))[0] == "first again"
    assert prompts(conversation) == ["first again", "second again"]


def test_a_new_turn_of_a_cell_stands_beside_the_others_of_the_cell() -> None:
    conversation = three_cells()
    sent = ask(conversation, "a, and more", CellPosition("a", 1))
    assert sent == ["a", "answer to a", "a, and more"]
    assert prompts(conversation) == ["a", "a, and more", "b", "c"]


def test_a_turn_that_was_dropped_comes_back_between_its_neighbours_of_the_cell() -> None:
    conversation = KernelConversation("main")
    for index_in_cell in range(3):
        ask(conversation, str(index_in_cell), CellPosition("a", index_in_cell))
    conversation.drop(2)
    assert ask(conversation, "1 again", CellPosition("a", 1)) == ["0", "answer to 0", "1 again"]
    assert prompts(conversation) == ["0", "1 again", "2"]


def test_a_turn_that_others_separate_from_its_cell_is_found_where_it_stands() -> None:
    # So a restore may leave it: the notebook was saved before the cell asked a second question.
    conversation = KernelConversation("main")
    for position in (CellPosition("a", 0), CellPosition("b"), CellPosition("a", 1)):
        conversation.turns.append(Turn(position, [Attempt(Reply("yes", str(position.index_in_cell), "m"))]))
    assert len(conversation.locate(CellPosition("a", 1)).above) == 2
    assert ask(conversation, "again", CellPosition("a", 1))[:-1] == ["0", "yes", "0", "yes"]
    assert [turn.reply.prompt for turn in conversation.turns] == ["0", "0", "again"]


def test_a_question_that_a_cell_asks_anew_tells_how_many_turns_below_know_nothing_of_it() -> None:
    conversation = three_cells()
    ask(conversation, "a, and more", CellPosition("a", 1))
    assert conversation.turns[1].attempt.stale_below == 2


def test_without_a_cell_id_every_question_appends() -> None:
    conversation = KernelConversation("main")
    for _ in range(3):
        ask(conversation, "same", CellPosition())
    assert prompts(conversation) == ["same"] * 3
    assert all(len(turn.attempts) == 1 for turn in conversation.turns)


def test_a_question_without_a_cell_id_never_stands_before_a_turn() -> None:
    conversation = three_cells()
    assert conversation.turn_at(CellPosition()) is None
    assert len(conversation.locate(CellPosition()).above) == 3


@dataclass
class _Model:
    """The rule in its simplest form: turns in the order in which their cells were first answered."""

    first: dict[str, int] = field(default_factory=dict)
    turns: list[_ModelTurn] = field(default_factory=list)

    def ask(self, cell: str | None, index_in_cell: int, prompt: str) -> list[str]:
        count = len(self.turns)
        rank = count if cell is None else self.first.setdefault(cell, count)
        turn = next((each for each in self.turns if cell and each.position == (cell, index_in_cell)), None)
        if turn is None:
            turn = _ModelTurn((cell, index_in_cell), (rank, index_in_cell if cell else 0))
            self.turns.append(turn)
        turn.attempts.append(prompt)
        turn.sent = True
        return [each.attempts[-1] for each in self.standing[: self.standing.index(turn)]]

    @property
    def standing(self) -> list[_ModelTurn]:
        return sorted((each for each in self.turns if each.sent), key=lambda each: each.rank)


@dataclass(eq=False)
class _ModelTurn:
    position: tuple[str | None, int]
    rank: tuple[int, int]
    attempts: list[str] = field(default_factory=list)
    sent: bool = False


def _make_step(chance: Chance) -> tuple[str, object, int]:
    if chance.flag():
        return "drop", chance.randint(0, 9), 0
    return "ask", chance.choice(["a", "b", "c", "d", None]), chance.randint(0, 3)


@random_examples()
@given(random_steps(_make_step, 0, 25))
def test_any_sequence_of_runs_and_drops_follows_the_rule(steps: list[tuple[str, object, int]]) -> None:
    conversation, model = KernelConversation("main"), _Model()
    for count, (what, where, index_in_cell) in enumerate(steps):
        if what == "drop":
            assert isinstance(where, int)
            if where < len(model.standing):
                model.standing[where].sent = False
                conversation.drop(where + 1)
            continue
        assert where is None or isinstance(where, str)
        prompt = f"question {count}"
        sent = ask(conversation, prompt, CellPosition(where, index_in_cell))
        before = model.ask(where, index_in_cell, prompt)
        assert sent == [text for each in before for text in (each, f"answer to {each}")] + [prompt]
        got = [
            (
                turn.position.cell,
                turn.position.index_in_cell,
                [attempt.reply.prompt for attempt in turn.attempts],
            )
            for turn in conversation.turns
        ]
        assert got == [(*each.position, each.attempts) for each in model.standing]
    assert len({turn.id for turn in conversation.turns}) == len(conversation.turns)


# -- messages -----------------------------------------------------------------------------------


def test_the_system_message_leads_and_an_empty_one_is_not_sent() -> None:
    conversation = three_cells()
    messages, _ = collect_messages(conversation.turns[:1], "d", system="Be brief.")
    assert messages[0] == Message("system", "Be brief.")
    assert [message.role for message in messages] == ["system", "user", "assistant", "user"]
    assert collect_messages(conversation.turns[:0], "d", system="")[0] == (Message("user", "d"),)


def test_reasoning_is_never_sent_back() -> None:
    conversation = KernelConversation("main")
    conversation.record(CellPosition(), Attempt(Reply("42", "how much?", "m", reasoning="hm, let me think")))
    messages, _ = collect_messages(conversation.turns[:1], "why?")
    assert not any("think" in message.content for message in messages)


def test_without_a_limit_all_turns_are_sent() -> None:
    conversation = three_cells()
    messages, omitted_turns = collect_messages(conversation.turns[:3], "d", history_tokens=0)
    assert (len(messages), omitted_turns) == (7, 0)


def test_beyond_history_tokens_the_oldest_whole_turns_are_left_out() -> None:
    conversation = three_cells()
    cost = estimate_tokens("c") + estimate_tokens("answer to c")
    messages, omitted_turns = collect_messages(
        conversation.turns[:3], "d", system="s", history_tokens=2 * cost
    )
    assert [message.content for message in messages] == [
        "s",
        "b",
        "answer to b",
        "c",
        "answer to c",
        "d",
    ]
    assert omitted_turns == 1
    assert collect_messages(conversation.turns[:3], "d", history_tokens=2 * cost - 1)[1] == 2


def test_a_small_old_turn_is_not_sent_across_a_large_one_that_is_left_out() -> None:
    conversation = KernelConversation("main")
    ask(conversation, "tiny", CellPosition("a"), "yes")
    ask(conversation, "huge", CellPosition("b"), "word " * 1000)
    ask(conversation, "tiny too", CellPosition("c"), "no")
    messages, omitted_turns = collect_messages(conversation.turns[:3], "d", history_tokens=100)
    assert [message.content for message in messages] == ["tiny too", "no", "d"]
    assert omitted_turns == 2


@random_examples()
@given(random_steps(lambda chance: chance.text(60), 0, 12), st.integers(min_value=1, max_value=200))
def test_what_is_left_out_is_the_fewest_oldest_turns(texts: list[str], limit: int) -> None:
    conversation = KernelConversation("main")
    for text in texts:
        conversation.record(CellPosition(), Attempt(Reply(text, text, "m")))
    costs = [2 * estimate_tokens(text) for text in texts]
    messages, omitted_turns = collect_messages(conversation.turns, "now", history_tokens=limit)
    assert len(messages) == 2 * (len(texts) - omitted_turns) + 1
    assert sum(costs[omitted_turns:]) <= limit
    if omitted_turns:
        assert sum(costs[omitted_turns - 1 :]) > limit


# -- turns and conversations --------------------------------------------------------------------


def test_a_turn_is_dropped_by_its_number() -> None:
    conversation = three_cells()
    assert conversation.drop(2).reply.prompt == "b"
    assert prompts(conversation) == ["a", "c"]


def test_dropping_one_of_two_turns_that_look_alike_drops_that_one() -> None:
    conversation = KernelConversation("main")
    first, second = (
        conversation.record(CellPosition(), Attempt(Reply("yes", "same", "m"))) for _ in range(2)
    )
    assert conversation.drop(2) is second
    assert conversation.turns[0] is first


@pytest.mark.parametrize("number", [0, -1, 4, 10**9])
def test_a_turn_that_is_not_there_is_an_error_that_counts_them(number: int) -> None:
    with pytest.raises(InputError) as caught:
        three_cells().drop(number)
    assert "3 turns" in caught.value.why
    assert caught.value.next_step == NextStep.of(list_turns())


def test_there_is_a_conversation_from_the_start() -> None:
    conversations = Conversations()
    assert [each.name for each in conversations] == ["main"]
    assert conversations[conversations.current].turns == []


def test_a_draft_is_not_among_the_conversations_until_it_is_added() -> None:
    conversations = Conversations()
    draft = conversations.draft("plan")
    assert "plan" not in conversations
    conversations.add(draft)
    assert conversations["plan"] is draft


def test_unnamed_drafts_are_numbered_past_the_names_in_use() -> None:
    conversations = Conversations()
    conversations.new("chat-3")
    assert conversations.draft().name == "chat-4"
    conversations.new("chat-4")
    assert conversations.draft().name == "chat-5"
    assert Conversations().draft().name == "chat-2"


def test_new_begins_a_conversation_and_use_goes_on_in_one() -> None:
    conversations = Conversations()
    plan = conversations.new("plan")
    assert conversations.current == "plan"
    conversations.use("main")
    assert conversations.use("plan") is plan


def test_add_does_not_take_the_place_of_a_conversation_that_is_there() -> None:
    conversations = Conversations()
    main = conversations["main"]
    conversations.add(KernelConversation("main"))
    assert conversations["main"] is main


def test_a_second_draft_of_a_name_in_use_says_how_to_continue_it() -> None:
    with pytest.raises(InputError) as caught:
        Conversations().draft("main")
    assert caught.value.next_step.at(CELL) == "choose another name, or continue it with %cnai_chat use main"


def test_a_conversation_is_not_called_by_an_api_key() -> None:
    ApiKey("sk-never-a-name-0123")
    for name in ("sk-never-a-name-0123", "x-never-a-name-0123"):
        with pytest.raises(InputError, match="your API key"):
            Conversations().draft(name)
        with pytest.raises(InputError, match="your API key"):
            Conversations().rename("", name)


@pytest.mark.parametrize(
    "name",
    ["two words", "-dash", "tab\there", "line\nbreak", " led", "\x1b[2J", "\u202e", "\ud83d", "x" * 201],
)
def test_a_name_is_one_printable_word(name: str) -> None:
    conversations = Conversations()
    with pytest.raises(InputError):
        conversations.new(name)
    assert conversations.current == "main"


def test_an_unknown_conversation_names_the_nearest_one() -> None:
    conversations = Conversations()
    conversations.new("planning")
    with pytest.raises(InputError) as caught:
        conversations.use("planing")
    assert "planning" in caught.value.why
    with pytest.raises(InputError) as caught:
        conversations["zzz"]
    assert "main, planning" in caught.value.why


def test_a_name_that_is_too_long_is_shown_in_part() -> None:
    with pytest.raises(InputError) as caught:
        Conversations().use("x" * 10**6)
    assert len(str(caught.value)) < 300


def test_a_conversation_without_turns_says_so() -> None:
    with pytest.raises(InputError) as caught:
        KernelConversation("plan").turn(1)
    assert caught.value.why == "it has no turns"


# -- forks, attempts ----------------------------------------------------------------------------


def test_a_fork_begins_with_the_turns_up_to_one_and_goes_its_own_way() -> None:
    conversations = Conversations()
    for name in "abc":
        ask(conversations["main"], name, CellPosition(name))
    conversations["main"].system = "Be brief."
    fork, _ = conversations.fork("other", 2)
    assert (conversations.current, fork.system, prompts(fork)) == ("other", "Be brief.", ["a", "b"])
    assert ask(fork, "b, better", CellPosition("b")) == ["a", "answer to a", "b, better"]
    fork.drop(1)
    assert prompts(fork) == ["b, better"]
    assert prompts(conversations["main"]) == ["a", "b", "c"]
    assert len(conversations["main"].turns[1].attempts) == 1


def test_a_fork_that_is_made_again_has_a_turn_once_that_its_cell_asks_no_more() -> None:
    conversations = Conversations()
    origin, by = conversations.in_use, CellPosition("fork", kind="command")
    conversations.arrange(Document({"a": 1, "fork": 2}, source="page"))
    side, _ = conversations.fork("side", by=by)
    ask(origin, "a", CellPosition("a"))
    conversations.fork("side", by=by)
    assert prompts(side) == ["a"]
    side.detach("a", [])
    conversations.fork("side", by=by)
    assert [turn.reply.prompt for turn in side.every_turn] == ["a"]


@pytest.mark.parametrize(("at", "count"), [(None, 3), (0, 0), (1, 1), (3, 3)])
def test_a_fork_keeps_so_many_turns(at: int | None, count: int) -> None:
    assert len(fork(three_cells(), "other", at).turns) == count


@pytest.mark.parametrize("at", [-1, 4, 999])
def test_a_fork_at_a_turn_that_is_not_there_is_an_error_and_begins_nothing(at: int) -> None:
    conversations = Conversations()
    for name in "abc":
        ask(conversations["main"], name, CellPosition(name))
    with pytest.raises(InputError, match="no turn"):
        conversations.fork("other", at)
    assert ([each.name for each in conversations], conversations.current) == (["main"], "main")


def test_an_attempt_that_is_kept_is_the_one_that_is_sent_and_the_next_one_takes_its_place() -> None:
    conversation = three_cells()
    ask(conversation, "b, better", CellPosition("b"), "better")
    conversation.turns[1].keep(1)
    assert ask(conversation, "d")[2:4] == ["b", "answer to b"]
    ask(conversation, "b, best", CellPosition("b"), "best")
    assert [each.number for each in conversation.turns[1].attempts] == [1, 2, 3]
    assert conversation.turns[1].reply.text == "best"


@pytest.mark.parametrize("attempt", [0, -1, 3, 10**9])
def test_an_attempt_that_is_not_there_is_an_error_that_names_those_there_are(attempt: int) -> None:
    conversation = three_cells()
    ask(conversation, "b, better", CellPosition("b"))
    with pytest.raises(InputError) as caught:
        conversation.turns[1].keep(attempt)
    assert caught.value.why == "it has 1, 2"
    assert conversation.turns[1].reply.prompt == "b, better"


def test_the_other_attempts_that_an_output_keeps_are_the_latest_and_not_too_long() -> None:
    conversation = KernelConversation("main")
    for number in range(5):
        turn = conversation.record(CellPosition("a"), Attempt(Reply("x" * 90_000, str(number), "m")))
    assert [each.reply.prompt for each in turn.list_others(10)] == ["2", "3"]
    assert [each.reply.prompt for each in turn.list_others(1)] == ["3"]
    turn.keep(2)
    assert [each.reply.prompt for each in turn.list_others(10)] == ["3", "4"]
    assert turn.list_others(0) == ()


def test_an_answer_that_is_reinstated_has_its_number_and_its_other_attempts_again() -> None:
    first = Attempt(Reply("one", "a", "m"))
    second = Attempt(Reply("two", "a, better", "m"), number=2, turn_id="t")
    conversation = KernelConversation("main")
    for _ in range(2):
        turn = conversation.reinstate(CellPosition("a"), replace(second, others=(first,)))
        assert [each.reply.text for each in turn.attempts] == ["one", "two"]
        assert (turn.reply.text, turn.attempt.number, turn.id, turn.attempt.others) == ("two", 2, "t", ())
    assert len(conversation.turns) == 1
    assert conversation.record(CellPosition("a"), Attempt(Reply("three", "a", "m"))).attempt.number == 3


# -- what the notebook's file holds -------------------------------------------------------------


def test_saved_answers_are_earlier_attempts_of_whoever_asks_there_again_and_are_not_sent() -> None:
    saved = three_cells().turns[1].attempt
    conversation = KernelConversation("main")
    conversation.remember(CellPosition("b"), [saved])
    assert conversation.turns == []
    turn = conversation.record(CellPosition("b"), Attempt(Reply("new", "b, again", "m")))
    assert [(each.number, each.reply.prompt) for each in turn.attempts] == [(1, "b"), (2, "b, again")]
    assert (turn.id, turn.reply.prompt) == (saved.turn_id, "b, again")


def test_saved_answers_of_a_known_turn_another_place_or_another_conversation_are_no_attempts() -> None:
    conversation = three_cells()
    saved = conversation.turns[1].attempt
    for position in (CellPosition("b"), CellPosition("copy"), CellPosition("new", 1), CellPosition()):
        conversation.remember(position, [saved])
    KernelConversation("plan").remember(CellPosition("b"), [saved])
    assert conversation.detached == {}
    assert [len(turn.attempts) for turn in conversation.turns] == [1, 1, 1]


def test_a_turn_that_is_gone_since_the_conversations_began_again_is_noted_as_removed() -> None:
    conversations = Conversations()
    conversation = three_cells()
    conversations.begin_again({"main": conversation}, "main", Removed(turns={"of before"}))
    gone = conversation.turns.pop()
    assert conversations.removed.turns == {"of before", gone.id}
