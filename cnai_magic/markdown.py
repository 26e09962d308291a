r"""What an answer's Markdown holds, and how it becomes Markdown that is safe in a notebook.

A notebook runs the HTML of a fresh Markdown output, scripts included, and loads its images. So an
answer's raw HTML is shown as text, its images become links, and only http, https and mailto are linked.
Code must stay as it is: a fence that begins at the first column is left alone, since every renderer
agrees on what it holds; any other code with an angle bracket in it is written as escaped HTML, which is
safe whatever a renderer takes it for.

JupyterLab and nbconvert take maths out before they look for code, so maths must not reach into a fence:
JupyterLab's does not pass a blank line, hence the blank lines around fences; nbconvert's does, hence no
delimiter is left without its partner. JupyterLab puts the maths back into the finished HTML, hence no
formula holds a double quote.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator
from urllib.parse import quote

__all__ = ["DOLLAR", "code_blocks", "notebook_markdown"]

DOLLAR = r"<span>\$</span>"
"""A dollar sign that is money. The backslash keeps JupyterLab's search for maths from it, the element
MathJax's, which looks through the text that the Markdown renderer has made, and not across elements."""

# CommonMark 4.5: a fence of three or more, closed by at least as many; container prefixes are kept apart.
_OPENING = re.compile(
    r"^(?P<prefix>(?:[ \t]|>|(?:[-*+]|\d{1,9}[.)])[ \t])*)(?P<fence>`{3,}(?=[^`]*$)|~{3,})(?P<info>.*)$"
)
# The language alone: JupyterLab would look for maths in the rest.
_LANGUAGE = re.compile(r" ?([\w+#./-]+)(?=[\s,{]|$)")
_DEFINITION = re.compile(
    r"^((?:[ \t]|>|(?:[-*+]|\d{1,9}[.)])[ \t])*)\[(?=(?:\\.|[^\[\]\\])*\]:)", re.MULTILINE | re.DOTALL
)
_TICKS_OR_BLANK_LINE = re.compile(r"`+|\n[ \t>]*\n")
_MATHS = re.compile(
    r"\\\[(?P<display>(?:[^\\]|\\[^\[\]])+?)\\\]"
    r"|\\\((?P<inline>(?:(?!\n[ \t]*\n)[^\\]|\\[^()])+?)\\\)"
    r"|(?P<kept>\$\$(?:(?!\n[ \t]*\n|\$\$).)+\$\$"
    r"|(?<![\\$])\$(?![\s$])(?:[^$\n\\]|\\[^\n])*?(?<![\s\\$])\$(?![\d$])"
    r"|\\begin\{(?P<name>[A-Za-z]*\*?)\}(?:(?!\n[ \t]*\n|\\begin\{).)*?"
    r"(?:\\begin\{(?:(?!\n[ \t]*\n|\\begin\{).)*?){0,20}?\\end\{(?P=name)\})"
    r"|\\(?P<environment>begin|end)\{"
    r"|\\\\(?P<doubled>[()\[\]])"
    r"|(?P<escaped>\\[\\$])"
    r"|(?P<lone>\$)",
    re.DOTALL,
)
_LONE_TICKS = re.compile(r"`{3,}")
# What MathJax offers beyond formulas.
_MATHS_COMMAND = re.compile(r"\\(href|url|style|class|cssId|require|unicode|data|html\w*|bbox)(?![A-Za-z])")
_LINK_IN_MATHS = re.compile(r"\](?=[(:\[])|!(?=\[)")
_BRACES = re.compile(r"\\?[{}]")
_BLANK_LINES = re.compile(r"\n(?:[ \t>]*\n)+")
_AUTOLINK = re.compile(r"<((?:https?://|mailto:)[^\s<>\"'`]+)>")
_TAG = re.compile(r"<(?=[A-Za-z/!?])")
# In a quote the target may stand on the next line, after its mark. It ends before what may be another link.
_LINK = re.compile(r"\](?P<gap>\([\s>]*)(?P<target>(?:\\.|[^\s\\)\]])*)", re.DOTALL)
_ANGLE_LINK = re.compile(r"\]\([\s>]*<(?P<target>(?:\\[^\n]|[^<>\n\\])*)>")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
# In code that a renderer may take for something else: HTML, a link, what begins or ends maths.
_DOUBTFUL = re.compile(r"<|\]\(|\]:|\$\$|\\(?:begin|end)\{|\\\\[()\[\]]")
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
    parts: list[str] = []
    for info, lines in _blocks(text.replace("\r\n", "\n").replace("\r", "\n")):
        if info is None:
            if parts and _is_fence(parts[-1]) and lines[0].strip():
                parts.append("")
            parts.append(_prose("\n".join(lines)))
            continue
        closed = len(lines) > 1 and _closes(lines[-1], lines[0])
        body = lines[1:-1] if closed else lines[1:]
        if lines[0][:1] in "`~":
            if parts and parts[-1].rsplit("\n", 1)[-1].strip():
                parts.append("")
            # The fence of an answer that was cut is closed: what is shown below it is no code.
            parts.append("\n".join([_opening(lines[0], body), *body, _fence(lines[0])]))
        elif closed and _is_plain(lines[0], body):
            parts.append("\n".join([lines[0], *body, _inner(lines[0]) + _fence(lines[0])]))
        else:
            parts.append(_escaped_block(body, lines[0]))
    return "\n".join(parts)


def _blocks(text: str) -> list[tuple[str | None, list[str]]]:
    """Split into runs of lines: (info string, lines with their fences) for code, (None, lines) for prose."""
    blocks: list[tuple[str | None, list[str]]] = []
    opening = fence = ""
    for line in text.split("\n"):
        if opening:
            blocks[-1][1].append(line)
            if _ends(line, opening, fence):
                opening = ""
            continue
        match = _OPENING.match(line)
        if match:
            opening, fence = line, match["fence"]
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
    return _ends(line, opening, _fence(opening))


def _ends(line: str, opening: str, fence: str) -> bool:
    if opening[:1] in "`~":
        # CommonMark 4.5: indented by four or more it is code.
        indentation = len(line) - len(line.lstrip(" "))
        bare = line.strip(" \t") if indentation < 4 and line[indentation : indentation + 1] != "\t" else ""
    else:
        bare = line.strip(" \t>")
    return line is not opening and bare.startswith(fence) and not bare.strip(fence[0])


def _opening(line: str, body: list[str]) -> str:
    """Return an opening fence with its language, and without all else that may stand there."""
    fence = _fence(line)
    language = _LANGUAGE.match(line, len(fence))
    if language is None:
        return fence
    # nbconvert writes a diagram into the page as it stands.
    if language[1].lower().startswith("mermaid") and any("<" in each or "&" in each for each in body):
        return fence
    return line[: language.end()]


def _inner(opening: str) -> str:
    """Return what stands before each further line of the block of code that `opening` begins."""
    match = _OPENING.match(opening)
    assert match is not None, "a block of code begins with its fence"
    return re.sub(r"[^ \t>]", " ", match["prefix"])


def _is_plain(opening: str, body: list[str]) -> bool:
    """Tell whether every renderer sees where a block of code inside a list or a quote ends."""
    inner = _inner(opening)
    return "\t" not in inner and all(
        (line.startswith(inner) or not (line.strip() or inner.strip()))
        and not ("$" in line or _DOUBTFUL.search(line))
        for line in (inner + opening, *body)
    )


def _is_fence(part: str) -> bool:
    return part[:1] in ("`", "~") and _OPENING.match(part.split("\n", 1)[0]) is not None


def _dedented(line: str, width: int) -> str:
    return line[min(width, len(line) - len(line.lstrip())) :]


def _escaped_block(body: list[str], opening: str) -> str:
    """Write a block of code inside a list or a quote as escaped HTML, at the place where it stood."""
    inner = _inner(opening)
    code = [_literal(line.removeprefix(inner)) or "&#32;" for line in body]
    return f"{opening[: len(inner)]}<pre><code>" + f"\n{inner}".join(code) + "</code></pre>"


def _prose(text: str) -> str:
    text = _DEFINITION.sub(r"\1&#91;", text)
    parts = []
    end = 0
    for start, ticks, stop in _spans(text):
        parts += [_formulas(text[end:start]), _span(text[start:stop], ticks, text[start - 1 : start])]
        end = stop
    return "".join([*parts, _formulas(text[end:])])


def _spans(text: str) -> Iterator[tuple[int, int, int]]:
    """Yield the spans of code: start, number of backticks, end.

    CommonMark 6.1: a run of backticks is closed by the next of the same length, within the paragraph.
    """
    runs: list[re.Match[str] | None] = []
    following: list[int | None] = []
    last: dict[int, int] = {}
    for match in _TICKS_OR_BLANK_LINE.finditer(text):
        following.append(None)
        if not match.group().startswith("`"):
            last.clear()
            runs.append(None)
            continue
        size = len(match.group())
        if size in last:
            following[last[size]] = len(runs)
        last[size] = len(runs)
        runs.append(match)
    index = 0
    while index < len(runs):
        run, closing = runs[index], following[index]
        end = None if closing is None else runs[closing]
        if run is None or end is None or closing is None:
            index += 1
            continue
        yield run.start(), len(run.group()), end.end()
        index = closing + 1


def _formulas(text: str) -> str:
    # Without the backticks behind them, which may become HTML, these would begin a fence.
    text = _LONE_TICKS.sub(lambda match: "&#96;" * len(match.group()), text)
    text = _ANGLE_LINK.sub(_bare_link, text)
    # A dollar sign in an address is neither maths nor money.
    text = _LINK.sub(lambda match: match.group().replace("$", "%24"), text)
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


def _span(span: str, ticks: int, before: str) -> str:
    code = span[ticks:-ticks]
    # JupyterLab takes a dollar sign for maths where it does not recognise the code around it.
    hidden = "$" in code and ("\n" in code or before == "\\")
    if not hidden and not _DOUBTFUL.search(code):
        return span
    return f"<code>{_literal(code.strip())}</code>"


def _formula(match: re.Match[str]) -> str:
    if match["lone"] or match["escaped"] == r"\$":
        return DOLLAR
    if match["escaped"]:
        return match.group()
    if match["environment"]:
        return rf"\{match['environment']}&#123;"
    if match["doubled"]:
        return rf"\\&#{ord(match['doubled'])};"
    formula = match["kept"]
    if formula is None:
        inner = match["display"] or match["inline"].strip()
        sign = "$$" if match["display"] else "$"
        formula = f"{sign}{inner}{sign}"
        if sign in inner or inner.strip(" ").endswith("$"):
            return _literal(formula)
    if formula.rstrip("$").endswith("\\") or not _balanced(formula):
        # JupyterLab would not see its end, and go on to the next.
        return _literal(formula)
    formula = _BLANK_LINES.sub("\n", _MATHS_COMMAND.sub(r"\\text{\1}", formula)).replace('"', "''")
    # TeX does not mind a space; Markdown finds no link or image then.
    return _TAG.sub(r"\\lt ", _LINK_IN_MATHS.sub(r"\g<0> ", formula))


def _marked_up(text: str) -> str:
    """Take the HTML, the images and the doubtful links out of a piece of prose."""
    text = _apart(_AUTOLINK, text, lambda match: match.group(), lambda rest: _TAG.sub("&lt;", rest))
    text = text.replace("![", "[image: ")
    return _LINK.sub(_link, text)


def _balanced(formula: str) -> bool:
    depth = 0
    for match in _BRACES.finditer(formula):
        depth += {"{": 1, "}": -1}.get(match.group(), 0)
        if depth < 0:
            return False
    return depth == 0


def _bare_link(match: re.Match[str]) -> str:
    """Write the target of a link without its angle brackets."""
    target = re.sub(r"\\([^\w\s])", r"\1", match["target"]).strip()
    return "](" + re.sub(r"[\s()\[\]\"'\\`]", lambda each: quote(each.group(), safe=""), target)


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
