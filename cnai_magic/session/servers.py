"""What is kept of the servers that were asked: connections, models, price lists."""

from __future__ import annotations

import time
from collections.abc import Hashable, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from ..api.billing import Balance
from ..api.interrupts import defer_interrupts
from ..api.messages import ChatRequest
from ..api.model_facts import Model
from ..errors import CnaiError, ModelNotFoundError
from ..money.price import FREE_LOCAL, Price, PriceList, read_pricing
from ..money.price_lookup import PriceLookup
from ..next_steps import Door
from ..python_words import PYTHON
from .advice import advise, explain_model
from .endpoint import Endpoint
from .forks import ForkSafeLock

if TYPE_CHECKING:
    from ..api.client import Client

__all__ = ["Servers"]

# Seconds after which a server that gave no price list is asked for it again.
_PATIENCE = 60.0


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
        """Ask a server for its price list, if that is due; of many questions at once one asks."""
        client, account = self.get_client(endpoint), endpoint.account
        with self._lock.current:
            if not self._asks_for_prices(account):
                return
            listed = _list_prices(client)
            if listed:
                self._price_lists[account] = read_pricing(listed, endpoint.host, date.today().isoformat())
                return
            self._no_list_at[account] = time.monotonic()
            if listed is not None:
                self._without_list.add(account)


def _list_prices(client: Client) -> dict[str, Any] | None:
    """Return what a server lists; None where it fails: the question itself will say what is wrong with it."""
    try:
        return client.fetch_pricing() or {}
    except CnaiError:
        return None
