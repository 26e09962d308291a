"""What a demo model is asked: the messages as text, and the parameters that demo models obey."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .images import DemoImage
from .tokenizer import count_tokens

__all__ = ["IMAGE_TOKENS", "DemoMessage", "DemoRequest"]

IMAGE_TOKENS = 85
"""Prompt tokens that an image counts: what OpenAI counts for one in low detail."""


@dataclass(frozen=True, slots=True)
class DemoMessage:
    """One message: its text parts joined, and its images.

    `role` is system (developer messages too), user, assistant or tool; `tool` names the function whose
    result a tool message is.
    """

    role: str
    text: str
    images: tuple[DemoImage, ...] = ()
    tool: str = ""


@dataclass(frozen=True, slots=True)
class DemoRequest:
    """A chat completion for a demo model; the values are valid, a parameter that was not sent is None.

    `json_object` asks for one JSON object as the answer, `schema` for one that fits it; `effort` is the
    reasoning effort, "" where none was sent, and `thinking_budget` the tokens that it may take. `prefix` is
    the beginning of the answer, which goes on from there. `body` is the request as it was sent, without what
    only says how the answer is delivered; it is empty for a model that does not show it. `tools` are
    the schemas of the arguments of functions that may be called, by their names; with `must_call` one has to
    be.
    """

    model: str
    messages: tuple[DemoMessage, ...]
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    json_object: bool = False
    logprobs: int | None = None
    schema: Mapping[str, Any] | None = None
    effort: str = ""
    thinking_budget: int | None = None
    prefix: str = ""
    body: Mapping[str, Any] = field(default_factory=dict)
    tools: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    must_call: bool = False

    @property
    def prompt_tokens(self) -> int:
        """The tokens of the messages; counted anew at each call."""
        images = sum(len(message.images) for message in self.messages)
        texts = (*(message.text for message in self.messages), self.prefix)
        return sum(map(count_tokens, texts)) + IMAGE_TOKENS * images
