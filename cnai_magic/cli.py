"""The `cnai` command: lab, ask, models, spend, serve.

Exit codes: 0, 1 for an error of the API or the network, 2 for a mistake in what was typed, 130 after an
interrupt. Answers go to standard output, everything else to standard error.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec
from io import TextIOWrapper
from pathlib import Path
from typing import Any

from . import __version__
from .errors import CnaiError, InputError
from .languages import choose, get_language
from .magics.arguments import (
    Parser,
    add_request_options,
    collect_parameters,
    find_option,
    is_setting,
)
from .magics.parsers import add_attachments, add_pattern, add_spend_tables
from .next_steps import Door

__all__ = ["TERMINAL", "main"]

_LAB_PORT = 8888
_LAB_PORTS_TRIED = 50


def _name_variable(setting: str) -> str:
    return f"CNAI_{setting.upper()}"


def _omit_parameter(name: str) -> str:
    option = find_option(name)
    return f"{option} (or {_name_variable(name)}, where that is set)" if is_setting(name) else option


def _change_setting(name: str, value: object, literal: str) -> str:
    return f"{_name_variable(name)}={shlex.quote(value if isinstance(value, str) else literal)}"


def _set_price(model: str, prices: str) -> str:
    return f"set the price of {model} in USD per million tokens: CNAI_PRICES={shlex.quote(prices)}"


def _raise_limit(higher: int, limit: int | None, own: bool, origin: str) -> str:
    return f"-n {higher}" if own else f"-n {higher}, or CNAI_MAX_TOKENS={higher}"


TERMINAL = Door(
    "terminal",
    {
        "change_setting": _change_setting,
        "correct_setting": "{variable}",
        "correct_settings": "a variable CNAI_…, or an option",
        "set_key": "set the variable {variable}",
        "set_local_key": "set CNAI_API_KEY beside CNAI_BASE_URL={base_url}",
        "list_models": "list them with cnai models",
        "name_model": "cnai ask -m MODEL, or CNAI_MODEL=MODEL",
        "write_question": "write it after cnai ask, or pipe it in",
        "attach_file": "send its text with -f",
        "attach_image": "send it as an image with -i",
        "raise_limit": _raise_limit,
        "see_request": "see the options of a question with cnai ask --help",
        "send_less": "send less: a shorter question",
        "give_parameter": lambda name: f"give it with {find_option(name)}",
        "wait_for_whole": "answers stream by default; --no-stream waits for the whole answer",
        "omit_parameter": _omit_parameter,
        "omit_field": "-x {name} (CNAI_EXTRA where it is set)",
        "see_spend": "see what was spent with cnai spend",
        "raise_budget": lambda day: "" if day else "raise the budget with CNAI_BUDGET=USD",
        "set_price": _set_price,
        "set_any_price": """CNAI_PRICES='{{"MODEL": [IN, OUT]}}'""",
        "replace_file": "replace it with --force",
        "choose_port": "choose another port: --port {example}, or --port 0 for a free one",
        "choose_host": "choose --host 127.0.0.1, which is this machine only",
    },
)
"""The words of the command line for what to do next."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; `arguments` are those of the process unless given. Returns the exit code."""
    for stream in (sys.stdout, sys.stderr):
        # An answer may hold characters that the encoding of a console or a pipe does not have.
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
    parser = _build_parser()
    typed = sys.argv[1:] if arguments is None else arguments
    if not typed:
        parser.print_help(sys.stderr)
        return 2
    try:
        choose(os.environ.get("CNAI_LANGUAGE", ""))
        chosen = parser.parse(typed)
        return int(chosen.run(chosen) or 0)
    except CnaiError as error:
        _print_note("\n".join(error.lines(TERMINAL)))
        return 2 if isinstance(error, InputError) else 1
    except KeyboardInterrupt:
        _print_note("")
        return 130
    except BrokenPipeError:
        # The reader of our output went away, as `head` does; Python must not flush into it at exit.
        _give_up_output()
        return 0
    except OSError as error:
        _give_up_output()
        _print_note(f"The answer cannot be written: {error.strerror or error}")
        return 1


def _print_note(line: str) -> None:
    """Print what is not part of an answer, and must not get into a pipe."""
    print(line, file=sys.stderr)


def _give_up_output() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


# -- options ------------------------------------------------------------------------------------


def _build_parser() -> Parser:
    parser = Parser("cnai", "Ask the models of an OpenAI-compatible API, in JupyterLab or from here.")
    parser.add_argument("--version", action="version", version=f"cnai_magic {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=_CommandParser)
    _add_lab(commands.add_parser("lab", help="Open JupyterLab on the quickstart notebook."))
    _add_ask(commands.add_parser("ask", help="Ask one question; the answer streams to the terminal."))
    _add_models(commands.add_parser("models", help="List the models of your key."))
    _add_spend(commands.add_parser("spend", help="Show what all notebooks spent: today, and in all."))
    _add_serve(
        commands.add_parser(
            "serve",
            help="Run the gateway with its demo models, for other programs to ask.",
            description="Run the gateway with its demo models until Ctrl-C. It prints its address and key:\n"
            "set CNAI_BASE_URL and CNAI_API_KEY to them in another terminal, and cnai ask asks it.",
        )
    )
    return parser


def _add_lab(lab: Parser) -> None:
    lab.add_argument("--no-browser", action="store_true", help="Print the address, open no browser.")
    lab.add_argument("--port", type=int, help="Port of JupyterLab (default 8888, or the next free one).")
    lab.add_argument(
        "--dir",
        type=Path,
        default=Path(),
        metavar="FOLDER",
        help="Folder for the notebook (default: this one).",
    )
    lab.set_defaults(run=_run_lab)


def _add_ask(ask: Parser) -> None:
    ask.usage = "cnai ask [options] QUESTION"
    asking = ask.group("ask", "git diff | cnai ask -m deepseek-chat 'Review this'")
    asking.add_argument("question", nargs="*", help="The question; what is piped in is added below it.")
    asking.add_argument("-m", "--model", default="", metavar="MODEL", help="Model to ask: see cnai models.")
    add_attachments(ask.group("prompt", "cnai ask 'What is in it?' -i plot.png"), "a file")
    ask.group("answer", "cnai ask --json 'name, age int' 'Ada was 36' | jq .name")
    add_request_options(ask)
    ask.set_defaults(run=_run_ask)


def _add_models(models: Parser) -> None:
    add_pattern(models)
    models.set_defaults(run=_run_models)


def _add_spend(spend: Parser) -> None:
    add_spend_tables(spend, ["today", "all"], "Of what (default: all there is).")
    spend.set_defaults(run=_run_spend)


def _add_serve(serve: Parser) -> None:
    serve.add_argument("--host", default="127.0.0.1", help="Address to listen on (default %(default)s).")
    serve.add_argument("--port", type=int, default=8787, help="Port to listen on (default %(default)s).")
    serve.add_argument(
        "--tokens-per-second",
        type=float,
        default=80,
        metavar="N",
        help="Pace of streamed answers (default %(default)s); 0: as fast as possible.",
    )
    serve.add_argument(
        "--allow-origin",
        action="append",
        default=[],
        metavar="ORIGIN",
        help="Let web pages of this origin use it, http://localhost:3000 for example; may be repeated.",
    )
    serve.set_defaults(run=_run_serve)


class _CommandParser(Parser):
    """The parser of one command, made by argparse with settings of its own."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(settings["prog"], settings.get("description") or "")


# -- cnai lab -----------------------------------------------------------------------------------


def _run_lab(chosen: argparse.Namespace) -> int:
    """Put the quickstart notebook into the folder, if it is not there yet, and start JupyterLab on it."""
    if find_spec("jupyterlab") is None:
        raise InputError("JupyterLab is not installed", next_step="pip install jupyterlab")
    port = _choose_lab_port(chosen.port)
    folder = chosen.dir.resolve()
    notebook = _copy_quickstart(folder)
    command = [sys.executable, "-m", "jupyterlab", f"--port={port}", f"--ServerApp.root_dir={folder}"]
    # So that the address that is printed leads to the notebook too.
    command.append(f"--LabApp.default_url=/lab/tree/{notebook.name}")
    if chosen.no_browser:
        command.append("--no-browser")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")
    return _run_until_interrupted(command)


def _copy_quickstart(folder: Path) -> Path:
    """Copy the quickstart notebook into the folder unless it is there, and return its path."""
    notebook = folder / "quickstart.ipynb"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if notebook.exists():
            _print_note(f"Opening {notebook}, which was there already")
        else:
            shutil.copyfile(_find_quickstart(), notebook)
            _print_note(f"Opening {notebook}, a copy of the quickstart notebook")
    except OSError as exc:
        raise InputError(
            f"the notebook cannot be put into {folder}",
            why=exc.strerror or str(exc),
            next_step="name a folder of yours: cnai lab --dir FOLDER",
        ) from exc
    return notebook


def _choose_lab_port(wanted: int | None) -> int:
    """Return the port for JupyterLab: the wanted one, else 8888, else the next free one, with a note."""
    from .gateway.listening_socket import bind

    if wanted is not None:
        bind("127.0.0.1", wanted).close()
        return wanted
    for port in range(_LAB_PORT, _LAB_PORT + _LAB_PORTS_TRIED):
        with suppress(InputError):  # it is taken: try the next
            bind("127.0.0.1", port).close()
            if port != _LAB_PORT:
                _print_note(f"Port {_LAB_PORT} is taken, JupyterLab gets port {port}")
            return port
    raise InputError(
        f"the ports from {_LAB_PORT} to {_LAB_PORT + _LAB_PORTS_TRIED - 1} are all taken",
        next_step="choose one: cnai lab --port PORT",
    )


def _find_quickstart() -> Path:
    """Return the path of the notebook in the wheel, or in a checkout of the one that it is made from."""
    package = Path(__file__).parent
    name = "quickstart.zh-CN.ipynb" if get_language() == "zh" else "quickstart.ipynb"
    installed = package / name
    return installed if installed.exists() else package.parent / "example_notebooks" / name


def _run_until_interrupted(command: list[str]) -> int:
    """Run JupyterLab in the foreground; it handles interrupts itself and asks what to do."""
    with subprocess.Popen(command) as process:
        # Whoever ends this process means JupyterLab, which would go on with its kernels.
        signal.signal(signal.SIGTERM, lambda *_: process.terminate())
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                continue


# -- the other commands -------------------------------------------------------------------------
# Each imports what it needs, so that `cnai --help` and `cnai lab` start at once.


def _run_ask(chosen: argparse.Namespace) -> None:
    from .display.terminal import TerminalView
    from .session.attached_files import attach_all
    from .session.kernel_session import KernelSession
    from .session.question import Options

    question = " ".join(chosen.question)
    if sys.stdin is not None and not sys.stdin.isatty():
        question = "\n\n".join(part for part in (question, _read_input()) if part)
    session = KernelSession(notify=_print_note, door=TERMINAL)
    options = Options(
        model=chosen.model,
        system=chosen.system,
        parameters=collect_parameters(chosen),
        stream=not chosen.no_stream,
        once=True,
    ).attaching(attach_all(chosen.file, chosen.image, session.settings))
    session.ask(question, options, view=TerminalView(alone=True))


def _read_input() -> str:
    """Return what is piped in; raises InputError where it is not text."""
    try:
        return sys.stdin.read().strip("\n")
    except UnicodeDecodeError as exc:
        raise InputError(
            f"what is piped in is not text in {exc.encoding}",
            why=f"byte {exc.start + 1:,} cannot stand there",
            next_step="convert it first: iconv -f ENCODING -t utf-8",
        ) from exc


def _run_models(chosen: argparse.Namespace) -> None:
    from .display.models import build_models_table
    from .session.kernel_session import KernelSession

    session = KernelSession(notify=_print_note, door=TERMINAL)
    print(build_models_table(session.models(chosen.pattern), session))


def _run_spend(chosen: argparse.Namespace) -> None:
    from .magics.spend import show_spend_in_terminal
    from .session.kernel_session import KernelSession

    session = KernelSession(notify=_print_note, door=TERMINAL)
    for shown in show_spend_in_terminal(session, chosen):
        print(repr(shown))


def _run_serve(chosen: argparse.Namespace) -> None:
    from .gateway.embedded import serve
    from .redaction import ApiKey

    key = os.environ.get("CNAI_GATEWAY_KEY", "").strip()
    serve(
        chosen.host,
        chosen.port,
        ApiKey(key) if key else None,
        tokens_per_second=chosen.tokens_per_second,
        allow_origins=chosen.allow_origin,
    )
