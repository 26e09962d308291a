from __future__ import annotations

import csv
import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from cnai_magic import __version__, cli
from cnai_magic.api.token_usage import Usage
from cnai_magic.gateway import embedded as gateway
from cnai_magic.languages import choose
from cnai_magic.money.cost import Charge, Cost
from cnai_magic.money.ledger import Ledger
from tests.forked_kernels.process import Process, start_python
from tests.images import make_data_url, make_png
from tests.servers import (
    CLOSE,
    KEY,
    PATIENCE,
    SILENCE,
    ScriptedServer,
    Tell,
    Wait,
    completion,
    delta,
    event,
    failure,
    head,
    http_chunk,
    json_response,
    sse,
)

_MAIN = "import sys; from cnai_magic.cli import main; sys.exit(main())"


class Terminal(io.StringIO):
    """A standard input that nothing is piped into."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        monkeypatch.setenv("CNAI_BASE_URL", running.base_url)
        monkeypatch.setenv("CNAI_API_KEY", KEY)
        yield running


@pytest.fixture(autouse=True)
def nothing_piped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal())


def started(*arguments: str, piped: bool = False) -> Process:
    return start_python(_MAIN, *arguments, piped=piped)


def stream_of(*steps: Any) -> list[Any]:
    """The head of a stream, then its steps, texts as chunks."""
    made = [http_chunk(event(delta(step))) if isinstance(step, str) else step for step in steps]
    return [head(Transfer_Encoding="chunked"), *made]


# -- ask ----------------------------------------------------------------------------------------


def test_the_answer_goes_to_stdout_and_the_footer_to_stderr(
    server: ScriptedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.reply(sse("Four."))
    assert cli.main(["ask", "2", "+", "2?"]) == 0
    out, err = capsys.readouterr()
    assert out == "Four.\n"
    assert "deepseek-chat · 20 → 8 tokens · free, local" in err
    assert server.requests[0].json()["messages"] == [{"role": "user", "content": "2 + 2?"}]


def test_the_options_of_a_question_are_sent(server: ScriptedServer) -> None:
    server.reply(json_response(completion("Four.")))
    arguments = ["-m", "qwen-max", "-s", "Be brief.", "-t", "0", "-p", "0.5", "-n", "7", "--no-stream"]
    arguments += ["--stop", "END", "--stop=-x", "--seed", "-7"]
    assert cli.main(["ask", *arguments, "2+2?"]) == 0
    body = server.requests[0].json()
    assert body == {
        "model": "qwen-max",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "2+2?"}],
        "temperature": 0,
        "top_p": 0.5,
        "max_tokens": 7,
        "stop": ["END", "-x"],
        "seed": -7,
    }


def test_thinking_a_beginning_and_other_fields_are_sent(
    server: ScriptedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.reply(sse("four."))
    options = ["-m", "qwen-plus", "--think", "off", "--prefix", "It is ", "-x", "top_k=3", "-x", "a.b=true"]
    assert cli.main(["ask", *options, "2+2?"]) == 0
    assert capsys.readouterr().out == "It is four.\n"
    body = server.requests[0].json()
    assert body.items() >= {"enable_thinking": False, "top_k": 3, "a": {"b": True}}.items()
    assert body["messages"][1] == {"role": "assistant", "content": "It is "}


def test_json_by_a_schema_is_written_alone(
    server: ScriptedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.reply(sse('Sure: {"n": 4}'))
    assert cli.main(["ask", "--json", "n int", "2+2?"]) == 0
    assert json.loads(capsys.readouterr().out) == {"n": 4}
    assert cli.main(["ask", "--json", "What is 2+2?"]) == 2
    assert "the schema is not clear" in capsys.readouterr().err
    for _ in range(2):
        server.reply(sse("Four."))
    assert cli.main(["ask", "2+2?", "--json"]) == 1
    out, err = capsys.readouterr()
    assert out == "Four.\n"
    assert "JSONAnswerError" in err


def test_what_is_piped_in_is_added_below_the_question(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.always(sse("yes"))
    monkeypatch.setattr(sys, "stdin", io.StringIO("line one\nline two\n"))
    assert cli.main(["ask", "Explain:"]) == 0
    monkeypatch.setattr(sys, "stdin", io.StringIO("the question itself\n"))
    assert cli.main(["ask"]) == 0
    contents = [request.json()["messages"][0]["content"] for request in server.requests]
    assert contents == ["Explain:\n\nline one\nline two", "the question itself"]


def test_what_is_piped_in_and_is_not_text_is_an_error(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"caf\xe9"), "utf-8"))
    assert cli.main(["ask", "Explain:"]) == 2
    assert (
        "what is piped in is not text in utf-8\n  why: byte 4 cannot stand there" in capsys.readouterr().err
    )
    assert not server.requests


def test_an_error_of_the_server_is_one_and_goes_to_stderr(
    server: ScriptedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.reply(failure(401, "invalid_api_key", X_Request_Id="req-7"))
    assert cli.main(["ask", "hi"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("AuthenticationError: ")
    assert "req-7" in err
    assert KEY not in err


def test_an_answer_that_breaks_off_is_one_and_what_arrived_stays(
    server: ScriptedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.reply(stream_of("half an ", "answer", CLOSE))
    assert cli.main(["ask", "hi"]) == 1
    out, err = capsys.readouterr()
    assert out == "half an answer\n"
    assert "TruncatedError" in err
    assert "broke off" in err


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["ask"], "there is no question"),
        (["ask", "-t", "3", "hi"], "temperature is 3.0"),
        (["ask", "-n", "0", "hi"], "max_tokens is 0"),
        (["ask", "-t", "warm", "hi"], "--temperature"),
        (["ask", "--modle", "x", "hi"], "did you mean --model?"),
        (["aks", "hi"], "did you mean ask?"),
        ([], "COMMAND"),
        (["serve", "--port", "99999"], "99999 is not a port"),
        (["serve", "--port", "x"], "--port"),
        (["models", "--base-url", "ollama"], "it is a setting: CNAI_BASE_URL=ollama"),
        (["serve", "--tokens-per-second", "-1"], "the pace is -1.0"),
        (["serve", "--tokens-per-second", "fast"], "--tokens-per-second"),
        (["serve", "--allow-origin", "localhost"], "is not an origin"),
        (["models", "a", "b"], "'b'"),
    ],
)
def test_a_mistake_in_what_was_typed_is_two(
    server: ScriptedServer, arguments: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert named in err
    assert "Traceback" not in err
    assert server.requests == []


@pytest.mark.parametrize("arguments", [["--help"], ["ask", "--help"], ["serve", "-h"]])
def test_help_is_had_on_stdout(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == 0
    assert "usage: cnai" in capsys.readouterr().out


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--version"])
    assert capsys.readouterr().out.strip() == f"cnai_magic {__version__}"


def test_models_are_listed_and_filtered(server: ScriptedServer, capsys: pytest.CaptureFixture[str]) -> None:
    server.always(
        json_response({"data": [{"id": "deepseek-chat", "owned_by": "deepseek"}, {"id": "qwen-max"}]})
    )
    assert cli.main(["models"]) == 0
    out = capsys.readouterr().out
    assert "deepseek-chat" in out
    assert "free, local" in out
    assert cli.main(["models", "zz"]) == 2
    assert "no model matches 'zz'" in capsys.readouterr().err
    assert cli.main(["models", "QWEN"]) == 0
    out = capsys.readouterr().out
    assert "qwen-max" in out
    assert "deepseek-chat" not in out


def test_without_a_key_the_demo_answers_and_says_so_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["ask", "What is 12 * 12?"]) == 0
    out, err = capsys.readouterr()
    assert "144" in out
    assert "No API key is set" in err
    assert "No API key" not in out
    gateway.start_embedded().close()


# -- as a process -------------------------------------------------------------------------------


def test_text_is_written_while_the_answer_still_comes(server: ScriptedServer) -> None:
    first_was_read = threading.Event()
    server.reply(stream_of("first ", Wait(first_was_read), *sse("second")[1:]))
    with started("ask", "hi") as process:
        assert process.stdout is not None
        assert os.read(process.stdout.fileno(), 100) == b"first "
        first_was_read.set()
        assert process.stdout.read() == "second\n"
        assert process.wait(PATIENCE) == 0


def test_an_interrupt_in_mid_answer_keeps_what_was_written_and_is_130(server: ScriptedServer) -> None:
    server.reply(stream_of("half an answer", SILENCE))
    with started("ask", "hi") as process:
        assert process.stdout is not None
        assert os.read(process.stdout.fileno(), 100) == b"half an answer"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert out == "\n"
    assert "interrupted" in err
    assert "Traceback" not in err


def test_an_interrupt_before_the_first_token_is_130(server: ScriptedServer) -> None:
    asked = threading.Event()
    server.reply([Tell(asked), SILENCE])
    with started("ask", "hi") as process:
        assert asked.wait(PATIENCE)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert "Traceback" not in err


def test_a_reader_that_goes_away_ends_it_quietly(server: ScriptedServer) -> None:
    gone = threading.Event()
    server.reply(stream_of("first ", Wait(gone), *(["more "] * 50), *sse("end")[1:]))
    with started("ask", "hi") as process:
        assert process.stdout is not None
        assert os.read(process.stdout.fileno(), 100) == b"first "
        process.stdout.close()
        gone.set()
        assert process.stderr is not None
        err = process.stderr.read()
        assert process.wait(PATIENCE) == 0
    assert "Traceback" not in err
    assert "BrokenPipe" not in err


def test_characters_that_the_output_does_not_have_are_replaced(server: ScriptedServer) -> None:
    server.reply(sse("Grüße 世界 🙂"))
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    # A new interpreter: it takes its encoding from the environment as it starts.
    command = [sys.executable, "-c", _MAIN, "ask", "hi"]
    done = subprocess.run(
        command, env=environment, capture_output=True, encoding="utf-8", timeout=PATIENCE, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "Gr??e ?? ?\n"


def test_a_question_is_piped_in_from_another_program(server: ScriptedServer) -> None:
    server.reply(sse("yes"))
    with started("ask", piped=True) as process:
        out, _ = process.communicate("Is it?\n", timeout=PATIENCE)
    assert (out, process.returncode) == ("yes\n", 0)
    assert server.requests[0].json()["messages"][0]["content"] == "Is it?"


# -- serve --------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", ["", "sk-given-for-this-test"])
def test_serve_says_where_and_with_which_key_and_ask_gets_its_answers(
    given: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if given:
        monkeypatch.setenv("CNAI_GATEWAY_KEY", given)
    with started("serve", "--port", "0") as serving:
        try:
            assert serving.stdout is not None
            base_url = serving.stdout.readline().split()[-1]
            key = given or serving.stdout.readline().split()[-1]
            monkeypatch.setenv("CNAI_BASE_URL", base_url)
            monkeypatch.setenv("CNAI_API_KEY", key)
            with started("ask", "What is 12 * 12?") as asking:
                out, err = asking.communicate(timeout=PATIENCE)
            assert "144" in out, err
            assert "demo credit $0.0" in err
            assert asking.returncode == 0
            monkeypatch.setenv("CNAI_API_KEY", "sk-another")
            with started("ask", "-m", "demo-guide", "hi") as asking:
                _, err = asking.communicate(timeout=PATIENCE)
            assert asking.returncode == 1
            assert "AuthenticationError" in err
        finally:
            serving.send_signal(signal.SIGINT)
            out, err = serving.communicate(timeout=PATIENCE)
    assert serving.returncode in (0, 130)
    assert given == "" or given not in out + err


def test_serving_on_a_port_that_is_taken_is_two_and_names_another(
    server: ScriptedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["serve", "--port", str(server.port)]) == 2
    assert f"--port {server.port + 1}" in capsys.readouterr().err


# -- lab ----------------------------------------------------------------------------------------


def test_lab_without_jupyterlab_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli, "find_spec", lambda name: None)
    assert cli.main(["lab"]) == 2
    err = capsys.readouterr().err
    assert "JupyterLab is not installed" in err
    assert "pip install jupyterlab" in err


def test_lab_puts_the_quickstart_into_the_folder_once_and_starts_jupyterlab_on_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[list[str]] = []

    def noted(command: list[str]) -> int:
        commands.append(command)
        return 0

    monkeypatch.setattr(cli, "_run_until_interrupted", noted)
    folder = tmp_path / "new" / "folder"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert cli.main(["lab", "--no-browser", "--port", str(port), "--dir", str(folder)]) == 0
    notebook = folder / "quickstart.ipynb"
    assert json.loads(notebook.read_text(encoding="utf-8"))["nbformat"] == 4
    notebook.write_text("mine", encoding="utf-8")
    assert cli.main(["lab", "--dir", str(folder)]) == 0
    assert notebook.read_text(encoding="utf-8") == "mine"
    first, second = commands
    assert first[:3] == [sys.executable, "-m", "jupyterlab"]
    wanted = {f"--port={port}", "--no-browser", f"--ServerApp.root_dir={folder}"}
    assert wanted | {"--LabApp.default_url=/lab/tree/quickstart.ipynb"} <= set(first)
    assert "--no-browser" not in second
    monkeypatch.setenv("CNAI_LANGUAGE", "zh")
    assert cli.main(["lab", "--dir", str(tmp_path / "chinese")]) == 0
    assert "五分钟上手" in (tmp_path / "chinese" / "quickstart.ipynb").read_text(encoding="utf-8")
    choose("en")


def test_a_port_of_lab_that_is_taken_is_an_error_or_the_next_free_one_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    commands: list[list[str]] = []
    monkeypatch.setattr(cli, "_run_until_interrupted", lambda command: commands.append(command))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert cli.main(["lab", "--dir", str(tmp_path), "--port", str(port)]) == 2
        err = capsys.readouterr().err
        assert f"port {port} of 127.0.0.1 is taken" in err
        assert f"--port {port + 1}" in err
        assert commands == []
        monkeypatch.setattr(cli, "_LAB_PORT", port)
        assert cli.main(["lab", "--dir", str(tmp_path)]) == 0
    [command] = commands
    given = next(part for part in command if part.startswith("--port=")).removeprefix("--port=")
    assert int(given) > port
    assert f"Port {port} is taken, JupyterLab gets port {given}" in capsys.readouterr().err


def test_a_number_that_is_no_port_is_an_error_of_lab(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["lab", "--port", "70000"]) == 2
    assert "70000 is not a port" in capsys.readouterr().err


def test_without_a_command_the_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert "usage: cnai" in told.err
    assert "Error" not in told.err


def test_ending_lab_ends_jupyterlab_too() -> None:
    child = "import signal, sys; print('up', flush=True); signal.pause()"
    command = f"[sys.executable, '-c', {child!r}]"
    parent = f"import sys; from cnai_magic import cli; sys.exit(cli._run_until_interrupted({command}))"
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        process.terminate()
        # The pipe ends when both have ended.
        assert process.stdout.read() == ""
    assert process.returncode != 0


def test_lab_ends_with_the_exit_code_of_jupyterlab(tmp_path: Path) -> None:
    assert cli._run_until_interrupted([sys.executable, "-c", "raise SystemExit(7)"]) == 7


# -- spend --------------------------------------------------------------------------------------


def test_spend_shows_what_all_notebooks_spent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CNAI_LEDGER", str(tmp_path / "ledger.sqlite3"))
    assert cli.main(["spend"]) == 0
    assert capsys.readouterr().out.split("\n")[2].split() == ["today", "$0.00", "0"]
    ledger = Ledger(tmp_path / "ledger.sqlite3")
    ledger.add(
        Charge(
            "m", "main", Usage(20, 8), Cost(53_760), datetime.now(timezone.utc), id="a", notebook="/n.ipynb"
        )
    )
    ledger.close()
    assert cli.main(["spend"]) == 0
    out = capsys.readouterr().out
    assert [line.split() for line in out.split("\n")[2:4]] == [
        ["today", "$0.000054", "1"],
        ["all", "$0.000054", "1"],
    ]
    assert "this kernel" not in out
    for by, named in (("model", "m"), ("chat", "main"), ("notebook", "/n.ipynb"), ("day", "20")):
        assert cli.main(["spend", "--by", by]) == 0
        assert f"\n{named}" in capsys.readouterr().out
    path = tmp_path / "spend.csv"
    assert cli.main(["spend", "--csv", str(path)]) == 0
    assert "1 request of all time" in capsys.readouterr().out
    assert len(path.read_text().splitlines()) == 2
    assert cli.main(["spend", "--csv", str(path)]) == 2
    capsys.readouterr()
    for by in ([], ["--by", "model"]):
        assert cli.main(["spend", "--csv", "-", *by]) == 0
        assert [row["model"] for row in csv.DictReader(io.StringIO(capsys.readouterr().out))] == ["m"]


def test_ask_sends_files_and_images(
    server: ScriptedServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.png").write_bytes(make_png())
    (tmp_path / "b.txt").write_text("A line", encoding="utf-8")
    server.reply(sse("Seen."))
    image, file = str(tmp_path / "a.png"), str(tmp_path / "b.txt")
    assert cli.main(["ask", "-i", image, "-f", file, "Why?"]) == 0
    sent = server.requests[-1].json()["messages"][-1]["content"]
    assert sent[0]["image_url"]["url"] == make_data_url(make_png())
    assert sent[1]["text"] == "b.txt: 1 line\nA line\n\nWhy?"
    assert "with a.png (8×6), b.txt (1 line)" in capsys.readouterr().err
    assert cli.main(["ask", "-i", file, "Why?"]) == 2
    assert "send its text with -f" in capsys.readouterr().err
