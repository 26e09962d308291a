"""What IPython makes of a cell, with the transformers of the extension among its own."""

from __future__ import annotations

import pytest
from IPython.core.inputtransformer2 import TransformerManager

from cnai_magic.errors import InputError
from cnai_magic.magics.cell_words import CELL
from cnai_magic.magics.transform import keep_body, keep_question_mark
from tests.cases import check_each


def transformed(cell: str) -> str:
    manager = TransformerManager()
    manager.cleanup_transforms.insert(0, keep_body)
    manager.cleanup_transforms.append(keep_question_mark)
    return manager.transform_cell(cell)


def called(cell: str) -> tuple[str, ...]:
    """Return how a cell of one magic calls it."""
    calls: list[tuple[str, ...]] = []

    class Shell:
        def run_cell_magic(self, *given: str) -> None:
            calls.append(given)

        def run_line_magic(self, *given: str) -> None:
            calls.append(given)

    exec(transformed(cell), {"get_ipython": Shell})
    (call,) = calls
    return call


@check_each(
    "body",
    [
        ">>> 1 + 1\n2",
        ">>> for x in y:\n...     print(x)\n...\n1\n2",
        "Explain:\n>>> 1 + 1\n2\n>>> x",
        "Explain:\n\n    >>> 1 + 1\n    ... 2",
        "... and so on",
        "In [1]: x = 1\n   ...: y\nOut[1]: 3",
        "text\nIn [12]: x",
        "[nav] In [1]: x",
        "    indented\n      more",
        "\ttab\n\ttab",
        "\n\nblank lines first",
        "last\n\n \n",
        "a\n   \nb",
        "a\r\nb\r\n\r\nc",
        "%cnai What is this?\nx = %cnai Why?\nWhat?\n?print\nprint??",
        "%%cnai again\n%%time\n!ls $HOME\n%cd ..",
        "{x} {{ y }} ${z} $name %s \\n \\ `code`",
        "'''\n\"\"\" 'single' \"double\"",
        "汉字 \U0001f468\u200d\U0001f469 \u202eשלום\u202c العربية e\u0301",
        "a\x0bb\x0cc\x1cd\x85e\u2028f\u2029g\x00h",
        "# comment\nimport os; print(1);",
    ],
)
@check_each("head", ["%%cnai", "%%cnai demo-echo -s 'Be brief.'", "\n \n%%cnai  -t 0 ", "  %%cnai"])
def test_the_body_of_a_cell_is_what_was_typed(head: str, body: str) -> None:
    line = head.strip().removeprefix("%%cnai").strip()
    given = body if body.endswith("\n") else f"{body}\n"
    magic, options, called_with = called(f"{head}\n{body}")
    assert (magic, options.strip(), called_with) == ("cnai", line, given)


@pytest.mark.parametrize("blank", ["\t", "\u3000", "\xa0", "  "])
def test_any_blank_ends_the_name_of_the_magic(blank: str) -> None:
    assert called(f"%%cnai{blank}demo-echo\nhi") == ("cnai", "demo-echo", "hi\n")


@pytest.mark.parametrize("above", ["%%capture out", "%%time\n%%capture"])
def test_the_body_is_what_was_typed_also_below_another_magic(above: str) -> None:
    name, _, line = above.partition("\n")[0].removeprefix("%%").partition(" ")
    body = "\n".join([*above.split("\n")[1:], "%%cnai", ">>> x", "  y"])
    assert called(f"{above.partition(chr(10))[0]}\n{body}") == (name, line, f"{body}\n")


@pytest.mark.parametrize(
    ("cell", "line"),
    [
        ("%cnai What is this?", "What is this?"),
        ("%cnai What is list??", "What is list??"),
        ("%cnai What's up, doc?", "What's up, doc?"),
        ('%cnai Say "it\'s";', 'Say "it\'s";'),
        ("%cnai {x} $y {'a': 1}", "{x} $y {'a': 1}"),
        ("answer = %cnai -m demo-echo Why?", "-m demo-echo Why?"),
        ("if True:\n    %cnai Why?", "Why?"),
        ("%cnai\u3000什么是中位数？", "什么是中位数？"),
        ("%cnai\tWhy?", "Why?"),
        ("answer = %cnai\xa0-t 0 Why", "-t 0 Why"),
    ],
)
def test_the_question_in_a_line_is_what_was_typed(cell: str, line: str) -> None:
    assert called(cell) == ("cnai", line)


@pytest.mark.parametrize(
    ("above", "told"),
    [
        ("# a comment\n", "# a comment"),
        ("\n  # a comment\n\n", "# a comment"),
        ("import os\n", "import os"),
        ("%load_ext cnai_magic\n", "%load_ext cnai_magic"),
        ("!echo it's\n# don't\n", "!echo it's"),
        ("%cnai what's up\nx = 'it\\'s'\n", "%cnai what's up"),
        ('text = """\nmore\n"""\n', 'text = """'),
        ("hello\n", "hello"),
        ("if True:\n    ", "if True:"),
    ],
)
def test_a_question_below_something_else_is_told_to_move(above: str, told: str) -> None:
    with pytest.raises(InputError) as caught:
        transformed(f"{above}%%cnai demo-echo\nhello")
    assert caught.value.what == "%%cnai must be the first line of its cell"
    assert caught.value.why == f"above it is: {told}"
    assert "move %%cnai to the top" in caught.value.next_step.at(CELL)


@pytest.mark.parametrize(
    "cell",
    [
        'text = """\n%%cnai\nhello\n"""',
        "text = '''a\n%%cnai -t 0\n'''; more = '''\n%%cnai\n'''",
        "text = r'''\\\n%%cnai\n'''",
        "x = %cnai what's up\ntext = '''\n%%cnai\n'''",
        '# it\'s\ntext = \'a"b\' + """\n%%cnai\n%cnai why?\n"""',
        "text = '''\n%cnai? %cnai_models?\nx %cnai why?\n%cnai why?\n'''",
        "%%writefile notes.txt\n# comment\n%%cnai\n%cnai why?\nhello",
        "%%capture out\nx = 1\n%%cnai",
        "%%time\n%cnai why?",
        "%%cnai_fix\nx",
        "x = 5\ny = x %%cnai\n",
        "x = 'a %cnai\tb'  # %cnai why?",
        "",
        "   \n\n",
    ],
)
def test_what_is_no_question_of_ours_is_left_to_ipython(cell: str) -> None:
    assert transformed(cell) == TransformerManager().transform_cell(cell)


@pytest.mark.parametrize("cell", ["%%cnai?", "%%cnai??", "%cnai?", "?%%cnai"])
def test_help_is_still_asked_for_with_a_question_mark(cell: str) -> None:
    assert "pinfo" in transformed(cell)


def test_a_cell_that_is_typed_in_a_terminal_goes_on_until_a_blank_line() -> None:
    manager = TransformerManager()
    manager.cleanup_transforms.insert(0, keep_body)
    assert manager.check_complete("%%cnai\nhello")[0] == "incomplete"
    assert manager.check_complete("%%cnai\nhello\n\n")[0] == "complete"
    assert manager.check_complete("# comment\n%%cnai\nhello")[0] in ("invalid", "incomplete", "complete")
