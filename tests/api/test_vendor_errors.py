from __future__ import annotations

import json

import pytest

from cnai_magic.api.reader import StreamReader
from cnai_magic.api.vendor_errors import excerpt, find_error, read_response_error
from cnai_magic.errors import (
    APIError,
    AuthenticationError,
    ContentFilterError,
    ContextLengthError,
    HTMLError,
    InvalidRequestError,
    ModelNotFoundError,
    QuotaError,
    RateLimitError,
    ServerError,
)
from cnai_magic.python_words import PYTHON
from cnai_magic.redaction import ApiKey
from tests.cases import check_each

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
    ("any: too large", 413, "too large", ContextLengthError),
    ("any: unprocessable", 422, '{"detail":[{"loc":["body","top_p"],"msg":"bad"}]}', InvalidRequestError),
    ("any: error is a string", 400, '{"error":"bad thing"}', InvalidRequestError),
    ("any: error is a number", 500, '{"error":7}', ServerError),
    ("any: JSON that is not an object", 500, "[1]", ServerError),
    ("any: no JSON at all", 500, "\x00\x01", ServerError),
    ("any: not implemented", 501, '{"error":{"code":501,"message":"no tools"}}', InvalidRequestError),
    ("any: method not allowed, a page", 405, "<!doctype html><title>405 Not Allowed", InvalidRequestError),
    (
        "MiniMax: a plan is used up",
        429,
        '{"type":"error","error":{"type":"rate_limit_error","message":"usage limit exceeded (2056)"}}',
        QuotaError,
    ),
    (
        "Anthropic: filter",
        400,
        '{"type":"error","error":{"type":"invalid_request_error",'
        '"message":"Output blocked by content filtering policy"}}',
        ContentFilterError,
    ),
    (
        "Groq: flex tier",
        498,
        '{"error":{"message":"Flex tier capacity exceeded","code":"capacity_exceeded"}}',
        RateLimitError,
    ),
    (
        "OpenRouter: moderation",
        403,
        '{"error":{"message":"Input was flagged","code":403,"metadata":{"reasons":["violence"]}}}',
        ContentFilterError,
    ),
    (
        "xAI: filter",
        403,
        '{"code":"The caller does not have permission","error":"Content violates usage guidelines."}',
        ContentFilterError,
    ),
    (
        "Zhipu: a locked account",
        429,
        '{"error":{"code":"1112","message":"您的账户已被锁定，请联系客服解锁。"}}',
        AuthenticationError,
    ),
    (
        "Volcengine: not opened",
        403,
        '{"error":{"code":"OperationDenied.ServiceNotOpen","message":"activate it","type":"Forbidden"}}',
        ModelNotFoundError,
    ),
    (
        "Cloudflare: free allocation",
        429,
        '{"errors":[{"message":"you have used up your daily free allocation of neurons","code":4006}]}',
        QuotaError,
    ),
    (
        "Novita: balance",
        403,
        '{"code":403,"reason":"NOT_ENOUGH_BALANCE","message":"?","metadata":{}}',
        QuotaError,
    ),
    ("NVIDIA: model", 404, "{\"detail\":\"Function 'x': Not found for account 'y'\"}", ModelNotFoundError),
    (
        "GitHub: model",
        400,
        '{"error":{"code":"unavailable_model","message":"Unavailable"}}',
        ModelNotFoundError,
    ),
    ("Novita: model", 404, '{"code":404,"reason":"MODEL_NOT_FOUND","message":"?"}', ModelNotFoundError),
    (
        "Cerebras: tokens a minute",
        429,
        '{"message":"Tokens per minute limit exceeded","code":"token_quota_exceeded"}',
        RateLimitError,
    ),
    (
        "Bedrock: tokens a minute",
        429,
        '{"message":"Too many tokens, please wait before trying again."}',
        RateLimitError,
    ),
    ("Azure: volume", 403, '{"statusCode":403,"message":"Out of call volume quota."}', QuotaError),
    (
        "LM Studio: a wrong path at 200",
        200,
        '{"error":"Unexpected endpoint or method. (POST /chat/completions)"}',
        InvalidRequestError,
    ),
    ("any: deep JSON", 500, "[" * 100_000, ServerError),
]


def row(
    source: str, status: int, kind: type[APIError], message: str = "", code: object = None, type: str = ""
) -> Row:
    """A row in OpenAI's shape, which most servers use."""
    body = {"error": {"message": message, "type": type, "param": None, "code": code}}
    return source, status, json.dumps(body, ensure_ascii=False), kind


FILTER, LONG, MODEL, QUOTA, RATE, AUTH, INVALID, SERVER = (
    ContentFilterError,
    ContextLengthError,
    ModelNotFoundError,
    QuotaError,
    RateLimitError,
    AuthenticationError,
    InvalidRequestError,
    ServerError,
)

# Where a row was met: a vendor's page of error codes, a relay's source, or public reports.
ROWS += [
    # -- content filters
    row(
        "filter, DeepSeek",
        400,
        FILTER,
        "Content Exists Risk",
        "invalid_request_error",
        "invalid_request_error",
    ),
    ("filter, DeepSeek's detail", 400, '{"detail":"Content Exists Risk"}', FILTER),
    row(
        "filter, Moonshot",
        400,
        FILTER,
        "The request was rejected because it was considered high risk",
        type="content_filter",
    ),
    row(
        "filter, Qwen's stream",
        200,
        FILTER,
        "Output data may contain inappropriate content.",
        "data_inspection_failed",
    ),
    row("filter, Zhipu at 200", 200, FILTER, "x", "1301"),
    row("filter, Ark input", 400, FILTER, "x", "InputTextRiskDetection", "BadRequest"),
    row("filter, Ark output", 400, FILTER, "x", "OutputTextSensitiveContentDetected", "BadRequest"),
    row("filter, ERNIE", 400, FILTER, "x", "prompt_unsafe", "invalid_request_error"),
    (
        "filter, Hunyuan native",
        200,
        '{"Response":{"Error":{"Code":"OperationDenied.TextIllegalDetected","Message":"x"}}}',
        FILTER,
    ),
    row(
        "filter, StepFun",
        451,
        FILTER,
        "The content you provided or machine outputted is blocked.",
        type="censorship_blocked",
    ),
    row("filter, StepFun by status", 451, FILTER, "x"),
    row(
        "filter, new-api words",
        400,
        FILTER,
        "user sensitive words detected",
        "sensitive_words_detected",
        "new_api_error",
    ),
    row("filter, ERNIE's older words", 400, FILTER, "the content of message field is invalid, sensitive"),
    row("filter, Baichuan", 400, FILTER, "Input text contains sensitive", "invalid_request_error"),
    row("no filter", 400, InvalidRequestError, "field type: the value is case sensitive"),
    row("filter, Spark", 200, FILTER, "input content audit failed", "10013"),
    row("context, Spark", 200, ContextLengthError, "token count over limit", "10907"),
    row("filter, new-api prompt", 400, FILTER, "x", "prompt_blocked", "new_api_error"),
    (
        "filter, MiniMax event",
        422,
        '{"type":"error","error":{"type":"bad_request_error","message":"input new_sensitive (1026)","http_code":"422"}}',  # noqa: E501
        FILTER,
    ),
    (
        "filter, MiniMax at 500",
        500,
        '{"type":"error","error":{"type":"server_error","message":"output new_sensitive (1027)","http_code":"500"}}',  # noqa: E501
        FILTER,
    ),
    (
        "filter, Azure",
        400,
        '{"error":{"message":"The response was filtered due to the prompt triggering Azure OpenAI\'s content management policy.","code":null,"status":400,"innererror":{"code":"ResponsibleAIPolicyViolation"}}}',  # noqa: E501
        FILTER,
    ),
    row(
        "filter, OpenAI",
        400,
        FILTER,
        "Your request was rejected as a result of our safety system.",
        "content_policy_violation",
    ),
    row(
        "filter, OpenRouter",
        403,
        FILTER,
        'openai/x requires moderation. Your input was flagged for "violence"',
        403,
    ),
    row("filter, in Chinese", 400, FILTER, "输入内容包含敏感词，请修改后重试"),
    # -- no credit
    row(
        "credit, Qwen free tier",
        403,
        QUOTA,
        "The free tier of the model has been exhausted.",
        "AllocationQuota.FreeTierOnly",
    ),
    row(
        "credit, Qwen compatible",
        400,
        QUOTA,
        "Access denied, please make sure your account is in good standing.",
        "Arrearage",
        "Arrearage",
    ),
    row("credit, ERNIE", 403, QUOTA, "Your account is in arrears", "account_overdue", "access_denied"),
    row("credit, StepFun 429", 429, QUOTA, "x", type="quota_exceeded"),
    row(
        "credit, Ark trial",
        429,
        QUOTA,
        "You have used up your free trial",
        "QuotaExceeded",
        "TooManyRequests",
    ),
    row("credit, Ark limit of one's own", 429, QUOTA, "x", "SetLimitExceeded", "TooManyRequests"),
    (
        "credit, Hunyuan native",
        200,
        '{"Response":{"Error":{"Code":"FailedOperation.ResourcePackExhausted","Message":"x"}}}',
        QUOTA,
    ),
    (
        "credit, Hunyuan arrears",
        200,
        '{"Response":{"Error":{"Code":"FailedOperation.ServiceStopArrears","Message":"x"}}}',
        QUOTA,
    ),
    (
        "credit, MiniMax event",
        500,
        '{"type":"error","error":{"type":"api_error","message":"insufficient balance (1008)"}}',
        QUOTA,
    ),
    (
        "credit, MiniMax plan",
        200,
        '{"base_resp":{"status_code":2056,"status_msg":"usage limit exceeded"}}',
        QUOTA,
    ),
    row("credit, one-api in English", 403, QUOTA, "user quota is not enough", type="one_api_error"),
    row("credit, one-api token", 403, QUOTA, "令牌额度不足", type="one_api_error"),
    row("credit, new-api plan", 403, QUOTA, "x", "entitlement_daily_limit_exceeded", "new_api_error"),
    row(
        "credit, LiteLLM", 400, QUOTA, "Budget has been exceeded! Current cost: 0.2", "400", "budget_exceeded"
    ),
    row(
        "credit, OpenAI 429",
        429,
        QUOTA,
        "You exceeded your current quota, please check your plan",
        "insufficient_quota",
        "insufficient_quota",
    ),
    row(
        "credit, OpenAI hard limit",
        400,
        QUOTA,
        "Billing hard limit has been reached",
        "billing_hard_limit_reached",
    ),
    row("credit, OpenRouter", 402, QUOTA, "This request requires more credits, or fewer max_tokens.", 402),
    (
        "credit, SiliconFlow",
        403,
        '{"code":30001,"message":"Sorry, your account balance is insufficient","data":null}',
        QUOTA,
    ),
    row(
        "credit, Anthropic",
        400,
        QUOTA,
        "Your credit balance is too low to access the API",
        type="invalid_request_error",
    ),
    row("credit, Zhipu plan over", 429, QUOTA, "x", "1309"),
    # -- rate
    (
        "rate, Hunyuan native",
        200,
        '{"Response":{"Error":{"Code":"RequestLimitExceeded","Message":"x"},"RequestId":"r"}}',
        RATE,
    ),
    row(
        "rate, Qwen tokens a minute",
        429,
        RATE,
        "Allocated quota exceeded, please increase your quota limit.",
        "insufficient_quota",
    ),
    row("rate, new-api saturated", 429, RATE, "当前分组上游负载已饱和，请稍后再试", "429", "upstream_error"),
    row("rate, Ark overloaded", 429, RATE, "x", "ServerOverloaded", "TooManyRequests"),
    ("rate, Baidu by other names", 200, '{"code":336501,"msg":"Rate limit reached for RPM"}', RATE),
    row("rate, Zhipu crowded", 429, RATE, "该模型当前访问量过大", "1305"),
    row(
        "rate, LiteLLM cooling down",
        429,
        RATE,
        "No deployments available for selected model, Try again in 5 seconds.",
    ),
    # -- key
    row("key, Moonshot", 401, AUTH, "Invalid Authentication", type="invalid_authentication_error"),
    row(
        "key, LiteLLM",
        401,
        AUTH,
        "Authentication Error, Invalid proxy server token passed",
        "401",
        "auth_error",
    ),
    row("key, llama.cpp", 401, AUTH, "Invalid API Key", 401, "authentication_error"),
    row("key, ERNIE", 401, AUTH, "x", "invalid_iam_token", "invalid_request_error"),
    row("key, one-api expired", 401, AUTH, "该令牌已过期", type="one_api_error"),
    row(
        "key, MiniMax words",
        401,
        AUTH,
        "login fail: Please carry the API secret key (1004)",
        type="authentication_error",
    ),
    row("key, Gemini", 400, AUTH, "API key not valid. Please pass a valid API key.", 400),
    # -- model
    row(
        "model, Ark not open",
        404,
        MODEL,
        "Your account has not activated the model x.",
        "ModelNotOpen",
        "NotFound",
    ),
    row("model, one-api token", 403, MODEL, "该令牌无权使用模型：x", type="one_api_error"),
    row("model, new-api no access", 403, MODEL, "This token has no access to model x", type="new_api_error"),
    row(
        "model, new-api no channel",
        503,
        MODEL,
        "No available channel for model x under group default",
        "model_not_found",
    ),
    row(
        "model, LiteLLM name",
        400,
        MODEL,
        "/chat/completions: Invalid model name passed in model=x. Call `/v1/models`",
        "400",
    ),
    row(
        "model, LiteLLM key",
        401,
        MODEL,
        "key not allowed to access model. This key can only access models=['a']",
        "401",
        "key_model_access_denied",
    ),
    row(
        "model, Azure",
        404,
        MODEL,
        "The API deployment for this resource does not exist.",
        "DeploymentNotFound",
    ),
    row("model, OpenRouter", 404, MODEL, "No endpoints found for x/y.", 404),
    row("model, OpenRouter name", 400, MODEL, "x/y is not a valid model ID", 400),
    row("model, Ollama", 404, MODEL, 'model "x" not found, try pulling it first', type="api_error"),
    (
        "model, vLLM",
        404,
        '{"object":"error","message":"The model `x` does not exist.","type":"NotFoundError","code":404}',
        MODEL,
    ),
    row("model, Qwen", 403, MODEL, "Model access denied.", "Model.AccessDenied"),
    row("model, ERNIE", 401, MODEL, "No permission to use the model", "invalid_model"),
    row("model, Anthropic", 404, MODEL, "model: claude-x", type="not_found_error"),
    (
        "model, SiliconFlow",
        400,
        '{"code":20012,"message":"Model does not exist. Please check it carefully.","data":null}',
        MODEL,
    ),
    # -- too long
    row(
        "long, OpenAI",
        400,
        LONG,
        "This model's maximum context length is 32768 tokens. However, your messages resulted in 40111 tokens.",  # noqa: E501
        "context_length_exceeded",
    ),
    row(
        "long, DeepSeek",
        400,
        LONG,
        "This model's maximum context length is 65536 tokens. However, you requested 66000 tokens",
        "invalid_request_error",
    ),
    (
        "long, llama.cpp",
        400,
        '{"error":{"code":400,"message":"request (40000 tokens) exceeds the available context size (4096 tokens), try increasing it","type":"exceed_context_size_error","n_prompt_tokens":40000,"n_ctx":4096}}',  # noqa: E501
        LONG,
    ),
    row(
        "long, Moonshot",
        400,
        LONG,
        "Invalid request: Your request exceeded model token limit: 262144 (requested: 269030)",
        type="invalid_request_error",
    ),
    row("long, Moonshot input", 400, LONG, "Input token length too long", type="invalid_request_error"),
    row("long, Qwen", 400, LONG, "Range of input length should be [1, 30720]", "invalid_parameter_error"),
    row("long, Zhipu", 400, LONG, "Prompt 超长", "1261"),
    row("long, ERNIE", 400, LONG, "Prompt tokens too long", "tokens_too_long", "invalid_request_error"),
    (
        "long, SiliconFlow",
        400,
        '{"code":20015,"message":"length of prompt_tokens (68957) must be less than max_seq_len (65536).","data":null}',  # noqa: E501
        LONG,
    ),
    row(
        "long, Anthropic",
        400,
        LONG,
        "prompt is too long: 210000 tokens > 200000 maximum",
        type="invalid_request_error",
    ),
    row(
        "long, Gemini",
        400,
        LONG,
        "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
        400,
    ),
    (
        "long, TGI",
        422,
        '{"error":"Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4097. Given: 4000 `inputs` tokens","error_type":"validation"}',  # noqa: E501
        LONG,
    ),
    row(
        "long, SGLang",
        400,
        LONG,
        "The input (40000 tokens) is longer than the model's context length (32768 tokens).",
        400,
    ),
    (
        "long, LM Studio",
        400,
        '{"error":"Trying to keep the first 7000 tokens when context the overflows. However, the model is loaded with context length of only 4096 tokens"}',  # noqa: E501
        LONG,
    ),
    row("long, Ollama", 400, LONG, "the input length exceeds the context length"),
    row(
        "long, Mistral",
        400,
        LONG,
        "Prompt contains 40000 tokens, too large for model with 32768 maximum context length",
    ),
    row(
        "long, Groq",
        413,
        LONG,
        "Request too large for model x on tokens per minute (TPM): Limit 6000",
        "rate_limit_exceeded",
    ),
    row(
        "long, xinference",
        400,
        LONG,
        "The decoder prompt (length 21535) is longer than the maximum model length of 16384",
    ),
    # -- a parameter
    row(
        "parameter, Kimi",
        400,
        INVALID,
        "invalid temperature: only 1 is allowed for this model",
        type="invalid_request_error",
    ),
    row(
        "parameter, o1",
        400,
        INVALID,
        "Unsupported parameter: 'max_tokens' is not supported with this model.",
        "unsupported_parameter",
    ),
    # -- met in further places
    row("long, MiniMax window", 200, LONG, "invalid params, context window exceeds limit (2013)"),
    (
        "long, MiniMax native",
        200,
        '{"base_resp":{"status_code":2013,"status_msg":"invalid params, context window exceeds limit"}}',
        LONG,
    ),
    ("long, Baidu native", 200, '{"error_code":336007,"error_msg":"the max input characters is 5120"}', LONG),
    row("long, LiteLLM", 400, LONG, "litellm.ContextWindowExceededError: litellm.BadRequestError: x"),
    row("long, Fireworks", 400, LONG, "The prompt is too long: 40000, model maximum context length: 32768"),
    row(
        "long, GitHub",
        413,
        LONG,
        "Request body too large for x. Max size: 8000 tokens.",
        "tokens_limit_reached",
    ),
    row(
        "parameter, vLLM",
        400,
        INVALID,
        "'max_tokens' or 'max_completion_tokens' is too large: 2000. This model's maximum context length is 4096 tokens",  # noqa: E501
    ),
    row(
        "parameter, DeepSeek",
        400,
        INVALID,
        "Invalid max_tokens value, the valid range of max_tokens is [1, 8192]",
    ),
    row(
        "parameter, Qwen", 400, INVALID, "Range of max_tokens should be [1, 8192]", "invalid_parameter_error"
    ),
    (
        "parameter, Mistral",
        422,
        '{"detail":[{"type":"extra_forbidden","loc":["body","stream_options"],"msg":"Extra inputs are not permitted"}]}',  # noqa: E501
        INVALID,
    ),
    row("filter, LiteLLM", 400, FILTER, "litellm.ContentPolicyViolationError: x"),
    row("credit, OpenRouter key", 403, QUOTA, "Key limit exceeded (monthly limit)", 403),
    (
        "credit, xAI",
        403,
        '{"code":"permission","error":"Your team doesn\'t have any credits. Purchase credits to continue."}',
        QUOTA,
    ),
    row(
        "credit, LiteLLM user",
        429,
        QUOTA,
        "ExceededBudget: User=x over budget. Spend=1.2, Budget=1.0",
        "429",
        "budget_exceeded",
    ),
    (
        "credit, Hunyuan low",
        200,
        '{"Response":{"Error":{"Code":"ResourceUnavailable.LowBalance","Message":"x"}}}',
        QUOTA,
    ),
    (
        "rate, Hunyuan engine",
        200,
        '{"Response":{"Error":{"Code":"FailedOperation.EngineServerLimitExceeded","Message":"x"}}}',
        RATE,
    ),
    row("rate, tokens of a minute", 429, RATE, "Exceeded the maximum input tokens: 30000 tokens per minute"),
    row(
        "rate, Azure",
        429,
        RATE,
        "Requests to the Operation have exceeded call rate limit of your tier",
        "429",
    ),
    (
        "rate, OpenRouter provider",
        200,
        '{"error":{"message":"Provider returned error","code":429,"metadata":{"raw":"x"}}}',
        RATE,
    ),
    (
        "key, xAI",
        400,
        '{"code":"Client specified an invalid argument","error":"Incorrect API key provided: xa***."}',
        AUTH,
    ),
    (
        "key, Cloudflare",
        403,
        '{"success":false,"errors":[{"code":10000,"message":"Authentication error"}]}',
        AUTH,
    ),
    (
        "key, Hunyuan native",
        200,
        '{"Response":{"Error":{"Code":"FailedOperation.UserUnAuthError","Message":"x"}}}',
        AUTH,
    ),
    row("model, Groq", 400, MODEL, "The model `x` has been decommissioned and is no longer supported."),
    row("model, Gemini", 404, MODEL, "models/x is not found for API version v1beta", 404),
    row("model, LM Studio", 400, MODEL, "No models loaded. Please load a model in the developer page."),
    row("model, new-api without price", 500, MODEL, "模型 x 倍率或价格未配置", "model_price_error"),
    (
        "model, Hunyuan not open",
        200,
        '{"Response":{"Error":{"Code":"FailedOperation.ServiceNotActivated","Message":"x"}}}',
        MODEL,
    ),
    row(
        "server, DeepSeek busy",
        503,
        SERVER,
        "Service is too busy. We advise users to temporarily switch to other services.",
    ),
    (
        "server, Anthropic busy",
        529,
        '{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}',
        SERVER,
    ),
    row("server, Hunyuan timeout", 500, SERVER, "x", "FailedOperation.EngineRequestTimeout"),
    row("server, ERNIE", 500, SERVER, "Internal error", "internal_error", "internal_error"),
    # -- numbers that are statuses
    *(
        row(f"number {code!r}", 200, kind, "x", code)
        for code, kind in [
            (402, QUOTA),
            ("401", AUTH),
            (429.0, RATE),
            ("403", AUTH),
            (400, INVALID),
            (451, FILTER),
            (413, LONG),
            (500, SERVER),
            ("503", SERVER),
        ]
    ),
    *(
        (f"number as {name}", 200, json.dumps({name: 402, "message": "x"}), QUOTA)
        for name in ("code", "status", "status_code", "error_code", "errcode", "ret")
    ),
    ("number beside a text", 200, '{"error":"x","status_code":429}', RATE),
    ("number behind a relay's 500", 500, '{"error":{"message":"x","code":429}}', RATE),
    # -- of gateways and local servers
    ("bedrock invalid id", 400, '{"message": "The provided model identifier is invalid."}', MODEL),
    (
        "bedrock eol",
        404,
        '{"message": "This model version has reached the end of its life. Please refer to the AWS documentation for more details."}',  # noqa: E501
        MODEL,
    ),
    (
        "azure apim tokens",
        403,
        '{"statusCode": 403, "message": "Token quota is exceeded. Try again in 5 days."}',
        QUOTA,
    ),
    (
        "gemini prepaid",
        429,
        '[{"error": {"code": 429, "message": "Your prepayment credits are depleted. Please go to AI Studio at https://ai.studio/projects to manage your project and billing.", "status": "RESOURCE_EXHAUSTED"}}]',  # noqa: E501
        QUOTA,
    ),
    (
        "gemini spending cap",
        429,
        '[{"error": {"code": 429, "message": "Your project has exceeded its monthly spending cap. Please go to AI Studio to manage your project spend cap.", "status": "RESOURCE_EXHAUSTED"}}]',  # noqa: E501
        QUOTA,
    ),
    (
        "anthropic limits",
        400,
        '{"type": "error", "error": {"type": "invalid_request_error", "message": "You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 UTC."}}',  # noqa: E501
        QUOTA,
    ),
    (
        "hyperbolic",
        400,
        '{"object": "error", "message": "Not enough funds. Please deposit.", "code": 402}',
        QUOTA,
    ),
    (
        "cf aig guardrail",
        424,
        '{"success": false, "error": [{"code": 2016, "message": "Prompt blocked due to security configurations"}]}',  # noqa: E501
        FILTER,
    ),
    (
        "portkey",
        412,
        '{"error": {"message": "Budget limit exceeded", "type": null, "param": null, "code": "01"}, "provider": "openai"}',  # noqa: E501
        QUOTA,
    ),
    (
        "lmstudio crash",
        400,
        '{"error": "The model has crashed without additional information. (Exit code: 18446744072635812000)"}',  # noqa: E501
        SERVER,
    ),
    (
        "lmstudio load",
        400,
        '{"error": "Failed to load model \\"x\\". Error: Model loading aborted due to insufficient system resources. Overloading the system will likely cause it to freeze."}',  # noqa: E501
        MODEL,
    ),
    (
        "fastchat cuda",
        400,
        '{"object": "error", "message": "**NETWORK ERROR DUE TO HIGH TRAFFIC. PLEASE REGENERATE OR REFRESH THIS PAGE.**", "code": 50002}',  # noqa: E501
        SERVER,
    ),
    (
        "ray",
        404,
        '{"error": {"message": "Could not find model with id foo", "internal_message": "x", "code": 404, "type": "OpenAIHTTPException"}}',  # noqa: E501
        MODEL,
    ),
    (
        "spark",
        200,
        '{"error": {"message": "AppIdNoAuthError:(sid:x)", "type": "api_error", "param": null, "code": "11200"}}',  # noqa: E501
        AUTH,
    ),
    ("spark qps", 200, '{"error": {"message": "AppIdQpsOverFlowError:(sid:x)", "code": "11202"}}', RATE),
    ("360", 200, '{"error": {"code": "1001", "message": "apiKey不合法"}}', AUTH),
    (
        "databricks model",
        404,
        '{"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "The given endpoint does not exist, please retry after checking the specified model and version deployment exists."}',  # noqa: E501
        MODEL,
    ),
    ("snowflake2", 403, '{"message": "Model foo is not allowed by the allow list", "code": "1"}', MODEL),
    (
        "watsonx quota",
        403,
        '{"errors": [{"code": "token_quota_reached", "message": "This user cannot make any more requests: token quota reached"}], "status_code": 403}',  # noqa: E501
        QUOTA,
    ),
    # -- shapes
    ("nested", 500, '{"error":{"error":{"message":"Insufficient Balance","code":"x"}}}', QUOTA),
    (
        "nested in a message",
        500,
        '{"error":{"message":"upstream: {\\"error\\":{\\"message\\":\\"Rate limit reached\\"}}","code":null}}',  # noqa: E501
        RATE,
    ),
    (
        "nested in a text",
        502,
        '{"error":"bad response {\\"code\\":\\"Arrearage\\",\\"message\\":\\"x\\"}"}',
        QUOTA,
    ),
    ("list of errors", 400, '{"errors":[{"message":"Model does not exist","code":7}]}', MODEL),
    (
        "a list around it",
        400,
        '[{"error":{"code":400,"message":"API key not valid.","status":"INVALID_ARGUMENT"}}]',
        AUTH,
    ),
    (
        "FastAPI",
        422,
        '{"detail":[{"loc":["body","temperature"],"msg":"Input should be less than 2","input":"余额"}]}',
        INVALID,
    ),
    ("an object as message", 401, '{"message":{"message":"invalid api key"}}', AUTH),
    ("msg", 200, '{"code":40101,"msg":"invalid api key"}', AUTH),
]


@check_each(("status", "body", "kind"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_the_error_that_was_meant_is_found(status: int, body: str, kind: type[APIError]) -> None:
    error = read_response_error(status, body)
    assert type(error) is kind, error.lines()
    assert error.status == status or not 400 <= status < 500
    assert 2 <= len(error.lines()) <= 4


# A failure at 200 is met in place of an answer, and in the middle of a stream.
AT_200 = [row for row in ROWS if row[1] == 200]


@check_each(("body", "kind"), [row[2:] for row in AT_200], ids=[row[0] for row in AT_200])
def test_an_error_at_200_is_not_an_answer(body: str, kind: type[APIError]) -> None:
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
    error = read_response_error(402, '{"error":{"message":"no credit","code":"insufficient_quota"}}')
    assert error.code == "insufficient_quota"
    assert error.why == "no credit (HTTP 402, insufficient_quota)"
    assert "add credit" in error.next_step.at(PYTHON)


def test_an_address_that_is_wrong_leads_to_the_address() -> None:
    assert "base_url" in read_response_error(404, "<title>404 Not Found</title>").next_step.at(PYTHON)


def test_a_web_page_is_told_by_its_title() -> None:
    error = read_response_error(502, "<html><title>\n502 Bad Gateway </title><body>cloud</body>")
    assert error.why == "502 Bad Gateway"


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
    assert read_response_error(500, "\0" * 1000).why == "HTTP 500"


@pytest.mark.parametrize(
    ("message", "limit"),
    [
        ("This model's maximum context length is 32768 tokens. However, you requested 40111 tokens", 32768),
        ("Your request exceeded model token limit: 262144 (requested: 269030)", 262144),
        ("Range of input length should be [1, 30720]", 30720),
        ("length of prompt_tokens (68957) must be less than max_seq_len (65536).", 65536),
        ("prompt is too long: 210000 tokens > 200000 maximum", 200000),
        ("The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).", 1048576),
        ("`inputs` tokens + `max_new_tokens` must be <= 4097. Given: 4000 `inputs` tokens", 4097),
        ("The input (40000 tokens) is longer than the model's context length (32768 tokens).", 32768),
        ("Prompt contains 40000 tokens, too large for model with 32768 maximum context length", 32768),
        ("input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000", 200000),
        ("the input length exceeds the context length", None),
    ],
)
def test_the_size_of_the_context_is_read_from_the_servers_words(message: str, limit: int | None) -> None:
    error = find_error({"error": {"message": message}}, status=400)
    assert isinstance(error, ContextLengthError)
    assert error.limit == limit


@pytest.mark.parametrize(
    "body",
    [
        '{"code":0,"message":"Success","choices":[]}',
        '{"code":"200","msg":"ok"}',
        '{"error":{"code":0,"message":"success"}}',
        '{"error":false}',
        '{"error":{},"errors":[]}',
        '{"status":200,"message":"请求成功"}',
        '{"status":"completed","choices":[{"delta":{"content":"a"}}]}',
        '{"base_resp":{"status_code":0,"status_msg":"success"}}',
    ],
)
def test_a_body_that_reports_success_is_no_error(body: str) -> None:
    assert find_error(json.loads(body)) is None


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (403, "<!DOCTYPE html><html><head><title>Just a moment...</title></head></html>"),
        (503, "<html><head><title>Attention Required! | Cloudflare</title></head></html>"),
        (403, "error code: 1020"),
        (401, "<html><title>Sign in to your account</title></html>"),
        (511, "<html><title>Captcha: are you human?</title></html>"),
    ],
)
def test_a_page_that_stands_in_between_is_no_bad_key(status: int, body: str) -> None:
    error = read_response_error(status, body)
    assert type(error) is HTMLError
    assert "key" not in str(error)
    assert not error.retryable


@pytest.mark.parametrize(
    ("status", "body", "why"),
    [
        (402, '{"error":{"message":"no credit","code":402}}', "no credit (HTTP 402)"),
        (402, '{"error":{"message":"402: no credit","code":"402"}}', "402: no credit"),
        (
            400,
            '{"error":{"message":"bad (invalid_value)","code":"invalid_value"}}',
            "bad (invalid_value) (HTTP 400)",
        ),
        (200, '{"error":{"message":"no credit","code":402}}', "no credit (HTTP 402)"),
        (500, "", "HTTP 500"),
    ],
)
def test_status_and_code_stand_once(status: int, body: str, why: str) -> None:
    assert read_response_error(status, body).why == why


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (
            '{"error":{"message":"Provider returned error","code":502,"metadata":{"raw":"it is full"}}}',
            "Provider returned error: it is full (HTTP 502)",
        ),
        (
            '{"error":{"message":"Provider returned error","metadata":'
            '{"raw":"{\\"error\\":{\\"message\\":\\"it is full\\"}}"}}}',
            "Provider returned error: it is full (HTTP 502)",
        ),
        ('{"fault":{"faultstring":"it is full","detail":{"errorcode":"x"}}}', "it is full (HTTP 502)"),
        ('{"Message":"it is full"}', "it is full (HTTP 502)"),
        (
            "<!DOCTYPE html>\n<html><body><pre>Cannot POST /v1</pre></body></html>",
            "Cannot POST /v1 (HTTP 502)",
        ),
    ],
)
def test_the_words_are_found_wherever_they_stand(body: str, why: str) -> None:
    assert read_response_error(502, body).why == why


def test_a_context_size_that_the_words_leave_out_is_told() -> None:
    body = {"error": {"message": "too long", "type": "exceed_context_size_error", "n_ctx": 4096}}
    assert "4096 tokens" in read_response_error(400, json.dumps(body)).what
    body["error"]["message"] = "more than 4096 tokens"
    assert "4096" not in read_response_error(400, json.dumps(body)).what
