"""Which special tokens of a model are taken out of its answer, wherever it is cut."""

from __future__ import annotations

import pytest

from cnai_magic.api.special_tokens import SpecialTokens
from tests.api.test_reader import read_stream
from tests.servers import delta, event


def strip(pieces: list[str]) -> str:
    tokens = SpecialTokens()
    return "".join(map(tokens.strip, pieces)) + tokens.strip("", ended=True)


def cut(text: str) -> list[list[str]]:
    return [[text[:place], text[place:]] for place in range(len(text) + 1)] + [list(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *(
            (f"At nine.{token}", "At nine.")
            for token in (
                "<|im_end|>",
                "<|eot_id|>",
                "<|endoftext|>",
                "<|END_OF_TURN_TOKEN|>",
                "<|user|>",
                "</s>",
                "<end_of_turn>",
                "<｜end▁of▁sentence｜>",
                "<|im_end|>\n<|endoftext|>\n",
                "\n<|im_end|>",
            )
        ),
        ("```py\nx = 1\n```<|im_end|>", "```py\nx = 1\n```"),
        ('She said "at nine."<|im_end|>', 'She said "at nine."'),
        ('{"a": 1}<|eot_id|>', '{"a": 1}'),
        ("<|begin_of_box|>42<|end_of_box|>", "42"),
        ("It is <|begin_of_box|>42<|end_of_box|>, or so.", "It is 42, or so."),
    ],
)
def test_a_token_that_a_server_left_is_taken_out(text: str, expected: str) -> None:
    for pieces in cut(text):
        assert strip(pieces).rstrip() == expected, pieces


@pytest.mark.parametrize(
    "text",
    [
        "ChatML ends a message with <|im_end|>",
        "It is `<|im_end|>`",
        "It is:\n<|im_end|>",
        "<|im_end|>",
        "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant",
        "<s>at eight</s>",
        "It is “<|im_end|>",
        "GLM writes `<|begin_of_box|>42<|end_of_box|>` around it.",
        "a < b, and <b>c</b> <",
    ],
)
def test_a_token_that_is_spoken_of_stays(text: str) -> None:
    for pieces in cut(text):
        assert strip(pieces) == text, pieces


def test_the_end_of_a_stream_is_read_without_its_token() -> None:
    stream = [delta("At "), delta("nine."), delta("\n"), delta("<|im_"), delta("end|>"), delta(finish="stop")]
    found = read_stream(b"".join(map(event, [*stream, "[DONE]"])))
    assert found.text.strip() == "At nine."
    assert "<" not in found.text
