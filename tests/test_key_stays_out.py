"""The key is nowhere: not in the notebook, its outputs, the logs, the tracebacks, the bodies of requests."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import nbformat
import pytest

from cnai_magic.chat.attempt import Attempt
from cnai_magic.chat.conversation import CellPosition
from cnai_magic.chat.reply import Reply
from cnai_magic.magics.chat_commands import run_chat_command
from cnai_magic.notebook.record import build_bundle, build_metadata
from cnai_magic.redaction import ApiKey
from cnai_magic.session.kernel_session import KernelSession
from cnai_magic.session.question import Options
from cnai_magic.settings import Cnai
from tests.notebooks import FrontEnd, code, new_notebook
from tests.servers import ScriptedServer, chunked, completion, delta, event, failure, json_response, response

# Put together here, so that the source holds nothing of the shape of a key.
KEY = "sk-" + "N0tTo8eS33n" * 3

LOGS = """\
import logging, http.client
logging.basicConfig(filename="everything.log", level=logging.DEBUG, force=True)
%xmode Verbose
"""


FAULTS = ["none", "401 that echoes the key", "500", "redirect", "stream error"]
QUESTIONS = [
    "%%cnai some-model\nWhat is 2+2?",
    "%%cnai some-model --no-stream\nWhat is 2+2?",
    "%cnai_models --refresh",
]
LOOK_EVERYWHERE = [
    "session = get_ipython().magics_manager.registry['CnaiMagics'].session",
    "vars(session), vars(session.servers), vars(session._keys), session.resolve_endpoint()",
    "1 / 0",
    "%cnai_spend",
    "%config Cnai",
]


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


def test_no_file_holds_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CNAI_API_KEY", KEY)
    notebook = new_notebook()
    front_end = FrontEnd(notebook)

    def run(*sources: str) -> None:
        for source in sources:
            notebook.cells.append(code(source, fails=True))
            front_end.execute_cell(notebook.cells[-1], len(notebook.cells) - 1)

    with ExitStack() as running:
        server = running.enter_context(ScriptedServer())
        monkeypatch.setenv("CNAI_BASE_URL", server.base_url)
        with front_end.setup_kernel():
            run(LOGS, "%load_ext cnai_magic\n%config Cnai.retries = 0")
            for fault in FAULTS:
                before = len(server.requests)
                script(server, fault)
                run(*QUESTIONS)
                sent = server.requests[before:]
                assert any(KEY in str(request.headers) for request in sent), "the key was never used"
                assert not any(KEY.encode() in request.body for request in sent)
            # From here on nobody listens at the address.
            running.close()
            run(*QUESTIONS, *LOOK_EVERYWHERE)
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
    shown: list[Any] = [reply.markdown, attempt.footer, build_metadata(attempt), build_bundle(attempt)]
    commands = [
        "show",
        "list",
        "versions 1",
        "system",
        f"rate 1 good {split}",
        "versions 1",
        *(f"export {tmp_path}/e.{kind}" for kind in ("md", "json", "csv")),
    ]
    for command in [*commands, f"export {tmp_path}/e.ipynb"]:
        view: Any = run_chat_command(session, command, lambda: None)
        shown.append(repr(view))
        if hasattr(view, "_repr_mimebundle_"):
            shown.append(view._repr_mimebundle_())
    shown += [(tmp_path / f"e.{kind}").read_text() for kind in ("md", "json", "csv", "ipynb")]
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
