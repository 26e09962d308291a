"""Whatever a model writes, nothing of it runs, is loaded or dresses up as the page."""

from __future__ import annotations

import nbformat
from nbconvert import HTMLExporter
from playwright.sync_api import BrowserContext, Dialog, ElementHandle, Page, expect

from cnai_magic.notebook.page_facts import PAGE_TYPE
from tests.notebooks import new_notebook
from tests.servers import ScriptedServer
from tests.xss_corpus import NAMED

from .answers import Gate, stream, thought
from .conftest import FreePages, OpenNotebook
from .pages import NotebookPage

# Attributes and addresses are looked at in all elements; what may stand there is another matter for the
# widget, which makes every node itself, and for the final Markdown, which the application renders.
_FOUND = """([area, allowed, forbidden]) => {
  const found = new Set();
  for (const element of area.querySelectorAll('*')) {
    const name = element.localName;
    const report = () => found.add(element.outerHTML);
    // The application's own typesetter makes what it needs of a formula.
    const own = allowed.includes(name) || element.closest('mjx-container');
    if (allowed.length ? !own : forbidden.includes(name)) report();
    // JupyterLab draws diagrams as pictures of its own.
    if (name === 'img' && !element.src.startsWith('data:image/svg+xml')) report();
    if (getComputedStyle(element).position === 'fixed') report();
    for (const attribute of element.attributes) {
      if (/^on|^srcdoc$|^formaction$|^ping$/i.test(attribute.name)) report();
      if (name !== 'img' && /^(xlink:)?href$|^src$|^action$|^data$/i.test(attribute.name)) {
        const address = new URL(attribute.value, location.href);
        const linked = ['http:', 'https:', 'mailto:'].includes(address.protocol);
        if (!linked) report();
      }
    }
  }
  return [...found];
}"""

_WIDGET = """
section div span p button details summary a br hr em strong del code pre ul ol li blockquote
table thead tbody tr th td h1 h2 h3 h4 h5 h6
"""
_NEVER = "script iframe frame object embed applet form base link meta video audio source input"

_MARK = "the last words"
_LIVE = """mark => [...document.querySelectorAll('.jp-Notebook .cnai-answer')]
  .find(each => !window.seen.has(each) && each.textContent.includes(mark))"""

# For each way to run, to load or to link: what stands for it where an application renders. All of the corpus
# meets the renderers in tests/chat/test_renderers.py, and the live view in the tests of the front end. The
# last of an answer may swallow what follows.
_CHOICE = {
    "elements": [
        "<script>alert(1)</script>",
        "<iframe src=javascript:alert(1)></iframe>",
        "<form action=javascript:alert(1)><button>press</button></form>",
        "<style>@import 'https://evil.example/x.css';</style>",
        '<meta http-equiv="refresh" content="0;url=javascript:alert(1)">',
        "</small></pre></code></div><script>alert(1)</script>",
    ],
    "attributes": [
        "<img src=x onerror=alert(1)>",
        "<svg onload=alert(1)>",
        "<details open ontoggle=alert(1)>",
        '<div style="position:fixed;inset:0;z-index:9999">all yours</div>',
        "<input autofocus onfocus=alert(1)>",
        "| a | b |\n|---|---|\n| <img src=x onerror=alert(1)> | `|<script>alert(1)</script>` |",
    ],
    "links": [
        "[x](javascript:alert(1))",
        "[x](java&Tab;script:alert(1))",
        "[x](data:text/html,<script>alert(1)</script>)",
        '[x](https://example.org "\\" onmouseover=\\"alert(1)")',
        "<javascript:alert(1)>",
        "[![x](https://evil.example/i.png)](javascript:alert(1))",
        "![x](https://evil.example/track.png)",
        "[x]: javascript:alert(1)\n\n[x]",
    ],
    "maths": [
        r"$\href{javascript:alert(1)}{x}$",
        r"$\style{background:url(https://evil.example/x)}{x}$",
        r"$\def\x{\href}\x{javascript:alert(1)}{y}$",
        r"$\includegraphics{https://evil.example/x.png}$",
        "$$\n<img src=x onerror=alert(1)>\n$$",
        '[x](https://example.org/$" onmouseover="alert(1)$)',
    ],
    "code": [
        '```x" onmouseover="alert(1)\nx\n```',
        '```mermaid\ngraph TD; A[<img src=x onerror=alert(1)>]; click A href "javascript:alert(1)"\n```',
        "- a\n  ```\nfoo\n  ```\n\n```\n<script>alert(1)</script>\n```",
        "```\n<script>alert(1)</script>",
    ],
}
_ANSWERS = ["\n\n".join(each) for each in _CHOICE.values()] + NAMED


def test_no_payload_runs_loads_or_links_live_at_the_end_opened_again_or_exported(
    open_notebook: OpenNotebook, upstream: ScriptedServer, context: BrowserContext
) -> None:
    gates = [Gate() for _ in _ANSWERS]
    for answer, gate in zip(_ANSWERS, gates, strict=True):
        middle = len(answer) // 2
        upstream.reply(stream(thought(answer), answer[:middle], answer[middle:], f"\n\n{_MARK}", gate))
    cells = [*["%%cnai\nTry"] * len(_ANSWERS), "%cnai_chat show"]
    notebook = open_notebook(*cells)
    page = notebook.page
    page.evaluate("() => { window.seen = new Set() }")
    notebook.run_all()
    found: dict[str, list[str]] = {}
    for answer, gate in zip(_ANSWERS, gates, strict=True):
        live = page.wait_for_function(_LIVE, arg=_MARK)
        if shown := page.evaluate(_FOUND, [live, _WIDGET.split(), []]):
            found[answer] = shown
        live.evaluate("each => { window.seen.add(each) }")
        gate.open()
    notebook.until_idle()
    assert found == {}
    expect(notebook.final).to_have_count(len(cells))
    assert _found(page, notebook.final.element_handles()) == []
    saved = notebook.saved()
    notebook.open_again()
    expect(notebook.final).to_have_count(len(cells))
    assert _found(page, notebook.final.element_handles()) == []
    assert notebook.dialogs == []
    assert notebook.strays == []
    _assert_export_is_harmless(HTMLExporter().from_notebook_node(saved)[0], context.new_page(), len(cells))


def _assert_export_is_harmless(html: str, page: Page, count: int) -> None:
    dialogs: list[str] = []

    def dismiss(dialog: Dialog) -> None:
        dialogs.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", dismiss)
    page.route("**/*", lambda route: route.abort())
    page.set_content(html)
    outputs = page.locator(".jp-RenderedMarkdown.jp-OutputArea-output")
    expect(outputs).to_have_count(count)
    assert _found(page, outputs.element_handles()) == []
    assert dialogs == []
    page.close()


def _found(page: Page, areas: list[ElementHandle]) -> list[str]:
    return [each for area in areas for each in page.evaluate(_FOUND, [area, [], _NEVER.split()])]


_SCRIPT = "<img src=x onerror='window.ran = 1'><script>window.ran = 1</script>"
_CODE = "__import__('os').system('touch ran')"
_FORGED = [
    None,
    _SCRIPT,
    [[[]]],
    {},
    {"id": _CODE, "turn_id": _CODE, "conversation": _SCRIPT, "attempts": [_CODE, "b"]},
    {"id": "a", "turn_id": "t", "conversation": "main", "attempts": ["a", _SCRIPT]},
    {"id": "a", "turn_id": "t", "conversation": "\u202e\x1b[31m" + "x" * 10**5, "attempts": ["a", "b"]},
    {"id": "a", "turn_id": 1e308, "conversation": {"a": 1}, "attempts": {"length": 3}},
    {"id": "a", "turn_id": "t", "conversation": _SCRIPT, "attempts": ["a", "b"], "stale": [_CODE]},
]


def test_forged_facts_of_an_answer_show_nothing_harmful_and_run_nothing(
    open_notebook: OpenNotebook, free_pages: FreePages
) -> None:
    about = {"footer": _SCRIPT, "text": f"```python\n{_CODE}\n```", "cell": _SCRIPT}
    notebook = new_notebook("1", "%%cnai\nTry")
    notebook.metadata["kernelspec"]["name"] = "bare"
    for facts in _FORGED:
        data = {PAGE_TYPE: facts, "text/markdown": f"Forged {_SCRIPT}", "text/plain": _SCRIPT}
        output = nbformat.v4.new_output("display_data", data=data, metadata={"cnai": about})
        notebook.cells[1].outputs.append(output)
    known = open_notebook("%%cnai\nTry")
    known.server.write("forged.ipynb", notebook)
    page, sent = free_pages.take("lab"), list[bytes | str]()
    page.bring_to_front()
    page.on("websocket", lambda socket: socket.on("framesent", lambda frame: sent.append(frame)))
    forged = NotebookPage(known.server, page, "forged.ipynb")
    rows = forged.outputs(1).locator(".cnai-row")
    expect(rows).to_have_count(len(_FORGED))
    forged.run(0)
    # Nothing of it can be pressed but what copies text, and puts code into a cell that is not run.
    expect(rows.locator("[aria-label='Later attempt']:visible")).to_have_count(0)
    assert _found(page, rows.element_handles()) == []
    # The Markdown is what JupyterLab leaves of it in any notebook: pictures, but nothing that runs.
    assert page.locator(".jp-Notebook [onerror], .jp-Notebook script").count() == 0
    assert page.evaluate("() => window.ran") is None
    assert not [frame for frame in sent if "answer_page" in str(frame)], "such a kernel is asked nothing"

    # A kernel that has the magics knows nothing of what it did not answer.
    known.run(0)
    outputs = [each for each in notebook.cells[1].outputs if each.data[PAGE_TYPE]]
    known.page.evaluate(
        """outputs => jupyterapp.shell.currentWidget.content.model.cells.get(1).outputs.fromJSON(outputs)""",
        outputs,
    )
    later = known.outputs(1).locator("[aria-label='Later attempt']:visible")
    expect(later).to_have_count(1)
    known.page.bring_to_front()
    later.click()
    expect(known.page.get_by_role("dialog")).to_contain_text("cannot be the name of a conversation")
    known.page.keyboard.press("Enter")
    expect(known.page.get_by_role("dialog")).to_have_count(0)
    assert known.page.evaluate("() => window.ran") is None
    assert not (known.server.folder / "ran").exists()
    free_pages.give_back(forged)
