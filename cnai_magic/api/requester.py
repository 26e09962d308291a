"""Sends requests with the key, and explains their failures.

No exception of a library leaves this package: each becomes a `CnaiError` that does not quote the key.
"""

from __future__ import annotations

import json
import os
import re
from decimal import Decimal
from typing import Any

import requests

from .. import __version__
from ..errors import APIError, CnaiError, InputError, ProtocolError, RedirectRefused
from ..next_steps import set_key
from ..redaction import ApiKey
from .failures import TRANSPORT_ERRORS, explain_failure
from .http import Cancellation, Session
from .in_process import InProcessAdapter, Transport
from .responses import parse_json, read_error, read_text, refuse_html
from .vendors import parse_address

__all__ = ["Requester"]

# How long, in seconds, a server may take over what not every server has.
_LOOKUP_PATIENCE = 5.0
# Statuses of a server in between, which gave up waiting for one that may have answered, and charged.
_GIVEN_UP = (504, 520, 524)
# Made once: `json.dumps` makes an encoder for each call with options.
_encode = json.JSONEncoder(ensure_ascii=False).encode
_VERSION = re.compile(r"(?<=[^/])/v\d[^/]*$")


class Requester:
    """Sends requests to one server with one key, over connections that are kept alive.

    `timeout` is (to connect, between two arrivals) in seconds. A `transport` answers in place of the network.
    May be shared by threads.
    """

    def __init__(
        self, base_url: str, key: ApiKey, timeout: tuple[float, float], transport: Transport | None = None
    ) -> None:
        self.address = parse_address(base_url)
        self.base_url = self.address.url
        self.key = key
        if not all("!" <= character <= "~" for character in key.reveal()):
            raise InputError(
                "the API key has characters that cannot be part of a key",
                next_step="copy it again from its source, and " + set_key(),
            )
        if key and self.address.in_clear:
            raise InputError(
                f"the address of {self.address.host} is plain http",
                parameter="base_url",
                why="the API key would be sent unencrypted",
                next_step="use https, or ask without a key",
            )
        self.timeout = timeout
        self.transport = transport
        self._pid = os.getpid()
        self._http = self._new_session()

    def encode(self, body: dict[str, Any]) -> bytes:
        """Return a body as JSON; raises InputError where it holds the key."""
        return self.encode_text(_encode(body))

    def encode_text(self, text: str) -> bytes:
        """Return a body that is JSON already; raises InputError where it holds the key."""
        if self.key.hide_in(text) != text:
            raise InputError(
                "the prompt holds your own API key, so it was not sent",
                next_step="take the key out of the text or data that you send",
            )
        return text.encode("utf-8", "replace")

    def send(
        self,
        method: str,
        path: str,
        cancellation: Cancellation,
        body: dict[str, Any] | None = None,
        *,
        base_url: str = "",
        timeout: tuple[float, float] | None = None,
    ) -> requests.Response:
        """Send one request and return its response, body unread; raises what an error status means.

        `body` is sent as JSON; raises InputError where it holds the key.
        """
        stream = body is not None and bool(body.get("stream"))
        data = None if body is None else self.encode(body)
        headers = {"Accept": "text/event-stream" if stream else "application/json"}
        if data is not None:
            headers["Content-Type"] = "application/json"
        if stream:
            # Compression would hold tokens back until a block is full.
            headers["Accept-Encoding"] = "identity"
        try:
            response = self._get_session().send_cancellable(
                cancellation,
                method,
                (base_url or self.base_url) + path,
                headers=headers,
                data=data,
                timeout=timeout or self.timeout,
            )
        except (*TRANSPORT_ERRORS, ValueError) as exc:
            raise self.explain(exc, begun=False, timeout=timeout) from self._choose_cause(exc)
        if 200 <= response.status_code < 300:
            cancellation.sent = True
            return response
        cancellation.sent = response.status_code in _GIVEN_UP
        try:
            raise read_error(response, cancellation)
        finally:
            response.close()

    def get(self, path: str, cancellation: Cancellation) -> dict[str, Any]:
        """Return the JSON object that the server has at a path."""
        response = self.send("GET", path, cancellation)
        try:
            refuse_html(response, response.headers.get("Content-Type", "").lower())
            return parse_json(self._read(response, cancellation))
        finally:
            response.close()

    def look_up(self, path: str, cancellation: Cancellation, *, lists: bool = False) -> dict[str, Any] | None:
        """Return the JSON object at a path that not every server has; None for any other answer.

        `/api/…` is beside the version of the API, anything else below it. With `lists` a list is an answer
        too, and returned as `data`.
        """
        base_url = _VERSION.sub("", self.base_url) if path.startswith("/api/") else self.base_url
        connect, gap = self.timeout
        timeout = (connect, min(gap, _LOOKUP_PATIENCE))
        try:
            response = self.send("GET", path, cancellation, base_url=base_url, timeout=timeout)
            try:
                text = self._read(response, cancellation, timeout)
            finally:
                response.close()
        except (APIError, ProtocolError, RedirectRefused):
            return None
        try:
            found = json.loads(self.key.hide_in(text), parse_float=Decimal)
        except (ValueError, ArithmeticError, RecursionError):
            return None
        if lists and isinstance(found, list):
            return {"data": found}
        return found if isinstance(found, dict) else None

    def base_url_with(self, path: str) -> str:
        """Return the base URL with a path in place of the API's version."""
        return self.base_url if self.base_url.endswith(path) else _VERSION.sub("", self.base_url) + path

    def close(self) -> None:
        """Close the connections that are kept alive."""
        self._get_session().close()

    def explain(
        self, exc: Exception, *, begun: bool, timeout: tuple[float, float] | None = None
    ) -> CnaiError:
        """Return what a failure of the network means; `begun` says that part of an answer has arrived."""
        return explain_failure(exc, self.address, timeout or self.timeout, begun=begun)

    def _read(
        self,
        response: requests.Response,
        cancellation: Cancellation,
        timeout: tuple[float, float] | None = None,
    ) -> str:
        read = bytearray()
        try:
            return read_text(response, cancellation, read)
        except TRANSPORT_ERRORS as exc:
            raise self.explain(exc, begun=bool(read), timeout=timeout) from self._choose_cause(exc)

    def _choose_cause(self, exc: Exception) -> Exception | None:
        """Return the cause to keep: None where it quotes a server that sent the key back."""
        link: BaseException | None = exc
        while link is not None:
            text = str(link)
            if self.key.hide_in(text) != text:
                return None
            link = link.__cause__ or link.__context__
        return exc

    def _get_session(self) -> Session:
        if self._pid != os.getpid():
            # A fork has a copy of each connection, and two processes must not use one.
            self._http, self._pid = self._new_session(), os.getpid()
        return self._http

    def _new_session(self) -> Session:
        bearer = self.key.bearer() if self.key else ""
        # Proxies and .netrc of the environment are not for a server on this machine.
        session = Session(f"cnai_magic/{__version__}", bearer, trust_env=not self.address.loopback)
        if self.transport is not None:
            session.mount("http://", InProcessAdapter(self.transport))
        return session
