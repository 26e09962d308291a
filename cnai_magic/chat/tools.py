"""Functions of the notebook that a model may call: how they are described to it, and how a call reaches them.

Only functions that a person named are here. What a model writes as arguments is read as JSON and held to the
schema of the function's signature before anything runs.
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from ..api.parameters import FUNCTION_NAME
from ..errors import InputError
from .formatters.masking import is_secret_name, mask_secrets
from .json_answer import JSONProblem, read_json
from .python_values import to_python
from .schemas import check_schema
from .type_schemas import DEFINITIONS, read_hints, schema_of_type

__all__ = ["CallError", "Tool", "build_tools"]

_LONGEST_DESCRIPTION = 4_000
_LONGEST_DEFAULT = 200
_MOST_TOOLS = 128
_WRITE_ONE = "write a function of your own that calls it, with type hints and a docstring"
_Kind = inspect.Parameter
_POSITIONAL = (_Kind.POSITIONAL_ONLY, _Kind.POSITIONAL_OR_KEYWORD)


class CallError(Exception):
    """A call cannot be made as the model wrote it; `str()` says why, in words for the model."""


@dataclass(frozen=True, slots=True)
class Tool:
    """One function that a model may call, under a `name`; `about` describes it to the model."""

    name: str
    about: Mapping[str, Any]
    function: Callable[..., object] = field(repr=False, compare=False)
    hints: Mapping[str, Any] = field(repr=False, compare=False)
    signature: inspect.Signature = field(repr=False, compare=False)

    def bind(self, arguments: str) -> inspect.BoundArguments:
        """Return the arguments of a call as values of Python; raises CallError for what does not fit."""
        try:
            given = read_json(arguments, self.about["parameters"])
        except JSONProblem as problem:
            raise CallError(f"the arguments are not valid: {problem}") from problem
        positional: list[Any] = []
        named: dict[str, Any] = {}
        left = dict(given)
        for parameter in self.signature.parameters.values():
            name, hint = parameter.name, self.hints.get(parameter.name, Any)
            if parameter.kind is _Kind.VAR_KEYWORD:
                named |= {each: self._convert(each, value, hint) for each, value in left.items()}
            elif name not in left:
                if self._takes_more and parameter.kind in _POSITIONAL:
                    positional.append(parameter.default)
            elif parameter.kind is _Kind.VAR_POSITIONAL:
                positional += [self._convert(name, each, hint) for each in left.pop(name)]
            elif parameter.kind is _Kind.KEYWORD_ONLY or not self._takes_more:
                named[name] = self._convert(name, left.pop(name), hint)
            else:
                positional.append(self._convert(name, left.pop(name), hint))
        try:
            return self.signature.bind(*positional, **named)
        except TypeError as error:
            raise CallError(f"the arguments do not fit: {error}") from error

    @property
    def _takes_more(self) -> bool:
        """Whether arguments are given by their place."""
        kinds = {each.kind for each in self.signature.parameters.values()}
        return bool(kinds & {_Kind.VAR_POSITIONAL, _Kind.POSITIONAL_ONLY})

    def _convert(self, name: str, value: Any, hint: Any) -> Any:
        try:
            return to_python(value, hint)
        except Exception as error:  # whatever a type raises that is made of a value
            raise CallError(f"the argument {name} is not valid: {error}") from error


def build_tools(functions: Mapping[str, object] | Sequence[object]) -> tuple[Tool, ...]:
    """Return functions as tools: by their names in a mapping, or by those that they have themselves.

    Raises InputError, which names the function, for one that a model cannot call.
    """
    if callable(functions) and not isinstance(functions, Mapping):
        raise InputError("tools are a list of functions", parameter="tools", next_step="write them as [f, g]")
    if isinstance(functions, Mapping):
        named = list(functions.items())
    elif isinstance(functions, list | tuple):
        named = [(_find_name(each), each) for each in functions]
    else:
        kind = type(functions).__name__
        raise InputError(f"tools are of type {kind}, not a list of functions", parameter="tools")
    if len(named) > _MOST_TOOLS:
        raise InputError(
            f"there are {len(named)} tools", parameter="tools", why=f"{_MOST_TOOLS} are possible"
        )
    seen: set[str] = set()
    for name, _ in named:
        if name in seen:
            raise InputError(f"two tools have the name {name}", parameter="tools")
        seen.add(name)
    return tuple(_build_tool(name, function) for name, function in named)


def _find_name(function: object) -> str:
    name = getattr(function, "__name__", "")
    if callable(function) and (not name or name == "<lambda>"):
        raise InputError(
            f"{function!r:.60} has no name that a model could call",
            parameter="tools",
            next_step="write it as def NAME(…)",
        )
    return str(name) or type(function).__name__


def _build_tool(name: str, function: Any) -> Tool:
    _check_function(name, function)
    signature = _read_signature(name, function)
    whole = _find_whole(function)
    annotated = whole if hasattr(whole, "__annotations__") else type(whole).__call__
    hints = read_hints(annotated, name, parameter="tools")
    parameters = _describe_parameters(name, signature, hints)
    # A docstring is sent as it is read here: a key in it is not.
    docstring: Any = inspect.getdoc(_find_whole(function))
    words, _ = mask_secrets(docstring[:_LONGEST_DESCRIPTION] if isinstance(docstring, str) else "")
    about = {"description": words, "parameters": parameters} if words else {"parameters": parameters}
    return Tool(name, about, function, hints, signature)


def _check_function(name: str, function: Any) -> None:
    why = step = ""
    if not FUNCTION_NAME.fullmatch(name):
        why, step = "servers take names of at most 64 letters (a–z), digits, _ and -", "rename it"
    elif isinstance(function, type):
        why, step = "it is a class", "name a function, which may make an object of it"
    elif not callable(function):
        why, step = f"it is a value of type {type(function).__name__}", "name a function"
    elif _is_any(function, inspect.isgeneratorfunction, inspect.isasyncgenfunction):
        why, step = "it yields, and has no result", "return a list"
    if why:
        raise InputError(f"{name:.100} cannot be a tool", parameter="tools", why=why, next_step=step)


def _is_any(function: Any, *tests: Callable[[Any], bool]) -> bool:
    function = _find_whole(function)
    with suppress(ValueError):  # one that says of itself that it wraps itself
        function = inspect.unwrap(function)
    return any(test(each) for test in tests for each in (function, type(function).__call__))


def _find_whole(function: Any) -> Any:
    """Return the function of which one with some arguments given is a part."""
    while isinstance(function, functools.partial):
        function = function.func
    return function


def _read_signature(name: str, function: Any) -> inspect.Signature:
    try:
        return inspect.signature(function)
    except (ValueError, TypeError) as exc:
        raise InputError(
            f"{name} cannot be a tool",
            parameter="tools",
            why="Python does not know its arguments: it is not written in Python",
            next_step=_WRITE_ONE,
        ) from exc


def _describe_parameters(name: str, signature: inspect.Signature, hints: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON Schema of the arguments: an object with one property for each."""
    properties: dict[str, Any] = {}
    required: list[str] = []
    definitions: dict[str, Any] = {}
    more: Any = False
    if next(iter(signature.parameters), "") == "self":
        raise InputError(
            f"{name} cannot be a tool",
            parameter="tools",
            why="it is the method of a class, and needs an object",
            next_step=f"name the method of an object: OBJECT.{name}",
        )
    for parameter in signature.parameters.values():
        try:
            schema = _describe_type(name, parameter.name, hints.get(parameter.name, Any))
        except InputError:
            if parameter.default is _Kind.empty:
                raise
            continue  # a model cannot give it, and need not
        for word in DEFINITIONS:
            if held := schema.pop(word, None):
                definitions[word] = definitions.get(word, {}) | held
        if parameter.kind is _Kind.VAR_KEYWORD:
            more = schema or True
            continue
        if parameter.kind is _Kind.VAR_POSITIONAL:
            schema = {"type": "array", "items": schema}
        elif parameter.default is _Kind.empty:
            required.append(parameter.name)
        elif _may_be_sent(parameter) and "$ref" not in schema:
            schema = {**schema, "default": parameter.default}
        properties[parameter.name] = schema
    whole: dict[str, Any] = {"type": "object", "properties": properties, "required": required}
    whole["additionalProperties"] = more
    whole |= definitions
    _check_whole(name, whole)
    return whole


def _may_be_sent(parameter: inspect.Parameter) -> bool:
    """Return whether the default of an argument is a value of JSON that is neither long nor secret."""
    value = parameter.default
    if type(value) is str:
        secret = is_secret_name(parameter.name) or mask_secrets(value)[1]
        return len(value) <= _LONGEST_DEFAULT and not secret
    return type(value) in (int, bool) or (type(value) is float and math.isfinite(value))


def _describe_type(name: str, argument: str, hint: Any) -> dict[str, Any]:
    try:
        return dict(schema_of_type(hint))
    except InputError as error:
        raise InputError(
            f"the argument {argument} of {name} cannot be described to a model",
            parameter="tools",
            why=f"{error.what}; {error.why}" if error.why else error.what,
            next_step=_WRITE_ONE,
        ) from error


def _check_whole(name: str, schema: Mapping[str, Any]) -> None:
    try:
        check_schema(schema)
    except InputError as error:
        why = f"{error.what}; {error.why}".removesuffix("; ")
        raise InputError(f"{name} cannot be a tool", parameter="tools", why=why) from error
