"""Records of answers and changes read back from the outputs of a notebook; see `record` for their form.

A notebook is untrusted input: what is not sound is an InputError that says why.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from ..api.logprobs import load_logprobs
from ..api.message_parts import KeptImage, Part, read_part
from ..api.messages import Message
from ..api.parameters import ParameterValue, check_parameters
from ..api.token_usage import Usage
from ..chat.attempt import Attempt
from ..chat.conversations import Conversations
from ..chat.rating import Rating, make_rating
from ..chat.reply import Reply
from ..chat.token_table import TokenTable
from ..chat.verdict import Verdict
from ..errors import InputError
from ..money.cost import Cost, Spend
from ..redaction import clean, replace_surrogates
from .record import MOST_OTHERS, MOST_TOKENS, SCHEMA, show_text
from .untrusted import (
    read_count,
    read_flag,
    read_mapping,
    read_name,
    read_note,
    read_seconds,
    read_text,
    read_time,
    read_time_or_none,
    read_usage,
)

__all__ = [
    "Event",
    "check_conversations",
    "may_be_sent",
    "name_record",
    "read_answer",
    "read_attempt",
    "read_charged",
    "read_conversation",
    "read_cost",
    "read_event",
    "read_others",
    "read_rating",
    "read_standing",
]

_EVENTS = ("use", "fork", "drop", "keep", "system", "import", "rename", "delete", "rate", "kept")
# They change nothing of what is sent.
_NEVER_SENT = ("compared", "rate", "rows")
_MOST_STEPS = _MOST_PARTS = 1000
_MOST_ATTACHED, _LONGEST_LABEL = 100, 200
# One for all replies that are read: what the notebook had spent with each is not saved.
_UNKNOWN = Spend()


class Event(NamedTuple):
    """A change that a command made to a conversation, as its output keeps it.

    `kind` is use, fork, drop, keep, system, import, rename, delete, rate, or kept, which changed nothing. Of
    a fork, `conversation` is the origin, `name` the new one, `answers` the IDs of those that it began with
    ("" for one that cannot be read), `returned` those that went back to the origin, and `made` when it was
    first made. A conversation is renamed to `name`; when it is deleted, `name` is in use then. `turn_id` is
    the one of a turn that was dropped, or of which `answer` was kept; an `answer` was given a `rating`.
    `system` is the message that was set, in its own cell from the question with the index `first_question`
    on, or that the fork began with. `began` tells that the command began the conversation, as the one with
    the number `index_in_cell` in its cell.
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
    rating: Rating | None = None
    first_question: int = 0


def name_record(about: Mapping[str, Any]) -> str:
    """Return what names a record among all: the answer or the time, and when what it keeps was written."""
    kept = about.get("kept")
    written = kept.get("time", "") if isinstance(kept, Mapping) else ""
    return f"{about.get('id') or about.get('time')}{written}"


def may_be_sent(about: Mapping[str, Any]) -> bool:
    """Tell whether a record is of an answer in a conversation, or of a change to what one sends."""
    return about["event"] not in _NEVER_SENT if "event" in about else bool(about.get("turn"))


def read_answer(about: Mapping[str, Any], data: Mapping[str, Any]) -> Attempt:
    """Return the answer that an output holds: `about` is what stands under `cnai`, `data` its MIME bundle.

    An output whose text was edited by hand has the answer that stands there now. Raises InputError, with the
    reason, for anything else than a record of cnai_magic.
    """
    _check_schema(about)
    return read_attempt(about, _read_answer_text(about, data), read_others(about))


def read_standing(about: Mapping[str, Any], attempt: Attempt) -> str:
    """Return the conversation in which an answer stands: it may be from before a fork."""
    return read_conversation(about, "fork", attempt.conversation)


def read_conversation(
    about: Mapping[str, Any], name: str = "conversation", default: str | None = None
) -> str:
    """Return the name of a conversation; raises InputError where it cannot be one."""
    found = read_name(about, name, default)
    check_conversations(found)
    return found


def check_conversations(*names: str) -> None:
    """Raise InputError where conversations cannot have these names."""
    if not all(map(Conversations.is_name, names)):
        raise InputError("its conversation has a name that cannot be one")


def read_event(about: Mapping[str, Any]) -> Event:
    """Return the change that an output holds; raises InputError, with the reason, where it is none."""
    _check_schema(about)
    kind = about.get("event")
    if kind not in _EVENTS:
        raise InputError("its change is unknown")
    event = Event(read_time(about), kind, read_conversation(about))
    event = event._replace(began=read_flag(about, "began"), index_in_cell=read_count(about, "ordinal", 0))
    system = None if about.get("system") is None else read_text(about, "system")
    if kind == "fork":
        event = event._replace(
            name=read_conversation(about, "name"), system=system, made=read_time_or_none(about, "made")
        )
        returned = _read_answers({"returned": [], **about}, "returned")
        return event._replace(answers=_read_answers(about, "answers"), returned=returned)
    if kind == "rate":
        rating = read_rating(read_mapping(about.get("rating")))
        return event._replace(answer=read_name(about, "answer"), rating=rating)
    if kind in ("rename", "delete"):
        return event._replace(name=read_conversation(about, "name"))
    if kind in ("drop", "keep"):
        answer = read_name(about, "answer") if kind == "keep" else ""
        return event._replace(turn_id=read_name(about, "turn_id"), answer=answer)
    event = event._replace(system=system, made=read_time_or_none(about, "made"))
    return event._replace(first_question=read_count(about, "question", 0))


def read_rating(about: Mapping[str, Any]) -> Rating:
    """Return the rating of an answer; raises InputError where it is not sound."""
    note = read_text(about, "note", "")
    try:
        return make_rating(about.get("value"), note, read_time(about))
    except InputError as error:
        raise InputError("its rating is not one", why=error.what) from error


def read_others(about: Mapping[str, Any]) -> tuple[Attempt, ...]:
    """Return the other attempts of a turn; raises InputError, with the reason, where one is not sound."""
    others = about.get("others", [])
    if not isinstance(others, list) or len(others) > MOST_OTHERS:
        raise InputError("its other attempts are not a list, or too many")
    return tuple(read_attempt(read_mapping(each), read_mapping(each).get("text")) for each in others)


def _read_answer_text(about: Mapping[str, Any], data: Mapping[str, Any]) -> object:
    """Return the text of the answer: what stands above the footer, or `text`, which has it to the letter."""
    whole, shown, footer = about.get("text"), data.get("text/plain"), about.get("footer")
    if isinstance(shown, list) and all(isinstance(line, str) for line in shown):
        shown = "".join(shown)
    if not isinstance(shown, str) or not isinstance(footer, str):
        return whole
    if shown.endswith(footer):
        shown = shown.removesuffix(footer).removesuffix("\n\n")
    return whole if isinstance(whole, str) and show_text(whole) == shown else shown


def read_attempt(about: Mapping[str, Any], text: object, others: tuple[Attempt, ...] = ()) -> Attempt:
    """Return one attempt; raises InputError, with the reason, where its record is not sound."""
    return Attempt(
        _read_reply(about, text),
        conversation=read_name(about, "conversation"),
        turn=read_count(about, "turn"),
        turn_id=read_name(about, "turn_id", ""),
        number=max(1, read_count(about, "attempt", 1)),
        index_in_cell=read_count(about, "ordinal", 0),
        first_run=read_time_or_none(about, "first_run"),
        cell=read_name(about, "cell", ""),
        chain=read_name(about, "chain", ""),
        appended=read_flag(about, "appended"),
        chosen=read_flag(about, "chosen"),
        began=read_flag(about, "began"),
        with_code=read_flag(about, "with_code"),
        rating=_read_sound_rating(about),
        verdict=_read_verdict(about),
        total=_UNKNOWN,
        others=others,
    )


def _read_sound_rating(about: Mapping[str, Any]) -> Rating | None:
    """Return the rating of an answer; one that is not sound is no reason to lose the answer."""
    try:
        return read_rating(read_mapping(about["rating"])) if "rating" in about else None
    except InputError:
        return None


def _read_verdict(about: Mapping[str, Any]) -> Verdict | None:
    """Return what a judge thinks of an answer; nothing where that is not sound."""
    try:
        given = read_mapping(about["verdict"]) if "verdict" in about else {}
        scores, nano = given.get("scores", []), given.get("cost")
        if not isinstance(scores, list) or not all(type(each) is int and 1 <= each <= 5 for each in scores):
            return None
        cost = Cost(None if nano is None else read_count(given, "cost"), read_flag(given, "cost_estimated"))
        judge, reason = read_name(given, "judge", ""), read_text(given, "reason", "")
        return Verdict(judge, tuple(scores), reason, cost, read_flag(given, "demo")) if scores else None
    except InputError:
        return None


def _read_reply(about: Mapping[str, Any], text: object) -> Reply:
    if not isinstance(text, str):
        raise InputError("its text is missing")
    usage, cost = read_cost(about)
    return Reply(
        text=replace_surrogates(text),
        prompt=read_text(about, "prompt"),
        model=read_name(about, "model"),
        answered_by=read_name(about, "answered_by", ""),
        note=read_note(about),
        reasoning=read_text(about, "reasoning", ""),
        system=None if about.get("system") is None else read_text(about, "system"),
        parameters=_read_parameters(about),
        prompt_parts=_read_prompt_parts(about),
        attached=_attached(about),
        steps=_read_messages(about, "steps"),
        call_seconds=_read_call_seconds(about),
        usage=usage,
        cost=cost,
        rest=read_cost(read_mapping(about["rest"])) if about.get("rest") is not None else None,
        finish_reason=read_name(about, "finish_reason", "stop"),
        started=read_time(about),
        seconds=read_seconds(about),
        demo=read_flag(about, "demo"),
        id=read_name(about, "id"),
        request=read_name(about, "request", ""),
        replayed=read_flag(about, "replayed"),
        logprobs=_read_logprobs(about),
    )


def _read_logprobs(about: Mapping[str, Any]) -> TokenTable:
    return TokenTable(load_logprobs(about.get("logprobs"))[:MOST_TOKENS])


def read_cost(about: Mapping[str, Any]) -> tuple[Usage, Cost]:
    """Read tokens and cost."""
    usage = read_usage(about)
    return usage, read_charged(about, estimated=usage.estimated)


def read_charged(about: Mapping[str, Any], *, estimated: bool = False) -> Cost:
    """Read a cost, which is unknown where there is none; `estimated` tells whether its tokens are."""
    return Cost(
        None if about.get("cost") is None else read_count(about, "cost"),
        read_flag(about, "cost_estimated", estimated),
        local=read_flag(about, "cost_local"),
    )


def _check_schema(about: Mapping[str, Any]) -> None:
    schema = about.get("schema")
    if isinstance(schema, bool) or not isinstance(schema, int) or schema < SCHEMA:
        raise InputError("it is not a record of cnai_magic")
    if schema > SCHEMA:
        raise InputError("it was written by a newer version of cnai_magic")


def _read_answers(about: Mapping[str, Any], name: str) -> tuple[str, ...]:
    listed = about.get(name)
    if not isinstance(listed, list):
        raise InputError("its answers are not a list")
    return tuple(each if isinstance(each, str) else "" for each in listed)


def _read_call_seconds(about: Mapping[str, Any]) -> tuple[float, ...]:
    times = about.get("call_seconds", [])
    if not isinstance(times, list) or len(times) > _MOST_STEPS:
        raise InputError("the times of its calls are not a list, or too many")
    return tuple(read_seconds({"seconds": each}) for each in times)


def _read_messages(about: Mapping[str, Any], name: str) -> tuple[Message, ...]:
    """Read a list of messages as the API reference writes them."""
    listed = about.get(name, [])
    if not isinstance(listed, list) or len(listed) > _MOST_STEPS:
        raise InputError(f"its {name} are not a list, or too many")
    try:
        return tuple(map(Message.from_body, listed))
    except InputError as error:
        raise InputError(f"its {name} are not messages", why=error.what) from error


def _attached(about: Mapping[str, Any]) -> tuple[str, ...]:
    labels = about.get("attached", [])
    if not isinstance(labels, list) or not all(isinstance(each, str) for each in labels):
        raise InputError("its attachments are not a list of texts")
    return tuple(" ".join(clean(each).split())[:_LONGEST_LABEL] for each in labels[:_MOST_ATTACHED])


def _read_prompt_parts(about: Mapping[str, Any]) -> tuple[Part, ...]:
    parts = about.get("prompt_parts", [])
    if not isinstance(parts, list) or len(parts) > _MOST_PARTS:
        raise InputError("its prompt_parts are not a list, or too many")
    try:
        return tuple(map(_read_part, parts))
    except InputError as error:
        raise InputError("its prompt_parts are not those of a message", why=error.what) from error


def _read_part(raw: object) -> Part:
    if not isinstance(raw, Mapping) or raw.get("type") != "image":
        return read_part(raw)
    pixels, digest = raw.get("pixels"), read_text(raw, "sha256")
    if not isinstance(pixels, list) or len(pixels) != 2 or re.fullmatch("[0-9a-f]{64}", digest) is None:
        raise InputError("its image is not described")
    width, height = (read_count({"pixels": each}, "pixels") for each in pixels)
    names = (read_name(raw, "name"), read_name(raw, "media_type"))
    return KeptImage(*names, width, height, read_count(raw, "bytes"), digest, read_name(raw, "detail", ""))


def _read_parameters(about: Mapping[str, Any]) -> dict[str, ParameterValue]:
    try:
        return check_parameters(read_mapping(about.get("parameters", {})))
    except InputError as error:
        raise InputError("its parameters are not those of a request", why=error.what) from error
