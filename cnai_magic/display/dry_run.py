"""What `--dry-run` shows: the messages that would be sent, as a person reads them, and their cost."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence

from ..api.image_data import from_data_url
from ..api.messages import Message
from ..api.tokens import estimate_tokens
from ..chat.prompts.rendered_prompt import Piece, RenderedPrompt
from ..languages import translate
from ..money.cost import Cost, write_sum
from ..redaction import clean, to_one_line
from ..session.question import Question

__all__ = ["describe_body", "describe_context", "describe_judge", "describe_question", "describe_ways"]

# Of messages before the question, and of what is sent with it, this much is shown.
_LINES, _CHARACTERS = 6, 600
_LONGEST_SOURCE = 40
_LONGEST_VALUE = 60
# Fields that the head of a dry run says in words.
_SAID = ("model", "messages", "stream", "stream_options", "tools")


def describe_body(question: Question) -> str:
    """Return the body of the request as JSON, and what it would cost."""
    body = json.dumps(_shorten_images(_build_body(question)), ensure_ascii=False, indent=2)
    return f"{clean(body)}\n{_describe_cost(question)}"


def describe_question(question: Question, rendered: RenderedPrompt) -> str:
    """Return who is asked, each message, what became of braces, what is left out, and the cost."""
    return _join([_describe_head(question)], question, rendered, _describe_cost(question))


def describe_ways(
    ways: Sequence[tuple[Question, int]], rendered: RenderedPrompt, judging: Sequence[Question]
) -> str:
    """Return each way in which a question is asked, with its number of answers; the messages, and the sums.

    The messages are those of the first way. `judging` is what a judge is asked then.
    """
    heads, tokens, answers = [], 0, 0
    costs, most = [], []
    for question, times in ways:
        usage, cost, _ = question.estimate(0)
        answers += times
        tokens += usage.prompt_tokens * times
        costs += [(cost, question.demo)] * times
        longest = question.request.max_tokens
        most += [(question.estimate(longest)[1], question.demo)] * times if longest else []
        several = translate(f"{times} times") if times > 1 else ""
        money = _describe_money(question, cost)
        heads.append(" · ".join(filter(None, [_describe_head(question), several, translate(money)])))
    facts = [
        f"{answers} answer{'s' * (answers != 1)}",
        f"≈{tokens:,} prompt tokens",
        write_sum(costs),
        f"at most {write_sum(most)} with the longest answers" if len(most) == answers else "",
        _describe_judging(judging, limited=len(most) == answers),
        "nothing was sent",
    ]
    return _join(heads, ways[0][0], rendered, " · ".join(translate(each) for each in facts if each))


def _describe_judging(judging: Sequence[Question], *, limited: bool) -> str:
    if not judging:
        return ""
    costs = ((each.estimate(each.request.max_tokens or 0)[1], each.demo) for each in judging)
    return describe_judge(judging[0].request.model, write_sum(costs), limited=limited)


def describe_judge(model: str, cost: str, *, limited: bool) -> str:
    """Say who judges the answers, and what that costs; `limited`: with the longest answers that may come."""
    longest = "with the longest answers" if limited else "without the answers"
    return f"{to_one_line(model)} judges each answer: {cost} {longest}"


def describe_context(question: Question) -> list[str]:
    """Return what is sent before the words of a question: the system message, files; each as some lines."""
    sections = [*_describe_history(question), *_describe_attachments(question)]
    return ["\n".join(lines) for lines in sections]


def _join(heads: list[str], question: Question, rendered: RenderedPrompt, cost: str) -> str:
    sections = [
        heads,
        *_describe_history(question),
        *_describe_attachments(question),
        *_describe_end(question),
        _describe_pieces("replaced", rendered.replaced),
        _describe_pieces("sent as text", rendered.kept),
        list(_describe_omitted(question)),
        [cost],
    ]
    return "\n\n".join("\n".join(lines) for lines in sections if lines)


def _build_body(question: Question) -> dict[str, object]:
    stream = question.options.stream
    return question.request.body(stream=stream, include_usage=stream)


def _shorten_images(value: object) -> object:
    """Return a body with the size of each image in place of its data, which a notebook must not hold."""
    if isinstance(value, dict):
        return {name: _shorten_images(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_shorten_images(each) for each in value]
    data = from_data_url(value) if isinstance(value, str) and value.startswith("data:image/") else None
    if data is None:
        return value
    assert isinstance(value, str)
    return f"{value.partition(',')[0]},… ({len(data):,} bytes)"


def _describe_head(question: Question) -> str:
    place = (
        "outside of any conversation"
        if question.options.once
        else f"conversation {question.conversation.name}, turn {question.turn}"
    )
    fields = [
        f"{name} {json.dumps(value, ensure_ascii=False)}"
        for name, value in _build_body(question).items()
        if name not in _SAID
    ]
    if tools := question.options.tools:
        fields.append(f"tools {', '.join(tool.name for tool in tools)}")
    asked = [question.request.model, *([question.host] if question.host else []), place]
    ordered_by = [question.ordered_by] if question.ordered_by and not question.options.once else []
    parts = [*asked, *ordered_by, *fields, *([] if question.options.stream else ["not streamed"])]
    return to_one_line(" · ".join(map(translate, parts)))


def _describe_history(question: Question) -> Iterator[list[str]]:
    """Yield the messages before the question; a turn begins with each message of the user."""
    messages = question.request.messages
    turn = question.omitted_turns
    for message in messages[: _find_question(messages)]:
        turn += message.role == "user"
        where = f", turn {turn}" if message.role not in ("system", "developer") else ""
        if message.role == "assistant" and turn in question.with_former:
            where += ", its former answer"
        yield _describe_message(message, where, _shorten(message.text))


def _describe_attachments(question: Question) -> Iterator[list[str]]:
    """Yield what is sent before the words of the question."""
    for each in question.options.attachments:
        yield [translate(f"with the question: {to_one_line(each.label)}"), *_indent(_shorten(each.part.text))]


def _describe_end(question: Question) -> Iterator[list[str]]:
    """Yield the question, and what is sent after it."""
    asked = _find_question(question.request.messages)
    for number, message in enumerate(question.request.sent_messages[asked:]):
        text = message.text
        for each in question.options.attachments if number == 0 else ():
            text = text.removeprefix(each.part.text).lstrip("\n")
        yield _describe_message(message, ", the question" if number == 0 else "", text)


def _find_question(messages: tuple[Message, ...]) -> int:
    return max(number for number, message in enumerate(messages) if message.role == "user")


def _describe_message(message: Message, where: str, text: str) -> list[str]:
    return [f"{translate(message.role + where)} · {_count_tokens(message.tokens)}", *_indent(text)]


def _indent(text: str) -> list[str]:
    return ["    " + line if line else "" for line in clean(text).split("\n")]


def _shorten(text: str) -> str:
    """Return the beginning of a text, and how much more there is."""
    lines = text.split("\n")
    kept = "\n".join(lines[:_LINES])
    if len(kept) > _CHARACTERS:
        left = len(text) - _CHARACTERS
        more = translate(f"… {left:,} more character{'s' * (left > 1)}")
        return f"{kept[:_CHARACTERS]}…\n{more}"
    left = len(lines) - _LINES
    return f"{kept}\n{translate(f'… {left:,} more line' + 's' * (left > 1))}" if left > 0 else kept


def _describe_pieces(what: str, pieces: Iterable[Piece]) -> list[str]:
    """Return a line for each pair of braces: as it was typed, and what became of it."""
    lines = []
    for piece in pieces:
        source = to_one_line(piece.source)
        source = source if len(source) <= _LONGEST_SOURCE else source[: _LONGEST_SOURCE - 1] + "…"
        lines.append(f"    {source}  {_describe_piece(piece)}")
    return [translate(what), *lines] if lines else []


def _describe_piece(piece: Piece) -> str:
    shown = piece.shown
    if shown is None:
        return to_one_line(translate(piece.note))
    value = to_one_line(shown.text)
    value = value if len(value) <= _LONGEST_VALUE else f"{value[:_LONGEST_VALUE]}…"
    facts = [
        translate(shown.note) or value or translate("an empty text"),
        _count_tokens(estimate_tokens(shown.text)),
    ]
    if shown.cut:
        what = f": {shown.cut}" * (shown.cut != shown.note)
        facts.append(translate(f"cut at Cnai.value_tokens{what}"))
    if shown.masked:
        facts.append(translate(f"{shown.masked} secret{'s' * (shown.masked > 1)} masked"))
    return to_one_line(" · ".join(facts))


def _count_tokens(number: int) -> str:
    return f"≈{number:,} token{'s' * (number != 1)}"


def _describe_omitted(question: Question) -> Iterator[str]:
    if question.omitted_turns:
        turns = f"turn{'s' * (question.omitted_turns > 1)}"
        yield translate(f"left out: the {question.omitted_turns} oldest {turns} (Cnai.history_tokens)")
    if count := question.cleared_turns:
        yield translate(f"{count} turn{'s' * (count > 1)} above not sent, no output shown")
    if count := question.unknown_cells:
        yield translate(f"{count} cell{'s' * (count > 1)} above not sent, not run or restored in this kernel")


def _describe_cost(question: Question) -> str:
    """Return the estimated tokens and cost of the prompt, and of the longest answer where it is limited."""
    usage, cost, _ = question.estimate(0)
    facts = [f"≈{usage.prompt_tokens:,} prompt tokens", _describe_money(question, cost)]
    longest = question.request.max_tokens
    if longest and cost.nano:
        _, most, _ = question.estimate(longest)
        facts.append(f"at most {_describe_money(question, most)} with an answer of {longest:,} tokens")
    return " · ".join(map(translate, [*facts, "nothing was sent"]))


def _describe_money(question: Question, cost: Cost) -> str:
    return cost.write(demo=question.demo)
