"""Notebook files with damage in one cell, or anywhere, and what is restored of them."""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

from cnai_magic.errors import InputError
from cnai_magic.notebook.notebook_files import restore_notebook
from tests.notebook.test_ipynb import CELLS, GOOD, damaged, lines_of, mutated, notebook, prompts

__all__ = ["search"]


def search(count: int, seed: int) -> Iterator[str]:
    """Yield what was lost beside the damaged cell, and what raised anything but an InputError."""
    chance, whole = random.Random(seed), notebook()
    data = lines_of(whole).encode()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.ipynb"
        for number in range(count):
            place = chance.randrange(1, CELLS + 1)
            cells = whole["cells"].copy()
            for _ in range(chance.randrange(1, 4)):
                cells[place] = mutated(cells[place], chance)
            path.write_text(json.dumps({**whole, "cells": cells}))
            lost = set(GOOD) - {GOOD[place - 1]} - set(prompts(path))
            if lost:
                yield f"{number}: a change to cell {place + 1} lost {sorted(lost)}: {cells[place]!r:.300}"
            broken = data
            for _ in range(chance.randrange(1, 4)):
                broken = damaged(broken, chance)
            path.write_bytes(broken)
            try:
                restore_notebook(path)
            except InputError:
                continue
            except Exception as error:  # noqa: BLE001  this is what is searched for
                yield f"{number}: {type(error).__name__}: {error}"
