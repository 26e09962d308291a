"""An answer whose tokens are shaded by their probability: plain HTML that a saved notebook keeps."""

from __future__ import annotations

import html
from collections.abc import Sequence

from ..api.logprobs import TokenProbability
from ..redaction import clean
from .tables import escape_html

__all__ = ["ShadedAnswer"]

# From the least likely to the likeliest. Half transparent, so that the text is read on light and on dark.
_SHADES = (
    (0.05, "rgba(214,39,40,0.45)"),
    (0.2, "rgba(255,127,14,0.40)"),
    (0.5, "rgba(255,215,0,0.30)"),
    (0.9, "rgba(44,160,44,0.15)"),
)
_LEGEND = "Shaded by probability: red below 5 %, orange below 20 %, yellow below 50 %, green below 90 %."


class ShadedAnswer:
    """Shows the tokens of an answer in one text; each tells its probability where the pointer rests on it."""

    def __init__(self, tokens: Sequence[TokenProbability]) -> None:
        self._tokens = tokens

    def __repr__(self) -> str:
        shown = (f"{each.token}[{100 * each.probability:.0f}%]" for each in self._tokens)
        return "".join(shown)

    def _repr_html_(self) -> str:
        text = "".join(map(_write_token, self._tokens))
        table = "The table: _cnai.logprobs"
        style = "white-space: pre-wrap; overflow-wrap: anywhere"
        return f'<div style="{style}">{text}</div><small>{_LEGEND} {table}</small>'


def _write_token(token: TokenProbability) -> str:
    shade = next((colour for limit, colour in _SHADES if token.probability < limit), "")
    others = ", ".join(
        f"{text!r} {100 * TokenProbability(text, logprob).probability:.1f} %"
        for text, logprob in token.alternatives
    )
    title = html.escape(
        clean(f"{100 * token.probability:.1f} %" + (f"; likely here: {others}" if others else ""))
    )
    style = f' style="background-color: {shade}"' if shade else ""
    return f'<span title="{title}"{style}>{escape_html(token.token)}</span>'
