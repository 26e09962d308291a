"""Random parameters of a request, by the table that the package has of them."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from cnai_magic.api.parameters import PARAMETERS, Parameter
from cnai_magic.chat.schemas import find_schema

__all__ = ["any_parameters"]


def any_parameters() -> st.SearchStrategy[dict[str, Any]]:
    """Return any parameters that a request may have, by name."""
    return st.fixed_dictionaries({}, optional={row.name: _values(row) for row in PARAMETERS})


def _values(row: Parameter) -> st.SearchStrategy[Any]:
    if row.most > 1:
        odd = st.sampled_from(["-a", "--", "[", '["x"]', "two words", "it's", "\n", "#", "$x {y}"])
        text = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
        return st.lists(text | odd, min_size=1, max_size=row.most).map(tuple)
    if row.fields:
        names = st.sampled_from(["top_k", "a", "enable_search", "größe", "a b"])
        values = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
        texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
        deep = st.recursive(
            values | texts,
            lambda each: st.lists(each, max_size=3) | st.dictionaries(names, each, max_size=3),
            max_leaves=8,
        )
        return st.dictionaries(names, deep, max_size=3)
    if row.functions:
        about = st.sampled_from(
            [{"parameters": {"type": "object"}}, {"description": "it's $x", "parameters": {}}]
        )
        return st.dictionaries(st.sampled_from(["f", "mean_of", "a-b"]), about, min_size=1)
    if row.type is dict:
        words = [
            "",
            "name, age int?",
            "list[name]",
            "kind 'a'|'b', at {x float}",
            "首 list[int]: 文 -- it's $x",
        ]
        return st.sampled_from([find_schema(each) if each else {} for each in words])
    if row.choices:
        return st.sampled_from(row.choices) | st.integers(int(row.low), 2**63 - 1)
    if row.type is str:
        odd = st.sampled_from(["[", '["x"]', "--", "-a", "two words", "\n", "```python\n", "it's $x {y}"])
        return odd | st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
    if row.type is int:
        return st.integers(int(max(row.low, -(2**63))), int(min(row.high, 2**63 - 1)))
    return st.floats(row.low, row.high) | st.integers(int(row.low), int(row.high))
