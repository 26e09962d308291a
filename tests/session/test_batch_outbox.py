"""What is written together of the requests of a batch."""

from __future__ import annotations

import asyncio
from pathlib import Path

from cnai_magic.money.budget import TokenBudget
from cnai_magic.session.batches.batch_outbox import Outbox
from cnai_magic.session.kernel_session import KernelSession
from cnai_magic.session.sent_request import RequestCharges
from tests.servers import ScriptedServer, sse


def test_a_request_that_was_cancelled_while_its_note_waited_is_no_charge_of_a_later_process(
    session: KernelSession, server: ScriptedServer, tmp_path: Path
) -> None:
    server.always(sse("yes"))
    session.ask("hello")
    question, name = session.prepare("hello"), "0123456789abcdef"
    charges = RequestCharges(question, question.request, session.spending, "", name)

    async def run(*, cancelled: bool) -> None:
        outbox = Outbox(session.spending, lambda outcomes: None)
        outbox.note(charges, 1, lambda: None)
        if cancelled:
            outbox.settle([], TokenBudget(), question.lookup, [name])
        outbox.write()

    def is_noted() -> bool:
        files = filter(Path.is_file, tmp_path.rglob("*"))
        return any(name.encode() in each.read_bytes() for each in files)

    asyncio.run(run(cancelled=False))
    assert is_noted()
    session.spending.pending.forget([name])
    assert not is_noted()
    asyncio.run(run(cancelled=True))
    assert not is_noted()
