"""Plain text, written so that no renderer finds Markdown, HTML, maths or a link in it."""

from __future__ import annotations

import re

__all__ = ["DOLLAR", "clean_text", "escape_markdown", "to_entities"]

DOLLAR = r"<span>\$</span>"
"""A dollar sign that is money. The backslash keeps JupyterLab's search for maths in the source from it, the
element MathJax's search in the page, which does not reach across elements."""

_NEWLINE = re.compile("\r\n?|[\u2028\u2029]")
_CONTROL = re.compile("[\x01-\x08\x0b-\x1f\x7f-\x9f\ufeff]")

_MARKUP = re.compile(r"[\\`*_\[\]<>&~|@#^{}]|(?<=/)/|(?<=www)\.", re.IGNORECASE)
# All below U+00A1 but letters, digits and  ,;()=+'- (a negated set of so many takes milliseconds to compile).
_ENTITY = re.compile(r"[\0-\x1f!-&*./:<>-@\[-`{-\xa0]")


def clean_text(text: str) -> str:
    """Return text with one kind of line end, and without characters that renderers treat differently."""
    if text.isascii() and text.isprintable():
        return text
    text = _CONTROL.sub(" ", _NEWLINE.sub("\n", text).replace("\0", "\ufffd"))
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def escape_markdown(line: str) -> str:
    """Return a line of plain text as Markdown that shows its characters, and nothing else."""
    line = " ".join(clean_text(line).split("\n"))
    line = _MARKUP.sub(lambda match: to_entities(match.group()), line)
    # MathJax reads the finished page, where an entity is a backslash like any other.
    return line.replace("&#92;", "<span>&#92;</span>").replace("$", DOLLAR)


def to_entities(text: str) -> str:
    """Return text as HTML in which neither HTML, nor Markdown, nor maths is found."""
    # One @ that is only an entity would still make an address where entities are read first.
    return _ENTITY.sub(lambda match: f"&#{ord(match.group())};", text).replace("&#64;", "<span>&#64;</span>")
