"""What one question of a batch holds, and lets go."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from cnai_magic.api.messages import ChatRequest, Message
from cnai_magic.api.parallelism import Parallelism
from cnai_magic.money.budget import TokenBudget
from cnai_magic.money.price import Price
from cnai_magic.money.spending import Spending
from cnai_magic.session.batches.batch_outcome import Job
from cnai_magic.session.batches.batch_question import BatchLimit, BatchQuestion, Sending, Shared
from cnai_magic.settings import Cnai


def test_what_is_held_after_a_cancel_is_let_go() -> None:
    nothing: Any = None
    spending = Spending(Cnai(ledger="off"), lambda line: None)
    request = ChatRequest("m", (Message("user", "hello"),))
    held: list[int] = []
    begun, goes_on = threading.Event(), threading.Event()

    def hold() -> TokenBudget:
        begun.set()
        assert goes_on.wait(20)
        limits = spending.find_limits(10**9)
        tokens = spending.allow(request, Price(1000, 1000, None), limits, host="", demo=False)
        held.append(spending.budget.kernel.sum_held("money"))
        return tokens

    async def run(executor: ThreadPoolExecutor) -> None:
        shared = Shared(
            nothing,
            executor,
            nothing,
            spending,
            BatchLimit(),
            asyncio.Semaphore(1),
            Sending(1, 0, "", nothing),
        )
        question = BatchQuestion(shared, Job(1, nothing, request), Parallelism(1))
        holding = asyncio.ensure_future(question._hold_in_thread(hold))
        await asyncio.to_thread(begun.wait, 20)
        holding.cancel()
        assert isinstance((await asyncio.gather(holding, return_exceptions=True))[0], asyncio.CancelledError)

    with ThreadPoolExecutor(1) as executor:
        asyncio.run(run(executor))
        goes_on.set()
    assert held[0] > 0
    assert spending.budget.kernel.sum_held("money") == 0
