"""The wire format: what is asked, and a tolerant reader of all that servers answer. It does no I/O."""

from .tokens import TokenCount, estimate_tokens, most_tokens
from .types import (
    ROLES,
    ChatRequest,
    Chunk,
    Message,
    Model,
    Usage,
    answering_model,
    both_models,
    estimate_usage,
    joined_parts,
)
from .usage import completed_usage

__all__ = [
    "ROLES",
    "ChatRequest",
    "Chunk",
    "Message",
    "Model",
    "TokenCount",
    "Usage",
    "answering_model",
    "both_models",
    "completed_usage",
    "estimate_tokens",
    "estimate_usage",
    "joined_parts",
    "most_tokens",
]
