"""The tokens that an answer took."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Usage"]


class Usage(NamedTuple):
    """Tokens of one answer; reasoning tokens are part of the completion, cached ones of the prompt.

    `estimated` marks counts that no server reported.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    reasoning_tokens: int = 0
    cached_tokens: int = 0
    estimated: bool = False

    @property
    def total_tokens(self) -> int:
        """Prompt and completion tokens together."""
        return self.prompt_tokens + self.completion_tokens

    def __add__(self, other: Usage) -> Usage:  # type: ignore[override]
        return Usage(
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
            self.cached_tokens + other.cached_tokens,
            self.estimated or other.estimated,
        )

    def __str__(self) -> str:
        """Return "5 → 5,000 tokens (4,990 thinking)", with ≈ before estimates."""
        about = "≈" if self.estimated else ""
        thinking = f" ({about}{self.reasoning_tokens:,} thinking)" if self.reasoning_tokens else ""
        return f"{about}{self.prompt_tokens:,} → {about}{self.completion_tokens:,} tokens{thinking}"

    def body(self) -> dict[str, int]:
        """Return the counts as the API reference writes them."""
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.total_tokens,
        }
