"""The words of plain Python for what to do next."""

from __future__ import annotations

from .next_steps import Door

__all__ = ["PYTHON"]

# What `Session` does not take: it has no cells.
_OF_NOTEBOOKS = {
    "confirm_above",
    "display",
    "language",
    "notebook",
    "on_rerun",
    "replay",
    "save_attempts",
    "see_tokens",
    "value_tokens",
}


def _write_setting(name: str, literal: str) -> str:
    return f"session.settings.{name} = {literal}" if name in _OF_NOTEBOOKS else f"Session({name}={literal})"


def _raise_limit(higher: int, limit: int | None, own: bool, origin: str) -> str:
    return f"ask(…, max_tokens={higher})" if own or origin else f"Session(max_tokens={higher})"


def _correct_setting(name: str, variable: str) -> str:
    return f"{_write_setting(name, '…')}, or the variable {variable}"


PYTHON = Door(
    "python",
    {
        "change_setting": lambda name, value, literal: _write_setting(name, literal),
        "correct_setting": _correct_setting,
        "correct_settings": "Session(…)",
        "set_key": "set the variable {variable}, or call Session.use_key",
        "set_local_key": "set the key of this server with Session.use_key",
        "list_models": "list them with Session.models()",
        "name_model": 'Session(model="MODEL")',
        "attach_file": "send its text with files=[…]",
        "attach_image": "send it as an image with images=[…]",
        "show_value_as_text": "put it into the prompt as text",
        "keep_as_text": r"send it as text with \{{{{ … }}}}",
        "assign_first": "put it into a variable, and name that",
        "see_request": "see the exact request with Session.prepare",
        "ask_for_more": "ask for more in a question of its own",
        "go_on_in": "go on with the one that was cut in the conversation {name!r}",
        "raise_limit": _raise_limit,
        "send_less": "send less: a shorter prompt, ask(…, new=True), or Session(history_tokens=N)",
        "give_parameter": "give it as {name}",
        "wait_for_whole": "ask returns the whole answer, stream the answer as it comes",
        "omit_parameter": "{name} (in ask or in Session)",
        "omit_field": "{name} in extra (in ask or in Session)",
        "raise_budget": lambda day: "" if day else "raise the budget with Session(budget=USD)",
        "limit_cost": 'say what they may cost in USD with max_cost=1.0, or max_cost="off"',
        "set_price": "set its price in USD per million tokens: Session(prices={prices})",
        "set_any_price": "Session(prices={{MODEL: [IN, OUT]}})",
        "new_conversation": "begin anew: ask(…, new=True)",
        "read_file": "{path}",
        "choose_port": "choose another port, {example} for example, or 0 for a free one",
        "choose_host": "choose 127.0.0.1, which is this machine only",
    },
)
