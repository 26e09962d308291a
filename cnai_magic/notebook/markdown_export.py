"""Conversations as Markdown that a person reads, and that comes back.

Structure stands in HTML comments on lines of their own: `<!-- cnai:user -->`, or with facts
as JSON, `<!-- cnai:assistant {"model": …} -->`. Each is followed by a heading, a blank line, the text, and a
blank line. The text is shown as Markdown that is safe in whatever renders it; where that is another than
the text itself, the comment keeps the text, which holds as long as nobody edits what is shown. A line that
begins like such a comment gets a backslash in front, and one more where it has some.

What is read was written by others: nothing of it is executed or expanded, and what is not sound is left out
and told.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import timezone
from typing import Any, NamedTuple

from ..api.messages import Message, Usage
from ..api.parameters import check_parameters, dump_parameters
from ..chat.conversation import Conversation
from ..chat.markdown import escape_markdown, notebook_markdown
from ..chat.reply import Reply
from ..errors import InputError
from ..money.cost import Cost
from ..redaction import strip_controls, well_formed
from .imported import (
    FACTS,
    IMPORTABLE,
    NO_MODEL,
    PARAMETERS,
    USAGE,
    Draft,
    Read,
    Unsound,
    parsed,
    short,
    sound,
    time_of,
)

__all__ = ["from_markdown", "to_markdown"]

_VERSION = 1
_KINDS = ("conversation", "system", "user", "reasoning", "assistant", "end")
_MARKER = re.compile(r"^<!--[ \t]{0,8}cnai:[^\n]*", re.MULTILINE)
_LIKE_A_MARKER = re.compile(r"^(?=\\*<!--[ \t]{0,8}cnai:)", re.MULTILINE)
_ESCAPED = re.compile(r"^\\(?=\\*<!--[ \t]{0,8}cnai:)", re.MULTILINE)
_HEADING = re.compile(r"#{1,6}[ \t][^\n]*(?:\n|\Z)(?=\n|\Z)")
# In a comment: what could end it, what JupyterLab's search for maths could find, and invisible characters.
_UNSAFE_IN_COMMENT = re.compile(r"\\[\\\"]|[$<>@`&~\x7f-\x9f\u2028\u2029\ufeff]|(?<=-)-")


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
        for step in reply.steps:
            title = "Result of a tool" if step.role == "tool" else "Call of a tool"
            parts.append(_section("tool", {}, _heading(3, title), _step_text(step)))
        if reply.reasoning:
            parts.append(_section("reasoning", {}, _heading(3, "Reasoning"), reply.reasoning))
        facts = _facts_of(reply, conversation.system)
        parts.append(_section("assistant", facts, _heading(3, reply.summary), reply.text))
    parts.append(_marker("end", {}) + "\n")
    return well_formed("".join(parts))


def _step_text(step: Message) -> str:
    texts = [step.text] if step.text else []
    for call in step.tool_calls:
        fence = "`" * max(3, 1 + max(map(len, re.findall("`+", call.arguments)), default=0))
        texts.append(f"{call.name}\n\n{fence}json\n{call.arguments}\n{fence}")
    return "\n\n".join(texts)


def _section(kind: str, facts: Mapping[str, Any], heading: str, text: str) -> str:
    shown = _shown(text)
    if shown != text:
        facts = {**facts, "text": text}
    return f"{_marker(kind, facts)}\n{heading}\n\n{shown}\n\n"


def _shown(text: str) -> str:
    return _LIKE_A_MARKER.sub(r"\\", notebook_markdown(text))


def _marker(kind: str, facts: Mapping[str, Any]) -> str:
    return f"<!-- cnai:{kind}{' ' + _json(facts) if facts else ''} -->"


def _json(facts: Mapping[str, Any]) -> str:
    # JSON has these characters in strings only, where the escape is the same.
    return _UNSAFE_IN_COMMENT.sub(
        lambda match: f"\\u{ord(match.group()[-1]):04x}", json.dumps(facts, ensure_ascii=False)
    )


def _heading(level: int, text: str) -> str:
    return "#" * level + " " + escape_markdown(" ".join(strip_controls(text).split()))


def _facts_of(reply: Reply, system: str | None) -> dict[str, Any]:
    """Return what a text does not tell of its answer; `cost` is in nano-USD, null where none is known."""
    usage = reply.usage
    facts: dict[str, Any] = {
        "model": reply.model,
        "parameters": dump_parameters(reply.parameters),
        "usage": {name: getattr(usage, name) for name in USAGE if getattr(usage, name)},
        "cost": reply.cost.nano,
        "time": reply.started.astimezone(timezone.utc).isoformat(timespec="milliseconds"),
        "seconds": reply.seconds,
        "finish_reason": reply.finish_reason,
    }
    if reply.cost.estimated != usage.estimated:
        facts["cost_estimated"] = reply.cost.estimated
    if reply.demo:
        facts["demo"] = True
    if reply.answered_by:
        facts["answered_by"] = reply.answered_by
    if (reply.system or None) != (system or None):
        facts["system"] = reply.system
    return facts


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
    text = well_formed(text.removeprefix("\ufeff"))
    first = _MARKER.search(text)
    if first and first[0].endswith("\r"):
        text = text.replace("\r\n", "\n")
    draft = Draft()
    reader = _MarkdownReader(draft)
    sections = list(_sections(text, draft.notes))
    if not any(section.kind in _KINDS for section in sections):
        raise InputError(
            "this is not a conversation that cnai_magic exported",
            why="it has no line such as <!-- cnai:user -->, and these tell who speaks",
            next_step=IMPORTABLE,
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

    def __init__(self, draft: Draft) -> None:
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
                why = (
                    f"{short(kind)} is not a kind of section" if kind else "it stands before the conversation"
                )
                self._notes.append(f"{where}: a part is left out: {why}")
            return
        facts = sound(_facts(section.facts, where, self._notes), FACTS, where, self._notes)
        text = _text(section.body, facts.get("text"))
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


def _text(body: str, kept: str | None) -> str:
    """Return the text of a section: what is `kept` of it, unless what is shown was edited."""
    heading = _HEADING.match(body)
    shown = (body[heading.end() :] if heading else body).removeprefix("\n")
    shown = shown.removesuffix("\n\n") if shown.endswith("\n\n") else shown.removesuffix("\n")
    if kept is not None and shown == _shown(well_formed(kept)):
        return well_formed(kept)
    return _ESCAPED.sub("", shown)


def _facts(text: str, where: str, notes: list[str]) -> object:
    try:
        return parsed(text) if text else {}
    except Unsound as exc:
        notes.append(f"{where}: its facts are left out: {exc}")
        return {}


def _about(facts: Mapping[str, Any], where: str, notes: list[str]) -> dict[str, Any]:
    """Return what the facts say of an answer, as the fields of a Reply."""
    usage = Usage(**sound(facts.get("usage", {}), USAGE, where, notes))
    about = {
        "model": facts.get("model", NO_MODEL),
        "parameters": check_parameters(sound(facts.get("parameters", {}), PARAMETERS, where, notes)),
        "usage": usage,
        "cost": Cost(facts.get("cost"), facts.get("cost_estimated", usage.estimated)),
        "seconds": float(facts.get("seconds", 0)),
        "finish_reason": facts.get("finish_reason", "stop"),
        "demo": facts.get("demo", False),
        "answered_by": facts.get("answered_by", ""),
    }
    if "time" in facts:
        about["started"] = time_of(facts["time"])
    if "system" in facts:
        about["system"] = facts["system"] and well_formed(facts["system"])
    return about
