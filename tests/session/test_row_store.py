"""The answers of rows that are kept: what one batch sees of another."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path

import pytest

from cnai_magic.api.token_usage import Usage
from cnai_magic.money.cost import Charge, Cost
from cnai_magic.money.ledger import Ledger
from cnai_magic.redaction import ApiKey
from cnai_magic.session.batches.row_store import KEY_SIZE, KeptAnswer, RowStore

_KEY, _OTHER = b"a" * KEY_SIZE, b"b" * KEY_SIZE
_ANSWER = KeptAnswer("yes", Usage(5, 1), Cost(7))


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger(tmp_path / "ledger.sqlite3")
    yield opened
    opened.close()


def _keep(store: RowStore, key: bytes) -> None:
    charge = Charge("m", "", _ANSWER.usage, _ANSWER.cost, datetime.now(timezone.utc), id=key.hex())
    assert store.keep([(key, _ANSWER, [charge])])


def _open(ledger: Ledger) -> closing[RowStore]:
    return closing(RowStore(ledger, pytest.fail))


def test_what_another_batch_kept_since_is_read_once_and_its_claims_are_seen(ledger: Ledger) -> None:
    with _open(ledger) as store, _open(ledger) as other:
        assert store.read([_KEY]) == {}
        assert other.claim([_KEY, _OTHER]) == set()
        assert store.claim([_KEY]) == {_KEY}
        _keep(other, _KEY)
        other.release()
        assert store.claim([_KEY]) == set()
        assert store.read_new([_KEY]) == {_KEY: _ANSWER}
        assert store.read_new([_KEY]) == {}
        store.release()


def test_what_another_batch_kept_while_the_file_was_closed_is_read(ledger: Ledger) -> None:
    with _open(ledger) as store, _open(ledger) as other:
        assert store.read([_KEY]) == {}
        store.close()
        _keep(other, _KEY)
        assert store.read_new([_KEY]) == {_KEY: _ANSWER}


def test_many_answers_are_kept_together_and_the_key_in_one_of_them_is_hidden(ledger: Ledger) -> None:
    ApiKey("sk-kept0123456789")
    answers = {
        number.to_bytes(KEY_SIZE, "big"): KeptAnswer(
            f"the {number}th, 世界", Usage(number + 1, 1), Cost(number)
        )
        for number in range(120)
    }
    last = answers[max(answers)] = KeptAnswer("it is sk-kept0123456789", Usage(5, 1), Cost(None, True), "why")
    asked = datetime.now(timezone.utc)
    with _open(ledger) as store:
        assert store.keep(
            [
                (key, each, [Charge("m", "", each.usage, each.cost, asked, id=key.hex())])
                for key, each in answers.items()
            ]
        )
        kept = store.read(list(answers))
    assert kept == answers | {max(answers): last._replace(text="it is sk-…")}
