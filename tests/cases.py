"""One test that looks at all cases of a corpus: as a test each, they would cost more than what they check."""

from __future__ import annotations

import functools
import inspect
import reprlib
import traceback
from collections.abc import Callable, Iterable
from typing import Any

import pytest

_Test = Callable[..., None]
_names = reprlib.Repr()
_names.maxstring = _names.maxother = 80


def check_each(
    names: str | tuple[str, ...],
    cases: Iterable[Any],
    *,
    ids: Callable[[Any], object] | Iterable[str] | None = None,
) -> Callable[[_Test], _Test]:
    """Take what `pytest.mark.parametrize` takes, check all cases in one test, and report each that fails.

    For tests without state: the cases share the fixtures of the test.
    """
    arguments = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
    table = dict[str, tuple[Any, ...]]()
    given = None if ids is None or callable(ids) else list(ids)
    show = ids if callable(ids) else _names.repr
    for place, case in enumerate(cases):
        values = case if len(arguments) > 1 else (case,)
        name = given[place] if given else ", ".join(str(show(value)) for value in values)
        table[f"{name} ({place})" if name in table else name] = values
    assert table, "no cases"

    def check_all(test: _Test) -> _Test:
        @functools.wraps(test)
        def test_all(**fixtures: Any) -> None:
            failures = []
            for name, values in table.items():
                try:
                    test(**fixtures, **dict(zip(arguments, values, strict=True)))
                # What `pytest.raises` and `pytest.fail` raise is not an Exception.
                except (Exception, pytest.fail.Exception) as error:  # noqa: BLE001
                    failures.append(f"{name}:\n{_describe(error)}")
            if failures:
                raise AssertionError(f"{len(failures)} of {len(table)} cases fail.\n" + "\n".join(failures))

        signature = inspect.signature(test)
        left = [each for name, each in signature.parameters.items() if name not in arguments]
        test_all.__signature__ = signature.replace(parameters=left)  # type: ignore[attr-defined]
        return test_all

    return check_all


def _describe(error: BaseException) -> str:
    # The line of the test: the frame before it is of this module.
    where = traceback.extract_tb(error.__traceback__)[1]
    words = "".join(traceback.format_exception_only(error)).rstrip()
    return f"  {where.filename}:{where.lineno}: {where.line}\n  " + words.replace("\n", "\n  ")
