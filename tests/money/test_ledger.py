from __future__ import annotations

import errno
import hashlib
import os
import sqlite3
import stat
import sys
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from datetime import datetime, timedelta, timezone
from functools import reduce
from itertools import count
from operator import add
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given

from cnai_magic.api.model_facts import describe_models
from cnai_magic.api.token_usage import Usage
from cnai_magic.errors import BudgetError, InputError, LedgerError
from cnai_magic.magics.cell_words import CELL
from cnai_magic.money import ledger as ledger_module
from cnai_magic.money import sqlite_store
from cnai_magic.money.cost import Charge, Cost, Spend
from cnai_magic.money.holds import Hold
from cnai_magic.money.ledger import Ledger, find_default_path
from cnai_magic.money.sqlite_sums import add_charges
from cnai_magic.redaction import ApiKey
from tests.forked_kernels.process import Process, start_python
from tests.properties import Chance, random_examples, random_steps

PATIENCE = 60.0
"""Seconds after which a process that hangs fails its test; no test that passes waits as long."""

NOON = datetime(2026, 3, 4, 12, 0, 0, 123000, tzinfo=timezone.utc)
_IDS = (f"id-{number}" for number in count())

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="of POSIX only")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "ledger.sqlite3"


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    opened = Ledger(path)
    yield opened
    opened.close()


_started: list[Process] = []


@pytest.fixture(autouse=True)
def no_process_stays() -> Iterator[None]:
    yield
    while _started:
        with _started.pop() as process:
            process.kill()


def charge(nano: int | None = 1000, **fields: object) -> Charge:
    given = {
        "model": "m",
        "conversation": "main",
        "usage": Usage(20, 8),
        "cost": Cost(nano),
        "id": next(_IDS),
        "time": NOON,
        **fields,
    }
    return Charge(**given)  # type: ignore[arg-type]


def today(nano: int | None = 1000, **fields: object) -> Charge:
    return charge(nano, **{"time": datetime.now(timezone.utc), **fields})


def spent(charges: list[Charge]) -> Spend:
    return reduce(add, map(Spend.of, charges), Spend())


_PRELUDE = """
import os, signal, sys
from datetime import datetime, timezone
from pathlib import Path
from cnai_magic.errors import BudgetError, LedgerError
from cnai_magic.money.ledger import Ledger
from cnai_magic.api.model_facts import describe_models
from cnai_magic.api.token_usage import Usage
from cnai_magic.money.cost import Charge, Cost

path, name = Path(sys.argv[1]), sys.argv[2]
ledger = Ledger(path, patience=50)

def charge(id, nano):
    return Charge("m", "main", Usage(20, 8, estimated=True), Cost(nano), datetime.now(timezone.utc), id=id)

def tell(*words):
    print(*words, flush=True)
"""


def started(code: str, path: Path, name: str = "", **environment: str) -> Process:
    """Start a process that runs `code` after the prelude; by `input()` it waits for `go`."""
    process = start_python(_PRELUDE + code, str(path), name, environment={**os.environ, **environment})
    _started.append(process)
    return process


def line(process: Process) -> str:
    assert process.stdout is not None
    return process.stdout.readline().rstrip("\n")


def go(process: Process) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def ended(process: Process) -> list[str]:
    """Return the lines that a process still prints, once it ended well."""
    output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    return output.splitlines()


def ran_at_once(code: str, path: Path, processes: int = 10) -> list[list[str]]:
    """Run `code` in many processes that start together; return the lines that each printed."""
    begun = [started("tell('ready'); input()\n" + code, path, str(number)) for number in range(processes)]
    assert [line(process) for process in begun] == ["ready"] * processes
    for process in begun:
        go(process)
    return [ended(process) for process in begun]


def sound(path: Path) -> bool:
    connection = sqlite3.connect(path)
    try:
        return connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    finally:
        connection.close()


# -- charges in, charges out ----------------------------------------------------------------------


def test_a_charge_comes_back_as_it_was(ledger: Ledger) -> None:
    entered = Charge(
        "deepseek-chat",
        "main",
        Usage(20, 8, 3, 5, estimated=True),
        Cost(53_760, estimated=True),
        demo=True,
        id="0123456789abcdef",
        time=datetime(2026, 3, 4, 12, 0, 0, 123456, tzinfo=timezone(timedelta(hours=8))),
        host="cnaitoken.store",
        notebook="/home/ann/测试.ipynb",
        finish_reason="length",
        answered_by="deepseek-flash",
    )
    ledger.add(entered)
    (found,) = ledger.read_charges()
    # Microseconds do not survive.
    assert found.time == entered.time.replace(microsecond=123000)
    assert found == Charge(**{name: getattr(entered, name) for name in _FIELDS} | {"time": found.time})


_FIELDS = Charge._fields


def test_nothing_is_touched_before_the_first_call(path: Path) -> None:
    Ledger(path).close()
    assert not path.parent.exists()


def test_the_same_id_is_entered_once(ledger: Ledger) -> None:
    ledger.add(charge(1, id="a"))
    ledger.add(charge(2, id="a"))
    assert [found.cost.nano for found in ledger.read_charges()] == [1]


def test_a_charge_without_an_id_is_refused(ledger: Ledger) -> None:
    with pytest.raises(LedgerError, match="without an ID"):
        ledger.add(charge(id=""))
    assert list(ledger.read_charges()) == []


def test_the_oldest_comes_first_whatever_was_entered_first(ledger: Ledger) -> None:
    for minutes in (2, 0, 1):
        ledger.add(charge(minutes, time=NOON + timedelta(minutes=minutes)))
    assert [found.cost.nano for found in ledger.read_charges()] == [0, 1, 2]


def test_filters_choose_and_none_does_not(ledger: Ledger) -> None:
    ledger.add(charge(1, notebook="a"))
    ledger.add(charge(2, notebook="b", demo=True))
    ledger.add(charge(4, notebook="", time=NOON + timedelta(days=2)))
    day = (NOON + timedelta(days=2)).astimezone().date().isoformat()

    def chosen(**filters: object) -> int:
        found = ledger.read_charges(**filters)  # type: ignore[arg-type]
        return sum(each.cost.nano or 0 for each in found)

    assert chosen() == 7
    assert chosen(demo=False) == 5
    assert chosen(demo=True) == ledger.read_total(demo=True).nano == 2
    assert chosen(notebook="a") == ledger.read_total(notebook="a").nano == 1
    assert chosen(notebook="") == 4
    assert chosen(day=day) == ledger.read_total(day=day).nano == 4
    assert chosen(day=day, notebook="a") == ledger.read_total(day=day, notebook="a").nano == 0


def test_very_many_of_one_moment_are_all_read_in_their_order(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_module, "_ROWS_AT_A_TIME", 3)
    ledger = Ledger(path)
    moments = [NOON] * 7 + [NOON + timedelta(seconds=1)] * 3 + [NOON + timedelta(seconds=2)]
    for number, moment in enumerate(moments):
        ledger.add(charge(number, time=moment))
    day = NOON.astimezone().date().isoformat()
    assert [found.cost.nano for found in ledger.read_charges()] == list(range(11))
    assert [found.nano for found in ledger.read_records(day=day)] == list(range(11))
    ledger.close()


def test_more_charges_than_one_statement_takes_are_entered_together_and_once(ledger: Ledger) -> None:
    charges = [charge(nano, id=f"many-{nano}") for nano in range(120)]
    for some in (charges[:70], charges):
        ledger.day.settle_all([(None, each) for each in some])
    assert [found.cost.nano for found in ledger.read_charges()] == list(range(120))
    assert ledger.read_total() == Spend.of_all(charges)


def test_rows_may_be_read_while_others_are_entered(ledger: Ledger) -> None:
    ledger.add(charge(1))
    for found in ledger.read_charges():
        ledger.add(charge(found.cost.nano, conversation="again"))
    assert ledger.read_total().requests == 2


def test_the_day_is_the_local_one_at_which_it_was_asked(path: Path) -> None:
    # 11:30 in UTC is the next day already at UTC+14, and still the day before at UTC-12.
    code = "ledger.add(Charge('m', 'c', Usage(), Cost(1), id=name, "
    code += "time=datetime(2026, 3, 4, 11, 30, tzinfo=timezone.utc)))"
    ended(started(code, path, "east", TZ="XXX-14"))
    ended(started(code, path, "west", TZ="XXX+12"))
    ledger = Ledger(path)
    assert list(ledger.read_sums("day")) == ["2026-03-03", "2026-03-05"]
    assert [found.id for found in ledger.read_charges(day="2026-03-05")] == ["east"]
    ledger.close()


def test_real_money_and_demo_credit_are_never_summed_together(ledger: Ledger) -> None:
    ledger.add(charge(1))
    ledger.add(charge(2, demo=True))
    assert (ledger.read_total().nano, ledger.read_total(demo=True).nano) == (1, 2)
    assert {name: spend.nano for name, spend in ledger.read_sums("model").items()} == {"m": 1}
    assert {name: spend.nano for name, spend in ledger.read_sums("model", demo=True).items()} == {"m": 2}


def test_groups_come_in_the_order_of_first_use_and_days_in_theirs(ledger: Ledger) -> None:
    for days, model, chat in ((1, "b", "x"), (0, "z", "y"), (2, "z", "x"), (3, "a", "y")):
        ledger.add(
            charge(model=model, conversation=chat, host=f"{model}.example", time=NOON + timedelta(days))
        )
    assert list(ledger.read_sums("model")) == ["z", "b", "a"]
    assert list(ledger.read_sums("chat")) == ["y", "x"]
    assert list(ledger.read_sums("host")) == ["z.example", "b.example", "a.example"]
    assert list(ledger.read_sums("notebook")) == [""]
    assert list(ledger.read_sums("day")) == [
        (NOON + timedelta(days)).astimezone().date().isoformat() for days in range(4)
    ]


def test_an_unknown_group_names_those_there_are(ledger: Ledger) -> None:
    with pytest.raises(InputError, match="model, chat, day, notebook, host"):
        ledger.read_sums("prompt")


def test_an_empty_ledger_has_spent_nothing(ledger: Ledger) -> None:
    assert ledger.read_total() == Spend()
    assert ledger.read_sums("model") == {}
    assert list(ledger.read_charges()) == []


def _make_count(chance: Chance) -> int:
    return chance.integer(0, chance.choice([10**6, 2**63 - 1]))


def _make_name(chance: Chance) -> str:
    return chance.choice(["", "a", "b", "A", "测", "\x00", "a\x00b", "\udcff", "'", chance.text(5)])


def _make_charge(chance: Chance) -> Charge:
    return Charge(
        model=_make_name(chance),
        conversation=_make_name(chance),
        usage=Usage(*(_make_count(chance) for _ in range(4)), chance.flag()),
        cost=Cost(chance.choice([None, _make_count(chance)]), chance.flag()),
        demo=chance.flag(),
        id=next(_IDS),
        time=NOON + timedelta(milliseconds=chance.integer(-(10**10), 10**10)),
        host=_make_name(chance),
        notebook=_make_name(chance),
        finish_reason=_make_name(chance),
    )


@random_examples(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(charges=random_steps(_make_charge, 0, 12))
def test_rows_come_back_and_sums_are_exact(path: Path, charges: list[Charge]) -> None:
    with_space = path.with_name(f"{next(_IDS)}.sqlite3")
    ledger = Ledger(with_space)
    for each in charges:
        ledger.add(each)
    charges = sorted(charges, key=lambda each: each.time)
    assert sorted(ledger.read_charges(), key=lambda each: each.id) == sorted(
        charges, key=lambda each: each.id
    )
    for demo in (False, True):
        of_kind = [each for each in charges if each.demo is demo]
        assert list(ledger.read_charges(demo=demo)) == of_kind
        assert ledger.read_total(demo=demo) == spent(of_kind)
        for what, field in (("model", "model"), ("chat", "conversation"), ("notebook", "notebook")):
            sums = {
                name: spent([each for each in of_kind if getattr(each, field) == name])
                for name in {getattr(each, field): None for each in of_kind}
            }
            assert ledger.read_sums(what, demo=demo) == sums
        for notebook in {each.notebook for each in of_kind}:
            inside = [each for each in of_kind if each.notebook == notebook]
            assert ledger.read_total(demo=demo, notebook=notebook) == spent(inside)
    ledger.close()


@pytest.mark.parametrize(
    "unfit",
    [{"nano": 2**63}, {"usage": Usage(2**63, 0)}, {"nano": 0.5}, {"usage": Usage("many", 0)}],  # type: ignore[arg-type]
)
def test_a_charge_that_cannot_be_held_is_an_error_and_changes_nothing(
    ledger: Ledger, unfit: dict[str, object]
) -> None:
    ledger.add(charge(1))
    with pytest.raises(LedgerError):
        ledger.add(charge(**unfit))  # type: ignore[arg-type]
    assert ledger.read_total().requests == 1


# -- the file -------------------------------------------------------------------------------------


@POSIX
def test_only_its_owner_can_read_it(ledger: Ledger, path: Path) -> None:
    before = os.umask(0)
    try:
        ledger.day.set_limit(10)
        ledger.day.hold("money", 1)
        modes = {
            each.name: stat.S_IMODE(each.stat().st_mode)
            for each in [path.parent, *path.parent.iterdir(), *_owner_files(path)]
        }
    finally:
        os.umask(before)
    (owner,) = _owner_files(path)
    assert modes == {
        "data": 0o700,
        "ledger.sqlite3": 0o600,
        "ledger.sqlite3-wal": 0o600,
        "ledger.sqlite3-shm": 0o600,
        "ledger.sqlite3-owners": 0o700,
        owner.name: 0o600,
    }


def _owner_files(path: Path) -> list[Path]:
    return list(path.with_name(f"{path.name}-owners").iterdir())


def test_it_is_written_ahead_and_to_the_disk(ledger: Ledger, path: Path) -> None:
    ledger.add(charge())
    connection = ledger._store._connection
    assert connection is not None
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)


def test_the_default_place_is_the_user_s_data_folder() -> None:
    assert find_default_path().parts[-2:] == ("cnai_magic", "ledger.sqlite3")
    if sys.platform == "linux":
        assert find_default_path() == Path.home() / "data" / "cnai_magic" / "ledger.sqlite3"


@POSIX
def test_a_path_may_begin_with_the_home_folder() -> None:
    ledger = Ledger(Path("~/kept/ledger.sqlite3"))
    ledger.add(charge())
    ledger.close()
    assert (Path.home() / "kept" / "ledger.sqlite3").is_file()


def test_a_relative_path_is_meant_from_where_it_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ledger = Ledger(Path(":memory:"))
    monkeypatch.chdir(Path.home())
    ledger.add(charge())
    ledger.close()
    assert (tmp_path / ":memory:").is_file()


@POSIX
def test_a_link_leads_to_the_same_ledger_and_the_same_owners(ledger: Ledger, path: Path) -> None:
    ledger.day.set_limit(10)
    held = ledger.day.hold("money", 6)
    link = path.parent.parent / "link"
    link.symlink_to(path)
    assert ended(started('tell(ledger.day.read_left("money"))', link)) == ["4"]
    assert held
    assert not link.with_name("link-owners").exists()


def test_close_lets_a_later_call_open_it_again(ledger: Ledger) -> None:
    ledger.add(charge(1))
    ledger.close()
    ledger.close()
    assert ledger.read_total().nano == 1


def test_a_file_that_is_moved_away_is_begun_anew(ledger: Ledger, path: Path) -> None:
    ledger.add(charge(1))
    path.rename(path.with_name("old.sqlite3"))
    ledger.add(charge(2))
    assert [found.cost.nano for found in ledger.read_charges()] == [2]


def test_threads_share_one_ledger(ledger: Ledger) -> None:
    ledger.day.set_limit(10**6)

    def ask(_: int) -> None:
        for _ in range(10):
            held = ledger.day.hold("money", 100)
            assert held
            ledger.day.settle(held, today(50))
            assert ledger.day.extend(held, 1) is False

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(ask, range(8))) == [None] * 8
    assert ledger.read_total().requests == 80
    assert ledger.day.read_left("money") == 10**6 - 80 * 50


def test_nothing_private_is_in_the_columns(ledger: Ledger, path: Path) -> None:
    ledger.add(charge())
    connection = sqlite3.connect(path)
    columns = {row[1] for row in connection.execute("PRAGMA table_info(charges)")}
    connection.close()
    assert columns == {
        "id",
        "time",
        "day",
        "model",
        "host",
        "conversation",
        "notebook",
        "finish_reason",
        "demo",
        "prompt_tokens",
        "completion_tokens",
        "reasoning_tokens",
        "cached_tokens",
        "answered_by",
        "usage_estimated",
        "nano",
        "cost_estimated",
    }


# -- schemas --------------------------------------------------------------------------------------


def _made(path: Path, migrations: int) -> None:
    """Make the ledger that an older release left, by its first migrations."""
    path.parent.mkdir(exist_ok=True)
    connection = sqlite3.connect(path, isolation_level=None)
    for number in range(1, migrations + 1):
        sqlite_store._MIGRATIONS[number - 1](connection)
        connection.execute(f"PRAGMA user_version = {number}")
    connection.close()


def _version(path: Path) -> int:
    connection = sqlite3.connect(path)
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    connection.close()
    return int(version)


@pytest.mark.parametrize("migrations", range(len(sqlite_store._MIGRATIONS) + 1))
def test_every_older_schema_becomes_the_newest(ledger: Ledger, path: Path, migrations: int) -> None:
    _made(path, migrations)
    ledger.add(charge(1))
    assert [found.cost.nano for found in ledger.read_charges()] == [1]
    ledger.day.set_limit(5)
    assert ledger.day.hold("money", 1)
    assert _version(path) == len(sqlite_store._MIGRATIONS)


def test_a_fresh_file_has_the_newest_schema(ledger: Ledger, path: Path) -> None:
    assert ledger.day.read_limit() is None
    assert _version(path) == len(sqlite_store._MIGRATIONS)


def test_a_newer_schema_is_refused_untouched(path: Path) -> None:
    _made(path, len(sqlite_store._MIGRATIONS))
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {len(sqlite_store._MIGRATIONS) + 1}")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(LedgerError) as caught:
        Ledger(path).add(charge())
    assert "newer version of cnai_magic" in caught.value.next_step.at(CELL)
    assert str(path) in caught.value.what
    assert path.read_bytes() == before
    assert [each.name for each in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("statement", ["CREATE TABLE theirs (x)", "PRAGMA user_version = 1"])
def test_another_program_s_database_is_refused_untouched(path: Path, statement: str) -> None:
    path.parent.mkdir()
    connection = sqlite3.connect(path)
    connection.execute(statement)
    connection.close()
    before = path.read_bytes()
    with pytest.raises(LedgerError, match="another program"):
        Ledger(path).add(charge())
    assert path.read_bytes() == before


def test_many_processes_may_begin_it_at_once(path: Path) -> None:
    path.parent.mkdir()
    path.touch()
    ran_at_once("ledger.add(charge(name, 1))", path)
    ledger = Ledger(path)
    assert ledger.read_total().nano == 10
    ledger.close()


# -- many at once, and sudden deaths --------------------------------------------------------------


def test_ten_processes_enter_fifty_charges_each(ledger: Ledger, path: Path) -> None:
    ran_at_once("for n in range(50): ledger.add(charge(f'{name}-{n}', n))", path)
    assert ledger.read_total() == Spend(
        requests=500, usage=Usage(500 * 20, 500 * 8, estimated=True), nano=10 * sum(range(50))
    )
    assert {found.id for found in ledger.read_charges()} == {
        f"{name}-{n}" for name in range(10) for n in range(50)
    }
    assert sound(path)


def test_a_killed_process_leaves_every_charge_it_had_entered(ledger: Ledger, path: Path) -> None:
    code = "from itertools import count\nfor n in count():\n ledger.add(charge(f'{name}-{n}', 1)); tell(n)"
    for name in range(3):
        process = started(code, path, str(name))
        told = [line(process) for _ in range(20)]
        process.kill()
        output, _ = process.communicate(timeout=PATIENCE)
        # The last line may have been cut.
        told += output.splitlines()[:-1]
        assert {f"{name}-{n}" for n in told} <= {found.id for found in ledger.read_charges()}
        assert sound(path)
    ledger.add(charge())


# -- the budget of the day ------------------------------------------------------------------------


def test_without_a_budget_nothing_is_held(ledger: Ledger, path: Path) -> None:
    assert ledger.day.hold("money", 10**12) is None
    assert ledger.day.read_left("money") is None
    assert not path.with_name(f"{path.name}-owners").exists()


def test_a_budget_is_one_for_all_who_open_the_ledger(ledger: Ledger, path: Path) -> None:
    ledger.day.set_limit(2**62)
    assert ended(started("tell(ledger.day.read_limit())", path)) == [str(2**62)]
    ledger.day.set_limit(5)
    assert ledger.day.read_limit() == 5
    ledger.day.set_limit(0)
    assert ledger.day.read_limit() == 0
    ledger.day.set_limit(None)
    assert ledger.day.read_limit() is None


def test_what_is_no_whole_number_is_no_budget(ledger: Ledger) -> None:
    ledger.day.set_limit(5)
    with pytest.raises(LedgerError):
        ledger.day.set_limit(0.5)  # type: ignore[arg-type]
    assert ledger.day.read_limit() == 5


def test_a_charge_that_cannot_be_entered_leaves_its_hold(ledger: Ledger) -> None:
    ledger.day.set_limit(100)
    held = ledger.day.hold("money", 60)
    assert held
    with pytest.raises(LedgerError):
        ledger.day.settle(held, today(2**63))
    assert ledger.day.read_left("money") == 40


def test_a_hold_grows_while_it_fits(ledger: Ledger) -> None:
    ledger.day.set_limit(100)
    held = ledger.day.hold("money", 60)
    assert held
    assert ledger.day.extend(held, 40) is True
    assert ledger.day.extend(held, 1) is False
    assert ledger.day.read_left("money") == 0
    ledger.day.set_limit(None)
    assert ledger.day.extend(held, 10**9) is True
    ledger.day.release(held)
    assert ledger.day.extend(held, 1) is False


def test_what_is_left_is_below_zero_where_the_budget_was_lowered(ledger: Ledger) -> None:
    ledger.day.set_limit(100)
    ledger.add(today(90))
    ledger.day.set_limit(50)
    assert ledger.day.read_left("money") == -40


def test_spend_of_another_day_does_not_count(ledger: Ledger) -> None:
    ledger.day.set_limit(100)
    ledger.add(today(90, time=datetime.now(timezone.utc) - timedelta(days=2)))
    assert ledger.day.read_left("money") == 100


def test_holds_of_another_day_do_not_count(ledger: Ledger, path: Path) -> None:
    ledger.day.set_limit(100)
    # It is never the same day at UTC+14 and at UTC-12.
    holding = started('tell(bool(ledger.day.hold("money", 100))); input()', path, TZ="XXX-14")
    assert line(holding) == "True"
    assert ended(started('tell(ledger.day.read_left("money"))', path, TZ="XXX-14")) == ["0"]
    assert ended(started('tell(ledger.day.read_left("money"))', path, TZ="XXX+12")) == ["100"]


def test_ten_processes_never_exceed_the_budget_together(ledger: Ledger, path: Path) -> None:
    budget, held = 3_000, 17
    ledger.day.set_limit(budget)
    code = f"""
n = 0
while True:
    try:
        held = ledger.day.hold("money", {held})
    except BudgetError:
        break
    n += 1
    ledger.day.settle(held, charge(f"{{name}}-{{n}}", {held}))
tell(n)
"""
    told = ran_at_once(code, path)
    total = ledger.read_total()
    assert budget - held < total.nano <= budget
    assert total.requests == sum(int(lines[0]) for lines in told)
    assert ledger.day.read_left("money") == budget - total.nano


def test_holds_alone_never_exceed_the_budget_together(ledger: Ledger, path: Path) -> None:
    ledger.day.set_limit(1_000)
    code = """
n = 0
try:
    while True:
        held = ledger.day.hold("money", 7)
        n += 7
        while ledger.day.extend(held, 3):
            n += 3
            if n % 5 == 0:
                break
except BudgetError:
    tell(n)
input()
"""
    processes = [started("tell('ready'); input()\n" + code, path) for _ in range(6)]
    assert {line(process) for process in processes} == {"ready"}
    for process in processes:
        go(process)
    # All live until all have told: what they hold is held at the same time.
    held = sum(int(line(process)) for process in processes)
    assert 1_000 - 7 < held <= 1_000
    assert ledger.day.read_left("money") == 1_000 - held
    for process in processes:
        go(process)
        ended(process)
    assert ledger.day.read_left("money") == 1_000


# -- the living and the dead ----------------------------------------------------------------------

_HOLDS = """
ledger.add(charge("spent", 10))
tell(ledger.day.hold("money", 90).id)
input()
"""


def test_a_killed_process_frees_what_it_held_and_keeps_what_it_spent(ledger: Ledger, path: Path) -> None:
    ledger.day.set_limit(100)
    process = started(_HOLDS, path)
    held = line(process)
    with pytest.raises(BudgetError):
        ledger.day.hold("money", 1)
    assert ledger.day.read_left("money") == 0
    process.kill()
    process.communicate(timeout=PATIENCE)
    assert ledger.day.hold("money", 90)
    assert ledger.day.extend(Hold(held, "money", ""), 0) is False
    assert [found.id for found in ledger.read_charges()] == ["spent"]
    # The file of the dead is gone; what is there is our own.
    assert len(_owner_files(path)) == 1


def test_a_process_that_ends_frees_what_it_held(ledger: Ledger, path: Path) -> None:
    ledger.day.set_limit(100)
    process = started(_HOLDS, path)
    assert line(process)
    go(process)
    ended(process)
    assert ledger.day.read_left("money") == 90
    assert ledger.day.extend(Hold("unknown", "money", ""), 1) is False


def test_two_ledgers_of_one_process_are_one_owner(ledger: Ledger, path: Path) -> None:
    ledger.day.set_limit(100)
    other = Ledger(path)
    mine, other_s = ledger.day.hold("money", 30), other.day.hold("money", 30)
    assert mine
    assert other_s
    assert ledger.day.read_left("money") == other.day.read_left("money") == 40
    ledger.close()
    # Looking did not let go of the lock, and neither did closing.
    assert ended(started('tell(ledger.day.read_left("money"))', path)) == ["40"]
    assert other.day.read_left("money") == 40
    other.close()


def test_a_process_holds_on_after_somebody_emptied_the_folder(ledger: Ledger, path: Path) -> None:
    ledger.day.set_limit(100)
    ledger.day.hold("money", 30)
    for file in _owner_files(path):
        file.unlink()
    assert ledger.day.hold("money", 50)
    assert ended(started('tell(ledger.day.read_left("money"))', path)) == ["20"]


_OPEN = """
ledger.add(charge("first", 1))
ledger.journal.open(charge("open", 5), [("open", datetime.now(timezone.utc), 20)], None)
"""
# Another session of the process: the file is emptied when nothing is open, and not before.
_ANOTHER = """
other = Ledger(path)
other.day.read_limit()
other.journal.open(charge("other", 1), [("other", datetime.now(timezone.utc), 20)], None)
other.journal.close_all(["other"])
"""
_GROWS = 'ledger.journal.grow("open", 8, None)'


@pytest.mark.parametrize(
    "code",
    [
        _ANOTHER,
        f'for file in path.parent.glob("*-owners/*"): file.unlink()\n{_GROWS}',
        f'for file in path.parent.glob("*-owners/*"): os.truncate(file, 0)\n{_GROWS}',
    ],
    ids=["session", "folder", "file"],
)
def test_a_request_stays_noted_whoever_else_empties_the_journal(
    ledger: Ledger, path: Path, code: str
) -> None:
    process = started(f"{_OPEN}{code}\nos.kill(os.getpid(), 9)", path)
    process.communicate(timeout=PATIENCE)
    found = {row.id: (row.finish_reason, row.usage.completion_tokens) for row in ledger.read_charges()}
    assert found == {"first": ("", 8), "open": ("lost", 8)}


@POSIX
def test_a_charge_counts_on_the_day_that_it_was_held_of(path: Path) -> None:
    code = """
import time
def move(zone):
    os.environ["TZ"] = zone
    time.tzset()
move("XXX-14")
ledger.day.set_limit(100)
held = ledger.day.hold("money", 60)
move("XXX+12")  # where it is another day
ledger.day.settle(held, charge("late", 60))
tell(ledger.day.read_left("money"))
move("XXX-14")
tell(ledger.day.read_left("money"))
"""
    assert ended(started(code, path)) == ["100", "40"]


_FORK = """
ledger.day.set_limit(100)
ledger.add(charge("before", 1))
held = ledger.day.hold("money", 60)
reading, writing = os.pipe()
child = os.fork()
if not child:
    os.close(writing)
"""


@POSIX
def test_a_forked_child_keeps_no_hold_of_its_dead_parent(ledger: Ledger, path: Path) -> None:
    # The child lives on, with all that it inherited, until the pipe that we hold is closed.
    code = _FORK + "    os.close(1); sys.stdin.read(); os._exit(0)\ntell(child); os.kill(os.getpid(), 9)"
    process = started(code, path)
    child = int(line(process))
    process.wait(timeout=PATIENCE)
    os.kill(child, 0)
    assert ledger.day.read_left("money") == 99


@POSIX
def test_a_forked_child_releases_no_hold_of_its_parent(ledger: Ledger, path: Path) -> None:
    code = (
        _FORK
        + """
    ledger.close()
    ledger.add(charge("child", 2))
    own = ledger.day.hold("money", 20)
    assert ledger.day.read_left("money") == 100 - 3 - 60 - 20
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
tell("ready")
input()
assert ledger.day.read_left("money") == 100 - 3 - 60
ledger.day.settle(held, charge("parent", 60))
"""
    )
    process = started(code, path)
    assert line(process) == "ready"
    assert ledger.day.read_left("money") == 100 - 3 - 60
    go(process)
    ended(process)
    assert ledger.day.read_left("money") == 100 - 63


@POSIX
def test_what_a_forked_child_enters_outlives_its_parent_s_ledger(ledger: Ledger, path: Path) -> None:
    # Whoever closes a ledger last removes its log; the parent must know that the child still writes to it.
    code = """
ledger.add(charge("first", 1))
down, up = os.pipe(), os.pipe()
if not os.fork():
    os.close(down[1])
    ledger.add(charge("second", 1))
    os.write(up[1], b".")
    os.read(down[0], 1)
    ledger.add(charge("third", 1))
    os._exit(0)
os.read(up[0], 1)
ledger.close()
os.close(down[1])
os.wait()
"""
    ended(started(code, path))
    assert [found.id for found in ledger.read_charges()] == ["first", "second", "third"]


@POSIX
def test_a_fork_waits_for_what_a_thread_is_entering(ledger: Ledger, path: Path) -> None:
    code = """
import threading
busy = threading.Event()
def write():
    for n in range(40):
        ledger.add(charge(f"thread-{n}", 1))
        busy.set()
thread = threading.Thread(target=write)
thread.start()
busy.wait()
for number in range(4):
    if not os.fork():
        for n in range(20):
            ledger.add(charge(f"{number}-{n}", 1))
        ledger.close()
        os._exit(0)
thread.join()
assert [os.wait()[1] for _ in range(4)] == [0] * 4
"""
    ended(started("import warnings; warnings.simplefilter('ignore')" + code, path))
    assert ledger.read_total().requests == 40 + 4 * 20
    assert sound(path)


# -- what can be wrong with a file ----------------------------------------------------------------


def test_a_locked_ledger_is_an_error_and_works_again_once_free(path: Path) -> None:
    ledger = Ledger(path, patience=0.05)
    ledger.add(charge(1))
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(LedgerError) as caught:
        ledger.add(charge(2))
    assert "another program holds it" in caught.value.why
    assert isinstance(caught.value.__cause__, sqlite3.Error)
    # Who only reads waits for nobody.
    assert ledger.read_total().nano == 1
    other.execute("COMMIT")
    other.close()
    ledger.add(charge(4))
    assert ledger.read_total().nano == 5
    ledger.close()


def test_a_writer_waits_for_another_one(ledger: Ledger, path: Path) -> None:
    code = """
import sqlite3
other = sqlite3.connect(path, isolation_level=None)
other.execute("BEGIN IMMEDIATE")
tell("locked")
input()
other.execute("COMMIT")
other.close()
"""
    ledger.add(charge(1))
    process = started(code, path)
    assert line(process) == "locked"
    thread = threading.Thread(target=ledger.add, args=(charge(2),))
    thread.start()
    go(process)
    thread.join()
    ended(process)
    assert ledger.read_total().nano == 3


def _assert_refused(path: Path, *words: str) -> LedgerError:
    ledger = Ledger(path, patience=0.05)
    calls = (
        lambda: ledger.add(charge()),
        ledger.read_total,
        lambda: ledger.day.hold("money", 1),
        ledger.read_charges,
    )
    for call in calls:
        with pytest.raises(LedgerError) as caught:
            call()
        assert str(path) in str(caught.value)
        assert caught.value.next_step
        for word in words:
            assert word in "\n".join(caught.value.lines(CELL))
    ledger.close()
    return caught.value


def test_a_folder_in_its_place_is_refused(path: Path) -> None:
    path.mkdir(parents=True)
    error = _assert_refused(path, "folder", "%config Cnai.ledger")
    assert error.why == "it is a folder, or not a regular file"


@POSIX
def test_a_pipe_in_its_place_is_refused_without_waiting(path: Path) -> None:
    path.parent.mkdir()
    os.mkfifo(path)
    error = _assert_refused(path, "not a regular file")
    assert not error.locked


def test_a_place_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    _assert_refused(tmp_path / "file" / "ledger.sqlite3", "%config Cnai.ledger")
    _assert_refused(tmp_path / "file" / "deep" / "ledger.sqlite3")
    assert (tmp_path / "file").read_text() == ""


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is of Linux")
def test_a_folder_that_takes_no_file_is_refused() -> None:
    error = _assert_refused(Path("/proc/ledger.sqlite3"), 'or "off"')
    assert not error.locked


def test_a_path_that_is_no_path_is_refused() -> None:
    with pytest.raises(LedgerError):
        Ledger(Path("/tmp/a\0b")).read_total()


@POSIX
def test_a_user_that_is_not_known_is_refused() -> None:
    with pytest.raises(LedgerError, match="~nobody-of-this-name"):
        Ledger(Path("~nobody-of-this-name/ledger.sqlite3"))


def test_a_folder_that_cannot_be_made_for_the_owners_is_refused(ledger: Ledger, path: Path) -> None:
    ledger.day.set_limit(100)
    path.with_name(f"{path.name}-owners").write_text("")
    with pytest.raises(LedgerError):
        ledger.day.hold("money", 1)
    assert ledger.day.read_left("money") == 100


@pytest.mark.parametrize("size", [2, 15, 600, 4096, 100_000])
def test_a_file_of_random_bytes_is_refused_untouched(path: Path, size: int) -> None:
    path.parent.mkdir()
    noise = b"".join(hashlib.sha256(bytes([n % 256, n // 256])).digest() for n in range(size // 32 + 1))
    path.write_bytes(noise[:size])
    _assert_refused(path, "damaged", f"move {path} away")
    assert path.read_bytes() == noise[:size]


@pytest.mark.parametrize("kept", [50, 100, 512, 4095, 4096, 4097, 10_000, 40_000])
def test_a_truncated_ledger_is_refused_untouched(ledger: Ledger, path: Path, kept: int) -> None:
    for _ in range(300):
        ledger.add(charge(notebook="n" * 200))
    ledger.close()
    whole = path.read_bytes()
    assert len(whole) > 50_000
    path.write_bytes(whole[:kept])
    _assert_refused(path, "damaged", f"move {path} away")
    assert path.read_bytes() == whole[:kept]
    path.rename(path.with_name("damaged"))
    ledger.add(charge(7))
    assert ledger.read_total().nano == 7


def test_damage_in_one_row_is_an_error_and_not_a_wrong_sum(ledger: Ledger, path: Path) -> None:
    ledger.add(charge())
    other = sqlite3.connect(path)
    other.execute("PRAGMA ignore_check_constraints = ON")
    other.execute("UPDATE charges SET time = 'never', model = CAST(x'ff' AS TEXT)")
    other.commit()
    other.close()
    with pytest.raises(LedgerError):
        ledger.read_charges()
    with pytest.raises(LedgerError, match="damaged"):
        ledger.read_sums("model")


@pytest.mark.parametrize("time", [300_000_000_000_000, -63_000_000_000_000, 2**63 - 1])
def test_a_time_that_no_calendar_has_is_damage(ledger: Ledger, path: Path, time: int) -> None:
    ledger.add(charge())
    other = sqlite3.connect(path)
    other.execute("UPDATE charges SET time = ?", (time,))
    other.commit()
    other.close()
    for read in (ledger.read_charges, ledger.read_records):
        with pytest.raises(LedgerError, match="is not a time between the years 1 and 9999"):
            list(read())
    assert ledger.read_total().requests == 1


@POSIX
def test_a_full_disk_is_an_error_and_loses_nothing_that_was_entered(ledger: Ledger, path: Path) -> None:
    code = """
import resource
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
ledger.add(charge("0", 1))
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, resource.RLIM_INFINITY))
n = 1
try:
    while True:
        ledger.add(charge(str(n), 1))
        n += 1
except LedgerError as error:
    tell(n)
    tell(error)
try:
    ledger.add(charge("too much", 1))
except LedgerError:
    tell("still")
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
ledger.add(charge(str(n), 1))
"""
    entered, error, *_ = ended(started(code, path))
    assert "full" in error
    assert "free some space" in error
    assert int(entered) > 10
    assert {str(n) for n in range(int(entered) + 1)} <= {found.id for found in ledger.read_charges()}
    assert sound(path)


def test_an_interrupted_call_leaves_no_transaction_open(ledger: Ledger, path: Path) -> None:
    ledger.add(charge(1))

    def interrupted(_connection: sqlite3.Connection) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ledger._store.run(interrupted)
    other = Ledger(path, patience=0.05)
    other.add(charge(2))
    other.close()
    assert ledger.read_total().nano == 3


@pytest.mark.parametrize("name", ["../precious.txt", "precious", b"x"])
def test_no_file_that_a_row_names_is_touched(ledger: Ledger, path: Path, name: object) -> None:
    ledger.day.set_limit(1000)
    precious = path.parent / "precious.txt"
    precious.write_text("dear")
    assert ledger.day.hold("money", 10)
    ledger.close()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE holds SET owner = ?", (str(precious) if name == "precious" else name,))
    with suppress(LedgerError):
        ledger.day.read_left("money")
    assert precious.read_text() == "dear"


def test_a_link_in_place_of_the_folder_of_the_owners_is_not_followed(ledger: Ledger, path: Path) -> None:
    ledger.day.set_limit(1000)
    other = path.parent / "cache"
    other.mkdir()
    kept = other / ("d4" * 16)
    kept.write_text("dear")
    path.with_name(f"{path.name}-owners").symlink_to(other, target_is_directory=True)
    with pytest.raises(LedgerError):
        ledger.day.hold("money", 10)
    assert [each.name for each in other.iterdir()] == [kept.name]


def test_a_ledger_that_somebody_taught_to_count_otherwise_is_refused(ledger: Ledger, path: Path) -> None:
    ledger.day.set_limit(1000)
    ledger.close()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TRIGGER t AFTER INSERT ON holds BEGIN UPDATE holds SET nano = 0; END")
    with pytest.raises(LedgerError, match="ledger") as caught:
        ledger.day.hold("money", 10)
    assert "change what it counts" in caught.value.why


def test_a_key_that_names_a_conversation_is_in_no_row(ledger: Ledger, path: Path) -> None:
    key = "sk-" + "chat0" * 6
    ApiKey(key)
    ledger.add(Charge("m", key, Usage(1, 1), Cost(1), NOON, id="one"))
    assert [each.conversation for each in ledger.read_charges()] == ["sk-…"]
    ledger.close()
    assert key[3:].encode() not in path.read_bytes()


@pytest.mark.parametrize("seed", range(3))
def test_sums_are_those_of_the_rows_however_many_were_summed_before(ledger: Ledger, seed: int) -> None:
    chance = Random(seed)
    charges = [
        charge(
            chance.choice([None, 0, 1, 2**62]),
            demo=chance.random() < 0.3,
            model=chance.choice("ab"),
            answered_by=chance.choice(["", "c"]),
            conversation=chance.choice(["main", ""]),
            notebook=chance.choice(["/one.ipynb", "/\udce9.ipynb"]),
            time=NOON + timedelta(days=chance.randrange(3)),
        )
        for _ in range(700)
    ]
    entered = 0
    for many in (255, 2, 300, 100, 43):
        some = charges[entered : entered + many]
        entered += many
        ledger._store.run(
            lambda connection, some=some: add_charges(connection, [(each, "") for each in some])
        )  # type: ignore[misc]
        rows = list(ledger.read_charges())
        assert len(rows) == entered
        for demo in (False, True):
            mine = [row for row in rows if row.demo is demo]
            assert ledger.read_total(demo=demo) == _sum_of(mine)
            for notebook in ("/one.ipynb", "/\udce9.ipynb"):
                found = ledger.read_total(demo=demo, notebook=notebook)
                assert found == _sum_of(row for row in mine if row.notebook == notebook)
            by_model: dict[str, list[Charge]] = {}
            for row in mine:
                by_model.setdefault(describe_models(row.model, row.answered_by), []).append(row)
            assert ledger.read_sums("model", demo=demo) == {
                name: _sum_of(each) for name, each in by_model.items()
            }


def _sum_of(charges: Iterable[Charge]) -> Spend:
    return sum(map(Spend.of, charges), Spend())


def test_a_ledger_with_a_second_name_is_refused_untouched(ledger: Ledger, path: Path) -> None:
    ledger.add(charge(1))
    ledger.close()
    os.link(path, path.with_name("second"))
    with pytest.raises(LedgerError) as caught:
        ledger.add(charge(2))
    assert "a second name (a hard link)" in caught.value.why
    assert "remove the second name" in caught.value.next_step.at(CELL)
    path.with_name("second").unlink()
    ledger.add(charge(3))
    assert ledger.read_total().nano == 4


@POSIX
def test_a_folder_that_is_a_file_is_called_that(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LedgerError) as caught:
        Ledger(tmp_path / "file" / "ledger.sqlite3").add(charge(1))
    assert "is a file, not a folder" in caught.value.why


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.EDQUOT, "the disk is full"),
        (errno.EACCES, "read-only"),
        (errno.EROFS, "read-only"),
        (errno.EPERM, "read-only"),
        (errno.ENOTDIR, "a file, not a folder"),
        (errno.EIO, "Input/output error"),
    ],
)
def test_what_keeps_a_ledger_from_being_written_has_its_own_words(
    path: Path, number: int, words: str
) -> None:
    error = sqlite_store._translate(path, OSError(number, os.strerror(number), str(path)))
    assert words in error.why
    assert error.next_step


def test_only_a_lock_is_called_one(ledger: Ledger, path: Path) -> None:
    ledger.add(charge(1))
    impatient = Ledger(path, patience=0.05)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(LedgerError) as caught:
        impatient.add(charge(2))
    assert caught.value.locked
    other.execute("ROLLBACK")
    other.close()
    impatient.close()
    damaged = path.with_name("damaged")
    damaged.write_bytes(b"no database" * 1000)
    with pytest.raises(LedgerError) as caught:
        Ledger(damaged).read_total()
    assert not caught.value.locked
