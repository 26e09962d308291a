"""How long the gateway waits for a client, and how many connections it accepts."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["LARGEST_BODY", "Limits"]

LARGEST_BODY = 16 * 2**20
"""Bytes that the body of a request may have, compressed and not."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Times in seconds; what takes longer is answered with 408 where possible, and closed.

    `headers`: from the start of a connection, or the first byte of a later request, to the end of its
    headers. `body`: from there to the end of the body. `idle`: between two requests. `write`: how long a
    client may leave what was sent unread. `connections`: how many are open at once; one more is
    answered with 503.
    """

    headers: float = 10.0
    body: float = 30.0
    idle: float = 75.0
    write: float = 30.0
    connections: int = 2000
