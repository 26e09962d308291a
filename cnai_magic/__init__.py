"""Chat magics for Jupyter: `%load_ext cnai_magic`, then `%%cnai` on top of a question.

Everything the magics do is plain Python too: `cnai_magic.Session().ask("…")` returns a `Reply`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api.client import Client
    from .api.messages import ChatRequest, Message, Model, Usage
    from .chat.reply import Reply
    from .errors import CnaiError
    from .session.session import Session
    from .settings import Cnai

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
_HOMES = {
    "ChatRequest": "api.messages",
    "Client": "api.client",
    "Cnai": "settings",
    "CnaiError": "errors",
    "Message": "api.messages",
    "Model": "api.messages",
    "Reply": "chat.reply",
    "Session": "session.session",
    "Usage": "api.messages",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def load_ipython_extension(shell: Any) -> None:
    """Add the magics to an IPython shell (called by `%load_ext cnai_magic`)."""
    from .magics.extension import load

    load(shell)


def unload_ipython_extension(shell: Any) -> None:
    """Take the magics away again; conversations and spend stay for the next `%load_ext`."""
    from .magics.extension import unload

    unload(shell)
