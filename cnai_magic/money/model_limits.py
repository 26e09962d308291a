"""What answers have shown of the lengths that models keep to, beside the `max_tokens` that is sent."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress

from ..api.messages import ChatRequest
from ..errors import InvalidRequestError, LedgerError
from .ledger import Ledger

__all__ = ["NOTABLE_OVERRUN", "ModelLimits"]

NOTABLE_OVERRUN = 16
"""An overrun of fewer tokens is a matter of how the end of an answer is counted, and not worth a line."""

# A lower number in a refusal is not the longest answer of a model, but a status or a lower bound.
_LEAST_LIMIT = 512
_NUMBER = re.compile(r"(?<![\w.])\d{1,9}(?![\w.]*\w)")


class ModelLimits:
    """By how much answers passed `max_tokens`, and the longest answer of models that refused a larger one.

    `notify` is called with a line for the person when a model is first found not to keep to its limit.
    """

    def __init__(self, notify: Callable[[str], None]) -> None:
        self._notify = notify
        self._overruns: dict[tuple[str, str], int] = {}
        self._longest: dict[tuple[str, str], int] = {}

    def find_overrun(self, host: str, model: str) -> int:
        """Return the most tokens by which an answer is known to have passed its `max_tokens`."""
        return self._overruns.get((host, model), 0)

    def find_longest(self, host: str, model: str) -> int | None:
        """Return the longest answer that a model allows, None where it is unknown."""
        return self._longest.get((host, model))

    def note_length(
        self, host: str, model: str, limit: int, completion_tokens: int, ledger: Ledger | None
    ) -> None:
        """Remember by how much an answer passed the `max_tokens` that was sent; say so once."""
        overrun = completion_tokens - limit
        before = self.find_overrun(host, model)
        if overrun <= before:
            return
        self._overruns[host, model] = overrun
        if ledger is not None:
            with suppress(LedgerError):  # it is remembered here; a failing ledger is reported elsewhere
                before = max(before, ledger.read_overrun(host, model))
                ledger.remember_overrun(host, model, overrun)
        if overrun >= NOTABLE_OVERRUN > before:
            self._notify(
                f"{model} at {host} counted {completion_tokens:,} tokens where max_tokens was {limit:,}: its "
                f"thinking is not limited by it. Budgets hold {overrun:,} tokens more for it from now on."
            )

    def note_refusal(self, host: str, request: ChatRequest, limit: int | None, error: BaseException) -> bool:
        """Remember the longest answer of a model that refuses a `limit` of a budget; return whether it did.

        `request` is the question's, before that limit: where it has one of its own, the person has set it.
        """
        if request.max_tokens is not None or limit is None or not isinstance(error, InvalidRequestError):
            return False
        message = error.why
        if "max_tokens" not in message and "max_completion_tokens" not in message:
            return False
        numbers = map(int, _NUMBER.findall(message.replace(",", "")))
        longest = max((each for each in numbers if _LEAST_LIMIT <= each < limit), default=limit // 2)
        if longest < _LEAST_LIMIT:
            return False
        self._longest[host, request.model] = longest
        return True

    def learn(self, host: str, model: str, ledger: Ledger | None) -> None:
        """Learn from the ledger by how much answers passed `max_tokens` in other kernels."""
        if ledger is not None:
            with suppress(LedgerError):  # what this kernel has seen itself counts without it
                known = max(self.find_overrun(host, model), ledger.read_overrun(host, model))
                self._overruns[host, model] = known
