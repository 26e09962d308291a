"""Explains failures of the network: the exceptions of requests and of the libraries below it, in plain words.

No exception of a library leaves this package. The innermost cause of each is what counts: those around it say
only which library noticed.
"""

from __future__ import annotations

import errno
import http.client
import os
import re
import socket
import ssl
from collections.abc import Iterator

import requests
import urllib3

from ..errors import CnaiError, ConnectionFailed, GarbageError, ResponseTimeout, TruncatedError
from ..next_steps import CHECK_ADDRESS, NextStep, change_setting
from .vendors import Address, find_vendor_at, list_local_servers

__all__ = ["TRANSPORT_ERRORS", "explain_failure", "explain_proxy_login"]

# What requests, urllib3 and the standard library below them raise when a connection fails.
TRANSPORT_ERRORS = (
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    http.client.HTTPException,
    OSError,
)

_PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY")
_CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_CUT = (
    http.client.IncompleteRead,
    urllib3.exceptions.InvalidChunkLength,
    requests.exceptions.ChunkedEncodingError,
)
_NO_HTTP = (http.client.BadStatusLine, http.client.UnknownProtocol)
_PROXY_ERRORS = (requests.exceptions.ProxyError, urllib3.exceptions.ProxyError)
# What OpenSSL finds wrong with a certificate (X509_V_ERR_…), in our words.
_CERTIFICATES = {
    9: "the certificate is not valid yet: is the clock of this machine right?",
    10: "the certificate has expired",
    18: "the certificate is self-signed",
    19: "the certificate is not signed by an authority that this machine trusts",
    20: "the certificate is not signed by an authority that this machine trusts",
    62: "the certificate is for another name",
    64: "the certificate is for another address",
}
_ERRNOS = {
    errno.ECONNREFUSED: "the connection was refused: nothing is listening there",
    errno.ECONNRESET: "the other side closed the connection",
    errno.ECONNABORTED: "the connection was closed",
    errno.EPIPE: "the other side closed the connection",
    errno.EHOSTUNREACH: "that machine cannot be reached",
    errno.ENETUNREACH: "that network cannot be reached",
    errno.ETIMEDOUT: "the other side does not answer",
}
# What libraries write around their message.
_INTERNALS = re.compile(
    r"<[^<>]*object at 0x\w+>:? ?|\[Errno -?\d+\] ?|\[[A-Z]+: \w+\] ?| ?\(_ssl\.c:\d+\)"
    r"|\w*(Pool|Connection)\([^()]*\):? ?|Max retries exceeded with url: \S+ ?"
    r"|\(Caused by .*\)|\b\w+(Error|Exception)\("
)


def explain_failure(
    exc: Exception, address: Address, timeout: tuple[float, float], *, begun: bool
) -> CnaiError:
    """Return what a failure means; `begun` says that part of an answer has arrived."""
    causes = list(_find_causes(exc))
    connect, gap = timeout
    if isinstance(exc, requests.ConnectTimeout):
        return _explain_unreached(f"no connection to {address.place} within {connect:g} s", "", address)
    if isinstance(exc, requests.Timeout | urllib3.exceptions.ReadTimeoutError | TimeoutError):
        return ResponseTimeout(f"nothing came from {address.place} for {gap:g} s")
    if isinstance(exc, urllib3.exceptions.DecodeError):
        return GarbageError("the server's answer cannot be decompressed", why=_describe(causes))
    if begun:
        return TruncatedError("the answer broke off", why=_describe(causes))
    for explain in (_explain_proxy, _explain_certificate, _explain_name, _explain_protocol):
        error = explain(causes, address)
        if error is not None:
            return error
    return _explain_unreached(f"the connection to {address.place} failed", _describe(causes), address, causes)


def explain_proxy_login() -> CnaiError:
    """Return the error of a proxy that requires a login (407)."""
    return _make_permanent(
        "the proxy asks for a user name and a password",
        f"the proxy is set in {_list_set(_PROXIES) or 'the settings of this machine'}",
        "set it with both: HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT",
    )


def _find_causes(exc: BaseException) -> Iterator[BaseException]:
    """Yield an exception and its causes, the innermost last."""
    seen: set[int] = set()
    pending: list[BaseException | None] = [exc]
    while pending:
        each = pending.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        inner = [value for value in (*each.args, getattr(each, "reason", None)) if _is_error(value)]
        pending = list(inner or (each.__context__, each.__cause__))


def _is_error(value: object) -> bool:
    return isinstance(value, BaseException)


def _explain_proxy(causes: list[BaseException], address: Address) -> CnaiError | None:
    text = " ".join(map(str, causes))
    if "SOCKS support" in text:
        return _make_permanent(
            "the proxy cannot be used: it needs the package PySocks",
            f"{_list_set(_PROXIES) or 'the proxy'} names a SOCKS proxy",
            "pip install pysocks, or unset the variable and restart",
        )
    if "SOCKS version" in text or any(
        isinstance(each, urllib3.exceptions.ProxySchemeUnknown | requests.exceptions.InvalidProxyURL)
        for each in causes
    ):
        return _make_permanent(
            "the address of the proxy cannot be used",
            f"it is set in {_list_set(_PROXIES) or 'the settings of this machine'}",
            "write it as http://HOST:PORT or socks5h://HOST:PORT, or unset the variable",
        )
    if "407" in text and "roxy" in text:
        return explain_proxy_login()
    if any(isinstance(each, _PROXY_ERRORS) for each in causes):
        return ConnectionFailed(
            f"the proxy cannot reach {address.place}",
            why=f"{_describe(causes)} (it is set in {_list_set(_PROXIES) or 'the settings of this machine'})",
            next_step=f"check the proxy, or ask this server without it: NO_PROXY={address.host}",
        )
    return None


def _explain_certificate(causes: list[BaseException], address: Address) -> CnaiError | None:
    text = " ".join(map(str, causes))
    if "CA certificate bundle" in text or "TLS certificate file" in text:
        return _make_permanent(
            "the file of trusted certificates does not exist",
            f"{_list_set(_CA_VARIABLES) or 'a setting'} names it",
            "correct the variable to the path of a .pem file, or unset it",
        )
    for each in causes:
        if isinstance(each, ssl.SSLCertVerificationError):
            code = getattr(each, "verify_code", 0)
            return _make_permanent(
                f"{address.host} cannot be trusted: its certificate is not valid",
                _CERTIFICATES.get(code) or getattr(each, "verify_message", "") or _clean(str(each)),
                "check the address; where the certificate is your own organisation's, name the file of its "
                "authority: REQUESTS_CA_BUNDLE=/path/ca.pem",
            )
    if "WRONG_VERSION_NUMBER" in text or "HTTP_REQUEST" in text:
        return _make_permanent(
            f"{address.place} does not speak https", "it answers without encryption", "use http://"
        )
    if any(isinstance(each, ssl.SSLError | requests.exceptions.SSLError) for each in causes):
        return _make_permanent(f"no encrypted connection to {address.place}", _describe(causes), "")
    return None


def _explain_name(causes: list[BaseException], address: Address) -> CnaiError | None:
    for each in causes:
        if isinstance(each, socket.gaierror | urllib3.exceptions.NameResolutionError):
            known = find_vendor_at(address) is not None
            name: str | NextStep = ", and the name: " + change_setting("base_url", "https://HOST/v1")
            error = ConnectionFailed(
                f"the name {address.host} cannot be resolved",
                why="there is no network" if known else "the name is wrong, or there is no network",
                next_step="check the network"
                + NextStep.of("" if known else name)
                + "; without a network the demo models answer: "
                + change_setting("base_url", "demo"),
            )
            number = each.errno if isinstance(each, socket.gaierror) else None
            error.retryable = number == socket.EAI_AGAIN
            return error
    return None


def _explain_protocol(causes: list[BaseException], address: Address) -> CnaiError | None:
    for each in causes:
        if isinstance(each, http.client.RemoteDisconnected):
            return None
        if isinstance(each, _NO_HTTP):
            error = ConnectionFailed(
                f"what answers at {address.place} does not speak HTTP", next_step=CHECK_ADDRESS
            )
            error.retryable = not isinstance(each, http.client.UnknownProtocol)
            return error
        if type(each) is http.client.HTTPException or isinstance(each, http.client.LineTooLong):
            # It answered, and may charge for that: it would send the same again.
            return _make_permanent(
                f"the answer of {address.place} cannot be read", _describe(causes), CHECK_ADDRESS
            )
        if isinstance(each, requests.exceptions.InvalidHeader | UnicodeError):
            return _make_permanent(f"the request to {address.place} cannot be written", _describe(causes), "")
    return None


def _explain_unreached(
    what: str, why: str, address: Address, causes: list[BaseException] | None = None
) -> CnaiError:
    """Return the error of a server that could not be reached; one on this machine may not be running."""
    refused = any(isinstance(each, ConnectionRefusedError) for each in causes or ())
    step: str | NextStep = ""
    if address.loopback and refused:
        known = find_vendor_at(address)
        if known is not None:
            step = f"is {known.title} running? Start it: {known.start}"
        else:
            names = ", ".join(f"{each.title} {each.address.port}" for each in list_local_servers())
            step = f"is the server running, and on this port? Usual ports: {names}"
    return ConnectionFailed(what, why=why, next_step=step)


def _make_permanent(what: str, why: str, next_step: str | NextStep) -> CnaiError:
    """Return a failure that would be the same on another try."""
    error = ConnectionFailed(what, why=why, next_step=next_step)
    error.retryable = False
    return error


def _describe(causes: list[BaseException]) -> str:
    """Describe the innermost cause in plain words."""
    for each in reversed(causes):
        if isinstance(each, http.client.RemoteDisconnected):
            return "the other side closed the connection without an answer"
        if isinstance(each, _CUT):
            return "the connection ended in the middle"
        if isinstance(each, OSError) and each.errno in _ERRNOS:
            return _ERRNOS[each.errno]
    for each in reversed(causes):
        text = _clean(each.strerror if isinstance(each, OSError) and each.strerror else str(each))
        if text:
            return text
    return ""


def _clean(text: str) -> str:
    return _INTERNALS.sub("", text).strip(" ()'\",")


def _list_set(names: tuple[str, ...]) -> str:
    """Return the names of the variables that are set, in either case."""
    return " and ".join(name for each in names for name in (each, each.lower()) if os.environ.get(name))
