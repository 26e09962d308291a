"""The probabilities of the tokens of an answer, as servers report them."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ..redaction import clean, replace_surrogates

__all__ = ["TokenProbability", "dump_logprobs", "load_logprobs", "read_logprobs"]

_LONGEST_TOKEN = 200
_MOST_ALTERNATIVES = 100


class TokenProbability(NamedTuple):
    """A token of an answer, the natural logarithm of its probability, and tokens that were likely instead.

    `alternatives` are pairs of token and logarithm, the likeliest first; the token itself may be among them.
    """

    token: str
    logprob: float
    alternatives: tuple[tuple[str, float], ...] = ()

    @property
    def probability(self) -> float:
        """The probability, from 0 to 1."""
        return math.exp(min(0.0, self.logprob))

    def body(self) -> dict[str, Any]:
        """Return the token as the API reference writes it."""
        return {
            **_write_token(self.token, self.logprob),
            "top_logprobs": [_write_token(token, logprob) for token, logprob in self.alternatives],
        }


def read_logprobs(value: object) -> tuple[TokenProbability, ...]:
    """Return the probabilities of a choice; what is not sound is left out.

    They come as the chat API writes them, or as the older completions API does: in parallel lists.
    """
    if not isinstance(value, Mapping):
        return ()
    content = value.get("content")
    if isinstance(content, list):
        return tuple(found for each in content if (found := _read_token(each)) is not None)
    tokens, logprobs, tops = (value.get(name) for name in ("tokens", "token_logprobs", "top_logprobs"))
    if not (isinstance(tokens, list) and isinstance(logprobs, list)):
        return ()
    tops = tops if isinstance(tops, list) and len(tops) == len(tokens) else [None] * len(tokens)
    return tuple(
        TokenProbability(_clean_token(token), float(logprob), _read_alternatives(top))
        for token, logprob, top in zip(tokens, logprobs, tops, strict=False)
        if isinstance(token, str) and _is_logprob(logprob)
    )


def dump_logprobs(tokens: Iterable[TokenProbability]) -> str:
    """Return probabilities as JSON in one line: of each token its text, logprob and alternatives."""
    rows = [
        [token, round(logprob, 4), [[other, round(its, 4)] for other, its in alternatives]]
        for token, logprob, alternatives in tokens
    ]
    return json.dumps(rows, ensure_ascii=False, separators=(",", ":"))


def load_logprobs(value: object) -> tuple[TokenProbability, ...]:
    """Return the probabilities that `dump_logprobs` wrote; none where any of it is not sound."""
    try:
        listed = json.loads(value) if isinstance(value, str) else []
    except (ValueError, RecursionError):
        return ()
    found: list[TokenProbability] = []
    for each in listed if isinstance(listed, list) else []:
        if not (isinstance(each, list) and len(each) == 3 and isinstance(each[2], list)):
            return ()
        pairs = [pair for pair in each[2] if isinstance(pair, list) and len(pair) == 2]
        others = [{"token": token, "logprob": logprob} for token, logprob in pairs]
        token = _read_token({"token": each[0], "logprob": each[1], "top_logprobs": others})
        if token is None:
            return ()
        found.append(token)
    return tuple(found)


def _read_token(value: object) -> TokenProbability | None:
    if not isinstance(value, Mapping):
        return None
    token, logprob = value.get("token"), value.get("logprob")
    if not isinstance(token, str) or logprob is None or not _is_logprob(logprob):
        return None
    alternatives = _read_alternatives(value.get("top_logprobs"))
    return TokenProbability(_clean_token(token), float(logprob), alternatives)


def _read_alternatives(value: object) -> tuple[tuple[str, float], ...]:
    if isinstance(value, Mapping):
        pairs = [*value.items()]
    elif isinstance(value, list):
        pairs = [(each.get("token"), each.get("logprob")) for each in value if isinstance(each, Mapping)]
    else:
        return ()
    sound = [
        (_clean_token(token), float(logprob))
        for token, logprob in pairs[:_MOST_ALTERNATIVES]
        if isinstance(token, str) and _is_logprob(logprob)
    ]
    return tuple(sorted(sound, key=lambda pair: -pair[1]))


def _is_logprob(value: Any) -> bool:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return -sys.float_info.max <= value <= sys.float_info.max  # also of an int that no float can hold


def _clean_token(token: str) -> str:
    return clean(replace_surrogates(token))[:_LONGEST_TOKEN]


def _write_token(token: str, logprob: float) -> dict[str, Any]:
    return {"token": token, "logprob": logprob, "bytes": list(token.encode("utf-8", "replace"))}
