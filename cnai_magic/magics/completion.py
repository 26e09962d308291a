"""Completes the lines of the magics, and the names inside `{{ }}` of a prompt.

Only what is known already is offered: nothing asks a server while somebody types.
"""

from __future__ import annotations

import re
import shlex
from argparse import Action
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..api.parameters import VARIED
from ..api.thinking_control import LEVELS
from ..chat.prompts.prompt_filters import FILTERS
from ..chat.rating import RATINGS
from ..errors import CnaiError
from ..session.servers import list_known_models
from .arguments import Parser
from .chat_commands import list_chat_commands
from .chat_rating import AWAY
from .parsers import (
    build_ask_parser,
    build_chat_parsers,
    build_code_parser,
    build_fix_parser,
    build_key_parser,
    build_models_parser,
    build_prompt_parser,
    build_spend_parser,
)
from .prompts import list_prompts

if TYPE_CHECKING:
    from .shell_session import ShellSession

__all__ = ["Completion", "complete"]

_MAGIC = re.compile(r"\s*(?:[\w.\[\], ]+=\s*)?(?P<magic>%%?cnai(?:_[a-z]+)?)\s(?P<line>.*)\Z", re.DOTALL)
_EXPRESSION = re.compile(r"(?<!\\)\{\{(?P<head>[^{}\n]*?)(?P<name>[A-Za-z_][\w.]*)?\Z")
# What stands before a name in an expression: nothing, an operator, an opening bracket.
_OPERAND_FOLLOWS = re.compile(r"(?:^|[-+*/%<>=!~(\[,:]|\b(?:and|or|not|in|is|if|else))\Z")
_PARSERS: dict[str, Callable[[], Parser]] = {
    "%%cnai": build_ask_parser,
    "%cnai": lambda: build_ask_parser("%cnai"),
    "%cnai_models": build_models_parser,
    "%cnai_code": build_code_parser,
    "%cnai_fix": build_fix_parser,
    "%cnai_prompt": build_prompt_parser,
    "%cnai_spend": build_spend_parser,
    "%cnai_key": build_key_parser,
}
_TAKE_CONVERSATION = ("use", "rename", "delete")
_MOST_FILES = 200


class Completion(NamedTuple):
    """What may stand in place of the `fragment` before the cursor, in order."""

    fragment: str
    candidates: list[str]


def complete(
    shell_session: ShellSession, text: str, before: str, *, in_first_line: bool
) -> Completion | None:
    """Return what completes the line up to the cursor, None where other completers know better.

    `text` is the whole cell, `before` the part of its line before the cursor.
    """
    is_prompt = text.lstrip().startswith("%%cnai")
    if is_prompt and not in_first_line:
        return _complete_body(shell_session, before)
    match = _MAGIC.match(before)
    if match is None or match["magic"].startswith("%%") is not (is_prompt and in_first_line):
        return None
    found = _complete_line(shell_session, match["magic"], match["line"])
    # With nothing to offer, what was typed is offered: else IPython offers keywords and other magics.
    return found._replace(candidates=found.candidates or [found.fragment]) if found else None


def _complete_body(shell_session: ShellSession, before: str) -> Completion:
    """Complete a name inside `{{ }}`; elsewhere a prompt is text, to which Python has nothing to add."""
    match = _EXPRESSION.search(before)
    if match is None:
        return Completion("", [])
    name = match["name"] or ""
    head = match["head"].rstrip()
    if head.endswith("|") and not head.endswith("||"):
        return _choose(name, list(FILTERS))
    if head.endswith("."):
        return Completion(name, [])  # IPython knows what it is an attribute of
    if not _OPERAND_FOLLOWS.search(head):
        return Completion(name, [name])
    owner, dot, attribute = name.rpartition(".")
    if not dot:
        return _choose(name, _list_variables(shell_session))
    value = shell_session.shell.user_ns.get(owner)
    return _choose(attribute, [each for each in _list_attributes(value) if not each.startswith("_")])


def _complete_line(shell_session: ShellSession, magic: str, line: str) -> Completion | None:
    *words, fragment = re.split(r"\s+", line)
    words = [word for word in words if word]
    if magic == "%cnai_chat":
        return _complete_chat(shell_session, words, fragment)
    build = _PARSERS.get(magic)
    if build is None:
        return None
    parser = build()
    option, value = (words[-1] if words else ""), fragment
    if fragment.startswith("--") and "=" in fragment:
        option, _, value = fragment.partition("=")
    action = _find_option(parser, option)
    if action is not None and action.nargs != 0:
        return _complete_value(shell_session, action, value)
    if fragment.startswith("-"):
        return _choose(fragment, _list_options(parser))
    if magic == "%%cnai" and not any(not word.startswith("-") for word in words):
        return _choose(fragment, _list_models(shell_session))
    if magic == "%cnai_models":
        return _choose(fragment, _list_models(shell_session))
    if magic == "%cnai_prompt":
        names = ["list", "save", "show", "delete"] if not words else _list_prompts(shell_session)
        return _choose(fragment, names)
    return Completion(fragment, [])


def _complete_chat(shell_session: ShellSession, words: list[str], fragment: str) -> Completion:
    if not words:
        return _choose(fragment, list_chat_commands())
    command = words[0]
    parser = build_chat_parsers().get(command)
    if parser is not None and fragment.startswith("-"):
        return _choose(fragment, _list_options(parser))
    if command in _TAKE_CONVERSATION:
        return _choose(fragment, _list_conversations(shell_session))
    if command == "rate":
        return _choose(fragment, (*RATINGS, AWAY) if len(words) > 1 else ())
    if command in ("export", "import") or words[-1] == "--from":
        return _complete_path(fragment)
    return Completion(fragment, [])


def _complete_value(shell_session: ShellSession, action: Action, fragment: str) -> Completion:
    """Complete the value of an option, by what it takes."""
    if action.choices:
        return _choose(fragment, [str(each) for each in action.choices])
    kind = next((each for each in action.option_strings if each.startswith("--")), "")
    if kind == "--think":
        return _choose(fragment, LEVELS)
    if kind in ("--file", "--csv"):
        return _complete_path(fragment)
    if kind == "--image":
        variables = _choose(fragment, _list_variables(shell_session))
        return variables if variables.candidates else _complete_path(fragment)
    if kind in _LISTS:
        return _complete_list(fragment, _LISTS[kind](shell_session))
    if kind == "--grid":
        # Without a space after it: the values follow the sign.
        return _choose(fragment, () if "=" in fragment else (f"{each}=" for each in VARIED))
    if kind == "--over":
        variables = _choose(fragment, _list_variables(shell_session))
        return variables if variables.candidates else _complete_path(fragment)
    names = _VALUES.get(kind)
    return Completion(fragment, []) if names is None else _choose(fragment, names(shell_session))


def _complete_list(fragment: str, known: Iterable[str]) -> Completion:
    """Complete the last of some names with commas between them; those before it are not offered again."""
    head, comma, name = fragment.rpartition(",")
    found = _choose(name, (each for each in known if each not in head.split(",")))
    return Completion(fragment, [f"{head}{comma}{each}" for each in found.candidates])


def _choose(fragment: str, known: Iterable[str]) -> Completion:
    """Return what begins with the fragment, else what holds it; cases are alike."""
    wanted = fragment.lower()
    names = list(dict.fromkeys(known))
    begins = [name for name in names if name.lower().startswith(wanted)]
    return Completion(fragment, begins or [name for name in names if wanted in name.lower()])


def _complete_path(fragment: str) -> Completion:
    typed = fragment.lstrip("\"'")
    folder, _, begin = typed.rpartition("/")
    try:
        place = Path(f"{folder}/" if folder or typed.startswith("/") else ".").expanduser()
        found = sorted(each for each in place.iterdir() if each.name.startswith(begin))[:_MOST_FILES]
    except (OSError, RuntimeError):
        return Completion(fragment, [])
    head = f"{folder}/" if folder or typed.startswith("/") else ""
    shown = [each for each in found if begin.startswith(".") or not each.name.startswith(".")]
    names = [f"{head}{each.name}{'/' * each.is_dir()}" for each in shown]
    return Completion(fragment, [shlex.quote(name) if re.search(r"\s", name) else name for name in names])


# -- what there is ------------------------------------------------------------------------------


def _list_options(parser: Parser) -> list[str]:
    return [each for action in parser.list_options() for each in action.option_strings if each[:2] == "--"]


def _find_option(parser: Parser, name: str) -> Action | None:
    return next((action for action in parser.list_options() if name in action.option_strings), None)


def _list_models(shell_session: ShellSession) -> list[str]:
    """Return the models that the server listed, if it was asked, and those that this notebook has asked."""
    session = shell_session.session
    try:
        endpoint = session.resolve_endpoint()
    except CnaiError:
        return []
    replies = [turn.reply for conversation in session.conversations for turn in conversation.turns]
    asked = [reply.model for reply in reversed(replies) if reply.demo == endpoint.demo]
    return [*list_known_models(session.servers, endpoint), *asked]


def _list_conversations(shell_session: ShellSession) -> list[str]:
    return [each.name for each in shell_session.session.conversations]


def _list_prompts(shell_session: ShellSession) -> list[str]:
    return [path.stem for path in list_prompts(shell_session)]


def _list_variables(shell_session: ShellSession) -> list[str]:
    shell = shell_session.shell
    hidden = shell.user_ns_hidden
    names = [name for name in shell.user_ns if isinstance(name, str)]
    own = [name for name in names if not name.startswith("_") and name not in hidden]
    return [*sorted(own), "In", "Out", "Err"]


def _list_functions(shell_session: ShellSession) -> list[str]:
    variables = shell_session.shell.user_ns
    return [name for name in _list_variables(shell_session) if callable(variables.get(name))]


def _list_expectations(shell_session: ShellSession) -> list[str]:
    """Return the names of functions and schemas."""
    variables = shell_session.shell.user_ns
    names = [name for name in _list_variables(shell_session) if name not in ("In", "Out", "Err")]
    return [name for name in names if callable(variables[name]) or isinstance(variables[name], Mapping)]


def _list_attributes(value: object) -> list[str]:
    """Return the names that a value has by itself and by its class; no code of its own is run."""
    found = {name for kind in type(value).__mro__ for name in vars(kind)}
    try:
        own = dict(object.__getattribute__(value, "__dict__"))
    except Exception:  # noqa: BLE001  it has none, or its class makes it by code that raises
        own = {}
    return sorted({*found, *(name for name in own if isinstance(name, str))})


_VALUES: dict[str, Callable[[ShellSession], list[str]]] = {
    "--model": _list_models,
    "--chat": _list_conversations,
    "--template": _list_prompts,
    "--judge": _list_models,
    "--rubric": _list_prompts,
    "--out": _list_variables,
    "--json": _list_variables,
    "--see": lambda shell_session: ["above"],
    "--expect": _list_expectations,
}
# Options that take several names, with commas between them.
_LISTS: dict[str, Callable[[ShellSession], list[str]]] = {
    "--compare": _list_models,
    "--tools": _list_functions,
}
