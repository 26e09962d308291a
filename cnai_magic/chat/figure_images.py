"""Values of a notebook as images: figures of matplotlib and plotly, images of PIL, and what shows itself so.

No library is imported: a value that exists has imported its own. Nothing here does I/O.
"""

from __future__ import annotations

import base64
import binascii
import io
from collections.abc import Iterator
from itertools import islice
from typing import Any

from ..api.message_parts import ImagePart
from ..errors import CnaiError, InputError
from .formatters.plain import list_kinds
from .images import encode_array, encode_image, make_image

__all__ = ["draw_value", "is_drawable"]

# The size of a figure of plotly that sets none.
_PLOTLY_SIZE = (700, 500)
_WHITE = 255
_DEEPEST = 3
_PNG_WITHOUT_VERSION = {"format": "png", "metadata": {"Software": None}}


def draw_value(value: object, name: str, pixels: int) -> ImagePart | None:
    """Return a value as an image with at most `pixels` on each side, None where it is not an image.

    Raises InputError where it cannot be drawn.
    """
    try:
        data = next(filter(None, _draw(value, pixels)), None)
    except CnaiError:
        raise
    except Exception as error:  # a library that draws may raise anything
        line = str(error).strip().partition("\n")[0]
        raise InputError(
            f"{name} cannot be drawn",
            why=f"{type(error).__name__}: {line}"[:300],
            next_step=_suggest(value),
        ) from error
    return None if data is None else make_image(data, name, pixels)


def is_drawable(value: object) -> bool:
    """Tell whether a value is a figure of matplotlib or plotly, or an image of PIL."""
    return _find_figure(value) is not None or _is_of(value, "PIL", "Image") or _is_plotly(value)


def _draw(value: object, pixels: int) -> Iterator[bytes | None]:
    if isinstance(value, bytes | bytearray | memoryview):
        yield bytes(value)
    elif (figure := _find_figure(value)) is not None:
        yield _draw_matplotlib(figure, pixels)
    elif _is_plotly(value):
        yield _draw_plotly(value, pixels)
    elif _is_of(value, "PIL", "Image"):
        yield encode_image(value, pixels)
    elif _is_of(value, "numpy", "ndarray"):
        yield _draw_array(value, pixels)
    else:
        yield from _ask_for_image(value)


def _is_of(value: object, module: str, name: str) -> bool:
    return (module, name) in list_kinds(value)


def _is_plotly(value: object) -> bool:
    kinds = set(list_kinds(value))
    return ("plotly", "BaseFigure") in kinds or ("plotly", "Figure") in kinds


def _find_figure(value: Any, depth: int = 0) -> Any:
    """Return the figure of matplotlib that a value is, or belongs to: axes, lines, lists of them."""
    if _is_of(value, "matplotlib", "Figure"):
        return value
    modules = {module for module, _ in list_kinds(value)}
    if "numpy" in modules and getattr(getattr(value, "dtype", None), "kind", "") == "O":
        value = value.ravel().tolist()
    if isinstance(value, list | tuple):
        # A list may hold itself.
        inner = [] if depth == _DEEPEST else islice(value, 3)
        found = (_find_figure(each, depth + 1) for each in inner)
        return next((each for each in found if each is not None), None)
    if not modules & {"matplotlib", "seaborn"}:
        return None
    # Subfigures and artists say which figure they stand in.
    figure = getattr(value, "figure", None)
    return figure if figure is not value and _is_of(figure, "matplotlib", "Figure") else None


def _draw_matplotlib(figure: Any, pixels: int) -> bytes:
    longest = max(float(side) for side in figure.get_size_inches())
    dots = float(figure.dpi)
    # Half a pixel less, since it rounds.
    fitting = min(dots, (pixels - 0.5) / longest) if pixels and longest else dots
    written = io.BytesIO()
    figure.savefig(written, dpi=fitting, **_PNG_WITHOUT_VERSION)
    return written.getvalue()


def _draw_array(array: Any, pixels: int) -> bytes | None:
    """Return an array of grey, RGB or RGBA pixels as an image: of bytes, or of numbers from 0 to 1."""
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)) or not array.size:
        return None
    kind = array.dtype.kind
    if kind == "b":
        array = array.astype("uint8") * _WHITE
    elif kind == "f" and array.min() >= 0 and array.max() <= 1:
        array = (array * _WHITE).round()
    elif kind not in "ui" or array.min() < 0 or array.max() > _WHITE:
        return None
    return encode_array(array.astype("uint8"), pixels)


def _draw_plotly(figure: Any, pixels: int) -> bytes:
    sizes = (figure.layout.width or _PLOTLY_SIZE[0], figure.layout.height or _PLOTLY_SIZE[1])
    scale = min(1.0, pixels / max(sizes)) if pixels else 1.0
    return bytes(figure.to_image(format="png", width=sizes[0], height=sizes[1], scale=scale))


def _ask_for_image(value: object) -> Iterator[bytes | None]:
    """Yield what an object shows of itself in a notebook as an image, as IPython's Image does."""
    for method in ("_repr_png_", "_repr_jpeg_"):
        if not isinstance(value, type) and callable(getattr(type(value), method, None)):
            shown = getattr(value, method)()
            # Its metadata may stand beside it.
            yield _to_bytes(shown[0] if isinstance(shown, tuple) and shown else shown)


def _to_bytes(shown: object) -> bytes | None:
    if isinstance(shown, str):
        try:
            return base64.b64decode(shown)
        except (binascii.Error, ValueError):
            return None
    return bytes(shown) if isinstance(shown, bytes | bytearray) else None


def _suggest(value: object) -> str:
    if _is_plotly(value):
        return "install kaleido and Chrome (plotly_get_chrome), or save the figure as a PNG and name the file"
    return "save it as a PNG and name the file"
