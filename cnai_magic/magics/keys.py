"""What `%cnai_key` does."""

from __future__ import annotations

import os
from getpass import getpass

from ..errors import InputError
from ..languages import say
from ..redaction import ApiKey
from ..session.endpoint import DEMO, resolve_server
from ..session.keys import forget_key, save_key
from .parsers import build_key_parser
from .shell_session import ShellSession
from .splitting import split_words

__all__ = ["set_key"]


def set_key(shell_session: ShellSession, line: str) -> None:
    """Set the key of the server that is asked, or forget it."""
    parser = build_key_parser()
    given = split_words(line)
    if any(not word.startswith("-") for word in given):
        raise InputError(
            "%cnai_key takes no key in its line",
            why="what is typed there stays in the notebook",
            next_step="delete it from the cell, run %cnai_key and paste the key at the prompt",
        )
    arguments = parser.parse(given)
    if arguments.help:
        print(parser.format_help())
    elif arguments.forget:
        _forget(shell_session)
    else:
        _use(shell_session, save=arguments.save)


def _use(shell_session: ShellSession, *, save: bool) -> None:
    server = resolve_server(shell_session.settings.base_url)
    key = ApiKey(_read_key(f"API key of {server.place}: "))
    if not key:
        raise InputError("no key was typed", next_step="run %cnai_key again and paste it at the prompt")
    shell_session.session.use_key(key)
    if save:
        save_key(key, server)
    done = f"The key of {server.place} is set for this kernel" + (
        " and saved in the keyring." if save else "."
    )
    say(done)
    if shell_session.settings.base_url == DEMO:
        say(f'The demo models answer until you choose that server: %config Cnai.base_url = "{server.url}"')


def _read_key(prompt: str) -> str:
    try:
        return getpass(prompt)
    except (EOFError, NotImplementedError) as error:
        raise InputError(
            "no key can be typed here",
            why="nobody answers a prompt where a program runs the notebook",
            next_step="set the variable CNAI_API_KEY before the notebook runs",
        ) from error


def _forget(shell_session: ShellSession) -> None:
    shell_session.session.use_key(None)
    in_keyring = forget_key(resolve_server(shell_session.settings.base_url))
    say("The key is forgotten, in the keyring too." if in_keyring else "The key is forgotten.")
    if os.environ.get("CNAI_API_KEY"):
        say("The variable CNAI_API_KEY is set and will be used: del os.environ['CNAI_API_KEY']")
