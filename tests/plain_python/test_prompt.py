from __future__ import annotations

from pathlib import Path

import pytest

import cnai_magic


def test_values_are_put_into_a_prompt_as_in_a_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    note = tmp_path / "note.txt"
    note.write_text("buy milk\n", encoding="utf-8")
    monkeypatch.setenv("OTHER_API_KEY", "a-key-of-another-kind")
    variables = {"n": 2, "rows": [{"a": 1}, {"a": 2}], "note": note, "key": "a-key-of-another-kind"}
    assert cnai_magic.render_prompt("{{ n + 1 }} {{color: 1}} {{ key }}", variables) == (
        "3 {{color: 1}} [secret masked]"
    )
    assert cnai_magic.render_prompt("{{ rows | csv(1) }}", variables) == "rows: 1 of 2 rows\na\n1"
    assert cnai_magic.render_prompt("{{ note }}", variables) == f"note: {note}, 1 line\nbuy milk"
    long = cnai_magic.render_prompt("{{ text }}", {"text": "word " * 9000}, value_tokens=50)
    assert "characters left out]" in long
    with pytest.raises(cnai_magic.InputError, match=r"did you mean rows.*send it as text with"):
        cnai_magic.render_prompt("{{ rwos }}", variables)
