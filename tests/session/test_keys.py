"""Which key goes to which server, and what becomes of a keyring that fails."""

from __future__ import annotations

import signal
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import keyring
import keyring.backend
import keyring.errors
import pytest

from cnai_magic.api.vendors import find_server
from cnai_magic.errors import InputError
from cnai_magic.redaction import ApiKey
from cnai_magic.session.endpoint import resolve_server
from cnai_magic.session.keys import Keys, forget_key, save_key
from cnai_magic.settings import DEFAULT_BASE_URL

KEY = ApiKey("sk-test-0123456789")


class FakeKeyring(keyring.backend.KeyringBackend):
    """A keyring in memory, whose methods can be made to fail."""

    priority = 1

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.kept: dict[tuple[str, str], str] = {}
        self.failures: dict[str, Exception] = {}

    def _fail(self, name: str) -> None:
        if name in self.failures:
            raise self.failures[name]

    def get_password(self, service: str, username: str) -> str | None:
        self._fail("get")
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self._fail("set")
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        self._fail("delete")
        del self.kept[service, username]


def key_of(base_url: str, typed: ApiKey | None = None) -> ApiKey | None:
    keys, address = Keys(), resolve_server(base_url)
    keys.use(typed, address)
    return keys.find(find_server(base_url))


@pytest.fixture
def own_keyring() -> Iterator[FakeKeyring]:
    before = keyring.get_keyring()
    fake = FakeKeyring()
    keyring.set_keyring(fake)
    yield fake
    keyring.set_keyring(before)


def test_a_key_is_kept_for_its_server_alone(own_keyring: FakeKeyring) -> None:
    save_key(KEY, resolve_server(DEFAULT_BASE_URL))
    assert key_of(DEFAULT_BASE_URL) == KEY
    for other in (
        "https://elsewhere.example/v1",
        "http://localhost:8000/v1",
        f"{DEFAULT_BASE_URL[:-3]}:8443/v1",
    ):
        assert key_of(other) is None
        assert key_of(other) is None
        assert not forget_key(resolve_server(other))
    other_key = ApiKey("sk-other-9876543210")
    save_key(other_key, resolve_server("http://localhost:8000/v1"))
    assert key_of("http://localhost:8000/v1") == other_key
    assert key_of("http://localhost:8001/v1") is None
    assert forget_key(resolve_server(DEFAULT_BASE_URL))
    assert not forget_key(resolve_server(DEFAULT_BASE_URL))
    assert key_of(DEFAULT_BASE_URL) is None
    assert key_of("http://localhost:8000/v1") == other_key


@pytest.mark.parametrize("url", ["https://CNAItoken.store:443/v1/", " https://cnaitoken.store/other "])
def test_a_server_is_the_same_however_its_address_is_written(url: str, own_keyring: FakeKeyring) -> None:
    save_key(KEY, resolve_server(DEFAULT_BASE_URL))
    assert key_of(url) == KEY


def test_a_typed_key_goes_before_the_environment(
    own_keyring: FakeKeyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CNAI_API_KEY", "sk-of-the-environment")
    assert key_of("https://elsewhere.example/v1") == ApiKey("sk-of-the-environment")
    assert key_of("https://elsewhere.example/v1", KEY) == KEY


OWN = {
    "CNAI_API_KEY": "sk-general-key-1",
    "DEEPSEEK_API_KEY": "sk-deepseek-key",
    "ZAI_API_KEY": "sk-zai-key-123",
}


@pytest.mark.parametrize(
    ("base_url", "key"),
    [
        ("deepseek", "sk-deepseek-key"),
        ("https://api.deepseek.com/beta", "sk-deepseek-key"),
        ("zhipu", "sk-zai-key-123"),
        ("moonshot", "sk-general-key-1"),
        ("https://elsewhere.example/v1", "sk-general-key-1"),
        ("http://192.0.2.7:8000/v1", "sk-general-key-1"),
        ("ollama", ""),
        ("localhost:9999/v1", ""),
        ("http://[::1]:9999/v1", ""),
    ],
)
def test_a_vendor_has_its_own_variable_and_a_server_on_this_machine_has_none(
    base_url: str, key: str, own_keyring: FakeKeyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in OWN.items():
        monkeypatch.setenv(name, value)
    assert (key_of(base_url) or ApiKey("")) == ApiKey(key)


def test_a_server_on_this_machine_gets_the_key_that_was_set_beside_its_address(
    own_keyring: FakeKeyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CNAI_API_KEY", KEY.reveal())
    monkeypatch.setenv("CNAI_BASE_URL", "http://127.0.0.1:8787/v1")
    assert key_of("127.0.0.1:8787/v1") == KEY
    assert key_of("127.0.0.1:8788/v1") is None


def test_a_server_on_this_machine_is_found_where_the_environment_names_the_demo(
    own_keyring: FakeKeyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CNAI_API_KEY", KEY.reveal())
    monkeypatch.setenv("CNAI_BASE_URL", "demo")
    assert key_of("127.0.0.1:8787/v1") is None


PASTED = [
    "{}",
    " {}\n",
    "'{}'",
    '"{}"',
    "“{}”",
    "‘{}’",
    "`{}`",
    "\ufeff{}\u200b",
    "{};",
    "CNAI_API_KEY={}",
    "CNAI_API_KEY = '{}'",
    "export CNAI_API_KEY={}",
    'export DEEPSEEK_API_KEY="{}"',
    "set OPENAI_API_KEY={}",
    '$env:CNAI_API_KEY = "{}"',
    "%env CNAI_API_KEY={}",
    "api_key: {}",
    '"api_key": "{}",',
    "Bearer {}",
    "bearer  {}",
    "Authorization: Bearer {}",
    '-H "Authorization: Bearer {}"',
    "{}\r\n",
]


@pytest.mark.parametrize("pasted", PASTED)
@pytest.mark.parametrize("value", ["sk-test-0123456789", "0123456789abcdef.AbCdEf==", "bce-v3/ALTAK-x/y"])
def test_what_was_pasted_along_with_a_key_is_taken_off(
    pasted: str, value: str, own_keyring: FakeKeyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = pasted.format(value)
    assert ApiKey(text).reveal() == value
    own_keyring.kept["cnai_magic", "elsewhere.example"] = text
    assert key_of("https://elsewhere.example/v1") == ApiKey(value)
    monkeypatch.setenv("CNAI_API_KEY", text)
    assert key_of("https://other.example/v1") == ApiKey(value)


FAILURES = [
    RuntimeError("dbus is gone"),
    OSError("disk full"),
    keyring.errors.PasswordDeleteError("read only"),
    keyring.errors.KeyringLocked("locked"),
    KeyError(),
]


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: type(failure).__name__)
def test_a_keyring_that_fails_is_told_and_never_raises_raw(
    failure: Exception, own_keyring: FakeKeyring
) -> None:
    save_key(KEY, resolve_server(DEFAULT_BASE_URL))
    calls: dict[str, Callable[[], Any]] = {
        "set": lambda: save_key(KEY, resolve_server(DEFAULT_BASE_URL)),
        "delete": lambda: forget_key(resolve_server(DEFAULT_BASE_URL)),
    }
    for name, call in calls.items():
        own_keyring.failures = {name: failure}
        with pytest.raises(InputError, match="the key cannot be") as caught:
            call()
        assert caught.value.why
        assert caught.value.next_step
    own_keyring.failures = {"get": failure}
    assert key_of(DEFAULT_BASE_URL) is None
    with pytest.raises(InputError, match="deleted"):
        forget_key(resolve_server(DEFAULT_BASE_URL))


def test_a_machine_without_a_keyring_has_nothing_to_forget(own_keyring: FakeKeyring) -> None:
    own_keyring.failures = {"get": keyring.errors.NoKeyringError("none")}
    assert not forget_key(resolve_server(DEFAULT_BASE_URL))


def test_an_interrupt_while_the_keyring_waits_shows_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    class Waiting(FakeKeyring):
        def set_password(self, service: str, username: str, password: str) -> None:
            signal.raise_signal(signal.SIGINT)
            super().set_password(service, username, password)

    waiting = Waiting()
    before = keyring.get_keyring()
    keyring.set_keyring(waiting)
    try:
        with pytest.raises(KeyboardInterrupt) as caught:
            save_key(KEY, resolve_server(DEFAULT_BASE_URL))
    finally:
        keyring.set_keyring(before)
    frames = traceback.walk_tb(caught.value.__traceback__)
    assert not any(KEY.reveal() in repr(value) for frame, _ in frames for value in frame.f_locals.values())
