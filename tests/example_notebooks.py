"""Executes the example notebooks and saves them: `python -m tests.example_notebooks [NAME …]`.

Two runs of it differ in times and IDs only: each has a kernel, a home and a ledger of its own, and the
answers are those of the demo models. (`demo-ngram` learned from the documentation of the Python it runs in.)

A cell is run once, as a front end runs it; before that with the sources that its metadata lists under
`cnai_earlier`, as a person who tried these wordings first. A notebook that replays its answers is run twice:
without the cell that turns replaying on, to have answers, and then as it is.
"""

from __future__ import annotations

import copy
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from tests.notebooks import FrontEnd

__all__ = [
    "FOLDER",
    "NAMES",
    "comparable",
    "environment",
    "example",
    "executed",
    "main",
    "run_as",
    "saved_run",
]

FOLDER = Path(__file__).parents[1] / "example_notebooks"
NAMES = sorted(path.stem for path in FOLDER.glob("*.ipynb"))

_REPLAY = "%config Cnai.replay = True"
# Asks several times: shown as in a page, where how far it is does not stay.
_SEVERAL = re.compile("--(?:compare|over) ")
_PLOT, _IMAGE = "application/vnd.vegalite.v5+json", "image/png"
# What no two runs have in common: when, how long, and the names that are drawn for it.
_OWN = (
    (re.compile(r"\b\d+\.\d/s"), "RATE"),
    (re.compile(r"\d{4}-\d\d-\d\d"), "DAY"),
    (re.compile(r"\d\d:\d\d:\d\d(?:\.\d+\+00:00)?"), "TIME"),
    (re.compile(r"\b\d+\.\d (?:s\b|秒)"), "SECONDS"),
    (re.compile(r"(?<=\| )\d+\.\d(?= \|$)", re.MULTILINE), "SECONDS"),
    (re.compile(r"\breq-[0-9a-f]+\b"), "REQUEST"),
    (re.compile(r"\bcall_[0-9a-f]+\b"), "CALL"),
    (re.compile(r"^(?:[0-9a-f]{12}|[0-9a-f]{16})$"), "ID"),
)


def example(name: str) -> NotebookNode:
    """Return an example notebook as it is committed."""
    return nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)


def environment(folder: Path) -> dict[str, str]:
    """Return an environment with no settings and keys of a person, and its homes in `folder`."""
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("CNAI_", "JPY_", "OPENAI_", "PYTHONWARNINGS"))
        and not name.lower().endswith("_proxy")
    }
    homes = ("HOME", "IPYTHONDIR", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME")
    return {
        **clean,
        **{name: str(folder / name.lower()) for name in homes},
        "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
        "TZ": "UTC",
        "LC_ALL": "C.UTF-8",
    }


@contextmanager
def executed(notebook: NotebookNode, file: Path, *, replay: bool = True) -> Iterator[FrontEnd]:
    """Run all cells of a notebook in a fresh kernel, which may be asked more while this lasts.

    The notebook is written to `file` first, where the kernel finds what it is to replay. `replay` False
    leaves out the cell that turns replaying on.
    """
    nbformat.write(notebook, file)
    front_end = FrontEnd(
        _without_outputs(notebook),
        record_timing=False,
        store_widget_state=False,
        resources={"metadata": {"path": str(file.parent)}},
    )
    in_page = any(_SEVERAL.search(cell.source) for cell in notebook.cells)
    display = {"CNAI_DISPLAY": "widget"} if in_page else {}
    with (
        tempfile.TemporaryDirectory() as home,
        front_end.setup_kernel(env={**environment(Path(home)), **display}),
    ):
        for index, cell in enumerate(front_end.nb.cells):
            if cell.cell_type == "code" and (replay or cell.source != _REPLAY):
                for source in [*cell.metadata.get("cnai_earlier", []), cell.source]:
                    run_as(front_end, index, source)
        yield front_end


def run_as(front_end: FrontEnd, index: int, source: str) -> NotebookNode:
    """Run a cell as if this were its source, and return it with the outputs of this run only."""
    cell = front_end.nb.cells[index]
    kept = cell.source
    cell.update(source=source, outputs=[], execution_count=None)
    try:
        front_end.execute_cell(cell, index)
    finally:
        cell.source = kept
    return cell


def saved_run(name: str, folder: Path) -> NotebookNode:
    """Return an example with the outputs that are to be committed; it is run in `folder`."""
    file = folder / f"{name}.ipynb"
    notebook = _without_outputs(example(name))
    if any(cell.source == _REPLAY for cell in notebook.cells):
        with executed(notebook, file, replay=False) as front_end:
            notebook = front_end.nb
    with executed(notebook, file) as front_end:
        notebook = front_end.nb
    nbformat.validate(notebook)
    return notebook


def comparable(notebook: NotebookNode) -> dict[str, list[Any]]:
    """Return the outputs of each cell in a form in which two runs of a notebook are equal.

    Of demo-ngram only the figures are compared: each version of Python has other documentation. Of a plot
    its forms are: how many bars it has depends on the second in which each answer came. Of an image only that
    it is there: what is drawn depends on the version of matplotlib.
    """
    found = {}
    for cell in notebook.cells:
        outputs = _join_streams(copy.deepcopy(cell.get("outputs", [])))
        if "demo-ngram" in cell.source:
            outputs = [_without_texts(output.metadata) for output in outputs if "metadata" in output]
        if "-i figure" in cell.source:
            outputs = [{"kept": sorted(output.metadata["cnai"])} for output in outputs]
        for output in outputs:
            if {_PLOT, _IMAGE} & set(output.get("data", {})):
                output.data = sorted(output.data)
        found[cell["id"]] = [_masked(output) for output in outputs]
    return found


def _join_streams(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Return outputs in which what was printed is one text: where a kernel cuts it depends on the time."""
    joined: list[NotebookNode] = []
    for output in outputs:
        last = joined[-1] if joined else {}
        if output.output_type == "stream" and last.get("name") == output.name:
            joined[-1].text += output.text
        else:
            joined.append(output)
    return joined


def _without_texts(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_texts(each) for key, each in value.items() if key != "text"}
    return [_without_texts(each) for each in value] if isinstance(value, list) else value


def _masked(value: Any) -> Any:
    if isinstance(value, dict):
        # As pairs: several keys may be IDs, whose order differs.
        pairs = [
            (_masked(key), _masked(each))
            for key, each in value.items()
            if key not in ("seconds", "call_seconds", "first_token", "execution_count")
        ]
        return sorted(pairs, key=repr)
    if isinstance(value, list):
        return [_masked(each) for each in value]
    if isinstance(value, str):
        for pattern, name in _OWN:
            value = pattern.sub(name, value)
    return value


def _without_outputs(notebook: NotebookNode) -> NotebookNode:
    bare = copy.deepcopy(notebook)
    for cell in bare.cells:
        if cell.cell_type == "code":
            cell.update(outputs=[], execution_count=None)
    return bare


def main(names: list[str]) -> None:
    """Execute the examples of these names, or all, and save them."""
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        sys.exit(f"there is no example {unknown[0]!r}; there are: {', '.join(NAMES)}")
    for name in names or NAMES:
        with tempfile.TemporaryDirectory() as folder:
            notebook = saved_run(name, Path(folder))
        nbformat.write(notebook, FOLDER / f"{name}.ipynb")
        print(f"example_notebooks/{name}.ipynb: {len(notebook.cells)} cells")


if __name__ == "__main__":
    main(sys.argv[1:])
