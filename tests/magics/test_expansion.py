from __future__ import annotations

import warnings
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from IPython.utils.text import DollarFormatter

from cnai_magic.magics.expansion import expand
from tests.properties import random_examples


class Broken:
    def __format__(self, spec: str) -> str:
        raise RuntimeError("no text")


VARIABLES: dict[str, Any] = {
    "name": "Ada",
    "n": 5,
    "x": 1.23456,
    "a": 7,
    "b": 8,
    "table": SimpleNamespace(shape=(2, 3), name="cars"),
    "words": {"k": "v", "a:b": "w"},
    "items": [1, 2, 3],
    "odd": "{name} $name {{n}} it's",
    "broken": Broken(),
    "名": "Li",
}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("Who is {name}?", "Who is Ada?"),
        ("Who is $name?", "Who is Ada?"),
        ("{name}{n} $name.", "Ada5 Ada."),
        ("{ name }", "Ada"),
        ("{名} is one", "Li is one"),
        ("{x:.2f} {n:>3} {name!r}", "1.23 {n:>3} 'Ada'".replace("{n:>3}", "  5")),
        ("{n + 1} {len(items)} {items[1:]} {words['k']} {words['a:b']}", "6 3 [2, 3] v w"),
        ("{[each * 2 for each in items]}", "[2, 4, 6]"),
        ("{table.shape} $table.name $table.name.", "(2, 3) cars cars."),
        ("read $name.txt", "read Ada.txt"),
        ("it's {name}'s \"$name\"; why?", "it's Ada's \"Ada\"; why?"),
        ("file_{n}.csv", "file_5.csv"),
        ("{odd}", "{name} $name {{n}} it's"),
    ],
)
def test_variables_are_replaced_as_in_ipython_s_own_magics(line: str, expected: str) -> None:
    assert expand(line, VARIABLES) == expected


@pytest.mark.parametrize(
    "text",
    [
        "{unknown} $unknown {unknown.name} {name + unknown}",
        '{"a": 1} {"a": {"b": [1, 2]}} {"k": "v"}',
        "{a: 1} {n: 2, x: 3} { }",
        "{} {0} {1, 2} {'text'} {print} {id} {len('x')}",
        r"\frac{a}{b} \sqrt[n]{x} x^{2} \text{name}",
        "$x$ and $x^2 + n$ and $$\\sum_{n} x$$ cost $5 and $10",
        "{{name}} {{ n }} ${{name}} $$name",
        "${HOME} $HOME $1 \\$name",
        "{broken} {n / 0} {items[9]} {name.nothing}",
        "{name:zzz} {n!q} {lambda} {name",
        "for (;;) { n++; } if (x) { return name; }",
        "100$",
    ],
)
def test_what_names_no_variable_or_fails_is_text(text: str) -> None:
    assert expand(text, VARIABLES) == text


def test_python_s_warnings_about_text_are_not_shown() -> None:
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        assert expand(r"{name + '\d'} {n is 5}", VARIABLES) == r"Ada\d True"
    assert not shown


def test_one_that_fails_leaves_the_others() -> None:
    assert expand('{name} {unknown} {"a": 1} $n', VARIABLES) == 'Ada {unknown} {"a": 1} 5'


_PARTS = st.sampled_from(
    ["{name}", "{n}", "$name", " $n ", "{x}", "{items[0]}", " and ", "?", ";", '"', "é", "\\", "%"]
)


@random_examples()
@given(st.lists(_PARTS, max_size=6).map(" ".join))
def test_where_ipython_replaces_all_it_is_the_same(line: str) -> None:
    assert expand(line, VARIABLES) == DollarFormatter().vformat(line, [], VARIABLES)


@random_examples()
@given(st.text(alphabet="{}$nax\\ \"':!.^_1[]()", max_size=30))
def test_any_line_is_expanded_without_an_error(line: str) -> None:
    assert isinstance(expand(line, VARIABLES), str)
    assert expand(line, {}) == line
