"""Stands where Jupyter expects the process of a kernel: `client.py ADDRESS ARGUMENTS`."""

import json
import os
import signal
import socket
import sys
from contextlib import suppress

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def _main(address: str, *arguments: str) -> int:
    # None is lost that comes before the kernel is there.
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
        server.connect(address)
        start = {"arguments": arguments, "environment": dict(os.environ), "folder": os.getcwd()}  # noqa: PTH109
        socket.send_fds(server, [json.dumps(start).encode()], [0, 1, 2])
        kernel = int(server.recv(20))

        def pass_on(number: int, _: object) -> None:
            with suppress(ProcessLookupError):
                os.killpg(kernel, number)

        for each in _SIGNALS:
            signal.signal(each, pass_on)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        code = int(server.recv(20))
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    return code


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))
