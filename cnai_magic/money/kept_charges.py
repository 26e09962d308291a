"""Charges that are kept together with answers, in the file beside the ledger that has the answers of rows.

An answer and its charge are kept in one step, so that one is there exactly if the other is. A process that
dies before the ledger has the charge leaves a request in its journal; what it cost is found here.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing, suppress
from pathlib import Path

from .charge_record import dump_charge, read_charge
from .cost import Charge

__all__ = ["dump_charges", "find_answers_path", "find_name", "replace_lost"]

# So many requests are looked up at a time.
_AT_ONCE = 500


def find_answers_path(ledger_path: Path) -> Path:
    """Return the file that has the answers of rows."""
    return ledger_path.with_name(f"{ledger_path.stem}-rows.sqlite3")


def find_name(charge_id: str) -> str:
    """Return the name of a request, which the IDs of all its sendings begin with."""
    return charge_id.partition("-")[0]


def dump_charges(charges: Iterable[Charge]) -> str:
    """Return all charges of one request as the text that is kept."""
    return json.dumps([dump_charge(each) for each in charges])


def replace_lost(charges: Sequence[Charge], ledger_path: Path) -> list[Charge]:
    """Return the charges of a journal, and for lost requests that were answered what was kept of them."""
    names = list(dict.fromkeys(find_name(each.id) for each in charges if each.finish_reason == "lost"))
    kept = _read_kept(find_answers_path(ledger_path), names) if names else {}
    lost = [each for each in charges if each.finish_reason == "lost"]
    known = [each for each in charges if each.finish_reason != "lost"]
    unanswered = [each for each in lost if find_name(each.id) not in kept]
    return [*known, *unanswered, *(charge for each in kept.values() for charge in each)]


def _read_kept(path: Path, names: Sequence[str]) -> dict[str, list[Charge]]:
    """Return the charges that are kept, by the names of their requests; a file that fails has none."""
    found: dict[str, list[Charge]] = {}
    if not path.is_file():
        return found
    with suppress(sqlite3.Error, OSError), closing(sqlite3.connect(path, timeout=0.5)) as connection:
        for start in range(0, len(names), _AT_ONCE):
            some = names[start : start + _AT_ONCE]
            query = f"SELECT name, charges FROM row_answers WHERE name IN ({', '.join('?' * len(some))})"
            for name, text in connection.execute(query, some):
                with suppress(ValueError, TypeError, KeyError, RecursionError):  # by something else
                    found[name] = [read_charge(each) for each in json.loads(text)]
    return found
