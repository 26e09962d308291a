"""Reads token counts under all the names that servers give them, and estimates those that make no sense.

A count that looks exact and is wrong is the worst outcome: one that is impossible is replaced by an estimate,
and marked. A prompt, or an answer with text, never has 0 tokens: 0 means unknown. Nothing here does I/O.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from operator import attrgetter, itemgetter
from typing import Any

from .messages import Message
from .token_usage import Usage
from .tokens import bound_tokens, estimate_tokens

__all__ = ["COUNTED", "complete_usage", "estimate_usage", "read_plain_usage", "read_usage"]

# Names in lower case, without underscores and hyphens.
_NAMES = {
    "prompt": "prompttokens inputtokens prompttokencount inputtokencount promptevalcount promptn tokensprompt"
    " numprompttokens inputtokensnum promptlength",
    "completion": "completiontokens outputtokens completiontokencount outputtokencount candidatestokencount"
    " evalcount predictedn tokenscompletion numcompletiontokens generatedtokens outputtokensnum"
    " responsetokens",
    "total": "totaltokens totaltokencount tokenstotal numtotaltokens",
    # Part of the prompt, or counted in addition: the total shows which.
    "cached": "cachedtokens promptcachehittokens cachereadinputtokens cachedcontenttokencount cachereadtokens"
    " cacheread cachedprompttokens promptcachedtokens cachedinputtokens numcachedtokens cachetokens"
    " cachehittokens"
    " cachedinputtokencount cachereadinputtokencount promptcachetokens",
    # In addition to the prompt (Gemini, Anthropic, llama.cpp).
    "written": "cachecreationinputtokens cachewriteinputtokens cachewriteinputtokencount"
    " tooluseprompttokencount",
    "before": "cachen",
    "reasoning": "reasoningtokens thoughtstokencount thinkingtokens reasoningtokencount reasoningoutputtokens"
    " thoughttokens nativetokensreasoning",
}
_KINDS = {name: kind for kind, names in _NAMES.items() for name in names.split()}
_DETAILS = (
    "prompt_tokens_details",
    "completion_tokens_details",
    "input_tokens_details",
    "output_tokens_details",
    "input_token_details",
    "output_token_details",
    "promptTokensDetails",
    "completionTokensDetails",
)
# Where counts stand in an event, its choice or its message.
_PLACES = (
    "usage",
    "usageMetadata",
    "usage_metadata",
    "token_usage",
    "tokenUsage",
    "x_groq",
    "timings",
    "meta",
    "amazon-bedrock-invocationMetrics",
)
COUNTED = frozenset({*_PLACES, "prompt_eval_count", "eval_count"})
"""The fields of an event or a choice that hold counts."""

# How the API reference has counts.
_REFERENCE_NAMES = ("prompt_tokens", "completion_tokens", "total_tokens")
_REFERENCE, _get_reference = frozenset(_REFERENCE_NAMES), itemgetter(*_REFERENCE_NAMES)
_INTS = {int}
# More than any model reads or writes.
_LONGEST_PROMPT, _LONGEST_ANSWER = 20_000_000, 1_000_000
# No tokenizer needs so many times fewer tokens for a text than the estimate; short texts vary more.
_FEWEST = 5
_SHORT = 12


def read_usage(former: Usage | None, *places: Mapping[str, Any]) -> Usage | None:
    """Return the counts of an event, its choice or its message; None where there are none.

    What only a `former` report had is added. A count that is missing is 0. If `estimated` is set and the
    completion is 0, the prompt is the sum of both; if it is set and neither is 0, the server contradicts
    itself.
    """
    for place in places:
        for counted in _find_counts(place):
            usage = _read_counts(counted)
            if usage is not None:
                return _merge(former, usage)
    return None


def read_plain_usage(counted: object) -> Usage | None:
    """Return the counts that stand where, and as, the API reference has them; None for any others."""
    if type(counted) is dict and counted.keys() == _REFERENCE:
        prompt, completion, total = counts = _get_reference(counted)
        ints = {*map(type, counts)} == _INTS
        if ints and prompt > 0 < completion and prompt + completion == total <= _LONGEST_ANSWER:
            return Usage(prompt, completion)
    return None


def _find_counts(place: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for name in _PLACES:
        value = place.get(name)
        if type(value) is dict:  # not Mapping: a look at an abstract class costs ten times as much
            inner = value.get("usage") or value.get("tokens") or value.get("billed_units")
            yield inner if type(inner) is dict else value
    if "prompt_eval_count" in place or "eval_count" in place:
        yield place


@lru_cache(1024)
def _find_kind(name: str) -> str:
    return _KINDS.get(name.lower().replace("_", "").replace("-", ""), "")


def _read_counts(raw: Mapping[str, Any]) -> Usage | None:
    if plain := read_plain_usage(raw):
        return plain
    found: dict[str, int] = {}
    names = set()
    for source in (raw, *(raw[name] for name in _DETAILS if isinstance(raw.get(name), dict))):
        for name, value in source.items():
            kind = _find_kind(name) if type(name) is str else ""
            if kind and (count := _read_count(value)):
                found[kind] = max(found.get(kind, 0), count)
                names.add(name)
    prompt, completion, total = (found.get(kind, 0) for kind in ("prompt", "completion", "total"))
    if not (prompt or completion or total):
        return None
    cached, reasoning = found.get("cached", 0), found.get("reasoning", 0)
    written = found.get("written", 0)
    prompt += found.get("before", 0) if prompt else 0
    cached = cached or found.get("before", 0)
    doubtful = False
    if total > _LONGEST_PROMPT + _LONGEST_ANSWER:
        total = 0
    if prompt and not completion and total > prompt:
        completion = total - prompt
    elif completion and not prompt and total > completion:
        prompt = total - completion
    elif total and not prompt and not completion:
        return Usage(total, 0, estimated=True)
    elif prompt and completion:
        prompt, completion, doubtful = _reconcile(
            prompt, completion, total, cached, written, reasoning, names
        )
    if reasoning > completion > 0:
        reasoning, doubtful = 0, True
    return Usage(prompt, completion, min(reasoning, completion), min(prompt, cached), estimated=doubtful)


def _reconcile(
    prompt: int, completion: int, total: int, cached: int, written: int, reasoning: int, names: set[str]
) -> tuple[int, int, bool]:
    """Return prompt and completion with counts given apart, and whether the total contradicts them."""
    beside = {(0, 0), (cached, 0), (cached + written, 0), (written, 0), (0, reasoning)}
    beside |= {(cached, reasoning), (cached + written, reasoning)}
    if total:
        for more_prompt, more_completion in sorted(beside):
            if prompt + completion + more_prompt + more_completion == total:
                return prompt + more_prompt, completion + more_completion, False
        if total == prompt + completion - cached:
            return prompt, completion, False
        if total < prompt + completion:
            return prompt, completion, True
        # Most likely thinking that only the total counts: it is charged.
        return prompt, total - prompt, True
    anthropic = "input_tokens" in names and (written or "cache_read_input_tokens" in names)
    if cached > prompt or anthropic:
        prompt += cached + written
    if reasoning > completion or "thoughtsTokenCount" in names:
        completion += reasoning
    return prompt, completion, False


def _merge(former: Usage | None, usage: Usage) -> Usage:
    """Return the later counts, completed with those that only an earlier report had."""
    if (
        former is None
        or former.estimated
        or usage.estimated
        or (usage.prompt_tokens and usage.completion_tokens)
    ):
        return usage
    return Usage(
        usage.prompt_tokens or former.prompt_tokens,
        usage.completion_tokens or former.completion_tokens,
        usage.reasoning_tokens or former.reasoning_tokens,
        usage.cached_tokens or former.cached_tokens,
    )


def estimate_usage(messages: Iterable[Message], answer: str, reasoning: str = "") -> Usage:
    """Estimate the usage of an answer for which the server reported none."""
    thought = estimate_tokens(reasoning)
    return Usage(
        prompt_tokens=sum(message.tokens for message in messages),
        completion_tokens=estimate_tokens(answer) + thought,
        reasoning_tokens=thought,
        estimated=True,
    )


def complete_usage(
    reported: Usage | None,
    messages: Sequence[Message],
    answer: str,
    reasoning: str = "",
    *,
    of_many: bool = False,
) -> Usage:
    """Return the counts; those that are missing or impossible are estimated, and marked.

    `of_many` tells that the tokens of the messages were not estimated, and are not without need.
    """
    if reported is None:
        return estimate_usage(messages, answer, reasoning)
    if _is_surely_plausible(reported, messages, answer + reasoning, of_many):
        return reported
    thought = estimate_tokens(reasoning)
    completion = estimate_tokens(answer) + thought
    if reported.estimated and not reported.completion_tokens:
        total = reported.prompt_tokens
        completion = max(min(completion, total - 1), 0)
        return Usage(total - completion, completion, min(thought, completion), estimated=True)
    usage = reported
    # An image may have far fewer tokens than are estimated for one of unknown size.
    if not _is_plausible(usage.prompt_tokens, sum(map(attrgetter("text_tokens"), messages)), _LONGEST_PROMPT):
        prompt = sum(map(attrgetter("tokens"), messages))
        cached = min(usage.cached_tokens, prompt)
        usage = usage._replace(prompt_tokens=prompt, cached_tokens=cached, estimated=True)
    reported_completion, most = usage.completion_tokens, _LONGEST_ANSWER
    if reported_completion > most:
        most += bound_tokens(answer) + bound_tokens(reasoning)
    if reported_completion > most or (
        completion and not _is_plausible(reported_completion, completion, most)
    ):
        usage = usage._replace(completion_tokens=completion, reasoning_tokens=thought, estimated=True)
    return usage


def _is_surely_plausible(usage: Usage, messages: Sequence[Message], answer: str, of_many: bool) -> bool:
    """Return whether the counts are plausible by the mere length of the texts, as nearly all are.

    To estimate the tokens of each would be a tenth of what one of many rows costs.
    """
    completion = usage.completion_tokens
    if usage.estimated or not 0 < completion <= _LONGEST_ANSWER:
        return False
    if of_many:
        prompt = sum([_limit_estimate(message.words) for message in messages])
    else:
        prompt = sum(map(attrgetter("text_tokens"), messages))
    return _FEWEST * completion >= _limit_estimate(answer) and _is_plausible(
        usage.prompt_tokens, prompt, _LONGEST_PROMPT
    )


def _limit_estimate(text: str) -> int:
    """Return what the estimate of a text does not exceed, by its length alone."""
    return len(text) * (1 if text.isascii() else 2)  # as no character has a greater weight


def _is_plausible(count: int, estimate: int, most: int) -> bool:
    return 0 < count <= most and (estimate < _SHORT or _FEWEST * count >= estimate)


def _read_count(value: object) -> int:
    """Read a token count; anything that is not a number of at least 0 counts as 0."""
    if isinstance(value, str) and len(value) < 20:
        try:
            value = float(value)
        except ValueError:
            return 0
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 10**15:
        return 0
    return int(value)
