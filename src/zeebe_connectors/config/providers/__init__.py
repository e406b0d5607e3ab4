"""Describe providers for runtime, command and page: the model, `providers.yaml`, addresses, and what is secured."""

from zeebe_connectors.config.providers.addresses import AddressError
from zeebe_connectors.config.providers.file import (
    FileProviders,
    ProvidersFileError,
    file_to_watch,
    providers_file,
    read_file,
)
from zeebe_connectors.config.providers.model import (
    Environment,
    Operation,
    Provider,
    ProviderError,
    Rules,
    Variable,
    provider_of,
)

__all__ = [
    "AddressError",
    "Environment",
    "FileProviders",
    "Operation",
    "Provider",
    "ProviderError",
    "ProvidersFileError",
    "Rules",
    "Variable",
    "file_to_watch",
    "provider_of",
    "providers_file",
    "read_file",
]
