"""The state of all conversations as an output keeps it: which turns stand where, and what was taken out.

An output of a run that did more than ask its questions keeps the state after that run. So nothing of what
commands did has to be done again: the latest state holds, and the answers that came after it. The texts are
not in it; the answers have them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Literal, NamedTuple

from ..chat.attempt import Turn
from ..chat.conversation import KernelConversation
from ..chat.conversations import Conversations, Removed
from ..chat.order import CellPosition
from ..chat.rating import Rating
from ..chat.system_message import SystemMessage
from ..errors import InputError
from ..redaction import hide_keys
from .read_record import read_conversation, read_rating
from .record import format_time, record_rating
from .untrusted import read_count, read_flag, read_mapping, read_name, read_text, read_time, read_time_or_none

__all__ = ["SavedConversation", "SavedMessage", "SavedPlace", "SavedState", "read_state", "state_record"]

_MOST = 100_000
_KINDS: tuple[Literal["question", "append", "command"], ...] = ("question", "append", "command")


class SavedPlace(NamedTuple):
    """A turn in a conversation: the IDs of the answer that is in force, and of its other attempts.

    `asked` is when it was last asked in this conversation; it is when the answer was, where `is_asked`. Where
    the command `taken_out_by` is there, it is out.
    """

    turn_id: str
    answer: str
    others: tuple[str, ...]
    detached: bool
    failed: bool
    is_asked: bool
    asked: datetime | None
    first_run: datetime | None
    taken_out_by: CellPosition | None


class SavedMessage(NamedTuple):
    """A system message that a command set; the facts are those of `SystemMessage`."""

    position: CellPosition
    text: str
    first_run: datetime
    set_at: datetime
    first_question: int


class SavedConversation(NamedTuple):
    """A conversation; `origin` is the index of the one it was forked from, which may be `deleted`."""

    name: str
    system: str | None
    places: tuple[SavedPlace, ...]
    begun_by: CellPosition | None
    origin: int | None
    made_at: datetime | None
    former_names: tuple[str, ...]
    renamed_by: str | None
    deleted: bool
    system_messages: tuple[SavedMessage, ...]


class SavedState(NamedTuple):
    """All conversations at a moment, the one in use, and what was taken out by then.

    `ratings` are those of answers, by their IDs.
    """

    time: datetime
    current: str
    conversations: tuple[SavedConversation, ...]
    removed: Removed
    ratings: Mapping[str, Rating]

    def known(self) -> set[str]:
        """Return the IDs of the turns that it tells of: of any other turn it knows nothing."""
        return self.removed.turns | {place.turn_id for each in self.conversations for place in each.places}


# -- written ------------------------------------------------------------------------------------


def state_record(conversations: Conversations, most_attempts: int) -> dict[str, Any]:
    """Return the state of conversations, with at most `most_attempts` earlier ones of a turn."""
    # A deleted conversation is still what its forks have in common.
    every = conversations.list_with_origins()
    standing = set(map(id, conversations))
    index = {id(each): number for number, each in enumerate(every)}
    removed = conversations.removed
    deleted = [{"name": name, "turn": turn} for name, turn in sorted(removed.deleted)]
    dropped = [{**_position(by), "turn": turn} for by, turn in removed.dropped.items()]
    return {
        "current": conversations.current,
        "conversations": [
            _conversation(each, index, most_attempts) if id(each) in standing else _deleted(each, index)
            for each in every
        ],
        **_unless_empty(
            deleted=sorted(removed.names),
            first_runs={cell: format_time(time) for cell, time in removed.first_runs.items()},
            gone=sorted(removed.turns),
            deleted_turns=deleted,
            dropped=dropped,
            ratings=_write_ratings(conversations),
        ),
    }


def _write_ratings(conversations: Conversations) -> dict[str, Any]:
    turns = (turn for each in conversations for turn in each.every_turn)
    rated = (attempt for turn in turns for attempt in turn.attempts if attempt.rating is not None)
    return {each.id: record_rating(each.rating) for each in rated if each.rating is not None}


def _conversation(
    conversation: KernelConversation, index: Mapping[int, int], most_attempts: int
) -> dict[str, Any]:
    # What was imported is in another file.
    standing = [each for each in conversation.turns if each.position.cell or not _is_imported(conversation)]
    standing += conversation.taken_out
    turns = [*standing, *conversation.detached.values()]
    taken_out = {each.id: each.taken_out_by for each in standing}
    others = {turn.id: [each.id for each in turn.list_others(most_attempts)] for turn in turns}
    begun = conversation.begun_by
    return {
        **_deleted(conversation, index),
        "deleted": False,
        "turns": {turn.id: turn.attempt.id for turn in standing},
        **({} if conversation.system is None else {"system": conversation.system}),
        **_unless_empty(
            detached={turn.id: turn.attempt.id for turn in conversation.detached.values()},
            taken_out={turn: _position(by) for turn, by in taken_out.items() if by is not None},
            others={turn: answers for turn, answers in others.items() if answers},
            asked={turn.id: _time(turn.asked) for turn in turns if turn.asked != turn.reply.started},
            first_runs={turn.id: _time(turn.first_run) for turn in turns if not _is_told(turn)},
            failed=[turn.id for turn in turns if turn.failed],
            begun_by=_position(begun) if begun is not None else None,
            former_names=conversation.former_names,
            renamed_by=conversation.renamed_by,
        ),
    }


def _deleted(conversation: KernelConversation, index: Mapping[int, int]) -> dict[str, Any]:
    about = {"name": conversation.name, "deleted": True}
    if conversation.origin is not None:
        about["origin"] = index[id(conversation.origin)]
    messages = (*conversation.system_messages, *conversation.absent_messages)
    return {
        **about,
        **_unless_empty(made=_time(conversation.made_at), system_messages=list(map(_message, messages))),
    }


def _message(message: SystemMessage) -> dict[str, Any]:
    return {
        **_position(message.position),
        "system": hide_keys(message.text),
        "first_run": format_time(message.first_run),
        "time": format_time(message.set_at),
        **({"question": message.first_question} if message.first_question else {}),
    }


def _is_imported(conversation: KernelConversation) -> bool:
    return conversation.made_at is not None and not conversation.is_fork


def _is_told(turn: Turn) -> bool:
    """Tell whether the answer itself tells when its cell first ran."""
    return turn.first_run == turn.attempt.first_run


def _position(position: CellPosition) -> dict[str, Any]:
    return {"cell": position.cell, "ordinal": position.index_in_cell, "kind": position.kind}


def _time(time: datetime | None) -> str | None:
    return None if time is None else format_time(time)


def _unless_empty(**facts: Any) -> dict[str, Any]:
    return {name: value for name, value in facts.items() if value}


# -- read ---------------------------------------------------------------------------------------


def read_state(about: Mapping[str, Any], time: datetime) -> SavedState:
    """Return the state that an output keeps; raises InputError, with the reason, where it is not sound."""
    listed = [_read_conversation(read_mapping(each)) for each in _read_list(about, "conversations")]
    first_runs = read_mapping(about.get("first_runs", {}))
    deleted = [read_mapping(each) for each in _read_list(about, "deleted_turns")]
    dropped = [read_mapping(each) for each in _read_list(about, "dropped")]
    ratings = read_mapping(about.get("ratings", {}))
    removed = Removed(
        names=set(_read_names(about, "deleted")),
        first_runs={cell: read_time(first_runs, cell) for cell in first_runs},
        turns=set(_read_names(about, "gone")),
        deleted={(read_name(each, "name"), read_name(each, "turn")) for each in deleted},
        dropped={_read_position(each): read_name(each, "turn") for each in dropped},
    )
    return SavedState(
        time,
        read_conversation(about, "current"),
        tuple(listed),
        removed,
        {answer: read_rating(read_mapping(each)) for answer, each in ratings.items()},
    )


def _read_conversation(about: Mapping[str, Any]) -> SavedConversation:
    begun = about.get("begun_by")
    return SavedConversation(
        read_conversation(about, "name"),
        None if about.get("system") is None else read_text(about, "system"),
        tuple(_read_places(about)),
        None if begun is None else _read_position(read_mapping(begun)),
        None if about.get("origin") is None else read_count(about, "origin"),
        read_time_or_none(about, "made"),
        tuple(_read_names(about, "former_names")),
        read_name(about, "renamed_by", "") or None,
        read_flag(about, "deleted"),
        tuple(_read_message(read_mapping(each)) for each in _read_list(about, "system_messages")),
    )


def _read_message(about: Mapping[str, Any]) -> SavedMessage:
    return SavedMessage(
        _read_position(about),
        read_text(about, "system"),
        read_time(about, "first_run"),
        read_time(about, "time"),
        read_count(about, "question", 0),
    )


def _read_places(about: Mapping[str, Any]) -> Iterable[SavedPlace]:
    others, asked = read_mapping(about.get("others", {})), read_mapping(about.get("asked", {}))
    first_runs, failed = read_mapping(about.get("first_runs", {})), set(_read_names(about, "failed"))
    taken_out = read_mapping(about.get("taken_out", {}))
    for kind in ("turns", "detached"):
        turns = read_mapping(about.get(kind, {}))
        for turn in turns:
            yield SavedPlace(
                read_name({"turn": turn}, "turn"),
                read_name(turns, turn),
                tuple(_read_names(others, turn)),
                detached=kind == "detached",
                failed=turn in failed,
                is_asked=turn not in asked,
                asked=read_time_or_none(asked, turn),
                first_run=read_time_or_none(first_runs, turn),
                taken_out_by=_read_position(read_mapping(taken_out[turn])) if turn in taken_out else None,
            )


def _read_position(about: Mapping[str, Any]) -> CellPosition:
    for kind in _KINDS:
        if about.get("kind") == kind:
            cell = None if about.get("cell") is None else read_name(about, "cell")
            return CellPosition(cell, read_count(about, "ordinal", 0), kind)
    raise InputError("its place in a cell is of an unknown kind")


def _read_names(about: Mapping[str, Any], name: str) -> list[str]:
    found = _read_list(about, name)
    return [read_name({name: each}, name) for each in found]


def _read_list(about: Mapping[str, Any], name: str) -> list[Any]:
    found = about.get(name, [])
    if not isinstance(found, list) or len(found) > _MOST:
        raise InputError(f"its {name} is not a list, or too long")
    return found
