from __future__ import annotations

import html
import re
import subprocess
import sys
from html.parser import HTMLParser

import mistune
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from nbconvert.filters.markdown_mistune import markdown2html_mistune

from cnai_magic.markdown import DOLLAR, code_blocks, notebook_markdown
from tests.properties import random_examples
from tests.xss_corpus import PAYLOADS

# What a Markdown engine makes of Markdown; whatever else is in its output came in as raw HTML.
_ELEMENTS = {
    *(
        "a",
        "blockquote",
        "br",
        "code",
        "dd",
        "del",
        "div",
        "dl",
        "dt",
        "em",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
    ),
    *("hr", "input", "li", "ol", "p", "pre", "s", "section", "span", "strong", "sup", "table", "tbody", "td"),
    *("th", "thead", "tr", "ul"),
}
_ATTRIBUTES = {"align", "checked", "class", "disabled", "href", "id", "start", "style", "title", "type"}
_STYLE = re.compile(
    r"(text-align: ?(left|right|center);?)?|line-height: 125%;|(color|background-color|font-\w+): ?[#\w ]+"
)
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")


class _Inspector(HTMLParser):
    """Collects what an HTML document holds that no answer may bring."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.faults: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _ELEMENTS:
            self.faults.append(f"<{tag}>")
        for name, value in attrs:
            if name not in _ATTRIBUTES or (name == "style" and not _STYLE.fullmatch(value or "")):
                self.faults.append(f"{name}={value!r}")
            # A browser takes control characters and blanks out before it reads the scheme.
            target = "".join(character for character in value or "" if character > " ")
            scheme = _SCHEME.match(target)
            if name == "href" and scheme and scheme[1].lower() not in ("http", "https", "mailto"):
                self.faults.append(f"href={value!r}")

    def handle_comment(self, data: str) -> None:
        self.faults.append("a comment")

    def handle_decl(self, decl: str) -> None:
        self.faults.append("a declaration")

    unknown_decl = handle_pi = handle_decl


def _faults(document: str) -> list[str]:
    inspector = _Inspector()
    inspector.feed(document)
    inspector.close()
    return inspector.faults


_ENGINES = {
    "markdown-it": MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render,
    "mistune": mistune.create_markdown(
        escape=False, plugins=["table", "strikethrough", "footnotes", "url", "task_lists", "def_list"]
    ),
    "nbconvert": markdown2html_mistune,
}
# They are the stricter for what the engine itself would not link: what must not be there is not there.
_ENGINES["markdown-it"].__self__.validateLink = lambda url: True  # type: ignore[attr-defined]


# -- nothing runs -------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", _ENGINES)
@pytest.mark.parametrize("payload", PAYLOADS)
def test_no_answer_runs_code_loads_or_links_elsewhere(payload: str, engine: str) -> None:
    safe = notebook_markdown(payload)
    assert _faults(_ENGINES[engine](safe)) == [], safe


_FRAGMENTS = [
    *(
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "<",
        ">",
        "</",
        "<!--",
        "-->",
        "<https://e.org>",
    ),
    *(
        "[x]",
        "(javascript:alert(1))",
        "](javascript:alert(1))",
        "[x]: javascript:alert(1)",
        "![",
        "[",
        "]",
        "(",
        ")",
    ),
    *("\n", "\n\n", "\n> ", "\n- ", "\n  ", "\n    ", "\n1. ", "\n# ", "\n\t", " ", "  ", "    ", "> ", "- "),
    *(
        "`",
        "``",
        "```",
        "\n```\n",
        "\n```html\n",
        "\n~~~\n",
        "\n  ```\n",
        "\n> ```\n",
        "\n- ```\n",
        "\n     ```\n",
    ),
    *(
        "$",
        "$$",
        "\\(",
        "\\)",
        "\\[",
        "\\]",
        "\\$",
        "\\\\",
        "\\`",
        "\\begin{a}",
        "\\end{a}",
        "{",
        "}",
        "\\href{javascript:x}",
    ),
    *("a", "b ", "&lt;", "&#106;", '"', "'", "|", "\n|---|\n", "*", "_", "***\n", "@@0@@", ":", "~", "\r"),
]


@random_examples()
@given(st.lists(st.sampled_from(_FRAGMENTS), max_size=24).map("".join))
def test_no_mixture_of_markdown_runs_code_loads_or_links_elsewhere(text: str) -> None:
    safe = notebook_markdown(text)
    for engine, render in _ENGINES.items():
        assert _faults(str(render(safe))) == [], (engine, safe)


def test_the_check_itself_finds_what_an_untreated_answer_runs() -> None:
    found = [payload for payload in PAYLOADS if any(_faults(str(run(payload))) for run in _ENGINES.values())]
    assert len(found) > 150


# -- maths and money ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        (r"so \(x^2\).", "so $x^2$."),
        (r"so \( x^2 \).", "so $x^2$."),
        (r"\[ x^2 \]", "$$ x^2 $$"),
        ("\\[\n\nx\n\n\\]", "$$\nx\n$$"),
        (r"\[ a \\[2pt] b \]", r"$$ a \\[2pt] b $$"),
        ("$x$ and $$y$$", "$x$ and $$y$$"),
        (r"$\frac{a}{b}$", r"$\frac{a}{b}$"),
        (r"\begin{align}a&=b\\c&=d\end{align}", r"\begin{align}a&=b\\c&=d\end{align}"),
        (
            r"\begin{equation}\begin{aligned}a\end{aligned}\end{equation}",
            r"\begin{equation}\begin{aligned}a\end{aligned}\end{equation}",
        ),
        (r"$f(x)[a](b)$", r"$f(x)[a] (b)$"),
        ('$\\text{"so"}$', r"$\text{''so''}$"),
        ("$a<b$", r"$a\lt b$"),
    ],
)
def test_maths_becomes_what_a_notebook_typesets(written: str, shown: str) -> None:
    assert notebook_markdown(written) == shown


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("$5 and $10", "{}5 and {}10"),
        ("US$ 5", "US{} 5"),
        ("a \\$5 note", "a {}5 note"),
        ("$20,000 or $ 30", "{}20,000 or {} 30"),
        ("$$", "{}{}"),
        ("$", "{}"),
    ],
)
def test_a_dollar_sign_that_is_money_does_not_begin_maths(written: str, shown: str) -> None:
    assert notebook_markdown(written) == shown.replace("{}", DOLLAR)


def test_an_address_keeps_its_dollar_sign() -> None:
    assert notebook_markdown("[x](https://e.org/?$a=1$)") == "[x](https://e.org/?%24a=1%24)"


@pytest.mark.parametrize(
    "code",
    [
        r"`\(x\)`",
        r"``\[x\] ` y``",
        "`$HOME and $PATH`",
        "```\n\\(x\\) and \\[y\\] and $5 < $10\n```",
        "~~~tex\n$a$ \\begin{b}\n~~~",
        "- so:\n  ```py\n  x = [1](2)\n  ```".replace("](", "] ("),
        "> ```\n> code\n> ```",
    ],
)
def test_code_stays_as_it_is(code: str) -> None:
    assert notebook_markdown(code) == code


@pytest.mark.parametrize(
    "code",
    [
        "- a\n  ```html\n  <b>x</b> [a](b) $HOME\n  ```",
        "> ```\n> <b>x</b> [a](b) $HOME\n> ```",
        "a `<b>x</b> [a](b) $HOME` c",
        "a ``<b>x</b> [a](b) $HOME`` c",
        "```\n<b>x</b> [a](b) $HOME\n```",
        "```\n<b>x</b> [a](b) $HOME",
    ],
)
@pytest.mark.parametrize("engine", _ENGINES)
def test_code_with_html_shows_the_same_characters(code: str, engine: str) -> None:
    shown = html.unescape(re.sub(r"<[^>]*>", "", str(_ENGINES[engine](notebook_markdown(code)))))
    assert "<b>x</b> [a](b) $HOME" in shown


def test_a_fence_stands_apart_from_the_prose_around_it() -> None:
    assert notebook_markdown("a\n```\nb\n```\nc") == "a\n\n```\nb\n```\n\nc"
    apart = "a\n\n```\nb\n```\n\nc"
    assert notebook_markdown(apart) == apart


def test_an_answer_that_was_cut_inside_code_is_closed() -> None:
    assert notebook_markdown("````py\nx = 1") == "````py\nx = 1\n````"


@pytest.mark.parametrize(
    ("opening", "shown"),
    [
        ("```py", "```py"),
        ("``` c++", "``` c++"),
        ('~~~python title="a"', "~~~python"),
        ("```r, echo=FALSE", "```r"),
        ("```{r}", "```"),
        ("```\\begin{a}", "```"),
        ('```x"y', "```"),
    ],
)
def test_a_fence_keeps_its_language_and_nothing_else(opening: str, shown: str) -> None:
    fence = shown[:3]
    assert notebook_markdown(f"{opening}\nx\n{fence}") == f"{shown}\nx\n{fence}"


def test_a_diagram_keeps_its_language_unless_it_holds_html() -> None:
    plain = "```mermaid\ngraph TD; A-->B\n```"
    assert notebook_markdown(plain) == plain
    assert notebook_markdown("```mermaid\nA[<b>]\n```") == "```\nA[<b>]\n```"


@pytest.mark.parametrize(
    "text",
    [
        "**bold** *it* ~~no~~ and `code`",
        "# Title\n\n1. one\n2. two\n   - three\n\n> quoted",
        "| a | b |\n|---|--:|\n| 1 | 2 |",
        "[docs](https://example.org/a_(b)?c=d#e) and <https://example.org> and [here](#there)",
        "[mail](mailto:a@example.org) and [file](data/a.csv)",
        "1 < 2 and 3 > 2, a <= b, x<2",
        "AT&T &amp; co",
        "",
    ],
)
def test_plain_markdown_is_left_alone(text: str) -> None:
    assert notebook_markdown(text) == text


def test_html_is_shown_as_text() -> None:
    assert notebook_markdown("use <b> & <br/>") == "use &lt;b> & &lt;br/>"


def test_an_image_becomes_a_link() -> None:
    assert notebook_markdown("![a cat](https://e.org/cat.png)") == "[image: a cat](https://e.org/cat.png)"


def test_a_target_in_angle_brackets_is_linked_without_them() -> None:
    assert notebook_markdown("[x](<https://e.org/a b>)") == "[x](https://e.org/a%20b)"


# -- code blocks --------------------------------------------------------------------------------


def test_code_blocks_are_found_with_their_language_and_dedented() -> None:
    text = "```py\na\n```\n\n- b\n  ~~~ sh -x\n  c\n    d\n  ~~~\n\n````\n```\n````\n```py\ncut"
    assert code_blocks(text) == ["a", "c\n  d", "```", "cut"]
    assert code_blocks(text, "PY") == ["a", "cut"]
    assert code_blocks(text, "sh") == ["c\n  d"]
    assert code_blocks("no code") == []


def test_a_closing_fence_is_not_indented_by_four() -> None:
    assert code_blocks("```\n    ```\nx\n```") == ["    ```\nx"]


# -- hostile sizes ------------------------------------------------------------------------------

_HOSTILE = """
from cnai_magic.markdown import code_blocks, notebook_markdown
pieces = ["`", "` `` ``` ", "$", "$a ", "$$ ", "$$\\n", "[", "[x](", "](", "](<", "\\n[", "\\n[a", "![",
          "<", "<a", "<https://", "\\\\[", "\\\\(", "\\\\", "\\\\begin{a}", "{", "```\\n", "- ```\\n",
          "    ```\\n", "~~~\\n", ">", "\\n> ", " ", "1. ", "\\n", "\\n \\n", "$\\\\", "`\\n", "]( ",
          "](>", "](a\\\\", "&#106;"]
texts = [piece * (200_000 // len(piece)) for piece in pieces]
texts.append(" ".join("`" * size for size in range(1, 630)))
names = "abcdefghijklmnopqrstuvwxyz"
texts.append("".join(f"\\\\begin{{{a}{b}{c}}}" for a in names for b in names for c in names))
for text in texts:
    notebook_markdown(text)
    code_blocks(text)
print(len(texts))
"""


def test_hostile_text_of_200_kb_takes_linear_time() -> None:
    # Forty texts take seconds; one quadratic expression would take minutes for a single one of them.
    done = subprocess.run(
        [sys.executable, "-c", _HOSTILE], capture_output=True, text=True, check=True, timeout=300
    )
    assert done.stdout.strip() == "39"


def test_a_long_fence_over_many_lines_is_read_in_linear_time() -> None:
    # Nothing is measured: in quadratic time this would take hours.
    text = "```" + "a" * 2_000_000 + "\n" * 2_000_000
    assert notebook_markdown(text).endswith("\n```")
