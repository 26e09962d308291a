"""Rows as partitions: in the workers of Dask, several processes that share a ledger, and as each kind."""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import dask.bag
import numpy
import pandas
import pytest

from cnai_magic import InputError, map_partition
from cnai_magic.money.ledger import Ledger
from tests.faulty_gateway import KEY, MODEL, PRICES, FaultyGateway
from tests.servers import ScriptedServer, completion, json_response

TEMPLATE = "say {{ row.word }}"
WORDS = [{"word": f"word {number % 50}"} for number in range(60)]


@pytest.fixture
def gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyGateway]:
    with FaultyGateway() as running:
        environment = {
            "BASE_URL": running.base_url,
            "API_KEY": KEY,
            "MODEL": MODEL,
            "PRICES": json.dumps(PRICES),
            "MAX_TOKENS": "4",
            "LEDGER": str(tmp_path / "ledger.sqlite3"),
        }
        for name, value in environment.items():
            monkeypatch.setenv(f"CNAI_{name}", value)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield running


@pytest.fixture
def workers(gateway: FaultyGateway) -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        yield pool


def _ask_in(workers: ProcessPoolExecutor) -> list[dict[str, Any]]:
    bag = dask.bag.from_sequence(WORDS, npartitions=6)
    asked = bag.map_partitions(map_partition, TEMPLATE, parallel=4)
    found: list[dict[str, Any]] = asked.compute(scheduler="processes", pool=workers)
    return found


def test_workers_ask_each_row_once_within_one_budget_and_go_on_when_it_is_raised(
    gateway: FaultyGateway, workers: ProcessPoolExecutor
) -> None:
    ledger = Ledger(Path(os.environ["CNAI_LEDGER"]))
    ledger.day.set_limit(250_000)
    some = _ask_in(workers)
    failed = [each for each in some if each["error"]]
    assert 0 < len(failed) < len(WORDS)
    assert {each["error"].partition(",")[0] for each in failed} == {
        "the question does not fit the day's budget of all notebooks"
    }
    ledger.day.set_limit(None)
    rows = _ask_in(workers)
    assert [each["answer"] for each in rows] == [f"SAY {each['word'].upper()}" for each in WORDS]
    assert [each["word"] for each in rows] == [each["word"] for each in WORDS]
    # Equal rows of different partitions, too, and those that were answered within the budget.
    assert set(gateway.asked.values()) == {1}
    assert len(gateway.asked) == 50
    charges = list(ledger.read_charges())
    assert len(charges) == 50
    assert {each.notebook for each in charges} == {"map_partition"}
    assert sum(each.cost.nano or 0 for each in charges) == gateway.account.charged


def test_the_same_kind_is_returned(gateway: FaultyGateway) -> None:
    frame = pandas.DataFrame({"word": ["a", "b"], "cost": [5, 6]}, index=[7, 8])
    answered = map_partition(frame, TEMPLATE)
    assert list(answered.columns) == ["word", "row_cost", "answer", "tokens", "cost", "error"]
    assert answered.index.tolist() == [7, 8]
    assert answered["answer"].tolist() == ["SAY A", "SAY B"]
    assert answered["error"].tolist() == [None, None]
    assert list(frame.columns) == ["word", "cost"]
    arrays = map_partition({"word": numpy.array(["a", "b"])}, TEMPLATE)
    assert {type(each) for each in arrays.values()} == {numpy.ndarray}
    assert arrays["answer"].tolist() == ["SAY A", "SAY B"]
    lists: dict[str, list[Any]] = map_partition({"word": ["a", "b"]}, TEMPLATE)
    assert lists["answer"] == ["SAY A", "SAY B"]
    texts: list[Any] = map_partition(["a"])
    assert texts[0]["answer"] == "A"
    # A bag gives iterators of rows, Spark iterators of tables.
    rows: Any = map_partition(iter([{"word": "a"}]), TEMPLATE)
    assert rows[0]["answer"] == "SAY A"
    tables = map_partition(iter([frame, frame[:1]]), TEMPLATE)
    assert [each["answer"].tolist() for each in tables] == [["SAY A", "SAY B"], ["SAY A"]]


def test_columns_have_the_same_types_in_every_partition_and_an_empty_one_asks_nothing(
    gateway: FaultyGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    schema = "good bool, count int, weight float, name str"
    frame = pandas.DataFrame({"word": ["a"]})
    empty = map_partition(frame[:0], TEMPLATE, schema=schema)
    assert not gateway.asked
    with ScriptedServer() as server:
        answer = '{"good": true, "count": 3, "weight": 0.5, "name": "a"}'
        server.always(json_response(completion(answer, tokens=(20, 8))))
        full = map_partition(frame, TEMPLATE, schema=schema, base_url=server.base_url)
    assert full["count"].tolist() == [3]
    assert empty.dtypes.to_dict() == full.dtypes.to_dict()
    assert list(full.columns)[2:6] == ["good", "count", "weight", "name"]
    assert map_partition({"word": []}, TEMPLATE)["answer"] == []
    assert map_partition([], TEMPLATE) == []


@pytest.mark.parametrize("partition", [5, {"word": ["a"], "n": [1, 2]}, {"word": "text"}])
def test_what_is_no_partition_is_an_error(gateway: FaultyGateway, partition: object) -> None:
    with pytest.raises(InputError):
        map_partition(partition, TEMPLATE)
