"""The magics: each parses its line, calls the session, shows the result."""

from __future__ import annotations

import linecache
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
    from .protocol import Model
    from .reply import Reply
    from .session import Session

__all__ = ["CnaiMagics", "load", "unload"]


def _ask_parser() -> Parser:
    parser = Parser(
        "%%cnai",
        "Ask a model: the body of the cell is the question, the answer streams in below it.\n"
        "Run the cell again to ask again: the new answer takes the place of the former one.\n"
        "In one line: %cnai [options] QUESTION, or answer = %cnai QUESTION.",
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
    parser.add_argument(
        "-o", "--out", metavar="VAR", help="Put the answer (a Reply) into a variable as well."
    )
    parser.add_argument("--raw", action="store_true", help="Send the body exactly as it is typed.")
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
        self._asked = 0

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
        chosen = _options(arguments)
        if arguments.dry_run:
            self._show_dry_run(prompt, chosen)
            return None
        reply = self._ask(prompt, chosen)
        self.shell.user_ns["_cnai"] = reply
        if arguments.out:
            self.shell.user_ns[_identifier(arguments.out)] = reply
        return reply if cell is None and self._is_used() else None

    @no_var_expand
    @line_magic
    def cnai_models(self, line: str) -> list[str] | None:
        """List the models."""
        arguments = _models_parser().parse(words(line))
        models = self.session.models(refresh=arguments.refresh)
        found = [model for model in models if _matches(model.id, arguments.pattern)]
        if not found:
            raise InputError(
                f"no model matches {arguments.pattern!r}",
                next_step=f"see all {len(models)} with %cnai_models",
            )
        self._show(self._models_table(found))
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

        arguments = _spend_parser().parse(words(line))
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

        arguments = _key_parser().parse(words(line))
        if arguments.forget:
            forgotten = forget_key()
            self.session.use_key(None)
            print("The key is forgotten, in the keyring too." if forgotten else "The key is forgotten.")
            return
        key = ApiKey(getpass("API key: "))
        if not key:
            raise InputError("no key was typed", next_step="run %cnai_key again and paste it at the prompt")
        if arguments.save:
            save_key(key)
        self.session.use_key(key)
        print("The key is set for this kernel" + (" and saved in the keyring." if arguments.save else "."))

    # -- asking ---------------------------------------------------------------------------------

    def _ask(self, prompt: str, chosen: dict[str, Any]) -> Reply:
        from .render import choose_view

        view = choose_view(self.shell, self.settings.display)
        return self.session.ask(prompt, view=view, place=self._place(), **chosen)

    def _place(self) -> Place:
        """Return where in the notebook the question stands: in which cell, as which question of this run."""
        from .conversation import Place

        parent = getattr(self.shell, "parent_header", None) or {}
        execution = parent.get("header", {}).get("msg_id") or self.shell.execution_count
        self._asked = self._asked + 1 if execution == self._execution else 0
        self._execution = execution
        return Place(parent.get("metadata", {}).get("cellId"), self._asked)

    def _show_dry_run(self, prompt: str, chosen: dict[str, Any]) -> None:
        import json

        from .safety import strip_controls

        question = self.session.prepare(prompt, place=self._place(), **chosen)
        usage, cost, _ = question.so_far(0)
        body = question.request.body(stream=question.options.stream)
        print(strip_controls(json.dumps(body, ensure_ascii=False, indent=2)))
        print(f"≈{usage.prompt_tokens:,} prompt tokens · {cost} · nothing was sent")

    def _is_used(self) -> bool:
        """Tell whether the code that runs uses what a line magic returns; else it would be shown twice."""
        frame: FrameType | None = sys._getframe()
        while frame is not None and frame.f_globals is not self.shell.user_global_ns:
            frame = frame.f_back
        if frame is None:
            return True
        line = linecache.getline(frame.f_code.co_filename, frame.f_lineno)
        return not line.strip().startswith("get_ipython().run_line_magic(")

    # -- showing --------------------------------------------------------------------------------

    def _models_table(self, models: list[Model]) -> object:
        from .render.tables import models_table

        return models_table(models, self.session.prices, self.session.default_model)

    def _show(self, shown: object) -> None:
        from IPython.display import display

        display(shown)  # type: ignore[no-untyped-call]


CnaiMagics.cnai.__doc__ = _ask_parser().format_help()
CnaiMagics.cnai_models.__doc__ = _models_parser().format_help()
CnaiMagics.cnai_key.__doc__ = _key_parser().format_help()
CnaiMagics.cnai_spend.__doc__ = _spend_parser().format_help()
CnaiMagics.cnai_chat.__doc__ = CHAT_HELP

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


def _matches(model: str, pattern: str) -> bool:
    from fnmatch import fnmatch

    return fnmatch(model, pattern) if set(pattern) & set("*?[") else pattern.lower() in model.lower()
