"""Authenticate with HTTP Basic: user name and password."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from zeebe_connectors.sdk.fields import Hint, Secret
from zeebe_connectors.web.auth.scheme import Scheme, with_header
from zeebe_connectors.web.message import HttpRequest

if TYPE_CHECKING:
    from zeebe_connectors.web.client import Exchange

_EMPTY = "SPEC_PASSWORD_EMPTY_PATTERN"  # what templates of other systems send, whose form demands a password


def basic_credentials(username: str, password: str) -> str:
    """Returns the value of an `Authorization: Basic` header, in UTF-8."""
    return "Basic " + b64encode(f"{username}:{password}".encode()).decode()


class Basic(Scheme):
    """User name and password in every request."""

    type: Literal["basic"]
    username: Annotated[str, Field(min_length=1), Hint(label="Username")]
    """The user's name."""
    password: Annotated[Secret | None, Hint(label="Password", placeholder="{{secrets.PASSWORD}}")] = None
    """The user's password; may be empty."""

    async def authorize(self, request: HttpRequest, exchange: Exchange) -> HttpRequest:
        """Adds the header."""
        password = self.password.reveal() if self.password else ""
        value = basic_credentials(self.username, "" if password == _EMPTY else password)
        return with_header(request, "Authorization", value, field="authentication")
