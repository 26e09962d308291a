from __future__ import annotations

import contextlib
import json
import math
from typing import Any

import pytest

from cnai_magic.api.events import Events
from cnai_magic.api.messages import Chunk
from cnai_magic.api.model_facts import Model
from cnai_magic.api.reader import StreamReader
from cnai_magic.api.responses import read_models
from cnai_magic.api.token_usage import Usage
from cnai_magic.errors import (
    CnaiError,
    ContentFilterError,
    GarbageError,
    NotAStreamError,
    QuotaError,
    ServerError,
)
from cnai_magic.redaction import ApiKey
from tests.cases import check_each
from tests.servers import completion, delta, event


def read_stream(body: bytes) -> Chunk:
    """What a stream of bytes amounts to."""
    reader = StreamReader()
    texts, thoughts = [], []
    for data, kind in Events([body]):
        chunk = reader.read(data, kind)
        texts.append(chunk.text if chunk else "")
        thoughts.append(chunk.reasoning if chunk else "")
    rest = reader.close() or Chunk()
    return Chunk(
        "".join(texts) + rest.text, "".join(thoughts) + rest.reasoning, reader.finish_reason, reader.usage
    )


# -- what each vendor sends ----------------------------------------------------------------------

# vendor, its stream as bytes, what it amounts to
VENDORS: list[tuple[str, bytes, Chunk]] = [
    (
        "one-api",
        b'data: {"id":"","object":"chat.completion.chunk","choices":[]}\n\n'
        b'data: {"choices":[{"delta":{"role":"assistant","content":"Hi"},"finish_reason":null}]}\n\n'
        b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
        b'data: {"id":"","usage":{"prompt_tokens":5,"completion_tokens":1,"total_tokens":6}}\n\n'
        b"data: [DONE]\n\n",
        Chunk("Hi", "", "stop", Usage(5, 1)),
    ),
    (
        "DeepSeek",
        b": keep-alive\n\n: keep-alive\n\n"
        b'data: {"choices":[{"delta":{"role":"assistant","content":null,"reasoning_content":"Hm"}}]}\n\n'
        b'data: {"choices":[{"delta":{"content":null,"reasoning_content":"m."}}]}\n\n'
        b": keep-alive\n\n"
        b'data: {"choices":[{"delta":{"content":"4","reasoning_content":null}}]}\n\n'
        b'data: {"choices":[{"delta":{"content":""},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,'
        b'"completion_tokens":4,"total_tokens":13,"prompt_cache_hit_tokens":8,"prompt_cache_miss_tokens":1,'
        b'"completion_tokens_details":{"reasoning_tokens":3}}}\n\n'
        b"data: [DONE]\n\n",
        Chunk("4", "Hmm.", "stop", Usage(9, 4, 3, 8)),
    ),
    (
        "DeepSeek without resources",
        b'data: {"choices":[{"delta":{"content":"Ha"}}]}\n\n'
        b'data: {"choices":[{"delta":{"content":""},"finish_reason":"insufficient_system_resource"}]}\n\n'
        b"data: [DONE]\n\n",
        Chunk("Ha", "", "insufficient_system_resource"),
    ),
    (
        "Moonshot",
        b'data: {"choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":null}]}\n\n'
        b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop","usage":{"prompt_tokens":7,'
        b'"completion_tokens":2,"total_tokens":9,"cached_tokens":0}}]}\n\n'
        b"data: [DONE]\n\n",
        Chunk("Hi", "", "stop", Usage(7, 2)),
    ),
    (
        "Zhipu filtered",
        b'data: {"choices":[{"delta":{"role":"assistant","content":"I"}}]}\n\n'
        b'data: {"choices":[{"delta":{"content":""},"finish_reason":"sensitive"}]}\n\ndata: [DONE]\n\n',
        Chunk("I", "", "content_filter"),
    ),
    (
        "Zhipu broken inference",
        b'data: {"choices":[{"delta":{"content":"I"},"finish_reason":"network_error"}]}\n\ndata: [DONE]\n\n',
        Chunk("I", "", "network_error"),
    ),
    (
        "Zhipu thinking in the content",
        b'data: {"choices":[{"delta":{"content":"\\n<thi"}}]}\n\n'
        b'data: {"choices":[{"delta":{"content":"nk>so</th"}}]}\n\n'
        b'data: {"choices":[{"delta":{"content":"ink>\\n"}}]}\n\n'
        b'data: {"choices":[{"delta":{"content":"\\nfour"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n',
        Chunk("four", "so", "stop"),
    ),
    (
        "MiniMax",
        b'data: {"choices":[{"delta":{"role":"","content":"Hi"}}],"usage":{"prompt_tokens":0,'
        b'"total_tokens":0,"completion_tokens":0},"base_resp":{"status_code":0,"status_msg":""}}\n\n'
        b'data: {"choices":[{"delta":{"role":"","content":"!"}}],"usage":null}\n\n'
        b'data: {"choices":[{"finish_reason":"stop","message":{"content":"","role":"assistant"}}],'
        b'"usage":{"total_tokens":30,"prompt_tokens":20,"completion_tokens":10}}\n\n',
        Chunk("Hi!", "", "stop", Usage(20, 10)),
    ),
    (
        "Qwen",
        b'data: {"choices":[{"delta":{"content":"Hi"},"finish_reason":null}],"usage":null}\n\n'
        b'data: {"choices":[{"delta":{"content":""},"finish_reason":"stop"}],"usage":null}\n\n'
        b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4,'
        b'"prompt_tokens_details":{"cached_tokens":2}}}\n\ndata: [DONE]\n\n',
        Chunk("Hi", "", "stop", Usage(3, 1, 0, 2)),
    ),
    (
        "Baidu ERNIE",
        b'data: {"choices":[{"delta":{"content":"Hi"},"flag":0}],"usage":{"prompt_tokens":2,'
        b'"completion_tokens":1,"total_tokens":3}}\n\n'
        b'data: {"choices":[{"delta":{"content":"!"},"finish_reason":"normal"}],"usage":{"prompt_tokens":2,'
        b'"completion_tokens":2,"total_tokens":4}}\n\ndata: [DONE]\n\n',
        Chunk("Hi!", "", "stop", Usage(2, 2)),
    ),
    (
        "Volcengine",
        b'data: {"choices":[{"delta":{"content":"Hi","role":"assistant"},"index":0,"logprobs":null}],'
        b'"model":"ep-20240101-abc","service_tier":"default","usage":null}\n\n'
        b'data: {"choices":[{"delta":{"content":"","role":"assistant"},"finish_reason":"length"}]}\n\n'
        b"data: [DONE]\n\n",
        Chunk("Hi", "", "length"),
    ),
    (
        "Hunyuan",
        b'data: {"id":"1","choices":[{"delta":{"role":"assistant","content":"Hi"},"finish_reason":""}],'
        b'"note":"AI","usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}\n\n'
        b'data: {"id":"1","choices":[{"index":0,"delta":{"content":""},"finish_reason":"stop"}],'
        b'"usage":{"prompt_tokens":1,"completion_tokens":3,"total_tokens":4}}\n\ndata: [DONE]\n\n',
        Chunk("Hi", "", "stop", Usage(1, 3)),
    ),
    (
        "Baichuan",
        b'data:{"choices":[{"delta":{"content":"Hi"},"finish_reason":""}]}\n\n'
        b'data:{"choices":[{"delta":{"content":""},"finish_reason":"stop"}],"usage":{"prompt_tokens":4,'
        b'"completion_tokens":1,"total_tokens":5}}\n\ndata:[DONE]\n\n',
        Chunk("Hi", "", "stop", Usage(4, 1)),
    ),
    (
        "StepFun",
        b'data: {"choices":[{"delta":{"role":"assistant","content":"","reasoning":"Hm"},"finish_reason":""}],'
        b'"usage":{"prompt_tokens":8,"completion_tokens":1,"total_tokens":9}}\n\n'
        b'data: {"choices":[{"delta":{"role":"","content":"Hi"},"finish_reason":""}],'
        b'"usage":{"prompt_tokens":8,"completion_tokens":2,"total_tokens":10}}\n\n'
        b'data: {"choices":[{"delta":{"role":"","content":""},"finish_reason":"stop"}],'
        b'"usage":{"prompt_tokens":8,"completion_tokens":3,"total_tokens":11}}\n\ndata: [DONE]\n\n',
        Chunk("Hi", "Hm", "stop", Usage(8, 3)),
    ),
    (
        "any",
        b'data: {"choices":[{"delta":null,"finish_reason":null}]}\n\n'
        b'data: {"choices":[{"finish_reason":null}]}\n\n'
        b'data: {"choices":[{"delta":{"content":null}}]}\n\n'
        b'data: {"choices":[null]}\n\n'
        b'data: {"choices":[{"delta":true}]}\n\n'
        b'data: {"choices":[{"delta":{"content":true,"reasoning":{}}}]}\n\n'
        b'data: {"choices":[{"delta":{"content":[{"type":"text","text":"Hi"},{"type":"image"}]}}]}\n\n'
        b'data: {"choices":[{"delta":{},"finish_reason":"stop"}],"model":7,"usage":"many"}\n\n'
        b"data: [DONE]\n\n",
        Chunk("Hi", "", "stop"),
    ),
]


@pytest.mark.parametrize(("body", "expected"), [row[1:] for row in VENDORS], ids=[row[0] for row in VENDORS])
def test_the_stream_of_each_vendor_is_read(body: bytes, expected: Chunk) -> None:
    assert read_stream(body) == expected


def test_an_error_in_mid_stream_is_raised_after_the_text_before_it() -> None:
    reader = StreamReader()
    chunk = reader.read(json.dumps(delta("Hel")))
    assert chunk is not None
    assert chunk.text == "Hel"
    with pytest.raises(QuotaError):
        reader.read('{"error":{"message":"Insufficient Balance","code":"x"}}')
    with pytest.raises(ServerError):
        reader.read('{"message":"overloaded"}', "error")
    with pytest.raises(ContentFilterError):
        reader.read('{"choices":[{"delta":{}}],"error":{"message":"no","code":"content_filter"}}')


@pytest.mark.parametrize("data", ["{", '{"a":1e', '{"choices": [{"delta": {"content": "Hel', "{" * 100_000])
def test_json_that_is_cut_is_garbage(data: str) -> None:
    with pytest.raises(GarbageError):
        StreamReader().read(data)


# What servers and relays put between the events of an answer, before it and after it.
NOISE = [
    *('{"created":1,"model":"m"}', '{"type":"ping"}', "{}", "null", "", " ", "ping", "PING", "heartbeat"),
    *(
        "nope",
        "7",
        "[]",
        '"x"',
        "true",
        "2026-11-26T01:02:03Z",
        "1764118923",
        "[" * 100_000,
        "[DONE",
        "keep-alive",
    ),
]


@pytest.mark.parametrize("data", NOISE, ids=lambda data: data[:20])
def test_an_event_that_says_nothing_is_harmless_anywhere(data: str) -> None:
    reader = StreamReader()
    assert reader.read(data) is None
    assert not reader.valid
    reader.read(json.dumps(delta("Hel")))
    assert reader.read(data) is None
    assert reader.read(json.dumps(delta("lo"))) == Chunk("lo", model="deepseek-chat")


def test_an_event_without_data_is_harmless_anywhere() -> None:
    assert StreamReader().read("") is None


def message(content: str, **choice: object) -> dict[str, object]:
    return {
        "choices": [{"message": {"role": "assistant", "content": content, **choice}, "finish_reason": None}]
    }


REPETITIONS: dict[str, tuple[list[dict[str, object]], Chunk]] = {
    "in a message": ([delta("Hel"), delta("lo"), message("Hello")], Chunk("Hello")),
    "in a message beside an empty delta": (
        [
            delta("Hel"),
            delta("lo"),
            {"choices": [{"delta": {"role": "", "content": ""}, "message": {"content": "Hello"}}]},
        ],
        Chunk("Hello"),
    ),
    "in a delta and a message": (
        [
            delta("Hel"),
            delta("lo"),
            {
                "choices": [
                    {"delta": {"content": "Hello"}, "message": {"content": "Hello"}, "finish_reason": "stop"}
                ]
            },
        ],
        Chunk("Hello", finish_reason="stop"),
    ),
    "of the reasoning too": (
        [delta("", reasoning_content="Hm."), delta("Hi"), message("Hi", reasoning_content="Hm.")],
        Chunk("Hi", "Hm."),
    ),
    "of the reasoning, and an answer that is new": (
        [delta("", reasoning_content="Hm."), message("Hi", reasoning_content="Hm.")],
        Chunk("Hi", "Hm."),
    ),
    "none: messages alone": ([message("Hel"), message("lo")], Chunk("Hello")),
    "none: one message": ([message("Hello", reasoning_content="Hm.")], Chunk("Hello", "Hm.")),
    "none: the same piece in both": (
        [
            {"choices": [{"delta": {"content": text}, "message": {"content": text}}]}
            for text in ("no ", "no ")
        ],
        Chunk("no no "),
    ),
    "none: all so far in the message": (
        [
            {"choices": [{"delta": {"content": "a"}, "message": {"content": "a"}}]},
            {"choices": [{"delta": {"content": "b"}, "message": {"content": "ab"}, "finish_reason": "stop"}]},
        ],
        Chunk("ab", finish_reason="stop"),
    ),
}


@pytest.mark.parametrize(("events", "expected"), REPETITIONS.values(), ids=REPETITIONS)
def test_what_a_server_repeats_at_the_end_is_not_taken_twice(
    events: list[dict[str, object]], expected: Chunk
) -> None:
    assert read_stream(b"".join(map(event, events)) + b"data: [DONE]\n\n") == expected


def test_a_key_is_hidden_before_a_quotation_is_cut() -> None:
    key = ApiKey("no-usual/shape+of=key")
    for data in ("x" * 190 + key.reveal(), json.dumps({"echo": "x" * 185 + key.reveal()})):
        reader = StreamReader()
        reader.read(data)
        assert reader.ignored
        assert "no-usual" not in reader.ignored


def test_json_nested_to_any_depth_stays_within_the_family() -> None:
    for depth in range(900, 1010):
        nested = "[" * depth + "]" * depth
        reader = StreamReader()
        with contextlib.suppress(CnaiError):
            reader.read(f'{{"hello": {nested}}}')
        with pytest.raises(CnaiError):
            reader.read(f'{{"error": {{"message": {nested}}}}}')


@pytest.mark.parametrize(
    "data",
    ["[DONE]", " [DONE] ", "[DONE]\n", "[done]", '"[DONE]"', "[Done]", "data: [DONE]", "DONE", "[ DONE ]"],
)
def test_done_ends_the_answer(data: str) -> None:
    reader = StreamReader()
    assert reader.read(data) is None
    assert reader.done


def chunks_of(parts: list[str]) -> Chunk:
    reader = StreamReader()
    read = [reader.add(delta(part)) or Chunk() for part in parts] + [reader.close() or Chunk()]
    return Chunk("".join(chunk.text for chunk in read), "".join(chunk.reasoning for chunk in read))


@pytest.mark.parametrize(
    ("whole", "expected"),
    [
        ("<think>a<b</think>\n\nfour", Chunk("four", "a<b")),
        ("\n <think>\nso\n</think>\n\n  x </think>", Chunk("  x </think>", "\nso\n")),
        ("<think></think>hi", Chunk("hi", "")),
        ("<think>never closed </thi", Chunk("", "never closed </thi")),
        ("<thin air", Chunk("<thin air", "")),
        ("<thi", Chunk("<thi", "")),
        ("say <think>x</think>", Chunk("say <think>x</think>", "")),
        ("\n\n", Chunk("\n\n", "")),
    ],
)
def test_a_think_tag_is_reasoning_wherever_the_content_is_split(whole: str, expected: Chunk) -> None:
    assert chunks_of(list(whole)) == expected
    for first in range(len(whole) + 1):
        for second in range(first, len(whole) + 1):
            assert chunks_of([whole[:first], whole[first:second], whole[second:]]) == expected


def test_a_character_split_over_two_events_is_joined_and_a_lone_half_replaced() -> None:
    assert chunks_of(["a\ud83d", "\ude42b"]).text == "a🙂b"
    assert chunks_of(["a\ud83d", "b"]).text == "a�b"
    assert chunks_of(["a", "\ud83d"]).text == "a�"
    assert chunks_of(["\ude42"]).text == "�"
    for second, expected in (("\ude42b", "a🙂b"), ("b", "a�b"), ("", "a�")):
        reader = StreamReader()
        chunks = [reader.add(delta("", reasoning_content=half)) for half in ("a\ud83d", second)]
        assert "".join(each.reasoning for each in (*chunks, reader.close()) if each) == expected


# -- usage ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (None, None),
        ("x", None),
        ([], None),
        ({}, None),
        ({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}, None),
        ({"prompt_tokens": 3}, Usage(3, 0)),
        ({"prompt_tokens": 3, "total_tokens": 5}, Usage(3, 2)),
        ({"completion_tokens": 3, "total_tokens": 5}, Usage(2, 3)),
        ({"prompt_tokens": "3", "completion_tokens": 2.0}, Usage(3, 2)),
        ({"prompt_tokens": True, "completion_tokens": -2, "total_tokens": math.nan}, None),
        ({"prompt_tokens": 10**400, "completion_tokens": 1}, Usage(0, 1)),
        ({"prompt_tokens": 3, "completion_tokens": 2, "prompt_cache_hit_tokens": 9}, Usage(12, 2, 0, 9)),
        ({"prompt_tokens": 3, "prompt_tokens_details": None, "completion_tokens_details": 7}, Usage(3, 0)),
    ],
)
def test_usage_is_read_from_whatever_is_there(raw: object, expected: Usage | None) -> None:
    reader = StreamReader()
    reader.add({"choices": [], "usage": raw})
    assert reader.usage == expected


def test_usage_in_every_chunk_is_cumulative_and_zero_or_null_does_not_erase_it() -> None:
    reader = StreamReader()
    for raw in ({"prompt_tokens": 5, "completion_tokens": 1}, {"prompt_tokens": 5, "completion_tokens": 2}):
        reader.add({"choices": [], "usage": raw})
    reader.add({"choices": [], "usage": {"prompt_tokens": 0, "completion_tokens": 0}})
    reader.add({"choices": [], "usage": None})
    assert reader.usage == Usage(5, 2)


# -- whole answers and models ---------------------------------------------------------------------


def test_a_whole_answer_is_one_chunk() -> None:
    reader = StreamReader()
    chunk = reader.add(completion("<think>so</think>\n\n2 + 2 equals 4."))
    assert chunk == Chunk("2 + 2 equals 4.", "so", "stop", Usage(20, 8), "deepseek-chat")
    assert reader.close() is None


@pytest.mark.parametrize("body", [{}, {"choices": None}, {"choices": "x"}, {"object": "list", "data": []}])
def test_json_that_holds_no_answer_adds_nothing(body: dict[str, object]) -> None:
    reader = StreamReader()
    assert reader.add(body) is None
    assert not reader.answered


def test_models_are_read_once_each_in_order_whatever_else_the_items_carry() -> None:
    items = [
        {"id": "deepseek-chat", "object": "model", "owned_by": "deepseek", "permission": None, "root": "x"},
        {"id": "ep-2024", "owned_by": None},
        {"id": "deepseek-chat", "owned_by": "other"},
        {"id": ""},
        {"id": 7},
        "glm",
        {"name": "sonar"},
        {"model": "qwen"},
        7,
    ]
    assert read_models({"object": "list", "data": items}) == [
        Model("deepseek-chat", "deepseek"),
        Model("ep-2024"),
        Model("glm"),
        Model("sonar"),
        Model("qwen"),
    ]
    assert read_models({"models": ["sonar"]}) == read_models({"result": [{"name": "sonar"}]})


def test_a_list_of_models_that_is_none_is_refused() -> None:
    with pytest.raises(NotAStreamError):
        read_models({"data": None})
    with pytest.raises(QuotaError):
        read_models({"error": {"message": "该令牌额度已用尽"}})


# -- where an answer ends -------------------------------------------------------------------------

TEXT, MORE, ALONE = delta("a"), delta("b"), delta(finish="stop")
WITH_TEXT, FIRST = delta("a", finish="stop"), delta(finish="stop")
COUNT = {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 1}}
COUNT_WITH_TEXT = {**delta("a"), "usage": {"prompt_tokens": 1, "completion_tokens": 1}}
CAMEL = {"choices": [{"delta": {}, "finishReason": "STOP"}]}
WHOLE = completion("a")

# (events, complete where the body is cut off, complete where its framing shows that it is all)
ENDS: dict[str, tuple[list[Any], bool, bool]] = {
    "nothing": ([], False, False),
    "text": ([TEXT], False, False),
    "text, done": ([TEXT, "[DONE]"], False, False),
    "text, finish": ([TEXT, ALONE], True, True),
    "text, finish in another spelling": ([TEXT, CAMEL], True, True),
    "text, finish, done": ([TEXT, ALONE, "[DONE]"], True, True),
    "text with finish": ([WITH_TEXT], True, True),
    "text with finish, text": ([WITH_TEXT, MORE], False, True),
    "text with finish, text with finish": ([WITH_TEXT, WITH_TEXT], False, True),
    "text with finish, text with finish, done": ([WITH_TEXT, WITH_TEXT, "[DONE]"], True, True),
    "text with finish, text with finish, count": ([WITH_TEXT, WITH_TEXT, COUNT], True, True),
    "finish": ([FIRST], False, True),
    "finish, done": ([FIRST, "[DONE]"], True, True),
    "finish, text": ([FIRST, TEXT], False, True),
    "finish, text, finish": ([FIRST, TEXT, ALONE], False, True),
    "finish, text, done": ([FIRST, TEXT, "[DONE]"], True, True),
    "text, count": ([TEXT, COUNT], True, True),
    "text, count, text": ([TEXT, COUNT, MORE], False, False),
    "text with count": ([COUNT_WITH_TEXT], False, False),
    "text with count, done": ([COUNT_WITH_TEXT, "[DONE]"], False, False),
    "text, count, done": ([TEXT, COUNT, "[DONE]"], True, True),
    "count, done": ([COUNT, "[DONE]"], False, False),
    "a word that means no finish": ([delta("a", finish="null"), "[DONE]"], False, False),
    "a whole answer": ([WHOLE], True, True),
    "a whole answer, done": ([WHOLE, "[DONE]"], True, True),
}


@check_each(("events", "cut", "clean"), ENDS.values(), ids=ENDS)
def test_a_complete_answer_is_told_from_a_cut_one(events: list[Any], cut: bool, clean: bool) -> None:
    reader = StreamReader()
    for each in events:
        reader.read(each if isinstance(each, str) else json.dumps(each))
    assert (reader.is_complete(cleanly=False), reader.is_complete(cleanly=True)) == (cut, clean)


@check_each(
    ("reason", "expected"),
    [
        *[(word, "") for word in ("null", "NULL", "None", "", " ", "undefined", "FINISH_REASON_UNSPECIFIED")],
        *[
            (word, "stop")
            for word in ("stop", "STOP", "end_turn", "eos", "stop_sequence", "normal", "completed")
        ],
        *[
            (word, "stop")
            for word in ("FINISH_REASON_STOP", "FinishReason.STOP", "stop_str", "end_of_turn", "eot")
        ],
        *[(word, "length") for word in ("length", "MAX_TOKENS", "max_output_tokens", "model_length")],
        *[(word, "length") for word in ("model_context_window_exceeded", "token-limit", "ERROR_LIMIT")],
        *[(word, "content_filter") for word in ("content_filter", "SAFETY", "sensitive")],
        *[(word, "content_filter") for word in ("refusal", "content-filter", "RECITATION", "ERROR_TOXIC")],
        *[(word, "error") for word in ("ERROR", "abort", "engine_error", "failed")],
        ({"type": "length", "length": 16}, "length"),
        ({"type": "stop", "matched": 151645}, "stop"),
        ({"matched": 1}, ""),
        *[(word, word) for word in ("tool_calls", "insufficient_system_resource", "network_error", "error")],
    ],
)
@check_each("name", ["finish_reason", "finishReason"])
def test_the_last_reason_that_means_something_counts(name: str, reason: object, expected: str) -> None:
    reader = StreamReader()
    for text in ("a", "b"):
        reader.add({"choices": [{"delta": {"content": text}, name: reason}]})
    assert reader.finish_reason == expected


# -- reasoning under all its names ----------------------------------------------------------------

THOUGHTS: dict[str, dict[str, Any]] = {
    **{
        name: {name: "Hm."}
        for name in (
            "reasoning_content",
            "reasoning",
            "reasoning_text",
            "thinking",
            "thinking_content",
            "thought",
        )
    },
    "details, text": {"reasoning_details": [{"type": "reasoning.text", "text": "Hm."}]},
    "details, summary": {"reasoning_details": [{"type": "reasoning.summary", "summary": "Hm."}]},
    "details, encrypted": {
        "reasoning_details": [
            {"type": "reasoning.encrypted", "data": "c2VjcmV0"},
            {"type": "reasoning.text", "text": "Hm."},
        ]
    },
    "details beside": {
        "reasoning_content": "Hm.",
        "reasoning_details": [{"type": "reasoning.text", "text": "Hm."}],
    },
    "two names": {"reasoning_content": "Hm.", "reasoning": "Hm."},
    "an object": {"reasoning": {"content": "Hm."}},
    "an object of Bedrock": {"reasoning_content": {"reasoningText": {"text": "Hm.", "signature": "x"}}},
    "blocks of LiteLLM": {"thinking_blocks": [{"type": "thinking", "thinking": "Hm.", "signature": "x"}]},
    "a part": {"content": [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "four"}]},
    "a part with parts": {
        "content": [
            {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]},
            {"type": "redacted_thinking", "data": "x"},
            {"type": "text", "text": "four"},
        ]
    },
    "a part of reasoning": {
        "content": [{"type": "reasoning", "text": "Hm."}, {"type": "text", "text": "four"}]
    },
    "a summary": {
        "content": [
            {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}]},
            {"type": "text", "text": "four"},
        ]
    },
}


@check_each("fields", THOUGHTS.values(), ids=THOUGHTS)
@check_each("place", ["delta", "message"])
def test_a_thought_is_never_in_the_answer(place: str, fields: dict[str, Any]) -> None:
    chunk = StreamReader().add({"choices": [{place: {"content": "four", **fields}}]})
    assert chunk is not None
    assert (chunk.text, chunk.reasoning) == ("four", "Hm.")


# Where an answer stands that is not in its usual place: an event, the text.
PLACES: dict[str, tuple[dict[str, Any], str]] = {
    "a number": ({"choices": [{"delta": {"content": 9}}]}, "9"),
    "zero": ({"choices": [{"delta": {"content": 0}}]}, "0"),
    "JSON that a gateway has read": ({"choices": [{"message": {"content": {"a": [1]}}}]}, '{"a": [1]}'),
    "the delta itself": ({"choices": [{"delta": "four"}]}, "four"),
    "a text of the delta": ({"choices": [{"delta": {"text": "four"}}]}, "four"),
    "the choice": ({"choices": [{"content": "four"}]}, "four"),
    "one choice that is no list": ({"choices": {"delta": {"content": "four"}}}, "four"),
    "a value": ({"choices": [{"delta": {"content": [{"type": "text", "text": {"value": "four"}}]}}]}, "four"),
    "output": ({"choices": [{"delta": {"content": [{"type": "x", "output_text": "four"}]}}]}, "four"),
    "what was spoken": (
        {"choices": [{"message": {"content": None, "audio": {"transcript": "four"}}}]},
        "four",
    ),
    "packed by a relay": ({"code": 200, "data": {"choices": [{"message": {"content": "four"}}]}}, "four"),
    "Qwen's own form": ({"output": {"choices": [{"message": {"content": "four"}}]}, "usage": {}}, "four"),
}


@pytest.mark.parametrize(("body", "text"), PLACES.values(), ids=PLACES)
def test_an_answer_is_found_wherever_it_stands(body: dict[str, Any], text: str) -> None:
    chunk = StreamReader().add(body)
    assert chunk is not None
    assert chunk.text == text


# Whole answers in the forms of other APIs, as some relays pass them on.
OTHER_FORMS: dict[str, dict[str, Any]] = {
    "Anthropic's Messages": {
        "role": "assistant",
        "content": [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "four"}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 5, "output_tokens": 4},
    },
    "OpenAI's Responses": {
        "object": "response",
        "error": None,
        "status": "completed",
        "output": [
            {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}]},
            {"type": "message", "content": [{"type": "output_text", "text": "four"}]},
        ],
        "usage": {"input_tokens": 5, "output_tokens": 4, "total_tokens": 9},
    },
    "Gemini": {
        "candidates": [
            {
                "content": {"parts": [{"text": "Hm.", "thought": True}, {"text": "four"}]},
                "finishReason": "STOP",
            }
        ],
        "usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 4, "totalTokenCount": 9},
    },
}


@pytest.mark.parametrize("body", OTHER_FORMS.values(), ids=OTHER_FORMS)
def test_a_whole_answer_in_the_form_of_another_api_is_read(body: dict[str, Any]) -> None:
    reader = StreamReader()
    chunk = reader.add(body)
    assert chunk is not None
    assert (chunk.text, chunk.reasoning, chunk.finish_reason) == ("four", "Hm.", "stop")
    assert chunk.usage == Usage(5, 4)
    assert reader.is_complete(cleanly=True)


@pytest.mark.parametrize(
    "body",
    [
        {"role": "assistant", "content": [3, None, []]},
        {"candidates": [{"content": 3}]},
        {"candidates": [{"content": {"parts": 3}}]},
        {"object": "response", "output": [3, {"type": "message", "content": 3}, {"type": "reasoning"}]},
        {"object": "response", "output": [], "incomplete_details": 3, "status": 3},
    ],
)
def test_what_only_looks_like_another_api_holds_no_answer(body: dict[str, Any]) -> None:
    with contextlib.suppress(CnaiError):
        chunk = StreamReader().add(body)
        assert chunk is None or chunk.text in ("", "3")


@pytest.mark.parametrize(
    "message",
    [
        {"content": "", "images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}]},
        {"content": [{"type": "output_image", "data": "AA"}]},
    ],
)
def test_an_image_in_an_answer_is_said(message: dict[str, Any]) -> None:
    reader = StreamReader()
    reader.add({"choices": [{"message": message, "finish_reason": "stop"}]})
    last = reader.close()
    assert last is not None
    assert last.note == "1 image in the answer, not shown"


@pytest.mark.parametrize(
    "choice",
    [
        {"delta": {"error": {"message": "boom"}}, "finish_reason": "error"},
        {"delta": {}, "error": {"message": "boom", "code": 502}, "finish_reason": "error"},
        {"delta": {}, "finish_reason": "abort", "error": "boom"},
    ],
)
def test_an_error_within_a_choice_is_raised(choice: dict[str, Any]) -> None:
    reader = StreamReader()
    reader.add({"choices": [{"delta": {"content": "a"}}]})
    with pytest.raises(ServerError, match="boom"):
        reader.add({"choices": [choice]})


def test_an_answer_that_fails_without_a_word_is_an_error() -> None:
    with pytest.raises(ServerError, match="'abort'"):
        StreamReader().add({"choices": [{"delta": {}, "finish_reason": "abort"}]})


def choice(index: object, text: str, finish: str | None = None) -> dict[str, Any]:
    return {"index": index, "delta": {"content": text}, "finish_reason": finish}


# (the choices of each event, the answer)
CHOICES: dict[str, tuple[list[list[Any]], str]] = {
    "one": ([[choice(0, "a")], [choice(0, "b")]], "ab"),
    "one, of an index that is none": ([[choice(None, "a")], [choice(None, "b")]], "ab"),
    "one, counted from 1": ([[choice(1, "a")], [choice(1, "b")]], "ab"),
    "one, its chunks counted": ([[choice(each, text)] for each, text in enumerate("abcd")], "abcd"),
    "one, named late": ([[choice(0, "")], [choice(1, "a")], [choice(1, "b")]], "ab"),
    "one, empty at first": ([[], [None], [choice(0, "a")], [choice(0, "b")]], "ab"),
    "two by turns": (
        [[choice(0, "")], [choice(1, "")], *[[choice(i, t)] for i, t in ((0, "a"), (1, "x"), (0, "b"))]],
        "ab",
    ),
    "two by turns, the other ends first": (
        [[choice(0, "")], [choice(1, "")], [choice(0, "a")], [choice(1, "", "length")], [choice(0, "b")]],
        "ab",
    ),
    "two in each": ([[choice(1, "x"), choice(0, "a")], [choice(0, "b"), choice(1, "y")]], "ab"),
    "two in each, then one": ([[choice(0, "a"), choice(1, "x")], [choice(1, "y")], [choice(0, "b")]], "ab"),
}


@pytest.mark.parametrize(("events", "expected"), CHOICES.values(), ids=CHOICES)
def test_one_choice_is_the_answer(events: list[list[Any]], expected: str) -> None:
    found = read_stream(b"".join(event({"choices": choices}) for choices in events))
    assert found == Chunk(expected)


@pytest.mark.parametrize("place", ["delta", "message"])
def test_usage_may_stand_within_the_choice(place: str) -> None:
    usage = {"prompt_tokens": 7, "completion_tokens": 2}
    chunk = StreamReader().add(
        {"choices": [{place: {"content": "a", "usage": usage}, "finish_reason": "stop"}]}
    )
    assert chunk is not None
    assert chunk.usage == Usage(7, 2)


def test_a_refusal_is_the_answer() -> None:
    for place in ("delta", "message"):
        chunk = StreamReader().add({"choices": [{place: {"content": None, "refusal": "I will not."}}]})
        assert chunk is not None
        assert chunk.text == "I will not."


def test_a_control_character_in_a_string_is_read_as_it_is() -> None:
    chunk = StreamReader().read('{"choices": [{"delta": {"content": "a\tb"}}]}')
    assert chunk is not None
    assert chunk.text == "a\tb"


@pytest.mark.parametrize(
    "body",
    [
        {"code": 0, "message": "Success", "choices": []},
        {"code": 200, "message": "ok", "choices": [], "usage": None},
        {"code": "0", "message": "Success", "id": "1", "choices": None, "usage": {"prompt_tokens": 1}},
        {"code": None, "message": "Success", "choices": []},
        {"code": "200", "msg": "success", "choices": []},
        {"code": 0, "message": "Success"},
        {"status": "queued", "position": 3},
        {"status": "processing"},
    ],
)
def test_a_success_is_no_error(body: dict[str, Any]) -> None:
    reader = StreamReader()
    reader.read(json.dumps(body))
    assert not reader.finish_reason


@pytest.mark.parametrize(
    ("data", "event", "word"),
    [
        ("upstream gave no answer", "error", "upstream gave no answer"),
        ('data: {"error": {"message": "busy"}}', "message", "busy"),
        ('data: data: {"error": {"message": "busy"}}', "message", "busy"),
        ('error: {"message": "busy"}', "message", "busy"),
        ("error: it fell over", "message", "it fell over"),
        ('{"choices": [{"finish_reason": "error", "error": {"message": "busy", "code": 502}}]}', "x", "busy"),
        ('{"Note": "x", "ErrorMsg": {"Msg": "busy", "Code": 4001}}', "message", "busy"),
        ('[{"error": {"code": 503, "message": "busy", "status": "UNAVAILABLE"}}]', "message", "busy"),
    ],
)
def test_the_servers_words_reach_the_person(data: str, event: str, word: str) -> None:
    reader = StreamReader()
    reader.read(json.dumps(delta("Hel")))
    with pytest.raises(CnaiError) as caught:
        reader.read(data, event)
    assert word in caught.value.why
