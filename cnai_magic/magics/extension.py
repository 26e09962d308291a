"""The extension and its magics: `%load_ext cnai_magic` registers them, `%unload_ext` takes them away again.

Each leads to a file of this folder, which is imported when it is first needed: `ask.py`, `chat_commands.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from IPython.core.magic import Magics, line_cell_magic, line_magic, magics_class, no_var_expand

from ..api.interrupts import Interrupted, defer_interrupts
from ..display.kernel import get_request
from ..errors import CnaiError
from ..languages import choose, say
from ..settings import Cnai
from .cell_words import CELL
from .ipython_matcher import add_matcher, remove_matcher, write_matches
from .left_behind import LeftBehind
from .notebook_path import find_notebook_name, holds_answers
from .transform import keep_body, keep_question_mark

if TYPE_CHECKING:
    from types import ModuleType

    from ..chat.answers import Answers
    from ..chat.comparison import Comparison
    from ..chat.reply import Reply
    from ..session.kernel_session import KernelSession
    from .shell_session import ShellSession

__all__ = ["CnaiMagics", "find_loaded", "list_events", "load", "unload"]


@magics_class
class CnaiMagics(Magics):
    """The magics of one shell, with one session."""

    shell: Any

    def __init__(self, shell: Any, settings: Cnai) -> None:
        super().__init__(shell)
        self.settings = settings
        self._shell_session: ShellSession | None = None
        self._cells_of_runs: dict[int, str | None] = {}
        self._left_behind = LeftBehind()
        settings.observe(self.choose_language, "language")

    @no_var_expand
    @line_cell_magic
    def cnai(self, line: str, cell: str | None = None) -> Reply | Answers | Comparison | None:
        """Ask a model."""
        try:
            with self._in_cell():
                came: Reply | Answers | Comparison | None = _import("ask").ask(self.shell_session, line, cell)
        except Interrupted:
            raise
        except KeyboardInterrupt:
            raise Interrupted from None  # also before anything was sent
        return came

    @no_var_expand
    @line_magic
    def cnai_models(self, line: str) -> list[str] | None:
        """List the models."""
        with _advise_in_cell():
            models: list[str] | None = _import("models").list_models(self.shell_session, line)
        return models

    @no_var_expand
    @line_magic
    def cnai_chat(self, line: str) -> None:
        """Show and change the conversations."""
        with self._in_cell():
            _import("chat_commands").change_conversations(self.shell_session, line)

    @no_var_expand
    @line_magic
    def cnai_code(self, line: str) -> None:
        """Put the code of an answer into a new cell."""
        with _advise_in_cell():
            _import("code").insert_code_of_turn(self.shell_session, line)

    @no_var_expand
    @line_magic
    def cnai_fix(self, line: str) -> None:
        """Ask about the cell that failed last."""
        try:
            with self._in_cell():
                _import("fix").fix(self.shell_session, line)
        except KeyboardInterrupt:
            raise Interrupted from None

    @no_var_expand
    @line_magic
    def cnai_prompt(self, line: str) -> None:
        """Save prompts, and show those that are saved."""
        with _advise_in_cell():
            _import("prompts").manage_prompts(self.shell_session, line)

    @no_var_expand
    @line_magic
    def cnai_spend(self, line: str) -> Any:
        """Show what was spent."""
        with _advise_in_cell():
            return _import("spend").show_spend(self.shell_session, line)

    @no_var_expand
    @line_magic
    def cnai_key(self, line: str) -> None:
        """Set the key."""
        with _advise_in_cell():
            _import("keys").set_key(self.shell_session, line)

    def complete(self, context: Any) -> dict[str, Any]:
        """Complete a line of these magics, or a name in a prompt (called by IPython while somebody types)."""
        lines = context.full_text.split("\n")
        first = next((number for number, line in enumerate(lines) if line.strip()), 0)
        before = context.text_until_cursor
        found = None
        if "%cnai" in before or lines[first].lstrip().startswith("%%cnai"):
            found = _import("completion").complete(
                self.shell_session, context.full_text, before, in_first_line=context.cursor_line == first
            )
        return write_matches(found)

    @property
    def shell_session(self) -> ShellSession:
        """What the magics share; made when it is first needed."""
        if self._shell_session is None:
            self._shell_session = _import("shell_session").ShellSession(
                self.shell, self.settings, self._cells_of_runs, self._left_behind
            )
        return self._shell_session

    @property
    def session(self) -> KernelSession:
        """The session of this shell."""
        return self.shell_session.session

    @property
    def begun(self) -> bool:
        """Whether any magic ran in this kernel."""
        return self._shell_session is not None

    def choose_language(self, _: object = None) -> None:
        """Speak the person's language (called before each cell, and where the setting changes)."""
        sent = get_request(self.shell).get("metadata", {}).get("cnai")
        choose(self.settings.language, sent.get("language") if isinstance(sent, dict) else None)

    def end_of_cell(self, result: Any) -> None:
        """Tell the session that a cell ended (called by IPython after each cell)."""
        self._cells_of_runs[result.execution_count] = getattr(result.info, "cell_id", None)
        if self._shell_session is not None:
            self._shell_session.end_of_cell(result)

    def begin_code(self) -> None:
        """Note whose code begins (called by IPython before each cell, and before a widget's own code)."""
        self._left_behind.begin(self.shell)

    def end_code(self) -> None:
        """Note what it leaves behind (called by IPython at its end)."""
        self._left_behind.end(self.shell)

    @contextmanager
    def _in_cell(self) -> Iterator[None]:
        """Let an error advise what can be typed in a cell; what comes of one that has ended is kept in it."""
        try:
            with _advise_in_cell(), self._left_behind.show_in_place(self.shell):
                yield
        finally:
            if self._shell_session is not None:
                self._shell_session.end_beside_cell()


@contextmanager
def _advise_in_cell() -> Iterator[None]:
    """Let an error advise what can be typed in a cell."""
    try:
        yield
    except CnaiError as error:
        error.door = CELL
        raise


@cache
def _import(module: str) -> ModuleType:
    """Return a module of the magics, imported when it is first needed: `%load_ext` must cost almost nothing.

    A question must be shown soon, so it loads nothing of the other magics.
    """
    # What an interrupt leaves imported by half may never be imported again.
    with defer_interrupts():
        return import_module(f".{module}", __package__)


def _add_help(magic: Any, name: str) -> None:
    # IPython shows what `getdoc` returns, where an object has it, in place of its docstring.
    magic.getdoc = lambda: _import("help").get_help(name)


for _name in [name for name in vars(CnaiMagics) if name.startswith("cnai")]:
    _add_help(vars(CnaiMagics)[_name], _name)

_HELP_LINK = {"text": "cnai_magic: models and prices", "url": "https://cnaitoken.store"}

# Kept while the shell lives, so that %reload_ext finds conversations and spend as they were.
_loaded: WeakKeyDictionary[Any, CnaiMagics] = WeakKeyDictionary()


def find_loaded(shell: Any) -> CnaiMagics | None:
    """Return the magics of a shell, None where they were never loaded, or are not any more."""
    magics = _loaded.get(shell)
    return magics if magics is not None and magics.settings in shell.configurables else None


def load(shell: Any) -> None:
    """Register the magics, and `Cnai` for `%config`."""
    magics = _loaded.get(shell)
    if magics is None:
        with _advise_in_cell():
            magics = _loaded[shell] = CnaiMagics(shell, Cnai(config=shell.config))
    if magics.settings not in shell.configurables:
        shell.configurables.append(magics.settings)
    shell.register_magics(magics)
    for event, called in list_events(magics):
        shell.events.register(event, called)
    magics.choose_language()
    add_matcher(shell, magics.complete)
    _set_help_link(shell, present=True)
    # The first sees a cell before IPython's own transformers, the other after them.
    shell.input_transformers_cleanup.insert(0, keep_body)
    shell.input_transformers_cleanup.append(keep_question_mark)
    if not (magics.begun or magics.settings.replay) and holds_answers(
        find_notebook_name(shell, magics.settings)
    ):
        say("This notebook holds answers of an earlier kernel. To go on from them: %cnai_chat restore")


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
    _set_help_link(shell, present=False)
    if keep_body in shell.input_transformers_cleanup:
        shell.input_transformers_cleanup.remove(keep_body)
        shell.input_transformers_cleanup.remove(keep_question_mark)
        for event, called in list_events(magics):
            shell.events.unregister(event, called)
        remove_matcher(shell)


def list_events(magics: CnaiMagics) -> list[tuple[str, Callable[..., None]]]:
    """Return the events of IPython for which the magics wait, each with what it calls."""
    return [
        ("pre_execute", magics.begin_code),
        ("pre_run_cell", magics.choose_language),
        ("post_execute", magics.end_code),
        ("post_run_cell", magics.end_of_cell),
    ]


def _set_help_link(shell: Any, *, present: bool) -> None:
    """Name the service in what the kernel tells of itself, for the page's menu Help.

    By it a page that connects later knows that the magics are loaded: to any other kernel it says nothing.
    """
    kernel = getattr(shell, "kernel", None)
    links = getattr(kernel, "help_links", None)
    if kernel is not None and isinstance(links, list):
        kernel.help_links = [each for each in links if each != _HELP_LINK] + [_HELP_LINK] * present
