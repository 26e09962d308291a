"""The gateway inside a process, and as a process of its own."""

from __future__ import annotations

import errno
import itertools
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cnai_magic.api.billing import Balance
from cnai_magic.api.client import Client
from cnai_magic.api.messages import ChatRequest, Message
from cnai_magic.errors import CnaiError, InputError
from cnai_magic.gateway import embedded as gateway
from cnai_magic.gateway import listening_socket
from cnai_magic.money.price import read_pricing
from cnai_magic.next_steps import NextStep, choose_port
from cnai_magic.redaction import ApiKey
from tests.forked_kernels.process import Process, start_python
from tests.interrupting import interrupted_at
from tests.session.test_reply_reader import open_sockets

PATIENCE = 30


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    if gateway_threads():
        gateway.start_embedded().close()


@pytest.fixture
def spawn() -> Iterator[Any]:
    processes: list[Process] = []

    def spawned(code: str) -> Process:
        # All warnings are errors, also those of modules that are taken apart at the end.
        strict = f"import warnings\nwarnings.simplefilter('error')\n{code}\nraise SystemExit"
        process = start_python(strict, piped=False)
        processes.append(process)
        return process

    yield spawned
    for process in processes:
        process.kill()
        process.communicate()


def gateway_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("cnai-gateway")]


def fetch(base_url: str, path: str, key: str = "") -> bytes:
    request = urllib.request.Request(base_url + path, headers={"Authorization": f"Bearer {key}"})
    with urllib.request.urlopen(request, timeout=PATIENCE) as response:
        return bytes(response.read())


def test_the_embedded_gateway_serves_the_demo_models_to_its_key() -> None:
    found = gateway.start_embedded(tokens_per_second=0)
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/v1", found.base_url)
    assert re.fullmatch(r"sk-[A-Za-z0-9]{48}", found.key.reveal())
    assert b"demo-guide" in fetch(found.base_url, "/models", found.key.reveal())


def test_there_is_one_in_a_process_and_a_new_one_after_close() -> None:
    first = gateway.start_embedded()
    assert gateway.start_embedded() is first
    assert len(gateway_threads()) == 1
    first.close()
    first.close()
    assert gateway_threads() == []
    second = gateway.start_embedded()
    assert second is not first
    assert second.key != first.key
    assert b"object" in fetch(second.base_url, "/models", second.key.reveal())


def test_close_frees_the_port_and_ends_streams_under_way() -> None:
    found = gateway.start_embedded()
    port = int(found.base_url.split(":")[2].split("/")[0])
    body = b'{"model": "demo-faults", "stream": true, "messages": [{"role": "user", "content": "stall"}]}'
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {found.key.reveal()}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        connection.sendall(head.encode() + body)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
        found.close()
        assert b"\r\n0\r\n\r\n" not in b"".join(iter(lambda: connection.recv(65536), b""))
    assert gateway_threads() == []
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)


def test_many_threads_that_ask_at_once_get_the_same() -> None:
    found: list[gateway.EmbeddedGateway] = []
    barrier = threading.Barrier(8)

    def ask() -> None:
        barrier.wait(PATIENCE)
        found.append(gateway.start_embedded())

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert len(found) == 8
    assert len(set(map(id, found))) == 1


def test_an_interrupt_at_any_step_leaks_no_gateway() -> None:
    sockets = open_sockets()
    for step in itertools.count(1):
        went_on = interrupted_at(step, lambda: gateway.start_embedded(tokens_per_second=0))
        found = gateway.start_embedded(tokens_per_second=0)
        assert found.running
        assert len(gateway_threads()) == 1
        went_on = interrupted_at(step, found.close) or went_on
        # The next one sees to it that the one before has ended.
        gateway.start_embedded(tokens_per_second=0).close()
        assert gateway_threads() == []
        if not went_on:
            break
    assert step > 10
    assert open_sockets() == sockets


def test_an_abandoned_start_starts_nothing() -> None:
    with pytest.raises(CnaiError):
        gateway._start_once(0, [True])
    assert gateway_threads() == []


@pytest.mark.parametrize("pace", [-1, float("nan"), float("inf")])
def test_an_invalid_pace_is_refused(pace: float) -> None:
    with pytest.raises(InputError, match="pace"):
        gateway.start_embedded(tokens_per_second=pace)


def test_importing_the_gateway_loads_nothing_heavy() -> None:
    code = (
        "import sys, cnai_magic.gateway.embedded; print('aiohttp' in sys.modules, 'asyncio' in sys.modules)"
    )
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True)
    assert (done.stdout.split(), done.stderr) == (["False", "False"], "")


def test_a_process_that_never_closes_it_ends_quietly(spawn: Any) -> None:
    process = spawn(
        "from cnai_magic.gateway.embedded import start_embedded\n"
        "import urllib.request\n"
        "g = start_embedded()\n"
        "key = {'Authorization': 'Bearer ' + g.key.reveal()}\n"
        "r = urllib.request.Request(g.base_url + '/models', headers=key)\n"
        "print(urllib.request.urlopen(r).status)\n"
    )
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out, err) == (0, "200\n", "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_the_child_of_a_fork_gets_its_own(spawn: Any) -> None:
    process = spawn(
        "import os, urllib.request\n"
        "from cnai_magic.gateway.embedded import start_embedded\n"
        "def status(g):\n"
        "    key = {'Authorization': 'Bearer ' + g.key.reveal()}\n"
        "    with urllib.request.urlopen(urllib.request.Request(g.base_url + '/models', headers=key)) as r:\n"
        "        return r.status\n"
        "parent = start_embedded()\n"
        "pid = os.fork()\n"
        "if not pid:\n"
        "    parent.close()\n"
        "    child = start_embedded()\n"
        "    fine = child.base_url != parent.base_url and status(child) == 200\n"
        "    child.close()\n"
        "    os._exit(0 if fine else 3)\n"
        "code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])\n"
        "print(code, start_embedded() is parent, status(parent))\n"
    )
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out, err) == (0, "0 True 200\n", "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_the_child_of_a_fork_does_not_hold_the_port(spawn: Any) -> None:
    process = spawn(
        "import os, socket\n"
        "from cnai_magic.gateway.embedded import start_embedded\n"
        "parent = start_embedded()\n"
        "port = int(parent.base_url.split(':')[2].split('/')[0])\n"
        "go, stop = os.pipe(), os.pipe()\n"
        "pid = os.fork()\n"
        "if not pid:\n"
        "    os.write(go[1], b'x')\n"
        "    os.close(stop[1])\n"
        "    os.read(stop[0], 1)\n"
        "    os._exit(0)\n"
        "os.read(go[0], 1)\n"
        "parent.close()\n"
        "print(socket.socket().connect_ex(('127.0.0.1', port)) != 0, flush=True)\n"
        "os.close(stop[1])\n"
        "os.waitpid(pid, 0)\n"
        "os._exit(0)\n"
    )
    out, _ = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out) == (0, "True\n")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serve_prints_where_and_the_key_it_made_and_ends_on_a_signal(spawn: Any, number: int) -> None:
    process = spawn("from cnai_magic.gateway.embedded import serve; serve(port=0)")
    base_url = process.stdout.readline().removeprefix("base URL: ").strip()
    key = process.stdout.readline().removeprefix("API key:").strip()
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/v1", base_url)
    assert re.fullmatch(r"sk-[A-Za-z0-9]+", key)
    assert b"demo-guide" in fetch(base_url, "/models", key)
    process.send_signal(number)
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out, err) == (0, "", "")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
def test_serve_does_not_print_a_key_that_it_was_given(spawn: Any) -> None:
    process = spawn(
        "from cnai_magic.gateway.embedded import serve; from cnai_magic.redaction import ApiKey\n"
        "serve(host='localhost', port=0, key=ApiKey('sk-mine'))"
    )
    base_url = process.stdout.readline().removeprefix("base URL: ").strip()
    assert b"demo-guide" in fetch(base_url, "/models", "sk-mine")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out, err) == (0, "", "")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
def test_serve_warns_where_others_can_reach_it(spawn: Any) -> None:
    process = spawn("from cnai_magic.gateway.embedded import serve; serve(host='0.0.0.0', port=0)")
    assert process.stdout.readline().startswith("base URL: http://0.0.0.0:")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert err.startswith("warning: 0.0.0.0 can be reached from other machines")


def test_a_taken_port_is_an_error_with_the_next_step() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"port {port} of 127.0.0.1 is taken") as caught:
            gateway.serve(port=port, key=ApiKey("sk-mine"))
    assert caught.value.next_step == NextStep.of(choose_port(port + 1))
    assert caught.value.parameter == "port"


@pytest.mark.parametrize(
    ("host", "port", "said"),
    [
        ("127.0.0.1", 70_000, "70000 is not a port"),
        ("127.0.0.1", -1, "-1 is not a port"),
        ("192.0.2.1", 0, "not an address of this machine"),
        ("no.such.host.invalid", 0, "neither a known host name nor an address"),
        ("http://127.0.0.1", 0, "without http:// and without a port"),
        ("127.0.0.1:8787", 0, "without http:// and without a port"),
        ("a..b", 0, "neither a known host name"),
        ("a\0b", 0, "neither a known host name"),
        ("", 0, "no host is named"),
    ],
)
def test_an_unusable_address_is_explained_in_words(host: str, port: int, said: str) -> None:
    with pytest.raises(InputError) as caught:
        gateway.serve(host=host, port=port)
    assert said in " ".join(caught.value.lines())
    assert "Errno" not in " ".join(caught.value.lines())


def test_a_reserved_port_is_explained(tmp_path: Path) -> None:
    for number in (errno.EACCES, errno.EPERM):
        found = listening_socket.explain_unusable(OSError(number, "Permission denied"), "127.0.0.1", 80)
        assert found.what == "port 80 of 127.0.0.1 may not be used"
        assert "below 1024" in found.why


def test_an_ipv6_address_may_stand_in_brackets() -> None:
    with listening_socket.bind("[::1]", 0) as bound:
        assert bound.getsockname()[0] == "::1"


def test_starting_it_touches_no_file() -> None:
    gateway.start_embedded()
    assert list(Path.home().rglob("*")) == []


def test_it_reports_what_it_charged_to_the_nano_usd() -> None:
    running = gateway.start_embedded(tokens_per_second=0)
    client = Client(running.base_url, running.key)
    assert (running.charged, running.charges) == (0, [])
    usages = []
    for model in ("demo-guide", "demo-reasoner"):
        request = ChatRequest(model, (Message("user", "What is 2 + 3?"),))
        usages += [chunk.usage for chunk in client.stream(request) if chunk.usage]
        usages.append(client.chat(request).usage)
    prices = read_pricing(client.fetch_pricing() or {}, "demo", "2026-12-01")
    assert set(prices) == {model.id for model in client.list_models()}
    assert [charge.usage for charge in running.charges] == usages
    assert [charge.nano for charge in running.charges] == [
        prices["demo-guide"].compute_cost(usage) for usage in usages
    ]
    assert running.charged == sum(charge.nano or 0 for charge in running.charges) > 0
    assert client.fetch_balance() == Balance(None, running.charged)
    client.close()


def test_the_next_gateway_counts_from_zero() -> None:
    running = gateway.start_embedded(tokens_per_second=0)
    client = Client(running.base_url, running.key)
    client.chat(ChatRequest("demo-echo", (Message("user", "hello"),)))
    client.close()
    running.close()
    assert running.charged > 0
    assert gateway.start_embedded().charged == 0
