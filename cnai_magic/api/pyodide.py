"""Whether this is Pyodide: Python in a browser, as in JupyterLite."""

from __future__ import annotations

import sys

__all__ = ["IN_PYODIDE"]

IN_PYODIDE = sys.platform == "emscripten"
"""There are no threads, no sockets and no other processes here; requests are sent by the browser."""
