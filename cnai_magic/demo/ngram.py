"""demo-ngram: a word n-gram language model of order 3, trained on Python's own documentation.

It predicts the next token from the two before it, and where it has seen little after those two, from
the one before it: a quarter is taken off each count and given to the lower order (absolute
discounting). It knows nothing else. Its text is fluent for about six words, which makes it a good model
to show what temperature and top_p do. At temperature 0 it always takes the likeliest token, and so ends
in a loop.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
import threading
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice
from math import log
from random import Random

from ..api.logprobs import TokenProbability
from ..api.messages import Chunk
from .request import DemoRequest
from .tokenizer import tokenize

__all__ = ["DEFAULT_MAX_TOKENS", "LanguageModel", "choose", "generate", "load_model"]

DEFAULT_MAX_TOKENS = 120

_BREAK = "\n\n"
_ENOUGH = 80
_BITS = 20
_DISCOUNT = 0.25

# A whole paragraph without code: names between underscores, grammar and prompts do not read well.
_PROSE = re.compile(r"[A-Z](?!.*(?:__|::=|>>>)).{40,}\.")


class LanguageModel:
    """The counts of a text; `after` tells what follows two tokens, with probabilities.

    The text is kept once as token numbers, and once as its bigrams in order, each with the place where
    it stands: what follows a context is found by bisection. That is some 15 bytes a token, where a
    dictionary of all trigrams takes ten times as much.
    """

    def __init__(self, text: str) -> None:
        tokens = [*tokenize(text), _BREAK]
        if not text.strip():
            raise ValueError("a model needs a text to learn from")
        self._vocabulary = list(dict.fromkeys(tokens))
        self._numbers = {token: number for number, token in enumerate(self._vocabulary)}
        if max(len(tokens), len(self._vocabulary)) >= 1 << _BITS:
            raise ValueError("the text is too long for this model")
        self._shares: dict[int, dict[int, float]] = {}
        self._text = array("i", (self._numbers[token] for token in tokens))
        self._bigrams = array(
            "q",
            sorted(
                self._text[place] << 2 * _BITS | self._text[place + 1] << _BITS | place
                for place in range(len(tokens) - 1)
            ),
        )

    def __contains__(self, token: object) -> bool:
        return token in self._numbers

    def predict(self, first: str, second: str) -> dict[str, float]:
        """Return the probability of each token that may follow `first` and `second`, likeliest first.

        A context that was never seen backs off to `second` alone, and then to the start of a paragraph.
        """
        second_number = self._numbers.get(second, self._numbers[_BREAK])
        likely = self._shares.get(second_number)
        if likely is None:
            # All of them together are no more than the different bigrams of the text.
            likely = self._shares[second_number] = self._count_followers(second_number)
        triples = self._count_triples(self._numbers.get(first, -1), second_number)
        if triples:
            seen = triples.total()
            kept = _DISCOUNT * len(triples) / seen
            likely = {number: kept * share for number, share in likely.items()}
            for number, count in triples.items():
                likely[number] += (count - _DISCOUNT) / seen
        ranked = sorted(likely.items(), key=lambda item: (-item[1], item[0]))
        return {self._vocabulary[number]: share for number, share in ranked}

    def _count_followers(self, second: int) -> dict[int, float]:
        low, high = (bisect_left(self._bigrams, number << 2 * _BITS) for number in (second, second + 1))
        mask = (1 << _BITS) - 1
        found = Counter((bigram >> _BITS) & mask for bigram in self._bigrams[low:high])
        # Only the last token of the text has no follower, unless it also stands elsewhere.
        found = found or Counter([self._text[0]])
        return {number: count / found.total() for number, count in found.items()}

    def _count_triples(self, first: int, second: int) -> Counter[int]:
        if first < 0:
            return Counter()
        pair = first << _BITS | second
        low, high = (bisect_left(self._bigrams, number << _BITS) for number in (pair, pair + 1))
        mask, last = (1 << _BITS) - 1, len(self._text) - 2
        places = (bigram & mask for bigram in self._bigrams[low:high])
        return Counter(self._text[place + 2] for place in places if place < last)


_training = threading.Lock()


def _begin_anew() -> None:
    """Reset the lock in a forked child, where no thread would release it."""
    global _training
    _training = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)


def load_model() -> LanguageModel:
    """Return the model, trained at the first call in this process."""
    # Without the lock, two first requests at once would both train.
    with _training:
        return _train()


@functools.cache
def _train() -> LanguageModel:
    from pydoc_data.topics import topics

    paragraphs = (" ".join(part.split()) for topic in topics.values() for part in re.split(r"\n\s*\n", topic))
    prose = (re.sub(r'["*`]| \[\d+\]', "", part) for part in paragraphs if _PROSE.fullmatch(part))
    return LanguageModel(_BREAK.join(dict.fromkeys(prose)))


def generate(request: DemoRequest) -> Iterator[Chunk]:
    """Yield the continuation of the last message, token by token and without end.

    Probabilities, where they are asked for, are those of the model itself: before temperature and top_p.

    The last words of the prompt are the context. Without max_tokens the text ends with a sentence. The
    draws depend on the messages and the seed alone, so the same request gets the same text, and a smaller
    max_tokens the beginning of it.
    """
    model = load_model()
    prompt = next((item.text for item in reversed(request.messages) if item.role == "user"), "")
    random = Random(_make_seed(request))
    first, second = _find_context(model, (request.prefix or prompt)[-2000:])
    temperature, top_p, endless = request.temperature, request.top_p, request.max_tokens is not None
    goes_on, others = bool(request.prefix), request.logprobs
    # A large prompt is not kept for as long as its answer is read.
    del request, prompt
    count = 0
    while True:
        likely = model.predict(first, second)
        token = choose(likely, temperature, top_p, random)
        first, second = second, token
        # An answer begins with a word, not with what stands after one.
        shown = token if count or goes_on else token.lstrip(" ")
        if count or shown.strip().isalnum():
            yield Chunk(shown, logprobs=() if others is None else (_rate(shown, likely, token, others),))
            count += 1
        if not endless and count >= _ENOUGH and token == ".":
            return


def choose(
    likely: Mapping[str, float], temperature: float | None, top_p: float | None, random: Random
) -> str:
    """Return one token of `likely` (ordered, likeliest first): greedy at temperature 0, else drawn.

    `temperature` raises each probability to the power 1/temperature; `top_p` then keeps the likeliest
    tokens that together reach it (the nucleus), and at least one.
    """
    tokens = list(likely)
    if temperature == 0 or top_p == 0:
        return tokens[0]
    best = likely[tokens[0]]
    power = 1 / (1.0 if temperature is None else temperature)
    # Relative to the likeliest, so that a low temperature cannot round every weight to zero.
    weights = [(share / best) ** power for share in likely.values()]
    if top_p is not None and top_p < 1:
        wanted, kept, size = top_p * sum(weights), 0.0, 0
        while kept < wanted and size < len(weights):
            kept += weights[size]
            size += 1
        tokens, weights = tokens[:size], weights[:size]
    return random.choices(tokens, weights)[0]


def _rate(shown: str, likely: Mapping[str, float], token: str, others: int) -> TokenProbability:
    """Return the probability of a token, and those of the likeliest tokens in its place."""
    alternatives = tuple((each, log(share)) for each, share in islice(likely.items(), others))
    return TokenProbability(shown, log(likely[token]), alternatives)


def _make_seed(request: DemoRequest) -> int:
    digest = hashlib.sha256(b"[")
    for place, message in enumerate(request.messages):
        said = f"{', ' if place else ''}{(message.role, message.text)!r}"
        digest.update(said.encode("utf-8", "surrogatepass"))
    digest.update(b"]")
    if request.seed is not None:
        digest.update(str(request.seed).encode())
    return int.from_bytes(digest.digest()[:8], "big")


def _find_context(model: LanguageModel, prompt: str) -> tuple[str, str]:
    """Return the last two tokens of the prompt that the model knows as neighbours, or the last one."""
    known = []
    for token in tokenize(" " + prompt.rstrip(" \n\t.,;:?!…。？！")):
        forms = (token, " " + token.strip(), " " + token.strip().lower())
        known.append(next((form for form in forms if form in model), ""))
    for place in range(len(known) - 1, -1, -1):
        if known[place].strip():
            return (known[place - 1] if place else _BREAK), known[place]
    return _BREAK, _BREAK
