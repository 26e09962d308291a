"""The end of an answer moves nothing, and until then Stop stays in sight."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, expect

from tests.servers import ScriptedServer

from .answers import Gate, stream, thought
from .conftest import OpenNotebook
from .pages import NotebookPage
from .positions import moved, words

_ALL = r"""
## A heading with `code`

A paragraph with **strong** words, *others*, ~~none~~, `code` and [a link](https://example.org/) that is long
enough to be broken over two lines of a wide page, and over several of a narrow one.\
After a break.

- [ ] a task
- [x] done

A [reference][that] and [another].

[that]: https://example.org/ "A title"
[another]: https://example.org/

- an item
- another, with `code`
  - nested
    1. deeper
  - more
- last

1. first

2. second, in a list with blank lines

   a second paragraph

3. third

> A quotation that has some words.
>
> - And a list

| name | value | share |
|:---|---:|:--:|
| one | 1 | a |
| two words | 2 | `b` |

### Code

```python
def answer() -> int:
    # a comment that is long enough to be wrapped on a page of any width, as in many answers
    return 42


x = answer()
```

1. Code in a list
   ```sh
   pip install x
   ```
2. After it

    indented = "code"

---

Maths $a_1 + b^2 = \frac{1}{2}$ in a line, and displayed:

$$
\int_0^1 x^2 \, dx = \frac{1}{3}
$$

After the maths, $5 and $10 are money. ![A picture](https://example.org/a.png)

中文**加粗**和`代码`。

# The largest heading

The last words"""

_LONG = "".join(f"Paragraph {number} of a long answer.\n\n" for number in range(1, 61))
_PANEL = ".jp-WindowedPanel-outer"


def _begin(notebook: NotebookPage) -> None:
    notebook.run_cell(0)
    notebook.until_idle()
    notebook.run_cell(1)


@pytest.mark.parametrize(
    ("app", "looks"), [("lab", [(1100, "Light"), (420, "Dark")]), ("notebook", [(1100, "Light")])]
)
def test_no_word_moves_when_the_final_markdown_takes_over(
    open_notebook: OpenNotebook, upstream: ScriptedServer, app: str, looks: list[tuple[int, str]]
) -> None:
    notebook = open_notebook("%%cnai\nShow", "1", app=app)
    for width, theme in looks:
        gate = Gate()
        upstream.reply(stream(thought("A thought."), _ALL, gate, "."))
        notebook.page.set_viewport_size({"width": width, "height": 900})
        notebook.command("apputils:change-theme", theme=f"JupyterLab {theme}")
        _begin(notebook)
        expect(notebook.live).to_contain_text("The last words")
        _expect_words_to_stay(notebook, gate)
    notebook.command("apputils:change-theme", theme="JupyterLab Light")


def _expect_words_to_stay(notebook: NotebookPage, gate: Gate) -> None:
    """Let the answer end, and compare where its words are with where they were."""
    expect(notebook.live.locator("mjx-container")).to_have_count(2)
    before, foot = words(notebook.live), notebook.live.locator(".cnai-status").bounding_box()
    notebook.picture(f"{notebook.server.app}-all")
    gate.open()
    expect(notebook.final).to_contain_text("The last words.")
    expect(notebook.final.locator("mjx-container")).to_have_count(2)
    expect(notebook.live).to_have_count(0)
    notebook.until_idle()
    after = words(notebook.final)
    notebook.picture(f"{notebook.server.app}-all-final")
    before[-1][0] += "."
    assert moved(before, after) <= 2
    footer = notebook.final.locator("p:has(> small)").bounding_box()
    assert foot is not None
    assert footer is not None
    assert max(abs(foot[side] - footer[side]) for side in ("x", "y", "width", "height")) <= 2


def test_stop_stays_in_sight_while_the_answer_runs_past_the_window(
    open_notebook: OpenNotebook, upstream: ScriptedServer, app: str
) -> None:
    upstream.reply(stream("Short."))
    upstream.reply(stream(_LONG, Gate()))
    notebook = open_notebook("%%cnai\nSay", "%%cnai\nTell", app=app)
    notebook.run(0, 1)
    notebook.run_cell(2)
    expect(notebook.live).to_contain_text("Paragraph 60")
    panel = notebook.page.locator(_PANEL)
    for top in (0, 300):
        panel.evaluate("(each, top) => { each.scrollTop = top }", top)
        _expect_at_lower_edge(notebook, panel)
    expect(notebook.live).to_have_class(re.compile("cnai-stuck"))
    notebook.picture(f"{app}-long")
    # In an output that scrolls by itself it is at the end of that.
    notebook.command("notebook:enable-output-scrolling")
    _expect_at_lower_edge(notebook, notebook.outputs(2))
    notebook.picture(f"{app}-long-scrolled")
    notebook.stop_button.click()
    expect(notebook.final.nth(1)).to_contain_text("stopped")


def _expect_at_lower_edge(notebook: NotebookPage, box: Locator) -> None:
    edge = box.element_handle()
    notebook.page.wait_for_function(
        """box => {
          const stop = document.querySelector('.cnai-stop').getBoundingClientRect();
          const { top, bottom } = box.getBoundingClientRect();
          return stop.height > 0 && stop.top >= top && stop.bottom <= bottom && stop.bottom >= bottom - 60;
        }""",
        arg=edge,
    )


def test_the_view_follows_a_reader_who_is_at_the_end_and_no_other(
    open_notebook: OpenNotebook, upstream: ScriptedServer, app: str
) -> None:
    first, second, third = Gate(), Gate(), Gate()
    upstream.reply(stream("It begins.\n\n", first, _LONG, second, _LONG, "That is all.", third))
    notebook = open_notebook("%%cnai\nTell", *["1"] * 3, app=app)
    _begin(notebook)
    expect(notebook.live).to_contain_text("It begins.")
    first.open()
    expect(notebook.live).to_contain_text("Paragraph 60")
    panel = notebook.page.locator(_PANEL)
    box = panel.element_handle()
    at_end = """box => document.querySelector('.cnai-answer').getBoundingClientRect().bottom
      <= box.getBoundingClientRect().bottom + 8"""
    notebook.page.wait_for_function(at_end, arg=box)
    top = panel.evaluate("each => (each.scrollTop -= 400)")
    second.open()
    expect(notebook.live).to_contain_text("That is all.")
    assert abs(panel.evaluate("each => each.scrollTop") - top) <= 2
    third.open()
    expect(notebook.final).to_contain_text("That is all.")
    expect(notebook.live).to_have_count(0)
    assert abs(panel.evaluate("each => each.scrollTop") - top) <= 2
