"""Chat magics for Jupyter: `%load_ext cnai_magic`, then `%%cnai` on top of a question.

Everything the magics do is plain Python too: `cnai_magic.Session().ask("…")` returns a `Reply`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .client import Client
    from .config import Cnai
    from .errors import CnaiError
    from .protocol import ChatRequest, Message, Model, Usage
    from .reply import Reply
    from .session import Session

__version__ = "0.1.0"

__all__ = [
    "ChatRequest",
    "Client",
    "Cnai",
    "CnaiError",
    "Message",
    "Model",
    "Reply",
    "Session",
    "Usage",
    "load_ipython_extension",
    "unload_ipython_extension",
]

# Loaded when first used: `%load_ext` must not pay for what a notebook may never ask.
_ROOMS = {
    "ChatRequest": "protocol",
    "Client": "client",
    "Cnai": "config",
    "CnaiError": "errors",
    "Message": "protocol",
    "Model": "protocol",
    "Reply": "reply",
    "Session": "session",
    "Usage": "protocol",
}


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_ROOMS[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def load_ipython_extension(shell: Any) -> None:
    """Add the magics to an IPython shell (called by `%load_ext cnai_magic`)."""
    from .magics import load

    load(shell)


def unload_ipython_extension(shell: Any) -> None:
    """Take the magics away again; conversations and spend stay for the next `%load_ext`."""
    from .magics import unload

    unload(shell)
