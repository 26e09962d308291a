"""The expressions of `{{ }}`: jinja2's, in its sandbox, without calls.

Imported only for a prompt that has braces: jinja2 costs more to import than all of this package.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from jinja2 import Template, nodes
from jinja2.exceptions import TemplateError
from jinja2.parser import Parser
from jinja2.sandbox import SandboxedEnvironment

from ...nearest import suggest_name
from ..formatters import FormatError
from ..formatters.table_reading import is_blank
from .prompt_filters import FILTERS

__all__ = ["Expression", "ExpressionError", "missing_text_is_empty", "parse_expression"]

# Filters of jinja2 that change text, numbers and lists; those that make markup are left out.
_OF_JINJA = (
    *("abs", "capitalize", "count", "dictsort", "first", "float", "groupby", "indent", "int", "join", "last"),
    *("length", "list", "lower", "map", "max", "min", "reject", "rejectattr", "replace", "reverse", "round"),
    *("select", "selectattr", "sort", "string", "sum", "title", "trim", "truncate", "unique", "upper"),
    "wordcount",
)
# Those that would make a word of what is missing: None, NaN.
_OF_TEXT = {"capitalize", "indent", "lower", "replace", "string", "title", "trim", "truncate", "upper"}
_missing_is_empty: ContextVar[bool] = ContextVar("missing_is_empty", default=False)
# Names that begin with an underscore are private to an object; these are what people ask for.
_PUBLIC = {"__doc__", "__name__", "__version__"}
# Names in a compiled template, apart from jinja2's own (`self`, `loop`, `caller`).
_PREFIX = "of_notebook_"
# So many keys are named where one is missing.
_MOST_KEYS = 20


class ExpressionError(Exception):
    """An expression has no value: what is wrong, and what may have been meant.

    `missing` is the key that a mapping lacks, "" where it is anything else.
    """

    def __init__(self, what: str, meant: str = "", *, missing: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.meant = meant
        self.missing = missing


class _Sandbox(SandboxedEnvironment):
    """Looks attributes and items up, and says which of them is missing."""

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        return attr in _PUBLIC or super().is_safe_attribute(obj, attr, value)

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Return an attribute, or an item of this name; in a dict, items come first."""
        if type(obj) is dict and attribute in obj:
            return obj[attribute]
        if not self.is_safe_attribute(obj, attribute, None):
            raise ExpressionError(f"{attribute} is private")
        try:
            return getattr(obj, attribute)
        except AttributeError as missing:
            try:
                return obj[attribute]
            except Exception:  # noqa: BLE001  what objects raise for an item that they lack differs
                if isinstance(obj, Mapping):
                    raise _explain_missing(obj, attribute) from None
                raise ExpressionError(str(missing), suggest_name(attribute, _list_names(obj))) from None

    def getitem(self, obj: Any, argument: Any) -> Any:
        """Return an item; never an attribute."""
        try:
            return obj[argument]
        except LookupError as missing:
            if isinstance(obj, Mapping) and isinstance(argument, str):
                raise _explain_missing(obj, argument) from None
            near = suggest_name(argument, _list_names(obj)) if isinstance(argument, str) else ""
            raise ExpressionError(f"there is no item {argument!r} ({type(missing).__name__})", near) from None


def _explain_missing(obj: Mapping[Any, Any], key: str) -> ExpressionError:
    """Return the error for a key that a mapping lacks: which is near, and which there are."""
    keys = list(_list_names(obj))
    there = ", ".join(map(repr, keys[:_MOST_KEYS])) + ", …" * (len(keys) > _MOST_KEYS)
    meant = " ".join(filter(None, [suggest_name(key, keys), f"there are {there}" if keys else ""]))
    return ExpressionError(f"there is no item {key!r}", meant, missing=key)


def _list_names(obj: Any) -> Iterator[str]:
    try:
        keys = list(obj) if isinstance(obj, Mapping) else dir(obj)
    except Exception:  # noqa: BLE001  names are only a help
        return
    yield from (key for key in keys if isinstance(key, str) and not key.startswith("_"))


def _listed(function: Any) -> Any:
    """Return a filter of jinja2 that gives lists where the original gives iterators."""

    # What jinja2 passes first (`pass_environment`, …) stands in an attribute of the function.
    def call(*arguments: Any, **named: Any) -> Any:
        found = function(*arguments, **named)
        return list(found) if hasattr(found, "__next__") else found

    call.__dict__.update(getattr(function, "__dict__", {}))
    return call


def _of_text(function: Any) -> Any:
    """Return a filter of text for which what is missing is an empty text, where that is set."""
    value_at = int(hasattr(function, "jinja_pass_arg"))

    def call(*arguments: Any, **named: Any) -> Any:
        is_empty = _missing_is_empty.get() and is_blank(arguments[value_at])
        return "" if is_empty else function(*arguments, **named)

    call.__dict__.update(getattr(function, "__dict__", {}))
    return call


@contextmanager
def missing_text_is_empty() -> Iterator[None]:
    """Let filters of text take what is missing for an empty text, as rows do."""
    before = _missing_is_empty.set(True)
    try:
        yield
    finally:
        _missing_is_empty.reset(before)


def _build_sandbox() -> _Sandbox:
    sandbox = _Sandbox(autoescape=False)
    own = {name: _listed(sandbox.filters[name]) for name in _OF_JINJA}
    own |= {name: _of_text(own[name]) for name in _OF_TEXT}
    sandbox.filters = {**own, **FILTERS}
    sandbox.globals = {}
    return sandbox


_SANDBOX = _build_sandbox()


@dataclass(frozen=True, eq=False, slots=True)
class Expression:
    """A valid expression: the `names` that it uses, its `filters`, and whether it `calls` anything."""

    node: nodes.Expr
    names: frozenset[str]
    filters: tuple[str, ...]
    calls: bool

    @property
    def unknown_filter(self) -> str:
        """The first filter that there is none of, "" where all are known."""
        return next((name for name in self.filters if name not in _SANDBOX.filters), "")

    @property
    def known_filters(self) -> list[str]:
        """The names of all filters that there are."""
        return [*_SANDBOX.filters]

    def evaluate(self, variables: Mapping[str, Any]) -> Any:
        """Return the value; raises ExpressionError where it has none, whatever the values raise."""
        try:
            template = _compile(self)
            context = template.new_context({_PREFIX + name: variables[name] for name in self.names})
            for _ in template.root_render_func(context):
                pass
            return context.vars["result"]
        except (ExpressionError, FormatError):
            raise
        except TemplateError as error:
            raise ExpressionError(str(error)) from None
        except Exception as error:
            raise ExpressionError(_describe(error)) from error


# The rows of a table are put into the same expressions again and again.
@lru_cache(64)
def _compile(expression: Expression) -> Template:
    body = [nodes.Assign(nodes.Name("result", "store"), expression.node, lineno=1)]
    return _SANDBOX.from_string(nodes.Template(body, lineno=1))


def _describe(error: Exception) -> str:
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001  an error may fail to describe itself
        return type(error).__name__


@lru_cache(64)
def parse_expression(source: str) -> Expression | None:
    """Parse what stands between braces; None for what is not an expression, and for a constant."""
    try:
        parser = Parser(_SANDBOX, source, state="variable")
        node = parser.parse_expression()
        if not parser.stream.eos:
            return None
        node.set_environment(_SANDBOX)
        named = [*node.find_all(nodes.Name), *([node] if isinstance(node, nodes.Name) else [])]
        found = {each.name for each in named}
        for each in named:
            each.name = _PREFIX + each.name
    except (TemplateError, RecursionError):
        return None
    every = [node, *node.find_all(nodes.Node)]
    filters = tuple(each.name for each in every if isinstance(each, nodes.Filter))
    calls = any(isinstance(each, nodes.Call) for each in every)
    return Expression(node, frozenset(found), filters, calls) if found else None
