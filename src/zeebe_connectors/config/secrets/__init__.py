"""Secrets: placeholders in inputs go in, values come out; what was used is remembered for masking.

Placeholders are `{{secrets.NAME}}` anywhere in a text and `secrets.NAME` as a whole value. They resolve in one pass on
parsed values, so that a value can neither break out of its text nor bring further placeholders, and only in the places
that the connector's model names: what a process passes on as content is never searched.
"""

from zeebe_connectors.config.secrets.mask import Mask
from zeebe_connectors.config.secrets.providers import (
    DirectorySecrets,
    EnvironmentSecrets,
    SecretProvider,
    installed_providers,
)
from zeebe_connectors.config.secrets.resolver import SecretResolver

__all__ = ["DirectorySecrets", "EnvironmentSecrets", "Mask", "SecretProvider", "SecretResolver", "installed_providers"]
