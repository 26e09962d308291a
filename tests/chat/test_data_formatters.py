"""How tables, arrays and figures are shown to a model.

pandas, numpy and matplotlib are the real ones. polars, plotly and pyarrow are large: classes with the
attributes of theirs that are read stand for them here (tried on polars 2.1, plotly 7.1, pyarrow 26).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cnai_magic.api.tokens import estimate_tokens
from cnai_magic.chat.formatters import Shown
from cnai_magic.chat.prompts.prompt import render_prompt
from cnai_magic.errors import InputError

ROWS = 41_188


@pytest.fixture(scope="module")
def bank() -> pd.DataFrame:
    ages = np.arange(ROWS) % 90
    return pd.DataFrame(
        {
            "age": ages,
            "job": [None if age % 3 == 0 else f'tech, "{age}"\nx' for age in ages],
            "when": pd.Timestamp("2024-01-01"),
            "balance": np.where(ages == 1, np.nan, ages / 7),
            "password": "hunter2",
        }
    )


def shown(expression: str, tokens: int = 2000, **variables: Any) -> Shown:
    (piece,) = render_prompt(f"{{{{ {expression} }}}}", variables, tokens).pieces
    assert piece.shown is not None
    return piece.shown


# -- tables -------------------------------------------------------------------------------------


def test_a_data_frame_says_its_size_its_columns_and_begins(bank: pd.DataFrame) -> None:
    found = shown("df", df=bank)
    head, columns, names, *rows = found.text.split("\n")
    assert head == "df: 5 of 41,188 rows, 5 columns (DataFrame)"
    missing = int(bank.job.isna().sum())
    assert f"age int64, job str ({missing:,} missing), when datetime64[" in columns
    assert "balance float64 (458 missing), password str" in columns
    assert names == "age,job,when,balance,password"
    assert rows[0] == "0,,2024-01-01 00:00:00,0,[secret masked]"
    assert rows[1] == '1,"tech, ""1"" x",2024-01-01 00:00:00,,[secret masked]'
    assert rows[2] == '2,"tech, ""2"" x",2024-01-01 00:00:00,0.2857142857,[secret masked]'
    assert len(rows) == 5
    assert (found.note, found.cut, found.block) == ("5 of 41,188 rows × 5 columns", "", True)
    assert found.masked == 5


def test_a_small_table_is_shown_whole_with_an_index_that_means_something() -> None:
    frame = pd.DataFrame({"n": [1, 2]}, index=pd.Index(["a", "b"], name="key"))
    assert shown("df", df=frame).text == (
        "df: 2 rows, 2 columns (DataFrame)\ncolumns: key str, n int64\nkey,n\na,1\nb,2"
    )
    grouped = pd.DataFrame({"g": [1, 1, 2], "h": list("xyx"), "v": [1.0, 2, 4]}).groupby(["g", "h"]).v
    assert "g,h,mean,max\n1,x,1,1\n" in shown("df", df=grouped.agg(["mean", "max"])).text
    assert shown("s", s=frame.n).text.startswith("s: 2 rows, 2 columns (Series)\n")
    wide = pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("a", "x"), ("a", "y")]))
    assert "a / x,a / y\n1,2" in shown("df", df=wide).text
    twice = pd.DataFrame([[1, 2]], columns=["a", "a"])
    assert "a,a\n1,2" in shown("df", df=twice).text
    assert shown("df", df=pd.DataFrame()).text.startswith("df: 0 rows, 0 columns")
    assert shown("df", df=frame.iloc[:0]).text.startswith("df: 0 rows, 2 columns")


def test_expressions_choose_rows_and_columns(bank: pd.DataFrame) -> None:
    assert shown("df[df.age > 88]", df=bank).note == "5 of 457 rows × 6 columns"
    assert shown("df.shape[0]", df=bank).text == "41188"
    assert shown("df[['age', 'job']] | head(2)", df=bank).note == "2 of 41,188 rows × 2 columns"
    assert shown("df.balance[2]", df=bank).text == "0.2857142857142857"
    with pytest.raises(InputError) as caught:
        shown("df.blance", df=bank)
    assert caught.value.why == "did you mean balance?"


def test_a_cap_leaves_out_rows_then_columns_and_says_so() -> None:
    frame = pd.DataFrame(np.zeros((50, 300)), columns=[f"column_{number}" for number in range(300)])
    for tokens in (60, 200, 1000):
        found = shown("df", tokens, df=frame)
        assert estimate_tokens(found.text) <= tokens
        assert " of 300 columns" in found.text
        assert "… " in found.text
        assert " of 300 columns" in found.cut
    assert shown("df", 0, df=frame).cut == ""
    long = pd.DataFrame({"text": ["word " * 1000] * 3})
    found = shown("df", 300, df=long)
    assert "word word…\n" in found.text + "\n"
    assert estimate_tokens(found.text) <= 300


@pytest.mark.parametrize(
    ("filters", "first", "lines"),
    [
        ("head(2)", "df: 2 of 41,188 rows, 5 columns (DataFrame)", None),
        ("sample(3)", "df: 3 of 41,188 rows, 5 columns (DataFrame)", None),
        ("schema", "df: 41,188 rows, 5 columns (DataFrame)", 6),
        ("csv(2)", "df: 2 of 41,188 rows", None),
        ("head(2) | json", "df: 2 of 41,188 records", 3),
        ("describe", "df, described: 8 rows, 4 columns (DataFrame)", 11),
        # Its own repr masks nothing.
        ("repr", "df: 5 of 41,188 rows, 5 columns (DataFrame)", None),
    ],
)
def test_filters_of_tables(bank: pd.DataFrame, filters: str, first: str, lines: int | None) -> None:
    found = shown(f"df | {filters}", df=bank)
    assert found.text.split("\n")[0] == first
    assert lines is None or found.text.count("\n") == lines - 1
    assert "hunter2" not in found.text
    assert shown(f"df | {filters}", df=bank) == found


_LOGIN = {"user": "ada", "password": "hunter2"}


@pytest.mark.parametrize(
    "value",
    [
        pd.Series(["hunter2"], name="password"),
        pd.Series(_LOGIN),
        pd.DataFrame([_LOGIN]).T,
        pd.DataFrame([_LOGIN]).set_index("password"),
        pd.DataFrame(_LOGIN.items(), columns=["name", "value"]),
        pd.DataFrame({"login": [_LOGIN]}),
        np.array([("ada", "hunter2")], dtype=[("user", "U9"), ("password", "U9")]),
        [_LOGIN],
    ],
)
def test_a_secret_is_masked_by_the_name_of_its_column_or_row_in_each_form(value: Any) -> None:
    for form in ("x", "x | head(2)", "x | csv", "x | json", "x | repr"):
        text = shown(form, x=value).text
        assert "hunter2" not in text
        assert "[secret masked]" in text
    with suppress(InputError):
        assert "hunter2" not in shown("x | describe", x=value).text


def test_a_plain_word_under_other_names_too_is_no_secret() -> None:
    schema = {"password": {"type": "string"}, "name": {"type": "string"}, "city": {"type": "string"}}
    text = shown("schema", schema=schema).text
    assert text.count("'type': 'string'") == 2
    assert text.count("[secret masked]") == 1


class Connection:
    """Its own repr prints what it was made with."""

    def __init__(self, password: str) -> None:
        self.settings = {"password": password}

    def __repr__(self) -> str:
        return f"<Connection as ada with {self.settings['password']}>"


def make_dataset() -> Any:
    """A stand-in for xarray, with what is read of it (tried on xarray 2026.9)."""
    array = SimpleNamespace(values=np.array([["hunter2"]]), attrs={})
    held = {"coords": {}, "data_vars": {"password": array}, "attrs": {"api_key": "hunter2x"}}
    kind = type("Dataset", (), {**held, "__module__": "xarray", "__repr__": lambda self: f"<{held}>"})
    return kind()


@pytest.mark.parametrize(
    "value",
    [
        {"t": pd.DataFrame([_LOGIN])},
        [pd.DataFrame([_LOGIN]), 1],
        pd.DataFrame({"login": [pd.DataFrame([_LOGIN])]}),
        np.array([pd.DataFrame([_LOGIN]), None], dtype=object),
        Connection("hunter2"),
        [Connection("hunter2")],
        {b"password": b"hunter2"},
        make_dataset(),
    ],
)
def test_a_secret_is_masked_wherever_a_value_holds_it(value: Any) -> None:
    for form in ("x", "x | repr"):
        assert "hunter2" not in shown(form, x=value).text, form


def test_what_a_secret_is_called_is_no_secret() -> None:
    words = pd.DataFrame({"password": ["password", "secret", "123"], "rank": [1, 2, 3]})
    assert shown("x", x=words).text.startswith("x: 3 rows, 2 columns (DataFrame)\ncolumns: password ")


def test_rare_kinds_of_tables_are_tables() -> None:
    pairs = pd.DataFrame({"n": [1]}, index=pd.MultiIndex.from_tuples([("a", 2)], names=["k", "l"]))
    assert shown("x", x=pairs).text.endswith("k,l,n\na,2,1")
    frame = pd.DataFrame({("a", "x"): pd.Categorical(["u", None]), "p": pd.period_range("2020", periods=2)})
    assert shown("x | csv", x=frame).text == "a / x,p\nu,2020-01-01\n,2020-01-02"
    array = np.array([(1, 2.5)], dtype=[("a", int), ("b", float)])
    assert "columns: a int64, b float64\na,b\n1,2.5" in shown("x", x=array).text
    assert shown("x.columns", x=frame[["p"]]).text == "['p']"
    with pytest.raises(InputError, match="cannot be described"):
        shown("x | describe", x=pd.DataFrame())


def test_a_table_of_pyarrow_is_shown() -> None:
    class Table:
        schema = SimpleNamespace(names=["a", "password"], types=["int64", "string"])
        num_rows, num_columns = 2, 2
        columns = (SimpleNamespace(null_count=1), SimpleNamespace(null_count=0))

        def take(self, numbers: list[int]) -> Table:
            return self

        def rename_columns(self, names: list[str]) -> Table:
            return self

        def to_pylist(self) -> list[dict[str, Any]]:
            return [{"0": 1, "1": "hunter2"}, {"0": None, "1": "x"}]

    Table.__module__ = "pyarrow.lib"
    assert shown("x", x=Table()).text == (
        "x: 2 rows, 2 columns (Table of pyarrow)\n"
        "columns: a int64 (1 missing), password string\n"
        "a,password\n1,[secret masked]\n,[secret masked]"
    )


def test_csv_is_exact_and_as_long_as_the_cap_allows(bank: pd.DataFrame) -> None:
    assert shown("df | csv", df=bank.drop(columns=["when", "password"]).iloc[1:3]).text == (
        'index,age,job,balance\n1,1,"tech, ""1""\nx",\n2,2,"tech, ""2""\nx",0.2857142857142857'
    )
    found = shown("df | csv", df=bank)
    assert estimate_tokens(found.text) <= 2000
    assert " of 41,188 rows" in found.text.split("\n")[0]
    assert " of 41,188 rows" in found.cut


def test_json_has_no_nan_and_no_types_of_numpy(bank: pd.DataFrame) -> None:
    text = shown("df[['age', 'balance', 'when']] | head(3) | json", df=bank).text.partition("\n")[2]
    assert json.loads(text) == [
        {"age": 0, "balance": 0.0, "when": "2024-01-01T00:00:00"},
        {"age": 1, "balance": None, "when": "2024-01-01T00:00:00"},
        {"age": 2, "balance": 2 / 7, "when": "2024-01-01T00:00:00"},
    ]
    mixed = {"n": np.int64(3), "x": [np.float64("nan")], "a": np.arange(2), "t": pd.NaT, "s": {1}}
    assert json.loads(shown("x | json", x=mixed).text) == {
        "n": 3,
        "x": [None],
        "a": [0, 1],
        "t": None,
        "s": [1],
    }


def test_tables_inside_of_other_values_are_named(bank: pd.DataFrame) -> None:
    found = shown("x", x={"df": bank, "a": np.zeros((3, 4)), "n": np.float64(1.5), "t": pd.NaT})
    assert found.text == "{'df': <DataFrame of 41,188 × 5>, 'a': <ndarray of 3 × 4>, 'n': 1.5, 't': NaT}"
    assert not found.cut


# -- arrays -------------------------------------------------------------------------------------


def test_an_array_says_its_shape_its_range_and_begins() -> None:
    grid = np.arange(3000.0).reshape(1000, 3)
    grid[0, 0] = math.nan
    found = shown("grid", grid=grid)
    head, *rows = found.text.split("\n")
    assert head == (
        "grid: array of 1,000 × 3, float64, min 1, mean 1500, max 2999, 1 nan; the first 20 × 3 are"
    )
    assert rows[1] == "  [nan, 1.0, 2.0],"
    assert shown("a", a=np.array([True, False])).text == "a: array of 2, bool\n[True, False]"
    assert shown("a", a=np.array(3.5)).text == "3.5"
    assert shown("a", a=np.array([])).text == "a: array of 0, float64\n[]"
    assert "['a', 'b']" in shown("a", a=np.array(["a", "b"])).text
    assert estimate_tokens(shown("a", 60, a=np.zeros((50, 50, 50, 3))).text) <= 60
    assert shown("grid | head(2)", grid=grid).text.startswith("grid: 2 of 1,000 rows\n")
    assert shown("grid | schema", grid=grid).text == "grid: array of 1,000 × 3, float64"
    assert shown("grid | describe", grid=grid).text.startswith("grid: count 2999, mean 1500,")


# -- figures ------------------------------------------------------------------------------------


def test_a_figure_of_matplotlib_is_described() -> None:
    # Here: each worker imports the whole file, and this takes a second.
    from matplotlib.figure import Figure

    figure = Figure()
    left, right = figure.subplots(1, 2)
    figure.suptitle("Growth")
    left.plot([1, 2, 3], [4, 5, math.nan], label="linear")
    left.scatter([1, 2, 3], [3, 4, math.nan], label="seen")
    left.set(title="By year", xlabel="year", ylabel="size", yscale="log")
    right.bar(["a", "b"], [1, 2], label="counts")
    right.imshow(np.zeros((2, 2)))
    text = shown("fig", fig=figure).text
    assert text.startswith('fig: a figure "Growth"\naxes 1 "By year"\n  x axis "year" from ')
    for line in (
        '  y axis "size" from 2.9',
        '  line "linear": 3 points, x 1 … 3, y 4 … 5',
        '  points "seen": 3, x 1 … 2, y 3 … 4',
        '  bars "counts": 2, heights 1, 2',
        "  x ticks: a, b",
        "  1 image",
    ):
        assert f"\n{line}" in text
    assert shown("ax", ax=left).text.startswith('ax: axes "By year"\n')


def _library(name: str, kind: str, base: type = object, **attributes: Any) -> Any:
    """Return an object of a class that looks as one of this library."""
    return type(kind, (base,), {"__module__": name, **attributes})()


class _Axis(SimpleNamespace):
    pass


class _Trace(SimpleNamespace):
    def __contains__(self, name: str) -> bool:
        return hasattr(self, name)

    def __iter__(self) -> Iterator[str]:
        return iter(vars(self))


def test_a_figure_of_plotly_is_described() -> None:
    titled = [SimpleNamespace(title=SimpleNamespace(text=text)) for text in ("Sales", "month", None)]
    layout = SimpleNamespace(title=titled[0].title, xaxis=titled[1], yaxis=titled[2])
    traces = [
        _Trace(type="scatter", name="s", x=["Jan", "Feb"], y=(1, 2)),
        _Trace(type="pie", name=None, labels=["a", "b", "c"], values=[1, 2, 3]),
        _Trace(type="heatmap", name=None, z=[[1, 2, None], [3, 4, 9]]),
        _Trace(type="bar", name=None, x=[7], y=[1]),
    ]
    base = type("BaseFigure", (), {"__module__": "plotly.basedatatypes"})
    figure = _library("plotly.graph_objs._figure", "Figure", base, layout=layout, data=traces)
    assert shown("fig", fig=figure).text == (
        'fig: a figure of plotly "Sales"\n  x axis "month"\n'
        '  scatter "s": 2 points, x Jan … Feb, y 1 … 2\n  pie: 3 parts: a 1, b 2, c 3\n'
        "  heatmap: 2 × 3 values, z 1 … 9\n  bar: 1 point, x 7 … 7, y 1 … 1"
    )


def test_a_table_of_polars_is_shown() -> None:
    values = [(1, "x"), (None, "y"), (3, None)]
    frame = _library(
        "polars.dataframe.frame",
        "DataFrame",
        columns=["a", "b"],
        dtypes=["Int64", "String"],
        height=3,
        width=2,
        shape=(3, 2),
        null_count=lambda self: SimpleNamespace(row=lambda number: (1, 1)),
        __getitem__=lambda self, numbers: SimpleNamespace(rows=lambda: [values[each] for each in numbers]),
    )
    assert shown("df", df=frame).text == (
        "df: 3 rows, 2 columns (DataFrame)\ncolumns: a Int64 (1 missing), b String (1 missing)\n"
        "a,b\n1,x\n,y\n3,"
    )
    assert shown("df | head(1) | json", df=frame).text.endswith('[{"a": 1, "b": "x"}]')


def test_a_lazy_table_of_polars_says_that_it_has_no_rows() -> None:
    lazy = _library("polars.lazyframe.frame", "LazyFrame")
    assert shown("q", q=lazy).text == "q: a LazyFrame of polars, which has no rows before .collect()"


def test_an_image_is_described() -> None:
    image = _library("PIL.Image", "Image", width=640, height=480, mode="RGB")
    assert shown("image", image=image).text == "image: an image of 640 × 480 pixels, RGB"
