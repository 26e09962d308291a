"""The command lines of magics and of `cnai`: options read from the settings, mistakes explained."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Sequence
from typing import Any, NoReturn

from .config import Cnai
from .errors import InputError
from .nearest import nearest

__all__ = ["Parser", "add_request_options", "leading_options", "words"]


class Parser(argparse.ArgumentParser):
    """An argument parser that raises InputError, with the nearest option for one that it does not know."""

    def __init__(
        self, prog: str, description: str, *, usage: str | None = None, epilog: str | None = None
    ) -> None:
        super().__init__(
            prog,
            usage=usage and usage.replace("%", "%%"),
            description=description,
            epilog=epilog,
            add_help=not prog.startswith("%"),
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if not self.add_help:
            # argparse's own help option would end the process.
            self.add_argument("-h", "--help", action="store_true", help="Show this help.")

    def parse(self, arguments: Sequence[str]) -> argparse.Namespace:
        """Parse all arguments; raises InputError for any that is unknown."""
        return self.parse_args(list(arguments))

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse, and refuse what is unknown here and not later, so that a command names its own options."""
        known, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self._refuse(unknown[0])
        return known, []

    def takes_value(self, option: str) -> bool:
        """Tell whether an option (as typed) is followed by a value; raises InputError for an unknown one."""
        action = self._option_string_actions.get(option)
        if action is None:
            self._refuse(option)
        return action.nargs != 0

    def error(self, message: str) -> NoReturn:
        """Raise what argparse would print before it exits."""
        choice = re.search(r"invalid choice: '(.*?)' \(choose from (.*)\)", message)
        if choice:
            near = nearest(choice[1], re.findall(r"\w[\w-]*", choice[2]))
            raise InputError(
                f"{self.prog} does not know {choice[1]!r}",
                why=f"did you mean {near[0]}?" if near else f"there are: {choice[2]}",
                next_step=f"see {self._help()}",
            )
        value = re.search(r"argument (?:.*/)?(\S+): invalid (int|float) value: (.*)", message)
        if value:
            kind = "a whole number" if value[2] == "int" else "a number"
            raise InputError(
                f"{value[1]} is {value[3]}, which is not {kind}", next_step=f"see {self._help()}"
            )
        lacking = re.search(r"argument (?:.*/)?(\S+): expected one argument", message)
        if lacking:
            raise InputError(f"{lacking[1]} needs a value after it", next_step=f"see {self._help()}")
        raise InputError(f"{self.prog}: {message}", next_step=f"see {self._help()}")

    def _refuse(self, argument: str) -> NoReturn:
        name = argument.split("=")[0]
        if not name.startswith("-"):
            raise InputError(
                f"{self.prog} does not take {argument!r}",
                why="the question goes below this line" if self.prog.startswith("%%") else "",
                next_step=f"see {self._help()}",
            )
        near = nearest(name, self._option_string_actions)
        raise InputError(
            f"{self.prog} has no option {name}",
            why=f"did you mean {near[0]}?" if near else "",
            next_step=f"see {self._help()}",
        )

    def _help(self) -> str:
        magic = self.prog.startswith("%") and " " not in self.prog
        return f"{self.prog}?" if magic else f"{self.prog} --help"


def add_request_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of one question; what they mean is the help of the setting of the same name."""
    help_of = {name: trait.help for name, trait in Cnai.class_traits(config=True).items()}
    parser.add_argument("-s", "--system", metavar="TEXT", help="System message, kept for the conversation.")
    parser.add_argument("-t", "--temperature", type=float, metavar="T", help=help_of["temperature"])
    parser.add_argument("-p", "--top-p", type=float, metavar="P", help=help_of["top_p"])
    parser.add_argument("-n", "--max-tokens", type=int, metavar="N", help=help_of["max_tokens"])
    parser.add_argument("--no-stream", action="store_true", help="Wait for the whole answer.")


def words(line: str) -> list[str]:
    """Split a line into words as a shell does; raises InputError for a quote that is not closed."""
    try:
        return shlex.split(line)
    except ValueError as exc:
        raise InputError(
            "a quote is not closed", why=line[:200], next_step="close it, or leave it out"
        ) from exc


def leading_options(line: str, parser: Parser) -> tuple[list[str], str]:
    """Split a line into the options it begins with and the rest, which is left exactly as it was typed."""
    found: list[str] = []
    rest = line.strip()
    while rest.startswith("-"):
        option, rest = _next_word(rest)
        if option == "--":
            break
        found.append(option)
        if "=" not in option and parser.takes_value(option) and rest:
            value, rest = _next_word(rest)
            found.append(value)
    return found, rest


def _next_word(line: str) -> tuple[str, str]:
    match = re.match(r"""((?:"(?:\\.|[^"\\])*"|'[^']*'|\\.|[^\s"'\\])+)\s*""", line)
    if match is None:
        words(line)
        return line, ""
    return words(match[1])[0], line[match.end() :]
