"""What the extension of JupyterLab asks of the kernel: what the page shows, and what its buttons do.

It is asked by a silent execute request whose expression calls `answer_page`, and not by a comm: one would be
handled beside the main thread, or be closed by a second page. A request is JSON in base64, so that nothing of
a notebook can become code; of what it names, only IDs, names and models that the kernel knows have an effect.
Its metadata may tell the order of the cells, as a request that runs a cell does: what is stale follows it.
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from IPython.core.getipython import get_ipython

from ..errors import CnaiError, InputError
from ..redaction import clean, replace_surrogates
from .cell_words import CELL
from .extension import find_loaded
from .page_actions import ACTIONS
from .page_state import STATES

if TYPE_CHECKING:
    from .shell_session import ShellSession

__all__ = ["PageAnswer", "answer_page"]

_LONGEST = 1_000_000


class PageAnswer:
    """What the kernel says to the page, as JSON."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        self._content = dict(content)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        return {"application/json": self._content, "text/plain": "cnai_magic"}


def answer_page(request: str) -> PageAnswer:
    """Answer a request of the page that shows the notebook of this shell."""
    magics = find_loaded(get_ipython())
    if magics is None:
        return PageAnswer({"loaded": False})
    try:
        return PageAnswer({"loaded": True, **_answer(magics.shell_session, _read(request))})
    except CnaiError as error:
        return PageAnswer({"loaded": True, "error": [clean(line) for line in error.lines(CELL)]})


def _read(request: str) -> dict[str, Any]:
    found = None
    if isinstance(request, str) and len(request) <= _LONGEST:
        # Deep nesting is a RecursionError.
        with suppress(ValueError, RecursionError):
            found = json.loads(b64decode(request, validate=True))
    if not isinstance(found, dict):
        raise InputError("the page sent what is not a request")
    return found


def _answer(shell_session: ShellSession, request: dict[str, Any]) -> dict[str, Any]:
    wanted = request.get("do")
    shell_session.see_page_order()
    if isinstance(wanted, str) and wanted in STATES:
        return STATES[wanted](shell_session, request)
    if isinstance(wanted, str) and wanted in ACTIONS:
        ACTIONS[wanted](shell_session, request)
        return STATES["state"](shell_session, request)
    named = wanted[:60] if isinstance(wanted, str) else ""
    raise InputError("this version does not know what the page asks for", why=replace_surrogates(named))
