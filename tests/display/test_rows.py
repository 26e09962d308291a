"""How far rows are, where nobody watches."""

from __future__ import annotations

import pytest

from cnai_magic.display.rows import RowsView
from cnai_magic.session.batches.row_progress import Progress


def test_a_run_that_nobody_watches_says_that_it_waits_for_a_busy_server(
    capsys: pytest.CaptureFixture[str],
) -> None:
    view, progress = RowsView(), Progress(8)
    for progress.pause, progress.done in [(0, 0), (12, 0), (11.75, 0), (0, 0), (30, 0), (0, 4), (0, 8)]:
        view.show(progress)
    assert capsys.readouterr().out.splitlines() == ["0 of 8 · the server is busy: 12 s", "4 of 8", "8 of 8"]
