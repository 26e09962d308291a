"""The use case of one question: prompt → messages → stream → record → charge."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from difflib import get_close_matches
from typing import Any, Protocol

from .access import Access, find_access
from .client import Client
from .config import Cnai
from .conversation import Conversation, Conversations, Place
from .errors import CnaiError, InputError, ModelNotFoundError
from .protocol import ChatRequest, Chunk, Model, Usage, estimate_usage
from .reply import Reply
from .safety import ApiKey
from .spend import Charge, Cost, Price, PriceList, Spend, SpendBook
from .stream import Batch, StreamedAnswer

__all__ = ["Options", "Question", "Session", "View"]

_DEFAULT_MODEL = "deepseek-chat"
_DEMO_MODEL = "demo-guide"


@dataclass(frozen=True, slots=True)
class Options:
    """What one question may set for itself; None and "" leave it to the settings.

    `chat` names the conversation, `new` begins one (of that name, if any), `once` asks outside of any,
    `append` makes a new turn even where the cell has one, `stream` False waits for the whole answer.
    """

    model: str = ""
    system: str | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    chat: str = ""
    new: bool = False
    once: bool = False
    append: bool = False
    stream: bool = True


@dataclass(frozen=True, slots=True)
class Question:
    """One question, ready to be sent: what exactly is sent, and where its answer will stand."""

    request: ChatRequest
    prompt: str
    options: Options
    conversation: Conversation
    place: Place
    turn: int
    attempt: int
    left_out: int
    demo: bool
    price: Price | None = None
    spent: Spend = field(default_factory=Spend)

    def so_far(self, completion_tokens: int) -> tuple[Usage, Cost, Spend]:
        """Estimate usage and cost at so many tokens of the answer, and what the notebook has then spent."""
        usage = replace(estimate_usage(self.request.messages, ""), completion_tokens=completion_tokens)
        cost = _cost(self.price, usage)
        return usage, cost, self.spent + Spend.of(Charge(self.request.model, "", usage, cost, self.demo))

    @property
    def system(self) -> str | None:
        """The system message that is sent, if any."""
        first = self.request.messages[0]
        return first.content if first.role == "system" else None


class View(Protocol):
    """Shows one answer while it comes, and what is left of it at the end."""

    def begin(self, question: Question, stop: Callable[[], None] | None) -> None:
        """Show that the question is sent; `stop` ends the answer early, where that is possible."""

    def update(self, batch: Batch) -> None:
        """Show what arrived."""

    def end(self, reply: Reply) -> None:
        """Show the final answer, in place of all that was shown of it."""

    def fail(self, reply: Reply | None) -> None:
        """Take back what was shown of an answer that failed, or show the part of it that arrived."""

    def stopping(self) -> bool:
        """Tell whether an interrupt that has just come is the Stop of this view, and not the person's own."""


class Session:
    """Conversations, spend and settings of one kernel; asks questions.

    `Session().ask("…")` is all it takes. Settings are keyword arguments (`Session(model="…")`), or one
    `Cnai` object. `notify` is called with lines that a person should see once.
    """

    def __init__(
        self, settings: Cnai | None = None, *, notify: Callable[[str], None] | None = None, **traits: Any
    ) -> None:
        self.settings = settings if settings is not None else Cnai(**traits)
        self.conversations = Conversations()
        self.book = SpendBook()
        self.latest: Reply | None = None
        self._notify = notify or (lambda line: None)
        self._typed_key: ApiKey | None = None
        self._client: Client | None = None
        self._client_for: tuple[object, ...] = ()
        self._models: dict[tuple[object, ...], list[Model]] = {}
        self._demo_was_said = False
        self._chosen_access: tuple[tuple[object, ...], Access] | None = None

    # -- asking ---------------------------------------------------------------------------------

    def ask(
        self, prompt: str, *, view: View | None = None, place: Place | None = None, **options: Any
    ) -> Reply:
        """Ask a question and return the answer; `options` are the fields of `Options`.

        The answer enters the conversation and the accounts. Raises a CnaiError where there is none: the
        conversation is then as it was. After a KeyboardInterrupt the part that arrived is kept.
        """
        question = self.prepare(prompt, place=place, **options)
        client = self._connected()
        self._announce(question)
        view = view or _Unseen()
        answer = _Answer(question)
        try:
            answer.receive(client, view)
        except CnaiError as error:
            view.fail(self._settle(answer, "failed") if answer.begun else None)
            raise self._explained(error, question) from error.__cause__
        except BaseException:
            # An interrupt, or a view that fails: what arrived is kept and shown, then it goes on upwards.
            view.end(self._settle(answer, "interrupted"))
            raise
        reply = self._settle(answer)
        view.end(reply)
        return reply

    def prepare(self, prompt: str, *, place: Place | None = None, **options: Any) -> Question:
        """Return the question as it would be sent, sending nothing; raises InputError where it cannot be."""
        chosen = Options(**options)
        if not prompt.strip():
            raise InputError(
                "there is no question", next_step="write it below the %%cnai line, or after %cnai"
            )
        settings = self.settings
        place = Place() if place is None or chosen.append or settings.on_rerun == "append" else place
        conversation = self._chosen_conversation(chosen, place)
        before = 0 if chosen.once else conversation.position(place)
        system = next(
            (text for text in (chosen.system, conversation.system, settings.system) if text is not None), ""
        )
        messages, left_out = conversation.messages(
            prompt, before, system=system, history_tokens=settings.history_tokens
        )
        access = self._access()
        request = ChatRequest(
            self._chosen_model(chosen.model, access),
            messages,
            temperature=settings.temperature if chosen.temperature is None else chosen.temperature,
            top_p=settings.top_p if chosen.top_p is None else chosen.top_p,
            max_tokens=settings.max_tokens if chosen.max_tokens is None else chosen.max_tokens,
        )
        replaced = None if chosen.once else conversation.turn_at(place)
        return Question(
            request=request,
            prompt=prompt,
            options=chosen,
            conversation=conversation,
            place=place,
            turn=0 if chosen.once else before + 1,
            attempt=len(replaced.attempts) + 1 if replaced else 1,
            left_out=left_out,
            demo=access.demo,
            price=self.prices.find(request.model),
            spent=self.book.total(demo=access.demo),
        )

    def _settle(self, answer: _Answer, finish_reason: str = "") -> Reply:
        """Charge an answer, and record it where it belongs into the conversation."""
        question = answer.question
        request = question.request
        conversation = question.conversation
        chunk = answer.received()
        finish_reason = finish_reason or chunk.finish_reason
        usage = chunk.usage or estimate_usage(request.messages, chunk.text, chunk.reasoning)
        cost = _cost(question.price, usage)
        within = "" if question.options.once else conversation.name
        self.book.add(Charge(request.model, within, usage, cost, question.demo))
        kept = (
            not question.options.once
            and finish_reason != "failed"
            and bool(chunk.text or finish_reason == "stop")
        )
        reply = Reply(
            text=chunk.text,
            prompt=question.prompt,
            model=request.model,
            conversation=conversation.name,
            reasoning=chunk.reasoning,
            system=question.system,
            parameters=request.parameters,
            usage=usage,
            cost=cost,
            total=self.book.total(demo=question.demo),
            finish_reason=finish_reason,
            started=answer.started,
            seconds=answer.seconds,
            first_token_after=answer.first_token_after,
            turn=question.turn if kept else 0,
            attempt=question.attempt if kept else 1,
            left_out=question.left_out,
            demo=question.demo,
        )
        if kept:
            reply = conversation.record(question.place, reply).reply
            if question.options.system is not None:
                conversation.system = question.options.system
            self.conversations.add(conversation)
            if question.options.new:
                self.conversations.use(conversation.name)
        self.latest = reply
        return reply

    def _announce(self, question: Question) -> None:
        if question.demo and not self._demo_was_said:
            self._demo_was_said = True
            if self.settings.base_url != "demo":
                self._notify(
                    "No API key is set: the embedded demo gateway answers, offline and free. "
                    "Set a key with %cnai_key or CNAI_API_KEY."
                )

    # -- server, models, prices -----------------------------------------------------------------

    def models(self, *, refresh: bool = False) -> list[Model]:
        """Return the models of the key; asked of the server once per server and key, or on `refresh`."""
        client = self._connected()
        if refresh or self._client_for not in self._models:
            self._models[self._client_for] = client.models()
        return self._models[self._client_for]

    def use_key(self, key: ApiKey | None) -> None:
        """Use this key in this kernel, in place of any other; None looks for one anew."""
        self._typed_key = key
        self._chosen_access = None

    @property
    def demo(self) -> bool:
        """Whether the embedded gateway answers."""
        return self._access().demo

    @property
    def default_model(self) -> str:
        """The model that is asked when a question names none."""
        return self._chosen_model("", self._access())

    @property
    def prices(self) -> PriceList:
        """The prices that hold now."""
        return PriceList(self.settings.prices)

    def _access(self) -> Access:
        # Looked up once: a keyring may be slow to answer.
        wanted = (self.settings.base_url, self._typed_key, ApiKey(os.environ.get("CNAI_API_KEY", "")))
        if self._chosen_access is None or self._chosen_access[0] != wanted:
            self._chosen_access = (wanted, find_access(self.settings.base_url, self._typed_key))
        return self._chosen_access[1]

    def _connected(self) -> Client:
        access = self._access()
        settings = self.settings
        wanted = (access.base_url, access.key, settings.connect_timeout, settings.timeout, settings.retries)
        if self._client is None or self._client_for != wanted:
            if self._client is not None:
                self._client.close()
            self._client = Client(
                access.base_url,
                access.key,
                timeout=(settings.connect_timeout, settings.timeout),
                retries=settings.retries,
            )
            self._client_for = wanted
        return self._client

    def _chosen_model(self, named: str, access: Access) -> str:
        model = named or self.settings.model or (_DEMO_MODEL if access.demo else _DEFAULT_MODEL)
        if access.demo and not model.startswith("demo-"):
            raise InputError(
                f"the embedded demo gateway does not serve {model}",
                parameter="model",
                why="" if self.settings.base_url == "demo" else "no API key is set",
                next_step="set a key with %cnai_key or CNAI_API_KEY, or ask a demo model: see %cnai_models",
            )
        return model

    def _explained(self, error: CnaiError, question: Question) -> CnaiError:
        """Add to the error about an unknown model which models there are."""
        if not isinstance(error, ModelNotFoundError):
            return error
        model = question.request.model
        try:
            known = [each.id for each in self.models()]
        except CnaiError:
            return error
        near = get_close_matches(model, known, 1, 0.5)
        return ModelNotFoundError(
            f"the server does not serve the model {model!r}",
            why=f"did you mean {near[0]}?" if near else f"there are, among others: {', '.join(known[:5])}",
            next_step='choose one of %cnai_models: %%cnai MODEL, or %config Cnai.model = "MODEL"',
            request_id=error.request_id,
            status=error.status,
            code=error.code,
        )

    def _chosen_conversation(self, chosen: Options, place: Place) -> Conversation:
        conversations = self.conversations
        if not chosen.new:
            name = chosen.chat or conversations.current
            return conversations[name] if name in conversations else conversations.draft(name)
        # A cell that began a conversation and is run again asks its first question anew.
        for conversation in conversations:
            first = conversation.turns[0] if conversation.turns else None
            if first and first is conversation.turn_at(place) and chosen.chat in ("", conversation.name):
                return conversation
        return conversations.draft(chosen.chat)


def _cost(price: Price | None, usage: Usage) -> Cost:
    return Cost(None if price is None else price.cost(usage), estimated=usage.estimated)


class _Answer:
    """What has arrived of one answer, streamed or whole."""

    def __init__(self, question: Question) -> None:
        self.question = question
        self.started = datetime.now(timezone.utc)
        self._clock = time.monotonic()
        self._live: StreamedAnswer | None = None
        self._whole = Chunk()

    def receive(self, client: Client, view: View) -> None:
        """Send the question and show the answer as it comes."""
        question = self.question
        if not question.options.stream:
            view.begin(question, None)
            self._whole = client.chat(question.request)
            return
        self._live = StreamedAnswer(client, question.request)
        view.begin(question, self._live.stop)
        with closing(self._live.batches()) as batches:
            try:
                for batch in batches:
                    view.update(batch)
            except KeyboardInterrupt:
                if not view.stopping():
                    raise
                self._live.finish_reason = "stopped"

    @property
    def begun(self) -> bool:
        """Whether any of the answer has arrived."""
        chunk = self.received()
        return bool(chunk.text or chunk.reasoning)

    def received(self) -> Chunk:
        """Return all that arrived, as one chunk."""
        live = self._live
        if live is None:
            return self._whole
        return Chunk(live.text, live.reasoning, live.finish_reason, live.usage, live.model)

    @property
    def first_token_after(self) -> float | None:
        """Seconds from the request to the first token of a streamed answer."""
        return None if self._live is None else self._live.first_token_after

    @property
    def seconds(self) -> float:
        """Seconds since the request was sent."""
        return time.monotonic() - self._clock


class _Unseen:
    """The view of a program: it shows nothing."""

    def begin(self, question: Question, stop: Callable[[], None] | None) -> None: ...
    def update(self, batch: Batch) -> None: ...
    def end(self, reply: Reply) -> None: ...
    def fail(self, reply: Reply | None) -> None: ...
    def stopping(self) -> bool:
        return False
