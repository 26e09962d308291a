from __future__ import annotations

from pathlib import Path

import pytest

from tests.cases import check_each


@check_each("number", [1, 2])
@check_each(("one", "other"), [(1, 1), (2, 2)], ids=["ones", "twos"])
def test_cases_are_crossed_and_get_the_fixtures(number: int, one: int, other: int, tmp_path: Path) -> None:
    met = tmp_path / f"{number}{one}"
    met.touch(exist_ok=False)
    assert one == other


def test_each_case_that_fails_is_reported_by_its_name() -> None:
    @check_each("number", [1, 2, 3, 4], ids=["one", "two", "three", "four"])
    def test(number: int) -> None:
        if number == 2:
            raise ValueError("a fault")
        if number == 3:
            with pytest.raises(ValueError, match="never"):
                pass
        assert number < 4

    with pytest.raises(AssertionError, match="3 of 4 cases fail") as caught:
        test()
    for words in ("two:\n", "ValueError: a fault", "three:\n", "DID NOT RAISE", "four:\n", "assert 4 < 4"):
        assert words in str(caught.value)
    assert "one:" not in str(caught.value)
