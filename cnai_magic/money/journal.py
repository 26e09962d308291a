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
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from ..api.token_usage import Usage
from ..redaction import hide_keys_in
from .cost import Charge, Cost
from .owners import get_own_file
from .price import Price, cost_of

__all__ = ["Journal", "OwnValues", "journal_of", "read_count", "read_journal"]

# What is larger was not written by this program.
_LARGEST = 64 * 1024 * 1024
# The texts of a charge that are noted, in this order.
_TEXTS = ("model", "conversation", "host", "notebook", "finish_reason", "answered_by")
OwnValues = tuple[str, datetime, int]
"""What a request has of its own: the ID of its charge, when it was asked, and the tokens of its prompt."""

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MICROSECOND = timedelta(microseconds=1)


class Journal:
    """The notes of this process about one ledger, by the IDs of the charges; any thread may write.

    A note is a list: ["open", shared values, price, the own values of each], ["grown", ID, tokens, price],
    ["settled", own values, shared values] or ["closed", IDs]; see `_split`.
    There is one for all that use the ledger in this process, since it empties the file: see `journal_of`.
    A journal that cannot be written must not delay a question: nothing is raised.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pid = os.getpid()
        # What is noted of each open request; a later note of how much has come replaces the one before.
        self._open: dict[str, list[Sequence[Any]]] = {}
        self._lock = threading.Lock()

    @property
    def lost(self) -> bool:
        """Whether it is the journal of the process from which this one was forked."""
        return self._pid != os.getpid()

    def __contains__(self, charge_id: str) -> bool:
        """Return whether a request is noted."""
        return charge_id in self._open

    def open(self, alike: Charge, owns: Sequence[OwnValues], price: Price | None) -> None:
        """Note requests that are about to be sent, each as the charge it is if nothing more is noted.

        That is a charge like `alike`, with its own values.
        """
        note = ("open", _list_shared(alike), _dump_price(price))
        dumped = [_dump_own(*own) for own in owns]
        self._write([(own[0], (*note, (own,))) for own in dumped], (*note, dumped))

    def grow(self, charge_id: str, completion_tokens: int, price: Price | None) -> None:
        """Note how many tokens of the answer have come so far, and the price if it is known by now."""
        note = ("grown", charge_id, completion_tokens, _dump_price(price))
        self._write([(charge_id, note)], note, grown=True)

    def settle_all(self, charges: Sequence[Charge]) -> None:
        """Note what requests cost, in place of what was noted before."""
        owns = [_dump_own(charge.id, charge.time, charge.usage.prompt_tokens) for charge in charges]
        notes = [("settled", own, _list_shared(charge)) for own, charge in zip(owns, charges, strict=True)]
        self._write([(note[1][0], note) for note in notes], *notes)

    def close_all(self, charge_ids: Iterable[str]) -> None:
        """Forget requests; with the last one the file is emptied."""
        # A journal that cannot be written costs no answer: it only serves after the death of this process.
        with self._lock, suppress(OSError):
            known = [] if self.lost else [each for each in charge_ids if self._open.pop(each, None)]
            if known and self._open:
                self._append([["closed", known]])
            elif known:
                os.ftruncate(get_own_file(self._folder), 0)

    def _write(
        self, notes: Sequence[tuple[str, Sequence[Any]]], *lines: Sequence[Any], grown: bool = False
    ) -> None:
        """Remember the note of each request, and write `lines`, which say the same together."""
        # A journal that cannot be written costs no answer: it only serves after the death of this process.
        with self._lock, suppress(OSError):
            if self.lost:
                return  # a fork has none of these requests
            for charge_id, note in notes:
                before = self._open.get(charge_id, [])[:1] if grown else []
                self._open[charge_id] = [*before, note]
            self._append(lines)

    def _append(self, notes: Sequence[Sequence[Any]]) -> None:
        file = get_own_file(self._folder)
        if os.fstat(file).st_size == 0:
            # Somebody may have emptied the file, or the folder.
            notes = [note for each in self._open.values() for note in each]
        # A line end first: a full disk may have left half a line.
        os.write(file, b"\n" + json.dumps(notes).encode())


_journals: dict[tuple[int, Path], Journal] = {}


def journal_of(folder: Path) -> Journal:
    """Return the journal of this process for the ledger whose owners have their files in this folder."""
    place = os.getpid(), folder
    return _journals.get(place) or _journals.setdefault(place, Journal(folder))


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
        with suppress(ValueError, TypeError, LookupError, OverflowError, RecursionError):
            kind, *values = note
            if kind == "open":
                shared, price, owns = values
                for own in owns:
                    charge = _read_charge(own, shared)
                    prices[charge.id] = _read_price(price)
                    charges[charge.id] = charge
            elif kind == "settled":
                charge = _read_charge(*values)
                charges[charge.id] = charge
                prices.pop(charge.id, None)
            elif kind == "grown" and values[0] in prices:
                charge_id, tokens, price = values
                prices[charge_id] = _read_price(price)
                charge = charges[charge_id]
                usage = charge.usage._replace(completion_tokens=read_count(tokens))
                charges[charge_id] = charge._replace(usage=usage)
            elif kind == "closed":
                for closed in values[0]:
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
    usage = charge.usage._replace(estimated=True)
    return charge._replace(usage=usage, cost=cost_of(usage, price), finish_reason="lost")


def _dump_price(price: Price | None) -> list[int | None] | None:
    return None if price is None else [price.input, price.output, price.cached]


def _read_price(amounts: list[Any] | None) -> Price | None:
    if amounts is None:
        return None
    prompt, output, cached = amounts
    return Price(read_count(prompt), read_count(output), None if cached is None else read_count(cached))


def _dump_own(charge_id: str, time: datetime, prompt_tokens: int) -> tuple[str, int, int]:
    return charge_id, (time - _EPOCH) // _MICROSECOND, prompt_tokens


def _list_shared(charge: Charge) -> list[Any]:
    """Return the other values of a charge as JSON can hold them, without keys in its texts."""
    usage, cost = charge.usage, charge.cost
    texts = hide_keys_in([getattr(charge, name) for name in _TEXTS])
    counts = usage.completion_tokens, usage.reasoning_tokens, usage.cached_tokens
    return [*texts, *counts, usage.estimated, cost.nano, cost.estimated, charge.demo]


def _read_charge(own: Sequence[Any], shared: Sequence[Any]) -> Charge:
    """Return the charge of these values; raises ValueError, TypeError or OverflowError for others."""
    charge_id, time, prompt = own
    texts = shared[: len(_TEXTS)]
    *counts, usage_estimated, nano, cost_estimated, demo = shared[len(_TEXTS) :]
    if not all(isinstance(each, str) for each in (charge_id, *texts)) or not charge_id:
        raise ValueError("not the values of a charge")
    completion, reasoning, cached = map(read_count, counts)
    return Charge(
        **dict(zip(_TEXTS, texts, strict=True)),
        id=charge_id,
        time=(_EPOCH + read_count(time) * _MICROSECOND).astimezone(),
        usage=Usage(read_count(prompt), completion, reasoning, cached, bool(usage_estimated)),
        cost=Cost(None if nano is None else read_count(nano), bool(cost_estimated)),
        demo=bool(demo),
    )


def read_count(value: object) -> int:
    """Return a whole number that SQLite can hold; raises ValueError for anything else."""
    if type(value) is not int or not 0 <= value < 2**63:
        raise ValueError(f"{value!r} is not a count")
    return value
