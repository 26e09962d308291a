"""The key is nowhere: not in the notebook, its outputs, the logs, the tracebacks, the bodies of requests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbformat
import pytest

from cnai_magic.chat.attempt import Attempt
from cnai_magic.chat.conversation import CellPosition
from cnai_magic.chat.reply import Reply
from cnai_magic.magics.chat import run_chat_command
from cnai_magic.notebook.record import bundle, metadata
from cnai_magic.redaction import ApiKey
from cnai_magic.session.kernel_session import KernelSession
from cnai_magic.session.question import Options
from cnai_magic.settings import Cnai
from tests.notebooks import code, execute, new_notebook
from tests.servers import ScriptedServer, chunked, completion, delta, event, failure, json_response, response

# Put together here, so that the source holds nothing of the shape of a key.
KEY = "sk-" + "N0tTo8eS33n" * 3

LOGS = """\
import logging, http.client
logging.basicConfig(filename="everything.log", level=logging.DEBUG, force=True)
%xmode Verbose
"""


def places_of(key: str, folder: Path) -> list[str]:
    """Return the files below `folder` that hold the key or most of it, as text or escaped."""
    needles = [key, key[3:], key[:20], key[-20:]]
    return [
        str(path)
        for path in folder.rglob("*")
        if path.is_file() and any(needle.encode() in path.read_bytes() for needle in needles)
    ]


def script(server: ScriptedServer, fault: str) -> None:
    """Have the server answer every request with this fault, showing the key wherever it could."""
    replies = {
        "401 that echoes the key": failure(401, "invalid_api_key", f"Incorrect API key provided: {KEY}"),
        "500": failure(500, "server_error", f"while checking {KEY[:24]}"),
        "redirect": response("", 302, Location=f"http://127.0.0.1:9/?key={KEY}"),
        "stream error": chunked([event(delta("part of ")), event({"error": {"message": f"bad: {KEY}"}})]),
    }
    server.always(replies.get(fault, json_response(completion("4"))))


@pytest.mark.parametrize(
    "fault", ["none", "401 that echoes the key", "500", "redirect", "nobody", "stream error"]
)
def test_no_file_holds_the_key(fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CNAI_API_KEY", KEY)
    monkeypatch.chdir(tmp_path)
    with ScriptedServer() as server:
        address = "http://127.0.0.1:9/v1" if fault == "nobody" else server.base_url
        monkeypatch.setenv("CNAI_BASE_URL", address)
        script(server, fault)
        notebook = execute(
            new_notebook(
                LOGS,
                "%load_ext cnai_magic\n%config Cnai.retries = 0",
                code("%%cnai some-model\nWhat is 2+2?", fails=True),
                code("%%cnai some-model --no-stream\nWhat is 2+2?", fails=True),
                code("%cnai_models", fails=True),
                "session = get_ipython().magics_manager.registry['CnaiMagics'].session",
                "vars(session), vars(session.servers), vars(session._keys), session.resolve_endpoint()",
                code("1 / 0", fails=True),
                "%cnai_spend",
                "%config Cnai",
            )
        )
        if fault != "nobody":
            assert any(KEY in str(request.headers) for request in server.requests), "the key was never used"
            assert not any(KEY.encode() in request.body for request in server.requests)
    nbformat.write(notebook, tmp_path / "executed.ipynb")
    assert (tmp_path / "everything.log").stat().st_size > 0
    assert places_of(KEY, tmp_path) == []


@pytest.mark.parametrize("unseen", ["", "\u200b", "\x1b[1m", "\x00", "\u202e"])
def test_no_view_or_export_of_a_conversation_shows_the_key(unseen: str, tmp_path: Path) -> None:
    ApiKey(KEY)
    split = KEY[:9] + unseen + KEY[9:]
    session = KernelSession(Cnai(base_url="demo", ledger="off"))
    conversation = session.conversations.in_use
    conversation.system = split
    fields = (
        "text",
        "prompt",
        "model",
        "answered_by",
        "note",
        "reasoning",
        "system",
        "finish_reason",
        "request",
    )
    reply = Reply(**dict.fromkeys(fields, split))  # type: ignore[arg-type]
    attempt = conversation.record(CellPosition("c1"), Attempt(reply)).attempt
    shown: list[Any] = [reply.markdown, attempt.footer, metadata(attempt), bundle(attempt)]
    commands = [
        "show",
        "list",
        "versions 1",
        "system",
        *(f"export {tmp_path}/e.{kind}" for kind in ("md", "json")),
    ]
    for command in [*commands, f"export {tmp_path}/e.ipynb"]:
        view: Any = run_chat_command(session, command, lambda: None)
        shown.append(repr(view))
        if hasattr(view, "_repr_mimebundle_"):
            shown.append(view._repr_mimebundle_())
    shown += [(tmp_path / f"e.{kind}").read_text() for kind in ("md", "json", "ipynb")]
    for each in shown:
        text = each if isinstance(each, str) else json.dumps(each)
        for mark in (unseen, json.dumps(unseen)[1:-1]):
            text = text.replace(mark, "") if mark else text
        assert KEY[3:] not in text


def test_the_search_would_find_the_key(tmp_path: Path) -> None:
    (tmp_path / "notebook.ipynb").write_text(json.dumps({"output": f"Bearer {KEY}"}))
    (tmp_path / "log").write_text(f"partly: {KEY[:22]}…")
    assert len(places_of(KEY, tmp_path)) == 2


def test_a_prompt_that_holds_the_key_is_not_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from cnai_magic.errors import InputError

    with ScriptedServer() as server:
        session = KernelSession(Cnai(base_url=server.base_url))
        session.use_key(ApiKey(KEY))
        with pytest.raises(InputError, match="your own API key"):
            session.ask(f"Is this key right? {KEY}", Options(model="some-model"))
        assert server.requests == []
