"""What becomes of an answer: its charge, its place in the conversation, and the Reply about it."""

from __future__ import annotations

from dataclasses import replace

from ..chat.conversations import Conversations
from ..chat.reply import Reply
from ..money.cost import Charge, Spend
from ..money.spending import Spending
from ..settings import Cnai
from .forks import ForkSafeLock
from .question import Question
from .received import Received

__all__ = ["Recorder"]


class Recorder:
    """Charges answers, and records them where they belong.

    `latest` is the answer that was recorded last, `notebook` the path under which the ledger counts what is
    spent, "" where it is not known. `lock` is held while conversations and accounts change, and never while
    waiting for a server.
    """

    def __init__(self, settings: Cnai, conversations: Conversations, accounts: Spending) -> None:
        self.latest: Reply | None = None
        self.notebook = ""
        self.lock = ForkSafeLock()
        self._settings = settings
        self._conversations = conversations
        self._accounts = accounts

    def settle(self, received: Received) -> Reply:
        """Charge an answer, and record it where it belongs into the conversation."""
        question = received.question
        reply = _reply(received)
        with self.lock.current:
            self.charge(received)
            reply = replace(reply, total=self.spent(demo=question.demo))
            # An empty message is no turn: some vendors refuse a conversation that holds one.
            if reply.text and reply.finish_reason != "failed" and not question.options.once:
                reply = self._record(question, reply)
            elif not question.options.once:
                standing = question.conversation.turn_at(question.place)
                reply = replace(reply, in_force=standing.reply.attempt if standing else 0)
            self.latest = reply
        return reply

    def charge(self, received: Received) -> None:
        """Charge for the requests that were sent for an answer, whatever came of it."""
        lookup = received.question.lookup
        with self.lock.current:
            self._accounts.settle(received.charges, received.tokens, None if lookup.done else lookup)
            self._accounts.journal.forget(received.free)

    def replay(self, question: Question, answer: Reply) -> Reply:
        """Record a saved answer again, at no cost."""
        once = question.options.once
        with self.lock.current:
            self._accounts.book.replay(self._charge_of(answer, "" if once else answer.conversation))
            reply = replace(
                answer,
                conversation=question.conversation.name,
                turn=0 if once else answer.turn,
                began=False,
                total=self.spent(demo=answer.demo),
                omitted_turns=question.omitted_turns,
                first_run=question.first_run,
                with_former=question.with_former,
                replayed=True,
            )
            if answer.text and not once:
                reply = self._record(question, reply)
            self.latest = reply
        return reply

    def spent(self, *, demo: bool) -> Spend:
        """Return what this notebook has spent, in all its kernels: the real money, or the demo credit."""
        return self._accounts.notebook(self._settings.ledger, self.notebook, demo=demo)

    def _charge_of(self, reply: Reply, conversation: str) -> Charge:
        return Charge(
            model=reply.model,
            conversation=conversation,
            usage=reply.usage,
            cost=reply.cost,
            demo=reply.demo,
            id=reply.id,
            time=reply.started,
            notebook=self.notebook,
            finish_reason=reply.finish_reason,
            answered_by=reply.answered_by,
        )

    def _record(self, question: Question, reply: Reply) -> Reply:
        conversation = self._conversations.add(question.conversation)
        if question.options.new:
            reply = replace(reply, began=True)
            conversation.begun_by = question.place
            self._conversations.use(conversation.name)
        conversation.remember(question.place, question.former)
        put = conversation.reinstate if reply.replayed else conversation.record
        turn = put(question.place, reply)
        # Only what is shown has the other attempts with it: they would hold each other otherwise.
        return replace(turn.reply, others=turn.others(self._settings.save_attempts))


def _reply(received: Received) -> Reply:
    question, request = received.question, received.request
    return Reply(
        text=received.text,
        prompt=question.prompt,
        model=request.model,
        answered_by=received.answered_by,
        note=received.note,
        conversation=question.conversation.name,
        reasoning=received.reasoning,
        system=question.system,
        parameters=request.parameters,
        usage=received.usage,
        cost=received.cost,
        finish_reason=received.finish_reason,
        started=received.started,
        seconds=received.seconds,
        first_token_after=received.first_token_after,
        omitted_turns=question.omitted_turns,
        demo=question.demo,
        id=received.id,
        request=question.request.digest,
        index_in_cell=question.place.index_in_cell,
        first_run=question.first_run,
        with_former=question.with_former,
        chosen=bool(question.options.chat),
    )
