"""Notebook files: what can be read of them is read, and what is damaged is named."""

from __future__ import annotations

import json
import logging
import random
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import nbformat
import pytest

from cnai_magic.chat.attempt import Attempt
from cnai_magic.errors import InputError
from cnai_magic.magics.cell_words import CELL
from cnai_magic.notebook.ipynb import read_notebook
from cnai_magic.notebook.notebook_files import restore_notebook
from cnai_magic.notebook.record import build_bundle, build_metadata
from tests.display.answers import attempt
from tests.notebooks import code, new_notebook

CELLS = 6


def answer(number: int) -> Attempt:
    """Return the answer that stands in the cell of this number."""
    about = {"turn": number, "turn_id": f"turn-{number}", "id": f"answer-{number}"}
    return attempt(f"Answer {number}.", prompt=f"Question {number}?", **about)


def notebook() -> dict[str, Any]:
    """Return a notebook of six answers, the first of which is in cell 2, as JSON."""
    made = new_notebook(
        *(code(f"%%cnai\nQuestion {n}?", identifier=f"cell-{n}") for n in range(1, CELLS + 1))
    )
    for number, cell in enumerate(made.cells, 1):
        about = build_metadata(answer(number))
        cell.outputs = [nbformat.v4.new_output("display_data", build_bundle(answer(number)), metadata=about)]
    made.cells.insert(0, nbformat.v4.new_markdown_cell("# Title", id="title"))
    body: dict[str, Any] = json.loads(nbformat.writes(made))
    return body


def prompts(path: Path) -> list[str]:
    """Return the prompts that a file is restored to."""
    found = restore_notebook(path).conversations.get("main")
    return [turn.reply.prompt for turn in found.turns] if found else []


GOOD = [f"Question {n}?" for n in range(1, CELLS + 1)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.ipynb"


# -- one damaged cell -----------------------------------------------------------------------------

Cell = dict[str, Any]


def _set(name: str, value: object) -> Callable[[Cell], object]:
    return lambda cell: {**cell, name: value}


def _about(name: str, value: object) -> Callable[[Cell], object]:
    """Set a fact of the answer to a value."""

    def change(cell: Cell) -> Cell:
        cell["outputs"][0]["metadata"]["cnai"][name] = value
        return cell

    return change


def _output(name: str, value: object) -> Callable[[Cell], object]:
    def change(cell: Cell) -> Cell:
        cell["outputs"][0][name] = value
        return cell

    return change


def _without(name: str) -> Callable[[Cell], object]:
    return lambda cell: {each: value for each, value in cell.items() if each != name}


# What is done to the cell, whether its answer is lost by it, and what the note says, if there is one.
DAMAGED: dict[str, tuple[Callable[[Cell], object], bool, str]] = {
    "null": (lambda cell: None, True, "cell 4 is damaged: it is null"),
    "a number": (lambda cell: 5, True, "cell 4 is damaged: it is 5"),
    "a list": (lambda cell: [cell], True, "cell 4 is damaged: it is a list"),
    "outputs null": (_set("outputs", None), True, "cell 4 is damaged: its outputs are null"),
    "outputs an object": (_set("outputs", {"a": 1}), True, "cell 4 is damaged: its outputs are an object"),
    "outputs a text": (_set("outputs", "none"), True, "cell 4 is damaged: its outputs are 'none'"),
    "outputs of null": (
        _set("outputs", [None, 5]),
        True,
        "cell 4 is damaged: one of its outputs is not an object",
    ),
    "no outputs": (_without("outputs"), True, ""),
    "source a number": (_set("source", 5), False, "cell 4 is damaged: its source is 5, not text"),
    "source null": (_set("source", None), False, "cell 4 is damaged: its source is null, not text"),
    "source of numbers": (
        _set("source", ["a", 5, None]),
        False,
        "cell 4 is damaged: its source is a list, not text",
    ),
    "no source": (_without("source"), False, "cell 4 is damaged: its source is null, not text"),
    "no type": (_without("cell_type"), False, ""),
    "type a number": (_set("cell_type", 5), False, ""),
    "no ID": (_without("id"), False, ""),
    "ID a list": (_set("id", ["x"]), False, ""),
    "ID of another": (_set("id", "cell-1"), False, ""),
    "ID of two bytes": (_set("id", "\x00é"), False, ""),
    "metadata a list": (_set("metadata", []), False, ""),
    "no metadata": (_without("metadata"), False, ""),
    "count a text": (_set("execution_count", "seven"), False, ""),
    "output's metadata a list": (
        _output("metadata", []),
        True,
        "cell 4 is damaged: the metadata of an output",
    ),
    "output's metadata null": (
        _output("metadata", None),
        True,
        "cell 4 is damaged: the metadata of an output",
    ),
    "output's data null": (_output("data", None), True, "left out: 1 output in cell 4, because its text"),
    "output's type gone": (_output("output_type", None), False, ""),
    "cnai a list": (_output("metadata", {"cnai": []}), True, ""),
    "schema of tomorrow": (
        _about("schema", 99),
        True,
        "in cell 4, because it was written by a newer version",
    ),
    "prompt a number": (_about("prompt", 5), True, "in cell 4, because its prompt"),
    "usage a list": (_about("usage", []), True, "in cell 4, because one of its parts is not an object"),
    "cost of a text": (_about("cost", "free"), True, "in cell 4, because its cost"),
    "turn of a text": (_about("turn", "one"), True, "in cell 4, because its turn"),
    "turn huge": (_about("turn", 10**30), True, "in cell 4, because its turn"),
    "seconds not a number": (_about("seconds", float("nan")), True, "in cell 4, because its seconds"),
    "parameters a list": (
        _about("parameters", [1]),
        True,
        "in cell 4, because its parameters are not those of a request",
    ),
    "parameter a list": (_about("parameters", {"top_p": []}), True, "in cell 4, because its parameters"),
    "time a word": (_about("time", "now"), True, "in cell 4, because its time"),
    "conversation a list": (_about("conversation", ["main"]), True, "in cell 4, because its conversation"),
    "others a number": (_about("others", 5), False, "the other attempts of 1 answer in cell 4, because"),
    "others of null": (_about("others", [None]), False, "the other attempts of 1 answer in cell 4, because"),
    "event unknown": (_about("event", "explode"), True, "in cell 4, because its change"),
    "half a character": (_about("system", "a\ud800b"), False, ""),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_one_damaged_cell_is_named_and_the_others_are_restored(path: Path, name: str) -> None:
    damage, lost, note = DAMAGED[name]
    body = notebook()
    body["cells"][3] = damage(body["cells"][3])
    path.write_text(json.dumps(body))
    assert prompts(path) == [each for each in GOOD if not (lost and each == "Question 3?")]
    notes = restore_notebook(path).notes
    assert len(notes) == bool(note), notes
    assert note in "".join(notes)


def test_of_many_damaged_cells_the_first_are_named(path: Path) -> None:
    body = notebook()
    body["cells"] += [{"cell_type": "code", "source": 5, "outputs": []}] * 1000
    path.write_text(json.dumps(body))
    restored = restore_notebook(path)
    assert prompts(path) == GOOD
    assert len(restored.notes) == 11
    assert restored.notes[0].startswith("cell 8 is damaged")
    assert restored.notes[-1] == "and 990 more of the kind"


def test_numbers_that_are_none_are_left_out(path: Path) -> None:
    whole = json.dumps(notebook())
    seconds = '"seconds": 1.235'
    assert seconds in whole
    for number in ("NaN", "-Infinity", "1e999", "9" * 400, "9" * 5000, "-" + "9" * 5000):
        # In the facts for the page, which are not believed, and in the record.
        path.write_text(whole.replace(seconds, f'"seconds": {number}', 2))
        notes = ["left out: 1 output in cell 2, because its seconds are not a duration"]
        assert restore_notebook(path).notes == notes
        assert prompts(path) == GOOD[1:]


# -- a damaged file -------------------------------------------------------------------------------


def lines_of(body: dict[str, Any]) -> str:
    return json.dumps(body, indent=1)


DAMAGED_FILES: dict[str, tuple[Callable[[bytes], bytes], list[int], str]] = {
    "ends early": (lambda data: data[: data.index(b"Answer 4.")], [1, 2, 3], "cell 5 cannot be read"),
    "more behind it": (
        lambda data: data + b"\n}\n<<<garbage",
        [1, 2, 3, 4, 5, 6],
        "what follows the notebook",
    ),
    "twice": (lambda data: data + data, [1, 2, 3, 4, 5, 6], "what follows the notebook"),
    "a byte that is no text": (
        lambda data: data.replace(b"Answer 3.", b"Answer \xff.", 1),
        [1, 2, 3, 4, 5, 6],
        "byte ",
    ),
    "a quote in the middle": (
        lambda data: data.replace(b"Answer 3.", b'Answer " 3.', 1),
        [1, 2, 4, 5, 6],
        "cell 4 cannot be read",
    ),
    "zeros in the middle": (
        lambda data: data.replace(b'"Answer 3.', b"\x00" * 500, 1),
        [1, 2, 4, 5, 6],
        "cell 4 cannot be read",
    ),
    "control characters in a text": (
        lambda data: data.replace(b"Question 3?", b"Question\x01\n3?"),
        [1, 2, 3, 4, 5, 6],
        "",
    ),
    "nested too deeply": (
        lambda data: data.replace(b'"Answer 3.', b"[" * 100_000 + b'"', 1),
        [1, 2, 4, 5, 6],
        "cell 4 cannot be read",
    ),
    "a merge that was not finished": (
        lambda data: data.replace(
            b'  {\n   "cell_type": "code"',
            b'<<<<<<< HEAD\n=======\n>>>>>>> other\n  {\n   "cell_type": "code"',
            1,
        ),
        [1, 2, 3, 4, 5, 6],
        "marks of a merge",
    ),
    "a mark at the beginning": (lambda data: b"\xef\xbb\xbf" + data, [1, 2, 3, 4, 5, 6], ""),
    "lines of Windows": (lambda data: data.replace(b"\n", b"\r\n"), [1, 2, 3, 4, 5, 6], ""),
    "blank lines first": (lambda data: b"\n \n" + data, [1, 2, 3, 4, 5, 6], ""),
    "no format": (lambda data: data.replace(b'"nbformat": 4', b'"nbformat": "x"'), [1, 2, 3, 4, 5, 6], ""),
    "of a format to come": (
        lambda data: data.replace(b'"nbformat": 4', b'"nbformat": 5'),
        [1, 2, 3, 4, 5, 6],
        "",
    ),
}


@pytest.mark.parametrize("name", DAMAGED_FILES)
def test_of_a_damaged_file_what_can_be_read_is_restored(path: Path, name: str) -> None:
    damage, kept, note = DAMAGED_FILES[name]
    path.write_bytes(damage(lines_of(notebook()).encode()))
    found = [turn.attempt.turn for turn in restore_notebook(path).conversations["main"].turns]
    assert len(found) == len(kept)
    texts = [turn.reply.prompt.split()[-1] for turn in restore_notebook(path).conversations["main"].turns]
    assert texts == [f"{number}?" for number in kept]
    notes = restore_notebook(path).notes
    assert len(notes) == bool(note), notes
    assert note in "".join(notes)


def test_a_damaged_notebook_points_to_its_checkpoint(path: Path) -> None:
    whole = lines_of(notebook()).encode()
    kept = path.parent / ".ipynb_checkpoints" / "a-checkpoint.ipynb"
    kept.parent.mkdir()
    kept.write_bytes(whole)
    path.write_bytes(whole[: whole.index(b"Answer 4.")])
    assert f"an earlier state: {kept}" in restore_notebook(path).notes[0]
    path.write_bytes(whole[:100])
    with pytest.raises(InputError) as caught:
        read_notebook(path)
    assert f"--from {kept}" in caught.value.next_step.at(CELL)
    assert prompts(kept) == GOOD


_MERGING = '{"cells": [\n<<<<<<< HEAD\n"a"\n=======\n"b"\n>>>>>>> other\n]}'


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "empty"),
        (b"  \n", "empty"),
        (b"not json", "not JSON"),
        (b'{"cells": [{"cell_type": "code", "sour', "ends too early"),
        (_MERGING.encode(), "marks of a merge"),
        (b"[1, 2]", "no list of cells"),
        (b"5", "no list of cells"),
        (b"[" * 100_000, "nested too deeply"),
        (b"\xff\xfe\x00", "byte 1"),
        ("{}é".encode("latin-1"), "byte 3"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "byte 1"),
        (b"{}", "not that of a notebook"),
        (b'{"name": "package", "version": "1"}', "not that of a notebook"),
        (b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}}', "no list of cells"),
        (b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": 5}', "no list of cells"),
        (b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": null}', "no list of cells"),
        (b'{"nbformat": 3, "worksheets": null}', "no list of cells"),
    ],
)
def test_a_file_that_is_no_notebook_says_why(path: Path, content: bytes, why: str) -> None:
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_notebook(path)
    assert why in caught.value.why
    assert caught.value.next_step


def test_a_folder_is_no_notebook(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a folder, and no file"):
        read_notebook(tmp_path)


def test_a_missing_notebook_names_those_that_are_like_it(tmp_path: Path) -> None:
    (tmp_path / "analysis.ipynb").write_text("{}")
    with pytest.raises(InputError) as caught:
        read_notebook(tmp_path / "analisys.ipynb")
    assert "analysis.ipynb" in str(caught.value)


_JUNK: list[Any] = [
    None, True, 0, -1, 10**30, 1.5, float("nan"), "", "x", "\ud800", "\x00", [], [None], [[]], {}, {"cnai": 1}
]  # fmt: skip


def mutated(value: Any, chance: random.Random) -> Any:
    """Return JSON in which one place, chosen at random, holds something else, or nothing."""
    if not isinstance(value, (dict, list)) or not value or chance.random() < 0.15:
        return chance.choice(_JUNK)
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    key, copy = chance.choice(keys), value.copy()
    if chance.random() < 0.1:
        copy.pop(key)
    else:
        copy[key] = mutated(value[key], chance)
    return copy


@pytest.mark.parametrize("seed", range(4))
def test_any_change_to_one_cell_leaves_the_others_to_be_restored(path: Path, seed: int) -> None:
    chance, whole = random.Random(seed), notebook()
    for _ in range(75):
        place = chance.randrange(1, CELLS + 1)
        cells = whole["cells"].copy()
        cells[place] = mutated(cells[place], chance)
        path.write_text(json.dumps({**whole, "cells": cells}))
        kept = set(prompts(path))
        assert kept >= set(GOOD) - {GOOD[place - 1]}, cells[place]


def damaged(data: bytes, chance: random.Random) -> bytes:
    """Return a file with something else in one place, or cut off there."""
    begin = chance.randrange(len(data))
    end = begin + chance.choice([0, 1, 20, 2000])
    put = chance.choice([b"", b"\xff", b"\x00", b'"', b"{", b"]", b"\\", b"\n", b"9" * 5000, b"[" * 5000])
    return data[:begin] + put + data[end:] if chance.random() < 0.8 else data[: begin + 1]


@pytest.mark.parametrize("seed", range(3))
def test_any_change_to_the_file_is_read_or_refused_in_words(path: Path, seed: int) -> None:
    chance, whole = random.Random(seed), lines_of(notebook()).encode()
    for _ in range(75):
        path.write_bytes(damaged(whole, chance))
        with suppress(InputError):
            assert all(note.isprintable() for note in restore_notebook(path).notes)


# -- forms of a notebook --------------------------------------------------------------------------


def test_what_is_nested_in_a_hundred_levels_is_read(path: Path) -> None:
    body = notebook()
    deep: Any = 1
    for _ in range(100):
        deep = {"a": [deep]}
    body["metadata"]["deep"] = body["cells"][1]["outputs"][0]["metadata"]["deep"] = deep
    path.write_text(json.dumps(body))
    assert prompts(path) == GOOD


def test_cells_without_an_id_of_their_own_have_the_same_however_often_they_are_read(path: Path) -> None:
    """nbformat gives a random new ID to such a cell, which no front end has."""
    body = notebook()
    body["cells"] = body["cells"][:4]
    body["cells"][2]["id"] = "cell-1"
    del body["cells"][3]["id"]
    path.write_text(json.dumps(body))
    assert [(cell.id, cell.number) for cell in read_notebook(path).cells] == [
        ("cell-1", 2),
        ("#3", 3),
        ("#4", 4),
    ]


def test_notebooks_of_older_formats_are_read_without_a_warning_and_without_a_word(
    path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """nbformat warns of cells without IDs and of IDs that occur twice, and logs what is not valid."""
    without_ids = notebook()
    for cell in without_ids["cells"]:
        del cell["id"]
    older = {**without_ids, "nbformat_minor": 4}
    invalid = notebook()
    invalid["cells"][1]["outputs"].append({"output_type": "nonsense"})
    with warnings.catch_warnings(), caplog.at_level(logging.DEBUG):
        warnings.simplefilter("error")
        for body in (without_ids, older, invalid):
            path.write_text(json.dumps(body))
            assert prompts(path) == GOOD
    assert capfd.readouterr() == ("", "")
    assert caplog.records == []


@pytest.mark.filterwarnings("ignore")
def test_a_notebook_of_format_three_is_read(path: Path) -> None:
    whole = nbformat.reads(json.dumps(notebook()), as_version=4)
    old = nbformat.convert(whole, 3)
    path.write_text(nbformat.v3.writes_json(old))
    assert "worksheets" in json.loads(path.read_text())
    assert prompts(path) == GOOD
    assert [cell.source for cell in read_notebook(path).cells] == [f"%%cnai\n{each}" for each in GOOD]
    assert restore_notebook(path).notes == []
