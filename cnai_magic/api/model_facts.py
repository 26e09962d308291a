"""What is known of a model: from the list of its server, or else from `models.toml`; and which one answered.

No two servers name these fields alike. What neither says is None: unknown.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from fnmatch import fnmatch
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

from .billing import ListedPrice

__all__ = [
    "LONGEST_NAME",
    "Model",
    "ModelFacts",
    "complete_facts",
    "describe_models",
    "find_answering_model",
    "read_facts",
]

LONGEST_NAME = 200
"""Characters of the longest name of a model that is asked, or that an answer keeps."""

# More than any model reads: a larger number is not the length of a context.
_LONGEST_CONTEXT = 100_000_000
# OpenRouter, Kimi · vLLM · Groq · Mistral, LM Studio · Anthropic, LiteLLM
_CONTEXT = ("context_length", "max_model_len", "context_window", "max_context_length", "max_input_tokens")
# Words in lists of what a model takes: OpenRouter (supported_parameters), Mistral, llama.cpp (capabilities).
# Others have a field for each word, as Kimi's supports_image_in.
_LISTS = ("supported_parameters", "supported_features", "capabilities", "features")
_WORDS = {
    "thinking": ("reasoning", "thinking", "include_reasoning", "reasoning_effort"),
    "images": ("vision", "image", "image_in", "images", "multimodal"),
    "json": ("response_format", "structured_outputs", "json", "response_schema", "json_mode"),
    "tools": ("tools", "function_calling", "tool_use", "tool_choice", "tool_calls"),
}
_MODALITIES = ("input_modalities", "modalities")


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What a model can do, None where that is unknown; `context` is in tokens, 0 where it is unknown."""

    thinking: bool | None = None
    images: bool | None = None
    json: bool | None = None
    tools: bool | None = None
    context: int = 0

    def completed_by(self, other: ModelFacts) -> ModelFacts:
        """Return these facts, and those of another where these are unknown."""
        own = {each.name: getattr(self, each.name) for each in fields(self)}
        return replace(other, **{name: value for name, value in own.items() if value or value is False})


@dataclass(frozen=True, slots=True)
class Model:
    """A model that a server lists for a key.

    `owner` is the `owned_by` of the API, `facts` what it can do, `price` what the list says that it costs.
    """

    id: str
    owner: str = ""
    facts: ModelFacts = field(default=ModelFacts(), repr=False)
    price: ListedPrice | None = field(default=None, repr=False)


def read_facts(item: Mapping[str, Any]) -> ModelFacts:
    """Return what an item of `GET /models` says of its model."""
    inner = [item, *(item[name] for name in ("architecture", "meta") if isinstance(item.get(name), Mapping))]
    lengths = (_read_length(each.get(name)) for each in inner for name in (*_CONTEXT, "n_ctx_train", "n_ctx"))
    found = {name: _find_flag(item, words) for name, words in _WORDS.items()}
    kinds = next((each[name] for each in inner for name in _MODALITIES if _is_texts(each.get(name))), None)
    if kinds is not None:
        found["images"] = "image" in kinds
    return ModelFacts(**found, context=next(filter(None, lengths), 0))


def _find_flag(item: Mapping[str, Any], words: Iterable[str]) -> bool | None:
    flags = [item.get(f"supports_{word}") for word in words]
    for name in _LISTS:
        listed = item.get(name)
        if isinstance(listed, list) and _is_texts(listed):
            flags.append(any(word in listed for word in words))
        elif isinstance(listed, Mapping):
            # Anthropic writes {"supported": true}.
            values = [listed[word] for word in words if word in listed]
            flags += [each.get("supported") if isinstance(each, Mapping) else each for each in values]
    said = [flag for flag in flags if isinstance(flag, bool)]
    return any(said) if said else None


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _read_length(value: object) -> int:
    return value if type(value) is int and 0 < value <= _LONGEST_CONTEXT else 0


def complete_facts(model: str, facts: ModelFacts) -> ModelFacts:
    """Return what a server says of a model, and where it says nothing what `models.toml` does."""
    name = model.lower().rpartition("/")[2]
    for pattern, known in _read_table():
        if fnmatch(name, pattern):
            facts = facts.completed_by(known)
    return facts


@cache
def _read_table() -> tuple[tuple[str, ModelFacts], ...]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    text = files(__package__).joinpath("models.toml").read_text(encoding="utf-8")
    names = [each.name for each in fields(ModelFacts)]
    return tuple(
        (pattern, ModelFacts(**{name: entry[name] for name in names if name in entry}))
        for pattern, entry in tomllib.loads(text).items()
    )


@lru_cache(256)
def find_answering_model(asked: str, named: str) -> str:
    """Return the model that a server `named` in its answer, "" if it is the one that was `asked`.

    Differences of case, Google's `models/` and a provider's name that the answer leaves out do not count. A
    date, an alias (`-latest`) and a provider's name that the answer adds do: they say which model it was.
    """
    if named == asked:
        return ""
    named = " ".join("".join(each if each.isprintable() else " " for each in named).split())
    named = named[:LONGEST_NAME]
    wanted, got = (name.strip().casefold().removeprefix("models/") for name in (asked, named))
    return "" if got == wanted or wanted.endswith(f"/{got}") else named


def describe_models(model: str, answered_by: str) -> str:
    """Return the model that was asked and, if another one answered, that one too."""
    return f"{model}, answered by {answered_by}" if answered_by else model
