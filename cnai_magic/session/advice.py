"""What to do about an error, fitted to the server that was asked and to what was sent.

What to do where nothing of them is known, each error says itself (`errors.py`); which error a status or a
server's own words are, `api/vendor_errors.py` decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from ..api.messages import ChatRequest
from ..api.parameters import BY_NAME, find_parameters
from ..api.vendor_spellings import NO_IMAGES, is_said
from ..errors import (
    AuthenticationError,
    CnaiError,
    ConnectionFailed,
    ContextLengthError,
    InvalidRequestError,
    ModelNotFoundError,
    QuotaError,
)
from ..nearest import find_nearest
from ..next_steps import (
    CHECK_ADDRESS,
    NextStep,
    Step,
    change_setting,
    either,
    list_models,
    new_conversation,
    omit_field,
    omit_parameter,
    set_key,
    set_local_key,
)
from .endpoint import Endpoint

__all__ = ["advise", "explain_model"]

# What an answer needs of the context, where nothing else is set: a quarter of it, so many tokens at most.
_ANSWER_TOKENS = 4096
# Estimates of tokens may be too low by this much.
_MARGIN = 0.8
_SEVERAL = 5


def advise(error: CnaiError, endpoint: Endpoint, request: ChatRequest | None = None) -> None:
    """Set the next step of the error that a request met; `request` is the question, if it was one."""
    error.next_step = _complete_address(error.next_step, endpoint)
    if request is not None and _refuses_images(error, request):
        error.what = f"{request.model} takes no images"
        error.next_step = _choose_model_for_images(request)
    elif isinstance(error, ContextLengthError) and request is not None:
        error.next_step = _send_less(error, request)
    elif isinstance(error, InvalidRequestError) and request is not None:
        named = [name for name in _find_refused(error, request) if name in _list_sent(request)]
        if named:
            error.next_step = _leave_out(named)
    elif isinstance(error, AuthenticationError):
        if endpoint.key is None and not endpoint.demo and error.status == 401:
            error.what = "the server asks for an API key, and none is set for it"
        error.next_step = _set_key(endpoint)
    elif isinstance(error, QuotaError) and endpoint.vendor is not None and endpoint.vendor.topup:
        error.next_step = NextStep.of(f"add credit at {endpoint.vendor.topup}, or use another key")
    elif isinstance(error, ConnectionFailed) and endpoint.key is None and _asks_for_key(endpoint):
        # Else the missing key would be the next surprise once the network is back.
        error.next_step += "; a key is missing too: " + _set_key(endpoint)


def _asks_for_key(endpoint: Endpoint) -> bool:
    """Return whether the server is a vendor that asks nobody without a key."""
    return endpoint.vendor is not None and bool(endpoint.vendor.keys) and not endpoint.loopback


def _refuses_images(error: CnaiError, request: ChatRequest) -> bool:
    sent = any(message.images for message in request.messages)
    return sent and isinstance(error, InvalidRequestError) and is_said(NO_IMAGES, error.why)


def _choose_model_for_images(request: ChatRequest) -> NextStep:
    """Return what to do where a model takes no images: those of earlier turns are sent with each question."""
    other = NextStep.of("ask a model that takes them: ") + list_models()
    if request.messages[-1].images:
        return NextStep.of(either("leave the image out", other))
    return NextStep.of("an earlier turn has an image: ") + either(new_conversation(), other)


def explain_model(
    error: ModelNotFoundError, endpoint: Endpoint, model: str, listed: Sequence[str]
) -> CnaiError:
    """Return the error about a model with what the server has; where it lists that one, in its own words."""
    if model in listed:
        later = "the server lists it, but does not give it now: ask again later, or for another model: "
        error.next_step = later + list_models()
        return error
    why = "" if error.why.startswith("HTTP") else f" ({error.why})"
    near = find_nearest(model, listed)
    if near:
        # A server that names it too need not be quoted.
        why = f"did you mean {near[0]}?{'' if near[0] in why else why}"
    elif listed:
        why = f"there are {', '.join(listed[:_SEVERAL])}{' and others' * (len(listed) > _SEVERAL)}{why}"
    step: NextStep = "ask for another: " + list_models()
    if endpoint.vendor is not None and endpoint.vendor.name == "ollama":
        step = f"get it with ollama pull {model}, or " + step
    return ModelNotFoundError(
        f"the server has no model {model!r}",
        why=why.strip(),
        next_step=step,
        request_id=error.request_id,
        status=error.status,
        code=error.code,
    )


def _complete_address(step: NextStep, endpoint: Endpoint) -> NextStep:
    """Name the address to try instead of one without a path, where the step is to check the address."""
    count = len(CHECK_ADDRESS.parts)
    if step.parts[:count] != CHECK_ADDRESS.parts or endpoint.demo or urlsplit(endpoint.base_url).path:
        return step
    tried = "try the address with /v1: " + change_setting("base_url", f"{endpoint.base_url}/v1")
    return tried + NextStep(step.parts[count:])


def _set_key(endpoint: Endpoint) -> NextStep:
    vendor = endpoint.vendor
    step: Step = set_key()
    if vendor is not None and vendor.keys:
        step = set_key(vendor.keys[0])
    elif endpoint.loopback:
        step = set_local_key(endpoint.base_url)
    console = f"; keys are made at {vendor.console}" if vendor is not None and vendor.console else ""
    return step + console


# -- a parameter ----------------------------------------------------------------------------------


def _list_sent(request: ChatRequest) -> list[str]:
    system = ["system"] if request.messages[0].role == "system" else []
    return [*request.parameters, *request.extra, *system]


def _find_refused(error: InvalidRequestError, request: ChatRequest) -> list[str]:
    """Return the parameters and fields that the words of an error name, by our names."""
    words = f"{error.why} {error.code}".lower()
    system = ["system"] if "system" in words or "developer" in words else []
    fields = [name for name in request.extra if name.lower() in words]
    return list(dict.fromkeys([*find_parameters(words), *fields, *system]))


def _leave_out(names: Sequence[str]) -> NextStep:
    step: NextStep = NextStep()
    for name in names:
        step += (" and " if step else "leave out ") + NextStep.of(_omit(name))
    return step


def _omit(name: str) -> Step:
    return omit_parameter(name) if name in BY_NAME or name == "system" else omit_field(name)


# -- the context ----------------------------------------------------------------------------------


def _send_less(error: ContextLengthError, request: ChatRequest) -> NextStep:
    system = request.messages[0].role == "system"
    if len(request.messages) - system <= 1:
        shorten = "shorten the question" + " or the system message" * system
        return NextStep.of(f"{shorten}: no earlier turn was sent, so a smaller history_tokens does not help")
    fitting = _find_fitting_history(error.limit, request)
    fewer = change_setting("history_tokens", fitting) if fitting else "a shorter question"
    return NextStep.of(either(new_conversation(), NextStep.of("send less of this one: ") + fewer))


def _find_fitting_history(limit: int | None, request: ChatRequest) -> int:
    """Return how many tokens of earlier turns fit with the question, rounded down; 0 where none do.

    Where the server does not say what it takes, half of what was sent is a start.
    """
    sizes = [message.tokens for message in request.messages]
    own = sizes[-1] + (sizes[0] if request.messages[0].role == "system" else 0)
    history = sum(sizes) - own
    if limit is None:
        fitting = history // 2
    else:
        answer = request.max_tokens or min(_ANSWER_TOKENS, limit // 4)
        fitting = min(int((limit - answer) * _MARGIN) - own, int(history * _MARGIN))
    digits = int(10 ** max(0, len(str(fitting)) - 2))
    return max(0, fitting // digits * digits)
