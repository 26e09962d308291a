"""Readable in both themes and on a narrow page, while an answer comes and afterwards."""

from __future__ import annotations

from playwright.sync_api import Locator, expect

from tests.servers import ScriptedServer, json_response

from .answers import Gate, stream, thought
from .conftest import OpenNotebook
from .themes import CONTRAST, ENOUGH, OVERFLOW, choose_theme

_SAMPLE = """\
## A heading

A paragraph with **strong** words, `code` and [a link](https://example.org/).

- an item
- another

> A quotation.

| name | value |
|---|---:|
| one | 1 |

```python
def answer() -> int:
    return 42
```

Some more text"""

_WIDE = "\n\n".join(
    [
        "Donaudampfschifffahrt" * 20,
        "`" + "unbroken_code_" * 30 + "`",
        "https://example.org/" + "path/" * 60,
        "| " + " | ".join(f"column {n}" for n in range(30)) + " |\n" + "|---" * 30 + "|\n"
        "| " + " | ".join("value" * 5 for _ in range(30)) + " |",
        "```python\n" + "\n".join(f"line_{n} = {'x' * 200}" for n in range(300)) + "\n```",
        "1. " + "Wort" * 100,
        "> " + "Zitat" * 100,
        "And the last words.",
    ]
)

_TABLE_WIDTHS = "element => [element.querySelector('table').offsetWidth, element.clientWidth]"
_LINES = "element => element.getClientRects().length"


def _contrasts(where: Locator, *selectors: str) -> dict[str, float]:
    return {each: round(where.locator(each).first.evaluate(CONTRAST), 2) for each in selectors}


def test_text_stands_out_in_light_and_dark(open_notebook: OpenNotebook, upstream: ScriptedServer) -> None:
    gate = Gate()
    upstream.reply(stream(thought("A thought."), _SAMPLE, gate, "."))
    notebook = open_notebook("%%cnai\nShow")
    notebook.run_all()
    expect(notebook.live).to_contain_text("Some more text")
    notebook.live.locator("summary").click()
    found: dict[tuple[str, str], float] = {}

    def measure(where: Locator, part: str, *selectors: str) -> None:
        # The server keeps the theme for whoever comes next: light comes last.
        for name in ("Dark", "Light"):
            choose_theme(notebook, f"JupyterLab {name}")
            found.update({(name, each): ratio for each, ratio in _contrasts(where, *selectors).items()})
            notebook.picture(f"lab-{name.lower()}{part}")

    measure(
        notebook.live,
        "",
        ".cnai-facts",
        ".cnai-stop",
        ".cnai-thoughts p",
        ".cnai-text > p",
        ".cnai-text a",
        ".cnai-text p > code",
        ".cnai-text pre code",
        ".cnai-copy-answer",
        ".cnai-text th",
        ".cnai-text blockquote p",
    )
    gate.open()
    expect(notebook.final).to_contain_text("Some more text.")
    expect(notebook.live).to_have_count(0)
    measure(notebook.final, "-final", "small", "h2", "p")
    assert {each: ratio for each, ratio in found.items() if ratio < ENOUGH} == {}


def test_a_narrow_page_never_scrolls_sideways(
    open_notebook: OpenNotebook, upstream: ScriptedServer, app: str
) -> None:
    gate = Gate()
    upstream.reply(stream(_WIDE, gate, " The end."))
    notebook = open_notebook("%%cnai\nShow", app=app, width=400, height=800)
    before = notebook.page.evaluate(OVERFLOW)
    notebook.run_cell(0)
    notebook.until_idle()
    notebook.run_cell(1)
    expect(notebook.live).to_contain_text("And the last words.")
    notebook.picture(f"{app}-400px-begin")
    assert notebook.page.evaluate(OVERFLOW) == before == []
    # What is too wide scrolls in itself.
    assert notebook.live.locator(".cnai-table").evaluate("each => each.scrollWidth > each.clientWidth")
    widths = notebook.live.evaluate(
        "each => [each.querySelector('.cnai-status').getBoundingClientRect().right, "
        "each.querySelector('.cnai-text').getBoundingClientRect().right, innerWidth]"
    )
    assert max(widths[:2]) <= widths[2]
    notebook.live.locator(".cnai-table").scroll_into_view_if_needed()
    notebook.picture(f"{app}-400px")
    gate.open()
    expect(notebook.final).to_contain_text("And the last words. The end.")
    expect(notebook.live).to_have_count(0)
    assert notebook.page.evaluate(OVERFLOW) == []
    notebook.picture(f"{app}-400px-final")


def test_an_answer_waits_without_motion_is_copied_and_stopped_by_keyboard(
    open_notebook: OpenNotebook, upstream: ScriptedServer
) -> None:
    gate = Gate()
    upstream.reply(stream(gate, _SAMPLE, Gate()))
    notebook = open_notebook("%%cnai\nShow")
    notebook.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    notebook.page.emulate_media(reduced_motion="reduce")
    notebook.run_all()
    expect(notebook.live).to_contain_text("waiting")
    moving = "() => document.querySelector('.cnai-answer').getAnimations({ subtree: true }).length"
    assert notebook.page.evaluate(moving) == 0
    notebook.page.emulate_media(reduced_motion="no-preference")
    assert notebook.page.evaluate(moving) == 1
    gate.open()
    expect(notebook.live).to_contain_text("Some more text")
    expect(notebook.live.locator("[aria-live=polite]")).to_have_text("The answer is arriving")
    notebook.live.get_by_role("button", name="Copy the python code").click()
    notebook.page.wait_for_function(
        "async code => (await navigator.clipboard.readText()) === code",
        arg="def answer() -> int:\n    return 42",
    )
    notebook.stop_button.focus()
    notebook.page.keyboard.press("Enter")
    expect(notebook.final).to_contain_text("stopped")


def test_tables_fit_a_narrow_page_with_names_on_one_line(
    open_notebook: OpenNotebook, upstream: ScriptedServer
) -> None:
    names = ["deepseek-chat", "qwen3-235b-a22b-instruct-2507", "ai/DeepSeek-R1-Distill-Qwen-32B"]
    upstream.reply(json_response({"data": [{"id": name, "owned_by": "vendor"} for name in names]}))
    upstream.reply(stream("Yes."))
    question = "Please explain in detail what antidisestablishmentarianism means"
    notebook = open_notebook(
        "%cnai_models",
        "%cnai_chat new plans-for-next-week",
        f"%%cnai deepseek-chat -s '{question}'\n{question}",
        "%cnai_chat",
        # JupyterLab leaves 420 of them to an output.
        width=524,
    )
    notebook.run_all()
    notebook.until_idle()
    notebook.picture("lab-tables")
    for cell, kept in ((1, names[:2]), (4, ["plans-for-next-week"])):
        output = notebook.outputs(cell).locator(".jp-RenderedHTMLCommon")
        table, place = output.evaluate(_TABLE_WIDTHS)
        assert table <= place, cell
        for name in kept:
            assert output.get_by_text(name, exact=True).evaluate(_LINES) == 1
