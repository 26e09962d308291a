"""What is to be sent for rows: one request for each, and one for all that are equal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Any

from ...api.messages import ChatRequest, Message
from ...chat.attachments import attach
from ...errors import InputError
from ...money.cost import Cost
from ...next_steps import NextStep
from ...notebook.files import find_folder
from ..question import Question, check_prompt
from .row_store import KEY_SIZE

__all__ = ["RowPlan"]


class RowPlan:
    """The requests of `rows`, by their keys: `keys` has that of each row, `first` the different ones.

    A key is a hash of what is asked and of the `scope` of its answer, the notebook (the folder where that is
    "") and the server. The values of `first` are places of rows. `question` is one of the requests, ready to
    be sent: all else about the others is the same. Raises InputError, which names the row, for a prompt that
    cannot be sent.
    """

    def __init__(
        self, question: Question, rows: Sequence[Any], prompts: Sequence[str], scope: tuple[str, str]
    ) -> None:
        self.question = question
        self.rows = rows
        self.keys: list[bytes] = []
        self.first: dict[bytes, int] = {}
        self._prompts = prompts
        # All else of the requests is the same: to hash each of them whole costs ten times as much.
        request, (notebook, base_url) = self._build_request("{{ }}"), scope
        same = sha256(f"{notebook or find_folder()}\n{base_url}\n{request.digest}\n".encode())
        for place, prompt in enumerate(prompts):
            try:
                prompt = check_prompt(prompt)
            except InputError as error:
                error.what = f"row {place + 1:,}: {error.what}"
                if isinstance(prompt, str):
                    error.next_step = NextStep.of("leave the row out, or ask more than what stands in it")
                raise
            found = same.copy()
            found.update(prompt.encode())
            key = found.digest()[:KEY_SIZE]
            place = self.first.setdefault(key, place)
            self.keys.append(self.keys[place] if place < len(self.keys) else key)

    def build_request(self, key: bytes) -> ChatRequest:
        """Return the request with a key."""
        return self._build_request(check_prompt(self._prompts[self.first[key]]))

    def estimate(self, keys: Iterable[bytes] | None = None, answer_tokens: int = 0) -> tuple[int, Cost]:
        """Return the tokens of the prompts of these keys (None: all), by an estimate, and what they cost.

        That is with answers of so many tokens each.
        """
        chosen = list(self.first if keys is None else keys)
        requests = map(self.build_request, chosen)
        tokens = sum(message.tokens for request in requests for message in request.sent_messages)
        price = self.question.lookup.price
        if price is None:
            return tokens, Cost(None, estimated=True)
        nano = tokens * price.input + answer_tokens * len(chosen) * price.output
        return tokens, Cost(-(-nano // 10**6), estimated=True)

    def _build_request(self, prompt: str) -> ChatRequest:
        asked, attachments = self.question.request, self.question.options.attachments
        text, parts = attach(prompt, attachments) if attachments else (prompt, ())
        return asked.with_last(Message.from_user(parts or text))
