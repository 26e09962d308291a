"""What many requests at a time cost the client, 64 of them under way.

    python -m tests.benchmarks batch [--rounds N] [--rows N]

All clients ask the same server, in turn, several times, each in a process of its own. CPU is the least of all
rounds: noise only ever adds. Ours does what a table of rows needs: it notes each request, charges it in a
ledger on the disk, and keeps each answer there.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import signal
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from .batch_server import Server
from .report import heading, note, row, skipped, versions

IN_FLIGHT = 64
KEY = "sk-benchmark0123456789"
MOST_OF_AIOHTTP = 1.5
MOST_OF_OPENAI = 0.1
MOST_TO_INTERRUPT = 0.3
_TEMPLATE = "Question {{ row.number }}: " + "what is a median of a list of numbers? " * 20
# A naive loop waits for each answer: fewer requests show what one costs.
_OF_LOOP = 100

Ask = Callable[[int], object]
"""Asks so many questions; ours returns the rows and their answers."""


class Figures(NamedTuple):
    cpu: float
    wall: float


def _make_prompt(number: int) -> str:
    return f"Question {number}: what is a median of a list of numbers, in one sentence?"


def _make_body(number: int) -> dict[str, Any]:
    return {"model": "deepseek-chat", "messages": [{"role": "user", "content": _make_prompt(number)}]}


# -- the clients ------------------------------------------------------------------------------------


def _make_prompts(numbers: Iterator[int], count: int) -> list[str]:
    return [_make_prompt(next(numbers)) for _ in range(count)]


def ours(base_url: str, template: str | None = None) -> Ask:
    from cnai_magic import Session

    folder = Path(tempfile.mkdtemp())
    session = Session(
        base_url=base_url,
        model="deepseek-chat",
        prices={"*": (1, 2)},
        ledger=str(folder / "ledger.sqlite3"),
    )
    session.use_key(KEY)
    asked = iter(range(10**9))

    def ask(count: int) -> object:
        rows = [{"number": next(asked)} for _ in range(count)] if template else _make_prompts(asked, count)
        answers = session.map(rows, template, parallel=IN_FLIGHT, max_cost="off")
        assert not answers.failed, answers.failed[0].error
        return rows, answers

    return ask


def ours_in_threads(base_url: str) -> Ask:
    """The client of single questions in a pool of threads, with nothing noted, charged or kept."""
    from cnai_magic.api.client import Client
    from cnai_magic.api.messages import ChatRequest, Message

    client = Client(base_url, KEY)

    def ask_one(number: int) -> None:
        messages = (Message("user", _make_prompt(number)),)
        for _ in client.stream(ChatRequest("deepseek-chat", messages), whole=True):
            pass

    return _in_threads(ask_one)


def aiohttp_by_hand(base_url: str) -> Ask:
    import asyncio

    import aiohttp

    async def ask_all(count: int) -> None:
        numbers = iter(range(count))
        headers = {"Authorization": f"Bearer {KEY}"}
        connector = aiohttp.TCPConnector(limit=IN_FLIGHT)
        async with aiohttp.ClientSession(connector=connector, headers=headers) as http:

            async def ask_some() -> None:
                for number in numbers:
                    async with http.post(f"{base_url}/chat/completions", json=_make_body(number)) as response:
                        answer = await response.json()
                        assert answer["choices"][0]["message"]["content"]

            await asyncio.gather(*(ask_some() for _ in range(IN_FLIGHT)))

    return lambda count: asyncio.run(ask_all(count))


def requests_in_threads(base_url: str) -> Ask:
    return _in_threads(_make_requests_client(base_url))


def naive_loop(base_url: str) -> Ask:
    ask_one = _make_requests_client(base_url)

    def ask(count: int) -> None:
        for number in range(count):
            ask_one(number)

    return ask


def openai_async(base_url: str) -> Ask:
    import asyncio

    from openai import AsyncOpenAI

    async def ask_all(count: int) -> None:
        numbers = iter(range(count))
        async with AsyncOpenAI(base_url=base_url, api_key=KEY, max_retries=0) as client:

            async def ask_some() -> None:
                for number in numbers:
                    answer = await client.chat.completions.create(**_make_body(number))
                    assert answer.choices[0].message.content

            await asyncio.gather(*(ask_some() for _ in range(IN_FLIGHT)))

    return lambda count: asyncio.run(ask_all(count))


def _make_requests_client(base_url: str) -> Callable[[int], None]:
    import requests
    from requests.adapters import HTTPAdapter

    http = requests.Session()
    http.trust_env = False
    http.mount("http://", HTTPAdapter(pool_maxsize=IN_FLIGHT))
    headers = {"Authorization": f"Bearer {KEY}"}

    def ask_one(number: int) -> None:
        response = http.post(f"{base_url}/chat/completions", json=_make_body(number), headers=headers)
        assert response.json()["choices"][0]["message"]["content"]

    return ask_one


def _in_threads(ask_one: Callable[[int], None]) -> Ask:
    from concurrent.futures import ThreadPoolExecutor

    def ask(count: int) -> None:
        with ThreadPoolExecutor(IN_FLIGHT) as pool:
            for _ in pool.map(ask_one, range(count)):
                pass

    return ask


CLIENTS: dict[str, Callable[[str], Ask]] = {
    "ours": ours,
    "aiohttp by hand": aiohttp_by_hand,
    "requests in a pool of threads": requests_in_threads,
    "our single questions in threads": ours_in_threads,
    "naive loop over requests": naive_loop,
    "openai.AsyncOpenAI": openai_async,
}


# -- their processes --------------------------------------------------------------------------------


class _Contender:
    """A client in its process; raises ImportError where a package that it needs is not installed."""

    def __init__(self, name: str, base_url: str) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(theirs, name, base_url), daemon=True)
        self._process.start()
        if missing := self._pipe.recv():
            self.close()
            raise ImportError(missing)

    def measure(self, count: int) -> Figures:
        self._pipe.send(count)
        figures: Figures = self._pipe.recv()
        return figures

    def close(self) -> None:
        self._process.terminate()
        self._process.join()


def _work(pipe: Any, name: str, base_url: str) -> None:
    try:
        ask = CLIENTS[name](base_url)
    except ImportError as exc:
        pipe.send(exc.name or str(exc))
        return
    pipe.send("")
    while True:
        count = pipe.recv()
        before, began = _read_cpu(), time.perf_counter()
        ask(count)
        wall = time.perf_counter() - began
        pipe.send(Figures((_read_cpu() - before) / count, wall / count))


def _read_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


# -- what is printed --------------------------------------------------------------------------------


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser("python -m tests.benchmarks batch")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=1500)
    parsed = parser.parse_args(arguments)
    heading(f"Client CPU per request, {IN_FLIGHT} under way: µs")
    note(versions("aiohttp", "requests", "urllib3", "openai", "httpx"))
    with Server() as server:
        _compare(server.base_url, parsed.rounds, parsed.rows)
        _measure_memory(server.base_url, parsed.rows)
        _measure_interrupt(server.base_url)


def _compare(base_url: str, rounds: int, rows: int) -> None:
    contenders = {}
    for name in CLIENTS:
        try:
            contenders[name] = _Contender(name, base_url)
        except ImportError as exc:
            skipped(name, f"{exc} is not installed")
    least: dict[str, Figures] = {}
    for turn in range(rounds + 1):
        for name, contender in contenders.items():
            figures = contender.measure(_OF_LOOP if "loop" in name or not turn else rows)
            if turn:  # the first warms up
                known = least.get(name, figures)
                least[name] = Figures(min(known.cpu, figures.cpu), min(known.wall, figures.wall))
    for contender in contenders.values():
        contender.close()
    for name, figures in least.items():
        row(name, figures.cpu * 1e6, "µs", beside=f"{1 / figures.wall:,.0f} requests a second")
    cpu = least["ours"].cpu
    row("ours / aiohttp by hand", cpu / least["aiohttp by hand"].cpu, "×", at_most=MOST_OF_AIOHTTP)
    if "openai.AsyncOpenAI" in least:
        row("ours / openai.AsyncOpenAI", cpu / least["openai.AsyncOpenAI"].cpu, "×", at_most=MOST_OF_OPENAI)


def _measure_memory(base_url: str, rows: int) -> None:
    heading("Most memory at a time, beyond the rows, their answers and their charges: KiB")
    ask = ours(base_url, _TEMPLATE)
    ask(100)
    peaks = []
    for count in (rows, 4 * rows):
        tracemalloc.start()
        kept = ask(count)
        now, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        del kept
        peaks.append((peak - now) / 1024)
    row(f"peak, {rows:,} rows", peaks[0], "KiB")
    grown = (peaks[1] - peaks[0]) * 1024 / (3 * rows)
    row(f"peak, {4 * rows:,} rows", peaks[1], "KiB", beside=f"{grown:,.0f} bytes for each row more")


def _measure_interrupt(base_url: str) -> None:
    heading("From an interrupt to the prompt: s")
    ask = ours(base_url)
    sent: list[float] = []

    def interrupt() -> None:
        sent.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    # When so much CPU was used, the rows have been read, and a part of them is answered.
    before = signal.signal(signal.SIGPROF, lambda *_: interrupt())
    signal.setitimer(signal.ITIMER_PROF, 3.0)
    try:
        ask(20_000)
    except KeyboardInterrupt:
        row("20,000 rows interrupted", time.perf_counter() - sent[0], "s", at_most=MOST_TO_INTERRUPT)
    finally:
        signal.signal(signal.SIGPROF, before)
