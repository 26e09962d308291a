"""Reads the JSON of an answer: bare, in a fence or in prose, and holds it to a schema.

Models put words before JSON and after it, fences around it, a comma too many into it, numbers into quotes,
and several values into one answer. What can be read in one way only is read; all else is an error that says
what is wrong, in words that a model can use.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from math import isfinite
from typing import Any

from ..redaction import replace_surrogates
from .json_formats import make_format_checker
from .markdown import fenced_blocks

__all__ = ["DATA_LANGUAGES", "JSONProblem", "read_json"]

DATA_LANGUAGES = frozenset({"json", "json5", "jsonc", "jsonl", "ndjson", "geojson"})
"""Names of blocks that hold data, not code."""

_MOST_CANDIDATES = 50
_MOST_PASSED_OVER = 20
_MOST_PROBLEMS = 5
_LONGEST_PROBLEM = 160
_THOUGHT = re.compile(r"^.*?</think(?:ing)?>", re.DOTALL | re.IGNORECASE)
_OPENING = re.compile(r"[{\[]")
# So begins JSON, and hardly any prose in brackets.
_BEGINS_JSON = re.compile(r'\{\s*["}]|\[\s*(?:["{\[\]\d-]|true|false|null)')
_INSIDE = re.compile(r'\\.|["{}\[\]]', re.DOTALL)
_PAIRS = {"{": "}", "[": "]"}
# A comma before a closing bracket, and comments; texts are passed over. No part can fail far from its start.
_SUPERFLUOUS = re.compile(
    r'(?P<text>"(?:[^"\\]+|\\.)*"?)|,(?=\s*[}\]])|(?<!:)//[^\n]*|/\*.*?(?:\*/|\Z)', re.DOTALL
)


class JSONProblem(ValueError):
    """An answer is not the JSON that was asked for; `str()` says why.

    `found` tells that there is JSON, which does not fit; `cut` that JSON begins, and does not end.
    """

    def __init__(self, why: str, *, found: bool = False, cut: bool = False) -> None:
        super().__init__(why)
        self.found = found
        self.cut = cut


def read_json(text: str, schema: Mapping[str, Any] | None = None) -> Any:
    """Return the value that an answer holds as JSON, fitted to `schema`; raises JSONProblem.

    What servers want wrapped in an object is unwrapped, an optional field that is null is left out, and a
    number in quotes is a number where the schema wants one.
    """
    text = text.removeprefix("\ufeff").strip()
    if text[:1] not in _PAIRS:
        text = _THOUGHT.sub("", text, count=1).strip()
    if not text:
        raise JSONProblem("the answer is empty")
    fit = _Fit(schema or {})
    problem: JSONProblem | None = None
    for group in _list_candidates(text):
        values = [value for value in map(_parse, group) if value is not _NOTHING]
        try:
            if values:
                return fit.choose(values)
        except JSONProblem as error:
            problem = problem or error
        except RecursionError:
            problem = problem or JSONProblem("the JSON is nested too deep")
    if problem is not None:
        raise problem
    raise _explain_no_json(text)


# -- where the JSON is ----------------------------------------------------------------------------


def _list_candidates(text: str) -> Iterator[list[str]]:
    """Yield groups of texts that may be JSON, the likeliest first."""
    yield [text]
    blocks = fenced_blocks(text)
    for named in (True, False):
        yield [code for info, code in blocks if (info.lower() in DATA_LANGUAGES) is named][:_MOST_CANDIDATES]
    yield list(_find_embedded(text))


def _find_embedded(text: str) -> Iterator[str]:
    """Yield the parts of a text from a bracket to the one that closes it, but no part of broken JSON."""
    at, found, passed_over = 0, 0, 0
    while found < _MOST_CANDIDATES and passed_over < _MOST_PASSED_OVER:
        opening = _OPENING.search(text, at)
        if opening is None:
            return
        start, end = opening.start(), _find_end(text, opening.start())
        if end and _parse(text[start:end]) is not _NOTHING:
            yield text[start:end]
            found, at = found + 1, end
        elif not _BEGINS_JSON.match(text, start):
            passed_over, at = passed_over + 1, opening.end()
        elif end:
            passed_over, at = passed_over + 1, end
        else:
            return


def _find_end(text: str, start: int) -> int:
    """Return where the bracket at `start` is closed, 0 where it is not."""
    open_brackets: list[str] = []
    in_text = False
    for match in _INSIDE.finditer(text, start):
        mark = match[0]
        if mark == '"':
            in_text = not in_text
        elif in_text or mark[0] == "\\":
            continue
        elif mark in _PAIRS:
            open_brackets.append(_PAIRS[mark])
        elif not open_brackets or open_brackets.pop() != mark:
            return 0
        elif not open_brackets:
            return match.end()
    return 0


def _explain_no_json(text: str) -> JSONProblem:
    begin = _BEGINS_JSON.search(text) or _OPENING.search(text)
    if begin is None:
        return JSONProblem("there is no JSON in the answer")
    end = _find_end(text, begin.start())
    if not end:
        return JSONProblem("the JSON is not complete", cut=True)
    try:
        _load(text[begin.start() : end])
    except (ValueError, RecursionError) as error:
        return JSONProblem(f"the JSON cannot be read: {str(error)[:_LONGEST_PROBLEM]}")
    return JSONProblem("there is no JSON in the answer")


# -- reading it -----------------------------------------------------------------------------------

_NOTHING = object()


def _parse(text: str) -> Any:
    """Return the value of a text that is JSON, or nearly; `_NOTHING` where it is not."""
    for each in (text, _SUPERFLUOUS.sub(lambda match: match["text"] or "", text)):
        try:
            value = _load(each)
        except (ValueError, RecursionError):
            continue
        # JSON that was written as a text of JSON.
        if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
            inner = _parse(value)
            return value if inner is _NOTHING else inner
        return value
    return _NOTHING


def _load(text: str) -> Any:
    # Line breaks within texts are taken, which JSON has as \n.
    return json.loads(
        text, strict=False, parse_constant=_refuse, parse_float=_read_float, object_pairs_hook=_read_object
    )


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not JSON: write null, or a number")


def _read_float(digits: str) -> float:
    number = float(digits)
    if not isfinite(number):
        raise ValueError(f"{digits[:40]} is too large a number")
    return number


def _read_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # Half of a character, written as \ud83d, cannot be saved or sent.
    return {replace_surrogates(name): _replace_surrogates_in(value) for name, value in pairs}


def _replace_surrogates_in(value: Any) -> Any:
    if isinstance(value, str):
        return replace_surrogates(value)
    return [_replace_surrogates_in(each) for each in value] if isinstance(value, list) else value


# -- the schema -----------------------------------------------------------------------------------


class _Fit:
    """Fits values to one schema."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._schema = schema
        self._validator = _make_validator(schema) if schema else None

    def choose(self, values: list[Any]) -> Any:
        """Return the one of these values that fits, or all of them where a list of them does."""
        problems: list[JSONProblem] = []
        fitting: list[Any] = []
        for value in values:
            try:
                fitted = self.fit(value)
            except JSONProblem as problem:
                problems.append(problem)
                continue
            if fitted not in fitting:
                fitting.append(fitted)
        if len(fitting) == 1:
            return fitting[0]
        if len(values) > 1 and self._schema.get("type") == "array":
            return self.fit(values if not fitting else [each for some in fitting for each in some])
        if fitting:
            raise JSONProblem(f"there are {len(fitting)} different JSON values in the answer", found=True)
        raise problems[0]

    def fit(self, value: Any) -> Any:
        """Return a value as the schema has it; raises JSONProblem."""
        if self._validator is None:
            return value
        first = self._adapt(value, self._schema, self._validator)
        if self._validator.is_valid(first):
            return first
        # As it was asked for, in an object, or as a model names it that wraps it by itself.
        if isinstance(value, dict) and len(value) == 1 and self._schema.get("type") != "object":
            (inner,) = value.values()
            inner = self._adapt(inner, self._schema, self._validator)
            if self._validator.is_valid(inner):
                return inner
            if set(value) <= {"items", "value"}:
                first = inner
        raise JSONProblem(self._list_problems(first), found=True)

    def _list_problems(self, value: Any) -> str:
        assert self._validator is not None, "without a schema, everything fits"
        errors = sorted(self._validator.iter_errors(value), key=lambda error: len(error.absolute_path))
        said = [f"{_describe_place(error.absolute_path)}{_shorten(error.message)}" for error in errors]
        more = len(said) - _MOST_PROBLEMS
        return "; ".join(said[:_MOST_PROBLEMS]) + (f"; and {more} more" if more > 0 else "")

    def _adapt(self, value: Any, schema: Any, validator: Any) -> Any:
        """Return a value with the small differences to its schema put right, where there are any."""
        schema = self._resolve(schema)
        if not isinstance(schema, Mapping):
            return value
        for name in ("anyOf", "oneOf"):
            options = schema.get(name)
            if isinstance(options, list):
                return self._choose_option(value, options, validator)
        if isinstance(value, dict) and isinstance(schema.get("properties"), Mapping):
            return self._adapt_object(value, schema, validator)
        if isinstance(value, list) and isinstance(schema.get("items"), Mapping):
            return [self._adapt(each, schema["items"], validator) for each in value]
        return _read_scalar(value, schema.get("type")) if isinstance(value, str) else value

    def _choose_option(self, value: Any, options: list[Any], validator: Any) -> Any:
        if any(validator.evolve(schema=option).is_valid(value) for option in options):
            return value
        for option in options:
            adapted = self._adapt(value, option, validator)
            if validator.evolve(schema=option).is_valid(adapted):
                return adapted
        return value

    def _adapt_object(
        self, value: dict[str, Any], schema: Mapping[str, Any], validator: Any
    ) -> dict[str, Any]:
        required, found = schema.get("required", ()), {}
        for name, each in value.items():
            part = schema["properties"].get(name, {})
            if each is None and name not in required and not validator.evolve(schema=part).is_valid(None):
                continue
            found[name] = self._adapt(each, part, validator)
        return found

    def _resolve(self, schema: Any) -> Any:
        """Return the schema that a reference names; see `schemas`: all of them stay within it."""
        for _ in range(10):
            reference = schema.get("$ref") if isinstance(schema, Mapping) else None
            if not isinstance(reference, str):
                break
            schema = self._schema
            for step in reference.lstrip("#").split("/")[1:]:
                step = step.replace("~1", "/").replace("~0", "~")
                schema = schema.get(step) if isinstance(schema, Mapping) else None
        return schema


def _make_validator(schema: Mapping[str, Any]) -> Any:
    from jsonschema.validators import Draft202012Validator, validator_for

    kind = validator_for(schema, default=Draft202012Validator)
    return kind(schema, format_checker=make_format_checker())


def _read_scalar(text: str, kind: Any) -> Any:
    """Return the number or truth value that a text is, where the schema wants one and no text."""
    kinds = kind if isinstance(kind, list) else [kind]
    if "string" in kinds or not {"integer", "number", "boolean"} & set(kinds):
        return text
    try:
        value = _load(text)
    except (ValueError, RecursionError):
        return text
    if isinstance(value, bool):
        return value if "boolean" in kinds else text
    if isinstance(value, int) or (isinstance(value, float) and ("number" in kinds or value.is_integer())):
        return value if {"integer", "number"} & set(kinds) else text
    return text


def _describe_place(path: Any) -> str:
    steps = [f"[{each}]" if isinstance(each, int) else f".{each}" for each in path]
    return f"{_shorten(''.join(steps).removeprefix('.'))}: " if steps else ""


def _shorten(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_PROBLEM else f"{line[: _LONGEST_PROBLEM - 1]}…"
