"""DataFrames of rows, made by the library that a person uses: pandas or polars."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import InputError

__all__ = ["make_frame"]


def make_frame(data: Sequence[Mapping[str, Any]] | Mapping[str, Sequence[Any]], next_step: str) -> Any:
    """Return rows, or columns by their names, as a DataFrame.

    It is one of polars where polars is imported and pandas is not, else one of pandas. Raises InputError
    where neither can be imported; `next_step` says what to do then.
    """
    polars = sys.modules.get("polars") if "pandas" not in sys.modules else None
    try:
        library: Any = polars or importlib.import_module("pandas")
    except ImportError as exc:
        raise InputError("pandas is not installed", why=str(exc), next_step=next_step) from exc
    return library.DataFrame(data)
