"""Authenticate with an API key in a header or in the query."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from zeebe_connectors.sdk.fields import Hint, RequiredSecret
from zeebe_connectors.web.auth.scheme import Scheme
from zeebe_connectors.web.message import HttpRequest, header_fields, with_query

if TYPE_CHECKING:
    from zeebe_connectors.web.client import Exchange


class ApiKey(Scheme):
    """A key, sent under the name that the service expects."""

    type: Literal["apiKey"]
    api_key_location: Annotated[
        Literal["headers", "query"],
        Hint(label="API key location", choices={"headers": "Headers", "query": "Query parameters"}),
    ] = "headers"
    """Where the service looks for the key."""
    name: Annotated[str, Field(min_length=1), Hint(label="API key name", placeholder="X-Api-Key")]
    """Name of the header or query parameter."""
    value: Annotated[RequiredSecret, Hint(label="API key value", placeholder="{{secrets.API_KEY}}")]
    """The key."""

    async def authorize(self, request: HttpRequest, exchange: Exchange) -> HttpRequest:
        """Adds the header or the parameter."""
        signed = request.copy()
        if self.api_key_location == "query":
            signed.url = with_query(request.url, [(self.name.strip(), self.value.reveal())])
        else:
            added = header_fields({self.name.strip(): self.value.reveal()}, name="authentication")
            for name, value in added.items():
                signed.headers[name] = value
        return signed
