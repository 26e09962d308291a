"""A question over `confirm_above` is sent only where that was confirmed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from cnai_magic.chat.judging import JudgeOptions
from cnai_magic.chat.tools import build_tools
from cnai_magic.errors import BudgetError
from cnai_magic.magics.cell_words import CELL
from cnai_magic.session.batches.batch_view import BatchView
from cnai_magic.session.batches.compare import Ways
from cnai_magic.session.kernel_session import KernelSession
from cnai_magic.session.question import Options
from tests.servers import ScriptedServer, sse
from tests.session.test_tool_loop import call, calls

Make = Callable[..., KernelSession]
# At 1 USD per million tokens about 0.002 USD.
LONG = "word " * 2000
FROM_CELL = Options(to_confirm=True)


def test_a_question_over_the_sum_is_not_sent_until_it_is_confirmed(
    make: Make, server: ScriptedServer
) -> None:
    session = make(confirm_above=0.001)
    with pytest.raises(BudgetError) as caught:
        session.ask(LONG, FROM_CELL)
    assert server.requests == []
    assert session.conversations.in_use.turns == []
    lines = caught.value.lines(CELL)
    assert "may cost ≈$0.001" in lines[0]
    assert "over $0.001 " in lines[1]
    assert "--confirm" in lines[-1]
    server.always(sse("Yes."))
    assert session.ask(LONG).text == "Yes."
    assert session.ask("A short one", replace(FROM_CELL, once=True)).text == "Yes."


def test_the_longest_answer_counts_where_it_is_limited(make: Make, server: ScriptedServer) -> None:
    session = make(confirm_above=0.01)
    limited = replace(FROM_CELL, parameters={"max_tokens": 20_000})
    with pytest.raises(BudgetError, match=r"≈\$0\.02"):
        session.ask("Short?", limited)
    server.reply(sse("Yes."))
    assert session.ask("Short?", FROM_CELL).text == "Yes."


def test_what_has_no_price_or_costs_demo_credit_is_sent(make: Make, server: ScriptedServer) -> None:
    server.reply(sse("Yes."))
    server.pricing = {"data": []}
    assert make(confirm_above=0, prices={}, model="unknown").ask(LONG, FROM_CELL).text == "Yes."
    # An echo of all of it would take 25 seconds.
    short = replace(FROM_CELL, parameters={"max_tokens": 5})
    assert make(confirm_above=0, base_url="demo", model="demo-echo").ask(LONG, short).text


def test_the_price_of_a_server_is_waited_for(make: Make, server: ScriptedServer) -> None:
    server.pricing = {"data": [{"model_name": "m", "model_ratio": 0.84, "completion_ratio": 1.5}]}
    with pytest.raises(BudgetError):
        make(confirm_above=0.001, prices={}).ask(LONG, FROM_CELL)
    assert [each.path for each in server.lookups] == ["/api/pricing"]


def test_the_answers_of_a_comparison_count_together(make: Make, server: ScriptedServer) -> None:
    session = make(confirm_above=0.003)
    server.always(sse("Yes."))
    assert session.ask(LONG, replace(FROM_CELL, once=True)).text
    with pytest.raises(BudgetError, match="asked in 2 ways, may cost"):
        session.compare(LONG, FROM_CELL, Ways(times=2), view=BatchView())
    judge = JudgeOptions("m")
    with pytest.raises(BudgetError, match="the question and its judge may cost"):
        session.compare(LONG, FROM_CELL, Ways(), judged_by=judge, view=BatchView())
    assert len(server.requests) == 1
    confirmed = session.compare(LONG, Options(), Ways(times=2), view=BatchView())
    assert [each.reply.text for each in confirmed if each.reply] == ["Yes.", "Yes."]


def test_rows_count_together_and_to_say_what_they_may_cost_is_to_confirm_it(
    make: Make, server: ScriptedServer
) -> None:
    session, rows = make(confirm_above=0.003), [1, 2, 3]
    prompts = [f"{LONG}{row}" for row in rows]
    with pytest.raises(BudgetError, match="the 3 requests may cost") as caught:
        session.ask_rows(rows, prompts, FROM_CELL)
    assert "--max-cost" in caught.value.lines(CELL)[-1]
    with pytest.raises(BudgetError, match="the 1 requests and their judge may cost"):
        session.ask_rows([1], prompts[:1], FROM_CELL, judged_by=JudgeOptions("m"))
    assert server.requests == []
    server.always(sse("Yes."))
    assert len(session.ask_rows(rows, prompts, FROM_CELL, max_cost=1).failed) == 0
    # What is answered already costs nothing.
    more = [*prompts, f"{LONG}4"]
    answers = session.ask_rows([*rows, 4], more, FROM_CELL)
    assert len(answers.failed) == 0
    with pytest.raises(BudgetError, match="the 4 requests may cost"):
        answers.judge_with(JudgeOptions("m", to_confirm=True))
    assert len(server.requests) == 4


def test_later_requests_of_a_question_with_functions_count_with_the_former_ones(
    make: Make, server: ScriptedServer
) -> None:
    session = make(confirm_above=0.003, value_tokens=10_000)

    def look_up() -> str:
        return LONG

    functions = {"tools": build_tools([look_up]), "to_confirm": True}
    for _ in range(2):
        server.reply(calls(call("look_up", "{}", id="x1")))
    with pytest.raises(BudgetError, match="with what its functions returned"):
        session.ask("Go on.", Options(**functions))
    # The second request had the result once; a third one would have it twice.
    assert len(server.requests) == 2
    assert session.latest is not None
    assert len(session.latest.steps) == 4
