"""The first question of a kernel in a saved notebook: seconds of CPU until something is shown.

    python -m tests.benchmarks first [--rounds N] [--kilobytes N]

Each round is a kernel of its own, in which the magics are loaded and ipywidgets is imported, as in a notebook
that has widgets. What is counted is the CPU time (user and system) of the whole kernel process, all threads,
from the beginning of the cell to the moment its first output is handed to Jupyter. The fastest is taken:
noise only ever adds. Without any setting the keyring, if it is installed, is asked before anything is shown:
it decides who answers.
"""

from __future__ import annotations

import argparse
import base64
import random
import tempfile
from pathlib import Path

import nbformat

from cnai_magic.gateway.embedded import start_embedded
from cnai_magic.notebook.record import build_bundle, build_metadata
from tests.display.answers import attempt
from tests.kernels import running_kernel

from .report import heading, note, row, versions

TARGET = 0.25

_PREPARE = """
import time, ipywidgets
_times = []
def _shown(message):
    if message["msg_type"] == "display_data":
        _times.append(time.process_time())
    return message
get_ipython().display_pub.register_hook(_shown)
"""
_ASK = "_times.append(time.process_time())\n%cnai hello"


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser("python -m tests.benchmarks first")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--kilobytes", type=int, default=1000)
    options = parser.parse_args(arguments)

    heading("The first question of a kernel, until something is shown: CPU seconds")
    with tempfile.TemporaryDirectory() as folder:
        path = _notebook(Path(folder) / "saved.ipynb", options.kilobytes)
        size = f"a notebook of {path.stat().st_size / 1000:,.0f} KB"
        note(
            versions("ipykernel", "ipywidgets", "anywidget", "keyring")
            + f"; {size}; the fastest of {options.rounds}"
        )
        gateway = start_embedded()
        servers = {
            "with a key, at a server that lists prices": {
                "CNAI_BASE_URL": gateway.base_url,
                "CNAI_API_KEY": gateway.key.reveal(),
                "CNAI_MODEL": "demo-guide",
            },
            "without a key, at the demo gateway": {"CNAI_BASE_URL": "demo"},
        }
        for name, environment in servers.items():
            times = [_first(path, environment, number) for number in range(options.rounds)]
            row(name, min(times), "s", at_most=TARGET)
        times = [_first(path, {}, number) for number in range(options.rounds)]
        row(
            "with neither: the keyring is asked for a key",
            min(times),
            "s",
            beside="(most of it is its import)",
        )


def _first(path: Path, environment: dict[str, str], number: int) -> float:
    with (
        tempfile.TemporaryDirectory() as home,
        running_kernel(Path(home), JPY_SESSION_NAME=str(path), **environment) as kernel,
    ):
        assert not kernel.run(_PREPARE).error
        # A cell that the notebook holds, with an answer that must not be lost.
        asked = kernel.run(_ASK, f"question-{number}")
        assert not asked.error, asked.error
        began, shown = kernel.value("_times[:2]")
        return float(shown - began)


def _notebook(path: Path, kilobytes: int) -> Path:
    """Write a notebook as people have them: by its size half pictures, the rest answers and text."""
    chance = random.Random(1)
    made = nbformat.v4.new_notebook()
    number = 0
    while len(nbformat.writes(made)) < kilobytes * 1000:
        about = {"turn": number + 1, "turn_id": f"turn-{number}", "id": f"answer-{number}"}
        answer = attempt("A word in an answer. " * 200, prompt=f"Question {number}?", **about)
        question = nbformat.v4.new_code_cell(f"%%cnai\n{answer.reply.prompt}", id=f"question-{number}")
        output = nbformat.v4.new_output("display_data", build_bundle(answer), metadata=build_metadata(answer))
        question.outputs = [output]
        picture = base64.b64encode(chance.randbytes(12_000)).decode()
        plot = nbformat.v4.new_code_cell("plot(data)")
        plot.outputs = [
            nbformat.v4.new_output("display_data", {"image/png": picture, "text/plain": "<Figure>"})
        ]
        made.cells += [nbformat.v4.new_markdown_cell("Some words of text. " * 60), question, plot]
        number += 1
    nbformat.write(made, path)
    return path
