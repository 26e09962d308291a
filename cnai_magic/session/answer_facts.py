"""What is to be said of an answer that has come: its tokens, and what is odd about it."""

from __future__ import annotations

from ..api.messages import ChatRequest
from ..api.thinking_control import describe_effect
from ..api.token_usage import Usage
from ..api.usage import complete_usage
from ..money.cost import Charge
from ..money.price import cost_of
from .question import Question
from .reply_reader import Arrived, ReplyReader

__all__ = ["count_usage", "describe_oddities", "describe_thinking", "make_charge"]


def count_usage(request: ChatRequest, arrived: Arrived, reader: ReplyReader) -> Usage:
    """Return the tokens as reported; what no report counts, or cannot have counted, is estimated."""
    messages, reported = request.sent_messages, reader.usage
    calls = reader.called.calls if reader.called is not None and reported is None else ()
    called = "".join(f"{call.name} {call.arguments}" for call in calls)
    if reported is not None and arrived.uncounted:
        return complete_usage(reported, messages, "") + complete_usage(None, (), arrived.uncounted)
    return complete_usage(reported, messages, arrived.text + called, arrived.reasoning)


def make_charge(question: Question, identifier: str, usage: Usage, finish_reason: str) -> Charge:
    """Return the charge of a request for a question."""
    return Charge(
        model=question.request.model,
        conversation="" if question.options.once else question.conversation.name,
        usage=usage,
        cost=cost_of(usage, question.lookup.price),
        demo=question.demo,
        id=identifier,
        host=question.host,
        finish_reason=finish_reason,
    )


def describe_thinking(request: ChatRequest, arrived: Arrived, reader: ReplyReader, usage: Usage) -> str:
    """Return what a person should know whose level of thinking had no effect on an answer, "" if it had."""
    think = request.parameters.get("think")
    if think is None or not reader.stream.sent:
        return ""
    thought = bool(arrived.reasoning.strip() or usage.reasoning_tokens)
    return describe_effect(think, thought=thought, sent=reader.stream.thinking_sent)


def describe_oddities(request: ChatRequest, arrived: Arrived, reader: ReplyReader) -> str:
    """Return what is odd about an answer: what followed its end, and probabilities that did not come."""
    asked = request.parameters.get("logprobs") is not None and bool(arrived.text)
    unknown = "the server gave no probabilities" if asked and not reader.logprobs else ""
    return "; ".join(filter(None, (reader.note, unknown)))
