"""Hundreds of mixed requests, after which everybody who counts has counted the same.

Who counts: the server, the footers and the metadata of the answers, the kernel's book, the ledger. Where the
server reported the usage they agree to the nano-USD; where it could not, because the answer was stopped or
broke off, the request is counted once by each, and marked as an estimate here.
"""

from __future__ import annotations

import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import ceil
from pathlib import Path
from queue import SimpleQueue
from random import Random
from typing import Any

import pytest

from cnai_magic.api.model_facts import describe_models
from cnai_magic.api.token_usage import Usage
from cnai_magic.chat.attempt import Attempt
from cnai_magic.chat.conversation import CellPosition
from cnai_magic.chat.reply import Reply
from cnai_magic.errors import CnaiError
from cnai_magic.gateway import embedded as gateway
from cnai_magic.gateway.charges import Settlement
from cnai_magic.gateway.embedded import EmbeddedGateway
from cnai_magic.money.cost import Charge, Spend
from cnai_magic.money.ledger import Ledger
from cnai_magic.notebook.record import build_metadata
from cnai_magic.session.kernel_session import KernelSession
from cnai_magic.session.question import Options, Question
from cnai_magic.settings import Cnai
from tests.options import options_of
from tests.servers import (
    CLOSE,
    KEY,
    PATIENCE,
    RESET,
    SILENCE,
    ScriptedServer,
    answer,
    chunked,
    close_delimited,
    completion,
    delta,
    event,
    failure,
    json_response,
)
from tests.session.test_kernel_session import Watcher, begun

SEED = 20_261_124
THREADS = 8

# -- asking -------------------------------------------------------------------------------------


def stop(view: Watcher) -> None:
    assert view.stop is not None
    view.stop()


def interrupt(view: Watcher) -> None:
    raise KeyboardInterrupt


def press_interrupt(view: Watcher) -> None:
    """Interrupt as the kernel does, with the signal itself; in the main thread only."""
    signal.raise_signal(signal.SIGINT)


class Impatient(Watcher):
    """Interrupts before anything is sent."""

    def begin(self, question: Question, stop: Callable[[], None] | None) -> None:
        raise KeyboardInterrupt


def ask(
    session: KernelSession, view: Watcher, prompt: str, *, position: CellPosition, **options: Any
) -> Reply | None:
    """Ask, and return what was shown of the answer in the end, whatever ended it."""
    with suppress(CnaiError, KeyboardInterrupt):
        session.ask(prompt, options_of(options), view=view, position=position)
    (shown,) = [*view.ended, *view.failed]
    return None if shown is None else shown.reply


def in_threads(jobs: Iterable[Callable[[], Reply | None]]) -> list[Reply | None]:
    """Do the jobs in threads that begin at once, and return what they return, in no order."""
    waiting: SimpleQueue[Callable[[], Reply | None]] = SimpleQueue()
    for job in jobs:
        waiting.put(job)
    count = waiting.qsize()
    done: SimpleQueue[Reply | BaseException | None] = SimpleQueue()
    barrier = threading.Barrier(THREADS)

    def work(share: int) -> None:
        barrier.wait(PATIENCE)
        for _ in range(share):
            try:
                done.put(waiting.get(timeout=PATIENCE)())
            except BaseException as error:  # noqa: BLE001 - it is raised in the thread that waits
                done.put(error)

    shares = [len(range(each, count, THREADS)) for each in range(THREADS)]
    threads = [threading.Thread(target=work, args=(share,)) for share in shares]
    for thread in threads:
        thread.start()
    results = []
    for _ in range(count):
        result = done.get(timeout=PATIENCE)
        if isinstance(result, BaseException):
            raise result
        results.append(result)
    for thread in threads:
        thread.join(PATIENCE)
    return results


# -- everybody on our side agrees ---------------------------------------------------------------


def total(charges: Iterable[Charge]) -> Spend:
    return sum(map(Spend.of, charges), Spend())


def as_kept(charge: Charge) -> Charge:
    """Return a charge as the ledger keeps it: its time in whole milliseconds."""
    return charge._replace(time=charge.time.replace(microsecond=charge.time.microsecond // 1000 * 1000))


def assert_shown_as_charged(reply: Reply, charge: Charge) -> None:
    """Hold the footer and the metadata of an answer's output against its charge."""
    about = build_metadata(Attempt(reply))["cnai"]
    assert about["cost"] == reply.cost.nano == charge.cost.nano
    assert (about["demo"], about["model"]) == (charge.demo, charge.model)
    assert about["usage"] == {
        **charge.usage.body(),
        "reasoning_tokens": charge.usage.reasoning_tokens,
        "cached_tokens": charge.usage.cached_tokens,
        "estimated": charge.usage.estimated,
    }
    assert reply.usage == charge.usage
    assert reply.cost.estimated is charge.cost.estimated is charge.usage.estimated
    money = f"demo credit {charge.cost}" if charge.demo else str(charge.cost)
    parts = reply.footer.split(" · ")
    assert money in parts
    assert any(part.startswith("notebook ") for part in parts)


def assert_agreed(sessions: list[KernelSession], replies: list[Reply], *, demo: bool) -> None:
    """Hold the answers, the books of the kernels and the ledger against each other."""
    charges = [charge for session in sessions for charge in session.book.charges if charge.demo is demo]
    by_id = {charge.id: charge for charge in charges}
    assert len(by_id) == len(charges)
    unanswered = by_id.keys() - {reply.id for reply in replies}
    assert by_id.keys() - unanswered == {reply.id for reply in replies}
    for each in unanswered:
        # Sent, not refused, and nothing came: the server may charge for the prompt.
        charge = by_id[each]
        assert (charge.finish_reason, charge.usage.completion_tokens) == ("failed", 0)
        assert charge.usage.estimated
    for reply in replies:
        assert_shown_as_charged(reply, by_id[reply.id])
    for session in sessions:
        assert session.book.get_total(demo=demo) == total(c for c in session.book.charges if c.demo is demo)
        # What each footer says that the notebook had spent is the sum up to its own charge.
        sums, running = {}, Spend()
        for charge in session.book.charges:
            if charge.demo is demo:
                running += Spend.of(charge)
                sums[charge.id] = running
        told = {reply.id: reply.footer.split(" · ") for reply in replies if reply.id in sums}
        assert all(f"notebook {sums[each]}" in parts for each, parts in told.items())
    ledger = sessions[0].ledger
    assert ledger is not None
    kept = {row.id: row for row in ledger.read_charges(demo=demo)}
    assert kept == {charge.id: as_kept(charge) for charge in charges}
    assert ledger.read_total(demo=demo) == total(charges)
    groups: dict[str, Callable[[Charge], str]] = {
        "model": lambda charge: describe_models(charge.model, charge.answered_by),
        "chat": lambda charge: charge.conversation,
        "notebook": lambda charge: charge.notebook,
        "host": lambda charge: charge.host,
    }
    for name, group in groups.items():
        names = set(map(group, charges))
        found = ledger.read_sums(name, demo=demo)
        assert found == {each: total(c for c in charges if group(c) == each) for each in names}
        assert sum(found.values(), Spend()) == ledger.read_total(demo=demo)


def of_usage(replies: Iterable[Reply], *, estimated: bool) -> list[Reply]:
    return [reply for reply in replies if reply.usage.estimated is estimated]


# -- the embedded gateway -----------------------------------------------------------------------


@dataclass(frozen=True)
class Kind:
    """One way to ask the demo models: what the gateway charges, and what is charged here."""

    model: str
    prompt: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    on_text: Callable[[Watcher], None] | None = None
    view: type[Watcher] = Watcher
    charged: bool = True
    exact: bool = True

    def ask(self, session: KernelSession, number: int, **options: Any) -> Reply | None:
        return ask(
            session,
            self.view(self.on_text),
            self.prompt or f"What is {number} + {number}?",
            model=self.model,
            **self.options,
            **options,
        )


def fault(name: str, *, stream: bool = True, charged: bool = False) -> Kind:
    return Kind("demo-faults", name, {"stream": stream}, charged=charged, exact=False)


def ended(how: Callable[[Watcher], None]) -> Kind:
    """Return an answer that stands still until it is stopped."""
    return Kind("demo-faults", "stall", on_text=how, exact=False)


COMPLETE = [
    Kind("demo-guide"),
    Kind("demo-echo"),
    Kind("demo-reasoner"),
    Kind("demo-ngram", options={"max_tokens": 20}),
    Kind("demo-guide", options={"stream": False}),
    Kind("demo-reasoner", options={"stream": False}),
    Kind("demo-guide", options={"max_tokens": 3}),
    Kind("demo-reasoner", options={"max_tokens": 2}),
    Kind("demo-echo", options={"once": True, "system": "Be brief."}),
    Kind("demo-faults", "none of them"),
]
BROKEN = [fault(name, charged=True) for name in ("cut", "garbage", "midstream")]
REFUSED = [
    *(fault(name) for name in ("401", "402", "429", "500", "upstream_error", "html", "html200")),
    *(fault(name, stream=False) for name in ("500", "cut", "garbage", "midstream", "html")),
    Kind("demo-guide", view=Impatient, charged=False),
]
STOPPED = [ended(stop), ended(interrupt)]


@dataclass
class Watched:
    """The embedded gateway, and a way to wait until it has charged for an answer."""

    gateway: EmbeddedGateway
    settled: SimpleQueue[None]

    def wait_for(self, count: int) -> None:
        for _ in range(count):
            self.settled.get(timeout=PATIENCE)

    def charges_after(self, count: int) -> list[Settlement]:
        return self.gateway.charges[count:]


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    running = gateway.start_embedded(tokens_per_second=0)
    settled: SimpleQueue[None] = SimpleQueue()
    settle = running._account.settle

    def settle_and_tell(*arguments: Any, **options: Any) -> None:
        settle(*arguments, **options)
        settled.put(None)

    monkeypatch.setattr(running._account, "settle", settle_and_tell)
    yield Watched(running, settled)
    running.close()


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., KernelSession]]:
    """Return a function that makes a session, a kernel of its own, over one ledger."""
    made: list[KernelSession] = []

    def session(notebook: str, **settings: Any) -> KernelSession:
        made.append(KernelSession(Cnai(retries=0, ledger=str(tmp_path / "ledger.sqlite3"), **settings)))
        made[-1].notebook = notebook
        return made[-1]

    yield session
    for each in made:
        each.close()
        ledger = each.ledger
        assert isinstance(ledger, Ledger)
        ledger.close()


def test_the_embedded_gateway_one_request_after_the_other(
    watched: Watched, make: Callable[..., KernelSession]
) -> None:
    session = make("/one.ipynb", base_url="demo")
    kinds = [*COMPLETE * 8, *BROKEN * 4, *REFUSED * 2, *STOPPED * 3, *[ended(press_interrupt)] * 4]
    Random(SEED).shuffle(kinds)
    replies: list[Reply] = []
    for number, kind in enumerate(kinds):
        before = len(watched.gateway.charges)
        reply = kind.ask(
            session, number, chat=f"chat-{number % 5}", position=CellPosition(f"cell-{number % 3}")
        )
        if not kind.charged:
            assert reply is None
            assert watched.charges_after(before) == []
            continue
        assert reply is not None
        watched.wait_for(1)
        (settlement,) = watched.charges_after(before)
        assert settlement.model == reply.model
        assert settlement.complete is kind.exact
        assert reply.usage.estimated is not kind.exact
        if kind.exact:
            assert settlement.usage == reply.usage
            assert settlement.nano == reply.cost.nano
        replies.append(reply)
    assert len(kinds) == 128
    assert_agreed([session], replies, demo=True)
    assert_the_gateway_agrees(watched.gateway, [session], replies)


def test_the_embedded_gateway_many_requests_at_once(
    watched: Watched, make: Callable[..., KernelSession]
) -> None:
    sessions = [make("/one.ipynb", base_url="demo"), make("/two.ipynb", base_url="demo")]
    kinds = [*COMPLETE * 6, *BROKEN * 3, *REFUSED, *STOPPED * 2]
    Random(SEED).shuffle(kinds)

    def job(number: int, kind: Kind) -> Callable[[], Reply | None]:
        session = sessions[number % 2]
        position = CellPosition(f"cell-{number % 3}")
        return lambda: kind.ask(session, number, chat=f"chat-{number % 5}", position=position)

    found = in_threads(job(number, kind) for number, kind in enumerate(kinds))
    replies = [reply for reply in found if reply is not None]
    charged = [kind for kind in kinds if kind.charged]
    assert len(replies) == len(charged)
    watched.wait_for(len(charged))
    assert len(kinds) == 86
    assert_agreed(sessions, replies, demo=True)
    assert_the_gateway_agrees(watched.gateway, sessions, replies)


def assert_the_gateway_agrees(
    running: EmbeddedGateway, sessions: list[KernelSession], replies: list[Reply]
) -> None:
    """Hold what was charged here against what the gateway charged, by request and in sum."""
    charges = running.charges
    assert len(charges) == len(replies)
    complete = [charge for charge in charges if charge.complete]
    exact = of_usage(replies, estimated=False)
    assert Counter((charge.model, charge.usage, charge.nano) for charge in complete) == Counter(
        (reply.model, reply.usage, reply.cost.nano) for reply in exact
    )
    # The rest each side counted by its own rule: the gateway what it sent, the client what it got.
    assert Counter(charge.model for charge in charges if not charge.complete) == Counter(
        reply.model for reply in of_usage(replies, estimated=True)
    )
    exactly = sum(reply.cost.nano or 0 for reply in exact)
    assert exactly == sum(charge.nano or 0 for charge in complete)
    assert running.charged == sum(charge.nano or 0 for charge in charges)
    spend = sum((session.book.get_total(demo=True) for session in sessions), Spend())
    assert spend.nano - spend.estimated_nano == exactly
    assert any(reply.reasoning and reply.usage.reasoning_tokens for reply in exact)
    balance = sessions[0].servers.fetch_balance(sessions[0].resolve_endpoint())
    assert balance is not None
    assert balance.used == running.charged


# -- a server that reports what it likes --------------------------------------------------------

# USD per million tokens: input, output, cached input; the last of them costs parts of a nano-USD.
PRICES = {
    "m": ("1.68", "2.52"),
    "cached": ("0.28", "0.42", "0.028"),
    "odd": ("0.3333337", "0.7777777", "0.0000123"),
}
MODELS = [*PRICES, "unpriced"]


def cost(model: str, usage: Usage) -> int | None:
    """Return what a usage costs, worked out in fractions: what there is a part of is rounded up."""
    if model not in PRICES:
        return None
    price = [Fraction(text) * 1000 for text in PRICES[model]]
    cached = price[2] if len(price) == 3 else price[0]
    fresh = usage.prompt_tokens - usage.cached_tokens
    return ceil(fresh * price[0] + usage.cached_tokens * cached + usage.completion_tokens * price[1])


@dataclass
class Script:
    """One answer of the scripted server: its steps, its text, and the usage that it reports."""

    steps: list[Any]
    text: str = ""
    usage: Usage | None = None
    stream: bool = True
    on_text: Callable[[Watcher], None] | None = None


def told(usage: Usage, dialect: int) -> dict[str, Any]:
    """Write a usage as one vendor or another does."""
    body: dict[str, Any] = usage.body()
    if usage.reasoning_tokens:
        body["completion_tokens_details"] = {"reasoning_tokens": usage.reasoning_tokens}
    if usage.cached_tokens and dialect % 2:
        body["prompt_cache_hit_tokens"] = usage.cached_tokens
    elif usage.cached_tokens:
        body["prompt_tokens_details"] = {"cached_tokens": usage.cached_tokens}
    return body


class Scripts:
    """Makes answers of every kind, each with a text by which its reply is known."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._number = 0

    def _text(self) -> str:
        self._number += 1
        return f"answer {self._number}."

    def _usage(self) -> Usage:
        prompt, answered = self._random.randrange(1, 5000), self._random.randrange(1, 3000)
        cached = self._random.choice([0, 0, self._random.randrange(prompt + 1)])
        reasoning = self._random.choice([0, 0, self._random.randrange(answered + 1)])
        return Usage(prompt, answered, reasoning, cached)

    def reported(self) -> Script:
        """A stream that tells its usage at its end, in its last chunk, or in all of them."""
        text, usage = self._text(), self._usage()
        dialect = self._random.randrange(6)
        body = told(usage, dialect)
        thought = [event(delta(reasoning_content="hm, "))] if usage.reasoning_tokens else []
        pieces = [event(delta(part)) for part in text.partition(" ")]
        last: dict[str, Any] = delta(finish="stop")
        if dialect < 3:
            ending = [event(last), event({"choices": [], "usage": body})]
        elif dialect < 5:
            ending = [event({**last, "usage": body})]
        else:
            part = Usage(usage.prompt_tokens, 1).body()
            pieces = [event({**delta(each), "usage": part}) for each in text.partition(" ")]
            ending = [event({**last, "choices": [{**last["choices"][0], "usage": body}], "usage": None})]
        frame = self._random.choice([chunked, close_delimited])
        return Script(frame([*thought, *pieces, *ending, event("[DONE]")]), text, usage)

    def whole(self) -> Script:
        """An answer that is not streamed."""
        text, usage = self._text(), self._usage()
        body = {**completion(text), "usage": told(usage, self._random.randrange(2))}
        return Script(json_response(body), text, usage, stream=False)

    def whole_where_a_stream_was_asked_for(self) -> Script:
        return replace(self.whole(), stream=True)

    def unreported(self) -> Script:
        text = self._text()
        if self._random.random() < 0.5:
            body = completion(text)
            del body["usage"]
            return Script(json_response(body), text, stream=False)
        return Script(chunked(answer(text, tokens=None)), text)

    def broken(self) -> Script:
        """A stream that fails after its first token."""
        text = self._text()
        error = event({"error": {"message": "no", "code": "server_error"}})
        last = [[CLOSE], [_chunk(error), CLOSE], [_chunk(b"data: {nonsense\n\n"), CLOSE]]
        return Script([*begun(text), *self._random.choice(last)], text)

    def stopped(self, *ways: Callable[[Watcher], None]) -> Script:
        """A stream that stands still until it is stopped; some have told a part of their usage before."""
        text, way = self._text(), self._random.choice(ways or [stop, interrupt])
        steps = begun(text)
        if self._random.random() < 0.5:
            early = event({**delta("so "), "usage": Usage(20, 1).body()})
            steps = [steps[0], _chunk(early), *steps[1:]]
            text = f"so {text}"
        return Script([*steps, SILENCE], text, on_text=_at_the_end_of(text, way))

    def refused(self) -> Script:
        """A failure before the first token."""
        ways: list[list[Any]] = [
            failure(401, "invalid_api_key"),
            failure(402, "insufficient_quota"),
            failure(403, "insufficient_user_quota"),
            failure(429, "rate_limit_exceeded", Retry_After=0),
            failure(500, "server_error"),
            failure(503, "model_overloaded"),
            json_response({"error": {"message": "no", "code": "server_error"}}),
            chunked([event({"error": {"message": "no", "code": "server_error"}})]),
            [CLOSE],
            [RESET],
        ]
        stream = self._random.random() < 0.7
        return Script(self._random.choice(ways if stream else ways[:7]), stream=stream)


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _at_the_end_of(text: str, way: Callable[[Watcher], None]) -> Callable[[Watcher], None]:
    def act(view: Watcher) -> None:
        if view.text == text:
            way(view)

    return act


def mixed(scripts: Scripts, count: int, *ways: Callable[[Watcher], None]) -> list[Script]:
    """Return so many times nine answers, of every kind, in an order of chance."""
    made = []
    for _ in range(count):
        made += [scripts.reported() for _ in range(3)]
        made += [scripts.whole(), scripts.whole_where_a_stream_was_asked_for(), scripts.unreported()]
        made += [scripts.broken(), scripts.stopped(*ways), scripts.refused()]
    Random(SEED).shuffle(made)
    return made


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedServer]:
    monkeypatch.setenv("CNAI_API_KEY", KEY)
    with ScriptedServer() as running:
        # A list of prices, in which not all its models are: what it has none of is not free.
        running.pricing = {"data": [{"model_name": "another", "model_ratio": 1, "completion_ratio": 1}]}
        yield running


def assert_the_server_s_usage_was_charged(reply: Reply, script: Script) -> None:
    assert reply.text == script.text
    if script.usage is None:
        assert reply.usage.estimated
        assert reply.usage.completion_tokens > 0
    else:
        assert reply.usage == script.usage
    assert reply.cost.nano == cost(reply.model, reply.usage)


def expected_charge(pairs: Iterable[tuple[Reply, Script]]) -> int:
    """Return what a server charges that counts what it reported."""
    return sum(cost(reply.model, script.usage) or 0 for reply, script in pairs if script.usage is not None)


def test_a_scripted_server_one_request_after_the_other(
    server: ScriptedServer, make: Callable[..., KernelSession]
) -> None:
    session = make("/one.ipynb", base_url=server.base_url, prices=PRICES)
    chance = Random(SEED)
    pairs: list[tuple[Reply, Script]] = []
    scripts = mixed(Scripts(SEED), 14, stop, interrupt, press_interrupt)
    for number, script in enumerate(scripts):
        server.reply(script.steps)
        reply = ask(
            session,
            Watcher(script.on_text),
            f"question {number}",
            model=chance.choice(MODELS),
            stream=script.stream,
            once=chance.random() < 0.2,
            chat=f"chat-{number % 4}",
            position=CellPosition(f"cell-{number % 3}"),
        )
        assert (reply is None) is (not script.text)
        if reply is not None:
            assert_the_server_s_usage_was_charged(reply, script)
            pairs.append((reply, script))
    assert len(server.requests) == len(scripts) == 126
    assert_agreed([session], [reply for reply, _ in pairs], demo=False)
    spend = session.book.get_total()
    assert spend.nano - spend.estimated_nano == expected_charge(pairs) > 0
    assert spend.unpriced_requests == sum(each.model == "unpriced" for each in session.book.charges) > 0


def test_a_scripted_server_many_requests_at_once(
    server: ScriptedServer, make: Callable[..., KernelSession]
) -> None:
    sessions = [make(f"/{name}.ipynb", base_url=server.base_url, prices=PRICES) for name in ("one", "two")]
    scripts = [each for each in mixed(Scripts(SEED + 1), 18) if each.stream]
    for script in scripts:
        server.reply(script.steps)
    ends = {script.text: script.on_text for script in scripts if script.on_text}

    def end(view: Watcher) -> None:
        # Which answer a question gets is decided by who comes first.
        if view.text in ends:
            ends[view.text](view)

    def job(number: int) -> Callable[[], Reply | None]:
        return lambda: ask(
            sessions[number % 2],
            Watcher(end),
            f"question {number}",
            model=MODELS[number % 4],
            chat=f"chat-{number % 4}",
            position=CellPosition(f"cell-{number % 3}"),
        )

    found = in_threads(job(number) for number in range(len(scripts)))
    replies = [reply for reply in found if reply is not None]
    by_text = {script.text: script for script in scripts if script.text}
    assert {reply.text for reply in replies} == by_text.keys()
    pairs = [(reply, by_text[reply.text]) for reply in replies]
    for reply, script in pairs:
        assert_the_server_s_usage_was_charged(reply, script)
    assert len(server.requests) == len(scripts)
    assert len(scripts) > 120
    assert_agreed(sessions, replies, demo=False)
    spend = sum((session.book.get_total() for session in sessions), Spend())
    assert spend.nano - spend.estimated_nano == expected_charge(pairs) > 0


def test_an_answer_that_ends_as_the_key_begins_is_charged_as_it_was_reported(
    server: ScriptedServer, make: Callable[..., KernelSession]
) -> None:
    # Such an end is held back until the stream is over, and so until after the usage was told.
    session = make("/one.ipynb", base_url=server.base_url, prices=PRICES)
    usage = Usage(20, 8)
    for end in ("t", "te", "test"):
        server.reply(chunked(answer("so it is a ", end, tokens=(20, 8))))
        reply = session.ask("question", Options(model="m"))
        assert_the_server_s_usage_was_charged(reply, Script([], f"so it is a {end}", usage))
        assert "≈" not in reply.footer


def test_a_request_that_is_sent_again_is_charged_once(
    server: ScriptedServer, make: Callable[..., KernelSession]
) -> None:
    session = make("/one.ipynb", base_url=server.base_url, prices=PRICES)
    session.settings.retries = 2
    scripts = Scripts(SEED)
    pairs = []
    for first in (
        [failure(429, "rate_limit_exceeded", Retry_After=0)] * 2,
        [failure(400, "invalid_request_error", "stream_options is not supported")],
    ):
        for refusal in first:
            server.reply(refusal)
        script = scripts.reported()
        server.reply(script.steps)
        reply = session.ask("question", Options(model="odd"))
        assert_the_server_s_usage_was_charged(reply, script)
        pairs.append((reply, script))
    assert len(server.requests) == 5
    assert_agreed([session], [reply for reply, _ in pairs], demo=False)
    assert session.book.get_total().nano == expected_charge(pairs)
