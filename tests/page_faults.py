"""What a page holds that no answer may bring to it."""

from __future__ import annotations

import re
from html.parser import HTMLParser

__all__ = ["page_faults"]

# What a Markdown engine makes of Markdown; whatever else is in its output came in as raw HTML.
_ELEMENTS = {
    *(
        "a",
        "blockquote",
        "br",
        "code",
        "dd",
        "del",
        "div",
        "dl",
        "dt",
        "em",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
    ),
    *("hr", "input", "li", "ol", "p", "pre", "s", "section", "span", "strong", "sup", "table", "tbody", "td"),
    *("th", "thead", "tr", "ul"),
}
_ATTRIBUTES = {"align", "checked", "class", "disabled", "href", "id", "start", "style", "title", "type"}
_STYLE = re.compile(
    r"(text-align: ?(left|right|center);?)?|line-height: 125%;|(color|background-color|font-\w+): ?[#\w ]+"
)
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")


class _Inspector(HTMLParser):
    """Collects what an HTML document holds that no answer may bring."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.faults: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _ELEMENTS:
            self.faults.append(f"<{tag}>")
        for name, value in attrs:
            if name not in _ATTRIBUTES or (name == "style" and not _STYLE.fullmatch(value or "")):
                self.faults.append(f"{name}={value!r}")
            # A browser takes control characters and blanks out before it reads the scheme.
            target = "".join(character for character in value or "" if character > " ")
            scheme = _SCHEME.match(target)
            if name == "href" and scheme and scheme[1].lower() not in ("http", "https", "mailto"):
                self.faults.append(f"href={value!r}")

    def handle_comment(self, data: str) -> None:
        self.faults.append("a comment")

    def handle_decl(self, decl: str) -> None:
        self.faults.append("a declaration")

    unknown_decl = handle_pi = handle_decl


def page_faults(document: str) -> list[str]:
    """Return the elements, attributes and addresses of a page that no answer may bring."""
    inspector = _Inspector()
    inspector.feed(document)
    inspector.close()
    return inspector.faults
