"""What holds for every test: a clean environment, temporary homes, loopback only."""

from __future__ import annotations

import gc
import ipaddress
import os
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from cnai_magic import redaction as safety
from tests.forked_kernels import forked_kernels
from tests.servers import ScriptedServer

try:
    import fcntl
except ImportError:  # On Windows.
    fcntl = None  # type: ignore[assignment]

# Else each worker, and each process that a test starts, would compile all that it imports.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

_BROWSER = "tests/browser/"
_FORKED = "FORKED_KERNELS"
_ENGLISH = "C.UTF-8"
_connect = socket.socket.connect

# jsonschema, and nbformat with it, would build its grammar at each start for 1.5 s; notebooks hold no IRIs.
_GRAMMAR = "rfc3987_syntax"
sys.modules[_GRAMMAR] = None  # type: ignore[assignment]


def pytest_configure(config: pytest.Config) -> None:
    """Run the process that forks kernels, one for all workers."""
    if _FORKED not in os.environ:
        stack = ExitStack()
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        folder = stack.enter_context(forked_kernels(LC_ALL=_ENGLISH))
        patch.setenv(_FORKED, str(folder))
        # Where matplotlib keeps which fonts it has found: in each new home it would look for them again.
        patch.setenv("MPLCONFIGDIR", str(folder / "matplotlib"))
        config.add_cleanup(stack.close)


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """Let the first of several workers compile all tests: each would do it for itself, at the same time."""
    if fcntl is None or "PYTEST_XDIST_WORKER" not in os.environ:
        return (yield)
    # What is collected stays: to look for garbage among it takes a sixth of the time.
    gc.disable()
    # The folders of the workers stand in one of the run.
    with (Path(session.config.option.basetemp).parent / "compiled").open("a+b") as compiled:
        fcntl.flock(compiled, fcntl.LOCK_EX)
        if compiled.seek(0, os.SEEK_END):
            fcntl.flock(compiled, fcntl.LOCK_UN)
        result = yield
        compiled.write(b"\n")
    return result


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the tests in a browser: they take longest, and share servers that start once."""
    items.sort(key=lambda item: not item.nodeid.startswith(_BROWSER))


def pytest_collection_finish() -> None:
    """Leave some thousand tests, which stay, out of each collection of garbage."""
    gc.freeze()
    gc.enable()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With `--dist loadfile`, give all tests in a browser to one worker, and each other file to any."""
    from xdist.scheduler import LoadFileScheduling

    class OneBrowser(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return _BROWSER if nodeid.startswith(_BROWSER) else str(super()._split_scope(nodeid))

    if config.getvalue("dist") != "loadfile":
        return None
    # In the order in which they were collected.
    config.option.loadscopereorder = False
    return OneBrowser(config, log)


# Each fixture of every test takes as long as some short test, so they are few.
@pytest.fixture(autouse=True, scope="session")
def machine_of_nobody(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Set what holds in all tests and in the processes that they start."""
    modules = tmp_path_factory.mktemp("modules")
    (modules / f"{_GRAMMAR}.py").write_text("raise ImportError\n")
    with pytest.MonkeyPatch.context() as patch:
        # Not the person's own ledger: fixtures of a module start kernels before any test begins.
        patch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data")))
        patch.setenv("PYTHONPATH", str(modules), prepend=os.pathsep)
        # Kernels are forked wherever they are started: to import what they are made of is most of their cost.
        patch.setenv("JUPYTER_PATH", os.environ[_FORKED])
        # English, whatever the person speaks.
        patch.setenv("LC_ALL", _ENGLISH)
        if hasattr(time, "tzset"):
            # No test meets another day: it is about noon. In POSIX this is what is added to local time for
            # UTC, from -12 to +11, so each hour tries another time zone.
            patch.setenv("TZ", f"NOON{time.gmtime().tm_hour - 12:+d}")
            time.tzset()
        yield
    if hasattr(time, "tzset"):
        time.tzset()


@pytest.fixture(scope="session")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the tests' homes: a `tmp_path` for each of some thousand tests would take longer."""
    return tmp_path_factory.mktemp("homes")


@pytest.fixture(autouse=True)
def nobody_at_home(homes: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Hide the person's own settings, keys, proxies and folders; fail a test that connects elsewhere."""
    for name in list(os.environ):
        if name.startswith(("CNAI_", "OPENAI_", "JPY_", "PYTHONWARNINGS")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    home = Path(tempfile.mkdtemp(dir=homes))
    folders = {
        "HOME": home,
        "XDG_DATA_HOME": home / "data",
        "XDG_CONFIG_HOME": home / "config",
        "XDG_CACHE_HOME": home / "cache",
        "IPYTHONDIR": home / "ipython",
        "JUPYTER_CONFIG_DIR": home / "jupyter-config",
        "JUPYTER_DATA_DIR": home / "jupyter-data",
        "JUPYTER_RUNTIME_DIR": home / "jupyter-runtime",
    }
    # No keyring of the person either, in this process or in one that it starts.
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    for name, folder in folders.items():
        monkeypatch.setenv(name, str(folder))
    # Keys that other tests met: the end of a text that may begin one is held back.
    monkeypatch.setattr(safety, "_known_keys", set())
    strays: list[object] = []
    monkeypatch.setattr(socket.socket, "connect", _connect_to_this_machine(strays))
    yield
    assert not strays, f"this test tried to connect to {strays}"


def _connect_to_this_machine(strays: list[object]) -> Callable[[socket.socket, Any], None]:
    """Return what connects to this machine only, and notes in `strays` where else it should have."""

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            try:
                local = ipaddress.ip_address(address[0]).is_loopback
            except ValueError:
                local = address[0] == "localhost"
            if not local:
                strays.append(address)
                raise OSError(f"a test may only connect to loopback, not to {address[0]}")
        _connect(self, address)

    return guarded


@pytest.fixture(autouse=True, scope="module")
def gateway_of_one_file() -> Iterator[None]:
    """Close the embedded gateway that a file leaves running: the next one counts charges from its start."""
    yield
    embedded = sys.modules.get("cnai_magic.gateway.embedded")
    if embedded is not None and embedded._current is not None:
        embedded._current.end()


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    """Run a server that answers as a test tells it."""
    with ScriptedServer() as running:
        yield running
