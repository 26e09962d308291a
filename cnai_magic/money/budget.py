"""Budgets: how long an answer may be, given what is left, and what is held for it until it is settled.

No request is sent whose prompt and one token of answer do not fit what is left. `max_tokens` is always sent,
so that an answer of a server that keeps to it fits too, and a stream that passes what is held is stopped.
Where a server does not limit something, as the thinking of some models, an answer can pass the budget once:
the person is told, and later holds for that model include it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from typing import NamedTuple

from ..api.messages import ChatRequest
from ..errors import BudgetError, CnaiError, InputError, LedgerError
from ..next_steps import Step, change_setting, either, raise_budget, remove_budget, send_less, set_price
from .book import MemoryHolds, SpendBook
from .cost import Charge, choose_account, format_usd
from .holds import BudgetStatus, Hold, Holds
from .model_limits import NOTABLE_OVERRUN, ModelLimits
from .price import Price, to_nano_usd

__all__ = [
    "BRIEF",
    "Budget",
    "Held",
    "Limits",
    "TokenBudget",
    "Waiting",
    "explain_ledger_failure",
    "read_budget",
]

# Seconds that a call waits for a ledger which another process has locked.
BRIEF = 0.15
# The same in the middle of an answer, which would otherwise be cut.
_EXTENDING = 2.0
# Seconds that a question waits for what others hold of a budget before it is refused, and for a ledger that
# is locked: many kernels that ask at the same time have to take turns.
_WAIT_FOR_OTHERS, _WAIT_FOR_LOCK = 2.0, 5.0
_POLL = 0.05
# Tokens of answer that are held, and sent as max_tokens, where no max_tokens limits it.
_TOKENS_AT_A_TIME = 8192
# Tokens that a model's chat template may add: to each message, and to all of them.
_TEMPLATE = 16
_MILLION = 10**6
_UNLIMITED = 10**18
_TRIES = 20


class Held(NamedTuple):
    """A hold, and the store that it is in."""

    store: Holds
    hold: Hold


class Limits(NamedTuple):
    """The budgets that limit one request: the kernel's, and the day's of all notebooks; None: no budget."""

    kernel: Holds | None
    day: Holds | None


@dataclass(eq=False, slots=True)
class TokenBudget:
    """How long one answer may be, and what is held for it; without a budget there is no limit.

    `tokens` are held, and `extend` holds so many more or returns 0. `limit` is the `max_tokens` that is sent,
    and `capped` says that it is less than what was asked for. `kernel` and `day` are what is held of each.
    """

    tokens: int | None = None
    limit: int | None = None
    capped: bool = False
    kernel: Held | None = None
    day: Held | None = None
    extend: Callable[[int], int] = int

    def limit_request(self, request: ChatRequest) -> ChatRequest:
        """Return the request with its max_tokens lowered to what is allowed."""
        if self.limit is None or self.limit == request.max_tokens:
            return request
        return request.limited_to(self.limit)

    def covers(self, tokens: int) -> bool:
        """Return whether an answer of which so many tokens have come, by an estimate, may go on."""
        if self.tokens is None:
            return True
        if tokens >= self.tokens:
            self.tokens += self.extend(tokens - self.tokens + 1)
        return tokens < self.tokens


class Budget:
    """Holds what each request may cost at most, in the budget of this kernel and in that of the day."""

    def __init__(self, book: SpendBook, notify: Callable[[str], None]) -> None:
        self.kernel = MemoryHolds(book)
        self.models = ModelLimits(notify)
        # Held while it is decided what an answer gets, so that questions at the same time take turns.
        self._lock = threading.RLock()

    def reset_after_fork(self) -> None:
        """Go on in a forked child, in which no answer is under way."""
        self._lock = threading.RLock()
        self.kernel.reset()

    def allow(
        self,
        request: ChatRequest,
        price: Price | None,
        limits: Limits,
        *,
        host: str,
        demo: bool,
        pause: Callable[[float], None],
    ) -> TokenBudget:
        """Hold what a request may cost at most; wait a little, by `pause`, for what others hold.

        Raises BudgetError where it does not fit or its model has no price, and LedgerError where the store of
        the day's budget fails.
        """
        if price is None:
            raise _explain_no_price(request.model, limits)
        account = choose_account(demo)

        waiting = Waiting(pause)
        while True:
            try:
                return self._hold(request, price, limits, host, account)
            except LedgerError as error:
                if not waiting.for_lock(error):
                    raise explain_ledger_failure(error) from error
            except BudgetError as error:
                if not (self._fits_without_holds(limits, account, error.needed) and waiting.for_others()):
                    raise

    def settle(self, held: Iterable[TokenBudget], charges: Sequence[Charge] = ()) -> list[Held | None]:
        """Enter what answers cost in place of what is held in the kernel; without charges only let it go.

        Returns what is held of the day's budget: its store may be busy, so it is for the caller to settle.
        """
        with self._lock:
            holds, days = [], []
            for tokens in held:
                days.append(tokens.day)
                if tokens.kernel is not None:
                    holds.append(tokens.kernel.hold)
                tokens.kernel = tokens.day = None
            self.kernel.end(holds, charges)
            return days

    def _hold(
        self, request: ChatRequest, price: Price, limits: Limits, host: str, account: str
    ) -> TokenBudget:
        prompt = _price_tokens(_bound_prompt_tokens(request), max(price.input, price.cached or 0))
        overrun = self.models.find_overrun(host, request.model)
        least = prompt + _price_tokens(1 + overrun, price.output)
        wanted = request.max_tokens or self.models.find_longest(host, request.model) or _TOKENS_AT_A_TIME
        for _ in range(_TRIES):
            with self._lock:
                left = self._find_left(limits, account, least, overrun)
                tokens = max(1, min(wanted, _count_affordable_tokens(left - prompt, price) - overrun))
                limit: int | None = tokens
                if not price.output:
                    # What costs nothing needs no limit.
                    tokens, limit = _UNLIMITED, request.max_tokens
                budget = TokenBudget(tokens + overrun, limit, tokens < wanted)
                try:
                    self._hold_each(
                        budget, limits, account, prompt + _price_tokens(tokens + overrun, price.output)
                    )
                except BudgetError:
                    continue  # another process took it in between: look again at what is left
                budget.extend = partial(self._extend, budget, price)
                return budget
        raise BudgetError("requests under way hold the rest of the day's budget", next_step="ask again")

    def _find_left(self, limits: Limits, account: str, least: int, overrun: int) -> int:
        """Return what is left of the smaller budget; raise BudgetError where `least` does not fit it."""
        left = _UNLIMITED
        for store, words in zip(limits, (_KERNEL, _DAY), strict=True):
            status = None if store is None else store.read_status(account, patience=BRIEF)
            if status is not None:
                if least > max(0, status.left):
                    raise words.make_refusal(least, status, overrun)
                left = min(left, status.left)
        return left

    def _hold_each(self, budget: TokenBudget, limits: Limits, account: str, nano: int) -> None:
        if not nano:
            return
        budget.kernel = _hold_in(limits.kernel, account, nano)
        try:
            budget.day = _hold_in(limits.day, account, nano)
        except CnaiError:
            self.settle([budget])
            raise

    def _fits_without_holds(self, limits: Limits, account: str, needed: int) -> bool:
        """Return whether an amount would fit the budgets if no request held anything."""
        with self._lock:
            found = [store.read_status(account, patience=BRIEF) for store in limits if store is not None]
        return all(needed <= status.limit - status.spent for status in found if status is not None)

    def _extend(self, budget: TokenBudget, price: Price, needed: int) -> int:
        """Hold at least so many tokens more, and return how many; 0 where they do not fit."""
        with self._lock:
            # The day's first: only that one another process may have taken in between.
            held = [each for each in (budget.day, budget.kernel) if each is not None]
            try:
                for _ in range(_TRIES):
                    lefts = (each.store.read_left(each.hold.account, patience=BRIEF) for each in held)
                    left = min((left for left in lefts if left is not None), default=_UNLIMITED)
                    tokens = min(max(needed, _TOKENS_AT_A_TIME), _count_affordable_tokens(left, price))
                    if tokens < needed:
                        return 0
                    nano = _price_tokens(tokens, price.output)
                    if all(each.store.extend(each.hold, nano, patience=_EXTENDING) for each in held):
                        return tokens
            except LedgerError:
                return 0  # it is reported when the answer is written there
            return 0


class Waiting:
    """Waits a little, again and again, by `pause`, for what keeps a question from being sent."""

    def __init__(self, pause: Callable[[float], None]) -> None:
        self._pause = pause
        self._began = time.monotonic()

    def for_lock(self, error: LedgerError) -> bool:
        """Wait for the process that has locked a ledger; False where that is of no use any more."""
        return error.locked and self._wait(_WAIT_FOR_LOCK)

    def for_others(self) -> bool:
        """Wait for what others hold; False where that took too long."""
        return self._wait(_WAIT_FOR_OTHERS)

    def _wait(self, most: float) -> bool:
        if time.monotonic() >= self._began + most:
            return False
        self._pause(_POLL)
        return True


def _hold_in(store: Holds | None, account: str, nano: int) -> Held | None:
    hold = None if store is None else store.hold(account, nano, patience=BRIEF)
    return None if store is None or hold is None else Held(store, hold)


def _bound_prompt_tokens(request: ChatRequest) -> int:
    """Return the most tokens that a request can have: messages, their chat template, the answer's format."""
    messages = request.sent_messages
    most: int = sum(map(attrgetter("most_tokens"), messages))  # a long conversation has many
    return most + request.most_format_tokens + _TEMPLATE * (len(messages) + 1)


def _count_affordable_tokens(nano: int, price: Price) -> int:
    """Return how many tokens of answer an amount pays for."""
    return max(0, nano) * _MILLION // price.output if price.output else _UNLIMITED


def _price_tokens(tokens: int, per_million: int) -> int:
    return -(-tokens * per_million // _MILLION)


# -- errors -----------------------------------------------------------------------------------


class _Words(NamedTuple):
    """How the refusals of one budget name it, and how to raise it."""

    name: str
    next_step: Step

    def make_refusal(self, least: int, status: BudgetStatus, overrun: int) -> BudgetError:
        thinking = f", {overrun:,} tokens of thinking included" if overrun >= NOTABLE_OVERRUN else ""
        return BudgetError(
            f"the question does not fit {self.name}, so it was not sent",
            why=f"it may cost {format_usd(least)} and more{thinking}, and {status}",
            next_step=self.next_step,
            needed=least,
        )


_KERNEL = _Words("the budget", either(raise_budget(), send_less()))
_DAY = _Words("the day's budget of all notebooks", either(raise_budget(day=True), send_less()))


def _explain_no_price(model: str, limits: Limits) -> BudgetError:
    return BudgetError(
        f"{model} has no price, so no budget can be kept, and the question was not sent",
        next_step=either(
            set_price(model), remove_budget(kernel=limits.kernel is not None, day=limits.day is not None)
        ),
    )


def explain_ledger_failure(error: LedgerError) -> LedgerError:
    """Return the error for a question that was not sent because the day's budget cannot be looked up."""
    failed = LedgerError(
        f"{error.what}, so the budget of the day cannot be kept: the question was not sent",
        why=error.why,
        next_step=error.next_step,
    )
    failed.locked = error.locked
    return failed


def read_budget(value: object) -> int:
    """Return a budget in nano-USD; raises InputError for nonsense."""
    try:
        return to_nano_usd(value, parameter="budget")
    except InputError as error:
        raise InputError(
            f"the budget is {value!r}, which is not an amount in USD",
            parameter="budget",
            next_step="give it in USD: " + change_setting("budget", 0.5),
        ) from error
