"""The wire format: what is asked, and a tolerant reader of all that servers answer. It does no I/O."""

from .types import (
    ROLES,
    ChatRequest,
    Chunk,
    Message,
    Model,
    TokenCount,
    Usage,
    answering_model,
    both_models,
    estimate_tokens,
    estimate_usage,
    joined_parts,
)

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
    "estimate_tokens",
    "estimate_usage",
    "joined_parts",
]
