"""What newcomers ask first, in English and Chinese: a good answer in their language, or two honest lines."""

from __future__ import annotations

import contextlib
import datetime
import io
import json
import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from cnai_magic.demo import DemoMessage, answer
from cnai_magic.demo.knowledge_files import read
from tests.cases import check_each
from tests.demo_requests import demo_request

REFUSAL = "not an LLM|不是大语言模型"
HOW_TO_GET_A_MODEL = "%cnai_key"
LIST = "Try one of these|可以试试下面这些"


def talk(*questions: str) -> list[str]:
    """Ask one question after the other in one conversation; return the answers."""
    messages: list[DemoMessage] = []
    answers = []
    for question in questions:
        messages.append(DemoMessage("user", question))
        text = "".join(chunk.text for chunk in answer(demo_request("demo-guide", *messages)))
        messages.append(DemoMessage("assistant", text))
        answers.append(text)
    return answers


def prose(text: str) -> str:
    """Return a text without code and addresses of commands."""
    return re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)


# A question, and a pattern that its answer matches.
ENGLISH = [
    ("Who are you?", "demo-guide.*not an LLM"),
    ("What can you do?", LIST),
    ("What is the capital of France?", r"\bParis\b"),
    ("Explain what a median is.", "middle"),
    ("How do I read a CSV with pandas?", r"pd\.read_csv"),
    ('Translate "good morning" into Chinese.', "早上好"),
    ("Why is the sky blue?", "scatter"),
    ("Write a function that checks whether a number is prime.", "def is_prime"),
    ("What is 15% of 240?", r"\b36\b"),
    ("Fix this error: KeyError: 'price'", "no such key"),
    ("Give me three names for a cat.", r"^(- \w+\n?){3}$"),
    ("Write a haiku about the sea.", r"^[^\n]+\n[^\n]+\n[^\n]+$"),
    ("Plot a sine wave.", r"plt\.plot\(x, np\.sin"),
    ("Summarise Romeo and Juliet in one sentence.", "Verona"),
    ("What is the difference between a list and a tuple?", "changed"),
    ("Make a table of the planets.", r"\| Mercury \|"),
    ('Return {"name": "Ada", "age": 36} as JSON.', r'^\{\s*"name": "Ada",\s*"age": 36\s*\}$'),
    # more of each kind
    ("What is machine learning?", "examples"),
    ("Explain recursion to a five-year-old.", "calls itself"),
    ("Define standard deviation", "mean"),
    ("What does API mean?", "programs"),
    ("What's a DataFrame in pandas?", "columns"),
    ("Could you please explain what black holes are?", "light"),
    ("capital of australia", "Canberra"),
    ("What is Germany's capital?", "Berlin"),
    ("Paris is the capital of which country?", "France"),
    ("What's the capital of the USA?", "Washington"),
    ("How do you say thank you in French?", "merci"),
    ("Translate hello to German", "hallo"),
    ("What does 谢谢 mean in English?", "thank you"),
    ("How do I install a package?", "%pip install NAME"),
    ("How do I install numpy?", "%pip install numpy`"),
    ("How can I install PyTorch in Jupyter?", "%pip install torch`"),
    ("pip install sklearn?", "%pip install scikit-learn`"),
    ("What is the command to install Beautiful Soup?", "%pip install beautifulsoup4`"),
    ("How do I upgrade matplotlib?", "%pip install --upgrade matplotlib`"),
    ("How do I uninstall pandas?", "%pip uninstall --yes pandas`"),
    ("How do I install a Python library?", "%pip install NAME"),
    ("How do I install an-unknown-package?", "%pip install NAME"),
    ("How do I install Python?", "python.org"),
    ("No module named 'seaborn'", "%pip install seaborn`"),
    ("Write a bubble sort in Python", "def bubble_sort"),
    ("quick sort", "def quicksort"),
    ("How do I implement merge sort?", "def merge_sort"),
    ("Write heap sort", "def heapsort"),
    ("Give me the code for an insertion sort", "def insertion_sort"),
    ("Write a function that sorts numbers", "def insertion_sort"),
    ("Write a timsort in Python", "cannot write just any code"),
    ("How does merge sort work?", "halves"),
    ("What is bubble sort?", "swaps neighbours"),
    ("What is the difference between quicksort and merge sort?", "at worst"),
    ("What is twenty-one plus one hundred and five?", r"\*\*126\*\*"),
    ("Install pandas and numpy", "%pip install pandas numpy`"),
    ("What is the time complexity of quicksort?", "at worst"),
    ("What is one third of ninety?", r"\*\*30\*\*"),
    ("What is half of fifty?", r"\*\*25\*\*"),
    ("What is the sum of the numbers from 1 to 100?", r"\*\*5050\*\*"),
    ("How do I plot a histogram with matplotlib?", r"plt\.hist"),
    ("How do I make a numpy array?", r"np\.array"),
    ("How do I run a cell in Jupyter?", "Shift"),
    ("How do I restart the kernel?", "Restart"),
    ("How do I group by a column in pandas?", "groupby"),
    ("How can I sort a list in Python?", "sorted"),
    ("Write a Python function to reverse a string", "def reverse"),
    ("Write a function that computes the factorial", "def factorial"),
    ("Write code for FizzBuzz", "def fizzbuzz"),
    ("I get NameError: name 'df' is not defined, what does it mean?", "no value yet"),
    ("ModuleNotFoundError: No module named 'pandas'", "%pip install"),
    ("What percent of 80 is 20?", r"\b25\b"),
    ("Increase 80 by 25%", r"\b100\b"),
    ("What is 5!", r"\b120\b"),
    ("What is the average of 3, 4 and 8?", r"\b5\b"),
    ("Convert 100 F to C", r"37\.78"),
    ("How many feet are in a mile?", "5280"),
    ("Suggest five names for a dog", r"^(- \w+\n?){5}$"),
    ("What should I call my robot?", "^- "),
    ("Write a poem about winter", "(?i)snow"),
    ("Write a haiku about toasters", "none about toasters"),
    ("Draw a bar chart", r"plt\.bar"),
    ("Summarize Hamlet", "father"),
    ("What is 1984 about?", "Big Brother"),
    ("Compare mean and median", "middle"),
    ("What's the difference between AI and machine learning?", "examples"),
    ("list vs tuple", "changed"),
    ("Make a table of the months", r"\| January \| 31 \|"),
    ("Convert name=Ada, age=36 to JSON", r'^\{\s*"name": "Ada",\s*"age": 36\s*\}$'),
    ("Tell me a joke", "exceptions"),
    ("How many continents are there?", "seven"),
    ("Who wrote Hamlet?", "Shakespeare"),
    ("Are you ChatGPT?", "not an LLM"),
    ("Thank you!", "welcome"),
    ("What is a mean?", "sum"),
    # about this package
    ("Is this free?", "free"),
    ("How much does this cost?", "%cnai_spend"),
    ("Do I have to pay?", "free"),
    ("Do I need an API key?", "without a key"),
    ("Does it work without internet?", "offline"),
    ("What is cnai_magic?", "chat with language models"),
    ("What's cnai?", "chat with language models"),
    ("How do I stop an answer?", "Stop"),
    ("How can I use another model?", "%cnai_models"),
    ("How do I change the model?", "%cnai_models"),
    ("Can you see my variables?", "only your question"),
    ("Where is my data sent?", "nothing leaves it"),
    ("How do I start a new conversation?", "--new"),
    ("How do I clear the history?", "--new"),
    ("Name three uses of a median.", "percentile"),
    ("How can you help me?", LIST),
    ("Plot a cosine curve", r"np\.cos"),
    ("How do I drop a column in pandas?", r"df\.drop"),
    ("What is a p-value?", "probability"),
    ("Make a table of the first nine primes", r"\| 23 \| 9 \|$"),
]
CHINESE = [
    ("你是谁？", "demo-guide.*不是大语言模型"),
    ("你能做什么？", LIST),
    ("什么是中位数？", "中间"),
    ("法国的首都是哪里？", "巴黎"),
    ("用一句话解释机器学习。", "规律"),
    ("怎么用 pandas 读取 CSV 文件？", r"pd\.read_csv"),
    ("写一个判断素数的函数。", "def is_prime"),
    ("把“早上好”翻译成英文。", "good morning"),
    ("天空为什么是蓝色的？", "散射"),
    ("240 的 15% 是多少？", r"\*\*36\*\*"),
    ("这个错误怎么改：KeyError: 'price'", "没有这个键"),
    ("写一首关于春天的短诗。", "春雨"),
    ("什么是过拟合？", "训练数据"),
    ("Python 是什么？", "编程语言"),
    ("请用中文介绍一下 pandas", "表格"),
    ("日本的首都是哪里？", "东京"),
    ("巴黎是哪个国家的首都？", "法国"),
    ("“谢谢”用英语怎么说？", "thank you"),
    ("把你好翻译成法语", "bonjour"),
    ("怎么画直方图？", r"plt\.hist"),
    ("怎么安装 pandas？", "%pip install"),
    ("怎么运行单元格？", "Shift"),
    ("写一个计算阶乘的函数", "def factorial"),
    ("写一段反转字符串的代码", "def reverse"),
    ("3的平方是多少", r"\*\*9\*\*"),
    ("2的10次方是多少？", r"\*\*1024\*\*"),
    ("求 3、4、8 的平均数", r"平均数 = \*\*5\*\*"),
    ("100公里等于多少英里", "62.14"),
    ("给我的猫取三个名字", r"^(- \w+\n?){3}$"),
    ("写一首关于月亮的诗", "明月"),
    ("画一个正弦曲线", r"np\.sin"),
    ("用一句话概括《红楼梦》", "贾宝玉"),
    ("《小王子》讲了什么？", "飞行员"),
    ("列表和元组有什么区别？", "不能"),
    ("比较 CPU 和 GPU", "核心"),
    ("列出行星的表格", r"\| 水星 \|"),
    ('把 {"name": "Ada"} 以 JSON 格式返回', r'^\{\s*"name": "Ada"\s*\}$'),
    ("讲个笑话", "西瓜"),
    ("一年有多少天？", "365"),
    ("最高的山是哪座？", "珠穆朗玛"),
    ("谢谢", "不客气"),
    ("你是 ChatGPT 吗？", "demo-guide"),
    ("需要付费吗？", "免费"),
    ("这个多少钱？", "免费"),
    ("需要密钥吗？", "不需要"),
    ("cnai 是什么？", "对话"),
    ("怎么停止回答？", "Stop"),
    ("怎么换模型？", "%cnai_models"),
    ("你能看到我的变量吗？", "只收到"),
    ("我的数据会上传吗？", "不会离开"),
    ("怎么清空对话？", "--new"),
    ("中位数有什么用途？", "滤波"),
    ("怎么安装 numpy？", "%pip install numpy`"),
    ("如何安装sklearn", "%pip install scikit-learn`"),
    ("怎么在 Jupyter 里安装 matplotlib？", "%pip install matplotlib`"),
    ("怎么更新 pandas？", "%pip install --upgrade pandas`"),
    ("如何安装 Python 库？", "%pip install 包名"),
    ("写一个冒泡排序", "def bubble_sort"),
    ("快排怎么写？", "def quicksort"),
    ("用 Python 实现归并排序", "def merge_sort"),
    ("什么是冒泡排序？", "相邻元素交换"),
    ("快速排序的原理是什么？", "基准"),
    ("二加二等于几？", r"\*\*4\*\*"),
    ("三乘以七等于多少？", r"\*\*21\*\*"),
    ("一百减三十五是多少", r"\*\*65\*\*"),
    ("二百四十的百分之十五是多少？", r"\*\*36\*\*"),
    ("二的十次方", r"\*\*1024\*\*"),
    ("十二的三分之一是多少？", r"\*\*4\*\*"),
    ("三分之一加三分之一等于多少？", r"\*\*0\.666666666667\*\*"),
    ("冒泡排序的时间复杂度是多少？", "O\\(n²\\)"),
    ("一加到一百等于多少？", r"\*\*5050\*\*"),
    ("画一条余弦曲线", r"np\.cos"),
    ("怎么用 pandas 删除一列？", r"df\.drop"),
    ("什么是 p 值？", "概率"),
]
UNKNOWN = [
    "asdf qwer zxcv",
    "Prove the Riemann hypothesis",
    "What will the weather be tomorrow?",
    "Who won the world cup in 2038?",
    "Should I marry him?",
    "What is Zorblax?",
    "Explain quantum chromodynamics",
    "What is the capital of Atlantis?",
    'Translate "the cat sat on the mat" into Chinese',
    "Summarise my thesis",
    "Review this\n\ngive me three names for a cat",
    "总结下面的内容：\n法国的首都是哪里？",
    "What is the difference between a raven and a writing desk?",
    "明天天气怎么样？",
    "证明黎曼猜想",
    "啊啊啊啊",
    "亚特兰蒂斯的首都是哪里？",
    "什么是佐布拉克斯？",
    "把“床前明月光”翻译成英文",
]


@check_each(("question", "pattern"), ENGLISH, ids=lambda value: value[:40])
def test_a_question_in_english_has_a_short_answer_in_english(question: str, pattern: str) -> None:
    [text] = talk(question)
    assert re.search(pattern, text, re.DOTALL), text
    assert len(prose(text)) < 900
    if "Chinese" not in question:
        assert not re.search("[\u4e00-\u9fff]", text.replace("谢谢", ""))


@check_each(("question", "pattern"), CHINESE, ids=lambda value: value[:40])
def test_a_question_in_chinese_has_a_short_answer_in_chinese(question: str, pattern: str) -> None:
    [text] = talk(question)
    assert re.search(pattern, text, re.DOTALL), text
    assert len(prose(text)) < 500
    if "JSON" not in question:
        assert re.search("[\u4e00-\u9fff]", text)


def sentences_in_chinese() -> list[str]:
    answers = [text for question, _ in CHINESE for text in talk(question)]
    found = [prose(text) for text in answers]
    for file in ("definitions", "facts", "differences"):
        found += [prose(entry[3]) for entry in read(file)["entries"]]
    return found


def test_chinese_has_full_width_punctuation() -> None:
    for text in sentences_in_chinese():
        assert not re.search("[\u4e00-\u9fff][,;:!?()]|[,;:!?()][\u4e00-\u9fff]", text), text


@pytest.mark.parametrize("question", UNKNOWN)
def test_an_unknown_question_gets_two_honest_lines(question: str) -> None:
    [text] = talk(question)
    lines = [line for line in text.splitlines() if line]
    assert len(lines) == 2
    assert re.search(REFUSAL, lines[0])
    assert HOW_TO_GET_A_MODEL in lines[1]
    assert bool(re.search("[\u4e00-\u9fff]", lines[1])) == bool(re.match("[\u4e00-\u9fff]", question))


@pytest.mark.parametrize(
    ("question", "days"),
    [
        ("What day is it?", 0),
        ("What is today's date?", 0),
        ("what's the date today", 0),
        ("What day is tomorrow?", 1),
        ("今天星期几？", 0),
        ("今天几号", 0),
        ("昨天是几号？", -1),
    ],
)
def test_the_date_is_the_real_one(question: str, days: int) -> None:
    before = datetime.date.today()
    [text] = talk(question)
    possible = [day + datetime.timedelta(days=days) for day in (before, datetime.date.today())]
    english = any(f"{day.day} {day:%B} {day.year}" in text and f"{day:%A}" in text for day in possible)
    chinese = any(f"{day.year} 年 {day.month} 月 {day.day} 日" in text for day in possible)
    assert english or chinese


def test_the_time_is_answered() -> None:
    for question in ("What time is it?", "现在几点？"):
        assert re.search(r"\b\d\d:\d\d\b", talk(question)[0])


# -- conversations ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("questions", "pattern"),
    [
        (("Explain what a median is.", "And in Chinese?"), "^\\*\\*中位数"),
        (("什么是中位数？", "用英文说"), "^The \\*\\*median"),
        (("What is the capital of France?", "And Germany?"), "Berlin"),
        (("What is the capital of France?", "And Germany?", "What about Japan?"), "Tokyo"),
        (("What is the capital of France?", "And Germany?", "in Chinese please"), "德国的首都是\\*\\*柏林"),
        (("法国的首都是哪里？", "那德国呢？"), "柏林"),
        (("Write a long answer", "shorter please"), "^.{10,100}$"),
        (("Give me three names for a cat.", "another one"), "^- Simba"),
        (("Write a haiku about the sea", "Another one"), "^Soft rain"),
        (("Translate good night into French", "and in German?"), "gute Nacht"),
        (("Translate good night into French", "in German?", "and into Japanese"), "おやすみ"),
        (("What is a list?", "what about a tuple?"), "tuple"),
        (("Summarise Hamlet", "and Macbeth?"), "Macbeth"),
        (("What is 2+2?", "in chinese"), "答案是 2 \\+ 2"),
        (("Explain recursion", "why?"), REFUSAL),
        (("And in Chinese?",), REFUSAL),
    ],
    ids=lambda value: " / ".join(value)[-50:] if isinstance(value, tuple) else None,
)
def test_follow_up_questions(questions: tuple[str, ...], pattern: str) -> None:
    assert re.search(pattern, talk(*questions)[-1])


def test_the_long_list_stands_once_in_a_conversation_and_later_refusals_are_one_line() -> None:
    answers = talk("What is foo?", "hello", "Explain bar", "hmm", "hi", "你好", "什么是佐布拉克斯？")
    assert sum(bool(re.search(LIST, text)) for text in answers) == 1
    assert len([line for line in answers[0].splitlines() if line]) == 2
    assert all(len(answers[place].splitlines()) == 1 for place in (2, 3))
    assert "what can you do" not in answers[-1].lower()


# -- code ---------------------------------------------------------------------------------------

HOWTOS = {entry[2][:40]: entry[4].strip() for entry in read("howtos")["entries"] if entry[4].strip()}


@pytest.mark.parametrize("title", HOWTOS)
def test_the_code_of_every_answer_runs(title: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = compile(HOWTOS[title], title, "exec")
    needed = set(re.findall(r"^(?:import|from) (\w+)", HOWTOS[title], re.MULTILINE))
    # What pandas imports for itself, as the answer says.
    needed |= {"openpyxl"} if "excel" in HOWTOS[title] else set()
    if all(find_spec(name) for name in needed):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("MPLBACKEND", "agg")
        names: dict[str, object] = {}
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(code, names)
        assert printed.getvalue() or names.keys() > {"__builtins__"}


def test_every_pattern_and_entry_of_the_data_can_be_used() -> None:
    for file in ("facts", "howtos"):
        for entry in read(file)["entries"]:
            assert re.compile(entry[0])
            assert re.compile(entry[1])
            assert all(entry[2:4])
    assert all(len(phrase) == len(read("texts")["languages"]) for phrase in read("texts")["phrases"])
    assert json.dumps(read("subjects"))
