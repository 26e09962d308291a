"""Which error a server meant: the shapes in which servers report a failure, and what they say in them.

Servers report a failure with any HTTP status, 200 included, and in a dozen shapes. `find_error` looks for
one in a JSON body, `read_response_error` always finds one. Nothing here does I/O. The spellings are a
table of their own, `vendor_spellings`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..errors import (
    APIError,
    AuthenticationError,
    CnaiError,
    ContentFilterError,
    ContextLengthError,
    HTMLError,
    InvalidRequestError,
    ModelNotFoundError,
    QuotaError,
    RateLimitError,
    ServerError,
)
from ..next_steps import CHECK_ADDRESS, NextStep, Step, send_less
from ..redaction import redact, strip_controls
from .overload import is_overload, read_wait
from .vendor_spellings import INVALID_CODES, SPELLINGS

__all__ = ["excerpt", "find_error", "quote", "read_response_error"]


@dataclass(frozen=True, slots=True)
class _Report:
    """What a body says of a failure, whatever its shape."""

    message: str = ""
    code: str = ""
    kind: str = ""
    vendor: str = ""
    request_id: str = ""
    limit: int | None = None
    status: int = 0


# What a status means that no spelling says more of; what to do then is `default_next_step` in errors.py.
_BY_STATUS: dict[int, type[APIError]] = {
    400: InvalidRequestError,
    401: AuthenticationError,
    402: QuotaError,
    403: AuthenticationError,
    404: InvalidRequestError,
    408: ServerError,
    413: ContextLengthError,
    422: InvalidRequestError,
    429: RateLimitError,
    451: ContentFilterError,
    501: InvalidRequestError,
}

_SUMMARY: dict[type[APIError], str] = {
    AuthenticationError: "the server does not accept the API key",
    QuotaError: "no credit is left for this request",
    RateLimitError: "too many requests",
    InvalidRequestError: "the server refuses the request",
    ContextLengthError: "the request is longer than the model takes",
    ModelNotFoundError: "the server does not have this model",
    ContentFilterError: "the provider's content filter stopped this",
    ServerError: "the server failed",
}

# What some servers write where there is no error.
_NOTHING = (None, "", 0, "0", False)
_SUCCESS = re.compile(
    r"(success(ful(ly)?)?|ok|okay|成功|请求成功|none|null|200|0"
    # of an event that says how far a question has come
    r"|queued|pending|waiting|processing|in_progress|running|started|generating|thinking|searching"
    r"|connected|completed|done)[.!。]?",
    re.IGNORECASE,
)
_CODES = (
    "code",
    "error_code",
    "errcode",
    "err_code",
    "status_code",
    "statusCode",
    "http_code",
    "status",
    "ret",
    "reason",  # Novita
)
_MESSAGES = (
    "message",
    "msg",
    "error_msg",
    "error_message",
    "errmsg",
    "err_msg",
    "Message",  # AWS
    "faultstring",  # Apigee
    "detail",
    "title",
)
# A relay may pack one error into another; no deeper nesting is known.
_DEEPEST = 4

_ESCAPE = re.compile(r"\\(?:u00([2-7][0-9a-fA-F])|/)")
_REQUEST_ID = re.compile(r"(?<!\s)\s*\(request id: ?([\w-]+)\)", re.IGNORECASE)
# How large the context is, in the words of servers. The first that is found counts.
_LIMITS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"(?:>|<=|≤) ?(\d[\d,]{2,})",
        r"(\d[\d,]{2,})[ -](?:tokens? )?max",
        r"(?:max|limit|context|allowed|longer than|only|\[1, ?)[^\d.;]{0,40}?(\d[\d,]{2,})",
    )
)
_NO_PLACE = re.compile(r"unexpected endpoint or method", re.IGNORECASE)
_PAGE = re.compile(r"\s*(<!doctype|<html|<head|<body|<title|<\?xml)", re.IGNORECASE)
# Pages of those who stand between a client and a server: they say nothing of a key.
_GUARD = re.compile(
    r"just a moment|attention required|checking your browser|captcha|error code: 1\d\d\d", re.I
)


def find_error(
    body: Mapping[str, Any], *, status: int = 0, request_id: str = "", failed: bool = False
) -> APIError | None:
    """Return the error that a JSON body reports, or None where it reports none.

    `failed` says that there is one for certain (an HTTP error status, `event: error`).
    """
    report = _read_report(body)
    if report is None:
        if not failed:
            return None
        report = _Report(quote(body) if body else "")
    # A relay behind a relay: each adds its own, the one that we asked last.
    found = _REQUEST_ID.findall(report.message)
    message = _REQUEST_ID.sub("", report.message)
    request_id = request_id or (found[-1] if found else "") or report.request_id
    if report.status and not 400 <= status < 500:
        status = report.status
    kind = _classify(report, status)
    error = kind(
        _summarize(kind, status),
        why=_write_reason(message, status, report),
        next_step=_choose_next_step(kind, status, message),
        request_id=request_id or _write_text(body.get("request_id")) or _write_text(body.get("id")),
        status=status,
        code=report.code,
    )
    if is_overload(error):
        error.retry_after = read_wait(message)
    if isinstance(error, ContextLengthError):
        error.limit = report.limit or _find_limit(message)
        if report.limit and str(report.limit) not in message:
            error.what += f", which is {report.limit} tokens"
    return error


def read_response_error(status: int, body: str, *, request_id: str = "") -> CnaiError:
    """Return the error of a response with an error status, whatever its body is."""
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        parsed = None
    if isinstance(parsed, list) and len(parsed) == 1:
        parsed = parsed[0]  # Gemini
    if not isinstance(parsed, Mapping):
        title = _find_title(body)
        page = _PAGE.match(body) is not None
        if _GUARD.search(title) or (page and status < 500 and status not in (404, 405, 413, 429, 451)):
            return HTMLError(
                "a web page came in place of an answer: something in between stopped the request",
                why=_write_reason(title, status, _Report()),
                next_step="open the address in a browser; a proxy, a firewall or a login may be in between",
                request_id=request_id,
            )
        parsed = {"message": title} if title else {}
    error = find_error(parsed, status=status, request_id=request_id, failed=True)
    assert error is not None, "a failed response always gives an error"
    return error


def quote(value: object) -> str:
    """Return the beginning of a JSON value as text, for an error that quotes it."""
    try:
        return excerpt(json.dumps(value, ensure_ascii=False))
    except RecursionError:
        return "(nested too deep to be shown)"


def excerpt(text: str) -> str:
    """Return the beginning of a foreign text, for an error that quotes it.

    Keys are hidden before it is cut, also those that are written with JSON's escapes.
    """
    text = _ESCAPE.sub(lambda found: chr(int(found[1] or "2f", 16)), text)
    return redact(strip_controls(text)).strip()[:200]


# -- shapes ---------------------------------------------------------------------------------------


def _read_report(body: Mapping[str, Any], depth: int = 0) -> _Report | None:
    """Return what a body says of a failure; None where it says nothing of one."""
    native = body.get("base_resp")
    if isinstance(native, Mapping) and native.get("status_code") not in _NOTHING:
        return _Report(
            _write_text(native.get("status_msg")), _write_text(native["status_code"]), vendor="minimax"
        )
    wrapped = body.get("Response")
    if isinstance(wrapped, Mapping) and isinstance(wrapped.get("Error"), Mapping):
        error = wrapped["Error"]
        return _Report(
            _write_text(error.get("Message")),
            _write_text(error.get("Code")),
            request_id=_write_text(wrapped.get("RequestId")),
        )
    error = (
        body.get("error") or body.get("errors") or body.get("fault") or _read_hunyuan(body.get("ErrorMsg"))
    )
    if isinstance(error, list):
        error = error[0] if len(error) == 1 else _join(error)
    if isinstance(error, Mapping):
        report = _read_object(error, depth)
        if report is not None:
            return report if report.status or report.code else replace(report, status=_find_status(body))
    elif error and error is not True:
        outer = _read_object({**body, "error": None}, depth) or _Report()
        unpacked = _unpack(_write_text(error), depth)
        return unpacked or replace(
            outer, message=outer.message or _write_text(error), status=_find_status(body)
        )
    if body.get("choices") or isinstance(body.get("data"), list):
        return None
    return _read_object({key: value for key, value in body.items() if key != "error"}, depth)


def _read_hunyuan(error: object) -> dict[str, Any] | None:
    """Return an error in mid-stream as Hunyuan's own protocol writes it, in the usual names."""
    return {name.lower(): value for name, value in error.items()} if isinstance(error, Mapping) else None


def _read_object(error: Mapping[str, Any], depth: int) -> _Report | None:
    """Read an object that has code and message itself, or holds another one that does."""
    inner = error.get("error")
    message = next((error[name] for name in _MESSAGES if error.get(name) not in _NOTHING), None)
    for nested in (inner, message):
        if isinstance(nested, Mapping) and depth < _DEEPEST and (found := _read_report(nested, depth + 1)):
            return found
    text = _join(message) if isinstance(message, list) else _write_text(message)
    if isinstance(inner, str) and not text:
        text = inner
    unpacked = _unpack(text, depth)
    if unpacked is not None:
        return unpacked
    if isinstance(metadata := error.get("metadata"), Mapping) and isinstance(metadata.get("raw"), str):
        # OpenRouter's own words say only that the provider's say more.
        behind = _unpack(metadata["raw"], depth)
        text = f"{text}: {behind.message if behind else metadata['raw']}"
    codes = [_write_text(error[name]) for name in _CODES if error.get(name) not in _NOTHING]
    codes = [code for code in codes if not _SUCCESS.fullmatch(code)]
    details = error.get("innererror")
    codes += [_write_text(details.get("code"))] if isinstance(details, Mapping) else []
    code = next((code for code in codes if not _is_status(code)), codes[0] if codes else "")
    kind = _write_text(error.get("type")) or _write_text(error.get("error_type"))
    if not code and (not text or _SUCCESS.fullmatch(text.strip())):
        return None
    limit = error.get("n_ctx")  # llama.cpp
    vendor = "baidu" if "error_code" in error and "error_msg" in error else ""
    limit = limit if isinstance(limit, int) and limit > 0 else None
    request_id = _write_text(error.get("request_id"))
    return _Report(text, code, kind, vendor, request_id, limit, _find_status(error))


def _unpack(text: str, depth: int) -> _Report | None:
    """Return the error that a message holds as JSON, as relays pack the answer of the server behind them."""
    start = text.find("{")
    if start < 0 or depth >= _DEEPEST:
        return None
    try:
        inner, _ = json.JSONDecoder().raw_decode(text, start)
    except (ValueError, RecursionError):
        return None
    return _read_report(inner, depth + 1) if isinstance(inner, Mapping) else None


def _join(items: object) -> str:
    """Return a list of complaints as text: FastAPI names for each the place and what is wrong with it."""
    parts = []
    for item in items if isinstance(items, list) else []:
        if isinstance(item, Mapping):
            place = item.get("loc")
            where = ".".join(map(str, place[-2:])) if isinstance(place, list) else ""
            said = next((_write_text(item[name]) for name in _MESSAGES if item.get(name)), "")
            parts.append(f"{where}: {said}" if where and said else where or said)
        else:
            parts.append(_write_text(item))
    return "; ".join(part for part in parts[:5] if part)


def _find_status(error: Mapping[str, Any]) -> int:
    """Return the HTTP status that an object writes as a code: 402, "401", 429.0."""
    for name in _CODES:
        code = _write_text(error.get(name))
        if _is_status(code):
            return int(float(code))
    return 0


def _is_status(code: str) -> bool:
    return re.fullmatch(r"[45]\d\d(\.0)?", code) is not None


# -- what it means --------------------------------------------------------------------------------


def _classify(report: _Report, status: int) -> type[APIError]:
    codes = f"{report.code} {report.kind} {status}"
    for spelling in SPELLINGS:
        if spelling.where in ("code", report.vendor) and spelling.is_in(codes):
            return spelling.kind
        if spelling.where == "text" and spelling.is_in(report.message):
            return spelling.kind
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    refused = 400 < status < 500 or (status < 500 and INVALID_CODES.search(codes) is not None)
    return InvalidRequestError if refused else ServerError


def _summarize(kind: type[APIError], status: int) -> str:
    if kind is AuthenticationError and status == 403:
        return "the server does not allow this request with this key"
    return _SUMMARY[kind]


def _write_reason(message: str, status: int, report: _Report) -> str:
    """Return the server's words with its status and code, each of them once."""
    said = [str(status)] if not status or re.search(rf"\b{status}\b", message) else []
    parts = [] if said else [f"HTTP {status}"]
    code = report.code or report.kind
    if code and not _is_status(code) and code not in message:
        parts.append(code)
    detail = ", ".join(parts)
    return f"{message} ({detail})" if message and detail else message or detail


def _choose_next_step(kind: type[APIError], status: int, message: str) -> str | Step | NextStep:
    if kind is InvalidRequestError and (status in (404, 405) or _NO_PLACE.search(message)):
        return CHECK_ADDRESS
    return send_less() if kind is ContextLengthError else ""


def _find_limit(message: str) -> int | None:
    """Return how many tokens a message says that the model takes."""
    for pattern in _LIMITS:
        found = pattern.search(message)
        if found:
            return int(found[1].replace(",", ""))
    return None


def _write_text(value: object) -> str:
    if value is None or value is False:
        return ""
    return value if isinstance(value, str) else quote(value)


def _find_title(body: str) -> str:
    """Return the title of an HTML page, or the beginning of a text."""
    title = re.search(r"<title[^>]*>(.*?)</title>", body, re.IGNORECASE | re.DOTALL)
    return excerpt(title.group(1) if title else re.sub(r"<[^>]*>", " ", body) if _PAGE.match(body) else body)
