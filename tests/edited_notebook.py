"""A notebook that somebody edits and runs: a real IPython shell, with the requests that a page sends.

Cells have the IDs that JupyterLab gives them: the lower half of a split keeps its ID, merged cells and copies
get new ones, cut and paste keeps it. Outputs are those that the shell displays.
"""

from __future__ import annotations

import json
import os
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import lru_cache
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from cnai_magic.magics.extension import CnaiMagics, _loaded, list_events
from cnai_magic.magics.page import answer_page
from cnai_magic.notebook.page_facts import PAGE_TYPE
from cnai_magic.notebook.read_record import may_be_sent
from cnai_magic.redaction import ApiKey
from cnai_magic.session.kernel_session import KernelSession
from cnai_magic.settings import Cnai
from tests.servers import KEY, ScriptedServer

__all__ = ["Cell", "EditedNotebook", "one_shell"]


@dataclass
class Cell:
    """A code cell, with its outputs by their display IDs."""

    id: str
    source: str = ""
    outputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    # The number of its last run.
    count: int | None = None
    # What its lines in a file were written of last, and they: most cells are as they were.
    _written: tuple[object, str] = ((), "")

    @property
    def has_output(self) -> bool:
        """Tell whether it shows anything."""
        return bool(self.outputs)

    def saved(self) -> dict[str, Any]:
        """Return the cell as a file has it."""
        return {
            "cell_type": "code",
            "execution_count": self.count,
            "id": self.id,
            "metadata": {},
            "outputs": list(self.outputs.values()),
            "source": self.source.splitlines(keepends=True),
        }

    def write(self) -> str:
        """Return its lines in a file."""
        state = self.source, self.count, [*self.outputs.values()]
        if self._written[0] != state:
            lines = json.dumps(self.saved(), indent=1, sort_keys=True, ensure_ascii=False)
            self._written = state, "  " + lines.replace("\n", "\n  ")
        return self._written[1]


@contextmanager
def one_shell() -> Iterator[None]:
    """Have one shell for all notebooks, which ask the same: it reads each source once."""
    assert not InteractiveShell.initialized()
    options = {
        "HistoryManager": {"enabled": False},
        "InteractiveShell": {"autoawait": False},
        "DisplayFormatter": {"active_types": ["text/plain"]},
    }
    shell = InteractiveShell.instance(config=Config(options))
    shell.transform_cell = lru_cache(1000)(shell.transform_cell)  # type: ignore[method-assign]
    try:
        yield
    finally:
        InteractiveShell.clear_instance()


class _Publisher(DisplayPublisher):
    """Puts what is displayed below the cell that runs, or in place of the output of its display ID.

    `updates` are all that came in place of others.
    """

    notebook: EditedNotebook
    updates: list[dict[str, Any]]
    hooks: list[Callable[[dict[str, Any]], dict[str, Any]]]

    def publish(  # type: ignore[override]
        self, data: Any, metadata: Any = None, *, transient: Any = None, update: bool = False, **_: Any
    ) -> None:
        message = {"parent_header": self.notebook.shell.parent_header["header"]}  # type: ignore[attr-defined]
        for hook in self.hooks:
            message = hook(message)
        outputs, name = (
            self.notebook.find_outputs(message["parent_header"]),
            (transient or {}).get("display_id", ""),
        )
        shown = {"output_type": "display_data", "data": data, "metadata": metadata or {}}
        shown = json.loads(json.dumps(shown))
        if update:
            cells = self.notebook.every_cell
            outputs = next((each.outputs for each in cells if name in each.outputs), {})
            self.updates.append(shown)
        outputs[name or str(len(outputs))] = shown

    def register_hook(self, hook: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        self.hooks.append(hook)

    def unregister_hook(self, hook: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        self.hooks.remove(hook)


class EditedNotebook:
    """Cells in the order of the document; `told_by` says from where the kernel can know it.

    That is the "page", in each request, or the "file", as it is when it was saved last.
    """

    def __init__(self, server: ScriptedServer, path: Path, told_by: Literal["page", "file"]) -> None:
        self.server, self.path, self.told_by = server, path, told_by
        path.unlink(missing_ok=True)
        self.every_cell: list[Cell] = []
        self.cells = [self.new_cell()]
        self.undone: list[list[Cell]] = []
        self._count = 0
        self.shell = InteractiveShell.instance()
        self._publisher = self.shell.display_pub = _Publisher()
        self._publisher.notebook, self._publisher.updates = self, []
        self._publisher.hooks = []
        # By the IDs of cells: what asked to run them last.
        self.requests: dict[str, dict[str, Any]] = {}
        # By the number of the run: what a task has that it begins.
        self._contexts: dict[int, Context] = {}
        self._magics: CnaiMagics | None = None
        self._configured = len(self.shell.configurables)
        self._begin()

    @property
    def session(self) -> KernelSession:
        assert self._magics is not None
        return self._magics.session

    def new_cell(self, source: str = "") -> Cell:
        cell = Cell(f"cell-{len(self.every_cell)}", source)
        self.every_cell.append(cell)
        return cell

    def _begin(self) -> None:
        """Begin a kernel: nothing is known any more."""
        self.requests.clear()
        self._comms: dict[str, object] = {}
        self.shell.kernel = SimpleNamespace(comm_manager=SimpleNamespace(comms=self._comms))  # type: ignore[attr-defined]
        settings = Cnai(base_url=self.server.base_url, model="m", prices={"m": (1, 2)}, ledger="off")
        settings.display, settings.notebook, settings.retries = "markdown", str(self.path), 0
        self._magics = CnaiMagics(self.shell, settings)
        self._magics.session.use_key(ApiKey(KEY))
        self.shell.register_magics(self._magics)
        self.shell.configurables.append(settings)
        _loaded[self.shell] = self._magics
        for event, called in [*list_events(self._magics), ("pre_run_cell", self._note_context)]:
            self.shell.events.register(event, called)

    def _note_context(self, _: object) -> None:
        self._contexts[self._count] = copy_context()

    def close(self) -> None:
        """End the kernel."""
        assert self._magics is not None
        for event, called in [*list_events(self._magics), ("pre_run_cell", self._note_context)]:
            self.shell.events.unregister(event, called)
        self.session.close()
        # A shell keeps what it configures: with it, some hundred sessions would stay in the memory.
        del self.shell.configurables[self._configured :]

    def restart(self, tools: Cell) -> None:
        """Save, restart the kernel, and restore the conversations by a command in a cell."""
        self.tell()
        self.save()
        self.close()
        self._begin()
        self.undone.clear()
        self.run(tools, "%cnai_chat restore")
        self.save()

    def find_outputs(self, header: Mapping[str, Any]) -> dict[str, Any]:
        """Return the outputs of the cell that a message asked to run last; others are shown nowhere."""
        requested = (each for each in self.every_cell if each.id in self.requests)
        return next((each.outputs for each in requested if self.requests[each.id]["header"] is header), {})

    def tell(self) -> None:
        """Tell the kernel of the cells without a run, as a page does soon after a change."""
        assert self._magics is not None
        if self.told_by == "page":
            self.shell.parent_header = {"header": {"msg_id": object()}, "metadata": {"cnai": self._order}}
            self._magics.shell_session.see_page_order()

    @property
    def _order(self) -> dict[str, Any]:
        without_output = [index for index, each in enumerate(self.cells) if not each.has_output]
        recorded = []
        for index, cell in enumerate(self.cells):
            records = [each.get("metadata", {}).get("cnai", {}) for each in cell.outputs.values()]
            records = [
                each
                for each in records
                if may_be_sent(each) or (each.get("kept") and _find_own(each) != cell.id)
            ]
            others = (each for each in records if _find_own(each) != cell.id)
            copied = []
            for each in others:
                copied += [each.get("id") or each["time"], each.get("kept", {}).get("time")]
            if records:
                recorded.append([index, *copied] if copied else index)
        return {
            "cells": [each.id for each in self.cells],
            "without_output": without_output,
            "recorded": recorded,
            "path": self.path.name,
        }

    def run(self, cell: Cell, source: str) -> None:
        """Run a cell, with what is typed into it."""
        cell.source = source
        self._count += 1
        cell.outputs.clear()
        cell.count = None
        metadata: dict[str, Any] = {"cellId": cell.id}
        if self.told_by == "page":
            metadata["cnai"] = self._order
        self.shell.parent_header = {
            "header": {"msg_id": object(), "date": datetime.now(timezone.utc)},
            "metadata": metadata,
            "content": {"code": source, "allow_stdin": False},
        }
        self.requests[cell.id] = self.shell.parent_header
        # A widget of this run.
        self._comms[f"{cell.id}, run {self._count}"] = None
        with redirect_stdout(StringIO()) as printed:
            result = self.shell.run_cell(source, store_history=False, silent=False)
        cell.count = self._count
        if text := printed.getvalue():
            cell.outputs["printed"] = {"output_type": "stream", "name": "stdout", "text": text}
        if not result.success:
            error = {"output_type": "error", "ename": "CnaiError", "evalue": "", "traceback": []}
            cell.outputs["error"] = error
        result.raise_error()

    def click(self, cell: Cell, magic: str, line: str) -> None:
        """Let a widget of the last run of a cell carry out a magic, which is shown nowhere."""
        header = {"msg_id": object(), "msg_type": "comm_msg"}
        self.shell.parent_header = {"header": header, "content": {"comm_id": f"{cell.id}, run {cell.count}"}}
        self.shell.events.trigger("pre_execute")
        try:
            self.shell.run_line_magic(magic, line)
        finally:
            self.shell.events.trigger("post_execute")

    def go_on(self, cell: Cell, magic: str, line: str) -> None:
        """Let a task of the last run of a cell carry out a magic."""
        assert cell.count is not None
        self._contexts[cell.count].run(self.shell.run_line_magic, magic, line)

    def press(self, cell: Cell | None, **request: object) -> None:
        """Press a button of the extension, in a cell or beside the notebook.

        The outputs follow as `shown_again.ts` has it: what the kernel shows again may be of another kernel,
        and takes the place of that of its turn, or of the comparison of which an answer is kept.
        """
        request |= {} if cell is None else {"cell": cell.id}
        self.shell.parent_header = {"header": {"msg_id": object()}, "metadata": {"cnai": self._order}}
        self._publisher.updates.clear()
        said = answer_page(b64encode(json.dumps(request).encode()).decode())._repr_mimebundle_()
        assert said["application/json"]["loaded"]
        for update in self._publisher.updates:
            record, turn = update["metadata"]["cnai"], _read_facts(update).get("turn_id")
            own = record.get("cell")
            shown = next((each for each in self.cells if each.id == own), cell)
            for name, output in shown.outputs.items() if shown is not None else ():
                facts = _read_facts(output)
                answers = output.get("metadata", {}).get("cnai", {}).get("answers", ())
                was_compared = facts.get("compared", "") == request.get("compared")
                was_compared |= any(
                    isinstance(each, dict) and each["id"] == record.get("id") for each in answers
                )
                if facts.get("turn_id", "") == turn or was_compared:
                    shown.outputs[name] = update

    def list_facts(self, name: str) -> list[tuple[Cell, dict[str, Any]]]:
        """Return what the outputs tell the page that has this name, each with its cell."""
        found = [(cell, _read_facts(each)) for cell in self.cells for each in cell.outputs.values()]
        return [(cell, facts) for cell, facts in found if name in facts]

    def save(self) -> None:
        """Save the notebook as Jupyter does: whole, in place of the former file."""
        cells = ",\n".join(cell.write() for cell in self.cells)
        beside = self.path.with_suffix(".new")
        beside.write_text(
            f'{{\n "cells": [\n{cells}\n ],\n "metadata": {{}},\n "nbformat": 4,\n "nbformat_minor": 5\n}}\n'
        )
        # The clock of the file system may be some milliseconds late.
        now = time.time()
        os.utime(beside, (now, now))
        beside.replace(self.path)

    def sent(self) -> list[str]:
        """Return the questions of the last request."""
        messages = self.server.requests[-1].json()["messages"]
        return [each["content"] for each in messages if each["role"] == "user"]

    def sent_system(self) -> str | None:
        """Return the system message of the last request, None where it has none."""
        messages = self.server.requests[-1].json()["messages"]
        return next((each["content"] for each in messages if each["role"] == "system"), None)

    # -- edits --------------------------------------------------------------------------------------

    def _change(self, cells: Sequence[Cell]) -> None:
        self.undone.append(self.cells)
        self.cells = list(cells)

    def undo(self) -> None:
        if self.undone:
            self.cells = self.undone.pop()

    def insert(self, index: int) -> Cell:
        cell = self.new_cell()
        self._change([*self.cells[:index], cell, *self.cells[index:]])
        return cell

    def delete(self, index: int) -> None:
        self._change([*self.cells[:index], *self.cells[index + 1 :]])

    def move(self, index: int, to: int) -> None:
        rest = [*self.cells[:index], *self.cells[index + 1 :]]
        self._change([*rest[:to], self.cells[index], *rest[to:]])

    def copy(self, index: int, to: int) -> None:
        """Copy a cell with its outputs."""
        copied = self.new_cell(self.cells[index].source)
        copied.count = self.cells[index].count
        copied.outputs = {f"copied {name}": each for name, each in self.cells[index].outputs.items()}
        self._change([*self.cells[:to], copied, *self.cells[to:]])

    def clear(self, cell: Cell) -> None:
        """Clear the outputs of a cell: no undo brings them back."""
        cell.outputs.clear()
        cell.count = None

    def split(self, index: int) -> None:
        """The upper half is a new cell; the lower one keeps its ID and its outputs."""
        self._change([*self.cells[:index], self.new_cell(), *self.cells[index:]])

    def merge(self, index: int) -> None:
        """The merged cell is a new one, and has no outputs."""
        self._change([*self.cells[:index], self.new_cell(), *self.cells[index + 2 :]])


def _read_facts(output: Mapping[str, Any]) -> dict[str, Any]:
    facts: dict[str, Any] = output.get("data", {}).get(PAGE_TYPE, {})
    return facts


def _find_own(record: Mapping[str, Any]) -> object:
    return record.get("cell", record.get("kept", {}).get("cell"))
