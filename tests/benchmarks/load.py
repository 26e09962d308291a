"""What `%load_ext` costs over a bare IPython, in seconds of CPU (user and system).

    python -m tests.benchmarks load [--rounds N] [--peers PYTHON]

Each start is a process of its own; bare starts and loads take turns, and the fastest of each is taken:
noise only ever adds. `--peers` names the interpreter of another environment for the packages that are
compared, so that they need not be installed beside cnai_magic.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections import defaultdict

from .report import heading, note, row, skipped, versions

PRODUCT = "cnai_magic"
PEERS = ("jupyter_ai_magic_commands", "jupyter_ai_magics", "sql", "ipython_gpt")
TARGET = 0.05

# The whole process counts, its end included; the seconds of the magic alone are printed from inside.
_START = """
import sys, time
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
before = time.process_time()
if sys.argv[1:]:
    shell.run_line_magic("load_ext", sys.argv[1])
    assert sys.argv[1] in shell.extension_manager.loaded
print("CPU", time.process_time() - before)
"""


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser("python -m tests.benchmarks load")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--peers", default=sys.executable, metavar="PYTHON")
    options = parser.parse_args(arguments)

    heading("%load_ext over a bare IPython: CPU seconds")
    note(versions("ipython", "requests") + f"; the fastest of {options.rounds} starts, taken in turn")
    contenders = [(sys.executable, ""), (sys.executable, PRODUCT)]
    if options.peers != sys.executable:
        contenders.append((options.peers, ""))
    with tempfile.TemporaryDirectory() as home:
        for name in PEERS:
            if _loads(options.peers, name, home):
                contenders.append((options.peers, name))
            else:
                skipped(name, "it is not installed, or does not load")
        process, magic = defaultdict(list), defaultdict(list)
        for _ in range(options.rounds):
            for python, name in contenders:
                whole, inside = _start(python, name, home)
                process[python, name].append(whole)
                magic[python, name].append(inside)
    bare = {python: min(process[python, ""]) for python, name in contenders if not name}
    for python, name in contenders:
        if not name:
            where = "" if python == sys.executable else " of the peers"
            row(f"bare start{where}", bare[python], "s")
            continue
        row(
            f"%load_ext {name}",
            min(process[python, name]) - bare[python],
            "s",
            at_most=TARGET if name == PRODUCT else None,
            beside=f"(the magic alone {min(magic[python, name]):.3f} s)",
        )


def _loads(python: str, name: str, home: str) -> bool:
    try:
        _start(python, name, home)  # compiles its bytecode too, so that no round pays for it
    except subprocess.CalledProcessError:
        return False
    return True


def _start(python: str, name: str, home: str) -> tuple[float, float]:
    """Return the CPU seconds of a process that loads `name` ("" for none), and of the magic alone."""
    environment = os.environ | {"HOME": home, "IPYTHONDIR": home, "PYTHONWARNINGS": "ignore"}
    before = os.times()
    done = subprocess.run(
        [python, "-c", _START, *([name] if name else [])],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    after = os.times()
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return spent, float(done.stdout.split("CPU")[-1])
