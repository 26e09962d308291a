"""Masks what looks like a password or a key in the text of a value, before a model reads it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ...redaction import hide_keys
from .secret_forms import CONNECTIONS, FORMS

__all__ = ["MASK", "is_secret", "is_secret_name", "learn_secrets", "mask_secrets"]

MASK = "[secret masked]"

_NAME = (
    r"(?:passwords?|passwd|passphrase|pwd|secrets?|(?:secret|client|api|access|private|account)[\W_]?(?:key|secret)s?"
    r"|(?:auth|access|refresh|bearer|api)[\W_]?tokens?|credentials?)"
)
_OF_SHELLS = re.compile(r"_(?:TOKEN|KEY|PAT)\Z")
_SECRET_NAME = re.compile(rf"(?:.*[_\W])?{_NAME}(?:[_\W]*\d*)", re.IGNORECASE)
# What is assigned to a name: password="…", 'api_key': '…', SECRET_KEY = '…'
_ASSIGNED = (
    re.compile(
        rf"({_NAME}\d*[\"']?\s*(?:[:=]|=>)\s*\")(?:\\.|[^\"\\\n]){{4,}}(?=\")",
        re.IGNORECASE,
    ),
    re.compile(
        rf"({_NAME}\d*[\"']?\s*(?:[:=]|=>)\s*')(?:\\.|[^'\\\n]){{4,}}(?=')",
        re.IGNORECASE,
    ),
    # Pairs, as the repr of dict.items() has them.
    re.compile(rf"(\(\"{_NAME}\d*\",\s*\")(?:\\.|[^\"\\\n]){{4,}}(?=\"\))", re.IGNORECASE),
    re.compile(rf"(\('{_NAME}\d*',\s*')(?:\\.|[^'\\\n]){{4,}}(?='\))", re.IGNORECASE),
    re.compile(r"(\bauthorization[\"']?\s*[:=]\s*[\"']?(?:bearer|basic)\s+)[^\s\"']{8,}", re.IGNORECASE),
)


def is_secret_name(name: str) -> bool:
    """Tell whether a name (of a column, a key, a variable) is that of a secret."""
    return _SECRET_NAME.fullmatch(name) is not None


def is_secret(name: str, value: object) -> bool:
    """Tell whether a name says that its value is secret: text, or what may hold text, and no number."""
    holds_text = issubclass(type(value), (str, bytes, bytearray, list, tuple, set, frozenset, dict))
    return holds_text and len(value) > 0 and is_secret_name(name)  # type: ignore[arg-type]


# A shorter value is a placeholder, and a common word.
_SHORTEST = 8
_of_environment: list[str] = []


def learn_secrets(environment: Mapping[str, str]) -> None:
    """Mask the values of these environment variables from now on, where their names are those of secrets."""
    named = (value for name, value in environment.items() if is_secret_name(name) or _OF_SHELLS.search(name))
    # The longest first: one may be a part of another.
    _of_environment[:] = sorted({value for value in named if len(value) >= _SHORTEST}, key=len, reverse=True)


def mask_secrets(text: str) -> tuple[str, int]:
    """Return a text with `MASK` in place of what looks like a secret, and how many stand in it.

    Known API keys and secrets of the environment are masked wherever they stand.
    """
    text = hide_keys(FORMS.sub(MASK, text), MASK)
    for secret in _of_environment:
        text = text.replace(secret, MASK)
    for pattern in (*CONNECTIONS, *_ASSIGNED):
        text = pattern.sub(rf"\1{MASK}", text)
    return text, text.count(MASK)
