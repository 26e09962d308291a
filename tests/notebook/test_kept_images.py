"""An image that a notebook has kept is found again in its file where that is the same, and only there."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from cnai_magic.api.message_parts import ImagePart, KeptImage, Part, TextPart
from cnai_magic.chat.attachments import Attachment, attach
from cnai_magic.chat.attempt import Attempt
from cnai_magic.chat.conversation import CellPosition, KernelConversation
from cnai_magic.chat.images import make_image
from cnai_magic.chat.reply import Reply
from cnai_magic.notebook.kept_images import find_images_again
from cnai_magic.notebook.notebook_files import write_notebook
from tests.images import make_png


def keep(part: ImagePart) -> KeptImage:
    kept = part.keep()
    assert kept is not None
    return kept


def conversation_of(*parts: Part) -> KernelConversation:
    conversation = KernelConversation("main")
    conversation.record(CellPosition("c"), Attempt(Reply("yes", "Why?", "m", prompt_parts=parts)))
    return conversation


def look_again(folder: Path, *parts: Part) -> tuple[Sequence[Part], list[str]]:
    conversation = conversation_of(*parts)
    notes = find_images_again([conversation], folder)
    return conversation.turns[0].reply.prompt_parts, notes


def test_a_file_that_is_the_same_is_sent_again(tmp_path: Path) -> None:
    (tmp_path / "plot.png").write_bytes(make_png())
    part = replace(make_image(make_png(), "plot.png", 0), detail="low")
    assert look_again(tmp_path, keep(part), TextPart("Why?")) == ((part, TextPart("Why?")), [])
    outside = make_image(make_png(), str(tmp_path / "plot.png"), 0)
    assert look_again(tmp_path / "elsewhere", keep(outside)) == ((outside,), [])


def test_one_that_was_made_smaller_is_made_smaller_again(tmp_path: Path) -> None:
    written = io.BytesIO()
    Image.linear_gradient("L").resize((300, 200)).save(written, "PNG")
    (tmp_path / "large.png").write_bytes(written.getvalue())
    part = make_image(written.getvalue(), "large.png", 100)
    assert look_again(tmp_path, keep(part)) == ((part,), [])


def test_what_is_another_or_gone_is_named(tmp_path: Path) -> None:
    kept = keep(make_image(make_png(), "plot.png", 0))
    note = "images are not sent again, but named: plot.png of turn 1"
    assert look_again(tmp_path, kept) == ((kept,), [note])
    for data in (make_png(8, 6, (1, 2, 3)), make_png(9, 6), b"", b"text"):
        (tmp_path / "plot.png").write_bytes(data)
        assert look_again(tmp_path, kept) == ((kept,), [note])
    assert kept.text == "[image: plot.png, 8×6, not kept]"
    assert kept.body() == {"type": "text", "text": kept.text}


@pytest.mark.parametrize(
    "name", ["", "\\\\server\\x.png", "/\\server/x.png", "//server/x.png", "~nobody-here/x.png", "a" * 9000]
)
def test_a_name_that_a_stranger_wrote_leads_nowhere(tmp_path: Path, name: str) -> None:
    kept = replace(keep(make_image(make_png(), "x.png", 0)), name=name)
    assert look_again(tmp_path, kept)[0] == (kept,)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
def test_what_is_no_file_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.png")
    kept = keep(make_image(make_png(), "x.png", 0))
    assert look_again(tmp_path, kept)[0] == (kept,)


def test_an_exported_question_names_the_files_of_its_images() -> None:
    def export(*names: str) -> str:
        sent = [Attachment(make_image(make_png(), name, 0), name) for name in names]
        prompt, parts = attach("Why?", sent)
        conversation = conversation_of(*parts)
        turn = conversation.turns[0]
        turn.attempts[0] = replace(turn.attempt, reply=replace(turn.reply, prompt=prompt))
        cells = json.loads(write_notebook(conversation))["cells"]
        return "".join(cells[-1]["source"])

    assert export("a.png") == "%%cnai m --image=a.png\nWhy?"
    assert export("a.png", "b c.JPG") == "%%cnai m --image=a.png '--image=b c.JPG'\nWhy?"
    assert export("fig") == "%%cnai m\nWhy?"
