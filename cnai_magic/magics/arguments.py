"""The command lines of magics and of `cnai`: options read from the settings, mistakes explained."""

from __future__ import annotations

import argparse
import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NoReturn

from ..api.extra_fields import join_fields
from ..api.parameters import PARAMETERS, Parameter, find_option, is_setting
from ..errors import InputError
from ..nearest import suggest_name
from .help_format import HelpFormat
from .hints import (
    Quoted,
    check_word,
    check_words_of_a_question,
    replace_option,
    suggest_setting,
)
from .schema_option import resolve_schema

__all__ = [
    "Parser",
    "add_request_options",
    "collect_parameters",
    "find_option",
    "is_setting",
    "takes_word",
]

# IPython shows the help of a magic for `%%cnai?`, and knows none of an option: `%%cnai --over?`.
_OPTION_IN_QUESTION = re.compile(r"\s*(--?[a-zA-Z][\w-]*)\s*[?？]\s*")
_FIRST_PAGE = "question"
# How many other tokens --logprobs shows for each, if it names no number.
_ALTERNATIVES = "3"
_REPEATABLE = {parameter.name for parameter in PARAMETERS if parameter.most > 1 or parameter.fields}
# Parameters whose options stand with those that say what the answer is, in the help.
_OF_THE_ANSWER = {"logprobs", "prefix", "schema"}


class Parser(argparse.ArgumentParser):
    """An argument parser that raises InputError, and names the nearest option for an unknown one.

    `asks` says that it takes the options of a question, `asks_server` that the settings of the server hold.
    `pages` are those that its help has beside the first, which `--help` alone shows.
    """

    asks = asks_server = False
    _typed: Sequence[str] = ()

    def __init__(
        self,
        prog: str,
        description: str,
        *,
        usage: str | None = None,
        epilog: str | None = None,
        pages: Sequence[str] = (),
    ) -> None:
        super().__init__(
            prog,
            usage=usage and usage.replace("%", "%%"),
            description=description,
            epilog=epilog,
            add_help=not prog.startswith("%"),
            allow_abbrev=False,
            formatter_class=HelpFormat,
        )
        self._groups: dict[str, argparse._ArgumentGroup] = {}
        self._pages: dict[str, str] = {}
        if not self.add_help:
            # argparse's own help option would end the process.
            takes: dict[str, Any] = {"action": "store_true"}
            if pages:
                takes = {"nargs": "?", "const": _FIRST_PAGE, "choices": (_FIRST_PAGE, *pages)}
            self.add_argument("-h", "--help", **takes, help=argparse.SUPPRESS)

    def group(self, name: str, example: str = "") -> argparse._ArgumentGroup:
        """Return the group of options of this name; the first call may give it an example."""
        if name not in self._groups:
            self._groups[name] = self.add_argument_group(f"{name} ({example})" if example else name)
        return self._groups[name]

    def show_on_page(self, page: str, option: argparse.Action) -> None:
        """Show the help of an option not with the others, but on a page of its own: `--help PAGE`."""
        option.help = argparse.SUPPRESS
        self._pages.update(dict.fromkeys(option.option_strings, page))

    def find_page(self, typed: str) -> str:
        """Return the page of the help for which `--over?` asks, "" where something else was typed."""
        asked = _OPTION_IN_QUESTION.fullmatch(typed)
        if asked is None or asked[1] not in self._option_string_actions:
            return ""
        return self._pages.get(asked[1], _FIRST_PAGE)

    def list_options(self) -> list[argparse.Action]:
        """Return the options, as argparse has them."""
        return [action for action in self._actions if action.option_strings]

    def parse(self, arguments: Sequence[str]) -> argparse.Namespace:
        """Parse all arguments; raises InputError for any that is unknown."""
        self._typed = arguments
        return self.parse_args(self._check(arguments) if self._subparsers is None else list(arguments))

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse, and refuse unknown arguments here, so that the error names the options of this command."""
        self._typed = self._typed or args or ()  # a command of cnai is parsed by its own parser
        known, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self._refuse(unknown[0])
        return known, []

    def takes_value(self, option: str) -> bool:
        """Return whether a value follows an option (as typed); raises InputError for an unknown one."""
        action, attached = self._find_action(option)
        if action is None:
            self._refuse(option)
        return action.nargs != 0 and not attached

    def may_stand_alone(self, option: str) -> bool:
        """Return whether an option can do without the value that may follow it."""
        action, _ = self._find_action(option)
        return action is not None and action.nargs == "?"

    def words_of(self, option: str) -> Sequence[str] | None:
        """Return the few words that may follow an option that can stand alone; None where any word may."""
        action, attached = self._find_action(option)
        if action is None or action.nargs != "?" or attached or action.choices is None:
            return None
        return list(action.choices)

    def check_option(self, word: str) -> None:
        """Refuse a word with a dash or a quote of word processors, or an option with one dash too few."""
        check_word(word, [*self._option_string_actions])

    def _find_action(self, word: str) -> tuple[argparse.Action | None, bool]:
        """Return the option of a word, and whether the word holds its value too (-t0, --out=x)."""
        name, equals, _ = word.partition("=")
        found = self._option_string_actions.get(name)
        if found is None and word[:1] == "-" != word[1:2]:
            found = self._option_string_actions.get(word[:2])
            return (None, False) if found is None or found.nargs == 0 else (found, True)
        return found, bool(equals)

    def _check(self, arguments: Sequence[str]) -> list[str]:
        """Return the arguments for argparse; refuse those that it would misunderstand."""
        checked: list[str] = []
        given: dict[str, str] = {}
        free: list[tuple[str, str, str]] = []
        option, value, left = "", "", _Words(arguments)
        for word in left:
            self.check_option(word)
            action, attached = self._find_action(word) if not isinstance(word, Quoted) else (None, False)
            if action is None:
                checked.append(word)
                free += [(word, option, value)] if word == "-" or not word.startswith("-") else []
                option = value = ""
                continue
            repeatable = action.dest in _REPEATABLE or isinstance(action.default, list)
            if action.dest in given and not repeatable:
                raise InputError(f"{word.split('=')[0]} is given twice", next_step="leave one out")
            given[action.dest] = option = word
            value = word.partition("=")[2] if attached else ""
            following = next(left, None) if action.nargs is None and not attached else None
            if action.nargs == "?" and not attached:
                following = next(left, None) if self._is_value(left.peek(), action) else None
            if action.nargs == "?" and action.choices is not None and not attached:
                # argparse would take the next word, whatever it is.
                checked.append(f"{word}={following or action.const}")
                continue
            checked += [word] if following is None else _join(action, word, following)
            if following is not None:
                self.check_option(following)
                value = following
        if self.asks and self.prog == "%%cnai":
            check_words_of_a_question(free, self.prog)
        return checked

    def _is_value(self, word: str | None, action: argparse.Action) -> bool:
        """Return whether a word can be the value of an option that may stand without one."""
        if action.choices is not None:
            return word is not None and takes_word(list(action.choices), word)
        return word is not None and (isinstance(word, Quoted) or not word.startswith("-"))

    def error(self, message: str) -> NoReturn:
        """Raise what argparse would print before it exits."""
        choice = re.search(r"invalid choice: '(.*?)' \(choose from (.*)\)", message)
        if choice:
            numbers = re.findall(r"\d+", choice[2])
            option = re.search(r"argument (?:.*/)?(\S+):", message)
            if option and numbers and not re.search(r"[^\W\d]", choice[2]):
                bounds = f"from {numbers[0]} to {numbers[-1]}"
                raise InputError(
                    f"{option[1]} is {choice[1][:60]!r}, not a whole number {bounds}",
                    next_step=f"see {self._name_help(option[1])}",
                )
            raise InputError(
                f"{self.prog} does not know {choice[1]!r}",
                why=suggest_name(choice[1], re.findall(r"\w[\w-]*", choice[2])) or f"there are: {choice[2]}",
                next_step=f"see {self._name_help()}",
            )
        value = re.search(r"argument (?:.*/)?(\S+): invalid (int|float) value: (.*)", message)
        if value:
            kind = "a whole number" if value[2] == "int" else "a number"
            typed = value[3].strip("'")
            meant = re.sub(r"(?<=\d)[,_ ](?=\d)", "." if value[2] == "float" else "", typed.strip("=:"))
            right = meant != typed and re.fullmatch(r"\d+" if value[2] == "int" else r"\d*\.?\d+", meant)
            raise InputError(
                f"{value[1]} is {typed[:60]!r}, which is not {kind}",
                next_step=f"type {value[1]} {meant[:60]}" if right else f"see {self._name_help()}",
            )
        bounded = re.search(r"argument (?:.*/)?(\S+): (is .*)", message)
        if bounded:
            raise InputError(f"{bounded[1]} {bounded[2]}", next_step=f"see {self._name_help(bounded[1])}")
        lacking = re.search(r"argument (?:.*/)?(\S+): expected one argument", message)
        if lacking:
            raise InputError(
                f"{lacking[1]} needs a value after it", next_step=f"see {self._name_help(lacking[1])}"
            )
        required = re.fullmatch(r"the following arguments are required: (.*)", message)
        if required:
            raise InputError(f"{self.prog} needs {required[1]}", next_step=f"see {self._name_help()}")
        raise InputError(f"{self.prog}: {message}", next_step=f"see {self._name_help()}")

    def _refuse(self, argument: str) -> NoReturn:
        name = argument.split("=")[0]
        if not name.startswith("-"):
            raise InputError(f"{self.prog} does not take {argument!r}", next_step=f"see {self._name_help()}")
        step = replace_option(name) if self.asks else None
        meant = "" if step else suggest_name(name, self._option_string_actions)
        if (self.asks or self.asks_server) and not (step or meant):
            step = suggest_setting(argument, self._typed)
        raise InputError(
            f"{self.prog} has no option {name}", why=meant, next_step=step or f"see {self._name_help()}"
        )

    def _name_help(self, option: str = "") -> str:
        if option in self._pages:
            return f"{self.prog} --help {self._pages[option]}"
        magic = self.prog.startswith("%") and " " not in self.prog
        return f"{self.prog}?" if magic else f"{self.prog} --help"


def takes_word(words: Sequence[str], word: str) -> bool:
    """Return whether a word is the value of an option whose values are these few, or is meant to be."""
    return word in words or (words[0].isdecimal() and re.fullmatch(r"-?\d+(\.\d+)?", word) is not None)


class _Words(Iterator[str]):
    """Words from first to last; `peek` is the next one, None at the end."""

    def __init__(self, words: Sequence[str]) -> None:
        self._words = deque(words)

    def __next__(self) -> str:
        if not self._words:
            raise StopIteration
        return self._words.popleft()

    def peek(self) -> str | None:
        return self._words[0] if self._words else None


def _join(action: argparse.Action, word: str, value: str) -> list[str]:
    """Return an option and its value so that argparse reads the value, even if it begins with a dash."""
    joined = isinstance(value, Quoted) or action.nargs == "?"
    return [f"{action.option_strings[-1]}={value}"] if joined else [word, value]


def add_request_options(parser: Parser) -> None:
    """Add the options of one question: the system message, and each parameter of a request."""
    parser.asks = True
    lasting = " (of those below: %%cnai_chat system)" if parser.prog.startswith("%") else ""
    asking, answer = parser.group("ask"), parser.group("answer")
    asking.add_argument("-s", "--system", metavar="TEXT", help=f"System message of this question{lasting}.")
    for parameter in PARAMETERS:
        if parameter.functions and not parser.prog.startswith("%"):
            continue  # a command line has none
        names = [name for name in (parameter.short, parameter.option) if name]
        # What is not a number is an error of argparse, which `Parser.error` explains.
        several = parameter.name in _REPEATABLE
        (answer if parameter.name in _OF_THE_ANSWER else asking).add_argument(
            *names,
            dest=parameter.name,
            action=_JoinFields if parameter.fields else "extend" if several else "store",
            metavar=parameter.metavar,
            help=parameter.help + " May be repeated." * several,
            **_read_as(parameter),
        )
    asking.add_argument("--no-stream", action="store_true", help="Wait for the whole answer.")


def _read_as(parameter: Parameter) -> dict[str, Any]:
    """Return how argparse reads the value of an option."""
    if parameter.functions:
        return {}  # see tools_option
    if parameter.name == "schema":
        return {"nargs": "?", "const": ""}  # see schema_option
    if parameter.name == "logprobs":
        words = [str(number) for number in range(int(parameter.low), int(parameter.high) + 1)]
        return {"nargs": "?", "const": _ALTERNATIVES, "choices": words}
    number = parameter.type in (int, float) and not parameter.choices
    return {"type": parameter.type if number else parameter.read}


class _JoinFields(argparse.Action):
    """Joins the fields that an option gives one by one."""

    def __call__(self, parser: object, namespace: Any, values: Any, option_string: str | None = None) -> None:
        former = getattr(namespace, self.dest) or {}
        setattr(namespace, self.dest, join_fields(former, values))


def collect_parameters(
    arguments: argparse.Namespace, variables: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the parameters of a request that were given as options, None for those that were not.

    A schema may be the name of one of the `variables`. Functions are no text: see `tools_option`.
    """
    rows = [parameter for parameter in PARAMETERS if not parameter.functions]
    given = {parameter.name: getattr(arguments, parameter.name) for parameter in rows}
    if given["schema"] is not None:
        given["schema"] = resolve_schema(given["schema"], variables)
    if given["logprobs"] is not None:
        given["logprobs"] = int(given["logprobs"])
    return given
