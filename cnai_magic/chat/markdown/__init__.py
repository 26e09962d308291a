"""Untrusted Markdown, parsed once and written again so that every renderer reads the same, and runs nothing.

JupyterLab runs the HTML of a fresh Markdown output, scripts included, and loads its images. Its renderer,
those of VS Code, nbconvert and GitHub disagree about many inputs, so text that is only patched stays open in
one of them. `parser` builds the syntax tree, `document` and `inline` write canonical Markdown from it, in
constructs that mean the same everywhere; `escape`, `paragraph_text`, `maths`, `code` and `links` write the
single pieces.

The parser is imported with the first answer, not with the extension.
"""

from __future__ import annotations

import re

from .escape import DOLLAR, escape_markdown

__all__ = ["DOLLAR", "escape_markdown", "fenced_blocks", "find_code_blocks", "write_cell", "write_markdown"]

# A table of one row: its head, its rule and the row.
_LINES = 3
# One line of letters, digits and harmless marks is the same to every renderer; compiled with the first.
_PLAIN = r"[A-Za-z\u4e00-\u9fff](?:[A-Za-z0-9\u3001-\u9fff ,.;?!()'%-]*[A-Za-z0-9\u3001-\u9fff,.;?!)'%])?"


def write_markdown(text: str, *, quoted: bool = False) -> str:
    r"""Return untrusted Markdown as Markdown that runs, loads and links nothing by itself.

    HTML is shown as text, images become links, only http, https and mailto are linked. Maths is written with
    dollar signs: `\(…\)` becomes `$…$`, `\[…\]` becomes `$$…$$`; a dollar sign that is money begins none.
    With `quoted` the whole stands in a block quote.
    """
    if not quoted and re.fullmatch(_PLAIN, text):
        return text
    from .document import write_document

    return write_document(text, quoted=quoted)


def write_cell(line: str) -> str:
    """Return one line of untrusted Markdown as it may stand in a cell of a table."""
    written = write_markdown("| |\n|---|\n| {} |".format(line.replace("|", "\\|"))).split("\n")
    is_table = "\n" not in line and len(written) == _LINES and written[-1][:2] + written[-1][-2:] == "|  |"
    return written[-1][2:-2] if is_table else escape_markdown(line)


def find_code_blocks(text: str, language: str = "") -> list[str]:
    """Return the fenced code blocks of an answer, only those in `language` where one is named."""
    wanted = language.lower()
    return [code for info, code in fenced_blocks(text) if not wanted or info.lower() == wanted]


def fenced_blocks(text: str) -> list[tuple[str, str]]:
    """Return language and content of each fenced block of an answer."""
    if "```" not in text and "~~~" not in text:
        return []
    from .parser import find_fences

    return find_fences(text)
