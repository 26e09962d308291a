"""What a kernel sends when cells are edited as a reader edits them: it follows the document."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

from tests.kernels import Ran, running_kernel
from tests.servers import KEY, ScriptedServer, sse


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        server.always(sse("yes"))
        yield server


def environment(server: ScriptedServer) -> dict[str, str]:
    about = {"CNAI_BASE_URL": server.base_url, "CNAI_API_KEY": KEY, "CNAI_MODEL": "m"}
    return {**about, "CNAI_LEDGER": "off"}


def questions(server: ScriptedServer) -> str:
    """Return the questions that were sent last, each a letter."""
    sent = server.requests[-1].json()["messages"]
    return "".join(each["content"] for each in sent if each["role"] == "user")


def test_the_page_tells_the_order(server: ScriptedServer, tmp_path: Path) -> None:
    with running_kernel(tmp_path, **environment(server)) as kernel:

        def ask(cell: str, document: str, path: str = "a.ipynb") -> Ran:
            ran = kernel.run(f"%%cnai\n{cell}", cell, document=document, path=path)
            assert not ran.error
            return ran

        for number, cell in enumerate("abc", 1):
            ask(cell, "abc"[:number])
        ran = ask("x", "axbc")
        assert questions(server) == "ax"
        assert ran.final["footer"].endswith("2 below are stale")
        ask("d", "axbcd")
        assert questions(server) == "axbcd"
        ask("d", "bcd")
        assert questions(server) == "bcd"
        ask("d", "cabd")
        assert questions(server) == "cabd"
        dropped = kernel.run("%cnai_chat drop 1", "drop", document=["c", "a", "b", "d", "drop"])
        assert dropped.shown == "Taken out of 'main': 'c'"
        ask("c", "cabd")
        # What is not sound tells nothing, and so does a list without the cell that runs.
        for document in ("cab", ["d", "c a"], [*"dabc"] * 30_000):
            ask("d", document)  # type: ignore[arg-type]
            assert questions(server) == "cabd"
        # Another notebook on the same kernel goes on below the first one.
        ask("m", "lm", path="folder/b.ipynb")
        assert questions(server) == "cabdm"
        ask("d", "cabd")
        assert questions(server) == "cabd"
        ask("n", "nm", path="folder/b.ipynb")
        assert questions(server) == "cabdn"


def test_the_saved_file_tells_the_order(server: ScriptedServer, tmp_path: Path) -> None:
    path = tmp_path / "lesson.ipynb"

    def save(cells: str) -> None:
        notebook = nbformat.v4.new_notebook()
        notebook.cells = [nbformat.v4.new_code_cell(f"%%cnai\n{cell}", id=cell) for cell in cells]
        nbformat.write(notebook, path)

    with running_kernel(tmp_path, JPY_SESSION_NAME=str(path), **environment(server)) as kernel:

        def ask(cell: str) -> str:
            ran = kernel.run(f"%%cnai\n{cell}", cell)
            assert not ran.error
            return str(ran.final["footer"])

        save("abc")
        for cell in "abc":
            assert "order" not in ask(cell)
        ask("a")
        # Not saved yet: below the cell that ran before it.
        assert "order of the saved notebook" in ask("x")
        assert questions(server) == "ax"
        save("bxcd")
        assert "order" not in ask("d")
        assert questions(server) == "bxcd"
        # Its run shows that it is there again.
        assert "order of the saved notebook" in ask("a")
        save("abxcd")
        ask("d")
        assert questions(server) == "abxcd"
        dry = kernel.run("%%cnai --dry-run\nx", "x").shown
        assert "order of the saved notebook" in dry.splitlines()[0]
