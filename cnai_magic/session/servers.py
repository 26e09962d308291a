"""What is kept of the servers that were asked: connections, models, price lists; and what a question asks."""

from __future__ import annotations

import time
from collections.abc import Hashable, Mapping, Sequence
from datetime import date
from fnmatch import fnmatch
from typing import TYPE_CHECKING, NamedTuple

from ..api.billing import Balance
from ..api.interrupts import defer_interrupts
from ..api.messages import ChatRequest
from ..api.model_facts import Model, ModelFacts, complete_facts
from ..errors import APIError, CnaiError, InputError, ModelNotFoundError, NetworkError
from ..money.price import FREE_LOCAL, Price, PriceList, price_models, read_pricing
from ..money.price_lookup import PriceLookup
from ..nearest import find_nearest, suggest_name
from ..next_steps import Door, list_models, name_model, set_key
from ..python_words import PYTHON
from ..settings import DEFAULT_BASE_URL
from .advice import advise, explain_model
from .endpoint import Endpoint
from .forks import ForkSafeLock
from .question import Target

if TYPE_CHECKING:
    from ..api.client import Client

__all__ = [
    "Servers",
    "choose_target",
    "find_known_model",
    "list_known_models",
    "match_models",
    "takes_demo_credit",
    "takes_images",
]

# Seconds after which a server that gave no price list is asked for it again.
_PATIENCE = 60.0
_DEFAULT_MODEL = "deepseek-chat"
_DEMO_MODEL = "demo-guide"
# Known here too: to import the models themselves takes too long while somebody types.
_DEMO_MODELS = (_DEMO_MODEL, "demo-ngram", "demo-echo", "demo-reasoner", "demo-faults")
_DEMO_PREFIX, _DEMO_OWNER = "demo-", "demo"
# Stands in what is only shown, where the server is not asked which models it has.
_UNKNOWN_MODEL = "(the server's only model)"
_SEVERAL = 5


class Servers:
    """Asks servers, each by its Endpoint; models and price lists are asked for once per address and key.

    `own` prices are those of the settings, by model or pattern, in USD per million tokens. Errors say what to
    do next in the words of `door`.
    """

    def __init__(self, door: Door = PYTHON) -> None:
        self._door = door
        self._clients: dict[Hashable, tuple[tuple[object, ...], Client]] = {}
        self._models: dict[Hashable, list[Model]] = {}
        self._price_lists: dict[Hashable, dict[str, Price]] = {}
        self._no_list_at: dict[Hashable, float] = {}
        self._without_list: set[Hashable] = set()
        # Held while a price list is asked for.
        self._lock = ForkSafeLock()

    # -- connections ----------------------------------------------------------------------------

    def get_client(self, endpoint: Endpoint) -> Client:
        """Return the client of an endpoint, whose connections are kept alive; the demo is started."""
        base_url, key, account = endpoint.base_url, endpoint.key, endpoint.account
        transport = None
        if endpoint.demo:
            from ..gateway.embedded import start_embedded

            gateway = start_embedded()
            base_url, key, transport = gateway.base_url, gateway.key, gateway.transport
        timeout = (endpoint.connect_timeout, endpoint.timeout)
        wanted = (base_url, key, timeout, endpoint.retries)
        made_for, client = self._clients.get(account, ((), None))
        if client is None or made_for != wanted:
            if client is not None:
                client.close()
            # Late, because requests takes most of the time of a first question, which is shown before. An
            # interrupt waits: a module that is imported by half may never be imported again.
            with defer_interrupts():
                from ..api.client import Client
            client = Client(base_url, key, timeout=timeout, retries=endpoint.retries, transport=transport)
            self._clients[account] = wanted, client
        return client

    def drop_refused(self, endpoint: Endpoint, request: ChatRequest) -> ChatRequest:
        """Return a request as it would be sent now: without a level of thinking known to have no effect."""
        _, client = self._clients.get(endpoint.account, (None, None))
        return request if client is None else client.drop_refused(request)

    def close(self) -> None:
        """Close the connections that are kept alive."""
        while self._clients:
            _, (_, client) = self._clients.popitem()
            client.close()

    # -- models and credit ----------------------------------------------------------------------

    def list_models(self, endpoint: Endpoint, *, refresh: bool = False) -> Sequence[Model]:
        """Return the models of a key; `refresh` asks for them, and for prices, again."""
        account = endpoint.account
        if refresh:
            self._price_lists.pop(account, None)
            self._no_list_at.pop(account, None)
        if refresh or account not in self._models:
            try:
                self._models[account] = self.get_client(endpoint).list_models()
            except CnaiError as error:
                advise(error, endpoint)
                raise
        return self._models[account]

    def get_known_models(self, endpoint: Endpoint) -> Sequence[Model] | None:
        """Return the models of a key as they were listed before, None where they were not."""
        return self._models.get(endpoint.account)

    def fetch_balance(self, endpoint: Endpoint) -> Balance | None:
        """Return the credit of a key as its server reports it now, None where it does not report it."""
        return self.get_client(endpoint).fetch_balance()

    def explain(self, error: CnaiError, endpoint: Endpoint, request: ChatRequest) -> CnaiError:
        """Return the error of a question with what to do about it at this server."""
        explained = self._explain(error, endpoint, request)
        # An error of a row is shown in a table, and not raised at a door.
        explained.door = self._door
        return explained

    def _explain(self, error: CnaiError, endpoint: Endpoint, request: ChatRequest) -> CnaiError:
        advise(error, endpoint, request)
        if not isinstance(error, ModelNotFoundError):
            return error
        try:
            listed = [each.id for each in self.list_models(endpoint)]
        except CnaiError:
            listed = []
        return explain_model(error, endpoint, request.model, listed)

    # -- prices ---------------------------------------------------------------------------------

    def price(self, endpoint: Endpoint, model: str, own: Mapping[str, object]) -> Price | None:
        """Return the price of a model, None where it has none; its server may be asked for its list."""
        if PriceList(own).find(model, "") is None and not endpoint.demo:
            self._ask_for_prices(endpoint)
        return self.get_known_price(endpoint, model, own)

    def get_known_price(self, endpoint: Endpoint, model: str, own: Mapping[str, object]) -> Price | None:
        """Return the price of a model that is known without asking its server."""
        # The embedded gateway charges by prices.toml.
        listed = {} if endpoint.demo else self._price_lists.get(endpoint.account, {})
        price = PriceList(own, listed).find(model, endpoint.host)
        if price is None and endpoint.loopback and endpoint.account in self._without_list:
            return FREE_LOCAL
        return price

    def look_up_price(self, endpoint: Endpoint, model: str, own: Mapping[str, object]) -> PriceLookup:
        """Return the price of a model, or what looks for it where its server is to be asked for its list.

        Raises InputError for a price of the settings that is none.
        """
        known = PriceList(own).find(model, "")
        if known is not None or endpoint.demo or not self._asks_for_prices(endpoint.account):
            return PriceLookup(self.get_known_price(endpoint, model, own))
        return PriceLookup(find=lambda: self.price(endpoint, model, own))

    def _asks_for_prices(self, account: Hashable) -> bool:
        """Tell whether a server would be asked for its prices now: not shortly after it gave none."""
        if account in self._price_lists:
            return False
        failed = self._no_list_at.get(account)
        return failed is None or time.monotonic() >= failed + _PATIENCE

    def _ask_for_prices(self, endpoint: Endpoint) -> None:
        """Ask a server for its price list, if that is due; of many questions at once one asks.

        Where it has none, its list of models may say what they cost.
        """
        client, account = self.get_client(endpoint), endpoint.account
        with self._lock.current:
            if not self._asks_for_prices(account):
                return
            try:
                listed = client.fetch_pricing()
            except CnaiError:  # the question itself will say what is wrong with the server
                self._no_list_at[account] = time.monotonic()
                return
            today = date.today().isoformat()
            prices = read_pricing(listed or {}, endpoint.host, today)
            if not prices:
                models = self._models.get(account)
                models = client.look_up_models() if models is None else models
                prices = price_models(models, endpoint.host, today)
            if listed or prices:
                self._price_lists[account] = prices
            else:
                self._no_list_at[account] = time.monotonic()
                self._without_list.add(account)


class _AskedModel(NamedTuple):
    """The model of a question; `demo`: its answers take demo credit, see `takes_demo_credit`."""

    name: str
    demo: bool


def choose_target(
    servers: Servers, endpoint: Endpoint, named: str, own: Mapping[str, object] | None, *, ask: bool
) -> Target:
    """Return what a question asks: its model, see `_choose_model`, and what looks for the price of that.

    `own` prices are those of the settings, None where no price is needed. With `ask` False no server is
    asked.
    """
    model, demo = _choose_model(servers, endpoint, named, ask=ask)
    if own is None:
        return Target(model, demo)
    if ask:
        lookup = servers.look_up_price(endpoint, model, own)
    else:
        lookup = PriceLookup(servers.get_known_price(endpoint, model, own))
    server = endpoint.vendor.name if endpoint.vendor else ""
    return Target(model, demo, endpoint.host, server, lookup)


def _choose_model(servers: Servers, endpoint: Endpoint, named: str, *, ask: bool = True) -> _AskedModel:
    """Return the model of a question; `named` is the one that it or the settings name, "" for none.

    Where none is named, a server other than the default one is asked which it has. With `ask` False no
    server is asked, and none is started. Raises InputError for a model that the demo does not have, and
    where the server has several.
    """
    if not endpoint.demo:
        model = named or _find_default_model(servers, endpoint, ask=ask)
        return _AskedModel(model, takes_demo_credit(servers, endpoint, model, ask=ask))
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
    return _AskedModel(model, demo=True)


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
        return _choose_model(servers, endpoint, named, ask=False).name
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
