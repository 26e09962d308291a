"""Rows: each is answered once and charged once, whatever the server or the process does meanwhile."""

from __future__ import annotations

import json
import os
import pickle
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from cnai_magic import AuthenticationError, BudgetError, Cost, InputError, RateLimitError, Session
from cnai_magic.api import parallelism
from cnai_magic.magics.cell_words import CELL
from cnai_magic.money.ledger import Ledger
from tests.faulty_gateway import KEY, MODEL, PRICES, FaultyGateway
from tests.forked_kernels.process import start_python
from tests.servers import ScriptedServer, completion, failure, json_response, response, sse

ROWS = int(os.environ.get("CNAI_TEST_ROWS", "150"))
TEMPLATE = "say {{ row.word }}"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def gateway() -> Iterator[FaultyGateway]:
    with FaultyGateway() as running:
        yield running


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        running.always(json_response(completion("yes", tokens=(20, 8))))
        yield running


def _session(base_url: str, folder: Path, **settings: Any) -> Session:
    settings = {"model": MODEL, "prices": PRICES, "ledger": str(folder / "ledger.sqlite3"), **settings}
    session = Session(base_url=base_url, **settings)
    session.use_key(KEY)
    return session


def _words(number: int) -> list[dict[str, str]]:
    return [{"word": f"word {each}"} for each in range(number)]


def _nano(session: Session) -> int:
    assert session.cost.nano is not None
    return session.cost.nano


# -- each row once --------------------------------------------------------------------------------


def test_each_row_is_answered_once_where_some_are_refused_and_some_break_off(folder: Path) -> None:
    with (
        FaultyGateway(refused=20, cut=50) as gateway,
        _session(gateway.base_url, folder, retries=5) as session,
    ):
        answers = session.map(_words(ROWS), TEMPLATE, parallel=16, max_cost="off")
        assert [each.answer for each in answers] == [f"SAY WORD {number}" for number in range(ROWS)]
        assert set(gateway.asked.values()) == {1}
        assert gateway.refused
        assert gateway.cut
        charges = list(Ledger(folder / "ledger.sqlite3").read_charges())
    reported = [each for each in charges if not each.usage.estimated]
    assert sum(each.cost.nano or 0 for each in reported) == gateway.account.charged == answers.cost.nano
    # What broke off may have been charged there: it is counted apart, and marked.
    assert [each.finish_reason for each in charges if each.usage.estimated] == ["failed"] * gateway.cut
    assert _nano(session) == sum(each.cost.nano or 0 for each in charges)


def test_equal_requests_are_sent_once(folder: Path, gateway: FaultyGateway) -> None:
    with _session(gateway.base_url, folder) as session:
        answers = session.map(["a", "b", "a", "a"], "say {{ item }}")
        assert dict(gateway.asked) == {"say a": 1, "say b": 1}
        assert [each.answer for each in answers] == ["SAY A", "SAY B", "SAY A", "SAY A"]
        assert [bool(each.cost.nano) for each in answers] == [True, True, False, False]
        assert answers.cost == session.cost


def test_connections_are_kept_and_no_more_are_made_than_are_under_way(
    folder: Path, server: ScriptedServer
) -> None:
    with _session(server.base_url, folder) as session:
        session.map(_words(30), TEMPLATE, parallel=3)
    assert len(server.requests) == 30
    assert server.connections <= 3


def test_what_two_sessions_ask_at_once_is_asked_once(folder: Path, gateway: FaultyGateway) -> None:
    # The first asks "a" and then "b"; before it has "a" the second asks "c", and wants "b" too.
    both: list[list[str]] = []
    asked_c = threading.Event()

    def ask(rows: list[str]) -> None:
        with _session(gateway.base_url, folder) as session:
            both.append([each.answer for each in session.map(rows, parallel=1)])

    second = threading.Thread(target=ask, args=(["b", "c"],))

    def hold_the_first() -> None:
        second.start()
        assert asked_c.wait(20)

    gateway.at(1, hold_the_first)
    gateway.at(2, asked_c.set)
    ask(["a", "b"])
    second.join()
    assert both == [["A", "B"], ["B", "C"]]
    assert dict(gateway.asked) == {"a": 1, "b": 1, "c": 1}
    charges = list(Ledger(folder / "ledger.sqlite3").read_charges())
    assert sum(each.cost.nano or 0 for each in charges) == gateway.account.charged


def test_a_claim_that_a_batch_of_this_process_left_behind_is_void(
    folder: Path, gateway: FaultyGateway
) -> None:
    with _session(gateway.base_url, folder) as session:
        session.map(["a"])
        kept = sqlite3.connect(folder / "ledger-rows.sqlite3")
        with closing(kept), kept:
            (own,) = [each.name for each in folder.glob("*-owners/*")]
            kept.execute("INSERT INTO claimed SELECT 'a batch', ?, key FROM row_answers", (own,))
            kept.execute("DELETE FROM row_answers")
        assert session.map(["a"])[0].answer == "A"
    assert gateway.asked["a"] == 2


# -- interrupted, killed, at the end of a budget ------------------------------------------------------

_KILLED = """
import json, sys
from cnai_magic import Session
base_url, model, key, prices, rows = sys.argv[1:]
session = Session(base_url=base_url, model=model, prices=json.loads(prices), ledger="ledger.sqlite3")
session.use_key(key)
session.map(json.loads(rows), "say {{ row.word }}", parallel=4, max_cost="off")
"""


def test_a_killed_process_goes_on_with_what_is_missing(folder: Path, gateway: FaultyGateway) -> None:
    rows = _words(ROWS // 2)
    arguments = [gateway.base_url, MODEL, KEY, json.dumps(PRICES), json.dumps(rows)]
    with subprocess.Popen([sys.executable, "-c", _KILLED, *arguments]) as killed:
        gateway.at(ROWS // 4, killed.kill)
    assert killed.returncode == -signal.SIGKILL
    answered = gateway.asked.total()
    with _session(gateway.base_url, folder) as session:
        answers = session.map(rows, TEMPLATE, parallel=4, max_cost="off")
    assert [each.answer for each in answers] == [f"SAY WORD {number}" for number in range(len(rows))]
    assert 0 < answers.kept <= answered
    charges = list(Ledger(folder / "ledger.sqlite3").read_charges())
    lost = [each for each in charges if each.finish_reason == "lost"]
    again = [prompt for prompt, times in gateway.asked.items() if times > 1]
    assert len(again) <= len(lost) <= 4
    known = [each.cost.nano or 0 for each in charges if each.finish_reason != "lost"]
    assert sum(known) == answers.cost.nano
    # What the gateway charged beyond that are answers that the killed process never saw.
    unseen = [each.nano or 0 for each in gateway.account.settlements]
    for nano in known:
        unseen.remove(nano)
    assert len(unseen) <= len(lost)
    assert gateway.account.charged == sum(known) + sum(unseen)


# Dies at a line of what writes notes, charges and answers: one process for each line, by the first answer.
_KILLED_AT_A_LINE = """
import json, os, signal, sys
from pathlib import Path
from cnai_magic import Session
from cnai_magic.session.batches.batch import Batch
from cnai_magic.session.batches.batch_outbox import Outbox
base_url, model, key, prices, lines = sys.argv[1:]
run_batch = Batch.run

def run(number):
    passed = 0

    def trace(frame, event, argument):
        nonlocal passed
        if frame.f_code is not Outbox.write.__code__:
            return None
        if event == "line" and (passed or frame.f_locals["self"]._outcomes):
            passed += 1
            if passed == number:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    folder = Path(str(number))
    folder.mkdir()
    os.chdir(folder)
    Batch.run = lambda batch: (sys.settrace(trace), run_batch(batch))
    session = Session(base_url=base_url, model=model, prices=json.loads(prices), ledger="ledger.sqlite3")
    session.use_key(key)
    session.map([f"{number}a", f"{number}b", f"{number}c"], parallel=2)
    os._exit(0)

for number in range(1, int(lines) + 1):
    child = os.fork() or run(number)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


def test_wherever_a_process_is_killed_no_answer_is_asked_again_and_none_charged_twice(
    folder: Path, gateway: FaultyGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = 16
    arguments = [gateway.base_url, MODEL, KEY, json.dumps(PRICES), str(lines)]
    with start_python(_KILLED_AT_A_LINE, *arguments) as process:
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert output.split() == [str(-signal.SIGKILL)] * lines
    kept = 0
    for number in range(1, lines + 1):
        monkeypatch.chdir(folder / str(number))
        answered = {
            prompt for prompt in gateway.asked if prompt.startswith(str(number)) and prompt[-1:] in "abc"
        }
        with _session(gateway.base_url, Path.cwd()) as session:
            answers = session.map([f"{number}{letter}" for letter in "abc"], parallel=2)
        kept += answers.kept
        charges = list(Ledger(Path("ledger.sqlite3")).read_charges())
        lost = [each for each in charges if each.finish_reason == "lost"]
        again = [each for each in answered if gateway.asked[each] > 1]
        assert len(again) <= len(lost) <= 2
        assert answers.cost.nano == sum(each.cost.nano or 0 for each in charges if each not in lost)
        assert len({each.id for each in charges}) == len(charges) == 3 + len(lost)
    assert kept


def test_an_interrupted_run_goes_on_with_what_is_missing(folder: Path, gateway: FaultyGateway) -> None:
    with _session(gateway.base_url, folder) as session:
        gateway.at(10, lambda: os.kill(os.getpid(), signal.SIGINT))
        with pytest.raises(KeyboardInterrupt) as raised:
            session.map(_words(200), TEMPLATE, parallel=2)
        before = gateway.asked.total()
        assert before < 200
        # What was under way is charged, and part of the sum; no row says more than that it was left out.
        came = raised.value.answers  # type: ignore[attr-defined]
        assert came.spent == came.cost == session.cost
        assert {str(each.error) for each in came.failed} == {str(came.stopped)}
        answers = session.map(_words(200), TEMPLATE, parallel=8)
    assert not answers.failed
    assert answers.kept >= 8
    assert sum(times - 1 for times in gateway.asked.values()) <= 2


def test_rows_end_at_the_budget_and_go_on_when_it_is_raised(folder: Path, gateway: FaultyGateway) -> None:
    with _session(gateway.base_url, folder, budget="0.0005", max_tokens=4) as session:
        answers = session.map(_words(60), TEMPLATE, parallel=8)
        assert isinstance(answers.stopped, BudgetError)
        done = len(answers) - len(answers.failed)
        assert 0 < done == gateway.asked.total() < 60
        assert {str(each.error) for each in answers.failed} == {str(answers.stopped)}
        assert _nano(session) == gateway.account.charged <= 500_000
        # One more would not have fitted.
        assert answers.stopped.needed > 500_000 - _nano(session)
        session.settings.budget = 1
        whole = session.map(_words(60), TEMPLATE, parallel=8)
        assert not whole.failed
        assert whole.kept == done
        assert set(gateway.asked.values()) == {1}
        assert _nano(session) == gateway.account.charged


def test_rows_end_at_their_own_limit(folder: Path, gateway: FaultyGateway) -> None:
    with _session(gateway.base_url, folder, max_tokens=4) as session:
        answers = session.map(_words(60), TEMPLATE, parallel=8, max_cost=0.0005)
        assert isinstance(answers.stopped, BudgetError)
        assert "max_cost" in str(answers.stopped)
        assert "Session(budget" not in str(answers.stopped)
        assert 0 < _nano(session) == gateway.account.charged <= 500_000
        session.ask("The session goes on.")


def test_each_row_is_held_for_by_its_own_length(folder: Path, gateway: FaultyGateway) -> None:
    with _session(gateway.base_url, folder, budget="0.001", max_tokens=4) as session:
        answers = session.map(["a", "much " * 1000], parallel=1)
    assert [bool(each.error) for each in answers] == [False, True]
    assert isinstance(answers.stopped, BudgetError)
    assert dict(gateway.asked) == {"a": 1}


def test_fresh_rows_are_asked_again(folder: Path, gateway: FaultyGateway) -> None:
    with _session(gateway.base_url, folder) as session:
        session.map(["a", "b"])
        session.map(["a", "b", "c"])
        assert dict(gateway.asked) == {"a": 1, "b": 1, "c": 1}
        session.map(["a"], fresh=True)
        assert gateway.asked["a"] == 2
        session.map(["a"], temperature=0.5)
        assert gateway.asked["a"] == 3


def test_answers_are_kept_for_their_owner_without_prompt_or_key(folder: Path, gateway: FaultyGateway) -> None:
    with _session(gateway.base_url, folder) as session:
        session.map(["a prompt to look for"])
    kept = folder / "ledger-rows.sqlite3"
    assert kept.stat().st_mode & 0o777 == 0o600
    found = b"".join(each.read_bytes() for each in folder.glob("ledger-rows*"))
    assert b"A PROMPT TO LOOK FOR" in found
    assert b"a prompt" not in found
    assert KEY.encode() not in found


def test_without_a_ledger_nothing_is_kept(folder: Path, gateway: FaultyGateway) -> None:
    with _session(gateway.base_url, folder, ledger="off") as session:
        session.map(["a"])
        session.map(["a"])
    assert gateway.asked["a"] == 2
    assert not list(folder.glob("*.sqlite3"))


def test_a_file_that_cannot_be_kept_costs_no_answer(folder: Path, gateway: FaultyGateway) -> None:
    (folder / "ledger-rows.sqlite3").mkdir()
    said: list[str] = []
    with _session(gateway.base_url, folder, notify=said.append) as session:
        assert session.map(["a"])[0].answer == "A"
    assert [line for line in said if "cannot be kept" in line]


@pytest.mark.parametrize("change", ["prompt = 9e999", "text = x'ff'", "nano = '1e5'", "seconds = 'soon'"])
def test_a_kept_answer_that_something_else_wrote_is_asked_for_again(
    folder: Path, gateway: FaultyGateway, change: str
) -> None:
    with _session(gateway.base_url, folder) as session:
        session.map(["a"])
        kept = sqlite3.connect(folder / "ledger-rows.sqlite3")
        with closing(kept), kept:
            kept.execute(f"UPDATE row_answers SET {change}")
        assert session.map(["a"])[0].answer == "A"
    assert gateway.asked["a"] == 2


# -- what fails ---------------------------------------------------------------------------------------


def test_a_failure_stays_with_its_row_and_is_asked_again_alone(folder: Path, server: ScriptedServer) -> None:
    server.reply(json_response(completion("one")))
    server.reply(failure(400, "bad", "this prompt is refused"))
    with _session(server.base_url, folder, retries=0) as session:
        answers = session.map(["a", "b", "c"], parallel=1)
        assert [each.answer for each in answers] == ["one", "", "yes"]
        assert "this prompt is refused" in str(answers.failed[0].error)
        saved = pickle.loads(pickle.dumps(answers))
        assert saved.summary == answers.summary
        with pytest.raises(InputError, match="ask for all rows once more"):
            saved.retry()
        whole = answers.retry()
        assert [each.answer for each in whole] == ["one", "yes", "yes"]
        assert len(server.requests) == 4
        assert whole.retry() is whole


def test_what_fails_for_all_ends_it(folder: Path, server: ScriptedServer) -> None:
    server.always(failure(401, "invalid_api_key"))
    with _session(server.base_url, folder) as session:
        answers = session.map(_words(50), TEMPLATE, parallel=2)
        assert isinstance(answers.stopped, AuthenticationError)
        assert len(answers.failed) == 50
        assert session.cost == Cost(0)
    assert len(server.requests) <= 4


def test_a_model_that_only_streams_is_streamed(folder: Path, server: ScriptedServer) -> None:
    server.reply(failure(400, "", "this model only supports stream mode"))
    server.reply(failure(400, "", "this model only supports stream mode"))
    server.always(sse("ye", "s"))
    with _session(server.base_url, folder) as session:
        answers = session.map(["a", "b", "c"], parallel=1)
    assert [each.answer for each in answers] == ["yes"] * 3
    assert [bool(each.json().get("stream")) for each in server.requests].count(False) <= 4


@pytest.mark.parametrize(
    "steps",
    [
        sse("yes"),
        response("\n\n" + json.dumps(completion("yes"))),
        response("data: " + json.dumps(completion("yes")) + "\n\ndata: [DONE]\n\n", kind="text/event-stream"),
    ],
)
def test_a_whole_answer_may_come_in_any_form(folder: Path, server: ScriptedServer, steps: Any) -> None:
    server.always(steps)
    with _session(server.base_url, folder) as session:
        assert [each.answer for each in session.map(["a", "b"], parallel=1)] == ["yes", "yes"]
        assert session.usage.total_tokens == 56
    assert server.connections == 1


def test_a_server_that_sends_the_key_back_does_not_show_it(folder: Path, server: ScriptedServer) -> None:
    server.reply(json_response(completion(f"your key is {KEY}")))
    server.reply(failure(400, "bad", f"wrong: {KEY}"))
    with _session(server.base_url, folder) as session:
        answers = session.map(["a", "b"], parallel=1)
    assert KEY not in f"{answers[0].answer}{answers[1].error!r}{answers[1].error}{list(answers)}"
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"


_BUSY = [
    failure(429, "rate_limit_exceeded", "too many requests"),
    failure(503, "", "The model is overloaded"),
    failure(529, "overloaded_error", "Overloaded"),
    json_response({"error": {"code": "engine_overloaded", "message": "the engine is overloaded"}}),
    json_response({"base_resp": {"status_code": 1002, "status_msg": "rate limit"}}),
]


def test_no_row_fails_where_to_wait_helps(
    folder: Path, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parallelism, "_PAUSE", 0.0)
    for _ in range(20):
        for refusal in _BUSY:
            server.reply(refusal)
    with _session(server.base_url, folder) as session:
        answers = session.map(_words(8), TEMPLATE, parallel=8)
        assert not answers.failed
        assert session.usage.total_tokens == 8 * 28
    assert len(server.requests) == 8 + 100


def test_a_server_that_asks_to_wait_for_very_long_ends_it_and_retry_asks_for_the_rest(
    folder: Path, server: ScriptedServer
) -> None:
    server.reply(json_response(completion("yes", tokens=(20, 8))))
    server.reply(failure(429, "rate_limit_exceeded", "Daily limit. Please try again in 2h0m0s."))
    with _session(server.base_url, folder) as session:
        answers = session.map(_words(5), TEMPLATE, parallel=1)
        assert isinstance(answers.stopped, RateLimitError)
        assert "the server asks to wait 2 h" in str(answers.stopped)
        assert [bool(each.error) for each in answers] == [False, True, True, True, True]
        assert len(server.requests) == 2
        assert not answers.retry().failed
    assert len(server.requests) == 6


class _Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_a_line_of_a_terminal_and_a_few_lines_elsewhere(
    folder: Path, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with _session(server.base_url, folder) as session:
        monkeypatch.setattr(sys, "stderr", terminal := _Terminal())
        server.reply(failure(400, "invalid_request_error", "no"))
        answers = session.map(["a", "b"], parallel=1)
        answers.retry()
        first, again, end = terminal.getvalue().split("\n")
        assert "1 of 2 · 1 failed · " in first.rpartition("\r")[2]
        assert "2 of 2 · 1 before · " in again.rpartition("\r")[2]
        assert end == ""
        for wanted, lines in ((None, 0), (False, 0), (True, 1)):
            monkeypatch.setattr(sys, "stderr", log := StringIO())
            session.map(["c"], fresh=True, progress=wanted)
            assert log.getvalue().count("\n") == lines


# -- rows and what comes of them ------------------------------------------------------------------------


def test_rows_are_lists_tables_columns_and_files(folder: Path, gateway: FaultyGateway) -> None:
    import pandas

    (folder / "rows.csv").write_text('word,n\na,1\n"b, c",2\n', encoding="utf-8")
    (folder / "rows.jsonl").write_text('{"word": "a"}\n\n{"word": "b"}\n', encoding="utf-8")
    frame = pandas.DataFrame({"word": ["a", "b"]}, index=[7, 8])
    with _session(gateway.base_url, folder) as session:
        assert [each.answer for each in session.map("rows.csv", TEMPLATE)] == ["SAY A", "SAY B, C"]
        assert [each.answer for each in session.map(folder / "rows.jsonl", TEMPLATE)] == ["SAY A", "SAY B"]
        assert [each.answer for each in session.map(frame, TEMPLATE)] == ["SAY A", "SAY B"]
        assert [each.answer for each in session.map(frame["word"])] == ["A", "B"]
        assert [each.answer for each in session.map({"word": ["a", "b"]}, TEMPLATE)] == ["SAY A", "SAY B"]
        assert [each.answer for each in session.map({"k": "v"}, "{{ row.key }}={{ row.value }}")] == ["K=V"]
        assert [each.answer for each in session.map(iter(["a"]), "{{ item }}!")] == ["A!"]


def test_what_is_missing_is_an_empty_text_and_said_once(folder: Path, gateway: FaultyGateway) -> None:
    import pandas

    frame = pandas.DataFrame({"word": ["a", None, float("nan"), "b"], "n": [1, 2, 3, 4]})[1:]
    said: list[str] = []
    with _session(gateway.base_url, folder, notify=said.append) as session:
        answers = session.map(frame, "say {{ row.word }} {{ row.n }}.")
        filtered = session.map(frame, "say {{ row.word | upper }} {{ row.word | truncate(9) }}.")
        # Within a whole row, what is missing is a value beside a name.
        (whole,) = session.map([{"a": None}], "say {{ row }}")
    assert [each.answer for each in answers] == ["SAY  2.", "SAY  3.", "SAY B 4."]
    assert [each.answer for each in filtered] == ["SAY  .", "SAY  .", "SAY B B."]
    assert whole.answer == "SAY {'A': NONE}"
    assert said[0] == "{{ row.word }} is empty in 2 of 3 rows, first in row 1"
    # Numbers that a selection has left are no column; the answers go back to the rows by them.
    assert list(answers[0].row) == ["word", "n"]
    came = frame.assign(answer=answers.expect("SAY").to_frame()["answer"])
    assert came["answer"].to_dict() == {1: "SAY  2.", 2: "SAY  3.", 3: "SAY B 4."}
    joined = frame.join(answers.to_frame(rows=False))
    assert list(joined)[2:] == ["answer", "tokens", "cost", "ended", "error"]
    assert joined["answer"].to_dict() == came["answer"].to_dict()


def test_that_a_level_of_thinking_had_no_effect_is_said_once(folder: Path, server: ScriptedServer) -> None:
    said: list[str] = []
    thought = completion("yes", tokens=(20, 8))
    thought["choices"][0]["message"]["reasoning_content"] = "Well."
    server.always(json_response(thought))
    with _session(server.base_url, folder, notify=said.append, model="m") as session:
        session.map(["a", "b", "c"], think="off", parallel=1)
    assert said == ["m: the server did not turn thinking off and is not asked again (3 of 3 answers)"]


def test_a_budget_is_not_said_to_depend_on_a_conversation(folder: Path, server: ScriptedServer) -> None:
    with _session(server.base_url, folder, budget=0.0000001, model="m", prices={"*": (1, 2)}) as session:
        stopped = session.map(["a", "b"]).stopped
    assert isinstance(stopped, BudgetError)
    assert "truncate(2000)" in stopped.next_step.at(CELL)
    assert "--new" not in stopped.next_step.at(CELL)


def test_a_table_of_answers_has_the_columns_the_fields_and_what_it_cost(
    folder: Path, server: ScriptedServer
) -> None:
    server.always(json_response(completion('{"good": true, "answer": 3}', tokens=(20, 8))))
    with _session(server.base_url, folder) as session:
        rows = [{"text": "a", "cost": 5}, {"text": "b", "cost": 6}]
        answers = session.map(rows, "{{ row.text }}", schema="good bool, answer int")
    assert server.requests[0].json()["response_format"]["type"] == "json_schema"
    frame = answers.to_frame()
    assert list(frame) == [
        "text",
        "row_cost",
        "answer",
        "good",
        "data_answer",
        "tokens",
        "cost",
        "ended",
        "error",
    ]
    assert frame["good"].tolist() == [True, True]
    assert frame["tokens"].tolist() == [28, 28]
    assert frame["cost"].tolist() == [0.00005376, 0.00005376]
    assert answers[0].data == {"good": True, "answer": 3}


def test_an_answer_that_does_not_fit_the_schema_is_corrected_or_an_error(
    folder: Path, server: ScriptedServer
) -> None:
    server.reply(json_response(completion("no JSON")))
    server.reply(json_response(completion('{"n": 1}')))
    server.always(json_response(completion("no JSON again")))
    with _session(server.base_url, folder) as session:
        answers = session.map(["a", "b"], schema="n int", parallel=1)
        assert answers[0].data == {"n": 1}
        assert answers[1].error is not None
        assert answers[1].answer == "no JSON again"
        assert session.usage.total_tokens == 4 * 28
        assert answers.spent == answers.cost == session.cost


@pytest.mark.parametrize(
    ("rows", "template", "words"),
    [
        ([], None, "no row"),
        (5, None, "of type int"),
        ("rows.txt", None, "not a file of rows"),
        ("missing.csv", None, "missing.csv"),
        ([{"a": 1}], None, "row 1 is of type dict"),
        (
            [{"a": 1}, {"b": 1}],
            "{{ row.a }}",
            "row 2: {{ row.a }}: there is no item 'a'; there are 'b'; nothing was",
        ),
        ([{"a": 1}, {"b": 1}], "{{ row.a }}", "allow for it: {{ row['a'] if 'a' in row }}"),
        ({"a": [1, 2], "b": [1]}, "{{ row.a }}", "unless all its values are columns of one length"),
        ([{"name": 1}], "{{ row.nmae }}", "did you mean name? there are 'name'"),
        ([{"full text": 1}], "Of {{ row.full text | upper }}", "write {{ row['full text'] }}"),
        ([{"full-text": 1}], "{{ row.full-text }}", "write {{ row['full-text'] }}"),
        ("lacks.jsonl", "{{ row.a }}", "line 3 of lacks.jsonl: {{ row.a }}: there is no item 'a'"),
        (["a"], "the same", "would be the same for all"),
        (["a"], "It costs ${{ item }}.", "{{ item }} stays text: after a dollar"),
        (["a", " "], None, "row 2: there is no question"),
        ([str(number) for number in range(201)], None, "nothing limits what they cost"),
    ],
)
def test_what_cannot_be_asked_is_an_error_and_nothing_is_sent(
    folder: Path, server: ScriptedServer, rows: Any, template: str | None, words: str
) -> None:
    (folder / "lacks.jsonl").write_text('{"a": 1}\n\n{"b": 1}\n', encoding="utf-8")
    with _session(server.base_url, folder) as session, pytest.raises(InputError) as caught:
        session.map(rows, template)
    assert words in str(caught.value)
    assert not server.requests
