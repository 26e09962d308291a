"""Makes foreign text safe to show: keys are hidden, control sequences are removed."""

from __future__ import annotations

import re

__all__ = ["ApiKey", "redact", "strip_controls"]

_HIDDEN = "sk-…"

# What is shorter is a placeholder ("EMPTY", "ollama"), no secret; hiding it would garble other words.
_SHORTEST_SECRET = 8

_KEY_SHAPE = re.compile(r"\bsk-[A-Za-z0-9*_-]{6,}")
# ECMA-48: OSC, DCS, SOS, PM and APC strings up to their terminator, then CSI, then two-byte escapes.
_SEQUENCE = re.compile(
    # A string does not hold the start of another: so the search stays linear in hostile text.
    r"(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x90\x98\x9c-\x9f]*(?:\x07|\x1b\\|\x9c|$)"
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"
    r"|\x1b[ -/]*[0-~]?"
)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class ApiKey:
    """Holds an API key so that no `repr`, log line, traceback or pickle shows it.

    The key itself is had from `reveal()` and from nowhere else.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value.strip()

    def reveal(self) -> str:
        """Return the key in clear, for the `Authorization` header."""
        return self._value

    def bearer(self) -> str:
        """Return the value of the `Authorization` header, which hides itself from whoever shows variables."""
        return _Bearer(f"Bearer {self._value}")

    def hide_in(self, text: str) -> str:
        """Return `text` with this key replaced by `sk-…`."""
        return text.replace(self._value, _HIDDEN) if len(self._value) >= _SHORTEST_SECRET else text

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ApiKey) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return f"ApiKey({_HIDDEN!r})"

    def __reduce__(self) -> str:
        raise TypeError("an API key is not to be pickled")


class _Bearer(str):
    """Text whose `repr` does not show it: verbose tracebacks print the variables of each frame."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(f"Bearer {_HIDDEN}")


def redact(text: str, *keys: ApiKey | None) -> str:
    """Return `text` with the given keys, and all that has the shape of one, replaced by `sk-…`."""
    for key in keys:
        if key:
            text = key.hide_in(text)
    return _KEY_SHAPE.sub(_HIDDEN, text)


def strip_controls(text: str) -> str:
    r"""Return `text` without terminal control sequences; `\n` and `\t` stay, `\r\n` becomes `\n`."""
    if text.isprintable():
        return text
    return _CONTROL.sub("", _SEQUENCE.sub("", text.replace("\r\n", "\n")))
