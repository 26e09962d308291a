"""The renderers that show an answer, and what each of them makes of Markdown.

JupyterLab's and VS Code's run in one Node process (`render.mjs`), nbconvert's and GitHub's here. What the
Node process needs lies in the folder that `CNAI_RENDERERS` names; CONTRIBUTING.md says how it comes there.
"""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

import cmarkgfm
from cmarkgfm.cmark import Options
from nbconvert.filters.markdown_mistune import markdown2html_mistune

__all__ = ["FOLDER", "Renderers"]

FOLDER = os.environ.get("CNAI_RENDERERS", "")

_EXTENSIONS = ["table", "autolink", "strikethrough", "tasklist"]


class Renderers:
    """All renderers; `faults` and `pages` take any number of documents, and answer in their order."""

    def __init__(self, folder: str = FOLDER) -> None:
        self._folder = folder

    def faults(self, documents: Iterable[str]) -> Iterator[list[str]]:
        """Yield what each document brings to a page that no answer may bring: "renderer: what"."""
        yield from self._run(documents)

    def pages(self, documents: Iterable[str]) -> Iterator[dict[str, str]]:
        """Yield the HTML that each renderer makes of each document, by the renderer's name."""
        yield from self._run(documents, "--show")

    def _run(self, documents: Iterable[str], *options: str) -> Iterator[Any]:
        command = ["node", str(Path(__file__).with_name("render.mjs")), self._folder, *options]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            threading.Thread(target=_feed, args=(process.stdin, documents), daemon=True).start()
            for line in process.stdout:
                yield json.loads(line)


def _feed(stdin: IO[bytes], documents: Iterable[str]) -> None:
    with stdin:
        for source in documents:
            stdin.write(json.dumps({"source": source, "pages": _render(source)}).encode() + b"\n")


def _render(source: str) -> dict[str, str]:
    return {"nbconvert": str(markdown2html_mistune(source)), "cmark": _as_github(source)}


def _as_github(source: str) -> str:
    return str(
        cmarkgfm.markdown_to_html_with_extensions(source, Options.CMARK_OPT_UNSAFE, extensions=_EXTENSIONS)
    )
