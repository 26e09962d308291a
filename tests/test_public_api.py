"""Public means listed in `__all__`; what is listed exists, is documented, and is found where it is said."""

from __future__ import annotations

import ast
import importlib
import inspect
from pathlib import Path
from types import ModuleType

import pytest

import cnai_magic

_PACKAGE = Path(cnai_magic.__file__).parent
_MODULES = sorted(
    ".".join(("cnai_magic", *path.relative_to(_PACKAGE).with_suffix("").parts)).removesuffix(".__init__")
    for path in _PACKAGE.rglob("*.py")
    if "node_modules" not in path.parts and path.read_text(encoding="utf-8").count("\n") > 1
)


def _defined(module: ModuleType) -> set[str]:
    """Return the names that a module defines itself and that do not begin with an underscore."""
    names: set[str] = set()
    for node in ast.parse(inspect.getsource(module)).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                names |= {each.id for each in ast.walk(target) if isinstance(each, ast.Name)}
    return {name for name in names if not name.startswith("_")}


@pytest.mark.parametrize("name", _MODULES)
def test_every_module_lists_what_it_defines_for_others(name: str) -> None:
    module = importlib.import_module(name)
    listed = list(module.__all__)
    assert listed == sorted(listed, key=lambda each: (not each.isupper(), not each[0].isupper(), each))
    assert len(listed) == len(set(listed))
    assert _defined(module) - set(listed) == set()


@pytest.mark.parametrize("name", _MODULES)
def test_every_name_that_is_listed_is_there_and_documented(name: str) -> None:
    module = importlib.import_module(name)
    assert inspect.getdoc(module), f"{name} has no docstring"
    for each in module.__all__:
        thing = getattr(module, each)
        if inspect.isclass(thing) or inspect.isroutine(thing):
            assert thing.__doc__, f"{name}.{each} has no docstring"
        if inspect.isclass(thing):
            for member, value in vars(thing).items():
                if not member.startswith("_") and (
                    inspect.isroutine(value) or isinstance(value, property | classmethod | staticmethod)
                ):
                    assert inspect.getdoc(getattr(thing, member)), f"{name}.{each}.{member} has no docstring"


@pytest.mark.parametrize("name", cnai_magic.__all__)
def test_every_public_name_is_had_from_the_package_itself(name: str) -> None:
    thing = getattr(cnai_magic, name)
    assert thing.__module__.startswith("cnai_magic")
    assert name in dir(cnai_magic)
    if not name.endswith("_ipython_extension"):
        assert name in importlib.import_module(thing.__module__).__all__


def test_a_name_that_is_not_there_is_an_attribute_error_that_names_it() -> None:
    with pytest.raises(AttributeError, match="module 'cnai_magic' has no attribute 'Clinet'"):
        _ = cnai_magic.Clinet


def test_the_package_says_what_it_is_and_which_version() -> None:
    assert cnai_magic.__doc__
    assert cnai_magic.__version__.count(".") == 2
    assert (_PACKAGE / "py.typed").exists()
