"""The answers to the rows of a table, as their user holds them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, overload

from ..api.interrupts import Interrupted, defer_interrupts
from ..api.token_usage import Usage
from ..errors import CnaiError, InputError
from ..languages import translate
from ..money.cost import Cost, write_sum
from ..redaction import clean
from .expectation import make_expectation
from .json_table import Cell, make_frame, write_line, write_table
from .judging import Judge, JudgeInterrupted, Judgement, JudgeOptions, Score, check_judge_options
from .markdown import write_cell
from .reply import ENDS

__all__ = ["Answers", "RowAnswer", "RowsInterrupted", "list_first_rows", "translate_headings", "write_share"]

_OWN = ("answer", "tokens", "cost", "ended", "error")
_SHOWN = 20
# A longer answer is shown as text, which can be cut.
_LONGEST_RENDERED = 400


class RowAnswer(NamedTuple):
    """What came of one row: the `answer`, or the `error`.

    `data` is the answer as the schema has it, None without a schema. `cost` is 0 where an equal row before it
    was asked, whose answer this is; `demo` tells that it is demo credit. `row` is the row itself,
    `finish_reason` that of a `Reply`. `passed` says whether it is as expected, None where nothing is; see
    `Answers.expect`. `score`, from 1 to 5, and `reason` are those of a judge; see `Answers.judge`.
    """

    row: Any
    answer: str = ""
    data: Any = None
    usage: Usage = Usage()
    cost: Cost = Cost(0)
    error: CnaiError | None = None
    model: str = ""
    finish_reason: str = ""
    seconds: float = 0.0
    passed: bool | None = None
    demo: bool = False
    score: int | None = None
    reason: str = ""

    @property
    def tokens(self) -> int:
        """The tokens of prompt and answer."""
        return self.usage.total_tokens

    @property
    def ended(self) -> str:
        """How the answer ended, in words; "" where it simply is complete, and where there is an error."""
        if self.error is not None:
            return ""
        if self.finish_reason == "length":
            return "cut at the limit of tokens"
        return ENDS.get(self.finish_reason, "") or ("" if self.answer.strip() else "empty")

    def to_dict(self) -> dict[str, Any]:
        """Return the row of a table: the columns of the row, `answer`, the fields of the schema, the rest.

        `cost` is in USD, None where the model has no price; `ended` and `error` are text, None for none. A
        column of the row that has one of these names is called `row_answer`, and so on.
        """
        fields = self.data if isinstance(self.data, Mapping) else {}
        judged: dict[str, Any] = {} if self.passed is None else {"passed": self.passed}
        if self.score is not None:
            judged |= {"score": self.score, "reason": self.reason}
        own = {*_OWN, *judged}
        taken = {*own, *map(str, fields)}
        given = self.row if isinstance(self.row, Mapping) else {"item": self.row}
        named = {str(name): value for name, value in given.items()}
        nano = self.cost.nano
        return {
            **{(f"row_{name}" if name in taken else name): value for name, value in named.items()},
            "answer": self.answer or None,
            **{(f"data_{name}" if name in own else name): value for name, value in fields.items()},
            **judged,
            "tokens": self.tokens,
            "cost": None if nano is None else nano / 10**9,
            "ended": self.ended or None,
            "error": None if self.error is None else str(self.error),
        }


class Answers(Sequence[RowAnswer]):
    """The answers to rows, in their order: a sequence of `RowAnswer`, as `Session.map` returns it.

        answers = session.map(df, "Is this a complaint? {{ row.text }}", schema="complaint bool")
        answers.to_frame()
        answers = answers.retry()

    `kept` counts the rows whose answers were kept from an earlier run. `spent` is what this run cost, also
    for requests that broke off or were interrupted (None: all of `cost`). `stopped` is the error for which
    rows were left out, None where all were asked, `judgement` what came of a judge, None without one.
    `labels` is the index of the DataFrame that the rows are of.
    """

    def __init__(
        self,
        rows: Sequence[RowAnswer],
        *,
        kept: int = 0,
        spent: Cost | None = None,
        stopped: CnaiError | None = None,
        retry: Callable[[], Answers] | None = None,
        judge: Judge | None = None,
        judgement: Judgement | None = None,
        labels: object = None,
    ) -> None:
        self._rows = rows
        self._labels = labels
        self.kept = kept
        self.spent = spent
        self.stopped = stopped
        self.judgement = judgement
        self._retry = retry
        self._judge = judge

    @overload
    def __getitem__(self, index: int) -> RowAnswer: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[RowAnswer]: ...

    def __getitem__(self, index: int | slice) -> RowAnswer | Sequence[RowAnswer]:
        return self._rows[index]

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[RowAnswer]:
        return iter(self._rows)

    @property
    def failed(self) -> list[RowAnswer]:
        """The rows that have an error."""
        return [each for each in self._rows if each.error is not None]

    @property
    def usage(self) -> Usage:
        """The tokens of all answers."""
        return sum((each.usage for each in self._rows), Usage())

    @property
    def cost(self) -> Cost:
        """What all answers cost, those of earlier runs included."""
        return sum((each.cost for each in self._rows), Cost(0))

    def expect(self, expected: object) -> Answers:
        """Return the same answers, each with `passed`: whether it is as expected; a failed row is not.

        `expected` is a regular expression that is found in the answer, a schema that it fits, or a function
        of its text, or of its text and the row. Raises InputError for anything else, and
        ExpectationError where the function raises.

            answers.expect(r"^(yes|no)$").share
            answers.expect(lambda answer, row: row["name"] in answer)
        """
        holds = make_expectation(expected)
        rows = [
            each._replace(passed=each.error is None and holds(each.answer, each.row)) for each in self._rows
        ]
        return self._make(rows, self.judgement, lambda answers: answers.expect(expected))

    def judge(
        self,
        model: str,
        rubric: str | None = None,
        *,
        parameters: Mapping[str, object] | None = None,
        parallel: int | None = None,
        max_cost: float | str | None = None,
        fresh: bool = False,
    ) -> Answers:
        """Return the same answers, each with the `score` from 1 to 5 that a model gives it, and the `reason`.

        `rubric` says what a good answer is. `parameters` are those of the judge's requests, by name; all else
        is as in `Session.map`: equal answers to equal prompts are judged once, and what was judged before is
        not sent again. What it costs is counted apart, in `judgement`, which also says what of it failed. An
        answer is data to the judge, whatever it says. Raises InputError where there is no answer.

            answers.judge("deepseek-chat", "A good answer names one animal, and no more.").to_frame()
        """
        return self.judge_with(JudgeOptions(model, rubric, parameters or {}, parallel, max_cost, fresh))

    def judge_with(self, options: JudgeOptions) -> Answers:
        """Return the same answers with the scores of a judge; see `judge`.

        Raises RowsInterrupted after an interrupt, which has the answers with the scores that came.
        """
        if self._judge is None:
            raise InputError("the questions to these answers are unknown, so they cannot be judged")
        texts = [each.answer if each.error is None and each.answer else None for each in self._rows]
        later = replace(check_judge_options(options), fresh=False)
        try:
            scores, judgement = self._judge(texts, options)
        except JudgeInterrupted as interrupted:
            with defer_interrupts():
                judged = self._take_scores(interrupted.scores, interrupted.judgement, later)
                raise RowsInterrupted(judged, str(interrupted)) from None
        return self._take_scores(scores, judgement, later)

    def _take_scores(
        self, scores: Sequence[Score | None], judgement: Judgement, later: JudgeOptions
    ) -> Answers:
        """Return the same answers with these scores; what a retry brings is judged `later`."""
        rows = [
            each._replace(
                score=None if score is None else score.scores[0],
                reason="" if score is None else score.reason,
            )
            for each, score in zip(self._rows, scores, strict=True)
        ]
        return self._make(rows, judgement, lambda answers: answers.judge_with(later))

    def _make(
        self,
        rows: Sequence[RowAnswer],
        judgement: Judgement | None,
        change: Callable[[Answers], Answers],
    ) -> Answers:
        """Return these answers with other facts, which a retry finds out in the same way."""
        again = self._retry
        return Answers(
            rows,
            kept=self.kept,
            spent=self.spent,
            stopped=self.stopped,
            retry=None if again is None else lambda: change(again()),
            judge=self._judge,
            judgement=judgement,
            labels=self._labels,
        )

    @property
    def share(self) -> float:
        """The part of the rows that are as expected, from 0 to 1."""
        return sum(bool(each.passed) for each in self._rows) / len(self._rows)

    def retry(self) -> Answers:
        """Ask again for the rows that failed, and only for these; return the answers to all rows.

        Raises InputError for answers that were pickled since: what asked for them is not part of it.
        """
        if not self.failed:
            return self
        if self._retry is None:
            raise InputError(
                "what asked for these answers is not there any more, so they cannot be asked for again",
                next_step="ask for all rows once more: what was answered is kept, and only the rest is asked",
            )
        return self._retry()

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_retry": None, "_judge": None}

    def to_frame(self, *, rows: bool = True) -> Any:
        """Return a DataFrame with a row for each answer; see `RowAnswer.to_dict`.

        With `rows` False it is without the columns of the rows, so that it can be joined to their DataFrame.

        It is one of polars where polars is imported and pandas is not, else one of pandas. Rows of a
        DataFrame of pandas keep its index, so that a column can be assigned to it. Raises InputError where
        neither can be imported.

            df["answer"] = answers.to_frame()["answer"]
            df.join(answers.to_frame(rows=False))
        """
        found = [(each if rows else each._replace(row={})).to_dict() for each in self._rows]
        return make_frame(
            {name: [row.get(name) for row in found] for name in _list_columns(found)},
            "install it, or read the rows",
            self._labels,
        )

    @property
    def summary(self) -> str:
        """Say in one line what came of the rows, and what it cost."""
        failed, left = len(self.failed), sum(self.leaves_out(each) for each in self._rows)
        ends = Counter(each.ended for each in self._rows if each.ended)
        parts = [
            f"{len(self):,} row{'s' * (len(self) != 1)}",
            f"{len(self) - failed:,} answered",
            *(f"{count:,} {ended}" for ended, count in ends.items()),
            f"{failed - left:,} failed" if failed > left else "",
            f"{left:,} left out: {self.stopped.what}" if left and self.stopped else "",
            f"{self.kept:,} of them before" if self.kept else "",
            write_share([each.passed for each in self._rows]),
            str(self.usage),
            write_sum((each.cost, each.demo) for each in self._rows),
            self._write_spent(),
            "" if self.judgement is None else self.judgement.summary,
        ]
        return " · ".join(filter(None, parts))

    def _write_spent(self) -> str:
        """Say what this run cost, where that is not what the answers cost."""
        if self.spent is None or not (self.kept or self.spent.nano != self.cost.nano):
            return ""
        return f"{self.spent.write(demo=any(each.demo for each in self._rows))} in this run"

    def leaves_out(self, row: RowAnswer) -> bool:
        """Tell whether a row has no answer because something stopped all, and not for a reason of its own."""
        return self.stopped is not None and row.error is self.stopped

    def __repr__(self) -> str:
        return f"<Answers: {self.summary}>"

    def _repr_markdown_(self) -> str:
        rows = list_first_rows(self)
        for row, each in zip(rows, self._rows, strict=False):
            if "answer" in row:
                row["answer"] = _write_answer(each)
        table = write_table(translate_headings(rows), [translate("cost")])
        more = f"\n\n… {_SHOWN} of {len(self):,} rows" if len(self) > _SHOWN else ""
        return f"{table}{more}\n\n{write_line(translate(self.summary))}"


class RowsInterrupted(Interrupted):
    """Rows, or their judge, were interrupted: `answers` are those to all rows, with what came.

    A row has an error where no answer has come.
    """

    def __init__(self, answers: Answers, what: str = "") -> None:
        super().__init__(
            what or "the rows were interrupted; the same again asks only for those that are missing"
        )
        self.answers = answers


RowsInterrupted.__name__ = KeyboardInterrupt.__name__


def list_first_rows(answers: Answers) -> list[dict[str, Any]]:
    """Return the first rows as a table shows them, the cost in words; see `RowAnswer.to_dict`.

    There is no column for ends and for errors where none is, and none for answers of which all fields have
    one. Why rows were left out is said once, below the table.
    """
    shown = answers[:_SHOWN]
    rows = []
    for each in shown:
        cost = translate(each.cost.write(demo=each.demo))
        row = {**each.to_dict(), "cost": cost, "ended": translate(each.ended)}
        if answers.leaves_out(each):
            row["error"] = translate("left out")
        rows.append(row)
    hidden = {name for name in ("ended", "error") if not any(row[name] for row in rows)}
    if any(each.data for each in shown) and all(_is_in_fields(each) for each in shown):
        hidden.add("answer")
    names = [name for name in _list_columns(rows) if name not in hidden]
    return [{name: row.get(name) for name in names} for row in rows]


def translate_headings(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return rows with the names of our own columns in the language that is spoken; all others stay."""
    ours = {name: translate(name) for name in (*_OWN, "passed", "score", "reason", "item")}
    named = [{name: name if ours.get(name, name) in row else ours[name] for name in row} for row in rows]
    return [{names[name]: row[name] for name in row} for names, row in zip(named, rows, strict=True)]


def _list_columns(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the names of all columns; the facts come last, also where only later rows have a field."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    return [name for name in names if name not in _OWN[1:]] + list(_OWN[1:])


def _is_in_fields(answered: RowAnswer) -> bool:
    return isinstance(answered.data, Mapping) or not answered.answer


def _write_answer(answered: RowAnswer) -> Cell | str:
    """Return an answer for a cell of a table: the Markdown of one line, else its text."""
    text = clean(answered.answer).strip()
    if answered.data is not None or "\n" in text or len(text) > _LONGEST_RENDERED:
        return text
    return Cell(write_cell(text))


def write_share(passed: Sequence[bool | None]) -> str:
    """Say how many answers are as expected, "" where nothing was."""
    if all(each is None for each in passed):
        return ""
    return f"{sum(map(bool, passed)):,} of {len(passed):,} as expected"
