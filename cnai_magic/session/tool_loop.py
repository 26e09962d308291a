"""Runs the functions that an answer calls, and gives their results back until the model answers.

Only functions that the question names are run, with arguments that fit their signatures. What a call does
wrong, and what a function raises, goes to the model as the result; an interrupt ends the loop. A result is
data: within the cap of any value, its secrets masked.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, suppress
from contextvars import copy_context
from dataclasses import replace
from functools import partial
from typing import TypeVar

from ..api.interrupts import interrupt_main_thread
from ..api.message_parts import ToolCall
from ..api.messages import ChatRequest, Message
from ..api.thinking_control import is_refused, return_reasoning
from ..api.tool_calls import CalledTools
from ..api.worker import run_in_worker
from ..api.written_calls import CallFilter, find_written_calls, mentions_call
from ..chat.formatters import mask_secrets, show_value
from ..chat.tool_steps import describe_call, describe_result
from ..chat.tools import CallError
from ..errors import InvalidRequestError
from ..money.budget import TokenBudget
from .confirmation import require_confirmation
from .question import Question
from .sent_request import Received, join_received

__all__ = ["ToolLoop"]

# How an answer ends whose calls may be cut, or are not wanted any more.
_NOT_RUN = ("stopped", "interrupted", "failed", "budget", "length", "content_filter", "invalid")
_MOST_CALLS = 32
_LONGEST_WHY = 2_000
_NO_MORE = "Not called: no more calls are possible. Answer with what is known."
_UNREADABLE = "it writes a call as text that cannot be read"
_TOO_MANY = f"Not called: at most {_MOST_CALLS} calls are possible at once."


class ToolLoop:
    """The calls of one question: at most `most_steps` times, with results of at most `tokens` each.

    What all of it may cost is to be confirmed `confirm_above` so many USD.
    """

    def __init__(
        self, question: Question, most_steps: int, tokens: int, confirm_above: object = None
    ) -> None:
        self._question, self._confirm_above = question, confirm_above
        self._tools = {tool.name: tool for tool in question.options.tools}
        self._most_steps = most_steps
        # An answer that is to be JSON may look like a call.
        self._asks_json = question.request.schema is not None
        self._tokens = tokens
        self._returns_reasoning = True
        # What is sent within the loop; what is kept of it has no reasoning.
        self._sent: list[tuple[Message, Message]] = []
        self._seconds: list[float] = []
        self._steps = 0
        self._before: Received | None = None
        self._stopped = self._running = False

    @property
    def messages(self) -> tuple[Message, ...]:
        """The calls and their results as they are sent within the loop."""
        return tuple(sent if self._returns_reasoning else kept for sent, kept in self._sent)

    def require_confirmation(self, request: ChatRequest) -> None:
        """Raise BudgetError where the next request, with those before it, may cost too much unconfirmed."""
        if self._before is not None and self._question.options.to_confirm:
            question = replace(self._question, request=request)
            require_confirmation(self._confirm_above, [question], self._before.cost.nano or 0)

    def filter_calls(self) -> CallFilter:
        """Return what holds back calls that stand in the text of an answer while it is shown."""
        return CallFilter(self._tools, bare=not self._asks_json)

    def calls(self, received: Received) -> bool:
        """Return whether the calls of an answer are to be answered."""
        return received.finish_reason not in _NOT_RUN and self._steps <= self._most_steps

    def find_calls(
        self, received: Received, called: CalledTools | None
    ) -> tuple[Received, CalledTools | None]:
        """Return an answer and its calls, also those that a server left in the text."""
        if called is not None or received.finish_reason in _NOT_RUN:
            return received, called
        described = {name: tool.about for name, tool in self._tools.items()}
        found = find_written_calls(received.text, described, bare=not self._asks_json)
        if found is not None:
            return received._replace(text=found[0]), found[1]
        if mentions_call(received.text):
            received = _add_note(_UNREADABLE, received)
        return received, None

    def run(
        self, received: Received, called: CalledTools, opened: Callable[[], AbstractContextManager[None]]
    ) -> Iterator[str]:
        """Run what an answer calls, and yield what is shown of it.

        While a function runs, interrupts come through: that is `opened`.
        """
        self._before = received if self._before is None else join_received(self._before, received)
        self._steps += 1
        text, fields = return_reasoning(called, received.text, received.reasoning)
        kept = Message("assistant", received.text, tool_calls=tuple(each.alone() for each in called.calls))
        results: list[Message] = []
        try:
            for number, call in enumerate(called.calls):
                yield describe_call(call)
                started = time.monotonic()
                result = self._answer(number, call, opened)
                self._seconds.append(time.monotonic() - started)
                results.append(Message("tool", result, tool_call_id=call.id))
                yield f" {describe_result(result, self._seconds[-1])}\n\n"
        finally:
            # Of calls that were interrupted, those that have results are kept.
            done = called.calls[: len(results)]
            if done:
                sent = Message("assistant", text, tool_calls=done, reasoning=fields)
                kept = replace(kept, tool_calls=kept.tool_calls[: len(results)])
                self._sent += [(sent, kept), *((result, result) for result in results)]

    def stop(self) -> None:
        """End the loop, from any thread; a function that runs on the main thread is interrupted."""
        self._stopped = True
        if self._running and threading.current_thread() is not threading.main_thread():
            interrupt_main_thread()

    def gives_up_reasoning(self, error: BaseException) -> bool:
        """Return whether the server refused reasoning that came back, and is asked without it."""
        returned = self._returns_reasoning and any(sent.body() != kept.body() for sent, kept in self._sent)
        if not (returned and isinstance(error, InvalidRequestError) and is_refused(error.why)):
            return False
        self._returns_reasoning = False
        return True

    def conclude(self, received: Received | None, finish_reason: str = "") -> Received:
        """Return the last answer with all that came before it, None for an end without one.

        `finish_reason` takes the place of its own, unless that says already that it is not complete.
        """
        if received is None:
            assert self._before is not None, "an answer with calls came before"
            received = self._before._replace(finish_reason="", charges=(), free=(), tokens=TokenBudget())
        elif self._before is not None:
            received = join_received(self._before, received)
            received = _add_note(f"{self._steps + 1} requests", received)
        if finish_reason and received.finish_reason not in _NOT_RUN:
            received = received._replace(finish_reason=finish_reason)
        steps = tuple(kept for _, kept in self._sent)
        return received._replace(steps=steps, call_seconds=tuple(self._seconds))

    @property
    def ran(self) -> bool:
        """Whether calls were answered."""
        return bool(self._sent)

    def _answer(self, number: int, call: ToolCall, opened: Callable[[], AbstractContextManager[None]]) -> str:
        """Return the result of a call, or why it has none, in words for the model."""
        tool = self._tools.get(call.name)
        if self._steps > self._most_steps:
            return _NO_MORE
        if number >= _MOST_CALLS:
            return _TOO_MANY
        if tool is None:
            return f"Error: there is no function {call.name[:64]!r}; there are: {', '.join(self._tools)}"
        try:
            bound = tool.bind(call.arguments)
        except CallError as error:
            return _write_error(str(error))
        try:
            with opened():
                self._running = threading.current_thread() is threading.main_thread()
                try:
                    value = tool.function(*bound.args, **bound.kwargs)
                    if inspect.isawaitable(value):
                        value = _run_coroutine(value)
                finally:
                    self._running = False
        except Exception as error:  # noqa: BLE001  the function's own: the model is to know of it
            return _write_error(f"{tool.name} raised {type(error).__name__}: {error}")
        return show_value(value, tool.name, self._tokens).text or "''"


def _add_note(remark: str, received: Received) -> Received:
    return received._replace(note=" · ".join(filter(None, (remark, received.note))))


def _write_error(why: str) -> str:
    text, _ = mask_secrets(why[:_LONGEST_WHY])
    return f"Error: {text}"


_Result = TypeVar("_Result")


def _run_coroutine(awaitable: Awaitable[_Result]) -> _Result:
    """Return what comes of an awaitable; an interrupt cancels it, and is raised here.

    The event loop of a kernel does not go on while a cell's question is answered, so it runs in a loop and a
    thread of its own. What belongs to another loop (a client that a cell made with `await`) does not work
    there; what the function makes itself does.
    """
    running: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[_Result]]] = []

    async def wait() -> _Result:
        task = asyncio.current_task()
        assert task is not None, "asyncio runs this as a task"
        running.append((asyncio.get_running_loop(), task))
        try:
            return await awaitable
        except asyncio.CancelledError as exc:
            # To its caller that is a failure like any other, and no reason to stop.
            raise RuntimeError("it was cancelled") from exc

    def cancel() -> None:
        for loop, task in running:
            with suppress(RuntimeError):  # the loop may have ended by now
                loop.call_soon_threadsafe(task.cancel)

    return run_in_worker(partial(copy_context().run, asyncio.run, wait()), cancel)
