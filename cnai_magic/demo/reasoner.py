"""demo-reasoner: shows its reasoning step by step, then answers as demo-guide does."""

from __future__ import annotations

from .conversation import find_facts
from .guide import NO_RULE, GuideReply, read_rules
from .guide_question import GuideQuestion

__all__ = ["think"]


_SHORT = ("minimal", "low")
_LONG = ("high", "xhigh", "max")


def think(question: GuideQuestion, reply: GuideReply, effort: str = "") -> str:
    """Return the reasoning that leads to `reply`: the question, the rules tried, the steps.

    With little `effort` it is only which rule fits. With much of it, all other rules are tried as well, and
    with the most they are named.
    """
    if effort in _SHORT:
        found = "no rule fits" if reply.rule == NO_RULE else f"the rule that fits is: {reply.rule}"
        return f"In short: {found}.\n"
    asked = " ".join(question.text[:1000].split())
    lines = [f"The question is: “{asked[:160]}{'…' if len(asked) > 160 else ''}”."]
    named, statements = find_facts(question.questions)
    before = len(question.questions_before)
    if before:
        lines.append(f"It is question {before + 1} of this conversation.")
    if named or statements:
        known = [*(f"{key}: {value}" for key, value in named.items()), *statements]
        lines.append(f"From the conversation I know {'; '.join(known)}.")
    names = [rule.name for rule in read_rules()]
    tried = names.index(reply.rule) if reply.rule in names else len(names)
    lines.append(f"I try my rules in order; {tried} of {len(names)} do not fit.")
    if effort in ("xhigh", "max") and tried:
        lines.append(f"These do not: {', '.join(names[:tried])}.")
    if reply.rule == NO_RULE:
        lines.append("So I have no rule for this, and I should say so rather than guess.")
    else:
        lines.append(f"The one that fits is: {reply.rule}.")
    if reply.calculation is not None:
        lines.append(f"I work out {reply.calculation.expression}, one operation at a time:")
        lines += [f"{place}. {step}" for place, step in enumerate(reply.calculation.steps, 1)]
        lines.append("That was the last operation, so this is the result.")
    if effort in _LONG and reply.rule != NO_RULE:
        lines.append(_try_others(question, tried))
    if question.system:
        lines.append("The system message says how to answer, so I follow it.")
    return "\n".join(lines) + "\n"


def _try_others(question: GuideQuestion, tried: int) -> str:
    """Try the rules after the one that fits, and say what came of it."""
    others = [rule.name for rule in read_rules()[tried + 1 :] if rule.answer(question) is not None]
    if not others:
        return "To be sure I try the other rules too: no other one fits."
    return f"To be sure I try the other rules too: {', '.join(others)} would fit as well, but come later."
