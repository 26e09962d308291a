"""The use case of one question: prompt → messages → stream → record → charge."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Collection
from contextlib import closing
from datetime import datetime, timezone
from difflib import get_close_matches
from fnmatch import fnmatch
from typing import Any
from urllib.parse import urlsplit

from .access import Access, find_access
from .client import Client
from .config import Cnai
from .conversation import Conversation, Conversations, Place
from .errors import CnaiError, InputError, ModelNotFoundError
from .interrupts import Interrupted, interrupts_deferred
from .protocol import ChatRequest, Model, Usage, estimate_usage
from .question import Options, Question, Unseen, View
from .reply import Reply
from .safety import ApiKey
from .spend import Charge, Cost, PriceList, SpendBook
from .stream import StreamedAnswer

__all__ = ["Session"]

_DEFAULT_MODEL = "deepseek-chat"
_DEMO_MODEL = "demo-guide"


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
        # Held while conversations and accounts change; never while waiting for a server.
        self._lock = threading.RLock()
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
        view = view or Unseen()
        answer = _Answer(client, question)
        try:
            answer.receive(view)
        except CnaiError as error:
            with interrupts_deferred(view.stopping):
                view.fail(self._settle(answer, "failed") if answer.arrived else None)
            raise self._explained(error, question) from error.__cause__
        except BaseException as error:
            # An interrupt, or a view that fails: what arrived is kept and shown, then it goes on upwards.
            with interrupts_deferred(view.stopping):
                if answer.begun:
                    view.end(self._settle(answer, "interrupted"))
                else:
                    view.fail(None)
            if isinstance(error, KeyboardInterrupt):
                raise Interrupted from None
            raise
        with interrupts_deferred(view.stopping):
            reply = self._settle(answer)
            view.end(reply)
        return reply

    def prepare(self, prompt: str, *, place: Place | None = None, **options: Any) -> Question:
        """Return the question as it would be sent, sending nothing; raises InputError where it cannot be."""
        chosen = Options.of(options)
        prompt = _well_formed(prompt)
        if not prompt.strip():
            raise InputError(
                "there is no question",
                next_step="write one: in the cell below %%cnai, after %cnai, or after cnai ask",
            )
        settings = self.settings
        access = self._access()
        model = self._chosen_model(chosen.model, access)
        place = Place() if place is None or chosen.append or settings.on_rerun == "append" else place
        with self._lock:
            conversation = self._chosen_conversation(chosen, place)
            before = 0 if chosen.once else conversation.position(place)
            texts = (chosen.system, conversation.system, settings.system)
            system = _well_formed(next((text for text in texts if text is not None), ""))
            messages, left_out = conversation.messages(
                prompt, before, system=system, history_tokens=settings.history_tokens
            )
            replaced = None if chosen.once else conversation.turn_at(place)
        request = ChatRequest(
            model,
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
            attempt=len(replaced.attempts) + 1 if replaced else 1,
            left_out=left_out,
            demo=access.demo,
            price=self.prices.find(model, self.host),
            spent=self.book.total(demo=access.demo),
        )

    def _settle(self, answer: _Answer, finish_reason: str = "") -> Reply:
        """Charge an answer, and record it where it belongs into the conversation."""
        question = answer.question
        usage = answer.usage
        cost = question.cost(usage) if answer.begun else Cost(0)
        name = question.conversation.name
        finish_reason = finish_reason or answer.finish_reason
        with self._lock:
            if answer.begun:
                within = "" if question.options.once else name
                self.book.add(Charge(question.request.model, within, usage, cost, question.demo))
            reply = Reply(
                text=answer.text,
                prompt=question.prompt,
                model=question.request.model,
                conversation=name,
                reasoning=answer.reasoning,
                system=question.system,
                parameters=question.request.parameters,
                usage=usage,
                cost=cost,
                total=self.book.total(demo=question.demo),
                finish_reason=finish_reason,
                started=answer.started,
                seconds=answer.seconds,
                first_token_after=answer.first_token_after,
                left_out=question.left_out,
                demo=question.demo,
            )
            # An empty message is no turn: some vendors refuse a conversation that holds one.
            if reply.text and finish_reason != "failed" and not question.options.once:
                reply = self._record(question, reply)
            self.latest = reply
        return reply

    def _record(self, question: Question, reply: Reply) -> Reply:
        conversation = self.conversations.add(question.conversation)
        if question.options.system is not None:
            conversation.system = question.options.system
        if question.options.new:
            conversation.begun_at = question.place
            self.conversations.use(conversation.name)
        return conversation.record(question.place, reply).reply

    def end_of_cell(self, cell: str, asked: Collection[tuple[str, Place]]) -> None:
        """Retire the turns of a cell that its run, which asked at these places, has not asked again.

        A place comes with the name of its conversation.
        """
        with self._lock:
            for conversation in self.conversations:
                conversation.retire(cell, [place for name, place in asked if name == conversation.name])

    def _announce(self, question: Question) -> None:
        if question.demo and not self._demo_was_said:
            self._demo_was_said = True
            if self.settings.base_url != "demo":
                self._notify(
                    "No API key is set: the embedded demo gateway answers, offline and free. "
                    "Set a key with %cnai_key or CNAI_API_KEY."
                )

    # -- server, models, prices -----------------------------------------------------------------

    def models(self, pattern: str = "", *, refresh: bool = False) -> list[Model]:
        """Return the models of the key whose ID holds `pattern`, or matches it where it has `*` or `?`.

        The server is asked once per address and key, or on `refresh`. Raises InputError where none matches.
        """
        client = self._connected()
        if refresh or self._client_for not in self._models:
            self._models[self._client_for] = client.models()
        models = self._models[self._client_for]
        wanted = pattern if set(pattern) & set("*?[") else f"*{pattern}*"
        found = [model for model in models if fnmatch(model.id.lower(), wanted.lower())]
        if not found and pattern:
            raise InputError(
                f"no model matches {pattern!r}",
                next_step=f"see all {len(models)}: %cnai_models, or cnai models",
            )
        return found

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
    def host(self) -> str:
        """The host that is asked, "demo" for the embedded gateway."""
        access = self._access()
        return "demo" if access.demo else urlsplit(access.base_url).hostname or ""

    @property
    def prices(self) -> PriceList:
        """The prices that hold now."""
        return PriceList(self.settings.prices)

    def _access(self) -> Access:
        # Looked up once: a keyring may be slow to answer.
        wanted = (self.settings.base_url, self._typed_key, ApiKey(os.environ.get("CNAI_API_KEY", "")))
        chosen = self._chosen_access
        if chosen is None or chosen[0] != wanted or not chosen[1].usable:
            chosen = self._chosen_access = (wanted, find_access(self.settings.base_url, self._typed_key))
        return chosen[1]

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
            near = get_close_matches(model, [each.id for each in self.models()], 1, 0.7)
            without_key = "" if self.settings.base_url == "demo" else "no API key is set"
            raise InputError(
                f"the embedded demo gateway does not serve {model}",
                parameter="model",
                why=f"did you mean {near[0]}?" if near else without_key,
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
            again = place.cell is not None and conversation.begun_at == place
            if again and chosen.chat in ("", conversation.name):
                return conversation
        return conversations.draft(chosen.chat)


class _Answer:
    """What has arrived of one answer, streamed or whole."""

    def __init__(self, client: Client, question: Question) -> None:
        self.question = question
        self.started = datetime.now(timezone.utc)
        self._clock = time.monotonic()
        self._live = StreamedAnswer(client, question.request, stream=question.options.stream)

    def receive(self, view: View) -> None:
        """Send the question and show the answer as it comes."""
        view.begin(self.question, self._live.stop)
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
        """Whether the server took the question, so that it may charge for it."""
        return self._live.accepted

    @property
    def arrived(self) -> bool:
        """Whether anything of the answer has arrived: text, reasoning, or the count of its tokens."""
        return bool(self.text or self.reasoning or self._live.usage)

    @property
    def text(self) -> str:
        """The answer, as far as it has arrived."""
        return self._live.text

    @property
    def reasoning(self) -> str:
        """The reasoning, as far as it has arrived."""
        return self._live.reasoning

    @property
    def finish_reason(self) -> str:
        """Why the answer ended."""
        return self._live.finish_reason

    @property
    def usage(self) -> Usage:
        """The tokens as reported; what arrived after the last report, or was never reported, is estimated."""
        live = self._live
        if not live.accepted:
            return Usage()
        if live.usage is None:
            return estimate_usage(self.question.request.messages, live.text, live.reasoning)
        if live.uncounted:
            return live.usage + estimate_usage((), live.uncounted)
        return live.usage

    @property
    def first_token_after(self) -> float | None:
        """Seconds from the request to the first token."""
        return self._live.first_token_after

    @property
    def seconds(self) -> float:
        """Seconds since the request was sent."""
        return time.monotonic() - self._clock


def _well_formed(text: str) -> str:
    """Replace lone surrogates: neither a request nor a notebook can hold them."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
