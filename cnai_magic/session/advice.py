"""What to do about an error, fitted to the server that was asked and to what was sent."""

from __future__ import annotations

from collections.abc import Sequence

from ..api.messages import ChatRequest
from ..api.parameters import PARAMETERS, find_parameters
from ..errors import (
    LIST_MODELS,
    SET_KEY,
    AuthenticationError,
    CnaiError,
    ContextLengthError,
    InvalidRequestError,
    ModelNotFoundError,
    NextStep,
    QuotaError,
    setting,
)
from ..nearest import nearest
from .endpoint import Endpoint

__all__ = ["advise", "explain_model"]

# What an answer needs of the context, where nothing else is set: a quarter of it, so many tokens at most.
_ANSWER_TOKENS = 4096
# Estimates of tokens may be too low by this much.
_MARGIN = 0.8
_SEVERAL = 5
# What can be left out of a request, with its option.
_OPTIONS = {**{each.name: each.option for each in PARAMETERS}, "system": "--system"}


def advise(error: CnaiError, endpoint: Endpoint, request: ChatRequest | None = None) -> None:
    """Set the next step of the error that a request met; `request` is the question, if it was one."""
    if isinstance(error, ContextLengthError) and request is not None:
        error.next_step = _send_less(error, request)
    elif isinstance(error, InvalidRequestError) and request is not None:
        named = [name for name in _refused(error) if name in _sent(request)]
        if named:
            error.next_step = _leave_out(named)
    elif isinstance(error, AuthenticationError):
        if endpoint.key is None and not endpoint.demo and error.status == 401:
            error.what = "the server asks for an API key, and none is set for it"
        error.next_step = _set_key(endpoint)
    elif isinstance(error, QuotaError) and endpoint.vendor is not None and endpoint.vendor.topup:
        error.next_step = NextStep.of(f"add credit at {endpoint.vendor.topup}, or use another key")


def explain_model(
    error: ModelNotFoundError, endpoint: Endpoint, model: str, listed: Sequence[str]
) -> CnaiError:
    """Return the error about a model with what the server has; where it lists that one, in its own words."""
    if model in listed:
        later = "the server lists it, but does not give it now: ask again later, or for another model: "
        error.next_step = later + LIST_MODELS
        return error
    why = "" if error.why.startswith("HTTP") else f" ({error.why})"
    near = nearest(model, listed)
    if near:
        # A server that names it too need not be quoted.
        why = f"did you mean {near[0]}?{'' if near[0] in why else why}"
    elif listed:
        why = f"there are {', '.join(listed[:_SEVERAL])}{' and others' * (len(listed) > _SEVERAL)}{why}"
    step: NextStep = "ask for another: " + LIST_MODELS
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


def _set_key(endpoint: Endpoint) -> NextStep:
    vendor = endpoint.vendor
    step = SET_KEY
    if vendor is not None and vendor.keys:
        variable = vendor.keys[0]
        step = NextStep(
            cell=f"set a key with %cnai_key, or the variable {variable}",
            terminal=f"set the variable {variable}",
            python=f"set the variable {variable}, or call Session.use_key",
        )
    elif endpoint.loopback:
        step = NextStep(
            cell="set the key of this server with %cnai_key",
            terminal=f"set CNAI_API_KEY beside CNAI_BASE_URL={endpoint.base_url}",
            python="set the key of this server with Session.use_key",
        )
    return step + f"; keys are made at {vendor.console}" if vendor is not None and vendor.console else step


# -- a parameter ----------------------------------------------------------------------------------


def _sent(request: ChatRequest) -> list[str]:
    system = ["system"] if request.messages[0].role == "system" else []
    return [*request.parameters, *system]


def _refused(error: InvalidRequestError) -> list[str]:
    """Return the parameters that the words of an error name, by our names."""
    words = f"{error.why} {error.code}".lower()
    system = ["system"] if "system" in words or "developer" in words else []
    return list(dict.fromkeys([*find_parameters(words), *system]))


def _leave_out(names: Sequence[str]) -> NextStep:
    steps = [
        NextStep(
            cell=f"{_OPTIONS[name]} (%config Cnai.{name} = None where it is set)",
            terminal=f"{_OPTIONS[name]} (or CNAI_{name.upper()}, where that is set)",
            python=f"{name} (in ask or in Session)",
        )
        for name in names
    ]
    step = "leave out " + steps[0]
    for more in steps[1:]:
        step = step + " and " + more
    return step


# -- the context ----------------------------------------------------------------------------------


def _send_less(error: ContextLengthError, request: ChatRequest) -> NextStep:
    system = request.messages[0].role == "system"
    if len(request.messages) - system <= 1:
        shorten = "shorten the question" + " or the system message" * system
        return NextStep.of(f"{shorten}: no earlier turn was sent, so a smaller history_tokens does not help")
    new = NextStep(cell="begin a new conversation with %%cnai --new", python="begin anew: ask(…, new=True)")
    fitting = _history_that_fits(error.limit, request)
    fewer = setting("history_tokens", fitting) if fitting else "a shorter question"
    return new + ", or send less of this one: " + fewer


def _history_that_fits(limit: int | None, request: ChatRequest) -> int:
    """Return how many tokens of earlier turns fit beside the question, rounded down; 0 where none do.

    Where the server does not tell what it takes, half of what was sent is a start.
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
