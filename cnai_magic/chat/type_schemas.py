"""JSON Schemas of Python types: of annotations, dataclasses, TypedDicts and models of pydantic.

pydantic is never imported: whatever has a method `model_json_schema` describes itself.
"""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import inspect
import types
import typing
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, cast

from ..errors import InputError

__all__ = [
    "DEFINITIONS",
    "describes_itself",
    "is_hashed_in",
    "is_path",
    "is_record",
    "read_hints",
    "schema_of_type",
]

DEFINITIONS = ("$defs", "definitions")
"""Where a schema keeps those that it refers to, by draft."""

_DEEPEST = 20
_PLAIN: dict[object, dict[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    decimal.Decimal: {"type": "number"},
    bool: {"type": "boolean"},
    None: {"type": "null"},
    type(None): {"type": "null"},
    datetime.datetime: {"type": "string", "format": "date-time"},
    datetime.date: {"type": "string", "format": "date"},
    datetime.time: {"type": "string", "format": "time"},
    uuid.UUID: {"type": "string", "format": "uuid"},
    dict: {"type": "object"},
    list: {"type": "array"},
    tuple: {"type": "array"},
    set: {"type": "array", "uniqueItems": True},
    Any: {},
    object: {},
}
_ARRAYS = ("list", "Sequence", "Iterable", "Collection", "MutableSequence", "deque")
_SETS = ("set", "frozenset", "Set", "AbstractSet", "MutableSet")
_MAPPINGS = ("dict", "Mapping", "MutableMapping", "OrderedDict", "defaultdict")
# typing_extensions has its own on Python 3.10.
_WRAPPERS = ("Required", "NotRequired", "ReadOnly", "Annotated", "Final", "ClassVar")


def describes_itself(kind: object) -> bool:
    """Tell whether a class is a model of pydantic, or another that writes its own JSON Schema."""
    return isinstance(kind, type) and _find_writer(kind) is not None


def _find_writer(kind: Any) -> Callable[[], Mapping[str, Any]] | None:
    """Return what writes the schema of a class: of pydantic 2, or of pydantic 1."""
    writer = getattr(kind, "model_json_schema", None)
    if callable(writer):
        return cast(Callable[[], Mapping[str, Any]], writer)
    older = getattr(kind, "schema", None)
    is_model = callable(older) and callable(getattr(kind, "parse_obj", None))
    return cast(Callable[[], Mapping[str, Any]], older) if is_model else None


def is_path(kind: object) -> bool:
    """Tell whether a type is one of the paths of pathlib."""
    return isinstance(kind, type) and str(kind.__module__).partition(".")[0] == "pathlib"


def is_hashed_in(table: Mapping[Any, object], kind: object) -> bool:
    """Tell whether a type is in a table; one whose annotations have no hash is in none."""
    try:
        return kind in table
    except TypeError:
        return False


def is_record(kind: object) -> bool:
    """Tell whether a class has fields with types: a dataclass, a TypedDict, one of attrs or msgspec."""
    if not isinstance(kind, type):
        return False
    named = issubclass(kind, tuple) and hasattr(kind, "_fields")
    named = named or hasattr(kind, "__attrs_attrs__") or hasattr(kind, "__struct_fields__")
    return dataclasses.is_dataclass(kind) or _is_typed_dict(kind) or named


def schema_of_type(kind: Any) -> dict[str, Any]:
    """Return the JSON Schema of a type; classes that hold themselves stand under `$defs`.

    Raises InputError, which names the type, for one that JSON cannot hold.
    """
    writer = _Writer()
    schema = writer.write(kind)
    kept = {name: body for name, body in writer.definitions.items() if name in writer.repeated}
    held = {word: dict(bodies) for word, bodies in writer.held.items()}
    if kept:
        held["$defs"] = kept | held.get("$defs", {})
    return {**schema, **held}


class _Writer:
    """Writes the schema of one type; `repeated` are the names of classes that hold themselves.

    `held` are what the schemas of models refer to, from the root: "$defs", or "definitions".
    """

    def __init__(self) -> None:
        self.held: dict[str, dict[str, Any]] = {}
        self.definitions: dict[str, dict[str, Any]] = {}
        self.repeated: set[str] = set()
        self._open: list[object] = []

    def write(self, kind: Any) -> dict[str, Any]:
        if len(self._open) > _DEEPEST:
            raise InputError("a type is nested too deep for a JSON Schema", parameter="schema")
        if is_hashed_in(_PLAIN, kind):
            return dict(_PLAIN[kind])
        if isinstance(kind, typing.TypeVar) or kind is inspect.Parameter.empty:
            return {}
        if is_path(kind):
            return {"type": "string"}
        if isinstance(kind, type) and issubclass(kind, enum.Enum):
            return _write_choices([each.value for each in kind], kind)
        if describes_itself(kind):
            return self._write_model(kind)
        if is_record(kind):
            return self._write_record(kind)
        if callable(getattr(kind, "__supertype__", None)):
            return self.write(kind.__supertype__)  # a NewType
        return self._write_generic(kind)

    def _write_model(self, kind: Any) -> dict[str, Any]:
        schema = _read_own(kind)
        for word in DEFINITIONS:
            for name, body in schema.pop(word, {}).items():
                if self.held.setdefault(word, {}).setdefault(name, body) != body:
                    raise InputError(f"two different types are called {name}", parameter="schema")
        return schema

    def _write_generic(self, kind: Any) -> dict[str, Any]:
        origin, arguments = typing.get_origin(kind), typing.get_args(kind)
        name = getattr(origin, "__name__", "") or getattr(origin, "_name", "") or ""
        if name in _WRAPPERS:
            return self._write_annotated(arguments)
        if origin is typing.Literal or name == "Literal":
            return _write_choices(list(arguments), kind)
        if origin in (typing.Union, types.UnionType):
            return _write_either([self.write(each) for each in arguments])
        if name in _ARRAYS and arguments:
            return {"type": "array", "items": self.write(arguments[0])}
        if name in _SETS and arguments:
            return {"type": "array", "items": self.write(arguments[0]), "uniqueItems": True}
        if name in _MAPPINGS and len(arguments) == 2:
            return {"type": "object", "additionalProperties": self.write(arguments[1])}
        if name == "tuple":
            return self._write_tuple(arguments)
        if isinstance(kind, type) and issubclass(kind, (str, int, float)):
            return self.write(next(base for base in (bool, str, int, float) if issubclass(kind, base)))
        raise InputError(
            f"{_find_name(kind)} has no form in JSON",
            parameter="schema",
            why="str, int, float, bool, None, list, dict, tuple, Literal, enums, unions, dataclasses, "
            "TypedDicts and models of pydantic have one",
        )

    def _write_annotated(self, arguments: tuple[Any, ...]) -> dict[str, Any]:
        schema = self.write(arguments[0])
        words = [_read_words(each) for each in arguments[1:]]
        words = [each for each in words if each]
        schema = {**schema, **_read_bounds(arguments[1:])}
        return {**schema, "description": words[0]} if words else schema

    def _write_tuple(self, arguments: tuple[Any, ...]) -> dict[str, Any]:
        if len(arguments) == 2 and arguments[1] is ...:
            return {"type": "array", "items": self.write(arguments[0])}
        each = [self.write(argument) for argument in arguments if argument != ()]
        return {"type": "array", "prefixItems": each, "minItems": len(each), "maxItems": len(each)}

    def _write_record(self, kind: type) -> dict[str, Any]:
        if kind in self._open:
            self.repeated.add(kind.__name__)
            return {"$ref": f"#/$defs/{kind.__name__}"}
        self._open.append(kind)
        try:
            hints = read_hints(kind, kind.__name__, parameter="schema")
            fields = [(name, hints[name], needed) for name, needed in _list_fields(kind) if name in hints]
            schema: dict[str, Any] = {
                "type": "object",
                "properties": {name: self.write(hint) for name, hint, _ in fields},
                "required": [name for name, _, needed in fields if needed],
                "additionalProperties": False,
            }
        finally:
            self._open.pop()
        words = _read_docstring(kind)
        schema = {"description": words, **schema} if words else schema
        self.definitions[kind.__name__] = schema
        if kind.__name__ in self.repeated and self._open:
            return {"$ref": f"#/$defs/{kind.__name__}"}
        return schema


# Attributes of the classes of annotated_types and of pydantic, as keywords of a schema.
_BOUNDS = {
    "gt": "exclusiveMinimum",
    "ge": "minimum",
    "lt": "exclusiveMaximum",
    "le": "maximum",
    "multiple_of": "multipleOf",
    "pattern": "pattern",
}


def _read_bounds(notes: Iterable[object]) -> dict[str, Any]:
    """Return what annotations say of the values that are allowed."""
    found: dict[str, Any] = {}
    for note in notes:
        for name, word in _BOUNDS.items():
            value = getattr(note, name, None)
            if type(value) in ((str,) if word == "pattern" else (int, float)):
                found[word] = value
        held = getattr(note, "metadata", None)  # pydantic's Field keeps them so
        found |= _read_bounds(held) if isinstance(held, list) else {}
    return found


def _read_words(note: object) -> str:
    """Return what an annotation says: a text, `Field(description=…)` of pydantic, `Doc(…)` of typing."""
    found = (note, getattr(note, "description", None), getattr(note, "documentation", None))
    return next((each for each in found if isinstance(each, str)), "")


def _is_typed_dict(kind: type) -> bool:
    return issubclass(kind, dict) and hasattr(kind, "__total__") and hasattr(kind, "__required_keys__")


def read_hints(owner: Any, name: str, *, parameter: str) -> dict[str, Any]:
    """Return the type hints of a class or function; raises InputError, which names it and the parameter."""
    try:
        return typing.get_type_hints(owner, include_extras=True)
    except Exception as exc:  # whatever an annotation raises when it is read
        raise InputError(
            f"the type hints of {name} cannot be read",
            parameter=parameter,
            why=f"{type(exc).__name__}: {exc}",
            next_step="define the types that they name first",
        ) from exc


def _list_fields(kind: type) -> Iterator[tuple[str, bool]]:
    """Yield the name of each field, and whether it has no default."""
    if dataclasses.is_dataclass(kind):
        missing = dataclasses.MISSING
        for each in dataclasses.fields(kind):
            if each.init:
                yield each.name, each.default is missing and each.default_factory is missing
    elif _is_typed_dict(kind):
        required: frozenset[str] = kind.__required_keys__  # type: ignore[attr-defined]
        for name, hint in kind.__annotations__.items():
            # Python 3.10, and `from __future__ import annotations`, leave these words unread.
            words = str(hint)
            yield name, "NotRequired[" not in words and (name in required or "Required[" in words)
    elif hasattr(kind, "__attrs_attrs__"):
        for each in kind.__attrs_attrs__:
            if each.init:
                yield each.alias, type(each.default).__name__ == "_Nothing"
    elif hasattr(kind, "__struct_fields__"):
        names: tuple[str, ...] = kind.__struct_fields__
        given: tuple[Any, ...] = kind.__struct_defaults__  # type: ignore[attr-defined]
        for place, name in enumerate(names, len(given) - len(names)):
            yield name, place < 0 or "NODEFAULT" in repr(given[place])
    else:
        defaults: Mapping[str, Any] = kind._field_defaults  # type: ignore[attr-defined]
        for name in kind._fields:  # type: ignore[attr-defined]
            yield name, name not in defaults


def _read_docstring(kind: type) -> str:
    """Return what a class says of itself; dataclasses and NamedTuples without words repeat their fields."""
    words = kind.__dict__.get("__doc__") or ""
    generated = words.startswith((f"{kind.__name__}(", "dict("))
    return "" if generated else inspect.cleandoc(words)


def _read_own(kind: Any) -> dict[str, Any]:
    writer = _find_writer(kind)
    assert writer is not None, "it describes itself"
    try:
        schema = writer()
    except Exception as exc:  # whatever a model raises that has no schema
        raise InputError(
            f"{kind.__name__} has no JSON Schema", parameter="schema", why=f"{type(exc).__name__}: {exc}"
        ) from exc
    return dict(schema)


def _write_choices(values: list[Any], kind: object) -> dict[str, Any]:
    kinds = {type(value) for value in values}
    if not values or not kinds <= {str, int, float, bool, type(None)}:
        raise InputError(f"the values of {_find_name(kind)} have no form in JSON", parameter="schema")
    named = _PLAIN[kinds.pop()] if len(kinds) == 1 else {}
    return {**named, "enum": values}


def _write_either(options: list[dict[str, Any]]) -> dict[str, Any]:
    plain = [each["type"] for each in options if set(each) == {"type"} and isinstance(each["type"], str)]
    return {"type": plain} if len(plain) == len(options) else {"anyOf": options}


def _find_name(kind: object) -> str:
    return getattr(kind, "__name__", None) or str(kind)
