"""Documents that trouble renderers, through our Markdown and then through the renderers themselves."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import replace
from uuid import uuid4

from cnai_magic.chat.attempt import Attempt
from cnai_magic.chat.compared_answer import ComparedAnswer
from cnai_magic.chat.comparison_text import write_as_markdown
from cnai_magic.chat.conversation import CellPosition, KernelConversation
from cnai_magic.chat.markdown import escape_markdown, write_markdown
from cnai_magic.chat.reply import Reply
from cnai_magic.display.final import Transcript
from cnai_magic.errors import InputError
from cnai_magic.notebook.markdown_export import to_markdown
from cnai_magic.notebook.record import build_bundle, write_small
from tests.renderers import Renderers
from tests.xss_corpus import PAYLOADS

__all__ = ["documents", "search", "written"]

# What runs or loads where it is taken for markup, and what moves the borders of what is.
# fmt: off
_HTML = [
    "<img src=x onerror=f(1)>", "<script>f(1)</script>", "<", ">", "</", "<!--", "-->", "<b", "</pre>",
    "</code>", "</span>", "<a href=javascript:f(1)>", "<svg onload=f(1)>", "<br>", "<br/>", "<br >",
    "<details>", "<pre>", "<pre><code>", "<![CDATA[", "]]>", "<?", "?>", "<!x", "<textarea>", "<style>",
    "&lt;", "&#60;", "&#x3c;", "&amp;lt;", "&", "&#", "&#36;", "&#92;", "&NewLine;", "&Tab;", "&nbsp;",
    "&colon;", "&quot;", '"', "'", "onerror=f(1) ", '" onanimationstart="f(1)" x=" ', "=",
]
_LINKS = [
    "[", "]", "(", ")", "![", "](", "](<", ">)", "]:", "][", "[]", "[x]", "![x]", "[x](http://h/)",
    "![x](http://h/i.png)", "[x](javascript:f(1))", "javascript:f(1)", "[x]: javascript:f(1)",
    "[x]: http://h", "[x]: <http://h>", "[^1]", "[^1]: x", "[ ] ", "[x] ", "<http://h>",
    "<javascript:f(1)>", "<a@b.c>", "http://", "https://h/a", "http://h/?a=1&b=2", "//h.x", "//",
    "ftp://h.x", "ftp:", "xmpp:a@b.c", "mailto:a@b.c", "a@b.c", "www.h.x", "www.", "data:text/html,x",
    "vbscript:x", "file:///x", "@@0@@", "@@1@@", "@@", "@", "%40%40", ' "t"', "http:\\\\h",
    '(http://h "t")', "!",
]
_MATHS = [
    "$", "$$", "\\$", "\\(", "\\)", "\\[", "\\]", "\\\\(", "\\\\)", "\\\\[", "\\\\]", "\\", "\\\\", "{",
    "}", "\\{", "\\}", "\\begin{a}", "\\end{a}", "\\begin{align}", "\\end{align}", "\\begin{", "\\end{",
    "\\begin", "\\href{javascript:f(1)}{x}", "\\url{x}", "\\style{x}{y}", "\\def\\x{y}", "\\unicode{65}",
    "$x$", "$$x$$", "\\(x\\)", "\\[x\\]", "$a<b$", "$x\\\\[2pt]y$", "$\\text{a}$", "\\frac{a}{b}", "%", "^",
    "&=", "\\ref{x}", "\n$$\nx\n$$\n", "\n\\[\nx\n= y\n\\]\n", "\n\\begin{align}\na&=b\\\\\n\\end{align}\n",
    "~", "~~", "x_1",
]
_CODE = [
    "`", "``", "```", "````", "~~~", "~~~~", "`a`", "``a`b``", "`$`", "`$$`", "`<b>`", "`a\nb`", "`\\`",
    "` `", "\n```\n", "\n```py\n", "\n~~~\n", "\n````\n", "\n  ```\n", "\n- ```\n", "\n> ```\n",
    "\n    ```\n", "\n\t```\n", '\n```py" x="\n', "\n```mermaid\n", "\n```math\n", "\n```geojson\n",
    "\n```<b>\n", "\n```$\n", "\n``` a`b\n", "\n```c++ x\n", "\n- ~~~ a\n", "\n1. ```\n", "\n    code\n",
    "\n\tcode\n", "```x```", "\n```\n<img src=x>\n```\n",
]
_BLOCKS = [
    "\n", "\n", "\n\n", "\n\n", "\n> ", "\n>", "\n- ", "\n* ", "\n+ ", "\n1. ", "\n2) ", "\n0. ", "\n  ",
    "\n    ", "\n\t", "\n# ", "\n###### ", "\n#", "\n---\n", "\n***\n", "\n===\n", "\n-\n", "\n=\n", "\n: ",
    "\n:\n", "\n1.\n", "\n| a | b |\n|---|:-:|\n| c | d |\n", "\n|---|\n", "|", "\\|",
    "\na | b\n--- | ---\n", "\n- [ ] ", "\n- [x] ", "\r", "\r\n", "\u2028", "\u2029", "\x0b", "\x0c",
    "\x00", "\ufeff", "\u200b", "\xa0", "\u3000", "\x85", "\x1c", "\n> > > > ", "\n- - - - ", "\n> - > - ",
    "\n   ", "\n     ", "  \n", "\\\n", "\t", " ", " ", "  ", "    ",
]
_WORDS = [
    "a", "b", "foo", "1", "9.", "x y", "中文", "：", "（中）", "“", "é", "😀", "_", "__", "*", "**", "***",
    "_a_", "*a*", "**a**", "~~a~~", ".", ",", ":", ";", "!", "?", "-", "--", "+", "=", "#", "(a)", "a_b",
    "C:\\a", "\\*", "\\_", "\\`", "\\<", "\\&",
]
# fmt: on
_KINDS = (_HTML, _LINKS, _MATHS, _CODE, _BLOCKS, _WORDS)


def documents(count: int, seed: int) -> Iterator[str]:
    """Yield random documents; the same seed gives the same."""
    rng = random.Random(seed)
    for number in range(count):
        yield _mutation(rng) if number % 4 == 3 else _mixture(rng)


def written(source: str, way: int) -> str:
    """Return the Markdown that a notebook or a file shows of a text, in one of the ways in which it does."""
    reply = Reply(text=source, prompt=source, model=source, reasoning=source[::-1])
    if way == 0:
        return write_markdown(source, quoted=True)
    if way == 1:
        return build_bundle(Attempt(reply))["text/markdown"]
    if way == 2:
        made = KernelConversation(source or "main", source)
        made.record(CellPosition(), Attempt(reply))
        return to_markdown(made)
    if way == 3:
        made = KernelConversation("main", source)
        for text in (source[: len(source) // 2], source, source[len(source) // 2 :]):
            part = replace(reply, text=text, reasoning="", id=uuid4().hex)
            made.record(CellPosition(), Attempt(part))
        return str(Transcript(made)._repr_mimebundle_()["text/markdown"])
    if way == 4:
        return f"# {escape_markdown(source)}\n\n{write_small(source)}"
    if way == 5:
        rows = json.dumps([{source: source, "b": source[::-1]}, {"b": f"{source} {source}"}])
        asked = replace(reply, text=rows, reasoning="", parameters={"schema": {}})
        return build_bundle(Attempt(asked))["text/markdown"]
    if way == 6:
        short = " ".join(source.split())[:200]
        # A text that stands in the table as it is does so but once.
        shorter = [] if short == source else [replace(reply, text=short, reasoning="")]
        replies = [*shorter, replace(reply, text=source)]
        answers = (ComparedAnswer(1, source, {}, reply=each) for each in replies)
        failed = ComparedAnswer(2, "m", {"temperature": source}, error=InputError(source))
        return "\n\n".join(write_as_markdown([each, failed], source) for each in answers)
    return write_markdown(source)


def search(count: int, seed: int) -> Iterator[str]:
    """Yield what any renderer makes of a document that no answer may bring, with the document."""
    sources = list(documents(count, seed))
    shown = (written(source, index % 20) for index, source in enumerate(sources))
    tried = 0
    for source, faults in zip(sources, Renderers().faults(shown), strict=False):
        if faults:
            yield f"{source!r}\n    {written(source, tried % 20)!r}\n    {faults}"
        tried += 1
    if tried != count:
        yield f"the renderers answered {tried} of {count} documents"


def _mixture(rng: random.Random) -> str:
    # Few kinds at a time: a fault mostly takes two or three that meet, and closes what it opened.
    kinds = [*rng.sample(_KINDS, rng.randint(1, 3)), _BLOCKS]
    few = [rng.choice(rng.choice(kinds)) for _ in range(rng.randint(1, 8))]
    pieces = (
        rng.choice(few) if rng.random() < 0.5 else rng.choice(rng.choice(kinds))
        for _ in range(rng.randint(2, 30))
    )
    return "".join(pieces)


def _mutation(rng: random.Random) -> str:
    text = rng.choice(PAYLOADS)
    for _ in range(rng.randint(1, 4)):
        begin = rng.randint(0, len(text))
        end = begin if rng.random() < 0.6 else min(len(text), begin + rng.randint(1, 6))
        piece = rng.choice(rng.choice(_KINDS)) if rng.random() < 0.7 else rng.choice(PAYLOADS)
        text = text[:begin] + piece + text[end:]
    return text
