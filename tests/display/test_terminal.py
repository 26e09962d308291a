from __future__ import annotations

import io
import sys

import pytest

from cnai_magic.api.retries import Notice
from cnai_magic.display.terminal import TerminalView, write_notice
from cnai_magic.errors import ServerError
from cnai_magic.redaction import ApiKey
from cnai_magic.session.kernel_session import KernelSession
from cnai_magic.session.question import Options, Question
from cnai_magic.session.view import Batch
from cnai_magic.settings import Cnai
from tests.display.answers import attempt


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_text_is_written_as_it_arrives_then_the_footer(capsys: pytest.CaptureFixture[str]) -> None:
    view = TerminalView()
    view.update(Batch("Fo"))
    assert capsys.readouterr().out == "Fo"
    view.update(Batch("ur."))
    assert capsys.readouterr().out == "ur."
    view.end(attempt())
    assert capsys.readouterr().out == f"\n\n{attempt().footer}\n"


def test_an_answer_alone_has_its_own_footer_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    view = TerminalView(alone=True)
    view.update(Batch("Four."))
    view.end(attempt())
    out, err = capsys.readouterr()
    assert out == "Four.\n"
    assert err.strip() == attempt().reply.summary
    assert "notebook" not in err


def test_a_whole_answer_is_written_at_its_end(capsys: pytest.CaptureFixture[str]) -> None:
    TerminalView().end(attempt())
    assert capsys.readouterr().out == f"Four.\n\n{attempt().footer}\n"


def test_what_was_not_shown_yet_is_written_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    view = TerminalView()
    view.update(Batch("Fo"))
    view.end(attempt())
    assert capsys.readouterr().out.startswith("Four.\n")


def question(**parameters: object) -> Question:
    settings = Cnai(base_url="http://127.0.0.1:1/v1", model="m")
    return KernelSession(settings).prepare("2+2?", Options(parameters=parameters))


def test_an_answer_that_follows_one_that_was_not_the_json_is_written_whole(
    capsys: pytest.CaptureFixture[str],
) -> None:
    view = TerminalView()
    view.begin(question(schema={}), lambda: None)
    view.update(Batch("It is four."))
    view.update(Batch(notice=Notice("repair")))
    view.update(Batch("[4"))
    view.end(attempt("[4]"))
    out, err = capsys.readouterr()
    assert out.startswith("It is four.\n[4]\n")
    assert "asking once more" in err


def test_a_pipe_gets_the_json_alone(capsys: pytest.CaptureFixture[str]) -> None:
    view = TerminalView(alone=True)
    view.begin(question(schema={}), lambda: None)
    view.update(Batch(reasoning="Hm."))
    view.update(Batch("Here: ```json\n"))
    view.update(Batch("[4]\n```"))
    view.end(attempt("Here:\n```json\n[4]\n```", parameters={"schema": {}}))
    assert capsys.readouterr().out == "[\n  4\n]\n"
    view = TerminalView(alone=True)
    view.begin(question(schema={}), lambda: None)
    view.update(Batch("No."))
    view.fail(attempt("No.", parameters={"schema": {}}, finish_reason="invalid"))
    assert capsys.readouterr().out == "No.\n"


@pytest.mark.parametrize(
    "text",
    [
        "a\x1b[2Jb",
        "a\x1b]0;title\x07b",
        "a\x9b31mb",
        "a\x07\x08b",
        "a\x1bPq\x1b\\\\b",
        "a\x1b]52;c;eA==\x07b",
    ],
)
def test_control_sequences_of_an_answer_never_reach_the_terminal(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    view = TerminalView()
    view.update(Batch(text))
    for character in text:
        view.update(Batch(character, character))
    view.end(attempt(text * 3))
    shown = capsys.readouterr().out
    assert not any(character < " " and character not in "\n\t" for character in shown)
    assert not any("\x7f" <= character <= "\x9f" for character in shown)


def test_reasoning_is_dim_on_a_terminal_and_set_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    out = Terminal()
    monkeypatch.setattr(sys, "stdout", out)
    view = TerminalView()
    view.update(Batch("", "hm"))
    view.update(Batch("Four."))
    assert out.getvalue() == "\x1b[2mhm\x1b[22m\n\nFour."


def test_no_styles_are_written_to_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    view = TerminalView()
    view.update(Batch("", "hm"))
    view.end(attempt())
    assert "\x1b" not in capsys.readouterr().out


def test_waiting_is_told_in_one_line_on_a_terminal_and_once_elsewhere(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    notice = Notice("retry", 2.0, ServerError("the server failed"))
    view = TerminalView()
    view.update(Batch(notice=notice))
    view.update(Batch(notice=notice._replace(seconds=1.0)))
    assert capsys.readouterr() == ("", "the server failed; trying again in 2 s\n")
    err = Terminal()
    monkeypatch.setattr(sys, "stderr", err)
    view = TerminalView()
    view.update(Batch(notice=notice))
    assert err.getvalue().endswith("the server failed; trying again in 2 s")
    view.update(Batch("Four."))
    assert err.getvalue().endswith("\r\x1b[K")
    assert capsys.readouterr().out == "Four."
    assert write_notice(Notice("queued")) == "queued at the server"


def test_a_failure_ends_the_line_and_shows_the_footer_of_the_part(capsys: pytest.CaptureFixture[str]) -> None:
    view = TerminalView()
    view.update(Batch("half"))
    view.fail(attempt("half", finish_reason="failed"))
    assert capsys.readouterr().out.endswith("broke off\n")
    view = TerminalView()
    view.update(Batch("", "hm"))
    view.fail(None)
    assert capsys.readouterr().out == "hm\n"
    TerminalView().fail(None)
    assert capsys.readouterr().out == ""


def test_a_key_that_control_characters_split_is_not_written_twice_or_shown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    key = ApiKey("sk-split-by-the-server-0001")
    text = f"\x1b[31mRed {key.reveal()[:9]}\u200b{key.reveal()[9:]}.\x1b[0m"
    view = TerminalView()
    view.update(Batch(text))
    view.end(attempt(text))
    out = capsys.readouterr().out
    assert out.startswith("Red ")
    assert out.count("Red") == 1
    assert "the-server" not in out
    assert "\x1b" not in out


def test_what_the_footer_names_is_clean(capsys: pytest.CaptureFixture[str]) -> None:
    key = ApiKey("sk-in-the-name-of-a-model-1")
    TerminalView(alone=True).end(attempt(model=f"m\x1b[2J\n{key.reveal()[:9]}\x00{key.reveal()[9:]}"))
    assert capsys.readouterr().err.strip().startswith("m sk-… · 20 → 8 tokens")
