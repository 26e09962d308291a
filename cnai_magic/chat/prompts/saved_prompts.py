"""Saved prompts: a file of Markdown, with what belongs to the question before it (front matter).

    ---
    model: deepseek-chat
    temperature: 0
    system: You review code.
    variables:
      language: English
    ---
    Review this in {{ language }}:

    {{ input }}

The front matter has one `name: value` in each line, a few lines of YAML and no more. A value of several lines
stands below `name: |`, indented. `variables` have the values that the prompt uses unless a question gives
others; the system message may use them too. `{{ input }}` is what a question says itself; without it, that
follows at the end.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...api.parameters import BY_NAME, ParameterValue, dump_parameters
from ...errors import InputError
from ...nearest import suggest_name
from ..schemas import find_schema

__all__ = ["SavedPrompt", "format_saved_prompt", "read_saved_prompt"]

_RULE = "---"
_LINE = re.compile(r"([A-Za-z_][A-Za-z0-9_-]*):(?:[ \t]+(.*))?")
_INPUT = re.compile(r"\{\{\s*input\s*\}\}")
_TEXTS = ("model", "description", "system")
_KNOWN = (*_TEXTS, *BY_NAME, "variables")


@dataclass(frozen=True, slots=True)
class SavedPrompt:
    """A prompt under a `name`: its `body` with `{{ }}`, and the options of the questions that use it."""

    name: str
    body: str
    model: str = ""
    description: str = ""
    system: str | None = None
    parameters: Mapping[str, ParameterValue] = field(default_factory=dict)
    variables: Mapping[str, Any] = field(default_factory=dict)

    def around_input(self, text: str) -> list[str]:
        """Return the pieces of the body between which a question's own text stands, and after which."""
        pieces = _INPUT.split(self.body)
        if len(pieces) > 1 or not text.strip():
            return pieces
        return [f"{self.body}\n\n", ""]


def read_saved_prompt(name: str, text: str) -> SavedPrompt:
    """Read a saved prompt from the text of its file; raises InputError, which names the line."""
    lines = text.replace("\r\n", "\n").split("\n")
    if lines[0].rstrip() != _RULE:
        return SavedPrompt(name, text.strip("\n"))
    end = next((number for number, line in enumerate(lines[1:], 1) if line.rstrip() == _RULE), None)
    if end is None:
        raise _wrong(name, 1, "no second line --- ends what the first one begins")
    given: dict[str, Any] = {}
    for number, key, value in _read_entries(name, lines[1:end]):
        if key not in _KNOWN:
            known = suggest_name(key, _KNOWN) or f"there are: {', '.join(_KNOWN)}"
            raise _wrong(name, number, f"{key!r} is not known: {known}")
        try:
            given[key] = _read_value(key, value)
        except (InputError, ValueError) as error:
            raise _wrong(name, number, getattr(error, "why", "") or str(error)) from error
    return SavedPrompt(
        name,
        "\n".join(lines[end + 1 :]).strip("\n"),
        **{key: given[key] for key in (*_TEXTS, "variables") if key in given},
        parameters={key: given[key] for key in BY_NAME if key in given},
    )


def format_saved_prompt(prompt: SavedPrompt) -> str:
    """Return the text of the file that holds a prompt."""
    given: dict[str, Any] = {key: getattr(prompt, key) for key in _TEXTS if getattr(prompt, key)}
    given |= dump_parameters(prompt.parameters)
    lines = [_format_entry(key, value) for key, value in given.items()]
    if prompt.variables:
        entries = [_format_entry(key, value) for key, value in prompt.variables.items()]
        lines += ["variables:", *(f"  {entry}" for entry in entries)]
    # A body that begins with a rule would be taken for front matter.
    if lines or prompt.body.startswith(_RULE):
        lines = [_RULE, *lines, _RULE]
    return "\n".join([*lines, prompt.body]) + "\n"


def _read_entries(name: str, lines: Sequence[str]) -> Iterator[tuple[int, str, str | dict[str, str]]]:
    """Yield number, key and value of each entry; the value of `variables` is a dict."""
    index = 0
    while index < len(lines):
        line, number = lines[index].rstrip(), index + 2
        index += 1
        if not line or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise _wrong(name, number, f"{line[:60]!r} is not of the form `name: value`")
        key, value = match[1].replace("-", "_"), (match[2] or "").strip()
        first = index
        while index < len(lines) and (not lines[index].strip() or lines[index][0] in " \t"):
            index += 1
        block = _unindent(lines[first:index])
        if key == "variables" and not value:
            yield number, key, {each: str(text) for _, each, text in _read_entries(name, block)}
        elif value == "|":
            yield number, key, "\n".join(block).rstrip("\n")
        elif any(line.strip() for line in block):
            raise _wrong(name, number + 1, f"a text of several lines stands below `{key}: |`")
        else:
            yield number, key, value


def _unindent(lines: Sequence[str]) -> list[str]:
    widths = [len(line) - len(line.lstrip()) for line in lines if line.strip()]
    return [line[min(widths, default=0) :] for line in lines]


def _read_value(key: str, value: str | dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {name: _decode(text) for name, text in value.items()}
    if key == "variables":
        raise InputError("its variables stand below it, one in each line, indented")
    text = _decode(value) if value.startswith('"') else value
    if key in _TEXTS:
        return str(text)
    if not value:
        raise InputError(f"{key} has no value")
    return find_schema(str(text)) if key == "schema" else BY_NAME[key].read(str(text))


def _decode(text: str) -> Any:
    """Return a text, or what it is as JSON: a number, true, false, null, a text in quotes."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _format_entry(key: str, value: Any) -> str:
    if not isinstance(value, str):
        return f"{key}: {json.dumps(value, ensure_ascii=False)}"
    plain = value == value.strip() and value.isprintable() and value not in ("", "|") and value[0] not in '"#'
    return f"{key}: {value if plain and _decode(value) == value else json.dumps(value)}"


def _wrong(name: str, line: int, why: str) -> InputError:
    return InputError(
        f"the saved prompt {name!r} cannot be read: line {line}",
        why=why,
        next_step="correct its file",
    )
