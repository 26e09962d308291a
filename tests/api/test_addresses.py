from __future__ import annotations

from urllib.parse import urlsplit

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st
from urllib3.util import parse_url

from cnai_magic.api.addresses import parse_address
from cnai_magic.errors import InputError
from cnai_magic.python_words import PYTHON


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://cnaitoken.store/v1", "https://cnaitoken.store/v1"),
        (" https://Host.Example/v1/ \n", "https://host.example/v1"),
        ("https://host:443/v1", "https://host/v1"),
        ("https://host:8443", "https://host:8443"),
        ('"http://127.0.0.1:8080/v1"', "http://127.0.0.1:8080/v1"),
        ("http://[::1]:8080/v1", "http://[::1]:8080/v1"),
        ("http://[0:0:0:0:0:0:0:1]/v1", "http://[::1]/v1"),
        ("https://host/v1/chat/completions", "https://host/v1"),
        # What a server prints that listens on all addresses.
        ("http://0.0.0.0:8000/v1", "http://127.0.0.1:8000/v1"),
        ("http://[::]:8000/v1", "http://[::1]:8000/v1"),
        # Without a scheme: http where it is near, https for the internet.
        ("localhost:11434", "http://localhost:11434"),
        ("127.0.0.1:8080/v1", "http://127.0.0.1:8080/v1"),
        ("[::1]:8080/v1", "http://[::1]:8080/v1"),
        ("192.168.1.20:11434/v1", "http://192.168.1.20:11434/v1"),
        ("gpu-box:8000/v1", "http://gpu-box:8000/v1"),
        ("host.docker.internal:11434/v1", "http://host.docker.internal:11434/v1"),
        ("mac.local:1234/v1", "http://mac.local:1234/v1"),
        ("api.deepseek.com", "https://api.deepseek.com"),
        ("8.8.8.8/v1", "https://8.8.8.8/v1"),
    ],
)
def test_an_address_is_read_and_mended(text: str, url: str) -> None:
    assert parse_address(text).url == url


@pytest.mark.parametrize(
    "text",
    [
        r"http://192.0.2.2:80\[::1]/v1",
        r"http://127.0.0.1\.evil.example/v1",
        "http://127.0.0.1:80@evil.example/v1",
        "http://user:secret@host/v1",
        "http://evil.example /v1",
        "http://evil.example\t/v1",
        "http://evil\n.example/v1",
        "http://evil.example\x00/v1",
        "http://evil.example\u3000/v1",
        "http://evil.example\u200b/v1",
        "http://127。0。0。1/v1",
        "http://１２７.0.0.1/v1",
        "http://ⓔvil.example/v1",
        "http://bücher.example/v1",
        "http://%31%32%37.0.0.1/v1",
        "http://[::1%25eth0]/v1",
        "http://[fe80::1%eth0]/v1",
        "http://127.1/v1",
        "http://0x7f.1/v1",
        "http://0x7f000001/v1",
        "http://2130706433/v1",
        "http://0177.0.0.1/v1",
        "http://127.0.0.01/v1",
        "http://127.0.0.1./v1",
        "http://localhost./v1",
        "http://evil.example../v1",
        "http://.evil.example/v1",
        "http://evil..example/v1",
        "http://-evil.example/v1",
        "http://host:0/v1",
        "http://host:080/v1",
        "http://host:65536/v1",
        "http://host:+80/v1",
        "http://host:/v1",
        "http://host:80:80/v1",
        "http://host/v1?key=secret",
        "http://host/v1#secret",
        "http://host/../v1",
        "http://host/./v1",
        "http://host//v1",
        "http://host/v%31",
        "http:host/v1",
        "http:/host/v1",
        "http:///host/v1",
        "//host/v1",
        "ftp://host/v1",
        "file:///etc/passwd",
        "javascript:f(1)",
        "https://https://host/v1",
        "https://",
        "",
        "no address at all",
        # Keys that were pasted in place of an address: none is looked up as a name.
        "sk-0123456789abcdef",
        "0123456789abcdef.AbCdEfGh",
        "bce-v3/ALTAK-x/y",
    ],
)
def test_what_parsers_read_differently_is_refused_and_not_quoted(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_address(text)
    assert caught.value.parameter == "base_url"
    assert "secret" not in "\n".join(caught.value.lines(PYTHON))


@pytest.mark.parametrize(
    ("text", "loopback"),
    [
        ("http://localhost/v1", True),
        ("http://127.0.0.1/v1", True),
        ("http://127.9.9.9/v1", True),
        ("http://[::1]/v1", True),
        ("http://[::ffff:127.0.0.1]/v1", True),
        ("http://localhost.evil.example/v1", False),
        ("http://127.0.0.1.evil.example/v1", False),
        ("http://foo.localhost/v1", False),
        ("http://192.168.0.1/v1", False),
        ("http://[::2]/v1", False),
    ],
)
def test_loopback_is_what_cannot_leave_this_machine(text: str, loopback: bool) -> None:
    assert parse_address(text).loopback is loopback


_PIECES = st.sampled_from(
    [
        *"/\\:@?#[]%. \t\n\x00",
        *("http", "https", "://", "127.0.0.1", "[::1]", "localhost", "evil.example", "80", "0x7f", "1"),
        *("v1", "。", "１", "%2f", "..", "user", "ü", "\u200b"),
    ]
)


@settings(max_examples=400, derandomize=True, deadline=None)
@given(st.lists(_PIECES, max_size=9).map("".join))
def test_every_parser_reads_an_accepted_address_as_it_was_checked(text: str) -> None:
    try:
        address = parse_address(text)
    except InputError:
        return
    prepared = requests.Request("GET", address.url + "/models").prepare().url
    assert prepared == address.url + "/models"
    for port, host, path in (
        (urlsplit(prepared).port, urlsplit(prepared).hostname, urlsplit(prepared).path),
        (parse_url(prepared).port, (parse_url(prepared).host or "").strip("[]"), parse_url(prepared).path),
    ):
        assert (host, path) == (address.host, f"{address.path}/models")
        assert port in (address.port, None)
    assert parse_address(address.url) == address
