"""Finds the calls of tools that stand in the text of an answer, and hides them while it streams.

Models write their calls as text, each family in its own way. A server that was started with a parser for the
model makes `tool_calls` of them; one that was not (`--tool-call-parser` of vLLM and SGLang, `--jinja` of
llama.cpp) sends the text as it is. These ways are read:

- `<tool_call>{"name": …, "arguments": {…}}</tool_call>`: Hermes, Qwen; `<tools>` in Qwen2.5-Coder
- `<tool_call><function=NAME><parameter=KEY>VALUE</parameter></function></tool_call>`: Qwen3-Coder
- `<tool_call>NAME<arg_key>KEY</arg_key><arg_value>VALUE</arg_value></tool_call>`: GLM
- `<invoke name="NAME"><parameter name="KEY">VALUE</parameter></invoke>`: MiniMax, DeepSeek from V3.2
- `<｜tool▁call▁begin｜>NAME<｜tool▁sep｜>{…}<｜tool▁call▁end｜>`: DeepSeek
- `<|tool_call_begin|>functions.NAME:0<|tool_call_argument_begin|>{…}<|tool_call_end|>`: Kimi
- `[TOOL_CALLS]NAME{…}`, `[TOOL_CALLS][{"name": …, "arguments": {…}}]`: Mistral
- `{"name": …, "parameters": {…}}` or such a list, alone or in one fenced block: Llama, Qwen2.5-Coder

A text counts as a call only where it names a function that may be called. Nothing here does I/O.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from itertools import islice
from typing import Any, NamedTuple
from uuid import uuid4

from ..redaction import replace_surrogates
from .message_parts import ToolCall
from .tool_calls import CalledTools

__all__ = ["CallFilter", "find_written_calls", "mentions_call"]

_Tools = Mapping[str, Mapping[str, Any]]


class _Written(NamedTuple):
    """A call as it stands in the text: its arguments are JSON, or texts by their names."""

    name: str
    arguments: str | dict[str, str]


_ID_LENGTH = 9
_MOST_CALLS = 128
_BAR = "[|｜]"
_LOW = "[_▁]"
_DSML = rf"(?:{_BAR}DSML{_BAR}\s*)?"
_WRAPPER = re.compile(
    rf"</?(?:minimax:tool_call|{_BAR}DSML{_BAR}\s*(?:function_calls|tool_calls))>"
    rf"|<{_BAR}tool{_LOW}calls(?:{_LOW}section)?{_LOW}(?:begin|end){_BAR}>"
    r"|<\|python_tag\|>|<\|eom_id\|>|<\|im_end\|>"
)
_MENTION = re.compile(
    rf"<tool_call>|<function=|\[TOOL_CALLS\]|<{_BAR}tool{_LOW}call|<{_DSML}invoke name=|<\|python_tag\|>"
)
# Where each piece begins and ends; what is between is the rest of the call. No beginning reaches beyond the
# next "<": else a text of many beginnings takes quadratic time.
_TAGGED = re.compile("<(?:tool_call|tools)>"), re.compile(r"</(?:tool_call|tools)>|\Z")
_PARAMETER = re.compile(r"<parameter=([^<>\s]+)>"), re.compile(r"</parameter>|(?=<parameter=|</function>)|\Z")
_KEY = re.compile("<arg_key>"), re.compile(r"</arg_value>|\Z")
_INVOKE = re.compile(rf'<{_DSML}invoke name="([^"]+)">'), re.compile(rf"</{_DSML}invoke>")
_NAMED = re.compile(rf'<{_DSML}parameter name="([^<>"]+)"[^<>]*>'), re.compile(rf"</{_DSML}parameter>")
_MARKED = (
    re.compile(rf"<{_BAR}tool{_LOW}call{_LOW}begin{_BAR}>"),
    re.compile(rf"<{_BAR}tool{_LOW}call{_LOW}end{_BAR}>"),
)
_BEFORE_ARGUMENTS = re.compile(rf"<{_BAR}tool{_LOW}(?:sep|call{_LOW}argument{_LOW}begin){_BAR}>")
_FUNCTION = re.compile(r"\s*<function=([^>\s]+)>")
_NAME = re.compile(r"\s*([\w-]+)\s*")
_MISTRAL = re.compile(r"\[TOOL_CALLS\]\s*([\w-]*)(?:\[CALL_ID\]\w*)?(?:\[ARGS\])?")
_FENCED = re.compile(r"\s*```\w*\n(.*?)\n?```\s*\Z", re.DOTALL)
_DECODER = json.JSONDecoder()


def find_written_calls(text: str, tools: _Tools, *, bare: bool) -> tuple[str, CalledTools] | None:
    """Return the text without its calls, and the calls; None where no function of `tools` is called.

    `tools` describe the functions, by name. With `bare`, a text that is nothing but a call as
    JSON is one; it may be the answer where JSON is asked for.
    """
    for read in (_read_tagged, _read_invoked, _read_marked, _read_mistral):
        rest, found = read(text)
        if any(each.name in tools for each in found):
            return _WRAPPER.sub("", rest).strip(), _collect(found, tools)
    found = _read_bare(text) if bare else []
    if found and all(each.name in tools for each in found):
        return "", _collect(found, tools)
    return None


def mentions_call(text: str) -> bool:
    """Return whether a text has the signs of a call, whatever stands between them."""
    return _MENTION.search(text) is not None


def _collect(found: list[_Written], tools: _Tools) -> CalledTools:
    return CalledTools(
        tuple(
            ToolCall(
                uuid4().hex[:_ID_LENGTH],
                replace_surrogates(each.name),
                replace_surrogates(_write_arguments(each, tools)),
            )
            for each in found[:_MOST_CALLS]
        )
    )


def _write_arguments(written: _Written, tools: _Tools) -> str:
    """Return the arguments as JSON; a text is one where the function takes a text, else what it says."""
    if isinstance(written.arguments, str):
        return written.arguments
    properties = tools.get(written.name, {}).get("parameters", {}).get("properties", {})
    read: dict[str, Any] = {}
    for name, text in written.arguments.items():
        about = properties.get(name, {})
        value = text.removeprefix("\n").removesuffix("\n")
        is_text = isinstance(about, Mapping) and about.get("type") == "string"
        read[name] = value if is_text else _read_or_keep(value)
    return json.dumps(read, ensure_ascii=False)


def _read_or_keep(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        # As Python writes them, which models do too.
        return {"True": True, "False": False, "None": None}.get(text.strip(), text)


def _cut_out(text: str, place: tuple[re.Pattern[str], re.Pattern[str]]) -> tuple[str, list[tuple[str, str]]]:
    """Return a text without the pieces of a kind, and each piece: what its start captured, and its inside."""
    begin, end = place
    rest, pieces, at = [], [], 0
    while (start := begin.search(text, at)) and (stop := end.search(text, start.end())):
        rest.append(text[at : start.start()])
        pieces.append((start[1] if begin.groups else "", text[start.end() : stop.start()]))
        at = stop.end()
    return "".join([*rest, text[at:]]), pieces


def _read_tagged(text: str) -> tuple[str, list[_Written]]:
    rest, pieces = _cut_out(text, _TAGGED)
    return rest, [each for _, inside in pieces for each in _read_block(inside)]


def _read_block(block: str) -> Iterator[_Written]:
    """Yield the calls that stand between two tags."""
    if function := _FUNCTION.match(block):
        yield _Written(function[1], dict(_cut_out(block[function.end() :], _PARAMETER)[1]))
        return
    rest, pairs = _cut_out(block, _KEY)
    if (name := _NAME.fullmatch(rest)) is not None:
        split = [pair.partition("</arg_key>") for _, pair in pairs]
        yield _Written(name[1], {key.strip(): value.partition("<arg_value>")[2] for key, _, value in split})
    else:
        yield from _read_objects(block)


def _read_invoked(text: str) -> tuple[str, list[_Written]]:
    rest, pieces = _cut_out(text, _INVOKE)
    return rest, [_Written(name, dict(_cut_out(inside, _NAMED)[1])) for name, inside in pieces]


def _read_marked(text: str) -> tuple[str, list[_Written]]:
    rest, pieces = _cut_out(text, _MARKED)
    found: list[_Written] = []
    for _, inside in pieces:
        head, *tail = _BEFORE_ARGUMENTS.split(inside, maxsplit=1)
        body = "".join(tail)
        first, _, second = body.partition("\n")
        # DeepSeek V3 and R1 write the kind of the call before the sign, and the arguments in a fence.
        name, body = (first, second) if head.strip() == "function" and second else (head, body)
        name = re.sub(r"^functions\.|:\d+$", "", name.strip())
        fenced = _FENCED.match(body)
        found.append(_Written(name, (fenced[1] if fenced else body).strip()))
    return rest, found


def _read_mistral(text: str) -> tuple[str, list[_Written]]:
    found: list[_Written] = []
    signs = list(islice(_MISTRAL.finditer(text), _MOST_CALLS))
    for sign in signs:
        rest = text[sign.end() :].lstrip()
        if not sign[1]:
            found += _read_objects(rest)
        elif (end := _find_end(rest)) is not None:
            found.append(_Written(sign[1], rest[:end]))
    return text[: signs[0].start()] if signs else text, found


def _find_end(text: str) -> int | None:
    """Return where the JSON at the beginning of a text ends."""
    try:
        return _DECODER.raw_decode(text)[1]
    except (ValueError, RecursionError):
        return None


def _read_bare(text: str) -> list[_Written]:
    text = _WRAPPER.sub("", text)
    fenced = _FENCED.match(text)
    rest = (fenced[1] if fenced else text).strip()
    found: list[_Written] = []
    while rest:
        end = _find_end(rest)
        calls = [] if end is None else list(_read_objects(rest[:end]))
        if not calls or len(found) > _MOST_CALLS:
            return []  # it says more than its calls
        found += calls
        rest = rest[end:].lstrip("; \n")
    return found


def _read_objects(text: str) -> Iterator[_Written]:
    """Yield the calls of a text that is JSON: an object for each, or a list of them."""
    try:
        value, _ = _DECODER.raw_decode(text.strip())
    except (ValueError, RecursionError):
        return
    for each in value if isinstance(value, list) else [value]:
        function = each.get("function") if isinstance(each, dict) else None
        call = function if isinstance(function, dict) else each
        if not (isinstance(call, dict) and isinstance(call.get("name"), str)):
            continue
        arguments = call.get("arguments", call.get("parameters"))
        if isinstance(arguments, dict | str):
            given = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
            yield _Written(call["name"], given)


# -- while it streams ---------------------------------------------------------------------------

# With the bars and low lines of DeepSeek's signs as those of ASCII.
_SIGNS = (
    *("<tool_call>", "<tools>", "[TOOL_CALLS]", "<|python_tag|>", "<|tool_call_begin|>"),
    *("<|tool_calls_begin|>", "<|tool_calls_section_begin|>", '<invoke name="', '<|DSML|invoke name="'),
    *("<minimax:tool_call>", "<|DSML|function_calls>", "<|DSML|tool_calls>"),
)
_ASCII = str.maketrans("｜▁", "|_")
_LONGEST = max(map(len, _SIGNS))
# A sign, and the first of what follows it in a call, as far as it has come: prose names these signs too.
_BEGIN = re.compile(
    r"<(?:tool_call|tools)>\s*(?:\Z|[{\[<]|[\w.-]{1,64}\s*(?:\Z|<))"
    r"|\[TOOL_CALLS\]\s*(?:\Z|[{\[]|[\w-]{1,64}(?:\Z|[{\[]))"
    r"|<\|python_tag\|>\s*(?:\Z|[{\[])"
    r"|<\|tool_calls?_(?:section_)?begin\|>"
    r'|<(?:\|DSML\|)?invoke name="[^"<>\s]{0,64}(?:\Z|")'
    r"|<(?:minimax:tool_call|\|DSML\|(?:function|tool)_calls)>\s*(?:\Z|<)"
)
_FENCE = re.compile(r"\s*(?:```\w*(?:\n|\Z)|`{1,2}\Z)")
_NAMED_IN_JSON = re.compile(r'"name"\s*:\s*"([^"]*)"')
_LONGEST_HEAD = 500
_BARE = ('{"name":', '{"type":"function"', '{"function":')


class CallFilter:
    """Passes on the text of one answer, which comes in pieces, up to where a call begins.

    The rest is only hidden while the answer comes: at the end its whole text says whether it was a call.
    With `bare`, an answer that begins as JSON which calls one of the functions of these `names` is a call.
    """

    def __init__(self, names: Collection[str], *, bare: bool) -> None:
        self._names = names
        self._begins = bare
        self._calls = False
        self._held = ""
        self._passed: list[str] = []

    def feed(self, text: str) -> str:
        """Return what may be shown, now that this text has come."""
        if self._calls or not (text or self._held):
            return ""
        self._held += text
        if self._begins and _may_be_bare(self._held, self._names):
            return ""
        self._begins = False
        normal = self._held.translate(_ASCII)
        begin = _BEGIN.search(normal)
        if begin is not None:
            self._calls = begin.end() < len(normal)
        end = len(normal) - _measure_tail(normal) if begin is None else begin.start()
        passed, self._held = self._held[:end], self._held[end:]
        self._passed.append(passed)
        return passed

    def rest(self, text: str) -> str:
        """Return what was not passed on of an answer that, without its calls, is this text."""
        passed = "".join(self._passed).strip()
        return text[len(passed) :].strip() if text.startswith(passed) else ""


def _may_be_bare(text: str, names: Collection[str]) -> bool:
    """Return whether a text, of which this has come so far, may be a call of these functions as JSON."""
    named = _NAMED_IN_JSON.search(text[:_LONGEST_HEAD])
    if named is not None and named[1] not in names:
        return False
    fence = _FENCE.match(text[:_LONGEST_HEAD])
    begin = re.sub(r"\s", "", text[fence.end() if fence else 0 :][:64]).removeprefix("[")
    return any(each.startswith(begin) or begin.startswith(each) for each in _BARE)


def _measure_tail(text: str) -> int:
    """Return how many characters at the end may be the beginning of a sign."""
    tail = text[-_LONGEST:]
    sizes = (len(tail) - start for start, sign in enumerate(tail) if sign in "<[")
    return next((size for size in sizes if any(each.startswith(tail[-size:]) for each in _SIGNS)), 0)
