"""The gateway as a process of its own: start, memory, CPU of a chunk, many streams, large prompts.

    python -m tests.benchmarks gateway [--streams N]

Memory is what the process has in RAM, CPU its user and system time. The client of the many streams is one
thread with a selector, so that it takes little from the same cores.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import resource
import selectors
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

from .report import heading, note, row, versions

_KEY = "sk-" + "benchmark" * 2
_START = "import sys\nfrom cnai_magic.gateway.embedded import serve\n"
_START += "from cnai_magic.redaction import ApiKey\n"
_START += "serve(port=0, key=ApiKey(sys.argv[1]), tokens_per_second=0)\n"


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser("python -m tests.benchmarks gateway")
    parser.add_argument("--streams", type=int, default=1000)
    options = parser.parse_args(arguments)
    files, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(files, min(most, 8192)), most))

    heading("The gateway")
    note(versions("aiohttp"))
    began = time.perf_counter()
    with subprocess.Popen([sys.executable, "-c", _START, _KEY], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline().rsplit(":", 1)[1].split("/")[0])
        row("a process until it is ready", time.perf_counter() - began, "s", at_most=0.7)
        try:
            _measure(process.pid, port, options.streams)
        finally:
            process.terminate()


def _measure(pid: int, port: int, streams: int) -> None:
    row("memory", _memory(pid), "MB", at_most=50)
    before, chunks = _cpu(pid), 0
    for _ in range(5):
        chunks += _read(_ask(port, "demo-guide", "Write 3000 words")).count(b"\ndata: ")
    row(
        "CPU of a chunk", (_cpu(pid) - before) / chunks * 1e6, "µs", at_most=60, beside=f"({chunks:,} chunks)"
    )
    complete = _many(port, streams)
    row(f"complete and exact of {streams:,} streams", complete, at_least=streams)
    row("memory after them", _memory(pid), "MB", at_most=120)
    for name, text in (("words", "some words and more " * 800_000), ("digits", "1 " * 8_000_000)):
        waits = _beside_large(port, text)
        row(
            f"the longest wait of others, 16 MB of {name}", max(waits), "s", beside=f"({len(waits)} requests)"
        )
    held, size = _memory(pid), 2**20
    idle = [_ask(port, "demo-echo", "words and more " * (size // 15)) for _ in range(20)]
    for connection in idle:
        while b'"content":"This"' not in connection.recv(4096, socket.MSG_PEEK):
            time.sleep(0.01)
    row("memory of 20 readers that stop, in prompts", (_memory(pid) - held) / 20, "", at_most=3)
    for connection in idle:
        connection.close()


def _ask(port: int, model: str, text: str) -> socket.socket:
    body = json.dumps({"model": model, "stream": True, "messages": [{"role": "user", "content": text}]})
    connection = socket.create_connection(("127.0.0.1", port))
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {_KEY}\r\n"
    connection.sendall(f"{head}Connection: close\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
    return connection


def _read(connection: socket.socket) -> bytes:
    with connection:
        return b"".join(iter(lambda: connection.recv(65536), b""))


def _text(answer: bytes) -> str:
    pieces = [line[6:] for line in answer.split(b"\n") if line.startswith(b"data: {")]
    deltas = [json.loads(piece)["choices"][0]["delta"] for piece in pieces]
    return "".join(delta.get("content", "") for delta in deltas)


def _many(port: int, count: int) -> int:
    """Return how many of so many streams at once came complete, each with its own answer."""
    answers: dict[int, bytes] = dict.fromkeys(range(count), b"")
    with selectors.DefaultSelector() as selector:
        for number in answers:
            connection = _ask(port, "demo-echo", f"number {number} of many")
            selector.register(connection, selectors.EVENT_READ, number)
        while selector.get_map():
            for key, _ in selector.select():
                assert isinstance(key.fileobj, socket.socket)
                piece = key.fileobj.recv(65536)
                answers[key.data] += piece
                if not piece:
                    selector.unregister(key.fileobj)
                    key.fileobj.close()
    return sum(
        b"data: [DONE]" in answer and f"number {number} of many" in _text(answer)
        for number, answer in answers.items()
    )


def _beside_large(port: int, text: str) -> list[float]:
    """Return how long other requests took while a large prompt was answered."""
    waits: list[float] = []
    done = threading.Event()

    def look() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        while not done.is_set():
            began = time.perf_counter()
            connection.request("GET", "/health")
            connection.getresponse().read()
            waits.append(time.perf_counter() - began)
        connection.close()

    thread = threading.Thread(target=look)
    thread.start()
    _read(_ask(port, "demo-guide", text))
    done.set()
    thread.join()
    return waits


def _memory(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1024


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
