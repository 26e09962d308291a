"""Conversations as documents: messages as JSON, and Markdown that a person reads. Both come back.

In the Markdown, structure stands in HTML comments on lines of their own: `<!-- cnai:user -->`, or with facts
as JSON, `<!-- cnai:assistant {"model": …} -->`. Each is followed by a heading, a blank line, the text exactly
as it is, and a blank line. A line of a text that begins like such a comment gets a backslash in front, and
one more where it has some. A code fence that an answer left open is closed after it, so that it does not
swallow the rest of the page, and the comment says with what.

What is read was written by others: nothing of it is executed or expanded, and what is not sound is left out
and told.
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, NamedTuple, TypeGuard

from .conversation import Conversation, Conversations, Place
from .errors import InputError
from .protocol import Usage
from .reply import Reply
from .safety import redact, strip_controls
from .spend import Cost

__all__ = ["Read", "from_markdown", "from_messages", "to_markdown", "to_messages"]

_Check = Callable[[Any], bool]

_VERSION = 1
_NO_NAME = "imported"
_NO_MODEL = "unknown"
_MOST_NOTES = 20
_LONGEST_NAME = 200
_LONGEST_NUMBER = 40
_MOST_TOKENS = 10**12
_HIGHEST_COST = 10**18

_KINDS = ("conversation", "system", "user", "reasoning", "assistant", "end")
_MARKER = re.compile(r"^<!--[ \t]{0,8}cnai:[^\n]*", re.MULTILINE)
_LIKE_A_MARKER = re.compile(r"^(?=\\*<!--[ \t]{0,8}cnai:)", re.MULTILINE)
_ESCAPED = re.compile(r"^\\(?=\\*<!--[ \t]{0,8}cnai:)", re.MULTILINE)
_HEADING = re.compile(r"#{1,6}[ \t][^\n]*(?:\n|\Z)(?=\n|\Z)")
# CommonMark 4.5.
_FENCE = re.compile(r"^( {0,3})(`{3,}|~{3,})([^\n]*)", re.MULTILINE)

_IMPORTABLE = (
    "what can be imported: a notebook (.ipynb), Markdown that cnai_magic exported (.md), messages (.json)"
)
_MESSAGES = 'write [{"role": "user", "content": "…"}, …], or an object with that under "messages"'


@dataclass(frozen=True, slots=True)
class Read:
    """A conversation that was read, and `notes`: what was left out or changed, a short line for each."""

    conversation: Conversation
    notes: tuple[str, ...] = ()


# -- messages -----------------------------------------------------------------------------------


def to_messages(conversation: Conversation) -> str:
    """Return a conversation as JSON: model and messages, the body of a request but for the next question."""
    sent, _ = conversation.messages("", len(conversation.turns), system=conversation.system)
    body: dict[str, Any] = {"messages": [message.body() for message in sent[:-1]]}
    if conversation.turns and conversation.turns[-1].reply.model != _NO_MODEL:
        body = {"model": conversation.turns[-1].reply.model, **body}
    return _well_formed(json.dumps(body, ensure_ascii=False, indent=2)) + "\n"


def from_messages(text: str, name: str) -> Read:
    """Read a conversation from JSON: a list of messages, or an object that has it under `messages`.

    Raises InputError where no question with its answer, and no system message, can be had of it.
    """
    draft = _Draft()
    messages, model = _messages_of(text, draft.notes)
    prompts: list[str] = []
    answers: list[str] = []

    def end_turn() -> None:
        if answers:
            draft.turns.append({"prompt": "\n\n".join(prompts), "text": "\n\n".join(answers), "model": model})
            prompts.clear()
            answers.clear()

    for number, message in enumerate(messages, 1):
        try:
            role, content = _role(message), _content(message, number, draft.notes)
        except _Unsound as error:
            draft.notes.append(f"message {number} is left out: {error}")
            continue
        if role == "system":
            draft.set_system(content, f"message {number}")
        elif role == "user":
            end_turn()
            if prompts:
                draft.notes.append(f"message {number} follows another of the user: joined to it")
            prompts.append(content)
        elif not prompts:
            draft.notes.append(f"message {number} is left out: an answer before any question")
        elif not content:
            draft.notes.append(f"message {number} is left out: the answer is empty")
        else:
            if answers:
                draft.notes.append(f"message {number} follows another of the assistant: joined to it")
            answers.append(content)
    end_turn()
    if prompts:
        draft.notes.append("the last question is left out: it has no answer")
    return draft.read(name)


def _messages_of(text: str, notes: list[str]) -> tuple[list[Any], str]:
    """Return the messages of a JSON text, not checked yet, and the model that it names."""
    try:
        body = _parsed(_well_formed(text.removeprefix("\ufeff")))
    except _Unsound as exc:
        raise InputError("this is not JSON that can be read", why=str(exc), next_step=_MESSAGES) from exc
    about = body if isinstance(body, dict) else {"messages": body}
    messages, model = about.get("messages"), about.get("model", _NO_MODEL)
    if not isinstance(messages, list) or not messages:
        found = "an empty list" if messages == [] else _short(messages)
        raise InputError("there are no messages", why=f"in their place is {found}", next_step=_MESSAGES)
    if not _is_name(model):
        notes.append(f"the model is left out: {_short(model)} names none")
        model = _NO_MODEL
    return messages, model


def _role(message: Any) -> str:
    if not isinstance(message, dict):
        raise _Unsound(f"it is {_short(message)}, and no object")
    role = message.get("role")
    if role not in ("system", "developer", "user", "assistant"):
        raise _Unsound(f"its role is {_short(role)}")
    return "system" if role == "developer" else str(role)


def _content(message: Mapping[str, Any], number: int, notes: list[str]) -> str:
    """Return the text of a message, the parts of a list joined; what else it holds is told."""
    content = message.get("content")
    if isinstance(content, str):
        return _well_formed(content)
    if not isinstance(content, list):
        raise _Unsound(f"its content is {_short(content)}, and no text")
    texts: list[str] = []
    others: set[str] = set()
    for part in content:
        if isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("text"), str):
            texts.append(part["text"])
        else:
            kind = part.get("type") if isinstance(part, dict) else part
            others.add(kind if _is_name(kind) and len(kind) <= 40 else _short(kind))
    held = ", ".join(sorted(others)[:3])
    if others and not texts:
        raise _Unsound(f"it holds no text but {held}")
    if others:
        notes.append(f"message {number} is kept without what is no text: {held}")
    return _well_formed("".join(texts))


# -- Markdown, written --------------------------------------------------------------------------


def to_markdown(conversation: Conversation) -> str:
    """Return a conversation as a Markdown document, from which `from_markdown` has it back exactly."""
    about = {"version": _VERSION, "name": conversation.name}
    parts = [f"{_marker('conversation', about)}\n{_heading(1, f'Conversation {conversation.name}')}\n\n"]
    if conversation.system is not None:
        parts.append(_section("system", {}, _heading(2, "System message"), conversation.system))
    for number, turn in enumerate(conversation.turns, 1):
        reply = turn.reply
        parts.append(_section("user", {}, _heading(2, f"Question {number}"), reply.prompt))
        if reply.reasoning:
            parts.append(_section("reasoning", {}, _heading(3, "Reasoning"), reply.reasoning))
        facts = _facts_of(reply, conversation.system)
        parts.append(_section("assistant", facts, _heading(3, reply.summary), reply.text))
    parts.append(_marker("end", {}) + "\n")
    return _well_formed("".join(parts))


def _section(kind: str, facts: Mapping[str, Any], heading: str, text: str) -> str:
    fence = _open_fence(text)
    if fence:
        facts = {**facts, "fence": fence}
    text = _LIKE_A_MARKER.sub(r"\\", text) + (f"\n{fence}" if fence else "")
    return f"{_marker(kind, facts)}\n{heading}\n\n{text}\n\n"


def _marker(kind: str, facts: Mapping[str, Any]) -> str:
    # JSON has this sign in strings only, where the escape is the same: so nothing ends the comment early.
    written = " " + json.dumps(facts, ensure_ascii=False).replace(">", "\\u003e") if facts else ""
    return f"<!-- cnai:{kind}{written} -->"


def _heading(level: int, text: str) -> str:
    line = " ".join(strip_controls(text).split())
    return "#" * level + " " + re.sub(r"[\\`*<>\[\]]", r"\\\g<0>", line)


def _facts_of(reply: Reply, system: str | None) -> dict[str, Any]:
    """Return what a text does not tell of its answer; `cost` is in nano-USD, null where none is known."""
    usage = reply.usage
    facts: dict[str, Any] = {
        "model": reply.model,
        "parameters": dict(reply.parameters),
        "usage": {name: getattr(usage, name) for name in _USAGE if getattr(usage, name)},
        "cost": reply.cost.nano,
        "time": reply.started.astimezone(timezone.utc).isoformat(timespec="milliseconds"),
        "seconds": reply.seconds,
        "finish_reason": reply.finish_reason,
    }
    if reply.cost.estimated != usage.estimated:
        facts["cost_estimated"] = reply.cost.estimated
    if reply.demo:
        facts["demo"] = True
    if (reply.system or None) != (system or None):
        facts["system"] = reply.system
    return facts


def _open_fence(text: str) -> str:
    """Return what closes the code fence that is open at the end of a text, "" where none is.

    A fence that is indented may belong to a list, and end with it: then nothing is closed.
    """
    fence = ""
    for match in _FENCE.finditer(text):
        indent, marks, rest = match.groups()
        if fence:
            if marks.startswith(fence) and not rest.strip():
                fence = ""
        elif indent:
            return ""
        elif marks[0] == "~" or "`" not in rest:
            fence = marks
    return fence


# -- Markdown, read -----------------------------------------------------------------------------


class _Section(NamedTuple):
    kind: str
    where: str
    facts: str
    body: str


def from_markdown(text: str, name: str = "") -> Read:
    """Read a conversation from Markdown that `to_markdown` wrote, and that somebody may have edited.

    `name` takes the place of the document's own. Raises InputError for a document that is none of ours, and
    where no question with its answer, and no system message, can be had of it.
    """
    text = _well_formed(text.removeprefix("\ufeff"))
    first = _MARKER.search(text)
    if first and first[0].endswith("\r"):
        text = text.replace("\r\n", "\n")
    draft = _Draft()
    reader = _MarkdownReader(draft)
    sections = list(_sections(text, draft.notes))
    if not any(section.kind in _KINDS for section in sections):
        raise InputError(
            "this is no conversation that cnai_magic exported",
            why="it has no line such as <!-- cnai:user -->, and these tell who speaks",
            next_step=_IMPORTABLE,
        )
    for section in sections:
        reader.take(section)
    reader.end()
    return draft.read(name, reader.name)


def _sections(text: str, notes: list[str]) -> Iterator[_Section]:
    """Cut a document at its markers; the first section, of no kind, is what stands before them."""
    kind = facts = ""
    where, line = "line 1", 1
    begin = counted = 0
    for match in _MARKER.finditer(text):
        line += text.count("\n", counted, match.start())
        counted = match.start()
        marker = match[0].rstrip()
        if not marker.endswith("-->"):
            notes.append(f"line {line} begins like a marker, and does not end as one: taken as text")
            continue
        yield _Section(kind, where, facts, text[begin : match.start()])
        kind, facts = (*marker[:-3].partition("cnai:")[2].rstrip().split(None, 1), "", "")[:2]
        where, begin = f"line {line}", match.end() + 1
    yield _Section(kind, where, facts, text[begin:])


class _MarkdownReader:
    """Puts the sections of a document into a draft, in their order."""

    def __init__(self, draft: _Draft) -> None:
        self.name: object = ""
        self._draft, self._notes = draft, draft.notes
        self._begun = self._ended = self._rest_is_told = False
        self._question: str | None = None
        self._asked_at = self._reasoning = ""

    def take(self, section: _Section) -> None:
        """Read one section; those that stand after the end of the conversation are passed over."""
        if self._ended:
            self._leave_out_rest(section.where)
            return
        kind, where = section.kind, section.where
        if kind not in _KINDS:
            if kind or section.body.strip():
                why = f"{_short(kind)} is no kind of section" if kind else "it stands before the conversation"
                self._notes.append(f"{where}: a part is left out: {why}")
            return
        facts = _sound(_facts(section.facts, where, self._notes), _FACTS, where, self._notes)
        text = _text(section.body, facts.get("fence", ""))
        if kind == "conversation" and not self._begun:
            self._begin(facts, text, where)
        elif kind == "system":
            self._draft.set_system(text, where)
        elif kind == "user":
            self._leave_out_question()
            self._question, self._asked_at, self._reasoning = text, where, ""
        elif kind == "reasoning" and self._question is not None:
            self._reasoning = text
        elif kind == "reasoning":
            self._notes.append(f"{where}: the reasoning is left out, it has no question")
        elif kind == "assistant":
            self._answer(facts, text, where)
        else:
            self._ended = True
            if kind == "conversation" or section.body.strip():
                self._leave_out_rest(where)

    def end(self) -> None:
        """Tell what is missing at the end of the document."""
        self._leave_out_question()
        if not self._ended:
            self._notes.append("the mark of the end is missing: the document may have been cut")

    def _begin(self, facts: Mapping[str, Any], text: str, where: str) -> None:
        self._begun, self.name = True, facts.get("name", "")
        if facts.get("version", _VERSION) > _VERSION:
            self._notes.append("it was written by a newer version of cnai_magic: something may be missing")
        if text.strip():
            self._notes.append(f"{where}: what stands below the title is left out")

    def _answer(self, facts: Mapping[str, Any], text: str, where: str) -> None:
        if self._question is None:
            self._notes.append(f"{where}: the answer is left out, it has no question")
            return
        about = _about(facts, where, self._notes)
        self._draft.turns.append(
            {**about, "prompt": self._question, "text": text, "reasoning": self._reasoning}
        )
        self._question = None

    def _leave_out_rest(self, where: str) -> None:
        if not self._rest_is_told:
            self._notes.append(f"{where}: what stands after the end of the conversation is left out")
        self._rest_is_told = True

    def _leave_out_question(self) -> None:
        if self._question is not None:
            self._notes.append(f"{self._asked_at}: the question is left out, it has no answer")
            self._question = None


def _text(body: str, fence: str) -> str:
    """Return the text of a section, without what stands around it."""
    heading = _HEADING.match(body)
    text = (body[heading.end() :] if heading else body).removeprefix("\n")
    text = text.removesuffix("\n\n") if text.endswith("\n\n") else text.removesuffix("\n")
    return _ESCAPED.sub("", text.removesuffix(f"\n{fence}") if fence else text)


def _facts(text: str, where: str, notes: list[str]) -> object:
    try:
        return _parsed(text) if text else {}
    except _Unsound as exc:
        notes.append(f"{where}: its facts are left out: {exc}")
        return {}


def _about(facts: Mapping[str, Any], where: str, notes: list[str]) -> dict[str, Any]:
    """Return what the facts say of an answer, as the fields of a Reply."""
    usage = Usage(**_sound(facts.get("usage", {}), _USAGE, where, notes))
    about = {
        "model": facts.get("model", _NO_MODEL),
        "parameters": _sound(facts.get("parameters", {}), _PARAMETERS, where, notes),
        "usage": usage,
        "cost": Cost(facts.get("cost"), facts.get("cost_estimated", usage.estimated)),
        "seconds": float(facts.get("seconds", 0)),
        "finish_reason": facts.get("finish_reason", "stop"),
        "demo": facts.get("demo", False),
    }
    if "time" in facts:
        about["started"] = _time(facts["time"])
    if "system" in facts:
        about["system"] = facts["system"] and _well_formed(facts["system"])
    return about


# -- both ---------------------------------------------------------------------------------------


class _Unsound(Exception):
    """Something that was read cannot be used; the text says what it is."""


class _Draft:
    """A conversation while it is read: its turns as the fields of a Reply, and what is to be told."""

    def __init__(self) -> None:
        self.system: str | None = None
        self.turns: list[dict[str, Any]] = []
        self.notes: list[str] = []

    def set_system(self, text: str, where: str) -> None:
        """Take a system message; the last one is the conversation's."""
        if self.system is not None:
            self.notes.append(f"{where}: this system message takes the place of the one before")
        self.system = text

    def read(self, *names: object) -> Read:
        """Return the conversation, called by the first of the names that can be one."""
        if not self.turns and self.system is None and self.notes:
            raise InputError(
                "no conversation is left of this", why="; ".join(self.notes[:3]), next_step=_IMPORTABLE
            )
        conversation = Conversation(self._name(names), self.system)
        for about in self.turns:
            reply = Reply(**{"system": self.system or None, **about, "conversation": conversation.name})
            conversation.record(Place(), reply)
        notes, more = self.notes[:_MOST_NOTES], len(self.notes) - _MOST_NOTES
        return Read(conversation, (*notes, *([f"and {more:,} more of the kind"] if more > 0 else [])))

    def _name(self, names: Iterable[object]) -> str:
        for name in names:
            if isinstance(name, str) and len(name) <= _LONGEST_NAME and Conversations.is_name(name):
                return name
            if name != "":
                # First of all: where there are many notes, this one is not among those that are counted only.
                self.notes.insert(0, f"a conversation cannot be called {_short(name)}")
        return _NO_NAME


def _parsed(text: str) -> Any:
    try:
        return json.loads(text, parse_int=_number, parse_float=_number)
    except json.JSONDecodeError as exc:
        raise _Unsound(f"{exc.msg}, at line {exc.lineno}, column {exc.colno} of the JSON") from exc
    except RecursionError as exc:
        raise _Unsound("it is nested too deeply") from exc


def _number(digits: str) -> float | int:
    # Python takes quadratic time for a long one; no fact is that long.
    if len(digits) > _LONGEST_NUMBER:
        return math.inf
    return int(digits) if digits.lstrip("-").isdigit() else float(digits)


def _sound(given: object, checks: Mapping[str, _Check], where: str, notes: list[str]) -> dict[str, Any]:
    """Return the facts that can be true; the others are told."""
    if not isinstance(given, dict):
        notes.append(f"{where}: its facts are left out: {_short(given)}")
        return {}
    sound = {name: value for name, value in given.items() if name in checks and checks[name](value)}
    for name, value in given.items():
        if name not in sound:
            known = f"{name} cannot be {_short(value)}" if name in checks else f"{_short(name)} is not known"
            notes.append(f"{where}: a fact is left out: {known}")
    return sound


def _is_name(value: object) -> TypeGuard[str]:
    return _is_line(value) and bool(value.strip())


def _is_line(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and len(value) <= _LONGEST_NAME and value.isprintable()


def _is_number(low: float, high: float, *kinds: type) -> _Check:
    # The exact type: a bool is an int too. A NaN fails the comparison, as it should.
    return lambda value: type(value) in kinds and low <= value <= high


def _is(*kinds: type) -> _Check:
    return lambda value: isinstance(value, kinds)


def _is_fence(value: object) -> bool:
    return isinstance(value, str) and len(value) >= 3 and set(value) in ({"`"}, {"~"})


def _time(value: object) -> datetime | None:
    try:
        # Python 3.10 does not know the Z.
        time = datetime.fromisoformat(str(value)[:_LONGEST_NAME].replace("Z", "+00:00"))
        return time.astimezone(timezone.utc) if time.tzinfo else None
    except (ValueError, OverflowError):
        return None


def _short(value: object) -> str:
    """Write a foreign value as a few printable words."""
    if isinstance(value, str):
        return redact(repr(value[:40])) + ("…" if len(value) > 40 else "")
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    return "an object" if isinstance(value, dict) else "a list" if isinstance(value, list) else repr(value)


def _well_formed(text: str) -> str:
    """Return a text with lone surrogates replaced: UTF-8 has none."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


_COUNT = _is_number(0, _MOST_TOKENS, int)
_USAGE: dict[str, _Check] = {
    "prompt_tokens": _COUNT,
    "completion_tokens": _COUNT,
    "reasoning_tokens": _COUNT,
    "cached_tokens": _COUNT,
    "estimated": _is(bool),
}
_PARAMETERS: dict[str, _Check] = {
    "temperature": _is_number(0, 2, int, float),
    "top_p": _is_number(0, 1, int, float),
    "max_tokens": _is_number(1, sys.maxsize, int),
}
_FACTS: dict[str, _Check] = {
    "version": _is_number(1, sys.maxsize, int),
    # Whether it can be one is told where it is used.
    "name": _is(object),
    "model": _is_name,
    "parameters": _is(dict),
    "usage": _is(dict),
    "cost": lambda value: value is None or _is_number(0, _HIGHEST_COST, int)(value),
    "cost_estimated": _is(bool),
    "time": lambda value: _time(value) is not None,
    "seconds": _is_number(0, sys.float_info.max, int, float),
    "finish_reason": _is_line,
    "demo": _is(bool),
    "system": _is(str, type(None)),
    "fence": _is_fence,
}
