"""The errors of this package, one tree.

Each carries facts; the words of what to do next belong to the door at which it is read (see next_steps).

CnaiError                      what happened, why, the next step, the request ID
├── InputError                 the input cannot be used; nothing was sent
├── BudgetError                the question does not fit the budget; nothing was sent
├── LedgerError                the ledger of costs cannot be read or written
├── ReplayError                the notebook has no answer to exactly this request
├── ExpectationError           fewer answers than wanted are as they were expected
├── JSONAnswerError            the answer is not the JSON that was asked for; it was charged, its text is kept
│   └── JSONCutError           the answer ended before its JSON did
├── APIError                   the server answered with an error
│   ├── AuthenticationError    the key is missing, wrong or not allowed to do this (401, 403)
│   ├── QuotaError             no credit is left (402 and its other spellings); never retried
│   ├── RateLimitError         too many requests (429)
│   ├── InvalidRequestError    the server refuses the request (400, 422)
│   │   └── ContextLengthError  the request is longer than the model accepts (400, 413)
│   ├── ModelNotFoundError     the server does not serve this model (404, 503)
│   ├── ContentFilterError     prompt or answer was stopped by the provider's filter
│   └── ServerError            the server failed (5xx)
├── NetworkError               the answer did not arrive, or not completely
│   ├── ConnectionFailed       no connection was made, or it broke before the first token
│   ├── ResponseTimeout        nothing arrived for longer than the timeout
│   ├── RedirectRefused        the server sent the request, and so the key, elsewhere
│   └── TruncatedError         the connection ended before the answer did
└── ProtocolError              what arrived is not an answer of this API
    ├── HTMLError              a web page
    ├── GarbageError           neither JSON nor a stream of events
    ├── NotAStreamError        JSON without an answer in place of a stream
    └── EventTooLargeError     one event of the stream is larger than the limit
"""

from __future__ import annotations

from .languages import translate
from .next_steps import (
    CHECK_ADDRESS,
    Door,
    NextStep,
    Step,
    change_setting,
    clean_line,
    either,
    list_models,
    raise_budget,
    see_request,
    see_spend,
    send_less,
    set_key,
)
from .python_words import PYTHON

__all__ = [
    "APIError",
    "AuthenticationError",
    "BudgetError",
    "CnaiError",
    "ConnectionFailed",
    "ContentFilterError",
    "ContextLengthError",
    "EventTooLargeError",
    "ExpectationError",
    "GarbageError",
    "HTMLError",
    "InputError",
    "InvalidRequestError",
    "JSONAnswerError",
    "JSONCutError",
    "LedgerError",
    "ModelNotFoundError",
    "NetworkError",
    "NotAStreamError",
    "ProtocolError",
    "QuotaError",
    "RateLimitError",
    "RedirectRefused",
    "ReplayError",
    "ResponseTimeout",
    "ServerError",
    "TruncatedError",
]


class CnaiError(Exception):
    """Base of every error of this package: catch this one to catch them all.

    `what` happened, `why` (often the server's own words), the `next_step` and the server's `request_id`; what
    is shown of them has no keys and no control sequences. `door` is where the error is read, and so has the
    words of the next step. `str(error)` is the same in one line: a notebook keeps it beside what it shows.
    """

    retryable = False
    default_next_step: str | Step | NextStep = ""
    door: Door = PYTHON

    def __init__(
        self, what: str, *, why: str = "", next_step: str | Step | NextStep = "", request_id: str = ""
    ) -> None:
        self.what = clean_line(what)
        self.why = clean_line(why)
        self.next_step = NextStep.of(next_step or self.default_next_step)
        self.request_id = clean_line(request_id)
        super().__init__(self.what)

    def lines(self, door: Door | None = None) -> list[str]:
        """Return the error as the three or four lines that a person reads, at `door` where it is given."""
        next_step = self.next_step.at(door or self.door)
        named = [("why", translate(self.why)), ("next", next_step), ("request", self.request_id)]
        return [
            f"{type(self).__name__}: {translate(self.what)}",
            *(f"  {translate(name)}: {text}" for name, text in named if text),
        ]

    def __str__(self) -> str:
        said = (translate(self.what), translate(self.why), self.next_step.at(self.door))
        return "; ".join(filter(None, said)).replace("?; ", "? ")

    def __reduce__(self) -> tuple[object, ...]:
        # The words of a door are functions: in another process the error has its next step as text.
        facts = {**self.__dict__, "next_step": NextStep.of(self.next_step.at(self.door))}
        facts.pop("door", None)
        return type(self), (self.what,), facts

    def _render_traceback_(self) -> list[str]:
        """IPython's hook: these lines are shown in place of a traceback, and the cell still fails."""
        return self.lines()


class InputError(CnaiError):
    """The input cannot be used; `parameter` names the field of the API reference, if one is at fault."""

    default_next_step = "nothing was sent: correct it and ask again"

    def __init__(
        self, what: str, *, parameter: str = "", why: str = "", next_step: str | Step | NextStep = ""
    ) -> None:
        super().__init__(what, why=why, next_step=next_step)
        self.parameter = parameter


class BudgetError(CnaiError):
    """The question, or its answer, does not fit the budget, or has to be confirmed; nothing was sent.

    `needed` is the least that it may cost, in nano-USD.
    """

    default_next_step = either(see_spend(), raise_budget())

    def __init__(
        self, what: str, *, why: str = "", next_step: str | Step | NextStep = "", needed: int = 0
    ) -> None:
        super().__init__(what, why=why, next_step=next_step)
        self.needed = needed


class LedgerError(CnaiError):
    """The ledger of all notebooks' costs cannot be read or written; `locked`: another program holds it."""

    default_next_step = "choose another file, or none: " + change_setting("ledger", "PATH") + ' or "off"'
    locked = False


class ReplayError(CnaiError):
    """Answers are replayed, and the notebook has none to exactly this request; nothing was sent."""

    default_next_step = "ask the server: " + change_setting("replay", False) + ", and ask again"


class ExpectationError(CnaiError):
    """Fewer answers than wanted are as they were expected."""

    default_next_step = "look at those that are not, and change the prompt, or what is expected"


class JSONAnswerError(CnaiError):
    """The answer is not the JSON that was asked for, and a request to correct it did not help.

    `text` is the answer as it came. It was charged, and is not part of the conversation.
    """

    default_next_step: str | Step | NextStep = (
        "ask in other words, for fewer or simpler fields, or ask another model"
    )

    def __init__(
        self, what: str, *, why: str = "", next_step: str | Step | NextStep = "", text: str = ""
    ) -> None:
        super().__init__(what, why=why, next_step=next_step)
        self.text = text


class JSONCutError(JSONAnswerError):
    """The answer reached a limit of its length before its JSON ended."""

    default_next_step = "ask for less, or for a longer answer"


class APIError(CnaiError):
    """The server answered with an error: `status` (HTTP) and the server's own `code`.

    `retry_after` is the wait in seconds that the server asks for, None where it does not.
    """

    retry_after: float | None = None

    def __init__(
        self,
        what: str,
        *,
        why: str = "",
        next_step: str | Step | NextStep = "",
        request_id: str = "",
        status: int = 0,
        code: str = "",
    ) -> None:
        super().__init__(what, why=why, next_step=next_step, request_id=request_id)
        self.status = status
        self.code = clean_line(code)


class AuthenticationError(APIError):
    """The key is missing, wrong, expired, or not allowed to do this (401, 403)."""

    default_next_step = set_key()


class QuotaError(APIError):
    """No credit is left (402, and the other spellings of it); never retried."""

    default_next_step = "add credit on the website of the server that you ask, or use another key"


class RateLimitError(APIError):
    """Too many requests (429)."""

    retryable = True
    default_next_step = "wait a little and ask again"


class InvalidRequestError(APIError):
    """The server refuses the request as it stands (400, 422)."""

    default_next_step: str | Step | NextStep = see_request()


class ContextLengthError(InvalidRequestError):
    """The request is longer than the model accepts: `limit` tokens, None where the server does not say."""

    default_next_step = send_less()
    limit: int | None = None


class ModelNotFoundError(APIError):
    """The server does not serve this model to this key (404, or 503 in the one-api family)."""

    default_next_step = "ask for another model: " + list_models()


class ContentFilterError(APIError):
    """The provider's content filter stopped the prompt or the answer."""

    default_next_step = "reword the prompt, or ask another model"


class ServerError(APIError):
    """The server failed (5xx), or reported a failure that fits no other class."""

    retryable = True
    default_next_step = "ask again in a moment; if it fails again, report it to the operator of the server"


class NetworkError(CnaiError):
    """The answer did not arrive, or not completely."""


class ConnectionFailed(NetworkError):
    """No connection was made, or it broke before the first token."""

    retryable = True
    default_next_step = "check the network, and the address: " + change_setting("base_url", "https://HOST/v1")


class ResponseTimeout(NetworkError):
    """Nothing arrived for longer than the timeout."""

    default_next_step = "ask again, or wait longer: " + change_setting("timeout", 300)


class RedirectRefused(NetworkError):
    """The server redirects; to follow would hand the key to another address."""

    default_next_step = "set the final address yourself: " + change_setting("base_url", "https://HOST/v1")


class TruncatedError(NetworkError):
    """The connection ended before the answer did."""

    default_next_step = "ask again"


class ProtocolError(CnaiError):
    """What arrived is not an answer of this API."""

    default_next_step = CHECK_ADDRESS


class HTMLError(ProtocolError):
    """A web page arrived in place of an answer."""

    default_next_step = CHECK_ADDRESS + "; where the page is a login, log in to the network first"


class GarbageError(ProtocolError):
    """What arrived is neither JSON nor a stream of events."""


class NotAStreamError(ProtocolError):
    """JSON without an answer arrived in place of a stream."""


class EventTooLargeError(ProtocolError):
    """One event of the stream is larger than the limit, so reading was stopped."""

    default_next_step = "ask for a shorter answer: " + change_setting("max_tokens", 2000)
