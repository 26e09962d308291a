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
_EXISTING = re.compile(
    r"^(?:Similar names that exist|Similar attributes of \w+|Columns of \w+|Keys of \w+"
    r"|相近的已有名称|\w+ 的相近属性|\w+ 的列|\w+ 的键): (.{1,8000})$",
    re.M,
)
_NO_CODE = re.compile(r"\bwrite no code\b|不要写代码", re.I)
# The last word in quotes; pandas says more than the name: 'Column not found: trip'.
_QUOTED = re.compile(r"(\w+)'(?!.*\w')")
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
    corrected = _correct(blocks[0], name, message, text) if blocks else None
    if _NO_CODE.search(text):
        unknown = _QUOTED.search(message)
        hint = question.say("error_hint", word=unknown[1]) if corrected and unknown else ""
        return f"{said}\n\n{hint}".rstrip()
    if corrected is None:
        return f"{said}\n\n{question.say('error_rest')}".rstrip()
    return f"{said}\n\n{question.say('corrected')}\n\n```python\n{corrected}\n```"


def _correct(code: str, name: str, message: str, text: str) -> str | None:
    """Return the corrected code, None where no rule can; `text` may list the names that exist."""
    if name in ("NameError", "KeyError", "AttributeError"):
        return _correct_name(code, name, message, _list_existing(text))
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


def _list_existing(text: str) -> list[str]:
    """Return the names, columns or keys that the question lists as those that exist."""
    listed = _EXISTING.search(text)
    return re.findall(r"'([^'\n]{1,80})'", listed[1]) if listed else []


def _correct_name(code: str, name: str, message: str, existing: list[str]) -> str | None:
    """Return the code with the unknown name replaced by the nearest known one."""
    quoted = _QUOTED.search(message)
    if quoted is None:
        return None
    unknown = quoted[1]
    if name == "NameError":
        known = set(re.findall(r"\b[A-Za-z_]\w*\b", code)) - {unknown} - set(keyword.kwlist)
        public = [name for name in dir(builtins) if not name.startswith("_")]
        existing = [*existing, *sorted(known), *public]
    near = find_nearest(unknown, existing)
    return re.sub(rf"\b{unknown}\b", near[0], code) if near else None
