r"""What an answer's Markdown holds, and how it becomes Markdown that is safe in a notebook.

A notebook runs the HTML of a fresh Markdown output, scripts included, and loads its images. So an
answer's raw HTML is shown as text, its images become links, and only http, https and mailto are linked.
Code must stay as it is: a fence that begins at the first column is left alone, since every renderer
agrees on what it holds; any other code with an angle bracket in it is written as escaped HTML, which is
safe whatever a renderer takes it for.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable

__all__ = ["DOLLAR", "code_blocks", "notebook_markdown"]

DOLLAR = r"<span>\$</span>"
"""A dollar sign that is money. The backslash keeps JupyterLab's search for maths from it, the element
MathJax's, which looks through the text that the Markdown renderer has made, and not across elements."""

# CommonMark 4.5: a fence of three or more, closed by at least as many; container prefixes are kept apart.
_OPENING = re.compile(
    r"^(?P<prefix>(?:[ \t]|>|(?:[-*+]|\d{1,9}[.)])[ \t])*)(?P<fence>`{3,}(?=[^`]*$)|~{3,})(?P<info>.*)$"
)
_DEFINITION = re.compile(r"^((?:[ \t]|>|(?:[-*+]|\d{1,9}[.)])[ \t])*)\[(?=[^\]]*\]:)", re.MULTILINE)
# CommonMark 6.1: a run of backticks is closed by a run of the same length, within the paragraph.
_SPAN = re.compile(r"(?<!`)(?P<ticks>`+)(?!`)(?P<code>(?:(?!\n[ \t]*\n).)+?)(?<!`)(?P=ticks)(?!`)", re.DOTALL)
_MATHS = re.compile(
    r"\\\[(?P<display>.+?)\\\]"
    r"|\\\((?P<inline>.+?)\\\)"
    r"|(?P<kept>\$\$.+?\$\$|(?<![\\$])\$(?![\s$])(?:[^$\n\\]|\\.)*?(?<![\s\\$])\$(?![\d$]))"
    r"|(?P<escaped>\\[\\$])"
    r"|(?P<lone>\$)",
    re.DOTALL,
)
# What MathJax offers beyond formulas.
_MATHS_COMMAND = re.compile(r"\\(href|url|style|class|cssId|require|unicode|data|html\w*|bbox)(?![A-Za-z])")
_AUTOLINK = re.compile(r"<((?:https?://|mailto:)[^\s<>\"'`]+)>")
_TAG = re.compile(r"<(?=[A-Za-z/!?])")
_LINK = re.compile(r"\](?P<gap>\(\s*)(?P<target>(?:\\.|[^\s\\)])*)")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_DOUBTFUL = re.compile(r"<|\]\(|\]:")
_LINKED = ("http:", "https:", "mailto:")


def code_blocks(text: str, language: str = "") -> list[str]:
    """Return the fenced code blocks of an answer, only those in `language` where one is named."""
    found = []
    for info, lines in _blocks(text):
        if info is not None and (not language or (info.split() or [""])[0].lower() == language.lower()):
            prefix = len(lines[0]) - len(lines[0].lstrip())
            body = lines[1:-1] if len(lines) > 1 and _closes(lines[-1], lines[0]) else lines[1:]
            found.append("\n".join(_dedented(line, prefix) for line in body))
    return found


def notebook_markdown(text: str) -> str:
    r"""Return an answer as Markdown that a notebook renders as it was meant, and runs nothing of.

    `\(…\)` becomes `$…$` and `\[…\]` becomes `$$…$$`. A dollar sign that is money, as in "$5 and $10", is
    kept from beginning maths; which it is follows pandoc's rule: no space after the opening sign or before
    the closing one, no digit after that.
    """
    parts = []
    for info, lines in _blocks(text):
        block = "\n".join(lines)
        if info is None:
            parts.append(_prose(block))
            continue
        closed = len(lines) > 1 and _closes(lines[-1], lines[0])
        if lines[0][:1] in "`~":
            # The fence of an answer that was cut is closed: what is shown below it is no code.
            parts.append(block if closed else f"{block}\n{_fence(lines[0])}")
        elif closed and not _DOUBTFUL.search(block):
            parts.append(block)
        else:
            parts.append(_escaped_block(lines[1:-1] if closed else lines[1:], lines[0]))
    return "\n".join(parts)


def _blocks(text: str) -> list[tuple[str | None, list[str]]]:
    """Split into runs of lines: (info string, lines with their fences) for code, (None, lines) for prose."""
    blocks: list[tuple[str | None, list[str]]] = []
    opening = ""
    for line in text.split("\n"):
        if opening:
            blocks[-1][1].append(line)
            if _closes(line, opening):
                opening = ""
            continue
        match = _OPENING.match(line)
        if match:
            opening = line
            blocks.append((match["info"].strip(), [line]))
        elif blocks and blocks[-1][0] is None:
            blocks[-1][1].append(line)
        else:
            blocks.append((None, [line]))
    return blocks


def _fence(opening: str) -> str:
    match = _OPENING.match(opening)
    assert match is not None, "a block of code begins with its fence"
    return match["fence"]


def _closes(line: str, opening: str) -> bool:
    fence = _fence(opening)
    bare = line.strip(" \t>") if opening[:1] not in "`~" else line.strip(" \t")
    return line is not opening and bare.startswith(fence) and not bare.strip(fence[0])


def _dedented(line: str, width: int) -> str:
    return line[min(width, len(line) - len(line.lstrip())) :]


def _escaped_block(body: list[str], opening: str) -> str:
    """Write a block of code inside a list or a quote as escaped HTML, at the place where it stood."""
    match = _OPENING.match(opening)
    assert match is not None, "a block of code begins with its fence"
    inner = re.sub(r"[^ \t>]", " ", match["prefix"])
    code = [_literal(line.removeprefix(inner)) or "&#32;" for line in body]
    return f"{match['prefix']}<pre><code>" + f"\n{inner}".join(code) + "</code></pre>"


def _prose(text: str) -> str:
    text = _DEFINITION.sub(r"\1\\[", text)
    return _apart(_SPAN, text, _span, _formulas)


def _formulas(text: str) -> str:
    return _apart(_MATHS, text, _formula, _marked_up)


def _apart(
    pattern: re.Pattern[str],
    text: str,
    inside: Callable[[re.Match[str]], str],
    outside: Callable[[str], str],
) -> str:
    """Rewrite what a pattern finds, and what stands between, each in its own way."""
    parts = []
    end = 0
    for match in pattern.finditer(text):
        parts += [outside(text[end : match.start()]), inside(match)]
        end = match.end()
    return "".join([*parts, outside(text[end:])])


def _span(match: re.Match[str]) -> str:
    if not _DOUBTFUL.search(match["code"]):
        return match.group()
    return f"<code>{_literal(match['code'].strip())}</code>"


def _formula(match: re.Match[str]) -> str:
    if match["lone"] or match["escaped"] == r"\$":
        return DOLLAR
    if match["escaped"]:
        return match.group()
    kept = match["kept"]
    if kept:
        formula = kept
    elif match["display"] is not None:
        formula = f"$${match['display']}$$"
    else:
        formula = f"${match['inline'].strip()}$"
    return _TAG.sub(r"\\lt ", _MATHS_COMMAND.sub(r"\\text{\1}", formula))


def _marked_up(text: str) -> str:
    """Take the HTML, the images and the doubtful links out of a piece of prose."""
    text = _apart(_AUTOLINK, text, lambda match: match.group(), lambda rest: _TAG.sub("&lt;", rest))
    text = text.replace("![", "[image: ")
    return _LINK.sub(_link, text)


def _link(match: re.Match[str]) -> str:
    target = html.unescape(re.sub(r"\\(.)", r"\1", match["target"]))
    target = "".join(character for character in target if character.isprintable() and not character.isspace())
    scheme = _SCHEME.match(target)
    if scheme is None or scheme.group().lower() in _LINKED:
        return match.group()
    return "]\\" + match["gap"] + match["target"]


def _literal(text: str) -> str:
    """Write text so that neither HTML nor Markdown finds anything in it."""
    return re.sub(r"[^\w\s]", lambda match: f"&#{ord(match.group())};", text)
