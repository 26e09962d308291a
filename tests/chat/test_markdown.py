from __future__ import annotations

import html
import re
import subprocess
import sys

import mistune
import pytest
from hypothesis import given
from markdown_it import MarkdownIt
from nbconvert.filters.markdown_mistune import markdown2html_mistune

from cnai_magic.chat.markdown import DOLLAR, escape_markdown, find_code_blocks, write_markdown
from tests.cases import check_each
from tests.page_faults import page_faults
from tests.properties import by_chance, random_examples
from tests.xss_corpus import PAYLOADS

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


@check_each("payload", PAYLOADS)
def test_no_answer_runs_code_loads_or_links_elsewhere(payload: str) -> None:
    safe = write_markdown(payload)
    faults = {name: found for name, render in _ENGINES.items() if (found := page_faults(render(safe)))}
    assert faults == {}, safe


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
@given(by_chance(lambda chance: chance.joined(_FRAGMENTS, 24)))
def test_no_mixture_of_markdown_runs_code_loads_or_links_elsewhere(text: str) -> None:
    safe = write_markdown(text)
    for engine, render in _ENGINES.items():
        assert page_faults(str(render(safe))) == [], (engine, safe)


def test_the_check_itself_finds_what_an_untreated_answer_runs() -> None:
    runs = _ENGINES.values()
    found = [payload for payload in PAYLOADS if any(page_faults(str(run(payload))) for run in runs)]
    assert len(found) > 150


# -- maths and money ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        (r"so \(x^2\).", "so $x^2$."),
        (r"so \( x^2 \).", "so $x^2$."),
        (r"\[ x^2 \]", "$$x^2$$"),
        ("\\[\n\nx\n\n\\]", "$$\nx\n$$"),
        ("so\n\\[\nx\n= y\n\\]\nend", "so\n\n$$\nx\n{}= y\n$$\n\nend"),
        (r"\[ a \\[2pt] b \]", r"$$a \\ b$$"),
        ("$x$ and $$y$$", r"$x$ and $\displaystyle y$"),
        ("$$x$$ text\n```\na\n```", "$\\displaystyle x$ text\n\n```\na\n```"),
        (r"$\frac{a}{b}$", r"$\frac{a}{b}$"),
        (r"\begin{align}a&=b\\c&=d\end{align}", r"$$\begin {align}a&=b\\c&=d\end {align}$$"),
        (r"the $\begin{pmatrix}a\end{pmatrix}$", r"the $\begin {pmatrix}a\end {pmatrix}$"),
        (r"$f(x)[a](b)$", r"$f(x)[a] (b)$"),
        ('$\\text{"so"}$', r"$\text{''so''}$"),
        ("$a<b$", r"$a\lt b$"),
        ("$a % b\nc$", "$a c$"),
        (r"$x\label{eq:x}$", "$x$"),
        ("> $$\n> x\n> y\n> $$", "> $$x y$$"),
        ("| $P(A | B)$ |\n|---|\n| $|x|$ |", "| $P(A \\vert  B)$ |\n| --- |\n| $\\vert x\\vert $ |"),
        ("| a | b |\n|---|---|\n| \\(a|b\\) | c |", "| a | b |\n| --- | --- |\n| $a\\vert b$ | c |"),
        ("| a |\n|---|\n| \\(\\|x\\|\\) |", "| a |\n| --- |\n| $\\vert x\\vert $ |"),
    ],
)
def test_maths_becomes_what_every_renderer_typesets(written: str, shown: str) -> None:
    assert write_markdown(written) == shown


@check_each(
    "command",
    [
        *(
            r"\href{javascript:f(1)}{x}",
            r"\url{http://h}",
            r"\style{a:b}{x}",
            r"\class{a}{x}",
            r"\cssId{a}{x}",
        ),
        *(r"\htmlData{a=b}{x}", r"\require{html}", r"\def\x{y}", r"\newcommand{\x}{y}", r"\unicode[a]{65}"),
        *(
            r"\includegraphics{http://h}",
            r"\let\x\href",
            r"\csname href\endcsname",
            r"\bbox[a]{x}",
            r"\begin x",
        ),
        *(r"\input{a}", r"\write18{a}", r"\^^69nput{a}", r"\pdffiledump{a}", r"\RequirePackage{a}"),
        *(r"\begin{filecontents}{a}b\end{filecontents}", r"a\end{document}", r"\luaexec{a}"),
        *(r"\newtagform{a}{[}{]}", r"\definecolor{a}{rgb}{1,1,1}"),
        *(r"\renewcommand{\x}{y}", r"\gdef\x{y}", r"\enclose{a}[b]{x}", r"a}{", r"\toggle{a}{b}\endtoggle"),
    ],
)
@check_each("delimiters", ["${}$", "$${}$$", r"\({}\)", r"\[{}\]", "\\[\n{}\n\\]"])
def test_a_formula_with_a_command_that_is_no_formula_is_shown_as_text(command: str, delimiters: str) -> None:
    assert "$" not in write_markdown(delimiters.replace("{}", command)).replace(r"\$", "")


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("$5 and $10", "{}5 and {}10"),
        ("US$ 5", "US{} 5"),
        ("a \\$5 note", "a {}5 note"),
        ("$20,000 or $ 30", "{}20,000 or {} 30"),
        ("$$", r"<span>\$\$</span>"),
        ("$$\\$$$", r"<span>\$\$\$\$\$</span>"),
        ("$", "{}"),
        (r"\\(x\\)", r"<span>&#92;</span>(x<span>&#92;</span>)"),
        (r"\\begin{a}", r"<span>&#92;</span>begin{a}"),
        (
            r"\input{a}, \href{a} and \dataset",
            r"<span>&#92;</span>input{a}, <span>&#92;</span>href{a} and \\dataset",
        ),
        (r"$a_]_$\unicode$b$", r"$a_]_$<span>&#92;</span>unicode$b$"),
        ("|$5|$10|\n|-|-|\n|$5|a|", "| {}5 | {}10 |\n| --- | --- |\n| {}5 | a |"),
        ("| $10 | to 20$ |\n|-|-|", "| {}10 | to 20{} |\n| --- | --- |"),
    ],
)
def test_what_is_no_maths_does_not_begin_any(written: str, shown: str) -> None:
    assert write_markdown(written) == shown.replace("{}", DOLLAR)


# -- code ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "code",
    [
        "`$HOME and $PATH`",
        "```\n\\(x\\) and \\[y\\] and $5 < $10 <b> [a](b)\n```",
        "```tex\n$a$ \\begin{b}\n```",
        "````md\n```py\nx\n```\n````",
        "- so:\n  ```py\n  x = 1\n\n  y = 2\n  ```",
        "> ```\n> code\n> ```",
    ],
)
def test_code_stays_as_it_is(code: str) -> None:
    assert write_markdown(code) == code


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("~~~py\nx\n~~~", "```py\nx\n```"),
        ("`` a ` b ``", "<code>a &#96; b</code>"),
        ("`a\nb`", "`a b`"),
        ("    x = 1", "```\nx = 1\n```"),
        ("a\n```\nb\n```\nc", "a\n\n```\nb\n```\n\nc"),
        ("````py\nx = 1", "```py\nx = 1\n```"),
        ("a\n\n```\n```` x\n```", "a\n\n`````\n```` x\n`````"),
    ],
)
def test_code_is_written_in_one_way(written: str, shown: str) -> None:
    assert write_markdown(written) == shown


@check_each(
    "code",
    [
        "- a\n  ```html\n  <b>x</b> [a](b) $HOME\n  ```",
        "> ```\n> <b>x</b> [a](b) $HOME\n> ```",
        "a `<b>x</b> [a](b) $HOME` c",
        "a ``<b>x</b> [a](b) $HOME`` c",
        "```\n<b>x</b> [a](b) $HOME\n```",
        "```\n<b>x</b> [a](b) $HOME",
        "| a |\n|---|\n| `<b>x</b> [a](b) $HOME` |",
    ],
)
@check_each("engine", _ENGINES)
def test_code_with_html_shows_the_same_characters(code: str, engine: str) -> None:
    shown = html.unescape(re.sub(r"<[^>]*>", "", str(_ENGINES[engine](write_markdown(code)))))
    assert "<b>x</b> [a](b) $HOME" in shown


@check_each(
    ("info", "language"),
    [
        ("py", "py"),
        (" c++", "c++"),
        ('python title="a"', "python"),
        ("r, echo=FALSE", "r"),
        ("objective-c", "objective-c"),
        ("{r}", ""),
        ("\\begin{a}", ""),
        ('x"y', ""),
        ("a" * 40, ""),
        ("mermaid", "text"),
        ("vega-lite", "text"),
        ("dataviewjs", "text"),
        ("Mermaid", "text"),
        ("mermaid-x", "text"),
        ("math", "text"),
        ("geojson", "text"),
        ("topojson", "text"),
        ("stl", "text"),
    ],
)
@check_each("prefix", ["", "- ", "> "])
def test_a_fence_keeps_a_plain_language_and_nothing_else(info: str, language: str, prefix: str) -> None:
    indent = prefix.replace("-", " ")
    written = f"{prefix}~~~{info}\n{indent}x\n{indent}~~~"
    assert write_markdown(written) == f"{prefix}```{language}\n{indent}x\n{indent}```"


# -- links and text -----------------------------------------------------------------------------


@check_each(
    ("written", "shown"),
    [
        ("[x](https://e.org/?$a=1$)", "[x](<https://e.org/?%24a=1%24>)"),
        ("[x](<https://e.org/a b>)", "[x](<https://e.org/a%20b>)"),
        ("[x](http://e.org/@@0@@)", "[x](<http://e.org/%40%400%40%40>)"),
        ('[x](HTTPS://e.org "a title")', '[x](<HTTPS://e.org> "a title")'),
        ("[x][1]\n\n[1]: https://e.org 'a title'", '[x](<https://e.org> "a title")'),
        ("[x $y$ [z]](https://e.org)", f"[x {DOLLAR}y{DOLLAR} &#91;z&#93;](<https://e.org>)"),
        ("[mail](mailto:a@e.org)", "[mail](<mailto:a@e.org>)"),
        ("<https://e.org/a_b?c=d&e=f>", "<https://e.org/a_b?c=d&e=f>"),
        ("see https://e.org/a_b.", "see <https://e.org/a_b>."),
        ("(www.e.org/a_b)", "([www&#46;e.org/a&#95;b](<http://www.e.org/a_b>))"),
        ("a@e.org", "a<span>&#64;</span>e.org"),
        ("ftp://e.org and //e.org // x", "ftp:/&#47;e.org and /&#47;e.org // x"),
        ("![a cat](https://e.org/cat.png)", "[image: a cat](<https://e.org/cat.png>)"),
        ("![](https://e.org/cat.png)", "[image](<https://e.org/cat.png>)"),
        ("!![x](http://h/?d)", "&#33;[image: x](<http://h/?d>)"),
        ("\\![x](http://h)", "&#33;[x](<http://h>)"),
        ("!www.h.x", "&#33;[www&#46;h.x](<http://www.h.x>)"),
        ("[![x](http://i)](http://h)", "[image: x](<http://h>)"),
        ("`\\![`\\](http://h)", "<code>&#92;&#33;&#91;</code>](<http://h>)"),
        ("[**`a`** *b*](http://h)", "[**`a`** *b*](<http://h>)"),
        ("[![](http://i)`a`](http://h)", "[image: `a`](<http://h>)"),
        ("[![`a`](http://i)`b`](http://h)", "[image: `a`<code>b</code>](<http://h>)"),
        ("array[0](x)", r"array\[0](x)"),
        ("[file](data/a.csv) [here](#there)", r"\[file](data/a.csv) \[here](#there)"),
        ("[x]()", r"\[x]()"),
        ("[a\\ ](http://h)](javascript:f(1))", "[a<span>&#92;</span>](<http://h>)](javascript:f(1))"),
        ("![x]: javascript:f(1)\n\n![x]", "!\\[x]: javascript:f(1)\n\n!\\[x]"),
        ("!http://a/@@0@@x", f"!http:&#47;&#47;a/{2 * '<span>&#64;</span>'}0{2 * '<span>&#64;</span>'}x"),
    ],
)
def test_links_are_plain_and_nothing_is_loaded(written: str, shown: str) -> None:
    assert write_markdown(written) == shown


def test_one_definition_does_not_make_a_text_much_longer() -> None:
    text = f"[a]: http://h/{'x' * 1900}\n\n" + "[a] " * 1_000
    assert len(write_markdown(text)) < 5 * len(text)


@pytest.mark.parametrize(
    "text",
    [
        "**bold** *it* ~~no~~ and `code`",
        "*_foo_*",
        "# Title\n\n1. one\n2. two\n   - three\n\n> quoted",
        "- a\n\n- b\n\n  c\n\n- d",
        "| a | b |\n| --- | ---: |\n| 1 | 2 |",
        "- [ ] to do\n- [x] done",
        "- [ ] **to** do\n- [x] `done`\n- [ ] $x$\n- [x] [a](<http://h>)",
        "1 < 2 and 3 > 2, a <= b, x = 3",
        "AT&T, snake_case, 2 * 3 * 4, ~5, 2^3, #1 (a) {b} 100%",
        "a\\\nb",
        "0. a\n1. b",
        "中文，“引号”。\n第二行",
        "",
    ],
)
def test_plain_markdown_is_left_alone(text: str) -> None:
    assert write_markdown(text) == text


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("**重要：**请", "<strong>重要：</strong>请"),
        ("**“引用”**后 *a* **b**", "<strong>“引用”</strong>后 *a* **b**"),
        ("他说**（好）**吧，*“好”*吧", "他说<strong>（好）</strong>吧，<em>“好”</em>吧"),
        ("中~~（x）~~中", "中<del>（x）</del>中"),
        ("***a（b）***中", "<em><strong>a（b）</strong></em>中"),
        # The tags would stand where the delimiters outside of them had a letter.
        ("文***中：*文**", "文<strong><em>中：</em>文</strong>"),
        ("**한국어(Korean)**은", "<strong>한국어(Korean)</strong>은"),
        ("**价格￥**元", "<strong>价格￥</strong>元"),
        ("| **甲：**乙 |\n| --- |", "| <strong>甲：</strong>乙 |\n| --- |"),
        ("[**“a”**中](http://h)", "[<strong>“a”</strong>中](<http://h>)"),
        (
            "**重要**：请，**注意：** 中文**加粗**。（_好_）",
            "**重要**：请，**注意：** 中文**加粗**。（_好_）",
        ),
        ("**a:**b 𠮷_中_", r"\*\*a:\*\*b 𠮷\_中\_"),
        ("_重要。_请", r"\_重要。\_请"),
    ],
)
def test_emphasis_next_to_chinese_needs_no_blanks(written: str, shown: str) -> None:
    assert write_markdown(written) == shown


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        # `\***a*b*` would show a star: a run of two is not ended by one that could begin emphasis too.
        ("***a*b*", r"\*<em><em>a</em>b</em>"),
        ("*a*b***", r"*a*b\*\*\*"),
        ("***a** b", r"\*<strong>a</strong> b"),
        ("**a*", r"\*<em>a</em>"),
    ],
)
def test_what_is_left_of_a_run_of_stars_keeps_its_meaning(written: str, shown: str) -> None:
    assert write_markdown(written) == shown


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("use <b> & <br/> so", "use &lt;b> &\\\nso"),
        ("a<br>https://e.org", "a\\\n<https://e.org>"),
        ("| a<br>b |\n|---|", "| a<br>b |\n| --- |"),
        ("&lt;b&gt; &amp;lt; &copy;", "&lt;b> &amp;lt; ©"),
        ("<!-- a -->", "&lt;!-- a -->"),
        ("Title\n===", "# Title"),
        ("a\n---\n\n* * *\n", "## a\n\n***"),
        ("\\# a\n\\- b\n1\\. c\n\\> d\n: e", "\\# a\n\\- b\n1\\. c\n\\> d\n\\: e"),
        ("- a\n- b\n\n[x]: http://h\n\n- c", "- a\n- b\n\n+ c"),
        ("a\u2028b\rc\x0bd\0\ufeff", "a\nb\nc d\ufffd"),
        ("[^1]\n\n[^1]: x", "\\[^1]\n\n\\[^1]: x"),
    ],
)
def test_text_is_written_so_that_all_read_the_same(written: str, shown: str) -> None:
    assert write_markdown(written) == shown


# As pandoc 3.9 and kramdown read them; Quarto and nbconvert's LaTeX go through pandoc.
@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("`\\input{a}`{=latex} `a`{.b onclick=f}", "`\\input{a}`&#123;=latex} `a`&#123;.b onclick=f}"),
        ("[a](http://h){onclick=f}", "[a](<http://h>)&#123;onclick=f}"),
        ("<http://h>{.a} http://h{.a} *a*{.b}", "<http://h>&#123;.a} <http://h>&#123;.a} *a*&#123;.b}"),
        ("# A{onclick=f}\n\nB {#id}\n===", "# A{onclick=f&#125;\n\n# B {#id&#125;"),
        ("a\n{: onclick=f}\n\n- b {.c}", "a\n{: onclick=f&#125;\n\n- b {.c&#125;"),
        ("| a {.b} |\n|---|", "| a {.b&#125; |\n| --- |"),
        ("::: {.a onclick=f}\nb\n:::", "\\::: {.a onclick=f&#125;\nb\n\\:::"),
        # Within its superscripts it takes entities for the markup that they stand for.
        ("a^<b>^ 2~<b>~", "a\\^&lt;b>\\^ 2\\~&lt;b>\\~"),
        # TeX in its text, of which it loses what it does not know.
        ("C:\\Users\\é, \\newpage", "C:\\\\Users\\\\é, \\\\newpage"),
        # Quarto's shortcodes load what they name, and show variables of the environment.
        ("{{< env A >}} {{% a %}}", "{&#123;< env A >}} {&#123;% a %}}"),
        # Templates of MyST, in a book that has exported conversations.
        ("{{ env.app }} {{{a}}}", "{&#123; env.app }} {&#123;{a}}}"),
        ("`{{< env A >}}`", "<code>&#123;&#123;&#60; env A &#62;&#125;&#125;</code>"),
        ("```\n{{% a %}}\n```", "<pre><code>&#123;&#123;&#37; a &#37;&#125;&#125;</code></pre>"),
        # A role, a name and a comment of MyST.
        ("{eval}`f()`\n(a)=\n% b", "{eval}<code>f()</code>\n(a)&#61;\n\\% b"),
    ],
)
def test_no_text_becomes_attributes_raw_tex_or_a_shortcode(written: str, shown: str) -> None:
    assert write_markdown(written) == shown


def test_what_is_quoted_stands_in_a_quote_whole() -> None:
    assert write_markdown("a\n```\nb $c\n```\n> d", quoted=True) == (
        "> a\n>\n> <pre><code>b &#36;c</code></pre>\n>\n> > d"
    )


def test_what_is_nested_too_deeply_is_shown_whole_in_one_fence() -> None:
    for deep in ("> " * 40 + "the end", "\n".join("  " * depth + "- a" for depth in range(40)) + " the end"):
        shown = write_markdown(deep)
        assert shown == f"```text\n{deep}\n```"


@pytest.mark.parametrize(
    "name", ["<b>x", "a_b*c*", "$x$ \\(y\\)", "![x](http://h)", "www.h.x http://h a@b.c", "a\nb", "a^b^ {#c}"]
)
def test_a_name_is_shown_as_its_characters(name: str) -> None:
    for render in _ENGINES.values():
        shown = str(render(f"**{escape_markdown(name)}**"))
        assert html.unescape(re.sub(r"<[^>]*>", "", shown)).strip() == name.replace("\n", " ")
        assert page_faults(shown) == []


# -- code blocks --------------------------------------------------------------------------------


def test_code_blocks_are_found_with_their_language_and_dedented() -> None:
    text = "```py\na\n```\n\n- b\n  ~~~ sh -x\n  c\n    d\n  ~~~\n\n````\n```\n````\n```py\ncut"
    assert find_code_blocks(text) == ["a", "c\n  d", "```", "cut"]
    assert find_code_blocks(text, "PY") == ["a", "cut"]
    assert find_code_blocks(text, "sh") == ["c\n  d"]
    assert find_code_blocks("no code") == []


def test_a_closing_fence_is_not_indented_by_four() -> None:
    assert find_code_blocks("```\n    ```\nx\n```") == ["    ```\nx"]


# -- hostile sizes ------------------------------------------------------------------------------

_HOSTILE = """
from cnai_magic.chat.markdown import find_code_blocks, write_markdown
pieces = ["`", "` `` ``` ", "$", "$a ", "$$\\n", "[", "[x](", "](<", "\\n[a", "![", "[]()", "![x](",
          "<", "<https://", "\\\\[", "\\\\(", "\\\\", "\\\\begin{a}", "- ```\\n", "    ```\\n", ">", "\\n> ",
          "1. ", "$\\\\", "`\\n", "&#106;", "*", "**a ", "*_", "~~", "|",
          "|-|\\n", "a|b\\n-|-\\n", "[a]: b\\n", "@@", "//"]
texts = [piece * (10_000 // len(piece)) for piece in pieces]
texts.append(" ".join("`" * size for size in range(1, 240)))
texts += ["a" + " " * 10_000 + "b", "# " + "#" * 10_000 + "a", "# a " + "#a" * 5_000]
texts.append("http://a" + "." * 10_000)
names = "abcdefghijklmn"
texts.append("".join(f"\\\\begin{{{a}{b}{c}}}" for a in names for b in names for c in names))
for text in texts:
    write_markdown(text)
    find_code_blocks(text)
print(len(texts))
"""


def test_hostile_text_takes_linear_time() -> None:
    # Each takes a quarter of a second at the most; one quadratic rule would take a minute for a few of them.
    done = subprocess.run(
        [sys.executable, "-c", _HOSTILE], capture_output=True, text=True, check=True, timeout=50
    )
    assert done.stdout.strip() == "42"


def test_a_long_fence_over_many_lines_is_read_in_linear_time() -> None:
    # Nothing is measured: in quadratic time this would take hours.
    text = "```" + "a" * 200_000 + "\n" * 200_000
    assert write_markdown(text).endswith("\n```")
