"""Values of the notebook in the body of `%%cnai`, in a real kernel; demo-echo says what it got."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chat.test_prompt import FOREIGN
from tests.kernels import Kernel, running_kernel, saved_as
from tests.magics.test_extension import messages_of, renew


@pytest.fixture(scope="module")
def shared_kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    with running_kernel(tmp_path_factory.mktemp("kernel"), CNAI_BASE_URL="demo") as kernel:
        yield kernel


@pytest.fixture
def kernel(shared_kernel: Kernel) -> Kernel:
    renew(shared_kernel)
    return shared_kernel


def sent(kernel: Kernel, body: str, options: str = "", cell: str = "a") -> str:
    """Ask demo-echo in a cell, and return the question that it got."""
    ran = kernel.run(f"%%cnai demo-echo {options}\n{body}", cell)
    assert not ran.error, ran.error
    return messages_of(ran)[-1][1]


def test_the_values_of_the_notebook_are_sent(kernel: Kernel) -> None:
    kernel.run("name, rows = 'Ada', [{'n': 1}, {'n': 2}]")
    assert sent(kernel, "Hi {{ name }}: {{ rows[1].n + 1 }} {{color: 'red'}}") == "Hi Ada: 3 {{color: 'red'}}"
    assert kernel.value("_cnai.prompt") == "Hi Ada: 3 {{color: 'red'}}"


def test_braces_of_other_languages_arrive_as_they_were_typed(kernel: Kernel) -> None:
    kernel.run(
        "import json\n"
        "from IPython.utils.capture import capture_output\n"
        "name, n, color, rows, totals = 'Ada', 5, 'blue', [{'city': 'Rome'}], {}\n"
        "sent = []\n"
        f"for body in {FOREIGN!r}:\n"
        "    with capture_output() as shown:\n"
        "        get_ipython().run_cell('%%cnai --dry-run json --once\\n' + body)\n"
        "    body = shown.stdout[shown.stdout.index('{\\n') :].rsplit('\\n≈', 1)[0]\n"
        "    sent.append(json.loads(body)['messages'][-1]['content'])"
    )
    assert kernel.value("sent") == FOREIGN


def test_raw_and_a_backslash_keep_the_braces(kernel: Kernel) -> None:
    kernel.run("name = 'Ada'")
    assert sent(kernel, r"\{{ name }} {{ name }}") == "{{ name }} Ada"
    assert sent(kernel, r"\{{ name }} {{ name }} {{ nmae }}", "--raw") == r"\{{ name }} {{ name }} {{ nmae }}"
    line = kernel.run("%cnai -m demo-echo --raw {name} {{ name }} $name", "b")
    assert messages_of(line)[-1][1] == "{name} {{ name }} $name"
    line = kernel.run("%cnai -m demo-echo {name} {{ name }} $name", "b")
    assert messages_of(line)[-1][1] == "Ada {{ name }} Ada"


def test_an_unknown_name_sends_nothing_and_changes_nothing(kernel: Kernel) -> None:
    kernel.run("results = 1")
    assert sent(kernel, "{{ results }}") == "1"
    ran = kernel.run("%%cnai demo-echo --new -o kept\n{{ resluts }}", "b")
    assert ran.error[0] == "InputError: {{ resluts }}: there is no resluts in the notebook"
    assert ran.error[1] == "  why: did you mean results?"
    assert ran.error[2].startswith(r"  next: nothing was sent: correct it, or send it as text with \{{")
    assert kernel.value("len(session.book.charges)") == 1
    assert kernel.value("[len(each.turns) for each in session.conversations]") == [1]
    assert kernel.value("'kept' in globals()") is False


def test_cells_outputs_and_the_last_error_have_names(kernel: Kernel) -> None:
    cell = kernel.value("len(In)")
    kernel.run("%cnai_spend --by model\nlen('four')")
    assert sent(kernel, f"{{{{ In[{cell}] }}}}") == "%cnai_spend --by model\nlen('four')"
    assert sent(kernel, f"{{{{ Out[{cell}] }}}}") == "4"
    ran = kernel.run("%%cnai\n{{ Out[9999] }}", "b")
    assert "there is no item 9999" in ran.error[0]
    kernel.run("def halve(x):\n    return x / 0\nhalve(3)")
    kernel.run("%%cnai\n{{ nothing }}", "b")
    assert "division by zero" in sent(kernel, "{{ Err }}")


def test_classes_and_mistakes_of_cells_are_shown_by_their_source(kernel: Kernel) -> None:
    kernel.run("import dataclasses\nclass Old: pass")
    source = "@dataclasses.dataclass\nclass Point:\n    x: int"
    kernel.run(f"def halve(n):\n    return n / 2\n{source}\ny = 1")
    assert sent(kernel, "{{ Point }}") == source
    assert sent(kernel, "{{ halve }}") == "def halve(n):\n    return n / 2"
    assert sent(kernel, "{{ Old }}") == "class Old: pass"
    kernel.run("halve('x')")
    text = sent(kernel, "{{ Err }}")
    assert "IPython" not in text
    assert text.index("in <module>\n    halve('x')") < text.index("in halve\n    return n / 2")
    kernel.run("def broken(:\n    pass")
    text = sent(kernel, "{{ Err }}")
    assert text.endswith("SyntaxError: invalid syntax")
    assert "interactiveshell" not in text


def test_a_re_run_renders_again_and_versions_and_restore_keep_what_was_sent(
    kernel: Kernel, tmp_path_factory: pytest.TempPathFactory
) -> None:
    source = "%%cnai demo-echo\nn is {{ n }}"
    kernel.run("n = 1")
    kernel.run(source, "a")
    kernel.run("n = 2")
    again = kernel.run(source, "a")
    assert kernel.value(
        "[each.reply.prompt for each in session.conversations['main'].turns[0].attempts]"
    ) == [
        "n is 1",
        "n is 2",
    ]
    assert "n is 1" in kernel.run("%cnai_chat versions").shown
    path = tmp_path_factory.mktemp("saved") / "kept.ipynb"
    saved_as(path, ("a", source, again))
    renew(kernel)
    kernel.run(f"n = 3\n%cnai_chat restore --from {path}")
    assert kernel.value(
        "[each.prompt for each in (t.reply for t in session.conversations['main'].turns)]"
    ) == ["n is 2"]
    # Replay answers exactly what was asked: with the same value.
    kernel.run(f"%config Cnai.replay = True\n%config Cnai.notebook = {str(path)!r}")
    assert "the prompt had 'n is 2', and has 'n is 3'" in " ".join(kernel.run(source, "a").error)
    kernel.run("n = 2")
    assert not kernel.run(source, "a").error


def test_no_value_holds_the_key_or_a_secret_of_the_environment(tmp_path: Path) -> None:
    secrets = {"CNAI_API_KEY": "plain0key0without0a0form", "HF_TOKEN": "token-of-another"}
    with running_kernel(tmp_path, CNAI_BASE_URL="demo", **secrets) as kernel:
        kernel.run("import os; values = [*os.environ.values()]")
        # Before anything else has looked for the key.
        ran = kernel.run("%%cnai --dry-run json\n{{ values }} {{ os.environ }} {{ os.environ.CNAI_API_KEY }}")
        assert ran.stdout.count("[secret masked]") >= 5
        assert not [secret for secret in secrets.values() if secret in ran.stdout]


def test_what_a_reader_would_not_expect_is_said(kernel: Kernel) -> None:
    kernel.run("text = 'word ' * 9000\nkey = 'ghp_' + 'a1' * 20\n%config Cnai.value_tokens = 100")
    ran = kernel.run("%%cnai demo-echo\n{{ text }} {{ key }} {{ text + }}", "a")
    assert "{{ text }} is sent in part: " in ran.stdout
    assert "{{ key }} held 1 secret: masked" in ran.stdout
    assert "{{ text + }} is sent as text: no expression" in ran.stdout
    assert "ghp_" not in messages_of(ran)[-1][1]
    assert kernel.value("len(_cnai.prompt)") < 900
