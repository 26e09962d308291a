"""What a person reads before the first question to a server."""

from __future__ import annotations

import socket

from cnai_magic.api.vendors import Vendor, find_server, parse_address
from cnai_magic.cli import TERMINAL
from cnai_magic.magics.cell_words import CELL
from cnai_magic.python_words import PYTHON
from cnai_magic.session.endpoint import Endpoint
from cnai_magic.session.notice import find_running_server, write_notice


def test_a_missing_key_is_said_in_the_words_of_the_door() -> None:
    endpoint = Endpoint(lacks_key=True)
    assert "%cnai_key" in write_notice(endpoint, CELL)
    assert "Session.use_key" in write_notice(endpoint, PYTHON)
    assert "%" not in write_notice(endpoint, TERMINAL)


def test_where_the_demo_was_chosen_there_is_nothing_to_say() -> None:
    assert write_notice(Endpoint(), CELL) == ""


def test_plain_http_is_said_of_another_machine_and_not_of_this_one() -> None:
    assert "plain http" in write_notice(Endpoint.at(find_server("http://192.0.2.2:8000/v1")), PYTHON)
    for address in ("http://127.0.0.1:8000/v1", "https://192.0.2.2:8000/v1"):
        assert write_notice(Endpoint.at(find_server(address)), PYTHON) == ""


def test_a_local_server_is_seen_by_its_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        running = Vendor("running", parse_address(f"http://127.0.0.1:{port}/v1"))
        with socket.create_server(("127.0.0.1", 0)) as other:
            closed = Vendor("closed", parse_address(f"http://127.0.0.1:{other.getsockname()[1]}/v1"))
        assert find_running_server([closed, running]) == running
        assert find_running_server([closed]) is None
