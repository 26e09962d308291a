"""What a streamed answer costs the client, and how late its chunks are.

    python -m tests.benchmarks stream [--rounds N]

All clients read the same bytes from a server in another process, in turn, several times. CPU is the least
of all rounds (noise only ever adds), delays are medians over all rounds.
"""

from __future__ import annotations

import argparse
from statistics import median

from .report import heading, note, row, skipped, versions
from .stream_clients import CLIENTS, KEY, Contender
from .stream_server import FRAMINGS, Server

# Of Client.stream against the others: CPU of one chunk, and delay of one.
MOST_OF_FLOOR = 4.0
MOST_OF_NAIVE = 0.8
LEAST_UNDER_OPENAI = 15.0
MOST_DELAY_OF_FLOOR = 2.0
MOST_DELAY_OF_GAP = 0.1
GAP = 0.02


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser("python -m tests.benchmarks stream")
    parser.add_argument("--rounds", type=int, default=7)
    rounds: int = parser.parse_args(arguments).rounds

    heading("A streamed answer, read by Client.stream (ours) and by others")
    note(versions("requests", "urllib3", "sseclient-py", "orjson", "httpx", "httpx-sse", "openai"))
    contenders = {}
    for name in CLIENTS:
        try:
            contenders[name] = Contender(name)
        except ImportError as exc:
            skipped(name, f"{exc} is not installed")
    with Server() as server:
        if "floor" in contenders:
            _cpu(server, contenders, rounds, "as fast as they come", 10_000, 0)
            _cpu(server, contenders, rounds, "one each millisecond", 500, 0.001)
            _delay(server, contenders, rounds)
        _size(server, contenders["ours"], rounds)
        _connections(server)
    for contender in contenders.values():
        contender.close()


def _cpu(
    server: Server, contenders: dict[str, Contender], rounds: int, pace: str, count: int, gap: float
) -> None:
    heading(f"Client CPU per chunk, {count} chunks, {pace}: µs")
    base_url = server.url("chunked", count, gap)
    spent: dict[str, float] = {}
    for turn in range(rounds + 1):
        for name, contender in contenders.items():
            figures = contender.measure(base_url)
            assert figures.chunks == count, (name, figures.chunks)
            if turn:  # the first warms up
                spent[name] = min(spent.get(name, 1e9), figures.cpu / count)
    for name, seconds in spent.items():
        row(name, seconds * 1e6, "µs", beside=f"{seconds / spent['floor']:.2f} × floor")
    if gap:
        note("no targets here: with one wake-up for each chunk, the system's share outweighs the client's")
        return
    ours = spent["ours"]
    row("ours / floor", ours / spent["floor"], "×", at_most=MOST_OF_FLOOR)
    row("ours / naive", ours / spent["naive"], "×", at_most=MOST_OF_NAIVE)
    if "openai" in spent:
        row("openai / ours", spent["openai"] / ours, "×", at_least=LEAST_UNDER_OPENAI)


def _delay(server: Server, contenders: dict[str, Contender], rounds: int) -> None:
    heading(f"Delay of a chunk, {GAP * 1e3:g} ms apart: median in ms")
    compared = {name: contenders[name] for name in ("floor", "ours", "naive")}
    for framing in FRAMINGS:
        delays: dict[str, list[float]] = {name: [] for name in compared}
        for _ in range(max(2, rounds // 2)):
            for name, contender in compared.items():
                delays[name] += contender.measure(server.url(framing, 25, GAP), delays=True).delays
        middle = {name: median(values) for name, values in delays.items()}
        beside = ", ".join(f"{name} {seconds * 1e3:.2f}" for name, seconds in middle.items())
        row(framing, middle["ours"] / middle["floor"], "×", at_most=MOST_DELAY_OF_FLOOR, beside=beside)
        row(f"{framing} / gap", middle["ours"] / GAP, "×", at_most=MOST_DELAY_OF_GAP)


def _size(server: Server, ours: Contender, rounds: int) -> None:
    heading("Size")
    url = server.url("one", 4 * 2**20)
    one = min((ours.measure(url) for _ in range(2 * rounds)), key=lambda figures: figures.wall)
    row("one event of 4 MiB", one.wall * 1e3, "ms", at_most=100, beside=f"of it CPU {one.cpu * 1e3:.0f} ms")
    short = min(ours.measure(server.url("chunked", 10_000)).cpu for _ in range(rounds)) / 10_000
    long = min(ours.measure(server.url("chunked", 100_000)).cpu for _ in range(3)) / 100_000
    row(
        "CPU per chunk, 100,000 chunks / 10,000",
        long / short,
        "×",
        at_most=1.2,
        beside=f"{long * 1e6:.1f} and {short * 1e6:.1f} µs",
    )
    few, many = (ours.measure(server.url("chunked", count), heap=True).peak for count in (10_000, 100_000))
    row(
        "peak of the heap, 100,000 chunks / 10,000",
        many / few,
        "×",
        at_most=1.1,
        beside=f"{many / 2**10:.0f} and {few / 2**10:.0f} KiB",
    )


def _connections(server: Server) -> None:
    from cnai_magic.api.client import Client
    from cnai_magic.api.messages import ChatRequest, Message

    client = Client(server.url("chunked", 20), KEY)
    before = server.connections
    for number in range(10):
        for _ in client.stream(ChatRequest("deepseek-chat", (Message("user", f"Question {number}"),))):
            pass
    client.close()
    row("connections for ten questions", server.connections - before, at_most=1)
