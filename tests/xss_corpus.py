"""Answers that try to run code, load something or link where an answer must not, in whatever shows them.

Each calls `alert` where it succeeds in running, and loads from `evil.example` where it succeeds in that. They
are kept as JSON, by kind, for the tests of the front end read them too. `confused` are code, maths and
containers of which renderers disagree where they end: a fence behind them would open. `named` are inputs that
ran, loaded, linked or crashed something in one renderer, at the time when text was patched.
"""

from __future__ import annotations

import json
from pathlib import Path

__all__ = ["NAMED", "PAYLOADS"]

_KINDS: dict[str, list[str]] = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))

NAMED = _KINDS["named"]
PAYLOADS = [payload for kind in _KINDS.values() for payload in kind]
