"""The errors that the gateway answers with, in the API reference's format (section Error Responses)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..api.model_facts import Model
from ..errors import InputError
from ..nearest import find_nearest
from ..redaction import redact

__all__ = ["Refusal", "explain_unknown_model"]

_LONGEST_NAME = 200


class Refusal(Exception):
    """A request is answered with an error: HTTP `status` and the fields of the reference's error object."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str = "invalid_request_error",
        kind: str = "invalid_request_error",
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = redact(message)
        self.code = code
        self.kind = kind
        self.param = param
        self.headers = dict(headers or {})

    @classmethod
    def of_input(cls, error: InputError) -> Refusal:
        """Return the 400 that names a client's mistake in its request."""
        message = f"{error.what}: {error.why}" if error.why else error.what
        return cls(400, message, param=error.parameter or None)

    @classmethod
    def of_fault(cls, request_id: str) -> Refusal:
        """Return the 500 for a fault of our own; it names the request and not the cause."""
        return cls(
            500, f"the gateway failed (request id: {request_id})", code="server_error", kind="server_error"
        )

    def body(self) -> dict[str, Any]:
        """Return the error object."""
        return {"error": {"message": self.message, "type": self.kind, "code": self.code, "param": self.param}}


def explain_unknown_model(name: str, models: Sequence[Model]) -> Refusal:
    """Return the 404 for a model that is not served, with the names that are nearest to it."""
    name = name[:_LONGEST_NAME]
    near = find_nearest(name, [model.id for model in models], most=3)
    hint = f"did you mean {', '.join(near)}?" if near else "GET /v1/models lists the models of your key"
    return Refusal(
        404, f"the model {name!r} is not served here; {hint}", code="model_not_found", param="model"
    )
