"""demo-echo shows the request, demo-reasoner shows its steps."""

from __future__ import annotations

import json

from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from cnai_magic.demo import DemoMessage, DemoRequest, answer
from tests.demo_requests import demo_request
from tests.properties import random_examples

# How fast a machine is, is no matter of a test.
untimed = random_examples(suppress_health_check=[HealthCheck.too_slow])


def both(request: DemoRequest) -> tuple[str, str]:
    found = list(answer(request))
    return "".join(chunk.reasoning for chunk in found), "".join(chunk.text for chunk in found)


@untimed
@given(st.text(), st.text(), st.one_of(st.none(), st.floats(0, 2)))
def test_echo_shows_the_exact_request_as_json_in_one_fence(
    system: str, text: str, temperature: float | None
) -> None:
    request = demo_request(
        "demo-echo", DemoMessage("system", system), DemoMessage("user", text), temperature=temperature
    )
    _, shown = both(request)
    opening, rest = shown.split("\n```json\n", 1)
    body = rest.removesuffix("\n```\n")
    assert json.loads(body) == request.body
    assert not any(line.startswith("```") for line in body.split("\n"))
    assert "2 messages" in opening


def test_echo_shows_a_parameter_of_0_and_leaves_out_one_that_was_not_sent() -> None:
    _, shown = both(demo_request("demo-echo", DemoMessage("user", "数据"), temperature=0))
    assert '"temperature": 0' in shown
    assert "top_p" not in shown
    assert "数据" in shown


def test_echo_does_not_grow_with_its_own_answers() -> None:
    messages: tuple[DemoMessage, ...] = ()
    sizes = []
    for _ in range(6):
        messages += (DemoMessage("user", "hello"),)
        _, shown = both(demo_request("demo-echo", *messages))
        sizes.append(len(shown))
        messages += (DemoMessage("assistant", shown),)
    assert "an answer of demo-echo" in shown
    # Each turn adds the same: a question and a note.
    assert sizes[-1] - sizes[0] < 6 * 200
    assert (
        "an answer of demo-echo" not in both(demo_request("demo-echo", DemoMessage("user", shown)))[1][:200]
    )


def test_the_reasoner_shows_each_step_before_the_answer() -> None:
    request = demo_request("demo-reasoner", DemoMessage("user", "What is 3 * (4 + 5)?"))
    reasoning, text = both(request)
    assert "4 + 5 = 9" in reasoning
    assert "3 * 9 = 27" in reasoning
    assert text == "3 * (4 + 5) = **27**"
    kinds = [bool(chunk.reasoning) for chunk in answer(request)]
    assert kinds == sorted(kinds, reverse=True)


def test_the_reasoner_says_what_it_knows_from_the_conversation() -> None:
    conversation = (
        DemoMessage("user", "My name is Ada"),
        DemoMessage("assistant", "Hello"),
        DemoMessage("user", "What is my name?"),
    )
    reasoning, text = both(demo_request("demo-reasoner", *conversation))
    assert "name: Ada" in reasoning
    assert "Ada" in text


def test_the_reasoner_admits_that_no_rule_fits() -> None:
    reasoning, text = both(
        demo_request("demo-reasoner", DemoMessage("user", "Why is the sky not a bicycle?"))
    )
    assert "no rule" in reasoning
    assert "not an LLM" in text
