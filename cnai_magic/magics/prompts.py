"""Saved prompts (`-T NAME`, `%cnai_prompt`) and `CNAI.md`: files beside the notebook, and the user's own."""

from __future__ import annotations

import re
from argparse import Namespace
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from ..api.parameters import check_parameters
from ..chat.prompts.braces import find_braces
from ..chat.prompts.saved_prompts import SavedPrompt, format_saved_prompt, read_saved_prompt
from ..display.line import Line
from ..display.tables import Table
from ..errors import InputError
from ..languages import say
from ..nearest import suggest_name
from ..notebook.files import make_folder, read_text, write_new
from ..redaction import clean, replace_surrogates
from ..session.question import Options
from .parsers import build_prompt_parser
from .shell_session import ShellSession
from .splitting import split_words

__all__ = [
    "check_variables",
    "find_prompt",
    "list_prompts",
    "manage_prompts",
    "merge_prompt",
    "read_instructions",
    "read_variables",
    "show_instructions",
]

_NAME = re.compile(r"\w[\w.-]{0,63}")
_WORD = re.compile(r"[^\W\d]\w*")
_LARGEST = 2**20
_INSTRUCTIONS = "CNAI.md"
_LONGEST_LINE = 80


def find_prompt(shell_session: ShellSession, name: str) -> SavedPrompt:
    """Return a saved prompt by its name; raises InputError where there is none, or its file is wrong."""
    return read_saved_prompt(name, read_text(_find(shell_session, name), limit=_LARGEST))


def merge_prompt(options: Options, prompt: SavedPrompt) -> Options:
    """Return the options of a question, with those of its saved prompt where it leaves them open."""
    given = {name: value for name, value in options.parameters.items() if value is not None}
    inherited = dict.fromkeys(prompt.parameters.keys() - given.keys(), f"the saved prompt {prompt.name!r}")
    return replace(
        options,
        model=options.model or prompt.model,
        system=prompt.system if options.system is None else options.system,
        parameters={**prompt.parameters, **given},
        origins=inherited,
    )


def read_variables(pairs: list[str]) -> dict[str, str]:
    """Return the variables that --var NAME=VALUE give."""
    found = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.isidentifier():
            raise InputError(f"--var {pair} names no variable", next_step="write it as --var NAME=VALUE")
        found[name] = value
    return found


def read_instructions(shell_session: ShellSession) -> str:
    """Return the text of the CNAI.md beside the notebook, "" where there is none."""
    path = shell_session.folder / _INSTRUCTIONS
    if not path.is_file():
        return ""
    _check_link(path, shell_session.folder)
    return read_text(path, limit=_LARGEST).strip()


def check_variables(variables: Iterable[str], text: str) -> None:
    """Raise InputError for a variable that no braces of a prompt mention."""
    names = {name for brace in find_braces(text) for name in _WORD.findall(brace.inside)}
    for each in variables:
        if each not in names:
            raise InputError(
                f"--var {each} is not used: no {{{{ }}}} of the prompt holds that name",
                why=suggest_name(each, names),
            )


def show_instructions(shell_session: ShellSession, prompt: str, options: Options) -> None:
    """Show the text of CNAI.md once, before the first question whose system message it is."""
    text = options.instructions
    if not text or text == shell_session.shown_instructions:
        return
    shell_session.identify_cell()
    question = shell_session.session.prepare(prompt, options, position=shell_session.cell.run.position)
    if question.system == replace_surrogates(text):
        shell_session.shown_instructions = text
        say(f"The system message is that of {_INSTRUCTIONS} beside this notebook:\n{clean(text)}")


def manage_prompts(shell_session: ShellSession, line: str) -> None:
    """Carry out a line of `%cnai_prompt`, and show what comes of it."""
    shell_session.show(_run_command(shell_session, line))


def _run_command(shell_session: ShellSession, line: str) -> object:
    parser = build_prompt_parser()
    arguments = parser.parse(split_words(line))
    if arguments.help:
        return Line(parser.format_help())
    if arguments.command == "list":
        return _list(shell_session)
    if not arguments.name:
        raise InputError("which prompt?", next_step=f"name it: %cnai_prompt {arguments.command} NAME")
    if arguments.command == "save":
        return _save(shell_session, arguments)
    path = _find(shell_session, arguments.name)
    if arguments.command == "show":
        return Line(f"{_shorten(shell_session, path)}\n\n{read_text(path, limit=_LARGEST)}")
    path.unlink()
    return Line(f"Deleted {_shorten(shell_session, path)}.")


def _list(shell_session: ShellSession) -> object:
    rows = []
    for path in list_prompts(shell_session):
        try:
            prompt = read_saved_prompt(path.stem, read_text(path, limit=_LARGEST))
            about = prompt.description or prompt.body.strip().partition("\n")[0]
        except InputError as error:
            about = f"{error.what}: {error.why}"
        rows.append([path.stem, _cut(about), str(_shorten(shell_session, path.parent))])
    if not rows:
        return Line("There are no saved prompts. To save the latest question as one: %cnai_prompt save NAME")
    return Table(["Name", "Prompt", "Folder"], rows, note="To use one: %%cnai -T NAME")


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_LINE else f"{text[: _LONGEST_LINE - 1].rstrip()}…"


def _save(shell_session: ShellSession, arguments: Namespace) -> object:
    if shell_session.typed is None:
        raise InputError("there is no question to save yet", next_step="ask it first")
    body, options = shell_session.typed
    given = check_parameters(options.parameters)
    prompt = SavedPrompt(arguments.name, body, options.model, "", options.system, given)
    _check_name(arguments.name)
    folder = _folders(shell_session)[1 if arguments.user else 0]
    make_folder(folder)
    path = folder / f"{arguments.name}.md"
    if not arguments.user:
        _check_link(path, shell_session.folder)
    write_new(path, format_saved_prompt(prompt).encode(), force=arguments.force)
    return Line(f"Saved as {_shorten(shell_session, path)}. To use it: %%cnai -T {arguments.name}")


def _shorten(shell_session: ShellSession, path: Path) -> Path:
    """Return a path as it is shown: below the folder of the notebook without that folder."""
    folder = shell_session.folder
    return path.relative_to(folder) if path.is_relative_to(folder) else path


def _folders(shell_session: ShellSession) -> list[Path]:
    from platformdirs import user_config_path

    return [shell_session.folder / "prompts", user_config_path("cnai_magic") / "prompts"]


def list_prompts(shell_session: ShellSession) -> Iterator[Path]:
    """Yield the files of all saved prompts; one beside the notebook hides the user's of the same name."""
    seen = set()
    own, of_user = _folders(shell_session)
    found = [path for path in _list_files(own) if _stays_below(path, shell_session.folder)]
    for path in [*found, *_list_files(of_user)]:
        if path.stem not in seen:
            seen.add(path.stem)
            yield path


def _list_files(folder: Path) -> list[Path]:
    paths = sorted(folder.glob("*.md")) if folder.is_dir() else []
    return [path for path in paths if _NAME.fullmatch(path.stem) and path.is_file()]


def _stays_below(path: Path, folder: Path) -> bool:
    """Tell whether a path leads to below a folder: notebooks of others may come with links to elsewhere."""
    try:
        return path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError):
        return False


def _check_link(path: Path, folder: Path) -> None:
    if not _stays_below(path, folder):
        raise InputError(
            f"{path.name} is a link to a place outside of the notebook's folder, and is left alone",
            why="a folder from somebody else could send a private file in this way",
            next_step="put a copy in the place of the link",
        )


def _find(shell_session: ShellSession, name: str) -> Path:
    _check_name(name)
    known = {path.stem: path for path in list_prompts(shell_session)}
    if name not in known:
        why = f"there are: {', '.join(known)}" if known else "there are none"
        save = "save the latest question as one: %cnai_prompt save NAME"
        raise InputError(
            f"there is no saved prompt {name!r}",
            why=suggest_name(name, known) or why,
            next_step="name one of them: %cnai_prompt list" if known else save,
        )
    return known[name]


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise InputError(
            f"{name[:60]!r} cannot be the name of a saved prompt",
            why="a name has up to 64 letters, digits, dots, dashes and underscores",
        )
