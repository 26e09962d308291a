from __future__ import annotations

import copy
import pickle

import pytest

from cnai_magic.safety import ApiKey, redact, strip_controls

KEY = "sk-test-0123456789"


@pytest.mark.parametrize("text", ["sk-abcdef", "sk-abc-def_123", "sk-ab****yz", f"Bearer {KEY}.", f'"{KEY}"'])
def test_whatever_has_the_shape_of_a_key_is_hidden(text: str) -> None:
    hidden = redact(text)
    assert "sk-…" in hidden
    assert "abc" not in hidden
    assert "0123" not in hidden


@pytest.mark.parametrize("text", ["task-abcdefgh", "risk-management", "sk-", "sk-abc", "ask-me-anything"])
def test_words_that_only_resemble_a_key_stay(text: str) -> None:
    assert redact(text) == text


def test_a_given_key_is_hidden_whatever_its_shape() -> None:
    assert redact("token=my/secret+key;", ApiKey("my/secret+key")) == "token=sk-…;"


def test_a_placeholder_key_does_not_garble_other_words() -> None:
    assert (
        redact("ask ollama about EMPTY", ApiKey("ollama"), ApiKey("EMPTY"), None) == "ask ollama about EMPTY"
    )


def test_a_key_is_shown_by_reveal_and_by_nothing_else() -> None:
    key = ApiKey(f"  {KEY}\n")
    assert key.reveal() == KEY
    shown = [repr(key), str(key), f"{key}", "%s" % key, repr([key]), repr({"key": key})]  # noqa: UP031
    assert not any("0123" in text for text in shown)
    assert not hasattr(key, "__dict__")


def test_a_key_cannot_be_pickled_or_copied_out() -> None:
    for leak in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="pickle"):
            leak(ApiKey(KEY))


def test_keys_compare_by_value_and_an_empty_one_is_false() -> None:
    assert ApiKey("a") == ApiKey("a") != ApiKey("b")
    assert ApiKey("a") != "a"
    assert len({ApiKey("a"), ApiKey("a")}) == 1
    assert not ApiKey(" ")


@pytest.mark.parametrize(
    ("sequence", "left"),
    [
        ("\x1b[31m", ""),
        ("\x1b[?25l", ""),
        ("\x1b[38;2;1;2;3m", ""),
        ("\x9b2J", ""),
        ("\x1b]0;a new title\x07", ""),
        ("\x1b]8;;https://evil.example\x1b\\", ""),
        ("\x9d52;c;cGFzdGU=\x9c", ""),
        ("\x1bP1$r0m\x1b\\", ""),
        ("\x90q\x9c", ""),
        ("\x1b_payload\x1b\\", ""),
        ("\x9fpayload\x9c", ""),
        ("\x1b^payload\x07", ""),
        ("\x1bXpayload\x9c", ""),
        ("\x1bc", ""),
        ("\x1b(0", ""),
        ("\x08\x08\x08", ""),
        ("\r", ""),
        ("\r\n", "\n"),
        ("\n\t", "\n\t"),
        ("\x00\x7f\x85", ""),
        ("汉字 é 🙂", "汉字 é 🙂"),
    ],
)
def test_control_sequences_are_stripped_and_text_around_them_stays(sequence: str, left: str) -> None:
    assert strip_controls(f"a{sequence}b") == f"a{left}b"


@pytest.mark.parametrize("cut", ["\x1b", "\x1b[", "\x1b[3", "\x1b]0;title", "\x9d0;title", "\x1bP", "\x9b"])
def test_a_sequence_cut_off_by_the_end_leaves_nothing_behind(cut: str) -> None:
    assert strip_controls(f"a{cut}") == "a"


def test_no_control_character_survives_any_nesting() -> None:
    text = "\x1b\x1b[\x1b]0;\x1b[31mx\x9d\x9b\x90\x1b\\y\x1b"
    left = strip_controls(text)
    assert not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in left), repr(left)


@pytest.mark.parametrize("hostile", ["\x9d", "\x1b]", "\x90a", "\x1b[", "\x1b "])
def test_hostile_text_costs_linear_time(hostile: str) -> None:
    # With a quadratic search this would take hours.
    assert strip_controls(hostile * 400_000 + "\x1bcend").endswith("end")
