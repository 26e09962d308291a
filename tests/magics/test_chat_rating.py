"""`%cnai_chat rate`, and the file of all attempts."""

from __future__ import annotations

import csv
import io
from datetime import datetime, timezone
from pathlib import Path

import pytest

from cnai_magic.chat.conversation import CellPosition, KernelConversation
from cnai_magic.chat.rating import make_rating
from cnai_magic.errors import InputError
from cnai_magic.magics.cell_words import CELL
from cnai_magic.magics.chat_commands import run_chat_command
from cnai_magic.money.cost import Cost
from cnai_magic.notebook.markdown_export import to_markdown
from cnai_magic.notebook.notebook_files import restore_notebook
from cnai_magic.session.kernel_session import KernelSession
from cnai_magic.settings import Cnai
from tests.display.answers import attempt


@pytest.fixture
def session() -> KernelSession:
    session = KernelSession(Cnai())
    for number, text in enumerate(("one", "two", "three")):
        current(session).record(CellPosition("a"), attempt(text, id=f"a{number}"))
    current(session).record(CellPosition("b"), attempt("=1+1", id="b", prompt="@SUM", cost=Cost(None)))
    return session


def current(session: KernelSession) -> KernelConversation:
    return session.conversations.in_use


def run(session: KernelSession, line: str) -> str:
    return repr(run_chat_command(session, line, lambda: None))


def ratings(session: KernelSession) -> list[str]:
    return [str(each.rating or "") for turn in current(session).turns for each in turn.attempts]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("rate 1 good", ["", "", "good", ""]),
        ("rate 1 Bad too long", ["", "", "bad: too long", ""]),
        ("rate 1 4", ["", "", "4 of 5", ""]),
        ("rate 1 2 4", ["", "4 of 5", "", ""]),
        ("rate 1 2 5 stars", ["", "5 of 5: stars", "", ""]),
        ("rate 1 2 lines, and right", ["", "", "2 of 5: lines, and right", ""]),
        ('rate 1 2 "5 lines\tmore"', ["", "", "2 of 5: 5 lines more", ""]),
        ("rate  2  1  no\nsum", ["", "", "", "1 of 5: no sum"]),
        ("rate 1 none", ["", "", "", ""]),
    ],
)
def test_an_attempt_is_rated_the_one_in_force_unless_it_is_named(
    session: KernelSession, line: str, found: list[str]
) -> None:
    shown = run(session, line)
    assert ratings(session) == found
    assert (next(filter(None, found), "not rated any more")) in shown
    run(session, "rate 1 2 none")
    run(session, "rate 1 none")
    run(session, "rate 2 none")
    assert ratings(session) == [""] * 4


def test_a_rating_by_a_clock_that_was_ahead_is_changed_too(session: KernelSession) -> None:
    ahead = datetime.max.replace(tzinfo=timezone.utc)
    session.conversations.rate("a2", make_rating("bad", "", ahead))
    run(session, "rate 1 good")
    assert ratings(session) == ["", "", "good", ""]
    run(session, "rate 1 none")
    assert ratings(session) == [""] * 4


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("rate", "which turn"),
        ("rate good", "which turn"),
        ("rate 1", "which turn"),
        ("rate 1 6", "'6' is not a rating"),
        ("rate 1 great", "'great' is not a rating"),
        ("rate 3 good", "has no turn 3"),
        ("rate 1 4 good", "has no attempt 4"),
        (f"rate {'9' * 5000} good", "which turn"),
    ],
)
def test_what_is_not_a_rating_is_an_error_that_says_how(
    session: KernelSession, line: str, words: str
) -> None:
    with pytest.raises(InputError, match=words) as caught:
        run(session, line)
    assert caught.value.lines(CELL)[-1].startswith("  next: ")
    assert ratings(session) == [""] * 4


def test_versions_show_the_ratings_and_a_fork_has_them(session: KernelSession) -> None:
    run(session, "fork side")
    run(session, "use main")
    run(session, "rate 1 1 bad <b>no</b>")
    shown = run_chat_command(session, "versions 1", lambda: None)
    assert "\nRating: bad: <b>no</b>\n" in repr(shown)
    page = shown._repr_mimebundle_()["text/html"]  # type: ignore[attr-defined]
    assert ">bad: &lt;b&gt;no&lt;/b&gt;</td>" in page
    assert "Rating" not in run(session, "versions 2")
    run(session, "use side")
    assert ratings(session)[0] == "bad: <b>no</b>"
    assert "Rating: good: &#35; yes" not in to_markdown(current(session))
    run(session, "rate 1 good # yes")
    assert "Rating: good: &#35; yes" in to_markdown(current(session))


def test_an_exported_notebook_holds_the_ratings(session: KernelSession, tmp_path: Path) -> None:
    run(session, "rate 1 2 4 why")
    run(session, f"export {tmp_path}/e.ipynb")
    turn = restore_notebook(tmp_path / "e.ipynb").conversations["main"].turns[0]
    assert [str(each.rating or "") for each in turn.attempts] == ["", "4 of 5: why", ""]


def read(path: Path) -> list[dict[str, str]]:
    data = path.read_bytes()
    assert data.startswith(b"\xef\xbb\xbf")  # or Excel takes it for another encoding
    return list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline="")))


def test_all_attempts_are_rows_of_a_file_in_which_no_text_is_a_formula(
    session: KernelSession, tmp_path: Path
) -> None:
    run(session, "rate 1 2 4 +1 数")
    run(session, "fork side")
    current(session).record(CellPosition("c"), attempt("side\nline", id="c", conversation="side"))
    run(session, "undo")
    path = tmp_path / "attempts.csv"
    assert f"Written to {path}: 5 attempts of all conversations" in run(session, f"export {path}")
    rows = read(path)
    assert [(each["conversation"], each["turn"], each["attempt"], each["in_force"]) for each in rows] == [
        *(("main", "1", "1", "false"), ("main", "1", "2", "false"), ("main", "1", "3", "true")),
        *(("main", "2", "1", "true"), ("side", "", "1", "false")),
    ]
    second = rows[1]
    assert (second["answer"], second["rating"], second["note"]) == ("two", "4", "'+1 数")
    assert (second["model"], second["parameters"]) == ("deepseek-chat", '{"temperature": 0}')
    assert (second["prompt_tokens"], second["completion_tokens"]) == ("20", "8")
    assert (second["cost_usd"], second["estimated"], second["seconds"]) == ("0.000053760", "false", "1.235")
    assert datetime.fromisoformat(second["time"]) <= datetime.now(timezone.utc)
    assert (rows[3]["prompt"], rows[3]["answer"], rows[3]["cost_usd"]) == ("'@SUM", "'=1+1", "")
    assert rows[4]["answer"] == "side\nline"
    with pytest.raises(InputError, match="exists already"):
        run(session, f"export {path}")
    run(session, f"export {path} --force")


def test_without_any_attempt_no_file_is_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no turns to write yet"):
        run(KernelSession(Cnai()), f"export {tmp_path}/attempts.csv")
    assert not (tmp_path / "attempts.csv").exists()
