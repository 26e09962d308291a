"""How servers spell each kind of failure: one table, read from top to bottom.

A row is the class that is meant, where it is written, its spellings as a pattern, and whose they are.
Codes and types come before words, since words may quote a prompt; the HTTP status decides what is left.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ..errors import (
    APIError,
    AuthenticationError,
    ContentFilterError,
    ContextLengthError,
    InvalidRequestError,
    ModelNotFoundError,
    QuotaError,
    RateLimitError,
    ServerError,
)

__all__ = ["INVALID_CODES", "NO_IMAGES", "SPELLINGS", "Spelling", "is_said"]


class Spelling(NamedTuple):
    """One row: `where` is "code" (code and type), "text" (the message), or whose numbers they are."""

    kind: type[APIError]
    where: str
    pattern: str

    def is_in(self, said: str) -> bool:
        """Tell whether a server said so."""
        return is_said(self.pattern, said)


def is_said(pattern: str, said: str) -> bool:
    """Tell whether a pattern is found in what a server said, in upper or lower case."""
    # Compiled with the first error, and kept by `re`: no question waits for it.
    return re.search(pattern, said, re.IGNORECASE) is not None


def _make_row(kind: type[APIError], where: str, *patterns: str) -> Spelling:
    return Spelling(kind, where, "|".join(patterns))


# A model that takes no images. An image of a kind or a size that is not taken is another matter.
_NO_IMAGES = (
    # Ark, ollama, Bedrock; llama.cpp, Kimi, Mistral
    r"do(es)?(n't| not) (support|accept|take|allow) (the )?(images?|vision|visual|multi-?modal)\b(?! format)",
    r"\bimages?( inputs?| parts?| content)? (is |are )?not (supported|enabled|allowed)",
    r"image_url is (only supported by|not supported)",  # OpenAI
    r"endpoints? found that support image",  # OpenRouter, with status 404
    r"unknown variant `?image_url|enum ChatCompletionRequestContent|sequence, expected a string",  # DeepSeek
    r"is not a (multi-?modal|vision|VLM)|at most 0 images?\b",  # vLLM, SiliconFlow
    r"missing data required for image",  # ollama
    r"unexpected item type in content",  # Qwen
    r"content'? must be a string",  # Groq
    r"takes no images",  # the demo models
    r"不支持.{0,8}(图片|图像|视觉|多模态)|(图片|图像)(输入|理解)?.{0,4}不支持",
)
NO_IMAGES = "|".join(_NO_IMAGES)

SPELLINGS: tuple[Spelling, ...] = (
    # A server that has no model for an image may answer 404 or 500: it is not to be asked again.
    _make_row(InvalidRequestError, "text", *_NO_IMAGES),
    # Of models that only stream Qwen speaks as of models that one may not access.
    _make_row(InvalidRequestError, "text", r"only support(s|ed)? (the )?stream|(仅|只)支持流式"),
    # Numbers that mean something at one vendor only.
    _make_row(QuotaError, "minimax", r"^(1008|2056)\b"),
    _make_row(RateLimitError, "minimax", r"^(1002|1039|1041|2045)\b"),
    _make_row(AuthenticationError, "minimax", r"^(1004|2049)\b"),
    _make_row(ContentFilterError, "minimax", r"^(1026|1027|1033)\b"),
    _make_row(RateLimitError, "baidu", r"^(18|4)\b"),
    _make_row(QuotaError, "baidu", r"^(17|19)\b"),
    _make_row(AuthenticationError, "baidu", r"^(6|13|14|15|100|110|111)\b"),
    # Numbers that no two vendors share: Zhipu (docs.bigmodel.cn, api-code), Baidu (3365xx), SiliconFlow.
    _make_row(QuotaError, "code", r"^(1113|1304|1308|1309|1310|30001)\b"),
    _make_row(AuthenticationError, "code", r"^(100[0-5]|111[0-2])\b.*\b(401|authentication)"),
    _make_row(RateLimitError, "code", r"^(1302|1303|1305|1312|1313|33650[1-5])\b"),
    _make_row(ModelNotFoundError, "code", r"^(1211|1311|20012)\b"),
    _make_row(ContentFilterError, "code", r"^1301\b"),
    _make_row(ContextLengthError, "code", r"^1261\b"),
    # MiniMax: a plan is used up until its window ends, whatever type stands beside.
    _make_row(QuotaError, "text", r"\((1008|2056)\)"),
    # Cerebras: tokens per minute.
    _make_row(RateLimitError, "code", r"\b(token|request)_quota_exceeded"),
    # More tokens than a minute allows: no waiting helps (OpenAI, Groq).
    _make_row(ContextLengthError, "text", r"request too large for"),
    # vLLM: the prompt fits, and the answer that is asked for does not.
    _make_row(InvalidRequestError, "text", r"max_(completion_|new_)?tokens\b.{0,50}\btoo large"),
    # Qwen's tokens per minute are called insufficient_quota in the compatible mode.
    _make_row(RateLimitError, "text", r"allocated quota exceeded"),
    _make_row(
        ContentFilterError,
        "code",
        r"data_?inspection_?failed",  # Qwen
        r"content_?filter|content_?policy|ResponsibleAIPolicy|content_moderation",  # OpenAI, Azure, Moonshot
        r"SensitiveContent|RiskDetection|IllegalDetected",  # Ark, Hunyuan
        r"sensitive_(words|content)|prompt_blocked|violation_fee",  # new-api
        r"(prompt|input|answer|output)_(is_)?unsafe|unsafe_(content|prompt)",  # ERNIE
        r"censorship|safety_check|PROHIBITED_CONTENT|moderation_(blocked|failed)",  # StepFun, ZenMux, Gemini
        r"^2016\b",  # Cloudflare's AI Gateway
    ),
    _make_row(
        QuotaError,
        "code",
        r"insufficient_?(user_?)?(quota|balance|credits?|funds)|pre_consume_token_quota|not_enough_(balance|quota|credits?)",
        r"exceeded_current_quota|billing_not_active|billing_hard_limit|payment_required|no_credit",
        r"credit_balance_exhausted|spend_limit_exceeded|quota_exceeded|quote_exceeded|budget_exceeded",
        r"Arrear|overdue|QuotaExceeded|FreeTierOnly|BillOverdue|NotPurchased|FreeQuota",  # Qwen, Ark, ERNIE
        r"ResourcePackExhausted|ServiceStop|LowBalance|ChargeResourceExhausted|SetLimitExceeded",
        r"entitlement_|QUOTA_USER_DAILY",  # new-api; Baidu's AppBuilder
        r"token_quota_reached",  # watsonx
    ),
    _make_row(
        ContextLengthError,
        "code",
        r"context_?(length|window|size|limit)|tokens?_too_long|characters_too_long|prompt_too_long",
        r"input_too_long|token_?s?_limit_(exceeded|reached)|string_above_max_length|request_too_large",
    ),
    _make_row(
        ModelNotFoundError,
        "code",
        r"model_?not_?(found|supported|exist|available|open|activated)|InvalidEndpointOrModel",
        r"InvalidEndpoint\b",
        r"(invalid|unknown|unsupported|no_such)_model|model_access_denied|Model\.AccessDenied",
        r"DeploymentNotFound|unavailable_model",  # Azure, GitHub
        r"ServiceNotActivated|InvalidParameterValue\.Model|model_price_error",  # Hunyuan, new-api
        r"ServiceNotOpen",  # Ark
        r"ModelUnavailable|channel:(no_available_key|model_mapped_error)|get_channel_failed",
    ),
    _make_row(
        RateLimitError,
        "code",
        r"rate_?_?limit|RequestLimitExceeded|^LimitExceeded|Throttling|too_?many_?requests|engine_overloaded",
        r"capacity_exceeded|queue_exceeded",  # Groq, Mistral, Cerebras
        r"EngineServerLimitExceeded|concurrency_limit|limit_(requests|burst_rate|tokens)|RATE_LIMIT",
    ),
    _make_row(
        AuthenticationError,
        "code",
        r"(invalid|incorrect|missing|no|expired)_?api_?key|authentication|AuthFailure|unauthorized",
        r"unauthenticated",
        r"UnAuth|invalid_iam_token|invalid_token|token_expired|channel:invalid_key",
    ),
    # Words. Numbers in brackets are MiniMax's, which it also writes behind its messages.
    _make_row(
        ContentFilterError,
        "text",
        r"content exists risk|considered high risk|new_sensitive|\(102[67]\)",
        r"sensitive (word|content|information)|audit failed",
        r"\b(contains?|is|are|invalid),? ?.{0,12}\b(?<!case.)sensitive\b",
        r"may contain (inappropriate|sensitive|unsafe)|inappropriate content|unsafe content",
        r"guardrail|ContentPolicyViolation|by (the |our )?(content|safety) filter",
        r"content (management|safety) policy|content policy|safety system|usage polic(y|ies)\b.{0,40}violat",
        r"violat\w+ .{0,30}(usage|content|safety|our) (polic|guideline)",
        r"flagged (by|as|for)|requires moderation",
        r"(prompt|content|response|input|output)\b.{0,60}\b(was|is|been) (blocked|filtered|flagged)",
        r"(prompt|content|response|input|output)\b.{0,60}\b(was|is|been) rejected by",
        r"敏感|不安全|违规内容|内容违规|审核(未|不)通过|安全审核|内容安全|违禁",
    ),
    _make_row(
        QuotaError,
        "text",
        r"额度|余额|欠费|充值|insufficient (account )?(balance|quota|credits?|funds)|account balance is",
        r"quota is not enough|balance (is )?(not enough|insufficient|too low)|exceeded your current quota",
        r"not enough (balance|quota|credits?)",
        r"in arrears|overdue|(budget|credits?) (has|have) been (exceeded|used)|more credits|out of credits?",
        r"no (remaining |more )?credits?\b|credit balance|please recharge|top up",
        r"good standing|payment required",
        r"free (tier|quota|trial|credits?)\b.{0,60}(exhausted|used up|exceeded|expired)",
        r"(trial|package).{0,40}used up",
        r"(billing|spend(ing)?) (hard )?limit|(reached|exceeded) your usage limit",
        r"key limit exceeded|any credits|purchase (more )?credits",
        r"over budget|ExceededBudget|exceeded.{0,20}budget",
        r"used up (your|the|all) .{0,30}(allocation|quota|credits?)|out of .{0,20}quota",
        r"credits are depleted|spending cap|(reached|exceeded) your .{0,20}usage limit",  # Gemini, Anthropic
        r"not enough funds|budget limit exceeded|token quota is exceeded",  # Hyperbolic, Portkey, APIM
    ),
    _make_row(
        RateLimitError,
        "text",
        r"rate.?limit|(requests|tokens) per (min|day)|too many requests|throttl",
        r"too many tokens, please wait|tokens? per minute limit",
        r"频率|并发|限流|速率|请求过多|负载已饱和|\((1002|1039|2045)\)",
        r"QpsOverFlow",  # Spark
    ),
    _make_row(
        ContextLengthError,
        "text",
        r"maximum (context|prompt|input|model) (length|limit)",
        r"context (length|size|window|limit).{0,60}(exceed|full)",
        r"exceed\w*.{0,60}(context|token limit|limit of \d+ tokens|maximum number of tokens)",
        r"exceed\w*.{0,30}max\w*.{0,15}(input|prompt|token|context|length)",
        r"\b(prompt|input|messages?|request|conversation|query)\b.{0,40}\btoo (long|large|many tokens)",
        r"too many (input |prompt )?tokens\b(?! per)|token (length too long|count over limit)",
        r"range of input length|max_seq_len",
        r"`inputs`|max\w* input (characters|tokens|length)|longer than the (maximum|model|context)",
        r"greater than the context|context the overflows|context length of only|ContextWindowExceeded",
        r"current length is .{0,30}limit is",
        r"reduce (the|your) (length|prompt|messages|input)|body too large|entity too large",
        r"超长|(超过|超出).{0,20}(上下文|最大长度|长度|token)|(输入|内容|文本|请求).{0,10}过长",
    ),
    _make_row(
        ModelNotFoundError,
        "text",
        r"无可用渠道|no available (channel|provider|endpoint)|no (endpoints|allowed providers?) (found|are)",
        r"\bmodel\b.{0,80}(does not exist|not found|not exist)",
        r"\bmodel\b.{0,80}is not (available|open|a valid|activated|loaded)",
        r"\bmodel\b[^.:,]{0,60} is not supported|not activated the model|not found the model|^model: \S+$",
        r"(invalid|unknown|no such|unsupported) model\b|no models? (is |are )?loaded|models/\S+ is not found",
        r"\bmodel\b.{0,60}(decommissioned|deprecated|(has|have) been (removed|retired|shut down))",
        r"model identifier is invalid|\bmodel\b.{0,30}end of its life",  # Bedrock
        r"could not find model|failed to load model(?! vocabulary)",  # LM Studio, Ray
        r"\bmodel\b.{0,40}not allowed by",
        r"given endpoint does not exist|^Function '[^']*': not found",  # Databricks, NVIDIA
        r"not a valid model|can only access models",
        r"(access|permission)\b.{0,30}\bmodel\b|模型.{0,60}(不存在|未找到|不支持|未开通|已下线|无权|没有权限)",
        r"(无权|没有权限)(使用|访问|调用)?.{0,12}模型",
    ),
    _make_row(
        AuthenticationError,
        "text",
        r"(invalid|incorrect|wrong|missing|malformed|expired|no)\b.{0,20}(api.?key|token\b|credential)",
        r"(api.?key|access token)\b.{0,30}(invalid|incorrect|not valid|missing|expired|not found|required)",
        r"无效的令牌|令牌.{0,12}(过期|失效|不可用|失败)|未提供令牌|身份验证|鉴权失败",
        r"login fail|\((1004|2049)\)|(账户|账号|用户).{0,6}(锁定|禁用|封禁|冻结|停用)",
        r"authentication (fails|failed|error)|AppIdNoAuth|api.?key不合法",
    ),
    # LM Studio answers so with status 200, where /v1 is missing.
    _make_row(InvalidRequestError, "text", r"unexpected endpoint or method"),
    # The model of LM Studio has crashed; FastChat says that its GPU has no memory left.
    _make_row(ServerError, "text", r"model has crashed|due to high traffic"),
    # After the words: these numbers say no more than that something is wrong with the request.
    _make_row(InvalidRequestError, "minimax", r"^(2013|1042)\b"),
    _make_row(InvalidRequestError, "baidu", r"^(336003|336006|336007|336103|336104)\b"),
)

# The type `invalid_request_error` stands in almost every error: a telling status or text wins over these.
INVALID_CODES = re.compile(
    r"invalid_?request|Invalid_?Parameter|MissingParameter|BadRequest|bad_request|invalid_argument|malformed"
    r"|unsupported_(parameter|value)|UnsupportedOperation|validation",
    re.IGNORECASE,
)
