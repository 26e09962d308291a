"""A prompt shown as Markdown keeps the lines and indents that were typed."""

from __future__ import annotations

import pytest

from cnai_magic.chat.markdown import write_markdown
from cnai_magic.chat.markdown.typed_lines import keep_lines


def shown(prompt: str) -> list[str]:
    text = write_markdown(keep_lines(prompt))
    return text.replace("&#160;", "_").replace("\N{NO-BREAK SPACE}", "_").split("\n")


def test_the_lines_of_a_paragraph_are_kept_with_their_indents() -> None:
    assert shown("Explain:\nfor i in x:\n    print(i)\n\t# so\n\nDear\nAda") == [
        *("Explain:\\", "for i in x:\\", "____print(i)\\", "____# so", ""),
        *("Dear\\", "Ada"),
    ]


@pytest.mark.parametrize(
    "prompt",
    [
        "```python\nif x:\n    y\n```",
        "~~~~\n~~~\n    y\n  z\n~~~~",
        "| a | b |\n| --- | --- |\n| 1 | 2 |",
        "- a\n  - b",
        "1. a\n2. b",
        "# Role\n\nText",
        "> quoted",
        "",
    ],
)
def test_what_is_markdown_is_read_as_it_was(prompt: str) -> None:
    assert write_markdown(keep_lines(prompt)) == write_markdown(prompt)


def test_a_block_of_code_stays_between_paragraphs() -> None:
    assert shown("Fix\nthis:\n```\na\n  b\n```\nor\nthat:\n\n    c\n    d") == [
        *("Fix\\", "this:", "", "```", "a", "  b", "```", ""),
        *("or\\", "that:", "", "```", "c", "d", "```"),
    ]


def test_markup_in_a_line_still_runs_nothing() -> None:
    assert shown("a\n  <script>x</script>") == ["a\\", "__&lt;script>x&lt;/script>"]
