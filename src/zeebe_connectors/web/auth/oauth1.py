"""Sign requests with OAuth 1.0a (RFC 5849), by consumer and token credentials."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import quote

from pydantic import Field

from zeebe_connectors.sdk.errors import InputError
from zeebe_connectors.sdk.fields import Hint, Secret, When
from zeebe_connectors.web.auth.scheme import Scheme, not_installed, unusable, with_header
from zeebe_connectors.web.message import HttpRequest

if TYPE_CHECKING:
    from zeebe_connectors.web.client import Exchange

_FORM = "application/x-www-form-urlencoded"
_UNENCODED = "=&;:%+~,*@!()/?'$"


class OAuth1(Scheme):
    """OAuth 1.0a: a signature over method, URL, query and form fields."""

    type: Literal["oauth1"]
    consumer_key: Annotated[str, Field(min_length=1), Hint(label="Consumer key")]
    """Identifies this application."""
    consumer_secret: Annotated[Secret | None, Hint(label="Consumer secret", placeholder="{{secrets.CONSUMER}}")] = None
    """The application's secret (for HMAC and PLAINTEXT)."""
    token: Annotated[str, Hint(label="Token")] = ""
    """Access token; empty to sign for the application alone."""
    token_secret: Annotated[Secret | None, Hint(label="Token secret", placeholder="{{secrets.TOKEN}}")] = None
    """The access token's secret."""
    signature_method: Annotated[
        Literal["HMAC-SHA1", "HMAC-SHA256", "HMAC-SHA512", "RSA-SHA1", "RSA-SHA256", "PLAINTEXT"],
        Hint(label="Signature method"),
    ] = "HMAC-SHA1"
    """How requests are signed; PLAINTEXT only over https."""
    private_key: Annotated[
        Secret | None,
        Hint(label="Private key", text=True, when=When("signature_method", ("RSA-SHA1", "RSA-SHA256"))),
    ] = None
    """RSA key in PEM, for the RSA methods."""
    realm: Annotated[str, Hint(label="Realm")] = ""
    """Realm, if the service requires one."""

    async def authorize(self, request: HttpRequest, exchange: Exchange) -> HttpRequest:
        """Signs the request.

        Raises:
            InputError: The key does not fit the method, or a form body is not in form encoding.
        """
        from oauthlib.oauth1 import Client  # noqa: PLC0415 - for those who sign only

        if self.signature_method.startswith("RSA") and not self.private_key:
            raise unusable("privateKey", f"is required for {self.signature_method}; fill it in")
        client = Client(
            self.consumer_key,
            client_secret=_value(self.consumer_secret),
            resource_owner_key=self.token or None,
            resource_owner_secret=_value(self.token_secret),
            signature_method=self.signature_method,
            rsa_key=_value(self.private_key),
            realm=self.realm or None,
        )
        kind = request.headers.get("Content-Type", "")
        body = _encoded(request.body) if request.body and kind.lower().startswith(_FORM) else None
        headers = {"Content-Type": _FORM} if body is not None else {}
        location, mark, query = request.url.partition("?")
        try:
            _, signed, _ = client.sign(f"{location}{mark}{_encoded(query)}", request.method, body, headers)
        except ModuleNotFoundError:
            raise not_installed("signatureMethod", self.signature_method, "signing") from None
        except Exception as error:  # noqa: BLE001 - the library raises a dozen types, also those of its crypto library
            raise InputError(
                f"authentication: the request cannot be signed with OAuth 1.0a ({type(error).__name__}). Check the "
                "keys, and that a form body is in form encoding",
                code="AUTHENTICATION_INVALID",
            ) from None
        return with_header(request, "Authorization", signed["Authorization"], field="authentication")


def _encoded(parameters: str | bytes) -> str:
    """Encodes more of the parameters, which signs the same: the library refuses `filter[name]=x`."""
    return quote(parameters, safe=_UNENCODED)


def _value(secret: Secret | None) -> str | None:
    return secret.reveal() if secret else None
