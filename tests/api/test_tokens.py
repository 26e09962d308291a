"""What texts have on real tokenizers is written down here: none of them is installed with the tests."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnai_magic.api import tokens as module
from cnai_magic.api.tokens import TokenCount, bound_tokens, estimate_tokens
from tests.properties import random_examples

# None of these was used to fit the estimate: (text, tokens on DeepSeek's, Qwen's, o200k, tekken).
MEASURED: dict[str, tuple[str, tuple[int, int, int, int]]] = {
    "English": (
        "A median is the value in the middle of a sorted list. If the list has an even number"
        " of values, it is the mean of the two in the middle. Unlike the mean, it hardly move"
        "s when a single value is far away from all others, so it describes incomes and house"
        " prices better. To compute it in Python, import the statistics module and call its f"
        "unction with your data.",
        (79, 79, 79, 79),
    ),
    "Chinese": (
        "中位数是把所有数值按大小排列以后位于正中间的那个数。如果数据的个数是"
        "偶数，就取中间两个数的平均值。与平均数不同，它几乎不受个别极端数值的"
        "影响，因此更适合用来描述收入和房价。在编程中计算中位数很简单，只需要"
        "调用统计模块里的函数，再把数据作为参数传进去就可以了。",
        (70, 82, 94, 116),
    ),
    "code": (
        "def median(values):\n"
        '    """Return the middle of the sorted values."""\n'
        "    ordered = sorted(values)\n"
        "    if not ordered:\n"
        '        raise ValueError("no values")\n'
        "    half = len(ordered) // 2\n"
        "    if len(ordered) % 2:\n"
        "        return ordered[half]\n"
        "    return (ordered[half - 1] + ordered[half]) / 2\n"
        "\n"
        "\n"
        'if __name__ == "__main__":\n'
        "    print(median([3, 1, 2]))\n",
        (99, 99, 100, 100),
    ),
}


@pytest.mark.parametrize(("text", "counts"), MEASURED.values(), ids=MEASURED)
def test_an_estimate_is_within_a_tenth_of_what_deepseek_and_qwen_count(
    text: str, counts: tuple[int, ...]
) -> None:
    mean = sum(counts[:2]) / 2
    assert 0.9 * mean <= estimate_tokens(text) <= 1.1 * mean, (estimate_tokens(text), counts)


@pytest.mark.parametrize(("text", "counts"), MEASURED.values(), ids=MEASURED)
def test_no_tokenizer_passes_the_bound_and_it_is_far_below_the_bytes(
    text: str, counts: tuple[int, ...]
) -> None:
    assert max(counts) <= bound_tokens(text) < 0.9 * len(text.encode())


def test_chinese_is_held_at_less_than_half_its_bytes() -> None:
    text, counts = MEASURED["Chinese"]
    assert max(counts[:2]) <= bound_tokens(text) <= 0.45 * len(text.encode())


@random_examples()
@given(st.text())
def test_the_bound_is_never_more_than_the_bytes_nor_less_than_the_estimate_of_them(text: str) -> None:
    assert 0 <= bound_tokens(text) <= len(text.encode("utf-8", "replace"))


@random_examples()
@given(st.lists(st.text(max_size=20)))
def test_tokens_are_the_same_wherever_a_text_is_cut(pieces: list[str]) -> None:
    count = TokenCount()
    for piece in pieces:
        count.add(piece)
    assert count.tokens == estimate_tokens("".join(pieces))


def test_nothing_has_no_tokens_and_a_letter_has_one() -> None:
    assert [estimate_tokens(text) for text in ("", "a", "汉", " ")] == [0, 1, 1, 0]


@random_examples()
@given(st.text(st.characters(max_codepoint=127)) | st.text("ab 1.\n\t"))
def test_the_quick_sum_for_plain_text_is_that_of_the_weights(text: str) -> None:
    assert module._weigh(text) == module._sum_weights(text, module._ASCII_WEIGHTS)
