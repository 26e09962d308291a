"""Sessions with a ledger of their own, for the tests of a question and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cnai_magic.session.kernel_session import KernelSession
from cnai_magic.settings import Cnai
from tests.servers import KEY, ScriptedServer


@pytest.fixture
def make(
    server: ScriptedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., KernelSession]]:
    """Return a function that makes a session, a kernel of its own, over one ledger.

    What the person is told is in its `lines`.
    """
    monkeypatch.setenv("CNAI_API_KEY", KEY)
    made: list[KernelSession] = []

    def session(**settings: Any) -> KernelSession:
        usual: dict[str, Any] = {"base_url": server.base_url, "model": "m", "retries": 0}
        usual |= {"ledger": str(tmp_path / "ledger.sqlite3"), "prices": {"m": (1, 1)}}
        lines: list[str] = []
        made.append(KernelSession(Cnai(**{**usual, **settings}), notify=lines.append))
        made[-1].lines = lines  # type: ignore[attr-defined]
        return made[-1]

    yield session
    for each in made:
        each.close()
        if each.ledger is not None:
            each.ledger.close()


@pytest.fixture
def session(make: Callable[..., KernelSession]) -> KernelSession:
    return make()
