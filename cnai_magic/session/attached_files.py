"""Files and images that a person names, as what is sent with a question."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from ..api.image_data import from_data_url, name_content, read_image_facts
from ..api.message_parts import ImagePart, TextPart
from ..chat.attachments import Attachment
from ..chat.figure_images import draw_value
from ..chat.formatters import Shown, show_value
from ..chat.formatters.delimited import show_delimited
from ..chat.images import label_image, make_image
from ..errors import InputError
from ..next_steps import attach_image as send_as_image
from ..next_steps import show_value_as_text
from ..notebook.files import read_bytes
from ..notebook.seen_cells import write_notebook_text
from ..redaction import to_one_line
from ..settings import Cnai
from .text_file import decode_text

__all__ = ["attach_all", "attach_file", "attach_image", "attach_value"]

# Of a file; more than any model reads.
_LARGEST = 50_000_000
_LONGEST_NAME = 200
_TABLES = {".csv": ",", ".tsv": "\t", ".tab": "\t"}
_LINK = re.compile(r"https?://\S+")
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+://|data:", re.IGNORECASE)
_AS_DATA = "read it in Python, and put what you need of it into the question"


def attach_all(files: Sequence[object], images: Sequence[object], settings: Cnai) -> tuple[Attachment, ...]:
    """Return files and images as they are sent; an image may be a path or a value, a file is a path."""
    for name, given in (("files", files), ("images", images)):
        if isinstance(given, str | bytes | Path) or not isinstance(given, Sequence):
            raise InputError(
                f"{name} is of type {type(given).__name__}",
                parameter=name,
                next_step=f"write a list: {name}=[…]",
            )
    return (
        *(attach_file(each, settings) for each in files),
        *(_attach_any(each, number, settings) for number, each in enumerate(images, 1)),
    )


def _attach_any(source: object, number: int, settings: Cnai) -> Attachment:
    if isinstance(source, str | Path):
        return attach_image(source, settings)
    return attach_value(source, f"image {number}", settings)


def attach_file(path: object, settings: Cnai) -> Attachment:
    """Return a file of text, or a preview of a table (CSV, TSV), as it is sent.

    What looks like a secret is masked. Raises InputError where there is no such file, or it is not text.
    """
    if not isinstance(path, str | Path):
        raise InputError(f"a file is named by its path, not by {type(path).__name__}", parameter="files")
    if not str(path).strip():
        raise InputError("no file is named", parameter="files")
    if isinstance(path, str) and _ADDRESS.match(path):
        raise InputError(f"{path} is an address, and no file", next_step="download it, and name the file")
    path = Path(path)
    data = read_bytes(path, limit=_LARGEST)
    if read_image_facts(data) is not None:
        raise InputError(f"{path} is an image", next_step=send_as_image())
    text, name = _decode(data, path), to_one_line(path.name)
    if path.suffix.lower() == ".ipynb":
        text = write_notebook_text(text) or text
    if not text.strip():
        raise InputError(f"{path} is empty")
    separator = _TABLES.get(path.suffix.lower())
    table = show_delimited(text, separator, name, settings.value_tokens) if separator else None
    if table is not None:
        return Attachment(TextPart(table.text), f"{name} ({table.note}{_count_masked(table)})")
    shown = show_value(text.rstrip("\n"), name, settings.file_tokens)
    lines = len(text.splitlines())
    note = shown.cut or f"{lines:,} line{'s' * (lines != 1)}"
    label = f"{name} ({note}{_count_masked(shown)})"
    return Attachment(TextPart(f"{name}: {note}\n{shown.text}"), label)


def _decode(data: bytes, path: Path) -> str:
    what = name_content(data)
    try:
        if what != "a PDF":
            return decode_text(data, path)
    except InputError:
        if not what:
            raise
    raise InputError(f"{path} is no text", why=f"it is {what}", next_step=_AS_DATA)


def _count_masked(shown: Shown) -> str:
    return f", {shown.masked} secret{'s' * (shown.masked > 1)} masked" if shown.masked else ""


def attach_image(source: str | Path, settings: Cnai) -> Attachment:
    """Return an image of a file, or the address of one, as it is sent.

    An address is sent as it is: the server opens it, nothing here does. Raises InputError for what is no
    image that models take, or one that is too large.
    """
    if not str(source).strip():
        raise InputError("no image is named", parameter="images")
    if isinstance(source, str) and _LINK.fullmatch(source):
        part = ImagePart(source)
    elif isinstance(source, str) and (data := from_data_url(source)) is not None:
        part = make_image(data, "image", settings.image_pixels)
    elif isinstance(source, str) and _ADDRESS.match(source):
        raise InputError(
            f"{source[:_LONGEST_NAME]} is no address of an image that can be sent",
            why="one begins with http:// or https://, and has no blanks",
            next_step="write it so, or download the image and name the file",
        )
    else:
        name = str(source)
        name = name if len(name) <= _LONGEST_NAME else Path(name).name[-_LONGEST_NAME:]
        part = make_image(read_bytes(Path(source), limit=_LARGEST), name, settings.image_pixels)
    return Attachment(part, label_image(part))


def attach_value(value: object, name: str, settings: Cnai) -> Attachment:
    """Return a value as the image that it is, or that it draws; raises InputError where it is none."""
    if isinstance(value, str | Path):
        return attach_image(value, settings)
    part = draw_value(value, name, settings.image_pixels)
    if part is None:
        kind = type(value).__name__
        raise InputError(f"{name} is of type {kind}, and no image", next_step=show_value_as_text(name))
    return Attachment(part, label_image(part))
