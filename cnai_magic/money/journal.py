"""What this process has sent and not yet entered in the ledger, noted so that its death loses nothing.

A request is noted before it is sent, and again as its answer grows. What it cost is noted before it is
entered. The notes are in the file that shows other processes that this one is alive: whoever finds it dead
enters them. A note costs some microseconds, and waits for no lock of the database.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from ..api.token_usage import Usage
from ..redaction import hide_keys_in
from .cost import Charge, Cost
from .owners import get_own_file
from .price import Price, cost_of

__all__ = ["Journal", "dump_charge", "journal_of", "read_charge", "read_count", "read_journal"]

# What is larger was not written by this program.
_LARGEST = 64 * 1024 * 1024
# What a charge is noted by.
_TEXTS = ("model", "conversation", "host", "notebook", "finish_reason", "answered_by")
_COUNTS = ("prompt_tokens", "completion_tokens", "reasoning_tokens", "cached_tokens")


class Journal:
    """The notes of this process about one ledger, by the IDs of the charges; any thread may write.

    There is one for all that use the ledger in this process, since it empties the file: see `journal_of`.
    A journal that cannot be written must not delay a question: nothing is raised.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pid = os.getpid()
        # What is noted of each open request; a later note of how much has come replaces the one before.
        self._open: dict[str, list[dict[str, Any]]] = {}
        self._lock = threading.Lock()

    @property
    def lost(self) -> bool:
        """Whether it is the journal of the process from which this one was forked."""
        return self._pid != os.getpid()

    def open_all(self, charges: Iterable[Charge], price: Price | None) -> None:
        """Note requests that are about to be sent, each as the charge it is if nothing more is noted."""
        dumped = _dump_price(price)
        self._write([(each.id, {"open": dump_charge(each), "price": dumped}) for each in charges])

    def grow(self, charge_id: str, completion_tokens: int, price: Price | None) -> None:
        """Note how many tokens of the answer have come so far, and the price if it is known by now."""
        note = {"grown": charge_id, "tokens": completion_tokens, "price": _dump_price(price)}
        self._write([(charge_id, note)])

    def settle_all(self, charges: Iterable[Charge]) -> None:
        """Note what requests cost, in place of what was noted before."""
        self._write([(each.id, {"settled": dump_charge(each)}) for each in charges])

    def close_all(self, charge_ids: Iterable[str]) -> None:
        """Forget requests; with the last one the file is emptied."""
        # A journal that cannot be written costs no answer: it only serves after the death of this process.
        with self._lock, suppress(OSError):
            known = [] if self.lost else [each for each in charge_ids if self._open.pop(each, None)]
            if known and self._open:
                self._append([{"closed": known}])
            elif known:
                os.ftruncate(get_own_file(self._folder), 0)

    def _write(self, notes: Sequence[tuple[str, dict[str, Any]]]) -> None:
        # A journal that cannot be written costs no answer: it only serves after the death of this process.
        with self._lock, suppress(OSError):
            if self.lost:
                return  # a fork has none of these requests
            for charge_id, note in notes:
                before = self._open.get(charge_id, [])[:1] if "grown" in note else []
                self._open[charge_id] = [*before, note]
            self._append(note for _, note in notes)

    def _append(self, notes: Iterable[dict[str, Any]]) -> None:
        file = get_own_file(self._folder)
        if os.fstat(file).st_size == 0:
            # Somebody may have emptied the file, or the folder.
            notes = [note for each in self._open.values() for note in each]
        # A line end first: a full disk may have left half a line.
        os.write(file, b"\n" + json.dumps(list(notes)).encode())


_journals: dict[tuple[int, Path], Journal] = {}


def journal_of(folder: Path) -> Journal:
    """Return the journal of this process for the ledger whose owners have their files in this folder."""
    return _journals.setdefault((os.getpid(), folder), Journal(folder))


def read_journal(descriptor: int) -> list[Charge]:
    """Return the charges in the journal of a dead process, an open file; a damaged note is left out.

    A request that was open is a charge of what is known of it, estimated, with the finish_reason "lost".
    """
    charges: dict[str, Charge] = {}
    prices: dict[str, Price | None] = {}
    try:
        with open(descriptor, "rb", closefd=False) as file:
            lines = file.read(_LARGEST).splitlines()
    except OSError:
        return []
    for note in _read_notes(lines):
        with suppress(ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
            if "open" in note:
                charge = read_charge(note["open"])
                prices[charge.id] = _read_price(note["price"])
                charges[charge.id] = charge
            elif "settled" in note:
                charge = read_charge(note["settled"])
                charges[charge.id] = charge
                prices.pop(charge.id, None)
            elif note.get("grown") in prices:
                charge = charges[note["grown"]]
                prices[charge.id] = _read_price(note["price"])
                usage = replace(charge.usage, completion_tokens=read_count(note["tokens"]))
                charges[charge.id] = replace(charge, usage=usage)
            else:
                for closed in note["closed"]:
                    charges.pop(closed, None)
    return [
        _mark_lost(charge, prices[charge.id]) if charge.id in prices else charge
        for charge in charges.values()
    ]


def _read_notes(lines: Iterable[bytes]) -> Iterator[Any]:
    """Yield the notes of lines, each of which has those that were written together."""
    for line in lines:
        with suppress(ValueError, RecursionError):
            notes = json.loads(line)
            yield from notes if isinstance(notes, list) else ()


def _mark_lost(charge: Charge, price: Price | None) -> Charge:
    usage = replace(charge.usage, estimated=True)
    return replace(charge, usage=usage, cost=cost_of(usage, price), finish_reason="lost")


def _dump_price(price: Price | None) -> list[int | None] | None:
    return None if price is None else [price.input, price.output, price.cached]


def _read_price(amounts: list[Any] | None) -> Price | None:
    if amounts is None:
        return None
    prompt, output, cached = amounts
    return Price(read_count(prompt), read_count(output), None if cached is None else read_count(cached))


def dump_charge(charge: Charge) -> dict[str, Any]:
    """Return a charge as what JSON can hold, without keys."""
    # Written out: it is done twice for each request, and by loops over the names it takes twice as long.
    usage, cost = charge.usage, charge.cost
    where_asked = (charge.model, charge.conversation, charge.host, charge.notebook)
    texts = hide_keys_in((*where_asked, charge.finish_reason, charge.answered_by))
    model, conversation, host, notebook, finish_reason, answered_by = texts
    return {
        "id": charge.id,
        "time": charge.time.isoformat(),
        "model": model,
        "conversation": conversation,
        "host": host,
        "notebook": notebook,
        "finish_reason": finish_reason,
        "answered_by": answered_by,
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
        "cached_tokens": usage.cached_tokens,
        "usage_estimated": usage.estimated,
        "nano": cost.nano,
        "cost_estimated": cost.estimated,
        "demo": charge.demo,
    }


def read_charge(record: dict[str, Any]) -> Charge:
    """Return the charge of a record; raises ValueError, TypeError or KeyError for what is not one."""
    if not all(isinstance(record[name], str) for name in ("id", *_TEXTS)) or not record["id"]:
        raise ValueError("not the record of a charge")
    nano = record["nano"]
    return Charge(
        **{name: record[name] for name in _TEXTS},
        id=record["id"],
        time=datetime.fromisoformat(record["time"]).astimezone(),
        usage=_read_usage(record),
        cost=Cost(None if nano is None else read_count(nano), bool(record["cost_estimated"])),
        demo=bool(record["demo"]),
    )


def _read_usage(record: dict[str, Any]) -> Usage:
    prompt, completion, reasoning, cached = (read_count(record[name]) for name in _COUNTS)
    return Usage(prompt, completion, reasoning, cached, bool(record["usage_estimated"]))


def read_count(value: object) -> int:
    """Return a whole number that SQLite can hold; raises ValueError for anything else."""
    if type(value) is not int or not 0 <= value < 2**63:
        raise ValueError(f"{value!r} is not a count")
    return value
