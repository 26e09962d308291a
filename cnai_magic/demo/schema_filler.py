"""Fills a JSON Schema from what stands in the question: a table, an object, pairs, or names and numbers.

No understanding is pretended: fields are filled by their names where the question has them, text fields with
the names and number fields with the numbers of a sentence, in their order. What is not found is null where
the schema allows it, else empty, 0 or the first choice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from .conversation import find_facts
from .data_preview import find_data
from .guide_question import GuideQuestion
from .json_reply import find_value
from .lookups import find_subject
from .schema_formats import EMPTY, find_formatted

__all__ = ["fill_schema"]

_DEEPEST = 12
_MOST_RECORDS = 200
# A schema that refers to itself has no end.
_MOST_PARTS = 5_000
_LONGEST = 20_000
_NAME = re.compile(r"[A-Z][\w'-]*(?: (?:of |de |van |the )?[A-Z][\w'-]*)*")
_NUMBER = re.compile(r"(?<![\w.,])-?\d+(?:,\d{3})*(?:\.\d+)?(?![\d.,]*\d)")
_CLAUSE = re.compile(r"[;\n]|(?<=[^\d])\.(?=\s|$)|,?\s+and\s+(?=[A-Z])|,\s+(?=[A-Z])")
# Words that begin a sentence with a capital letter, and name nothing.
_NO_NAMES = re.compile(
    r"An?|And|As|At|Answer|By|Describe|Extract|Fill|For|From|Give|H?I|How|In|It|List|Make|My|Name|O[fn]|Read"
    r"|Return|S?He|Show|Tell|The(?:re|se|y)?|This|To|We|What|When|Where|Which|Who|Why|With|Write|You"
)


def fill_schema(
    question: GuideQuestion, schema: Mapping[str, Any], answer: str, value: Any, *, known: bool
) -> Any:
    """Return a value of the shape of `schema`.

    `answer` and `value` are what the rules say and have calculated, `known` tells that they know the answer:
    then the names and numbers of the question are not it.
    """
    return _Filler(question, schema, answer, value, known=known).fill(schema, None, "", 0)


class _Filler:
    """Fills one schema; `answer` and the calculated `value` stand where nothing else fits."""

    def __init__(
        self, question: GuideQuestion, root: Mapping[str, Any], answer: str, value: Any, *, known: bool
    ) -> None:
        self._root = root
        self._answer = answer
        self._value = value
        self._known = known
        self._left = _MOST_PARTS
        self._text = re.sub(r"^[^\n:：]{0,200}[:：]\s+", "", question.text[:_LONGEST])
        facts, _ = find_facts(question.questions)
        self._facts = {_plain(name): fact for name, fact in facts.items()}
        self._records = _find_records(question)
        # What the question has of each format, each of which is used once.
        self._formatted: dict[str, list[str]] = {}

    def fill(self, schema: Any, record: Mapping[str, Any] | None, name: str, depth: int) -> Any:
        """Return a value for a part of the schema, from `record` where it has one of this name."""
        schema = self._resolve(schema)
        self._left -= 1
        if self._left < 0 or depth > _DEEPEST or not isinstance(schema, Mapping):
            return None
        if "const" in schema:
            return schema["const"]
        kinds = _read_kinds(schema) or ["object"] * ("properties" in schema)
        several = [schema[each] for each in ("anyOf", "oneOf", "allOf") if isinstance(schema.get(each), list)]
        options = [option for each in several for option in each]
        nullable = "null" in kinds or {"type": "null"} in options
        if options:
            first = next((option for option in options if option != {"type": "null"}), None)
            found = self.fill(first, record, name, depth + 1)
            return None if nullable and found in ("", 0, [], {}) else found
        if "object" in kinds:
            return self._fill_object(schema, record, depth)
        if "array" in kinds:
            return self._fill_array(schema, record, name, depth)
        known = self._find(name, record)
        if isinstance(schema.get("enum"), list):
            return self._choose(schema["enum"], known)
        form = schema.get("format")
        if "string" in kinds and isinstance(form, str) and form in EMPTY:
            return self._fill_format(form, known, nullable=nullable)
        if known is None and record is None and "string" in kinds:
            # The answer stands in one field, and not in all that are not found.
            known, self._answer = self._answer, ""
        return _convert(known, kinds, self._value)

    def _fill_format(self, name: str, known: Any, *, nullable: bool) -> str | None:
        found = find_formatted(name, str(known))
        if not found:
            found = self._formatted.setdefault(name, find_formatted(name, self._text))
        return found.pop(0) if found else None if nullable else EMPTY[name]

    def _resolve(self, schema: Any) -> Any:
        for _ in range(_DEEPEST):
            reference = schema.get("$ref") if isinstance(schema, Mapping) else None
            if not isinstance(reference, str):
                break
            schema = self._root
            for step in reference.lstrip("#").split("/")[1:]:
                schema = schema.get(step) if isinstance(schema, Mapping) else None
        return schema

    def _fill_object(self, schema: Mapping[str, Any], record: Mapping[str, Any] | None, depth: int) -> Any:
        properties = _properties(schema)
        if record is None and not self._holds_list(properties):
            record = next(iter(self._list_records(schema)), None)
        return {name: self.fill(part, record, name, depth + 1) for name, part in properties.items()}

    def _holds_list(self, properties: Mapping[str, Any]) -> bool:
        parts = map(self._resolve, properties.values())
        return len(properties) == 1 and any(
            isinstance(part, Mapping) and part.get("type") == "array" for part in parts
        )

    def _fill_array(
        self, schema: Mapping[str, Any], record: Mapping[str, Any] | None, name: str, depth: int
    ) -> list[Any]:
        items = self._resolve(schema.get("items"))
        if not isinstance(items, Mapping):
            return []
        if record is not None:
            known = self._find(name, record)
            several = known if isinstance(known, list) else [] if known is None else [known]
            return [self.fill(items, {_plain(name): each}, name, depth + 1) for each in several]
        if "properties" in items:
            records = list(self._list_records(items))[:_MOST_RECORDS]
            return [self.fill(items, each, "", depth + 1) for each in records]
        first = [next(iter(each.values()), None) for each in self._records]
        numbers = _has_kind(items, "integer", "number")
        texts = first or (_numbers(self._text) if numbers else _names(self._text))
        return [_convert(each, _read_kinds(items), 0) for each in texts[:_MOST_RECORDS]]

    def _list_records(self, items: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        """Yield objects of this schema that the question has: by the names of fields, else by sentences."""
        wanted = {_plain(name) for name in _properties(items)}
        named = [record for record in self._records if wanted & record.keys()]
        if named or not self._known:
            yield from named or self._read_clauses(items)

    def _read_clauses(self, items: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        fields = {name: self._resolve(part) for name, part in _properties(items).items()}
        texts = [name for name, part in fields.items() if _has_kind(part, "string")]
        numbers = [name for name, part in fields.items() if _has_kind(part, "integer", "number")]
        for clause in _CLAUSE.split(self._text):
            found = {**_pair(texts, _names(clause)), **_pair(numbers, _numbers(clause)), **self._facts}
            complete = all(_plain(some[0]) in found for some in (texts, numbers) if some)
            if complete and (texts or numbers):
                yield found

    def _find(self, name: str, record: Mapping[str, Any] | None) -> Any:
        plain = _plain(name)
        return self._facts.get(plain) if record is None else record.get(plain)

    def _choose(self, choices: list[Any], known: Any) -> Any:
        if known in choices:
            return known
        words = self._text.casefold()
        named = (each for each in choices if isinstance(each, str) and each and each.casefold() in words)
        return next(named, None if None in choices else choices[0] if choices else None)


def _find_records(question: GuideQuestion) -> list[dict[str, Any]]:
    """Return the objects of the question, or of a known subject, by the plain names of their fields."""
    table = find_data(question.text)
    value: Any
    if table is not None:
        value = [dict(zip(table[0], row, strict=True)) for row in table[1:]]
    else:
        value = find_value(question)
    if value is None and (subject := find_subject(question.words)) is not None:
        value = [{"name": next(iter(each.values())), **each} for each in subject.to_records()]
    if isinstance(value, dict):
        value = [value]
    rows = [each for each in value or () if isinstance(each, dict)] if isinstance(value, list) else []
    return [{_plain(str(name)): each for name, each in row.items()} for row in rows]


def _properties(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    properties = schema.get("properties")
    return properties if isinstance(properties, Mapping) else {}


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", " ", name).strip().casefold()


def _pair(fields: list[str], values: list[str]) -> dict[str, str]:
    return {_plain(field): value for field, value in zip(fields, values, strict=False)}


def _names(text: str) -> list[str]:
    found = (match[0] for match in _NAME.finditer(text))
    return [name for name in found if not _NO_NAMES.fullmatch(name)]


def _numbers(text: str) -> list[str]:
    return [match[0] for match in _NUMBER.finditer(text)]


def _has_kind(schema: Any, *kinds: str) -> bool:
    return isinstance(schema, Mapping) and bool(set(_read_kinds(schema)) & set(kinds))


def _read_kinds(schema: Mapping[str, Any]) -> list[str]:
    """Return the types that a part allows; what is no name of a type is passed over."""
    kind = schema.get("type")
    return [each for each in (kind if isinstance(kind, list) else [kind]) if isinstance(each, str)]


def _convert(known: Any, kinds: list[Any], value: Any) -> Any:
    """Return what is known as one of these kinds; else null, or the value that was calculated."""
    if "string" in kinds and known is not None:
        return known if isinstance(known, str) else str(known)
    if "boolean" in kinds:
        word = str(known).strip().casefold()
        return word in ("true", "yes", "1") if known is not None or "null" not in kinds else None
    if {"integer", "number"} & set(kinds):
        number = _as_number(known if known is not None else value)
        if number is not None:
            return int(number) if "integer" in kinds else number
        return None if "null" in kinds else 0
    return "" if known is None and "string" in kinds and "null" not in kinds else known


def _as_number(known: Any) -> int | float | None:
    if isinstance(known, int | float) and not isinstance(known, bool):
        return known
    try:
        number = float(str(known).strip().replace(",", "")[:40])
    except ValueError:
        return None
    if abs(number) >= 1e15:
        return None
    return int(number) if number.is_integer() else number
