"""The magics: each parses its line, calls the session, shows the result."""

from __future__ import annotations

import os
from getpass import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4
from weakref import WeakKeyDictionary

from IPython.core.magic import Magics, line_cell_magic, line_magic, magics_class, no_var_expand

from ..api.interrupts import Interrupted, interrupts_deferred
from ..errors import InputError, NextStep
from ..notebook.cell_ids import CellIds
from ..settings import Cnai
from .arguments import leading_options, parameters_of, words
from .calling_code import uses_result, variables
from .chat import CHAT_HELP, run_chat_command
from .commands import ask_parser, key_parser, models_parser, spend_parser
from .expansion import expand
from .hints import check_variable
from .transform import keep_body, keep_question_mark

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence

    from ..chat.cell_run import CellRun
    from ..chat.reply import Reply
    from ..notebook.restore import SavedCell
    from ..session.session import Session

__all__ = ["CnaiMagics", "load", "unload"]


@magics_class
class CnaiMagics(Magics):
    """The magics of one shell, with one session."""

    shell: Any

    def __init__(self, shell: Any, settings: Cnai) -> None:
        super().__init__(shell)
        self.settings = settings
        self._session: Session | None = None
        self._last_run: CellRun | None = None
        self._ids = CellIds()
        self._repeated = 0
        self._saved: dict[str, dict[str, Reply]] = {}

    @property
    def session(self) -> Session:
        """The session of this shell, made when it is first needed."""
        if self._session is None:
            # What an interrupt leaves imported by half may never be imported again.
            with interrupts_deferred():
                from ..session.session import Session

            self._session = Session(self.settings, notify=print, door="cell")
        if self._named:
            self._session.notebook = str(Path(self._named).absolute())
        return self._session

    @property
    def begun(self) -> bool:
        """Whether anything was asked in this kernel."""
        return self._session is not None

    @no_var_expand
    @line_cell_magic
    def cnai(self, line: str, cell: str | None = None) -> Reply | None:
        """Ask a model."""
        parser = ask_parser("%cnai" if cell is None else "%%cnai")
        if cell is None:
            known = variables(self.shell)
            options, prompt = leading_options(line, parser)
            arguments = parser.parse([expand(each, known) for each in options])
            prompt = expand(prompt, known)
        else:
            arguments, prompt = parser.parse(words(line)), _body(cell)
        if arguments.help or (arguments.model == "help" and not prompt.strip()):
            print(parser.format_help())
            return None
        chosen = _options(arguments)
        if not prompt.strip():
            raise _no_question(line, cell)
        if arguments.dry_run:
            self._show_dry_run(prompt, chosen)
            return None
        try:
            reply = self._ask_and_put_out(prompt, chosen, arguments.out)
        except KeyboardInterrupt:
            raise Interrupted from None  # also before anything was sent
        return reply if cell is None and uses_result(self.shell) else None

    @no_var_expand
    @line_magic
    def cnai_models(self, line: str) -> list[str] | None:
        """List the models."""
        from ..display.tables import models_table

        parser = models_parser()
        arguments = parser.parse(words(line))
        if arguments.help:
            print(parser.format_help())
            return None
        found = self.session.models(arguments.pattern, refresh=arguments.refresh)
        self._show(models_table(found, self.session))
        return [model.id for model in found] if uses_result(self.shell) else None

    @no_var_expand
    @line_magic
    def cnai_chat(self, line: str) -> None:
        """Show and change the conversations."""
        run = self._run
        shown = run_chat_command(self.session, line, self._notebook, place=run.command())
        display_id = uuid4().hex
        self._show(shown, display_id)
        run.show(display_id, shown)
        from ..display.outputs import change_output

        change_output(self.session, shown)

    @no_var_expand
    @line_magic
    def cnai_spend(self, line: str) -> Any:
        """Show what was spent."""
        # Not by %load_ext, which it would make a quarter slower.
        from .spend import read_spend, run_spend_command

        for shown in run_spend_command(self.session, line):
            self._show(shown)
        return read_spend(self.session, line) if uses_result(self.shell) else None

    @no_var_expand
    @line_magic
    def cnai_key(self, line: str) -> None:
        """Set the key."""
        from ..redaction import ApiKey
        from ..session.endpoint import server_address
        from ..session.keys import forget_key, save_key

        parser = key_parser()
        given = words(line)
        if any(not word.startswith("-") for word in given):
            raise InputError(
                "%cnai_key takes no key in its line",
                why="what is typed there stays in the notebook",
                next_step="delete it from the cell, run %cnai_key and paste the key at the prompt",
            )
        arguments = parser.parse(given)
        if arguments.help:
            print(parser.format_help())
            return
        if arguments.forget:
            self.session.use_key(None)
            forgotten = forget_key(server_address(self.settings.base_url))
            print("The key is forgotten, in the keyring too." if forgotten else "The key is forgotten.")
            if os.environ.get("CNAI_API_KEY"):
                print("The variable CNAI_API_KEY is set and will be used: del os.environ['CNAI_API_KEY']")
            return
        key = ApiKey(getpass("API key: "))
        if not key:
            raise InputError("no key was typed", next_step="run %cnai_key again and paste it at the prompt")
        self.session.use_key(key)
        if arguments.save:
            save_key(key, server_address(self.settings.base_url))
        print("The key is set for this kernel" + (" and saved in the keyring." if arguments.save else "."))

    # -- asking ---------------------------------------------------------------------------------

    def _ask_and_put_out(self, prompt: str, chosen: dict[str, Any], variable: str | None) -> Reply:
        before = self.session.latest
        try:
            return self._ask(prompt, chosen)
        finally:
            # Also after an interrupt, and for the part of an answer that broke off.
            latest = self.session.latest
            if latest is not before:
                self.shell.user_ns["_cnai"] = latest
                if variable:
                    self.shell.user_ns[variable] = latest

    def _ask(self, prompt: str, chosen: dict[str, Any]) -> Reply:
        from ..display import choose_view
        from ..display.outputs import kept_metadata

        self._identify()
        run = self._run
        place = run.ask()
        about = kept_metadata(self.session, run.cell)
        with interrupts_deferred():  # it imports ipywidgets
            view = choose_view(self.shell, self.settings.display, about)
        before = self.session.latest
        try:
            if self.settings.replay:
                reply = self.session.replay(prompt, self._saved_answers(), view=view, place=place, **chosen)
            else:
                former = self._former_answers()
                reply = self.session.ask(prompt, view=view, place=place, former=former, **chosen)
        finally:
            if self.session.latest is not before:
                run.show(getattr(view, "display_id", ""), self.session.latest)
        # An answer without text takes no place: the former one stays in force.
        if chosen["once"] or reply.turn:
            run.answer("" if chosen["once"] else reply.conversation, place)
        return reply

    @property
    def _run(self) -> CellRun:
        """The run of the cell that is under way."""
        from ..chat.cell_run import CellRun

        execution = self._parent.get("header", {}).get("msg_id") or self.shell.execution_count
        if self._last_run is None or self._last_run.execution != execution:
            cell = self._cell
            self._last_run = CellRun(execution, None if cell is None else self._ids[cell])
            self._repeated = self._ids.count(self._source) if cell is None else 0
        return self._last_run

    def _identify(self) -> None:
        """Find the cell that runs among those of the file, where it is first asked."""
        cell = self._cell
        if cell is None or cell in self._ids:
            return
        saved = {each.id: each for each in (*self._saved_cells(), *self.session.restored_cells)}
        self._ids.find(cell, self._source, saved.values())
        # It may have begun before anything was asked in it.
        self._last_run = None

    @property
    def _parent(self) -> dict[str, Any]:
        return getattr(self.shell, "parent_header", None) or {}

    @property
    def _cell(self) -> str | None:
        cell = self._parent.get("metadata", {}).get("cellId")
        return cell if isinstance(cell, str) else None

    @property
    def _source(self) -> str:
        return str(self._parent.get("content", {}).get("code", ""))

    def end_of_cell(self, result: Any) -> None:
        """Let go of the turns that a cell no longer asks (called by IPython after each cell).

        A cell in which anything failed keeps them: a mistake must not take an answer away. Its outputs keep
        what the notebook's file would lose otherwise. Code that a cell runs as a cell of its own (%rerun,
        run_cell) is not the end of it.
        """
        if self._session is None or result.info.raw_cell != self._source:
            return
        run, succeeded = self._run, result.success
        kept = self._session.end_of_cell(run, succeeded=succeeded)
        if kept:
            from ..display.outputs import keep_in_outputs

            keep_in_outputs(self._session, run, kept, succeeded=succeeded)

    # -- the notebook's file --------------------------------------------------------------------

    @property
    def _named(self) -> str:
        """The path of the notebook, where a setting, VS Code or Jupyter tells it."""
        told = self.settings.notebook or self.shell.user_ns.get("__vsc_ipynb_file__", "")
        return str(told or os.environ.get("JPY_SESSION_NAME", ""))

    def _notebook(self) -> Path | None:
        from ..notebook.notebook_files import find_notebook

        return find_notebook(self._named, **self._hints)

    @property
    def _hints(self) -> dict[str, Any]:
        """What else tells which notebook runs."""
        from ..notebook.cell_ids import may_be_saved

        exact = bool(self.settings.notebook or self.shell.user_ns.get("__vsc_ipynb_file__"))
        cell = self._run.cell
        return {"exact": exact, "cell": cell if cell and may_be_saved(cell) else None, "source": self._source}

    def _saved_answers(self) -> list[Reply]:
        """Return the answers that the file holds for this cell, and those that it held before.

        A notebook that is saved after a mistake has lost them: the error stands in their place. Of copies in
        one folder all are looked at: an answer is taken for exactly its own request only.
        """
        from ..notebook.notebook_files import possible_notebooks, saved_answers

        paths = possible_notebooks(self._named, **self._hints)
        if not paths:
            raise InputError(
                "nobody here knows the file of this notebook, from which its answers are to be replayed",
                next_step='name it: CNAI_NOTEBOOK=PATH, or %config Cnai.notebook = "PATH"',
            )
        cell, source, nth = self._run.cell, self._source, self._repeated
        found = {reply.id: reply for path in paths for reply in saved_answers(path, cell, source, nth)}
        known = self._saved.setdefault(cell or source, {})
        for answer, reply in found.items():
            known.setdefault(answer, reply)
        return [*found.values(), *(reply for answer, reply in known.items() if answer not in found)]

    def _former_answers(self) -> list[Reply]:
        """Return what the file holds below this cell: the answer takes its place, and must not lose it."""
        from ..notebook.restore import answers_of

        cell = self._run.cell
        return [reply for each in self._saved_cells() if each.id == cell for reply in answers_of(each)]

    def _saved_cells(self) -> Sequence[SavedCell]:
        """Return the cells of the notebook's file, none where it cannot be read: then none can be lost."""
        from ..notebook.notebook_files import saved_cells

        path = Path(self._named).absolute() if self._named else None
        try:
            return saved_cells(path) if self._cell and path is not None and path.is_file() else ()
        except (InputError, OSError, ValueError):
            return ()

    def offer_to_restore(self) -> None:
        """Say in one line that the notebook holds answers of an earlier kernel, if it does."""
        path = Path(self._named) if self._named and not self.settings.replay else None
        try:
            if path is None or path.stat().st_size > _LARGEST_TO_LOOK_INTO:
                return
            count = path.read_bytes().count(b'"turn_id": "')
        except OSError:
            return
        if count:
            print("This notebook holds answers of an earlier kernel. To go on from them: %cnai_chat restore")

    def _show_dry_run(self, prompt: str, chosen: dict[str, Any]) -> None:
        import json

        from ..redaction import strip_controls

        self._identify()
        question = self.session.prepare(prompt, place=self._run.place, **chosen)
        usage, cost, _ = question.so_far(0)
        stream = question.options.stream
        body = question.request.body(stream=stream, include_usage=stream)
        print(strip_controls(json.dumps(body, ensure_ascii=False, indent=2)))
        money = f"demo credit {cost}" if question.demo else str(cost)
        print(f"≈{usage.prompt_tokens:,} prompt tokens · {money} · nothing was sent")

    # -- showing --------------------------------------------------------------------------------

    def _show(self, shown: object, display_id: str | None = None) -> None:
        from IPython.display import display

        display(shown, display_id=display_id)  # type: ignore[no-untyped-call]


CnaiMagics.cnai.__doc__ = ask_parser().format_help()
CnaiMagics.cnai_models.__doc__ = models_parser().format_help()
CnaiMagics.cnai_key.__doc__ = key_parser().format_help()
CnaiMagics.cnai_spend.__doc__ = spend_parser().format_help()
CnaiMagics.cnai_chat.__doc__ = CHAT_HELP

_LARGEST_TO_LOOK_INTO = 64 * 2**20

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
    # The first sees a cell before IPython's own transformers, the other after them.
    shell.input_transformers_cleanup.insert(0, keep_body)
    shell.input_transformers_cleanup.append(keep_question_mark)
    if not magics.begun:
        magics.offer_to_restore()


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
    if keep_body in shell.input_transformers_cleanup:
        shell.input_transformers_cleanup.remove(keep_body)
        shell.input_transformers_cleanup.remove(keep_question_mark)
        shell.events.unregister("post_run_cell", magics.end_of_cell)


def _no_question(line: str, cell: str | None) -> InputError:
    example = (
        "%cnai What is a median?" if cell is None else f"%%cnai {line}".rstrip() + ", and the question below"
    )
    begin = "; to begin a conversation without one: %cnai_chat new" if "--new" in line.split() else ""
    why = "" if cell is None else "the body of the cell is empty"
    return InputError(
        "there is no question", why=why, next_step=NextStep(cell=f"write one: {example}{begin}")
    )


def _body(cell: str) -> str:
    """Return the body of a cell without the end of its last line, which IPython adds where there is none."""
    return cell.removesuffix("\n").removesuffix("\r") if cell.endswith("\n") else cell


def _options(arguments: Namespace) -> dict[str, Any]:
    """Turn parsed options into those of a question; raises InputError where they contradict each other."""
    if arguments.model and arguments.model_option:
        raise InputError("two models are named", why=f"{arguments.model} and {arguments.model_option}")
    if arguments.once and (arguments.new or arguments.append or arguments.chat):
        raise InputError("--once asks outside of any conversation", why="--new, --append and --chat name one")
    if arguments.out:
        check_variable(arguments.out)
    return {
        "model": arguments.model or arguments.model_option or "",
        "system": arguments.system,
        **parameters_of(arguments),
        "chat": arguments.chat,
        "new": arguments.new,
        "once": arguments.once,
        "append": arguments.append,
        "stream": not arguments.no_stream,
    }
