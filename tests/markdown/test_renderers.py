"""The renderers themselves, on what our Markdown makes of hostile and of harmless documents."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from cnai_magic.markdown import notebook_markdown
from tests.fuzz.markdown import documents, written
from tests.renderers import FOLDER, Renderers
from tests.xss_corpus import PAYLOADS

pytestmark = pytest.mark.skipif(
    not FOLDER, reason="the renderers are not there: CONTRIBUTING.md says how they are installed"
)

# Inputs that ran, loaded, linked or crashed something in one renderer, at the time when text was patched.
NAMED = [
    "a```b`\n```c```d\n```\n<img src=x onerror=f(1)>\n```\n```",
    '- ```py" style="animation:load3 1s" onanimationstart="f(1)" x="',
    "!![x](http://h/?d)",
    "`\\![`\\](http://h)",
    "![x]: javascript:f(1)\n\n![x]",
    "```mermaid\ngraph TD; A[<img src=x>]\n```",
    r"$\href{javascript:f(1)}{x}{$",
    "[x](http://a/@@0@@)",
    "!http://a/@@0@@x",
    "a<br><http://a>",
    "$$\\$$$",
    "$$x$$ text\n```\n<img src=x onerror=f(1)>\n```",
    "0. a\n```\n<img src=x onerror=f(1)>\n```",
    "*_foo_*",
    # What the search through the renderers found later.
    "<s[a [b](javascript:f(1)) c](https://e.org)",
    "$$a\\\\$$\n```\n$$\n<script>f(1)</script>\n```",
    "$x$`$`\\unicode{65}$x$\n\n```\na\n```",
    "$[x$ ](javascript:f(1))",
    "!www.h.x",
    "[x]()",
    "_mailto:a@b.c xmpp:a@b.c",
    r"\\(\href{javascript:f(1)}{x}\\)",
]


@pytest.mark.parametrize("way", range(5))
def test_no_renderer_runs_loads_or_links_what_an_answer_must_not(way: int) -> None:
    sources = [*NAMED, *PAYLOADS]
    found = zip(sources, Renderers().faults(written(source, way) for source in sources), strict=True)
    assert [(source, faults) for source, faults in found if faults] == []


def test_no_random_document_does_so_either() -> None:
    sources = list(documents(300, seed=1))
    shown = (written(source, index % 20) for index, source in enumerate(sources))
    assert [each for each in zip(sources, Renderers().faults(shown), strict=True) if each[1]] == []


def test_the_check_itself_finds_what_an_untreated_answer_brings() -> None:
    faults = list(Renderers().faults([*NAMED[:6], *PAYLOADS]))
    assert sum(bool(each) for each in faults) > 150
    assert any(each.startswith("jupyterlab: <code onanimationstart") for each in faults[1])


def test_every_renderer_shows_the_same_words() -> None:
    source = (
        "# Title\n\nSome *emphasis*, **more**, ~~gone~~, `code $x$` and $5.\n\n1. one\n2. two\n   - three\n\n"
        "> quoted\n\n| a | b |\n| --- | ---: |\n| 1 | 2 |\n\n```py\nx = 1 < 2\n```\n\n[x](<http://e.org>) <https://e.org/a_b>"
    )
    (pages,) = Renderers().pages([notebook_markdown(source)])
    words = {name: _words(page) for name, page in pages.items()}
    assert len(words) == 4
    assert len(set(words.values())) == 1, words


def _words(page: str) -> str:
    return re.sub(r"[\s¶]+", "", html.unescape(re.sub(r"<[^>]*>", "", page)))


# -- fidelity -----------------------------------------------------------------------------------

_SPEC = Path(FOLDER) / "node_modules/commonmark-spec/spec.txt"
_BLOCK = re.compile(r"\s*(</?(?:p|li|ul|ol|blockquote|h\d|pre|hr|br)\b[^>]*>)\s*")
_commonmark = MarkdownIt("commonmark")


def test_harmless_examples_of_the_specification_render_alike() -> None:
    text = re.sub(r"^<!-- END TESTS -->[\s\S]*", "", _SPEC.read_text(encoding="utf-8"), flags=re.MULTILINE)
    examples = re.findall(r"^`{32} example\n([\s\S]*?)^\.\n([\s\S]*?)^`{32}$", text, re.MULTILINE)
    alike = other = 0
    for example, page in examples:
        source = example.replace("→", "\t")
        if not _is_harmless(source):
            continue
        if _normal(_commonmark.render(notebook_markdown(source))) == _normal(page.replace("→", "\t")):
            alike += 1
        else:
            other += 1
    assert alike + other == 462
    assert alike >= 440


def _is_harmless(source: str) -> bool:
    """Tell whether a document holds no HTML, no image and no link that is refused."""
    tokens = _commonmark.parse(source)
    for token in [each for token in tokens for each in (token, *(token.children or ()))]:
        if token.type in ("html_block", "html_inline", "image"):
            return False
        if token.type == "link_open" and not re.match(
            r"https?://|mailto:", str(token.attrs["href"]), re.IGNORECASE
        ):
            return False
    return True


def _normal(page: str) -> str:
    page = re.sub(r'</?span>| title="[^"]*"', "", page)
    return " ".join(html.unescape(_BLOCK.sub(r"\1", page)).split())
