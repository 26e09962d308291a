"""Calls the functions that a question names, with arguments that stand in it.

`mean([1, 2, 3])` and `mean(values=[1, 2, 3])` are read as Python writes them. In a sentence, numbers go to
arguments that are numbers, quoted texts and names to those that are texts, in their order. A function that
needs what the question does not have is not called, unless the request demands it.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import uuid4

from ..api.message_parts import ToolCall
from ..api.messages import Chunk
from ..api.tool_calls import CalledTools
from .guide_question import GuideQuestion
from .request import DemoRequest
from .schema_filler import fill_schema
from .tokenizer import iterate_tokens

__all__ = ["call_tools"]

_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?![\w.]*\d)")
_QUOTED = re.compile("[\"'“‘「](.+?)[\"'”’」]")
_NAME = re.compile(r"\b[A-Z][\w'-]*(?: [A-Z][\w'-]*)*")
_LONGEST = 4_000
_MISSING = object()


def call_tools(request: DemoRequest, question: GuideQuestion) -> Iterator[Chunk] | None:
    """Return the calls of an answer, a token in each chunk; None where the question asks for none."""
    if not request.tools or question.results:
        return None
    text = question.text[:_LONGEST]
    places = {name: _find_name(name, text) for name in request.tools}
    named = sorted((place.start(), name) for name, place in places.items() if place is not None)
    calls = [(name, _find_arguments(request.tools[name], text, places[name])) for _, name in named]
    found = [(name, arguments) for name, arguments in calls if arguments is not None]
    if not found and request.must_call:
        name = named[0][1] if named else next(iter(request.tools))
        found = [(name, _find_or_fill(question, request.tools[name], text))]
    return _write(found) if found else None


def _find_or_fill(question: GuideQuestion, schema: Mapping[str, Any], text: str) -> dict[str, Any]:
    """Return arguments for a call that has to be made; what the text does not have is empty, or 0."""
    found = _find_arguments(schema, text, None)
    if found is not None:
        return found
    filled = fill_schema(question, schema, "", None, known=False)
    needed = _list_required(schema)
    return {name: filled[name] for name in needed if name in filled} if isinstance(filled, dict) else {}


def _write(calls: list[tuple[str, Any]]) -> Iterator[Chunk]:
    for name, arguments in calls:
        identifier = f"call_{uuid4().hex[:24]}"
        for piece in iterate_tokens(json.dumps(arguments, ensure_ascii=False)):
            yield Chunk(called=CalledTools((ToolCall(identifier, name, piece),)))


def _find_name(name: str, text: str) -> re.Match[str] | None:
    words = re.escape(name).replace("_", "[_ ]")
    return re.search(rf"(?<![A-Za-z0-9_]){words}(?![A-Za-z0-9_])", text, re.IGNORECASE)


def _find_arguments(
    schema: Mapping[str, Any], text: str, place: re.Match[str] | None
) -> dict[str, Any] | None:
    """Return the arguments that a text has for a function, None where one is missing that it needs."""
    properties = schema.get("properties")
    properties = properties if isinstance(properties, Mapping) else {}
    written = None if place is None else _read_call(text[place.start() :], list(properties))
    if written is not None:
        return written
    rest = text if place is None else text[: place.start()] + " " + text[place.end() :]
    finder = _Finder(rest, single=len(properties) == 1)
    found = {name: finder.find(name, part) for name, part in properties.items() if isinstance(part, Mapping)}
    given = {name: value for name, value in found.items() if value is not _MISSING}
    return None if any(name not in given for name in _list_required(schema)) else given


def _list_required(schema: Mapping[str, Any]) -> list[str]:
    required = schema.get("required")
    return [name for name in required if isinstance(name, str)] if isinstance(required, list) else []


def _read_call(text: str, names: list[str]) -> dict[str, Any] | None:
    """Return the arguments of a call as Python writes it, at the beginning of a text."""
    opening = re.match(r"\w+\(", text)
    if opening is None:
        return None
    for closing in [match.end() for match in re.finditer(r"\)", text)][:20]:
        try:
            tree = ast.parse(text[:closing], mode="eval").body
            assert isinstance(tree, ast.Call), "it is written as a call"
            given = dict(zip(names, map(ast.literal_eval, tree.args), strict=False))
            given |= {each.arg: ast.literal_eval(each.value) for each in tree.keywords if each.arg}
            json.dumps(given, allow_nan=False)
        except (ValueError, SyntaxError, TypeError, AssertionError, RecursionError, MemoryError):
            continue
        return given
    return None


class _Finder:
    """Finds values in a sentence, each once; a `single` argument may be all that is left of it."""

    def __init__(self, text: str, *, single: bool) -> None:
        self._text = text
        self._numbers = [json.loads(each) for each in _NUMBER.findall(text) if not _is_odd(each)]
        self._texts = _QUOTED.findall(text)
        for match in _NAME.finditer(text):
            # The first word of a sentence has a capital letter too.
            before = text[: match.start()].rstrip()
            if before and before[-1] not in ".?!" and match[0] not in self._texts:
                self._texts.append(match[0])
        self._single = single

    def find(self, name: str, schema: Mapping[str, Any]) -> Any:
        """Return the value of an argument, `_MISSING` where there is none."""
        kinds = schema.get("type", "string")
        kinds = kinds if isinstance(kinds, list) else [kinds]
        if isinstance(schema.get("enum"), list):
            return next(
                (each for each in schema["enum"] if str(each).lower() in self._text.lower()), _MISSING
            )
        said = re.search(rf"\b{re.escape(name)}\s*(?:=|:|is)\s*[\"']?([^\s,;\"']+)", self._text)
        if "array" in kinds:
            items = schema.get("items")
            inner = items.get("type", "number") if isinstance(items, Mapping) else "number"
            return self._take_all(self._numbers if inner in ("number", "integer") else self._texts)
        if "number" in kinds or "integer" in kinds:
            whole = "number" not in kinds
            fitting = [each for each in self._numbers if not whole or each == int(each)]
            return self._take(fitting[0]) if fitting else _MISSING
        if "string" in kinds:
            if said is not None:
                return said[1]
            return self._texts.pop(0) if self._texts else self._find_rest()
        return _MISSING

    def _take(self, number: float) -> float:
        self._numbers.remove(number)
        return number

    def _take_all(self, values: list[Any]) -> Any:
        taken, values[:] = list(values), []
        return taken or _MISSING

    def _find_rest(self) -> Any:
        """Return what follows "of", "for", "in" and the like, where one text is wanted."""
        after = re.search(r"\b(?:of|for|in|on|with|to)\s+(?:the\s+)?([^.?!,\n]{1,200})", self._text)
        return after[1].strip() if after is not None and self._single else _MISSING


def _is_odd(digits: str) -> bool:
    """Return whether JSON does not write a number so: 007."""
    return re.match(r"-?0\d", digits) is not None or len(digits) > 300
