"""Run providers: the directory of those in force, the store, and their use by jobs and sources."""

from zeebe_connectors.runtime.providers.asking import Asking, asking
from zeebe_connectors.runtime.providers.directory import Directory, Known
from zeebe_connectors.runtime.providers.entries import (
    Change,
    Editor,
    Entry,
    NotAllowedError,
    ProviderConflictError,
    ProviderUnknownError,
)
from zeebe_connectors.runtime.providers.sealing import KEY_SETTING, Sealer
from zeebe_connectors.runtime.providers.store import ProviderStore
from zeebe_connectors.runtime.providers.using import ENVIRONMENT_SETTING, Providers, Use

__all__ = [
    "ENVIRONMENT_SETTING",
    "KEY_SETTING",
    "Asking",
    "Change",
    "Directory",
    "Editor",
    "Entry",
    "Known",
    "NotAllowedError",
    "ProviderConflictError",
    "ProviderStore",
    "ProviderUnknownError",
    "Providers",
    "Sealer",
    "Use",
    "asking",
]
