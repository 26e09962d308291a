"""Asks for JSON: in the strictest way that the server takes, with one request to correct what is not valid.

The ways are those of `api/json_format`, from `json_schema` over `json_object` to words alone. What a server
refuses, or takes without effect, is remembered for its model as long as the kernel lives.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..api.json_format import MODES, JsonMode, first_mode, response_format
from ..api.messages import ChatRequest, Message
from ..api.parameters import find_parameters
from ..chat.json_answer import JSONProblem, read_json
from ..errors import (
    CnaiError,
    ContextLengthError,
    InvalidRequestError,
    JSONAnswerError,
    JSONCutError,
    ServerError,
)
from ..money.budget import TokenBudget
from ..next_steps import NextStep, either, raise_budget, raise_limit
from .sent_request import Received, join_received

__all__ = ["JSONModes", "JSONQuestion"]

# How servers name what they do not take.
_FORMAT = re.compile(
    r"response.?format|json.?(?:schema|object|mode|output)|structured.?output|text\.format|guided"
    r"|grammar|\bschema\b|'json'|结构化",
    re.IGNORECASE,
)
# These are about this schema, or this answer, and not about the model.
_ABOUT_ONE = re.compile(
    r"invalid (?:json )?schema|invalid_json_schema|unsupported schema|in context=|json_validate_failed"
    r"|failed to generate json",
    re.IGNORECASE,
)
# Why an answer ended too early; any other reason is that of a complete one.
_CUT = {
    "length": "cut before its JSON ended",
    "budget": "cut before its JSON ended",
    "insufficient_system_resource": "cut by the server: out of resources",
    "network_error": "cut by the server: network error",
    "error": "cut by the server: it failed",
}
_FILTERED = {"content_filter": "cut by the content filter"}
# Those that a person or a failure ended, and steps of a loop of tools before the answer.
_LEFT_AS_THEY_ARE = ("stopped", "interrupted", "failed", "tool_calls", "function_call")
_LONGEST_SHOWN = 20_000
_REPAIRED = "JSON repaired (1 more request)"
_NOT_REPAIRED = "1 more request did not help"


class JSONModes:
    """The strictest mode that each model of each host is known to take."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], JsonMode] = {}

    def find(self, host: str, request: ChatRequest) -> JsonMode:
        """Return the mode in which a request is to be sent."""
        first = first_mode(request.schema or {})
        return max(first, self._known.get((host, request.model), first), key=MODES.index)

    def note(self, host: str, model: str, mode: JsonMode) -> None:
        """Note that a model takes no stricter mode than this one."""
        self._known[host, model] = mode


class JSONQuestion:
    """One question whose answer is to be JSON: how it is sent next, and what is to be made of an answer.

    `first` is the answer that is to be corrected, once there is one.
    """

    def __init__(self, request: ChatRequest, host: str, modes: JSONModes) -> None:
        assert request.schema is not None, "JSON is asked for"
        self._schema: Mapping[str, Any] = request.schema
        self._asked = request
        self._host = host
        self._modes = modes
        self._mode = modes.find(host, request)
        self._noted: JsonMode | None = None
        self._problem = ""
        self.first: Received | None = None

    def request(self, steps: tuple[Message, ...] = ()) -> ChatRequest:
        """Return the request as it is to be sent now; `steps` are calls of tools since the question."""
        asked, first = self._asked, self.first
        if first is not None and first.text.strip():
            text = first.text[:_LONGEST_SHOWN]
            said = f"This answer is not valid: {self._problem}. Answer again with the corrected JSON alone."
            messages = (*asked.messages, *steps, Message("assistant", text), Message("user", said))
            return replace(asked, messages=messages).asking_for_json(self._mode)
        asked = asked.asking_for_json(self._mode)
        return replace(asked, messages=(*asked.messages, *steps)) if steps else asked

    def steps_down(self, error: BaseException) -> bool:
        """Return whether a refused request is to be sent in the next mode."""
        if self._mode == "prompt" or not isinstance(error, InvalidRequestError | ServerError):
            return False
        words = f"{error.why} {error.code}"
        named = _FORMAT.search(words) is not None
        others = [name for name in find_parameters(words) if name in self._asked.parameters]
        if not named and (others or isinstance(error, ServerError | ContextLengthError)):
            return False
        # A refusal that names nothing may be about anything: then only words are tried.
        self._mode = MODES[MODES.index(self._mode) + 1] if named else "prompt"
        if _ABOUT_ONE.search(words) is None:
            self._noted = self._mode
        return True

    def repairs(self, received: Received) -> bool:
        """Return whether an answer is to be corrected by one more request; it is charged, and kept."""
        if self._noted is not None:
            self._modes.note(self._host, self._asked.model, self._noted)
        problem = self._find_problem(received)
        ended_early = received.finish_reason in (*_CUT, *_FILTERED, *_LEFT_AS_THEY_ARE)
        if problem is None or self.first is not None or ended_early:
            return False
        self.first, self._problem = received, str(problem)
        if self._mode != "prompt" and not self._had_effect(received.text, problem):
            self._mode = MODES[MODES.index(self._mode) + 1]
            if received.text.strip():
                self._modes.note(self._host, self._asked.model, self._mode)
        return True

    def _had_effect(self, text: str, problem: JSONProblem) -> bool:
        """Return whether an answer is what its mode promises, although it does not fit the schema itself.

        The strict form of a schema allows a little more than the schema.
        """
        asked = response_format(self._schema, self._mode)
        if not problem.found or asked is None or asked["type"] == "json_object":
            return problem.found
        try:
            read_json(text, asked["json_schema"]["schema"])
        except JSONProblem:
            return False
        return True

    def _find_problem(self, received: Received) -> JSONProblem | None:
        try:
            read_json(received.text, self._schema)
        except JSONProblem as problem:
            return problem
        return None

    def conclude(self, received: Received) -> tuple[Received, JSONAnswerError | None]:
        """Return an answer as it is to be kept, with both requests in it, and the error that it is."""
        problem, first = self._find_problem(received), self.first
        whole = received if first is None else join_received(first, received)
        if received.finish_reason in _LEFT_AS_THEY_ARE:
            return whole, None
        if problem is None:
            return (whole if first is None else _add_note(whole, _REPAIRED)), None
        ended = {**_CUT, **_FILTERED}.get(received.finish_reason, "")
        kept = _add_note(whole, ended or (_NOT_REPAIRED if first is not None else ""))
        return kept._replace(finish_reason="invalid"), _make_error(received, problem)

    def give_up(self, error: BaseException) -> tuple[Received, CnaiError | None]:
        """Return the first answer as it is kept where the request to correct it brought nothing."""
        assert self.first is not None, "there is an answer to be corrected"
        first = self.first._replace(finish_reason="invalid", charges=(), free=(), tokens=TokenBudget())
        if not isinstance(error, CnaiError):
            return first, None
        why = f"{self._problem}; the request to correct it failed: {error.what}"
        return first, JSONAnswerError(_WHAT, why=why, next_step=error.next_step, text=first.text)


_WHAT = "the answer is not the JSON that was asked for"


def _make_error(received: Received, problem: JSONProblem) -> JSONAnswerError:
    reason = received.finish_reason
    if reason not in _CUT:
        why = "; ".join(filter(None, (_FILTERED.get(reason), str(problem))))
        return JSONAnswerError(_WHAT, why=why, text=received.text)
    step = raise_budget() if reason == "budget" else _find_limit(received)
    limit = {"budget": "the budget allows no more", "length": f"it reached its longest length; {problem}"}
    return JSONCutError(
        "the answer was cut before its JSON ended",
        why=limit.get(reason, _CUT[reason]),
        next_step=either("ask for less", step),
        text=received.text,
    )


def _find_limit(received: Received) -> NextStep:
    """Return how to let the answer be longer, which depends on what has limited it."""
    options, limit = received.question.options, received.request.max_tokens
    origin = options.origins.get("max_tokens", "")
    own = options.parameters.get("max_tokens") is not None and not origin
    return NextStep.of("for a longer answer: ") + raise_limit(limit, own=own, origin=origin)


def _add_note(received: Received, remark: str) -> Received:
    return received._replace(note=" · ".join(filter(None, (remark, received.note))))
