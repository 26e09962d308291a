"""The magics in IPython in a terminal, on a real pseudo-terminal."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pexpect
import pytest

from tests.forked_kernels.process import forked_command


@pytest.fixture
def terminal() -> Iterator[pexpect.spawn]:
    environment = {**os.environ, "TERM": "dumb", "PROMPT_TOOLKIT_NO_CPR": "1"}
    command = forked_command(
        "from IPython import start_ipython; start_ipython()",
        *("--simple-prompt", "--no-banner", "--colors=NoColor"),
    )
    child = pexpect.spawn(
        command[0],
        command[1:],
        env=environment,
        encoding="utf-8",
        timeout=60,
    )
    child.expect_exact("In [1]: ")
    child.sendline("%load_ext cnai_magic")
    child.expect_exact("In [2]: ")
    yield child
    child.close(force=True)


def test_an_answer_streams_into_the_terminal_and_ends_with_its_footer(terminal: pexpect.spawn) -> None:
    terminal.sendline("%cnai What is 12 * 12?")
    terminal.expect_exact("144")
    terminal.expect("demo-guide · turn 1 · [0-9]+ → [0-9]+ tokens · demo credit")
    terminal.expect_exact("In [3]: ")
    terminal.sendline("%cnai And times 3?")
    terminal.expect_exact("432")


def test_control_c_keeps_what_arrived(terminal: pexpect.spawn) -> None:
    terminal.sendline("%cnai -m demo-faults stall")
    terminal.expect_exact("This answer")
    terminal.sendintr()
    terminal.expect_exact("interrupted")
    terminal.expect_exact("KeyboardInterrupt")
    terminal.expect_exact("In [3]: ")
    terminal.sendline("print(_cnai if '_cnai' in globals() else 'none')")
    terminal.expect_exact("In [4]: ")
    terminal.sendline("%cnai_chat")
    terminal.expect("main +1 +stall +in use")


def test_an_error_is_a_few_lines(terminal: pexpect.spawn) -> None:
    terminal.sendline("%cnai -t 3 hello")
    terminal.expect_exact("InputError: temperature is 3.0")
    terminal.expect_exact("In [3]: ")
    assert "Traceback" not in terminal.before
