"""The words of a notebook's cell, and of IPython, for what to do next."""

from __future__ import annotations

import shlex
from typing import Any

from ..next_steps import (
    BeginConversation,
    CorrectSetting,
    CorrectSettings,
    Door,
    ListAttempts,
    ListModels,
    ListTurns,
    NameConversation,
    NameModel,
    NewConversation,
    OmitParameter,
    RaiseBudget,
    ReadFile,
    RemoveBudget,
    RenameConversation,
    ReplaceFile,
    SeeRequest,
    SeeSpend,
    SendLess,
    SetAnyPrice,
    SetKey,
    SetLocalKey,
    SetPrice,
    Setting,
    UseConversation,
    WriteQuestion,
)

__all__ = ["CELL"]


def _option(step: OmitParameter) -> str:
    option = "--" + step.name.replace("_", "-")
    return f"{option} (%config Cnai.{step.name} = None where it is set)"


def _raise_budget(step: RaiseBudget) -> str:
    return f"raise the budget with %cnai_spend --budget{'-day' * step.day} USD"


def _remove_budget(step: RemoveBudget) -> str:
    return "no budget: %cnai_spend" + " --budget off" * step.kernel + " --budget-day off" * step.day


_WORDS: dict[type[Any], Any] = {
    Setting: "%config Cnai.{step.name} = {step.literal}",
    CorrectSetting: "%config Cnai.{step.name}, or {step.variable}",
    CorrectSettings: "%config Cnai, or ipython_config.py",
    SetKey: "set a key with %cnai_key, or the variable {step.variable}",
    SetLocalKey: "set the key of this server with %cnai_key",
    ListModels: "list them with %cnai_models",
    NameModel: '%%cnai MODEL, or %config Cnai.model = "MODEL"',
    WriteQuestion: "write it into the cell below %%cnai, or after %cnai",
    SeeRequest: "see the exact request with %%cnai --dry-run",
    SendLess: "send less: a shorter prompt, %%cnai --new or --once, "
    "or fewer earlier turns with %config Cnai.history_tokens = N",
    OmitParameter: _option,
    SeeSpend: "see what was spent with %cnai_spend",
    RaiseBudget: _raise_budget,
    RemoveBudget: _remove_budget,
    SetAnyPrice: "%cnai_spend --price MODEL IN OUT",
    SetPrice: "set its price: %cnai_spend --price {step.model} INPUT OUTPUT (USD per million tokens)",
    NewConversation: "begin a new conversation with %%cnai --new",
    BeginConversation: "begin one with %cnai_chat new {step.name}",
    UseConversation: "continue it with %cnai_chat use {step.name}",
    NameConversation: "for example: %cnai_chat new plan",
    RenameConversation: "%cnai_chat rename {step.old} {step.new}",
    ListTurns: "see them with %cnai_chat show",
    ListAttempts: "see them with %cnai_chat versions",
    ReadFile: lambda step: f"--from {shlex.quote(step.path)}",
    ReplaceFile: "replace it with --force",
}
CELL = Door("cell", _WORDS)
