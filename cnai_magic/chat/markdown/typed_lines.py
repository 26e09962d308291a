"""Prompts as Markdown: what a person typed keeps its lines and indents, as the cell shows them."""

from __future__ import annotations

import re

__all__ = ["keep_lines"]

_FENCE = re.compile(r"`{3,}|~{3,}")
# Lines whose indent means something to Markdown: items of lists, quotes, rows of tables, headings.
_MARKED = re.compile(r" *(?:(?:[-*+]|\d{1,9}[.)])(?: |$)|[>|])| {0,3}#")
_CODE_INDENT = 4


def keep_lines(prompt: str) -> str:
    """Return a prompt as Markdown whose paragraphs keep their line ends and indents; code stays as it is."""
    lines: list[str] = []
    fence = ""
    in_paragraph = False
    for typed in prompt.split("\n"):
        line = typed.expandtabs(_CODE_INDENT).rstrip()
        text = line.lstrip()
        indent = len(line) - len(text)
        found = _FENCE.match(text)
        if fence or found or not text or (indent >= _CODE_INDENT and not in_paragraph):
            if fence:
                fence = "" if found and text == found[0] and text.startswith(fence) else fence
            elif found:
                fence = found[0]
            in_paragraph = False
            lines.append(typed)
            continue
        if in_paragraph:
            lines[-1] += "  "  # a line break, in Markdown
            line = line if _MARKED.match(line) else "\N{NO-BREAK SPACE}" * indent + text
        in_paragraph = True
        lines.append(line)
    return "\n".join(lines)
