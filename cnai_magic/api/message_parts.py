"""What a message is made of besides its role: parts of text and images, and calls of tools.

Nothing here does I/O: values in, dicts out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from reprlib import repr as short_repr
from typing import Any

from ..errors import InputError
from ..redaction import replace_surrogates
from .image_data import ImageFacts, from_data_url, read_image_facts

__all__ = [
    "Content",
    "ImagePart",
    "KeptImage",
    "Part",
    "TextPart",
    "ToolCall",
    "check_text",
    "message_error",
    "read_part",
    "read_tool_call",
    "short_name",
]

# Other addresses could name a file of the server.
_IMAGE_URL = re.compile(r"https?://\S+|data:(image/[\w.+-]+);base64,[A-Za-z0-9+/=_-]+")
_DETAILS = ("auto", "low", "high")


@dataclass(frozen=True, slots=True)
class TextPart:
    """A part of a message that is text."""

    text: str

    def body(self) -> dict[str, Any]:
        """Return the part as the API reference writes it."""
        return {"type": "text", "text": self.text}


@dataclass(frozen=True, slots=True)
class ImagePart:
    """A part of a message that is an image: its `url` (http, https, or data in base64), and the `detail`.

    `detail` is "auto", "low" or "high", "" where the server decides. `name` is the file or the variable that
    it was taken from, "" where that is unknown: it is not sent.
    """

    url: str
    detail: str = ""
    name: str = ""

    def __post_init__(self) -> None:
        url = self.url
        if not isinstance(url, str) or not url.isprintable() or _IMAGE_URL.fullmatch(url) is None:
            raise message_error("the address of an image is neither http(s) nor an image as data in base64")
        if self.detail and self.detail not in _DETAILS:
            raise message_error(f"the detail of an image is not one of {', '.join(_DETAILS)}")

    def body(self) -> dict[str, Any]:
        """Return the part as the API reference writes it."""
        about = {"url": self.url, "detail": self.detail} if self.detail else {"url": self.url}
        return {"type": "image_url", "image_url": about}

    @property
    def text(self) -> str:
        """Words that stand for the image where only text can stand."""
        kind = self.url.partition(";")[0].removeprefix("data:") if self.url.startswith("data:") else self.url
        return f"[image: {short_name(self.name) or kind}]"

    @property
    def data(self) -> bytes | None:
        """The image itself, None where the part only says where it is."""
        return from_data_url(self.url)

    def keep(self) -> KeptImage | None:
        """Return what a notebook keeps of it, None where the part is an address, and kept as it is."""
        data = self.data
        if data is None:
            return None
        media_type = self.url.partition(";")[0].removeprefix("data:")
        facts = read_image_facts(data) or ImageFacts("", 0, 0)
        digest = sha256(data).hexdigest()
        return KeptImage(self.name, media_type, facts.width, facts.height, len(data), digest, self.detail)


@dataclass(frozen=True, slots=True)
class KeptImage:
    """An image that was sent, as a notebook keeps it: all but its data. Where it is sent again, words are.

    `width` and `height` are in pixels, 0 where they are unknown, `bytes` and `sha256` (in hexadecimal) are of
    the data.
    """

    name: str
    media_type: str
    width: int
    height: int
    bytes: int
    sha256: str
    detail: str = ""

    @property
    def text(self) -> str:
        """Words that stand for the image."""
        size = f", {self.width}×{self.height}" if self.width and self.height else ""
        return f"[image: {short_name(self.name) or self.media_type}{size}, not kept]"

    def body(self) -> dict[str, Any]:
        """Return the words, as a part of the API reference."""
        return TextPart(self.text).body()


Part = TextPart | ImagePart | KeptImage
Content = str | tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call of a function that a model asks for; `arguments` are JSON as the model wrote it.

    `extra` is the `extra_content` that Gemini sends with a call, and wants back with its result.
    """

    id: str
    name: str
    arguments: str
    extra: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)

    def body(self) -> dict[str, Any]:
        """Return the call as the API reference writes it."""
        function = {"name": self.name, "arguments": self.arguments}
        body = {"id": self.id, "type": "function", "function": function}
        return {**body, "extra_content": self.extra} if self.extra else body

    def alone(self) -> ToolCall:
        """Return the call without what is sent back with its result only."""
        return ToolCall(self.id, self.name, self.arguments)


def short_name(name: str) -> str:
    """Return the name of an image without the folders of its file."""
    return re.split(r"[/\\]", name)[-1]


def read_part(raw: object) -> Part:
    """Read a part as the API reference writes it; raises InputError, with the reason."""
    kind = raw.get("type") if isinstance(raw, Mapping) else raw
    if isinstance(raw, Mapping) and kind == "text":
        return TextPart(check_text(raw.get("text"), "text"))
    if isinstance(raw, Mapping) and kind == "image_url":
        image = raw.get("image_url")
        if not isinstance(image, Mapping):
            raise message_error("the image_url of a part is not an object")
        return ImagePart(check_text(image.get("url"), "url"), check_text(image.get("detail") or "", "detail"))
    raise message_error(f"a part has the type {short_repr(kind)}", "parts are text or image_url")


def read_tool_call(raw: object) -> ToolCall:
    """Read a call as the API reference writes it; raises InputError, with the reason."""
    function = raw.get("function") if isinstance(raw, Mapping) else None
    if not isinstance(raw, Mapping) or not isinstance(function, Mapping):
        raise message_error("a tool call is not a call of a function")
    name, arguments = (check_text(function.get(each), each) for each in ("name", "arguments"))
    return ToolCall(check_text(raw.get("id"), "id"), name, arguments)


def check_text(value: object, name: str) -> str:
    """Return a text of a message as it can be sent; raises InputError, which says whose it is."""
    if not isinstance(value, str):
        raise message_error(f"the {name} in a message is {short_repr(value)}, not text")
    return replace_surrogates(value)


def message_error(what: str, why: str = "") -> InputError:
    """Return the error of a message that cannot be sent."""
    return InputError(what, parameter="messages", why=why)
