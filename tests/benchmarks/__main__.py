"""Run a benchmark by its name: `python -m tests.benchmarks NAME`; without a name, list them."""

from __future__ import annotations

import compileall
import sys
from importlib import import_module
from pathlib import Path

import cnai_magic

# Each is a module of this folder with a `main(arguments: list[str]) -> None`.
BENCHMARKS = {
    "first": "the first question of a kernel in a saved notebook: CPU time until something is shown",
    "ledger": "what the ledger costs a question, also while another process has locked it",
    "gateway": "the gateway: start, memory, CPU of a chunk, many streams, large prompts, readers that stop",
    "load": "CPU time of %load_ext over a bare IPython, beside other packages of magics",
    "stream": "a streamed answer in the client: CPU, delay, size, connections",
    "batch": "many requests at a time, beside other clients: CPU of one, memory, an interrupt",
    "completion": "a line of the magics, and a name in a prompt, completed: CPU",
    "conversation": "long conversations: to restore one, and to ask one question more",
    "markdown": "the final Markdown of an answer: ordinary ones, and hostile ones of two sizes",
    "page": "the extension in the page: a keystroke in a prompt cell, a request to run a cell, the load",
    "widget": "a streamed answer in the page, beside two other ways: bytes, main thread, frames, Stop",
}


def main(arguments: list[str]) -> int:
    if not arguments:
        for name, what in BENCHMARKS.items():
            print(f"{name:<14}{what}")
        return 0
    name, *rest = arguments
    if name not in BENCHMARKS:
        print(f"there is no benchmark {name!r}; there are: {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 2
    # As pip installs it: where no bytecode is written, each kernel would compile it again.
    compileall.compile_dir(Path(cnai_magic.__file__).parent, quiet=1)
    import_module(f"{__package__}.{name}").main(rest)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
