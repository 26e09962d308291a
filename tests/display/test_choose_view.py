from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from IPython.core.displaypub import CapturingDisplayPublisher
from IPython.core.interactiveshell import InteractiveShell

from cnai_magic.api.messages import ChatRequest, Message
from cnai_magic.chat.conversation import CellPosition, KernelConversation
from cnai_magic.display import choose_view
from cnai_magic.display.final import StaticView
from cnai_magic.display.terminal import TerminalView
from cnai_magic.display.widget import WidgetView
from cnai_magic.notebook.record import build_bundle, build_metadata
from cnai_magic.session.question import Options, Question
from cnai_magic.session.view import Batch
from tests.display.answers import attempt


class Shell:
    """As much of a kernel's shell as the choice of a view looks at."""

    def __init__(self, *, kernel: bool = True, allow_stdin: bool = True, cell: str = "a") -> None:
        if kernel:
            self.kernel = object()
        self.parent_header = {"content": {"allow_stdin": allow_stdin}, "metadata": {"cellId": cell}}


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    """Return what is published, in order."""
    before = InteractiveShell.initialized()
    shell = InteractiveShell.instance()
    publisher = CapturingDisplayPublisher()
    monkeypatch.setattr(shell, "display_pub", publisher)
    yield publisher.outputs
    if not before:
        InteractiveShell.clear_instance()


def _question() -> Question:
    return Question(
        request=ChatRequest("deepseek-chat", (Message("user", "2+2?"),)),
        prompt="2+2?",
        options=Options(),
        conversation=KernelConversation("main"),
        position=CellPosition(),
        turn=1,
        attempt=1,
        omitted_turns=0,
        system=None,
        demo=False,
    )


@pytest.mark.parametrize(
    ("shell", "display", "view"),
    [
        (Shell(), "auto", WidgetView),
        (Shell(cell=""), "auto", StaticView),
        (Shell(cell=""), "widget", WidgetView),
        (Shell(allow_stdin=False), "auto", StaticView),
        (Shell(), "markdown", StaticView),
        (Shell(), "text", TerminalView),
        (Shell(kernel=False), "auto", TerminalView),
        (Shell(kernel=False), "markdown", StaticView),
    ],
)
def test_the_view_suits_the_front_end_and_the_setting(shell: Shell, display: str, view: type) -> None:
    assert type(choose_view(shell, display)) is view


def test_a_static_view_shows_the_final_output_only(shown: list[dict[str, Any]]) -> None:
    view = StaticView()
    view.begin(_question(), None)
    view.update(Batch("Fo"))
    assert shown == []
    view.end(attempt())
    (output,) = shown
    assert output["data"] == build_bundle(attempt())
    assert output["metadata"] == build_metadata(attempt())


def test_the_part_of_a_failed_answer_is_shown(shown: list[dict[str, Any]]) -> None:
    failing = StaticView()
    failing.begin(_question(), None)
    failing.fail(attempt("half", finish_reason="failed"))
    assert shown[-1]["data"] == build_bundle(attempt("half", finish_reason="failed"))
