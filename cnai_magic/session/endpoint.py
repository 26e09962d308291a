"""The server that is asked: which one, its client, its models, its prices and its credit."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Hashable
from datetime import date
from fnmatch import fnmatch
from typing import TYPE_CHECKING

from ..api.addresses import parse_address
from ..api.billing import Balance
from ..api.interrupts import interrupts_deferred
from ..api.messages import ChatRequest, Model
from ..errors import (
    LIST_MODELS,
    SET_KEY,
    APIError,
    CnaiError,
    InputError,
    ModelNotFoundError,
    NetworkError,
    NextStep,
)
from ..money.price import FREE_LOCAL, Price, PriceList, read_pricing
from ..money.price_lookup import PriceLookup
from ..nearest import did_you_mean, nearest
from ..redaction import ApiKey
from ..settings import DEFAULT_BASE_URL, Cnai
from .advice import advise, explain_model
from .forks import begin_anew_after_fork
from .keys import Access, account_of, find_key, is_demo, key_variables, open_access

if TYPE_CHECKING:
    from ..api.client import Client

__all__ = ["Provider"]

_DEFAULT_MODEL = "deepseek-chat"
_DEMO_MODEL = "demo-guide"
_DEMO_PREFIX, _DEMO_OWNER = "demo-", "demo"
# Stands in what is only shown, where the server is not asked which models it has.
_UNKNOWN_MODEL = "(the server's only model)"
_NAME_MODEL = "name one: " + NextStep(
    cell='%%cnai MODEL, or %config Cnai.model = "MODEL"',
    terminal="cnai ask -m MODEL, or CNAI_MODEL=MODEL",
    python='Session(model="MODEL")',
)
_SEVERAL = 5
# Seconds after which a server that could not be reached is asked for its prices again.
_PATIENCE = 60.0


class Provider:
    """The server that the settings choose; what it tells is asked for once per address and key."""

    def __init__(self, settings: Cnai) -> None:
        self._settings = settings
        self._typed_keys: dict[str, ApiKey] = {}
        self._chosen: tuple[tuple[object, ...], Access] | None = None
        self._found: tuple[tuple[object, ...], ApiKey | None] | None = None
        self._client: Client | None = None
        self._client_for: tuple[object, ...] = ()
        self._models: dict[Hashable, list[Model]] = {}
        self._pricing: dict[Hashable, dict[str, Price]] = {}
        self._pricing_failed: dict[Hashable, float] = {}
        self._without_prices: set[Hashable] = set()
        self._pricing_lock = threading.Lock()
        begin_anew_after_fork(self)

    def begin_anew(self) -> None:
        """Go on in a forked child, where no lock is held."""
        self._pricing_lock = threading.Lock()

    # -- which server ---------------------------------------------------------------------------

    def use_key(self, key: ApiKey | None) -> None:
        """Use this key for the server that is set, in place of any other; None looks for one anew."""
        self._typed_keys.pop(account_of(self._settings.base_url), None)
        if key:
            self._typed_keys[account_of(self._settings.base_url)] = key
        self._chosen = self._found = None

    @property
    def access(self) -> Access:
        """The server and the key for it; looked up once, since a keyring may be slow to answer."""
        wanted = self._wanted
        if self._chosen is None or self._chosen[0] != wanted or not self._chosen[1].usable:
            self._chosen = (wanted, open_access(self._settings.base_url, self._key))
        return self._chosen[1]

    @property
    def demo(self) -> bool:
        """Whether the embedded gateway answers; it is not started for the question."""
        return is_demo(self._settings.base_url, self._key)

    def takes_demo_credit(self, model: str, *, ask: bool = True) -> bool:
        """Return whether an answer of this model is demo credit: of the embedded gateway, or of `cnai serve`.

        A gateway that runs by itself says so where it lists its models, and is believed on this machine only:
        a server elsewhere may take money, whatever it says. With `ask` False its list counts only if it is
        known already.
        """
        if self.demo:
            return True
        if not (model.startswith(_DEMO_PREFIX) and self.access.address.loopback):
            return False
        if ask and self.account not in self._models:
            try:
                self.models()
            except NetworkError:
                raise  # nor would the question get there
            except CnaiError:
                return False
        listed = self._models.get(self.account, ())
        return any(each.id == model and each.owner == _DEMO_OWNER for each in listed)

    @property
    def _key(self) -> ApiKey | None:
        wanted, base_url = self._wanted, self._settings.base_url
        if self._found is None or self._found[0] != wanted:
            self._found = (wanted, find_key(self._typed_key, base_url) if base_url != "demo" else None)
        return self._found[1]

    @property
    def _wanted(self) -> tuple[object, ...]:
        """What the choice of the server and the key depends on."""
        base_url = self._settings.base_url
        variables = [ApiKey(os.environ.get(name, "")) for name in key_variables(base_url)]
        return base_url, self._typed_key, *variables

    @property
    def _typed_key(self) -> ApiKey | None:
        return self._typed_keys.get(account_of(self._settings.base_url))

    @property
    def host(self) -> str:
        """The host that is asked, "demo" for the embedded gateway."""
        return "demo" if self.demo else self.access.address.host

    @property
    def client(self) -> Client:
        """The client of this server, with connections that are kept alive."""
        # Not before a question is shown: requests is most of what a first one takes. An interrupt waits: what
        # is imported by half may never be imported again.
        with interrupts_deferred():
            from ..api.client import Client

        access, settings = self.access, self._settings
        wanted = (access.base_url, access.key, settings.connect_timeout, settings.timeout, settings.retries)
        if self._client is None or self._client_for != wanted:
            self.close()
            self._client = Client(
                access.base_url,
                access.key,
                timeout=(settings.connect_timeout, settings.timeout),
                retries=settings.retries,
            )
            self._client_for = wanted
        return self._client

    def close(self) -> None:
        """Close the connections that are kept alive."""
        if self._client is not None:
            self._client.close()
            self._client = None

    # -- models ---------------------------------------------------------------------------------

    def models(self, pattern: str = "", *, refresh: bool = False) -> list[Model]:
        """Return the models of the key whose ID holds `pattern`, or matches it where it has `*` or `?`.

        The server is asked once per address and key, or on `refresh`. Raises InputError where none matches.
        """
        client = self.client
        if refresh:
            self._pricing.pop(self.account, None)
            self._pricing_failed.pop(self.account, None)
        if refresh or self.account not in self._models:
            try:
                self._models[self.account] = client.models()
            except CnaiError as error:
                advise(error, self.access)
                raise
        models = self._models[self.account]
        wanted = pattern if set(pattern) & set("*?[") else f"*{pattern}*"
        found = [model for model in models if fnmatch(model.id.lower(), wanted.lower())]
        if not found and pattern:
            raise InputError(
                f"no model matches {pattern!r}",
                why=did_you_mean(pattern, [model.id for model in models]),
                next_step=f"there are {len(models)}: " + LIST_MODELS,
            )
        return found

    def chosen_model(self, named: str = "", *, ask: bool = True) -> str:
        """Return the model that is asked; raises InputError for one that the demo gateway does not have.

        Where none is named, a server other than the default one is asked which it has. With `ask` False no
        server is asked, and none is started, to find it out.
        """
        demo = self.demo
        model = named or self._settings.model or (_DEMO_MODEL if demo else self._default_model(ask))
        if demo and not model.startswith(_DEMO_PREFIX):
            near = nearest(model, [each.id for each in self.models()]) if ask else []
            without_key = "" if self._settings.base_url == "demo" else "no API key is set"
            raise InputError(
                f"the embedded demo gateway does not serve {model}",
                parameter="model",
                why=f"did you mean {near[0]}?" if near else without_key,
                next_step=SET_KEY + "; or ask a demo model: " + LIST_MODELS,
            )
        return model

    def _default_model(self, ask: bool) -> str:
        """Return the model of a question that names none: of another server than the default its only one."""
        if self.access.address == parse_address(DEFAULT_BASE_URL):
            return _DEFAULT_MODEL
        if not ask and self.account not in self._models:
            return _UNKNOWN_MODEL
        listed: list[str] = []
        try:
            listed = [each.id for each in self.models()]
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
            why=f"the server has {few}" if few else "",
            next_step=_NAME_MODEL,
        )

    def explained(self, error: CnaiError, request: ChatRequest) -> CnaiError:
        """Return the error of a question with what to do about it at this server."""
        advise(error, self.access, request)
        if not isinstance(error, ModelNotFoundError):
            return error
        try:
            listed = [each.id for each in self.models()]
        except CnaiError:
            listed = []
        return explain_model(error, self.access, request.model, listed)

    # -- money ----------------------------------------------------------------------------------

    @property
    def prices(self) -> PriceList:
        """The prices that hold now: set by hand, told by the server, or listed."""
        return PriceList(self._settings.prices, self._told_prices())

    def price(self, model: str) -> Price | None:
        """Return the price of a model, None where none is known; the server may be asked for its list."""
        known = PriceList(self._settings.prices).find(model, "")
        # Nobody is asked for what is known.
        if known is not None:
            return self.known_price(model)
        return self.prices.find(model, self.host) or self._local_price

    def known_price(self, model: str) -> Price | None:
        """Return the price of a model as far as it is known without asking the server."""
        told = {} if self.demo else self._pricing.get(self.account, {})
        known = PriceList(self._settings.prices, told).find(model, self.host)
        return known or self._local_price

    @property
    def _local_price(self) -> Price | None:
        """The price of what no list has: none, or nothing where the server runs on this machine."""
        free = self.access.address.loopback and self.account in self._without_prices
        return FREE_LOCAL if free and not self.demo else None

    def look_up_price(self, model: str) -> PriceLookup:
        """Return the price of a model, or what looks for it where the server is to be asked for its list.

        Raises InputError for a price of the settings that is none.
        """
        own = PriceList(self._settings.prices).find(model, "")
        if self.demo or own is not None or not self._asks_for_prices:
            return PriceLookup(self.known_price(model))
        return PriceLookup(find=lambda: self.price(model))

    @property
    def _asks_for_prices(self) -> bool:
        """Whether the server would be asked for its prices now."""
        failed = self._pricing_failed.get(self.account, -_PATIENCE)
        return self.account not in self._pricing and time.monotonic() >= failed + _PATIENCE

    def balance(self) -> Balance | None:
        """Return the credit that the server tells for this key, None where it tells none."""
        return self.client.balance()

    def _told_prices(self) -> dict[str, Price]:
        if self.demo:
            return {}  # prices.toml is the gateway's own list
        client, key, host = self.client, self.account, self.host
        with self._pricing_lock:  # of many questions at once one asks, and the others wait for it
            if key not in self._pricing:
                if time.monotonic() < self._pricing_failed.get(key, -_PATIENCE) + _PATIENCE:
                    return {}
                answered = True
                try:
                    told = client.pricing()
                except CnaiError:
                    told, answered = None, False  # the question itself will say what is wrong with the server
                if not told:
                    # It has no list, or does not give it now: it is asked again after a while.
                    self._pricing_failed[key] = time.monotonic()
                    if answered:
                        self._without_prices.add(key)
                    return {}
                self._pricing[key] = read_pricing(told, host, date.today().isoformat())
            return self._pricing[key]

    @property
    def account(self) -> Hashable:
        """Whose credit is spent: the address and the key, to be told from another and not to be shown."""
        return self.access.base_url, self.access.key
