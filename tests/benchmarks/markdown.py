"""What the final Markdown of an answer costs, in seconds of CPU.

    python -m tests.benchmarks markdown [--rounds N]

Ordinary answers of three sizes, then hostile texts of 200 KB: each is held against half of itself, and a
ratio of about 2 is linear. The fastest of some rounds is taken: noise only ever adds.
"""

from __future__ import annotations

import argparse
import time

from cnai_magic.chat.markdown import write_markdown

from .report import heading, note, row, versions

_ANSWER = """# Title of *it*

The price is $5 and $10, so $x^2$ and \\(y<z\\). See [docs](https://e.org/a) for `code`. **Bold text** follows
here, and a long run of plain prose to have something to read, with some snake_case words in it.

- one
- two with `code`
  - three

```python
def f(x):
    return x * 2  # comment
```

| a | b |
|---|---|
| 1 | 2 |

"""
_HOSTILE = {
    "open brackets": "[",
    "images that never end": "![",
    "links that never end": "[x](",
    "definitions that never end": "\n[a",
    "dollar signs on lines": "$$\n",
    "formulas that never end": "\\begin{a}",
    "backticks": "` `` ``` ",
    "stars": "*a **b ",
    "quotes in quotes": "\n> ",
    "items": "- a\n",
    "small tables": "a|b\n-|-\n",
    "angle brackets": "<https://",
}


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser("python -m tests.benchmarks markdown")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(arguments)

    heading("The final Markdown of an answer: CPU seconds")
    note(versions("markdown-it-py") + f"; the fastest of {options.rounds} rounds")
    write_markdown("# imports the parser, which is not measured")
    for size, name, target in ((1_000, "1 KB", None), (20_000, "20 KB", 0.04), (1_000_000, "1 MB", 2.5)):
        text = _ANSWER * (size // len(_ANSWER) + 1)
        row(f"an answer of {name}", _seconds(text, options.rounds), "s", at_most=target)
    for what, piece in _HOSTILE.items():
        whole = _seconds(piece * (200_000 // len(piece)), options.rounds)
        half = _seconds(piece * (100_000 // len(piece)), options.rounds)
        row(f"{what}, 200 KB over 100 KB", whole / half, "×", at_most=3, beside=f"({whole:.2f} s)")


def _seconds(text: str, rounds: int) -> float:
    found = []
    for _ in range(rounds):
        before = time.process_time()
        write_markdown(text)
        found.append(time.process_time() - before)
    return min(found)
