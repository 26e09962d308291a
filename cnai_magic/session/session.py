"""The use case of one question: prompt → messages → budget → stream → record → charge."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from ..api.interrupts import interrupts_deferred
from ..api.messages import ChatRequest, Model
from ..chat.cell_run import CellRun
from ..chat.conversation import CellPosition, Conversation
from ..chat.conversations import Conversations
from ..chat.reply import Reply
from ..errors import CnaiError, Door, InputError, ModelNotFoundError, NextStep, setting
from ..money.book import SpendBook
from ..money.cost import Charge, Cost, Spend
from ..money.ledger import Ledger
from ..money.price import nano_usd
from ..money.price_lookup import PriceLookup
from ..money.spending import Spending
from ..notebook.kept import Changes, Kept, kept_of
from ..notebook.merge import merge
from ..notebook.restore import Restored, SavedCell
from ..redaction import ApiKey, well_formed
from ..settings import Cnai
from .advice import advise, explain_model
from .answer import Answer
from .endpoint import Endpoint, resolve_endpoint, server_address
from .forks import begin_anew_after_fork
from .keys import Keys
from .models import choose_model, matching_models, takes_demo_credit
from .notice import first_notice
from .pending_reply import PendingReply
from .question import Options, Question, Unseen, View
from .replay import same_answer
from .servers import Servers

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
        self.servers = Servers()
        self._keys = Keys()
        self.door = door
        self.accounts = Spending(notify or (lambda line: None), door)
        self.conversations = Conversations()
        self.changes = Changes()
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
        place: CellPosition | None = None,
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
        endpoint = self.resolve_endpoint()
        position = place or CellPosition()
        question = self._prepare(endpoint, prompt, position, Options.of(options), ask=True, former=former)
        self._announce(endpoint)
        pending = PendingReply(
            lambda: self.servers.client(endpoint),
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
            explained = self._explained(error, endpoint, question.request)
            if explained is error:
                raise
            raise explained from error.__cause__

    def _explained(self, error: CnaiError, endpoint: Endpoint, request: ChatRequest) -> CnaiError:
        """Return the error of a question with what to do about it at this server."""
        advise(error, endpoint, request)
        if not isinstance(error, ModelNotFoundError):
            return error
        try:
            listed = [each.id for each in self.servers.models(endpoint)]
        except CnaiError:
            listed = []
        return explain_model(error, endpoint, request.model, listed)

    def replay(
        self,
        prompt: str,
        saved: Sequence[Reply],
        *,
        view: View | None = None,
        place: CellPosition | None = None,
        **options: Any,
    ) -> Reply:
        """Answer a question from the `saved` answers of its cell, at no cost and without a network.

        Raises ReplayError, which says what differs, where none of them answers exactly this request.
        """
        place = place or CellPosition()

        def prepare(answer: Reply) -> Question:
            model = options.get("model") or self.settings.model or answer.model
            chosen = Options.of({**options, "model": model})
            return self._prepared(prompt, chosen, place, demo=answer.demo, former=saved)

        question, answer = same_answer(saved, place.index_in_cell, prepare)
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
                omitted_turns=question.omitted_turns,
                first_run=question.first_run,
                with_former=question.with_former,
                replayed=True,
            )
            if answer.text and not once:
                reply = self._record(question, reply)
            self.latest = reply
            view.end(reply)
        return reply

    def prepare(self, prompt: str, *, place: CellPosition | None = None, **options: Any) -> Question:
        """Return the question as it would be sent, sending nothing; raises InputError where it cannot be."""
        endpoint = self.resolve_endpoint()
        return self._prepare(endpoint, prompt, place or CellPosition(), Options.of(options), ask=False)

    def _prepare(
        self,
        endpoint: Endpoint,
        prompt: str,
        place: CellPosition,
        chosen: Options,
        *,
        ask: bool,
        former: Sequence[Reply] = (),
    ) -> Question:
        """Prepare a question; `ask` allows to look up what the server alone knows."""
        servers, own = self.servers, self.settings.prices
        model = choose_model(servers, endpoint, chosen.model or self.settings.model, ask=ask)
        demo = takes_demo_credit(servers, endpoint, model, ask=ask and not self.settings.replay)
        question = self._prepared(prompt, replace(chosen, model=model), place, demo=demo, former=former)
        if self.settings.replay:
            return question  # a replayed answer needs no price
        if ask:
            lookup = servers.look_up_price(endpoint, model, own)
        else:
            lookup = PriceLookup(servers.known_price(endpoint, model, own))
        return replace(question, host=endpoint.host, lookup=lookup)

    def _prepared(
        self, prompt: str, chosen: Options, place: CellPosition, *, demo: bool, former: Sequence[Reply] = ()
    ) -> Question:
        prompt = _checked_prompt(prompt)
        settings = self.settings
        if chosen.append or settings.on_rerun == "append":
            place = replace(place, kind="append")
        with self._lock:
            conversation = self._chosen_conversation(chosen, place)
            # A question that appends stands after all that are answered before it is.
            first_run = self.conversations.first_run(place) if place.is_asked_again else None
            if first_run is not None:
                first_run = min([first_run, *(each.first_run for each in former if each.first_run)])
            before = 0 if chosen.once else conversation.position(place, first_run)
            own = None if chosen.once else conversation.system
            texts = (chosen.system, own, settings.system)
            system = well_formed(next((text for text in texts if text is not None), ""))
            messages, omitted_turns = conversation.messages(
                prompt, before, system=system, history_tokens=settings.history_tokens
            )
            attempt = 1 if chosen.once else conversation.next_attempt(place)
            turns = enumerate(conversation.turns[omitted_turns:before], omitted_turns + 1)
            with_former = tuple(number for number, turn in turns if turn.failed)
        request = ChatRequest(chosen.model, messages, chosen.parameters_with(settings))
        return Question(
            request=request,
            prompt=prompt,
            options=chosen,
            conversation=conversation,
            place=place,
            turn=0 if chosen.once else before + 1,
            attempt=attempt,
            omitted_turns=omitted_turns,
            demo=demo,
            spent=self.book.notebook(demo=demo),
            former=former,
            first_run=first_run,
            with_former=with_former,
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
            omitted_turns=question.omitted_turns,
            demo=question.demo,
            id=answer.id,
            request=question.request.digest,
            index_in_cell=question.place.index_in_cell,
            first_run=question.first_run,
            with_former=question.with_former,
            chosen=bool(question.options.chat),
        )
        with self._lock:
            self._charge(answer, reply.finish_reason)
            reply = replace(reply, total=self.spent(demo=question.demo))
            # An empty message is no turn: some vendors refuse a conversation that holds one.
            if reply.text and reply.finish_reason != "failed" and not question.options.once:
                reply = self._record(question, reply)
            elif not question.options.once:
                standing = question.conversation.turn_at(question.place)
                reply = replace(reply, in_force=standing.reply.attempt if standing else 0)
            self.latest = reply
        return reply

    def _charge(self, answer: Answer, finish_reason: str) -> None:
        """Charge for the requests that were sent for an answer, whatever came of it."""
        lookup = answer.question.lookup
        with self._lock:
            charges = answer.charges(finish_reason)
            self.accounts.settle(charges, answer.allowance, None if lookup.done else lookup)
            self.accounts.journal.forget(answer.free)

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
        if question.options.new:
            reply = replace(reply, began=True)
            conversation.begun_by = question.place
            self.conversations.use(conversation.name)
        conversation.remember(question.place, question.former)
        put = conversation.reinstate if reply.replayed else conversation.record
        turn = put(question.place, reply)
        # Only what is shown has the others with it: they would hold each other otherwise.
        return replace(turn.reply, others=turn.others(self.settings.save_attempts))

    def end_of_cell(self, run: CellRun, *, succeeded: bool = True) -> Kept:
        """Retire the turns of a cell that its run has not asked again; return what its outputs must keep."""
        with self._lock:
            run.end(self.conversations, succeeded=succeeded)
            if run.cell is None:
                return Kept(self.conversations.clock.now())
            shown = {
                (each.shown.conversation, each.shown.turn_id): each.display_id
                for each in run.outputs
                if isinstance(each.shown, Reply) and each.shown.turn
            }
            for conversation, turn in self.conversations.turns_of(run.cell):
                turn.display_id = shown.get((conversation.name, turn.id), "")
            made = [getattr(each.shown, "change", None) for each in run.outputs]
            return self.kept(run.cell, made)

    def kept_beside(self, reply: Reply) -> Kept | None:
        """Return what the output that shows this answer has to keep of what its cell did before."""
        turns = (turn for each in self.conversations for turn in each.turns if turn.id == reply.turn_id)
        cell = next((turn.place.cell for turn in turns), None)
        return self.kept(cell) if cell is not None else None

    def kept_meanwhile(self, cell: str | None) -> Kept:
        """Return what a cell did before, for its output while it asks again: the kernel may be killed."""
        changes, now = self.changes.of(cell), self.conversations.clock.now()
        return Kept(now) if cell is None else kept_of(self.conversations, cell, changes, now, runs=True)

    def kept(self, cell: str, made: Sequence[object] = ()) -> Kept:
        """Return what a cell did before and no output of its last run shows; `made` are changes of that."""
        changes = [each for each in self.changes.of(cell) if each not in made]
        return kept_of(self.conversations, cell, changes, self.conversations.clock.now())

    def restore(self, restored: Restored) -> None:
        """Take in the conversations and the spend of a notebook, in so far as they are not known here."""
        with self._lock:
            merge(self.conversations, restored)
            self.restored_cells = restored.cells
            self.book.restore(restored.charges)
            for cell, changes in restored.changes.items():
                for change in changes:
                    self.changes.add(cell, change)

    def take_in(
        self, conversation: Conversation, name: str, otherwise: str, by: CellPosition | None = None
    ) -> Conversation:
        """Take in a conversation that was read from a file, and go on in it.

        It is called `name`, or as it was called, or `otherwise` where there is another of that name. Its
        turns belong to no cell of this notebook. The command `by` that took one in takes it in anew.
        """
        by = by or CellPosition(kind="command")
        with self._lock:
            conversations = self.conversations
            names = [name] if name else [conversation.name, otherwise, ""]
            known = (conversations.begun_at(by, each) for each in names)
            taken = next((each for each in known if each is not None and each.made_at is not None), None)
            if taken is None:
                free = [each for each in (conversation.name, otherwise) if conversations.is_free(each)]
                taken = Conversation(name or (free[0] if free else conversations.draft().name))
                taken.begun_by = by if by.cell is not None else None
                conversations.put(taken)
            taken.take_in(conversation, taken.made_at or conversations.clock.now())
            conversations.use(taken.name)
        return taken

    def _announce(self, endpoint: Endpoint) -> None:
        """Say once what a person should know of the server before anything is sent to it."""
        if endpoint.place not in self._announced:
            self._announced.add(endpoint.place)
            if line := first_notice(endpoint, self.door):
                self._notify(line)

    def _chosen_conversation(self, chosen: Options, place: CellPosition) -> Conversation:
        conversations = self.conversations
        if chosen.new:
            # A cell that began a conversation and is run again asks its first question anew.
            return conversations.begun_at(place, chosen.chat) or conversations.draft(chosen.chat)
        again = conversations.asked_again(place)
        if not chosen.chat:
            return again
        named = conversations.find(chosen.chat) or conversations.draft(chosen.chat)
        # The option moves a cell where it is new; a cell that always had it may be asked in a fork as others.
        turn = named.turn_at(place)
        return again if turn is not None and turn.reply.chosen and again.is_fork_of(named) else named

    # -- server, models, money ------------------------------------------------------------------

    def resolve_endpoint(self) -> Endpoint:
        """Return the endpoint that the settings choose now; the keyring may be read."""
        return resolve_endpoint(self.settings, self._keys)

    def models(self, pattern: str = "", *, refresh: bool = False) -> list[Model]:
        """Return the models of the key whose ID holds `pattern`, or matches it where it has `*` or `?`.

        The server is asked once per address and key, or on `refresh`. Raises InputError where none matches.
        """
        return matching_models(self.servers.models(self.resolve_endpoint(), refresh=refresh), pattern)

    def use_key(self, key: ApiKey | str | None) -> None:
        """Use this key for the server that is set, in place of any other; None looks for one anew."""
        key = ApiKey(key) if isinstance(key, str) else key
        self._keys.use(key, server_address(self.settings.base_url))

    def close(self) -> None:
        """Close the connections that are kept alive; the session can still be used."""
        self.servers.close()

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
                f"the budget is {value!r}, which is not an amount in USD",
                parameter="budget",
                next_step="give it in USD: " + setting("budget", 0.5),
            ) from error

    @property
    def ledger(self) -> Ledger | None:
        """The record of what all notebooks spend, None where it is off."""
        return self.accounts.ledger(self.settings.ledger)

    @property
    def asks_demo(self) -> bool:
        """Whether a question that names no model would take demo credit; no server is asked, or started."""
        endpoint = self.resolve_endpoint()
        return takes_demo_credit(self.servers, endpoint, self._default_model(endpoint), ask=False)

    @property
    def default_model(self) -> str:
        """The model that is asked when a question names none; "" where there is none."""
        return self._default_model(self.resolve_endpoint())

    def _default_model(self, endpoint: Endpoint) -> str:
        try:
            return choose_model(self.servers, endpoint, self.settings.model, ask=False)
        except InputError:
            return ""


def _checked_prompt(prompt: object) -> str:
    if not isinstance(prompt, str):
        kind = type(prompt).__name__
        raise InputError(f"the question is of type {kind}, not text", next_step="write it as str(…)")
    if not prompt.strip():
        raise InputError(
            "there is no question",
            next_step=NextStep(
                cell="write it into the cell below %%cnai, or after %cnai",
                terminal="write it after cnai ask, or pipe it in",
            ),
        )
    return well_formed(prompt)
