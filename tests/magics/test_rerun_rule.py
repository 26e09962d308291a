"""The re-run rule in full: random notebooks, compared step by step with a simple model of the rule.

The model knows nothing of the product: a conversation is a list of `_Turn`, each a cell, which question of
it, and its attempts. It is told what a person does, and says what must be sent and what must be left.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from random import Random
from typing import Any, NamedTuple

import pytest
from hypothesis import Phase, given

from cnai_magic.chat.attempt import Attempt
from cnai_magic.chat.cell_run import CellRun
from cnai_magic.chat.conversation import CellPosition
from cnai_magic.chat.reply import Reply
from cnai_magic.errors import InputError, ServerError
from cnai_magic.magics.chat_commands import run_chat_command
from cnai_magic.redaction import ApiKey
from cnai_magic.session.kernel_session import KernelSession
from cnai_magic.settings import Cnai
from tests.options import options_of
from tests.properties import random_examples, random_steps
from tests.servers import KEY, ScriptedServer, completion, failure, json_response

# -- the model ----------------------------------------------------------------------------------


@dataclass
class _Turn:
    cell: str | None
    index_in_cell: int
    attempts: list[str]
    rank: tuple[int, int]
    by: str | None = None
    chosen: bool = False
    current: int = 0
    asked_in: dict[str, int] = field(default_factory=dict)

    def is_at(self, cell: str | None, index_in_cell: int) -> bool:
        return self.cell is not None and (self.cell, self.index_in_cell) == (cell, index_in_cell)

    @property
    def prompt(self) -> str:
        return self.attempts[self.current]


@dataclass
class _Chat:
    family: int
    origin: str = ""
    made: int = 0
    turns: list[_Turn] = field(default_factory=list)
    away: list[_Turn] = field(default_factory=list)
    begun: tuple[str, int] | None = None

    def all_of(self, cell: str | None) -> list[_Turn]:
        return [turn for turn in (*self.turns, *self.away) if cell is not None and turn.cell == cell]


class _Refused(Exception):
    """The model says that this cannot be done, and so changes nothing."""


class _Model:
    """The rule as DESIGN tells it."""

    def __init__(self) -> None:
        self.chats = {"main": _Chat(0)}
        self.current = "main"
        self.families = 0
        self.clock = 0

    def ask(self, cell: str | None, index_in_cell: int, question: _Question, appends: bool) -> _Asked:
        """Say what is sent, and where the answer will stand."""
        self.clock += 1
        if question.once:
            return _Asked(None, 0, [], (0, 0))
        again = cell is not None and not appends
        name = self._chosen(cell, index_in_cell, question, appends)
        chat = self.chats.get(name, _Chat(-1))
        rank = self.clock
        if again:
            of_cell = [turn.rank[0] for chat_ in self.chats.values() for turn in chat_.all_of(cell)]
            own = [turn.rank[0] for turn in chat.all_of(cell)]
            rank = min(own or of_cell or [rank])
        spot = (rank, index_in_cell if cell is not None else 0)
        if again:
            standing = [turn for turn in chat.all_of(cell) if turn.index_in_cell == index_in_cell]
            spot = standing[0].rank if standing else spot
        before = [turn for turn in chat.turns if turn.rank < spot]
        return _Asked(name, len(before), [turn.prompt for turn in before], spot)

    def _chosen(self, cell: str | None, index_in_cell: int, question: _Question, appends: bool) -> str:
        if question.new:
            for name, chat in self.chats.items():
                # By its name, any question of the cell that began it goes on in it.
                begun = chat.begun or (None, 0)
                is_own = begun[0] == cell if question.chat else begun == (cell, index_in_cell)
                if cell is not None and not appends and is_own and question.chat in ("", name):
                    return name
            return self._fresh(question.chat)
        again = self._again(cell, index_in_cell, appends)
        if not question.chat:
            return again
        chat = self.chats.get(question.chat)
        turns = chat.turns if chat and not appends else []
        turns = [turn for turn in turns if turn.is_at(cell, index_in_cell)]
        took_over = turns and turns[0].chosen and self._is_fork_of(again, question.chat)
        return again if took_over else question.chat

    def _again(self, cell: str | None, index_in_cell: int, appends: bool) -> str:
        """Return the conversation that a question without options is asked in."""

        def turns_in(turns: list[_Turn]) -> list[_Turn]:
            if cell is None:
                return []
            if appends:
                return [turn for turn in turns if turn.by == cell]
            return [turn for turn in turns if turn.is_at(cell, index_in_cell)]

        holding = [name for name, chat in self.chats.items() if turns_in(chat.turns)]
        holding = holding or [name for name, chat in self.chats.items() if turns_in(chat.away)]
        if not holding or self.current in holding:
            return self.current
        for name in holding:
            made = self._made_after(self.current, name)
            turns = turns_in([*self.chats[name].turns, *self.chats[name].away])
            if made and any(turn.rank[0] < made for turn in turns):
                return self.current
        asked = {
            name: max(
                (
                    turn.asked_in.get(name, 0)
                    for turn in turns_in([*self.chats[name].turns, *self.chats[name].away])
                ),
                default=0,
            )
            for name in holding
        }
        return max(holding, key=lambda name: asked[name])

    def _is_fork_of(self, name: str, origin: str) -> bool:
        return self._made_after(name, origin) > 0

    def _made_after(self, name: str, origin: str) -> int:
        """Return when the fork of `origin` was made that `name` is or came from, 0 if it did not."""
        while self.chats[name].origin:
            if self.chats[name].origin == origin:
                return self.chats[name].made
            name = self.chats[name].origin
        return 0

    def _fresh(self, name: str = "") -> str:
        if name in self.chats:
            raise _Refused
        number = len(self.chats) + 1
        while f"chat-{number}" in self.chats:
            number += 1
        return name or f"chat-{number}"

    def answered(
        self,
        asked: _Asked,
        cell: str | None,
        index_in_cell: int,
        question: _Question,
        appends: bool,
        prompt: str,
    ) -> None:
        if asked.chat is None:
            return
        spot = None if appends else cell
        chat = self.begin(asked.chat)
        if question.new:
            # What appends is asked anew each time: only the name leads back to it.
            chat.begun = None if cell is None else (cell, -1 if appends else index_in_cell)
            self.current = asked.chat

        turn = next((each for each in chat.turns if each.is_at(spot, index_in_cell)), None)
        if turn is None:
            new = _Turn(spot, index_in_cell if spot else 0, [], asked.rank, cell)
            turn = next((each for each in chat.away if each.is_at(spot, index_in_cell)), new)
            chat.away = [each for each in chat.away if not each.is_at(spot, index_in_cell)]
            chat.turns.insert(asked.index, turn)
        turn.attempts.append(prompt)
        turn.asked_in[asked.chat] = self.clock
        turn.chosen = bool(question.chat)
        turn.current = len(turn.attempts) - 1

    def begin(self, name: str) -> _Chat:
        if name not in self.chats:
            self.families += 1
            self.chats[name] = _Chat(self.families)
        return self.chats[name]

    def end(self, cell: str, asked: list[tuple[str, int]]) -> None:
        """Let go of what a cell, all of which ran and was answered, no longer asks."""
        families = {self.chats[name].family for name, _ in asked}
        in_use = self.chats[self.current].family
        for name, chat in self.chats.items():
            asks_here = any(each == name for each, _ in asked)
            if not asks_here:
                if chat.family in families:
                    continue  # a fork, or what it was forked from
                if chat.family == in_use and name != self.current:
                    continue
            own = [each for each in chat.turns if each.cell == cell]
            gone = [each for each in own if (name, each.index_in_cell) not in asked]
            chat.turns = [each for each in chat.turns if each not in gone]
            chat.away += gone

    # -- commands

    def turn(self, number: int) -> _Turn:
        turns = self.chats[self.current].turns
        if not 1 <= number <= len(turns):
            raise _Refused
        return turns[number - 1]

    def undo(self) -> None:
        self.drop(len(self.chats[self.current].turns))

    def drop(self, number: int) -> None:
        turn = self.turn(number)
        chat = self.chats[self.current]
        chat.turns.remove(turn)
        if turn.cell is not None:
            chat.away.append(turn)

    def keep(self, number: int, attempt: int) -> None:
        turn = self.turn(number)
        if not 1 <= attempt <= len(turn.attempts):
            raise _Refused
        turn.current = attempt - 1

    def use(self, name: str) -> None:
        if name not in self.chats:
            raise _Refused
        self.current = name

    def new(self, name: str) -> None:
        self.current = self._fresh(name)
        self.begin(self.current)

    def fork(self, name: str, at: int | None) -> None:
        name = self._fresh(name)
        if at:
            self.turn(at)
        chat = self.chats[self.current]
        self.clock += 1
        turns = copy.deepcopy(chat.turns)
        left = [turn for turn in turns[len(turns[:at]) :] if turn.cell is not None]
        self.chats[name] = _Chat(chat.family, self.current, self.clock, turns[:at], left)
        self.current = name


class _Asked(NamedTuple):
    chat: str | None
    index: int
    before: list[str]
    rank: tuple[int, int]


# -- what a person does -------------------------------------------------------------------------


class _Question(NamedTuple):
    """One question of a cell: how it ends ("answered", "failed" in a try, "raised"), and its options."""

    ends: str = "answered"
    once: bool = False
    append: bool = False
    new: bool = False
    chat: str = ""


class _Run(NamedTuple):
    """One run of a cell; `breaks` tells that its last line raises."""

    cell: str | None
    questions: Sequence[_Question]
    breaks: bool = False


_COMMANDS: list[Callable[[Random], str]] = [
    lambda chance: "undo",
    lambda chance: f"drop {chance.randint(0, 5)}",
    lambda chance: f"versions {chance.randint(0, 5)} --keep {chance.randint(0, 5)}",
    lambda chance: "fork " + chance.choice(["", "p", "f", "g"]),
    lambda chance: f"fork {chance.choice(['', 'f', 'g'])} --at {chance.randint(0, 5)}",
    lambda chance: "use " + chance.choice(["main", "main", "p", "f", "g", "chat-2"]),
    lambda chance: "new " + chance.choice(["", "p", "q"]),
    lambda chance: "on_rerun " + chance.choice(["append", "replace", "replace"]),
]


def _question(chance: Random) -> _Question:
    kind = chance.choice(["plain", "plain", "once", "other"])
    if kind != "other":
        return _Question(once=kind == "once")
    return _Question(
        chance.choice(["answered", "answered", "answered", "failed", "raised"]),
        append=chance.random() < 0.25,
        new=chance.random() < 0.25,
        chat=chance.choice(["", "", "", "main", "p", "q", "chat-2"]),
    )


def _step(chance: Random) -> _Run | str:
    if chance.random() < 0.4:
        return chance.choice(_COMMANDS)(chance)
    questions = [_question(chance) for _ in range(chance.randint(0, 4))]
    return _Run(chance.choice([*"abcdabcd", None]), questions, chance.random() < 0.125)


_STEPS = random_steps(_step, 5, 12)


def _command_of_the_model(model: _Model, line: str) -> None:
    name, *words = line.split()
    numbers = [int(word) for word in words if word.isdigit()]
    if name == "undo":
        model.undo()
    elif name == "drop":
        model.drop(numbers[0])
    elif name == "versions":
        model.keep(*numbers)
    elif name == "fork":
        named = [word for word in words if word not in ("--at", *map(str, numbers))]
        model.fork(named[0] if named else "", numbers[0] if numbers else None)
    elif name == "use":
        model.use(words[0])
    else:
        model.new(words[0] if words else "")


# -- both together ------------------------------------------------------------------------------

# Asks, or fails to; returns the contents of the messages that were sent, and the answer.
_Answer = Callable[[KernelSession, str, CellPosition, dict[str, Any], bool], tuple[list[str], Attempt | None]]


class _Notebook:
    """Does each step with a session and with the model, and compares them."""

    def __init__(self, session: KernelSession, answer: _Answer) -> None:
        self.session = session
        self.model = _Model()
        self._answer = answer
        self._appends = False
        self._count = 0

    def do(self, step: _Run | str) -> None:
        if isinstance(step, _Run):
            self._run(step)
        elif step.startswith("on_rerun"):
            self._appends = step.endswith("append")
            self.session.settings.on_rerun = step.split()[1]
        else:
            self._command(step)
        self._compare()

    def _command(self, line: str) -> None:
        try:
            _command_of_the_model(self.model, line)
        except _Refused:
            with pytest.raises(InputError):
                run_chat_command(self.session, line, lambda: None)
        else:
            run_chat_command(self.session, line, lambda: None)

    def _run(self, step: _Run) -> None:
        run = CellRun(object(), step.cell)
        asked: list[tuple[str, int]] = []
        complete = True
        for index_in_cell, question in enumerate(step.questions):
            name = self._ask(run, step.cell, index_in_cell, question)
            if name is None and question.ends != "failed":
                return  # it raised, and nothing after it ran
            complete = complete and name is not None
            asked += [(name, index_in_cell)] if name else []
        if step.breaks:
            return
        self.session.cells.end_of_run(run)
        if complete and step.cell is not None:
            self.model.end(step.cell, asked)

    def _ask(self, run: CellRun, cell: str | None, index_in_cell: int, question: _Question) -> str | None:
        """Ask; return the conversation, "" where it is outside of any, and None where there is no answer."""
        self._count += 1
        prompt = f"question {self._count}"
        position = run.ask()
        options = {name: getattr(question, name) for name in ("once", "append", "new", "chat")}
        appends = question.append or self._appends
        try:
            expected = self.model.ask(cell, index_in_cell, question, appends)
        except _Refused:
            with pytest.raises(InputError, match="already"):
                self.session.prepare(prompt, options_of(options), position=position)
            return None
        sent, attempt = self._answer(self.session, prompt, position, options, question.ends == "answered")
        before = [text for each in expected.before for text in (each, f"answer to {each}")]
        assert sent == [*before, prompt]
        if attempt is None:
            return None
        self.model.answered(expected, cell, index_in_cell, question, appends, prompt)
        run.answer("" if question.once else attempt.conversation, position)
        if expected.chat is None:
            assert attempt.turn == 0
            return ""
        turns = self.model.chats[expected.chat].turns
        turn = turns[expected.index]
        placed = (attempt.conversation, attempt.turn, attempt.number)
        assert placed == (expected.chat, expected.index + 1, len(turn.attempts))
        assert attempt.stale_below == len(turns) - expected.index - 1
        return expected.chat

    def _compare(self) -> None:
        conversations = self.session.conversations
        assert conversations.current == self.model.current
        assert [each.name for each in conversations] == list(self.model.chats)
        for conversation in conversations:
            chat = self.model.chats[conversation.name]
            assert [_seen(turn) for turn in conversation.turns] == [_expected(turn) for turn in chat.turns]
            away = sorted(_seen(turn) for turn in conversation.detached.values())
            assert away == sorted(_expected(turn) for turn in chat.away)
            identifiers = [turn.id for turn in (*conversation.turns, *conversation.detached.values())]
            assert len(set(identifiers)) == len(identifiers)


def _seen(turn: Any) -> tuple[str, int, list[str], str]:
    assert [each.number for each in turn.attempts] == list(range(1, len(turn.attempts) + 1))
    assert {each.turn_id for each in turn.attempts} == {turn.id}
    prompts = [each.reply.prompt for each in turn.attempts]
    # Of one that is not asked again, where it was asked means nothing.
    if not turn.position.is_asked_again:
        return "", 0, prompts, turn.reply.prompt
    return turn.position.cell, turn.position.index_in_cell, prompts, turn.reply.prompt


def _expected(turn: _Turn) -> tuple[str, int, list[str], str]:
    return turn.cell or "", turn.index_in_cell, turn.attempts, turn.prompt


# -- the tests ----------------------------------------------------------------------------------

_BEGINNING = datetime(2026, 1, 1, tzinfo=timezone.utc)


def _unsent(
    session: KernelSession, prompt: str, position: CellPosition, options: dict[str, Any], answered: bool
) -> tuple[list[str], Attempt | None]:
    """Do all that a session does with a question, but for the request: a socket is too slow for thousands."""
    question = session.prepare(prompt, options_of(options), position=position)
    sent = [message.content for message in question.request.messages]
    if not answered:
        return sent, None
    number = int(prompt.split()[-1])
    started = _BEGINNING + timedelta(seconds=number)
    attempt = Attempt(
        Reply(f"answer to {prompt}", prompt, "m", started=started),
        question.conversation.name,
        index_in_cell=question.position.index_in_cell,
        first_run=question.first_run,
        chosen=bool(options["chat"]),
    )
    return sent, attempt if question.options.once else session._recorder._record(question, attempt)


@random_examples(200, phases=[Phase.generate])
@given(_STEPS)
def test_any_sequence_of_runs_and_commands_follows_the_rule(steps: list[_Run | str]) -> None:
    session = KernelSession(
        Cnai(base_url="http://127.0.0.1:9/v1", model="m", prices={"m": (1, 2)}, ledger="off")
    )
    session.use_key(ApiKey(KEY))
    notebook = _Notebook(session, _unsent)
    for step in steps:
        notebook.do(step)


def test_the_same_rule_holds_where_questions_are_really_sent() -> None:
    with ScriptedServer() as server:

        def sent(
            session: KernelSession,
            prompt: str,
            position: CellPosition,
            options: dict[str, Any],
            answered: bool,
        ) -> tuple[list[str], Attempt | None]:
            text = f"answer to {prompt}"
            server.reply(json_response(completion(text)) if answered else failure(500, "server_error"))
            if answered:
                session.ask(prompt, options_of({"stream": False, **options}), position=position)
            else:
                with pytest.raises(ServerError):
                    session.ask(prompt, options_of({"stream": False, **options}), position=position)
            attempt = session.latest_attempt if answered else None
            return [each["content"] for each in server.requests[-1].json()["messages"]], attempt

        @random_examples(50, phases=[Phase.generate])
        @given(_STEPS)
        def follows_the_rule(steps: list[_Run | str]) -> None:
            session = KernelSession(
                Cnai(base_url=server.base_url, model="m", prices={"m": (1, 2)}, ledger="off", retries=0)
            )
            session.use_key(ApiKey(KEY))
            try:
                notebook = _Notebook(session, sent)
                for step in steps:
                    notebook.do(step)
            finally:
                session.close()

        follows_the_rule()
        assert len(server.requests) > 150
