"""The use case of one question: prompt → messages → budget → stream → record → charge."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from .access import running_server
from .accounts import Accounts
from .answer import Answer
from .cell_run import CellRun
from .config import Cnai
from .conversation import Conversation, Conversations, Place
from .documents.restore import Restored, SavedCell, merge
from .errors import SET_KEY, CnaiError, Door, InputError, NextStep, setting
from .forks import begin_anew_after_fork
from .interrupts import interrupts_deferred
from .ledger import Ledger
from .pending_reply import PendingReply
from .price_lookup import PriceLookup
from .prices import nano_usd
from .protocol import ChatRequest, Model
from .provider import Provider
from .question import Options, Question, Unseen, View
from .replay import same_answer
from .reply import Reply
from .safety import ApiKey
from .spend import Charge, Cost, Spend, SpendBook

__all__ = ["Session"]


class Session:
    """Conversations, spend and settings of one kernel; asks questions.

    `Session().ask("…")` is all it takes. Settings are keyword arguments (`Session(model="…")`), or one
    `Cnai` object. `notify` is called with lines that a person should see once, in the words of `door`.
    `notebook` is the path under which the ledger counts what is spent, "" where it is not known.
    """

    def __init__(
        self,
        settings: Cnai | None = None,
        *,
        notify: Callable[[str], None] | None = None,
        door: Door = "python",
        **traits: Any,
    ) -> None:
        self.settings = settings if settings is not None else Cnai(**traits)
        self.provider = Provider(self.settings)
        self.door = door
        self.accounts = Accounts(notify or (lambda line: None), door)
        self.conversations = Conversations()
        self.latest: Reply | None = None
        self.notebook = ""
        self.restored_cells: Sequence[SavedCell] = ()
        self._notify = notify or (lambda line: None)
        self._announced: set[str] = set()
        # Held while conversations and accounts change; never while waiting for a server.
        self._lock = threading.RLock()
        begin_anew_after_fork(self)

    def begin_anew(self) -> None:
        """Go on in a forked child, where no lock is held."""
        self._lock = threading.RLock()

    # -- asking ---------------------------------------------------------------------------------

    def ask(
        self,
        prompt: str,
        *,
        view: View | None = None,
        place: Place | None = None,
        former: Sequence[Reply] = (),
        **options: Any,
    ) -> Reply:
        """Ask a question and return the answer; `options` are the fields of `Options`.

        `former` are answers that the notebook's file holds below the same cell: they become earlier attempts.
        The answer enters the conversation and the accounts. Raises a CnaiError where there is none: the
        conversation is then as it was. After a KeyboardInterrupt the part that arrived is kept.
        """
        if self.settings.replay:
            raise InputError(
                "answers are to be replayed, and none is saved for this question",
                next_step="ask the server: " + setting("replay", False),
            )
        question = self._prepare(prompt, place or Place(), Options.of(options), ask=True)
        question = replace(question, former=former)
        question = replace(question, lookup=self.provider.look_up_price(question.request.model))
        self._announce(question)
        pending = PendingReply(
            lambda: self.provider.client,
            question,
            view or Unseen(),
            self.accounts,
            budget=self.budget,
            place=lambda: self.settings.ledger,
            notebook=self.notebook,
            settle=self._settle,
            charge=self._charge,
        )
        try:
            return pending.receive()
        except CnaiError as error:
            told = self.provider.explained(error, question.request)
            if told is error:
                raise
            raise told from error.__cause__

    def replay(
        self,
        prompt: str,
        saved: Sequence[Reply],
        *,
        view: View | None = None,
        place: Place | None = None,
        **options: Any,
    ) -> Reply:
        """Answer a question from the `saved` answers of its cell, at no cost and without a network.

        Raises ReplayError, which says what differs, where none of them answers exactly this request.
        """
        place = place or Place()

        def prepare(answer: Reply) -> Question:
            model = options.get("model") or self.settings.model or answer.model
            return self._prepared(prompt, Options.of({**options, "model": model}), place, demo=answer.demo)

        question, answer = same_answer(saved, place.ordinal, prepare)
        view = view or Unseen()
        view.begin(question, lambda: None)
        with interrupts_deferred(view.stopping), self._lock:
            once = question.options.once
            self.book.replay(self._charge_of(answer, "" if once else answer.conversation))
            reply = replace(
                answer,
                conversation=question.conversation.name,
                turn=0 if once else answer.turn,
                began=False,
                total=self.spent(demo=answer.demo),
                left_out=question.left_out,
                replayed=True,
            )
            if answer.text and not once:
                reply = self._record(question, reply)
            self.latest = reply
            view.end(reply)
        return reply

    def prepare(self, prompt: str, *, place: Place | None = None, **options: Any) -> Question:
        """Return the question as it would be sent, sending nothing; raises InputError where it cannot be."""
        return self._prepare(prompt, place or Place(), Options.of(options), ask=False)

    def _prepare(self, prompt: str, place: Place, chosen: Options, *, ask: bool) -> Question:
        """Prepare a question; `ask` allows to look up what the server alone knows."""
        model = self.provider.chosen_model(chosen.model, ask=ask)
        question = self._prepared(prompt, replace(chosen, model=model), place, demo=self.provider.demo)
        if self.settings.replay:
            return question  # who replays needs no price
        known = PriceLookup(self.provider.known_price(model))
        return replace(question, host=self.provider.host, lookup=known)

    def _prepared(self, prompt: str, chosen: Options, place: Place, *, demo: bool) -> Question:
        prompt = _well_formed(prompt)
        if not prompt.strip():
            raise InputError(
                "there is no question",
                next_step=NextStep(
                    cell="write it into the cell below %%cnai, or after %cnai",
                    terminal="write it after cnai ask, or pipe it in",
                ),
            )
        settings = self.settings
        place = Place() if chosen.append or settings.on_rerun == "append" else place
        with self._lock:
            conversation = self._chosen_conversation(chosen, place)
            before = 0 if chosen.once else conversation.position(place)
            own = None if chosen.once else conversation.system
            texts = (chosen.system, own, settings.system)
            system = _well_formed(next((text for text in texts if text is not None), ""))
            messages, left_out = conversation.messages(
                prompt, before, system=system, history_tokens=settings.history_tokens
            )
            attempt = 1 if chosen.once else conversation.next_attempt(place)
        request = ChatRequest(
            chosen.model,
            messages,
            temperature=settings.temperature if chosen.temperature is None else chosen.temperature,
            top_p=settings.top_p if chosen.top_p is None else chosen.top_p,
            max_tokens=settings.max_tokens if chosen.max_tokens is None else chosen.max_tokens,
        )
        return Question(
            request=request,
            prompt=prompt,
            options=chosen,
            conversation=conversation,
            place=place,
            turn=0 if chosen.once else before + 1,
            attempt=attempt,
            left_out=left_out,
            demo=demo,
            spent=self.book.notebook(demo=demo),
        )

    def _settle(self, answer: Answer, finish_reason: str = "") -> Reply:
        """Charge an answer, and record it where it belongs into the conversation."""
        question, request = answer.question, answer.request
        reply = Reply(
            text=answer.text,
            prompt=question.prompt,
            model=request.model,
            answered_by=answer.answered_by,
            note=answer.note,
            conversation=question.conversation.name,
            reasoning=answer.reasoning,
            system=question.system,
            parameters=request.parameters,
            usage=answer.usage,
            cost=question.cost(answer.usage) if answer.chargeable else Cost(0),
            finish_reason=finish_reason or answer.finish_reason,
            started=answer.started,
            seconds=answer.seconds,
            first_token_after=answer.first_token_after,
            left_out=question.left_out,
            demo=question.demo,
            id=answer.id,
            request=question.request.digest,
            ordinal=question.place.ordinal,
        )
        with self._lock:
            self._charge(answer, reply.finish_reason)
            reply = replace(reply, total=self.spent(demo=question.demo))
            # An empty message is no turn: some vendors refuse a conversation that holds one.
            if reply.text and reply.finish_reason != "failed" and not question.options.once:
                reply = self._record(question, reply)
            self.latest = reply
        return reply

    def _charge(self, answer: Answer, finish_reason: str) -> None:
        """Charge for the requests that were sent for an answer, whatever came of it."""
        lookup = answer.question.lookup
        with self._lock:
            charges = answer.charges(finish_reason)
            self.accounts.settle(charges, answer.allowance, None if lookup.done else lookup)
            self.accounts.forget(answer.free)

    def spent(self, *, demo: bool) -> Spend:
        """Return what this notebook has spent, in all its kernels: the real money, or the demo credit."""
        return self.accounts.notebook(self.settings.ledger, self.notebook, demo=demo)

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
        conversation = self.conversations.add(question.conversation)
        if question.options.system is not None:
            conversation.system = question.options.system
        if question.options.new:
            reply = replace(reply, began=True)
            conversation.begun_at = question.place
            self.conversations.use(conversation.name)
        conversation.remember(question.place, question.former)
        put = conversation.reinstate if reply.replayed else conversation.record
        turn = put(question.place, reply)
        # Only what is shown has the others with it: they would hold each other otherwise.
        return replace(turn.reply, others=turn.others(self.settings.save_attempts))

    def end_of_cell(self, run: CellRun) -> None:
        """Retire the turns of a cell that its run has not asked again."""
        with self._lock:
            run.end(self.conversations)

    def restore(self, restored: Restored) -> None:
        """Take in the conversations and the spend of a notebook, in so far as they are not known here."""
        with self._lock:
            merge(self.conversations, restored)
            self.restored_cells = restored.cells
            self.book.restore(restored.charges)

    def take_in(self, conversation: Conversation, name: str, otherwise: str) -> Conversation:
        """Take in a conversation that was read from a file, and go on in it.

        It is called `name`, or as it was called, or `otherwise` where there is another of that name. Its
        turns belong to no cell of this notebook.
        """
        with self._lock:
            conversations = self.conversations
            free = [each for each in (conversation.name, otherwise) if conversations.is_free(each)]
            conversation.name = name or (free[0] if free else conversations.draft().name)
            conversations.put(conversation)
            conversation.begun_at = None
            for turn in conversation.turns:
                turn.place = Place()
            conversations.use(conversation.name)
        return conversation

    def _announce(self, question: Question) -> None:
        """Say once what a person should know of the server before anything is sent to it."""
        about = "demo" if question.demo else self.provider.access.address.place
        if about in self._announced:
            return
        self._announced.add(about)
        if question.demo and self.settings.base_url != "demo":
            line = "No API key is set: the embedded demo gateway answers, offline and free. " + (
                "For a real model: " + SET_KEY + "."
            ).at(self.door)
            local = running_server()
            if local is not None:
                named = setting("base_url", local.name).at(self.door)
                line += f" {local.title} seems to run on this machine; to ask it: {named}"
            self._notify(line)
        elif not question.demo and not self.provider.access.key and self.provider.access.address.in_clear:
            self._notify(
                f"{about} is asked over plain http: whoever is on the way can read questions and answers."
            )

    def _chosen_conversation(self, chosen: Options, place: Place) -> Conversation:
        conversations = self.conversations
        if not chosen.new:
            name = chosen.chat or conversations.current
            return conversations[name] if name in conversations else conversations.draft(name)
        # A cell that began a conversation and is run again asks its first question anew.
        for conversation in conversations:
            again = place.cell is not None and conversation.begun_at == place
            if again and chosen.chat in ("", conversation.name):
                return conversation
        return conversations.draft(chosen.chat)

    # -- server, models, money ------------------------------------------------------------------

    def models(self, pattern: str = "", *, refresh: bool = False) -> list[Model]:
        """Return the models of the key; see Provider.models."""
        return self.provider.models(pattern, refresh=refresh)

    def use_key(self, key: ApiKey | str | None) -> None:
        """Use this key for the server that is set, in place of any other; None looks for one anew."""
        self.provider.use_key(ApiKey(key) if isinstance(key, str) else key)

    @property
    def book(self) -> SpendBook:
        """What this kernel has spent."""
        return self.accounts.book

    @property
    def budget(self) -> int | None:
        """The budget of this kernel in nano-USD, None where there is none; raises InputError for nonsense."""
        value = self.settings.budget
        try:
            return None if value in (None, "") else nano_usd(value, parameter="budget")
        except InputError as error:
            raise InputError(
                f"the budget is {value!r}, which is no amount of USD",
                parameter="budget",
                next_step="give it in USD: " + setting("budget", 0.5),
            ) from error

    @property
    def ledger(self) -> Ledger | None:
        """The record of what all notebooks spend, None where it is off."""
        return self.accounts.ledger(self.settings.ledger)

    @property
    def asks_demo(self) -> bool:
        """Whether the embedded gateway would answer; it is not started for the question."""
        return self.provider.demo

    @property
    def default_model(self) -> str:
        """The model that is asked when a question names none; "" where there is none."""
        try:
            return self.provider.chosen_model(ask=False)
        except InputError:
            return ""


def _well_formed(text: str) -> str:
    """Replace lone surrogates: neither a request nor a notebook can hold them."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
