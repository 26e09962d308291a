"""Stands where Jupyter expects the process of a kernel: `client.py ADDRESS ARGUMENTS`.

It imports what is written in C only: `socket` and `signal` would be half of what it costs.
"""

import _signal
import _socket
import marshal
import os
import sys
from array import array

_SIGNALS = (_signal.SIGINT, _signal.SIGTERM)


def _main(address: str, *arguments: str) -> int:
    # None is lost that comes before the kernel is there.
    _signal.pthread_sigmask(_signal.SIG_BLOCK, _SIGNALS)
    server = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
    server.connect(address)
    start = {"arguments": arguments, "environment": dict(os.environ), "folder": os.getcwd()}  # noqa: PTH109
    descriptors = (_socket.SOL_SOCKET, _socket.SCM_RIGHTS, array("i", [0, 1, 2]))
    server.sendmsg([marshal.dumps(start)], [descriptors])
    kernel = int(server.recv(20))

    def pass_on(number: int, _: object) -> None:
        try:  # noqa: SIM105
            os.killpg(kernel, number)
        except ProcessLookupError:
            pass

    for each in _SIGNALS:
        _signal.signal(each, pass_on)
    _signal.pthread_sigmask(_signal.SIG_UNBLOCK, _SIGNALS)
    code = int(server.recv(20))
    if code < 0:
        _signal.signal(-code, _signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    return code


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))
