"""Define what an authentication scheme does, for the schemes beside it and for anyone who adds one.

A scheme is a model of its fields, chosen by `type`. Most need `authorize` only: a copy of the request with
credentials. One that can answer a refusal adds `challenged`; one that needs a connection of its own replaces `send`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from zeebe_connectors.sdk.errors import InputError
from zeebe_connectors.sdk.fields import Model
from zeebe_connectors.web.message import HttpRequest, HttpResponse, header_value

if TYPE_CHECKING:
    from zeebe_connectors.web.client import Exchange


class Scheme(Model):
    """A way to authenticate. The given request is never changed; credentials go into a copy."""

    refusals: ClassVar[frozenset[int]] = frozenset({401})
    """Statuses after which `challenged` is called."""

    async def authorize(self, request: HttpRequest, exchange: Exchange) -> HttpRequest:
        """Returns a copy of the request with this scheme's credentials.

        Args:
            request: Without credentials.
            exchange: For schemes that must call a service first, within the job's time.
        """
        return request

    async def challenged(
        self, request: HttpRequest, sent: HttpRequest, response: HttpResponse, exchange: Exchange
    ) -> HttpRequest | None:
        """Returns the request to send once more after a refusal, or None when the scheme has no better answer.

        Args:
            request: Without credentials.
            sent: As it was refused.
            response: The refusal.
            exchange: As for `authorize`.
        """
        return None

    async def send(self, request: HttpRequest, exchange: Exchange) -> tuple[HttpRequest, HttpResponse]:
        """Sends a request with this scheme's credentials; once more if the scheme knows an answer to a refusal.

        Returns:
            The request as it was sent last, and the response to it.

        Raises:
            ConnectorError: As `Exchange.send`.
            InputError: `AUTHENTICATION_INVALID` when the credentials cannot be used as they are.
        """
        sent = await self.authorize(request, exchange)
        response = await exchange.send(sent)
        if response.status in self.refusals:
            again = await self.challenged(request, sent, response, exchange)
            if again is not None:
                sent, response = again, await exchange.send(again)
        return sent, response


class NoAuth(Scheme):
    """No credentials."""

    type: Literal["noAuth"] = "noAuth"


def unusable(field: str, reason: str) -> InputError:
    """Returns the error for credentials that cannot be used, whatever the service.

    Args:
        field: Name of the scheme's field on the wire, such as `privateKey`.
        reason: What is wrong with it and what to do; never its value.
    """
    return InputError(f"authentication.{field}: {reason}", code="AUTHENTICATION_INVALID")


def not_installed(field: str, what: str, extra: str) -> InputError:
    """Returns the error for a scheme whose library is not installed.

    Args:
        field: Name of the scheme's field on the wire that needs it.
        what: What needs the library, such as `NTLM`.
        extra: The extra of this package that brings it.
    """
    return InputError(
        f"authentication.{field}: {what} needs a library that is not installed; add it with: pip install "
        f"'zeebe-connectors[{extra}]'"
    )


def with_header(request: HttpRequest, name: str, value: str, *, field: str) -> HttpRequest:
    """Returns a copy with this header, which replaces any of the same name.

    Raises:
        InputError: `HEADER_INVALID` when the value holds a line break.
    """
    signed = request.copy()
    signed.headers[name] = header_value(value, field)
    return signed
