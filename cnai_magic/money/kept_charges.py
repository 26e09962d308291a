"""Charges that are kept together with answers, in the file beside the ledger that has the answers of rows.

An answer and its charge are kept in one step, so that one is there exactly if the other is. A process that
dies before the ledger has the charge leaves a request in its journal; what it cost is found here.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..api.token_usage import Usage
from .cost import Charge, Cost
from .journal import read_count

__all__ = ["dump_charges", "find_answers_path", "find_name", "replace_lost"]

# Seconds by which the clock of this machine may be set back between a request and its answer.
_CLOCK_CHANGE = 86_400


def find_answers_path(ledger_path: Path) -> Path:
    """Return the file that has the answers of rows."""
    return ledger_path.with_name(f"{ledger_path.stem}-rows.sqlite3")


def find_name(charge_id: str) -> str:
    """Return the name of a request, which the IDs of all its sendings begin with."""
    return charge_id.partition("-")[0]


def dump_charges(charges: Iterable[Charge]) -> str:
    """Return what was not known of the charges of a request before its answer, as the text that is kept.

    It may hold keys, which are for the caller to hide: many texts are searched as fast as one.
    """
    return f"[{', '.join(map(_dump, charges))}]"


def replace_lost(charges: Iterable[Charge], ledger_path: Path) -> list[Charge]:
    """Return the charges of a journal; lost ones whose request was answered are as they were kept.

    What of such a request was not kept cost nothing: the server refused it before.
    """
    noted = list(charges)
    lost = [each for each in noted if each.finish_reason == "lost"]
    kept = _read_kept(find_answers_path(ledger_path), lost) if lost else {}
    found = []
    for charge in noted:
        of_request = kept.get(find_name(charge.id)) if charge.finish_reason == "lost" else None
        if of_request is None:
            found.append(charge)
        elif charge.id in of_request:
            found.append(charge._replace(**of_request[charge.id]))
    return found


# Nearly all say the same, and to write JSON costs as much as all else that is kept of a charge.
@lru_cache(64)
def _write_texts(*texts: str) -> str:
    return json.dumps(texts, ensure_ascii=False)[1:-1]


def _dump(charge: Charge) -> str:
    """Return what is kept of a charge as JSON."""
    texts = _write_texts(charge.finish_reason, charge.answered_by)
    prompt, completion, reasoning, cached, estimated = charge.usage
    nano, guessed, _ = charge.cost
    return (
        f'["{charge.id}", {texts}, {prompt}, {completion}, {reasoning}, {cached}, {estimated:d}, '
        f"{'null' if nano is None else nano}, {guessed:d}]"
    )


def _read(text: str) -> dict[str, dict[str, Any]]:
    """Return what is kept of charges, by their IDs; raises ValueError or TypeError for anything else."""
    found: dict[str, dict[str, Any]] = {}
    for name, finish_reason, answered_by, *counts, estimated, nano, guessed in json.loads(text):
        prompt, completion, reasoning, cached = map(read_count, counts)
        if not all(isinstance(each, str) for each in (name, finish_reason, answered_by)):
            raise ValueError("not what is kept of a charge")
        found[name] = {
            "finish_reason": finish_reason,
            "answered_by": answered_by,
            "usage": Usage(prompt, completion, reasoning, cached, bool(estimated)),
            "cost": Cost(None if nano is None else read_count(nano), bool(guessed)),
        }
    return found


def _read_kept(path: Path, lost: Sequence[Charge]) -> dict[str, dict[str, dict[str, Any]]]:
    """Return the charges that are kept, by the names of their requests; a file that fails has none.

    No index is needed for it: the answers are in the order of time, and the last ones are read.
    """
    found: dict[str, dict[str, dict[str, Any]]] = {}
    if not path.is_file():
        return found
    names = {find_name(each.id) for each in lost}
    since = min(each.time for each in lost).timestamp() - _CLOCK_CHANGE
    with (
        suppress(sqlite3.Error, OSError, TypeError),
        closing(sqlite3.connect(path, timeout=0.5)) as connection,
    ):
        rows = connection.execute("SELECT time, name, charges FROM row_answers ORDER BY rowid DESC")
        for time, name, text in rows:
            if time < since:
                break
            if name in names:
                with suppress(ValueError, TypeError, RecursionError):  # by something else
                    found[name] = _read(text)
    return found
