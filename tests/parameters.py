"""Random parameters of a request, by the table that the package has of them."""

from __future__ import annotations

from typing import Any

from cnai_magic.api.parameters import PARAMETERS, Parameter
from cnai_magic.chat.schemas import find_schema
from tests.properties import Chance

__all__ = ["make_parameters"]

_WORDS = ["[", '["x"]', "--", "-a", "two words", "\n", "#", "```python\n", "it's", "$x {y}"]
_ABOUT_A_FUNCTION = [{"parameters": {"type": "object"}}, {"description": "it's $x", "parameters": {}}]
_SCHEMAS = ["", "name, age int?", "list[name]", "kind 'a'|'b', at {x float}", "首 list[int]: 文 -- it's $x"]


def make_parameters(chance: Chance) -> dict[str, Any]:
    """Return any parameters that a request may have, by name."""
    share = chance.random()
    return {row.name: _make_value(row, chance) for row in PARAMETERS if chance.random() < share}


def _make_value(row: Parameter, chance: Chance) -> Any:
    if row.most > 1:
        return tuple(_make_word(chance) for _ in range(chance.randint(1, row.most)))
    if row.fields:
        return _make_fields(chance, 3)
    if row.functions:
        return {name: chance.choice(_ABOUT_A_FUNCTION) for name in chance.sample(["f", "mean_of", "a-b"], 2)}
    if row.type is dict:
        words = chance.choice(_SCHEMAS)
        return find_schema(words) if words else {}
    if row.choices and chance.flag():
        return chance.choice(row.choices)
    if row.choices:
        return chance.integer(int(row.low), 2**63 - 1)
    if row.type is str:
        return _make_word(chance)
    if row.type is int:
        return chance.integer(int(max(row.low, -(2**63))), int(min(row.high, 2**63 - 1)))
    if chance.flag():
        return chance.integer(int(row.low), int(row.high))
    return chance.choice([row.low, row.high, chance.uniform(row.low, row.high)])


def _make_word(chance: Chance) -> str:
    return chance.choice(_WORDS) if chance.flag() else chance.text(8, least=1)


def _make_fields(chance: Chance, depth: int) -> dict[str, Any]:
    names = ["top_k", "a", "enable_search", "größe", "a b"]
    return {name: _make_any(chance, depth) for name in chance.sample(names, chance.randint(0, 3))}


def _make_any(chance: Chance, depth: int) -> Any:
    kind = chance.randrange(8 if depth else 6)
    if kind == 6:
        return [_make_any(chance, depth - 1) for _ in range(chance.randint(0, 3))]
    if kind == 7:
        return _make_fields(chance, depth - 1)
    return [None, chance.flag(), chance.integer(-(2**70), 2**70), chance.gauss(0, 1e9), 0.0, chance.text(8)][
        kind
    ]
