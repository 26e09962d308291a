"""The prompts of very many rows, in a temporary file where they are large."""

from __future__ import annotations

import tempfile
import weakref
from array import array
from collections.abc import Iterable, Sequence
from typing import overload

__all__ = ["RowPrompts"]

# Beyond so many bytes they are in a file, which has no name, and ends with the process.
_MOST_IN_MEMORY = 1 << 20


class RowPrompts(Sequence[str]):
    """Texts that take little memory: to render a prompt again costs more than to read it from a file."""

    def __init__(self, prompts: Iterable[str]) -> None:
        self._file = tempfile.SpooledTemporaryFile(_MOST_IN_MEMORY)  # noqa: SIM115  it lives as long as this
        weakref.finalize(self, self._file.close)
        self._ends = array("Q", [0])
        for prompt in prompts:
            self._ends.append(self._ends[-1] + self._file.write(prompt.encode("utf-8", "surrogatepass")))

    def __len__(self) -> int:
        return len(self._ends) - 1

    @overload
    def __getitem__(self, index: int) -> str: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...

    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        if isinstance(index, slice):
            return [self[each] for each in range(*index.indices(len(self)))]
        place = range(len(self))[index]
        self._file.seek(self._ends[place])
        return self._file.read(self._ends[place + 1] - self._ends[place]).decode("utf-8", "surrogatepass")
