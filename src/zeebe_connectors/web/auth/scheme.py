"""What every authentication scheme does: a request goes in, the same request with credentials comes out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator

from zeebe_connectors.sdk.fields import Model, Secret
from zeebe_connectors.web.message import HttpRequest, HttpResponse, header_value

if TYPE_CHECKING:
    from zeebe_connectors.web.client import Exchange


def _not_empty(secret: Secret) -> Secret:
    if not secret.reveal().strip():
        raise ValueError("must not be empty; fill it in")
    return secret


RequiredSecret = Annotated[Secret, AfterValidator(_not_empty)]


class Scheme(Model):
    """A way to prove who calls. The request that is given stays as it is: credentials go into a copy."""

    async def authorize(self, request: HttpRequest, exchange: Exchange) -> HttpRequest:
        """The request with this scheme's credentials.

        Args:
            request: Without credentials.
            exchange: For schemes that have to ask somebody first, within the job's time.
        """
        return request

    async def challenged(
        self, request: HttpRequest, sent: HttpRequest, response: HttpResponse, exchange: Exchange
    ) -> HttpRequest | None:
        """After a 401: the request to send once more, or None when the scheme has no better answer.

        Args:
            request: Without credentials.
            sent: As it was refused.
            response: The refusal.
            exchange: As for `authorize`.
        """
        return None


class NoAuth(Scheme):
    """No credentials."""

    type: Literal["noAuth"] = "noAuth"


def with_header(request: HttpRequest, name: str, value: str, *, field: str) -> HttpRequest:
    """A copy with one header, in place of any of the same name.

    Raises:
        InputError: `HEADER_INVALID` when the value holds a line break.
    """
    signed = request.copy()
    signed.headers[name] = header_value(value, field)
    return signed
