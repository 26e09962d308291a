"""What it costs to complete a line or a name in a prompt, once warm, in seconds of CPU.

    python -m tests.benchmarks completion [--rounds N]

A real shell in which the extension is loaded and the models of a server are known. The cells go through
IPython's own completer, as from a front end.
"""

from __future__ import annotations

import argparse
import os
import time

from tests.servers import ScriptedServer, json_response

from .report import heading, note, row, versions

TARGET = 0.020
CELLS = {
    "an option": "%%cnai --te",
    "a model": "%%cnai model-4",
    "a conversation": "%cnai_chat use m",
    "a saved prompt": "%%cnai -T r",
    "a file": "%cnai_spend --csv p",
    "a variable after -o": "%%cnai -o variable_1",
    "a name in a prompt": "%%cnai\nMean of {{ variable_19",
    "the text of a prompt": "%%cnai\nWhat is the mea",
}


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser("python -m tests.benchmarks completion")
    parser.add_argument("--rounds", type=int, default=50)
    rounds = parser.parse_args(arguments).rounds

    from IPython.core.completer import provisionalcompleter
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.utils.capture import capture_output

    shell = InteractiveShell.instance()
    with ScriptedServer() as server, capture_output():
        os.environ["CNAI_BASE_URL"] = server.base_url
        shell.run_line_magic("load_ext", "cnai_magic")
        server.reply(json_response({"data": [{"id": f"model-{number}"} for number in range(500)]}))
        shell.run_line_magic("cnai_models", "")
    shell.user_ns |= {f"variable_{number}": number for number in range(2_000)}

    heading("completion once warm: CPU seconds")
    note(f"{versions('ipython')}; the mean of {rounds}; 500 models, 2,000 variables")
    for what, cell in CELLS.items():
        with provisionalcompleter():
            list(shell.Completer.completions(cell, len(cell)))
            began = time.process_time()
            for _ in range(rounds):
                list(shell.Completer.completions(cell, len(cell)))
        row(what, (time.process_time() - began) / rounds, "s", at_most=TARGET)
