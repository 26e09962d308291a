"""Answers to one question, side by side: of several models, with several settings, asked several times."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, overload

from ..api.interrupts import defer_interrupts
from ..errors import InputError
from ..money.cost import Cost, write_sum
from ..next_steps import Door, keep_attempt
from ..python_words import PYTHON
from .answers import write_share
from .attempt import Turn, UndecidedTurn
from .compared_answer import ComparedAnswer
from .comparison_text import write_as_markdown, write_as_text
from .expectation import make_expectation
from .json_table import make_frame
from .judging import Judge, JudgeInterrupted, Judgement, JudgeOptions, Score, check_judge_options
from .reply import Reply
from .verdict import Verdict, share_cost

if TYPE_CHECKING:
    from .conversation import KernelConversation

__all__ = ["Comparison", "Retry"]

Retry = Callable[[Sequence[int], Callable[[Sequence[ComparedAnswer], UndecidedTurn], None]], None]
"""Asks again for the answers of these numbers, and hands over what came, also after an interrupt."""


class Comparison(Sequence[ComparedAnswer]):
    """The answers to one question, as `Session.compare` returns them: a sequence of `ComparedAnswer`.

        comparison = session.compare("Name a colour.", models=["deepseek-chat", "qwen-plus"], times=3)
        comparison.to_frame()
        comparison.keep(comparison.best(lambda reply: -len(reply.text)))

    None of them is part of the conversation until one is kept.
    """

    def __init__(
        self,
        answers: Sequence[ComparedAnswer],
        keep: Callable[[UndecidedTurn, str], tuple[KernelConversation, Turn]] | None,
        judge: Judge | None = None,
        turn: UndecidedTurn | None = None,
        retry: Retry | None = None,
    ) -> None:
        self._answers = answers
        self._retry = retry
        self._check: Callable[[ComparedAnswer], ComparedAnswer] | None = None
        self._keep = keep
        self._judge = judge
        self.turn = turn
        """The turn that they will be once one is kept, None for none."""
        self.judgement: Judgement | None = None
        """What came of the judge, and what it cost beside the answers, None without one."""
        self.kept: Reply | None = None
        """The answer that was kept, None before."""
        self.kept_in: tuple[KernelConversation, Turn] | None = None
        """The conversation that it joined, and the turn there, None before."""
        self.when_kept: Callable[[KernelConversation, Turn], None] | None = None
        """Is called when `keep` has let an answer join the conversation."""
        self.door: Door = PYTHON
        """Where the error of a second `keep` is read."""
        self.when_asked: Callable[[], None] | None = None
        """Is called when `retry` has asked again."""
        self.display_id = ""
        """The name of the output that shows it, "" for none."""
        self.is_shown: Callable[[], bool] | None = None
        """Tells whether its cell shows it still: what the notebook does not show is not in a conversation."""

    @overload
    def __getitem__(self, index: int) -> ComparedAnswer: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[ComparedAnswer]: ...

    def __getitem__(self, index: int | slice) -> ComparedAnswer | Sequence[ComparedAnswer]:
        return self._answers[index]

    def __len__(self) -> int:
        return len(self._answers)

    def __iter__(self) -> Iterator[ComparedAnswer]:
        return iter(self._answers)

    @property
    def replies(self) -> list[Reply]:
        """The answers that came, in order."""
        return [each.reply for each in self._answers if each.reply is not None]

    @property
    def cost(self) -> Cost:
        """What all of them cost, requests without a reply included."""
        return sum((each.cost for each in self._answers), Cost(0))

    def best(self, key: Callable[[Reply], float] | str) -> Reply:
        """Return the answer for which `key` is largest, the first of several; "score" is that of a judge.

        Raises InputError where none came, or none has a score.
        """
        if not self.replies:
            raise InputError("there is no answer to choose from", why="each request failed")
        if callable(key):
            return max(self.replies, key=key)
        scores = {id(each.reply): each.score for each in self._answers if each.score is not None}
        if key != "score" or not scores:
            raise InputError(
                f"the answers have no {key!r:.60}",
                why='it is a function of an answer, or "score" of a judge',
                next_step="of the fastest, for example: best(lambda reply: 1 / reply.seconds)",
            )
        judged = [reply for reply in self.replies if id(reply) in scores]
        return max(judged, key=lambda reply: scores[id(reply)])

    def expect(self, expected: object) -> Comparison:
        """Note of each answer whether it is as expected, as `passed`, and return this comparison.

        `expected` is that of `Answers.expect`; a request that failed is not as expected.
        """
        holds = make_expectation(expected)

        def check(answer: ComparedAnswer) -> ComparedAnswer:
            return replace(answer, passed=answer.reply is not None and holds(answer.reply.text, None))

        self._answers = [check(each) for each in self._answers]
        self._check = check
        return self

    def judge(
        self, model: str, rubric: str | None = None, *, parameters: Mapping[str, object] | None = None
    ) -> Comparison:
        """Have a model give each answer a `score` from 1 to 5, with a `reason`, and return this comparison.

        `rubric` says what a good answer is. The judge sees all answers at once, and once more in the other
        order: both `scores` are kept, and said to differ where they do. `parameters` are those of its
        requests, by name. What it costs is counted apart, in `judgement`, which also says what of it failed.
        An answer is data to the judge, whatever it says. Raises InputError where there is no answer.

            comparison.judge("deepseek-chat", "A good name is short and new.").best("score")
        """
        return self.judge_with(JudgeOptions(model, rubric, parameters or {}, fresh=True))

    def judge_with(self, options: JudgeOptions) -> Comparison:
        """Note the scores of a judge, those that came where it is interrupted; see `judge`."""
        if self._judge is None:
            raise InputError("the question to these answers is unknown, so they cannot be judged")
        texts = [None if each.reply is None else each.reply.text for each in self._answers]
        try:
            scores, judgement = self._judge(texts, check_judge_options(options))
        except JudgeInterrupted as interrupted:
            with defer_interrupts():
                self._take_scores(interrupted.scores, interrupted.judgement)
            raise
        self._take_scores(scores, judgement)
        return self

    def _take_scores(self, scores: Sequence[Score | None], judgement: Judgement) -> None:
        self.judgement = judgement
        self._answers = [
            replace(each, score=None, scores=(), reason="")
            if score is None
            else replace(each, score=score.mean, scores=score.scores, reason=score.reason)
            for each, score in zip(self._answers, scores, strict=True)
        ]
        self._keep_verdicts(share_cost(judgement, scores))

    @property
    def can_retry(self) -> bool:
        """Whether `retry` would ask again for some of them."""
        failed = any(each.reply is None for each in self._answers)
        return failed and self._retry is not None and not self.is_decided

    def retry(self) -> Comparison:
        """Ask again for the answers that failed, and only for these, and return this comparison.

        They are asked exactly what they were asked before. What was expected is held against them too; have
        them judged once more, if they were. Raises InputError where one answer is kept already, and for
        answers that a notebook held: what asked for them is not there any more.

            comparison.retry()
        """
        failed = [each.number for each in self._answers if each.reply is None]
        if not failed:
            return self
        if self._retry is None or not self.can_retry:
            error = InputError(
                "one of these answers is in the conversation already"
                if self.is_decided
                else "what asked for these answers is not there any more",
                why="so none of them can be asked for again",
                next_step="ask in all ways once more",
            )
            error.door = self.door
            raise error
        try:
            self._retry(failed, self._take)
        finally:  # what came is there also after an interrupt
            if self.when_asked is not None:
                with defer_interrupts():
                    self.when_asked()
        return self

    def _take(self, answers: Sequence[ComparedAnswer], turn: UndecidedTurn) -> None:
        """Put answers that were asked again into their places; `turn` has the attempts."""
        new = {each.number: each for each in answers}
        self._answers = [
            replace(new[each.number], charged=each.charged + new[each.number].charged)
            if each.number in new
            else each
            for each in self._answers
        ]
        numbers = {each.reply.id: each.number for each in self._answers if each.reply is not None}
        before = () if self.turn is None else self.turn.attempts
        attempts = sorted((*before, *turn.attempts), key=lambda each: numbers[each.id])
        self.turn = replace(self.turn or turn, attempts=tuple(attempts))
        if (check := self._check) is not None:
            self._answers = [check(each) if each.number in new else each for each in self._answers]

    def _keep_verdicts(self, verdicts: Sequence[Verdict | None]) -> None:
        """Let the attempts of the turn, undecided or kept, have what the judge thinks of them."""
        pairs = zip(self._answers, verdicts, strict=True)
        by_id = {each.reply.id: verdict for each, verdict in pairs if each.reply is not None}
        if self.turn is not None:
            attempts = (replace(each, verdict=by_id.get(each.id)) for each in self.turn.attempts)
            self.turn = replace(self.turn, attempts=tuple(attempts))
        if (kept := self._find_kept()) is not None:
            kept.judge(by_id)

    @property
    def share(self) -> float:
        """The part of the answers that are as expected, from 0 to 1."""
        return sum(bool(each.passed) for each in self._answers) / len(self._answers)

    @property
    def is_decided(self) -> bool:
        """Whether one of them is in a conversation: kept, and not taken out of it again."""
        return self._find_kept() is not None

    @property
    def can_keep(self) -> bool:
        """Whether one of them can join the conversation, as far as its cell shows them."""
        return self.is_shown is None or self.is_shown()

    def _find_kept(self) -> Turn | None:
        """Return the turn of which they are attempts now, None where it is in no conversation."""
        if self.kept_in is None:
            return None
        conversation, kept = self.kept_in
        turns = (each for each in (*conversation.turns, *conversation.absent) if each.id == kept.id)
        return next(turns, None)

    def keep(self, answer: int | Reply) -> Reply:
        """Let an answer join the conversation, by its number or itself; the others are its other attempts.

        Raises InputError for another answer, and where one is in the conversation already.
        """
        conversation, turn = self.choose(answer)
        if self.when_kept is not None:
            self.when_kept(conversation, turn)
        return turn.reply

    def choose(self, answer: int | Reply) -> tuple[KernelConversation, Turn]:
        """Let an answer join the conversation, as `keep` does, and say nothing; return where it is now."""
        found = [each.reply for each in self._answers if answer in (each.number, each.reply) and each.reply]
        if not found:
            numbers = ", ".join(str(each.number) for each in self._answers if each.reply is not None)
            raise InputError(
                f"there is no such answer among them: {answer!r:.60}",
                why=f"there are {numbers}",
                next_step="keep one of these",
            )
        if found[0].failed or not found[0].text:
            raise InputError("an empty answer cannot be kept", next_step="keep another one")
        if self._keep is None or not self.can_keep:
            raise InputError(
                "what asked for these answers is not there any more",
                why="so none of them can be kept",
                next_step="ask in all ways once more",
            )
        if self.kept_in is not None and (kept := self._find_kept()) is not None:
            raise self._explain_kept(found[0], self.kept_in[0], kept)
        assert self.turn is not None, "an answer came"
        self.kept_in = self._keep(self.turn, found[0].id)
        self.kept_in[1].display_id = self.display_id
        self.kept = found[0]
        return self.kept_in

    def _explain_kept(self, wanted: Reply, conversation: KernelConversation, turn: Turn) -> InputError:
        """Return the error that an answer was kept already, and how to have the `wanted` one in its place."""
        numbers = [each.number for each in self._answers if each.reply is self.kept]
        attempts = [each.number for each in turn.attempts if each.id == wanted.id]
        can_change = attempts and turn in conversation.turns
        error = InputError(
            "one of these answers is in the conversation already",
            why=f"answer {numbers[0]} was kept",
            next_step=keep_attempt(conversation.name, conversation.turns.index(turn) + 1, attempts[0])
            if can_change
            else "",
        )
        error.door = self.door
        return error

    def to_frame(self) -> Any:
        """Return a DataFrame with a row for each answer, of polars or pandas as `Answers.to_frame` has it."""
        rows = [each.to_dict() for each in self._answers]
        # Of an answer that failed some are not known.
        names = max(rows, key=len)
        return make_frame(
            {name: [row.get(name) for row in rows] for name in names}, "install it, or read the rows"
        )

    def __getstate__(self) -> dict[str, object]:
        # What asks, keeps and shows is of one process.
        hooks = dict.fromkeys(
            ("_keep", "_judge", "_retry", "_check", "when_kept", "when_asked", "is_shown", "kept_in")
        )
        return {**self.__dict__, **hooks, "door": None}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state, door=PYTHON)

    @property
    def summary(self) -> str:
        """Say in one line how many answers there are, and what they cost."""
        failed = len(self) - len(self.replies)
        passed = write_share([each.passed for each in self._answers])
        cost = write_sum((reply.cost, reply.demo) for reply in self.replies)
        if self.replies and all(reply.replayed for reply in self.replies):
            cost = f"replayed, had cost {cost}"
        lost = write_sum((each.charged, each.demo) for each in self._answers if each.charged.nano)
        judged = "" if self.judgement is None else self.judgement.summary
        parts = [
            f"{len(self.replies)} answer{'s' * (len(self.replies) != 1)}",
            f"{failed} failed" if failed else "",
            passed,
            cost,
            f"{lost} without an answer" if lost else "",
            judged,
        ]
        return " · ".join(filter(None, parts))

    def __repr__(self) -> str:
        return f"<Comparison: {self.summary}>"

    def _repr_markdown_(self) -> str:
        return write_as_markdown(self, self.summary)

    def to_text(self) -> str:
        """Return the answers below each other as plain text."""
        return write_as_text(self, self.summary)
