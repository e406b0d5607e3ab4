"""Authenticate with a fixed bearer token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from zeebe_connectors.sdk.fields import Hint, RequiredSecret
from zeebe_connectors.web.auth.scheme import Scheme, with_header
from zeebe_connectors.web.message import HttpRequest

if TYPE_CHECKING:
    from zeebe_connectors.web.client import Exchange


class Bearer(Scheme):
    """A token that never changes."""

    type: Literal["bearer"]
    token: Annotated[RequiredSecret, Hint(label="Bearer token", placeholder="{{secrets.TOKEN}}")]
    """The token, without the word Bearer."""

    async def authorize(self, request: HttpRequest, exchange: Exchange) -> HttpRequest:
        """Adds the header."""
        value = f"Bearer {self.token.reveal().strip()}"
        return with_header(request, "Authorization", value, field="authentication.token")
