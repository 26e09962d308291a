from __future__ import annotations

import re

import pytest

from cnai_magic.magics.arguments import Parser
from cnai_magic.magics.help import get_help
from cnai_magic.magics.parsers import build_ask_parser


def test_the_help_of_a_question_is_one_screen_of_options_in_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    groups = {"": ["ask", "prompt", "answer", "conversation"], "rows": ["compare", "rows"]}
    shown = []
    for page, expected in groups.items():
        text = get_help("cnai", page)
        lines = text.splitlines()
        assert len(lines) <= 45
        assert max(map(len, lines)) <= 100
        assert [line.split(" (")[0] for line in lines if line.endswith("):")] == expected
        # Each option is a line, and stands in a group with an example.
        assert not [line for line in lines if line.startswith(" " * 30)]
        assert "options:" not in lines
        shown += re.findall(r"^  (?:-\w, )?(--[\w-]+)\b.*  \S", text, re.MULTILINE)
    assert "%%cnai --help rows" in get_help("cnai")
    options = {option.option_strings[-1] for option in build_ask_parser().list_options()}
    assert sorted(shown) == sorted(options - {"--help"})


def test_an_option_names_its_value_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    parser = Parser("%some", "Do something.")
    parser.add_argument("-n", "--number", metavar="N", help="A number.")
    parser.add_argument("--how", nargs="?", choices=("fast", "well"), help="How to do it.")
    assert parser.format_help().splitlines()[-2:] == [
        "  -n, --number N       A number.",
        "  --how [{fast,well}]  How to do it.",
    ]
