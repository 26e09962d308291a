"""A process of a test, forked with the package imported: in place of `python -c`, at a fifth of its cost."""

from __future__ import annotations

import marshal
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO, TypeAlias

from . import CLIENT, SOCKET

__all__ = ["ForkedProcess", "Process", "forked_command", "start_python"]


def start_python(
    code: str, *arguments: str, environment: Mapping[str, str] | None = None, piped: bool = True
) -> Process:
    """Start a process that runs `code`; its output and errors, and with `piped` its input, are pipes of text.

    Modules, ours too, are there before it imports them. Where nothing forks it is a new interpreter.
    """
    clean = dict(os.environ if environment is None else environment)
    address = Path(os.environ["FORKED_KERNELS"], SOCKET)
    if address.exists():
        return ForkedProcess(str(address), code, arguments, clean, piped=piped)
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdin=subprocess.PIPE if piped else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env=clean,
    )


def forked_command(code: str, *arguments: str) -> list[str]:
    """Return the command of a process that stands for one that runs `code`, with the same files."""
    address = Path(os.environ["FORKED_KERNELS"], SOCKET)
    options = ["-I", "-S", str(CLIENT), str(address)] if address.exists() else []
    return [sys.executable, *options, "-c", code, *arguments]


class ForkedProcess:
    """What a test uses of `subprocess.Popen`; it is killed when this is closed or forgotten."""

    def __init__(
        self, address: str, code: str, arguments: tuple[str, ...], environment: dict[str, str], *, piped: bool
    ) -> None:
        self.returncode: int | None = None
        start = {"arguments": ["-c", code, *arguments], "environment": environment, "folder": str(Path.cwd())}
        with ExitStack() as theirs, ExitStack() as ours:
            self.stdin: IO[str] | None = None
            given = theirs.enter_context(Path(os.devnull).open()) if not piped else None
            if given is None:
                given, self.stdin = self._make_pipe(theirs, ours, "w")
            written, self.stdout = self._make_pipe(theirs, ours, "r")
            errors, self.stderr = self._make_pipe(theirs, ours, "r")
            self._server = ours.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
            self._server.connect(address)
            descriptors = [each.fileno() for each in (given, written, errors)]
            socket.send_fds(self._server, [marshal.dumps(start)], descriptors)
            self.pid = int(self._server.recv(20))
            self._files = ours.pop_all()

    @staticmethod
    def _make_pipe(theirs: ExitStack, ours: ExitStack, mode: str) -> tuple[IO[str], IO[str]]:
        reader, writer = os.pipe()
        read = open(reader, encoding="utf-8")  # noqa: SIM115
        write = open(writer, "w", encoding="utf-8")  # noqa: SIM115
        mine, its = (read, write) if mode == "r" else (write, read)
        return theirs.enter_context(its), ours.enter_context(mine)

    def __enter__(self) -> ForkedProcess:
        return self

    def __exit__(self, *_: object) -> None:
        if self.stdin is not None:
            with suppress(BrokenPipeError):
                self.stdin.close()
        self.wait()
        self._files.close()

    def poll(self) -> int | None:
        """Return its exit code, None as long as it runs."""
        with suppress(BlockingIOError):
            return self.wait(0)
        return None

    def wait(self, timeout: float | None = None) -> int:
        """Return its exit code once it has ended; raises TimeoutError after so many seconds."""
        if self.returncode is None:
            self._server.settimeout(timeout)
            self.returncode = int(self._server.recv(20))
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def communicate(self, text: str | None = None, timeout: float | None = None) -> tuple[str, str]:
        """Write `text`, end its input; return its output and errors, which fit in a pipe, once it ended."""
        if self.stdin is not None and not self.stdin.closed:
            with suppress(BrokenPipeError):
                self.stdin.write(text or "")
                self.stdin.close()
        self.wait(timeout)
        written = tuple("" if each.closed else each.read() for each in (self.stdout, self.stderr))
        self._files.close()
        return written[0], written[1]


Process: TypeAlias = "ForkedProcess | subprocess.Popen[str]"
