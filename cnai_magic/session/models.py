"""Which model a question asks: the one that is named, or the default of its endpoint."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatch
from typing import NamedTuple

from ..api.model_facts import Model, ModelFacts, complete_facts
from ..errors import APIError, CnaiError, InputError, NetworkError
from ..nearest import find_nearest, suggest_name
from ..next_steps import list_models, name_model, set_key
from ..settings import DEFAULT_BASE_URL
from .endpoint import Endpoint
from .servers import Servers

__all__ = [
    "AskedModel",
    "choose_model",
    "find_known_model",
    "list_known_models",
    "match_models",
    "takes_demo_credit",
    "takes_images",
]

_DEFAULT_MODEL = "deepseek-chat"
_DEMO_MODEL = "demo-guide"
# Known here too: to import the models themselves takes too long while somebody types.
_DEMO_MODELS = (_DEMO_MODEL, "demo-ngram", "demo-echo", "demo-reasoner", "demo-faults")
_DEMO_PREFIX, _DEMO_OWNER = "demo-", "demo"
# Stands in what is only shown, where the server is not asked which models it has.
_UNKNOWN_MODEL = "(the server's only model)"
_SEVERAL = 5


class AskedModel(NamedTuple):
    """The model of a question; `demo`: its answers take demo credit, see `takes_demo_credit`."""

    name: str
    demo: bool


def choose_model(servers: Servers, endpoint: Endpoint, named: str, *, ask: bool = True) -> AskedModel:
    """Return the model of a question; `named` is the one that it or the settings name, "" for none.

    Where none is named, a server other than the default one is asked which it has. With `ask` False no
    server is asked, and none is started. Raises InputError for a model that the demo does not have, and
    where the server has several.
    """
    if not endpoint.demo:
        model = named or _find_default_model(servers, endpoint, ask=ask)
        return AskedModel(model, takes_demo_credit(servers, endpoint, model, ask=ask))
    model = named or _DEMO_MODEL
    if not model.startswith(_DEMO_PREFIX):
        near = find_nearest(model, [each.id for each in servers.list_models(endpoint)]) if ask else []
        without_key = "no API key is set" if endpoint.lacks_key else ""
        raise InputError(
            f"the embedded demo gateway does not serve {model}",
            parameter="model",
            why=f"did you mean {near[0]}?" if near else without_key,
            next_step=set_key() + "; or ask a demo model: " + list_models(),
        )
    return AskedModel(model, demo=True)


def _find_default_model(servers: Servers, endpoint: Endpoint, *, ask: bool) -> str:
    """Return the model of a question that names none: of another server than the default its only one."""
    if endpoint.base_url == DEFAULT_BASE_URL:
        return _DEFAULT_MODEL
    if not ask and servers.get_known_models(endpoint) is None:
        return _UNKNOWN_MODEL
    listed: list[str] = []
    try:
        listed = [each.id for each in servers.list_models(endpoint)]
    except APIError as error:
        if error.status != 404:
            raise
    if len(listed) == 1:
        return listed[0]
    if _DEMO_MODEL in listed:  # another gateway of ours
        return _DEMO_MODEL
    few = ", ".join(listed[:_SEVERAL]) + " and others" * (len(listed) > _SEVERAL)
    raise InputError(
        "no model is named",
        parameter="model",
        why=f"the server has {few}" if few else "the server lists none",
        next_step="name one: " + name_model(),
    )


def find_known_model(servers: Servers, endpoint: Endpoint, named: str) -> str:
    """Return the model of a question as far as it is known, asking no server; "" where there is none."""
    try:
        return choose_model(servers, endpoint, named, ask=False).name
    except InputError:
        return ""


def list_known_models(servers: Servers, endpoint: Endpoint) -> list[str]:
    """Return the models of an endpoint as far as they are known; no server is asked, and none is started."""
    listed = servers.get_known_models(endpoint)
    if listed is not None:
        return [each.id for each in listed]
    return [*_DEMO_MODELS] if endpoint.demo else []


def takes_demo_credit(servers: Servers, endpoint: Endpoint, model: str, *, ask: bool = True) -> bool:
    """Return whether an answer of this model is demo credit: of the embedded gateway, or of `cnai serve`.

    A gateway that runs by itself says so where it lists its models, and is believed on this machine only:
    a server elsewhere may take money, whatever it says. With `ask` False its list counts only if it is
    known already.
    """
    if endpoint.demo:
        return True
    if not (model.startswith(_DEMO_PREFIX) and endpoint.loopback):
        return False
    listed = servers.get_known_models(endpoint)
    if listed is None and ask:
        try:
            listed = servers.list_models(endpoint)
        except NetworkError:
            raise  # the question would not arrive either
        except CnaiError:
            return False
    return any(each.id == model and each.owner == _DEMO_OWNER for each in listed or ())


def takes_images(servers: Servers, endpoint: Endpoint, named: str) -> bool:
    """Tell whether it is known that the model of a question takes images; no server is asked.

    `named` is the model that it or the settings name, "" for none.
    """
    model = find_known_model(servers, endpoint, named)
    if not model:
        return False
    listed = servers.get_known_models(endpoint) or ()
    facts = next((each.facts for each in listed if each.id == model), ModelFacts())
    return bool(complete_facts(model, facts).images)


def match_models(models: Sequence[Model], pattern: str) -> list[Model]:
    """Return the models whose ID holds `pattern`, or matches it where it has `*` or `?`.

    Raises InputError where none matches.
    """
    wanted = pattern if set(pattern) & set("*?[") else f"*{pattern}*"
    found = [model for model in models if fnmatch(model.id.lower(), wanted.lower())]
    if not found and pattern:
        raise InputError(
            f"no model matches {pattern!r}",
            why=suggest_name(pattern, [model.id for model in models]),
            next_step=f"there are {len(models)}: " + list_models(),
        )
    return found
