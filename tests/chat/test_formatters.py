"""How values are shown to a model: plain Python, code, errors, secrets, and what misbehaves."""

from __future__ import annotations

import dataclasses
import enum
import functools
import inspect
import math
import subprocess
import sys
from collections import Counter, OrderedDict, namedtuple
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cnai_magic
from cnai_magic.api.tokens import estimate_tokens
from cnai_magic.chat.formatters import Shown, mask_secrets, show_value
from cnai_magic.chat.prompts.prompt import render_prompt
from cnai_magic.errors import InputError
from cnai_magic.redaction import ApiKey
from tests.cases import check_each
from tests.properties import Chance, by_chance, random_examples


def shown(expression: str, tokens: int = 2000, **variables: Any) -> Shown:
    (piece,) = render_prompt(f"{{{{ {expression} }}}}", variables, tokens).pieces
    assert piece.shown is not None
    return piece.shown


def text_of(value: object, tokens: int = 2000) -> str:
    return show_value(value, "x", tokens).text


# -- plain Python -------------------------------------------------------------------------------


class Color(enum.Enum):
    RED = 1


@dataclasses.dataclass
class Login:
    user: str
    password: str
    hidden: int = dataclasses.field(default=0, repr=False)


Pair = namedtuple("Pair", "left right")


@check_each(
    ("value", "expected"),
    [
        (3, "3"),
        (1.5, "1.5"),
        (math.nan, "nan"),
        (-math.inf, "-inf"),
        (None, "None"),
        (True, "True"),
        ("as it is\n", "as it is\n"),
        (b"\x00a", r"b'\x00a'"),
        (bytearray(b"a"), "bytearray(b'a')"),
        (1 + 2j, "(1+2j)"),
        (Decimal("1.10"), "1.10"),
        (date(2024, 2, 29), "2024-02-29"),
        ([Decimal("1.10")], "[Decimal('1.10')]"),
        (Color.RED, "<Color.RED: 1>"),
        (10**5000, "<a whole number of about 5,001 digits>"),
        ([10**5000], "[<a whole number of about 5,001 digits>]"),
        ([1, "a", None, [2.5]], "[1, 'a', None, [2.5]]"),
        ((1,), "(1,)"),
        ((), "()"),
        ({}, "{}"),
        (set(), "set()"),
        ({3, 1, 2}, "{1, 2, 3}"),
        ({"b", "a"}, "{'a', 'b'}"),
        (frozenset({1}), "frozenset({1})"),
        ({"a": {"b": [1]}}, "{'a': {'b': [1]}}"),
        (OrderedDict(a=1), "OrderedDict({'a': 1})"),
        (Counter("aab"), "Counter({'a': 2, 'b': 1})"),
        (Pair(1, {"b", "a"}), "Pair(left=1, right={'a', 'b'})"),
        (Login("ada", ""), "Login(user='ada', password='')"),
        (range(10**12), "range(0, 1000000000000)"),
        (math, "<module math>"),
        (object(), "<object object>"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_plain_values_are_shown_as_python_writes_them(value: object, expected: str) -> None:
    assert text_of(value) == expected


def test_a_cycle_is_shown_once() -> None:
    rows: list[Any] = [1]
    rows.append({"rows": rows})
    assert text_of(rows) == "[1, {'rows': <itself>}]"
    assert text_of([rows[1]["rows"][0]] * 2) == "[1, 1]"


def test_a_long_container_says_how_much_of_it_is_shown() -> None:
    found = shown("numbers", 60, numbers=list(range(41_188)))
    assert found.text.startswith("numbers: ")
    assert " of 41,188 items (list)\n[0, 1, 2, " in found.text
    assert found.cut == found.note
    assert estimate_tokens(found.text) <= 60
    deep: list[Any] = []
    for _ in range(50):
        deep = [deep]
    assert "<list of 1>" in text_of(deep)
    assert "right='the answer'" in text_of(Pair("word " * 5000, "the answer"), 100)
    table = shown("table", 100, table={f"key {number}": {"values": [number] * 50} for number in range(500)})
    assert " of 500 items (dict)" in table.text


def test_long_text_is_cut_and_says_so() -> None:
    found = shown("article", 100, article="word " * 5000)
    assert estimate_tokens(found.text) <= 100
    assert found.text.startswith("word word")
    assert found.text.endswith(f"[cut here: {found.cut}]")
    assert "of 25,000 characters left out" in found.cut
    assert shown("article", 0, article="word " * 5000).text == "word " * 5000


def test_a_block_stands_on_lines_of_its_own() -> None:
    rows = [{"name": "x" * 40, "n": number} for number in range(3)]
    text = render_prompt("Look at {{ rows }} and {{ n }}.\n\n{{ rows }}\nend", {"rows": rows, "n": 3}).text
    block = text_of(rows)
    assert text == f"Look at \n{block}\nand 3.\n\n{block}\nend"


# -- objects that misbehave ---------------------------------------------------------------------


class Raising:
    def __repr__(self) -> str:
        raise ValueError("no")


class Endless:
    def __repr__(self) -> str:
        while True:
            pass


class Recursive:
    def __repr__(self) -> str:
        return repr(self)


class Wrong:
    def __repr__(self) -> Any:
        return 3


class Exits:
    def __repr__(self) -> str:
        raise SystemExit


class Evil:
    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(name)


class Lying:
    __class__ = str  # type: ignore[assignment]


class LongRepr:
    def __repr__(self) -> str:
        return "x" * 10**6


class NoItems(dict[str, int]):
    def items(self) -> Any:
        raise RuntimeError("no items")


class Account(NamedTuple):
    user: str
    password: str


@dataclasses.dataclass
class Half:
    whole: int

    def __getattribute__(self, name: str) -> Any:
        if name == "whole":
            raise AttributeError(name)
        return super().__getattribute__(name)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Raising(), "<Raising: its repr raises ValueError>"),
        (Endless(), "<Endless: its repr does not end>"),
        ([Recursive()], "[<Recursive: its repr calls itself>]"),
        (Wrong(), "<Wrong: its repr raises TypeError>"),
        ([Exits()], "[<Exits: its repr raises SystemExit>]"),
        (Evil(), "Evil object"),
        (Lying(), "Lying object"),
        (LongRepr(), "in part (LongRepr)"),
        (NoItems(a=1), "<NoItems: it raises RuntimeError when it is looked at>"),
        (Half(1), "Half(whole=AttributeError('whole'))"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_misbehaves_is_named_and_harms_nothing(value: object, expected: str) -> None:
    assert expected in text_of(value)
    assert sys.gettrace() is None


def test_an_iterator_is_not_used_up() -> None:
    numbers = (number for number in range(3))
    assert "generator" in text_of(numbers)
    assert list(numbers) == [0, 1, 2]


def _make_value(chance: Chance, depth: int = 3) -> object:
    kind = chance.randrange(9 if depth else 6)
    if kind == 6:
        return {chance.text(5): _make_value(chance, depth - 1) for _ in range(chance.randint(0, 6))}
    if kind > 6:
        return [_make_value(chance, depth - 1) for _ in range(chance.randint(0, 6))]
    number = chance.choice([0.0, -0.0, 1e-300, float("inf"), float("nan"), chance.gauss(0, 1e6)])
    octets = chance.randbytes(chance.randint(0, 30))
    return [None, chance.flag(), chance.integer(-(2**70), 2**70), number, chance.text(30), octets][kind]


@random_examples()
@given(by_chance(_make_value), st.integers(30, 300))
def test_any_value_fits_its_cap(value: object, tokens: int) -> None:
    assert estimate_tokens(text_of(value, tokens)) <= tokens


# -- filters ------------------------------------------------------------------------------------

ROWS = [{"city": "Rome", "age": 3}, {"city": "Oslo", "age": 9}, {"city": None, "age": 4}]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("rows | head(2) | csv", "rows: 2 of 3 rows\ncity,age\nRome,3\nOslo,9"),
        ("rows | csv", "city,age\nRome,3\nOslo,9\n,4"),
        ("rows | schema", "rows: 3 rows, 2 columns (list of dicts)\ncity: str, 1 missing\nage: int"),
        ("rows[0] | json", '{"city": "Rome", "age": 3}'),
        ("rows | head(1) | json", 'rows: 1 of 3 records\n[{"city": "Rome", "age": 3}]'),
        ("rows | map(attribute='age') | describe", "count 3"),
        ("numbers | head(3)", "numbers: 3 of 100 items\n[0, 1, 2]"),
        ("numbers | sample(3)", "numbers: 3 of 100 items"),
        ("numbers | describe", "count 100, mean 49.5, std 29.0115, min 0, 25% 24.75, 50% 49.5"),
        ("numbers | schema", "numbers: list of 100 int"),
        ("text | head(2)", "text: 2 of 4 lines\na\nb"),
        ("nested | schema", "nested: {'a': int, 'b': list of 2 str or float}"),
        ("nested | head(1)", "nested: 1 of 2 items\n{'a': 1}"),
        ("nested | repr", "{'a': 1, 'b': ['x', nan]}"),
        ("account | head(1)", "account: 1 of 2 items\n{'user': 'ada'}"),
        ("account | schema", "account: Account(user: str, password: str)"),
        ("account | json", '{"user": "ada", "password": "[secret masked]"}'),
        ("huge | json", '"<a whole number of about 10,001 digits>"'),
        ("nested | json", '{"a": 1, "b": ["x", null]}'),
        ("name | upper | repr", "'ADA'"),
    ],
)
def test_filters_show_a_part_or_another_form(expression: str, expected: str) -> None:
    variables = {
        "rows": ROWS,
        "numbers": list(range(100)),
        "text": "a\nb\nc\nd",
        "nested": {"a": 1, "b": ["x", math.nan]},
        "account": Account("ada", "hunter2"),
        "huge": 10**10_000,
        "name": "Ada",
    }
    assert expected in shown(expression, **variables).text


def test_a_sample_is_the_same_each_time() -> None:
    numbers = list(range(1000))
    assert shown("numbers | sample(9)", numbers=numbers) == shown("numbers | sample(9)", numbers=numbers)


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("n | head", "head is for tables, lists, dicts, arrays and text, not for int"),
        ("n | csv", "csv is for tables and lists of records, not for int"),
        ("n | describe", "describe is for tables and numbers, not for int"),
        ("n | source", "n has no source that Python can find"),
        ("rows | csv | head(3)", "csv makes text: let it be the last filter"),
        ("rows | head(2) | describe", "describe is for tables and numbers"),
        ("cycle | json", "it contains itself"),
        ("strange | json", "a object in it has no JSON"),
    ],
)
def test_a_filter_says_what_it_is_not_for(expression: str, said: str) -> None:
    cycle: list[Any] = []
    cycle.append(cycle)
    with pytest.raises(InputError) as caught:
        shown(expression, n=3, rows=ROWS, cycle=cycle, strange=[object()])
    assert said in caught.value.what


# -- code and errors ----------------------------------------------------------------------------


def halve(number: float) -> float:
    """Return half of a number."""
    return number / 2


def test_functions_and_classes_are_shown_by_their_source() -> None:
    assert text_of(halve) == inspect.getsource(halve).rstrip()
    assert shown("halve", halve=halve).note == "source, 3 lines"
    assert text_of(functools.lru_cache(halve)) == text_of(halve)
    assert text_of(Login).startswith("@dataclasses.dataclass\nclass Login:")
    assert "def len(obj, /)\nReturn the number of items" in text_of(len)
    assert shown("halve | schema", halve=halve).text.endswith("halve(number: 'float') -> 'float'")
    assert shown("login | source", login=Login("a", "b")).text.startswith("@dataclasses.dataclass")


def test_an_exception_is_shown_with_its_causes() -> None:
    def fail() -> None:
        try:
            halve("x")  # type: ignore[arg-type]
        except TypeError as error:
            raise KeyError("missing") from error

    with pytest.raises(KeyError) as caught:
        fail()
    text = text_of(caught.value)
    assert text.index("TypeError: unsupported operand") < text.index("KeyError: 'missing'")
    assert "return number / 2" in text
    with pytest.raises(SyntaxError) as syntax:
        compile("a = (", "cell", "exec")
    assert "SyntaxError: '(' was never closed" in text_of(syntax.value)
    assert text_of(ValueError(f"no {object()!r}")) == "ValueError: no <object object>"


def test_a_long_exception_keeps_its_end_and_takes_linear_time() -> None:
    error = ValueError("first")
    for number in range(300):
        later = ValueError(f"of {number}")
        later.__cause__, error = error, later
    text = text_of(error)
    assert text.startswith("ValueError: first\n")
    assert "[cut here: " in text
    assert text.endswith("ValueError: of 299")
    # It would take minutes otherwise.
    assert text_of(ValueError("x" * 1_000_000)).startswith("ValueError: xxx")


# -- paths --------------------------------------------------------------------------------------


def test_a_path_is_shown_by_the_text_of_its_file(tmp_path: Path) -> None:
    from cnai_magic.session.text_file import read_text_file

    note = tmp_path / "note.txt"
    note.write_bytes("\ufeffGrüße\r\n{{ x }}\r\n".encode())

    def rendered(path: Path) -> str:
        return render_prompt("{{ path }}", {"path": path}, 2000, read_text_file).text

    assert rendered(note) == f"path: {note}, 2 lines\nGrüße\n{{{{ x }}}}"
    for name, data, said in (
        ("gone", None, "there is no file"),
        (".", None, "is a folder, and no file"),
        ("image.png", b"\x89PNG\r\n", "is not text in UTF-8"),
        ("zeros", b"a\0b", "it has zero bytes"),
    ):
        if data is not None:
            (tmp_path / name).write_bytes(data)
        with pytest.raises(InputError, match=said):
            rendered(tmp_path / name)
    assert render_prompt("{{ path | string }}", {"path": note}, 0, read_text_file).text == str(note)


# -- own formatters -----------------------------------------------------------------------------


class Molecule:
    def __init__(self, smiles: str) -> None:
        self.smiles = smiles


class Ion(Molecule):
    pass


def test_a_formatter_of_one_s_own_comes_first(request: pytest.FixtureRequest) -> None:
    for kind in (Molecule, list):
        request.addfinalizer(lambda kind=kind: cnai_magic.register_formatter(kind, None))
    cnai_magic.register_formatter(Molecule, lambda value: f"SMILES {value.smiles}")
    assert text_of(Ion("C{{ x }}")) == "SMILES C{{ x }}"
    cnai_magic.register_formatter(list, lambda value: "word " * 1000)
    assert "characters left out" in show_value([1], "x", 50).cut
    cnai_magic.register_formatter(Molecule, lambda value: value.nothing)
    with pytest.raises(InputError, match="the formatter of Molecule raises AttributeError"):
        shown("ion", ion=Ion("C"))
    cnai_magic.register_formatter(Molecule, lambda value: 3)  # type: ignore[arg-type, return-value]
    with pytest.raises(InputError, match="the formatter of Molecule returns int, not text"):
        shown("ion", ion=Ion("C"))
    cnai_magic.register_formatter(Molecule, None)
    assert text_of(Ion("C")).endswith("Ion object>")
    for wrong in ((3, str), (Molecule, "text")):
        with pytest.raises(InputError, match="formatter"):
            cnai_magic.register_formatter(*wrong)  # type: ignore[arg-type]


# -- secrets ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "secret"),
    [
        ("my key is sk-abcdefghijklmnopqrst", "sk-abcdefghijklmnopqrst"),
        ({"user": "ada", "password": "hunter2!"}, "hunter2!"),
        ({"DB_PASSWORD": "p", "api_key": {"x": 1}, "openai_api_key": "abcd"}, "abcd"),
        ([{"note": "ghp_" + "a1B2" * 9}], "ghp_"),
        ("AKIAABCDEFGHIJKLMNOP", "AKIAABCDEFGHIJKLMNOP"),
        ("postgresql://ada:hunter2@db.example/x", "hunter2"),
        (Login("ada", "hunter2"), "hunter2"),
        ("headers = {'Authorization': 'Bearer abcdefgh12345678'}", "abcdefgh12345678"),
        ("-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----", "MIIE"),
        ('{"client_secret": "abcde"}', "abcde"),
        ({"password": b"hunter2"}, "hunter2"),
        ({"passwords": ["hunter2"], "credentials": {"ada": "hunter2"}}, "hunter2"),
        ({"password": "hunter2"}.items(), "hunter2"),
        ([Account("ada", "hunter2")], "hunter2"),
    ],
)
def test_what_looks_like_a_secret_is_masked_and_counted(value: object, secret: str) -> None:
    for form in ("x", "x | repr"):
        found = shown(form, x=value)
        assert secret not in found.text
        assert "[secret masked]" in found.text
        assert found.masked >= 1


@pytest.mark.parametrize("text", ["a-" * 100_000, "-" * 200_000, "password " * 25_000, "\n" * 100_000])
def test_a_long_text_of_words_and_dashes_is_searched_in_linear_time(text: str) -> None:
    # It would take hours otherwise.
    assert mask_secrets(f"{text} password = 'hunter22'")[1] == 1


@pytest.mark.parametrize(
    "text",
    [
        "max_tokens = 'five hundred', tokens: 12, tokenizer='abcdef', the secret of the house",
        "https://example.org/a:b@c sk-learn secretary='Ms Brown' sk-short",
        "keyboard = 'qwerty', monkey: 'banana'",
    ],
)
def test_other_words_are_left_alone(text: str) -> None:
    assert text_of(text) == text


@pytest.mark.parametrize("key", ["sk-" + "own0key1" * 4, "ownkey" * 4, "own-key.with+signs=="])
def test_a_known_key_is_never_sent_in_a_value(key: str) -> None:
    ApiKey(key)
    for value in (key, [key], {"a": (key,)}, Path(key), ValueError(key), Login(key, "")):
        for form in ("x", "x | repr", "x ~ ''"):
            found = shown(form, x=value).text
            assert key.removeprefix("sk-") not in found
            assert "[secret masked]" in found
    assert "[secret masked]" in text_of(f"x{key[:9]}\u200b{key[9:]}y")


def test_nothing_of_data_science_is_imported() -> None:
    code = (
        "import sys\n"
        "from cnai_magic.chat.prompts.prompt import render_prompt\n"
        "names = {'x': [1, {2: 3.5}], 'f': len, 'e': ValueError(), 't': [{'a': 1}]}\n"
        "render_prompt('{{ x }} {{ f }} {{ e }} {{ t | csv }} {{ t | json }} {{ x | schema }}', names)\n"
        "print({*sys.modules} & {'numpy', 'pandas', 'polars', 'matplotlib', 'plotly', 'PIL'})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
