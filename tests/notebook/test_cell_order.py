"""The order of the cells in a file, and the names of the records in copies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cnai_magic.notebook.cell_order import read_order

RECORDS: list[dict[str, Any]] = [
    {"turn": 1, "id": "a", "kept": {"cell": "elsewhere", "time": "2026-01-02"}},
    {"turn": 1, "id": "b", "cell": "elsewhere", "others": [{"id": "c", "time": "2026-01-03"}]},
    {"event": "fork", "time": "2026-01-04", "cell": "elsewhere", "kept": {"state": {"time": "2026-01-05"}}},
    # Of anybody, and never written so.
    {"turn": 1, "id": "d", "cell": "elsewhere", "kept": {}, "parameters": {"time": "2026-01-06"}},
    {"event": "fork", "id": "", "time": "", "cell": "elsewhere", "kept": {"time": ""}},
]


def test_copies_have_the_same_names_however_the_file_is_written(tmp_path: Path) -> None:
    cells = [
        {
            "cell_type": "code",
            "execution_count": 1,
            "id": f"cell-{number}",
            "metadata": {},
            "outputs": [{"data": {}, "metadata": {"cnai": record}, "output_type": "display_data"}],
            "source": [],
        }
        for number, record in enumerate(RECORDS)
    ]
    notebook = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (tmp_path / "as-nbformat.ipynb").write_text(json.dumps(notebook, indent=1, sort_keys=True) + "\n")
    (tmp_path / "compact.ipynb").write_text(json.dumps(notebook))
    fast, whole = (read_order(tmp_path / f"{name}.ipynb") for name in ("as-nbformat", "compact"))
    assert fast is not None
    assert whole is not None
    assert fast.recorded == whole.recorded
    assert list(fast.recorded.values()) == [["a2026-01-02"], ["b"], ["2026-01-04"], ["d"], [""]]
