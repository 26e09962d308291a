"""What to do about the error of a row: it is in no conversation that could be shorter."""

from __future__ import annotations

from ...next_steps import NextStep, Step, either, send_less

__all__ = ["advise_for_row"]

_SEND_LESS = "send less of each row: {{ row.text | truncate(2000) }}"


def advise_for_row(step: NextStep) -> NextStep:
    """Return the next step after an error, for one that was asked about a row."""
    return NextStep(tuple(part for each in step.parts for part in _advise(each).parts))


def _advise(part: str | Step | NextStep) -> NextStep:
    if isinstance(part, NextStep):
        return advise_for_row(part)
    if isinstance(part, Step) and part.name == either().name:
        return NextStep.of(either(*map(_advise, part.facts["steps"])))
    return NextStep.of(_SEND_LESS if part == send_less() else part)
