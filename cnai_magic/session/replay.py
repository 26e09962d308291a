"""Which saved answer is the one to exactly this request; and if there is none, what differs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from ..api.message_parts import ImagePart, KeptImage, Part, TextPart, short_name
from ..api.parameters import format_parameter
from ..chat.attempt import Attempt
from ..chat.reply import Reply
from ..errors import InputError, ReplayError
from ..next_steps import change_setting
from .question import Question

__all__ = ["ASK_ONCE", "explain_unsaved", "find_saved_answer", "list_attempts"]

_SHORT = 60
ASK_ONCE = "ask once with " + change_setting("replay", False) + ", and save the notebook"


def find_saved_answer(
    saved: Sequence[Attempt], index_in_cell: int, prepare: Callable[[Reply], Question]
) -> tuple[Question, Attempt]:
    """Return the question as it was asked then, and its answer.

    `saved` are the answers in the cell's outputs, `index_in_cell` counts the questions of this run. `prepare`
    gives the question with, for what it leaves open, the model of a saved answer. Raises ReplayError.
    """
    every = (each for attempt in saved for each in list_attempts(attempt))
    whole = [each for each in every if not each.reply.failed]
    if not whole:
        raise ReplayError(
            "this cell has no saved answer to replay",
            why="the saved notebook holds none below this cell",
            next_step=ASK_ONCE,
        )
    # The one that was asked at this point of the cell, then all others.
    likely = sorted(whole, key=lambda attempt: attempt.index_in_cell != index_in_cell)
    prepared: dict[tuple[str, bool], Question] = {}
    for attempt in likely:
        reply = attempt.reply
        open_to_it = reply.model, reply.demo
        question = prepared.get(open_to_it) or prepared.setdefault(open_to_it, prepare(reply))
        if reply.request and reply.request == question.request.digest:
            return question, attempt
    nearest = likely[0].reply
    raise ReplayError(
        "the saved answer of this cell is to another request",
        why=_describe_difference(nearest, prepare(nearest)),
    )


def list_attempts(attempt: Attempt) -> Iterator[Attempt]:
    """Yield an answer and the other attempts that its output keeps: any of them may be the one in force."""
    turn = (attempt, *(replace(each, index_in_cell=attempt.index_in_cell) for each in attempt.others))
    for shown in turn:
        yield replace(shown, others=tuple(replace(each, others=()) for each in turn if each is not shown))


def _describe_difference(saved: Reply, question: Question) -> str:
    """Say what differs between the request of a saved answer and this one."""
    request = question.request
    found = []
    if saved.model != request.model:
        found.append(f"the model was {saved.model}, and is {request.model}")
    names = [*dict.fromkeys([*saved.parameters, *request.parameters])]
    for name in names:
        before, now = saved.parameters.get(name), request.parameters.get(name)
        if before != now and name == "tools" and isinstance(before, Mapping) and isinstance(now, Mapping):
            found.append(f"tools were {', '.join(before)}, and are {', '.join(now)}, or say something else")
        elif before != now:
            found.append(f"{name} was {_format(before)}, and is {_format(now)}")
    if (saved.system or "") != (question.system or ""):
        found.append("the system message " + _describe_change(saved.system or "", question.system or ""))
    if saved.prompt != question.prompt:
        found.append("the prompt " + _describe_change(saved.prompt, question.prompt))
    found += _describe_other_images(saved.prompt_parts, question.prompt_parts)
    return "; ".join(found) or "the turns before it are not those that were sent then: run their cells first"


def _describe_other_images(before: Sequence[Part], now: Sequence[Part]) -> Iterator[str]:
    """Yield which images differ; of those that were saved only the digest is known."""
    saved, sent = _list_images(before), _list_images(now)
    for name in saved.keys() | sent.keys():
        if saved.get(name) != sent.get(name):
            yield f"the image {name} " + ("differs" if name in saved and name in sent else "came or went")


def _list_images(parts: Sequence[Part]) -> dict[str, str]:
    """Return the digests or addresses of images by their names."""
    kept = [(part, part.keep() if isinstance(part, ImagePart) else part) for part in parts]
    return {
        short_name(part.name): each.sha256 if isinstance(each, KeptImage) else part.text
        for part, each in kept
        if not isinstance(part, TextPart)
    }


def _format(value: object) -> str:
    return "not set" if value is None else format_parameter(value).removesuffix(".0")


def _describe_change(before: str, now: str) -> str:
    """Show the first place where two texts differ."""
    start = _count_common(before, now)
    return f"had {_cut_out(before, start)!r}, and has {_cut_out(now, start)!r}"


def _count_common(before: str, now: str) -> int:
    pairs = enumerate(zip(before, now, strict=False))
    return next((index for index, (one, other) in pairs if one != other), min(len(before), len(now)))


def _cut_out(text: str, start: int) -> str:
    begin = max(0, start - 20)
    part = text[begin : begin + _SHORT]
    return ("…" if begin else "") + part + ("…" if begin + _SHORT < len(text) else "")


def explain_unsaved() -> InputError:
    """Return the error for a question that would be sent although answers are to be replayed."""
    return InputError(
        "answers are to be replayed, and none is saved for this question",
        next_step="ask the server: " + change_setting("replay", False),
    )
