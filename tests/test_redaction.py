from __future__ import annotations

import copy
import pickle
import re
from base64 import b64encode, urlsafe_b64encode
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnai_magic.redaction import ApiKey, Cleaner, KeyFilter, clean, redact, replace_surrogates, strip_controls
from tests.cases import check_each
from tests.properties import random_examples

KEY = "sk-test-0123456789"


@pytest.mark.parametrize(
    "text",
    [
        "sk-abcdef",
        "sk-abc-def_123",
        "sk-ab****yz",
        "sk-a...b0123",
        "sk-abc…012345",
        f"Bearer {KEY}.",
        f'"{KEY}"',
    ],
)
def test_whatever_has_the_shape_of_a_key_is_hidden(text: str) -> None:
    hidden = redact(text)
    assert "sk-…" in hidden
    assert "abc" not in hidden
    assert "0123" not in hidden


@pytest.mark.parametrize("text", ["task-abcdefgh", "risk-management", "sk-", "sk-abc", "ask-me-anything"])
def test_words_that_only_resemble_a_key_stay(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize("unseen", ["\u200b", "\u2060", "\xad", "\x1b[1m", "\x00"])
def test_what_has_the_shape_of_a_key_is_hidden_where_unseen_characters_split_it(unseen: str) -> None:
    for text in (unseen.join("sk-unmet98765"), f"sk-unmet9{unseen}8765"):
        assert redact(f"key {text} here") == "key sk-… here"
    assert redact(f"a{unseen}b") == f"a{unseen}b"


def test_a_given_key_is_hidden_whatever_its_shape() -> None:
    key = ApiKey("my/secret+key")
    assert key.hide_in("token=my/secret+key;") == redact("token=my/secret+key;") == "token=sk-…;"


def test_a_placeholder_key_does_not_garble_other_words() -> None:
    text = "ask ollama about EMPTY"
    keys = [ApiKey("ollama"), ApiKey("EMPTY"), ApiKey("")]
    assert [key.hide_in(text) for key in keys] == [redact(text)] * 3 == [text] * 3


def test_a_key_is_hidden_without_the_beginning_that_all_have() -> None:
    assert ApiKey(KEY).hide_in(f"{KEY} or {KEY[3:]}") == "sk-… or …"


@pytest.mark.parametrize("key", ["sk-Zq7Hc9LmPw4RtY2uVbXn8KdF", "my/secret+key?>", "中文-key-0123"])
def test_a_server_does_not_show_the_key_encoded(key: str) -> None:
    secret = key.removeprefix("sk-")
    ApiKey(key)
    for before in ("", "user:", "Bearer ", "a", "ab"):
        data = f"{before}{key}".encode()
        for coded in (b64encode(data), b64encode(data + b"@host"), urlsafe_b64encode(data)):
            shown = redact(f"(got {coded.decode()})")
            assert re.fullmatch(r"\(got [\w+/-]{0,18}…\)", shown), shown
    percents = "".join(f"%{each:02X}" for each in secret.encode())
    assert redact(f"({secret.encode().hex()}, {percents})") == "(…, …)"
    assert redact(b64encode(b"something else altogether").decode()) == "c29tZXRoaW5nIGVsc2UgYWx0b2dldGhlcg=="


def test_a_key_is_hidden_from_when_it_was_met() -> None:
    assert redact("a+key/of+no+shape") == "a+key/of+no+shape"
    ApiKey("a+key/of+no+shape")
    assert redact("a+key/of+no+shape") == "sk-…"


def filtered(pieces: list[str], key: ApiKey) -> str:
    hidden = KeyFilter(key)
    text = ""
    for piece in pieces:
        text += hidden.feed(piece) if hidden.held or hidden.mark in piece else piece
        assert len(hidden.held) < max(1, len(key.reveal())) or not hidden.held.isprintable()
    return text + hidden.feed("", ended=True)


@random_examples()
@given(st.text("sk-tes0x", max_size=30), st.text("sk-tes0x", max_size=30), st.data())
def test_a_key_is_hidden_wherever_the_text_is_cut(before: str, after: str, data: st.DataObject) -> None:
    text = before + KEY + after
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    pieces = [text[start:end] for start, end in pairwise([0, *cuts, len(text)])]
    for key in (ApiKey(KEY), ApiKey("x" + KEY)):
        assert filtered(pieces, key) == key.hide_in(text)


@random_examples()
@given(st.lists(st.text("sk-test-01", max_size=7)))
def test_a_text_without_the_key_is_left_alone(pieces: list[str]) -> None:
    assert filtered(pieces, ApiKey(KEY)) == "".join(pieces)
    assert filtered(pieces, ApiKey("")) == "".join(pieces)


def test_nothing_is_held_back_that_cannot_be_a_key() -> None:
    hidden = KeyFilter(ApiKey(KEY))
    assert [hidden.feed(piece) for piece in ("sk", "-", "t", "ea", "te", "s", "ts")] == [
        "sk",
        "-",
        "",
        "tea",
        "",
        "",
        "tests",
    ]


def test_most_of_a_key_at_the_end_is_hidden_and_little_is_not() -> None:
    key = ApiKey(KEY)
    assert filtered(["the test", "-012345678"], key) == "the …"
    assert filtered(["the tes"], key) == "the tes"


def test_the_header_does_not_show_itself() -> None:
    header = ApiKey(KEY).bearer()
    assert header == f"Bearer {KEY}"
    assert "0123" not in repr(header)
    assert "0123" not in repr({"Authorization": header})


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


@check_each(
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
    assert strip_controls(hostile * 200_000 + "\x1bcend").endswith("end")


# -- keys that are split by what nobody sees ------------------------------------------------------

# What a terminal, a browser or an editor does not show.
UNSEEN = [
    "\x00",
    "\x07",
    "\x0b",
    "\r",
    "\x7f",
    "\x85",
    "\x9b31m",
    "\x1b[0m",
    "\x1b[38;5;1m",
    "\x1bc",
    "\x1b(B",
    "\x1b]0;title\x07",
    "\x1b]8;;http://x\x1b\\",
    "\x90q\x9c",
    "\u200b",
    "\u200d",
    "\u2060",
    "\ufeff",
    "\xad",
    "\u202e",
    "\u2066",
    "\u034f",
    "\ufe0f",
    "\u3164",
    "\U000e0041",
]


@check_each("unseen", UNSEEN, ids=ascii)
def test_a_key_is_hidden_where_unseen_characters_split_it(unseen: str) -> None:
    key = ApiKey(KEY)
    for split in (KEY[:9] + unseen + KEY[9:], unseen.join(KEY)):
        for text in (split, f"a\n{split}b", f"\u200b{split}\x00{split}"):
            for shown in (key.hide_in(text), clean(text), redact(strip_controls(text))):
                assert "0123" not in strip_controls(shown).replace(unseen, ""), ascii(shown)
                assert "…" in shown
    assert clean(f"a{KEY[:9]}{unseen}{KEY[9:]}b\u200dc") == "ask-…b\u200dc"


@check_each("unseen", UNSEEN, ids=ascii)
def test_a_split_key_is_hidden_wherever_the_text_is_cut(unseen: str) -> None:
    ApiKey(KEY)
    text = f"the {KEY[:9]}{unseen}{KEY[9:]} end"
    for first in range(len(text)):
        for second in (first, first + 1, first + 7, len(text)):
            pieces = [text[:first], text[first:second], text[second:]]
            cleaner = Cleaner()
            shown = "".join(map(cleaner.feed, pieces)) + cleaner.feed("", ended=True)
            assert shown == "the sk-… end", (pieces, shown)
            assert strip_controls(filtered(pieces, ApiKey(KEY))).count("0123") == 0, pieces


CUT = [*"\x1b\x9b\x9d\x90[]0;m\x07\\ a\n", KEY, KEY[:9], KEY[9:], "\u200b"]


@random_examples()
@given(st.lists(st.sampled_from(CUT), max_size=12))
def test_neither_control_nor_key_survives_any_cut(pieces: list[str]) -> None:
    ApiKey(KEY)
    cleaner = Cleaner()
    shown = "".join(map(cleaner.feed, pieces)) + cleaner.feed("", ended=True)
    assert strip_controls(shown) == shown
    assert KEY not in shown.replace("\u200b", "")


def test_very_many_unseen_characters_in_a_key_cost_little_and_hide_nothing() -> None:
    ApiKey(KEY)
    cleaner = Cleaner()
    shown = "".join(cleaner.feed(piece) for piece in [KEY[:9], *["\u200b" * 100] * 500, KEY[9:]])
    assert "0123" not in shown.replace("\u200b", "")


def test_invisible_characters_stay_where_they_split_no_key() -> None:
    text = "👩\u200d👩\u200d👧 می\u200cخواهم ❤\ufe0f soft\xadhyphen"
    assert clean(text) == text
    cleaner = Cleaner()
    assert "".join(map(cleaner.feed, text)) + cleaner.feed("", ended=True) == text


@pytest.mark.parametrize(
    ("text", "whole"),
    [("汉 😀", "汉 😀"), ("\ud83d\ude00", "😀"), ("a\ud83db", "a�b"), ("\ude00\ud83d", "��")],
)
def test_pairs_of_surrogates_are_joined_and_lone_ones_replaced(text: str, whole: str) -> None:
    assert replace_surrogates(text) == whole
