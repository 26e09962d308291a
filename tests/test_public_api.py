"""Public means listed in `__all__`; what is listed exists, is documented, and is found where it is said."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, get_args, get_origin, get_type_hints

import pytest

import cnai_magic
from cnai_magic import errors
from cnai_magic.api.parameters import BY_NAME
from cnai_magic.gateway.embedded import start_embedded
from cnai_magic.next_steps import change_setting
from cnai_magic.python_words import PYTHON
from tests.cases import check_each
from tests.package_source import PACKAGE, list_sources

_MODULES = sorted(
    ".".join(("cnai_magic", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")
    for path in list_sources()
    if path.read_text(encoding="utf-8").count("\n") > 1
)


def _defined(module: ModuleType) -> set[str]:
    """Return the names that a module defines itself and that do not begin with an underscore."""
    names: set[str] = set()
    for node in ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                names |= {each.id for each in ast.walk(target) if isinstance(each, ast.Name)}
    return {name for name in names if not name.startswith("_")}


def test_every_module_lists_what_it_defines_for_others() -> None:
    for name in _MODULES:
        module = importlib.import_module(name)
        listed = list(module.__all__)
        order = sorted(listed, key=lambda each: (not each.isupper(), not each[0].isupper(), each))
        assert listed == order, name
        assert len(listed) == len(set(listed)), name
        assert _defined(module) - set(listed) == set(), name


def _documentable(module: ModuleType) -> Iterator[tuple[str, object]]:
    """Yield what a module lists, and the members of its classes: a name, and what must have a docstring."""
    for each in module.__all__:
        thing = getattr(module, each)
        if inspect.isclass(thing) or inspect.isroutine(thing):
            yield each, thing
        if inspect.isclass(thing):
            for member, value in vars(thing).items():
                if not member.startswith("_") and (
                    inspect.isroutine(value) or isinstance(value, property | classmethod | staticmethod)
                ):
                    yield f"{each}.{member}", getattr(thing, member)


def test_every_name_that_is_listed_is_there_and_documented() -> None:
    for module in map(importlib.import_module, _MODULES):
        assert inspect.getdoc(module), f"{module.__name__} has no docstring"
        for name, thing in _documentable(module):
            own = thing.__doc__ if "." not in name else inspect.getdoc(thing)
            assert own, f"{module.__name__}.{name} has no docstring"


@check_each("name", cnai_magic.__all__)
def test_every_public_name_is_had_from_the_package_itself(name: str) -> None:
    thing = getattr(cnai_magic, name)
    assert thing.__module__.startswith("cnai_magic")
    assert thing.__name__ == name
    assert name in dir(cnai_magic)
    if not name.endswith("_ipython_extension"):
        assert name in importlib.import_module(thing.__module__).__all__


def test_every_error_is_public() -> None:
    raised = {
        name
        for name in errors.__all__
        if inspect.isclass(thing := getattr(errors, name)) and issubclass(thing, errors.CnaiError)
    }
    listed = {
        name
        for name in cnai_magic.__all__
        if inspect.isclass(thing := getattr(cnai_magic, name)) and issubclass(thing, Exception)
    }
    assert listed == raised
    assert errors.__doc__ is not None
    assert all(name in errors.__doc__ for name in listed)


# -- what plain Python sees -----------------------------------------------------------------------

_PLAIN = (cnai_magic.Session, cnai_magic.Conversation, cnai_magic.ReplyStream)


def _callables() -> Iterator[tuple[str, Any]]:
    """Yield what plain Python calls and reads: functions, and the members of classes."""
    yield "ask", cnai_magic.ask
    for each in _PLAIN:
        if each is not cnai_magic.ReplyStream:  # made by Session.stream
            yield each.__name__, each.__init__
        for name, member in vars(each).items():
            if not name.startswith("_"):
                yield f"{each.__name__}.{name}", getattr(member, "fget", member)


_CALLABLES = dict(_callables())


def _types(hint: object) -> Iterator[type]:
    """Yield the classes that a type is made of."""
    if inspect.isclass(hint) and not get_args(hint):
        yield hint
    for each in (get_origin(hint), *get_args(hint)):
        if each is not None and each is not Ellipsis:
            yield from _types(list(each) if isinstance(each, list) else each)


@check_each("name", _CALLABLES)
def test_what_plain_python_calls_is_typed_with_public_types_only(name: str) -> None:
    function = _CALLABLES[name]
    hints = get_type_hints(function)
    signature = inspect.signature(function)
    assert [each.kind for each in signature.parameters.values() if each.kind == each.VAR_KEYWORD] == []
    assert hints.keys() >= {*signature.parameters, "return"} - {"self"}
    if name == "Conversation":
        return  # made by a session
    for hint in hints.values():
        assert hint is not Any
        for each in _types(hint):
            if each.__module__.startswith("cnai_magic"):
                assert each.__name__ in cnai_magic.__all__


def test_every_parameter_of_a_request_is_an_argument() -> None:
    settings = {name for name, row in BY_NAME.items() if row.setting}
    for function in (cnai_magic.ask, cnai_magic.Session, cnai_magic.Session.ask, cnai_magic.Session.stream):
        wanted = settings if function is cnai_magic.Session else BY_NAME.keys()
        assert inspect.signature(function).parameters.keys() >= wanted


def test_the_arguments_of_a_session_are_settings_and_only_those_of_notebooks_are_missing() -> None:
    arguments = inspect.signature(cnai_magic.Session).parameters.keys() - {"settings", "notify"}
    of_notebooks = {
        "confirm_above",
        "display",
        "language",
        "notebook",
        "on_rerun",
        "replay",
        "save_attempts",
        "see_tokens",
        "value_tokens",
    }
    settings = set(cnai_magic.Cnai.class_trait_names(config=True))
    assert settings - of_notebooks == arguments
    # What an error says to do can be done.
    for name in settings:
        words = change_setting(name, 1).at(PYTHON)
        assert words == (f"Session({name}=1)" if name in arguments else f"session.settings.{name} = 1")


@pytest.mark.parametrize("function", [cnai_magic.Session.stream, cnai_magic.Session.prepare])
def test_a_question_takes_the_same_arguments_however_it_is_asked(function: Any) -> None:
    asked = inspect.signature(cnai_magic.Session.ask).parameters
    assert asked.keys() - {"stream"} == inspect.signature(function).parameters.keys()


def test_the_documentation_of_the_package_names_what_plain_python_uses() -> None:
    assert cnai_magic.__doc__ is not None
    every = [getattr(cnai_magic, name) for name in cnai_magic.__all__]
    named = [each.__name__ for each in every if not (inspect.isclass(each) and issubclass(each, Exception))]
    for name in [*named, "CnaiError"]:
        if not name.endswith("_ipython_extension"):
            assert f"`{name}`" in cnai_magic.__doc__


@pytest.mark.parametrize(
    "thing",
    [cnai_magic, *_PLAIN, cnai_magic.ask, cnai_magic.Session.ask, cnai_magic.Session.stream],
    ids=lambda thing: thing.__name__,
)
def test_an_example_in_the_documentation_runs(thing: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the demo: its models stand in for those that an example names."""
    doc = inspect.getdoc(thing)
    assert doc is not None
    example = "\n".join(line[4:] for line in doc.splitlines() if line.startswith("    ") or not line)
    assert example.strip()
    _run_on_the_demo(example, monkeypatch)


def test_the_readme_of_plain_python_runs_and_names_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    readme = (PACKAGE.parent / "README.md").read_text(encoding="utf-8")
    section = readme.partition("### In plain Python")[2].partition("\n#")[0]
    _run_on_the_demo(section.partition("```python\n")[2].partition("```")[0], monkeypatch)
    assert set(re.findall(r"\bcnai_magic\.(\w+)", section)) <= set(cnai_magic.__all__)
    assert set(re.findall(r"\b([A-Z]\w+Error)\b", section)) <= set(cnai_magic.__all__)
    members = set(re.findall(r"\bsession\.(\w+)", section))
    assert {"ask", "stream", "conversation", "prepare"} <= members <= set(dir(cnai_magic.Session))


def _run_on_the_demo(example: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CNAI_LEDGER", "off")
    gateway = start_embedded(tokens_per_second=0)
    session = cnai_magic.Session(base_url="demo")
    for name in ("deepseek-chat", "qwen-plus"):
        example = example.replace(name, "demo-guide")
    try:
        exec(example, {"cnai_magic": cnai_magic, "session": session})
    finally:
        session.close()
        gateway.close()


_FACTS = (cnai_magic.Reply, cnai_magic.Usage, cnai_magic.Cost, cnai_magic.Model)


def _documentation() -> Iterator[tuple[str, str]]:
    for name, function in _CALLABLES.items():
        yield name, inspect.getdoc(function) or ""
    for each in (*_PLAIN, *_FACTS):
        yield each.__name__, inspect.getdoc(each) or ""
    for each in _FACTS:
        for name, member in vars(each).items():
            if not name.startswith("_") and (inspect.isroutine(member) or isinstance(member, property)):
                yield f"{each.__name__}.{name}", inspect.getdoc(member) or ""


def test_plain_python_never_reads_of_cells() -> None:
    words = re.compile(r"\b(cells?|magics?|views?|widgets?|notebook cell)\b|%cnai", re.IGNORECASE)
    assert [(name, found[0]) for name, text in _documentation() if (found := words.search(text))] == []


def test_what_a_reply_holds_stays_by_name() -> None:
    kept = {"text", "reasoning", "usage", "cost", "finish_reason", "model", "footer", "markdown"}
    kept |= {"answered_by", "note", "prompt", "system", "parameters", "started", "seconds", "id"}
    assert kept <= set(dir(cnai_magic.Reply("text", "prompt", "m")))
    counts = {"prompt_tokens", "completion_tokens", "reasoning_tokens", "cached_tokens", "total_tokens"}
    assert counts | {"estimated"} <= set(dir(cnai_magic.Usage()))


def test_a_name_that_is_not_there_is_an_attribute_error_that_names_it() -> None:
    with pytest.raises(AttributeError, match="module 'cnai_magic' has no attribute 'Clinet'"):
        _ = cnai_magic.Clinet


def test_the_package_says_what_it_is_and_which_version() -> None:
    assert cnai_magic.__doc__
    assert cnai_magic.__version__.count(".") == 2
    assert (PACKAGE / "py.typed").exists()


def test_the_readme_in_chinese_has_the_parts_of_the_english_one() -> None:
    english, chinese = (
        (PACKAGE.parent / name).read_text(encoding="utf-8") for name in ("README.md", "README.zh-CN.md")
    )
    for part in (r"^#+(?= )", r"^```\w+", r"\]\(([\w./-]+\.ipynb)\)", r"^\| --- \| --- \|"):
        ours = [each for each in re.findall(part, chinese, re.M) if "zh-CN" not in each]
        assert re.findall(part, english, re.M) == ours, part
