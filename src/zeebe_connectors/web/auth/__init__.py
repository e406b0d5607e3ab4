"""Offer all authentication schemes to connectors over HTTP as one union, `Authentication`.

Each scheme is a model of its fields together with the code that uses them. A new scheme is a module beside the others
with a subclass of `Scheme`, and a line in the union and in `SCHEMES`.
"""

from typing import Annotated

from pydantic import Field

from zeebe_connectors.sdk.fields import Model
from zeebe_connectors.web.auth.api_key import ApiKey
from zeebe_connectors.web.auth.assertions import JwtBearer, PrivateKeyJwt
from zeebe_connectors.web.auth.aws import Aws
from zeebe_connectors.web.auth.azure import AzureSharedKey
from zeebe_connectors.web.auth.basic import Basic
from zeebe_connectors.web.auth.bearer import Bearer
from zeebe_connectors.web.auth.custom import Custom
from zeebe_connectors.web.auth.digest import Digest
from zeebe_connectors.web.auth.entra import EntraId
from zeebe_connectors.web.auth.google import GoogleServiceAccount
from zeebe_connectors.web.auth.ntlm import Ntlm
from zeebe_connectors.web.auth.oauth1 import OAuth1
from zeebe_connectors.web.auth.oauth2 import ClientCertificate, ClientCredentials, Password, RefreshToken
from zeebe_connectors.web.auth.scheme import NoAuth, Scheme

Authentication = Annotated[
    NoAuth
    | ApiKey
    | Basic
    | Bearer
    | ClientCredentials
    | RefreshToken
    | Custom
    | Digest
    | Ntlm
    | PrivateKeyJwt
    | ClientCertificate
    | JwtBearer
    | Password
    | OAuth1
    | Aws
    | AzureSharedKey
    | EntraId
    | GoogleServiceAccount,
    Field(discriminator="type"),
]

SCHEMES = {
    "noAuth": "None",
    "apiKey": "API key",
    "basic": "Basic",
    "bearer": "Bearer token",
    "oauth-client-credentials-flow": "OAuth 2.0: client credentials",
    "oauth-refresh-token": "OAuth 2.0: refresh token",
    "custom": "Custom scheme",
    "digest": "Digest",
    "ntlm": "NTLM (Windows)",
    "oauth-private-key-jwt": "OAuth 2.0: signed client assertion (private_key_jwt)",
    "oauth-client-certificate": "OAuth 2.0: client certificate (mTLS)",
    "oauth-jwt-bearer": "OAuth 2.0: JWT bearer",
    "oauth-password": "OAuth 2.0: password",
    "oauth1": "OAuth 1.0a",
    "aws": "AWS signature",
    "azure-shared-key": "Azure Storage: Shared Key",
    "entra-id": "Microsoft Entra ID (Azure AD)",
    "google-service-account": "Google service account",
}
"""Label of each scheme in a form."""


class AuthenticationConfiguration(Model):
    """A stored configuration that the Modeler's chooser inserts; it replaces the form's own authentication."""

    authentication: Authentication = NoAuth()


__all__ = [
    "SCHEMES",
    "ApiKey",
    "Authentication",
    "AuthenticationConfiguration",
    "Aws",
    "AzureSharedKey",
    "Basic",
    "Bearer",
    "ClientCertificate",
    "ClientCredentials",
    "Custom",
    "Digest",
    "EntraId",
    "GoogleServiceAccount",
    "JwtBearer",
    "NoAuth",
    "Ntlm",
    "OAuth1",
    "Password",
    "PrivateKeyJwt",
    "RefreshToken",
    "Scheme",
]
