"""The magics against a server of the API that nobody here wrote: aimock, from npm."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from tests.images import make_data_url, make_png
from tests.kernels import Kernel, running_kernel

COMMAND = os.environ.get("CNAI_AIMOCK") or shutil.which("aimock")
KEY = "sk-" + "independent"

pytestmark = pytest.mark.skipif(
    COMMAND is None,
    reason="aimock is not there: npm install @copilotkit/aimock, and its command in CNAI_AIMOCK",
)

FIXTURES = [
    {
        "match": {"userMessage": "the mean of", "hasToolResult": False},
        "response": {"toolCalls": [{"name": "mean", "arguments": '{"values": [1, 2, 6]}'}]},
    },
    {
        "match": {"userMessage": "the mean of", "hasToolResult": True},
        "response": {"content": "It is three."},
    },
    {"match": {"userMessage": "capital of France"}, "response": {"content": "**Paris** is its capital."}},
    {"match": {"userMessage": "this picture"}, "response": {"content": "A blue square."}},
    {"match": {"userMessage": "a poem"}, "response": {"content": "A line of a poem. " * 40}},
    {
        "match": {"userMessage": "two cities", "responseFormat": "json_schema"},
        "response": {"content": '{"items": [{"name": "Paris", "rank": 1}, {"name": "Oslo", "rank": 2}]}'},
    },
    {
        "match": {"userMessage": "no schema", "responseFormat": "json_schema"},
        "response": {
            "error": {"message": "response_format is not supported", "type": "invalid_request_error"},
            "status": 400,
        },
    },
    {
        "match": {"userMessage": "no schema", "responseFormat": "json_object"},
        "response": {"content": 'Here: ```json\n{"n": "3"}\n```'},
    },
    {
        "match": {"userMessage": "think anyway"},
        "response": {"content": "Done.", "reasoning": "Hm, let me think."},
    },
    {
        "match": {"userMessage": "fail"},
        "response": {"error": {"message": "too many", "type": "rate_limit_error"}, "status": 429},
    },
]


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    folder = tmp_path_factory.mktemp("aimock")
    (folder / "fixtures.json").write_text(json.dumps({"fixtures": FIXTURES}))
    (folder / "aimock.json").write_text(json.dumps({"llm": {"fixtures": str(folder / "fixtures.json")}}))
    environment = {**os.environ, "AIMOCK_API_KEYS": KEY}
    server = subprocess.Popen(
        [str(COMMAND), "--config", str(folder / "aimock.json")],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
    )
    try:
        assert server.stdout is not None
        address = next(
            found[0] for line in server.stdout if (found := re.search(r"http://127\.0\.0\.1:\d+", line))
        )
        with running_kernel(
            folder, CNAI_BASE_URL=f"{address}/v1", CNAI_API_KEY=KEY, CNAI_MODEL="gpt-4o"
        ) as started:
            started.run("%config Cnai.retries = 0")
            yield started
    finally:
        server.terminate()
        server.communicate(timeout=20)


def read_journal(kernel: Kernel, words: str) -> str:
    """Return what the server has written down of the one request that holds these words."""
    kernel.run("import json, os, urllib.request")
    kernel.run("place = os.environ['CNAI_BASE_URL'].removesuffix('/v1') + '/__aimock/journal'")
    kernel.run("allowed = {'Authorization': 'Bearer ' + os.environ['CNAI_API_KEY']}")
    kernel.run("journal = urllib.request.urlopen(urllib.request.Request(place, headers=allowed))")
    kernel.run("sent = [json.dumps(each) for each in json.load(journal)]")
    (asked,) = [each for each in kernel.value("sent") if words in each]
    return str(asked)


def test_its_models_are_listed(kernel: Kernel) -> None:
    shown = kernel.run("%cnai_models gpt").shown
    assert "gpt-4o" in shown
    assert "free, local" in shown


def test_its_answer_is_streamed_and_its_usage_taken(kernel: Kernel) -> None:
    ran = kernel.run("%%cnai\nWhat is the capital of France?", "a")
    assert ran.answer == "**Paris** is its capital."
    usage = ran.final["usage"]
    assert usage["completion_tokens"] > 0
    assert not usage["estimated"]
    assert (ran.final["cost"], ran.final["cost_local"]) == (0, True)
    assert "free, local" in ran.final["footer"]


def test_a_long_answer_and_one_that_is_not_streamed_are_whole(kernel: Kernel) -> None:
    expected = ("A line of a poem. " * 40).strip()
    assert kernel.run("%%cnai\nWrite a poem", "b").answer == expected
    assert kernel.run("%%cnai --no-stream --once\nWrite a poem", "c").answer == expected


def test_its_errors_have_their_class(kernel: Kernel) -> None:
    assert kernel.run("%%cnai\nPlease fail", "d").error[0].startswith("RateLimitError")
    wrong = "from cnai_magic.redaction import ApiKey\nsession.use_key(ApiKey('sk-' + 'wrongwrong'))"
    kernel.run("session = get_ipython().magics_manager.registry['CnaiMagics'].session")
    kernel.run(wrong)
    assert (
        kernel.run("%%cnai\nWhat is the capital of France?", "e").error[0].startswith("AuthenticationError")
    )
    kernel.run("session.use_key(None)")
    assert not kernel.run("%%cnai\nWhat is the capital of France?", "e").error


def test_thinking_that_it_does_not_turn_off_is_said(kernel: Kernel) -> None:
    ran = kernel.run("%%cnai deepseek-reasoner --think off -x top_k=3 --once\nPlease think anyway", "h")
    assert (ran.answer, ran.final["reasoning"]) == ("Done.", "Hm, let me think.")
    assert ran.final["footer"].endswith("the server did not turn thinking off and is not asked again")


def test_it_gets_an_image_and_answers(kernel: Kernel) -> None:
    data = make_png(80, 60)
    kernel.run(f"image = {data!r}")
    ran = kernel.run("%%cnai --once -i image\nWhat is on this picture?", "i")
    assert ran.answer == "A blue square."
    assert ran.final["attached"] == ["image (80×60)"]
    assert make_data_url(data) in read_journal(kernel, "this picture")


def test_it_gets_a_function_and_calls_it(kernel: Kernel) -> None:
    kernel.run("def mean(values: list[float]) -> float:\n    return sum(values) / len(values)")
    ran = kernel.run("%%cnai --once --tools mean\nWhat is the mean of these?", "j")
    assert ran.answer == "It is three."
    call, result = kernel.value("[step.body() for step in _cnai.steps]")
    assert call["tool_calls"][0]["function"] == {"name": "mean", "arguments": '{"values": [1, 2, 6]}'}
    assert (result["content"], result["tool_call_id"]) == ("3.0", call["tool_calls"][0]["id"])


def test_it_gets_a_schema_and_answers(kernel: Kernel) -> None:
    ran = kernel.run("%%cnai --once --json 'list[name, rank int]'\nName two cities", "f")
    assert ran.final["data"]["text/markdown"].startswith("| name | rank |\n| --- | ---: |\n| Paris | 1 |\n")
    assert kernel.value("_cnai.data") == [{"name": "Paris", "rank": 1}, {"name": "Oslo", "rank": 2}]
    asked = read_journal(kernel, "two cities")
    assert '"strict": true' in asked
    assert '"required": ["name", "rank"]' in asked


def test_it_is_asked_for_an_object_where_it_refuses_a_schema(kernel: Kernel) -> None:
    ran = kernel.run("%%cnai --once --json 'n int'\nThere is no schema", "g")
    assert not ran.error
    assert kernel.value("_cnai.data") == {"n": 3}
