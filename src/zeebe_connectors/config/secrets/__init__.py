"""Find the values of secrets, put them in place of placeholders, and mask them in all output.

Placeholders are `{{secrets.NAME}}` anywhere in a text and `secrets.NAME` as a whole value. They resolve in one pass on
parsed values, so that a value can neither break out of its text nor bring further placeholders, and only in the places
that are given: those that the deployed diagram names, or the connector's model where the diagram is not known.
"""

from zeebe_connectors.config.secrets.lookup import (
    DirectorySecrets,
    EnvironmentSecrets,
    SecretProvider,
    installed_providers,
)
from zeebe_connectors.config.secrets.mask import Mask
from zeebe_connectors.config.secrets.placeholders import MARK, may_hold
from zeebe_connectors.config.secrets.resolver import Places, SecretResolver, Unresolved
from zeebe_connectors.config.secrets.uses import JobSecrets, SecretUses, read_rules

__all__ = [
    "MARK",
    "DirectorySecrets",
    "EnvironmentSecrets",
    "JobSecrets",
    "Mask",
    "Places",
    "SecretProvider",
    "SecretResolver",
    "SecretUses",
    "Unresolved",
    "installed_providers",
    "may_hold",
    "read_rules",
]
