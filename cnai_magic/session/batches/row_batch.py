"""Asks the same thing of many rows: what is still to be asked, and how far it is.

The caller's thread waits, shows the progress and can be interrupted; the batch runs in a thread of its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ...api.interrupts import Interrupted, defer_interrupts
from ...api.messages import ChatRequest
from ...api.token_usage import Usage
from ...chat.answers import Answers, RowAnswer
from ...chat.json_answer import JSONProblem, read_json
from ...chat.judging import Judge
from ...errors import BudgetError, CnaiError, JSONAnswerError
from ...money.cost import Cost
from ...money.spending import Spending
from ...next_steps import Step, either, limit_cost, raise_budget
from .batch import Batch
from .batch_outcome import Job, Outcome
from .batch_question import BatchLimit, Sending
from .batch_run import PACE, run_batch
from .row_plan import RowPlan
from .row_progress import Progress
from .row_store import KeptAnswer, RowStore

if TYPE_CHECKING:
    from ...api.client import Client

__all__ = ["RowBatch", "RowsInterrupted"]


class RowsInterrupted(Interrupted):
    """Rows were interrupted: `answers` are those to all rows, with an error where none has come."""

    def __init__(self, answers: Answers) -> None:
        super().__init__()
        self.answers = answers


RowsInterrupted.__name__ = KeyboardInterrupt.__name__


class RowBatch:
    """Asks the rows of a plan, and later those that failed again.

    What was answered before is taken from `store`, and each new answer is put there. `explain` says of an
    error what to do next. `show` is called with the progress, four times a second at most, and at the end.
    """

    def __init__(
        self,
        plan: RowPlan,
        store: RowStore,
        spending: Spending,
        client: Client,
        *,
        sending: Sending,
        explain: Callable[[CnaiError, ChatRequest], CnaiError],
        show: Callable[[Progress], None],
    ) -> None:
        self._plan = plan
        self._store = store
        self._spending = spending
        self._client = client
        self._sending = sending
        self._explain = explain
        self._show = show
        self._more: Step = raise_budget()
        self._found: dict[bytes, KeptAnswer] = {}
        self._failed: dict[bytes, tuple[CnaiError, KeptAnswer]] = {}
        self._spent = Cost(0)
        self._progress = Progress(len(plan.first), demo=plan.question.demo)

    def forget(self) -> None:
        """Forget what was answered before."""
        self._found.clear()
        self._store.forget(self._plan.first)

    def find_missing(self) -> list[bytes]:
        """Take the answers that are kept, and return the keys of the requests that are to be asked."""
        missing = [key for key in self._plan.first if key not in self._found]
        self._found |= self._store.read(missing)
        return [key for key in missing if key not in self._found]

    def run(self, choose_limit: Callable[[], BatchLimit], judge: Judge) -> Answers:
        """Ask what is missing, and return the answers to all rows.

        The limit is chosen anew for a retry: a budget may have been raised since. What another batch asks at
        the same time, here or in another process, is waited for and not asked again. `judge` is what judges
        the answers. Raises RowsInterrupted after an interrupt; the answers that have come by then are kept.
        """
        limit = choose_limit()
        own = (limit_cost(),) if limit.own else ()
        self._more = either(*own, *([raise_budget()] if limit.limits else []))
        self._failed.clear()
        self._spent = Cost(0)
        self._progress = Progress(len(self._plan.first), demo=self._plan.question.demo)
        asked: set[bytes] = set()

        def conclude(stopped: CnaiError | None) -> Answers:
            return Answers(
                self._build_rows(stopped),
                kept=sum(key not in asked for key in self._plan.keys),
                spent=self._spent,
                stopped=stopped,
                retry=lambda: self.run(choose_limit, judge),
                judge=judge,
            )

        try:
            stopped = self._ask_or_wait(limit, asked)
        except KeyboardInterrupt:
            with defer_interrupts():
                interrupted = CnaiError("interrupted before it was answered", next_step="ask again")
                raise RowsInterrupted(conclude(interrupted)) from None
        finally:
            with defer_interrupts():
                self._store.release()
                self._store.close()
        return conclude(stopped)

    def _ask_or_wait(self, limit: BatchLimit, asked: set[bytes]) -> CnaiError | None:
        """Ask what no other batch asks, wait for the rest; return the error for which some was left out."""
        missing = [key for key in self._plan.first if key not in self._found]
        while missing:
            taken = self._store.claim(missing)
            # After the claim: no other batch answers what is claimed, and what was answered before is here.
            self._found |= self._store.read(missing)
            missing = [key for key in missing if key not in self._found]
            own = [key for key in missing if key not in taken]
            self._progress.elsewhere = len(missing) - len(own)
            self._progress.kept = len(self._found) - self._progress.done
            asked.update(own)
            stopped = self._ask(own, limit) if own else None
            if stopped is not None:
                return stopped
            missing = [key for key in missing if key in taken]
            if missing:
                self._store.release()
                self._wait_for_others()
        return None

    def _wait_for_others(self) -> None:
        self._show(self._progress)
        try:
            time.sleep(PACE)
        except KeyboardInterrupt:
            raise Interrupted from None

    # -- asking -----------------------------------------------------------------------------------

    def _ask(self, missing: Sequence[bytes], limit: BatchLimit) -> CnaiError | None:
        """Ask the requests with these keys; return the error for which some were left out."""
        batch = Batch(
            self._client,
            [self._make_jobs(missing)],
            self._spending,
            sending=self._sending._replace(parallel=min(self._sending.parallel, len(missing))),
            limit=limit,
            keep=self._keep,
        )

        def show(seconds: float) -> None:
            self._progress.seconds, self._progress.pause = seconds, batch.count_pause()
            self._show(self._progress)

        run_batch(batch, self._spending, show)
        stopped = batch.stopped
        return None if stopped is None else self._explain(stopped, self._plan.question.request)

    def _make_jobs(self, keys: Sequence[bytes]) -> Iterator[Job]:
        """Yield the jobs; each request is built when its turn comes."""
        plan = self._plan
        for key in keys:
            yield Job(key, plan.question, plan.build_request(key))

    def _keep(self, outcomes: Sequence[Outcome]) -> set[str]:
        """Take what came, and return the IDs of the charges kept with it; in the thread of the batch."""
        progress, answered = self._progress, []
        for job, received, error in outcomes:
            key = job.key
            assert isinstance(key, bytes), "it is the key of a row"
            answer = KeptAnswer(
                received.text,
                received.usage,
                received.cost,
                reasoning=received.reasoning,
                model=received.answered_by or received.request.model,
                finish_reason=received.finish_reason,
                note=received.note,
                seconds=received.seconds,
            )
            if error is None and received.finish_reason == "budget":
                # Kept as an answer, it would stay cut after the budget is raised.
                error = BudgetError("the budget allows no more of this answer", next_step=self._more)
            if error is None:
                self._found[key] = answer
                answered.append((key, answer, received.charges))
                progress.done += 1
            else:
                self._failed[key] = error, answer
                progress.failed += 1
            for charge in received.charges:
                progress.count(charge.cost)
                self._spent += charge.cost
        if not (answered and self._store.keep(answered)):
            return set()
        return {charge.id for *_, charges in answered for charge in charges}

    # -- the answers ------------------------------------------------------------------------------

    def _build_rows(self, stopped: CnaiError | None) -> list[RowAnswer]:
        """Return what came of each row; of equal ones the first has the cost."""
        seen: set[bytes] = set()
        rows = []
        for row, key in zip(self._plan.rows, self._plan.keys, strict=True):
            rows.append(self._build_row(row, key, stopped, first=key not in seen))
            seen.add(key)
        return rows

    def _build_row(self, row: Any, key: bytes, stopped: CnaiError | None, *, first: bool) -> RowAnswer:
        error: CnaiError | None = None
        if key in self._found:
            answer = self._found[key]
        elif key in self._failed:
            error, answer = self._failed[key]
            refused = isinstance(error, BudgetError) and not answer.usage.total_tokens
            if stopped is not None and (
                (refused and isinstance(stopped, BudgetError)) or answer.finish_reason == "interrupted"
            ):
                error = stopped  # while others were under way it did not fit either, or it was under way
            if error is not stopped:
                error = self._explain(error, self._plan.question.request)
        else:
            error, answer = stopped, KeptAnswer("", Usage(), Cost(0))
        schema = self._plan.question.request.schema
        data = None
        if schema is not None and error is None:
            try:
                data = read_json(answer.text, schema)
            except JSONProblem as problem:  # what was kept is not what is asked for now
                error = JSONAnswerError(
                    "the answer does not fit its schema", why=str(problem), text=answer.text
                )
        return RowAnswer(
            row,
            answer.text,
            data,
            answer.usage if first else Usage(),
            answer.cost if first else Cost(0),
            error,
            model=answer.model,
            finish_reason=answer.finish_reason,
            seconds=answer.seconds,
            demo=self._plan.question.demo,
        )
