"""Kernels forked from a process that has imported what each kernel imports: most of the cost of a short one.

Jupyter finds them by the name of their kind where `JUPYTER_PATH` is set, and starts `client.py` instead of a
kernel; that asks `server.py` to fork, passes signals on, and ends as the kernel ends. A kernel has its own
process, environment and folder as always, and does the same. But modules, ours too, are there before it
imports them, and so are the tables and patterns of the package, so a test of imports takes `JUPYTER_PATH`
away first. There is no debugger, and IPython writes no history. Other processes are had by `process.py`.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["CLIENT", "SOCKET", "forked_kernels"]

SOCKET = "socket"
"""Where the process that forks is reached, in its folder."""

_HERE = Path(__file__).parent
CLIENT = _HERE / "client.py"


@contextmanager
def forked_kernels(kind: str = "python3", **environment: str) -> Iterator[Path]:
    """Run the process that forks; yield the folder for `JUPYTER_PATH`, which is empty on other systems.

    `kind` is the name that Jupyter knows its kernels by, `environment` what is added to that of the process.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if not hasattr(os, "pidfd_open"):
            yield folder
            return
        address = str(folder / SOCKET)
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
            listener.bind(address)
            listener.listen()
            command = [sys.executable, str(_HERE / "server.py"), str(listener.fileno())]
            # In a session of its own: Ctrl-C is for the tests. It ends with its standard input.
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                pass_fds=[listener.fileno()],
                # Where jedi, once it is imported, keeps for all kernels what it has parsed for one.
                env={**os.environ, "XDG_CACHE_HOME": name, **environment},
                start_new_session=True,
            )
        with process:
            argv = [sys.executable, "-I", "-S", str(CLIENT), address, "-f", "{connection_file}"]
            kernel = folder / "kernels" / kind / "kernel.json"
            kernel.parent.mkdir(parents=True)
            kernel.write_text(json.dumps({"argv": argv, "display_name": kind, "language": "python"}))
            yield folder
