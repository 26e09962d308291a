"""Requests to demo models, made without the gateway."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cnai_magic.demo import DemoMessage, DemoRequest

__all__ = ["demo_request"]


def demo_request(model: str, *messages: DemoMessage, **parameters: Any) -> DemoRequest:
    """Return a request with the body that a client would have sent; a parameter that is None is not sent."""
    sent: Iterable[dict[str, str]] = ({"role": each.role, "content": each.text} for each in messages)
    given = {name: value for name, value in parameters.items() if value is not None}
    return DemoRequest(model, messages, body={"model": model, "messages": list(sent), **given}, **given)
