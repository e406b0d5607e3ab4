"""Declares the inputs that connectors over HTTP have in common: who calls, where to, and how long to wait."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from zeebe_connectors.net.tls import ClientTls
from zeebe_connectors.sdk.context import Context
from zeebe_connectors.sdk.fields import URL, Hint, Model
from zeebe_connectors.web.auth import SCHEMES, Authentication, AuthenticationConfiguration, NoAuth, Scheme
from zeebe_connectors.web.keystore import OptionalKeystore, tls_of


def _http(value: str) -> str:
    if not value.strip().lower().startswith(("http://", "https://")):
        raise ValueError("must begin with http:// or https://")
    return value


HttpUrl = Annotated[str, Field(min_length=1), AfterValidator(_http), URL]
ConnectionTimeout = Annotated[float, Field(ge=0), Hint(group="timeout", label="Connection timeout in seconds")]
ReadTimeout = Annotated[
    float | None, Field(ge=0), Hint(group="timeout", label="Read timeout in seconds", form_default="20")
]


class Authenticated(Model):
    """An input whose first section is how the service knows who calls."""

    authentication_configuration: Annotated[
        AuthenticationConfiguration | None,
        Hint(group="authentication", hidden=True, secrets=True, provider="authenticationConfiguration"),
    ] = None
    """A stored configuration that the Modeler's chooser inserts."""
    authentication: Annotated[
        Authentication,
        Hint(group="authentication", label="Type", secrets=True, choices=SCHEMES, provider="authentication"),
    ] = NoAuth()
    """How the service knows who calls."""

    @property
    def scheme(self) -> Scheme:
        """What is used: a stored configuration takes the place of the form's own choice."""
        stored = self.authentication_configuration
        return stored.authentication if stored else self.authentication


class Certified(Authenticated):
    """Such an input that may show a certificate of its own, and trust others than the system does."""

    client_tls: Annotated[ClientTls, Hint(group="tls", secrets=True, provider="tls")] = ClientTls()
    """Certificates, for services that ask for one or have one of their own authority."""
    client_keystore: Annotated[OptionalKeystore, Hint(group="tls", secrets=True, provider="tls.keystore")] = None
    """Client certificate as PKCS#12 or JKS, instead of the PEM texts."""

    async def tls(self, context: Context) -> ClientTls:
        """The TLS settings, with the client certificate from the keystore if there is one.

        Raises:
            InputError: `TLS_MATERIAL_INVALID` or `FILE_FORBIDDEN`.
        """
        if self.client_keystore is None:
            return self.client_tls
        return await tls_of(self.client_tls, self.client_keystore, context)
