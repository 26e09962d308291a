"""What `--dry-run` shows, in a real kernel."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.kernels import Kernel, running_kernel
from tests.magics.test_extension import renew


@pytest.fixture(scope="module")
def shared_kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    with running_kernel(tmp_path_factory.mktemp("kernel"), CNAI_BASE_URL="demo") as kernel:
        yield kernel


@pytest.fixture
def kernel(shared_kernel: Kernel) -> Kernel:
    renew(shared_kernel)
    return shared_kernel


def test_it_shows_who_is_asked_the_messages_and_the_cost(kernel: Kernel) -> None:
    kernel.run("%%cnai\nWhat is 2+2?", "a")
    ran = kernel.run("%%cnai demo-echo -t 0.2 -n 500 -s 'Be brief' --stop END --dry-run\nAnd\n\n  2+3?", "b")
    assert ran.shown.split("\n\n")[0] == (
        "demo-echo · demo · conversation main, turn 2 · order of runs · "
        'temperature 0.2 · max_tokens 500 · stop ["END"]'
    )
    assert "\n\nsystem · ≈2 tokens\n    Be brief\n\nuser, turn 1 · ≈6 tokens\n    What is 2+2?\n" in ran.shown
    assert "\n\nassistant, turn 1 · ≈8 tokens\n    2 + 2 = **4**\n" in ran.shown
    assert "\n\nuser, the question · ≈" in ran.shown
    assert " tokens\n    And\n\n      2+3?\n" in ran.shown
    assert ran.shown.rstrip().endswith(" with an answer of 500 tokens · nothing was sent")
    assert kernel.value("len(session.book.charges)") == 1
    assert kernel.value("len(session.conversations['main'].turns)") == 1


def test_it_says_what_braces_became(kernel: Kernel) -> None:
    kernel.run("rows = list(range(9000)); n = 5; key = 'ghp_' + 'a1' * 20")
    body = "{{ rows }}\nn = {{ n }} {{ key }} {{color: 'red'}} \\{{ n }} {{ n | head }}"
    refused = kernel.run(f"%%cnai --dry-run\n{body}")
    assert "head is for tables" in refused.error[0]
    ran = kernel.run("%%cnai --dry-run\n" + body.removesuffix(" {{ n | head }}"))
    replaced, kept = ran.shown.split("\n\n")[-3:-1]
    assert "\n    {{ rows }}  " in replaced
    assert " of 9,000 items · ≈" in replaced
    assert " tokens · cut at Cnai.value_tokens\n" in replaced
    assert "\n    {{ n }}  5 · ≈1 token\n" in replaced
    assert "· 1 secret masked" in replaced
    assert kept == "sent as text\n    {{color: 'red'}}  no expression\n    \\{{ n }}  after a backslash"
    assert "ghp_" not in ran.shown
    assert kernel.value("len(session.book.charges)") == 0


def test_it_says_what_else_is_sent_and_what_is_left_out(kernel: Kernel) -> None:
    for number in range(3):
        kernel.run(f"%%cnai\nWhat is {number} + 1?", f"c{number}")
    kernel.run("%config Cnai.history_tokens = 15")
    ran = kernel.run("%%cnai --see above --dry-run\nWhat now?", "d")
    assert "\n\nleft out: the 2 oldest turns (Cnai.history_tokens)\n" in ran.shown
    assert "user, turn 3 · " in ran.shown
    assert "user, turn 2 · " not in ran.shown
    assert "\n\nwith the question: " in ran.shown
    assert "more lines\n" in ran.shown
    assert "\n    What now?\n" in ran.shown
    once = kernel.run("%%cnai --once --no-stream --dry-run\nWhat now?", "d")
    assert once.shown.startswith(
        "demo-guide · demo · outside of any conversation · not streamed\n\nuser, the question"
    )


def test_of_a_comparison_it_shows_each_way_and_the_sum(kernel: Kernel) -> None:
    line = "%%cnai --compare demo-guide,demo-echo --times 2 -n 40 --judge demo-ngram --dry-run"
    ran = kernel.run(f"{line}\nWhat is 2+2?", "a")
    heads, question, end = ran.shown.rstrip().split("\n\n")
    ways = [(each.split(" · ")[0], each.split(" · ")[-2]) for each in heads.split("\n")]
    assert ways == [("demo-guide", "2 times"), ("demo-echo", "2 times")]
    assert question.endswith("    What is 2+2?")
    assert end.startswith("4 answers · ≈24 prompt tokens · demo credit ≈$")
    assert " · at most demo credit ≈$" in end
    assert " with the longest answers · demo-ngram judges each answer: demo credit ≈$" in end
    assert end.endswith(" with the longest answers · nothing was sent")
    bodies = kernel.run(f"{line} json\nWhat is 2+2?", "a").stdout
    assert bodies.count('"model": "demo-guide"') == bodies.count('"model": "demo-echo"') == 1
    assert kernel.value("len(session.book.charges)") == 0


@pytest.mark.parametrize("option", ["--dry-run json", "--dry-run=json"])
def test_json_shows_the_body(kernel: Kernel, option: str) -> None:
    kernel.run("n = 5")
    for code in (f"%%cnai {option} demo-echo\nn is {{{{ n }}}}", f"%cnai -m demo-echo {option} n is {{n}}"):
        ran = kernel.run(code)
        body = json.loads(ran.stdout.rsplit("\n≈", 1)[0])
        assert body["model"] == "demo-echo"
        assert body["messages"] == [{"role": "user", "content": "n is 5"}]


def test_the_word_after_it_is_a_model_or_the_question(kernel: Kernel) -> None:
    assert kernel.run("%%cnai --dry-run demo-echo\nHi").shown.startswith("demo-echo · ")
    assert "    what's json?\n" in kernel.run("%cnai --dry-run what's json?").shown
    assert "there are: 'text', 'json'" in "".join(kernel.run("%%cnai --dry-run=xml\nHi").error)
