from __future__ import annotations

from cnai_magic.chat.attempt import Attempt
from cnai_magic.chat.cell_run import CellRun
from cnai_magic.chat.conversation import CellPosition
from cnai_magic.chat.conversations import Conversations
from cnai_magic.chat.reply import Reply


def answered(run: CellRun, conversations: Conversations, prompt: str, name: str = "") -> CellPosition:
    """Ask and answer a question in a run of a cell."""
    position = run.ask()
    conversation = conversations[name or conversations.current]
    conversation.record(position, Attempt(Reply(f"answer to {prompt}", prompt, "m")))
    run.answer(conversation.name, position)
    return position


def prompts(conversations: Conversations, name: str = "main") -> list[str]:
    return [turn.reply.prompt for turn in conversations[name].turns]


def two_questions() -> Conversations:
    conversations = Conversations()
    run = CellRun(1, "a")
    answered(run, conversations, "a0")
    answered(run, conversations, "a1")
    run.end(conversations)
    return conversations


def test_the_questions_of_a_run_are_counted_from_0() -> None:
    run = CellRun(1, "a")
    assert run.position == CellPosition("a", 0), "to look at the next place counts nothing"
    assert [run.ask() for _ in range(3)] == [CellPosition("a", 0), CellPosition("a", 1), CellPosition("a", 2)]


def test_a_run_that_asks_fewer_lets_go_of_the_others() -> None:
    conversations = two_questions()
    run = CellRun(2, "a")
    answered(run, conversations, "a0 again")
    run.end(conversations)
    assert prompts(conversations) == ["a0 again"]


def test_a_run_that_asks_more_puts_them_next_to_its_others() -> None:
    conversations = two_questions()
    answered(CellRun(2, "b"), conversations, "b0")
    run = CellRun(3, "a")
    for number in range(3):
        answered(run, conversations, f"a{number} again")
    run.end(conversations)
    assert prompts(conversations) == ["a0 again", "a1 again", "a2 again", "b0"]


def test_a_question_without_an_answer_lets_go_of_nothing() -> None:
    conversations = two_questions()
    run = CellRun(2, "a")
    run.ask()
    run.end(conversations)
    assert prompts(conversations) == ["a0", "a1"]


def test_a_run_that_asks_nothing_lets_go_of_all() -> None:
    conversations = two_questions()
    CellRun(2, "a").end(conversations)
    assert prompts(conversations) == []


def test_an_answer_outside_of_any_conversation_counts_as_answered() -> None:
    conversations = two_questions()
    run = CellRun(2, "a")
    run.answer("", run.ask())
    answered(run, conversations, "a1 again")
    run.end(conversations)
    assert prompts(conversations) == ["a1 again"]


def test_without_a_cell_id_nothing_is_let_go_of() -> None:
    conversations = two_questions()
    CellRun(2, None).end(conversations)
    assert prompts(conversations) == ["a0", "a1"]


def test_a_run_in_a_fork_leaves_what_it_was_forked_from_alone_and_the_other_way_round() -> None:
    conversations = two_questions()
    conversations.fork("other")
    run = CellRun(2, "a")
    answered(run, conversations, "in the fork")
    run.end(conversations)
    assert (prompts(conversations), prompts(conversations, "other")) == (["a0", "a1"], ["in the fork"])
    conversations.use("main")
    run = CellRun(3, "a")
    answered(run, conversations, "in main")
    run.end(conversations)
    assert (prompts(conversations), prompts(conversations, "other")) == (["in main"], ["in the fork"])


def test_a_run_that_asks_nothing_in_a_fork_lets_go_there_alone() -> None:
    conversations = two_questions()
    conversations.fork("other")
    CellRun(2, "a").end(conversations)
    assert (prompts(conversations), prompts(conversations, "other")) == (["a0", "a1"], [])


def test_a_cell_that_asks_elsewhere_now_is_let_go_of_where_it_asked_before() -> None:
    conversations = two_questions()
    conversations.new("plan")
    run = CellRun(2, "a")
    answered(run, conversations, "in plan")
    run.end(conversations)
    assert (prompts(conversations), prompts(conversations, "plan")) == ([], ["in plan"])


def test_a_cell_that_asks_in_two_conversations_keeps_both() -> None:
    conversations = Conversations()
    conversations.new("plan")
    for number in range(2):
        run = CellRun(number, "a")
        answered(run, conversations, "in main", "main")
        answered(run, conversations, "in plan", "plan")
        run.end(conversations)
    assert (prompts(conversations), prompts(conversations, "plan")) == (["in main"], ["in plan"])
