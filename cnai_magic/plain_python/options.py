"""The options of a question from the arguments of the method that asks it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..api.parameters import PARAMETERS
from ..chat.tools import build_tools
from ..session.attached_files import attach_all
from ..session.question import Options
from ..settings import Cnai
from .checks import check_text

__all__ = ["NO_OPTIONS", "read_options"]

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
