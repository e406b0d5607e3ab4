"""Sign in to Google's services as a service account (two-legged OAuth), for itself or for a user of the domain."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from zeebe_connectors.sdk.fields import Hint, RequiredSecret
from zeebe_connectors.web.auth.assertions import JWT_BEARER
from zeebe_connectors.web.auth.grant import Grant, ask, token_of
from zeebe_connectors.web.auth.scheme import unusable
from zeebe_connectors.web.auth.signed_jwt import signed_assertion
from zeebe_connectors.web.auth.tokens import Token

if TYPE_CHECKING:
    from zeebe_connectors.web.client import Exchange

_TOKEN_URI = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address


class GoogleServiceAccount(Grant):
    """Google service account (two-legged OAuth), for itself or for a user of the domain."""

    type: Literal["google-service-account"]
    service_account_key: Annotated[
        RequiredSecret,
        Hint(
            label="Service account key",
            text=True,
            placeholder="{{secrets.GOOGLE_KEY}}",
        ),
    ]
    """The key file of the service account, as JSON."""
    scopes: Annotated[
        str,
        Field(min_length=1),
        Hint(label="Scopes", placeholder="https://www.googleapis.com/auth/drive.readonly"),
    ]
    """Scopes to request, separated by spaces."""
    user: Annotated[
        str,
        Hint(
            label="User to act for",
            placeholder="ann@example.com",
            tooltip="Needs domain-wide delegation.",
        ),
    ] = ""
    """Address of the user for whom the service account acts; if left empty, it acts for itself."""

    async def fetch(self, exchange: Exchange, last: str | None) -> Token:
        """See `Grant.fetch`.

        Raises:
            InputError: `AUTHENTICATION_INVALID` when the text is not a key file.
        """
        key = self._key()
        endpoint = str(key.get("token_uri") or _TOKEN_URI)
        claims: dict[str, Any] = {"iss": key["client_email"], "aud": endpoint, "scope": " ".join(self.scopes.split())}
        if self.user.strip():
            claims["sub"] = self.user.strip()
        headers = {"kid": str(key["private_key_id"])} if key.get("private_key_id") else {}
        assertion = signed_assertion(claims, key["private_key"], field="serviceAccountKey", headers=headers)
        form = {"grant_type": JWT_BEARER, "assertion": assertion}
        return token_of(await ask(exchange, endpoint, form, field="authentication.serviceAccountKey"))

    def _key(self) -> dict[str, Any]:
        try:
            key = json.loads(self.service_account_key.reveal(), strict=False)
        except ValueError:
            key = None
        if not isinstance(key, dict) or not all(isinstance(key.get(n), str) for n in ("client_email", "private_key")):
            raise unusable(
                "serviceAccountKey",
                "is not the key file of a service account; give the whole JSON text with client_email and private_key",
            )
        return key
