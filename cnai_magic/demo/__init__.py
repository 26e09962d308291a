"""The demo models of the gateway: offline, free, deterministic, and not LLMs.

`MODELS` are their IDs, `check` refuses what a model cannot do, `answer` asks it. All five are listed;
demo-faults answers with the faults of a real server and so stands beside the HTTP routes, in
`gateway.faults`.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice

from ..api.messages import Chunk
from ..api.model_facts import Model
from ..errors import ModelNotFoundError
from . import echo, guide, ngram, reasoner
from .delivery import deliver, go_on
from .guide_question import GuideQuestion
from .images import DemoImage
from .model import DemoModel
from .request import DemoMessage, DemoRequest
from .tokenizer import count_tokens, iterate_tokens, tokenize
from .tool_call import call_tools

__all__ = [
    "MODELS",
    "DemoImage",
    "DemoMessage",
    "DemoRequest",
    "answer",
    "check",
    "count_tokens",
    "deliver",
    "shows_request",
    "tokenize",
]


def _answer_as_guide(request: DemoRequest) -> Iterator[Chunk]:
    question = GuideQuestion.of(request)
    calls = call_tools(request, question)
    return map(Chunk, iterate_tokens(guide.reply(question).text)) if calls is None else calls


def _answer_as_ngram(request: DemoRequest) -> Iterator[Chunk]:
    return ngram.generate(request)


def _answer_as_echo(request: DemoRequest) -> Iterator[Chunk]:
    return map(Chunk, iterate_tokens(echo.show(request)))


def _answer_as_reasoner(request: DemoRequest) -> Iterator[Chunk]:
    question = GuideQuestion.of(request)
    reply = guide.reply(question)
    thoughts = "" if request.effort == "none" else reasoner.think(question, reply, request.effort)
    return chain(
        (Chunk(reasoning=token) for token in islice(iterate_tokens(thoughts), request.thinking_budget)),
        map(Chunk, iterate_tokens(reply.text)),
    )


def _refuse_faults(request: DemoRequest) -> Iterator[Chunk]:
    raise _explain_unknown(request.model)


_DEMO_MODELS = {
    model.name: model
    for model in (
        DemoModel("demo-guide", _answer_as_guide, json=True, schemas=True, images=True, tools=True),
        DemoModel(
            "demo-ngram",
            _answer_as_ngram,
            probabilities=True,
            default_max_tokens=ngram.DEFAULT_MAX_TOKENS,
        ),
        DemoModel("demo-echo", _answer_as_echo, json=True, images=True, shows_request=True),
        DemoModel("demo-reasoner", _answer_as_reasoner, json=True, images=True, reasons=True),
        DemoModel("demo-faults", _refuse_faults),
    )
}

MODELS: tuple[Model, ...] = tuple(Model(each.name, "demo", each.facts) for each in _DEMO_MODELS.values())


def shows_request(name: str) -> bool:
    """Tell whether the answers of a model show the request, so that it needs its body."""
    return name in _DEMO_MODELS and _DEMO_MODELS[name].shows_request


def check(request: DemoRequest) -> None:
    """Raise InputError, which names the field, for what the model of `request` cannot do."""
    model = _DEMO_MODELS.get(request.model)
    if model is None:
        raise _explain_unknown(request.model)
    model.check(request)


def answer(request: DemoRequest, prompt_tokens: int | None = None) -> Iterator[Chunk]:
    """Answer `request` token by token; the last chunk has the finish reason and the usage, and no text.

    Every other chunk is one token, of the text or of the reasoning. `prompt_tokens` are those of the
    messages, where they are counted already. Raises ModelNotFoundError, at once, where the model is not
    answered here.
    """
    model = _DEMO_MODELS.get(request.model)
    if model is None or model.write is _refuse_faults:
        raise _explain_unknown(request.model)
    return _write(request, model, request.prompt_tokens if prompt_tokens is None else prompt_tokens)


def _write(request: DemoRequest, model: DemoModel, prompt_tokens: int) -> Iterator[Chunk]:
    limit = model.default_max_tokens if request.max_tokens is None else request.max_tokens
    written = go_on(model.write(request), request.prefix)
    chunks = deliver(written, max_tokens=limit, stop=request.stop, prompt_tokens=prompt_tokens)
    # A large prompt is not kept for as long as its answer is read.
    del request
    yield from chunks


def _explain_unknown(name: str) -> ModelNotFoundError:
    return ModelNotFoundError(
        f"{name!r} is not a demo model that can be asked here", status=404, code="model_not_found"
    )
