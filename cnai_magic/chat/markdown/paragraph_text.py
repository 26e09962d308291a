"""The text of a paragraph, written so that no renderer finds Markdown, HTML, maths or a link in it."""

from __future__ import annotations

import html
import re

from .escape import to_entities

__all__ = ["BREAK", "REFUSED_COMMANDS", "escape_attributes", "escape_line_start", "escape_text"]

BREAK = "\0"
"""Stands for a line break within a paragraph until the paragraph is complete."""

REFUSED_COMMANDS = (
    "href|url|html[A-Za-z]*|class|style|cssId|data|unicode|bbox|require|toggle|mmlToken|mathtip"
    "|texttip|enclose|(?:eq|c)?ref|csname|catcode|let|futurelet|global|[egx]?def|(?:re)?newcommand"
    "|providecommand|(?:re)?newenvironment|DeclareMathOperator|DeclarePairedDelimiters?X?|Newextarrow"
    "|(?:re)?newtagform|usetagform|mathtoolsset|setOptions|definecolor|(?:re)?newcolumntype"
    "|(?:lst)?in(?:put|clude)[A-Za-z]*|import|[A-Za-z]*verbatim[A-Za-z]*|usepackage|RequirePackage[A-Za-z]*"
    "|LoadClass[A-Za-z]*|CatchFile[A-Za-z]*|bibliography|AtEndDocument|loop|typein|primitive|open(?:in|out)"
    "|(?:new)?(?:read(?:line)?|write)|immediate|special|scantokens|(?:direct|late)?lua[A-Za-z]*|ShellEscape"
    "|pdf[A-Za-z]*|XeTeX[A-Za-z]*"
)
"""Commands by which MathJax or KaTeX links, styles, loads or defines, and by which TeX, where a notebook
becomes a PDF, reads and writes files; a part of a pattern."""

# Characters of an address that no renderer takes for markup, and that is not part of a longer word.
_ADDRESS = r"(?<![A-Za-z0-9_])(?:https?://|www\.)[A-Za-z0-9](?:[A-Za-z0-9\-._~:/?#@!&+,;=%]*[A-Za-z0-9/_=#])?"
_SPECIAL = re.compile(
    rf"(?P<address>{_ADDRESS}\{{?)"
    # Where one renderer pairs dollar signs as no other does, what it takes for maths has no such command.
    rf"""|(?P<command>\\(?=(?:begin|end)\s*\{{|(?:{REFUSED_COMMANDS})(?![A-Za-z])))"""
    r"""
    | (?P<break><br[ ]*/?>)
    | (?P<dollars>\$+)
    | (?P<backslash>\\(?:\\+|(?![A-Za-z0-9]|[^\x00-\x7f]|[ ]+[^ ])))
    # To pandoc, one before a letter begins a command of TeX.
    | (?P<doubled>\\(?=[A-Za-z]|[^\x00-\x7f]))
    # A shortcode of Quarto; MyST and Jekyll run the template that begins so.
    | (?P<template>\{\{)
    | (?P<entity><(?![ \d=])|&(?=\#|[A-Za-z0-9]*(?:;|$))|`|(?<=/)/(?![ ])|(?<=www)\.|!(?=www\.))
    | (?P<at>@+)
    | (?P<escape>\[|\*(?!(?<=[ ]\*)[ ])|_(?!(?<=[A-Za-z0-9]_)[A-Za-z0-9]))
    | (?P<pair>[~^])
    | (?P<bar>\|)
    | (?P<closing>\])""",
    re.VERBOSE | re.IGNORECASE,
)
_LINE_START = re.compile(r"[-+=>#|%]|:(?=[\s:-]|$)|(?P<number>\d{1,9})[.)](?=\s|$)|(?P<blank>\s)|~~(?=~)")
_ATTRIBUTES = re.compile(r"\{[^{}]*\}$")
_MARKUP_IN_ADDRESS = re.compile(r"//|@+|[_~&]|www\.", re.IGNORECASE)


def escape_text(text: str, *, cell: bool = False, linked: bool = False, paired: str = "~^") -> str:
    """Return the text of a paragraph as Markdown; its line starts are for `escape_line_start`.

    `cell` tells that it stands in a table, `linked` that it is the text of a link; `paired` are the marks of
    which the paragraph has several: one alone strikes nothing out, and makes no superscript.
    """

    def escape(match: re.Match[str]) -> str:
        found, kind = match.group(), match.lastgroup
        if kind == "address":
            return _write_address(found, linked=linked)
        if kind == "break":
            return BREAK
        if kind == "dollars":
            return "<span>" + r"\$" * len(found) + "</span>"
        if kind in ("command", "backslash"):
            return f"<span>{'&#92;' * len(found)}</span>"
        if kind == "doubled":
            return r"\\"
        if kind == "template":
            return "{&#123;"
        if kind == "entity":
            return {"<": "&lt;", "&": "&amp;"}.get(found, f"&#{ord(found)};")
        if kind == "at":
            # Between words it makes an address, in pairs it is JupyterLab's mark for a formula.
            return found if found == "@" and _stands_alone(match) else to_entities(found)
        if kind == "bar":
            return "&#124;" if cell else "|"
        if linked and found in "[]":
            return to_entities(found)
        escaped = kind == "escape" or (kind == "pair" and found in paired)
        return f"\\{found}" if escaped else found

    return _SPECIAL.sub(escape, text)


def _stands_alone(match: re.Match[str]) -> bool:
    return not match.start() or match.string[match.start() - 1].isspace()


def _write_address(address: str, *, linked: bool) -> str:
    if address.endswith("{"):
        # Pandoc would give the address what follows as attributes.
        return f"{_write_address(address[:-1], linked=linked)}&#123;"
    if linked or "@@" in address or html.unescape(address) != address:
        return _MARKUP_IN_ADDRESS.sub(lambda match: to_entities(match.group()), address)
    if address[:3].lower() == "www":
        return f"[{_write_address(address, linked=True)}](<http://{address}>)"
    return f"<{address}>"


def escape_line_start(line: str) -> str:
    """Return a line of a paragraph that begins no heading, list, quote, table or rule."""
    match = _LINE_START.match(line)
    if match is None:
        return line
    if match["number"]:
        return f"{match['number']}\\{line[match.end() - 1 :]}"
    if match["blank"]:
        return to_entities(line[0]) + line[1:]
    return f"\\{line}"


def escape_attributes(line: str, *, anywhere: bool = False) -> str:
    """Return a line that does not end with attributes, which pandoc and kramdown give to what they follow.

    They stand behind a blank, in a heading `anywhere`.
    """
    if line.startswith("(") and line.endswith(")="):
        # To MyST, the name of what follows.
        return f"{line[:-1]}&#61;"
    found = _ATTRIBUTES.search(line) if line.endswith("}") else None
    if found is None or not (anywhere or line[: found.start()][-1:] in ("", " ")):
        return line
    return f"{line[:-1]}&#125;"
