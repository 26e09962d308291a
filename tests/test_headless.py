"""Notebooks run by programs: the final output only, in a notebook that stays light."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from tests.notebooks import new_notebook

COMMANDS = {
    "jupyter execute": ["-m", "jupyter", "execute", "--output={out}", "{source}"],
    "papermill": ["-m", "papermill", "--no-progress-bar", "{source}", "{out}"],
    "nbconvert": ["-m", "jupyter", "nbconvert", "--to=notebook", "--execute", "--output={out}", "{source}"],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_headless_run_leaves_the_final_output_only(name: str, tmp_path: Path) -> None:
    source, out = tmp_path / "in.ipynb", tmp_path / "out.ipynb"
    nbformat.write(
        new_notebook("%load_ext cnai_magic", "%%cnai\nWhat is 12 * 12?", "%%cnai\nAnd times 3?"), source
    )
    command = [part.format(source=source, out=out) for part in COMMANDS[name]]
    ran = subprocess.run([sys.executable, *command], capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stderr
    notebook = nbformat.read(out, as_version=4)
    nbformat.validate(notebook)
    assert "widgets" not in notebook.metadata
    (answer,) = notebook.cells[2].outputs
    assert answer.output_type == "display_data"
    assert "432" in answer.data["text/markdown"]
    assert answer.metadata["cnai"]["turn"] == 2
