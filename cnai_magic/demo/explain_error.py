"""Explains an error in the prompt: what it means, and a corrected cell to try."""

from __future__ import annotations

import builtins
import keyword
import re

from ..nearest import find_nearest
from .guide_question import GuideQuestion
from .knowledge_files import read

__all__ = ["explain_error"]

_ERROR = re.compile(r"(?:^|[^a-zA-Z0-9_\n.])([A-Z][a-zA-Z]*Error)\b[:：]?[ \t]*([^\n]{0,300})", re.MULTILINE)
_FENCE = re.compile(r"```(?:python|py|ipython)?[ \t]*\n(.*?)\n?```", re.DOTALL)


def explain_error(question: GuideQuestion, _: re.Match[str]) -> str | None:
    """Explain the last error of a traceback, and correct the cell where the mistake is a simple one."""
    text = question.questions[-1]
    meanings = read("errors")
    errors = [found for found in _ERROR.finditer(text) if found[1] in meanings]
    if not errors or not re.search(
        r"traceback|^\W*\w*error\b[:：]|\b(?:fix|error|what|why|mean|explain|get|got|help|debug|solve)\b"
        r"|错误|报错|怎么|什么|为什么|修|解决|解释|意思",
        text,
        re.I | re.M,
    ):
        return None
    name, message = errors[-1][1], errors[-1][2].strip()
    message = re.split(
        r"\s*[?？]|[,，.。;；]\s*(?:what|how|why|please|can|是什么|怎么|为什么)|(?<=['\"])\s*(?:是什么|怎么)",
        message,
    )[0]
    shown = question.say("error_message", message=message) if message else ""
    said = question.say("error", name=name, message=shown, meaning=meanings[name][question.language])
    blocks = [
        block for block in _FENCE.findall(text) if "Traceback" not in block and not _ERROR.search(block)
    ]
    corrected = _correct(blocks[0], name, message) if blocks else None
    if corrected is None:
        return f"{said}\n\n{question.say('error_rest')}".rstrip()
    return f"{said}\n\n{question.say('corrected')}\n\n```python\n{corrected}\n```"


def _correct(code: str, name: str, message: str) -> str | None:
    if name == "NameError":
        return _correct_name(code, message)
    if name == "SyntaxError" and "':'" in message:
        return re.sub(
            r"^([ \t]*(?:if|elif|for|while|def|class|except|with)\b[^\n#:]*[^\n#: \t]"
            r"|[ \t]*(?:else|try|finally))[ \t]*$",
            r"\1:",
            code,
            flags=re.MULTILINE,
        )
    if name == "ModuleNotFoundError":
        module = re.search(r"No module named '([\w.]+)'", message)
        return f"%pip install {module[1].split('.')[0]}" if module else None
    return None


def _correct_name(code: str, message: str) -> str | None:
    """Return the code with the unknown name replaced by the nearest known one."""
    found = re.search(r"name '(\w+)' is not defined", message)
    if found is None:
        return None
    unknown = found[1]
    known = set(re.findall(r"\b[A-Za-z_]\w*\b", code)) - {unknown} - set(keyword.kwlist)
    public = [name for name in dir(builtins) if not name.startswith("_")]
    near = find_nearest(unknown, [*sorted(known), *public])
    return re.sub(rf"\b{unknown}\b", near[0], code) if near else None
