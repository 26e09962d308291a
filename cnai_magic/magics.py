"""The magics: each parses its line, calls the session, shows the result."""

from __future__ import annotations

import linecache
import os
import re
import sys
from getpass import getpass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from IPython.core.magic import Magics, line_cell_magic, line_magic, magics_class, no_var_expand

from .chat_commands import CHAT_HELP, run_chat_command
from .config import Cnai
from .errors import InputError
from .options import Parser, add_request_options, leading_options, words

if TYPE_CHECKING:
    from argparse import Namespace
    from types import FrameType

    from .conversation import Place
    from .reply import Reply
    from .session import Session

__all__ = ["CnaiMagics", "load", "unload"]


def _ask_parser() -> Parser:
    parser = Parser(
        "%%cnai",
        "Ask a model: the body of the cell is the question, the answer streams in below it.\n"
        "Run the cell again to ask again: the new answer takes the place of the former one.",
        usage="%%cnai [MODEL] [options]              (the question is the body of the cell)\n"
        "       %cnai [options] QUESTION             (in one line; -m MODEL)\n"
        "       answer = %cnai [options] QUESTION    (the answer: .text .code .json() .usage .cost)",
        epilog="The latest answer is also in the variable _cnai.\n"
        "See also %cnai_models?, %cnai_chat?, %cnai_spend?, %cnai_key? and, for all settings, %config Cnai.",
    )
    parser.add_argument(
        "model", nargs="?", default="", metavar="MODEL", help="Model to ask: see %%cnai_models."
    )
    parser.add_argument(
        "-m", "--model", dest="model_option", metavar="MODEL", help="The same, for %%cnai in a line."
    )
    add_request_options(parser)
    parser.add_argument("-c", "--chat", default="", metavar="NAME", help="Conversation to ask in.")
    parser.add_argument("--new", action="store_true", help="Begin a new conversation, and go on in it.")
    parser.add_argument(
        "--once", action="store_true", help="Ask outside of the conversation: it is neither sent nor kept."
    )
    parser.add_argument(
        "--append", action="store_true", help="Run again, make a new turn; keep the former one."
    )
    parser.add_argument("-o", "--out", metavar="VAR", help="Put the answer into a variable as well.")
    parser.add_argument(
        "--raw",
        action="store_true",
        help="Send the body exactly as it is typed (in this version, it always is).",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="Show what would be sent and its estimated cost; send nothing."
    )
    return parser


def _models_parser() -> Parser:
    parser = Parser(
        "%cnai_models", "List the models of your key, with their prices; returns the list of IDs."
    )
    parser.add_argument(
        "pattern", nargs="?", default="", metavar="PATTERN", help="Part of an ID, or a pattern: qwen*."
    )
    parser.add_argument("--refresh", action="store_true", help="Ask the server again.")
    return parser


def _key_parser() -> Parser:
    parser = Parser("%cnai_key", "Set the API key for this kernel, at a prompt that does not show it.")
    parser.add_argument(
        "--save", action="store_true", help="Keep it in the keyring of the operating system too."
    )
    parser.add_argument("--forget", action="store_true", help="Forget it, in this kernel and in the keyring.")
    return parser


def _spend_parser() -> Parser:
    parser = Parser("%cnai_spend", "Show what this kernel has spent, by model and by conversation.")
    parser.add_argument("--by", choices=["model", "chat"], help="Show one of the two only.")
    parser.add_argument("--reset", action="store_true", help="Begin anew with nothing spent.")
    return parser


@magics_class
class CnaiMagics(Magics):
    """The magics of one shell, with one session."""

    shell: Any

    def __init__(self, shell: Any, settings: Cnai) -> None:
        super().__init__(shell)
        self.settings = settings
        self._session: Session | None = None
        self._execution: object = None
        # Of the run of the cell that is under way: questions asked, those outside, answers and their places.
        self._asked = self._outside = 0
        self._answered: list[tuple[str, Place]] = []

    @property
    def session(self) -> Session:
        """The session of this shell, made when it is first needed."""
        if self._session is None:
            from .session import Session

            self._session = Session(self.settings, notify=print)
        return self._session

    @no_var_expand
    @line_cell_magic
    def cnai(self, line: str, cell: str | None = None) -> Reply | None:
        """Ask a model."""
        parser = _ask_parser()
        if cell is None:
            options, prompt = leading_options(line, parser)
            arguments = parser.parse(options)
        else:
            arguments, prompt = parser.parse(words(line)), cell.strip("\n")
        if arguments.help:
            print(parser.format_help())
            return None
        chosen = _options(arguments)
        if arguments.dry_run:
            self._show_dry_run(prompt, chosen)
            return None
        before = self.session.latest
        try:
            reply = self._ask(prompt, chosen)
        finally:
            # Also after an interrupt, and for the part of an answer that broke off.
            latest = self.session.latest
            if latest is not before:
                self.shell.user_ns["_cnai"] = latest
                if arguments.out:
                    self.shell.user_ns[arguments.out] = latest
        return reply if cell is None and self._is_used() else None

    @no_var_expand
    @line_magic
    def cnai_models(self, line: str) -> list[str] | None:
        """List the models."""
        from .render.tables import models_table

        parser = _models_parser()
        arguments = parser.parse(words(line))
        if arguments.help:
            print(parser.format_help())
            return None
        found = self.session.models(arguments.pattern, refresh=arguments.refresh)
        self._show(models_table(found, self.session))
        return [model.id for model in found] if self._is_used() else None

    @no_var_expand
    @line_magic
    def cnai_chat(self, line: str) -> None:
        """Show and change the conversations."""
        self._show(run_chat_command(self.session, line))

    @no_var_expand
    @line_magic
    def cnai_spend(self, line: str) -> None:
        """Show what was spent."""
        from .render.tables import spend_tables

        parser = _spend_parser()
        arguments = parser.parse(words(line))
        if arguments.help:
            print(parser.format_help())
            return
        if arguments.reset:
            self.session.book.clear()
            print("The count of this kernel begins anew.")
            return
        for table in spend_tables(self.session.book, arguments.by):
            self._show(table)

    @no_var_expand
    @line_magic
    def cnai_key(self, line: str) -> None:
        """Set the key."""
        from .access import forget_key, save_key
        from .safety import ApiKey

        parser = _key_parser()
        arguments = parser.parse(words(line))
        if arguments.help:
            print(parser.format_help())
            return
        if arguments.forget:
            self.session.use_key(None)
            forgotten = forget_key(self.settings.base_url)
            print("The key is forgotten, in the keyring too." if forgotten else "The key is forgotten.")
            if os.environ.get("CNAI_API_KEY"):
                print("The variable CNAI_API_KEY is set and will be used: del os.environ['CNAI_API_KEY']")
            return
        key = ApiKey(getpass("API key: "))
        if not key:
            raise InputError("no key was typed", next_step="run %cnai_key again and paste it at the prompt")
        self.session.use_key(key)
        if arguments.save:
            save_key(key, self.settings.base_url)
        print("The key is set for this kernel" + (" and saved in the keyring." if arguments.save else "."))

    # -- asking ---------------------------------------------------------------------------------

    def _ask(self, prompt: str, chosen: dict[str, Any]) -> Reply:
        from .render import choose_view

        place = self._place()
        self._asked += 1
        view = choose_view(self.shell, self.settings.display)
        reply = self.session.ask(prompt, view=view, place=place, **chosen)
        if chosen["once"]:
            self._outside += 1
        else:
            self._answered.append((reply.conversation, place))
        return reply

    def _place(self) -> Place:
        """Return where in the notebook the question stands: in which cell, as which question of this run."""
        from .conversation import Place

        execution = self._parent.get("header", {}).get("msg_id") or self.shell.execution_count
        if execution != self._execution:
            self._execution = execution
            self._asked = self._outside = 0
            self._answered = []
        return Place(self._cell, self._asked)

    @property
    def _parent(self) -> dict[str, Any]:
        return getattr(self.shell, "parent_header", None) or {}

    @property
    def _cell(self) -> str | None:
        cell = self._parent.get("metadata", {}).get("cellId")
        return cell if isinstance(cell, str) else None

    def end_of_cell(self, result: Any) -> None:
        """Let go of the turns that a cell no longer asks (called by IPython after each cell).

        A cell in which anything failed keeps them: a slip of the pen must not take an answer away.
        """
        cell = self._cell
        if self._session is None or cell is None:
            return
        self._place()
        if result.success and self._asked == len(self._answered) + self._outside:
            self._session.end_of_cell(cell, self._answered)

    def _show_dry_run(self, prompt: str, chosen: dict[str, Any]) -> None:
        import json

        from .safety import strip_controls

        question = self.session.prepare(prompt, place=self._place(), **chosen)
        usage, cost, _ = question.so_far(0)
        stream = question.options.stream
        body = question.request.body(stream=stream, include_usage=stream)
        print(strip_controls(json.dumps(body, ensure_ascii=False, indent=2)))
        money = f"demo credit {cost}" if question.demo else str(cost)
        print(f"≈{usage.prompt_tokens:,} prompt tokens · {money} · nothing was sent")

    def _is_used(self) -> bool:
        """Tell whether the code that runs uses what a line magic returns; else it would be shown twice."""
        frame: FrameType | None = sys._getframe()
        while frame is not None and frame.f_globals is not self.shell.user_global_ns:
            frame = frame.f_back
        if frame is None:
            return True
        line = linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip()
        return not (line.startswith("get_ipython().run_line_magic(") and line.endswith(")"))

    # -- showing --------------------------------------------------------------------------------

    def _show(self, shown: object) -> None:
        from IPython.display import display

        display(shown)  # type: ignore[no-untyped-call]


CnaiMagics.cnai.__doc__ = _ask_parser().format_help()
CnaiMagics.cnai_models.__doc__ = _models_parser().format_help()
CnaiMagics.cnai_key.__doc__ = _key_parser().format_help()
CnaiMagics.cnai_spend.__doc__ = _spend_parser().format_help()
CnaiMagics.cnai_chat.__doc__ = CHAT_HELP

_QUESTION = re.compile(r"^([ \t]*(?:[\w.,\[\]'\" \t]+=)?[ \t]*%cnai[ \t]+\S.*\?)(?=\r?\n?$)")

# Kept while the shell lives, so that %reload_ext finds conversations and spend as they were.
_loaded: WeakKeyDictionary[Any, CnaiMagics] = WeakKeyDictionary()


def load(shell: Any) -> None:
    """Register the magics, and `Cnai` for `%config`."""
    magics = _loaded.get(shell)
    if magics is None:
        magics = _loaded[shell] = CnaiMagics(shell, Cnai(config=shell.config))
    if magics.settings not in shell.configurables:
        shell.configurables.append(magics.settings)
    shell.register_magics(magics)
    shell.events.register("post_run_cell", magics.end_of_cell)
    shell.input_transformers_cleanup.append(_spare_questions)


def unload(shell: Any) -> None:
    """Take the magics and the settings out of the shell."""
    magics = _loaded.get(shell)
    if magics is None:
        return
    for kind, names in magics.magics.items():
        for name in names:
            shell.magics_manager.magics[kind].pop(name, None)
    if magics.settings in shell.configurables:
        shell.configurables.remove(magics.settings)
    if _spare_questions in shell.input_transformers_cleanup:
        shell.input_transformers_cleanup.remove(_spare_questions)
        shell.events.unregister("post_run_cell", magics.end_of_cell)


def _spare_questions(lines: list[str]) -> list[str]:
    """Keep IPython from taking `%cnai What is this?` for a request for help on `this`.

    It does so for lines that end in a question mark; a blank after it is enough.
    """
    return [_QUESTION.sub(r"\1 ", line) for line in lines]


def _options(arguments: Namespace) -> dict[str, Any]:
    """Turn parsed options into those of a question; raises InputError where they contradict each other."""
    if arguments.model and arguments.model_option:
        raise InputError("two models are named", why=f"{arguments.model} and {arguments.model_option}")
    if arguments.once and (arguments.new or arguments.append or arguments.chat):
        raise InputError("--once asks outside of any conversation", why="--new, --append and --chat name one")
    if arguments.out:
        _identifier(arguments.out)
    return {
        "model": arguments.model or arguments.model_option or "",
        "system": arguments.system,
        "temperature": arguments.temperature,
        "top_p": arguments.top_p,
        "max_tokens": arguments.max_tokens,
        "chat": arguments.chat,
        "new": arguments.new,
        "once": arguments.once,
        "append": arguments.append,
        "stream": not arguments.no_stream,
    }


def _identifier(name: str) -> str:
    if not name.isidentifier():
        raise InputError(f"{name!r} is no name of a variable", next_step="for example: -o answer")
    return name
