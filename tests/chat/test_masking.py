"""Which printed texts are masked as secrets, with no name beside them, and which are left alone."""

from __future__ import annotations

import base64
import json

import pytest

from cnai_magic.chat.formatters import mask_secrets
from cnai_magic.chat.formatters.held_secrets import mask_held_secrets
from cnai_magic.chat.formatters.masking import MASK
from cnai_magic.redaction import ApiKey
from tests.cases import check_each
from tests.package_source import list_sources

LETTERS = "aZ3kQ9xLm7Tb2RfW8cYd4NhV6pJs1GuE5oXi0KzAqMwBnCeDrFtHyUgIvOlPj"


def letters(count: int) -> str:
    return (LETTERS * 4)[:count]


def digits(count: int) -> str:
    return ("0f3a9c7e1b5d2846" * 8)[:count]


SECRETS = {
    "OpenAI": f"sk-proj-{letters(48)}",
    "Anthropic": f"sk-ant-api03-{letters(93)}AA",
    "Groq": f"gsk_{letters(52)}",
    "xAI": f"xai-{letters(80)}",
    "Hugging Face": f"hf_{letters(34)}",
    "LangSmith": f"lsv2_pt_{digits(32)}_{digits(10)}",
    "Zhipu": f"{digits(32)}.{letters(16)}",
    "Baidu": f"bce-v3/ALTAK-{letters(21)}/{digits(40)}",
    "AWS": "ASIAQWERTYUIOP234567",
    "Google": f"AIzaSy{letters(33)}",
    "Google OAuth": f"ya29.{letters(60)}",
    "Alibaba": f"LTAI5t{letters(18)}",
    "Tencent": f"AKID{letters(32)}",
    "Databricks": f"dapi{digits(32)}",
    "GitHub": f"ghp_{letters(36)}",
    "GitHub, fine": f"github_pat_{letters(22)}_{letters(59)}",
    "GitLab": f"glpat-{letters(20)}",
    "npm": f"npm_{letters(36)}",
    "PyPI": f"pypi-{letters(60)}",
    "Docker": f"dckr_pat_{letters(27)}",
    "Slack": f"xoxb-123456789012-1234567890123-{letters(24)}",
    "Slack, application": f"xapp-1-A0123456789-1234567890123-{digits(64)}",
    "Stripe": f"sk_live_{letters(24)}",
    "SendGrid": f"SG.{letters(22)}.{letters(43)}",
    "Twilio": f"SK{digits(32)}",
    "Shopify": f"shpat_{digits(32)}",
    "Grafana": f"glsa_{letters(32)}_{digits(8)}",
    "Telegram": f"123456789:AA{letters(33)}",
    "Vault": f"hvs.{letters(90)}",
    "a token of JSON": f"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.{letters(43)}",
    "a private key": f"-----BEGIN OPENSSH PRIVATE KEY-----\n{letters(64)}\n-----END OPENSSH PRIVATE KEY-----",
    "of PGP": f"-----BEGIN PGP PRIVATE KEY BLOCK-----\n{letters(64)}\n-----END PGP PRIVATE KEY BLOCK-----",
}
BEHIND_WORDS = {
    "postgresql://ada:{}@db.example:5432/x": "p@ss:w0rd",
    "mongodb+srv://ada:{}@cluster0.example/?retryWrites=true": "hunter2",
    "redis://:{}@localhost:6379/0": "hunter2",
    "Server=db;User Id=ada;Password={};Encrypt=true": "hunter2",
    "DefaultEndpointsProtocol=https;AccountName=x;AccountKey={}": f"{letters(60)}==",
    "https://x.example/v1?api_key={}&q=1": letters(20),
    "https://x.blob.example/a?sv=2024&sig={}": letters(43),
    "https://hooks.slack.com/services/{}": f"T0123456/B0123456/{letters(24)}",
    "HOME=/root\nSTRIPE_SECRET={}\nLANG=C": "whatever-it-is",
    "export DB_PASSWORD={}": "correct-horse",
    "db:\n  user: ada\n  password: {}\n": "hunter2x",
    "[db]\nAPI_KEY = {}\nhost = x": "a1B2c3D4",
    "host=h user=u password={} dbname=x": "hunter2-x",
    "<Conn user=u pwd={}>": "hunter2-x",
    "Conn(db_password={}, user=u)": "hunter2-x",
    "class Login:\n    password: str | None = '{}'": "hunter2",
    "class Login:\n    password: Optional[str] = '{}'": "hunter2",
    '"{{\\"password\\": \\"{}\\", \\"user\\": \\"ada\\"}}"': "hunter2",
    "'db:\\n  password: {}\\n'": "hunter2x",
    "[default]\naws_secret_access_key = {}": letters(40),
    "pd.DataFrame({{'user': ['ann'], 'password': [{}]}})": "'hunter2', 'correct horse'",
    "mysql --user ada --password={} db": "hunter2x",
    "['mysql', '--password', '{}']": "hunter2x",
    "-" * 90 + "password {}": "hunter2x",
    # Letters that are those of ASCII to whoever ignores case.
    "{{'Pa\u017f\u017fword': '{}', 'AP\u0130_\u212aEY': 'x'}}": "hunter2",
    "https://x.example/a?s\u0130g={}": letters(43),
    "curl -s -u ada:{} https://x.example": "hunter2",
    "curl -H 'X-Api-Key: {}' https://x.example": "a1b2c3d4e5",
    "machine x.example login ada password {}": "hunter2",
    "<db><db_password>{}</db_password></db>": "hunter2",
}
LEFT_ALONE = [
    f"commit {digits(40)}",
    f"sha256:{digits(64)}  data.csv",
    "550e8400-e29b-41d4-a716-446655440000",
    f"data:image/png;base64,iVBORw0KGgo{letters(80)}",
    "from sklearn import svm; import sk-learn; hf_hub_download('x'); npm_config_registry; pypi-simple",
    "gsk_team, xai-methods and pplx-7b, r8_x, SG.1.2, xoxo-kisses, SKU12345678, AKIA is a prefix",
    "max_tokens=2000; token_count: 12; TOKEN_LIMIT=4096; tokenizer = 'bert-base'; N_TOKENS=128000",
    "password = get_password(user); pwd = os.getcwd(); key = lambda row: row.name",
    "class Login:\n    password: str\n    secret: bytes16\n    api_key: Optional[str1] = None\n",
    "password: forgotten\nsecret = token\napi_key = settings.key",
    "https://example.org/a:b@c https://example.org:8080/x?key=value&page=2 ssh git@github.com:a/b.git",
    "df.groupby('key').agg(secret=('x', 'sum')); sorted(d, key=str.lower)",
    "3.14159265358979323846 2024-01-01T00:00:00.000Z 192.168.0.1:8888 12345678:AB",
    "eyJ is how JSON begins in base64",
    "PATH=/usr/bin:/bin\nPWD=/srv\nKEYMAP=us\nMONKEY=banana",
    "--password TEXT   The password\n--api-key KEY  or KEY; git push -u origin:main; x-api-key: see below",
    "the tags <password> and <secret>x</secret>",
    "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
    "ada@example.org wrote: the password is on paper; see http://a.b/c:d",
]


@check_each("name", SECRETS)
def test_a_secret_of_a_known_form_is_masked(name: str) -> None:
    secret = SECRETS[name]
    assert mask_secrets(f"printed: {secret}\nmore") == ("printed: [secret masked]\nmore", 1)


@check_each("text", BEHIND_WORDS)
def test_a_secret_behind_words_is_masked_alone(text: str) -> None:
    masked, _ = mask_secrets(text.format(BEHIND_WORDS[text]))
    assert masked == text.format("[secret masked]")


@pytest.mark.parametrize("text", LEFT_ALONE)
def test_what_only_resembles_a_secret_is_left_alone(text: str) -> None:
    assert mask_secrets(text) == (text, 0)


def test_no_line_of_this_package_is_masked_by_its_form() -> None:
    # A corpus of ordinary code, each line of it once; lines about secrets are in one module.
    lines = {
        line: path.name
        for path in list_sources()
        if path.name != "masking.py"
        for line in path.read_text(encoding="utf-8").splitlines()
    }
    wrong = [
        (name, line) for line, name in lines.items() if mask_secrets(line)[1] and "USER:PASSWORD@" not in line
    ]
    assert wrong == []


def test_the_key_is_masked_where_it_is_encoded() -> None:
    ApiKey("sk-Zq7Hc9LmPw4RtY2uVbXn")
    coded = base64.b64encode(b"user:sk-Zq7Hc9LmPw4RtY2uVbXn").decode()
    masked, count = mask_secrets(f"{{'h': '{coded}', 'x': '{b'Zq7Hc9LmPw4RtY2uVbXn'.hex()}'}}")
    assert count == 2
    assert masked.endswith(f"{MASK}', 'x': '{MASK}'}}")


def test_a_name_that_is_repeated_costs_linear_time() -> None:
    assert mask_secrets("PASSWORD=" * 20_000) == ("PASSWORD=" * 20_000, 0)


def test_very_many_secrets_of_a_json_text_are_masked_in_linear_time() -> None:
    rows = [
        {"user": f"user-{row}", "secrets": [f"{row}word{each}" for each in range(300)]} for row in range(100)
    ]
    text = json.dumps(rows)
    masked = mask_held_secrets(text, text)
    assert masked.count(MASK) == 30_000
    assert "word" not in masked
    assert all(row["user"] in masked for row in rows)
