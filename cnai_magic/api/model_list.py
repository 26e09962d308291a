"""Reads a server's list of models, in the forms in which servers write it. Nothing here does I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import NotAStreamError
from .messages import Model
from .model_facts import read_facts
from .vendor_errors import find_error, quote

__all__ = ["read_models"]

_LISTS = ("data", "models", "result")
_NAMES = ("id", "name", "model")


def read_models(body: Mapping[str, Any]) -> list[Model]:
    """Return the models of `GET /models`, in the server's order, each once."""
    error = find_error(body)
    if error is not None:
        raise error
    items: Iterable[Any] | None = next(
        (body[name] for name in _LISTS if isinstance(body.get(name), list)), None
    )
    if items is None:
        raise NotAStreamError("the server sent JSON that holds no list of models", why=quote(body))
    found: dict[str, Model] = {}
    for item in items:
        about = {"id": item} if isinstance(item, str) else item
        if isinstance(about, Mapping) and (name := _find_name(about)):
            found.setdefault(name, Model(name, str(about.get("owned_by") or ""), read_facts(about)))
    return list(found.values())


def _find_name(item: Mapping[str, Any]) -> str:
    return next((item[name] for name in _NAMES if isinstance(item.get(name), str) and item[name]), "")
