"""Forks kernels for `client.py`, and processes: `server.py DESCRIPTOR`, which is a socket that listens."""

from __future__ import annotations

import atexit
import gc
import marshal
import os
import select
import signal
import socket
import sys
import time
from contextlib import suppress
from functools import cache
from importlib import import_module
from pkgutil import walk_packages
from types import ModuleType
from typing import Any, NamedTuple

# A kernel has its own working folder there, not the folder of this file.
del sys.path[0]

# What each kernel imports, and what the package imports of others in most of them. (psutil lists the children
# of a kernel that ends.)
_MODULES = (
    *("ipykernel.debugger", "ipykernel.ipkernel", "ipykernel.kernelapp", "ipykernel.zmqshell", "sqlite3"),
    *("IPython.core.completerlib", "IPython.core.debugger", "IPython.extensions.storemagic"),
    *("IPython.core.logger", "IPython.core.magics", "IPython.core.oinspect", "zmq.utils.garbage"),
    *("faulthandler", "jedi", "psutil", "pygments.formatters.terminal256", "stack_data"),
    *("tornado.platform.asyncio", "tornado.queues"),
    *("aiohttp.web", "jsonschema", "keyring", "nbformat", "psygnal", "requests", "sseclient"),
)

# Whether this process is a kernel that has ended as it should.
_ended = False


class _Kernel(NamedTuple):
    """A kernel that runs: its process, a descriptor that is readable when it ends, and its client."""

    pid: int
    process: int
    client: socket.socket

    def close(self) -> None:
        os.close(self.process)
        self.client.close()


@cache
def _import_modules() -> None:
    """Import what each kernel needs, the package too."""
    for name in _MODULES:
        import_module(name)
    for package in ("IPython.core.magics", "cnai_magic"):
        for module in walk_packages(import_module(package).__path__, f"{package}."):
            import_module(module.name)
    # One looks for the kernel as it is imported, the other takes what a kernel replaces: each kernel does it.
    for name in ("ipywidgets", "cnai_magic.magics.keys"):
        del sys.modules[name]
    _fill_caches()


def _fill_caches() -> None:
    """Read tables, compile patterns and train the model, as each kernel would at its first questions."""
    from cnai_magic import demo
    from cnai_magic.api.model_facts import ModelFacts, complete_facts
    from cnai_magic.api.vendor_errors import read_response_error
    from cnai_magic.api.vendors import find_vendor
    from cnai_magic.chat.markdown import write_markdown
    from cnai_magic.money.price import PriceList

    find_vendor("")
    complete_facts("", ModelFacts())
    PriceList().find("", "")
    read_response_error(500, '{"error": "?"}')
    for model in ("demo-guide", "demo-ngram"):
        request = demo.DemoRequest(model, (demo.DemoMessage("user", "Who?"),))
        write_markdown("".join(chunk.text for chunk in demo.answer(request)))


def _serve(listener: socket.socket) -> dict[str, Any]:
    """Fork for each client; return in the process of a kernel only, with what its client sent."""
    kernels: list[_Kernel] = []
    while True:
        watched = [each for kernel in kernels for each in (kernel.process, kernel.client)]
        ready, _, _ = select.select([listener, sys.stdin, *watched], [], [])
        if sys.stdin in ready:
            os._exit(0)
        for kernel in list(kernels):
            if kernel.process in ready:
                _, status = os.waitpid(kernel.pid, 0)
                with suppress(OSError):
                    kernel.client.send(str(os.waitstatus_to_exitcode(status)).encode())
                kernel.close()
                kernels.remove(kernel)
            elif kernel.client in ready:
                # It was killed, and so is what it stands for.
                os.kill(kernel.pid, signal.SIGKILL)
        if listener in ready and (started := _fork(listener, kernels)):
            return started


def _fork(listener: socket.socket, kernels: list[_Kernel]) -> dict[str, Any] | None:
    client, _ = listener.accept()
    sent, descriptors, *_ = socket.recv_fds(client, 1 << 20, 3)
    _import_modules()
    gc.freeze()
    pid = os.fork()
    if pid == 0:
        os.setpgid(0, 0)
        for number, each in enumerate(descriptors):
            os.dup2(each, number)
    else:
        with suppress(OSError):
            os.setpgid(pid, pid)
        with suppress(OSError):
            client.send(str(pid).encode())
        kernels.append(_Kernel(pid, os.pidfd_open(pid), client))
    for each in descriptors:
        os.close(each)
    if pid:
        return None
    for kernel in kernels:
        kernel.close()
    client.close()
    listener.close()
    started: dict[str, Any] = marshal.loads(sent)
    return started


def _run(arguments: list[str], environment: dict[str, str], folder: str) -> None:
    """Be what `python -m ipykernel_launcher ARGUMENTS` is, or `python -c CODE ARGUMENTS`."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    sys.path[:0] = [
        each for each in environment.get("PYTHONPATH", "").split(os.pathsep) if each not in sys.path
    ]
    if arguments[0] == "-c":
        _run_code(*arguments[1:])
    else:
        _run_kernel(*arguments)


def _run_code(code: str, *arguments: str) -> None:
    sys.argv[:] = ["-c", *arguments]
    # Those of the forking process know of its files whether they can seek.
    sys.stdin = sys.__stdin__ = open(0, closefd=False)  # noqa: SIM115
    sys.stdout = sys.__stdout__ = open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.__stderr__ = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
    main = sys.modules["__main__"] = ModuleType("__main__")
    exec(code, vars(main))


def _run_kernel(*arguments: str) -> None:
    from ipykernel import kernelapp

    # For each cell that runs, the history of IPython would be written, and lines for a log that nobody sees.
    # The package, which is imported already, imports widgets, which tell each kernel of themselves.
    options = ["--HistoryManager.enabled=False", "--IPKernelApp.extra_extensions=ipywidgets"]
    sys.argv[:] = ["ipykernel_launcher", *options, *arguments]
    kernelapp.launch_new_instance(logging_config={"loggers": {"IPKernelApp": {"level": "WARNING"}}})


@atexit.register
def _end() -> None:
    """End without taking modules apart, which are those of the forking process: the last step of a kernel."""
    if _ended:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


if __name__ == "__main__":
    # It has no debugger: that would be a third of what a kernel costs, and no test debugs.
    sys.modules["debugpy"] = None  # type: ignore[assignment]
    # See conftest.py.
    sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]
    # Read by ipykernel when it is imported: a kernel ends when this process does.
    os.environ["JPY_PARENT_PID"] = str(os.getpid())
    with socket.socket(fileno=int(sys.argv[1])) as listener:
        started = _serve(listener)
    _run(**started)
    _ended = True
