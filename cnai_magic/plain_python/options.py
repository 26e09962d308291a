"""The options of a question from the arguments of the method that asks it, whose types are checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..api.parameters import PARAMETERS
from ..chat.tools import build_tools
from ..errors import InputError
from ..session.attached_files import attach_all
from ..session.question import Options
from ..settings import Cnai

__all__ = ["NO_OPTIONS", "check_text", "read_options"]

# Options that rows do not have.
NO_OPTIONS: dict[str, Any] = {
    **dict.fromkeys(("logprobs", "prefix", "tools")),
    **dict.fromkeys(("files", "images"), ()),
    "chat": "",
    "new": False,
    "once": True,
}


def read_options(arguments: Mapping[str, Any], settings: Cnai) -> Options:
    """Return the options of a question; `arguments` are those of the method that asks it, by name."""
    for name in ("model", "system", "chat"):
        check_text(arguments[name], name)
    return Options(
        model=arguments["model"] or "",
        system=arguments["system"],
        parameters={row.name: arguments[row.name] for row in PARAMETERS if not row.functions},
        chat=arguments["chat"] or "",
        new=arguments["new"],
        once=arguments["once"],
        stream=arguments.get("stream", True),
        tools=() if arguments["tools"] is None else build_tools(arguments["tools"]),
    ).attaching(attach_all(arguments["files"], arguments["images"], settings))


def check_text(value: object, name: str) -> None:
    """Raise InputError, which names the argument, for what is neither text nor None."""
    if value is not None and not isinstance(value, str):
        raise InputError(f"{name} is of type {type(value).__name__}, not text", parameter=name)
