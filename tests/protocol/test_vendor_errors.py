from __future__ import annotations

import json

import pytest

from cnai_magic.errors import (
    APIError,
    AuthenticationError,
    ContentFilterError,
    InvalidRequestError,
    ModelNotFoundError,
    QuotaError,
    RateLimitError,
    ServerError,
)
from cnai_magic.protocol.reader import StreamReader, read_completion
from cnai_magic.protocol.vendor_errors import error_from_response, excerpt, find_error
from cnai_magic.safety import ApiKey

Row = tuple[str, int, str, type[APIError]]

# vendor and fact, HTTP status, body as it is sent, what was meant
ROWS: list[Row] = [
    (
        "reference: wrong key",
        401,
        '{"error":{"message":"Invalid token","type":"invalid_request_error","code":"invalid_api_key"}}',
        AuthenticationError,
    ),
    (
        "reference: no quota",
        402,
        '{"error":{"message":"Description","type":"invalid_request_error","code":"insufficient_quota"}}',
        QuotaError,
    ),
    (
        "reference: rate",
        429,
        '{"error":{"message":"slow down","type":"","code":"rate_limit_exceeded"}}',
        RateLimitError,
    ),
    ("reference: server", 500, '{"error":{"message":"oops","type":"server_error","code":null}}', ServerError),
    (
        "one-api: exhausted token as 401 without code",
        401,
        '{"error":{"message":"该令牌额度已用尽 (request id: 2024)","type":"one_api_error"}}',
        QuotaError,
    ),
    (
        "one-api: wrong token as 401 without code",
        401,
        '{"error":{"message":"无效的令牌 (request id: 2024)","type":"one_api_error"}}',
        AuthenticationError,
    ),
    (
        "one-api: user quota as 403",
        403,
        '{"error":{"message":"not enough","type":"one_api_error","code":"insufficient_user_quota"}}',
        QuotaError,
    ),
    (
        "one-api: hold failed as 403",
        403,
        '{"error":{"message":"预扣费失败","type":"one_api_error","code":"pre_consume_token_quota_failed"}}',
        QuotaError,
    ),
    (
        "one-api: unknown model as 503, in Chinese",
        503,
        '{"error":{"message":"当前分组 default 下对于模型 gpt-x 无可用渠道","type":"one_api_error"}}',
        ModelNotFoundError,
    ),
    (
        "one-api: unknown model as 503, by code",
        503,
        '{"error":{"message":"x","type":"new_api_error","code":"model_not_found"}}',
        ModelNotFoundError,
    ),
    ("one-api: overloaded", 503, '{"error":{"message":"busy","type":"one_api_error"}}', ServerError),
    (
        "one-api: error at 200",
        200,
        '{"error":{"message":"该令牌额度已用尽","type":"one_api_error"}}',
        QuotaError,
    ),
    (
        "DeepSeek: no balance",
        402,
        '{"error":{"message":"Insufficient Balance","type":"unknown_error","param":null,'
        '"code":"invalid_request_error"}}',
        QuotaError,
    ),
    (
        "DeepSeek: unknown model",
        400,
        '{"error":{"message":"Model Not Exist","type":"x","code":"invalid_request_error"}}',
        ModelNotFoundError,
    ),
    (
        "DeepSeek: wrong key",
        401,
        '{"error":{"message":"Authentication Fails","type":"authentication_error",'
        '"code":"invalid_request_error"}}',
        AuthenticationError,
    ),
    (
        "Moonshot: temperature, without code",
        400,
        '{"error":{"message":"invalid temperature: only 1 is allowed for this model",'
        '"type":"invalid_request_error"}}',
        InvalidRequestError,
    ),
    (
        "Moonshot: no balance as 429",
        429,
        '{"error":{"message":"Your account is suspended","type":"exceeded_current_quota_error"}}',
        QuotaError,
    ),
    (
        "Moonshot: rate",
        429,
        '{"error":{"message":"max RPM: 3","type":"rate_limit_reached_error"}}',
        RateLimitError,
    ),
    (
        "Moonshot: overloaded",
        429,
        '{"error":{"message":"try later","type":"engine_overloaded_error"}}',
        RateLimitError,
    ),
    (
        "Moonshot: unknown model",
        404,
        '{"error":{"message":"Not found the model k9 or Permission denied","type":"not_found_error"}}',
        ModelNotFoundError,
    ),
    (
        "Zhipu: no balance as 429",
        429,
        '{"error":{"code":"1113","message":"您的账户已欠费，请充值后重试。"}}',
        QuotaError,
    ),
    ("Zhipu: no balance, number only", 429, '{"error":{"code":1113,"message":"?"}}', QuotaError),
    ("Zhipu: rate", 429, '{"error":{"code":"1302","message":"您当前使用该API的并发数过高"}}', RateLimitError),
    ("Zhipu: key", 401, '{"error":{"code":"1002","message":"Authorization Token非法"}}', AuthenticationError),
    (
        "Zhipu: model",
        400,
        '{"error":{"code":"1211","message":"模型不存在，请检查模型代码。"}}',
        ModelNotFoundError,
    ),
    ("Zhipu: filter", 400, '{"error":{"code":"1301","message":"系统检测到不安全内容"}}', ContentFilterError),
    (
        "MiniMax: rate at 200",
        200,
        '{"base_resp":{"status_code":1002,"status_msg":"rate limit"}}',
        RateLimitError,
    ),
    (
        "MiniMax: key at 200",
        200,
        '{"id":"x","choices":null,"base_resp":{"status_code":1004,"status_msg":"login fail"}}',
        AuthenticationError,
    ),
    (
        "MiniMax: balance at 200",
        200,
        '{"choices":null,"base_resp":{"status_code":1008,"status_msg":"insufficient balance"}}',
        QuotaError,
    ),
    (
        "MiniMax: balance at 200 beside choices",
        200,
        '{"choices":[{"delta":{"content":""}}],"base_resp":{"status_code":1008,"status_msg":"?"}}',
        QuotaError,
    ),
    (
        "MiniMax: filter at 200",
        200,
        '{"base_resp":{"status_code":1027,"status_msg":"output new_sensitive"}}',
        ContentFilterError,
    ),
    (
        "MiniMax: parameters at 200",
        200,
        '{"base_resp":{"status_code":2013,"status_msg":"invalid params"}}',
        InvalidRequestError,
    ),
    (
        "Qwen: filter",
        400,
        '{"error":{"code":"data_inspection_failed","message":"Input data may contain inappropriate content.",'
        '"type":"data_inspection_failed"}}',
        ContentFilterError,
    ),
    (
        "Qwen: filter, native",
        400,
        '{"code":"DataInspectionFailed","message":"Output data may contain…","request_id":"r-9"}',
        ContentFilterError,
    ),
    (
        "Qwen: key, native",
        401,
        '{"code":"InvalidApiKey","message":"Invalid API-key provided.","request_id":"r-9"}',
        AuthenticationError,
    ),
    (
        "Qwen: rate, native",
        429,
        '{"code":"Throttling.RateQuota","message":"Requests rate limit exceeded","request_id":"r-9"}',
        RateLimitError,
    ),
    (
        "Qwen: balance, native",
        400,
        '{"code":"Arrearage","message":"Access denied","request_id":"r-9"}',
        QuotaError,
    ),
    (
        "Qwen: native at 200",
        200,
        '{"code":"InvalidParameter","message":"bad","request_id":"r-9"}',
        InvalidRequestError,
    ),
    (
        "Baidu: rate at 200",
        200,
        '{"error_code":18,"error_msg":"Open api qps request limit reached"}',
        RateLimitError,
    ),
    (
        "Baidu: daily limit at 200",
        200,
        '{"error_code":17,"error_msg":"Open api daily request limit reached"}',
        QuotaError,
    ),
    (
        "Baidu: token at 200",
        200,
        '{"error_code":110,"error_msg":"Access token invalid"}',
        AuthenticationError,
    ),
    ("Baidu: tokens a minute", 200, '{"error_code":336502,"error_msg":"tpm"}', RateLimitError),
    ("Baidu: server at 200", 200, '{"error_code":336000,"error_msg":"Internal error"}', ServerError),
    (
        "Volcengine: endpoint",
        404,
        '{"error":{"code":"InvalidEndpointOrModel.NotFound","message":"The model or endpoint ep-2024 '
        'does not exist","param":"","type":"NotFound"}}',
        ModelNotFoundError,
    ),
    (
        "Volcengine: rate",
        429,
        '{"error":{"code":"RateLimitExceeded.EndpointTPMExceeded","message":"TPM","type":"TooManyRequests"}}',
        RateLimitError,
    ),
    (
        "Volcengine: balance",
        403,
        '{"error":{"code":"AccountOverdueError","message":"overdue","type":"Forbidden"}}',
        QuotaError,
    ),
    (
        "Volcengine: filter",
        400,
        '{"error":{"code":"SensitiveContentDetected","message":"sensitive","type":"BadRequest"}}',
        ContentFilterError,
    ),
    (
        "Volcengine: parameter",
        400,
        '{"error":{"code":"InvalidParameter","message":"max_tokens","type":"BadRequest"}}',
        InvalidRequestError,
    ),
    (
        "Hunyuan: roles do not alternate",
        400,
        '{"error":{"message":"messages 中 role 字段错误","type":"api_error","code":"1001"}}',
        InvalidRequestError,
    ),
    (
        "Hunyuan: native",
        200,
        '{"Response":{"Error":{"Code":"AuthFailure.UnauthorizedOperation","Message":"no"},"RequestId":"r"}}',
        AuthenticationError,
    ),
    (
        "any: 500 of the usual type",
        500,
        '{"error":{"message":"oops","type":"invalid_request_error","code":null}}',
        ServerError,
    ),
    ("any: HTML 502", 502, "<html><head><title>502 Bad Gateway</title></head></html>", ServerError),
    ("any: HTML 504", 504, "<html><title>504 Gateway Time-out</title>", ServerError),
    ("any: HTML 524", 524, "<!DOCTYPE html><title>a timeout occurred</title>", ServerError),
    ("any: empty 429", 429, "", RateLimitError),
    ("any: empty 404", 404, "", InvalidRequestError),
    ("any: method not allowed", 405, '{"detail":"Method Not Allowed"}', InvalidRequestError),
    ("any: request timeout", 408, "", ServerError),
    ("any: too large", 413, "too large", InvalidRequestError),
    ("any: unprocessable", 422, '{"detail":[{"loc":["body","top_p"],"msg":"bad"}]}', InvalidRequestError),
    ("any: error is a string", 400, '{"error":"bad thing"}', InvalidRequestError),
    ("any: error is a number", 500, '{"error":7}', ServerError),
    ("any: JSON that is no object", 500, "[1]", ServerError),
    ("any: no JSON at all", 500, "\x00\x01", ServerError),
    ("any: deep JSON", 500, "[" * 100_000, ServerError),
]


@pytest.mark.parametrize(("status", "body", "kind"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_the_error_that_was_meant_is_found(status: int, body: str, kind: type[APIError]) -> None:
    error = error_from_response(status, body)
    assert type(error) is kind, error.lines()
    assert error.status == status
    assert 2 <= len(error.lines()) <= 4


# A failure at 200 is met in place of an answer, and in the middle of a stream.
AT_200 = [row for row in ROWS if row[1] == 200]


@pytest.mark.parametrize(("body", "kind"), [row[2:] for row in AT_200], ids=[row[0] for row in AT_200])
def test_an_error_at_200_is_no_answer_and_no_event(body: str, kind: type[APIError]) -> None:
    with pytest.raises(kind):
        read_completion(json.loads(body))
    with pytest.raises(kind):
        StreamReader().read(body)


def test_an_error_event_is_an_error_whatever_it_holds() -> None:
    with pytest.raises(ServerError, match="overloaded"):
        StreamReader().read('{"reason": "overloaded"}', "error")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"choices": [{"delta": {"content": "x"}}], "error": None},
        {"choices": [{"delta": {"content": "x"}}], "message": "not an error"},
        {"choices": [], "error": {}},
        {"choices": [], "base_resp": {"status_code": 0, "status_msg": "success"}},
        {"data": [], "message": "success", "success": True},
        {"id": "x", "error_code": 0},
        {"id": "x", "error_code": "0"},
        {"choices": [{"delta": {}}], "error": {"message": "", "code": None, "type": ""}},
        {"choices": [{"delta": {}}], "error": {"message": "", "code": "0"}},
        {"choices": [{"delta": {}}], "base_resp": {"status_code": "0", "status_msg": "success"}},
    ],
)
def test_what_reports_no_error_is_none(body: dict[str, object]) -> None:
    assert find_error(body) is None


@pytest.mark.parametrize(
    ("body", "header", "expected"),
    [
        ({"error": {"message": "bad (request id: 20240101abc)"}}, "", "20240101abc"),
        ({"error": {"message": "bad (request id: 2024-a)"}}, "from-header", "from-header"),
        ({"error": {"message": "bad (request id: theirs) (request id: ours)"}}, "", "ours"),
        ({"code": "X", "message": "bad", "request_id": "r-9"}, "", "r-9"),
        ({"error": {"message": "bad"}, "id": "chatcmpl-3"}, "", "chatcmpl-3"),
        ({"error": {"message": "bad"}}, "", ""),
    ],
)
def test_the_request_id_is_found_and_taken_out_of_the_message(
    body: dict[str, object], header: str, expected: str
) -> None:
    error = find_error(body, status=400, request_id=header)
    assert error is not None
    assert error.request_id == expected
    assert error.why == "bad (HTTP 400)" or error.why == "bad (HTTP 400, X)"


def test_an_error_keeps_the_servers_words_and_code_and_gives_the_next_step() -> None:
    error = error_from_response(402, '{"error":{"message":"no credit","code":"insufficient_quota"}}')
    assert error.code == "insufficient_quota"
    assert error.why == "no credit (HTTP 402, insufficient_quota)"
    assert "add credit" in error.next_step


def test_an_address_that_is_wrong_leads_to_the_address() -> None:
    assert "base_url" in error_from_response(404, "<title>404 Not Found</title>").next_step


def test_a_web_page_is_told_by_its_title() -> None:
    error = error_from_response(502, "<html><title>\n502 Bad Gateway </title><body>cloud</body>")
    assert error.why == "502 Bad Gateway (HTTP 502)"


@pytest.mark.parametrize(
    "text",
    [
        r'{"message": "wrong key no-usual\/shape+of=key',
        r"wrong key \u006eo-usual/shape\u002bof=key",
        "x" * 190 + "no-usual/shape+of=key",
    ],
)
def test_an_excerpt_hides_a_key_however_it_is_written(text: str) -> None:
    key = ApiKey("no-usual/shape+of=key")
    assert "usual" not in excerpt(text)
    assert key


def test_a_body_of_nothing_that_can_be_shown_is_not_quoted() -> None:
    assert error_from_response(500, "\0" * 1000).why == "HTTP 500"
