"""How many requests are let in at a time."""

from __future__ import annotations

import asyncio
import random

import pytest

from cnai_magic.api import parallelism
from cnai_magic.api.parallelism import Parallelism, RefusedRequest
from cnai_magic.errors import RateLimitError


def _refusal(seconds: float | None = None) -> RateLimitError:
    error = RateLimitError("too many requests")
    error.retry_after = seconds
    return error


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallelism, "_PAUSE", 0.0)
    monkeypatch.setattr(parallelism, "_PAUSE_AGAIN", 0.0)


def test_no_more_are_let_in_than_may_be_under_way() -> None:
    async def run() -> int:
        gate, most = Parallelism(3), 0

        async def ask() -> None:
            nonlocal most
            await gate.enter()
            most = max(most, gate.busy)
            await asyncio.sleep(0)
            gate.leave()

        await asyncio.gather(*(ask() for _ in range(20)))
        assert gate.busy == 0
        return most

    assert asyncio.run(run()) == 3


def test_those_that_were_refused_together_count_once_and_answers_raise_the_limit_again() -> None:
    async def run() -> None:
        gate = Parallelism(16)
        began = [await gate.enter() for _ in range(16)]
        for each in began:
            gate.slow_down(each, _refusal())
            gate.leave()
        assert gate.limit == 8
        later = await gate.enter()
        gate.slow_down(later, _refusal())
        gate.leave()
        assert gate.limit == 4
        for _ in range(200):
            gate.speed_up()
        assert gate.limit == 16

    asyncio.run(run())


def test_a_wait_that_is_asked_for_holds_all_back_and_a_cancelled_one_takes_no_turn() -> None:
    async def run() -> list[str]:
        loop, gate, order = asyncio.get_running_loop(), Parallelism(1), []
        began = await gate.enter()
        gate.slow_down(began, _refusal(0.05))
        gate.leave()
        until = loop.time() + 0.05

        async def ask(name: str) -> None:
            entered = await gate.enter()
            assert entered >= until - 0.01
            order.append(name)
            gate.leave()

        asked = [asyncio.ensure_future(ask(name)) for name in "abc"]
        await asyncio.sleep(0)
        asked[0].cancel()
        await asyncio.gather(*asked, return_exceptions=True)
        return order

    assert asyncio.run(run()) == ["b", "c"]


@pytest.mark.parametrize(
    ("patience", "asked", "words"),
    [
        (600, 3600, "the server asks to wait 1 h; ask again then for what is missing"),
        (600, 700, "the server asks to wait 12 min"),
        (-1, None, "the server took nothing for"),
    ],
)
def test_where_a_wait_is_too_long_nobody_is_held_back_any_more(
    patience: float, asked: float | None, words: str
) -> None:
    async def run() -> None:
        gate = Parallelism(1, patience)
        began = await gate.enter()
        waiting = asyncio.ensure_future(gate.enter())
        await asyncio.sleep(0)
        refusal = _refusal(asked)
        gate.slow_down(began, refusal)
        assert gate.gave_up is refusal
        assert words in str(refusal)
        await asyncio.wait_for(waiting, 20)

    asyncio.run(run())


def test_an_answer_ends_what_was_refused_before() -> None:
    async def run() -> None:
        gate = Parallelism(2, 0.05)
        for _ in range(3):
            gate.slow_down(await gate.enter(), _refusal())
            gate.leave()
            gate.speed_up()
            await asyncio.sleep(0.1)
        assert gate.gave_up is None

    asyncio.run(run())


def test_a_request_is_refused_for_itself_only_where_others_are_answered_far_more_often() -> None:
    async def run() -> None:
        gate, chance = Parallelism(64), random.Random(7)
        storm = [RefusedRequest(gate) for _ in range(800)]
        for _ in range(200):  # nine of ten are refused, whichever they are
            for each in list(storm):
                if chance.random() < 0.1:
                    storm.remove(each)
                    gate.speed_up()
                else:
                    gate.slow_down(0.0, _refusal())
                    each.count()
                    assert not each.alone
        never = RefusedRequest(gate)
        for number in range(60):
            gate.slow_down(0.0, _refusal())
            never.count()
            assert never.alone is (number >= 30)
            gate.speed_up()
        waiting = RefusedRequest(gate)
        for _ in range(100):  # nobody else asks
            gate.slow_down(0.0, _refusal())
            waiting.count()
        assert not waiting.alone

    asyncio.run(run())
