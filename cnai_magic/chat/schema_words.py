"""Schemas in a short form: `name, age int, tags list[str]`.

A field is a name and a type, `str` where none is written. Types are str, int, float (number), bool, date,
dict, any; `list[TYPE]`; `{fields}` for an object; `'a'|'b'` for one of some texts. `?` after the type lets
the field be left out. `: words` describe it up to the next comma. `list[name, age int]` is a list of objects.
"""

from __future__ import annotations

import re
from typing import Any, NoReturn

from ..errors import InputError
from ..nearest import suggest_name

__all__ = ["read_schema_words"]

_TYPES: dict[str, dict[str, Any]] = {
    "str": {"type": "string"},
    "string": {"type": "string"},
    "text": {"type": "string"},
    "int": {"type": "integer"},
    "integer": {"type": "integer"},
    "float": {"type": "number"},
    "number": {"type": "number"},
    "bool": {"type": "boolean"},
    "boolean": {"type": "boolean"},
    "date": {"type": "string", "format": "date"},
    "datetime": {"type": "string", "format": "date-time"},
    "dict": {"type": "object"},
    "list": {"type": "array"},
    "null": {"type": "null"},
    "any": {},
}
# Alone, they are the answer itself; a field may be called date.
_PLAIN_TYPES = {name: _TYPES[name] for name in ("str", "int", "float", "bool")}
_TOKEN = re.compile(r"""[^\W\d][\w-]*|'[^'\n]*'|"[^"\n]*"|[\[\]{},?|:\n]""")
# Chinese punctuation separates and explains as well.
_SAME = str.maketrans({"，": ",", "、": ",", ";": ",", "；": ",", "：": ":"})
_BLANK = re.compile(r"[ \t\r\f\v]*")
_DEEPEST = 20
_EXAMPLE = "for example 'name, age int, tags list[str]'"


def read_schema_words(words: str) -> dict[str, Any]:
    """Return the JSON Schema that a short form means; raises InputError, which shows what is not clear."""
    reader = _Reader(words)
    schema = reader.whole()
    reader.skip_breaks()
    if reader.peek() is not None:
        reader.refuse()
    return schema


class _Reader:
    """Reads a short form from its start to its end."""

    def __init__(self, words: str) -> None:
        self._words = words.translate(_SAME)
        self._at = 0
        self._depth = 0

    def whole(self) -> dict[str, Any]:
        self.skip_breaks()
        start = self._at
        if self._take("list") and self.peek() == "[":
            return self._read_type_after("list")
        self._at = start
        if words_of_type := _PLAIN_TYPES.get(self._words.strip()):
            self._at = len(self._words)
            return dict(words_of_type)
        if self.peek() in ("{", "["):
            return self._read_type()
        return self._read_fields("")

    def peek(self) -> str | None:
        """Return the next piece, None at the end."""
        at = self._at
        piece = self._take_next()
        self._at = at
        return piece

    def skip_breaks(self) -> None:
        while self.peek() == "\n":
            self._take_next()

    def refuse(self, why: str = "") -> NoReturn:
        rest = self._words[self._at :].strip()
        what = f"the schema is not clear at {rest[:40]!r}" if rest else "the schema ends too early"
        raise InputError(what, parameter="schema", why=why, next_step=f"write fields and types: {_EXAMPLE}")

    def _take_next(self) -> str | None:
        begin = _BLANK.match(self._words, self._at)
        self._at = begin.end() if begin else self._at
        if self._at >= len(self._words):
            return None
        found = _TOKEN.match(self._words, self._at)
        if found is None:
            self.refuse()
        self._at = found.end()
        return found[0]

    def _take(self, piece: str) -> bool:
        at = self._at
        if self._take_next() == piece:
            return True
        self._at = at
        return False

    def _read_fields(self, end: str) -> dict[str, Any]:
        """Read fields up to `end`, "" for the end of the words."""
        self._depth += 1
        if self._depth > _DEEPEST:
            self.refuse("it is nested too deep")
        properties: dict[str, Any] = {}
        required: list[str] = []
        while self.peek() not in (end or None, None):
            if self.peek() in (",", "\n"):
                self._take_next()
                continue
            name, schema, optional = self._read_field()
            if self.peek() not in (",", "\n", end or None, None):
                self.refuse("fields are separated by commas")
            if name in properties:
                self.refuse(f"the field {name} is there twice")
            properties[name] = schema
            required += [] if optional else [name]
        if not properties or (end and not self._take(end)):
            self.refuse("" if properties else "it has no field")
        self._depth -= 1
        return {
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": False,
        }

    def _read_field(self) -> tuple[str, dict[str, Any], bool]:
        start = self._at
        name = self._take_next()
        if name is None or name in ",|:?[]{}":
            self._at = start
            self.refuse("a field begins with its name")
        name = name.strip("'\"")
        optional = self._take("?")
        schema: dict[str, Any] = {"type": "string"}
        has_type = self.peek() not in (",", "\n", "}", "]", ":", "?", None)
        if has_type:
            schema = self._read_type()
        optional = self._take("?") or optional
        if self._take(":"):
            words = re.match(r"[^,\n}\]]*", self._words[self._at :])
            assert words is not None, "it matches nothing too"
            self._at += words.end()
            said = words[0].strip()
            # `age: int`, as Python writes it.
            is_type = said.lower() in _TYPES and not has_type
            schema = dict(_TYPES[said.lower()]) if is_type else {**schema, "description": said}
        return name, schema, optional

    def _read_type(self) -> dict[str, Any]:
        """Read a type, or texts and types with bars between them."""
        found = [self._read_single()]
        while self._take("|"):
            found.append(self._read_single())
        texts = [each["const"] for each in found if "const" in each]
        others = [each for each in found if "const" not in each]
        if texts and not others:
            return {"type": "string", "enum": texts}
        if texts and all(each == _TYPES["null"] for each in others):
            return {"type": ["string", "null"], "enum": [*texts, None]}
        if texts:
            self.refuse("texts to choose from stand in quotes")
        return found[0] if len(found) == 1 else {"anyOf": found}

    def _read_single(self) -> dict[str, Any]:
        start = self._at
        piece = self._take_next()
        if piece is not None and piece[0] in "'\"":
            return {"const": piece[1:-1]}
        if piece == "{":
            return self._read_fields("}")
        if piece == "[":
            return {"type": "array", "items": self._read_items()}
        known = _TYPES.get((piece or "").lower())
        if known is None:
            self._at = start
            self.refuse(_explain_type(piece or ""))
        if piece == "list":
            return self._read_type_after("list")
        return dict(known)

    def _read_type_after(self, name: str) -> dict[str, Any]:
        """Return a list, with the type of its items where one follows in brackets."""
        if not self._take("["):
            return dict(_TYPES[name])
        return {"type": "array", "items": self._read_items()}

    def _read_items(self) -> dict[str, Any]:
        """Read what a list holds, up to its bracket: one type, or the fields of objects."""
        start = self._at
        piece = (self._take_next() or "").lower()
        follows = self.peek()
        self._at = start
        alone = piece in _TYPES and follows in ("]", "[", "|", "?")
        if piece[:1] in ("{", "[", "'", '"') or alone:
            items = self._read_type()
            if not self._take("]"):
                self.refuse("a bracket is not closed")
            return items
        return self._read_fields("]")


def _explain_type(piece: str) -> str:
    near = suggest_name(piece.lower(), _TYPES)
    return near or f"{piece!r} is not a type: they are str, int, float, bool, date, list[…], dict, {{fields}}"
