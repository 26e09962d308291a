"""What the kernel does in the benchmark of the widget: an answer, and three ways to show it as it comes."""

from __future__ import annotations

import time
from html import escape
from typing import Any, Protocol

import ipywidgets
from IPython import get_ipython
from IPython.display import Markdown, display

from cnai_magic.api.messages import ChatRequest, Message
from cnai_magic.chat.conversation import CellPosition, KernelConversation
from cnai_magic.display.widget import WidgetView
from cnai_magic.session.question import Options, Question
from cnai_magic.session.view import PACE, Batch
from tests.display.answers import attempt

__all__ = ["CONTENDERS", "TOKEN", "answer", "run"]

TOKEN = 4
"""Characters of a token: about what English has."""

_SETTLE = 0.5

_SECTION = """\
## Part {number}

A paragraph with **strong words**, some `code`, *emphasis* and a [link](https://example.org/{number}), as long
as paragraphs of answers are: they explain a thing, then its reason, and then what follows from both of them
for whoever asked. The next sentence says it once more in other words, as models do.

1. First the data is read,
   - from a file, or
   - from a table;
2. then it is sorted by `key`.

| name | count | share |
|:-----|------:|------:|
| alpha | {number} | 12.5 % |
| beta | 17 | 87.5 % |

```python
def part_{number}(rows):
    \"\"\"Return the rows that count.\"\"\"
    chosen = [row for row in rows if row["key"] > {number}]
    return sorted(chosen, key=lambda row: row["name"])
```

> What is quoted here was said before.

"""


def answer(tokens: int) -> str:
    """Return an answer of so many tokens: paragraphs, nested lists, tables, code and quotes."""
    length = tokens * TOKEN
    text = "".join(_SECTION.format(number=number) for number in range(length // 500 + 1))
    return text[:length]


class _Contender(Protocol):
    def begin(self) -> None: ...

    def update(self, piece: str) -> None: ...

    def end(self) -> None: ...


class _Ours:
    def __init__(self) -> None:
        self._view = WidgetView(get_ipython())
        self._text = ""

    def begin(self) -> None:
        request = ChatRequest("deepseek-chat", (Message("user", "Explain"),))
        conversation = KernelConversation("main")
        question = Question(
            request,
            prompt="Explain",
            system=None,
            options=Options(),
            conversation=conversation,
            position=CellPosition(),
            turn=1,
            attempt=1,
            omitted_turns=0,
            demo=False,
        )
        self._view.begin(question, lambda: None)

    def update(self, piece: str) -> None:
        self._text += piece
        self._view.update(Batch(piece))

    def end(self) -> None:
        self._view.end(attempt(self._text))


class _HTML:
    """Sets the whole text at every update; escaped only, which costs less than Markdown made into HTML."""

    def begin(self) -> None:
        self._text = ""
        self._widget = ipywidgets.HTML()
        display(self._widget)

    def update(self, piece: str) -> None:
        self._text += piece
        self._widget.value = f'<div style="white-space: pre-wrap">{escape(self._text, quote=False)}</div>'

    def end(self) -> None:
        """Leave it as it is."""


class _Markdown:
    """Shows the whole text at every update, and lets the application render it."""

    def begin(self) -> None:
        self._text = ""
        self._handle: Any = display(Markdown(""), display_id=True)

    def update(self, piece: str) -> None:
        self._text += piece
        self._handle.update(Markdown(self._text))

    def end(self) -> None:
        """Leave it as it is."""


CONTENDERS: dict[str, type[_Contender]] = {
    "ours": _Ours,
    "ipywidgets.HTML": _HTML,
    "update_display(Markdown)": _Markdown,
}


def run(name: str, tokens: int, rate: float) -> None:
    """Show an answer that comes at `rate` tokens a second, in at most 1 / PACE updates a second."""
    contender: _Contender = CONTENDERS[name]()
    text = answer(tokens)
    contender.begin()
    began = time.monotonic()
    shown = 0
    while shown < tokens:
        time.sleep(PACE)
        due = min(tokens, int((time.monotonic() - began) * rate))
        if due > shown:
            contender.update(text[shown * TOKEN : due * TOKEN])
            shown = due
    # What is still to be drawn is drawn before the end, and counts as streaming.
    time.sleep(_SETTLE)
    contender.end()
