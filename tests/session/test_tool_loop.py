"""Questions whose answers call functions: what is run, sent back, charged, kept, and how it ends."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import threading
from collections.abc import Callable
from typing import Any

import pytest

from cnai_magic.chat.tools import build_tools
from cnai_magic.errors import BudgetError, InputError, InvalidRequestError, ServerError
from cnai_magic.plain_python.session import Session
from cnai_magic.redaction import ApiKey
from cnai_magic.session.kernel_session import KernelSession
from cnai_magic.session.question import Options
from tests.api.test_tool_calls import call, chunk
from tests.servers import KEY, ScriptedServer, delta, event, failure, head, sse, usage
from tests.session.test_kernel_session import Watcher
from tests.session.test_pending_reply import rows


def calls(*wanted: dict[str, Any], **fields: Any) -> list[bytes]:
    """Return an answer that asks for calls, after deltas with `fields`."""
    bodies: list[Any] = [delta(**{name: value}) for name, value in fields.items()]
    bodies += [chunk({**each, "index": place}) for place, each in enumerate(wanted)]
    bodies += [delta(finish="tool_calls"), {"id": "1", "choices": [], "usage": usage(20, 8)}, "[DONE]"]
    body = b"".join(map(event, bodies))
    return [head(Content_Length=len(body)), body]


def ask(session: KernelSession, *functions: Callable[..., object], **options: Any) -> Any:
    view = options.pop("view", None)
    return session.ask("Go on.", Options(tools=build_tools(list(functions)), **options), view=view)


def messages(server: ScriptedServer, number: int = -1) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = server.requests[number].json()["messages"]
    return found


def results(server: ScriptedServer) -> list[str]:
    """Return the results in the last request."""
    return [each["content"] for each in messages(server) if each["role"] == "tool"]


def mean(values: list[float]) -> float:
    """Return the mean of numbers."""
    return sum(values) / len(values)


def broken() -> str:
    raise RuntimeError("no such sensor")


MEAN = call("mean", '{"values": [1, 2]}', id="x1")


# -- the loop ---------------------------------------------------------------------------------------


def test_a_function_is_called_and_its_result_sent_back(
    session: KernelSession, server: ScriptedServer
) -> None:
    server.reply(calls(MEAN))
    server.reply(sse("It is 1.5."))
    reply = ask(session, mean)
    assert reply.text == "It is 1.5."
    assert server.requests[0].json()["tools"] == [
        {
            "type": "function",
            "function": {
                "name": "mean",
                "description": "Return the mean of numbers.",
                "parameters": {
                    "type": "object",
                    "properties": {"values": {"type": "array", "items": {"type": "number"}}},
                    "required": ["values"],
                    "additionalProperties": False,
                },
            },
        }
    ]
    made = {"name": "mean", "arguments": '{"values": [1, 2]}'}
    assert messages(server)[1:] == [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "x1", "type": "function", "function": made}],
        },
        {"role": "tool", "content": "1.5", "tool_call_id": "x1"},
    ]
    # Each request is a row; the answer has the tokens and the cost of both.
    assert [row.usage.total_tokens for row in rows(session)] == [28, 28]
    assert (reply.usage.total_tokens, reply.cost.nano) == (56, 56_000)
    # A later question sends the calls with it, and needs no tools.
    server.reply(sse("Yes."))
    session.ask("Sure?")
    assert [each["role"] for each in messages(server)] == ["user", "assistant", "tool", "assistant", "user"]
    assert "tools" not in server.requests[-1].json()


def test_calls_at_once_are_answered_in_order(session: KernelSession, server: ScriptedServer) -> None:
    server.reply(calls(MEAN, call("broken", "{}", id="x2"), call("rm", "{}", id="x3"), content="Let me see."))
    server.reply(sse("Done."))
    reply = ask(session, mean, broken)
    assert results(server) == [
        "1.5",
        "Error: broken raised RuntimeError: no such sensor",
        "Error: there is no function 'rm'; there are: mean, broken",
    ]
    assert messages(server)[1]["content"] == "Let me see."
    assert (reply.text, len(reply.steps), len(reply.call_seconds)) == ("Done.", 4, 3)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("{}", "'values' is a required property"),
        ('{"values": ["a"]}', "'a' is not of type 'number'"),
        ('{"values": [1], "more": 2}', "'more' was unexpected"),
        ('{"values": [1', "not complete"),
        ("mean of 1 and 2", "no JSON"),
        ("[1, 2]", "not of type 'object'"),
    ],
)
def test_wrong_arguments_are_told_to_the_model(
    session: KernelSession, server: ScriptedServer, arguments: str, words: str
) -> None:
    server.reply(calls(call("mean", arguments, id="x1")))
    server.reply(sse("Sorry."))
    ask(session, mean)
    assert results(server)[0].startswith("Error: the arguments are not valid: ")
    assert words in results(server)[0]


def test_after_the_last_step_the_model_has_to_answer(
    make: Callable[..., KernelSession], server: ScriptedServer
) -> None:
    counted: list[int] = []

    def count() -> int:
        counted.append(1)
        return len(counted)

    session = make(tool_steps=2)
    server.always(calls(call("count", "{}", id="x")))
    reply = ask(session, count)
    # Two steps, one that was refused, and one that calls again.
    assert (len(counted), len(server.requests), len(rows(session))) == (2, 4, 4)
    assert results(server) == ["1", "2", "Not called: no more calls are possible. Answer with what is known."]
    assert (reply.finish_reason, reply.text) == ("tool_steps", "")
    assert "calls tools again and again" in reply.footer
    # It is no turn.
    assert session.conversations.in_use.turns == []


def test_functions_that_nobody_named_are_not_run(session: KernelSession, server: ScriptedServer) -> None:
    server.reply(calls(call("system", '{"command": "ls"}', id="x"), content="Hm."))
    assert session.ask("Go on.").text == "Hm."
    assert len(server.requests) == 1


@pytest.mark.parametrize("finish", ["length", "content_filter"])
def test_calls_may_be_cut_and_are_not_run(
    session: KernelSession, server: ScriptedServer, finish: str
) -> None:
    body = b"".join(map(event, [delta("Hm."), chunk(MEAN), delta(finish=finish), "[DONE]"]))
    server.reply(head(Content_Length=len(body)), body)
    assert ask(session, mean).finish_reason == finish
    assert len(server.requests) == 1


def test_calls_that_the_server_leaves_in_the_text_are_run(
    session: KernelSession, server: ScriptedServer
) -> None:
    server.reply(sse('Hm.\n<tool_call>\n{"name": "mean", "arguments": {"values": [1, 2]}}\n</tool_call>'))
    server.reply(sse("It is 1.5."))
    watcher = Watcher()
    reply = ask(session, mean, view=watcher)
    assert watcher.text == "Hm.\nIt is 1.5."
    assert [each.get("content") for each in messages(server)[1:]] == ["Hm.", "1.5"]
    assert messages(server)[1]["tool_calls"][0]["function"]["name"] == "mean"
    assert (reply.text, reply.note) == ("It is 1.5.", "2 requests")
    server.reply(sse('<tool_call>{"name": "mean", "arguments": [1'))
    assert ask(session, mean, append=True).note == "it writes a call as text that cannot be read"


def test_an_async_function_is_waited_for(session: KernelSession, server: ScriptedServer) -> None:
    async def wait(seconds: float) -> str:
        await asyncio.sleep(seconds)
        return "done"

    async def give_up() -> None:
        raise asyncio.CancelledError

    server.reply(calls(call("wait", '{"seconds": 0}', id="x1"), call("give_up", "{}", id="x2")))
    server.reply(sse("yes"))
    ask(session, wait, give_up)
    assert results(server) == ["done", "Error: give_up raised RuntimeError: it was cancelled"]


# -- results ----------------------------------------------------------------------------------------


def test_a_result_is_capped_and_its_secrets_are_masked(
    make: Callable[..., KernelSession], server: ScriptedServer
) -> None:
    session = make(value_tokens=50)
    ApiKey(KEY)  # it is known from now on

    def read(name: str) -> object:
        return {"long": "word " * 1_000, "key": f"the key is {KEY}", "none": None, "empty": ""}[name]

    names = ("long", "key", "none", "empty")
    server.reply(calls(*(call("read", {"name": name}, id=name) for name in names)))
    server.reply(sse("Read."))
    ask(session, read)
    long, key, none, empty = results(server)
    assert "left out" in long
    assert len(long) < 500
    assert KEY not in key
    assert (none, empty != "") == ("None", True)


def test_what_a_function_raises_is_masked_too(session: KernelSession, server: ScriptedServer) -> None:
    ApiKey(KEY)

    def fail() -> None:
        raise ValueError(f"refused: {KEY}")

    server.reply(calls(call("fail", "{}", id="x")))
    server.reply(sse("Hm."))
    ask(session, fail)
    assert results(server)[0].startswith("Error: fail raised ValueError: refused: ")
    assert KEY not in results(server)[0]


# -- reasoning --------------------------------------------------------------------------------------


def test_reasoning_goes_back_within_the_loop_and_never_after(
    make: Callable[..., KernelSession], server: ScriptedServer
) -> None:
    session = make(model="kimi-k2.5")
    server.reply(calls(MEAN, reasoning_content="Hm."))
    server.reply(calls(MEAN, reasoning_content="Again."))
    server.reply(sse("1.5"))
    reply = ask(session, mean)
    sent = [each.get("reasoning_content") for each in messages(server) if each["role"] == "assistant"]
    assert sent == ["Hm.", "Again."]
    assert not any("reasoning_content" in step.body() for step in reply.steps)
    server.reply(sse("Yes."))
    session.ask("Sure?")
    # Kimi refuses calls without the field.
    assert messages(server)[1]["reasoning_content"] == ""


def test_tags_of_thinking_go_back_in_the_content(session: KernelSession, server: ScriptedServer) -> None:
    server.reply(calls(MEAN, content="<think>Hm.</think>Wait."))
    server.reply(sse("1.5"))
    reply = ask(session, mean)
    assert messages(server)[1]["content"] == "<think>Hm.</think>Wait."
    assert reply.steps[0].content == "Wait."


def test_a_server_that_takes_no_reasoning_back_is_asked_without(
    session: KernelSession, server: ScriptedServer
) -> None:
    server.reply(calls(MEAN, reasoning="Hm."))
    server.reply(failure(400, "", "property 'reasoning' is unsupported"))
    server.reply(sse("1.5"))
    assert ask(session, mean).text == "1.5"
    assert "reasoning" in messages(server, 1)[1]
    assert "reasoning" not in messages(server)[1]
    assert len(rows(session)) == 2


# -- how it ends ------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("stopping", [False, True])
def test_an_interrupt_ends_a_function_and_keeps_what_is_done(
    session: KernelSession, server: ScriptedServer, stopping: bool, is_async: bool
) -> None:
    class Stopping(Watcher):
        def is_stopping(self) -> bool:
            return stopping

    def wait() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        threading.Event().wait(20)

    async def wait_async() -> None:
        try:
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.sleep(20)
        finally:
            ended.append(1)

    ended: list[int] = []
    tool = wait_async if is_async else wait
    server.reply(calls(MEAN, call(tool.__name__, "{}", id="x2")))
    view = Stopping()
    if stopping:
        assert ask(session, mean, tool, view=view).finish_reason == "stopped"
    else:
        with pytest.raises(KeyboardInterrupt):
            ask(session, mean, tool, view=view)
    assert ended == [1] * is_async
    assert len(server.requests) == 1
    reply = session.latest
    assert reply is not None
    assert [step.text for step in reply.steps] == ["", "1.5"]
    assert reply.finish_reason == ("stopped" if stopping else "interrupted")
    assert [row.usage.total_tokens for row in rows(session)] == [28]
    # The next question is asked as any other.
    server.reply(sse("yes"))
    assert session.ask("b").text == "yes"


def test_stop_from_another_thread_ends_a_function(session: KernelSession, server: ScriptedServer) -> None:
    class Keeping(Watcher):
        stop: Callable[[], None]

        def begin(self, question: Any, stop: Callable[[], None]) -> None:
            super().begin(question, stop)
            Keeping.stop = staticmethod(stop)

    def wait() -> None:
        stopper = threading.Thread(target=Keeping.stop)
        stopper.start()
        stopper.join()
        threading.Event().wait(20)

    server.reply(calls(call("wait", "{}", id="x")))
    assert ask(session, wait, view=Keeping()).finish_reason == "stopped"
    assert len(server.requests) == 1


def test_an_exit_of_a_function_ends_the_loop(session: KernelSession, server: ScriptedServer) -> None:
    def leave() -> None:
        raise SystemExit(3)

    server.reply(calls(call("leave", "{}", id="x")))
    with pytest.raises(SystemExit):
        ask(session, leave)
    assert len(server.requests) == 1


def test_a_later_request_that_fails_keeps_the_calls(session: KernelSession, server: ScriptedServer) -> None:
    server.reply(calls(MEAN))
    server.reply(failure(500, "server_error"))
    with pytest.raises(ServerError):
        ask(session, mean)
    assert session.latest is not None
    assert [step.text for step in session.latest.steps] == ["", "1.5"]
    assert session.latest.finish_reason == "failed"
    assert session.conversations.in_use.turns == []
    assert len(rows(session)) == 1


def test_a_budget_holds_over_the_loop(make: Callable[..., KernelSession], server: ScriptedServer) -> None:
    session = make(budget=0.0005)
    server.always(calls(MEAN))
    with pytest.raises(BudgetError):
        ask(session, mean, parameters={"max_tokens": 10})
    assert session.latest is not None
    assert 1 <= len(server.requests) == len(rows(session)) < 8
    assert sum(row.cost.nano or 0 for row in rows(session)) <= 500_000
    assert [step.text for step in session.latest.steps[:2]] == ["", "1.5"]


def test_a_server_without_tools_says_so(session: KernelSession, server: ScriptedServer) -> None:
    server.reply(failure(400, "", "registry.ollama.ai/library/gemma does not support tools"))
    with pytest.raises(InvalidRequestError, match="tools"):
        ask(session, mean)


# -- together ---------------------------------------------------------------------------------------


def test_json_may_be_asked_for_with_tools(session: KernelSession, server: ScriptedServer) -> None:
    server.reply(calls(MEAN))
    server.reply(sse("The mean is 1.5.", tokens=(20, 8)))
    server.reply(sse('{"mean": 1.5}', tokens=(200, 8)))
    reply = ask(session, mean, parameters={"schema": "mean float"})
    assert reply.data == {"mean": 1.5}
    assert [each["role"] for each in messages(server)] == ["user", "assistant", "tool", "assistant", "user"]
    assert [row.usage.total_tokens for row in rows(session)] == [28, 28, 208]
    assert reply.usage.total_tokens == 264
    assert len(reply.steps) == 2


def test_plain_python_gives_functions(server: ScriptedServer) -> None:
    server.reply(calls(MEAN))
    server.reply(sse("1.5"))
    with Session(base_url=server.base_url, model="m", ledger="off") as plain:
        stream = plain.stream("Mean?", tools=[mean])
        assert "".join(stream) == "1.5"
        assert [step.role for step in stream.reply.steps] == ["assistant", "tool"]
        with pytest.raises(InputError, match="no name"):
            plain.ask("Mean?", tools=[lambda: 1])


def test_an_answer_that_is_not_streamed_calls_too(session: KernelSession, server: ScriptedServer) -> None:
    message = {"role": "assistant", "content": None, "tool_calls": [MEAN]}
    body = json.dumps(
        {"object": "chat.completion", "choices": [{"message": message, "finish_reason": "tool_calls"}]}
    )
    server.reply(head(200, "application/json", Content_Length=len(body)), body.encode())
    server.reply(sse("1.5"))
    assert ask(session, mean, stream=False).text == "1.5"
    # What the calls took was not reported.
    assert rows(session)[0].usage.completion_tokens > 5
