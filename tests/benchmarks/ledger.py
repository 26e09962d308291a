"""The ledger of what is spent: what it costs a question, also while another process has locked it.

    python -m tests.benchmarks ledger [--rounds N] [--rows N]

Questions are asked of a scripted server that answers at once; each figure is the fastest of the rounds, and
beside it stands the same question without a ledger. The large ledger has --rows charges, of this notebook
and of others, before the first figure is taken.
"""

from __future__ import annotations

import argparse
import os
import resource
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path

from cnai_magic.api.token_usage import Usage
from cnai_magic.display.spend import build_overview_table
from cnai_magic.magics.spend import run_spend_command
from cnai_magic.magics.spend_scope import read_overview
from cnai_magic.money.cost import Charge, Cost
from cnai_magic.money.ledger import Ledger
from cnai_magic.money.sqlite_sums import add_charges
from cnai_magic.session.kernel_session import KernelSession
from cnai_magic.session.question import Options
from cnai_magic.settings import Cnai
from tests.servers import KEY, ScriptedServer, sse

from .report import heading, note, row, versions


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser("python -m tests.benchmarks ledger")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=1_000_000)
    options = parser.parse_args(arguments)
    os.environ["CNAI_API_KEY"] = KEY

    heading("The ledger: seconds until a question is answered and its cell ends")
    note(versions("requests") + f"; SQLite {sqlite3.sqlite_version}; the fastest of {options.rounds}")
    with tempfile.TemporaryDirectory() as folder, ScriptedServer() as server:
        server.always(sse("yes"))
        path = Path(folder) / "ledger.sqlite3"
        with _session(server, "off") as session:
            without = _fastest(options.rounds, lambda: session.ask("a", Options(once=True)))
        with _session(server, str(path)) as session:
            asked = _fastest(options.rounds, lambda: session.ask("a", Options(once=True)))
            row("a question with the ledger", asked, "s", beside=_beside(asked, without))
            other = sqlite3.connect(path, isolation_level=None)
            other.execute("BEGIN EXCLUSIVE")
            session.ask("a", Options(once=True))
            locked = _fastest(options.rounds, lambda: session.ask("a", Options(once=True)))
            other.execute("ROLLBACK")
            other.close()
            row(
                "the second while another has locked it",
                locked,
                "s",
                at_most=0.3,
                beside=_beside(locked, without),
            )
        _large(Path(folder) / "large.sqlite3", options.rows, options.rounds, server, without)


def _large(path: Path, rows: int, rounds: int, server: ScriptedServer, without: float) -> None:
    note(f"with {rows:,} rows:")
    ledger = Ledger(path)
    ledger.day.set_limit(10**18)
    charge = Charge(
        "deepseek-chat",
        "main",
        Usage(20, 8),
        Cost(54_000),
        datetime.now(timezone.utc),
        host="cnaitoken.store",
    )
    with sqlite3.connect(path) as connection:
        for start in range(0, rows, 10_000):
            numbers = range(start, min(rows, start + 10_000))
            some = (charge._replace(id=str(n), notebook=f"/{n % 50}.ipynb") for n in numbers)
            add_charges(connection, ((each, "") for each in some))
    connection.close()
    began = time.perf_counter()
    ledger.read_total()
    row("the first look after they were added", time.perf_counter() - began, "s")
    row(
        "the total of a notebook",
        _fastest(rounds, lambda: ledger.read_total(notebook="/1.ipynb")),
        "s",
        at_most=0.001,
    )
    ids = iter(range(10**6))
    added = _fastest(rounds, lambda: ledger.add(charge._replace(id=f"new-{next(ids)}")))
    row("one charge with a budget of the day", added, "s", at_most=0.02)
    with _session(server, str(path)) as session:
        asked = _fastest(rounds, lambda: session.ask("a", Options(once=True)))
        row("a question with a budget of the day", asked, "s", beside=_beside(asked, without))
        table = _fastest(rounds, lambda: repr(build_overview_table(read_overview(session)[0])))
        row("the table of %cnai_spend", table, "s", at_most=0.3)
        target, began = path.with_name("spend.csv"), time.perf_counter()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        list(run_spend_command(session, f"--csv {target}"))
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        row("%cnai_spend --csv", time.perf_counter() - began, "s", at_most=10, beside=f"{grown:.0f} MB more")
    ledger.close()


@contextmanager
def _session(server: ScriptedServer, ledger: str) -> Iterator[KernelSession]:
    session = KernelSession(Cnai(base_url=server.base_url, model="m", ledger=ledger, prices={"m": (1, 1)}))
    session.notebook = "/1.ipynb"
    session.ask("a", Options(once=True))
    yield session
    session.close()
    if session.ledger is not None:
        session.ledger.close()


def _fastest(rounds: int, work: Callable[[], object]) -> float:
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times)


def _beside(figure: float, without: float) -> str:
    return f"{figure / without:.1f} times that without a ledger"
