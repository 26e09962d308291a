"""`%cnai_spend`: every option over a real ledger, the server's credit, and how it all reads."""

from __future__ import annotations

import csv
import io
import sys
import types
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from cnai_magic.api.token_usage import Usage
from cnai_magic.display.plot import SpendPlot
from cnai_magic.display.tables import Table
from cnai_magic.errors import CnaiError, InputError, LedgerError
from cnai_magic.gateway import embedded as gateway
from cnai_magic.magics.cell_words import CELL
from cnai_magic.magics.spend import read_spend, run_spend_command
from cnai_magic.money.budget import TokenBudget
from cnai_magic.money.cost import Charge, Cost, format_usd
from cnai_magic.money.ledger import Ledger
from cnai_magic.redaction import ApiKey
from cnai_magic.session.kernel_session import KernelSession
from cnai_magic.session.question import Options
from cnai_magic.settings import Cnai
from tests.servers import CLOSE, KEY, ScriptedServer, failure, json_response, sse

NOW = datetime.now(timezone.utc)
VEGA = "application/vnd.vegalite.v5+json"
HERE, THERE = "/home/ada/here.ipynb", "/home/ada/there.ipynb"


def charge(number: int, nano: int | None, *, days: int = 0, estimated: bool = False, **fields: Any) -> Charge:
    """Return a charge of its own, so many days old."""
    usual = {"model": "m", "conversation": "main", "notebook": HERE, "host": "127.0.0.1"}
    return Charge(
        **{**usual, **fields},
        usage=Usage(100 * number, 10 * number, number, 2 * number, estimated),
        cost=Cost(nano, estimated),
        id=f"id-{number}",
        time=NOW - timedelta(days),
    )


# What this kernel has asked, and what others have: money and demo credit, priced and not.
KERNEL = [
    charge(1, 1_000_000),
    charge(2, 20_000_001, model="big", estimated=True),
    charge(3, None, model="new"),
    charge(4, 4, conversation=""),
    charge(5, 500, demo=True, host="demo", model="demo-guide"),
]
OTHERS = [
    charge(6, 60_000, conversation="plan"),
    charge(7, 7_000, days=1, notebook=THERE, model="big"),
    charge(8, 80, days=40, notebook="", conversation="", host="elsewhere.example"),
    charge(9, 900, days=1, notebook=THERE, demo=True, host="demo", model="demo-echo"),
    charge(10, None, days=1, notebook=THERE, estimated=True),
]
ALL = [*KERNEL, *OTHERS]


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        yield running


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite3"


@pytest.fixture
def session(server: ScriptedServer, path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[KernelSession]:
    """A session that has spent nothing, beside an empty place for a ledger."""
    monkeypatch.setenv("CNAI_API_KEY", KEY)
    asking = KernelSession(
        Cnai(base_url=server.base_url, model="m", retries=0, ledger=str(path), prices={"m": (1, 1)})
    )
    asking.notebook = HERE
    yield asking
    asking.close()
    if asking.ledger is not None:
        asking.ledger.close()


@pytest.fixture
def spent(session: KernelSession) -> KernelSession:
    """The session after it, and others, have spent what is listed above."""
    for each in KERNEL:
        session.spending.settle([each], TokenBudget())
    session.spending.write()
    assert session.ledger is not None
    for each in OTHERS:
        session.ledger.add(each)
    return session


def shown(session: KernelSession, line: str = "") -> list[Any]:
    return list(run_spend_command(session, line))


def text(session: KernelSession, line: str = "") -> str:
    return "\n".join(map(repr, shown(session, line)))


def last_lines(session: KernelSession, line: str = "") -> list[str]:
    """Return the lines of plain text below the tables."""
    found = shown(session, line)
    return [] if isinstance(found[-1], Table) else repr(found[-1]).splitlines()


def refused(session: KernelSession, line: str) -> CnaiError:
    """Return the error of a command that changes nothing."""
    before = (dict(session.settings.prices), session.settings.budget, list(session.book.charges))
    with pytest.raises((InputError, LedgerError)) as caught:
        shown(session, line)
    assert before == (dict(session.settings.prices), session.settings.budget, session.book.charges)
    assert caught.value.next_step
    assert "None" not in str(caught.value)
    return caught.value


# -- sums ---------------------------------------------------------------------------------------

_GROUPS: dict[str, Callable[[Charge], str]] = {
    "model": lambda charge: charge.model,
    "chat": lambda charge: charge.conversation or "(in no conversation)",
    "day": lambda charge: charge.time.astimezone().date().isoformat(),
    "notebook": lambda charge: charge.notebook or "(no notebook)",
}
_SCOPES: dict[str, list[Charge]] = {
    "kernel": KERNEL,
    "notebook": [each for each in ALL if each.notebook == HERE],
    "today": [each for each in ALL if each.time == NOW],
    "all": ALL,
}


def expected(charges: list[Charge]) -> tuple[str, str, str]:
    """Return how many requests, what they cost, and what has no price, each as a cell shows it."""
    priced = [each.cost.nano for each in charges if each.cost.nano is not None]
    unpriced = [each.usage.total_tokens for each in charges if each.cost.nano is None]
    about = "≈" if any(each.cost.estimated and each.cost.nano for each in charges) else ""
    cost = f"{about}{format_usd(sum(priced), exact=True)}" if priced or not charges else "unpriced"
    many = "requests" if len(unpriced) != 1 else "request"
    without = f"{len(unpriced)} {many}, {sum(unpriced):,} tokens" if unpriced else ""
    return str(len(charges)), cost, without


def read(table: Table) -> dict[str, tuple[str, str, str]]:
    """Return the same of each row of a table of sums; amounts without the zeros that align them."""
    last = table.headings.index("Unpriced") if "Unpriced" in table.headings else None
    return {row[0]: (row[2], trimmed(row[1]), "" if last is None else row[last]) for row in table.rows}


def trimmed(amount: str) -> str:
    """Return an amount as `usd` writes it exactly."""
    whole, dot, part = amount.partition(".")
    return f"{whole}.{part.rstrip('0').ljust(2, '0')}" if dot else amount


def overview(table: Table) -> dict[str, dict[str, str]]:
    """Return the cells of the overview by row and heading."""
    return {row[0]: dict(zip(table.headings[1:], row[1:], strict=True)) for row in table.rows}


def in_overview(charges: list[Charge]) -> dict[str, object]:
    """Return what a row of the overview says of these charges, to whole amounts."""
    found = {}
    for heading, demo in (("Cost", False), ("Demo credit", True)):
        found[heading] = sum(each.cost.nano or 0 for each in charges if each.demo is demo)
    without = sum(each.cost.nano is None for each in charges)
    return {**found, "Requests": str(len(charges)), "Unpriced": str(without) if without else ""}


def nano(amount: str) -> int:
    return int(Decimal(amount.lstrip("≈").replace("$", "").replace(",", "")) * 10**9)


@pytest.mark.parametrize(("by", "of"), list(product(_GROUPS, _SCOPES)))
def test_the_sums_are_those_of_the_charges(spent: KernelSession, by: str, of: str) -> None:
    tables = shown(spent, f"--by {by} --of {of}")
    kinds = [[each for each in _SCOPES[of] if each.demo is demo] for demo in (False, True)]
    assert [table.headings[1] for table in tables] == ["Cost", "Demo credit"]
    for table, charges in zip(tables, kinds, strict=True):
        groups: dict[str, list[Charge]] = {}
        for each in charges:
            groups.setdefault(_GROUPS[by](each), []).append(each)
        groups["Total"] = charges
        assert read(table) == {name: expected(group) for name, group in groups.items()}


@pytest.mark.parametrize(
    ("line", "scope"),
    [
        ("--by model", "this kernel"),
        ("--by chat", "this kernel"),
        ("--by day", "all time, all notebooks"),
        ("--by notebook", "all time, all notebooks"),
        ("--of today", "today, all notebooks"),
        ("--of notebook", "this notebook, in all its kernels"),
    ],
)
def test_each_table_says_what_it_is_of(spent: KernelSession, line: str, scope: str) -> None:
    assert {table.note.split(";")[0] for table in shown(spent, line)} == {scope}


def test_days_come_in_their_order_and_the_oldest_first(spent: KernelSession) -> None:
    days = [row[0] for row in shown(spent, "--by day")[0].rows[:-1]]
    assert days == sorted(days)
    assert len(days) == 3


def test_of_without_by_shows_models_and_conversations(spent: KernelSession) -> None:
    assert [table.headings[0] for table in shown(spent, "--of all")] == ["Model", "Conversation"] * 2


def test_where_nothing_was_spent_a_line_says_so_and_there_are_no_rows(session: KernelSession) -> None:
    assert text(session, "--by day") == "Nothing was spent yet: all time, all notebooks."
    assert text(session, "--of kernel") == "Nothing was spent yet: this kernel."
    assert list(read_spend(session, "--by day")) == []


def test_the_overview_is_one_table_of_today_this_notebook_this_kernel_and_all(spent: KernelSession) -> None:
    (table,) = (each for each in shown(spent) if isinstance(each, Table))
    assert table.headings == ["", "Cost", "Demo credit", "Requests", "Unpriced"]
    rows = overview(table)
    assert list(rows) == ["today", "this notebook", "this kernel", "all"]
    for name, of in zip(rows, ("today", "notebook", "kernel", "all"), strict=True):
        cells = rows[name]
        wanted = in_overview(_SCOPES[of])
        assert (cells["Requests"], cells["Unpriced"]) == (wanted["Requests"], wanted["Unpriced"])
        for heading in ("Cost", "Demo credit"):
            # Rounded to what is worth reading.
            assert abs(nano(cells[heading]) - int(str(wanted[heading]))) <= 500_000
    for heading in ("Cost", "Demo credit"):
        assert len({len(cells[heading].partition(".")[2]) for cells in rows.values()}) == 1


def test_the_overview_leaves_out_money_where_there_is_demo_credit_only(session: KernelSession) -> None:
    session.spending.settle([KERNEL[4]], TokenBudget())
    (table,) = (each for each in shown(session) if isinstance(each, Table))
    assert table.headings == ["", "Demo credit", "Requests"]


def test_the_overview_without_a_ledger_is_of_this_kernel(session: KernelSession) -> None:
    session.settings.ledger = "off"
    assert overview(shown(session)[0]) == {"this kernel": {"Cost": "$0.00", "Requests": "0"}}


def test_a_notebook_that_nobody_knows_is_left_out_of_the_overview(spent: KernelSession) -> None:
    spent.notebook = ""
    assert "this notebook" not in overview(shown(spent)[0])
    error = refused(spent, "--of notebook")
    assert "Cnai.notebook" in error.next_step.at(CELL)
    assert "--of kernel" in error.next_step.at(CELL)


def test_what_was_thought_and_cached_is_told_by_model(spent: KernelSession) -> None:
    (money, _) = shown(spent, "--by model --of all")
    assert money.headings[1:7] == ["Cost", "Requests", "Prompt", "Completion", "Thinking", "Cached"]
    rows = {row[0]: row for row in money.rows}
    assert rows["big"][3:7] == ["≈900", "≈90", "≈9", "≈18"]


# -- rows ---------------------------------------------------------------------------------------


@pytest.fixture
def no_pandas(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tests of the same process may have imported it."""
    monkeypatch.delitem(sys.modules, "pandas", raising=False)


@pytest.mark.usefixtures("no_pandas")
def test_rows_of_the_overview_are_data(spent: KernelSession) -> None:
    rows = read_spend(spent, "")
    assert [row["scope"] for row in rows if not row["demo"]] == [
        "today",
        "this notebook",
        "this kernel",
        "all",
    ]
    for row in rows:
        of = row["scope"].removeprefix("this ")
        charges = [each for each in _SCOPES[of] if each.demo is row["demo"]]
        assert row["nano_usd"] == sum(each.cost.nano or 0 for each in charges)
        assert row["cost_usd"] == row["nano_usd"] / 10**9
        assert row["requests"] == len(charges)
        assert row["unpriced_requests"] == sum(each.cost.nano is None for each in charges)


@pytest.mark.usefixtures("no_pandas")
@pytest.mark.parametrize("by", _GROUPS)
def test_rows_of_sums_are_data_and_a_file_has_the_same(spent: KernelSession, by: str, tmp_path: Path) -> None:
    rows = read_spend(spent, f"--by {by} --of all")
    for demo in (False, True):
        of_kind = [row for row in rows if row["demo"] is demo]
        assert sum(row["nano_usd"] for row in of_kind) == sum(
            each.cost.nano or 0 for each in ALL if each.demo is demo
        )
    path = tmp_path / "sums.csv"
    assert text(spent, f"--by {by} --csv {path}").startswith(f"Written to {path}: {len(rows)} rows of ")
    lines = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"), newline="")))
    assert [line[by] for line in lines] == [row[by] for row in rows]
    assert [Decimal(line["cost_usd"]) * 10**9 for line in lines] == [row["nano_usd"] for row in rows]


@pytest.mark.usefixtures("no_pandas")
def test_rows_are_a_data_frame_where_pandas_is_in_use(
    spent: KernelSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Frame:
        def __init__(self, rows: list[dict[str, Any]]) -> None:
            self.rows = rows

    assert isinstance(read_spend(spent, "--by day"), list)
    monkeypatch.setitem(sys.modules, "pandas", types.SimpleNamespace(DataFrame=Frame))
    frame = read_spend(spent, "--by day")
    assert isinstance(frame, Frame)
    assert len(frame.rows) == 5


def test_options_go_together(spent: KernelSession, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    said, *pictures = shown(spent, f"--by chat --plot --of all --csv {path}")
    assert "Written to" in repr(said)
    assert path.exists()
    assert [repr(each).splitlines()[2].split()[0] for each in pictures] == ["Conversation", "Conversation"]
    assert "plan" in repr(pictures[0])
    (days, *_) = shown(spent, "--by day --plot")
    values = days._repr_mimebundle_()[0][VEGA]["vconcat"][0]["data"]["values"]
    assert values[-1]["time"] == NOW.astimezone().date().isoformat()


@pytest.mark.parametrize("line", ["--of all", "--of today", "--of notebook", "--csv {}/x.csv --of all"])
def test_without_a_ledger_only_this_kernel_can_be_asked_for(
    session: KernelSession, tmp_path: Path, line: str
) -> None:
    session.settings.ledger = "off"
    error = refused(session, line.format(tmp_path))
    assert "the ledger is off" in error.what
    assert 'Cnai.ledger = "on"' in error.next_step.at(CELL)
    assert text(session, "--by day") == "Nothing was spent yet: this kernel."


def test_a_ledger_that_fails_leaves_this_kernel_s_sums_and_says_why(
    session: KernelSession, path: Path
) -> None:
    session.spending.settle([KERNEL[0]], TokenBudget())
    path.write_bytes(b"this is no database at all" * 100)
    assert overview(shown(session)[0]) == {"this kernel": {"Cost": "$0.001000", "Requests": "1"}}
    assert last_lines(session)[-3].startswith("LedgerError: the ledger")
    assert "damaged" in last_lines(session)[-2]
    for line in ("--of all", "--by day", "--plot --of all", "--budget-day 1"):
        assert "cannot be read or written" in refused(session, line).what
    assert read(shown(session, "--by model")[0])["Total"] == expected(KERNEL[:1])


def test_a_place_that_is_no_path_leaves_this_kernel_s_sums_too(session: KernelSession) -> None:
    session.settings.ledger = "~nobody-of-this-name/ledger.sqlite3"
    assert "this kernel" in overview(shown(session)[0])
    assert "~nobody-of-this-name" in text(session)
    session.settings.ledger = "off"


# -- pictures and files -------------------------------------------------------------------------


@pytest.mark.parametrize("of", _SCOPES)
def test_the_plot_has_the_same_totals(spent: KernelSession, of: str) -> None:
    line = "--plot" if of == "kernel" else f"--plot --of {of}"
    pictures = shown(spent, line)
    assert all(isinstance(each, SpendPlot) for each in pictures)
    for picture, demo in zip(pictures, (False, True), strict=True):
        _, cost, unpriced = expected([each for each in _SCOPES[of] if each.demo is demo])
        (total, *_) = picture._repr_mimebundle_()[0][VEGA]["title"]["subtitle"]
        assert total == f"Total {cost}" + (f" + unpriced: {unpriced}" if unpriced else "")
        assert repr(picture).startswith("Demo credit of" if demo else "Spend of")


def test_a_plot_of_nothing_says_so(session: KernelSession) -> None:
    assert text(session, "--plot") == "Spend of this kernel\nnothing was spent yet"
    assert text(session, "--plot --of all") == "Spend of all time, all notebooks\nnothing was spent yet"


@pytest.mark.parametrize("of", [*_SCOPES, ""])
def test_the_file_has_every_request_of_the_scope(spent: KernelSession, tmp_path: Path, of: str) -> None:
    path = tmp_path / "spend of mine.csv"
    said = text(spent, f'--csv "{path}"' + (f" --of {of}" if of else ""))
    charges = _SCOPES[of or "all"]
    lines = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"), newline="")))
    assert {line["id"] for line in lines} == {each.id for each in charges}
    for demo in ("false", "true"):
        cost = sum((Decimal(line["cost_usd"] or 0) for line in lines if line["demo"] == demo), Decimal(0))
        assert cost * 10**9 == sum(each.cost.nano or 0 for each in charges if each.demo is (demo == "true"))
    assert sum(line["cost_usd"] == "" for line in lines) == sum(each.cost.nano is None for each in charges)
    assert said.startswith(f"Written to {path}: {len(charges)} requests of ")


def test_a_file_of_one_request_says_so_and_one_that_is_there_stays(
    session: KernelSession, tmp_path: Path
) -> None:
    session.spending.settle([KERNEL[0]], TokenBudget())
    path = tmp_path / "spend.csv"
    assert text(session, f"--csv {path} --of kernel") == f"Written to {path}: 1 request of this kernel."
    path.write_text("mine")
    assert "--force" in refused(session, f"--csv {path} --budget 1").next_step.at(CELL)
    assert path.read_text() == "mine"
    shown(session, f"--csv {path} --of kernel --force")
    assert path.read_text().count("\n") == 2


def test_a_file_in_an_unknown_home_folder_is_refused(session: KernelSession) -> None:
    error = refused(session, "--csv ~nobody-of-this-name/x.csv")
    assert error.what == "~nobody-of-this-name/x.csv names an unknown home folder"


def test_without_a_ledger_the_file_is_of_this_kernel(session: KernelSession, tmp_path: Path) -> None:
    session.settings.ledger = "off"
    session.spending.settle([KERNEL[0]], TokenBudget())
    assert "1 request of this kernel" in text(session, f"--csv {tmp_path / 'x.csv'}")


# -- prices and budgets -------------------------------------------------------------------------


def test_a_price_is_set_from_the_next_answer_on(server: ScriptedServer, session: KernelSession) -> None:
    server.pricing = {"data": [{"model_name": "another", "model_ratio": 1, "completion_ratio": 1}]}
    server.always(sse("yes", tokens=(20, 8)))
    assert session.ask("a", Options(model="new")).cost.nano is None
    assert text(session, "--price new 0.8 2.0") == (
        "new: input $0.80, output $2.00 per million tokens, from the next answer on."
    )
    assert session.ask("a", Options(model="new")).cost.nano == 20 * 800 + 8 * 2000
    assert "cached input $0.08" in text(session, "--price new 0.8 2 0.08")
    assert session.settings.prices == {"m": (1, 1), "new": ("0.8", "2", "0.08")}
    assert session.book.get_total().unpriced_requests == 1


@pytest.mark.parametrize(
    "price", ["m", "m 1", "m 1 2 3 4", "m one 2", "m 1 -2", "m nan 1", "m 1 inf", "m 1 2 x", "m 1,5 2"]
)
def test_a_price_that_is_none_changes_nothing(session: KernelSession, price: str) -> None:
    error = refused(session, f"--price {price}")
    assert "example" in error.next_step.at(CELL)
    assert "price" in error.what


@pytest.mark.parametrize("option", ["--budget", "--budget-day"])
@pytest.mark.parametrize("value", ["-1", "nan", "inf", "lots", "1,5", "''", "$5"])
def test_a_budget_that_is_no_amount_changes_nothing(session: KernelSession, option: str, value: str) -> None:
    error = refused(session, f"{option} {value}")
    assert error.what.startswith(f"{option}: ")
    assert '"off"' in error.next_step.at(CELL)
    assert refused(session, f"{option}").what == f"{option} needs a value after it"


def test_a_budget_is_set_shown_and_taken_away(session: KernelSession) -> None:
    assert text(session, "--budget 0.5") == "Budget of this kernel: $0.5000, $0.5000 left."
    assert session.budget == 5 * 10**8
    session.spending.settle([charge(1, 2 * 10**8)], TokenBudget())
    assert overview(shown(session)[1]) == {"this kernel": {"Left": "$0.3000", "Of": "$0.5000"}}
    assert text(session, "--budget 0.1") == "Budget of this kernel: $0.1000, overspent by $0.1000."
    assert text(session, "--budget OFF") == "This kernel has no budget."
    assert session.budget is None
    assert "Budget" not in text(session)


def test_a_budget_of_the_day_is_set_shown_and_taken_away(session: KernelSession, path: Path) -> None:
    assert text(session, "--budget-day 2") == "Budget of the day, all notebooks: $2.0000, $2.0000 left."
    assert session.ledger is not None
    session.ledger.add(charge(1, 3 * 10**9))
    session.ledger.add(charge(2, 5 * 10**9, days=1))
    other = Ledger(path)
    assert other.day.read_limit() == 2 * 10**9
    other.close()
    assert overview(shown(session)[1])["today"] == {"Left": "overspent by $1.0000", "Of": "$2.0000"}
    assert text(session, "--budget-day none") == "No daily budget is set."
    assert session.ledger.day.read_limit() is None


def test_a_budget_of_the_day_needs_the_ledger(session: KernelSession) -> None:
    session.settings.ledger = "off"
    assert 'Cnai.ledger = "on"' in refused(session, "--budget-day 1").next_step.at(CELL)


def test_a_budget_of_nonsense_from_elsewhere_is_told_with_the_sums(session: KernelSession) -> None:
    session.settings.budget = "lots"
    (line,) = (line for line in last_lines(session) if "budget" in line)
    assert "nothing is sent: the budget is 'lots', which is not an amount in USD" in line
    assert "CNAI_BUDGET" in line


def test_several_changes_at_once_are_all_made_or_none(session: KernelSession, tmp_path: Path) -> None:
    path = tmp_path / "spend.csv"
    line = f"--price new 1 2 --budget 1 --budget-day 2 --csv {path} --reset"
    for slip in (" --budget nonsense", " --budget-day nonsense", " --price new 1 x"):
        refused(session, line + slip)
        assert not path.exists()
    said = text(session, line)
    assert len(said.splitlines()) == 5
    assert path.exists()
    assert session.settings.prices["new"] == ("1", "2")
    assert session.budget == 10**9
    assert session.ledger is not None
    assert session.ledger.day.read_limit() == 2 * 10**9


def test_reset_begins_the_kernel_anew_and_keeps_the_ledger(spent: KernelSession) -> None:
    assert text(spent, "--reset") == "The count of this kernel starts again; the ledger keeps what it has."
    rows = overview(shown(spent)[0])
    assert rows["this kernel"]["Requests"] == "0"
    assert rows["all"]["Requests"] == str(len(ALL))
    spent.settings.budget = 1
    assert "its budget is whole again" in text(spent, "--reset")
    spent.settings.ledger = "off"
    assert "ledger" not in text(spent, "--reset")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("--by modl", "did you mean model?"),
        ("--of everything", "there are:"),
        ("--budgt 1", "did you mean --budget?"),
        ("nonsense", "does not take 'nonsense'"),
        ("--by 'model", "a quote is not closed"),
    ],
)
def test_a_slip_is_told_with_the_nearest_word(session: KernelSession, line: str, said: str) -> None:
    assert said in str(refused(session, line))


def test_help_is_shown(session: KernelSession) -> None:
    assert "--budget-day USD" in text(session, "--help")


# -- credit at the server -----------------------------------------------------------------------


def bill(server: ScriptedServer, used: float, limit: float = 5) -> None:
    """Let the server tell so many dollars of credit, and so many cents of it used."""
    server.billing = {"subscription": {"hard_limit_usd": limit}, "usage": {"total_usage": used}}


def test_who_replays_asks_no_server_for_its_credit(session: KernelSession, server: ScriptedServer) -> None:
    session.settings.replay = True
    list(run_spend_command(session, ""))
    assert server.lookups == []


def test_a_server_that_does_not_tell_credit_is_said_to_tell_none(session: KernelSession) -> None:
    assert last_lines(session) == ["127.0.0.1 does not say what credit the key has."]


@pytest.mark.parametrize("fault", [[CLOSE], failure(500), json_response({"hard_limit_usd": "much"})])
def test_credit_that_cannot_be_had_does_not_keep_the_sums(
    server: ScriptedServer, spent: KernelSession, fault: Any
) -> None:
    server.billing = {"subscription": fault}
    assert overview(shown(spent)[0])["all"]["Requests"] == str(len(ALL))
    line = last_lines(spent)[-1]
    assert line.startswith(
        ("The server's own count is not available: ", "127.0.0.1 does not say what credit the key has.")
    )


def test_a_server_that_is_down_does_not_keep_the_sums(server: ScriptedServer, session: KernelSession) -> None:
    with ScriptedServer() as gone:
        pass
    session.settings.base_url = gone.base_url
    (line,) = last_lines(session)
    assert line.startswith("The server's own count is not available: ")


@pytest.mark.parametrize(
    ("used", "limit", "said"),
    [
        (12.5, 5, "127.0.0.1 counts $0.125 for this key in all, with $4.8750 left."),
        (0, 5, "127.0.0.1 counts $0.00 for this key in all, with $5.0000 left."),
        (12.5, 10**8, "127.0.0.1 counts $0.125 for this key in all, without a limit."),
        (600, 5, "127.0.0.1 counts $6.00 for this key in all, $1.0000 more than it was granted."),
    ],
)
def test_credit_is_told_with_what_is_left(
    server: ScriptedServer, session: KernelSession, used: float, limit: float, said: str
) -> None:
    bill(server, used, limit)
    assert last_lines(session) == [said, "From now on that is compared with what this kernel counts."]


def compared(session: KernelSession) -> str:
    """Return the line that compares, without its time."""
    (line,) = (line for line in last_lines(session) if line.startswith("Since "))
    since, _, rest = line.partition(", ")
    datetime.strptime(since, "Since %H:%M:%S")
    return rest


def test_the_two_counts_are_compared_from_the_first_look_on(
    server: ScriptedServer, session: KernelSession
) -> None:
    server.always(sse("yes", tokens=(20, 8)))
    session.ask("a")
    bill(server, 10)
    shown(session)
    session.ask("a")
    bill(server, 10.0028)
    assert compared(session) == "127.0.0.1 charged $0.000028, and this kernel counted $0.000028: they agree."
    session.ask("a")
    bill(server, 10.0065)
    assert compared(session) == (
        "127.0.0.1 charged $0.000065, and this kernel counted $0.000056: $0.000009 more there."
    )
    session.ask("a")
    assert compared(session).endswith("this kernel counted $0.000084: $0.000019 less there.")


def test_what_was_estimated_or_has_no_price_is_told_beside_the_server_s_count(
    server: ScriptedServer, session: KernelSession
) -> None:
    server.pricing = {"data": [{"model_name": "another", "model_ratio": 1, "completion_ratio": 1}]}
    bill(server, 0)
    shown(session)
    server.reply(sse("yes", tokens=None))
    server.reply(sse("yes"))
    session.ask("a")
    session.ask("a", Options(model="new"))
    bill(server, 0.004)
    assert compared(session) == (
        "127.0.0.1 charged $0.00004, and this kernel counted ≈$0.000002 + 1 unpriced: $0.000038 more there."
    )


def test_a_reset_of_the_kernel_leaves_the_comparison(server: ScriptedServer, session: KernelSession) -> None:
    server.always(sse("yes", tokens=(20, 8)))
    bill(server, 0)
    shown(session)
    session.ask("a")
    shown(session, "--reset")
    bill(server, 0.0028)
    assert compared(session).endswith("they agree.")


def test_another_key_and_a_count_that_begins_anew_begin_the_comparison_anew(
    server: ScriptedServer, session: KernelSession
) -> None:
    server.always(sse("yes", tokens=(20, 8)))
    bill(server, 10)
    shown(session)
    session.ask("a")
    session.use_key(ApiKey("another-key"))
    bill(server, 200)
    assert last_lines(session)[1] == "From now on that is compared with what this kernel counts."
    session.ask("a")
    bill(server, 200.0028)
    assert compared(session).endswith("they agree.")
    bill(server, 0)
    assert last_lines(session)[1] == "From now on that is compared with what this kernel counts."


def test_the_ledger_s_count_for_the_server_is_told_too(server: ScriptedServer, spent: KernelSession) -> None:
    bill(server, 0)
    assert last_lines(spent)[-1] == (
        "The ledger counts ≈$0.021067005 + 2 unpriced for 127.0.0.1 in all, whatever the key."
    )


def test_the_demo_gateway_agrees_from_its_start_and_is_not_started_for_the_question(
    session: KernelSession,
) -> None:
    session.settings.base_url, session.settings.model = "demo", ""
    assert gateway._current is None or not gateway._current.running
    assert "gateway" not in text(session)
    assert gateway._current is None or not gateway._current.running
    running = gateway.start_embedded(tokens_per_second=0)
    try:
        cost = format_usd(session.ask("hello").cost.nano or 0, exact=True)
        assert last_lines(session) == [
            f"Since its start, the demo gateway charged {cost}, and this kernel counted {cost}: they agree."
        ]
        assert "this key" not in text(session)
    finally:
        session.close()
        running.close()


def test_a_budget_of_demo_credit_says_so(session: KernelSession) -> None:
    session.settings.base_url = "demo"
    assert text(session, "--budget 1") == "Budget of this kernel: $1.0000 of demo credit, $1.0000 left."
    assert "of demo credit" in text(session, "--budget-day 1")


# -- how it reads -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line", ["", "--of all", "--by notebook", "--by day --of today", "--plot", "--plot --of all", "--by chat"]
)
def test_nothing_that_is_shown_is_a_value_of_python(spent: KernelSession, line: str) -> None:
    said = text(spent, line)
    assert "None" not in said
    assert "$-" not in said
    assert "1 requests" not in said
    for each in shown(spent, line):
        html = getattr(each, "_repr_html_", str)()
        assert "None" not in html


def test_answers_that_were_replayed_are_told_with_what_they_had_cost(session: KernelSession) -> None:
    session.book.replay(KERNEL[0])
    assert "1 answer was replayed at no cost; when asked for, it cost $0.001000." in last_lines(session)
    session.book.replay(KERNEL[3])
    session.book.replay(KERNEL[4])
    lines = last_lines(session)
    assert "2 answers were replayed at no cost; when asked for, they cost $0.001000." in lines
    assert any("demo credit $0" in line for line in lines)


def test_what_a_restored_notebook_had_spent_is_a_row_of_its_own(session: KernelSession) -> None:
    session.book.restore(KERNEL[:3])
    rows = overview(shown(session)[0])
    assert (rows["restored answers"]["Requests"], rows["restored answers"]["Unpriced"]) == ("3", "1")
    assert rows["this kernel"]["Requests"] == "0"


def test_what_is_held_is_not_overspent(session: KernelSession) -> None:
    session.settings.budget = "0.001"
    assert session.ledger is not None
    session.ledger.day.set_limit(10**6)
    held = session.ledger.day.hold("money", 10**6)
    assert held is not None
    session.ledger.day.set_limit(500_000)
    # Set under what is held: what is left beside what was spent, and what of it is held.
    said = text(session, "--budget-day 0.0005")
    assert "$0.000500 left, of which answers under way hold $0.001000" in said
    assert "overspent" not in said + text(session)
