"""The demo tokenizer: tokens join back to the text."""

from __future__ import annotations

from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from cnai_magic.demo import count_tokens
from cnai_magic.demo.tokenizer import iterate_tokens, tokenize, tokenize_blocks
from tests.properties import random_examples

# How fast a machine is, is no matter of a test.
untimed = random_examples(suppress_health_check=[HealthCheck.too_slow])


@untimed
@given(st.text())
def test_tokens_join_back_to_the_exact_text(text: str) -> None:
    tokens = tokenize(text)
    assert "".join(tokens) == text
    assert all(tokens)
    assert count_tokens(text) == len(tokens)


@untimed
@given(st.lists(st.sampled_from(["word ", "  ", "\n", "\t", "12345", "数据", "é", "_", ".", " x", "\r"])))
def test_mixed_text_joins_back(parts: list[str]) -> None:
    assert "".join(tokenize("".join(parts))) == "".join(parts)


@untimed
@given(
    st.lists(
        st.sampled_from(["word ", " ", "  ", " " * 15, "\n", "\n" * 15, "\t", "12345", "数", "internation"])
    ),
    st.integers(1, 40),
)
def test_a_text_in_blocks_has_the_same_tokens(parts: list[str], size: int) -> None:
    text = "".join(parts)
    blocks = [text[place : place + size] for place in range(0, len(text), size)]
    assert [token for tokens in tokenize_blocks(blocks) for token in tokens] == tokenize(text)


def test_a_long_text_is_counted_as_it_is_split() -> None:
    text = "A long text, 12345 words:\n\n    数据 and more.\t" * 2_000
    assert list(iterate_tokens(text)) == tokenize(text)
    assert count_tokens(text) == len(tokenize(text))


def test_a_word_takes_the_space_before_it() -> None:
    assert tokenize("Hello, dear world!") == ["Hello", ",", " dear", " world", "!"]


def test_a_long_word_and_a_long_number_are_split() -> None:
    assert tokenize("internationalization 12345") == ["internatio", "nalization", " 123", "45"]


def test_chinese_characters_are_tokens_of_their_own() -> None:
    assert tokenize("你好,世界。") == ["你", "好", ",", "世", "界", "。"]


def test_line_breaks_and_indentation_are_runs() -> None:
    assert tokenize("a\n\n    b") == ["a", "\n\n", "   ", " b"]


def test_an_empty_text_has_no_tokens() -> None:
    assert count_tokens("") == 0
