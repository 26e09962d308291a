from __future__ import annotations

from tests.trace import packages_of, trace_question


def test_one_question_takes_few_moves_within_few_packages() -> None:
    moves = trace_question()
    assert {"session", "api", "chat", "money", "display"} <= set(packages_of(moves))
    assert len(packages_of(moves)) <= 10
    assert len(moves) <= 80, "python -m tests.trace prints them: which of them are needed?"
