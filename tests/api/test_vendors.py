from __future__ import annotations

from urllib.parse import urlsplit

import pytest
import requests
from hypothesis import given
from urllib3.util import parse_url

from cnai_magic.api.vendors import (
    _read_vendors,
    find_server,
    find_vendor,
    find_vendor_at,
    list_local_servers,
    parse_address,
)
from cnai_magic.errors import InputError
from cnai_magic.python_words import PYTHON
from tests.cases import check_each
from tests.properties import by_chance, random_examples

VENDORS = ["deepseek", "moonshot", "zhipu", "minimax", "qwen"]
VENDORS += ["ernie", "volcengine", "hunyuan", "baichuan", "stepfun", "openai", "openrouter"]


@pytest.mark.parametrize("name", VENDORS)
def test_each_vendor_has_an_address_a_key_variable_and_pages(name: str) -> None:
    vendor = find_vendor(name)
    assert vendor is not None
    assert vendor.address.scheme == "https"
    assert vendor.keys
    assert all(key.endswith("_API_KEY") for key in vendor.keys)
    assert vendor.console.startswith("https://")
    assert vendor.topup.startswith("https://")


def test_names_aliases_and_hosts_are_each_those_of_one_server() -> None:
    names = [name for vendor in _read_vendors() for name in (vendor.name, *vendor.aliases)]
    assert len({*names}) == len(names)
    places = [vendor.address.place for vendor in _read_vendors()]
    assert len({*places}) == len(places)


def test_the_local_servers_are_found_at_their_usual_ports() -> None:
    found = {each.name: each.address.port for each in list_local_servers()}
    assert found == {"ollama": 11434, "lmstudio": 1234, "llamacpp": 8080, "gateway": 8787, "vllm": 8000}
    assert all(each.start and each.title and not each.keys for each in list_local_servers())


@pytest.mark.parametrize(
    ("base_url", "url"),
    [
        ("ollama", "http://127.0.0.1:11434/v1"),
        ("Ollama ", "http://127.0.0.1:11434/v1"),
        ("kimi", "https://api.moonshot.cn/v1"),
        ("ark", "https://ark.cn-beijing.volces.com/api/v3"),
        ("cnaitoken", "https://cnaitoken.store/v1"),
        # A path that the address of a named server lacks.
        ("localhost:8787", "http://localhost:8787/v1"),
        ("localhost:11434", "http://localhost:11434/v1"),
        ("http://localhost:1234", "http://localhost:1234/v1"),
        ("api.deepseek.com", "https://api.deepseek.com/v1"),
        ("https://ark.cn-beijing.volces.com", "https://ark.cn-beijing.volces.com/api/v3"),
        # What is not known is left as it is.
        ("https://gateway.example", "https://gateway.example"),
        ("http://127.0.0.1:4000", "http://127.0.0.1:4000"),
    ],
)
def test_a_name_or_an_address_leads_to_the_api(base_url: str, url: str) -> None:
    assert find_server(base_url).address.url == url


@pytest.mark.parametrize(
    ("typed", "meant"), [("deepsek", "deepseek"), ("olama", "ollama"), ("Moonshoot", "moonshot")]
)
def test_a_name_that_is_nearly_one_is_corrected(typed: str, meant: str) -> None:
    with pytest.raises(InputError) as caught:
        find_server(typed)
    assert f"did you mean {meant}?" in caught.value.why
    assert typed not in str(caught.value)


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("watsonx", "there are demo, cnaitoken, deepseek"),
        ("My Server", "there are"),
        ("", "it is empty"),
    ],
)
def test_an_unknown_name_is_answered_with_the_known_ones(typed: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        find_server(typed)
    assert words in caught.value.why


def test_what_may_be_a_key_is_answered_with_the_form_of_an_address() -> None:
    with pytest.raises(InputError) as caught:
        find_server("sk-1234abcd")
    assert caught.value.why.startswith("it has the form https://host/v1")


def test_a_server_is_known_by_its_host_or_its_usual_port() -> None:
    known = {
        "https://api.deepseek.com/beta": "deepseek",
        "http://localhost:11434/v1": "ollama",
        "http://[::1]:8000/v1": "vllm",
    }
    for url, name in known.items():
        found = find_vendor_at(parse_address(url))
        assert found is not None
        assert found.name == name
    for url in ("https://deepseek.example/v1", "http://192.168.0.9:11434/v1", "http://127.0.0.1:9999/v1"):
        assert find_vendor_at(parse_address(url)) is None


# -- addresses ----------------------------------------------------------------------------------


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


@check_each(
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


_PIECES = [
    *"/\\:@?#[]%. \t\n\x00",
    *("http", "https", "://", "127.0.0.1", "[::1]", "localhost", "evil.example", "80", "0x7f", "1"),
    *("v1", "。", "１", "%2f", "..", "user", "ü", "\u200b"),
]


@random_examples(400)
@given(by_chance(lambda chance: chance.joined(_PIECES, 9)))
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
