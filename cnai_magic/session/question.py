"""One question: what it may set for itself, what is sent of it, and what shows its answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Any, Protocol

from ..api.messages import ChatRequest, Usage, estimate_usage
from ..api.parameters import BY_NAME, ParameterValue, checked_parameters
from ..chat.conversation import CellPosition, Conversation
from ..chat.reply import Reply
from ..errors import InputError
from ..money.cost import Charge, Cost, Spend
from ..money.price import FREE_LOCAL, Price
from ..money.price_lookup import PriceLookup
from ..nearest import nearest
from ..settings import Cnai
from .stream import Batch

__all__ = ["Options", "Question", "Unseen", "View"]


@dataclass(frozen=True, slots=True)
class Options:
    """What one question may set for itself; None and "" leave it to the settings.

    `system` holds for this question alone. `parameters` are those of a request, by name. `chat` names the
    conversation, `new` begins one (of that name, if any), `once` asks outside of any, `append` makes a new
    turn even where the cell has one, `stream` False waits for the whole answer.
    """

    model: str = ""
    system: str | None = None
    parameters: Mapping[str, ParameterValue | None] = field(default_factory=dict)
    chat: str = ""
    new: bool = False
    once: bool = False
    append: bool = False
    stream: bool = True

    @classmethod
    def of(cls, given: dict[str, Any]) -> Options:
        """Make options of keyword arguments; raises InputError for a name that is none of them."""
        own = [each.name for each in fields(cls) if each.name != "parameters"]
        names = [*own, *BY_NAME]
        for name in given:
            if name not in names:
                near = nearest(name, names)
                why = f"did you mean {near[0]}?" if near else f"there are: {', '.join(names)}"
                raise InputError(f"a question has no option {name!r}", parameter=name, why=why)
        chosen = {name: given[name] for name in own if name in given}
        return cls(**chosen, parameters={name: given[name] for name in BY_NAME if name in given})

    def parameters_with(self, settings: Cnai) -> dict[str, ParameterValue]:
        """Return the parameters of this question; those that it leaves open are those of the settings."""
        own = checked_parameters(self.parameters)
        every = {name: own.get(name, getattr(settings, name, None)) for name in BY_NAME}
        return {name: value for name, value in every.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Question:
    """One question, ready to be sent: what exactly is sent, and where its answer will stand.

    `host` is asked; `lookup` finds the price that holds now; `spent` is what the notebook has spent so far.
    `former` are answers that the notebook's file holds below the same cell. `first_run` is when that cell
    first ran; `with_former` are the turns that are sent with a former answer, because the last run of their
    cells had none.
    """

    request: ChatRequest
    prompt: str
    options: Options
    conversation: Conversation
    place: CellPosition
    turn: int
    attempt: int
    omitted_turns: int
    demo: bool
    host: str = ""
    lookup: PriceLookup = field(default_factory=PriceLookup)
    spent: Spend = field(default_factory=Spend)
    former: Sequence[Reply] = ()
    first_run: datetime | None = None
    with_former: tuple[int, ...] = ()

    @property
    def system(self) -> str | None:
        """The system message that is sent, if any."""
        first = self.request.messages[0]
        return first.text if first.role == "system" else None

    @property
    def price(self) -> Price | None:
        """The price as far as it is known: it is looked up beside the question."""
        return self.lookup.price

    def cost(self, usage: Usage) -> Cost:
        """Return what `usage` costs at the price of this question."""
        if self.price is None:
            return Cost(None, estimated=usage.estimated)
        return Cost(self.price.cost(usage), estimated=usage.estimated, local=self.price == FREE_LOCAL)

    def so_far(self, completion_tokens: int, reasoning_tokens: int = 0) -> tuple[Usage, Cost, Spend]:
        """Estimate usage and cost at so many tokens of the answer, and what the notebook has then spent."""
        usage = replace(
            estimate_usage(self.request.messages, ""),
            completion_tokens=completion_tokens,
            reasoning_tokens=reasoning_tokens,
        )
        cost = self.cost(usage)
        return usage, cost, self.spent + Spend.of(Charge(self.request.model, "", usage, cost, self.demo))


class View(Protocol):
    """Shows one answer while it comes, and what is left of it at the end."""

    def begin(self, question: Question, stop: Callable[[], None]) -> None:
        """Show that the question is sent; `stop` ends the answer early."""

    def update(self, batch: Batch) -> None:
        """Show what arrived."""

    def end(self, reply: Reply) -> None:
        """Show the final answer, in place of all that was shown of it."""

    def fail(self, reply: Reply | None) -> None:
        """Take back what was shown of an answer that failed, or show the part of it that arrived."""

    def stopping(self) -> bool:
        """Tell whether an interrupt that has just come is the Stop of this view, and not the person's own."""


class Unseen:
    """The view of a program: it shows nothing."""

    def begin(self, question: Question, stop: Callable[[], None]) -> None:
        """Show nothing."""

    def update(self, batch: Batch) -> None:
        """Show nothing."""

    def end(self, reply: Reply) -> None:
        """Show nothing."""

    def fail(self, reply: Reply | None) -> None:
        """Show nothing."""

    def stopping(self) -> bool:
        """Return False: an interrupt is the person's own."""
        return False
