"""Asks the same thing of many rows: what is still to be asked, and how far it is.

The caller's thread waits, shows the progress and can be interrupted; the batch runs in a thread of its own.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from ...api.interrupts import Interrupted, defer_interrupts
from ...chat.answers import Answers, RowsInterrupted
from ...chat.judging import Judge, JudgeOptions
from ...errors import BudgetError, CnaiError
from ...next_steps import Step, either, limit_cost, raise_budget
from ...redaction import to_one_line
from .batch import Batch
from .batch_outcome import Job, Outcome
from .batch_question import BatchLimit, Sending
from .batch_run import PACE, run_batch
from .built_rows import NO_ANSWER, build_rows
from .row_advice import advise_for_row
from .row_limit import choose_limit, read_max_cost
from .row_plan import RowPlan
from .row_progress import Progress
from .row_store import KeptAnswer, RowStore

if TYPE_CHECKING:
    from ..endpoint import Endpoint
    from .row_session import RowSession

__all__ = ["RowBatch"]


class RowBatch:
    """Asks the rows of a plan, and later those that failed again.

    What was answered before is taken from the store beside the ledger of the session, and each new answer is
    put there. `show` is called with the progress, four times a second at most, and once more at
    the end, also where there was nothing to ask.
    """

    def __init__(
        self,
        session: RowSession,
        plan: RowPlan,
        endpoint: Endpoint,
        sending: Sending,
        show: Callable[[Progress], None],
    ) -> None:
        self._session = session
        self._plan = plan
        self._endpoint = endpoint
        self._store = RowStore(session.ledger, session.notify)
        self._sending = sending
        self._show = show
        self._more: Step = raise_budget()
        self._found: dict[bytes, KeptAnswer] = {}
        self._failed: dict[bytes, tuple[CnaiError, KeptAnswer]] = {}
        # What is to be said of the thinking of how many answers.
        self._remarks: Counter[str] = Counter()
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

    def run(self, judge: Judge, max_cost: object, judged_by: JudgeOptions | None = None) -> Answers:
        """Ask what is missing, and return the answers to all rows.

        `max_cost` limits what this and each retry may cost together, see `read_max_cost`; a budget may have
        been raised by the time of a retry. What another batch asks at the same time, here or in another
        process, is waited for and not asked again. `judge` has the answers judged, and `judged_by` says who
        will, if anybody. Raises RowsInterrupted after an interrupt; the answers that came by then are kept.
        """
        max_cost = read_max_cost(self._session.spending, max_cost)
        self._failed.clear()
        self._remarks.clear()
        self._progress = Progress(len(self._plan.first), demo=self._plan.question.demo)
        asked: set[bytes] = set()

        def conclude(stopped: CnaiError | None) -> Answers:
            return Answers(
                build_rows(self._plan, partial(self._find, stopped)),
                kept=sum(key not in asked for key in self._plan.keys),
                spent=self._progress.cost,
                stopped=stopped,
                retry=lambda: self.run(judge, max_cost, judged_by),
                judge=judge,
                labels=getattr(self._plan.rows, "labels", None),
            )

        try:
            limit = choose_limit(self._session, self._plan, self.find_missing(), max_cost, judged_by)
            own = (limit_cost(),) if limit.own else ()
            self._more = either(*own, *([raise_budget()] if limit.limits else []))
            stopped = self._ask_or_wait(limit, asked)
            self._make_remarks()
        except KeyboardInterrupt:
            with defer_interrupts():
                interrupted = CnaiError("interrupted before it was answered", next_step="ask again")
                raise RowsInterrupted(conclude(interrupted)) from None
        finally:
            with defer_interrupts():
                self._store.release()
                self._store.close()
                self._progress.ended = True
                self._show(self._progress)
        return conclude(stopped)

    def _make_remarks(self) -> None:
        """Say of how many answers the level of thinking had no effect."""
        model, done = self._plan.question.request.model, self._progress.done
        for remark, count in self._remarks.items():
            self._session.notify(to_one_line(f"{model}: {remark} ({count:,} of {done:,} answers)"))

    def _ask_or_wait(self, limit: BatchLimit, asked: set[bytes]) -> CnaiError | None:
        """Ask what no other batch asks, wait for the rest; return the error for which some was left out."""
        missing = [key for key in self._plan.first if key not in self._found]
        while missing:
            taken = self._store.claim(missing)
            # After the claim: no other batch answers what is claimed, and what was answered before is here.
            self._found |= self._store.read_new(missing)
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
            self._session.servers.get_client(self._endpoint),
            [self._make_jobs(missing)],
            self._session.spending,
            sending=self._sending._replace(parallel=min(self._sending.parallel, len(missing))),
            limit=limit,
            keep=self._keep,
        )

        def show(seconds: float) -> None:
            self._progress.seconds, self._progress.pause = seconds, batch.count_pause()
            self._show(self._progress)

        run_batch(batch, self._session.spending, show)
        return None if batch.stopped is None else self._explain(batch.stopped)

    def _explain(self, error: CnaiError) -> CnaiError:
        """Return the error with what to do next."""
        explained = self._session.servers.explain(error, self._endpoint, self._plan.question.request)
        explained.next_step = advise_for_row(explained.next_step)
        return explained

    def _make_jobs(self, keys: Sequence[bytes]) -> Iterator[Job]:
        """Yield the jobs; each request is built when its turn comes."""
        plan = self._plan
        for key in keys:
            yield Job(key, plan.question, plan.build_request(key))

    def _keep(self, outcomes: Sequence[Outcome]) -> set[str]:
        """Take what came, and return the IDs of the charges kept with it; in the thread of the batch."""
        progress, answered = self._progress, []
        for job, received, error, charges in outcomes:
            key = job.key
            assert isinstance(key, bytes), "it is the key of a row"
            answer = KeptAnswer(
                received.text,
                received.usage,
                received.cost,
                received.reasoning,
                received.answered_by or received.request.model,
                received.finish_reason,
                received.note,
                received.seconds,
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
            if received.thinking:
                self._remarks[received.thinking] += 1
            for charge in charges:
                progress.count(charge.cost)
        if not (answered and self._store.keep(answered)):
            return set()
        return {charge.id for *_, charges in answered for charge in charges}

    def _find(self, stopped: CnaiError | None, key: bytes) -> tuple[KeptAnswer, CnaiError | None]:
        """Return what came of a request: of one that was not asked, that it was `stopped`."""
        if key in self._found:
            return self._found[key], None
        if key not in self._failed:
            return NO_ANSWER, stopped
        error, answer = self._failed[key]
        refused = isinstance(error, BudgetError) and not answer.usage.total_tokens
        if stopped is not None and (
            (refused and isinstance(stopped, BudgetError)) or answer.finish_reason == "interrupted"
        ):
            error = stopped  # while others were under way it did not fit either, or it was under way
        return answer, error if error is stopped else self._explain(error)
