"""How many requests are let in at a time."""

from __future__ import annotations

import asyncio

from cnai_magic.api.parallelism import Parallelism


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
            gate.slow_down(each, 0.0)
            gate.leave()
        assert gate.limit == 8
        later = await gate.enter()
        gate.slow_down(later, 0.0)
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
        gate.slow_down(began, 0.05)
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
