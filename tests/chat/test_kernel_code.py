"""Which code of an answer goes into a cell."""

from __future__ import annotations

from cnai_magic.chat.kernel_code import find_kernel_code
from tests.cases import check_each


def fence(language: str, code: str, marks: str = "```") -> str:
    return f"{marks}{language}\n{code}\n{marks}\n"


@check_each(
    ("text", "code"),
    [
        ("no code at all", ""),
        ("inline `x = 1` is no block", ""),
        (fence("python", "x = 1"), "x = 1"),
        (fence("Python", "x = 1"), "x = 1"),
        (fence("py", "x = 1"), "x = 1"),
        (fence("ipython3", "%time f()"), "%time f()"),
        (fence("python title=a.py", "x = 1"), "x = 1"),
        ("- step\n\n  ```python\n  x = 1\n  ```\n", "x = 1"),
        (fence("python", "x = '''\n```\n'''", "````"), "x = '''\n```\n'''"),
        (fence("~~~python", "x", "").replace("\n\n", "\n~~~\n"), "x"),
        (fence("python", "x = 1") + "then\n\n" + fence("python", "y = 2"), "x = 1\n\ny = 2"),
        # Other languages, data and what the code prints are no code of the kernel.
        (fence("json", '{"a": 1}'), ""),
        (fence("bash", "pip install pandas") + fence("python", "import pandas"), "import pandas"),
        (fence("sql", "select 1"), ""),
        (fence("pycon", ">>> 1 + 1\n2"), ""),
        (fence("python", "print(2)") + fence("", "2"), "print(2)"),
        (fence("text", "print"), ""),
        # Without any language: what is sound Python.
        (fence("", "import math\nmath.pi"), "import math\nmath.pi"),
        (fence("", "$ pip install pandas"), ""),
        (fence("", "Traceback (most recent call last):"), ""),
        (fence("", "(" * 10_000), ""),
        # An answer that was cut in its code.
        ("```python\nx = 1\ny =", "x = 1\ny ="),
        (fence("python", ""), ""),
        # Characters that nobody sees, which reorder what a reader reads.
        (fence("python", "x = 1\u202e # \u2066safe"), "x = 1 # safe"),
        (fence("python", "print('\x1b[2J')"), "print('')"),
    ],
)
def test_the_code_that_the_kernel_could_run(text: str, code: str) -> None:
    assert find_kernel_code(text) == code
