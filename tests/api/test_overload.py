"""How servers say that they have too much to do, and how long to wait."""

from __future__ import annotations

import time

import pytest

from cnai_magic.api.overload import find_wait, is_overload
from cnai_magic.api.vendor_errors import find_error, read_response_error


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7),
        ({"retry-after": "0.5"}, 0.5),
        ({"Retry-After-Ms": "1500", "Retry-After": "2"}, 1.5),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6m0s"}, 360),
        (
            {
                "x-ratelimit-remaining-requests": "59",
                "x-ratelimit-reset-requests": "1s",
                "x-ratelimit-remaining-tokens": "0",
                "x-ratelimit-reset-tokens": "20ms",
            },
            0.02,
        ),
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "7.66s"}, 7.66),
        ({"x-ratelimit-remaining-tokens": "5", "x-ratelimit-reset-tokens": "1s"}, None),
        ({"Retry-After": "1e9"}, None),
        ({"Retry-After": "2000-01-01T00:00:00Z"}, 0),
        ({"x-ms-retry-after-ms": "250"}, 0.25),
        ({"ratelimit-remaining": "0", "ratelimit-reset": "30"}, 30),
        ({"RateLimit": "limit=100, remaining=0, reset=30"}, 30),
        ({"RateLimit": '"default";r=0;t=30'}, 30),
        ({"RateLimit": '"default";r=7;t=30'}, None),
        ({"x-rate-limit-remaining": "-2", "x-rate-limit-reset": "1h2m"}, 3720),
        (
            {
                "anthropic-ratelimit-requests-remaining": "0",
                "anthropic-ratelimit-requests-reset": "2000-01-01T00:00:00Z",
            },
            0,
        ),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-3"}, None),
        ({"Retry-After": "9" * 30}, None),
        ({}, None),
    ],
)
def test_a_wait_is_read_from_the_headers(headers: dict[str, str], seconds: float | None) -> None:
    assert find_wait(headers) == seconds


@pytest.mark.parametrize("unit", [1, 1000])
def test_a_wait_may_be_a_time_since_1970(unit: int) -> None:
    then = int((time.time() + 1000) * unit)
    found = find_wait({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(then)})
    assert found is not None
    assert 900 < found <= 1000


@pytest.mark.parametrize(
    ("message", "seconds"),
    [
        ("Limit 10000, Used 8554, Requested 3082. Please try again in 9.816s. Visit https://x", 9.816),
        ("Please try again in 644ms.", 0.644),
        ("Please try again in 1m12.5s.", 72.5),
        ("Please retry after 2 seconds.", 2),
        ("Please retry in 36.4s.", 36.4),
        ("Rate limited. Retry after 1 day", 86400),
        ("Request was throttled. Expected available in 1 second.", 1),
        ("retry_after: 8", 8),
        ("Your limit resets in 3h", 10800),
        ("请在 20 秒后重试", 20),
        ("请 5 分钟后再试", 300),
        ("Try again in 1 minute 30 seconds", 90),
        ("2 models are available", None),
        ("Please retry later, error code: 1305", None),
        ("Please retry (code 503)", None),
        ("Please try again, node 17 is down", None),
        ("Try again at 2026-11-27T00:00:00Z", None),
        ("Rate limit reached. Please try again later.", None),
        ("Too many requests: 5 of 5", None),
    ],
)
def test_a_wait_is_read_from_the_words(message: str, seconds: float | None) -> None:
    error = find_error({"error": {"message": message, "code": "rate_limit_exceeded"}}, status=429)
    assert error is not None
    assert error.retry_after == seconds


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (429, "{}"),
        (503, '{"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}'),
        (529, '{"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}'),
        (503, '{"error": {"message": "Loading model", "type": "unavailable_error", "code": 503}}'),
        (500, '{"error": {"message": "Server is busy, please retry later"}}'),
        (500, '{"error": {"message": "当前分组上游负载已饱和，请稍后再试"}}'),
        (503, "<html><title>503 Service Temporarily Unavailable</title></html>"),
        (200, '{"error": {"code": "engine_overloaded_error", "message": "overloaded"}}'),
        (200, '{"base_resp": {"status_code": 1002, "status_msg": "rate limit"}}'),
    ],
)
def test_overload_is_known_in_any_spelling(status: int, body: str) -> None:
    assert is_overload(read_response_error(status, body))


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, '{"error": {"message": "internal error"}}'),
        (400, '{"error": {"message": "the word overloaded is in the prompt"}}'),
        (429, '{"error": {"code": "1113", "message": "余额不足"}}'),
        (
            429,
            '{"error": {"message": "Request too large for m on tokens per min (TPM): Limit 3"}}',
        ),
    ],
)
def test_other_failures_are_none(status: int, body: str) -> None:
    assert not is_overload(read_response_error(status, body))


def test_a_long_header_costs_linear_time() -> None:
    assert find_wait({"ratelimit": "remaining=0 " * 20_000}) is None
