"""The words of a notebook's cell, and of IPython, for what to do next."""

from __future__ import annotations

import shlex

from ..api.parameters import find_option, is_setting
from ..next_steps import Door

__all__ = ["CELL"]


def _omit_parameter(name: str) -> str:
    option = find_option(name)
    return f"{option} (%config Cnai.{name} = None where it is set)" if is_setting(name) else option


def _raise_budget(day: bool) -> str:
    return f"raise the budget with %cnai_spend --budget{'-day' * day} USD"


def _remove_budget(kernel: bool, day: bool) -> str:
    return "no budget: %cnai_spend" + " --budget off" * kernel + " --budget-day off" * day


def _raise_limit(higher: int, limit: int | None, own: bool, origin: str) -> str:
    if not (own or origin):
        return f"-n {higher}, or %config Cnai.max_tokens = {higher}"
    return f"-n {higher}" + (
        f" ({origin} sets max_tokens: {limit})" if origin else f" in place of -n {limit}"
    )


CELL = Door(
    "cell",
    {
        "change_setting": "%config Cnai.{name} = {literal}",
        "correct_setting": "%config Cnai.{name}, or {variable}",
        "correct_settings": "%config Cnai, or ipython_config.py",
        "set_key": "set a key with %cnai_key, or the variable {variable}",
        "set_local_key": "set the key of this server with %cnai_key",
        "list_models": "list them with %cnai_models",
        "name_model": '%%cnai MODEL, or %config Cnai.model = "MODEL"',
        "write_question": "write it into the cell below %%cnai, or after %cnai",
        "keep_as_text": r"send it as text with \{{{{ … }}}} or %%cnai --raw",
        "attach_file": "send its text with -f",
        "attach_image": "send it as an image with -i",
        "show_value_as_text": "put it into the question as text with {{{{ {name} }}}}",
        "assign_first": "assign it to a variable in a cell above, and name that",
        "ask_for_more": "ask for more in a question of its own: %cnai Tell me more.",
        "go_on_in": lambda name: f"go on with the one that was cut: %cnai -c {shlex.quote(name)} --continue",
        "raise_limit": _raise_limit,
        "see_request": "see the exact request with %%cnai --dry-run json",
        "send_less": "send less: a shorter prompt, %%cnai --new or --once, "
        "or fewer earlier turns with %config Cnai.history_tokens = N",
        "give_parameter": lambda name: f"give it with {find_option(name)}",
        "wait_for_whole": "answers stream by default; --no-stream waits for the whole answer",
        "omit_parameter": _omit_parameter,
        "omit_field": "-x {name} (%config Cnai.extra where it is set)",
        "see_spend": "see what was spent with %cnai_spend",
        "confirm_cost": "send it with --confirm, or raise the sum: %config Cnai.confirm_above = USD",
        "raise_budget": _raise_budget,
        "remove_budget": _remove_budget,
        "limit_cost": "say what they may cost in USD with --max-cost 1, or --max-cost off",
        "set_price": "set its price: %cnai_spend --price {model} INPUT OUTPUT (USD per million tokens)",
        "set_any_price": "%cnai_spend --price MODEL IN OUT",
        "new_conversation": "begin a new conversation with %%cnai --new",
        "begin_conversation": "begin one with %cnai_chat new {name}",
        "use_conversation": "continue it with %cnai_chat use {name}",
        "name_conversation": "for example: %cnai_chat new plan",
        "rename_conversation": "%cnai_chat rename {old} {new}",
        "list_turns": "see them with %cnai_chat show",
        "keep_attempt": "let this one count in {conversation}: %cnai_chat versions {turn} --keep {attempt}",
        "list_attempts": "see them with %cnai_chat versions",
        "read_file": lambda path: f"--from {shlex.quote(path)}",
        "replace_file": "replace it with --force",
    },
)
