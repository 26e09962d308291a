"""A server of JupyterLab and Notebook 7 in a process of its own, with folders of its own."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat import NotebookNode

import cnai_magic

__all__ = ["JupyterServer", "running_jupyter"]

PATIENCE = 60.0
"""Seconds after which a server that does not start fails the test."""

# An answer's end that may be the beginning of the key is held back: this one begins as no text here ends.
_KEY = "sk-0123456789-test"
_PAGES = {"lab": "doc/tree", "notebook": "notebooks"}
# Before the copy that an installation made: tests run what is in the source tree.
_EXTENSIONS = Path(cnai_magic.__file__).parent / "frontend" / "lab" / "built"
# A kernel in whose environment the package is not installed.
_BARE = (
    "import sys; sys.modules['cnai_magic'] = None\n"
    "from ipykernel import kernelapp; kernelapp.launch_new_instance()"
)
_QUIET = {"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False}}
# Each page would ask whether the application is to be built anew, which starts node twice. What is disabled
# has nothing to do with answers, and asks the server for much: the kinds that nbconvert exports to, the
# documents opened lately one by one, language servers, news, and an icon at each run of a cell; or is drawn
# for nobody: the launcher each time that a notebook is closed, and what moves while the page is loaded.
_PAGE_CONFIG = {
    "buildAvailable": False,
    "buildCheck": False,
    "disabledExtensions": {
        "@jupyterlab/application-extension:faviconbusy": True,
        "@jupyterlab/apputils-extension:announcements": True,
        "@jupyterlab/apputils-extension:splash": True,
        "@jupyterlab/docmanager-extension:recents": True,
        "@jupyterlab/launcher-extension": True,
        "@jupyterlab/lsp-extension": True,
        "@jupyterlab/notebook-extension:export": True,
        "@jupyterlab/notebook-extension:update-raw-mimetype": True,
    },
}


@dataclass(frozen=True)
class JupyterServer:
    """A running server: its address with the slash at its end, the folder of its notebooks, its settings.

    Its pages are those of `app`: JupyterLab ("lab") or Notebook 7 ("notebook").
    """

    url: str
    folder: Path
    config: Path
    app: str = "lab"

    def page(self, name: str) -> str:
        """Return the address of a notebook's page."""
        return f"{self.url}{_PAGES[self.app]}/{name}"

    @contextmanager
    def without_extension(self) -> Iterator[None]:
        """Leave our extension out of the pages that are opened meanwhile, as if it was not installed."""
        file = self.config / "labconfig" / "page_config.json"
        before = file.read_text()
        config = json.loads(before)
        config["disabledExtensions"]["cnai-magic"] = True
        file.write_text(json.dumps(config))
        try:
            yield
        finally:
            file.write_text(before)

    def write(self, name: str, notebook: NotebookNode) -> None:
        nbformat.write(notebook, self.folder / name)

    def read(self, name: str) -> NotebookNode:
        notebook = nbformat.read(self.folder / name, as_version=4)
        nbformat.validate(notebook)
        return notebook


@contextmanager
def running_jupyter(home: Path, *, ipykernel6: str = "") -> Iterator[JupyterServer]:
    """Start a server; `ipykernel6` is a folder that holds that ipykernel, for the kernel of this name."""
    environment = _environment(home)
    data, config, runtime = (
        Path(environment[f"JUPYTER_{kind}_DIR"]) for kind in ("DATA", "CONFIG", "RUNTIME")
    )
    _write_json(config / "labconfig" / "default_setting_overrides.json", _QUIET)
    (config / "labconfig" / "page_config.json").write_text(json.dumps(_PAGE_CONFIG))
    kernels = data / "kernels"
    _write_kernel(kernels / "bare", "without cnai_magic", ["-c", _BARE])
    if ipykernel6:
        path = os.pathsep.join(filter(None, [ipykernel6, os.environ.get("PYTHONPATH")]))
        _write_kernel(kernels / "ipykernel6", "ipykernel 6", ["-m", "ipykernel_launcher"], PYTHONPATH=path)
    folder = home / "notebooks"
    folder.mkdir()
    command = [
        sys.executable,
        "-m",
        "jupyterlab",
        "--no-browser",
        "--ip=127.0.0.1",
        f"--port={_free_port()}",
    ]
    command += ["--IdentityProvider.token=", "--allow-root", "--expose-app-in-browser"]
    # It has the pages of Notebook 7, too.
    command += ["--JupyterNotebookApp.expose_app_in_browser=True"]
    command += [f"--ServerApp.root_dir={folder}"]
    # It lists a folder at once. The other one fails where a file goes meanwhile, and the page shows a dialog.
    manager = "jupyter_server.services.contents.largefilemanager.LargeFileManager"
    command += [f"--ServerApp.contents_manager_class={manager}"]
    log = home / "server.log"
    with open(log, "wb") as written:
        process = subprocess.Popen(
            command, env=environment, cwd=folder, stdin=subprocess.DEVNULL, stdout=written, stderr=written
        )
        try:
            yield JupyterServer(_address(process, runtime, log), folder, config)
        finally:
            # It ends its kernels first.
            process.terminate()
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _environment(home: Path) -> dict[str, str]:
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("CNAI_", "JPY_", "JUPYTER", "OPENAI_", "PYTHONWARNINGS"))
        and not name.lower().endswith("_proxy")
    }
    folders = ["HOME", "IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"]
    own = {name: str(home / name.lower()) for name in folders}
    for each in own.values():
        Path(each).mkdir(parents=True)
    return {
        **clean,
        **own,
        # Beside it is the folder of the kernels that are forked.
        "JUPYTER_PATH": os.pathsep.join(filter(None, [str(_EXTENSIONS), os.environ.get("JUPYTER_PATH")])),
        "CNAI_API_KEY": _KEY,
        "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
    }


def _address(process: subprocess.Popen[bytes], runtime: Path, log: Path) -> str:
    """Return where the server listens, once it answers; it may have chosen another port."""
    limit = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < limit:
        for file in runtime.glob(f"jpserver-{process.pid}.json"):
            try:
                url = str(json.loads(file.read_text())["url"])
                with urllib.request.urlopen(f"{url}api/status", timeout=5) as answer:
                    answer.read()
                return url
            except (OSError, ValueError, KeyError, urllib.error.URLError):
                pass
        time.sleep(0.05)
    raise RuntimeError(f"the Jupyter server does not start:\n{log.read_text(errors='replace')[-4000:]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _write_kernel(folder: Path, name: str, arguments: list[str], **environment: str) -> None:
    argv = [sys.executable, *arguments, "-f", "{connection_file}"]
    spec = {"argv": argv, "display_name": name, "language": "python", "env": environment}
    _write_json(folder / "kernel.json", spec)


def _write_json(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(content))
