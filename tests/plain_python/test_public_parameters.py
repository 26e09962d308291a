"""Each parameter of the table is a typed argument of the public functions, and is sent from each."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from cnai_magic.api.parameters import BY_NAME, PARAMETERS
from cnai_magic.plain_python.ask import ask
from cnai_magic.plain_python.session import Session
from tests.servers import ScriptedServer, sse

SENT: dict[str, Any] = {"temperature": 0, "top_p": 0.5, "max_tokens": 7, "stop": ["END"], "seed": 0}
VALUES: dict[str, Any] = {**SENT, "think": "low", "extra": {"top_k": 20}, "schema": "n int"}
# What the schema asks for: nothing is to be corrected. It begins with the prefix.
VALUES["tools"] = [len]
ANSWER = '{"n": 1}'
VALUES |= {"prefix": "{", "logprobs": 2}
SENT |= {"reasoning_effort": "low", "top_k": 20}


def _stream(base_url: str, **parameters: Any) -> None:
    assert "".join(Session(base_url=base_url).stream("a", **parameters)) == ANSWER


CALLS: dict[str, tuple[Any, Callable[..., object]]] = {
    "Session": (Session, lambda base_url, **given: Session(base_url=base_url, **given).ask("a")),
    "Session.ask": (Session.ask, lambda base_url, **given: Session(base_url=base_url).ask("a", **given)),
    "Session.stream": (Session.stream, _stream),
    "ask": (ask, lambda base_url, **given: ask("a", base_url=base_url, **given)),
}


@pytest.mark.parametrize("name", CALLS)
def test_each_parameter_is_a_typed_argument_and_is_sent(name: str) -> None:
    assert VALUES.keys() == BY_NAME.keys()
    function, call = CALLS[name]
    arguments = inspect.signature(function).parameters
    for row in PARAMETERS if name != "Session" else [row for row in PARAMETERS if row.setting]:
        argument = arguments[row.name]
        assert argument.kind is inspect.Parameter.KEYWORD_ONLY
        assert argument.default is None
        types = {"str", "Sequence[str]"} if row.most > 1 else {row.type.__name__}
        types = {"object"} if row.type is dict else {*types, "None"}
        if row.functions:
            types = {"Sequence[Callable[..., object]]", "None"}
        if row.fields:
            types = {"Mapping[str, Any]", "None"}
        assert set(str(argument.annotation).split(" | ")) == types | ({"str"} if row.choices else set())
    with ScriptedServer() as server:
        server.reply(sse(ANSWER))
        given = {row.name: VALUES[row.name] for row in PARAMETERS if row.setting or name != "Session"}
        call(server.base_url, **given)
    sent = server.requests[0].json()
    if "schema" in given:
        assert sent.pop("response_format")["json_schema"]["schema"]["required"] == ["n"]
    if "tools" in given:
        assert [each["function"]["name"] for each in sent.pop("tools")] == ["len"]
    if "prefix" in given:
        assert sent["messages"][-2] == {"role": "assistant", "content": "{"}
    if "logprobs" in given:
        assert (sent["logprobs"], sent["top_logprobs"]) == (True, 2)
    assert SENT.items() <= sent.items()
