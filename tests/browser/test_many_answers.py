"""Many answers in one notebook: nothing is left behind, and the page stays as it was."""

from __future__ import annotations

from typing import NamedTuple

from playwright.sync_api import CDPSession

from tests.servers import ScriptedServer

from .answers import stream
from .conftest import OpenNotebook
from .pages import NotebookPage

_FIRST = 2
"""Cells after which the page has made all that it makes once."""
_CELLS = 4
_PLAIN = 3
_EACH = 10
"""Answers of one cell: fewer than JupyterLab shows below a cell without being asked."""

_CELL = f'for _ in range({_EACH}): get_ipython().run_line_magic("cnai", "--once Again")'
_ANSWER = "An answer with **words**, a list\n\n- one\n- two\n\nand `code`:\n\n```python\nprint(1)\n```\n"
_LEFT = """
from comm import get_comm_manager
from ipywidgets.widgets import widget
print("widgets", sorted(type(each).__name__ for each in widget._instances.values()))
print("comms", len(get_comm_manager().comms))"""


class _Measured(NamedTuple):
    """What a page holds after its garbage is collected; heap in bytes."""

    nodes: int
    listeners: int
    heap: int
    comms: int

    def since(self, before: _Measured) -> _Measured:
        return _Measured(*(now - then for now, then in zip(self, before, strict=True)))


def test_many_answers_leave_nothing_but_their_markdown(
    open_notebook: OpenNotebook, upstream: ScriptedServer
) -> None:
    upstream.always(stream(_ANSWER))
    notebook = open_notebook(
        *[_CELL] * (_FIRST + _CELLS), '%config Cnai.display = "markdown"', *[_CELL] * _PLAIN, _LEFT
    )
    session = notebook.page.context.new_cdp_session(notebook.page)
    session.send("Performance.enable")
    notebook.run_cell(0)
    # The bundle is fetched with the first answers, and once.
    start = _after(notebook, session, range(1, 2), _EACH)
    first = _after(notebook, session, range(2, _FIRST + 1), _FIRST * _EACH)
    second = _after(notebook, session, range(_FIRST + 1, _FIRST + _CELLS + 1), (_FIRST + _CELLS) * _EACH)
    # The same answers without a widget are what JupyterLab itself needs for them: fewer tell.
    last = _FIRST + _CELLS + 1 + _PLAIN
    markdown_only = _after(
        notebook, session, range(_FIRST + _CELLS + 1, last + 1), (_FIRST + _CELLS + _PLAIN) * _EACH
    )

    notebook.run_cell(last + 1)
    left = notebook.outputs(last + 1)
    left.get_by_text("comms").wait_for()
    assert left.inner_text().split() == ["widgets", "['Layout',", "'_Asset']", "comms", "2"]
    assert [each.comms for each in (start, first, second)] == [2, 2, 2]

    answers = _CELLS * _EACH
    live = second.since(first)
    plain = _Measured(*(each * _CELLS // _PLAIN for each in markdown_only.since(second)))
    print(f"{answers} answers: {live} with a widget, {plain} without")
    # Of one answer that is kept whole, about thirty.
    assert live.nodes <= 1.1 * plain.nodes + 5 * answers
    assert live.listeners <= 1.1 * plain.listeners + answers
    assert live.heap <= 1.5 * plain.heap + 20_000 * answers


def _after(notebook: NotebookPage, session: CDPSession, cells: range, answers: int) -> _Measured:
    """Run cells until there are so many answers; return what the page then holds."""
    for cell in cells:
        notebook.run_cell(cell)
    notebook.page.wait_for_function(
        """count => !document.querySelector('.cnai-answer, .jp-OutputArea[style*=min-height]')
          && document.querySelectorAll('.jp-OutputArea-output.jp-RenderedMarkdown').length === count""",
        arg=answers,
        timeout=60_000,
    )
    notebook.until_idle()
    session.send("HeapProfiler.collectGarbage")
    metrics = {each["name"]: each["value"] for each in session.send("Performance.getMetrics")["metrics"]}
    comms = "() => jupyterapp.shell.currentWidget.sessionContext.session.kernel._comms.size"
    return _Measured(
        metrics["Nodes"],
        metrics["JSEventListeners"],
        metrics["JSHeapUsedSize"],
        notebook.page.evaluate(comms),
    )
