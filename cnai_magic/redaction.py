"""Makes foreign text safe to show: control sequences are removed, then keys are hidden.

`clean` does both, and every text that leaves the package goes through it. A key is found also where invisible
characters stand within it.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Sequence

__all__ = [
    "ApiKey",
    "Cleaner",
    "KeyFilter",
    "clean",
    "hide_encoded_keys",
    "hide_keys",
    "hide_keys_in",
    "redact",
    "replace_surrogates",
    "strip_controls",
    "to_one_line",
]

_HIDDEN = "sk-…"

# A shorter key is a placeholder ("EMPTY", "ollama") and not secret; to hide it would garble other words.
_SHORTEST_SECRET = 8

# Some servers quote a key without its middle.
_KEY_SHAPE = re.compile(r"\bsk-(?:[A-Za-z0-9*_-]*(?:\.{2,}|…)[A-Za-z0-9*_-]{2,}|[A-Za-z0-9*_-]{6,})")
# ECMA-48: OSC, DCS, SOS, PM and APC strings up to their terminator, then CSI, then two-byte escapes. A string
# cannot contain the start of another, so the search stays linear in hostile text.
_STRING = r"(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x90\x98\x9c-\x9f]*(?:\x07|\x1b\\|\x9c)"
_UNENDED_STRING = r"(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x90\x98\x9c-\x9f]*\x1b?$"
_ESCAPE = r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?|\x1b[ -/]*[0-~]?"
_SEQUENCE = re.compile(f"{_STRING}|{_UNENDED_STRING}|{_ESCAPE}")
# What may continue in the next piece of a text.
_UNFINISHED = re.compile(rf"(?:{_UNENDED_STRING}|\x1b[ -/]*$|(?:\x1b\[|\x9b)[0-?]*[ -/]*$)")
_C1 = re.compile("[\x80-\x9f]")
_LONGEST_SEQUENCE = 4096
_LONGEST_SPLIT_KEY = 1024
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
# Unicode's default ignorable code points (DerivedCoreProperties.txt), and the separators of lines.
_INVISIBLE = (
    "\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_SURROGATE = re.compile("[\ud800-\udfff]")
_INVISIBLE_PART = re.compile(rf"{_STRING}|{_ESCAPE}|[\x00-\x08\x0b-\x1f\x7f-\x9f{_INVISIBLE}]")


class ApiKey:
    """Holds an API key so that no `repr`, log line, traceback or pickle shows it.

    Only `reveal()` and `bearer()` return the key itself.
    """

    __slots__ = ("_encoded", "_secret", "_value")

    def __init__(self, value: str) -> None:
        self._value = _unwrap(value)
        self._encoded: list[str] | None = None
        # All keys have the same prefix, and some servers quote them without it.
        secret = self._value.removeprefix("sk-")
        if len(secret) < _SHORTEST_SECRET:
            secret = self._value if len(self._value) >= _SHORTEST_SECRET else ""
        self._secret = secret
        if secret:
            _known_keys.add(self)

    def reveal(self) -> str:
        """Return the key in clear, for the `Authorization` header."""
        return self._value

    def bearer(self) -> str:
        """Return the value of the `Authorization` header, as text whose `repr` does not show it."""
        return _Bearer(f"Bearer {self._value}")

    def hide_in(self, text: str, word: str = "") -> str:
        """Return `text` with this key replaced by `sk-…`, also where invisible characters stand within it.

        A `word` is put in its place.
        """
        # Nearly every text is plain, and such questions cost a fifth of a search for hidden characters.
        if not self._secret or (self._secret not in text and text.isascii() and text.isprintable()):
            return text
        # Of `sk-x` only the x is replaced: so an x without its prefix is hidden too.
        hidden = word or ("…" if self._secret != self._value else _HIDDEN)
        text = text.replace(self._secret, hidden)
        return _replace_visible(text, self._secret, hidden)

    def hide_encoded(self, text: str, word: str = "…") -> str:
        """Return `text` with this key replaced where it is in base64, hexadecimal or percents."""
        if not self._secret:
            return text
        if self._encoded is None:
            self._encoded = _list_encoded(self._secret)
        for coded in self._encoded:
            # Nearly no text holds it, and that is seen at once.
            if coded in (text if coded != coded.lower() else text.lower()):
                text = re.sub(rf"{re.escape(coded)}[\w+/=-]*", word, text, flags=re.IGNORECASE)
        return text

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ApiKey) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return f"ApiKey({_HIDDEN!r})"

    def __reduce__(self) -> str:
        raise TypeError("an API key cannot be pickled")


def _list_encoded(secret: str) -> list[str]:
    """Return what a key becomes where it is encoded, within other text too; small letters stand for both."""
    data = secret.encode("utf-8", "replace")
    coded = [data.hex(), "".join(f"%{each:02x}" for each in data)]
    for before in range(3):
        # The characters of which all bits are the key's; the rest depends on what stands around it.
        first, last = -(-before * 8 // 6), (before + len(data)) * 8 // 6
        whole = b64encode(b"\0" * before + data + b"\0\0").decode()[first:last]
        coded += [whole, whole.replace("/", "_").replace("+", "-")]
    return coded


# What people copy together with a key: the name of a variable or a header before it, quotes around it.
_BEFORE_KEY = re.compile(
    r"(?:(?:export|set|setx|%env)\s+|\$env:|-H\s+)|[\"']?[\w-]*(?:key|token)[\"']?\s*[:=]\s*"
    r"|authorization\s*[:=]\s*|bearer\s+",
    re.IGNORECASE,
)
_QUOTES = "\"'`“”‘’„‚«»"
_INVISIBLE_ONE = re.compile(f"[{_INVISIBLE}]")


def _unwrap(value: str) -> str:
    """Return a key without what was copied together with it."""
    before, value = "", _INVISIBLE_ONE.sub("", value)
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


# All keys of this process: code that builds an error need not know which key the text might quote.
_known_keys: set[ApiKey] = set()


class KeyFilter:
    """Hides a key in a text that comes in pieces, also where the key is split over them.

    What may be the beginning of the key is `held` until the next piece. Where nothing is held, a piece
    without `mark` need not be fed.
    """

    def __init__(self, key: ApiKey) -> None:
        self._key = key
        self._secret = key._secret
        self.mark = self._secret[:1] or "\0"
        self.held = ""

    def feed(self, piece: str, *, ended: bool = False) -> str:
        """Return what of the text can be shown now: all of it where it has `ended`."""
        text = self._key.hide_in(self.held + piece)
        self.held = ""
        if not self._secret:
            return text
        shown = self._hold_back(text)
        return shown + self._rest() if ended else shown

    def _hold_back(self, text: str) -> str:
        begun = _find_unfinished(text)
        seen = _drop_invisible(text if begun is None else text[: begun.start()])
        start = seen.find(self.mark, max(0, len(seen) - len(self._secret) + 1))
        while start >= 0 and not self._secret.startswith(seen[start:]):
            start = seen.find(self.mark, start + 1)
        if start < 0:
            return text
        place = _locate(text, [start])[0]
        # Very many invisible characters within a key are dropped.
        self.held = text[place:] if len(text) - place < _LONGEST_SPLIT_KEY else seen[start:]
        return text[:place]

    def _rest(self) -> str:
        """Return what is held at the end of the text; a part too long to be a coincidence is hidden."""
        held, self.held = self.held, ""
        return held if len(_drop_invisible(held)) < _SHORTEST_SECRET else "…"


class Cleaner:
    """Does what `clean` does, for a text that is shown piece by piece.

    What may be the beginning of a control sequence or of a key is held back.
    """

    def __init__(self) -> None:
        self._sequence = ""
        self._filters = [KeyFilter(key) for key in list(_known_keys)]

    def feed(self, piece: str, *, ended: bool = False) -> str:
        """Return what of the text can be shown now: all that may be shown where it has `ended`."""
        text = self._sequence + piece
        self._sequence = ""
        if not text.isprintable():
            begun = _find_unfinished(text)
            if begun is not None and not ended and len(text) - begun.start() < _LONGEST_SEQUENCE:
                self._sequence = text[begun.start() :]
                text = text[: begun.start()]
            text = strip_controls(text)
        for each in self._filters:
            if each.held or each.mark in text:
                text = each.feed(text, ended=ended)
        return text


def clean(text: str) -> str:
    """Return `text` as it may be shown or saved: without control sequences and known keys."""
    return hide_keys(strip_controls(text))


def hide_keys(text: str, word: str = "") -> str:
    """Return `text` with every known key replaced by `sk-…`, or a word, and everything else as it is."""
    if not text:
        return text
    for key in list(_known_keys):
        text = key.hide_in(text, word)
    return text


def hide_encoded_keys(text: str, word: str = "…") -> str:
    """Return `text` with every known key replaced where it is encoded."""
    for key in list(_known_keys):
        text = key.hide_encoded(text, word)
    return text


def hide_keys_in(texts: Sequence[str]) -> Sequence[str]:
    """Return short texts with every known key replaced; nearly always in one look at all of them."""
    joined = " ".join(texts)
    return texts if hide_keys(joined) == joined else [hide_keys(text) for text in texts]


def to_one_line(text: str) -> str:
    """Return `text` cleaned, and on one line: each run of blanks becomes one space."""
    return " ".join(clean(text).split())


def redact(text: str) -> str:
    """Return `text` with every known key, and everything that looks like a key, replaced by `sk-…`.

    Known keys are found also where they are encoded. Where something looks like a key once invisible
    characters are removed, they are removed.
    """
    text = hide_encoded_keys(hide_keys(text))
    seen = _drop_invisible(text)
    return _KEY_SHAPE.sub(_HIDDEN, seen if _KEY_SHAPE.search(seen) else text)


def strip_controls(text: str) -> str:
    r"""Return `text` without terminal control sequences; `\n` and `\t` stay, `\r\n` becomes `\n`."""
    if text.replace("\n", "").replace("\t", "").isprintable():
        return text
    return _CONTROL.sub("", _SEQUENCE.sub("", text.replace("\r\n", "\n")))


def replace_surrogates(text: str) -> str:
    """Join pairs of surrogates and replace lone ones, which no request, terminal or file can hold."""
    if text.isascii() or _SURROGATE.search(text) is None:
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _replace_visible(text: str, secret: str, hidden: str) -> str:
    """Replace `secret`, also where invisible characters stand within it."""
    seen = _drop_invisible(text)
    if secret not in seen:
        return text
    bounds = [
        bound for found in re.finditer(re.escape(secret), seen) for bound in (found.start(), found.end() - 1)
    ]
    places = _locate(text, bounds)
    parts, end = [], 0
    for first, last in zip(places[::2], places[1::2], strict=True):
        parts += [text[end:first], hidden]
        end = last + 1
    return "".join(parts) + text[end:]


def _find_unfinished(text: str) -> re.Match[str] | None:
    """Find a control sequence that may continue in the next piece; hardly any text has one."""
    if "\x1b" not in text and (text.isascii() or _C1.search(text) is None):
        return None
    return _UNFINISHED.search(text)


def _drop_invisible(text: str) -> str:
    """Return a text without invisible characters and control sequences."""
    # Nearly every text is plain, and this test is several times as fast as the substitution.
    if text.isascii() and text.replace("\n", "").replace("\t", "").isprintable():
        return text
    return _INVISIBLE_PART.sub("", text)


def _locate(text: str, indexes: list[int]) -> list[int]:
    """Return the positions in `text` of characters of its visible part, at `indexes` in ascending order."""
    places: list[int] = []
    shift = 0
    unseen = _INVISIBLE_PART.finditer(text)
    following = next(unseen, None)
    for index in indexes:
        while following is not None and following.start() <= index + shift:
            shift += following.end() - following.start()
            following = next(unseen, None)
        places.append(index + shift)
    return places
