"""Builds the parser of each magic: its options, with their help."""

from __future__ import annotations

from argparse import SUPPRESS, Action, ArgumentTypeError, _ArgumentGroup
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from typing import TypeVar

from ..settings import MOST_PARALLEL
from .arguments import Parser, add_request_options

__all__ = [
    "add_attachments",
    "add_pattern",
    "add_spend_tables",
    "build_ask_parser",
    "build_chat_parsers",
    "build_code_parser",
    "build_fix_parser",
    "build_key_parser",
    "build_models_parser",
    "build_prompt_parser",
    "build_rows_help",
    "build_spend_parser",
]

_Number = TypeVar("_Number", int, float)


# Built once: each question would spend a fifth of its time in it.
@cache
def build_ask_parser(magic: str = "%%cnai") -> Parser:
    """Return the parser of %%cnai, or of %cnai."""
    parser = Parser(
        magic,
        "The answer streams in below. Run the cell again to ask again, in the place of the former answer.",
        usage="%%cnai [MODEL] [options]                (the question is the body of the cell)\n"
        "       [answer =] %cnai [options] QUESTION    (.text .code .data .usage .cost; the latest: _cnai)",
        epilog="Several models or values, the rows of a table: %%cnai --help rows. Settings: %config Cnai.\n"
        "See also %cnai_models? %cnai_chat? %cnai_prompt? %cnai_fix? %cnai_code? %cnai_spend? %cnai_key?",
        pages=("compare", "rows"),
    )
    asking = parser.group("ask", "%%cnai deepseek-chat -t 0 -n 200")
    asking.add_argument("model", nargs="?", default="", metavar="MODEL", help=SUPPRESS)
    asking.add_argument(
        "-m",
        "--model",
        dest="model_option",
        metavar="MODEL",
        help="Model to ask: see %%cnai_models. In %%%%cnai its name alone will do.",
    )
    # The groups are shown in this order.
    prompt = parser.group("prompt", "{{ df | head(3) }} in the question: what a variable holds")
    answer = parser.group("answer", "--json 'city, population int' -o cities")
    conversation = parser.group("conversation", "%%cnai -c plan")
    add_request_options(parser)
    _add_prompt_options(prompt)
    _add_answer_options(answer)
    _add_conversation_options(conversation)
    for option in _add_several_options(parser):
        parser.show_on_page("rows", option)
    return parser


def build_rows_help() -> Parser:
    """Return a parser that has only the help of the options that ask several times."""
    parser = Parser(
        "%%cnai --help rows",
        "Ask several models, with several values, or of each row of a table.\n"
        "The answers are one table, outside of the conversation. Most options of a question hold too.",
        usage="%%cnai --compare MODELS | --grid NAME=VALUES | --times N | --over ROWS  [options]",
        epilog="See also %%cnai? and, for all settings, %config Cnai.",
    )
    _add_several_options(parser)
    return parser


def _add_several_options(parser: Parser) -> list[Action]:
    """Add the options that ask several times, and return them."""
    compare = parser.group("compare", "--compare deepseek-chat,qwen-plus --grid temperature=0,0.7")
    rows = parser.group("rows", "--over df -o answers    {{ row.text }} in the question")
    before = parser.list_options()
    _add_compare_options(compare)
    _add_judge_options(compare)
    _add_row_options(rows)
    return [option for option in parser.list_options() if option not in before]


def _add_prompt_options(prompt: _ArgumentGroup) -> None:
    """Add the options that say what is sent."""
    prompt.add_argument(
        "-T", "--template", default="", metavar="NAME", help="Use a saved prompt: see %%cnai_prompt."
    )
    prompt.add_argument(
        "--var", action="append", default=[], metavar="NAME=VALUE", help="Set a name that {{ }} use."
    )
    add_attachments(prompt, "a file, a variable or Out[N]")
    prompt.add_argument(
        "--see", metavar="CELLS", help="Send cells and what they showed too: above, or numbers as 3-5,7."
    )
    prompt.add_argument("--raw", action="store_true", help="Send the question as typed: braces are text.")
    prompt.add_argument(
        "--dry-run",
        nargs="?",
        const="text",
        choices=("text", "json"),
        metavar="json",
        help="Show what would be sent, and its cost; send nothing. json: the body.",
    )
    _add_confirm(prompt)


def _add_confirm(parser: Parser | _ArgumentGroup) -> None:
    parser.add_argument(
        "--confirm", action="store_true", help="Send it though it may cost more than Cnai.confirm_above."
    )


def _add_answer_options(answer: _ArgumentGroup) -> None:
    """Add the options that say what is done with the answer."""
    answer.add_argument("-o", "--out", metavar="VAR", help="Put the answer into a variable as well.")
    answer.add_argument("--code", action="store_true", help="Put its Python code into a new cell, unrun.")
    answer.add_argument(
        "--continue",
        dest="go_on",
        action="store_true",
        help="Go on with the answer that was cut: of this cell, or the last one.",
    )


def _add_conversation_options(conversation: _ArgumentGroup) -> None:
    """Add the options that say where in the conversations a question stands."""
    conversation.add_argument("-c", "--chat", default="", metavar="NAME", help="Conversation to ask in.")
    conversation.add_argument("--new", action="store_true", help="Begin a new conversation, and use it.")
    conversation.add_argument(
        "--once", action="store_true", help="Ask outside of the conversation: it is neither sent nor kept."
    )
    conversation.add_argument(
        "--append", action="store_true", help="Run again as a new turn; keep the former one."
    )


def _read_between(low: _Number, high: _Number) -> Callable[[str], _Number]:
    """Return the reader of a number within these bounds, of their kind."""

    def read(text: str) -> _Number:
        with suppress(ValueError):
            number = type(low)(text)
            if low <= number <= high:
                return number
        kind = "a whole number" if isinstance(low, int) else "a number"
        raise ArgumentTypeError(f"is {text[:60]!r}, not {kind} from {low:g} to {high:g}")

    return read


def _add_compare_options(compare: _ArgumentGroup) -> None:
    """Add the options that ask one question in several ways."""
    compare.add_argument(
        "--compare", default="", metavar="MODELS", help="Ask several models at once: names with commas."
    )
    compare.add_argument(
        "--grid",
        action="append",
        default=[],
        metavar="NAME=VALUES",
        help="Ask with each value of a parameter. May be repeated: all combinations.",
    )
    compare.add_argument("--times", type=_read_between(1, 100), metavar="N", help="Ask in each way N times.")
    compare.add_argument(
        "--expect",
        metavar="WHAT",
        help="Say which answers are right: a pattern, or by name a schema or a function (answer, row).",
    )
    compare.add_argument(
        "--pass",
        dest="least",
        type=_read_between(0.0, 1.0),
        metavar="SHARE",
        help="Fail if fewer are right: 0.9 of them.",
    )


def _add_judge_options(compare: _ArgumentGroup) -> None:
    """Add the options that have a model score the answers."""
    compare.add_argument(
        "--judge", default="", metavar="MODEL", help="Have a model score each answer, from 1 to 5."
    )
    compare.add_argument(
        "--rubric",
        default="",
        metavar="NAME",
        help="Saved prompt by which it judges; -T NAME after --judge is the same.",
    )


def _add_row_options(rows: _ArgumentGroup) -> None:
    """Add the options that ask of each row of a table."""
    rows.add_argument(
        "--over",
        default="",
        metavar="ROWS",
        help="Ask of each row: a list, a table, a dict of columns, .csv, .jsonl. "
        "In the question: {{ row.text }}, {{ row['full text'] }}.",
    )
    rows.add_argument(
        "--as",
        dest="row_name",
        default="",
        metavar="NAME",
        help="Name of the row in {{ }}, beside row and item.",
    )
    rows.add_argument(
        "--parallel",
        type=_read_between(1, MOST_PARALLEL),
        metavar="N",
        help="Requests under way at a time; for --compare too.",
    )
    rows.add_argument(
        "--max-cost",
        metavar="USD",
        help="What all rows may cost, or off. Over 200 rows that cost money need it, or a budget.",
    )
    rows.add_argument(
        "--fresh", action="store_true", help="Ask again for rows that an earlier run has answered."
    )


def add_attachments(prompt: _ArgumentGroup, image: str) -> None:
    """Add the options that send files and images; `image` says what an image is named by."""
    prompt.add_argument(
        "-f",
        "--file",
        action="append",
        default=[],
        metavar="FILE",
        help="Send a text file; of a table (.csv, .tsv) a preview. May be repeated.",
    )
    prompt.add_argument(
        "-i",
        "--image",
        action="append",
        default=[],
        metavar="IMAGE",
        help=f"Send an image: {image}. May be repeated.",
    )


def build_code_parser() -> Parser:
    """Return the parser of %cnai_code."""
    parser = Parser(
        "%cnai_code", "Put the Python code of the latest answer into a new cell below; it is not run."
    )
    parser.add_argument("number", nargs="?", type=int, metavar="N", help="The code of turn N instead.")
    return parser


def build_fix_parser() -> Parser:
    """Return the parser of %cnai_fix."""
    parser = Parser(
        "%cnai_fix",
        "Ask why the last cell failed: the answer explains it, and the corrected cell comes below, unrun.\n"
        "The cell, its error and similar names are sent; values only if you name them: {name}.",
        usage="%cnai_fix [options] [WORDS]",
    )
    parser.add_argument("-m", "--model", default="", metavar="MODEL", help="Model to ask.")
    parser.add_argument("-c", "--chat", default="", metavar="NAME", help="Conversation to ask in.")
    parser.add_argument("--hint", action="store_true", help="Give a hint and no code: for teaching.")
    _add_confirm(parser)
    return parser


def build_prompt_parser() -> Parser:
    """Return the parser of %cnai_prompt."""
    parser = Parser(
        "%cnai_prompt",
        "Save prompts, and see those that are saved: files of Markdown in the folder prompts beside the\n"
        "notebook, and in your own. A question uses one with -T NAME; {{ input }} is what it says itself.",
        usage="%cnai_prompt [list]\n"
        "       %cnai_prompt save NAME [--user] [--force]\n"
        "       %cnai_prompt show|delete NAME",
    )
    parser.add_argument(
        "command", nargs="?", choices=["list", "save", "show", "delete"], default="list", help="What to do."
    )
    parser.add_argument("name", nargs="?", default="", metavar="NAME", help="The prompt.")
    parser.add_argument("--user", action="store_true", help="Save it for all of your notebooks.")
    parser.add_argument("--force", action="store_true", help="Write over a prompt of this name.")
    return parser


def build_models_parser() -> Parser:
    """Return the parser of %cnai_models."""
    parser = Parser(
        "%cnai_models", "List the models of your key, with their prices; returns the list of IDs."
    )
    add_pattern(parser)
    parser.add_argument("--refresh", action="store_true", help="Ask the server again.")
    return parser


def add_pattern(parser: Parser) -> None:
    """Add the pattern that chooses models."""
    parser.asks_server = True
    parser.add_argument(
        "pattern", nargs="?", default="", metavar="PATTERN", help="Part of an ID, or a pattern: 'qwen*'."
    )


def build_key_parser() -> Parser:
    """Return the parser of %cnai_key."""
    parser = Parser("%cnai_key", "Set the API key for this kernel, at a prompt that does not show it.")
    parser.add_argument(
        "--save", action="store_true", help="Keep it in the keyring of the operating system too."
    )
    parser.add_argument("--forget", action="store_true", help="Forget it, in this kernel and in the keyring.")
    return parser


def build_spend_parser() -> Parser:
    """Return the parser of %cnai_spend."""
    parser = Parser(
        "%cnai_spend",
        "Show what was spent today, by this notebook, by this kernel and in all; what a budget leaves; the\n"
        "credit at the server. Money is USD; demo credit is not money, and is counted apart.",
        epilog="rows = %cnai_spend --by model    (the rows: a list, or a DataFrame where pandas is imported)",
    )
    add_spend_tables(
        parser,
        ["kernel", "notebook", "today", "all"],
        "Of what: this kernel, this notebook in all its kernels, all notebooks today, or all there is.",
    )
    parser.add_argument(
        "--plot",
        action="store_true",
        help="Draw it over time, and by model unless --by (of this kernel unless --of).",
    )
    parser.add_argument(
        "--price",
        nargs="+",
        metavar="MODEL IN OUT [CACHED]",
        help="Set a price, in USD per million tokens of input, output and cached input.",
    )
    parser.add_argument("--budget", metavar="USD", help='What this kernel may spend; "off": no limit.')
    parser.add_argument(
        "--budget-day", metavar="USD", help='What all notebooks may spend in a day; "off": no limit.'
    )
    parser.add_argument("--reset", action="store_true", help="Reset the sums of this kernel to zero.")
    return parser


def add_spend_tables(parser: Parser, scopes: Sequence[str], scopes_help: str) -> None:
    """Add the options for tables of what was spent, and for a file of them."""
    parser.add_argument("--by", choices=["model", "chat", "day", "notebook"], help="Show these sums.")
    parser.add_argument("--of", choices=scopes, help=scopes_help)
    parser.add_argument(
        "--csv",
        metavar="PATH",
        help="Write a line for each request to a file, with --by for each sum (of all there is unless --of); "
        "- shows them.",
    )
    parser.add_argument("--force", action="store_true", help="With --csv: write over a file that is there.")


@cache
def build_chat_parsers() -> dict[str, Parser]:
    """Return the parsers of the commands of %cnai_chat that take more than a name or a number."""
    fork = Parser("%cnai_chat fork", "Begin a conversation that continues this one, and use it.")
    fork.add_argument("name", nargs="?", default="", metavar="NAME")
    fork.add_argument("--at", type=int, metavar="N", help="Keep the turns up to this one (default: all).")
    versions = Parser("%cnai_chat versions", "Show all attempts of a turn side by side.")
    versions.add_argument("number", nargs="?", type=int, metavar="N", help="The turn (default: the last).")
    versions.add_argument("--keep", type=int, metavar="K", help="Put attempt K in force.")
    restore = Parser("%cnai_chat restore", "Restore the conversations of the notebook file.")
    restore.add_argument("--from", dest="path", default="", metavar="PATH", help="Another notebook file.")
    export = Parser(
        "%cnai_chat export",
        "Write the conversation in use to a file: .ipynb, .md or .json; to .csv all attempts of all.",
    )
    export.add_argument("path", metavar="PATH")
    export.add_argument("--force", action="store_true", help="Write over a file that is there.")
    imports = Parser("%cnai_chat import", "Read a conversation from a file: .ipynb or .json.")
    imports.add_argument("path", metavar="PATH")
    imports.add_argument("--as", dest="name", default="", metavar="NAME", help="Its name here.")
    imports.add_argument("-c", "--chat", default="", metavar="NAME", help="Which conversation of a notebook.")
    return {"fork": fork, "versions": versions, "restore": restore, "export": export, "import": imports}
