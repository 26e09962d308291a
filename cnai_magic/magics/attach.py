"""What `-f`, `-i` and figures in `{{ }}` do: files, images and what is drawn are sent with a question."""

from __future__ import annotations

import re
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..chat.attachments import Attachment
from ..chat.figure_images import is_drawable
from ..chat.prompts.prompt import render_prompt
from ..chat.prompts.rendered_prompt import Piece, RenderedPrompt
from ..errors import InputError
from ..languages import say
from ..nearest import suggest_name
from ..redaction import to_one_line
from ..session.attached_files import attach_file, attach_image, attach_value
from ..session.question import Options
from .rendering import collect_names
from .shell_session import ShellSession

__all__ = ["attach_figures", "attach_named"]

_FIRST_NAME = re.compile(r"[^\W\d]\w*")
_OUT = re.compile(r"Out\[(\d{1,7})\]")


def attach_named(shell_session: ShellSession, arguments: Namespace) -> list[Attachment]:
    """Return the files of `-f` and the images of `-i`; raises InputError for one that there is none of."""
    if arguments.go_on and (arguments.file or arguments.image):
        raise InputError(
            "--continue sends nothing new", why="-f and -i belong to a question", next_step="leave one out"
        )
    settings = shell_session.settings
    files = [attach_file(each, settings) for each in arguments.file]
    names = collect_names(shell_session) if arguments.image else {}
    return [*(_attach_image(shell_session, each, names) for each in arguments.image), *files]


def attach_figures(
    shell_session: ShellSession, rendered: RenderedPrompt, chosen: Options
) -> tuple[RenderedPrompt, Options]:
    """Send figures that stand in braces as images too, where it is known that the model takes images.

    One that cannot be drawn stays what it is in the prompt, text; that is said.
    """
    found: dict[int, Attachment | None] = {}
    pieces: list[Piece] = []
    for piece in rendered.pieces:
        if piece.shown is not None and is_drawable(piece.value):
            if not found and not shell_session.session.takes_images(chosen.model):
                return rendered, chosen
            if id(piece.value) not in found:
                found[id(piece.value)] = _draw(shell_session, piece)
            if found[id(piece.value)] is not None:
                note = f"{piece.shown.note}, and an image of it"
                piece = replace(piece, shown=replace(piece.shown, note=note), note=note)
        pieces.append(piece)
    return RenderedPrompt(pieces), chosen.attaching(each for each in found.values() if each is not None)


def _draw(shell_session: ShellSession, piece: Piece) -> Attachment | None:
    name = " ".join(piece.source.strip("{}").split())
    try:
        return attach_value(piece.value, name, shell_session.settings)
    except InputError as error:
        say(to_one_line(f"{piece.source} is sent as text: {error.what}: {error.why}"))
        return None


def _attach_image(shell_session: ShellSession, source: str, names: Mapping[str, Any]) -> Attachment:
    """Return the image that a word of a person means: of a variable, of an output, or of a file."""
    settings = shell_session.settings
    if source in names:
        return attach_value(names[source], source, settings)
    if shown := _OUT.fullmatch(source):
        return _attach_output(shell_session, int(shown[1]))
    first = _FIRST_NAME.match(source)
    if first and first[0] in names and first[0] != source and not _is_file(source):
        return attach_value(_evaluate(source, names), source, settings)
    try:
        return attach_image(source, settings)
    except InputError as error:
        near = suggest_name(source, [name for name in names if not name.startswith("_")])
        if near and _FIRST_NAME.fullmatch(source):
            error.what, error.why = f"there is no variable and no file {source}", near
        raise


def _is_file(source: str) -> bool:
    try:
        return Path(source).expanduser().is_file()
    except (OSError, RuntimeError, ValueError):
        return False


def _evaluate(source: str, names: Mapping[str, Any]) -> Any:
    """Return the value of an expression, as one in braces has it."""
    value = next((each.value for each in render_prompt(f"{{{{ {source} }}}}", names, 1).replaced), None)
    if value is None:
        raise InputError(
            f"{source} is neither a file nor an image in the notebook",
            next_step="assign the image to a variable, and name that",
        )
    return value


def _attach_output(shell_session: ShellSession, count: int) -> Attachment:
    """Return the result of a cell as an image: what it only showed is not kept by the kernel."""
    shell, name = shell_session.shell, f"Out[{count}]"
    results = shell.user_ns.get("Out", {})
    if count in results:
        return attach_value(results[count], name, shell_session.settings)
    raise InputError(
        f"there is no {name}",
        why="the cell has no result, whatever it has shown"
        if 0 < count < shell.execution_count
        else f"no cell ran as In [{count}]",
        next_step="keep the figure in a variable, and name that",
    )
