"""The words of a language: chosen, translated, complete where it counts, and all of them said by the code."""

from __future__ import annotations

import argparse
import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from unicodedata import east_asian_width

import pytest

from cnai_magic import languages
from cnai_magic.chat.answers import translate_headings
from cnai_magic.errors import InputError, QuotaError
from cnai_magic.languages import choose, get_language, translate
from cnai_magic.magics.cell_words import CELL
from cnai_magic.magics.help import get_help
from cnai_magic.money.holds import BudgetStatus
from cnai_magic.next_steps import either, keep_as_text, set_key
from tests.package_source import PACKAGE, list_nodes, list_sources
from tests.shown_texts import list_shown_texts

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_HAN = re.compile(r"[\u4e00-\u9fff]")
_NAME = re.compile(r"\{\w+\}")
_WORD = re.compile(r"[A-Za-z]+?(?=s?\b)")


@pytest.fixture(autouse=True)
def english_again() -> Iterator[None]:
    yield
    choose("en")


@pytest.mark.parametrize(
    ("setting", "page", "system", "chosen"),
    [
        ("auto", None, {}, "en"),
        ("auto", None, {"LANG": "zh_CN.UTF-8"}, "zh"),
        ("auto", None, {"LANG": "zh_CN.UTF-8", "LC_ALL": "en_US.UTF-8"}, "en"),
        ("auto", None, {"LANG": "C.UTF-8"}, "en"),
        ("auto", "zh-Hans-CN", {"LANG": "en_US.UTF-8"}, "zh"),
        ("auto", "en", {"LANG": "zh_CN.UTF-8"}, "en"),
        ("auto", "../../etc/passwd", {"LANG": "zh_TW"}, "zh"),
        ("auto", ["zh"], {}, "en"),
        ("en", "zh", {"LANG": "zh_CN"}, "en"),
        ("zh", "en", {}, "zh"),
    ],
)
def test_the_setting_counts_then_the_page_then_the_system(
    setting: str, page: object, system: dict[str, str], chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in system.items():
        monkeypatch.setenv(name, value)
    choose(setting, page)
    assert get_language() == chosen


def test_a_footer_is_translated_part_by_part_and_names_stay() -> None:
    choose("zh")
    footer = "turn-3 · turn 3, attempt 2 · 20 → ≈8 tokens (5 thinking) · demo credit $0.000054 · 1.2 s"
    assert translate(footer).split(" · ") == [
        *("turn-3", "第 3 轮第 2 次", "20 → ≈8 tokens（思考 5）", "演示额度 $0.000054", "1.2 秒"),
    ]
    assert translate("demo credit ≈$0.01 without the answers") == "演示额度 ≈$0.01（不含回答）"


@pytest.mark.parametrize(
    ("text", "translated"),
    [
        ("4 of them before", "其中 4 之前已有"),
        ("demo credit is not money; ask again", "演示额度不是钱；再问一次"),
        (
            "Since 10:20:30, h charged $2, and this kernel counted $1: $1 more there.",
            "自 10:20:30 起，h 扣费 $2，此内核统计为 $1：前者多 $1。",
        ),
        (
            "Since its start, the demo gateway charged $1, and this kernel counted $1: they agree.",
            "自启动以来，演示网关扣费 $1，此内核统计为 $1：两者一致。",
        ),
        (
            "1 answer was replayed at no cost; when asked for, it cost demo credit $1.",
            "1 个回答是重放的，没有费用；当初提问时的费用为演示额度 $1。",
        ),
    ],
)
def test_of_several_patterns_the_one_with_the_most_words_is_taken(text: str, translated: str) -> None:
    choose("zh")
    assert translate(text) == translated


@pytest.mark.parametrize("spent", [0, 10**9])
@pytest.mark.parametrize("held", [0, 10**9])
def test_what_is_left_of_a_budget_is_said_in_one_language(spent: int, held: int) -> None:
    choose("zh")
    assert not _WORD.search(translate(f"it may cost $0.10 and more, and {BudgetStatus(10**10, spent, held)}"))


def test_an_error_is_translated_where_it_is_shown_and_its_facts_are_not() -> None:
    error = QuotaError("no credit is left for this request", why="余额不足 (HTTP 402)", next_step=set_key())
    choose("zh")
    assert error.what == "no credit is left for this request"
    assert error.lines(CELL) == [
        "QuotaError: 余额不足，无法完成此请求",
        "  原因: 余额不足 (HTTP 402)",
        "  下一步: 用 %cnai_key 设置密钥，或设置环境变量 CNAI_API_KEY",
    ]
    error = InputError("no expression", next_step="nothing was sent: " + either("correct it", keep_as_text()))
    step = "  下一步: 没有发送任何请求：请改正，或用 \\{{ … }} 或 %%cnai --raw 按原文发送"
    assert error.lines(CELL)[-1] == step


def test_what_has_no_translation_stays_english_and_braces_are_text() -> None:
    choose("zh")
    assert translate("an unknown sentence; stopped") == "an unknown sentence；已停止"
    assert translate("there is no conversation {0.__class__}") == "没有名为 {0.__class__} 的对话"
    assert translate(" stopped ") == " 已停止 "
    assert translate("") == ""


@pytest.mark.parametrize(
    "words",
    ["the quota of this key is used up", "the upload of the file failed", "turn it off", "no rows"],
)
def test_the_words_of_a_server_are_not_taken_for_ours(words: str) -> None:
    choose("zh")
    assert translate(words) == words
    assert translate(f"demo fault: {words}").endswith(words)


def test_every_translation_is_of_a_text_that_the_code_has() -> None:
    # Parts of a text may stand apart ("turn" and its plural), but within one file.
    together = [[path] for path in list_sources()]
    # What is said of a parameter stands in two files, headings of a help in argparse.
    together += [[PACKAGE / "api" / "parameters.py", PACKAGE / "magics" / "arguments.py"]]
    together += [[Path(argparse.__file__)]]
    # What is left out of a notebook is named where it is read.
    together += [[PACKAGE / "notebook" / "saved_outputs.py", PACKAGE / "notebook" / "left_out.py"]]
    texts = ["\n".join(text for path in each for text in _list_texts(path)) for each in together]
    texts.append((PACKAGE / "money" / "prices.toml").read_text(encoding="utf-8"))
    said = [set(_WORD.findall(text)) for text in texts]
    wanted = {english: _list_words(english) for english in _read("zh")}
    unsaid = [english for english, words in wanted.items() if not any(map(words.issubset, said))]
    assert unsaid == []


def test_a_translation_names_what_the_english_text_names() -> None:
    for english, chinese in _read("zh").items():
        assert set(_NAME.findall(chinese)) <= set(_NAME.findall(english)), english


def test_the_words_of_every_step_in_a_cell_are_in_chinese() -> None:
    known = _read("zh")
    without = [words for words in CELL.words.values() if isinstance(words, str) and words not in known]
    # What is typed has no words of a language.
    missing = [words for words in without if re.search(r"(^| )[a-z]+ [a-z]+ ", words)]
    assert missing == [], "add them to cnai_magic/languages/zh.toml"


# Texts that join others, or a text and a mark.
_JOINED = re.compile(
    r"7.{0,3}|--over 7.*|7: 7.*|7, ≈7, and their answers more|7 is (not )?rated.*|7 7? ?.*its cell.*"
    r"|7 may cost ≈7, so it was not sent|7, so the budget .*|there is no 7|cut at Cnai.value_tokens7"
    r"|left out: the 7 oldest 7 .*|System message of this question7\.|write one: 77|name its number; 7"
    r"|7 7 still shows what it did.*|Send an image: 7.*|give a number of at least 0, for example 0.57"
    r"|it may cost 7 and more7, and 7| answers to one question .*|it has no turn"
)


def test_what_a_person_may_see_is_in_chinese() -> None:
    choose("zh")
    missing = [f"{place}: {text}" for place, text in list_shown_texts() if _is_english(text)]
    assert missing == [], "add them to cnai_magic/languages/zh.toml"


def _is_english(text: str) -> bool:
    """Tell whether the words of a text, or of a line of it, are not translated."""
    shown = [text.replace("%(default)s", "7").replace("%%", "%"), text]
    if any(_HAN.search(translate(each)) for each in shown) or _JOINED.fullmatch(text):
        return False
    lines = [line for line in text.split("\n") if re.search(r"[a-z]{3,} [a-z]{2,}", line)]
    return not all(_HAN.search(translate(line)) or line.startswith("pip install") for line in lines)


def test_the_help_of_a_magic_is_in_chinese_and_its_options_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    english = get_help("cnai"), get_help("cnai_chat")
    choose("zh")
    chinese = get_help("cnai"), get_help("cnai_chat")
    assert "  -n, --max-tokens N      回答的最大长度（tokens）。" in chinese[0].splitlines()
    assert "  drop N             去掉第 N 轮" in chinese[1].splitlines()
    assert max(map(_count_columns, chinese[0].splitlines())) <= 100
    assert len(chinese[0].splitlines()) == len(english[0].splitlines())
    for before, after in zip(english, chinese, strict=True):
        assert re.findall(r"--[a-z-]+", after) == re.findall(r"--[a-z-]+", before)


def _count_columns(line: str) -> int:
    return sum(2 if east_asian_width(character) in "WF" else 1 for character in line)


def _read(language: str) -> dict[str, str]:
    text = (Path(languages.__file__).parent / f"{language}.toml").read_text(encoding="utf-8")
    return {key: value for section in tomllib.loads(text).values() for key, value in section.items()}


def _list_texts(path: Path) -> Iterator[str]:
    for node in list_nodes(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _list_words(english: str) -> set[str]:
    """Return the words of a text, without plurals: those stand apart in the code."""
    words = set(_WORD.findall(_NAME.sub(" ", english)))
    return {word for word in words if len(word) > 2}


def test_a_column_keeps_its_name_where_ours_would_take_it() -> None:
    choose("zh")
    rows = [{"费用": 3, "answer": "yes", "cost": 4, "note": "n"}]
    assert translate_headings(rows) == [{"费用": 3, "回答": "yes", "cost": 4, "note": "n"}]
