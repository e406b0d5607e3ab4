"""Send credentials in a scheme of the service's own: its name, a space and the credentials."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator

from zeebe_connectors.sdk.fields import Hint, RequiredSecret
from zeebe_connectors.web.auth.scheme import Scheme, with_header
from zeebe_connectors.web.message import HttpRequest

if TYPE_CHECKING:
    from zeebe_connectors.web.client import Exchange

_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+", re.ASCII)  # a token of RFC 9110


def _scheme_name(text: str) -> str:
    text = text.strip()
    if not _NAME.fullmatch(text):
        raise ValueError("must be one word of letters, digits and dashes, such as Token")
    return text


class Custom(Scheme):
    """A scheme of the service's own: `Authorization: [scheme name] [credentials]`."""

    type: Literal["custom"]
    scheme_name: Annotated[
        str,
        AfterValidator(_scheme_name),
        Hint(
            label="Scheme name", feel="none", placeholder="Token", tooltip="One word, which precedes the credentials."
        ),
    ]
    """Name of the scheme as the service documents it; fixed text."""
    credentials: Annotated[RequiredSecret, Hint(label="Credentials", placeholder="{{secrets.CREDENTIALS}}")]
    """What follows the name, exactly as the service expects it."""

    async def authorize(self, request: HttpRequest, exchange: Exchange) -> HttpRequest:
        """Adds the header."""
        value = f"{self.scheme_name} {self.credentials.reveal().strip()}"
        return with_header(request, "Authorization", value, field="authentication.credentials")
