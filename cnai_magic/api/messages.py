"""The wire format, as the API reference has it: requests, messages, chunks, usage, and its estimate.

Nothing here does I/O: values in, dicts out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import sha256
from typing import Any, NamedTuple

from ..errors import LIST_MODELS, InputError
from .parameters import BY_NAME, PARAMETERS, ParameterValue, checked_parameters
from .tokens import estimate_tokens, most_tokens

__all__ = [
    "ROLES",
    "ChatRequest",
    "Chunk",
    "Message",
    "Model",
    "Usage",
    "answering_model",
    "both_models",
    "estimate_usage",
    "joined_parts",
]

ROLES = ("system", "user", "assistant")
# What is longer is no name of a model, and no notebook would keep it.
_LONGEST_NAME = 200


@dataclass(frozen=True)
class Message:
    """One message of a conversation; `role` is system, user or assistant.

    `tokens` (estimated) and `digest` are worked out once: a long conversation sends its messages again with
    each of its turns.
    """

    role: str
    content: str

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise InputError(
                f"a message has the role {self.role!r}",
                parameter="messages",
                why=f"roles are {', '.join(ROLES)}",
            )
        if not isinstance(self.content, str):
            raise InputError("the content of a message is not text", parameter="messages")

    @cached_property
    def tokens(self) -> int:
        """The estimated tokens of the content."""
        return estimate_tokens(self.content)

    @cached_property
    def most_tokens(self) -> int:
        """The most tokens that the content can have; see `tokens.most_tokens`."""
        return most_tokens(self.content)

    @cached_property
    def digest(self) -> bytes:
        """What tells this message from any other."""
        return sha256(f"{self.role}\0{self.content}".encode("utf-8", "surrogatepass")).digest()

    def body(self) -> dict[str, str]:
        """Return the message as the API reference writes it."""
        return {"role": self.role, "content": self.content}


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One chat completion request.

    `parameters` are those of `parameters.PARAMETERS`, by name; one that is None is not sent, 0 is. Raises
    InputError, which names the parameter, for a value that it cannot have.
    """

    model: str
    messages: tuple[Message, ...]
    parameters: Mapping[str, ParameterValue] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.model, str) or not self.model.strip():
            raise InputError("no model is named", parameter="model", next_step=LIST_MODELS)
        if not self.messages:
            raise InputError("there is no message to send", parameter="messages")
        object.__setattr__(self, "parameters", checked_parameters(self.parameters))

    def number(self, name: str) -> float | None:
        """Return a parameter that is a number; None where it is not sent."""
        value = self.parameters.get(name)
        return value if isinstance(value, int | float) else None

    @property
    def max_tokens(self) -> int | None:
        """The longest answer that is asked for, in tokens; None where the server decides."""
        limit = self.number("max_tokens")
        return None if limit is None else int(limit)

    def limited_to(self, max_tokens: int) -> ChatRequest:
        """Return the same request for an answer of at most so many tokens."""
        return replace(self, parameters={**self.parameters, "max_tokens": max_tokens})

    @property
    def digest(self) -> str:
        """What tells this request from any other: of model, parameters and messages, in hexadecimal."""
        parameters = {name: _digestible(value) for name, value in self.parameters.items()}
        found = sha256(json.dumps([self.model, parameters], sort_keys=True).encode())
        found.update(b"".join(message.digest for message in self.messages))
        return found.hexdigest()[:32]

    def body(self, *, stream: bool = False, include_usage: bool = False) -> dict[str, Any]:
        """Return the JSON body of `POST /chat/completions`."""
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [message.body() for message in self.messages],
            **{BY_NAME[name].field: value for name, value in self.parameters.items()},
        }
        if stream:
            body["stream"] = True
            if include_usage:
                body["stream_options"] = {"include_usage": True}
        return body

    @classmethod
    def from_body(cls, body: Mapping[str, Any]) -> ChatRequest:
        """Read a request body; raises InputError that names the parameter at fault."""
        raw = body.get("messages")
        if not isinstance(raw, list):
            raise InputError("messages is missing or is not an array", parameter="messages")
        messages = []
        for item in raw:
            if not isinstance(item, Mapping):
                raise InputError("a message is not an object", parameter="messages")
            messages.append(Message(item.get("role", ""), joined_parts(item.get("content"))))
        parameters = checked_parameters({each.name: each.of(body) for each in PARAMETERS})
        return cls(body.get("model") or "", tuple(messages), parameters)


@dataclass(frozen=True, slots=True)
class Usage:
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

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
            self.cached_tokens + other.cached_tokens,
            self.estimated or other.estimated,
        )

    def __str__(self) -> str:
        """Say it in words: "5 → 5,000 tokens (4,990 thinking)", with ≈ where it is estimated."""
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


class Chunk(NamedTuple):
    """What one event of a stream adds; a whole answer read at once is one chunk too.

    `note` is a remark about what followed a complete answer. `all_thought` tells that the text of all chunks
    before this one was reasoning. A tuple and not a dataclass: one is made for every token, and a frozen
    dataclass costs three times as much.
    """

    text: str = ""
    reasoning: str = ""
    finish_reason: str = ""
    usage: Usage | None = None
    model: str = ""
    note: str = ""
    all_thought: bool = False


@dataclass(frozen=True, slots=True)
class Model:
    """A model that a key may ask; `owner` is the server's `owned_by`."""

    id: str
    owner: str = ""


def answering_model(asked: str, named: str) -> str:
    """Return the model that a server `named` in its answer, "" where it is the one that was `asked` for.

    Case, Google's `models/` and a provider's name that the answer leaves out are no difference. A date, an
    alias (`-latest`) and a provider's name that the answer adds are: they tell which model it was.
    """
    named = " ".join("".join(each if each.isprintable() else " " for each in named).split())
    named = named[:_LONGEST_NAME]
    wanted, got = (name.strip().casefold().removeprefix("models/") for name in (asked, named))
    return "" if got == wanted or wanted.endswith(f"/{got}") else named


def both_models(model: str, answered_by: str) -> str:
    """Return the model that was asked and, where that is another, the one that answered."""
    return f"{model}, answered by {answered_by}" if answered_by else model


def estimate_usage(messages: Iterable[Message], answer: str, reasoning: str = "") -> Usage:
    """Estimate the usage of an answer that reported none."""
    thought = estimate_tokens(reasoning)
    return Usage(
        prompt_tokens=sum(message.tokens for message in messages),
        completion_tokens=estimate_tokens(answer) + thought,
        reasoning_tokens=thought,
        estimated=True,
    )


def joined_parts(content: object) -> Any:
    """Join the text parts of a content array; anything else is returned as it is."""
    if isinstance(content, Sequence) and not isinstance(content, str):
        parts = [part.get("text") for part in content if isinstance(part, Mapping)]
        return "".join(part for part in parts if isinstance(part, str))
    return content


def _digestible(value: ParameterValue | None) -> object:
    """Return what stands for a value in a digest: 1 and 1.0 are one value, to every server."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if number and float(value) == value else value  # type: ignore[arg-type]
