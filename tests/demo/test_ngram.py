"""demo-ngram: a real language model, whose parameters do what they say."""

from __future__ import annotations

import threading
from collections import Counter
from itertools import islice
from random import Random

import pytest

from cnai_magic.demo import DemoMessage, answer, ngram
from tests.demo_requests import demo_request

SMALL = "the cat sat. the cat ran. the cat sat. the dog sat."


def asked(prompt: str, temperature: float | None = None, **parameters: float) -> str:
    request = demo_request("demo-ngram", DemoMessage("user", prompt), temperature=temperature, **parameters)
    return "".join(chunk.text for chunk in answer(request))


def test_what_follows_a_context_is_counted_in_the_text() -> None:
    likely = ngram.LanguageModel(SMALL).predict(" the", " cat")
    assert list(likely) == [" sat", " ran"]
    # Of three "the cat": "sat" once after " the" with its space (the first has none), "ran" once.
    assert likely[" sat"] > likely[" ran"] > 0
    assert sum(likely.values()) == pytest.approx(1)


def test_an_unseen_pair_backs_off_to_the_last_token() -> None:
    likely = ngram.LanguageModel(SMALL).predict("unknown", " cat")
    assert likely == {" sat": pytest.approx(2 / 3), " ran": pytest.approx(1 / 3)}


def test_probabilities_add_up_everywhere() -> None:
    model = ngram.load_model()
    first, second = "\n\n", "\n\n"
    for token in islice(ngram.generate(demo_request("demo-ngram", DemoMessage("user", "The list"))), 50):
        assert sum(model.predict(first, second).values()) == pytest.approx(1)
        first, second = second, token


def test_a_model_needs_a_text() -> None:
    with pytest.raises(ValueError, match="text"):
        ngram.LanguageModel(" \n")


def test_temperature_0_takes_the_likeliest_token() -> None:
    assert ngram.choose({"a": 0.5, "b": 0.3, "c": 0.2}, 0, None, Random(1)) == "a"


def test_top_p_keeps_the_nucleus_only() -> None:
    random = Random(1)
    likely = {"a": 0.5, "b": 0.3, "c": 0.2}
    drawn = {p: {ngram.choose(likely, 1, p, random) for _ in range(300)} for p in (0, 0.5, 0.7, 1)}
    assert drawn == {0: {"a"}, 0.5: {"a"}, 0.7: {"a", "b"}, 1: {"a", "b", "c"}}


def test_a_higher_temperature_is_flatter() -> None:
    likely = {"a": 0.8, "b": 0.2}
    random = Random(1)
    shares = [
        Counter(ngram.choose(likely, t, None, random) for _ in range(2000))["a"] for t in (0.2, 1.0, 2.0)
    ]
    assert shares[0] > shares[1] > shares[2] > 1000
    assert shares[1] == pytest.approx(1600, abs=100)


def test_the_lowest_temperature_is_greedy_and_not_an_error() -> None:
    assert ngram.choose({"a": 0.6, "b": 0.4}, 5e-324, None, Random(1)) == "a"


def test_temperature_0_does_not_depend_on_the_seed() -> None:
    # The same last words after different beginnings: other draws, the same likeliest tokens.
    assert asked("One. The value of the", 0, max_tokens=30) == asked(
        "Two. The value of the", 0, max_tokens=30
    )


def test_temperature_changes_the_text() -> None:
    texts = {asked("The value of", temperature, max_tokens=40) for temperature in (0, 0.7, 1.3, 2)}
    assert len(texts) == 4


def test_the_prompt_seeds_the_context() -> None:
    assert asked("the built-in", 0, max_tokens=20) != asked("an exception is", 0, max_tokens=20)


def test_without_max_tokens_the_text_ends_with_a_sentence_or_at_the_default() -> None:
    request = demo_request("demo-ngram", DemoMessage("user", "The value"))
    *tokens, last = answer(request)
    assert 1 < len(tokens) <= ngram.DEFAULT_MAX_TOKENS
    if last.finish_reason == "stop":
        assert tokens[-1].text == "."


def test_with_max_tokens_the_text_goes_on_until_it() -> None:
    *tokens, last = answer(demo_request("demo-ngram", DemoMessage("user", "The value"), max_tokens=700))
    assert len(tokens) == 700
    assert last.finish_reason == "length"


def test_the_text_begins_with_a_word_for_any_prompt() -> None:
    for prompt in ("", "???", "zzzz qqqq", "数据", "a list, ", "(", "\n\n"):
        assert asked(prompt)[0].isalnum()


def test_many_threads_train_one_model() -> None:
    found: list[ngram.LanguageModel] = []
    ngram._train.cache_clear()
    threads = [threading.Thread(target=lambda: found.append(ngram.load_model())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(model) for model in found}) == 1
    assert len(found) == 8
    assert ngram._train.cache_info().misses == 1
