"""The rooms of DESIGN §2 and the arrows between them, held by reading the imports from the source.

Imports inside functions and those for the type checker count as any other. A new module needs a line
here: where it stands is decided, not found out.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import cnai_magic

_PACKAGE = Path(cnai_magic.__file__).parent

_FOR_ALL = {"errors", "nearest", "safety"}
# What each room may import of the package, besides those for all; render and gateway are one each.
_ARROWS: dict[str, set[str]] = {
    "safety": set(),
    "nearest": set(),
    "errors": set(),
    "markdown": set(),
    "config": set(),
    "worker": set(),
    "forks": set(),
    "interrupts": set(),
    "protocol": set(),
    "prices": {"protocol"},
    "spend": {"protocol"},
    "ledger": {"prices", "protocol", "spend"},
    "price_lookup": {"prices", "worker"},
    "holds": {"ledger", "prices", "protocol", "spend"},
    "ledger_writer": {"holds", "ledger", "price_lookup", "spend", "worker"},
    "reconciliation": {"spend"},
    "accounts": {
        "holds",
        "interrupts",
        "ledger",
        "ledger_writer",
        "price_lookup",
        "prices",
        "protocol",
        "reconciliation",
        "spend",
    },
    "footer": {"protocol", "spend"},
    "reply": {"footer", "markdown", "protocol", "spend"},
    "order": set(),
    "conversation": {"order", "protocol", "reply"},
    "conversations": {"conversation", "order", "reply"},
    "cell_run": {"conversations", "order"},
    "documents": {"conversation", "conversations", "markdown", "order", "protocol", "reply", "spend"},
    "client": {"addresses", "vendors", "protocol", "spend", "worker"},
    "stream": {"client", "protocol", "worker"},
    "gateway": {"prices", "protocol", "spend", "worker"},
    "addresses": set(),
    "vendors": {"addresses"},
    "access": {"addresses", "config", "gateway", "vendors", "worker"},
    "advice": {"access", "nearest", "protocol", "vendors"},
    "provider": {
        "access",
        "addresses",
        "advice",
        "client",
        "config",
        "price_lookup",
        "prices",
        "protocol",
        "spend",
        "forks",
        "interrupts",
    },
    "question": {"conversation", "price_lookup", "prices", "protocol", "reply", "spend", "stream"},
    "answer": {"accounts", "client", "holds", "protocol", "question", "spend", "stream"},
    "pending_reply": {
        "accounts",
        "answer",
        "client",
        "holds",
        "interrupts",
        "question",
        "reply",
        "stream",
    },
    "replay": {"question", "reply"},
    "session": {
        "forks",
        "access",
        "accounts",
        "answer",
        "cell_run",
        "client",
        "config",
        "conversation",
        "conversations",
        "documents",
        "interrupts",
        "ledger",
        "pending_reply",
        "price_lookup",
        "prices",
        "protocol",
        "provider",
        "question",
        "replay",
        "reply",
        "spend",
    },
    "render": {
        "cell_run",
        "client",
        "conversation",
        "conversations",
        "documents",
        "footer",
        "markdown",
        "prices",
        "protocol",
        "question",
        "reply",
        "session",
        "spend",
        "stream",
    },
    "hints": {"config"},
    "options": {"config", "hints"},
    "command_lines": {"options"},
    "chat_changes": {"conversation", "conversations", "documents", "order", "render", "reply", "session"},
    "chat_files": {"chat_changes", "conversation", "documents", "render", "reply"},
    "chat_commands": {
        "chat_changes",
        "chat_files",
        "command_lines",
        "conversation",
        "documents",
        "options",
        "order",
        "render",
        "session",
    },
    "spend_sums": {"ledger", "protocol", "session", "spend"},
    "spend_told": {"session", "spend"},
    "spend_commands": {
        "command_lines",
        "documents",
        "options",
        "prices",
        "render",
        "session",
        "spend",
        "spend_sums",
        "spend_told",
    },
    "magics": {
        "access",
        "calling_code",
        "cell_run",
        "chat_commands",
        "command_lines",
        "config",
        "documents",
        "expansion",
        "hints",
        "interrupts",
        "options",
        "protocol",
        "render",
        "reply",
        "session",
        "spend_commands",
        "transform",
    },
    "transform": set(),
    "calling_code": set(),
    "expansion": set(),
    "cli": {"gateway", "options", "render", "session", "spend_commands"},
}
# Which rooms know a library; one that is not named here is a new dependency.
_LIBRARIES: dict[str, set[str]] = {
    "requests": {"client"},
    "urllib3": {"client"},
    "sseclient": {"client"},
    "IPython": {"magics", "render", "transform"},
    "traitlets": {"config", "render.widget"},
    "anywidget": {"render.widget"},
    "aiohttp": {"gateway"},
    "keyring": {"access"},
    "markdown_it": {"markdown"},
    "nbformat": {"documents.notebook"},
    "platformdirs": {"ledger"},
    "tomli": {"gateway", "prices", "vendors"},
}
# Parts of the standard library that only one room touches.
_OWNED = {
    "sqlite3": {"ledger"},
    "socket": {"access", "client", "gateway"},
    "asyncio": {"gateway"},
    "http": {"client"},
}
# Pure rooms do no I/O: they open nothing, and know neither clock nor network nor threads.
_PURE = {
    "cell_run",
    "conversation",
    "conversations",
    "documents.found_turns",
    "documents.imported",
    "documents.kept",
    "documents.merge",
    "documents.messages",
    "documents.names",
    "documents.output",
    "documents.restore",
    "documents.transcript",
    "markdown",
    "prices",
    "protocol",
    "replay",
    "reply",
    "safety",
    "spend",
}
_IMPURE = {
    "asyncio",
    "http",
    "os",
    "pathlib",
    "requests",
    "socket",
    "subprocess",
    "threading",
    "time",
    "urllib.request",
}


def _modules() -> dict[str, Path]:
    """Return every module of the package by its name in it: `session`, `render.static`, "" for the root."""
    found = {}
    for path in _PACKAGE.rglob("*.py"):
        if "node_modules" in path.parts:
            continue
        parts = path.relative_to(_PACKAGE).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


_MODULES = _modules()


def _imports(module: str) -> Iterator[str]:
    """Yield what a module imports, wherever in it: own modules as `.session`, foreign ones as `os`."""
    path = _MODULES[module]
    package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield (
                    alias.name.replace("cnai_magic", "", 1)
                    if alias.name.startswith("cnai_magic")
                    else alias.name
                )
        elif isinstance(node, ast.ImportFrom):
            assert node.level <= len([part for part in package if part]) + 1
            if not node.level:
                assert node.module is not None
                yield (
                    node.module.replace("cnai_magic", "", 1)
                    if node.module.startswith("cnai_magic")
                    else node.module
                )
                continue
            above = [part for part in package if part]
            base = above[: len(above) - (node.level - 1)] + (node.module.split(".") if node.module else [])
            for alias in node.names:
                inner = ".".join([*base, alias.name])
                yield f".{inner if inner in _MODULES or not base else '.'.join(base)}"


def _own(module: str) -> set[str]:
    # The root hands out lazily what the rooms offer; they take the version from it, and nothing else.
    return {name[1:] for name in _imports(module) if name.startswith(".")} - {"__version__"}


def _room(module: str) -> str:
    return module.split(".")[0]


@pytest.mark.parametrize("module", sorted(set(_MODULES) - {""}))
def test_imports_follow_the_arrows(module: str) -> None:
    room = _room(module)
    assert room in _ARROWS, f"{room} is a new room: give it its arrows in this test, and in DESIGN §2"
    others = {_room(name) for name in _own(module)} - {room, ""}
    assert others <= _ARROWS[room] | (_FOR_ALL if room not in _FOR_ALL else {"safety"})


def test_every_room_that_is_listed_exists() -> None:
    assert {_room(module) for module in _MODULES} - {""} == set(_ARROWS)


def test_there_is_no_cycle_of_imports() -> None:
    graph = {module: _own(module) - {module, ""} for module in _MODULES if module}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"a cycle: {' → '.join(error.args[1])}")


@pytest.mark.parametrize("module", sorted(_MODULES))
def test_a_library_is_known_to_its_own_rooms_only(module: str) -> None:
    foreign = {name.split(".")[0] for name in _imports(module) if name and not name.startswith(".")}
    for name in foreign - set(sys.stdlib_module_names) - {"tomllib"}:
        assert name in _LIBRARIES, f"{name} is a new dependency"
        assert {module, _room(module)} & _LIBRARIES[name], f"{name} is not for {module}"
    for name in foreign & set(_OWNED):
        assert _room(module) in _OWNED[name]


@pytest.mark.parametrize("room", sorted(_PURE))
def test_pure_rooms_do_no_io(room: str) -> None:
    for module in _MODULES:
        if room in (module, _room(module)):
            names = set(_imports(module))
            assert not (names | {name.split(".")[0] for name in names}) & _IMPURE


def test_the_gateway_never_imports_the_notebook_side() -> None:
    for module in _MODULES:
        if _room(module) == "gateway":
            assert {_room(name) for name in _own(module)} <= _ARROWS["gateway"] | {"gateway"} | _FOR_ALL


def test_the_notebook_side_imports_the_gateway_late() -> None:
    for module, path in _MODULES.items():
        if _room(module) == "gateway":
            continue
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            assert not (isinstance(node, ast.ImportFrom) and (node.module or "").startswith("gateway")), (
                module
            )


def _loaded_after(statement: str) -> set[str]:
    """Return the top-level modules that a fresh interpreter has loaded after a statement."""
    code = f"{statement}\nimport sys\nprint(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    return set(done.stdout.split())


def test_loading_the_extension_loads_nothing_heavy() -> None:
    heavy = {
        "requests",
        "urllib3",
        "sseclient",
        "aiohttp",
        "nbformat",
        "anywidget",
        "ipywidgets",
        "jinja2",
        "keyring",
        "markdown_it",
    }
    loaded = _loaded_after("import cnai_magic, cnai_magic.magics, cnai_magic.render")
    assert "IPython" in loaded
    assert loaded & heavy == set()


def test_importing_the_package_loads_nothing_but_itself() -> None:
    before = _loaded_after("")
    new = _loaded_after("import cnai_magic") - before
    assert new - set(sys.stdlib_module_names) == {"cnai_magic"}


def test_the_command_line_asks_without_ipython() -> None:
    loaded = _loaded_after("import cnai_magic.cli, cnai_magic.session, cnai_magic.render.terminal")
    assert loaded & {"IPython", "aiohttp", "ipywidgets", "jinja2", "markdown_it", "nbformat"} == set()


def test_a_question_is_shown_before_anything_heavy_is_loaded() -> None:
    loaded = _loaded_after("import cnai_magic.magics, cnai_magic.session, cnai_magic.documents.notebook")
    assert loaded & {"requests", "urllib3", "sseclient", "aiohttp", "nbformat", "jinja2", "keyring"} == set()


def test_the_gateway_starts_without_the_notebook_side() -> None:
    loaded = _loaded_after("import cnai_magic.gateway.app")
    assert "aiohttp" in loaded
    assert loaded & {"IPython", "traitlets", "requests", "sseclient"} == set()
