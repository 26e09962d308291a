"""Budgets that hold: what a question may cost at most is held before it is sent, and settled after it.

What is promised: no request is sent whose prompt and one token of answer do not fit what is left, and
`max_tokens` is always sent, so that an answer of a server that keeps to it fits too. A stream that passes
what is held is stopped. What a server does not limit, the thinking of some models above all, can pass the
budget once: it is told then, and later holds of that model include it.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

from ..api.messages import ChatRequest, Message
from ..errors import BudgetError, LedgerError, NextStep
from .cost import SpendBook, usd
from .ledger import Ledger
from .price import Price

__all__ = ["BRIEF", "Hold", "Holds", "Limits", "TokenBudget"]

# Seconds that is waited for a ledger which another process has locked, at a time.
BRIEF = 0.15
# The same in the middle of an answer, which would else be cut.
_EXTENDING = 2.0
# Tokens of answer that are held, and sent as max_tokens, where no --max-tokens limits it.
_TOKENS_AT_A_TIME = 8192
# Tokens that a model's chat template may add: to each message, and to all of them.
_TEMPLATE = 16
_MILLION = 10**6
_NO_END = 10**18
_TRIES = 20
# An overrun of fewer tokens is a matter of how the end of an answer is counted, and not worth a line.
_WORTH_TELLING = 16


class Hold(NamedTuple):
    """What is held of a day's budget in a ledger, by its ID there."""

    ledger: Ledger
    id: str


class Limits(NamedTuple):
    """What limits one request: the kernel's budget in nano-USD, and the ledger that has one of the day."""

    budget: int | None
    ledger: Ledger | None


@dataclass(eq=False, slots=True)
class TokenBudget:
    """How long one answer may be, and what is held for it; without a budget as long as it likes.

    `tokens` are held, at a cost of `nano` nano-USD together with the prompt, and `extend` holds so many more
    or returns 0; `limit` is what the server is told, and `capped` that it is less than what was asked for;
    `hold` is what is held in the ledger too, where there is a budget of the day.
    """

    tokens: int | None = None
    limit: int | None = None
    capped: bool = False
    nano: int = 0
    hold: Hold | None = None
    extend: Callable[[int], int] = int

    def limited(self, request: ChatRequest) -> ChatRequest:
        """Return the request with its max_tokens lowered to what is allowed."""
        if self.limit is None or self.limit == request.max_tokens:
            return request
        return replace(request, max_tokens=self.limit)

    def covers(self, tokens: int) -> bool:
        """Tell whether an answer of which so many tokens have come, by an estimate, may go on."""
        if self.tokens is None:
            return True
        if tokens >= self.tokens:
            self.tokens += self.extend(tokens - self.tokens + 1)
        return tokens < self.tokens


class Holds:
    """What is held for the answers under way in this kernel, and what models are known to spend beyond."""

    def __init__(self, book: SpendBook, notify: Callable[[str], None]) -> None:
        self._book = book
        self._notify = notify
        self._held: dict[TokenBudget, tuple[int, bool]] = {}
        self._overruns: dict[tuple[str, str], int] = {}
        self._longest: dict[tuple[str, str], int] = {}
        self._lock = threading.RLock()

    def begin_anew(self) -> None:
        """Go on in a forked child, in which no answer is under way."""
        self._lock = threading.RLock()
        self._held.clear()

    def allow(
        self, request: ChatRequest, price: Price, limits: Limits, *, host: str, demo: bool
    ) -> TokenBudget:
        """Hold what a request may cost at most.

        Raises BudgetError where it does not fit, `waiting` set where it would fit but for what is held for
        others, and LedgerError where the ledger fails.
        """
        prompt = _cost(_most_prompt_tokens(request.messages), max(price.input, price.cached or 0))
        beyond = self._overruns.get((host, request.model), 0)
        least = prompt + _cost(1 + beyond, price.output)
        wanted = request.max_tokens or self._longest.get((host, request.model), _TOKENS_AT_A_TIME)
        for _ in range(_TRIES):
            with self._lock:
                left = self._left(limits.budget, None, demo)
                if least > max(0, left):
                    raise self._refusal(least, left, beyond, demo)
                left = self._left(limits.budget, limits.ledger, demo)
                tokens = max(1, min(wanted, _tokens_for(left - prompt, price) - beyond))
                limit: int | None = tokens
                if not price.output:
                    # What costs nothing needs no limit.
                    tokens, limit = _NO_END, request.max_tokens
                nano = prompt + _cost(tokens + beyond, price.output)
                hold = None
                if limits.ledger is not None and nano:
                    try:
                        held = limits.ledger.hold(nano, demo=demo, patience=BRIEF)
                        hold = Hold(limits.ledger, held) if held is not None else None
                    except BudgetError as error:
                        if least > left:
                            raise _day_refusal(least, error) from error
                        continue  # another kernel took it in between: look again at what is left
                allowance = TokenBudget(tokens + beyond, limit, tokens < wanted, nano, hold)
                allowance.extend = partial(self._extend, allowance, price, limits.budget, demo)
                self._held[allowance] = (nano, demo)
                return allowance
        raise BudgetError("the rest of the day's budget is held by requests under way", next_step="ask again")

    def release(self, allowance: TokenBudget) -> Hold | None:
        """Let go of what is held in the kernel, and return what is to be let go in the ledger."""
        with self._lock:
            self._held.pop(allowance, None)
            hold, allowance.hold = allowance.hold, None
            return hold

    def left(self, budget: int | None, *, demo: bool) -> int | None:
        """Return what is left of the kernel's budget in nano-USD, None where there is none."""
        with self._lock:
            return None if budget is None else self._left(budget, None, demo)

    def held(self, *, demo: bool) -> int:
        """Return what is held for the answers under way in this kernel, in nano-USD."""
        with self._lock:
            return sum(nano for nano, kind in self._held.values() if kind is demo)

    def waits_for_others(self, limits: Limits, needed: int, *, demo: bool) -> bool:
        """Tell whether so much would fit the budgets once nothing is held any more."""
        with self._lock:
            left = self._left(limits.budget, None, demo) + self.held(demo=demo)
            today = limits.ledger.today(demo=demo, patience=BRIEF) if limits.ledger is not None else None
        return needed <= left and (today is None or needed <= today[0] - today[1])

    # -- what a server does not limit -----------------------------------------------------------

    def note_length(
        self, host: str, model: str, limit: int, completion_tokens: int, ledger: Ledger | None
    ) -> None:
        """Remember by how much an answer has passed the max_tokens that was sent; tell of it once."""
        beyond = completion_tokens - limit
        before = self._overruns.get((host, model), 0)
        if beyond <= before:
            return
        self._overruns[host, model] = beyond
        if ledger is not None:
            with suppress(LedgerError):  # it is remembered here, and what fails there is told elsewhere
                before = max(before, ledger.overrun(host, model))
                ledger.remember_overrun(host, model, beyond)
        if beyond >= _WORTH_TELLING > before:
            self._notify(
                f"{model} at {host} counted {completion_tokens:,} tokens where max_tokens was {limit:,}: its "
                f"thinking is not limited by it. Budgets hold {beyond:,} tokens more for it from now on."
            )

    def note_refusal(self, host: str, model: str, limit: int, words: str) -> bool:
        """Remember the longest answer of a model that refuses `limit`; False where none can be told."""
        if "max_tokens" not in words and "max_completion_tokens" not in words:
            return False
        numbers = [int(each) for each in re.findall(r"(?<![\w.])\d{1,9}(?![\w.]*\w)", words.replace(",", ""))]
        longest = max((each for each in numbers if _LEAST_LIMIT <= each < limit), default=limit // 2)
        if longest < _LEAST_LIMIT:
            return False
        self._longest[host, model] = longest
        return True

    def learn_overrun(self, host: str, model: str, ledger: Ledger | None) -> None:
        """Learn from the ledger by how much answers of a model have passed max_tokens in other kernels."""
        if ledger is not None:
            with suppress(LedgerError):  # what this kernel has seen itself counts without it
                known = max(self._overruns.get((host, model), 0), ledger.overrun(host, model))
                self._overruns[host, model] = known

    # -- sums -----------------------------------------------------------------------------------

    def _extend(self, allowance: TokenBudget, price: Price, budget: int | None, demo: bool, need: int) -> int:
        """Hold at least so many tokens more, and return how many; 0 where they do not fit."""
        with self._lock:
            hold = allowance.hold
            try:
                for _ in range(_TRIES):
                    room = _tokens_for(self._left(budget, hold and hold.ledger, demo), price)
                    tokens = min(max(need, _TOKENS_AT_A_TIME), room)
                    if tokens < need:
                        return 0
                    nano = _cost(tokens, price.output)
                    if hold is None or hold.ledger.extend(hold.id, nano, patience=_EXTENDING):
                        allowance.nano += nano
                        self._held[allowance] = (allowance.nano, demo)
                        return tokens
            except LedgerError:
                return 0  # it is told when the answer is written there
            return 0

    def _left(self, budget: int | None, ledger: Ledger | None, demo: bool) -> int:
        left = [_NO_END]
        if budget is not None:
            left.append(budget - self._book.total(demo=demo).nano - self.held(demo=demo))
        today = ledger.left_today(demo=demo, patience=BRIEF) if ledger is not None else None
        if today is not None:
            left.append(today)
        return min(left)

    def _refusal(self, least: int, left: int, beyond: int, demo: bool) -> BudgetError:
        held = self.held(demo=demo)
        beside = f" beside {usd(held)} for answers under way" if held else ""
        thinking = f", {beyond:,} tokens of thinking included" if beyond >= _WORTH_TELLING else ""
        return BudgetError(
            "the question does not fit the budget, so it was not sent",
            why=f"it may cost {usd(least)} and more{thinking}, and {usd(max(0, left))} is left{beside}",
            next_step=_RAISE_BUDGET + ", or " + _SEND_LESS,
            needed=least,
        )


# What is less is no longest answer of a model, but a status or a lower bound.
_LEAST_LIMIT = 512
_SEND_LESS = NextStep(
    cell="send less: a shorter prompt, %%cnai --once, or %config Cnai.history_tokens",
    terminal="send less",
    python="send less: a shorter prompt, once=True, or Session(history_tokens=N)",
)
_RAISE_BUDGET = NextStep(
    cell="raise it with %cnai_spend --budget USD",
    terminal="raise it with CNAI_BUDGET=USD",
    python="raise it with Session(budget=USD)",
)


def _day_refusal(least: int, error: BudgetError) -> BudgetError:
    return BudgetError(
        "the question does not fit the day's budget of all notebooks, so it was not sent",
        why=f"it may cost {usd(least)} and more, and {error.why}",
        next_step=NextStep(cell="raise it with %cnai_spend --budget-day USD, or ") + _SEND_LESS,
        needed=least,
    )


def _most_prompt_tokens(messages: Iterable[Message]) -> int:
    """Return the most tokens that messages can have, those of the chat template included."""
    return sum(message.most_tokens + _TEMPLATE for message in messages) + _TEMPLATE


def _tokens_for(nano: int, price: Price) -> int:
    """Return how many tokens of answer so much pays for."""
    return max(0, nano) * _MILLION // price.output if price.output else _NO_END


def _cost(tokens: int, per_million: int) -> int:
    return -(-tokens * per_million // _MILLION)
