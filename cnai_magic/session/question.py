"""One question: what it may set for itself, and what is sent of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from ..api.message_parts import Part, TextPart
from ..api.messages import ChatRequest
from ..api.parameters import BY_NAME, ParameterValue, join_parameters
from ..api.token_usage import Usage
from ..chat.attachments import Attachment, attach
from ..chat.attempt import Attempt, Turn
from ..chat.context import Placement, build_context
from ..chat.conversation import CellPosition, KernelConversation
from ..chat.conversations import Conversations
from ..chat.schemas import find_schema
from ..errors import InputError
from ..money.cost import Cost, Spend
from ..money.price import cost_of
from ..money.price_lookup import PriceLookup
from ..next_steps import ask_for_more, go_on_in, write_question
from ..redaction import replace_surrogates
from ..settings import Cnai

if TYPE_CHECKING:
    from ..chat.tools import Tool

__all__ = ["Options", "Question", "SavedModel", "Target", "build_question", "check_prompt", "find_cut_turn"]

# What ends an answer before it is complete.
_CUT = ("length", "budget", "stopped", "interrupted")
# How the cells above a question were ordered.
_ORDERS = {
    "": "",
    "page": "order of the page",
    "file": "order of the saved notebook",
    "runs": "order of runs",
}
_LONGEST_QUOTED = 80
_OF_ONE_REQUEST = ("max_tokens", "prefix", "tools")


@dataclass(frozen=True, slots=True)
class Options:
    """What one question may set for itself; None and "" leave it to the settings.

    `system` holds for this question alone, `instructions` are the system message where nothing sets one.
    `parameters` are those of a request, by name. `chat` names the conversation, `new` begins one (of that
    name, if any), `once` asks outside of any, `append` makes a new turn even where the cell has one, `stream`
    False waits for the whole answer. `attachments` are sent with the question. `to_cell` tells that the code
    of the answer goes into a cell of its own. `go_on` asks for the rest of an answer that was cut: of the
    cell, or the last one of the conversation. `tools` are functions that the model may call. `origins` name
    what set a parameter, where the question itself did not. `to_confirm` tells that it is not sent where
    it may cost more than `confirm_above`. `charged_as` stands in the ledger for the conversation, where it is
    asked outside of any.
    """

    model: str = ""
    system: str | None = None
    parameters: Mapping[str, object] = field(default_factory=dict)
    chat: str = ""
    new: bool = False
    once: bool = False
    append: bool = False
    stream: bool = True
    attachments: tuple[Attachment, ...] = ()
    instructions: str = ""
    to_cell: bool = False
    go_on: bool = False
    tools: tuple[Tool, ...] = ()
    origins: Mapping[str, str] = field(default_factory=dict)
    to_confirm: bool = False
    charged_as: str = ""

    def attaching(self, more: Iterable[Attachment]) -> Options:
        """Return the same options with more attachments: images come first, as they are sent."""
        every = sorted((*self.attachments, *more), key=lambda each: isinstance(each.part, TextPart))
        return replace(self, attachments=tuple(every))

    def varied_by(self, model: str, parameters: Mapping[str, object]) -> Options:
        """Return the same options for a model, with these parameters in place of their own."""
        return replace(self, model=model, parameters={**self.parameters, **parameters})


class SavedModel(Protocol):
    """A saved answer, as far as it tells who gave it: see `Reply`."""

    @property
    def model(self) -> str:
        """The model that was asked."""

    @property
    def demo(self) -> bool:
        """Whether it took demo credit."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a question asks: a model, and what is known of its server.

    `demo` tells that its answers take demo credit, `server` is the name in vendors.toml, and `lookup` finds
    the price that holds now.
    """

    model: str
    demo: bool
    host: str = ""
    server: str = ""
    lookup: PriceLookup = field(default_factory=PriceLookup)


@dataclass(frozen=True, slots=True)
class Question:
    """One question, ready to be sent: what exactly is sent, and where its answer will stand.

    `system` is the system message that is sent, None for none. `attached` says what is sent with it,
    `lost_images` how many images are not sent again, `cleared_turns` how many turns above, whose outputs were
    cleared, `unknown_cells` how many cells above show answers that this kernel does not know.
    `host` is asked; `lookup` finds the price that holds now; `spent` is what the notebook has spent by then.
    `former` are answers that the notebook's file holds below the same cell. `first_run` is when that cell
    first ran; `chain` is the digest of the answers above it. `ordered_by` says where the order of
    the cells is from, `order` says that too, where the place of a cell is not certain. `with_former` are the
    turns that are sent with a former answer, because the last run of their cells had none. `cut` is the turn
    whose answer goes on.
    """

    request: ChatRequest
    prompt: str
    system: str | None
    options: Options
    conversation: KernelConversation
    position: CellPosition
    turn: int
    attempt: int
    omitted_turns: int
    demo: bool
    host: str = ""
    lookup: PriceLookup = field(default_factory=PriceLookup)
    spent: Spend = field(default_factory=Spend)
    former: Sequence[Attempt] = ()
    first_run: datetime | None = None
    lost_images: int = 0
    cleared_turns: int = 0
    unknown_cells: int = 0
    with_former: tuple[int, ...] = ()
    chain: str = ""
    order: str = ""
    ordered_by: str = ""
    prompt_parts: tuple[Part, ...] = ()
    attached: tuple[str, ...] = ()
    cut: Turn | None = None

    def estimate(self, completion_tokens: int, reasoning_tokens: int = 0) -> tuple[Usage, Cost, Spend]:
        """Estimate usage and cost at so many tokens of the answer, and what the notebook has then spent."""
        usage = Usage(self.request.prompt_tokens, completion_tokens, reasoning_tokens, estimated=True)
        cost = cost_of(usage, self.lookup.price)
        return usage, cost, self.spent.with_answer(usage, cost)


def build_question(
    prompt: str,
    options: Options,
    target: Target,
    position: CellPosition,
    *,
    settings: Cnai,
    conversations: Conversations,
    former: Sequence[Attempt] = (),
) -> Question:
    """Build a question that stands at `position`, with the turns that are sent before it; changes nothing.

    Raises InputError for a prompt that cannot be sent, and for a parameter out of its bounds.
    """
    if options.go_on:
        return _build_continuation(prompt, options, target, position, settings, conversations)
    prompt, parts = _read_prompt(prompt, options.attachments)
    if options.append or settings.on_rerun == "append":
        position = replace(position, kind="append")
    conversation = _choose_conversation(conversations, options, position)
    first_run = _find_first_run(conversations, position, former)
    place, system = _locate(conversation, options, position, first_run, settings)
    own, limit = options.system is not None, settings.history_tokens
    context = build_context(place, parts or prompt, system=system, own_system=own, history_tokens=limit)
    parameters = _collect_parameters(options, settings)
    return Question(
        request=ChatRequest(target.model, context.messages, parameters, server=target.server),
        prompt=prompt,
        system=system or None,
        options=options,
        conversation=conversation,
        position=position,
        turn=0 if options.once else len(place.above) + 1,
        attempt=place.attempt,
        omitted_turns=context.omitted_turns,
        lost_images=context.lost_images,
        cleared_turns=place.cleared,
        unknown_cells=0 if options.new else place.unknown,
        demo=target.demo,
        host=target.host,
        lookup=target.lookup,
        former=former,
        first_run=first_run,
        with_former=context.with_former,
        chain=context.chain,
        order=_ORDERS[conversations.document.source] if place.unplaced else "",
        ordered_by=_ORDERS[conversations.document.source],
        prompt_parts=parts,
        attached=tuple(each.label for each in options.attachments),
    )


def _locate(
    conversation: KernelConversation,
    options: Options,
    position: CellPosition,
    first_run: datetime | None,
    settings: Cnai,
) -> tuple[Placement, str]:
    """Return where a question stands in its conversation, and the system message that holds there."""
    # A question outside of any conversation has an empty one to itself.
    before = KernelConversation(conversation.name) if options.once else conversation
    place = before.locate(position, first_run)
    set_before = before.system if place.set_system is None else place.set_system
    return place, _choose_system(options, set_before, settings)


def _find_first_run(
    conversations: Conversations, position: CellPosition, former: Sequence[Attempt]
) -> datetime | None:
    """Return when the cell first ran; None for a question that stands after all that were answered."""
    if not position.is_asked_again:
        return None
    first_runs = [each.first_run for each in former if each.first_run and not each.appended]
    return min([conversations.find_first_run(position), *first_runs])


def _build_continuation(
    prompt: str,
    options: Options,
    target: Target,
    position: CellPosition,
    settings: Cnai,
    conversations: Conversations,
) -> Question:
    """Build the question that asks for the rest of an answer, in the place of the turn that it is part of."""
    conversation, turn = find_cut_turn(conversations, options.chat, position, prompt)
    reply, index = turn.reply, conversation.turns.index(turn)
    set_system = conversation.locate(turn.position).set_system
    context = build_context(
        Placement(conversation.turns[:index], turn.next_number, set_system),
        reply.prompt_parts or reply.prompt,
        system=reply.system,
        own_system=set_system is not None and set_system != (reply.system or ""),
        history_tokens=settings.history_tokens,
    )
    # What cut it may be in the way of the rest.
    kept = {name: value for name, value in reply.parameters.items() if name not in _OF_ONE_REQUEST}
    given = {name: value for name, value in options.parameters.items() if value is not None}
    options = replace(options, parameters={**kept, **given})
    parameters = _collect_parameters(options, settings)
    return Question(
        request=ChatRequest(
            target.model, context.messages, parameters, server=target.server, prefix=reply.text
        ),
        prompt=reply.prompt,
        system=reply.system,
        options=options,
        conversation=conversation,
        position=turn.position,
        turn=index + 1,
        attempt=turn.next_number,
        omitted_turns=context.omitted_turns,
        lost_images=context.lost_images,
        demo=target.demo,
        host=target.host,
        lookup=target.lookup,
        first_run=turn.first_run,
        chain=context.chain,
        prompt_parts=reply.prompt_parts,
        attached=reply.attached,
        cut=turn,
    )


def find_cut_turn(
    conversations: Conversations, chat: str, position: CellPosition, prompt: str = ""
) -> tuple[KernelConversation, Turn]:
    """Return the turn whose answer is to go on: that of the cell, or the last one of the conversation.

    Raises InputError where its answer is complete, or `prompt` is another question.
    """
    conversation = conversations[chat] if chat else conversations.in_use
    turn = conversation.turn_at(position) or next(iter(conversation.turns[-1:]), None)
    if turn is None:
        raise InputError(
            "there is no answer to go on with",
            why="the conversation has no turn yet, and what is asked outside of it is not kept in it",
            next_step=write_question(),
        )
    if prompt.strip() and prompt != turn.reply.prompt:
        raise InputError(
            "the question is not the one of the answer that was cut",
            next_step="ask for the rest of that one without a question, or ask this one anew",
        )
    if turn.reply.finish_reason not in _CUT:
        raise _explain_complete(conversations, conversation, turn)
    return conversation, turn


def _explain_complete(
    conversations: Conversations, conversation: KernelConversation, turn: Turn
) -> InputError:
    """Return the error for an answer that cannot go on; another conversation may end in one that can."""
    prompt = turn.reply.prompt
    shown = prompt if len(prompt) <= _LONGEST_QUOTED else f"{prompt[:_LONGEST_QUOTED]}…"
    cut = (each.name for each in conversations if each.turns and each.turns[-1].reply.finish_reason in _CUT)
    other = next((name for name in cut if name != conversation.name), "")
    return InputError(
        "the answer is complete",
        why=f"it is the one to {shown!r}, and ended by itself",
        next_step=go_on_in(other) if other else ask_for_more(),
    )


def _collect_parameters(options: Options, settings: Cnai) -> dict[str, ParameterValue]:
    """Return the parameters of a question; those that it leaves open are those of the settings."""
    every = {name: getattr(settings, name, None) for name in BY_NAME}
    lasting = {name: value for name, value in every.items() if value is not None}
    own = {name: value for name, value in options.parameters.items() if value is not None}
    if own.get("schema") is not None:
        own["schema"] = find_schema(own["schema"])
    own |= {"tools": {tool.name: tool.about for tool in options.tools}} if options.tools else {}
    return join_parameters(lasting, own) if own else lasting


def _choose_conversation(
    conversations: Conversations, options: Options, position: CellPosition
) -> KernelConversation:
    if options.new:
        # A cell that began a conversation and is run again asks its first question again.
        return conversations.find_begun_at(position, options.chat) or conversations.draft(options.chat)
    again = conversations.find_asked_again(position)
    if not options.chat:
        return again
    named = conversations.find(options.chat) or conversations.draft(options.chat)
    # The option moves a cell where it is new; a cell that always had it may be asked in a fork as others.
    turn = named.turn_at(position)
    return again if turn is not None and turn.attempt.chosen and again.is_fork_of(named) else named


def _choose_system(options: Options, system: str | None, settings: Cnai) -> str:
    texts = (options.system, system, settings.system, options.instructions)
    chosen = next(text for text in texts if text is not None)
    return chosen if chosen.isascii() else replace_surrogates(chosen)


def _read_prompt(prompt: str, attachments: Sequence[Attachment]) -> tuple[str, tuple[Part, ...]]:
    """Return the text of a question, and its parts where it is more than text."""
    prompt = check_prompt(prompt)
    return attach(prompt, attachments) if attachments else (prompt, ())


def check_prompt(prompt: object) -> str:
    """Return a prompt as it can be sent; raises InputError for what is no text, and for no words."""
    if not isinstance(prompt, str):
        kind = type(prompt).__name__
        raise InputError(f"the question is of type {kind}, not text", next_step="write it as str(…)")
    if not prompt.strip():
        raise InputError(
            "there is no question",
            next_step=write_question(),
        )
    return prompt if prompt.isascii() else replace_surrogates(prompt)
