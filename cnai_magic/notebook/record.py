"""An answer as a notebook output: how it is written there, and read back.

The text stands in `text/markdown` and `text/plain`, all else in the output's metadata under `cnai`. A
command that changes a conversation leaves a record there too, so that what a reader sees from top to
bottom is all that is needed to have the conversations again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any, NamedTuple

from ..api.messages import Message, Part, Usage
from ..api.parameters import ParameterValue, check_parameters, dump_parameters
from ..chat.attempt import Attempt
from ..chat.markdown import escape_markdown, notebook_markdown
from ..chat.reply import Reply
from ..chat.turn import Turn
from ..errors import InputError
from ..money.cost import Cost, Spend
from ..redaction import clean, hide_keys, strip_controls, well_formed

__all__ = [
    "SCHEMA",
    "Event",
    "KeptTurn",
    "answer_record",
    "bundle",
    "event_metadata",
    "metadata",
    "read_answer",
    "read_event",
    "read_kept",
    "small",
    "standing_in",
    "time_text",
]

SCHEMA = 2
"""Version of the metadata under `cnai`."""

_LARGEST = 10**15
_LONGEST_NAME = 200
_LONGEST_NOTE = 300
_MOST_OTHERS = 1000
_MOST_STEPS = 1000
_EVENTS = ("use", "fork", "drop", "keep", "system", "import", "rename", "delete", "kept")
_MOST_KEPT = 1000
# One for all replies that are read: what the notebook had spent with each is not saved.
_NOT_KNOWN = Spend()


class Event(NamedTuple):
    """A change that a command made to a conversation, as its output keeps it.

    `kind` is use, fork, drop, keep, system, import, rename, delete, or kept, which changed nothing. Of a
    fork, `conversation` is the origin, `name` the new one, `answers` the IDs of those that it began with (""
    for one that cannot be read), `returned` those that went back to the origin, and `made` when it was first
    made. A conversation is renamed to `name`; when it
    is deleted, `name` is in use then. `turn_id` is the one of a turn that was dropped, or of which
    `answer` was kept. `system` is the message that was set, or that the fork began with. `began` tells that
    the command began the conversation, as the one with the number `index_in_cell` in its cell.
    """

    time: datetime
    kind: str
    conversation: str
    name: str = ""
    turn_id: str = ""
    answer: str = ""
    answers: tuple[str, ...] = ()
    system: str | None = None
    returned: tuple[str, ...] = ()
    made: datetime | None = None
    began: bool = False
    index_in_cell: int = 0


class KeptTurn(NamedTuple):
    """A turn of a cell that its outputs no longer show: of which conversation, and whether it is retired."""

    attempt: Attempt
    conversation: str
    detached: bool


def bundle(attempt: Attempt, *, alone: bool = False) -> dict[str, str]:
    """Return the final output of an answer, as text/markdown and text/plain, each with the footer.

    With `alone` the footer is about this answer only: what the notebook had spent then is of no interest.
    """
    reply = attempt.reply
    footer = reply.summary if alone else attempt.footer
    parts = [hide_keys(strip_controls(reply.text)).strip("\n")]
    if reply.reasoning:
        thought = notebook_markdown(_shown(reply.reasoning))
        parts.insert(0, f"<details><summary>Reasoning</summary>\n\n{thought}\n\n</details>")
    parts[-1] = notebook_markdown(_fenced(parts[-1]))
    parts.append(small(footer))
    return {
        "text/markdown": "\n\n".join(part for part in parts if part),
        "text/plain": f"{_shown(reply.text)}\n\n{footer}".lstrip("\n"),
    }


def _fenced(text: str) -> str:
    """Return an answer that is nothing but JSON as a block of code: Markdown would run its lines together."""
    if text[:1] not in ("{", "[") or "```" in text:
        return text
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return text
    return f"```json\n{text}\n```"


def small(line: str) -> str:
    """Return a line of plain text as small Markdown that shows its characters, and nothing else."""
    return f"<small>{escape_markdown(strip_controls(line))}</small>"


def metadata(attempt: Attempt, conversation: str = "") -> dict[str, Any]:
    """Return what an output keeps of its answer, under `cnai`: enough to restore the conversation.

    `cost` is in nano-USD, null where the model has no price; `seconds` is the time the answer took; `time`
    is when it was asked (ISO 8601, UTC). `footer` is the last line of text/plain, the answer what precedes;
    it is repeated as `text` only where that is not the whole of it to the letter. `conversation` is the one
    that it stands in, where that is a fork of the one that it was asked in.
    """
    reply = attempt.reply
    about = {"schema": SCHEMA, **_record(attempt), "footer": attempt.footer}
    if conversation not in ("", attempt.conversation):
        about["fork"] = conversation
    if reply.text != _shown(reply.text):
        about["text"] = _hidden(reply.text)
    if reply.replayed:
        about["replayed"] = True
    if attempt.others:
        about["others"] = [_whole(each) for each in attempt.others[-_MOST_OTHERS:]]
    return {"cnai": about}


def event_metadata(
    kind: str, conversation: str, *, time: datetime | None = None, **facts: Any
) -> dict[str, Any]:
    """Return what the output of a command keeps of a change to a conversation, made now or at `time`.

    The kinds and their facts are those of `Event`.
    """
    when = time_text(time or datetime.now(timezone.utc))
    return {"cnai": {"schema": SCHEMA, "event": kind, "conversation": conversation, "time": when, **facts}}


def answer_record(conversation: str, turn: Turn, most_attempts: int) -> dict[str, Any]:
    """Return the record of a turn in a conversation that no output shows: all of it is in the metadata."""
    others = turn.others(most_attempts)
    about = _whole(turn.attempt)
    if conversation != turn.attempt.conversation:
        about["fork"] = conversation
    return {**about, "others": [_whole(each) for each in others]} if others else about


def time_text(time: datetime) -> str:
    """Return a moment as it is written: ISO 8601, to the microsecond, so that all have an order."""
    return time.isoformat(timespec="microseconds")


def read_answer(about: Mapping[str, Any], data: Mapping[str, Any]) -> Attempt:
    """Return the answer that an output holds: `about` is what stands under `cnai`, `data` its MIME bundle.

    An output whose text was edited by hand has the answer that stands there now. Raises InputError, with the
    reason, for what is no answer of ours; a notebook is untrusted input.
    """
    _check_schema(about)
    return _attempt(about, _answer_text(about, data), _others(about))


def standing_in(about: Mapping[str, Any], attempt: Attempt) -> str:
    """Return the conversation in which an answer stands: it may be from before a fork."""
    return _name(about, "fork", attempt.conversation)


def read_event(about: Mapping[str, Any]) -> Event:
    """Return the change that an output holds; raises InputError, with the reason, where it is none."""
    _check_schema(about)
    kind = about.get("event")
    if kind not in _EVENTS:
        raise InputError("its change is none that is known")
    event = Event(_time(about), kind, _name(about, "conversation"))
    event = event._replace(began=_flag(about, "began"), index_in_cell=_count(about, "ordinal", 0))
    system = None if about.get("system") is None else _text(about, "system")
    if kind == "fork":
        event = event._replace(name=_name(about, "name"), system=system, made=_time_or_none(about, "made"))
        returned = _answers({"returned": [], **about}, "returned")
        return event._replace(answers=_answers(about, "answers"), returned=returned)
    if kind in ("rename", "delete"):
        return event._replace(name=_name(about, "name"))
    if kind in ("drop", "keep"):
        answer = _name(about, "answer") if kind == "keep" else ""
        return event._replace(turn_id=_name(about, "turn_id"), answer=answer)
    return event._replace(system=system, made=_time_or_none(about, "made"))


def read_kept(
    about: Mapping[str, Any],
) -> tuple[datetime | None, list[KeptTurn | InputError], list[Mapping[str, Any]]]:
    """Return what an output keeps of what its cell did before: when, turns, and changes, not read yet.

    In place of a turn that is not sound stands the reason.
    """
    if "kept" not in about:
        return None, [], []
    kept = _mapping(about["kept"])
    turns, changes = kept.get("turns", []), kept.get("changes", [])
    if not isinstance(turns, list) or not isinstance(changes, list):
        raise InputError("what its cell did before is not a list")
    found: list[KeptTurn | InputError] = []
    for each in turns[:_MOST_KEPT]:
        try:
            found.append(_kept_turn(_mapping(each)))
        except InputError as error:
            found.append(error)
    return _time(kept), found, [each for each in changes[:_MOST_KEPT] if isinstance(each, Mapping)]


def _kept_turn(about: Mapping[str, Any]) -> KeptTurn:
    attempt = _attempt(about, about.get("text"), _others(about))
    return KeptTurn(attempt, standing_in(about, attempt), _flag(about, "retired"))


def _others(about: Mapping[str, Any]) -> tuple[Attempt, ...]:
    others = about.get("others", [])
    if not isinstance(others, list) or len(others) > _MOST_OTHERS:
        raise InputError("its other attempts are no list of them")
    return tuple(_attempt(_mapping(each), _mapping(each).get("text")) for each in others)


# -- written ------------------------------------------------------------------------------------


def _shown(text: str) -> str:
    return hide_keys(strip_controls(text)).strip()


def _hidden(text: str) -> str:
    """Return a text without the keys that were met, also where control characters stand within one."""
    shown = strip_controls(text)
    return text if hide_keys(shown) == shown and hide_keys(text) == text else hide_keys(shown)


def _hidden_texts(value: Any) -> Any:
    """Return a value of JSON with all its texts as `_hidden` has them."""
    if isinstance(value, dict):
        return {name: _hidden_texts(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_hidden_texts(each) for each in value]
    return _hidden(value) if isinstance(value, str) else value


def _whole(attempt: Attempt) -> dict[str, Any]:
    return {**_record(attempt), "text": _hidden(attempt.reply.text)}


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
        "system": reply.system and _hidden(reply.system),
        "parameters": _hidden_texts(dump_parameters(reply.parameters)),
        "prompt": _hidden(reply.prompt),
        "reasoning": _hidden(reply.reasoning),
        "usage": {
            **usage.body(),
            "reasoning_tokens": usage.reasoning_tokens,
            "cached_tokens": usage.cached_tokens,
            "estimated": usage.estimated,
        },
        "cost": reply.cost.nano,
        "demo": reply.demo,
        "finish_reason": clean(reply.finish_reason),
        "time": time_text(reply.started),
        "seconds": round(reply.seconds, 3),
        "request": clean(reply.request),
    }
    if reply.cost.estimated is not usage.estimated:
        about["cost_estimated"] = reply.cost.estimated
    if reply.cost.local:
        about["cost_local"] = True
    if reply.answered_by:
        about["answered_by"] = clean(reply.answered_by)
    if reply.note:
        about["note"] = clean(reply.note)
    if reply.prompt_parts:
        about["prompt_parts"] = [_hidden_texts(part.body()) for part in reply.prompt_parts]
    if reply.steps:
        about["steps"] = [_hidden_texts(step.body()) for step in reply.steps]
    if attempt.first_run is not None:
        about["first_run"] = time_text(attempt.first_run)
    for name in ("began", "appended", "chosen"):
        if getattr(attempt, name):
            about[name] = True
    return about


# -- read ---------------------------------------------------------------------------------------


def _answer_text(about: Mapping[str, Any], data: Mapping[str, Any]) -> object:
    """Return the text of the answer: what stands above the footer, or `text`, which has it to the letter."""
    whole, shown, footer = about.get("text"), data.get("text/plain"), about.get("footer")
    if isinstance(shown, list) and all(isinstance(line, str) for line in shown):
        shown = "".join(shown)
    if not isinstance(shown, str) or not isinstance(footer, str):
        return whole
    if shown.endswith(footer):
        shown = shown.removesuffix(footer).removesuffix("\n\n")
    return whole if isinstance(whole, str) and _shown(whole) == shown else shown


def _attempt(about: Mapping[str, Any], text: object, others: tuple[Attempt, ...] = ()) -> Attempt:
    return Attempt(
        _reply(about, text),
        conversation=_name(about, "conversation"),
        turn=_count(about, "turn"),
        turn_id=_name(about, "turn_id", ""),
        number=max(1, _count(about, "attempt", 1)),
        index_in_cell=_count(about, "ordinal", 0),
        first_run=_time_or_none(about, "first_run"),
        appended=_flag(about, "appended"),
        chosen=_flag(about, "chosen"),
        began=_flag(about, "began"),
        total=_NOT_KNOWN,
        others=others,
    )


def _reply(about: Mapping[str, Any], text: object) -> Reply:
    if not isinstance(text, str):
        raise InputError("its text is missing")
    usage, cost = _usage(about), about.get("cost")
    return Reply(
        text=well_formed(text),
        prompt=_text(about, "prompt"),
        model=_name(about, "model"),
        answered_by=_name(about, "answered_by", ""),
        note=_note(about),
        reasoning=_text(about, "reasoning", ""),
        system=None if about.get("system") is None else _text(about, "system"),
        parameters=_parameters(about),
        prompt_parts=_prompt_parts(about),
        steps=_messages(about, "steps"),
        usage=usage,
        cost=Cost(
            None if cost is None else _count(about, "cost"),
            _flag(about, "cost_estimated", usage.estimated),
            local=_flag(about, "cost_local"),
        ),
        finish_reason=_name(about, "finish_reason", "stop"),
        started=_time(about),
        seconds=_seconds(about),
        demo=_flag(about, "demo"),
        id=_name(about, "id"),
        request=_name(about, "request", ""),
        replayed=_flag(about, "replayed"),
    )


def _check_schema(about: Mapping[str, Any]) -> None:
    schema = about.get("schema")
    if isinstance(schema, bool) or not isinstance(schema, int) or schema < SCHEMA:
        raise InputError("it is not a record of cnai_magic")
    if schema > SCHEMA:
        raise InputError("it was written by a newer version of cnai_magic")


def _mapping(value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise InputError("one of its parts is not an object")
    return value


def _text(about: Mapping[str, Any], name: str, default: str | None = None) -> str:
    value = about.get(name, default)
    if not isinstance(value, str):
        raise InputError(f"its {name} is not text")
    return well_formed(value)


def _name(about: Mapping[str, Any], name: str, default: str | None = None) -> str:
    """Read a text that is one short line; it is shown in tables and footers."""
    value = _text(about, name, default)
    if len(value) > _LONGEST_NAME or not value.isprintable():
        raise InputError(f"its {name} is not a name")
    return value


def _note(about: Mapping[str, Any]) -> str:
    """Read the remark on an answer, as one line that is not too long."""
    return " ".join(clean(_text(about, "note", "")).split())[:_LONGEST_NOTE]


def _count(about: Mapping[str, Any], name: str, default: int | None = None) -> int:
    value = about.get(name, default)
    if type(value) is not int or not 0 <= value <= _LARGEST:
        raise InputError(f"its {name} is not a count")
    return value


def _seconds(about: Mapping[str, Any]) -> float:
    value = about.get("seconds", 0.0)
    # A NaN fails the comparison, as it should.
    if type(value) not in (int, float) or not 0 <= value <= _LARGEST:
        raise InputError("its seconds are no time")
    return float(value)


def _flag(about: Mapping[str, Any], name: str, default: bool = False) -> bool:
    value = about.get(name, default)
    if not isinstance(value, bool):
        raise InputError(f"its {name} is neither true nor false")
    return value


def _time(about: Mapping[str, Any], name: str = "time") -> datetime:
    try:
        # Python 3.10 does not know the Z.
        time = datetime.fromisoformat(_text(about, name).replace("Z", "+00:00"))
        return (time if time.tzinfo else time.replace(tzinfo=timezone.utc)).astimezone(timezone.utc)
    except (ValueError, OverflowError) as exc:
        raise InputError("its time is none") from exc


def _time_or_none(about: Mapping[str, Any], name: str) -> datetime | None:
    return _time(about, name) if about.get(name) is not None else None


def _usage(about: Mapping[str, Any]) -> Usage:
    usage = _mapping(about.get("usage"))
    prompt = _count(usage, "prompt_tokens")
    return Usage(
        prompt,
        _count(usage, "completion_tokens"),
        _count(usage, "reasoning_tokens", 0),
        min(prompt, _count(usage, "cached_tokens", 0)),
        _flag(usage, "estimated"),
    )


def _answers(about: Mapping[str, Any], name: str) -> tuple[str, ...]:
    listed = about.get(name)
    if not isinstance(listed, list):
        raise InputError("its answers are no list")
    return tuple(each if isinstance(each, str) else "" for each in listed)


def _messages(about: Mapping[str, Any], name: str) -> tuple[Message, ...]:
    """Read a list of messages as the API reference writes them."""
    listed = about.get(name, [])
    if not isinstance(listed, list) or len(listed) > _MOST_STEPS:
        raise InputError(f"its {name} are not a list, or too many")
    try:
        return tuple(map(Message.from_body, listed))
    except InputError as error:
        raise InputError(f"its {name} are not messages", why=error.what) from error


def _prompt_parts(about: Mapping[str, Any]) -> tuple[Part, ...]:
    parts = about.get("prompt_parts")
    if parts is None:
        return ()
    (question,) = _messages({"prompt_parts": [{"role": "user", "content": parts}]}, "prompt_parts")
    if isinstance(question.content, str):
        raise InputError("its prompt_parts are not a list")
    return question.content


def _parameters(about: Mapping[str, Any]) -> dict[str, ParameterValue]:
    try:
        return check_parameters(_mapping(about.get("parameters", {})))
    except InputError as error:
        raise InputError("its parameters are not those of a request", why=error.what) from error
