"""What is to be sent for rows: one request for each, and one for all that are equal."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from ...api.messages import ChatRequest, Message
from ...chat.attachments import attach
from ...errors import InputError
from ...money.cost import Cost
from ..question import Question, check_prompt

__all__ = ["RowPlan"]


class RowPlan:
    """The requests of `rows`, by their keys: `prompts` has the different ones, `keys` that of each row.

    `question` is one of them, ready to be sent: all else about the others is the same. Raises InputError,
    which names the row, for a prompt that cannot be sent.
    """

    def __init__(self, question: Question, rows: Sequence[Any], prompts: Sequence[str]) -> None:
        self.question = question
        self.rows = rows
        self.prompts: dict[str, str] = {}
        self.keys: list[str] = []
        # All else of the requests is the same: to hash each of them whole costs ten times as much.
        same = self.build_request("{{ }}").digest.encode()
        for number, prompt in enumerate(prompts, 1):
            try:
                prompt = check_prompt(prompt)
            except InputError as error:
                error.what = f"row {number:,}: {error.what}"
                raise
            key = sha256(b"%b\0%b" % (same, prompt.encode())).hexdigest()[:32]
            self.prompts[key] = prompt
            self.keys.append(key)

    def build_request(self, prompt: str) -> ChatRequest:
        """Return the request that asks a prompt."""
        asked, attachments = self.question.request, self.question.options.attachments
        text, parts = attach(prompt, attachments) if attachments else (prompt, ())
        return asked.with_last(Message("user", parts or text))

    def estimate(self) -> tuple[int, Cost]:
        """Return the tokens of all prompts, by an estimate, and what they cost without any answer."""
        requests = map(self.build_request, self.prompts.values())
        tokens = sum(message.tokens for request in requests for message in request.sent_messages)
        price = self.question.lookup.price
        return tokens, Cost(None if price is None else -(-tokens * price.input // 10**6), estimated=True)
