"""The package in Python as a browser has it (Pyodide): without threads, sockets, file locks and aiohttp.

A process of its own has none of them either, once the libraries that look at the platform are imported.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_BEFORE = """
import _thread, fcntl, importlib.metadata, socket, sys
import requests, sseclient, IPython.testing.globalipapp

def refuse(*arguments, **named):
    raise RuntimeError("can't start new thread")

sys.platform = "emscripten"
sys.modules["aiohttp"] = None
_thread.start_new_thread = socket.socket = refuse
del fcntl.lockf
import cnai_magic
"""


def run(folder: Path, *lines: str) -> list[str]:
    """Run lines there, and return what they print."""
    done = subprocess.run(
        [sys.executable, "-c", "\n".join([_BEFORE, *lines])],
        env={**os.environ, "CNAI_LEDGER": str(folder / "ledger.sqlite3")},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_the_demo_models_answer_and_every_answer_is_counted(tmp_path: Path) -> None:
    printed = run(
        tmp_path,
        "shell = IPython.testing.globalipapp.start_ipython()",
        "shell.run_line_magic('load_ext', 'cnai_magic')",
        "shell.run_cell_magic('cnai', '', 'What is 12 * 12?')",
        "print(shell.run_line_magic('cnai_spend', ''))",
        "session = cnai_magic.Session()",
        "stream = session.stream('What is 12 * 12?')",
        "print(len(list(stream)) > 1, stream.reply.text, stream.reply.cost)",
        "reply = session.ask('And times 3?', stream=False)",
        "print(reply.text, reply.finish_reason, reply.usage)",
        "print(session.ask('Ada, born 1815', schema='name, year int').data)",
        "print([model.id for model in session.models()])",
        "try: session.ask('cut', model='demo-faults')",
        "except cnai_magic.ModelNotFoundError as error: print(error.what)",
        "try: session.map([1], '{{ row }}')",
        "except cnai_magic.InputError as error: print(error.what)",
    )
    assert any(line.startswith("12 * 12 = **144**") for line in printed)
    assert any(line.endswith("they agree.") for line in printed)
    assert printed[-6:] == [
        "True 12 * 12 = **144** $0.000033",
        "144 * 3 = **432** stop 19 → 9 tokens",
        "{'name': 'Ada', 'year': 1815}",
        "['demo-guide', 'demo-ngram', 'demo-echo', 'demo-reasoner']",
        "the server has no model 'demo-faults'",
        "many rows cannot be asked in a browser",
    ]
