"""demo-guide: what a first lesson asks of it."""

from __future__ import annotations

import contextlib
import io
import json
import re
import warnings
from typing import Any

import pytest
from hypothesis import HealthCheck, given

from cnai_magic.chat.prompts.prompt import render_prompt
from cnai_magic.demo import DemoMessage, answer
from cnai_magic.demo.guide import read_rules
from cnai_magic.demo.knowledge_files import read
from tests.cases import check_each
from tests.demo_requests import demo_request
from tests.properties import Chance, by_chance, random_examples

# How fast a machine is, is no matter of a test.
untimed = random_examples(suppress_health_check=[HealthCheck.too_slow])


def talk(*questions: str, system: str = "") -> str:
    """Ask one question after the other in one conversation; return the last answer."""
    messages = [DemoMessage("system", system)] if system else []
    text = ""
    for question in questions:
        messages.append(DemoMessage("user", question))
        text = "".join(chunk.text for chunk in answer(demo_request("demo-guide", *messages)))
        messages.append(DemoMessage("assistant", text))
    return text


def code_of(text: str) -> str:
    found = re.search(r"```python\n(.*?)\n```", text, re.DOTALL)
    assert found is not None
    return found[1]


@untimed
@given(by_chance(lambda chance: chance.text(40)), by_chance(lambda chance: chance.text(80)))
def test_any_text_is_answered(text: str, system: str) -> None:
    assert talk(text, system=system) or not text.strip()


@untimed
@given(by_chance(lambda chance: chance.joined("abcmynaeis 0123456789+-*/|,;\n\t`#{}[]\"':?.", 40)))
def test_anything_like_data_code_or_json_is_answered(text: str) -> None:
    assert talk(text, text + " as JSON")


def test_a_calculation_and_its_follow_ups() -> None:
    assert "**4**" in talk("What is 2+2?")
    assert "**12**" in talk("What is 2+2?", "And times 3?")
    assert "**24**" in talk("What is 2+2?", "And times 3?", "My name is Ada", "double that")
    assert "**34**" in talk("2+2", "and times 3?", "double that", "now add 10")


def test_a_follow_up_takes_a_number_that_another_model_answered() -> None:
    messages = (
        DemoMessage("user", "How many planets are there?"),
        DemoMessage("assistant", "There are 8."),
        DemoMessage("user", "double that"),
    )
    text = "".join(chunk.text for chunk in answer(demo_request("demo-guide", *messages)))
    assert "**16**" in text


def test_a_re_asked_question_changes_what_follows() -> None:
    assert "**15**" in talk("2+3", "and times 3?")


def test_what_cannot_be_worked_out_is_said() -> None:
    assert "too large" in talk("9**9**9")
    assert "zero" in talk("What is 1/0?")


def test_it_knows_what_it_was_told_in_this_conversation() -> None:
    assert "**Ada**" in talk("My name is Ada", "What is my name?")
    assert "**Bob**" in talk("My name is Ada", "My name is Bob.", "what's my name")
    assert "**green**" in talk(
        "My name is Ada and my favourite colour is green.", "What is my favorite color?"
    )
    assert "not told me your name" in talk("What is my name?")


def test_it_remembers_statements() -> None:
    assert "the exam is on Friday" in talk("Remember that the exam is on Friday", "When is the exam?")
    told = talk(
        "My name is Ada", "I like my cat", "remember that the exam is on Friday", "What did I tell you?"
    )
    assert "your name is Ada" in told
    assert "you like your cat" in told
    assert "the exam is on Friday" in told


def test_it_counts_and_quotes_the_questions() -> None:
    assert "**3**" in talk("hello", "2+2", "How many questions have I asked?")
    assert "“2+2”" in talk("2+2", "hello", "What was my first question?")
    assert "“hello”" in talk("2+2", "hello", "What was my last question?")
    assert "first question" in talk("What was my last question?")


def test_it_repeats_and_shortens_the_last_answer() -> None:
    assert talk("2+2", "Say that again") == talk("2+2")
    whole = talk("Write a long answer")
    short = talk("Write a long answer", "shorter")
    assert len(short) < 100
    assert short in whole
    assert "no answer" in talk("say that again")


@pytest.mark.parametrize("subject", ["planets", "squares of 1 to 12", "primes", "months", "your models"])
def test_a_table_is_a_markdown_table(subject: str) -> None:
    lines = [line for line in talk(f"Show a table of {subject}").splitlines() if line.startswith("|")]
    assert len(lines) >= 7
    assert re.fullmatch(r"\|(?: -{3}:? \|)+", lines[1])
    assert len({line.count("|") for line in lines}) == 1


def test_a_table_has_as_many_rows_as_were_asked_for() -> None:
    text = talk("Show a table of the squares of 1 to 12")
    assert "| 12 | 144 | 1728 |" in text
    assert "| 13 |" not in text
    assert "I have no table of that" in talk("show a table of cats")


@check_each("title", [entry[0] for entry in read("functions")["entries"]])
def test_every_function_runs_and_prints(title: str) -> None:
    [code] = [entry[3] for entry in read("functions")["entries"] if entry[0] == title]
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, title, "exec"), {})
    assert printed.getvalue().strip()


@pytest.mark.parametrize(
    ("asked", "called", "value"),
    [
        ("fibonacci", "fibonacci(7)", [0, 1, 1, 2, 3, 5, 8]),
        ("prime numbers", "primes(20)", [2, 3, 5, 7, 11, 13, 17, 19]),
        ("the factorial", "factorial(5)", 120),
        ("reversing a string", "reverse('abc')", "cba"),
        ("the mean of a list", "mean([1, 2, 6])", 3),
        ("sorting a list", "insertion_sort([3, 1, 2])", [1, 2, 3]),
        ("the gcd", "gcd(12, 18)", 6),
        ("palindromes", "is_palindrome('Anna')", True),
    ],
)
def test_the_function_that_was_asked_for_is_right(asked: str, called: str, value: object) -> None:
    namespace: dict[str, object] = {}
    with contextlib.redirect_stdout(io.StringIO()):
        exec(code_of(talk(f"Write a Python function for {asked}")), namespace)
    assert eval(called, namespace) == value


SORTS = [entry[0] for entry in read("functions")["entries"] if entry[0].endswith("sort")]


@check_each("name", SORTS)
@check_each("numbers", [[], [7], [3, 1, 2, 3, 0], [9, 8, 7, 6, 5, 4], [170, 45, 75, 802, 24, 2]])
def test_a_sort_that_is_named_sorts(name: str, numbers: list[int]) -> None:
    namespace: dict[str, Any] = {}
    with contextlib.redirect_stdout(io.StringIO()):
        exec(code_of(talk(f"Write a {name} in Python")), namespace)
    function = namespace[name.lower().replace(" ", "_")]
    given = list(numbers)
    assert function(given) == sorted(numbers)
    assert given == numbers


def test_code_it_cannot_write_is_admitted() -> None:
    assert "set of rules" in talk("Write a Python program that plays chess")


@pytest.mark.parametrize(
    ("asked", "formula"),
    [
        ("quadratic formula", r"\[x_{1,2} ="),
        ("Explain Pythagoras", "$$a^2 + b^2 = c^2$$"),
        ("Euler's identity", r"$e^{i\pi} + 1 = 0$"),
        ("formula of the variance", r"\bar{x}"),
        ("show some LaTeX", r"\(ax^2 + bx + c = 0\)"),
    ],
)
def test_mathematics_is_latex(asked: str, formula: str) -> None:
    assert formula in talk(asked)


def test_json_is_only_json() -> None:
    assert json.loads(talk("List three planets as a JSON list")) == ["Mercury", "Venus", "Earth"]
    assert json.loads(talk("What is 2+2? Answer in JSON")) == {"question": "What is 2+2?", "answer": 4}
    assert json.loads(talk("a table of the planets in JSON"))[2]["planet"] == "Earth"
    assert json.loads(talk("Why?", system="Answer with valid JSON only."))["question"] == "Why?"
    assert json.loads(talk("2+3", "Now answer in JSON"))["answer"] == "2 + 3 = 5"


@pytest.mark.parametrize(
    "asked", ['{"a": 1e999}', "[NaN]", "x=1e999, y=2", '{"type": "number", "default": 1e999}', r"['\d', 1]"]
)
def test_json_holds_no_number_that_json_cannot_hold(asked: str) -> None:
    def refuse(name: str) -> None:
        raise AssertionError(name)

    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        json.loads(talk(f"As JSON: {asked}"), parse_constant=refuse)
    assert not shown


def test_json_follows_a_schema() -> None:
    schema = {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "total": {"type": "integer"},
            "tags": {"type": "array", "items": {"enum": ["a", "b"]}},
            "sure": {"type": "boolean"},
            "nested": {"properties": {"x": {"type": ["number", "null"]}}},
        },
    }
    answered = json.loads(talk("My name is Ada", f"What is 2+2? Only JSON: {json.dumps(schema)}"))
    assert answered == {"name": "Ada", "total": 4, "tags": ["a"], "sure": True, "nested": {"x": 4}}


def _make_schema(chance: Chance, depth: int = 4) -> object:
    kind = chance.randrange(9 if depth else 3)
    if kind < 3:
        return [None, chance.integer(-(2**70), 2**70), chance.text(5)][kind]
    if kind < 5:
        return [_make_schema(chance, depth - 1) for _ in range(chance.randint(0, 3))]
    names = chance.sample(["type", "properties", "items", "enum", "anyOf", "const"], chance.randint(0, 3))
    return {name: _make_schema(chance, depth - 1) for name in names}


@untimed
@given(by_chance(_make_schema))
def test_any_schema_is_answered_with_json(schema: object) -> None:
    text = talk(f"only JSON {json.dumps({'type': 'object', 'properties': {'a': schema}})}")
    assert "a" in json.loads(text)


def test_who_it_is_and_what_it_cannot_do() -> None:
    for question in ("Who are you?", "Are you ChatGPT?", "What is the capital of Atlantis?"):
        assert "not an LLM" in talk(question)
    assert "%%cnai" in talk("help")
    assert "%%cnai" in talk("Hello")
    assert "Ada" in talk("My name is Ada", "hi")
    assert "kind tutor" in talk("Who are you?", system="You are a kind tutor.")


def test_long_answers_are_long() -> None:
    assert talk("Count to 200").endswith("199, 200.")
    assert len(talk("Write a long answer").split()) > 800
    assert len(talk("Write 3000 words about nothing").split()) > 2500
    assert len(talk(f"count to {'9' * 400}")) < 100_000


@pytest.mark.parametrize(
    ("system", "expected"),
    [
        ("Answer in upper case.", "NICE TO MEET YOU, ADA! "),
        ("answer in lower case", "nice to meet you, ada! "),
        ("Answer in one sentence.", "Nice to meet you, Ada!"),
        ("You are a pirate.", "Arr! Nice to meet ye, Ada!"),
        ("Use bullet points", "- Nice to meet you, Ada!\n- "),
    ],
)
def test_the_system_message_is_honoured(system: str, expected: str) -> None:
    assert talk("My name is Ada", system=system).startswith(expected)


def test_every_answer_can_end_as_the_system_message_says() -> None:
    assert talk("2+2", system='End every answer with "over."').endswith(" over.")


def test_upper_case_leaves_code_and_formulas_alone() -> None:
    assert "def gcd(a, b):" in talk("Write a function for the gcd", system="ANSWER IN UPPER CASE")
    assert r"\frac{-b \pm" in talk("quadratic formula", system="upper case")


def test_only_code_is_only_code() -> None:
    text = talk("Write a Python function for primes. Only code.")
    assert text.startswith("```python\n")
    assert text.endswith("\n```")


@pytest.mark.parametrize(
    "data",
    [
        "name,age\nAda,36\nBob,41\nCy,29",
        "name;age\nAda;36\nBob;41\nCy;29",
        "name\tage\nAda\t36\nBob\t41\nCy\t29",
        "| name | age |\n| --- | ---: |\n| Ada | 36 |\n| Bob | 41 |\n| Cy | 29 |",
        "  name  age\n0  Ada   36\n1  Bob   41\n2   Cy   29",
    ],
)
def test_data_in_the_prompt_is_described(data: str) -> None:
    for prompt in (data, f"How many rows are there?\n\n{data}", f"{data}\n\nDescribe the data."):
        text = talk(prompt)
        assert "**3 rows** and **2 columns**" in text
        assert "| age | number | 0 | 29 | 35.3333 | 41 |" in text
        assert "| name | text, 3 different | 0 |" in text


def test_the_size_of_data_that_is_shown_in_part() -> None:
    assert "150 rows and 4 columns" in talk("a,b,c,d\n1,2,3,4\n5,6,7,8\n[150 rows x 4 columns]")
    assert "**150 rows** and **4 columns**" in talk("DataFrame: 150 rows × 4 columns")


def test_a_table_of_the_notebook_is_described_below_its_own_head() -> None:
    rows = [{"age": number, "job": "x", "n": 1.5} for number in range(41_188)]
    text = talk(render_prompt("Describe {{ df | head(5) }}", {"df": rows}).text)
    assert "**5 rows** and **3 columns**" in text
    assert "a part of data of 41,188 rows and 3 columns" in text
    assert "| age | number | 0 | 0 | 2 | 4 |" in text


@pytest.mark.parametrize(("head", "rows"), [("3 rows", "3 rows"), ("1 of 3 rows", "1 row")])
def test_a_single_column_is_described_below_its_head(head: str, rows: str) -> None:
    values = "\n".join("414"[: int(head[0])])
    text = talk(f"Mean of\ndf.stars: {head}, 1 column (Series)\ncolumns: stars int64\nstars\n{values}\n?")
    assert f"**{rows}** and **1 column**" in text
    assert "| stars | number | 0 | " in text


_STATIONS = [
    {"station": "Harbour", "trips": 263, "rain_mm": 0.5},
    {"station": "Market", "trips": None, "rain_mm": 0.0},
    {"station": "Station", "trips": 404, "rain_mm": 2.0},
]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (
            "What is the mean of trips?",
            "The mean of **trips** is **333.5**, over the 2 values in your prompt.",
        ),
        ("What is the total of rain_mm?", "The sum of **rain_mm** is **2.5**"),
        (
            "Which station has the largest trips?",
            "**Station** has the largest trips of the 2 in your prompt: **404**.",
        ),
        ("Where is the lowest rain mm?", "**Market** has the smallest rain_mm"),
        ("Which columns have missing values?", "Missing values: 1 in **trips**."),
        ("trips的平均值是多少？", "**trips** 的平均值是 **333.5**，按提示中的 2 个值计算。"),
        ("rain_mm 一共是多少？", "**rain_mm** 的总和是 **2.5**"),
        ("哪个 station 的 trips 最多？", "提示中的 2 个值里，**Station** 的 trips 最大：**404**。"),
        ("哪些列有缺失值？", "缺失值：**trips** 有 1 个。"),
        ("请描述这些数据。", "提示中有一个 **3 行**、**3 列** 的表格"),
    ],
)
def test_a_question_about_data_in_the_prompt_is_answered(asked: str, expected: str) -> None:
    prompt = render_prompt(f"{asked}\n\n{{{{ df | head(3) }}}}", {"df": _STATIONS}).text
    assert expected in talk(prompt)


def test_the_language_is_that_of_the_question_and_not_of_the_data() -> None:
    rows = [{"城市": "北京", "人口": 2189}, {"城市": "上海", "人口": 2487}]

    def answer(prompt: str) -> str:
        return talk(render_prompt(prompt, {"df": rows}).text)

    assert (
        answer("{{ df | head(2) }}\n\n哪个城市的人口最多？")
        == "提示中的 2 个值里，**上海** 的 人口 最大：**2487**。"
    )
    english = "What is the mean of 人口 in these cities?\n\n{{ df | head(2) }}"
    assert answer(english) == "The mean of **人口** is **2338**, over the 2 values in your prompt."


def test_a_column_may_have_the_name_of_a_figure() -> None:
    table = "station,mean,max\nHarbour,197.7,263\nMarket,159.3,215\nStation,301.6,404"
    assert "**Market** has the smallest max" in talk(f"Which station has the smallest max?\n\n{table}")
    assert "**Station** has the largest mean" in talk(f"Which station has the largest mean?\n\n{table}")


def test_an_answer_from_a_part_of_data_says_so() -> None:
    rows = [{"n": number, "even": not number % 2} for number in range(500)]
    text = talk(render_prompt("What is the mean of n?\n\n{{ df | head(3) }}", {"df": rows}).text)
    assert text == (
        "The mean of **n** is **1**, over the 3 values in your prompt. "
        "(Of the 500 rows I see only what stands there.)"
    )


def test_a_described_table_is_not_taken_for_data() -> None:
    described = "index,trips\ncount,360\nmean,223.5\nmin,77\nmax,404"
    assert "the mean of **trips** is **223.5**" in talk(f"What is the mean of trips?\n\n{described}")
    assert "the max of **trips** is **404**" in talk(f"What is the largest value of trips?\n\n{described}")


def test_code_is_written_for_the_columns_that_are_shown() -> None:
    schema = (
        "df: 360 rows, 3 columns (DataFrame)\nstation: category\nrain_mm: float64\ntrips: float64, 3 missing"
    )
    assert code_of(talk(f"Plot trips against rain_mm.\n\n{schema}")) == (
        'df.plot.scatter(x="rain_mm", y="trips")'
    )
    assert code_of(talk(f"Write code for the mean trips by station.\n\n{schema}")) == (
        'df.groupby("station", observed=True)["trips"].mean()'
    )


def test_missing_values_are_counted() -> None:
    assert "| b | number | 1 | 2 | 3 | 4 |" in talk("a,b\n1,2\n3,\n5,4")


def test_code_and_prose_are_not_data() -> None:
    for text in (
        "import a, b\nimport c, d\nimport e, f",
        "f(1, 2)\ng(3, 4)\nh(5, 6)",
        "for x in y:\n    a = 1\n    b = 2\n    c = 3",
        "Roses are red, violets are blue.\nHoney is sweet, and so are you.\nBees make it, day by day.",
    ):
        assert "I see a table" not in talk(text)


def test_an_error_is_explained_and_the_cell_corrected() -> None:
    cell = "total = 3\nprint(totl)"
    traceback = "Traceback (most recent call last)\nNameError: name 'totl' is not defined"
    text = talk(f"```python\n{cell}\n```\n\n```\n{traceback}\n```")
    assert "NameError" in text
    assert code_of(text) == "total = 3\nprint(total)"


@pytest.mark.parametrize(
    ("cell", "error", "existing", "corrected"),
    [
        (
            "f(tota)",
            "NameError: name 'tota' is not defined",
            "Similar names that exist: 'total'.",
            "f(total)",
        ),
        ('df["trip"]', "KeyError: 'trip'", "Columns of df: 'day', 'trips'.", 'df["trips"]'),
        (
            'df.groupby("a")["trip"]',
            "KeyError: 'Column not found: trip'",
            "Columns of df: 'day', 'trips'.",
            'df.groupby("a")["trips"]',
        ),
        (
            "t.uper()",
            "AttributeError: 'str' object has no attribute 'uper'",
            "Similar attributes of str: 'upper'.",
            "t.upper()",
        ),
    ],
)
def test_a_name_is_corrected_by_those_that_exist(
    cell: str, error: str, existing: str, corrected: str
) -> None:
    failed = (
        f"The cell:\n\n```python\n{cell}\n```\n\nThe error:\n\n```text\nTraceback\n{error}\n```\n\n{existing}"
    )
    assert code_of(talk(f"A cell failed. Explain why.\n\n{failed}")) == corrected
    hint = talk(f"A cell failed. Give one hint. Write no code and do not solve it.\n\n{failed}")
    assert "letter by letter" in hint
    assert corrected not in hint


def test_a_missing_colon_is_added() -> None:
    text = talk("Fix this:\n```python\nfor i in range(3)\n    print(i)\n```\nSyntaxError: expected ':'")
    assert code_of(text) == "for i in range(3):\n    print(i)"


def test_an_error_without_a_cell_is_explained() -> None:
    assert "divisor" in talk("Traceback (most recent call last):\nZeroDivisionError: division by zero")


def test_chinese_is_answered_in_chinese() -> None:
    assert "规则" in talk("你好")
    assert "**5**" in talk("2加3等于多少?")
    assert "**15**" in talk("2加3等于多少?", "再乘以3")
    assert "小明" in talk("我叫小明", "我叫什么?")
    assert "LLM" in talk("今天天气如何?")


def test_a_request_without_a_question_gets_help() -> None:
    request = demo_request("demo-guide", DemoMessage("system", "x"))
    assert "%%cnai" in "".join(chunk.text for chunk in answer(request))


def test_every_rule_has_a_name_of_its_own() -> None:
    assert len({rule.name for rule in read_rules()}) == len(read_rules())
