"""Inputs that connectors over HTTP have in common: who calls, where to, and how long to wait."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from zeebe_connectors.sdk.fields import Hint, Model
from zeebe_connectors.web.auth import SCHEMES, Authentication, AuthenticationConfiguration, NoAuth, Scheme


def _http(value: str) -> str:
    if not value.strip().lower().startswith(("http://", "https://")):
        raise ValueError("must begin with http:// or https://")
    return value


HttpUrl = Annotated[str, Field(min_length=1), AfterValidator(_http)]
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
