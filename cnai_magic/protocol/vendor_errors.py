"""Which error a server meant: the spellings of ten vendors and the one-api family, in one table.

Servers report a failure with any HTTP status, 200 included, and in half a dozen shapes. `find_error`
looks for one in a JSON body, `error_from_response` always finds one. Nothing here does I/O.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from ..errors import (
    CHECK_ADDRESS,
    SEND_LESS,
    APIError,
    AuthenticationError,
    ContentFilterError,
    InvalidRequestError,
    ModelNotFoundError,
    NextStep,
    QuotaError,
    RateLimitError,
    ServerError,
)
from ..safety import redact, strip_controls

__all__ = ["error_from_response", "excerpt", "find_error", "quoted"]


class _Report(NamedTuple):
    """What a body says of a failure, whatever its shape."""

    message: str
    code: str = ""
    kind: str = ""
    vendor: str = ""


_SUMMARY: dict[type[APIError], str] = {
    AuthenticationError: "the server does not accept the API key",
    QuotaError: "no credit is left for this request",
    RateLimitError: "too many requests",
    InvalidRequestError: "the server refuses the request",
    ModelNotFoundError: "the server does not serve this model",
    ContentFilterError: "the provider's content filter stopped this",
    ServerError: "the server failed",
}

# (vendor or "" for any, pattern of "code kind", class); the first match counts.
_CODES: tuple[tuple[str, re.Pattern[str], type[APIError]], ...] = tuple(
    (vendor, re.compile(pattern, re.IGNORECASE), kind)
    for vendor, pattern, kind in (
        ("minimax", r"^1008\b", QuotaError),
        ("minimax", r"^(1002|1039|1041|2045)\b", RateLimitError),
        ("minimax", r"^(1004|2049)\b", AuthenticationError),
        ("minimax", r"^(1026|1027)\b", ContentFilterError),
        ("minimax", r"^(2013|1042)\b", InvalidRequestError),
        ("baidu", r"^(18|4|336501|336502|336503|336504|336505)\b", RateLimitError),
        ("baidu", r"^(17|19)\b", QuotaError),
        ("baidu", r"^(6|13|14|15|100|110|111)\b", AuthenticationError),
        ("baidu", r"^(336003|336006|336007|336103|336104)\b", InvalidRequestError),
        ("", r"^(1113)\b", QuotaError),
        ("", r"^(1000|1001|1002|1003|1004)\b.*\b(401|authentication)", AuthenticationError),
        ("", r"^(1302|1303|1305)\b", RateLimitError),
        ("", r"^(1211)\b", ModelNotFoundError),
        ("", r"^(1301)\b", ContentFilterError),
        (
            "",
            r"insufficient_(user_)?quota|pre_consume_token_quota_failed|insufficient_balance|exceeded_current_quota"
            r"|Arrearage|AccountOverdue|token_quota|billing_not_active",
            QuotaError,
        ),
        ("", r"model_not_found|InvalidEndpointOrModel|ModelNotFound|model_not_supported", ModelNotFoundError),
        ("", r"data_?inspection_?failed|content_filter|SensitiveContent|content_policy", ContentFilterError),
        ("", r"rate_limit|RateLimit|Throttling|too_many_requests|engine_overloaded", RateLimitError),
        (
            "",
            r"invalid_api_key|InvalidApiKey|authentication_error|AuthenticationError|unauthorized",
            AuthenticationError,
        ),
        ("", r"invalid_request|InvalidParameter|invalid_parameter|BadRequest", InvalidRequestError),
    )
)

_WORDS: tuple[tuple[re.Pattern[str], type[APIError]], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), kind)
    for pattern, kind in (
        (
            r"额度|余额|欠费|insufficient (account )?(balance|quota|credit|funds)|account balance is",
            QuotaError,
        ),
        (
            r"无可用渠道|no available channel|model .{0,80}(does not exist|not found|not exist)|模型不存在"
            r"|not found the model",
            ModelNotFoundError,
        ),
    )
)

_STATUSES: dict[int, type[APIError]] = {
    400: InvalidRequestError,
    401: AuthenticationError,
    402: QuotaError,
    403: AuthenticationError,
    404: InvalidRequestError,
    413: InvalidRequestError,
    422: InvalidRequestError,
    429: RateLimitError,
}

# Some servers write down in every answer that there is no error.
_NOTHING = (None, "", 0, "0")

_ESCAPE = re.compile(r"\\(?:u00([2-7][0-9a-fA-F])|/)")
_REQUEST_ID = re.compile(r"\s*\(request id: ?([\w-]+)\)", re.IGNORECASE)


def find_error(
    body: Mapping[str, Any], *, status: int = 0, request_id: str = "", failed: bool = False
) -> APIError | None:
    """Return the error that a JSON body reports, or None where it reports none.

    `failed` says that there is one for certain (an HTTP error status, `event: error`).
    """
    report = _report(body)
    if report is None:
        if not failed:
            return None
        report = _Report(quoted(body) if body else "")
    message = report.message
    # A relay behind a relay: each adds its own, the one that we asked last.
    found = _REQUEST_ID.findall(message)
    if found:
        message = _REQUEST_ID.sub("", message)
        request_id = request_id or found[-1]
    request_id = request_id or str(body.get("request_id") or body.get("id") or "")
    kind = _classified(report, status)
    detail = ", ".join(
        part for part in (f"HTTP {status}" if status else "", report.code or report.kind) if part
    )
    return kind(
        _SUMMARY[kind],
        why=f"{message} ({detail})" if message and detail else message or detail,
        next_step=_next_step(kind, status, report),
        request_id=request_id,
        status=status,
        code=report.code,
    )


def error_from_response(status: int, body: str, *, request_id: str = "") -> APIError:
    """Return the error of a response with an error status, whatever its body is."""
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        parsed = None
    if not isinstance(parsed, Mapping):
        title = _page_title(body)
        parsed = {"message": title} if title else {}
    error = find_error(parsed, status=status, request_id=request_id, failed=True)
    assert error is not None, "a failed response always gives an error"
    return error


def quoted(value: object) -> str:
    """Return the beginning of a JSON value as text, for an error that quotes it."""
    try:
        return excerpt(json.dumps(value, ensure_ascii=False))
    except RecursionError:
        return "(nested too deep to be shown)"


def excerpt(text: str) -> str:
    """Return the beginning of a foreign text, for an error that quotes it.

    Keys are hidden before it is cut, also where JSON's escapes would hide them from whoever hides them.
    """
    text = _ESCAPE.sub(lambda found: chr(int(found[1] or "2f", 16)), text)
    return redact(strip_controls(text)).strip()[:200]


def _report(body: Mapping[str, Any]) -> _Report | None:
    error = body.get("error")
    if isinstance(error, Mapping) and any(value not in _NOTHING for value in error.values()):
        return _Report(_text(error.get("message")), _text(error.get("code")), _text(error.get("type")))
    if error and not isinstance(error, Mapping):
        return _Report(_text(body.get("message")) or _text(error), _text(body.get("code")))
    native = body.get("base_resp")
    if isinstance(native, Mapping) and native.get("status_code") not in _NOTHING:
        return _Report(_text(native.get("status_msg")), _text(native["status_code"]), vendor="minimax")
    if body.get("error_code") not in _NOTHING:
        return _Report(_text(body.get("error_msg")), _text(body["error_code"]), vendor="baidu")
    wrapped = body.get("Response")
    if isinstance(wrapped, Mapping) and isinstance(wrapped.get("Error"), Mapping):
        return _Report(_text(wrapped["Error"].get("Message")), _text(wrapped["Error"].get("Code")))
    if body.get("choices") or isinstance(body.get("data"), list):
        return None
    message = _text(body.get("message")) or _text(body.get("msg")) or _text(body.get("detail"))
    if message:
        return _Report(message, _text(body.get("code")), _text(body.get("type")))
    return None


def _classified(report: _Report, status: int) -> type[APIError]:
    spelling = f"{report.code} {report.kind} {status}"
    refused = 400 < status < 500 and status != 408
    for vendor, pattern, kind in _CODES:
        if vendor in ("", report.vendor) and pattern.search(spelling):
            # `invalid_request_error` is the type of almost every error: a telling status or text wins.
            if kind is InvalidRequestError:
                refused = refused or status < 500
                break
            return kind
    for words, kind in _WORDS:
        if words.search(report.message):
            return kind
    if status in _STATUSES:
        return _STATUSES[status]
    return InvalidRequestError if refused else ServerError


def _next_step(kind: type[APIError], status: int, report: _Report) -> str | NextStep:
    if kind is InvalidRequestError and status == 404:
        return CHECK_ADDRESS
    if kind is InvalidRequestError and status == 413:
        return SEND_LESS
    return ""


def _text(value: object) -> str:
    if value is None or value is False:
        return ""
    return value if isinstance(value, str) else quoted(value)


def _page_title(body: str) -> str:
    """Return the title of an HTML page, or the beginning of a text."""
    title = re.search(r"<title[^>]*>(.*?)</title>", body, re.IGNORECASE | re.DOTALL)
    return excerpt(title.group(1) if title else body)
