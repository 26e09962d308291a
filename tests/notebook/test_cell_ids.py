from __future__ import annotations

import pytest

from cnai_magic.notebook.cell_ids import CellIds
from cnai_magic.notebook.saved_outputs import SavedCell
from cnai_magic.notebook.untrusted import may_be_saved

SAVED = [
    SavedCell("a", "%%cnai\none", ()),
    SavedCell("b", "%%cnai\ntwo", ()),
    SavedCell("c", "%%cnai\none", ()),
    SavedCell("#4", "%%cnai\nthree", ()),
    SavedCell("#5", "%%cnai\nthree", ()),
]
VS_CODE = "vscode-notebook-cell:/home/ada/lesson.ipynb#W{}sZmlsZQ%3D%3D"


def found(*cells: tuple[str, str]) -> list[str]:
    """Return the IDs in the file of cells that run in this order."""
    ids = CellIds()
    for cell, source in cells:
        ids.find(cell, source, SAVED)
    return [ids[cell] for cell, _ in cells]


@pytest.mark.parametrize(
    ("cell", "may"),
    [
        ("a1B_-", True),
        ("8d5d9b4a-3f0e-4f3a-8a3e-1c2d3e4f5a6b", True),
        (VS_CODE.format(0), False),
        ("#4", False),
        ("vscode-notebook-cell://ssh-remote%2Bhost/lesson.ipynb#X10sdnNjb2RlLXJlbW90ZQ%3D%3D", False),
        ("untitled:Untitled-1.ipynb#W0", False),
        ("x" * 65, False),
        ("", False),
    ],
)
def test_an_address_is_no_id_of_a_file(cell: str, may: bool) -> None:
    assert may_be_saved(cell) is may


def test_a_cell_with_the_id_that_it_has_in_the_file_is_that_one() -> None:
    assert found(("b", "edited since"), ("a", "%%cnai\ntwo")) == ["b", "a"]


def test_a_cell_whose_id_is_an_address_is_told_by_its_source_in_order() -> None:
    cells = [
        (VS_CODE.format(n), f"%%cnai\n{text}") for n, text in enumerate(["one", "two\n", "one", "new", "one"])
    ]
    assert found(*cells) == ["a", "b", "c", VS_CODE.format(3), VS_CODE.format(4)]


def test_saved_cells_without_an_id_are_told_by_their_source_in_order() -> None:
    cells = [(f"lab-{n}", "%%cnai\nthree") for n in range(3)]
    assert found(*cells) == ["#4", "#5", "lab-2"]


def test_a_copy_of_a_saved_cell_is_another() -> None:
    assert found(("copy", "%%cnai\none")) == ["copy"]


def test_a_cell_stays_what_it_was_found_to_be() -> None:
    ids = CellIds()
    ids.find("x:0", "%%cnai\ntwo", SAVED)
    assert "x:0" in ids
    assert "x:1" not in ids
    ids.find("x:1", "%%cnai\ntwo", SAVED)
    assert (ids["x:0"], ids["x:1"], ids["x:2"]) == ("b", "x:1", "x:2")


def test_runs_of_cells_without_any_id_are_counted_by_their_source() -> None:
    ids = CellIds()
    assert [ids.count(source) for source in ("p", "p", "q", "p")] == [0, 1, 0, 2]
