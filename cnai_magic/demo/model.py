"""The interface of a demo model: what it can do, and how it writes an answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ..api.messages import Chunk
from ..api.model_facts import ModelFacts
from ..errors import InputError
from .request import DemoRequest

__all__ = ["DemoModel"]


@dataclass(frozen=True, slots=True)
class DemoModel:
    """A demo model: `write` yields its answer with one token in each chunk, of the text or of the reasoning.

    `json`: it can answer with one JSON object, `schemas`: with one that fits a schema. `images`: it answers
    to images. `reasons`: it has reasoning, which can be turned off. `probabilities`: it knows those of its
    tokens. `shows_request`: it needs the body of the request. `tools`: it calls functions. An answer that
    does not end by itself ends after `default_max_tokens`.
    """

    name: str
    write: Callable[[DemoRequest], Iterator[Chunk]]
    json: bool = False
    schemas: bool = False
    images: bool = False
    reasons: bool = False
    probabilities: bool = False
    shows_request: bool = False
    tools: bool = False
    default_max_tokens: int | None = None

    @property
    def facts(self) -> ModelFacts:
        """What it can do, as a list of models says it."""
        return ModelFacts(thinking=self.reasons, images=self.images, json=self.json, tools=self.tools)

    def check(self, request: DemoRequest) -> None:
        """Raise InputError, which names the field, for what this model cannot do."""
        if request.json_object and not self.json:
            raise InputError(
                f"{self.name} cannot answer with a JSON object",
                parameter="response_format",
                why="demo-guide can",
            )
        if request.schema is not None and not self.schemas:
            raise InputError(
                f"{self.name} follows no schema",
                parameter="response_format",
                why="it is json_schema; demo-guide fills one",
            )
        if request.logprobs is not None and not self.probabilities:
            raise InputError(
                f"{self.name} knows no probabilities", parameter="logprobs", why="demo-ngram does"
            )
        if request.tools and not (self.tools or self.shows_request):
            raise InputError(f"{self.name} calls no tools", parameter="tools", why="demo-guide does")
        if not self.reasons and request.effort not in ("", "none"):
            raise InputError(
                f"{self.name} does not reason", parameter="reasoning_effort", why="demo-reasoner does"
            )
        if not self.reasons and request.thinking_budget:
            raise InputError(
                f"{self.name} does not reason", parameter="thinking_budget", why="demo-reasoner does"
            )
        for place, message in enumerate(request.messages):
            if message.images and not self.images:
                raise InputError(
                    f"{self.name} takes no images",
                    parameter=f"messages[{place}].content",
                    why="it has a part of type image_url; demo-guide and demo-echo take one",
                )
