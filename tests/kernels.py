"""A real kernel in a process of its own, asked over its channels as a front end does."""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager
from nbformat import NotebookNode

__all__ = ["Kernel", "Ran", "running_kernel", "saved_as"]

PATIENCE = 60
"""Seconds after which a test that hangs fails."""


@dataclass
class Ran:
    """What one execution did: its iopub messages, and its reply."""

    messages: list[dict[str, Any]] = field(default_factory=list)
    reply: dict[str, Any] = field(default_factory=dict)

    def of(self, *kinds: str) -> list[dict[str, Any]]:
        """Return the contents of the messages of these kinds."""
        return [message["content"] for message in self.messages if message["msg_type"] in kinds]

    @property
    def stdout(self) -> str:
        return "".join(content["text"] for content in self.of("stream") if content["name"] == "stdout")

    @property
    def final(self) -> dict[str, Any]:
        """The last output that an answer was shown in: its data, and its metadata under `cnai`."""
        shown = [
            each for each in self.of("display_data", "update_display_data") if "cnai" in each["metadata"]
        ]
        assert shown, f"no answer was shown: {self.messages}"
        return {"data": shown[-1]["data"], **shown[-1]["metadata"]["cnai"]}

    @property
    def answer(self) -> str:
        """The answer as plain text, without its footer."""
        return str(self.final["data"]["text/plain"]).removesuffix(self.final["footer"]).strip()

    @property
    def shown(self) -> str:
        """The plain text of all that was displayed."""
        return "\n".join(each["data"]["text/plain"] for each in self.of("display_data", "execute_result"))

    @property
    def error(self) -> list[str]:
        """The lines that a failed cell shows; empty where it did not fail."""
        return [line for content in self.of("error") for line in content["traceback"]]


class Kernel:
    """Runs cells; each call is one execution, with the ID of its cell if one is given."""

    def __init__(self, manager: KernelManager, client: BlockingKernelClient) -> None:
        self.manager = manager
        self._client = client
        self._ran: dict[str, Ran] = {}

    def run(
        self,
        code: str,
        cell: str = "",
        *,
        watched: bool = True,
        typed: str | None = None,
        expressions: dict[str, str] | None = None,
        document: Sequence[str] = (),
        path: str = "a.ipynb",
        page_name: str = "",
        language: str = "",
        meanwhile: Callable[[dict[str, Any]], None] | None = None,
    ) -> Ran:
        """Execute code; `watched` False is headless, `typed` answers a prompt, `meanwhile` sees messages.

        With `expressions` nothing is to be seen of it; their values are in the reply. `document` are the IDs
        of all cells of the notebook at `path`, as its page tells them, which calls it `page_name`;
        `language` is the page's own.
        """
        client = self._client
        content = {
            "code": code,
            "silent": expressions is not None,
            "store_history": expressions is None,
            "user_expressions": expressions or {},
            "allow_stdin": watched,
            "stop_on_error": False,
        }
        metadata: dict[str, Any] = {"cellId": cell} if cell else {}
        if document:
            metadata["cnai"] = {"cells": list(document), "path": path, "document": page_name}
        if language:
            metadata.setdefault("cnai", {})["language"] = language
        message = client.session.msg("execute_request", content, metadata=metadata)
        client.shell_channel.send(message)
        identifier = message["header"]["msg_id"]
        ran = self._ran[identifier] = Ran()
        if typed is not None:
            request = client.get_stdin_msg(timeout=PATIENCE)
            assert request["content"]["password"] is True, "a key is typed at a prompt that hides it"
            client.input(typed)
        while True:
            arrived = self._receive()
            if arrived["parent_header"].get("msg_id") != identifier:
                continue
            if meanwhile is not None:
                meanwhile(arrived)
            if arrived["msg_type"] == "status" and arrived["content"]["execution_state"] == "idle":
                break
        while ran.reply.get("parent") != identifier:
            answer = client.get_shell_msg(timeout=PATIENCE)
            ran.reply = {**answer["content"], "parent": answer["parent_header"].get("msg_id")}
        return ran

    def _receive(self) -> dict[str, Any]:
        """Return what the kernel says next; what it says of a run that is over is kept there too."""
        arrived: dict[str, Any] = self._client.get_iopub_msg(timeout=PATIENCE)
        if (ran := self._ran.get(arrived["parent_header"].get("msg_id"))) is not None:
            ran.messages.append(arrived)
        return arrived

    def change_widget(self, comm: str, **state: object) -> None:
        """Change the state of a widget as its page does, and wait until the kernel has done all."""
        client = self._client
        content = {"comm_id": comm, "data": {"method": "update", "state": state, "buffer_paths": []}}
        message = client.session.msg("comm_msg", content)
        client.shell_channel.send(message)
        while True:
            arrived = self._receive()
            is_own = arrived["parent_header"].get("msg_id") == message["header"]["msg_id"]
            if is_own and arrived["content"].get("execution_state") == "idle":
                return

    def complete(self, code: str) -> list[str]:
        """Return the lines that a front end would offer with the cursor at `|`, or at the end."""
        before, mark, after = code.rpartition("|")
        if not mark:
            before, after = after, ""
        reply = self._client.complete(before + after, len(before), reply=True, timeout=PATIENCE)["content"]
        head = before[: reply["cursor_start"]].rpartition("\n")[2]
        return [head + each for each in reply["matches"]]

    def ask_page(self, document: Sequence[str] = (), **request: object) -> tuple[dict[str, Any], Ran]:
        """Ask as the page of a notebook does, silently; return what the kernel says, and what it showed.

        `document` is as for `run`.
        """
        import base64
        import json

        text = base64.b64encode(json.dumps(request).encode()).decode()
        return self.ask_page_literally(f'"{text}"', document)

    def ask_page_literally(self, argument: str, document: Sequence[str] = ()) -> tuple[dict[str, Any], Ran]:
        """Ask with any Python literal for the request."""
        module = '__import__("cnai_magic.magics.page", fromlist=["page"])'
        call = f"{module}.answer_page({argument})"
        ran = self.run("", expressions={"cnai": call}, document=document)
        found = ran.reply["user_expressions"]["cnai"]
        assert found["status"] == "ok", found
        return found["data"]["application/json"], ran

    def value(self, expression: str) -> Any:
        """Return the value of an expression, by way of its repr."""
        import ast

        ran = self.run(f"print(repr(({expression})))")
        assert not ran.error, ran.error
        return ast.literal_eval(ran.stdout)


def saved_as(path: Path, *cells: tuple[str, str, Ran]) -> NotebookNode:
    """Write the notebook that a front end would: the ID and the source of each cell, and what it showed."""
    notebook = nbformat.v4.new_notebook()
    for identifier, source, ran in cells:
        cell = nbformat.v4.new_code_cell(source)
        cell["id"] = identifier
        shown: dict[str, Any] = {}
        for content in ran.of("display_data", "update_display_data"):
            # An update takes the place of what has the same display ID.
            name = content.get("transient", {}).get("display_id", "") or str(len(shown))
            shown[name] = nbformat.v4.new_output(
                "display_data", data=content["data"], metadata=content["metadata"]
            )
        cell.outputs = list(shown.values())
        notebook.cells.append(cell)
    nbformat.write(notebook, path)
    return notebook


@contextmanager
def running_kernel(folder: Path, **environment: str) -> Iterator[Kernel]:
    """Start a kernel with a home of its own in `folder`, and the magics loaded."""
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("CNAI_", "JPY_", "OPENAI_")) and not name.lower().endswith("_proxy")
    }
    home = {name: str(folder / name.lower()) for name in ("HOME", "IPYTHONDIR", "JUPYTER_RUNTIME_DIR")}
    # Not over TCP: of two tests at once that look for free ports, both may find the same one.
    sockets = tempfile.mkdtemp()
    connection = str(folder / f"kernel-{uuid.uuid4().hex}.json")
    manager = KernelManager(connection_file=connection, transport="ipc", ip=f"{sockets}/kernel")
    manager.start_kernel(env={**clean, **home, **environment}, cwd=str(folder))
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=PATIENCE)
        kernel = Kernel(manager, client)
        loaded = kernel.run("%load_ext cnai_magic")
        assert not loaded.error, loaded.error
        if environment.get("CNAI_BASE_URL") == "demo":
            # Without the pace of a person who reads along.
            kernel.run(
                "from cnai_magic.gateway.embedded import start_embedded\nstart_embedded(tokens_per_second=0)"
            )
        yield kernel
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        manager.cleanup_resources()
        shutil.rmtree(sockets, ignore_errors=True)
