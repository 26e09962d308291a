"""Says what to type here in place of what other tools accept, or word processors make of it."""

from __future__ import annotations

import builtins
import keyword
import re
import shlex
from collections.abc import Sequence

from ..api.parameters import BY_NAME, PARAMETERS
from ..errors import InputError
from ..next_steps import NextStep, Step, by_door, change_setting, list_models, set_key
from ..settings import Cnai

__all__ = [
    "Quoted",
    "check_variable",
    "check_word",
    "check_words_of_a_question",
    "explain_open_quote",
    "replace_option",
    "suggest_setting",
]

_OPENING = "“”„‟‘‚‛«»‹›「」『』＂＇"
_DASHES = "—–−―‒‐‑﹣－"
_MODEL_LIKE = re.compile(r"[\w.:@]*[\d\-/.:][\w./:@-]*")
# Options whose value is text, which may have several words.
_TEXTS = {"-s", "--system", "-c", "--chat", *(each.option for each in PARAMETERS if each.type is str)}
_TEXTS |= {BY_NAME["schema"].option}
# Options whose value may be an expression of Python.
_EXPRESSIONS = {"--over", "-i", "--image"}
# Options that are typed as assignments, by their names without underscores.
_ASSIGNABLE = {each.name.replace("_", ""): each.option for each in PARAMETERS}
_ASSIGNABLE |= {name: f"--{name}" for name in ("model", "system", "chat", "out", "once", "new", "stream")}


class Quoted(str):
    """A word of which a part stood in quotes, or was escaped."""

    __slots__ = ()


_FORMAT = by_door(
    "ask for the form in the question; with -o answer there are answer.code and answer.json()",
    "ask for the form in the question; the answer is printed as it comes",
)
_JSON = "JSON, by a schema or any, is --json [SCHEMA]"
_NEW = by_door("begin a new conversation with --new", "every question of cnai ask stands alone")
_GOES_ON = by_door(
    "a question continues its conversation; -c NAME chooses another one, --new begins one",
    "every question of cnai ask stands alone",
)
_ONCE = by_door("--once asks outside of the conversation", "every question of cnai ask stands alone")
_DRY_RUN = by_door("--dry-run shows what would be sent", "see cnai ask --help")
_FILES = "files are sent with -f FILE, images with -i IMAGE"
_QUESTION = by_door(
    "the question is the body of the cell, or follows the options of %cnai",
    "the question follows the options: cnai ask QUESTION",
)
_VARIABLE = by_door(
    "put the answer into a variable with -o NAME", "send the answer to a file: cnai ask … > FILE"
)
_SYSTEM = "the system message is -s TEXT, in quotes where it has several words"
_NUMBERS = by_door(
    "model, tokens and cost stand below each answer; sums are in %cnai_spend",
    "model, tokens and cost stand below each answer",
)
_LENGTH = "the longest answer, in tokens, is -n N"
_SAMPLING = "what can be sent is " + ", ".join(
    f"{each.short} ({each.option[2:]})" if each.short else each.option for each in PARAMETERS
)
_THINKING = "thinking is --think off, low, medium, high, max, or a number of tokens"
_FIELDS = "any other field of the request is -x NAME=VALUE"
_TOOLS = "commands are not run: an answer is text; functions of the notebook may be called: --tools F,G"
_CODE = by_door(
    "-o answer puts the answer into a variable; answer.code is its code", "copy it from the answer"
)
_ADDRESS = "the server is a setting: " + change_setting("base_url", "https://HOST/v1")

# Options of %%ai (jupyter-ai), llm, aichat, sgpt, mods, ollama and the command line of openai.
_ELSEWHERE: dict[str, str | Step | NextStep] = {
    "--format --output-format --markdown --md --no-md --text": _FORMAT,
    "--response-format --schema --json-schema --structured --pydantic": _JSON,
    "-r --reset --clear --empty-session": _NEW,
    "-C --continue-last --conversation --cid --session --session-id --thread": _GOES_ON,
    "--no-history --no-context --stateless --single": _ONCE,
    "-a --attachment --attach --files --fragment --images --input-file --rag": _FILES,
    "-q --question --prompt --message --user --query -g --input --ask": _QUESTION,
    "--output --save --variable --var --store --name -O": _VARIABLE,
    "--stream --streaming": "answers stream by default; --no-stream waits for the whole answer",
    "-S --nostream": "--no-stream waits for the whole answer",
    "--role --agent --template --persona --instructions --system-prompt --sys-prompt --sp": _SYSTEM,
    "-u --usage -v --verbose --info --log --no-log --stats --cost --quiet --timings": _NUMBERS,
    "--max-length --max-new-tokens --max-output-tokens --max-completion-tokens -M": _LENGTH,
    "--length --limit --num-predict": _LENGTH,
    "-P --topp": "nucleus sampling is -p P",
    "-T": "the temperature is -t T",
    "--top-k --topk -K --min-p --repetition-penalty --logit-bias --user -d --data": _FIELDS,
    "--extra-body --model-kwargs --extra-params --param --params --option --set": _FIELDS,
    "--n": _SAMPLING,
    "--stop-sequence --stop-sequences --stop-words --stop-word": "an answer ends before --stop TEXT",
    "--frequency-penalty --presence-penalty --repeat-penalty": _FIELDS,
    "--thinking --reasoning --reasoning-effort --effort --no-think --no-thinking": _THINKING,
    "--enable-thinking --thinking-budget --thinking-level --reason": _THINKING,
    "--tool --functions --function --td": "functions of the notebook are named after --tools F,G",
    "--mcp -e --execute --shell --editor --repl": _TOOLS,
    "--code --extract --xl": _CODE,
    "--cache --no-cache": "nothing is cached: every run asks again",
    "-k --key --api-key --apikey --api-key-name --token --auth": set_key(),
    "--api-base --base --url --host --endpoint --provider --api --server --region-name": _ADDRESS,
    "--list-models --models --list": list_models(),
    "--raw": by_door(terminal="text is always sent as it was typed: leave it out"),
    "--preview --show-prompt --debug --simulate": _DRY_RUN,
}
_STEPS = {name: NextStep.of(step) for names, step in _ELSEWHERE.items() for name in names.split()}


def replace_option(option: str) -> NextStep | None:
    """Return what to use here for an option of another tool, None for an unknown one."""
    return _STEPS.get(option) or (
        _STEPS.get(option.replace("_", "-").lower()) if option[:2] == "--" else None
    )


def suggest_setting(argument: str, typed: Sequence[str]) -> NextStep | None:
    """Return how to set a setting that was typed as an option, with the value that follows it."""
    option, _, value = argument.partition("=")
    name = option.lstrip("-").replace("-", "_")
    if name not in Cnai.class_trait_names(config=True):
        return None
    following = [*typed[list(typed).index(argument) + 1 :], ""][0] if argument in typed else ""
    value = value or following
    number = re.fullmatch(r"\d+(\.\d+)?", value)
    return "it is a setting: " + change_setting(
        name, (float if number[1] else int)(value) if number else value or "…"
    )


def check_word(word: str, options: Sequence[str]) -> None:
    """Refuse the quotes and dashes of word processors, and a long option after one dash."""
    if isinstance(word, Quoted):
        return
    if word[:1] and word[0] in _OPENING:
        raise InputError(
            f"{word[0]} is not a quote here",
            why=f"word processors and chat programs make such quotes: {word}",
            next_step="type straight quotes: \" or '",
        )
    name = word.split("=")[0].lstrip(_DASHES + "-")
    for long in (f"--{name}", f"-{name}"):
        if long not in options or word.startswith("--"):
            continue
        if word[0] in _DASHES:
            raise InputError(
                f"{word.split('=')[0]} begins with a dash of a word processor", next_step=f"type {long}"
            )
        if word[0] == "-" and len(name) > 1:
            raise InputError(f"there is no option -{name}", why=f"did you mean {long}?")


def check_words_of_a_question(words: Sequence[tuple[str, str, str]], magic: str) -> None:
    """Check the words in the line of `%%cnai` that belong to no option: at most one, the model.

    Each comes with the option before it and the value of that option, "" where there is none.
    """
    typed = [word for word, _, _ in words]
    for number, (word, option, value) in enumerate(words):
        if option in _EXPRESSIONS and not isinstance(value, Quoted) and _count_open(value) > 0:
            raise _explain_cut_expression(option, value, typed[number:])
        several = len(words) - number > 1 or re.fullmatch(r"[^\W\d]+[.,;:!?]*", word)
        if option in _TEXTS and not isinstance(value, Quoted) and not isinstance(word, Quoted) and several:
            text = " ".join([value, *typed[number:]]).replace("'", "")
            also = (
                f"; or name the model first: {magic} {word} {option} {value}"
                if number == len(words) - 1 == 0
                else ""
            )
            raise InputError(
                f"{option} takes one word, or several in quotes",
                why=f"after {option} {value} stands {' '.join(typed[number:])}",
                next_step=f"{option} '{text}'{also}",
            )
    if not words:
        return
    first = typed[0]
    if first.startswith("#"):
        raise InputError(f"the line of {magic} takes no comment", next_step="leave it out")
    if len(typed) == 2 and all(map(_MODEL_LIKE.fullmatch, typed)):
        raise InputError("two models are named", why=f"{first} and {typed[1]}", next_step="leave one out")
    assigned = re.fullmatch(r"(\w+)[=:](.*)", first)
    name = _ASSIGNABLE.get(assigned[1].replace("_", "")) if assigned else None
    if assigned is not None and name is not None:
        raise InputError(
            f"an option begins with two dashes: {first}", next_step=f"type {name} {assigned[2]}".rstrip()
        )
    if len(typed) > 1 or first.endswith(("?", "？", "!", "。", ",")) or not re.search(r"\w", first):
        question = " ".join(typed)
        raise InputError(
            f"{magic} takes a model and options in its line, not a question",
            why=f"found there: {question[:200]}",
            next_step=by_door(cell=f"put it into the body of the cell; or ask in one line: %cnai {question}"),
        )


def _explain_cut_expression(option: str, value: str, following: Sequence[str]) -> InputError:
    """Return the error for an expression without quotes that ends at its first blank: `df[df.a > 3]`."""
    whole = value
    for word in following:
        whole += f" {word}"
        if _count_open(whole) <= 0:
            break
    return InputError(
        f"{option} takes one word, or several in quotes",
        why=f"a bracket stays open in {value}",
        next_step=f"{option} {shlex.quote(whole)}",
    )


def _count_open(text: str) -> int:
    """Return how many brackets more are opened than closed."""
    return len(re.findall(r"[\[({]", text)) - len(re.findall(r"[\])}]", text))


def check_variable(name: str) -> str:
    """Return a name that a variable can have; raises InputError for one that it cannot or should not have."""
    why = ""
    if keyword.iskeyword(name):
        why = "it is a keyword of Python"
    elif not name.isidentifier():
        why = "a name has letters, digits and underscores, and does not begin with a digit"
    elif name.startswith("__"):
        why = "such names are Python's own"
    elif hasattr(builtins, name) or name in ("In", "Out", "get_ipython", "exit", "quit"):
        why = "it would hide a name of Python or IPython"
    if why:
        raise InputError(
            f"{name!r} cannot be the name of a variable", why=why, next_step="for example: -o answer"
        )
    return name


def explain_open_quote(line: str) -> InputError:
    """Return the error for a line in which a quote is not closed."""
    if line.rstrip().endswith("\\"):
        return InputError(
            "a line ends in a backslash", why=line[:200], next_step="type all options in one line"
        )
    if re.search(r"\w'\w", line) and line.count('"') % 2 == 0:
        step = 'an apostrophe begins a quote here: put the text in double quotes, as in -s "Don\'t guess"'
    else:
        step = "close it, or leave it out"
    return InputError("a quote is not closed", why=line[:200], next_step=step)
