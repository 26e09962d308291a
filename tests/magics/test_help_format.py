from __future__ import annotations

import argparse
import re

import pytest

from cnai_magic.magics.arguments import Parser
from cnai_magic.magics.parsers import build_ask_parser


def test_the_help_of_a_question_is_one_screen_of_options_in_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    parser = build_ask_parser()
    lines = parser.format_help().splitlines()
    assert len(lines) <= 62
    assert max(map(len, lines)) <= 100
    groups = [line.split(" (")[0] for line in lines if line.endswith("):")]
    assert groups == ["ask", "prompt", "answer", "conversation", "compare", "rows"]
    # Each option is a line, and stands in a group with an example.
    shown = [option for option in parser.list_options() if option.help != argparse.SUPPRESS]
    assert len([line for line in lines if re.match(r"  -\S.*  \S", line)]) == len(shown)
    assert not [line for line in lines if line.startswith(" " * 20)]
    assert "options:" not in lines


def test_an_option_names_its_value_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    parser = Parser("%some", "Do something.")
    parser.add_argument("-n", "--number", metavar="N", help="A number.")
    parser.add_argument("--how", nargs="?", choices=("fast", "well"), help="How to do it.")
    assert parser.format_help().splitlines()[-2:] == [
        "  -n, --number N       A number.",
        "  --how [{fast,well}]  How to do it.",
    ]
