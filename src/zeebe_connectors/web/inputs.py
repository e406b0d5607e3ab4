"""Declare the inputs that connectors over HTTP share: authentication, certificates and timeouts."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from zeebe_connectors.net.tls import ClientTls
from zeebe_connectors.sdk.context import Context
from zeebe_connectors.sdk.fields import URL, Hint, Model
from zeebe_connectors.web.auth import SCHEMES, Authentication, AuthenticationConfiguration, NoAuth, Scheme
from zeebe_connectors.web.keystore import OptionalKeystore, tls_of

_BEGINNINGS = ("http://", "https://")


def _http(value: str) -> str:
    if not value.startswith(_BEGINNINGS) and not value.strip().lower().startswith(_BEGINNINGS):
        raise ValueError("must begin with http:// or https://")
    return value


HttpUrl = Annotated[str, Field(min_length=1), AfterValidator(_http), URL]
ConnectionTimeout = Annotated[float, Field(ge=0), Hint(group="timeout", label="Connection timeout in seconds")]
ReadTimeout = Annotated[
    float | None, Field(ge=0), Hint(group="timeout", label="Read timeout in seconds", form_default="20")
]


class Authenticated(Model):
    """An input that begins with the authentication."""

    authentication_configuration: Annotated[
        AuthenticationConfiguration | None,
        Hint(group="authentication", hidden=True, secrets=True, provider="authenticationConfiguration"),
    ] = None
    """A stored configuration that the Modeler's chooser inserts."""
    authentication: Annotated[
        Authentication,
        Hint(group="authentication", label="Type", secrets=True, choices=SCHEMES, provider="authentication"),
    ] = NoAuth()
    """How the task authenticates to the service."""

    @property
    def scheme(self) -> Scheme:
        """The scheme to use: a stored configuration replaces the form's own choice."""
        stored = self.authentication_configuration
        return stored.authentication if stored else self.authentication


class Certified(Authenticated):
    """An input with authentication, a client certificate and trusted authorities."""

    client_tls: Annotated[ClientTls, Hint(group="tls", secrets=True, provider="tls")] = ClientTls()
    """Certificates, for services that require one or whose own comes from a private authority."""
    client_keystore: Annotated[OptionalKeystore, Hint(group="tls", secrets=True, provider="tls.keystore")] = None
    """Client certificate as PKCS#12 or JKS, instead of the PEM texts."""

    async def tls(self, context: Context) -> ClientTls:
        """Returns the TLS settings, with the client certificate from the keystore if there is one.

        Raises:
            InputError: `TLS_MATERIAL_INVALID` or `FILE_FORBIDDEN`.
        """
        if self.client_keystore is None:
            return self.client_tls
        return await tls_of(self.client_tls, self.client_keystore, context)
