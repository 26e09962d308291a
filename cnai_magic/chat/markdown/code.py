"""Code: as a fence or between backticks where every renderer agrees on it, else as HTML in entities."""

from __future__ import annotations

import re
from collections.abc import Iterable

from .escape import to_entities

__all__ = ["measure_fence", "read_language", "write_code", "write_fence", "write_span"]

_LANGUAGE = re.compile(r"[ \t]*([A-Za-z][A-Za-z0-9+#.-]{0,30})(?=[\s,;:{]|$)")
# Renderers draw or run these: mermaid loads images, vega data, and dataviewjs is a script.
_DRAWN = re.compile(
    r"mermaid.*|math|geojson|topojson|stl|plantuml|puml|kroki|vega(?:-?lite)?|dataview(?:js)?|echarts|markmap"
    r"|wavedrom",
    re.IGNORECASE,
)
_LONGEST_RUN = 20
_RUNS = re.compile(r"`{3,}")
_PLACEHOLDER = re.compile(r"@@\d+@@")
# JupyterLab looks for maths before it looks for code, and spares code from the dollar signs only.
_MATHS = (("\\begin{", "\\end{"), ("\\\\(", "\\\\)"), ("\\\\[", "\\\\]"))
# Quarto runs its shortcodes in code too.
_SHORTCODES = ("{{<", "{{%")
_DOUBTFUL_IN_CONTAINER = re.compile(
    r"[<$\t]|`{3}|~{3}|\]\(|\]:|!\[|@@\d|\\(?:begin|end)\{|\\\\[()\[\]]|\{\{%", re.IGNORECASE
)
_DOUBTFUL_IN_LINE = re.compile(
    r"[`<\n]|\$\$|\\(?:begin|end)\{|@@|\]\(|\]:|!\[|\\\\[()\[\]]|\{\{%|\\$|^\s|\s$|^$", re.IGNORECASE
)


def read_language(info: str) -> str:
    """Return the language that the info string of a fence names, "" where it names none."""
    match = _LANGUAGE.match(info)
    if match is None:
        return ""
    return "text" if _DRAWN.fullmatch(match[1]) else match[1]


def measure_fence(codes: Iterable[str]) -> int:
    """Return a length of fences that is longer than any run of backticks in them, but for absurd ones."""
    runs = (len(run) for code in codes if "```" in code for run in _RUNS.findall(code))
    return 1 + max((run for run in runs if run <= _LONGEST_RUN), default=2)


def write_code(code: str, info: str, fence: str, *, contained: bool) -> list[str]:
    """Return the lines of a block of code; `contained` tells that it stands in a list or a quote."""
    code = code.removesuffix("\n")
    doubtful = bool(_DOUBTFUL_IN_CONTAINER.search(code)) if contained else _is_doubtful(code)
    return _write_html(code) if doubtful or fence in code else write_fence(code, read_language(info), fence)


def write_fence(code: str, name: str, fence: str) -> list[str]:
    """Return the lines of a fence."""
    return [fence + name, *(code.split("\n") if code else []), fence]


def write_span(code: str, *, cell: bool, before: str) -> str:
    """Return code within a line; `before` is the character that stands before it."""
    # JupyterLab counts the character before a span to it, and spares its dollar sign too; MyST takes what
    # ends with a brace for the name of a role, which is given the code.
    doubtful = _DOUBTFUL_IN_LINE.search(code) or (cell and "|" in code)
    if doubtful or before in ("$", "`", "}"):
        return f"<code>{to_entities(' '.join(code.split(chr(10))))}</code>"
    return f"`{code}`"


def _is_doubtful(code: str) -> bool:
    """Tell whether a renderer finds maths or a shortcode in a fence that stands alone."""
    folded = code.lower()
    return (
        bool(_PLACEHOLDER.search(code))
        or any(each in code for each in _SHORTCODES)
        or any(0 <= folded.find(opening) < folded.rfind(closing) for opening, closing in _MATHS)
    )


def _write_html(code: str) -> list[str]:
    lines = [_write_html_line(line) for line in code.split("\n")]
    lines[0] = f"<pre><code>{lines[0]}"
    lines[-1] += "</code></pre>"
    return lines


def _write_html_line(line: str) -> str:
    """Return a line of code that begins with no blank, and begins nothing."""
    if not line:
        return "&#32;"
    first = line[0] if line[0].isalpha() else f"&#{ord(line[0])};"
    return first + to_entities(line[1:].replace("\t", "    "))
