"""The widgets of the page: one that carries the bundle, once per kernel, and a small one for each output.

Their page side is in `frontend/`, built into `assets/`; `frontend/README.md` lists the messages. The small
widget is a stub that finds the bundle.
"""

from __future__ import annotations

from hashlib import sha256
from importlib.resources import files
from typing import Any

import anywidget
from traitlets import Dict, Unicode

from .kernel import find_kernel_id, read_comms_on_control

__all__ = ["SNAPSHOTS", "PageWidget", "open_page_widget"]

SNAPSHOTS = (0.5, 4.0, 32.0, 256.0)
"""Seconds after which the whole text is sent again, for a view that missed a part and cannot ask for it.

They are so far apart that all of them together are little more than the text once more.
"""


def _read_asset(name: str) -> str:
    return files(__package__).joinpath("assets").joinpath(name).read_text(encoding="utf-8")


class _Asset(anywidget.AnyWidget):
    """Holds the bundle for the page, once per kernel; from then on the page sends the order of its cells."""

    _esm = _read_asset("asset.js")
    bundle = Unicode().tag(sync=True)
    digest = Unicode().tag(sync=True)


class PageWidget(anywidget.AnyWidget):
    """What is live in one output of the page: an answer, or several side by side."""

    _esm = Unicode(_read_asset("stub.js")).tag(sync=True)
    _anywidget_id = Unicode(f"{__name__}.PageWidget").tag(sync=True)
    asset = Unicode().tag(sync=True)
    header = Dict().tag(sync=True)
    snapshot = Dict({"seq": 0, "text": "", "reasoning": ""}).tag(sync=True)
    status: Dict[str, Any] = Dict({"phase": "waiting"}).tag(sync=True)

    def add_traits(self, **traits: Any) -> None:
        """Add none: what anywidget adds to each widget, with a class for it alone, this class has."""

    def send_snapshot(self, snapshot: dict[str, Any]) -> None:
        """Send the whole, also where it is as before: a page that was reloaded knows nothing of it."""
        if self.snapshot == snapshot:
            self.send_state("snapshot")
        else:
            self.snapshot = snapshot

    def remove(self) -> None:
        """Close it, with the comm of its layout, which closing it alone would leave behind."""
        self.layout.close()
        self.close()


_asset: _Asset | None = None


def open_page_widget(shell: Any, header: dict[str, Any]) -> PageWidget:
    """Return a new widget; `header` is what the page knows from the beginning, beside the kernel's ID."""
    global _asset
    read_comms_on_control(shell)
    if _asset is None or _asset.comm is None:
        text = _read_asset("answer.js")
        _asset = _Asset(bundle=text, digest=sha256(text.encode()).hexdigest()[:16])
    return PageWidget(asset=_asset.model_id, header={**header, "kernel_id": find_kernel_id(shell)})
