"""The line below an answer: short, the same while the answer comes, in its output and in a terminal."""

from __future__ import annotations

from collections.abc import Iterable

from ..api.answering_model import describe_models
from ..api.messages import Usage
from ..money.cost import Cost, Spend
from ..redaction import one_line

__all__ = ["footer_line"]

_LONGEST_REMARK = 80


def footer_line(
    model: str,
    usage: Usage,
    cost: Cost,
    seconds: float,
    *,
    answered_by: str = "",
    turn: int = 0,
    attempt: int = 1,
    demo: bool = False,
    replayed: bool = False,
    notebook: Spend | None = None,
    attached: Iterable[str] = (),
    remarks: Iterable[str] = (),
) -> str:
    """Return "deepseek-chat · turn 3 · 20 → 8 tokens · $0.000054 · 1.2 s · notebook $0.0132" and the remarks.

    A `turn` of 0 and a `notebook` of None are left out. `answered_by` is "" where it is the model itself.
    `attached` is what was sent with the question.
    """
    parts = [describe_models(model, answered_by)]
    if turn:
        parts.append(f"turn {turn}, attempt {attempt}" if attempt > 1 else f"turn {turn}")
    money = f"demo credit {cost}" if demo else str(cost)
    parts += [str(usage), f"replayed, had cost {money}" if replayed else money, f"{seconds:.1f} s"]
    if notebook is not None:
        parts.append(f"notebook {'free' if notebook.free else notebook}")
    with_question = ", ".join(attached)
    told = [f"with {with_question}" if with_question else "", *remarks]
    return one_line(" · ".join([*parts, *(_short(each) for each in told if each)]))


def _short(remark: str) -> str:
    line = " ".join(remark.split())
    return line if len(line) <= _LONGEST_REMARK else f"{line[: _LONGEST_REMARK - 1].rstrip()}…"
