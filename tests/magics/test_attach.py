"""`-f`, `-i` and figures in braces: files and images are sent with a question, in a real kernel."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.images import make_data_url, make_png
from tests.kernels import Kernel, Ran, running_kernel, saved_as
from tests.servers import ScriptedServer, failure, sse

# A figure that says it is of matplotlib, and draws as one does: at so many dots an inch.
FIGURE = textwrap.dedent("""
    import struct, zlib
    def png(width, height):
        def chunk(kind, data):
            return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
        rows = chunk(b"IDAT", zlib.compress((b"\\0" + bytes(width)) * height))
        return b"\\x89PNG\\r\\n\\x1a\\n" + chunk(b"IHDR", head) + rows + chunk(b"IEND", b"")
    class Figure:
        dpi, axes, broken = 100, [], False
        def get_size_inches(self):
            return 20, 10
        def savefig(self, file, *, dpi, format, metadata):
            if self.broken:
                raise RuntimeError("no font")
            assert format == "png"
            file.write(png(int(20 * dpi), int(10 * dpi)))
    Figure.__module__ = "matplotlib.figure"
    class Axes:
        figure = Figure()
    Axes.__module__ = "matplotlib.axes"
    fig, ax = Figure(), Axes()
""")


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        server.always(sse("Seen."))
        yield server


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("attach")
    (folder / "plot.png").write_bytes(make_png(80, 60))
    (folder / "my plot.png").write_bytes(make_png(8, 6, (1, 2, 3)))
    (folder / "report.pdf").write_bytes(b"%PDF-1.7\n")
    (folder / "latin.txt").write_bytes("Grüße".encode("latin-1"))
    (folder / "notes.txt").write_text("First\nsecond\n", encoding="utf-8")
    rows = "".join(f"p{number},{number},{number / 4}\n" for number in range(500))
    (folder / "sales.csv").write_text("place,count,price\n" + rows, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def kernel(folder: Path, server: ScriptedServer) -> Iterator[Kernel]:
    with running_kernel(folder, CNAI_BASE_URL=server.base_url, CNAI_MODEL="glm-4.5v") as kernel:
        kernel.run(FIGURE)
        yield kernel


def ask(kernel: Kernel, server: ScriptedServer, line: str, question: str = "Why?", cell: str = "q") -> Any:
    """Return the content of the question that was sent, and what the cell showed."""
    ran = kernel.run(f"%%cnai {line}\n{question}", cell)
    assert not ran.error, ran.error
    return server.requests[-1].json()["messages"][-1]["content"], ran


def urls(content: Any) -> list[str]:
    return [part["image_url"]["url"] for part in content if part["type"] == "image_url"]


def test_a_text_file_is_sent_as_text(kernel: Kernel, server: ScriptedServer) -> None:
    content, ran = ask(kernel, server, "--once -f notes.txt")
    assert content == "notes.txt: 2 lines\nFirst\nsecond\n\nWhy?"
    assert ran.final["attached"] == ["notes.txt (2 lines)"]
    assert "with notes.txt (2 lines)" in ran.final["footer"]


def test_of_a_long_file_the_beginning_is_sent_and_secrets_are_masked(
    kernel: Kernel, server: ScriptedServer, folder: Path
) -> None:
    key = "sk-" + "proj" * 8
    (folder / "long.log").write_text(f"BMW key {key}\n" + "word " * 30_000, encoding="utf-8")
    content, ran = ask(kernel, server, "--once -f long.log")
    assert key not in content
    assert 60_000 < len(content) < 150_000
    assert "[cut here: " in content
    (label,) = ran.final["attached"]
    assert " of 150,0" in label
    assert label.endswith(" characters left out, 1 secret masked)")


def test_a_table_is_sent_as_a_preview(kernel: Kernel, server: ScriptedServer) -> None:
    content, ran = ask(kernel, server, "--once -f sales.csv -f notes.txt")
    assert content.startswith(
        "sales.csv: 5 of 500 rows, 3 columns (CSV)\ncolumns: place str, count int, price float\n"
        "place,count,price\np0,0,0\np1,1,0.25\n"
    )
    assert "p7" not in content
    assert content.index("sales.csv") < content.index("First") < content.index("Why?")
    assert ran.final["attached"] == ["sales.csv (5 of 500 rows × 3 columns)", "notes.txt (2 lines)"]


def test_of_a_notebook_the_cells_are_sent_and_no_images(
    kernel: Kernel, server: ScriptedServer, folder: Path
) -> None:
    image = {"output_type": "display_data", "data": {"image/png": "iVBOR" * 999, "text/plain": "<Figure>"}}
    printed = {"output_type": "stream", "text": ["41\n", "42\n"]}
    cells: list[Any] = [
        {"cell_type": "markdown", "source": ["# Title\n", "Words"]},
        {"cell_type": "code", "execution_count": 3, "source": "draw()", "outputs": [printed, image, 5]},
        {"cell_type": "code", "source": "", "outputs": None},
        "no cell",
    ]
    (folder / "old.ipynb").write_text(json.dumps({"cells": cells, "nbformat": 4}), encoding="utf-8")
    content, ran = ask(kernel, server, "--once -f old.ipynb")
    told = "# Title\nWords\n\nIn [3]:\ndraw()\n\nOut [3]:\n41\n42\n<Figure>"
    assert content == f"old.ipynb: 10 lines\n{told}\n\nWhy?"
    assert ran.final["attached"] == ["old.ipynb (10 lines)"]
    (folder / "broken.ipynb").write_text("{", encoding="utf-8")
    assert ask(kernel, server, "--once -f broken.ipynb")[0] == "broken.ipynb: 1 line\n{\n\nWhy?"


def test_images_of_files_are_sent_as_data(kernel: Kernel, server: ScriptedServer, folder: Path) -> None:
    content, ran = ask(kernel, server, "--once -i plot.png -i 'my plot.png'")
    assert urls(content) == [
        make_data_url((folder / name).read_bytes()) for name in ("plot.png", "my plot.png")
    ]
    assert content[-1]["text"] == "Why?\n\nThe images, in order: plot.png, my plot.png"
    assert ran.final["attached"] == ["plot.png (80×60)", "my plot.png (8×6)"]


def test_the_notebook_keeps_name_size_and_digest_and_the_kernel_sends_the_image_again(
    kernel: Kernel, server: ScriptedServer, folder: Path
) -> None:
    _, ran = ask(kernel, server, "--new -i plot.png", cell="kept")
    data = (folder / "plot.png").read_bytes()
    image, text = ran.final["prompt_parts"]
    assert image == {
        "type": "image",
        "name": "plot.png",
        "media_type": "image/png",
        "pixels": [80, 60],
        "bytes": len(data),
        "sha256": sha256(data).hexdigest(),
    }
    assert text == {"type": "text", "text": "Why?"}
    assert "base64" not in json.dumps(ran.messages, default=str)
    ask(kernel, server, "", "And now?", cell="later")
    assert urls(server.requests[-1].json()["messages"][0]["content"]) == [make_data_url(data)]


@pytest.mark.parametrize(
    ("source", "label"),
    [("fig", "fig"), ("ax", "ax"), ("figs[0]", "figs[0]"), ("axes", "axes"), ("raw", "raw")],
)
def test_figures_are_drawn_to_fit(kernel: Kernel, server: ScriptedServer, source: str, label: str) -> None:
    kernel.run("figs, axes, raw = [fig], [ax], png(1023, 511)")
    content, ran = ask(kernel, server, f"--once -i {source}")
    assert len(urls(content)) == 1
    # 2,000 × 1,000 at its own resolution, 1,024 are sent at most.
    assert ran.final["attached"] == [f"{label} (1023×511)"]


def test_the_result_of_a_cell_is_sent_as_an_image(kernel: Kernel, server: ScriptedServer) -> None:
    ran = kernel.run("from IPython.display import Image, display\nImage(png(7, 5))", "shown")
    count = ran.reply["execution_count"]
    _, ran = ask(kernel, server, f"--once -i Out[{count}]")
    assert ran.final["attached"] == [f"Out[{count}] (7×5)"]
    count = kernel.run("display(Image(png(9, 4)))").reply["execution_count"]
    error = "".join(kernel.run(f"%%cnai -i Out[{count}]\nWhy?").error)
    assert "the cell has no result, whatever it has shown" in error


def test_a_figure_in_braces_is_an_image_where_the_model_takes_one(
    kernel: Kernel, server: ScriptedServer
) -> None:
    content, ran = ask(kernel, server, "--once", "What does {{ fig }} show? And {{ fig }}?")
    assert len(urls(content)) == 1
    assert content[-1]["text"].startswith("What does \nfig: a figure\n")
    assert ran.final["attached"] == ["fig (1023×511)"]
    for model in ("glm-4.5", "unheard-of"):
        content, ran = ask(kernel, server, f"{model} --once", "What does {{ fig }} show?")
        assert content == "What does \nfig: a figure\nshow?"
        assert "attached" not in ran.final


def test_a_figure_that_cannot_be_drawn_is_sent_as_text(kernel: Kernel, server: ScriptedServer) -> None:
    kernel.run("broken = Figure(); broken.broken = True")
    content, ran = ask(kernel, server, "--once", "{{ broken }}?")
    assert content == "broken: a figure\n?"
    assert "{{ broken }} is sent as text: broken cannot be drawn: RuntimeError: no font" in ran.stdout
    refused = kernel.run("%%cnai -i broken\nWhy?")
    assert "broken cannot be drawn" in "".join(refused.error)


def test_a_dry_run_names_files_and_images_and_shows_no_data(kernel: Kernel, server: ScriptedServer) -> None:
    sent = len(server.requests)
    shown = kernel.run("%%cnai --once --dry-run -i plot.png -f notes.txt\nWhy?").shown
    assert "with the question: plot.png (80×60)" in shown
    assert "with the question: notes.txt (2 lines)" in shown
    body = kernel.run("%%cnai --once --dry-run json -i plot.png\nWhy?").stdout
    assert '"url": "data:image/png;base64,… (' in body
    assert len(server.requests) == sent


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("-i plto.png", ["there is no file plto.png", "did you mean 'plot.png'?"]),
        ("-i figg", ["there is no variable and no file figg", "did you mean fig?"]),
        ("-i notes.txt", ["notes.txt is no image that can be sent", "it is text", "send its text with -f"]),
        ("-i number", ["number is of type int, and no image", "{{ number }}"]),
        ("-i figs[9]", ["figs[9]", "no item 9"]),
        ("-i Out[99999]", ["there is no Out[99999]", "no cell ran as In [99999]"]),
        ("-f plot.png", ["plot.png is an image", "send it as an image with -i"]),
        ("-f note.txt", ["there is no file note.txt", "did you mean 'notes.txt'?"]),
        ("--continue -i plot.png", ["--continue sends nothing new"]),
        ("-f .", ["is a folder, and no file"]),
        ("-f report.pdf", ["report.pdf is no text", "it is a PDF"]),
        ("-f latin.txt", ["latin.txt is not text in UTF-8", "save it as UTF-8"]),
        ("-f https://x.example/a.csv", ["is an address, and no file", "download it"]),
        ("-i 'https://x.example/a b.png'", ["is no address of an image", "download the image"]),
        ("-f ''", ["no file is named"]),
        ("-i ''", ["no image is named"]),
    ],
)
def test_what_cannot_be_sent_is_refused_before_anything_is(
    kernel: Kernel, server: ScriptedServer, line: str, said: list[str]
) -> None:
    kernel.run("number = 3")
    sent = len(server.requests)
    error = "\n".join(kernel.run(f"%%cnai {line}\nWhy?").error)
    for each in said:
        assert each in error
    assert len(server.requests) == sent


def test_a_model_that_refuses_images_is_said_to(kernel: Kernel, server: ScriptedServer) -> None:
    sent = len(server.requests)
    server.reply(failure(500, message="image input is not supported - hint: you may need the mmproj"))
    error = "\n".join(kernel.run("%%cnai --once -i plot.png\nWhy?").error)
    assert "glm-4.5v takes no images" in error
    assert "leave the image out, or ask a model that takes them" in error
    assert len(server.requests) == sent + 1


def test_a_hostile_name_of_a_file_is_shown_as_text(
    kernel: Kernel, server: ScriptedServer, folder: Path
) -> None:
    (folder / "<img src=x onerror=alert(1)>.png").write_bytes(make_png())
    _, ran = ask(kernel, server, "--once -i '<img src=x onerror=alert(1)>.png'")
    markdown = ran.final["data"]["text/markdown"]
    assert "<img" not in markdown
    assert "<img src=x onerror=alert(1)>.png (8×6)" in ran.final["data"]["text/plain"]


def test_an_answer_about_an_image_is_replayed_until_the_image_is_another(
    tmp_path: Path, server: ScriptedServer
) -> None:
    (tmp_path / "plot.png").write_bytes(make_png(80, 60))
    sources = ["%%cnai -i plot.png\nWhy?", "%%cnai\nAnd?"]
    with running_kernel(tmp_path, CNAI_BASE_URL=server.base_url, CNAI_MODEL="glm-4.5v") as kernel:
        ran = [kernel.run(source, f"c{number}") for number, source in enumerate(sources)]
        saved_as(tmp_path / "it.ipynb", *zip(("c0", "c1"), sources, ran, strict=True))
    sent = len(server.requests)
    with running_kernel(tmp_path, CNAI_NOTEBOOK="it.ipynb", CNAI_REPLAY="1") as kernel:
        for number, source in enumerate(sources):
            again = kernel.run(source, f"c{number}")
            assert again.answer == "Seen.", again.error
            assert "replayed" in again.final["footer"]
        (tmp_path / "plot.png").write_bytes(make_png(80, 61))
        error = "\n".join(kernel.run(sources[0], "c0").error)
        assert "the image plot.png differs" in error
    assert len(server.requests) == sent


def test_a_restored_notebook_reads_its_images_again_where_they_are_the_same(
    tmp_path: Path, server: ScriptedServer
) -> None:
    (tmp_path / "plot.png").write_bytes(make_png(80, 60))
    (tmp_path / "gone.png").write_bytes(make_png(3, 2))
    sources = ["%%cnai -i plot.png -i gone.png\nWhy?", "%%cnai --once\n(nothing)"]
    environment = {"CNAI_BASE_URL": server.base_url, "CNAI_MODEL": "glm-4.5v"}
    with running_kernel(tmp_path, **environment) as kernel:
        ran: list[Ran] = [kernel.run(source, f"c{number}") for number, source in enumerate(sources)]
        saved_as(
            tmp_path / "it.ipynb",
            *((f"c{n}", s, r) for n, (s, r) in enumerate(zip(sources, ran, strict=True))),
        )
        (tmp_path / "gone.png").write_bytes(make_png(3, 2, (9, 9, 9)))
    with running_kernel(tmp_path, CNAI_NOTEBOOK="it.ipynb", **environment) as kernel:
        restored = kernel.run("%cnai_chat restore", "r")
        assert "images are not sent again, but named: gone.png of turn 1" in restored.shown + restored.stdout
        later = kernel.run("%%cnai\nAnd now?", "c9")
        content = server.requests[-1].json()["messages"][0]["content"]
        assert urls(content) == [make_data_url((tmp_path / "plot.png").read_bytes())]
        assert content[1] == {"type": "text", "text": "[image: gone.png, 3×2, not kept]"}
        assert "1 earlier image not sent again" in later.final["footer"]
