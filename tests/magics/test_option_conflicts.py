"""Options of which one would be ignored are refused before anything is sent."""

from __future__ import annotations

import pytest

from cnai_magic.errors import InputError
from cnai_magic.magics.option_conflicts import check_options
from cnai_magic.magics.parsers import build_ask_parser
from tests.cases import check_each

_ROWS, _WAYS = " is of no use with --over", " is of no use where answers are compared"
_ALONE = " is of no use without --over"


@check_each(
    ("line", "what"),
    [
        ("--over rows --compare a,b", "--compare" + _ROWS),
        ("--over rows --grid temperature=0,1", "--grid" + _ROWS),
        ("--over rows --times 1", "--times" + _ROWS),
        ("--over rows -c plan", "-c" + _ROWS),
        ("--over rows --new", "--new" + _ROWS),
        ("--over rows --append", "--append" + _ROWS),
        ("--over rows --continue", "--continue" + _ROWS),
        ("--over rows --code", "--code" + _ROWS),
        ("--over rows --tools f", "--tools" + _ROWS),
        ("--over rows --raw", "--raw" + _ROWS),
        ("--over rows --see above", "--see" + _ROWS),
        ("--over rows --logprobs", "--logprobs" + _ROWS),
        ("--over rows --logprobs 0", "--logprobs" + _ROWS),
        ("--over rows --dry-run json", "--dry-run json" + _ROWS),
        ("--compare a,b --once", "--once" + _WAYS),
        ("--times 2 --continue", "--continue" + _WAYS),
        ("--times 2 --code", "--code" + _WAYS),
        ("--judge a --tools f", "--tools" + _WAYS),
        ("--compare a,b --as n", "--as" + _ALONE),
        ("--compare a,b --fresh", "--fresh" + _ALONE),
        ("--compare a,b --max-cost 1", "--max-cost" + _ALONE),
        ("--grid temperature=0,1 -t 0.5", "--temperature is given twice"),
        ("--grid max-tokens=5,9 -n 7", "--max-tokens is given twice"),
        ("--as n", "--as" + _ALONE),
        ("--fresh", "--fresh" + _ALONE),
        ("--max-cost 0", "--max-cost" + _ALONE),
        ("--parallel 2", "--parallel is of no use for one question"),
    ],
)
def test_an_option_that_would_be_ignored_is_refused(line: str, what: str) -> None:
    with pytest.raises(InputError) as caught:
        check_options(build_ask_parser().parse(line.split()))
    assert caught.value.what == what
    assert caught.value.next_step


@pytest.mark.parametrize(
    "line",
    [
        "--over rows --once --as n --fresh --max-cost 1 --parallel 2 --expect x --pass 1",
        "--over rows --judge a --no-stream -o b",
        "--over rows --confirm --dry-run -T review --var a=1 -f data.csv -i plot.png -t 0 --json 'a int'",
        "--compare a,b --new --parallel 2 --see above --raw --logprobs --expect x --judge a --no-stream -o b",
        "--grid temperature=0,1 -n 7 --dry-run json --append -c plan --confirm -T review",
        "--once --code --dry-run json -o b",
        "--once --expect yes --pass 1 --code --tools f",
    ],
)
def test_options_that_can_stand_together_do(line: str) -> None:
    check_options(build_ask_parser().parse(line.split()))
