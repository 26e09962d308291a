"""Long conversations: what it costs to restore one, to ask one question more, and to export one.

    python -m tests.benchmarks conversation [--rounds N] [--turns N]

A restored notebook is measured beside nbformat, which reads the same file and does nothing with it. A turn is
measured without sending: the client hands out an answer that is there already, and all else is the real
thing, with prices, a budget, a ledger on disk and the final output.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat

from cnai_magic.api.client import Client
from cnai_magic.api.messages import ChatRequest, Chunk
from cnai_magic.api.stream import Stream
from cnai_magic.api.token_usage import Usage
from cnai_magic.chat.attempt import Attempt
from cnai_magic.chat.conversation import CellPosition, KernelConversation
from cnai_magic.chat.reply import Reply
from cnai_magic.money.cost import Cost
from cnai_magic.notebook.markdown_export import to_markdown
from cnai_magic.notebook.messages_json import to_messages
from cnai_magic.notebook.notebook_files import restore_notebook, write_notebook
from cnai_magic.notebook.record import build_bundle, build_metadata
from cnai_magic.session.endpoint import Endpoint
from cnai_magic.session.kernel_session import KernelSession
from cnai_magic.session.servers import Servers
from cnai_magic.settings import Cnai

from .report import heading, note, row, versions

_SHORT = 10
_WORDS = ("median", "list", "middle", "value", "sorted", "half", "of", "all", "others", "below", "the", "is")


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser("python -m tests.benchmarks conversation")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--turns", type=int, default=1000)
    options = parser.parse_args(arguments)

    heading(f"A conversation of {options.turns:,} turns")
    note(versions("nbformat", "jsonschema", "fastjsonschema") + f"; the fastest of {options.rounds} rounds")
    with tempfile.TemporaryDirectory() as folder:
        _restore(Path(folder) / "long.ipynb", options.turns, options.rounds)
        _ask(Path(folder), options.turns, options.rounds)
        _export(5 * options.turns)


def _restore(path: Path, turns: int, rounds: int) -> None:
    path.write_bytes(write_notebook(_conversation(turns)))
    note(f"the notebook: {path.stat().st_size / 2**20:.1f} MiB, answers of about 300 words")
    restored = restore_notebook(path)
    assert restored.turns == turns
    assert not restored.notes

    def read() -> None:
        nbformat.read(path, as_version=4)

    reading, restoring = _fastest(rounds, read, lambda: restore_notebook(path))
    row("nbformat.read", reading * 1000, "ms")
    row("restore", restoring * 1000, "ms")
    row("restore over nbformat.read", restoring / reading, "×", at_most=1.5)


def _ask(folder: Path, turns: int, rounds: int) -> None:
    short, long = (_session(folder, size) for size in (_SHORT, turns))
    at_short, at_long = _fastest(rounds * 4, lambda: _turn(short), lambda: _turn(long))
    row(f"one turn more after {_SHORT}", at_short * 1000, "ms")
    row(f"one turn more after {turns:,}", at_long * 1000, "ms")
    row("the long one over the short one", at_long / at_short, "×", at_most=2)


def _export(turns: int) -> None:
    """Write a long conversation in each form; once, since it takes seconds."""
    conversation = _conversation(turns)
    forms: dict[str, Callable[[KernelConversation], object]] = {
        ".ipynb": write_notebook,
        ".md": to_markdown,
        ".json": to_messages,
    }
    for form, write in forms.items():
        began = time.perf_counter()
        write(conversation)
        row(f"{turns:,} turns exported as {form}", time.perf_counter() - began, "s", at_most=5)


def _fastest(rounds: int, *works: Callable[[], object]) -> list[float]:
    """Return the fastest time of each, in seconds; they take turns, and noise only ever adds."""
    times: list[list[float]] = [[] for _ in works]
    for _ in range(rounds):
        for work, taken in zip(works, times, strict=True):
            began = time.perf_counter()
            work()
            taken.append(time.perf_counter() - began)
    return [min(taken) for taken in times]


def _text(words: int, seed: int) -> str:
    chosen = random.Random(seed)
    return " ".join(chosen.choice(_WORDS) for _ in range(words))


def _conversation(turns: int) -> KernelConversation:
    conversation = KernelConversation("main")
    for number in range(turns):
        reply = Reply(
            _text(300, number),
            _text(20, number),
            "deepseek-chat",
            usage=Usage(30, 400),
            cost=Cost(30 * 1680 + 400 * 2520),
            request=f"{number:032x}",
        )
        conversation.record(CellPosition(f"cell-{number}"), Attempt(reply))
    return conversation


class _Ready(Client):
    """A client whose answer is there already."""

    def stream(self, request: ChatRequest, on_notice: Any = None, **_: Any) -> Stream:
        return _ReadyStream(
            self._requester,
            request,
            whole=False,
            retries=0,
            refusals=self._refusals,
            on_notice=None,
            on_post=None,
        )


class _ReadyStream(Stream):
    def _answer(self) -> Iterator[Chunk]:
        yield Chunk(_text(300, 0))
        yield Chunk(finish_reason="stop", usage=Usage(30, 400))


class _ReadyServers(Servers):
    """The server of such a client."""

    def get_client(self, endpoint: Endpoint) -> Client:
        return _Ready("http://127.0.0.1:9/v1", "sk-benchmark")


def _session(folder: Path, turns: int) -> KernelSession:
    session = KernelSession(
        Cnai(
            base_url="http://127.0.0.1:9/v1",
            model="deepseek-chat",
            ledger=str(folder / f"ledger-{turns}.sqlite3"),
            budget=1000,
            prices={"deepseek-chat": (1.68, 2.52)},
        )
    )
    session.servers = _ReadyServers()
    session.conversations.put(_conversation(turns))
    return session


def _turn(session: KernelSession) -> None:
    session.ask("And what is the mean?", position=CellPosition("new"))
    assert session.latest_attempt is not None
    build_bundle(session.latest_attempt), build_metadata(session.latest_attempt)
    conversation = session.conversations["main"]
    conversation.drop(len(conversation.turns))
