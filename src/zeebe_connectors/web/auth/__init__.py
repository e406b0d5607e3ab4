"""Authentication schemes: each is the model of its own fields and the code that uses them; here is their choice."""

from typing import Annotated

from pydantic import Field

from zeebe_connectors.sdk.fields import Model
from zeebe_connectors.web.auth.api_key import ApiKey
from zeebe_connectors.web.auth.basic import Basic
from zeebe_connectors.web.auth.bearer import Bearer
from zeebe_connectors.web.auth.digest import Digest
from zeebe_connectors.web.auth.oauth1 import OAuth1
from zeebe_connectors.web.auth.oauth2 import ClientCredentials, RefreshToken
from zeebe_connectors.web.auth.scheme import NoAuth, Scheme

Authentication = Annotated[
    NoAuth | ApiKey | Basic | Bearer | ClientCredentials | RefreshToken | Digest | OAuth1,
    Field(discriminator="type"),
]

SCHEMES = {
    "noAuth": "None",
    "apiKey": "API key",
    "basic": "Basic",
    "bearer": "Bearer token",
    "oauth-client-credentials-flow": "OAuth 2.0: client credentials",
    "oauth-refresh-token": "OAuth 2.0: refresh token",
    "digest": "Digest",
    "oauth1": "OAuth 1.0a",
}
"""Label of each scheme in a form."""


class AuthenticationConfiguration(Model):
    """A stored configuration that the Modeler's chooser inserts; it takes the place of the authentication itself."""

    authentication: Authentication = NoAuth()


__all__ = [
    "SCHEMES",
    "ApiKey",
    "Authentication",
    "AuthenticationConfiguration",
    "Basic",
    "Bearer",
    "ClientCredentials",
    "Digest",
    "NoAuth",
    "OAuth1",
    "RefreshToken",
    "Scheme",
]
