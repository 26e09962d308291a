"""Files of rows: what stands between cells, what a column is called, and what is said of another file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cnai_magic import InputError
from cnai_magic.session.batches.row_sources import read_rows

_CITIES = [{"city": "Köln", "text": "a, b"}, {"city": "Bonn", "text": ""}]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", 'city,text\nKöln,"a, b"\nBonn,\n'),
        ("a.csv", "city;text\r\nKöln;a, b\r\nBonn;\r\n"),
        ("a.csv", '"city";"text"\n"Köln";"a, b"\n\n"Bonn"\n'),
        ("a.csv", "city\ttext\nKöln\ta, b\nBonn\t\n"),
        ("a.csv", "city|text\nKöln|a, b\nBonn|\n"),
        ("a.csv", "sep=;\ncity;text\nKöln;a, b\nBonn;\n"),
        ("a.tsv", "city\ttext\nKöln\ta, b\nBonn\t\n"),
        ("a.json", json.dumps(_CITIES)),
        ("a.json", json.dumps({"city": ["Köln", "Bonn"], "text": ["a, b", ""]})),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_table_is_read_as_it_was_written(tmp_path: Path, name: str, text: str, encoding: str) -> None:
    path = tmp_path / name
    path.write_bytes(text.encode(encoding))
    assert read_rows(path) == _CITIES


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("say\nyes; no\n", [{"say": "yes; no"}]),
        ("yes; no\nmaybe\n", [{"yes; no": "maybe"}]),
        ("a,b;c\n1,2\n", [{"a": "1", "b;c": "2"}]),
        ("a,a,a_2,a\n1,2,3,4\n", [{"a": "1", "a_3": "2", "a_2": "3", "a_4": "4"}]),
        ("a,b\n1,2,3,4\n", [{"a": "1", "b": "2", "more": ["3", "4"]}]),
    ],
)
def test_no_cell_of_a_table_is_lost(tmp_path: Path, text: str, rows: list[Any]) -> None:
    (tmp_path / "a.csv").write_text(text, encoding="utf-8")
    assert read_rows(tmp_path / "a.csv") == rows


def test_a_cell_may_be_a_document_and_a_heading_have_many_empty_names(tmp_path: Path) -> None:
    path, document = tmp_path / "a.csv", "word " * 50_000
    path.write_text(f'text{"," * 10_000}\n"{document}"\n', encoding="utf-8")
    (row,) = read_rows(path)
    assert (row["text"], len(row), [*row][:3]) == (document, 10_001, ["text", "", "_2"])


def test_two_columns_of_a_frame_may_have_one_name() -> None:
    import pandas

    frame = pandas.DataFrame([[1, 2, 3]], columns=["a", "a", "b"])
    assert read_rows(frame) == [{"a": 1, "a_2": 2, "b": 3}]


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("a.csv", b"", "there is no row in a.csv; it is empty"),
        ("a.csv", b"a,b\n", "there is no row in a.csv; it has one line, the names of columns"),
        ("a.json", b"[]", "there is no row in a.json; it is empty"),
        ("a.json", b"[1,", "a.json is not JSON; "),
        ("a.jsonl", b"1\n{\n", "line 2 of "),
        ("a.xlsx", b"PK", 'read it in Python: df = pandas.read_excel("a.xlsx"), and name the variable'),
        ("a.txt", b"a", "those are .csv, .tsv, .jsonl, .ndjson, .json; read it in Python, and name"),
        ("a.csv", "问题\n二\n".encode("gbk"), 'df = pandas.read_csv("a.csv", encoding="gb18030")'),
        ("a.csv", bytes(range(256)), "it has zero bytes"),
    ],
)
def test_what_has_no_rows_says_what_to_do(tmp_path: Path, name: str, data: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError) as raised:
        read_rows(tmp_path / name)
    assert words in str(raised.value)
