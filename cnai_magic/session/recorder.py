"""What becomes of an answer: its charge, the Reply about it, and its place in the conversation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from ..chat.attempt import Attempt, Turn, UndecidedTurn
from ..chat.conversation import KernelConversation
from ..chat.conversations import Conversations
from ..chat.kernel_code import find_kernel_code
from ..chat.reply import Reply
from ..chat.token_table import TokenTable
from ..money.cost import Spend
from ..money.spending import Spending
from ..settings import Cnai
from .forks import ForkSafeLock
from .question import Question
from .sent_request import Received

__all__ = ["Recorder"]


class Recorder:
    """Charges answers, and records them where they belong.

    `latest` is the answer that was recorded last, `notebook` the path under which the ledger counts what is
    spent, "" where it is not known. `lock` is held while conversations and spending change, and never while
    waiting for a server.
    """

    def __init__(self, settings: Cnai, conversations: Conversations, spending: Spending) -> None:
        self.latest: Attempt | None = None
        self.notebook = ""
        self.lock = ForkSafeLock()
        self._settings = settings
        self._conversations = conversations
        self._spending = spending
        # Remarks about thinking that were made of a model of a host: each is made once.
        self._remarked: set[tuple[str, str, str]] = set()

    def settle(self, received: Received) -> Attempt:
        """Charge an answer, and record it where it belongs into the conversation."""
        question = received.question
        reply = self.build_reply(received)
        with self.lock.current:
            self.charge(received)
            attempt = self._build_attempt(question, reply)
            # An empty message is not a turn: some vendors refuse a conversation that holds one.
            if reply.text and not reply.failed and not question.options.once:
                attempt = self._record(question, attempt)
            else:
                standing = None if question.options.once else question.conversation.turn_at(question.position)
                in_force = standing.attempt.number if standing else 0
                attempt = replace(attempt, in_force=in_force).with_footer()
            self.latest = attempt
        return attempt

    def build_reply(self, received: Received) -> Reply:
        """Return an answer that was charged, and is not recorded."""
        return _build_reply(self._remark_once(received))

    def describe_undecided(self, question: Question, answers: Iterable[Reply]) -> UndecidedTurn:
        """Return the turn that answers to a question, which were charged, will be once one is kept."""
        cell = question.position.cell or ""
        attempts = (replace(self._build_attempt(question, each), cell=cell) for each in answers)
        options, name = question.options, question.conversation.name
        return UndecidedTurn(name, question.position, tuple(attempts), begins=options.new)

    def keep(self, undecided: UndecidedTurn, kept: str) -> tuple[KernelConversation, Turn]:
        """Record answers as attempts of one turn, with the one of this ID in force; return where it is."""
        name, position = undecided.conversation, undecided.position
        with self.lock.current:
            conversation = self._conversations.find(name)
            if conversation is None:
                conversation = self._conversations.add(KernelConversation(name))
            if undecided.begins:
                conversation.begun_by = position
                self._conversations.use(conversation.name)
            first, *others = (
                replace(each, conversation=conversation.name, total=self._sum_notebook(demo=each.reply.demo))
                for each in undecided.attempts
            )
            turn = conversation.record(position, replace(first, began=undecided.begins))
            for attempt in others:
                conversation.extend(turn, attempt)
            self._conversations.meet(turn.id)
            turn.keep(next(each.number for each in turn.attempts if each.id == kept))
            self.latest = turn.shown(self._settings.save_attempts)
        return conversation, turn

    def _build_attempt(self, question: Question, reply: Reply) -> Attempt:
        return Attempt(
            reply,
            conversation=question.conversation.name,
            index_in_cell=question.position.index_in_cell,
            first_run=question.first_run,
            chosen=bool(question.options.chat),
            with_code=question.options.to_cell and bool(find_kernel_code(reply.text)),
            omitted_turns=question.omitted_turns,
            lost_images=question.lost_images,
            cleared_turns=question.cleared_turns,
            unknown_cells=question.unknown_cells,
            with_former=question.with_former,
            chain=question.chain,
            order=question.order,
            total=self._sum_notebook(demo=question.demo),
        )

    def _remark_once(self, received: Received) -> Received:
        """Return what came with the remark about its thinking in its note, unless that was made before."""
        remark = (received.question.host, received.request.model, received.thinking)
        if not received.thinking or remark in self._remarked:
            return received
        self._remarked.add(remark)
        return received._replace(note=" · ".join(filter(None, (received.note, received.thinking))))

    def charge(self, received: Received) -> None:
        """Charge for the requests that were sent for an answer, whatever came of it."""
        with self.lock.current:
            self._spending.settle(received.charges, received.tokens, received.lookup, free=received.free)

    def replay(self, question: Question, saved: Attempt) -> Attempt:
        """Record a saved answer again, at no cost."""
        once = question.options.once
        with self.lock.current:
            attempt = self._renew(question, saved)
            recorded = attempt.reply.text and not once
            attempt = self._record(question, attempt) if recorded else attempt.with_footer()
            self.latest = attempt
        return attempt

    def replay_undecided(
        self, question: Question, saved: Sequence[tuple[Question, Attempt]], name: str
    ) -> UndecidedTurn:
        """Return the turn that saved answers to a question will be once one is kept; `name` is its ID."""
        cell = question.position.cell or ""
        with self.lock.current:
            renewed = (self._renew(asked, each) for asked, each in saved)
            attempts = tuple(replace(each, turn=0, others=(), cell=cell) for each in renewed)
        options, conversation = question.options, question.conversation.name
        return UndecidedTurn(conversation, question.position, attempts, begins=options.new, id=name)

    def _renew(self, question: Question, saved: Attempt) -> Attempt:
        """Return a saved answer as one that was replayed now."""
        self._spending.book.replay(saved.make_charge())
        return replace(
            saved,
            reply=replace(saved.reply, replayed=True, prompt_parts=question.prompt_parts),
            conversation=question.conversation.name,
            turn=0 if question.options.once else saved.turn,
            began=False,
            total=self._sum_notebook(demo=saved.reply.demo),
            omitted_turns=question.omitted_turns,
            cleared_turns=question.cleared_turns,
            unknown_cells=question.unknown_cells,
            first_run=question.first_run,
            with_former=question.with_former,
            chain=question.chain,
            order=question.order,
        )

    def _sum_notebook(self, *, demo: bool) -> Spend:
        """Return what this notebook has spent, in all its kernels: the real money, or the demo credit."""
        return self._spending.notebook(self.notebook, demo=demo)

    def _record(self, question: Question, attempt: Attempt) -> Attempt:
        conversation = self._conversations.add(question.conversation)
        if question.options.new:
            attempt = replace(attempt, began=True)
            conversation.begun_by = question.position
            self._conversations.use(conversation.name)
        if question.former:
            conversation.remember(question.position, question.former)
        if question.cut is not None:
            turn = conversation.extend(question.cut, attempt)
        else:
            put = conversation.reinstate if attempt.reply.replayed else conversation.record
            turn = put(question.position, attempt)
        # Only what is shown has the other attempts with it: they would hold each other otherwise.
        return turn.shown(self._settings.save_attempts)


def _build_reply(received: Received) -> Reply:
    question, request = received.question, received.request
    first = received.first_token_after
    reply = Reply(
        text=received.text,
        prompt=question.prompt,
        prompt_parts=question.prompt_parts,
        attached=question.attached,
        model=request.model,
        answered_by=received.answered_by,
        note=received.note,
        reasoning=received.reasoning,
        system=question.system,
        parameters=request.parameters,
        usage=received.usage,
        cost=received.cost,
        finish_reason=received.finish_reason,
        started=received.started,
        # To the millisecond, as the notebook keeps them: a restart changes nothing that is shown.
        seconds=round(received.seconds, 3),
        first_token_after=None if first is None else round(first, 3),
        logprobs=TokenTable(received.logprobs),
        steps=received.steps,
        call_seconds=received.call_seconds,
        demo=question.demo,
        id=received.id,
        request=question.request.digest,
    )
    return reply if question.cut is None else question.cut.reply.continued_by(reply)
