"""What the kernel sends to the page while an answer comes."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from tests.kernels import Kernel, Ran, running_kernel
from tests.servers import ScriptedServer, Wait, chunked, delta, event, failure, http_chunk, sse, usage

KEY = "sk-" + "N0tTo8eS33n" * 3
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u2060\ufeff]|\\\\u00[01][0-9a-f]|\\\\u200b")


@pytest.fixture(scope="module")
def upstream() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        yield server


@pytest.fixture(scope="module")
def kernel(upstream: ScriptedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    folder = tmp_path_factory.mktemp("kernel")
    with running_kernel(folder, CNAI_API_KEY=KEY, CNAI_BASE_URL=upstream.base_url) as kernel:
        yield kernel


def sent(ran: Ran, kind: str) -> list[dict[str, Any]]:
    """Return what was sent to the page of one kind."""
    contents = [each["data"].get("content") or {} for each in ran.of("comm_msg")]
    return [content for content in contents if content.get("kind") == kind]


def ask(kernel: Kernel, upstream: ScriptedServer, *parts: dict[str, Any] | list[dict[str, Any]]) -> Ran:
    """Ask a question whose answer comes in parts, each after the one before it was sent to the page."""
    gates = [threading.Event() for _ in parts[1:]]
    begin, end = chunked([])
    pieces: list[Any] = []
    for index, part in enumerate(parts):
        pieces += [Wait(gates[index - 1])] if index else []
        pieces += [http_chunk(event(each)) for each in (part if isinstance(part, list) else [part])]
    last = [delta(finish="stop"), {"choices": [], "usage": usage(20, 8)}, "[DONE]"]
    upstream.reply([begin, *pieces, *(http_chunk(event(each)) for each in last), end])
    arrived = 0

    def open_next(message: dict[str, Any]) -> None:
        nonlocal arrived
        content = message["content"].get("data", {}).get("content") or {}
        if content.get("kind") == "delta" and arrived < len(gates):
            gates[arrived].set()
            arrived += 1

    return kernel.run("%%cnai --once\nAnything", "a", meanwhile=open_next)


def test_the_text_of_an_answer_that_is_not_the_json_is_taken_back(
    kernel: Kernel, upstream: ScriptedServer
) -> None:
    upstream.reply(sse("It is ", "four."))
    upstream.reply(sse("[4]"))
    ran = kernel.run("%%cnai --once --json\nHow many?", "a")
    states = [each["data"]["state"] for each in ran.of("comm_msg") if "state" in each["data"]]
    (taken_back,) = [each["snapshot"] for each in states if each.get("snapshot", {}).get("text") == ""]
    assert [each["status"]["why"] for each in states if each.get("status", {}).get("why")] == [
        "that is not the JSON that was asked for"
    ]
    after = [each["text"] for each in sent(ran, "delta") if each["seq"] > taken_back["seq"]]
    assert "".join(after) == "[4]"
    assert ran.final["data"]["text/markdown"].startswith("```json\n[4]\n```")


@pytest.mark.parametrize(
    "between", ["", "\u200b", "\x1b[31m", "\x00", "\u2060\u00ad"], ids=["nothing", "ZWSP", "CSI", "NUL", "WJ"]
)
@pytest.mark.parametrize("field", ["content", "reasoning_content"])
def test_a_key_that_comes_in_parts_never_reaches_the_page(
    kernel: Kernel, upstream: ScriptedServer, between: str, field: str
) -> None:
    first, second = f"Before {KEY[:9]}{between}", f"{KEY[9:20]}{between}{KEY[20:]} after"
    parts = [delta(**{field: text}) for text in ("It is: ", first, second)]
    if field == "reasoning_content":
        parts.append(delta("Done."))
    # The first of the two parts may be held back: the second does not wait for it to be shown.
    ran = ask(kernel, upstream, parts[0], parts[1:3], *parts[3:])
    assert not ran.error, ran.error
    told = _UNSEEN.sub("", json.dumps([each["content"] for each in ran.messages], ensure_ascii=False))
    assert KEY not in told
    assert KEY[3:] not in told
    name = "text" if field == "content" else "reasoning"
    shown = "".join(each[name] for each in sent(ran, "delta"))
    assert re.fullmatch(r"It is: Before sk-…\S* after", shown), shown


def test_the_page_gets_the_footer_that_the_answer_would_have_now(
    kernel: Kernel, upstream: ScriptedServer
) -> None:
    thought, text = delta(reasoning_content="So it must be four. "), delta("Four.")
    ran = ask(kernel, upstream, thought, text)
    first, *_ = reports = sent(ran, "progress")
    assert first["thinking"] == first["tokens"] > 0
    assert re.fullmatch(
        r"deepseek-chat · ≈\d+ → ≈\d+ tokens \(≈\d+ thinking\) · free, local · \d\.\d s · notebook free",
        reports[-1]["footer"],
    )
    [ended] = sent(ran, "ended")
    assert ended["footer"] == ran.final["footer"]


def test_what_a_server_says_of_a_failure_is_clean(kernel: Kernel, upstream: ScriptedServer) -> None:
    kernel.run("%config Cnai.retries = 1")
    for _ in range(2):
        upstream.reply(failure(503, "busy", f"\x1b[2Jno\u200b {KEY[:9]}\x00{KEY[9:]}", Retry_After="0"))
    ran = kernel.run("%%cnai --once\nAnything", "a")
    states = [each["data"].get("state", {}).get("status") for each in ran.of("comm_msg")]
    assert any(state and state["phase"] == "retry" for state in states)
    told = json.dumps([each["content"] for each in ran.messages], ensure_ascii=False)
    assert KEY[3:] not in _UNSEEN.sub("", told)


def test_while_a_cell_asks_again_its_output_keeps_the_answers_before(
    kernel: Kernel, upstream: ScriptedServer
) -> None:
    for text in ("First.", "Second."):
        upstream.reply(sse(text))
        ran = kernel.run("%%cnai --new\nAnything" if text == "First." else "%%cnai\nAnything", "again")
    live, *_ = ran.of("display_data")
    assert "widget-view" in str(live["data"].keys())
    [turn] = live["metadata"]["cnai"]["kept"]["turns"]
    assert turn["text"] == "First."
    final = ran.of("update_display_data")[-1]
    assert final["metadata"]["cnai"]["kept"]["turns"] == []


def test_the_beginning_of_answers_side_by_side_is_shown_once_they_come(
    kernel: Kernel, upstream: ScriptedServer
) -> None:
    gate = threading.Event()
    begin, end = chunked([])
    last = [delta(" World.", finish="stop"), {"choices": [], "usage": usage(20, 8)}, "[DONE]"]
    for text in ("Dear Ada, hello", " hello"):  # the first repeats what was sent
        first = http_chunk(event(delta(text)))
        upstream.reply([begin, first, Wait(gate), *(http_chunk(event(each)) for each in last), end])

    def watch(message: dict[str, Any]) -> None:
        if "Dear Ada," in str(message["content"].get("data", {}).get("content")):
            gate.set()

    ran = kernel.run("%%cnai --times 2 --parallel 1 --prefix 'Dear Ada,'\nAnything", "a", meanwhile=watch)
    assert not ran.error
    for index in range(2):
        news = [each for message in sent(ran, "columns") for at, each in message["messages"] if at == index]
        deltas = [each["text"] for each in news if each["kind"] == "delta"]
        assert deltas[0].startswith("Dear Ada,")
        assert "".join(deltas) == "Dear Ada, hello World."


def test_answers_side_by_side_take_few_messages(kernel: Kernel, upstream: ScriptedServer) -> None:
    columns, text = 6, "Some words of an answer. " * 400
    gate = threading.Event()
    begin, end = chunked([])
    pieces = [http_chunk(event(delta(text[at : at + 50]))) for at in range(0, len(text), 50)]
    last = [delta(finish="stop"), {"choices": [], "usage": usage(20, 8)}, "[DONE]"]
    for _ in range(columns):
        pieces_and_end = [*pieces[100:], *(http_chunk(event(each)) for each in last), end]
        upstream.reply([begin, *pieces[:100], Wait(gate), *pieces_and_end])
    told: list[dict[str, Any]] = []

    def watch(message: dict[str, Any]) -> None:
        if (message["content"].get("data", {}).get("content") or {}).get("kind") == "columns":
            told.append(message)
        if len(told) == 4:
            gate.set()

    ran = kernel.run(f"%%cnai --times {columns} --parallel {columns}\nAnything", "a", meanwhile=watch)
    assert not ran.error
    # What the page sends meanwhile ends with "idle": that the cell still runs is said again.
    assert [each["execution_state"] for each in ran.of("status")].count("busy") > 1
    for index in range(columns):
        news = [each for message in sent(ran, "columns") for at, each in message["messages"] if at == index]
        deltas = [each["text"] for each in news if each["kind"] == "delta"]
        assert "".join(deltas) == text
        assert len(deltas) <= len(told)
    # All columns are in one message, four times a second at most, but for the last one.
    dates = [each["header"]["date"].timestamp() for each in told[:-1]]
    assert all(later - date > 0.2 for date, later in pairwise(dates))
    # Text goes twice at most: as it comes, and whole for a view that begins to look.
    size = sum(len(json.dumps(each)) for each in ran.of("comm_msg"))
    assert size < 2 * columns * len(text) + 250 * columns * len(told) + 10_000
