"""An image is sent as it is where it fits, made smaller where it does not, or refused with a next step."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cnai_magic.api.image_data import read_image_facts
from cnai_magic.chat.figure_images import draw_value, is_drawable
from cnai_magic.chat.images import label_image, make_image
from cnai_magic.errors import InputError
from cnai_magic.magics.cell_words import CELL
from tests.images import make_gif, make_jpeg, make_png


def refused(data: bytes, pixels: int = 1024) -> tuple[str, str]:
    with pytest.raises(InputError) as caught:
        make_image(data, "some/x.png", pixels)
    assert caught.value.what.startswith("x.png is ")
    return caught.value.why, caught.value.next_step.at(CELL)


def test_an_image_that_fits_is_sent_to_the_byte() -> None:
    for data, kind in ((make_png(), "png"), (make_jpeg(9, 7), "jpeg"), (make_gif(9, 7), "gif")):
        part = make_image(data, "some/x.png", 1024)
        assert part.data == data
        assert part.url.startswith(f"data:image/{kind};base64,")
        assert part.text == "[image: x.png]"
        assert label_image(part).startswith("x.png (")


@pytest.mark.parametrize(
    ("data", "why", "step"),
    [
        (b"%PDF-1.7", "it is a PDF", "make a PNG of the page"),
        (b"<svg/>", "it is an SVG drawing", "save it as PNG, or send its text with -f"),
        (b"\0\0\0\x18ftypheic", "it is an HEIC image", "save it as JPEG or PNG"),
        (b"BM6" + bytes(9), "it is a BMP image", "save it as PNG or JPEG"),
        (b"some words", "it is text", "send its text with -f"),
        (b"", "it is empty", ""),
        (b"\xff\x0a\0", "it is a JPEG XL image", "save it as PNG or JPEG"),
        (b"\x89PNG\r\n\x1a\n\0\0\0", "it is none, or broken", ""),
    ],
)
def test_what_models_do_not_take_is_refused_by_its_content(data: bytes, why: str, step: str) -> None:
    found = refused(data)
    assert found[0] == f"{why}; models take PNG, JPEG, GIF and WebP"
    assert found[1].startswith(step)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "JPEG"])
def test_an_image_that_is_cut_off_is_refused(kind: str) -> None:
    assert refused(photo("RGB", kind=kind)[:-20]) == ("its end is missing", "save or download it again")


def test_numbers_of_a_microscope_are_shades_of_grey() -> None:
    ramp = np.linspace(0, 1, 600).reshape(20, 30)
    for numbers in (ramp, (ramp * 65535).astype("uint16"), (ramp * 65535).astype("int32"), ramp * 10**6):
        image = Image.fromarray(numbers if numbers.dtype != float else numbers.astype("float32"))
        part = draw_value(image, "x", 0)
        assert part is not None
        assert 126 <= np.asarray(Image.open(io.BytesIO(part.data or b""))).mean() <= 129


def test_what_is_too_large_is_refused() -> None:
    assert "pixels" in refused(make_png(20_000, 20_000, rows=b""))[0]
    why, step = refused(make_png(text=bytes(5_000_001)))
    assert "at most 5,000,000 are sent" in why
    assert step == "save it smaller, or as JPEG"


def test_without_a_library_a_large_image_is_sent_as_it_is_up_to_a_cap() -> None:
    # PIL cannot read what has no pixels, which is as if there were none.
    large = make_png(3000, 10, rows=b"")
    assert make_image(large, "x.png", 1024).data == large
    why, step = refused(make_png(3000, 10, rows=b"", text=bytes(5_000_001)))
    assert "nothing here makes it smaller" in why
    assert step == "pip install pillow, or save the image smaller"
    assert make_image(large, "x.png", 0).data == large


# -- PIL ----------------------------------------------------------------------------------------


def photo(mode: str, size: tuple[int, int] = (300, 200), kind: str = "PNG", **options: Any) -> bytes:
    written = io.BytesIO()
    Image.new(mode, size).save(written, kind, **options)
    return written.getvalue()


def size_of(part: Any) -> tuple[str, int, int]:
    facts = read_image_facts(part.data)
    assert facts is not None
    return facts.kind, facts.width, facts.height


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_a_large_png_is_made_smaller(mode: str) -> None:
    assert size_of(make_image(photo(mode), "x.png", 100)) == ("png", 100, 67)


def test_a_photograph_stays_one_and_stands_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    assert size_of(make_image(photo("RGB", kind="JPEG", exif=exif), "x.jpg", 100)) == ("jpeg", 67, 100)
    assert size_of(make_image(photo("CMYK", kind="JPEG"), "x.jpg", 100)) == ("jpeg", 100, 67)
    assert size_of(make_image(photo("RGB", kind="WEBP"), "x.webp", 100)) == ("png", 100, 67)


@pytest.mark.parametrize("mode", ["1", "P", "RGB", "RGBA", "CMYK", "F", "I", "HSV", "YCbCr"])
def test_an_image_of_pil_is_sent_whatever_its_mode(mode: str) -> None:
    image = Image.new(mode, (300, 200))
    assert is_drawable(image)
    part = draw_value(image, "image", 100)
    assert size_of(part) == ("png", 100, 67)
    assert image.size == (300, 200)


# -- matplotlib ---------------------------------------------------------------------------------


def test_a_figure_of_matplotlib_is_drawn_to_fit_from_whatever_belongs_to_it() -> None:
    # Here: each worker imports the whole file, and this takes a second.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(20, 10))
    axes = figure.subplots(1, 2)
    (line,) = axes[0].plot([1, 2], [3, 4])
    for value in (figure, axes, axes[0], line, [line], (axes[1],)):
        assert is_drawable(value)
    drawn = draw_value(figure, "fig", 500)
    assert size_of(drawn) == ("png", 499, 249)
    # The same each time, so that an answer about it can be replayed.
    assert draw_value(line, "fig", 500) == drawn
    assert size_of(draw_value(Figure(), "fig", 0)) == ("png", 640, 480)


# -- other values -------------------------------------------------------------------------------


class Plotly:
    """Stands for a figure of plotly, which draws with kaleido."""

    class layout:  # noqa: N801
        width, height = 2000, None

    installed = True

    def to_image(self, *, format: str, width: int, height: int, scale: float) -> bytes:
        if not self.installed:
            raise ValueError('Image export using the "kaleido" engine requires the kaleido package,\nwhich …')
        return make_png(int(width * scale), int(height * scale))


Plotly.__module__, Plotly.__name__ = "plotly.graph_objs", "Figure"


def test_a_figure_of_plotly_is_drawn_by_its_library_or_says_what_is_missing() -> None:
    figure = Plotly()
    assert is_drawable(figure)
    assert size_of(draw_value(figure, "fig", 1000)) == ("png", 1000, 250)
    figure.installed = False
    with pytest.raises(InputError, match="fig cannot be drawn") as caught:
        draw_value(figure, "fig", 1000)
    assert "requires the kaleido package" in caught.value.why
    assert caught.value.next_step.at(CELL).startswith("install kaleido and Chrome")


def test_a_list_that_holds_itself_is_no_figure() -> None:
    cycle: list[object] = []
    cycle.append(cycle)
    assert not is_drawable(cycle)


def test_an_object_that_shows_itself_as_an_image_is_one() -> None:
    class Shows:
        def __init__(self, shown: object) -> None:
            self.shown = shown

        def _repr_png_(self) -> object:
            return self.shown

    data = make_png()
    for shown in (data, (data, {"width": 3}), __import__("base64").b64encode(data).decode()):
        part = draw_value(Shows(shown), "x", 0)
        assert part is not None
        assert part.data == data
    assert draw_value(Shows(None), "x", 0) is None
    for other in (3, None, "text", [1, 2], {}, Shows):
        assert draw_value(other, "x", 0) is None
        assert not is_drawable(other)


def test_an_array_of_pixels_is_an_image_and_one_of_data_is_none() -> None:
    for shape in ((20, 30), (20, 30, 3), (20, 30, 4)):
        for array in (np.zeros(shape, "uint8"), np.full(shape, 255), np.linspace(0, 1, 600).reshape(20, 30)):
            assert size_of(draw_value(array, "x", 15)) == ("png", 15, 10)
    for shape in ((3,), (2, 2, 2), (0, 3)):
        assert draw_value(np.zeros(shape), "x", 15) is None
    for value in (256, -1.0, 1.5):
        assert draw_value(np.full((2, 2), value), "x", 15) is None
    assert draw_value(np.array([[np.nan]]), "x", 15) is None
    assert size_of(draw_value(np.eye(20, 30, dtype=bool), "x", 15)) == ("png", 15, 10)
