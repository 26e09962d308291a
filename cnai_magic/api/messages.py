"""The wire format of the API reference: messages, requests, chunks and usage.

Nothing here does I/O: values in, dicts out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import sha256
from operator import attrgetter
from reprlib import repr as short_repr
from typing import Any, NamedTuple

from ..errors import InputError
from ..next_steps import list_models
from ..redaction import replace_surrogates
from .extra_fields import join_fields
from .json_format import JsonMode, describe_schema, response_format
from .logprobs import TokenProbability
from .message_parts import (
    Content,
    ImagePart,
    KeptImage,
    TextPart,
    ToolCall,
    check_text,
    message_error,
    read_part,
    read_tool_call,
)
from .model_facts import LONGEST_NAME
from .parameters import BY_NAME, ParameterValue, check_parameters
from .prefixes import PrefixWay, find_prefix_way
from .thinking_control import fill_reasoning, thinking_fields
from .token_usage import Usage
from .tokens import (
    MOST_IMAGE_TOKENS,
    bound_tokens,
    estimate_image_tokens,
    estimate_roughly,
    estimate_tokens,
)
from .tool_calls import CalledTools, write_tools

__all__ = [
    "ROLES",
    "ChatRequest",
    "Chunk",
    "Message",
]

ROLES = ("system", "developer", "user", "assistant", "tool")
_OTHER_LIMIT = "max_completion_tokens"
_KEPT_OF_IMAGE = 300


@dataclass(frozen=True)
class Message:
    """One message of a conversation, in one of the `ROLES`.

    `content` is text, or parts: images stand in messages of the user alone. `tool_calls` are those that an
    assistant asks for, `tool_call_id` names the one that a message of the role tool answers. `name` tells
    speakers of one role apart. `reasoning` are fields that are sent beside the content, see
    `returned_reasoning`. Raises InputError for anything else. `tokens` (estimated) and `digest` are
    computed once: a long conversation sends its messages again with each turn.
    """

    role: str
    content: Content = ""
    name: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""
    reasoning: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise message_error(
                f"a message has the role {short_repr(self.role)}", f"roles are {', '.join(ROLES)}"
            )
        if not isinstance(self.content, str):
            if not isinstance(self.content, tuple) or not self.content:
                raise message_error("the content of a message is neither text nor parts")
            if self.role != "user" and any(isinstance(part, ImagePart) for part in self.content):
                raise message_error(f"a message of the role {self.role} holds an image")
        if self.tool_calls and self.role != "assistant":
            raise message_error(f"a message of the role {self.role} calls tools")
        if bool(self.tool_call_id) != (self.role == "tool"):
            raise message_error("a message of the role tool, and no other, has a tool_call_id")

    @property
    def text(self) -> str:
        """The content as text; words stand for an image."""
        if isinstance(self.content, str):
            return self.content
        *before, last = self.content
        lines = (part.text if isinstance(part, TextPart) else f"{part.text}\n" for part in before)
        return "".join((*lines, last.text))

    @property
    def images(self) -> list[ImagePart]:
        """The images of the content."""
        return [] if isinstance(self.content, str) else [p for p in self.content if isinstance(p, ImagePart)]

    @property
    def words(self) -> str:
        """All text that a model reads of it."""
        if isinstance(self.content, str) and not self.tool_calls:
            return self.content
        thought = json.dumps(self.reasoning, ensure_ascii=False) if self.reasoning else ""
        parts = [part for part in self.content if isinstance(part, TextPart | KeptImage)]
        said = self.content if isinstance(self.content, str) else "".join(part.text for part in parts)
        return said + thought + "".join(f"{call.name} {call.arguments}" for call in self.tool_calls)

    @cached_property
    def text_tokens(self) -> int:
        """The estimated tokens of the content without its images."""
        return estimate_tokens(self.words)

    @cached_property
    def tokens(self) -> int:
        """The estimated tokens of the content."""
        return self.text_tokens + sum(estimate_image_tokens(image.detail) for image in self.images)

    @property
    def rough_tokens(self) -> int:
        """The tokens of the content, far more roughly estimated, and far sooner."""
        if isinstance(self.content, str):
            return estimate_roughly(self.words)
        return estimate_roughly(self.words) + sum(estimate_image_tokens(each.detail) for each in self.images)

    @cached_property
    def most_tokens(self) -> int:
        """An upper bound of the tokens of the content; see `tokens.bound_tokens`."""
        return bound_tokens(self.words) + MOST_IMAGE_TOKENS * len(self.images)

    @property
    def size(self) -> int:
        """The characters of the content as a notebook keeps it: of an image it keeps little."""
        return len(self.words) + sum(min(len(image.url), _KEPT_OF_IMAGE) for image in self.images)

    def adding(self, words: str) -> Message:
        """Return the same message with words below its content."""
        if isinstance(self.content, str):
            return replace(self, content=f"{self.content}\n\n{words}" if self.content else words)
        return replace(self, content=(*self.content, TextPart(words)))

    @cached_property
    def digest(self) -> bytes:
        """A hash of the message: equal for equal messages only."""
        plain = isinstance(self.content, str) and not (self.name or self.tool_calls or self.tool_call_id)
        said = f"{self.role}\0{self.content}" if plain else json.dumps(self.body(), sort_keys=True)
        return sha256(said.encode("utf-8", "surrogatepass")).digest()

    def body(self) -> dict[str, Any]:
        """Return the message as the API reference writes it."""
        content: object = self.content
        if not isinstance(self.content, str):
            content = [part.body() for part in self.content]
        elif self.tool_calls and not self.content:
            content = None
        body = {"role": self.role, "content": content}
        if self.name:
            body["name"] = self.name
        if self.tool_calls:
            body["tool_calls"] = [call.body() for call in self.tool_calls]
            body |= self.reasoning
        if self.tool_call_id:
            body["tool_call_id"] = self.tool_call_id
        return body

    @classmethod
    def from_user(cls, content: Content) -> Message:
        """Return a message of the user, for one of very many: its content is not checked again."""
        made = object.__new__(cls)
        vars(made).update(_OF_USER, content=content)
        return made

    @classmethod
    def from_body(cls, body: object) -> Message:
        """Read a message as the API reference writes it; raises InputError, with the reason."""
        if not isinstance(body, Mapping):
            raise message_error("a message is not an object")
        content, calls = body.get("content"), body.get("tool_calls") or []
        if isinstance(content, list):
            content = tuple(map(read_part, content))
        elif isinstance(content, str):
            content = replace_surrogates(content)
        elif content is None and calls:
            content = ""
        if not isinstance(calls, list):
            raise message_error("the tool_calls of a message are not a list")
        text = {name: check_text(body.get(name) or "", name) for name in ("name", "tool_call_id")}
        return cls(body.get("role", ""), content, tool_calls=tuple(map(read_tool_call, calls)), **text)  # type: ignore[arg-type]


# All else of a message that has only a content.
_OF_USER = vars(Message("user"))


@dataclass(frozen=True)
class ChatRequest:
    """One chat completion request.

    `parameters` are those of `parameters.PARAMETERS`, by name; one that is None is not sent, 0 is. Of these
    are `schema`, the JSON Schema of the answer ({} for any JSON, None where no JSON is asked for), `extra`,
    the fields that are sent as they are, and `max_tokens`, the longest answer (None where the server
    decides). `thinking` are the fields that tell this server and model how long to think. `json_mode` is how
    a schema is asked for. `server` is the name of the server in vendors.toml, "" for any other: some things
    each server says in its own way. `prefix` is the beginning of the answer, which goes on from there:
    `sent_messages` are the messages and those that ask for that.
    Raises InputError, which names the parameter, for a value that it cannot have.
    """

    model: str
    messages: tuple[Message, ...]
    parameters: Mapping[str, ParameterValue] = field(default_factory=dict)
    json_mode: JsonMode = "json_schema"
    server: str = ""
    prefix: str = ""
    schema: Mapping[str, Any] | None = field(init=False, repr=False, compare=False)
    extra: Mapping[str, Any] = field(init=False, repr=False, compare=False)
    max_tokens: int | None = field(init=False, repr=False, compare=False)
    thinking: Mapping[str, Any] = field(init=False, repr=False, compare=False)
    sent_messages: tuple[Message, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.model, str) or not self.model.strip():
            raise InputError("no model is named", parameter="model", next_step=list_models())
        if not self.model.isprintable() or len(self.model) > LONGEST_NAME:
            raise InputError(
                f"{short_repr(self.model)} cannot be the name of a model",
                parameter="model",
                why=f"it is one line of at most {LONGEST_NAME} characters",
                next_step=list_models(),
            )
        if not self.messages:
            raise InputError("there is no message to send", parameter="messages")
        given = check_parameters(self.parameters)
        schema, extra, think = (given.get(name) for name in ("schema", "extra", "think"))
        extra = extra if isinstance(extra, Mapping) else {}
        limits = (given.get("max_tokens"), extra.get(_OTHER_LIMIT))
        thinking = thinking_fields(self.server, self.model, think) if isinstance(think, str | int) else {}
        found = {
            "parameters": given,
            "prefix": self.prefix or given.get("prefix", ""),
            "schema": schema if isinstance(schema, Mapping) else None,
            "extra": extra,
            "max_tokens": min((limit for limit in limits if type(limit) is int), default=None),
            "thinking": thinking,
        }
        for name, value in found.items():
            object.__setattr__(self, name, value)
        asking = _write_prefix(self.prefix, self.prefix_way) if self.prefix else ()
        object.__setattr__(self, "sent_messages", (*self.messages, *asking) if asking else self.messages)

    def limited_to(self, max_tokens: int) -> ChatRequest:
        """Return the same request for an answer of at most so many tokens."""
        name, parameters = "max_tokens", dict(self.parameters)
        if _OTHER_LIMIT in self.extra:
            # Where that is the name, servers refuse the other one beside it.
            parameters["extra"] = {**self.extra, _OTHER_LIMIT: max_tokens}
            if name not in parameters:
                return replace(self, parameters=parameters)
        return replace(self, parameters={**parameters, name: max_tokens})

    def with_last(self, message: Message) -> ChatRequest:
        """Return the same request with another last message; nothing else is checked again."""
        messages = (*self.messages[:-1], message)
        sent = (*messages, *self.sent_messages[len(messages) :]) if self.prefix else messages
        made = object.__new__(ChatRequest)
        vars(made).update(vars(self), messages=messages, sent_messages=sent)
        return made

    @property
    def prompt_tokens(self) -> int:
        """The estimated tokens of the messages that are sent."""
        return sum(map(attrgetter("tokens"), self.sent_messages))

    @property
    def rough_prompt_tokens(self) -> int:
        """The same, far more roughly estimated, and far sooner."""
        return sum(map(attrgetter("rough_tokens"), self.sent_messages))

    @property
    def most_format_tokens(self) -> int:
        """An upper bound of the tokens of the schema and the tools that servers add to the messages."""
        asked = None if self.schema is None else response_format(self.schema, self.json_mode)
        said = [each for each in (asked, self.tools) if each]
        return sum(bound_tokens(json.dumps(each, ensure_ascii=False)) for each in said)

    @property
    def tools(self) -> list[dict[str, Any]]:
        """The functions that the model may call, as the API reference writes them."""
        functions = self.parameters.get("tools")
        return write_tools(functions) if isinstance(functions, Mapping) else []

    def asking_for_json(self, mode: JsonMode) -> ChatRequest:
        """Return the same request in this mode, with the words that it needs; itself without a schema."""
        if self.schema is None:
            return self
        words = describe_schema(self.schema, mode)
        messages = (*self.messages[:-1], self.messages[-1].adding(words)) if words else self.messages
        return replace(self, messages=messages, json_mode=mode)

    @property
    def prefix_way(self) -> PrefixWay:
        """How this server is asked to go on from the prefix."""
        return find_prefix_way(self.server, self.model)

    @property
    def digest(self) -> str:
        """A hash of model, parameters and messages, in hexadecimal: equal for equal requests only."""
        parameters = {name: _to_digest(value) for name, value in self.parameters.items()}
        found = sha256(json.dumps([self.model, parameters], sort_keys=True).encode())
        found.update(b"".join(map(attrgetter("digest"), self.messages)))
        return found.hexdigest()[:32]

    def body(
        self,
        *,
        stream: bool = False,
        include_usage: bool = False,
        think: bool = True,
        prefix: PrefixWay | None = None,
    ) -> dict[str, Any]:
        """Return the JSON body of `POST /chat/completions`.

        With `think` False it has nothing of thinking; `prefix` is another way to go on from the prefix.
        """
        way = (prefix or self.prefix_way) if self.prefix else None
        asking = _write_prefix(self.prefix, way) if way else ()
        messages = [message.body() for message in (*self.messages, *asking)]
        if any("tool_calls" in each for each in messages):
            messages = fill_reasoning(self.model, messages)
        if way and not way.words:
            messages[-1] |= way.mark
        body: dict[str, Any] = {
            "model": self.model,
            "messages": messages,
            **{
                BY_NAME[name].field: value
                for name, value in self.parameters.items()
                if BY_NAME[name].sent and name not in ("schema", "logprobs")
            },
        }
        if (alternatives := self.parameters.get("logprobs")) is not None:
            body |= {"logprobs": True, "top_logprobs": alternatives}
        if self.schema is not None and (asked := response_format(self.schema, self.json_mode)):
            body[BY_NAME["schema"].field] = asked
        if tools := self.tools:
            body["tools"] = tools
        for fields in (self.thinking if think else {}, way.fields if way else {}, self.extra):
            body = join_fields(body, fields) if fields else body
        if stream:
            body["stream"] = True
            if include_usage:
                body["stream_options"] = {"include_usage": True}
        return body


def _write_prefix(prefix: str, way: PrefixWay) -> tuple[Message, ...]:
    """Return the messages that ask to go on from the beginning of an answer."""
    words = (Message("user", way.words),) if way.words else ()
    return (Message("assistant", prefix), *words) if prefix else ()


class Chunk(NamedTuple):
    """What one event of a stream adds; an answer that comes whole is one chunk.

    `note` is a remark about what followed a complete answer. `all_thought` says that the text of all chunks
    before this one was reasoning. `logprobs` are those of the tokens of `text`, where they were asked for.
    `called` are calls of tools, in the last chunk. It is a tuple because one is made for every token, and a
    frozen dataclass costs three times as much.
    """

    text: str = ""
    reasoning: str = ""
    finish_reason: str = ""
    usage: Usage | None = None
    model: str = ""
    note: str = ""
    all_thought: bool = False
    logprobs: tuple[TokenProbability, ...] = ()
    called: CalledTools | None = None


def _to_digest(value: ParameterValue | None) -> object:
    """Return a value as it enters a digest: 1 and 1.0 are the same to every server."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if number and float(value) == value else value  # type: ignore[arg-type]
