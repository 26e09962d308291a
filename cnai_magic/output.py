"""An answer as a notebook output: how it is written there, and read back.

The text stands in `text/markdown` and `text/plain`, all else in the output's metadata under `cnai`. A
command that changes a conversation leaves a record there too, so that what a reader sees from top to
bottom is all that is needed to have the conversations again.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

from .errors import InputError
from .markdown import DOLLAR, notebook_markdown
from .protocol import Usage
from .reply import Reply
from .safety import strip_controls
from .spend import Cost

__all__ = ["SCHEMA", "bundle", "event_metadata", "metadata", "read_answer", "read_event", "small"]

SCHEMA = 2
"""Version of the metadata under `cnai`; 1 had no IDs, digests and other attempts."""

_OLDEST = 1
_LARGEST = 10**15
_LONGEST_NAME = 200
_MOST_OTHERS = 1000
_PARAMETERS: dict[str, tuple[tuple[type, ...], float, float]] = {
    "temperature": ((float, int), 0, 2),
    "top_p": ((float, int), 0, 1),
    "max_tokens": ((int,), 1, _LARGEST),
}


def bundle(reply: Reply) -> dict[str, str]:
    """Return the final output of an answer, as text/markdown and text/plain, each with the footer."""
    footer = reply.footer
    parts = [strip_controls(reply.text).strip("\n")]
    if reply.reasoning:
        thought = notebook_markdown(strip_controls(reply.reasoning).strip())
        parts.insert(0, f"<details><summary>Reasoning</summary>\n\n{thought}\n\n</details>")
    parts[-1] = notebook_markdown(parts[-1])
    parts.append(small(footer))
    return {
        "text/markdown": "\n\n".join(part for part in parts if part),
        "text/plain": f"{_shown(reply.text)}\n\n{footer}".lstrip("\n"),
    }


def small(line: str) -> str:
    """Return a line of plain text as small Markdown, in which nothing begins maths, a link or HTML."""
    escaped = re.sub(r"[\\`*_\[\]<>&~|]", lambda match: f"&#{ord(match.group())};", strip_controls(line))
    return "<small>" + escaped.replace("$", DOLLAR) + "</small>"


def metadata(reply: Reply) -> dict[str, Any]:
    """Return what an output keeps of its answer, under `cnai`: enough to restore the conversation.

    `cost` is in nano-USD, null where the model has no price; `seconds` is the time the answer took; `time`
    is when it was asked (ISO 8601, UTC). `footer` is the last line of text/plain, the answer what precedes;
    it is repeated as `text` only where that is not the whole of it to the letter.
    """
    about = {"schema": SCHEMA, **_record(reply), "footer": reply.footer}
    if reply.text != _shown(reply.text):
        about["text"] = reply.text
    if reply.replayed:
        about["replayed"] = True
    if reply.others:
        about["others"] = [{**_record(each), "text": each.text} for each in reply.others]
    return {"cnai": about}


def event_metadata(kind: str, conversation: str, **facts: Any) -> dict[str, Any]:
    """Return what the output of a command keeps of a change to a conversation."""
    now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
    return {"cnai": {"schema": SCHEMA, "event": kind, "conversation": conversation, "time": now, **facts}}


def read_answer(about: Mapping[str, Any], data: Mapping[str, Any]) -> Reply:
    """Return the answer that an output holds: `about` is what stands under `cnai`, `data` its MIME bundle.

    Raises InputError, with the reason, for what is no answer of ours; a notebook is untrusted input.
    """
    _check_schema(about)
    text = about.get("text")
    if text is None:
        plain = data.get("text/plain")
        if isinstance(plain, list) and all(isinstance(line, str) for line in plain):
            plain = "".join(plain)
        footer = about.get("footer")
        if not isinstance(plain, str) or not isinstance(footer, str):
            raise InputError("its text is not there")
        # Without the footer, somebody edited the output: what stands there is the answer.
        text = plain.removesuffix(footer).removesuffix("\n\n") if plain.endswith(footer) else plain
    reply = _reply(about, text)
    others = about.get("others", [])
    if not isinstance(others, list) or len(others) > _MOST_OTHERS:
        raise InputError("its other attempts are no list of them")
    return replace(reply, others=tuple(_reply(_mapping(each), _mapping(each).get("text")) for each in others))


def read_event(about: Mapping[str, Any]) -> tuple[str, str, datetime]:
    """Return kind, conversation and time of a change; raises InputError where it is none."""
    _check_schema(about)
    return _text(about, "event"), _name(about, "conversation"), _time(about)


# -- written ------------------------------------------------------------------------------------


def _shown(text: str) -> str:
    return strip_controls(text).strip()


def _record(reply: Reply) -> dict[str, Any]:
    usage = reply.usage
    about = {
        "id": reply.id,
        "conversation": reply.conversation,
        "turn": reply.turn,
        "turn_id": reply.turn_id,
        "attempt": reply.attempt,
        "ordinal": reply.ordinal,
        "model": reply.model,
        "system": reply.system,
        "parameters": dict(reply.parameters),
        "prompt": reply.prompt,
        "reasoning": reply.reasoning,
        "usage": {
            **usage.body(),
            "reasoning_tokens": usage.reasoning_tokens,
            "cached_tokens": usage.cached_tokens,
            "estimated": usage.estimated,
        },
        "cost": reply.cost.nano,
        "demo": reply.demo,
        "finish_reason": reply.finish_reason,
        "time": reply.started.isoformat(timespec="milliseconds"),
        "seconds": round(reply.seconds, 3),
        "request": reply.request,
    }
    if reply.began:
        about["began"] = True
    return about


# -- read ---------------------------------------------------------------------------------------


def _reply(about: Mapping[str, Any], text: object) -> Reply:
    if not isinstance(text, str):
        raise InputError("its text is not there")
    usage, cost = _usage(about), about.get("cost")
    return Reply(
        text=_well_formed(text),
        prompt=_text(about, "prompt"),
        model=_name(about, "model"),
        conversation=_name(about, "conversation"),
        reasoning=_text(about, "reasoning", ""),
        system=None if about.get("system") is None else _text(about, "system"),
        parameters=_parameters(about),
        usage=usage,
        cost=Cost(None if cost is None else _count(about, "cost"), estimated=usage.estimated),
        finish_reason=_name(about, "finish_reason", "stop"),
        started=_time(about),
        seconds=_seconds(about),
        turn=_count(about, "turn"),
        turn_id=_name(about, "turn_id", ""),
        attempt=max(1, _count(about, "attempt", 1)),
        demo=about.get("demo") is True,
        # The first schema had no IDs: what was asked at the same moment in the same turn is the same answer.
        id=_name(about, "id", "") or f"{_name(about, 'turn_id', '')}@{about.get('time')}"[:_LONGEST_NAME],
        request=_name(about, "request", ""),
        replayed=about.get("replayed") is True,
        ordinal=_count(about, "ordinal", 0),
        began=about.get("began") is True,
    )


def _check_schema(about: Mapping[str, Any]) -> None:
    schema = about.get("schema")
    if isinstance(schema, bool) or not isinstance(schema, int) or schema < _OLDEST:
        raise InputError("it is no record of cnai_magic")
    if schema > SCHEMA:
        raise InputError(f"it was written by a newer version (schema {min(schema, _LARGEST)})")


def _mapping(value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise InputError("one of its parts is no object")
    return value


def _text(about: Mapping[str, Any], name: str, default: str | None = None) -> str:
    value = about.get(name, default)
    if not isinstance(value, str):
        raise InputError(f"its {name} is no text")
    return _well_formed(value)


def _name(about: Mapping[str, Any], name: str, default: str | None = None) -> str:
    """Read a text that is one short line; it is shown in tables and footers."""
    value = _text(about, name, default)
    if len(value) > _LONGEST_NAME or not (value.isprintable() or not value):
        raise InputError(f"its {name} is no name")
    return value


def _count(about: Mapping[str, Any], name: str, default: int | None = None) -> int:
    value = about.get(name, default)
    if type(value) is not int or not 0 <= value <= _LARGEST:
        raise InputError(f"its {name} is no count")
    return value


def _seconds(about: Mapping[str, Any]) -> float:
    value = about.get("seconds", 0.0)
    if type(value) not in (int, float) or not (math.isfinite(value) and 0 <= value <= _LARGEST):
        raise InputError("its seconds are no time")
    return float(value)


def _time(about: Mapping[str, Any]) -> datetime:
    try:
        # Python 3.10 does not know the Z.
        time = datetime.fromisoformat(_text(about, "time").replace("Z", "+00:00"))
        return (time if time.tzinfo else time.replace(tzinfo=timezone.utc)).astimezone(timezone.utc)
    except (ValueError, OverflowError) as exc:
        raise InputError("its time is none") from exc


def _usage(about: Mapping[str, Any]) -> Usage:
    usage = _mapping(about.get("usage"))
    prompt = _count(usage, "prompt_tokens")
    return Usage(
        prompt,
        _count(usage, "completion_tokens"),
        _count(usage, "reasoning_tokens", 0),
        min(prompt, _count(usage, "cached_tokens", 0)),
        usage.get("estimated") is True,
    )


def _parameters(about: Mapping[str, Any]) -> dict[str, float | int]:
    found: dict[str, float | int] = {}
    for name, value in _mapping(about.get("parameters", {})).items():
        kinds, low, high = _PARAMETERS.get(name, ((), 0, 0))
        if type(value) not in kinds or not low <= value <= high:
            raise InputError("its parameters are none of a request")
        found[name] = value
    return found


def _well_formed(text: str) -> str:
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
