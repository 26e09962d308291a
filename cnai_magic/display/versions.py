"""All attempts of a turn side by side, each compared with the one before it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from itertools import chain

from ..api.parameters import format_parameter
from ..chat.attempt import Turn
from ..chat.reply import Reply
from ..languages import translate
from ..redaction import clean, to_one_line
from .tables import escape_html

__all__ = ["Versions"]

# difflib's time grows with the square of what it compares, and worse. All words together, of long texts too.
_MOST_WORDS = 1_500
_MOST_LINES = 4_000
_WORDS_IN_ALL = 20_000
_LONGEST = 20_000
# A notebook of somebody else may hold any number of attempts, made to be compared slowly.
_MOST_ATTEMPTS = 30
# An unchanged run that is longer shows its ends only.
_LONGEST_SAME, _END = 200, 60
_CONTEXT_LINES = 2
_TOO_LONG = "too long to be compared in full"

_BROKEN_WORD = re.compile(r"\A\S+(?=\s+\S)")
# Of scripts that set no blanks between words (kana, Han, Hangul) each character counts as one.
_UNSPACED = r"\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff"
_WORD = re.compile(rf"\s+|[{_UNSPACED}]|[^\W{_UNSPACED}]+|[^\w\s]")

_SCROLL = "max-height:24em;overflow:auto;white-space:pre-wrap;overflow-wrap:anywhere"
_INSERTED = "background-color:rgba(46,160,67,.28);text-decoration:underline;margin:0 1px"
_DELETED = "background-color:rgba(248,81,73,.28);text-decoration:line-through;margin:0 1px"
# The names of the rows stay while the attempts scroll beneath them, so they need a ground: the notebook's.
_STICKY = (
    "position:sticky;left:0;z-index:1;overflow-wrap:anywhere;"
    "background-color:var(--jp-layout-color0,var(--vscode-editor-background,Canvas))"
)
_LINE = "1px solid rgba(128,128,128,.35)"
_CELL = f"text-align:left;vertical-align:top;border-left:{_LINE}"

# What of a comparison: "=" is in both, "-" in the former only, "+" in the latter only.
_Piece = tuple[str, str]


class Versions:
    """Shows the attempts of a turn: when, with which model and parameters, the prompt, the answer, the cost.

    What changed against the attempt before is marked, in prompt and system message word by word. `go_back`
    says how another attempt is chosen.
    """

    def __init__(self, turn: Turn, number: int, conversation: str, go_back: str = "") -> None:
        count = len(turn.attempts)
        shown = [index for index in range(count) if index >= count - _MOST_ATTEMPTS or index == turn.current]
        self._replies = [turn.attempts[index].reply for index in shown]
        self._numbers = [turn.attempts[index].number for index in shown]
        self._ratings = [str(turn.attempts[index].rating or "") for index in shown]
        self._verdicts = [str(turn.attempts[index].verdict or "") for index in shown]
        self._current = shown.index(turn.current)
        title = f"Turn {number} of {to_one_line(conversation)}: {count} attempt{'s' * (count != 1)}"
        self._title = translate(title)
        note = go_back if count > 1 else "run the cell again, and its attempts are compared here"
        if len(shown) < count:
            note = f"{count - len(shown)} earlier attempts are not shown; {note}"
        self._note = translate(note)

    def __repr__(self) -> str:
        lines = [self._title]
        for index, (before, reply) in enumerate(_pair_with_former(self._replies)):
            lines += ["", f"── {self._name(index)} · {_write_time(reply)} ──", *_list_facts(before, reply)]
            lines += [
                translate("Prompt:"),
                *_list_changes(None if before is None else before.prompt, reply.prompt),
            ]
            text = clean(reply.text).strip("\n")
            lines += [translate("Reply:"), *_indent(_cut(text)), translate(to_one_line(reply.summary))]
            if self._ratings[index]:
                lines.append(clean(f"{translate('Rating:')} {self._ratings[index]}"))
            if self._verdicts[index]:
                lines.append(clean(f"{translate('Judge:')} {self._verdicts[index]}"))
        return "\n".join([*lines, "", self._note])

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        return {"text/html": self._build_html(), "text/plain": repr(self)}

    def _name(self, index: int) -> str:
        # Its own number, as --keep takes it: of a restored turn the first attempts may be missing.
        return translate(f"Attempt {self._numbers[index]}{' (current)' if index == self._current else ''}")

    def _build_html(self) -> str:
        replies = self._replies
        rows = [self._build_row("When", [escape_html(_write_time(reply)) for reply in replies])]
        for name, value in _list_fields(replies):
            rows.append(self._build_row(name, _show_each(replies, value, _show_value)))
        if any(reply.system for reply in replies):
            rows.append(self._build_row("System", _show_each(replies, _get_system, _show_text)))
        rows.append(self._build_row("Prompt", _show_each(replies, lambda reply: reply.prompt, _show_text)))
        rows.append(self._build_row("Reply", _show_each(replies, lambda reply: reply.text, _show_whole)))
        rows.append(self._build_row("Tokens", [_escape(str(reply.usage)) for reply in replies]))
        rows.append(self._build_row("Cost", [_escape(_write_cost(reply)) for reply in replies]))
        rows.append(self._build_row("Time", [f"{reply.seconds:.1f} s" for reply in replies]))
        if any(self._ratings):
            rows.append(self._build_row("Rating", [escape_html(clean(each)) for each in self._ratings]))
        if any(self._verdicts):
            rows.append(self._build_row("Judge", [escape_html(clean(each)) for each in self._verdicts]))
        if any(reply.ended for reply in replies):
            rows.append(self._build_row("Ended", [_escape(reply.ended) for reply in replies]))
        names = "".join(
            f'<th scope="col" style="{_CELL};{self._mark(index)}">{self._name(index)}</th>'
            for index in range(len(replies))
        )
        legend = f"; {_mark_inserted('new')} and {_mark_deleted('gone')} against the attempt to the left"
        width = f"width:100%;min-width:{8 + 13 * len(replies)}em;table-layout:fixed;margin:0"
        return (
            f"<div><strong>{escape_html(self._title)}</strong></div>"
            f'<div style="overflow-x:auto;max-width:100%"><table style="{width}">'
            f'<thead><tr><td style="width:8em;{_STICKY}"></td>{names}</tr></thead>'
            f"<tbody>{''.join(rows)}</tbody></table></div>"
            f"<small>{escape_html(self._note)}{legend if len(replies) > 1 else ''}</small>"
        )

    def _build_row(self, name: str, cells: Iterable[str]) -> str:
        heading = f'<th scope="row" style="text-align:left;vertical-align:top;{_STICKY}">{_escape(name)}</th>'
        shown = (f'<td style="{_CELL};{self._mark(index)}">{cell}</td>' for index, cell in enumerate(cells))
        return f"<tr>{heading}{''.join(shown)}</tr>"

    def _mark(self, index: int) -> str:
        return "background-color:rgba(128,128,128,.14)" if index == self._current else ""


# -- what an attempt is made of ---------------------------------------------------------------------


def _escape(words: str) -> str:
    """Return words of our own as HTML, in the person's language."""
    return escape_html(translate(words))


def _pair_with_former(replies: Sequence[Reply]) -> Iterator[tuple[Reply | None, Reply]]:
    return zip(chain([None], replies), replies, strict=False)


def _show_each(
    replies: Sequence[Reply], value: Callable[[Reply], str], show: Callable[[str | None, str], str]
) -> list[str]:
    return [
        show(None if before is None else clean(value(before)), clean(value(reply)))
        for before, reply in _pair_with_former(replies)
    ]


def _list_fields(replies: Sequence[Reply]) -> Iterator[tuple[str, Callable[[Reply], str]]]:
    """Yield the model and each parameter that an attempt was sent with: name, and value or ""."""
    yield "Model", lambda reply: reply.model
    if any(reply.answered_by for reply in replies):
        yield "Answered by", lambda reply: reply.answered_by
    for name in dict.fromkeys(name for reply in replies for name in reply.parameters):
        yield name, lambda reply, name=name: format_parameter(reply.parameters.get(name))  # type: ignore[misc]


def _get_system(reply: Reply) -> str:
    return reply.system or ""


def _write_time(reply: Reply) -> str:
    return reply.started.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _write_cost(reply: Reply) -> str:
    return reply.cost.write(demo=reply.demo)


def _cut(text: str) -> str:
    if len(text) <= _LONGEST:
        return text
    half = _LONGEST // 2
    return f"{text[:half]}\n[… {len(text) - 2 * half:,} characters are not shown …]\n{text[-half:]}"


# -- a comparison as HTML -----------------------------------------------------------------------------


def _show_value(before: str | None, value: str) -> str:
    shown = escape_html(value) if value else "<em>not sent</em>"
    if before is None or before == value:
        return shown
    former = escape_html(before) if before else "<em>not sent</em>"
    return f"{_mark_deleted(former)} {_mark_inserted(shown)}"


def _show_whole(before: str | None, text: str) -> str:
    return _wrap_scrolling(escape_html(_cut(text.strip("\n"))))


def _show_text(before: str | None, text: str) -> str:
    if before is None:
        return _wrap_scrolling(escape_html(_cut(text))) if text else "<em>none</em>"
    if before == text:
        return "<em>unchanged</em>" if text else "<em>none</em>"
    pieces, whole = _compare(before, text)
    shown = []
    left = 2 * _LONGEST
    for index, (kind, piece) in enumerate(pieces):
        if left <= 0:
            shown.append("<em>… what changed below is not shown</em>")
            break
        if kind == "=":
            shown.append(_fold(piece, first=not index, last=index == len(pieces) - 1))
        else:
            shown.append((_mark_inserted if kind == "+" else _mark_deleted)(escape_html(_cut(piece))))
            left -= len(piece)
    said = "" if whole else f"<div><em>{_TOO_LONG}</em></div>"
    return said + _wrap_scrolling("".join(shown))


def _fold(text: str, *, first: bool, last: bool) -> str:
    if len(text) <= _LONGEST_SAME:
        return escape_html(text)
    # At a blank, if there is one.
    begin = "" if first else _BROKEN_WORD.sub("", text[:_END][::-1])[::-1]
    end = "" if last else _BROKEN_WORD.sub("", text[-_END:])
    omitted = len(text) - len(begin) - len(end)
    return f'{escape_html(begin)}<em title="{omitted:,} unchanged characters">…</em>{escape_html(end)}'


def _mark_inserted(content: str) -> str:
    return f'<ins style="{_INSERTED}">{content}</ins>'


def _mark_deleted(content: str) -> str:
    return f'<del style="{_DELETED}">{content}</del>'


def _wrap_scrolling(content: str) -> str:
    return f'<div style="{_SCROLL}">{content}</div>'


# -- a comparison as text -----------------------------------------------------------------------------


def _list_facts(before: Reply | None, reply: Reply) -> list[str]:
    lines = []
    for name, value in _list_fields([reply] if before is None else [before, reply]):
        name, missing = translate(name), translate("not sent")
        former, now = before and to_one_line(value(before)), to_one_line(value(reply))
        if former is None or former == now:
            lines.append(f"  {name}: {now or missing}")
        else:
            lines += [f"- {name}: {former or missing}", f"+ {name}: {now or missing}"]
    systems = [_get_system(each) for each in (before, reply) if each is not None]
    if any(systems):
        lines += [translate("System:"), *_list_changes(None if before is None else systems[0], systems[-1])]
    return lines


def _list_changes(before: str | None, text: str) -> list[str]:
    """Return a text in lines, or the lines that changed with a few around them: "- " gone, "+ " new."""
    text = clean(text).strip("\n")
    if before is None:
        return _indent(_cut(text) or translate("(none)"))
    before = clean(before).strip("\n")
    if before == text:
        return [f"  {translate('(unchanged)')}"]
    pieces, whole = _compare_units(_split_lines(before), _split_lines(text), _MOST_LINES)
    shown = [] if whole else [f"  ({_TOO_LONG})"]
    left = 2 * _LONGEST
    for kind, lines in pieces:
        if left <= 0:
            return [*shown, "  … what changed below is not shown"]
        if kind == "=":
            begin = lines[: 0 if lines is pieces[0][1] else _CONTEXT_LINES]
            end = lines[len(lines) - (0 if lines is pieces[-1][1] else _CONTEXT_LINES) :]
            short = len(lines) <= len(begin) + len(end) + 1
            shown += _indent("\n".join(lines if short else [*begin, "…", *end]))
        else:
            piece = "\n".join(lines)
            shown += [f"{kind} {line}" for line in _cut(piece).split("\n")]
            left -= len(piece)
    return shown


def _split_lines(text: str) -> list[str]:
    return text.split("\n") if text else []


def _indent(text: str) -> list[str]:
    return [f"  {line}".rstrip() for line in text.split("\n")]


# -- comparing ----------------------------------------------------------------------------------------


def _compare(before: str, text: str) -> tuple[list[_Piece], bool]:
    """Compare two texts word by word, line by line where they are long; and tell whether it was possible."""
    words, whole = _compare_units(_WORD.findall(before), _WORD.findall(text), _MOST_WORDS)
    if whole:
        return _join((kind, "".join(units)) for kind, units in words), True
    lines, whole = _compare_units(before.splitlines(True), text.splitlines(True), _MOST_LINES)
    pieces: list[_Piece] = []
    left = _WORDS_IN_ALL
    for index, (kind, units) in enumerate(lines):
        piece = "".join(units)
        if kind == "+" and index and lines[index - 1][0] == "-":
            gone, new = _WORD.findall(pieces.pop()[1]), _WORD.findall(piece)
            left -= len(gone) + len(new)
            within, fits = _compare_units(gone, new, _MOST_WORDS if left > 0 else 0)
            pieces += [(each, "".join(words)) for each, words in within]
            whole = whole and fits
        else:
            pieces.append((kind, piece))
    return _join(pieces), whole


def _compare_units(
    before: list[str], after: list[str], most: int
) -> tuple[list[tuple[str, list[str]]], bool]:
    """Compare two lists of words or lines; of what is equal at both ends none counts towards `most`.

    What is longer counts as replaced, and the second value is False.
    """
    start = 0
    shorter = min(len(before), len(after))
    while start < shorter and before[start] == after[start]:
        start += 1
    end = 0
    while end < shorter - start and before[-1 - end] == after[-1 - end]:
        end += 1
    gone, new = before[start : len(before) - end], after[start : len(after) - end]
    whole = max(len(gone), len(new)) <= most or not (gone and new)
    pieces = [("=", before[:start])]
    if whole and gone and new:
        for tag, i1, i2, j1, j2 in SequenceMatcher(None, gone, new).get_opcodes():
            pieces += [("=", gone[i1:i2])] if tag == "equal" else [("-", gone[i1:i2]), ("+", new[j1:j2])]
    else:
        pieces += [("-", gone), ("+", new)]
    pieces.append(("=", before[len(before) - end :] if end else []))
    return [piece for piece in pieces if piece[1]], whole


def _join(pieces: Iterable[_Piece]) -> list[_Piece]:
    """Join what belongs together: words that changed one after another are one change, with their blanks."""
    joined: list[_Piece] = []
    changed = {"-": "", "+": ""}
    blank = ""
    for kind, text in chain(pieces, [("=", "")]):
        if kind != "=":
            changed = {each: run + blank for each, run in changed.items()}
            changed[kind] += text
            blank = ""
        elif text and any(changed.values()) and not text.strip(" "):
            blank = text
        else:
            joined += [(each, run) for each, run in changed.items() if run]
            changed = {"-": "", "+": ""}
            if blank + text:
                joined.append(("=", blank + text))
            blank = ""
    return joined
