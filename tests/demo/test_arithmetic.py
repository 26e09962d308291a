"""Arithmetic of demo-guide: as Python works it out, and never too much of it."""

from __future__ import annotations

import math

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from cnai_magic.demo import arithmetic
from cnai_magic.demo.arithmetic import CalculationError, calculate, evaluate, show_number
from cnai_magic.demo.numerals import write_digits
from tests.properties import random_examples

# How fast a machine is, is no matter of a test.
untimed = random_examples(suppress_health_check=[HealthCheck.too_slow])

numbers = st.one_of(
    st.integers(0, 10**6).map(str),
    st.floats(0, 1000).map(lambda number: f"{number:.3f}"),
)
expressions = st.recursive(
    numbers,
    lambda part: st.one_of(
        st.builds("({} {} {})".format, part, st.sampled_from(["+", "-", "*", "/", "//", "%"]), part),
        st.builds("-({})".format, part),
        st.builds("({} ** {})".format, part, st.integers(0, 3)),
    ),
    max_leaves=8,
)


@untimed
@given(expressions)
def test_an_expression_has_the_value_that_python_gives_it(expression: str) -> None:
    try:
        value = evaluate(expression).value
    except CalculationError as exc:
        # What is too large for us may be far too large for Python too.
        if "zero" in str(exc):
            with pytest.raises(ZeroDivisionError):
                eval(expression)
        elif "too large" not in str(exc):
            raise
        return
    assert value == eval(expression)


@untimed
@given(st.text(alphabet="0123456789+-*/%(). sqrt", max_size=60))
def test_any_run_of_arithmetic_characters_is_worked_out_or_refused(text: str) -> None:
    try:
        value = evaluate(text).value
    except CalculationError:
        return
    assert math.isfinite(value) if isinstance(value, float) else value.bit_length() <= 2048


@untimed
@given(st.text(max_size=200), st.one_of(st.none(), st.integers(), st.floats(-1e300, 1e300)))
def test_any_sentence_is_calculated_left_alone_or_refused(text: str, previous: float | None) -> None:
    try:
        found = calculate(text, previous)
    except CalculationError:
        return
    assert found is None or found.expression


@pytest.mark.parametrize(
    "expression",
    ["9**9**9", "9**99999", "(2**2000)**2000", "10.0**400", "2**2000*2**2000", "-9**9**9**9", "0.1**-999"],
)
def test_what_would_be_too_large_is_refused(expression: str) -> None:
    with pytest.raises(CalculationError, match="too large"):
        evaluate(expression)


@pytest.mark.parametrize("exponent", [10_000, -10_000])
def test_a_large_power_is_refused_before_it_is_worked_out(exponent: int) -> None:
    with pytest.raises(OverflowError):
        arithmetic._check_power(9, exponent)


@pytest.mark.parametrize("expression", ["__import__('os')", "a+1", "[1]*9", "1 if 2 else 3", "'a'*3", "1,2"])
def test_text_that_is_not_arithmetic_is_refused(expression: str) -> None:
    with pytest.raises(CalculationError):
        evaluate(expression)


@pytest.mark.parametrize(
    ("sentence", "value"),
    [
        ("What is 2+2?", 4),
        ("3 * (4 + 5)", 27),
        ("Please work out (2+3)*4.", 20),
        ("how much is 15% of 80?", 12),
        ("2 to the power of 10", 1024),
        ("2^10", 1024),
        ("What is 7 times 6?", 42),
        ("twelve divided by 5", 2.4),
        ("the square root of 16", 4),
        ("10 squared", 100),
        ("1,000 * 3", 3000),
        ("3 × 4 − 2 ÷ 2", 11),
        ("2(3+4)", 14),
        ("0.1 + 0.2", 0.30000000000000004),
        ("What is the mean of 2, 4 and 9?", 5),
        ("sum of 1 2 3", 6),
        ("2加3等于多少?", 5),
        ("6乘以7等于几?", 42),
    ],
)
def test_a_sentence_holds_an_expression(sentence: str, value: float) -> None:
    found = calculate(sentence)
    assert found is not None
    assert found.value == value


@pytest.mark.parametrize(
    ("sentence", "value"),
    [
        ("And times 3?", 36),
        ("double that", 24),
        ("now add 10", 22),
        ("add 10 to it", 22),
        ("half of it", 6),
        ("divide it by 4, please", 3),
        ("what is that plus 5?", 17),
        ("square it", 144),
        ("10% of that", 1.2),
        ("subtract 20", -8),
        ("再乘以3", 36),
        ("2 + 2", 4),
    ],
)
def test_a_follow_up_goes_on_from_the_last_result(sentence: str, value: float) -> None:
    found = calculate(sentence, 12)
    assert found is not None
    assert found.value == pytest.approx(value)


@pytest.mark.parametrize("previous", [-4, 1e-20, 2.5e22, 2**2000])
def test_a_follow_up_takes_any_result(previous: float) -> None:
    found = calculate("times 1", previous)
    assert found is not None
    assert found.value == pytest.approx(previous)


@pytest.mark.parametrize(
    "sentence",
    ["and times 3?", "hello", "on 2024-05-01", "f(x) = x", "three planets", "1 +", "chapter 3", "007+1", ""],
)
def test_a_sentence_without_arithmetic_is_left_alone(sentence: str) -> None:
    assert calculate(sentence) is None


def test_steps_show_one_operation_each() -> None:
    assert evaluate("3 * (4 + 5)").steps == ("4 + 5 = 9", "3 * 9 = 27")


@pytest.mark.parametrize(("value", "text"), [(4.0, "4"), (0.1 + 0.2, "0.3"), (7, "7"), (1e20, "1e+20")])
def test_a_number_is_shown_without_noise(value: float, text: str) -> None:
    assert show_number(value) == text


@pytest.mark.parametrize(
    ("words", "digits"),
    [
        ("二加二", "2加2"),
        ("一百零五", "105"),
        ("三千零七", "3007"),
        ("一万二千", "12000"),
        ("一亿三千万", "130000000"),
        ("十二", "12"),
        ("两百", "200"),
        ("二〇二六", "2026"),
        ("三点五", "3.5"),
        ("负三", "-3"),
        ("百分之十五", "百分之15"),
        ("十的一半", "10的一半"),
        ("壹佰贰拾", "120"),
        ("twenty-one", "21"),
        ("one hundred and five", "105"),
        ("two thousand three hundred", "2300"),
        ("a thousand", "1000"),
        ("two, four and nine", "2, 4 and 9"),
        ("one two", "1 2"),
        ("someone often", "someone often"),
    ],
)
def test_numbers_in_words_are_digits(words: str, digits: str) -> None:
    assert write_digits(words) == digits
