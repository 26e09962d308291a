"""Makes foreign text safe to show: keys are hidden, control sequences are removed."""

from __future__ import annotations

import re

__all__ = ["ApiKey", "KeyFilter", "hide_keys", "redact", "strip_controls"]

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

    __slots__ = ("_secret", "_value")

    def __init__(self, value: str) -> None:
        self._value = _unwrapped(value)
        # All keys begin alike, and some servers know them without that beginning.
        secret = self._value.removeprefix("sk-")
        if len(secret) < _SHORTEST_SECRET:
            secret = self._value if len(self._value) >= _SHORTEST_SECRET else ""
        self._secret = secret
        if secret:
            _met.add(self)

    def reveal(self) -> str:
        """Return the key in clear, for the `Authorization` header."""
        return self._value

    def bearer(self) -> str:
        """Return the value of the `Authorization` header, which hides itself from whoever shows variables."""
        return _Bearer(f"Bearer {self._value}")

    def hide_in(self, text: str) -> str:
        """Return `text` with this key replaced by `sk-…`."""
        if not self._secret:
            return text
        # Of `sk-x` only the x is replaced: the result is the same, and an x alone is hidden too.
        return text.replace(self._secret, "…" if self._secret != self._value else _HIDDEN)

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


# What is copied along with a key: the name of a variable or a header before it, quotes around it.
_BEFORE_KEY = re.compile(
    r"(?:(?:export|set|setx|%env)\s+|\$env:|-H\s+)|[\"']?[\w-]*(?:key|token)[\"']?\s*[:=]\s*"
    r"|authorization\s*[:=]\s*|bearer\s+",
    re.IGNORECASE,
)
_QUOTES = "\"'`“”‘’„‚«»"
_UNSEEN = re.compile(r"[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")


def _unwrapped(value: str) -> str:
    """Return a key without what was copied along with it."""
    before, value = "", _UNSEEN.sub("", value)
    while value != before:
        before, value = value, value.strip().strip(_QUOTES).rstrip(";,").strip()
        found = _BEFORE_KEY.match(value)
        value = value[found.end() :] if found else value
    return value


class _Bearer(str):
    """Text whose `repr` does not show it: verbose tracebacks print the variables of each frame."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(f"Bearer {_HIDDEN}")


# All keys that this process met: whoever makes an error need not know which key it might quote.
_met: set[ApiKey] = set()


class KeyFilter:
    """Hides a key in a text that comes in pieces, also where the key is split over them.

    What may be the beginning of the key is `held` until the next piece. A piece without `mark` needs no
    look where nothing is held.
    """

    def __init__(self, key: ApiKey) -> None:
        self._key = key
        self._secret = key._secret
        self.mark = self._secret[:1] or "\0"
        self.held = ""

    def feed(self, piece: str) -> str:
        """Return what of the text can be shown now."""
        text = self._key.hide_in(self.held + piece)
        self.held = ""
        if self._secret:
            start = text.find(self.mark, max(0, len(text) - len(self._secret) + 1))
            while start >= 0:
                if self._secret.startswith(text[start:]):
                    self.held = text[start:]
                    return text[:start]
                start = text.find(self.mark, start + 1)
        return text

    def rest(self) -> str:
        """Return what is held at the end of the text; so much of the key that it is no chance is hidden."""
        held, self.held = self.held, ""
        return held if len(held) < _SHORTEST_SECRET else "…"


def hide_keys(text: str) -> str:
    """Return `text` with every key that was met replaced by `sk-…`, and all else as it is."""
    for key in list(_met):
        text = key.hide_in(text)
    return text


def redact(text: str) -> str:
    """Return `text` with every key that was met, and all that has the shape of one, replaced by `sk-…`."""
    return _KEY_SHAPE.sub(_HIDDEN, hide_keys(text))


def strip_controls(text: str) -> str:
    r"""Return `text` without terminal control sequences; `\n` and `\t` stay, `\r\n` becomes `\n`."""
    if text.isprintable():
        return text
    return _CONTROL.sub("", _SEQUENCE.sub("", text.replace("\r\n", "\n")))
