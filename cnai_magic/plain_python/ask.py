"""Asks a single question, without a session to keep."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..chat.reply import Reply
from .session import Session

__all__ = ["ask"]


def ask(
    prompt: str,
    *,
    model: str | None = None,
    system: str | None = None,
    temperature: float | None = None,
    top_p: float | None = None,
    max_tokens: int | None = None,
    stop: str | Sequence[str] | None = None,
    seed: int | None = None,
    logprobs: int | None = None,
    think: str | int | None = None,
    prefix: str | None = None,
    extra: Mapping[str, Any] | None = None,
    schema: object = None,
    tools: Sequence[Callable[..., object]] | None = None,
    files: Sequence[object] = (),
    images: Sequence[object] = (),
    base_url: str | None = None,
) -> Reply:
    """Ask one question, outside of any conversation, with the settings of the environment.

    Arguments are those of `Session.ask`, and the server to be asked. For more than a few questions make a
    `Session`, which keeps its connection.

        print(cnai_magic.ask("What is a median?", model="deepseek-chat"))
    """
    arguments = locals()
    with Session(base_url=arguments.pop("base_url")) as session:
        return session.ask(**arguments, once=True)
