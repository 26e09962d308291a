"""The renderers themselves, on what our Markdown makes of hostile and of harmless documents."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from cnai_magic.chat.markdown import write_markdown
from tests.fuzz.markdown import documents, written
from tests.renderers import FOLDER, Renderers
from tests.xss_corpus import NAMED, PAYLOADS

pytestmark = pytest.mark.skipif(
    not FOLDER, reason="the renderers are not there: CONTRIBUTING.md says how they are installed"
)


def test_no_renderer_runs_loads_or_links_what_an_answer_must_not() -> None:
    # All in one Node process: its start, and its compiler, cost as much as a third of them.
    documents = [(way, source) for way in range(8) for source in PAYLOADS]
    shown = (written(source, way) for way, source in documents)
    found = zip(documents, Renderers().faults(shown), strict=True)
    assert [(*document, faults) for document, faults in found if faults] == []


def test_no_random_document_does_so_either() -> None:
    sources = list(documents(300, seed=1))
    shown = (written(source, index % 20) for index, source in enumerate(sources))
    assert [each for each in zip(sources, Renderers().faults(shown), strict=True) if each[1]] == []


def test_the_check_itself_finds_what_an_untreated_answer_brings() -> None:
    faults = list(Renderers().faults([NAMED[1], *PAYLOADS]))
    assert sum(bool(each) for each in faults) > 150
    assert any(each.startswith("jupyterlab: <code onanimationstart") for each in faults[0])


def test_every_renderer_shows_the_same_words() -> None:
    source = (
        "# Title\n\nSome *emphasis*, **more**, ~~gone~~, `code $x$` and $5.\n\n1. one\n2. two\n   - three\n\n"
        "> quoted\n\n| a | b |\n| --- | ---: |\n| 1 | 2 |\n\n```py\nx = 1 < 2\n```\n\n[x](<http://e.org>) <https://e.org/a_b>"
    )
    (pages,) = Renderers().pages([write_markdown(source)])
    words = {name: _words(page) for name, page in pages.items()}
    assert len(words) == 4
    assert len(set(words.values())) == 1, words


def test_every_renderer_emphasises_next_to_chinese() -> None:
    bold = [
        "**重要：**请",
        "**“引用”**后",
        "他说**（好）**吧",
        "**한국어(Korean)**은",
        "- 请**注意!**谢谢",
        "文***中：*文**",
    ]
    pages = Renderers().pages(
        write_markdown(each) for each in [*bold, "中~~（x）~~中", "**甲：**\n乙*（丙）*丁"]
    )
    found = [[re.findall("<(strong|em|del)>", page) for page in each.values()] for each in pages]
    assert found == [*[[["strong"]] * 4] * 5, [["strong", "em"]] * 4, [["del"]] * 4, [["strong", "em"]] * 4]


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
        if _normal(_commonmark.render(write_markdown(source))) == _normal(page.replace("→", "\t")):
            alike += 1
        else:
            other += 1
    assert alike + other == 462
    assert alike >= 440


def _is_harmless(source: str) -> bool:
    """Tell whether a document holds no HTML, no image and no link that is refused."""
    blocks = _commonmark.parse(source)
    tokens = [*blocks, *(child for block in blocks for child in block.children or ())]
    if any(token.type in ("html_block", "html_inline", "image") for token in tokens):
        return False
    addresses = [str(token.attrs["href"]) for token in tokens if token.type == "link_open"]
    return all(address.lower().startswith(("http://", "https://", "mailto:")) for address in addresses)


def _normal(page: str) -> str:
    page = re.sub(r'</?span>| title="[^"]*"', "", page)
    return " ".join(html.unescape(_BLOCK.sub(r"\1", page)).split())
