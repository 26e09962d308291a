"""Probabilities of tokens, as servers spell them."""

from __future__ import annotations

from typing import Any

import pytest

from cnai_magic.api.logprobs import TokenProbability, dump_logprobs, load_logprobs, read_logprobs


def token(text: str, logprob: object, *others: tuple[str, float]) -> dict[str, Any]:
    tops = [{"token": other, "logprob": each, "bytes": None} for other, each in others]
    return {"token": text, "logprob": logprob, "bytes": [1], "top_logprobs": tops}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (
            {"content": [token("a", -0.5, ("b", -2.0), ("a", -0.5))], "refusal": None},
            (TokenProbability("a", -0.5, (("a", -0.5), ("b", -2.0))),),
        ),
        # The older completions API, as vLLM and others still write it.
        (
            {"tokens": ["a", "b"], "token_logprobs": [None, -1], "top_logprobs": [None, {"c": -1, "b": -3}]},
            (TokenProbability("b", -1.0, (("c", -1.0), ("b", -3.0))),),
        ),
        ({"tokens": ["a"], "token_logprobs": [-1.0]}, (TokenProbability("a", -1.0),)),
        # What is not sound is left out.
        (
            {"content": [token("a", "x"), token("b", float("nan")), token("c", -1.0), 7, {"token": 3}]},
            (TokenProbability("c", -1.0),),
        ),
        ({"content": [{"token": "a", "logprob": -1, "top_logprobs": "x"}]}, (TokenProbability("a", -1.0),)),
        ({"content": [token("a", -(10**400)), token("b", 10**400), token("c", float("-inf"))]}, ()),
        ({"content": None}, ()),
        (None, ()),
        ([], ()),
        ("x", ()),
        ({"content": [token("\ud83d\x1b[2J", -1.0)]}, (TokenProbability("\ufffd", -1.0),)),
    ],
)
def test_what_servers_report(value: object, expected: tuple[TokenProbability, ...]) -> None:
    assert read_logprobs(value) == expected


@pytest.mark.parametrize(
    "value", [None, 3, "x", "3", "[[]]", '[["a", "b", []]]', '[["a", -1]]', "[" * 9999, [["a", -1.0, []]]]
)
def test_what_a_notebook_keeps_may_be_forged(value: object) -> None:
    assert load_logprobs(value) == ()


def test_a_token_comes_back_from_its_body() -> None:
    given = TokenProbability("é", -0.25, (("é", -0.25), ("e", -1.5)))
    assert read_logprobs({"content": [given.body()]}) == (given,)
    assert given.body()["bytes"] == [0xC3, 0xA9]
    assert load_logprobs(dump_logprobs([given])) == (given,)
    assert 0 < given.probability < 1
    assert TokenProbability("a", 0.001).probability == 1
