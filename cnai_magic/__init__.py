"""Chat with language models in a notebook, a terminal, or plain Python.

In a notebook, `%load_ext cnai_magic`, then `%%cnai` on top of a question. In plain Python:

    import cnai_magic

    print(cnai_magic.ask("What is a median?"))

    session = cnai_magic.Session(model="deepseek-chat")
    print(session.ask("What is a median?"))
    for piece in session.stream("And of an even number of values?"):
        print(piece, end="", flush=True)
    print(session.cost)

`ask` and `Session.ask` return a `Reply` with its `Usage` and `Cost`; `Session.stream` returns a
`ReplyStream`. `Session.map` asks for many rows, and returns `Answers`, each a `RowAnswer`; `Session.compare`
asks one question in several ways, and returns a `Comparison`, of `ComparedAnswer`s; both can be judged by a
model, with a `Judgement`. `map_partition` asks for the rows of a partition in the workers of Dask, Ray Data
or Spark. A `Session` has a `Conversation`, and lists each `Model` of the key. Settings are those of `Cnai`.
`render_prompt` puts values into a prompt, `register_formatter` sets how those of a type are shown,
`make_chat_model` gives a chat element (as that of marimo) its model. Every error is a `CnaiError`;
`cnai_magic.errors` has the tree of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api.model_facts import Model
    from .api.token_usage import Usage
    from .chat.answers import Answers, RowAnswer
    from .chat.compared_answer import ComparedAnswer
    from .chat.comparison import Comparison
    from .chat.formatters import register_formatter
    from .chat.judging import Judgement
    from .chat.reply import Reply
    from .errors import (
        APIError,
        AuthenticationError,
        BudgetError,
        CnaiError,
        ConnectionFailed,
        ContentFilterError,
        ContextLengthError,
        EventTooLargeError,
        ExpectationError,
        GarbageError,
        HTMLError,
        InputError,
        InvalidRequestError,
        JSONAnswerError,
        JSONCutError,
        LedgerError,
        ModelNotFoundError,
        NetworkError,
        NotAStreamError,
        ProtocolError,
        QuotaError,
        RateLimitError,
        RedirectRefused,
        ReplayError,
        ResponseTimeout,
        ServerError,
        TruncatedError,
    )
    from .money.cost import Cost
    from .plain_python.ask import ask
    from .plain_python.chat_model import make_chat_model
    from .plain_python.conversation import Conversation
    from .plain_python.partition import map_partition
    from .plain_python.prompt import render_prompt
    from .plain_python.reply_stream import ReplyStream
    from .plain_python.session import Session
    from .settings import Cnai

__version__ = "0.1.0"

__all__ = [
    "APIError",
    "Answers",
    "AuthenticationError",
    "BudgetError",
    "Cnai",
    "CnaiError",
    "ComparedAnswer",
    "Comparison",
    "ConnectionFailed",
    "ContentFilterError",
    "ContextLengthError",
    "Conversation",
    "Cost",
    "EventTooLargeError",
    "ExpectationError",
    "GarbageError",
    "HTMLError",
    "InputError",
    "InvalidRequestError",
    "JSONAnswerError",
    "JSONCutError",
    "Judgement",
    "LedgerError",
    "Model",
    "ModelNotFoundError",
    "NetworkError",
    "NotAStreamError",
    "ProtocolError",
    "QuotaError",
    "RateLimitError",
    "RedirectRefused",
    "ReplayError",
    "Reply",
    "ReplyStream",
    "ResponseTimeout",
    "RowAnswer",
    "ServerError",
    "Session",
    "TruncatedError",
    "Usage",
    "ask",
    "load_ipython_extension",
    "make_chat_model",
    "map_partition",
    "register_formatter",
    "render_prompt",
    "unload_ipython_extension",
]

# Loaded when first used: `%load_ext` must not pay for what a notebook may never ask. All others are errors.
_HOMES = {
    "Answers": "chat.answers",
    "Cnai": "settings",
    "ComparedAnswer": "chat.compared_answer",
    "Comparison": "chat.comparison",
    "Conversation": "plain_python.conversation",
    "Cost": "money.cost",
    "Judgement": "chat.judging",
    "Model": "api.model_facts",
    "Reply": "chat.reply",
    "ReplyStream": "plain_python.reply_stream",
    "RowAnswer": "chat.answers",
    "Session": "plain_python.session",
    "Usage": "api.token_usage",
    "make_chat_model": "plain_python.chat_model",
    "map_partition": "plain_python.partition",
    "register_formatter": "chat.formatters",
    "render_prompt": "plain_python.prompt",
    "ask": "plain_python.ask",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_HOMES.get(name, 'errors')}", __name__), name)


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
