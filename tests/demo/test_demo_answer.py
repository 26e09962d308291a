"""What holds for every demo model: one token a chunk, exact usage, max_tokens, determinism."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from cnai_magic.api.messages import Chunk
from cnai_magic.demo import MODELS, DemoMessage, answer, count_tokens
from cnai_magic.errors import ModelNotFoundError
from tests.demo_requests import demo_request
from tests.properties import Chance, random_examples, random_steps

# How fast a machine is, is no matter of a test.
untimed = random_examples(suppress_health_check=[HealthCheck.too_slow])

ANSWERING = ["demo-guide", "demo-ngram", "demo-echo", "demo-reasoner"]

_QUESTIONS = ["2+2", "and times 3?", "My name is Ada", "in JSON", "a,b\n1,2\n3,4", "9**9**9"]


def _make_message(chance: Chance) -> DemoMessage:
    text = chance.text(60) if chance.flag() else chance.choice(_QUESTIONS)
    return DemoMessage(chance.choice(["system", "user", "assistant"]), text)


conversations = random_steps(_make_message, 1, 5)


def chunks(model: str, *messages: DemoMessage, **parameters: float) -> list[Chunk]:
    return list(answer(demo_request(model, *messages, **parameters)))


def test_the_five_models_are_listed() -> None:
    assert [model.id for model in MODELS] == [*ANSWERING, "demo-faults"]
    assert {model.owner for model in MODELS} == {"demo"}


@pytest.mark.parametrize("model", ["demo-faults", "deepseek-chat"])
def test_a_model_that_is_not_answered_here_is_an_error_before_the_first_token(model: str) -> None:
    with pytest.raises(ModelNotFoundError) as caught:
        answer(demo_request(model, DemoMessage("user", "hello")))
    assert caught.value.status == 404


@pytest.mark.parametrize("model", ANSWERING)
@untimed
@given(conversation=conversations, limit=st.integers(1, 40))
def test_any_conversation_is_answered_within_max_tokens_and_counted_exactly(
    model: str, conversation: list[DemoMessage], limit: int
) -> None:
    *tokens, last = chunks(model, *conversation, max_tokens=limit)
    assert all(bool(chunk.text) != bool(chunk.reasoning) for chunk in tokens)
    assert all(count_tokens(chunk.text + chunk.reasoning) == 1 for chunk in tokens)
    assert not any(chunk.usage or chunk.finish_reason for chunk in tokens)
    assert not last.text
    assert not last.reasoning
    assert last.finish_reason in ("stop", "length")
    assert last.usage is not None
    assert last.usage.prompt_tokens == sum(count_tokens(message.text) for message in conversation)
    assert last.usage.completion_tokens == len(tokens) <= limit
    assert last.usage.reasoning_tokens == sum(bool(chunk.reasoning) for chunk in tokens)
    assert not last.usage.estimated
    if last.finish_reason == "length":
        assert len(tokens) == limit


@pytest.mark.parametrize("model", ANSWERING)
@untimed
@given(conversation=conversations)
def test_the_answer_counts_as_many_tokens_as_were_sent(model: str, conversation: list[DemoMessage]) -> None:
    *tokens, last = chunks(model, *conversation)
    text = "".join(chunk.text for chunk in tokens)
    reasoning = "".join(chunk.reasoning for chunk in tokens)
    assert last.usage is not None
    assert last.usage.completion_tokens == count_tokens(text) + count_tokens(reasoning)
    text.encode("utf-8")
    reasoning.encode("utf-8")


@pytest.mark.parametrize("model", ANSWERING)
def test_half_a_surrogate_pair_in_the_prompt_does_not_reach_the_answer(model: str) -> None:
    answer = "".join(each.text for each in chunks(model, DemoMessage("user", "my name is \ud800")))
    assert answer
    assert not any("\ud800" <= character <= "\udfff" for character in answer)


@pytest.mark.parametrize("model", ANSWERING)
def test_the_same_request_gets_the_same_answer(model: str) -> None:
    question = DemoMessage("user", "Tell me about the list")
    assert chunks(model, question, temperature=1.0) == chunks(model, question, temperature=1.0)


@pytest.mark.parametrize("model", ANSWERING)
def test_an_answer_cut_by_max_tokens_is_the_beginning_of_the_whole_one(model: str) -> None:
    question = DemoMessage("user", "What is 3 * (4 + 5)?")
    whole = chunks(model, question)
    cut = chunks(model, question, max_tokens=3)
    assert cut[:3] == whole[:3]
    assert cut[-1].finish_reason == "length"


def test_an_answer_of_exactly_max_tokens_is_not_cut() -> None:
    question = DemoMessage("user", "2+2")
    *tokens, _ = chunks("demo-guide", question)
    assert chunks("demo-guide", question, max_tokens=len(tokens))[-1].finish_reason == "stop"


def test_reasoning_can_use_up_max_tokens() -> None:
    *tokens, last = chunks("demo-reasoner", DemoMessage("user", "2+2"), max_tokens=5)
    assert all(chunk.reasoning for chunk in tokens)
    assert last.finish_reason == "length"
    assert last.usage is not None
    assert last.usage.reasoning_tokens == 5
