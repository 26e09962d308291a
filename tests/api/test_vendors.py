from __future__ import annotations

import pytest

from cnai_magic.api.addresses import parse_address
from cnai_magic.api.vendors import (
    _read_vendors,
    find_vendor,
    find_vendor_at,
    list_local_servers,
    resolve_address,
)
from cnai_magic.errors import InputError

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
    assert resolve_address(base_url).url == url


@pytest.mark.parametrize(
    ("typed", "meant"), [("deepsek", "deepseek"), ("olama", "ollama"), ("Moonshoot", "moonshot")]
)
def test_a_name_that_is_nearly_one_is_corrected(typed: str, meant: str) -> None:
    with pytest.raises(InputError) as caught:
        resolve_address(typed)
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
        resolve_address(typed)
    assert words in caught.value.why


def test_what_may_be_a_key_is_answered_with_the_form_of_an_address() -> None:
    with pytest.raises(InputError) as caught:
        resolve_address("sk-1234abcd")
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
