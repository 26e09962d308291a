"""An answer as a notebook output: how it is written there, and read back.

The text stands in `text/markdown` and `text/plain`, all else in the output's metadata under `cnai`. A
command that changes a conversation leaves a record there too, so that what a reader sees from top to
bottom is all that is needed to have the conversations again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime, timezone
from itertools import islice
from typing import Any

from ..api.logprobs import TokenProbability, dump_logprobs
from ..api.message_parts import ImagePart, KeptImage, Part
from ..api.parameters import dump_parameters
from ..api.token_usage import Usage
from ..chat.attempt import Attempt, Turn
from ..chat.markdown import escape_markdown, write_markdown
from ..chat.rating import Rating
from ..chat.reply import Reply
from ..chat.tool_steps import ShownCall, list_calls
from ..chat.verdict import Verdict
from ..languages import translate
from ..money.cost import Cost
from ..redaction import clean, hide_keys, strip_controls
from .page_facts import PAGE_TYPE, build_page_facts

__all__ = [
    "MOST_OTHERS",
    "MOST_TOKENS",
    "SCHEMA",
    "WRITTEN",
    "build_answer_record",
    "build_bundle",
    "build_event_metadata",
    "build_metadata",
    "build_plain_text",
    "build_texts",
    "dump_cost",
    "dump_usage",
    "format_time",
    "record_rating",
    "record_whole",
    "show_text",
    "write_small",
]

SCHEMA = 2
"""Version of the metadata under `cnai`."""

WRITTEN = "written"
"""Where the record of an output that this kernel has shown has the answer itself; no file has one."""

MOST_OTHERS = 1000

MOST_TOKENS = 1000
"""Of longer answers the probabilities of the tokens are not kept: a notebook would grow too much."""

# Of the arguments and the result of a call so many characters are shown; the metadata has all.
_LONGEST_SHOWN = 20_000


def build_bundle(attempt: Attempt, conversation: str = "") -> dict[str, Any]:
    """Return the final output of an answer: its texts, with the footer, and the facts for the page.

    `conversation` is as for `build_metadata`.
    """
    facts = build_page_facts(attempt, conversation)
    return {PAGE_TYPE: facts, **build_texts(attempt.reply, attempt.footer)}


def build_texts(reply: Reply, footer: str) -> dict[str, str]:
    """Return an answer as text/markdown and text/plain, each with the footer."""
    parts = [reply.markdown]
    if reply.reasoning:
        thought = write_markdown(show_text(reply.reasoning))
        parts.insert(0, f"<details><summary>{translate('Reasoning')}</summary>\n\n{thought}\n\n</details>")
    parts[:0] = _write_steps(reply)
    parts.append(write_small(translate(footer)))
    return {
        "text/markdown": "\n\n".join(part for part in parts if part),
        "text/plain": build_plain_text(reply, footer),
    }


def build_plain_text(reply: Reply, footer: str) -> str:
    """Return an answer as text/plain, with the footer."""
    return f"{show_text(reply.text)}\n\n{translate(footer)}".lstrip("\n")


def _write_steps(reply: Reply) -> Iterator[str]:
    """Yield what came before the answer: words of the model, and its calls of tools."""
    calls = iter(list_calls(reply.steps, reply.call_seconds))
    for step in reply.steps:
        if step.role == "assistant" and step.text.strip():
            yield write_markdown(show_text(step.text))
        yield from map(_write_call, islice(calls, len(step.tool_calls)))


def _write_call(call: ShownCall) -> str:
    """Return a call as a line that unfolds to its arguments and its result."""
    texts = (show_text(text)[:_LONGEST_SHOWN] for text in (call.arguments, call.result))
    shown = "\n\n".join(write_markdown(_fence(text)) for text in texts)
    line = escape_markdown(show_text(call.line))
    return f"<details><summary>{line}</summary>\n\n{shown}\n\n</details>"


def _fence(text: str) -> str:
    """Return a text as a block of code, whatever it holds."""
    longest = max(map(len, re.findall("`+", text)), default=0)
    ticks = "`" * max(3, longest + 1)
    return f"{ticks}text\n{text}\n{ticks}"


def write_small(line: str) -> str:
    """Return a line of plain text as small Markdown that shows its characters, and nothing else."""
    return f"<small>{escape_markdown(strip_controls(line))}</small>"


def build_metadata(attempt: Attempt, conversation: str = "") -> dict[str, Any]:
    """Return what an output keeps of its answer, under `cnai`: enough to restore the conversation.

    `cost` is in nano-USD, null where the model has no price; `seconds` is the time the answer took; `time`
    is when it was asked (ISO 8601, UTC). `footer` is the last line of text/plain, the answer what precedes;
    it is repeated as `text` only where that is not the whole of it to the letter. `conversation` is the one
    that it stands in, where that is a fork of the one that it was asked in.
    """
    reply = attempt.reply
    about = {"schema": SCHEMA, **_record(attempt), "footer": translate(attempt.footer)}
    if 0 < len(reply.logprobs) <= MOST_TOKENS and not _holds_key(reply.logprobs):
        about["logprobs"] = dump_logprobs(reply.logprobs)
    if conversation not in ("", attempt.conversation):
        about["fork"] = conversation
    if reply.text != show_text(reply.text):
        about["text"] = _hide_keys_in(reply.text)
    if reply.replayed:
        about["replayed"] = True
    if attempt.others:
        about["others"] = [record_whole(each) for each in attempt.others[-MOST_OTHERS:]]
    return {"cnai": about}


def build_event_metadata(
    kind: str, conversation: str, *, time: datetime | None = None, **facts: Any
) -> dict[str, Any]:
    """Return what the output of a command keeps of a change to a conversation, made now or at `time`.

    The kinds and their facts are those of `Event`.
    """
    when = format_time(time or datetime.now(timezone.utc))
    return {"cnai": {"schema": SCHEMA, "event": kind, "conversation": conversation, "time": when, **facts}}


def build_answer_record(conversation: str, turn: Turn, most_attempts: int) -> dict[str, Any]:
    """Return the record of a turn in a conversation that no output shows: all of it is in the metadata."""
    others = turn.list_others(most_attempts)
    about = record_whole(turn.attempt)
    if conversation != turn.attempt.conversation:
        about["fork"] = conversation
    return {**about, "others": [record_whole(each) for each in others]} if others else about


def _record_verdict(verdict: Verdict) -> dict[str, Any]:
    about: dict[str, Any] = {"judge": clean(verdict.judge), "scores": list(verdict.scores)}
    about |= {"reason": clean(verdict.reason), "cost": verdict.cost.nano, "demo": verdict.demo}
    return {**about, "cost_estimated": True} if verdict.cost.estimated else about


def record_rating(rating: Rating) -> dict[str, Any]:
    """Return a rating as it is written; without a value it was taken away."""
    about: dict[str, Any] = {"time": format_time(rating.time)}
    if rating.value is not None:
        about["value"] = rating.value
    return {**about, "note": _hide_keys_in(rating.note)} if rating.note else about


def format_time(time: datetime) -> str:
    """Return a moment as it is written: ISO 8601, to the microsecond, so that all have an order."""
    return time.isoformat(timespec="microseconds")


# -- written ------------------------------------------------------------------------------------


def show_text(text: str) -> str:
    """Return a text as an output shows it: without control sequences and keys, and blanks around it."""
    return hide_keys(strip_controls(text)).strip()


def _hide_keys_in(text: str) -> str:
    """Return a text without the keys that were met, also where control characters stand within one."""
    shown = strip_controls(text)
    return text if hide_keys(shown) == shown and hide_keys(text) == text else hide_keys(shown)


def _holds_key(tokens: Iterable[TokenProbability]) -> bool:
    text = "".join(each.token for each in tokens)
    return hide_keys(text) != text


def _hide_in_value(value: Any) -> Any:
    """Return a value of JSON with all its texts as `_hide_keys_in` has them."""
    if isinstance(value, dict):
        return {name: _hide_in_value(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_hide_in_value(each) for each in value]
    return _hide_keys_in(value) if isinstance(value, str) else value


def _write_part(part: Part) -> dict[str, Any]:
    """Return a part as a notebook keeps it: of an image name, size and digest, not the data."""
    kept = part.keep() if isinstance(part, ImagePart) else part
    if not isinstance(kept, KeptImage):
        return part.body()
    about: dict[str, Any] = {
        "type": "image",
        "name": clean(kept.name),
        "media_type": kept.media_type,
        "pixels": [kept.width, kept.height],
        "bytes": kept.bytes,
        "sha256": kept.sha256,
    }
    return {**about, "detail": kept.detail} if kept.detail else about


def record_whole(attempt: Attempt) -> dict[str, Any]:
    """Return the record of an attempt that no output shows, with its text."""
    return {**_record(attempt), "text": _hide_keys_in(attempt.reply.text)}


def dump_usage(usage: Usage, cost: Cost) -> dict[str, Any]:
    """Return tokens and cost as they are written."""
    counted = {
        "usage": {
            **usage.body(),
            "reasoning_tokens": usage.reasoning_tokens,
            "cached_tokens": usage.cached_tokens,
            "estimated": usage.estimated,
        },
    }
    return {**counted, **dump_cost(cost, estimated=usage.estimated)}


def dump_cost(cost: Cost, *, estimated: bool = False) -> dict[str, Any]:
    """Return a cost as it is written; `estimated` tells whether its tokens are."""
    counted: dict[str, Any] = {"cost": cost.nano}
    if cost.estimated is not estimated:
        counted["cost_estimated"] = cost.estimated
    return {**counted, "cost_local": True} if cost.local else counted


def _record(attempt: Attempt) -> dict[str, Any]:
    reply = attempt.reply
    usage = reply.usage
    about = {
        "id": reply.id,
        "conversation": attempt.conversation,
        "turn": attempt.turn,
        "turn_id": attempt.turn_id,
        "attempt": attempt.number,
        "ordinal": attempt.index_in_cell,
        "model": clean(reply.model),
        "system": reply.system and _hide_keys_in(reply.system),
        "parameters": _hide_in_value(dump_parameters(reply.parameters)),
        "prompt": _hide_keys_in(reply.prompt),
        "reasoning": _hide_keys_in(reply.reasoning),
        **dump_usage(usage, reply.cost),
        "demo": reply.demo,
        "finish_reason": clean(reply.finish_reason),
        "time": format_time(reply.started),
        "seconds": round(reply.seconds, 3),
        "request": clean(reply.request),
    }
    if reply.rest is not None:
        about["rest"] = dump_usage(*reply.rest)
    if reply.answered_by:
        about["answered_by"] = clean(reply.answered_by)
    if reply.note:
        about["note"] = clean(reply.note)
    if reply.prompt_parts:
        about["prompt_parts"] = [_hide_in_value(_write_part(part)) for part in reply.prompt_parts]
    if reply.attached:
        about["attached"] = [clean(each) for each in reply.attached]
    if reply.steps:
        about["steps"] = [_hide_in_value(step.body()) for step in reply.steps]
        about["call_seconds"] = [round(each, 3) for each in reply.call_seconds]
    if attempt.first_run is not None:
        about["first_run"] = format_time(attempt.first_run)
    for name in ("cell", "chain"):
        if getattr(attempt, name):
            about[name] = clean(getattr(attempt, name))
    if attempt.rating is not None:
        about["rating"] = record_rating(attempt.rating)
    if attempt.verdict is not None:
        about["verdict"] = _record_verdict(attempt.verdict)
    for name in ("began", "appended", "chosen", "with_code"):
        if getattr(attempt, name):
            about[name] = True
    return about
