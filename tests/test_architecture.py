"""The packages of DESIGN §2 and the arrows between them, held by reading the imports from the source.

Imports inside functions and those for the type checker count as any other.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

from tests.package_source import PACKAGE, list_nodes, list_sources, list_statements

# What each package may import of the others: only what stands below it here. Of the last three, each may be
# imported by all above it.
_ARROWS: dict[str, set[str]] = {
    "cli": {"magics", "display", "session", "gateway"},
    "plain_python": {"display", "session", "chat", "money", "api", "settings"},
    "magics": {"display", "session", "notebook", "chat", "money", "api", "settings"},
    "display": {"session", "notebook", "chat", "money", "api"},
    "session": {"notebook", "gateway", "chat", "money", "api", "settings"},
    "notebook": {"chat", "money", "api"},
    "gateway": {"demo", "money", "api"},
    "chat": {"money", "api"},
    "demo": {"api"},
    "money": {"settings", "api"},
    "settings": {"api"},
    "api": set(),
    "errors": set(),
    "python_words": set(),
    "next_steps": set(),
    "languages": set(),
    "nearest": set(),
    "csv_cells": set(),
    "redaction": set(),
}
_FOR_ALL = ["errors", "python_words", "next_steps", "languages", "nearest", "csv_cells", "redaction"]
_ORDER = list(_ARROWS)

# Which packages or modules know a library; one that is not named here is a new dependency.
_LIBRARIES: dict[str, set[str]] = {
    "requests": {"api"},
    "urllib3": {"api"},
    "sseclient": {"api"},
    "PIL": {"chat.images"},
    "IPython": {"magics", "display"},
    "traitlets": {"settings", "display.page_widget"},
    "anywidget": {"display.page_widget"},
    "aiohttp": {"gateway"},
    "jsonschema": {"chat.json_answer", "chat.json_formats", "chat.schemas"},
    "keyring": {"session.keys"},
    "jinja2": {"chat.prompts.expressions"},
    "markdown_it": {"chat.markdown"},
    "nbformat": {"notebook.notebook_files"},
    "platformdirs": {"money.ledger", "magics.prompts"},
    "tomli": {"api.model_facts", "api.vendors", "demo.knowledge_files", "languages", "money.price"},
}
# Parts of the standard library that only some packages touch.
_OWNED = {
    "sqlite3": {
        "session.batches.row_store",
        "money.ledger",
        "money.kept_charges",
        "money.sqlite_holds",
        "money.sqlite_store",
        "money.sqlite_sums",
    },
    "socket": {"api", "gateway", "session.endpoint"},
    # Very many requests at a time: a thread for each, over requests, takes three times the CPU.
    "asyncio": {
        "gateway",
        "api.async_http",
        "api.concurrent_client",
        "api.parallelism",
        "session.batches.batch",
        "session.batches.batch_outbox",
        "session.batches.batch_question",
        "session.batches.live_question",
        "session.tool_loop",
    },
    "http": {"api"},
}
# Pure packages and modules do no I/O: they open nothing, and know neither clock nor network nor threads.
_PURE = {
    "api.billing",
    "api.image_data",
    "api.json_format",
    "api.message_parts",
    "api.messages",
    "api.model_facts",
    "api.reader",
    "api.thinking",
    "api.tokens",
    "api.usage",
    "api.vendor_errors",
    "chat",
    "csv_cells",
    "money.cost",
    "money.price",
    "notebook.cell_history",
    "notebook.found_conversations",
    "notebook.markdown_export",
    "notebook.merge",
    "notebook.messages_json",
    "notebook.page_facts",
    "notebook.read_record",
    "notebook.record",
    "notebook.restore",
    "notebook.saved_outputs",
    "notebook.saved_state",
    "notebook.turn_building",
    "notebook.unstated_changes",
    "notebook.untrusted",
    "redaction",
    "session.replay",
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
    """Return every module of the package by its name in it: `cli`, `display.final`, "" for the root."""
    found = {}
    for path in list_sources():
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


_MODULES = _modules()


class _Source(NamedTuple):
    """What a module imports, what of it from elsewhere as it is imported itself, and own modules late."""

    imports: frozenset[str]
    first: frozenset[str]
    late: bool


@cache
def _read(module: str) -> _Source:
    text = _MODULES[module].read_text(encoding="utf-8")
    tree = ast.parse(text)
    statements = list(list_statements(tree))
    first = {node.module or "" for node in tree.body if isinstance(node, ast.ImportFrom)}
    functions = [node for node in statements if isinstance(node, ast.FunctionDef)]
    late = any(
        isinstance(node, ast.ImportFrom) and node.level > 0
        for function in functions
        for node in list_statements(function)
    ) or (
        "import_module" in text
        and any(
            isinstance(node, ast.Name) and node.id == "import_module"
            for function in functions
            for node in list_nodes(function)
        )
    )
    return _Source(frozenset(_list_imports(module, statements)), frozenset(first), late)


def _imports(module: str) -> frozenset[str]:
    """Return what a module imports, wherever in it: own modules as `.session`, foreign ones as `os`."""
    return _read(module).imports


def _list_imports(module: str, statements: Iterable[ast.stmt]) -> Iterator[str]:
    path = _MODULES[module]
    package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    for node in statements:
        if isinstance(node, ast.Import):
            for alias in node.names:
                own = alias.name.startswith("cnai_magic")
                yield alias.name.replace("cnai_magic", "", 1) if own else alias.name
        elif isinstance(node, ast.ImportFrom):
            assert node.level <= len([part for part in package if part]) + 1
            if not node.level:
                assert node.module is not None
                own = node.module.startswith("cnai_magic")
                yield node.module.replace("cnai_magic", "", 1) if own else node.module
                continue
            above = [part for part in package if part]
            base = above[: len(above) - (node.level - 1)] + (node.module.split(".") if node.module else [])
            for alias in node.names:
                inner = ".".join([*base, alias.name])
                yield f".{inner if inner in _MODULES or not base else '.'.join(base)}"


def _own(module: str) -> set[str]:
    # The root hands out lazily what the packages offer; they take the version from it, and nothing else.
    return {name[1:] for name in _imports(module) if name.startswith(".")} - {"__version__"}


def _package(module: str) -> str:
    return module.split(".")[0]


def _matches(module: str, names: set[str]) -> bool:
    """Tell whether a module is one of these, or in one of these packages."""
    parts = module.split(".")
    return any(".".join(parts[:size]) in names for size in range(1, len(parts) + 1))


def test_imports_follow_the_arrows() -> None:
    for module in sorted(set(_MODULES) - {""}):
        package = _package(module)
        assert package in _ARROWS, f"{package} is new: give it its arrows in this test, and in DESIGN §2"
        others = {_package(name) for name in _own(module)} - {package, ""}
        below = {name for name in _FOR_ALL if _ORDER.index(name) > _ORDER.index(package)}
        assert others <= _ARROWS[package] | below, module


def test_the_arrows_lead_down_and_each_is_used() -> None:
    for package, others in _ARROWS.items():
        assert all(_ORDER.index(other) > _ORDER.index(package) for other in others)
        used = {_package(name) for module in _MODULES if _package(module) == package for name in _own(module)}
        assert others <= used, f"{package} no longer uses {others - used}"


def test_there_is_no_cycle_of_imports() -> None:
    graph = {module: _own(module) - {module, ""} for module in _MODULES if module}
    cycle: list[str] = []
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        cycle = error.args[1]
    assert not cycle, f"a cycle: {' → '.join(cycle)}"


def test_a_library_is_known_to_its_own_packages_only() -> None:
    for module in sorted(_MODULES):
        foreign = {name.split(".")[0] for name in _imports(module) if name and not name.startswith(".")}
        for name in foreign - set(sys.stdlib_module_names) - {"tomllib"}:
            assert name in _LIBRARIES, f"{name} is a new dependency"
            assert _matches(module, _LIBRARIES[name]), f"{name} is not for {module}"
        for name in foreign & set(_OWNED):
            assert _matches(module, _OWNED[name]), f"{name} is not for {module}"


def test_pure_modules_do_no_io() -> None:
    for module in sorted(name for name in _MODULES if name and _matches(name, _PURE)):
        names = _imports(module)
        assert not (names | {name.split(".")[0] for name in names}) & _IMPURE, module


def test_the_notebook_side_imports_the_gateway_late() -> None:
    for module in _MODULES:
        if _package(module) != "gateway":
            assert not any("gateway" in name.split(".") for name in _read(module).first), module


# Where own modules are imported late, because what they need is heavy or optional, and nowhere else.
_LATE = {
    "": "plain `import cnai_magic` loads nothing but itself",
    "chat.markdown": "the parser of Markdown",
    "chat.prompts.prompt": "jinja2, for a prompt that has braces",
    "cli": "each command loads what it runs",
    "display": "ipywidgets",
    "gateway.embedded": "aiohttp",
    "magics.ask": "files, images, cells and the dry run, for a question that has them",
    "magics.extension": "each magic loads what it does, for a fast %load_ext and a fast first question",
    "magics.shell_session": "how values are shown, for a prompt that has some",
    "api.client": "asyncio, for very many questions",
    "plain_python.rows": "what shows progress in a kernel, for rows that are asked there",
    "plain_python.session": "what reads rows, for a session that asks for them",
    "session.batches.row_sources": "jinja2, for rows with a template",
    "session.comparisons": "asyncio, for compared answers that are replayed",
    "session.kernel_session": "how values are shown, for a question with tools; asyncio and SQLite, for rows",
    "session.servers": "requests, and the gateway",
}


def test_own_modules_are_imported_late_only_where_they_are_heavy() -> None:
    assert {module for module in _MODULES if _read(module).late} == set(_LATE)


def _loaded_after(statement: str) -> set[str]:
    """Return the top-level modules that a fresh interpreter has loaded after a statement."""
    code = f"{statement}\nimport sys\nprint(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    return set(done.stdout.split())


def test_loading_the_extension_loads_nothing_heavy() -> None:
    heavy = {"aiohttp", "anywidget", "ipywidgets", "jinja2", "keyring", "markdown_it", "nbformat", "requests"}
    heavy |= {"jsonschema", "sseclient", "urllib3"}
    loaded = _loaded_after("import cnai_magic, cnai_magic.magics.extension, cnai_magic.display")
    assert "IPython" in loaded
    assert loaded & heavy == set()


def test_importing_the_package_loads_nothing_but_itself() -> None:
    before = _loaded_after("")
    new = _loaded_after("import cnai_magic") - before
    assert new - set(sys.stdlib_module_names) == {"cnai_magic"}


def test_the_command_line_asks_without_ipython() -> None:
    loaded = _loaded_after(
        "import cnai_magic.cli, cnai_magic.session.kernel_session, cnai_magic.display.terminal"
    )
    assert loaded & {"IPython", "aiohttp", "ipywidgets", "markdown_it", "nbformat"} == set()


def test_a_question_is_shown_before_anything_heavy_is_loaded() -> None:
    modules = ("magics.extension", "magics.ask", "magics.shell_session")
    loaded = _loaded_after("import " + ", ".join(f"cnai_magic.{name}" for name in modules))
    heavy = {
        "requests",
        "urllib3",
        "sseclient",
        "aiohttp",
        "nbformat",
        "keyring",
        "jsonschema",
        "jinja2",
        "PIL",
    }
    # How values are shown needs statistics.
    assert loaded & {*heavy, "statistics"} == set()


def test_the_gateway_starts_without_the_notebook_side() -> None:
    loaded = _loaded_after("import cnai_magic.gateway.app")
    assert "aiohttp" in loaded
    assert loaded & {"IPython", "traitlets", "requests", "sseclient"} == set()
