"""Thinking, and fields that are not options, from the cell to the footer in a real kernel."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.kernels import Kernel, running_kernel
from tests.servers import ScriptedServer, chunked, delta, event, failure, sse, usage


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    with running_kernel(tmp_path_factory.mktemp("kernel"), CNAI_BASE_URL="demo") as kernel:
        yield kernel


@pytest.fixture
def server(kernel: Kernel) -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        server.only_model = "glm-4.7"
        kernel.run(f"%config Cnai.base_url = '{server.base_url}'")
        yield server
        kernel.run("%config Cnai.base_url = 'demo'\n%config Cnai.think = None\n%config Cnai.extra = None")


def thoughtful() -> list[Any]:
    """An answer with thinking, which the server counts."""
    counted = {**usage(20, 9), "completion_tokens_details": {"reasoning_tokens": 8}}
    return chunked(
        [
            event(delta(reasoning_content="Hm.")),
            event(delta("yes")),
            event(delta(finish="stop")),
            event({"choices": [], "usage": counted}),
            event("[DONE]"),
        ]
    )


def test_a_demo_model_thinks_as_long_as_it_is_told(kernel: Kernel) -> None:
    thinking = {
        level: kernel.run(f"%%cnai demo-reasoner --think {level} --once\nWhat is 3 * (4 + 5)?").final
        for level in ("off", "low", "high", "5")
    }
    counted = {level: each["usage"]["reasoning_tokens"] for level, each in thinking.items()}
    assert counted["off"] == 0 < counted["low"] < counted["high"]
    assert counted["5"] == 5
    assert "thinking" not in thinking["off"]["footer"]
    assert "(5 thinking)" in thinking["5"]["footer"]
    assert thinking["5"]["parameters"] == {"think": 5}


def test_a_model_that_cannot_think_is_asked_without_and_that_is_said(kernel: Kernel) -> None:
    ran = kernel.run("%%cnai demo-guide --think high --once\nWhat is 2+2?")
    assert "4" in ran.answer
    assert ran.final["footer"].endswith("the server takes no level of thinking for this model")


def test_thinking_that_was_not_turned_off_is_said_and_counted(kernel: Kernel, server: ScriptedServer) -> None:
    server.reply(failure(400, message="Unrecognized request argument supplied: thinking"))
    server.always(thoughtful())
    for cell in "ab":
        ran = kernel.run("%%cnai glm-4.7 --think off\nHi", cell)
        # Once in a session.
        assert ran.final["footer"].endswith(
            "the server did not turn thinking off and is not asked again"
        ) == (cell == "a")
        assert "20 → 9 tokens (8 thinking)" in ran.final["footer"]
    assert ["thinking" in each.json() for each in server.requests] == [True, False, False]


def test_a_switch_that_is_ignored_is_said_once_and_not_sent_again(
    kernel: Kernel, server: ScriptedServer
) -> None:
    server.always(thoughtful())
    server.only_model = "glm-4.6"
    said = "the server did not turn thinking off and is not asked again"
    asked = ["off", "off", "high", "off"]
    footers = [kernel.run(f"%%cnai glm-4.6 --think {each}\nHi", "a").final["footer"] for each in asked]
    assert [said in footer for footer in footers] == [True, False, False, False]
    thinking = [each.json().get("thinking", {}).get("type") for each in server.requests]
    assert thinking == ["disabled", None, "enabled", "disabled"]
    # Nor is it shown as if it were.
    shown = kernel.run("%%cnai glm-4.6 --think off --dry-run json\nHi").stdout
    assert '"model": "glm-4.6"' in shown
    assert "disabled" not in shown


def test_fields_and_thinking_of_settings_are_sent_kept_and_compared(
    kernel: Kernel, server: ScriptedServer
) -> None:
    server.always(sse("yes"))
    kernel.run("%config Cnai.think = 'off'\n%config Cnai.extra = {'top_k': 20, 'a': {'b': 1}}")
    kernel.run("%%cnai glm-4.7 -c fields\nHi", "c")
    ran = kernel.run("%%cnai glm-4.7 -c fields --think max -x a.c=true -x user=ann\nHi", "c")
    first, second = (each.json() for each in server.requests)
    assert first.items() >= {"thinking": {"type": "disabled"}, "top_k": 20, "a": {"b": 1}}.items()
    assert second.items() >= {"top_k": 20, "a": {"b": 1, "c": True}, "user": "ann"}.items()
    assert second["thinking"] == {"type": "enabled"}
    sent = {"think": "max", "extra": {"top_k": 20, "a": {"b": 1, "c": True}, "user": "ann"}}
    assert ran.final["parameters"] == sent
    kernel.run("%cnai_chat use fields")
    shown = kernel.run("%cnai_chat versions").shown
    assert "- think: off\n+ think: max" in shown
    assert '"user": "ann"' in shown


def test_a_field_that_the_server_refuses_is_named_with_the_next_step(
    kernel: Kernel, server: ScriptedServer
) -> None:
    server.reply(failure(400, message="Unknown parameter: top_k"))
    lines = "\n".join(kernel.run("%%cnai glm-4.7 -x top_k=20\nHi").error)
    assert "next: leave out -x top_k" in lines
    assert len(server.requests) == 1
    lines = "\n".join(kernel.run("%%cnai -x api_key=sk-0123456789abcdef\nHi").error)
    assert "looks like a key" in lines
    assert "0123456789" not in lines


def test_a_dry_run_shows_thinking_as_the_server_is_told(kernel: Kernel, server: ScriptedServer) -> None:
    shown = kernel.run("%%cnai glm-4.7 --think off -x top_k=3 --dry-run json\nHi").stdout
    assert '"type": "disabled"' in shown
    assert '"top_k": 3' in shown
    assert server.requests == []
