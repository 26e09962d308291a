from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnai_magic.api.token_usage import Usage
from cnai_magic.chat.attempt import Attempt, Turn
from cnai_magic.chat.order import CellPosition
from cnai_magic.chat.reply import Reply
from cnai_magic.display.versions import Versions, _compare
from cnai_magic.money.cost import Cost
from tests.cases import check_each
from tests.display.answers import reply
from tests.properties import random_examples
from tests.xss_corpus import NAMED


def _versions(*attempts: Reply, current: int = -1, conversation: str = "main", first: int = 1) -> Versions:
    numbered = [Attempt(each, number=number) for number, each in enumerate(attempts, first)]
    turn = Turn(CellPosition("a"), numbered, current=range(len(attempts))[current])
    return Versions(turn, 2, conversation, "go back to attempt K: K of 2")


def _text(*attempts: Reply, **about: Any) -> str:
    return _versions(*attempts, **about)._repr_mimebundle_()["text/plain"]


def _html(*attempts: Reply, **about: Any) -> str:
    return _versions(*attempts, **about)._repr_mimebundle_()["text/html"]


class _Reader(HTMLParser):
    """Reads a document as a browser does: its elements, its text, and the cells of its rows."""

    def __init__(self, document: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.rows: list[list[str]] = []
        self.marked: dict[str, list[str]] = {"ins": [], "del": []}
        self._open: list[str] = []
        self.feed(document)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self._open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag in self.marked:
            self.marked[tag].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data
        if self.rows and "table" in self._open:
            self.rows[-1][-1] += data
        for tag, found in self.marked.items():
            if tag in self._open:
                found[-1] += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError("a comment")

    def row(self, name: str) -> list[str]:
        return next(row[1:] for row in self.rows if row[0] == name)


# -- what is shown ------------------------------------------------------------------------------


def test_attempts_stand_side_by_side_with_the_current_one_marked() -> None:
    page = _Reader(_html(reply("Four."), reply("4"), current=0))
    assert page.rows[0] == ["", "Attempt 1 (current)", "Attempt 2"]
    assert page.row("Reply") == ["Four.", "4"]
    assert page.text.startswith("Turn 2 of main: 2 attempts")


def test_an_attempt_has_the_number_by_which_it_is_kept() -> None:
    page = _Reader(_html(reply(), reply(), first=4))
    assert page.rows[0] == ["", "Attempt 4", "Attempt 5 (current)"]


def test_each_attempt_tells_its_tokens_its_cost_and_its_time() -> None:
    page = _Reader(
        _html(
            reply(),
            reply(usage=Usage(1000, 8, estimated=True), cost=Cost(1_000, True)),
            reply(cost=Cost(None)),
            reply(demo=True),
        )
    )
    assert page.row("Tokens") == [
        "20 → 8 tokens (3 thinking)",
        "≈1,000 → ≈8 tokens",
        *["20 → 8 tokens (3 thinking)"] * 2,
    ]
    assert page.row("Cost") == ["$0.000054", "≈$0.000001000", "unpriced", "demo credit $0.000054"]
    assert page.row("Time") == ["1.2 s"] * 4
    assert page.row("When") == [reply().started.astimezone().strftime("%Y-%m-%d %H:%M:%S")] * 4


def test_how_an_attempt_ended_is_shown_where_one_did_not_simply_stop() -> None:
    assert _Reader(_html(reply(), reply(finish_reason="length"))).row("Ended") == [
        "",
        "cut at the model's own limit",
    ]
    assert "Ended" not in _html(reply(), reply())
    assert "cut at the model's own limit" in _text(reply(), reply(finish_reason="length"))


def test_the_note_says_how_to_go_back() -> None:
    for shown in (_html(reply(), reply()), _text(reply(), reply())):
        assert "go back to attempt K" in shown
    assert "go back" not in _html(reply())
    assert "1 attempt" in _text(reply())


def test_text_shows_one_attempt_under_another() -> None:
    when = reply().started.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    first = reply("Four.\n", prompt="2+2?\nBriefly.", parameters={})
    second = reply("4", prompt="2+2?\nIn digits.", model="qwen-max", system="Hm")
    assert _text(first, second).split("\n") == [
        "Turn 2 of main: 2 attempts",
        "",
        f"── Attempt 1 · {when} ──",
        "  Model: deepseek-chat",
        "Prompt:",
        "  2+2?",
        "  Briefly.",
        "Reply:",
        "  Four.",
        first.summary,
        "",
        f"── Attempt 2 (current) · {when} ──",
        "- Model: deepseek-chat",
        "+ Model: qwen-max",
        "- temperature: not sent",
        "+ temperature: 0",
        "System:",
        "+ Hm",
        "Prompt:",
        "  2+2?",
        "- Briefly.",
        "+ In digits.",
        "Reply:",
        "  4",
        second.summary,
        "",
        "go back to attempt K: K of 2",
    ]


# -- what changed -------------------------------------------------------------------------------


def test_words_of_the_prompt_that_changed_are_marked() -> None:
    before, after = "Sum it up in three words", "Sum it up in two short words"
    page = _Reader(_html(reply(prompt=before), reply(prompt=after)))
    assert "three" in page.marked["del"]
    assert "two short" in page.marked["ins"]
    assert page.row("Prompt") == [before, "Sum it up in threetwo short words"]


def test_words_that_changed_one_after_another_are_one_change() -> None:
    assert _compare("see red cats run", "see two dogs run") == (
        [("=", "see "), ("-", "red cats"), ("+", "two dogs"), ("=", " run")],
        True,
    )


def test_what_is_unchanged_is_said_to_be() -> None:
    page = _Reader(_html(reply(system="Be brief."), reply(system="Be brief.")))
    assert page.row("Prompt") == ["2+2?", "unchanged"]
    assert page.row("System") == ["Be brief.", "unchanged"]
    assert page.marked == {"ins": ["new"], "del": ["gone"]}


def test_the_system_message_is_compared_too() -> None:
    page = _Reader(_html(reply(system="Be brief."), reply(system="Be kind."), reply(system=None)))
    assert page.row("System") == ["Be brief.", "Be briefkind.", "Be kind."]
    assert page.marked["del"][:2] == ["brief", "Be kind."]
    assert "System" not in _html(reply(), reply())


def test_a_parameter_that_changed_shows_both_values_and_0_is_a_value() -> None:
    page = _Reader(
        _html(reply(parameters={}), reply(parameters={"temperature": 0}), reply(parameters={"top_p": 1}))
    )
    assert page.row("temperature") == ["not sent", "not sent 0", "0 not sent"]
    assert page.row("top_p") == ["not sent", "not sent", "not sent 1"]
    page = _Reader(_html(reply(parameters={"stop": ("END", "\n")}), reply(parameters={"stop": ("END",)})))
    assert page.row("stop") == ['"END", "\\n"', '"END", "\\n" "END"']


def test_a_long_unchanged_run_is_folded() -> None:
    same = "These words stay as they are. " * 40
    page = _Reader(_html(reply(prompt=f"{same}old {same}"), reply(prompt=f"{same}new {same}")))
    changed = page.row("Prompt")[1]
    assert re.fullmatch(r"….{20,80} oldnew .{20,80}…", changed)


def test_folded_lines_keep_what_stands_around_a_change() -> None:
    same = [f"line {number}" for number in range(9)]
    text = _text(*(reply(prompt="\n".join([*same, word, *same])) for word in ("old", "new")))
    assert "  …\n  line 7\n  line 8\n- old\n+ new\n  line 0\n  line 1\n  …\nReply" in text


_PROSE = st.text("ab \n.é", max_size=60)


@random_examples()
@given(_PROSE, _PROSE)
def test_a_comparison_holds_both_texts_wholly(before: str, after: str) -> None:
    pieces, _ = _compare(before, after)
    assert "".join(text for kind, text in pieces if kind != "+") == before
    assert "".join(text for kind, text in pieces if kind != "-") == after


@pytest.mark.parametrize("unit", ["word%d ", "line %d\n"])
def test_a_megabyte_with_one_change_is_compared_exactly(unit: str) -> None:
    text = "".join(unit % number for number in range(120_000))
    changed = text.replace(unit % 60_000, "another ")
    pieces, whole = _compare(text, changed)
    assert whole
    assert sum(len(piece) for kind, piece in pieces if kind == "+") < 30


_WORST = """
import random
from cnai_magic.display.versions import Versions
from cnai_magic.chat.order import CellPosition
from cnai_magic.chat.attempt import Turn
from tests.display.answers import attempt
random.seed(1)
words = [[f"w{random.randrange(300)}" for _ in range(200_000)] for _ in range(2)]
for blank in ("\\n", " ", "", ". "):
    print(repr(blank), flush=True)
    turn = Turn(CellPosition("a"), [attempt(prompt=blank.join([*each, ""])) for each in words])
    shown = Versions(turn, 1, "main")._repr_mimebundle_()
    assert all("are not shown" in text for text in shown.values())
    assert all(len(text) < 300_000 for text in shown.values())
"""


def test_two_megabytes_that_have_nothing_in_common_do_not_hang() -> None:
    # A comparison of all would take hours.
    subprocess.run([sys.executable, "-c", _WORST], check=True, timeout=60)


@pytest.mark.parametrize(
    ("prompts", "where"),
    [
        (("a b " * 5_000, "c d " * 5_000), ["text/html"]),
        (("a\nb\n" * 5_000, "c\nd\n" * 5_000), ["text/html", "text/plain"]),
    ],
)
def test_what_is_too_long_to_be_compared_is_said_to_be(prompts: tuple[str, str], where: list[str]) -> None:
    shown = _versions(*(reply(prompt=each) for each in prompts))._repr_mimebundle_()
    assert [each for each, text in shown.items() if "too long to be compared in full" in text] == where


def test_in_a_script_without_blanks_characters_are_compared() -> None:
    assert _compare("用三句话总结收入", "用两句话总结收入") == (
        [("=", "用"), ("-", "三"), ("+", "两"), ("=", "句话总结收入")],
        True,
    )


def test_a_long_answer_is_cut_and_says_so() -> None:
    long = reply("a" * 15_000 + "b" * 15_000)
    for shown in (_html(long), _text(long)):
        assert "[… 10,000 characters are not shown …]" in shown
        assert shown.count("b") < 10_400


# -- foreign text -------------------------------------------------------------------------------

_OWN = {"div", "strong", "table", "thead", "tbody", "tr", "th", "td", "span", "em", "small", "ins", "del"}


@check_each("payload", NAMED)
def test_no_payload_survives_as_html(payload: str) -> None:
    everywhere = reply(
        payload,
        prompt=payload,
        system=payload,
        model=payload,
        parameters={payload: payload},  # type: ignore[dict-item]
        finish_reason=payload,
    )
    page = _Reader(
        _html(everywhere, reply(prompt=f"x {payload} y", system="z"), everywhere, conversation=payload)
    )
    assert page.elements <= _OWN
    assert page.attributes <= {"style", "scope", "title"}


def test_the_check_itself_finds_a_payload_that_is_not_escaped() -> None:
    assert "script" in _Reader("<td><script>alert(1)</script></td>".replace("td", "b")).elements


@pytest.mark.parametrize("maths", ["$x$", "$$x$$", r"\(x\)", r"\[x\]", r"\begin{align}x\end{align}"])
def test_nothing_in_it_begins_maths(maths: str) -> None:
    shown = _html(reply(maths, prompt=maths), reply(maths, prompt=maths + " y"))
    assert _Reader(shown).row("Reply") == [maths, maths]
    # A notebook looks for maths within the text of one element.
    texts = [text for text in re.split(r"<[^>]*>", shown) if "$" in text or "\\" in text]
    assert texts
    assert set(texts) <= {"$", "\\"}


def test_control_sequences_are_taken_out() -> None:
    hostile = "a\x1b[2J\x07b\x1b]0;title\x07"
    attempt = reply(hostile, prompt=hostile, system=hostile, model=hostile)
    for shown in (_html(attempt, reply(prompt="c")), _text(attempt, reply(prompt="c"), conversation=hostile)):
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", shown)
        assert "ab" in shown


def test_of_very_many_attempts_the_latest_are_shown_and_the_one_that_counts() -> None:
    attempts = [reply(f"answer {number}", prompt=f"question {number}") for number in range(1, 101)]
    shown = _text(*attempts, current=4)
    assert "question 5\n" in shown
    assert "question 100" in shown
    assert "question 70\n" not in shown
    assert "69 earlier attempts are not shown" in shown
    assert "Turn 2 of main: 100 attempts" in shown
