"""Cells as a model is shown them: which, in which order, and how much of each."""

from __future__ import annotations

import pytest

from cnai_magic.api.tokens import estimate_tokens
from cnai_magic.chat.order import Document
from cnai_magic.notebook.saved_outputs import SavedCell
from cnai_magic.notebook.seen_cells import CellRun, choose_by_number, fit, place_above, read_outputs


def saved(cell: str, source: str, output: str = "") -> SavedCell:
    return SavedCell(cell, source, [{"output_type": "stream", "text": output}])


def run(count: int, cell: str | None, source: str, output: str = "") -> CellRun:
    return CellRun(count, cell, source, output)


FILE = [saved("a", "x = 1"), saved("b", "x + 1", "2"), saved("q", "%%cnai\nhello"), saved("c", "x + 2", "3")]


@pytest.mark.parametrize(
    ("runs", "asking", "sources"),
    [
        ([], "q", ["x = 1", "x + 1"]),
        ([], "unsaved", ["x = 1", "x + 1", "x + 2"]),
        # The order of the document counts, not that of the runs.
        ([run(1, "b", "x + 1"), run(2, "a", "x = 1")], "q", ["x = 1", "x + 1"]),
        # A cell below is not above because it ran.
        ([run(1, "c", "x + 2", "3")], "q", ["x = 1", "x + 1"]),
        # What was edited since the file was saved is shown as it ran.
        ([run(1, "a", "x = 9")], "q", ["x = 9", "x + 1"]),
        # A cell that is not saved yet stands after the one that ran before it.
        ([run(1, "a", "x = 1"), run(2, "new", "y = 2")], "q", ["x = 1", "y = 2", "x + 1"]),
        # One that ran twice is shown once.
        (
            [run(1, "a", "x = 1"), run(2, "new", "y = 1"), run(3, "new", "y = 2")],
            "q",
            ["x = 1", "y = 2", "x + 1"],
        ),
        # Front ends whose IDs no file holds: found by the source.
        ([run(4, None, "x + 1 ", "live")], "q", ["x = 1", "x + 1 "]),
    ],
)
def test_cells_above_stand_in_the_order_of_the_document(
    runs: list[CellRun], asking: str, sources: list[str]
) -> None:
    assert [each.source for each in place_above(FILE, runs, asking)] == sources


def test_a_page_tells_which_cells_stand_above() -> None:
    document = Document({"new": 1, "b": 2, "q": 3, "a": 4}, deleted=frozenset({"c"}), source="page")
    runs = [run(1, "a", "x = 1"), run(2, "b", "x + 1", "2"), run(3, "c", "x + 2"), run(4, "new", "y = 2")]
    assert [each.source for each in place_above(FILE, runs, "q", document)] == ["y = 2", "x + 1"]


def test_without_a_file_the_cells_stand_in_the_order_of_their_first_runs() -> None:
    runs = [run(1, "a", "x = 1"), run(2, "b", "y"), run(3, "q", "%%cnai\nhello"), run(4, "a", "x = 2")]
    assert [each.source for each in place_above([], runs, "q")] == ["x = 2", "y"]


def test_what_a_run_showed_is_shown_else_what_the_file_holds() -> None:
    live = place_above(FILE, [run(7, "b", "x + 1", "10")], "q")[-1]
    assert live.write(numbered=True) == "In [7]:\nx + 1\n\nOut [7]:\n10"
    # Displays of this kernel are in the file alone.
    assert place_above(FILE, [run(7, "b", "x + 1")], "q")[-1].output == "2"
    assert place_above(FILE, [run(7, "b", "x + 3")], "q")[-1].output == ""


def test_the_head_of_a_printed_table_stays_above_its_columns() -> None:
    assert (
        run(2, "a", "df\n", "\n   x  y\n0  1  2\n").write(numbered=True)
        == "In [2]:\ndf\n\nOut [2]:\n   x  y\n0  1  2"
    )


def test_cells_are_chosen_by_their_numbers_each_once() -> None:
    runs = [run(1, "a", "one"), run(2, "b", "two"), run(3, "a", "three")]
    assert [each.source for each in choose_by_number(runs, [3, 1, 3])] == ["three", "one"]
    with pytest.raises(KeyError):
        choose_by_number(runs, iter(range(3, 10**9)))


def test_the_newest_cells_are_shown_as_far_as_they_fit() -> None:
    cells = [run(number, None, f"value_{number} = {number}") for number in range(1, 101)]
    seen = fit(cells, 200, "above")
    assert seen.cells == tuple(cells[-len(seen.cells) :])
    assert 5 < len(seen.cells) < 100
    assert seen.label == f"{len(seen.cells)} of 100 cells above ({estimate_tokens(seen.text):,} tokens)"
    assert f"the last {len(seen.cells)} of 100" in seen.text
    assert fit(cells[:1], 200).label == f"1 cell ({estimate_tokens(fit(cells[:1], 200).text)} tokens)"


def test_a_long_output_is_shortened_in_its_middle() -> None:
    text = "begin " + "x " * 100_000 + "end"
    seen = fit([run(1, None, "small = 1"), run(2, None, "print(text)", text)], 1_000)
    assert len(seen.cells) == 2
    shown = seen.cells[1].output
    assert shown.startswith("begin ")
    assert shown.endswith(" end")
    assert "characters left out" in shown
    assert estimate_tokens(seen.text) <= 1_000


def test_secrets_and_addresses_are_not_shown() -> None:
    cells = [run(1, "a", "password = 'hunter2secret'\nthing", "<Thing object at 0x7f6adfdaf890>")]
    seen = fit(cells, 1000)
    assert seen.masked == 1
    assert "hunter2secret" not in seen.text
    assert "0x7f6adfdaf890" not in seen.text


def test_cells_above_are_the_same_text_after_another_run() -> None:
    texts = {fit([run(count, "a", "x = 1", "2")], 1000, "above").text for count in (0, 1, 7)}
    assert len(texts) == 1


def test_outputs_of_a_file_are_read_as_text_and_nothing_else() -> None:
    outputs = [
        {"output_type": "stream", "text": ["\x1b[31mred\x1b[0m\n", "next\n"]},
        {"output_type": "execute_result", "data": {"text/plain": "5", "text/html": "<b>5</b>"}},
        {"output_type": "display_data", "data": {"image/png": "aGVsbG8="}},
        {"output_type": "error", "ename": "ValueError", "evalue": "no", "traceback": ["…"]},
        {"output_type": "stream", "text": 7},
        {"data": {"text/plain": None}},
    ]
    assert read_outputs(outputs) == "red\nnext\n5\nValueError: no"
