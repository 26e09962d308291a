"""Input transformers: they pass a question to its magic as it was typed.

IPython removes prompts (`>>> `, `In [1]: `), common indentation and blank lines from a cell before it looks
for a magic, and reads `What is this?` as a request for help. That is right for code, not for a question.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from IPython.core.inputtransformer2 import cell_magic

from ..errors import InputError

__all__ = ["keep_body", "keep_question_mark"]

_CELL = re.compile(r"[ \t]*%%cnai(?=\s|\Z)")
_OTHER = re.compile(r"[ \t]*%%(?!cnai(?:\s|\Z))")
# Blanks that do not end the name of a magic for IPython: a tab, those of Chinese keyboards and web pages.
_LINE = re.compile(r"\A([ \t]*(?:[\w.,\[\]'\" \t]+=)?[ \t]*%cnai)[^\S \r\n]")
_LINE_QUESTION = re.compile(r"\A([ \t]*(?:[\w.,\[\]'\" \t]+=)?[ \t]*%cnai[ \t]+\S.*\?)(?=\r?\n?\Z)")
# Lines that are not Python: magics, shell commands, help.
_NO_PYTHON = re.compile(r"[ \t]*(?:[\w.,\[\]'\" \t]+=)?[ \t]*[%!?]")
_QUOTED = re.compile(
    r"""#.*|'''|\"\"\"|'(?:\\.|[^'\\\n])*'?|"(?:\\.|[^"\\\n])*"?""",
)


def keep_body(lines: list[str]) -> list[str]:
    """Call `%%cnai` with its body as it was typed, before IPython changes anything in it.

    Raises InputError where `%%cnai` is below something else: IPython finds it in the first line only.
    """
    if not any(_CELL.match(line) for line in lines):
        return lines
    first = next(number for number, line in enumerate(lines) if line.strip())
    # Also under %%capture and its like, which run their body as a cell.
    below = next((line for line in lines[first:] if line.strip() and not _OTHER.match(line)), "")
    if _CELL.match(below):
        # Also with an empty body, which IPython would refuse with a message of its own.
        head = lines[first].strip()
        if own := _CELL.match(head):
            head = f"%%cnai {head[own.end() :].strip()}".rstrip()
        called: list[str] = cell_magic([f"{head}\n", *(lines[first + 1 :] or ["\n"])])  # type: ignore[no-untyped-call]
        return called
    if not _OTHER.match(lines[first]) and any(
        _CELL.match(lines[number]) for number in _find_code_lines(lines)
    ):
        raise _explain_misplaced(lines[first])
    return lines


def keep_question_mark(lines: list[str]) -> list[str]:
    """Keep IPython from reading `%cnai What is this?` as a request for help: a blank after it is enough.

    A blank that IPython does not know, between magic and question, becomes a space.
    """
    if not any("%cnai" in line for line in lines) or lines[0].startswith("%%"):
        return lines
    lines = lines.copy()
    for number in _find_code_lines(lines):
        lines[number] = _LINE_QUESTION.sub(r"\1 ", _LINE.sub(r"\1 ", lines[number]))
    return lines


def _find_code_lines(lines: list[str]) -> Iterator[int]:
    """Yield the numbers of the lines that do not begin within a string of several lines."""
    quote = ""
    for number, line in enumerate(lines):
        position = 0
        if not quote:
            yield number
            if _NO_PYTHON.match(line):
                continue
        while position < len(line):
            if quote:
                end = re.compile(rf"(?:\\.|(?!{quote}).)*?{quote}", re.DOTALL).match(line, position)
                if end is None:
                    break
                position, quote = end.end(), ""
                continue
            found = _QUOTED.search(line, position)
            if found is None:
                break
            position = found.end()
            quote = found[0] if found[0] in ("'''", '"""') else ""


def _explain_misplaced(above: str) -> InputError:
    return InputError(
        "%%cnai must be the first line of its cell",
        why=f"above it is: {above.strip()[:60]}",
        next_step="move %%cnai to the top, or into a cell of its own; nothing was run",
    )


# In a terminal, IPython tries transformers on unfinished input, but not these.
keep_body.has_side_effects = True  # type: ignore[attr-defined]
