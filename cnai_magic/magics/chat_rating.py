"""`%cnai_chat rate`: what a person thinks of an answer, kept with it."""

from __future__ import annotations

import re

from ..chat.rating import RATINGS, make_rating
from ..display.line import Line
from ..errors import InputError
from ..notebook.record import record_rating
from .chat_changes import Command

__all__ = ["AWAY", "rate"]

AWAY = "none"
"""What takes a rating away."""

_USAGE = "%cnai_chat rate N [K] good|bad|1..5|none [NOTE]"
# A number before a rating is that of an attempt; a note that begins with a rating stands in quotes.
_GIVEN = re.compile(
    rf"(?P<turn>\d{{1,9}})\s+(?:(?P<attempt>\d{{1,9}})\s+(?=(?:{'|'.join((*RATINGS, AWAY))})(?:\s|\Z)))?"
    r"(?P<rating>\S+)(?:\s+(?P<note>.*))?",
    re.IGNORECASE | re.ASCII | re.DOTALL,
)


def rate(command: Command, rest: str) -> object:
    """Rate an attempt of a turn of the conversation in use, the one in force unless it is named."""
    given = _GIVEN.fullmatch(rest.strip())
    if given is None:
        raise InputError("which turn, and which rating?", next_step=f"write {_USAGE}")
    conversation, note = command.in_use, _read_note(given["note"] or "")
    number = int(given["turn"])
    if number > len(conversation.turns) and command.session.comparisons.undecided is not None:
        raise InputError(
            f"conversation {conversation.name!r} has no turn {number}",
            why="none of the compared answers is kept yet",
            next_step="keep one, and rate them then: %cnai_chat versions --keep NUMBER",
        )
    turn = conversation.turn(number)
    attempt = turn.find_attempt(int(given["attempt"])) if given["attempt"] else turn.attempt
    value = None if given["rating"].lower() == AWAY else given["rating"]
    rating = make_rating(value, note, command.conversations.clock.now(), attempt.rating)
    command.conversations.rate(attempt.id, rating)
    changed = None
    # A cell that runs has lost its former outputs.
    if turn.display_id and turn.position.cell != command.position.cell:
        changed = turn.display_id, turn.shown(command.session.settings.save_attempts), conversation.name
    which = f"Turn {number} of {conversation.name!r}, attempt {attempt.number},"
    shown = Line(f"{which} is rated {rating}" if rating else f"{which} is not rated any more.")
    record = record_rating(rating)
    return command.record(shown, "rate", conversation.name, changed=changed, answer=attempt.id, rating=record)


def _read_note(text: str) -> str:
    text = text.strip()
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "\"'"
    return text[1:-1] if quoted else text
