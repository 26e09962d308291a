"""The fields of a request that are about tools. demo-guide calls functions, and no custom tools."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .field_checks import Check, allow_one_of, check_flag, check_structure, check_text, fail, filled, object_

__all__ = [
    "check_function_call",
    "check_functions",
    "check_tool_choice",
    "check_tools",
    "check_tools_together",
    "read_kind",
    "read_tools",
]

_NO_CALLS = "functions are called that are given as tools; auto and none are possible here"
_FUNCTION = {"name": filled, "description": check_text, "parameters": object_, "strict": check_flag}
_CUSTOM = {"name": filled, "description": check_text, "format": object_}


def check_tools(value: object, where: str) -> None:
    """Check `tools`: a list of functions and custom tools."""
    for place, tool in enumerate(_list(value, where)):
        _check_tool(tool, f"{where}[{place}]")


def check_functions(value: object, where: str) -> None:
    """Check `functions`, the predecessor of `tools`."""
    for place, function in enumerate(_list(value, where)):
        check_structure(function, f"{where}[{place}]", _FUNCTION, ("name",))


def check_tool_choice(value: object, where: str) -> None:
    """Check `tool_choice`: a word, one function, or some of the tools with a mode."""
    if isinstance(value, str):
        allow_one_of("none", "auto", "required")(value, where)
        return
    if not isinstance(value, Mapping):
        fail(where, "is neither text nor an object")
    allow_one_of("function", "custom", "allowed_tools")(value.get("type"), f"{where}.type")
    if value["type"] == "custom":
        fail(where, "names a custom tool", "demo-guide calls functions only")
    if value["type"] == "function":
        _check_named(value, where)
        return
    check_structure(value, where, {"type": check_text, "allowed_tools": object_}, ("allowed_tools",))
    inner = f"{where}.allowed_tools"
    fields = {"mode": allow_one_of("auto", "required"), "tools": _check_names}
    check_structure(value["allowed_tools"], inner, fields, ("mode", "tools"))


def _check_names(value: object, where: str) -> None:
    for place, each in enumerate(_list(value, where)):
        _check_named(each, f"{where}[{place}]")


def _check_named(value: object, where: str) -> None:
    """Check the name of a tool; what else is known of it may stand there too."""
    kind = read_kind(value, where)
    assert isinstance(value, Mapping), "what has a kind is an object"
    check_structure(value[kind], f"{where}.{kind}", _FUNCTION if kind == "function" else _CUSTOM, ("name",))


def read_tools(body: Mapping[str, Any]) -> tuple[dict[str, Mapping[str, Any]], bool]:
    """Return the schemas of the functions that may be called, by their names, and whether one has to be."""
    functions = [tool["function"] for tool in body.get("tools", ()) if tool["type"] == "function"]
    found = {each["name"]: each.get("parameters") or {"type": "object"} for each in functions}
    choice = body.get("tool_choice", "auto")
    if isinstance(choice, str):
        return ({} if choice == "none" else found), choice == "required"
    if choice["type"] == "function":
        allowed, must_call = [choice["function"]["name"]], True
    else:
        listed = choice["allowed_tools"]["tools"]
        allowed = [each["function"]["name"] for each in listed if each["type"] == "function"]
        must_call = choice["allowed_tools"]["mode"] == "required"
    return {name: found[name] for name in allowed if name in found}, must_call


def check_function_call(value: object, where: str) -> None:
    """Check `function_call`, the predecessor of `tool_choice`."""
    if isinstance(value, Mapping):
        fail(where, "names a function", _NO_CALLS)
    allow_one_of("none", "auto")(value, where)


def check_tools_together(body: Mapping[str, Any]) -> None:
    """Refuse a choice of tools where no tools are given."""
    for choice, needed in (
        ("tool_choice", "tools"),
        ("parallel_tool_calls", "tools"),
        ("function_call", "functions"),
    ):
        if choice in body and needed not in body:
            fail(choice, "is given", f"{needed} is not")
    chosen = body.get("tool_choice")
    if isinstance(chosen, Mapping) and chosen["type"] == "function":
        named, (found, _) = chosen["function"]["name"], read_tools(body)
        if named not in found:
            fail("tool_choice", f"names {named[:64]!r}", "it is not among the tools")


def read_kind(
    value: Any, where: str, fields: Mapping[str, Check] | None = None, required: tuple[str, ...] = ()
) -> str:
    """Return the type of a tool, or of a call of one, which stands in the field of that name.

    It may have `fields` beside it, and has those that are `required`.
    """
    if not isinstance(value, Mapping):
        fail(where, "is not an object")
    allow_one_of("function", "custom")(value.get("type"), f"{where}.type")
    kind = str(value["type"])
    check_structure(value, where, {"type": check_text, kind: object_, **(fields or {})}, (kind, *required))
    return kind


def _check_tool(tool: Any, where: str) -> None:
    kind = read_kind(tool, where)
    check_structure(tool[kind], f"{where}.{kind}", _FUNCTION if kind == "function" else _CUSTOM, ("name",))


def _list(value: object, where: str) -> list[Any]:
    if not isinstance(value, list) or not value:
        fail(where, "is not an array with entries")
    return value
