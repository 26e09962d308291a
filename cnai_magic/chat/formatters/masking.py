"""Masks what looks like a password or a key in the text of a value, before a model reads it.

Some are known by a name beside them, some by themselves: their forms are those that their makers document for
scanners of secrets, which look for the same beginnings. What has no form of its own (a bare number, a hash, a
UUID) is no secret here: too much else looks like it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from ...redaction import hide_encoded_keys, hide_keys
from .printed_tables import mask_printed_tables

__all__ = ["MASK", "is_secret", "is_secret_name", "learn_secrets", "mask_secrets"]

_BEGINNINGS = (
    # models: OpenAI, Anthropic, OpenRouter, DeepSeek, Moonshot; Groq, xAI, Perplexity, NVIDIA, Replicate
    r"sk-[A-Za-z0-9*_-]{12,}",
    r"gsk_[A-Za-z0-9]{40,}",
    r"xai-[A-Za-z0-9]{60,}",
    r"pplx-[A-Za-z0-9]{40,}",
    r"nvapi-[\w-]{40,}",
    r"r8_[A-Za-z0-9]{30,}",
    # Hugging Face, LangSmith, Tavily, Pinecone; Zhipu and Baidu
    r"hf_[A-Za-z0-9]{20,}",
    r"lsv2_(?:pt|sk)_[0-9a-f]{32}\w*",
    r"tvly-(?:dev-)?[A-Za-z0-9]{20,}",
    r"pcsk_[A-Za-z0-9_]{40,}",
    r"[0-9a-f]{32}\.[A-Za-z0-9]{16}(?![\w.])",
    r"bce-v3/ALTAK-[A-Za-z0-9]+/[0-9a-f]{40}",
    # clouds: AWS, Google, Alibaba, Tencent, Volcengine, DigitalOcean, Databricks, Azure
    r"(?:AKIA|ASIA|ABIA|ACCA)[0-9A-Z]{16}\b",
    r"AIza[\w-]{30,}",
    r"ya29\.[\w-]{20,}",
    r"GOCSPX-[\w-]{20,}",
    r"LTAI[A-Za-z0-9]{12,24}\b",
    r"AKID[A-Za-z0-9]{28,}\b",
    r"AKLT[\w-]{30,}",
    r"do[opr]_v1_[0-9a-f]{64}",
    r"dapi[0-9a-f]{32}\b",
    r"[A-Za-z0-9_~.]{3}\dQ~[\w~.-]{31,34}",
    # code and packages: GitHub, GitLab, npm, PyPI, Docker, Sourcegraph
    r"gh[pousr]_[A-Za-z0-9]{20,}",
    r"github_pat_\w{20,}",
    r"gl(?:pat|ptt|dt|rt|cbt|ft|soat|agent|oas)-[\w-]{16,}",
    r"npm_[A-Za-z0-9]{30,}",
    r"pypi-[\w-]{30,}",
    r"dckr_[op]at_[\w-]{20,}",
    r"sgp_[0-9A-Za-z_]{40,}",
    # services: Slack, Stripe, SendGrid, Twilio, Shopify, Grafana, Postman, Notion, Linear, Figma, Telegram,
    # Discord
    r"xox[abeoprs]-[\w-]{10,}",
    r"xapp-\d-[\w-]{20,}",
    r"(?:sk|rk)_(?:live|test)_[A-Za-z0-9]{16,}",
    r"whsec_[A-Za-z0-9+/=]{20,}",
    r"SG\.[\w-]{16,}\.[\w-]{16,}",
    r"SK[0-9a-f]{32}\b",
    r"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}",
    r"gl(?:sa|c)_[A-Za-z0-9+/=_]{32,}",
    r"PMAK-[0-9a-f]{24}-[0-9a-f]{34}",
    r"ntn_[A-Za-z0-9]{40,}",
    r"lin_api_[A-Za-z0-9]{30,}",
    r"figd_[\w-]{30,}",
    r"\d{8,10}:AA[\w-]{33}(?![\w-])",
    r"[MNO][A-Za-z0-9]{23,25}\.[\w-]{6}\.[\w-]{27,}",
    # vaults and databases: HashiCorp, Doppler, PlanetScale, Supabase, age
    r"hv[bs]\.[\w-]{24,}",
    r"dp\.(?:pt|st|ct|sa)\.[A-Za-z0-9.]{30,}",
    r"pscale_(?:tkn|pw|oauth)_[\w.-]{30,}",
    r"sb(?:p|_secret)_[\w-]{20,}",
    r"AGE-SECRET-KEY-1[0-9A-Z]{58}",
    # JSON Web Tokens (RFC 7519), encrypted ones too (RFC 7516)
    r"eyJ[\w-]{8,}\.(?:eyJ[\w-]{8,}\.[\w-]+|[\w-]*\.[\w-]*\.[\w-]+\.[\w-]+)",
)
# A beginning stands at the begin of a word: the one test that nearly every position of a text fails.
_FORMS = re.compile(
    rf"\b(?=[\dA-Za-z])(?:{'|'.join(_BEGINNINGS)})"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----(?:.|\n)*?"
    r"(?:-----END [A-Z ]*PRIVATE KEY(?: BLOCK)?-----|\Z)"
)
"""What is masked whole."""

_CONNECTIONS = (
    # scheme://user:password@host; a password that holds an @ ends at the last one
    re.compile(r"(?<=://)([^\s:/@\"'<>]*:)[^\s/\"'<>]+(?=@)"),
    # Password=…; of ADO.NET and ODBC, AccountKey=…; of Azure
    re.compile(r"(;\s*(?:password|pwd)=)[^;\s\"']+", re.IGNORECASE),
    re.compile(r"(\b(?:password|pwd)=)[^;\s\"'()]{1,200}(?=;)", re.IGNORECASE),
    re.compile(r"(\b(?:AccountKey|SharedAccessKey)=)[A-Za-z0-9+/=]{20,}"),
    # in the query of an address
    re.compile(
        r"([?&](?:api[_-]?key|access[_-]?token|auth[_-]?token|client[_-]?secret|sig|signature|X-Amz-Signature)=)"
        r"[^&\s\"'#<>]{12,}",
        re.IGNORECASE,
    ),
    re.compile(r"(https://hooks\.slack\.com/services/)[\w/]{20,}"),
    # a line of a file .env, or of the environment
    re.compile(
        r"(?m)^((?:export )?[A-Z][A-Z0-9_]*(?:KEY|SECRET|TOKEN|PASSWORD|PASSWD|PWD|CREDENTIALS)=[\"']?)"
        r"(?=[^\s\"']{8})[^\s\"']+"
    ),
    # a line of YAML or of an INI file: a word with digits and letters, as no type and no variable is
    re.compile(
        r"(?im)^([ \t]*(?:- )?[\w.-]*(?:password|passwd|passphrase|secret|(?:secret|api)[_-]?key"
        r"|access[_-]?token)[ \t]*[:=][ \t]*)(?=[^\s\d]*\d)(?=[^\sa-z]*[a-z])[^\s\"'()\[\]{},<>=]{8,}[ \t]*$"
    ),
    # a line of a file of AWS
    re.compile(r"(?m)^([ \t]*aws_(?:secret_access_key|session_token)\s*=\s*)[A-Za-z0-9+/=]{20,}"),
)
"""What is masked behind the words that introduce it."""


MASK = "[secret masked]"

_NAME = (
    r"(?:passwords?|passwd|passphrase|pwd|secrets?|(?:secret|client|api|access|private|account)[\W_]?(?:key|secret)s?"
    r"|(?:auth|access|refresh|bearer|api)[\W_]?tokens?|credentials?)"
)
_OF_SHELLS = re.compile(r"_(?:TOKEN|KEY|PAT)\Z")
_NAMED = re.compile(_NAME, re.IGNORECASE)
_SECRET_NAME = re.compile(rf"(?:.*[_\W])?{_NAME}(?:[_\W]*\d*)", re.IGNORECASE)
# What is assigned to a name: password="…", 'api_key': '…', SECRET_KEY = '…'
# How it is assigned; between may stand a type (password: str = "…").
_SIGN = r"(?:\s*:\s?[\w.]{1,40}(?:\[[\w., ]{1,40}\])?(?: \| None)?\s?=|\s*(?:[:=]|=>))"
_ASSIGNED = (
    re.compile(
        rf"({_NAME}\d*[\"']?{_SIGN}\s*\")(?:\\.|[^\"\\\n]){{4,}}(?=\")",
        re.IGNORECASE,
    ),
    re.compile(
        rf"({_NAME}\d*[\"']?{_SIGN}\s*')(?:\\.|[^'\\\n]){{4,}}(?=')",
        re.IGNORECASE,
    ),
    # Several in a list.
    re.compile(rf"({_NAME}\d*[\"']?{_SIGN}\s*\[)(?=[\"'])[^\]\n]{{4,2000}}(?=\])", re.IGNORECASE),
    # JSON within a text that is quoted itself.
    re.compile(
        rf"({_NAME}\d*\\+[\"']\s*:\s*\\+[\"'])[^\"'\\\n]{{4,}}(?=\\+[\"'])",
        re.IGNORECASE,
    ),
    # Without quotes, as in the repr of an object or in libpq's words: a text with a digit, as no variable is.
    re.compile(
        r"((?<![A-Za-z\d])(?:password|passwd|pwd|passphrase|(?:client_)?secret|(?:secret|api|access)[_-]?key)\d*"
        r"(?:=|:[ ]))(?=[^\s\d]{0,100}\d)(?=[^\sa-z]{0,100}[a-z])[^\s\"'()\[\]{},;&<>=\\]{8,200}"
        r"(?=[\s,;&)>\]}\\\"']|\Z)",
        re.IGNORECASE,
    ),
    # On a command line, as a text or as a list: a text with a digit, as no placeholder is.
    re.compile(
        # Within a longer line of dashes only its end may belong to a name: each place would try them all.
        rf"(--(?!no-|-{{40}})(?:[\w-]{{1,40}}-)?{_NAME}(?:[ =]|[\"'],\s?)[\"']?)"
        r"(?=[^\s\"']{0,100}\d)[^\s\"'-][^\s\"']{3,200}",
        re.IGNORECASE,
    ),
    re.compile(r"(\bcurl\b[^\n]{0,300}?\s(?:-u|--user)[ =][\"']?[\w.@-]{1,80}:)[^\s\"':]{4,200}"),
    re.compile(r"(?m)(^machine \S{1,200}\s+login \S{1,200}\s+password )\S+"),  # .netrc
    re.compile(rf"(<(?:[\w.-]{{1,40}}:)?(?:\w{{1,40}}[_-])?{_NAME}>)[^<>]{{4,}}(?=</)", re.IGNORECASE),
    # Pairs, as the repr of dict.items() has them.
    re.compile(rf"(\(\"{_NAME}\d*\",\s*\")(?:\\.|[^\"\\\n]){{4,}}(?=\"\))", re.IGNORECASE),
    re.compile(rf"(\('{_NAME}\d*',\s*')(?:\\.|[^'\\\n]){{4,}}(?='\))", re.IGNORECASE),
    re.compile(r"(\bauthorization[\"']?\s*[:=]\s*[\"']?(?:bearer|basic)\s+)[^\s\"']{8,}", re.IGNORECASE),
)


# One of these, in small letters, is in all that the connections and the assigned ones above match, and in few
# texts else. None has an i: the "İ" that matches one as well becomes two characters.
_HINTS = ("pass", "pwd", "secret", "key", "token", "cred", "author", "curl", "://", "g=", "nature=")


@lru_cache(20_000)
def is_secret_name(name: str) -> bool:
    """Tell whether a name (of a column, a key, a variable) is that of a secret."""
    return _SECRET_NAME.fullmatch(name) is not None


def is_secret(name: str, value: object) -> bool:
    """Tell whether a name says that its value is secret: text, or what may hold text, and no number."""
    holds_text = issubclass(type(value), (str, bytes, bytearray, list, tuple, set, frozenset, dict))
    return holds_text and len(value) > 0 and is_secret_name(name)  # type: ignore[arg-type]


# A shorter value is a placeholder, and a common word.
_SHORTEST = 8
_of_environment: list[str] = []


def learn_secrets(environment: Mapping[str, str]) -> None:
    """Mask the values of these environment variables from now on, where their names are those of secrets."""
    named = (value for name, value in environment.items() if is_secret_name(name) or _OF_SHELLS.search(name))
    # The longest first: one may be a part of another.
    _of_environment[:] = sorted({value for value in named if len(value) >= _SHORTEST}, key=len, reverse=True)


def mask_secrets(text: str) -> tuple[str, int]:
    """Return a text with `MASK` in place of what looks like a secret, and how many stand in it.

    Known API keys, encoded ones too, and secrets of the environment are masked wherever they stand.
    """
    text = hide_encoded_keys(hide_keys(_FORMS.sub(MASK, text), MASK), MASK)
    for secret in _of_environment:
        text = text.replace(secret, MASK)
    folded = text.casefold()
    if not any(hint in folded for hint in _HINTS):
        return text, text.count(MASK)
    for pattern in (*_CONNECTIONS, *_ASSIGNED):
        text = pattern.sub(rf"\1{MASK}", text)
    if "\n" in text and _NAMED.search(text):
        text = mask_printed_tables(text, MASK, is_secret_name)
    return text, text.count(MASK)
