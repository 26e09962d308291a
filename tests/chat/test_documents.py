"""What a kernel takes over from what pages and files tell of its cells."""

from __future__ import annotations

import pytest

from cnai_magic.chat.documents import Documents


@pytest.mark.parametrize(
    ("page", "asked_at", "is_shown"),
    [
        ("other", 9, True),
        ("other", 11, False),
        ("own", 9, False),
        ("own", None, False),
        ("other", None, False),
    ],
)
def test_a_page_cannot_tell_what_a_run_shows_that_another_page_asked_for_and_that_had_not_ended(
    page: str, asked_at: float | None, is_shown: bool
) -> None:
    documents = Documents()
    documents.note_run("a", "own")
    documents.note_end("a", 10)
    documents.see_page(
        "n.ipynb", ["a", "b"], 12, without_output=["a"], running="b", page=page, asked_at=asked_at
    )
    assert documents.document.shows("a") is is_shown


@pytest.mark.parametrize(("saved_at", "is_shown"), [(9, True), (11, False)])
def test_a_file_cannot_tell_what_a_run_shows_that_ended_after_it_was_saved(
    saved_at: float, is_shown: bool
) -> None:
    documents = Documents()
    documents.note_run("a")
    documents.note_end("a", 10)
    documents.note_run("b")
    documents.see_file(["a", "b"], "b", saved_at, without_output=["a"])
    assert documents.document.shows("a") is is_shown
