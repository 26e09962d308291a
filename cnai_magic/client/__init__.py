"""Asks a server of the API over HTTP; the only room that knows requests and sseclient.

`client` asks and retries, `requester` sends one request, `responses` reads what comes back, `events` the
events of a stream, `transport` holds the connections, and `hiding` takes the key out of what streams.
"""

from .client import Client, Notice, Stream

__all__ = ["Client", "Notice", "Stream"]
