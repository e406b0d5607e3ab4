"""Zeebe Connectors: the connector runtime for Camunda 8 in Python. These names are all that a connector imports."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from zeebe_connectors._version import __version__

if TYPE_CHECKING:
    from zeebe_connectors.sdk.connector import Group, Inbound, Outbound, inbound, outbound
    from zeebe_connectors.sdk.context import Context, InboundContext
    from zeebe_connectors.sdk.document import Document
    from zeebe_connectors.sdk.errors import ConnectorError, InputError, PermanentError, TransientError
    from zeebe_connectors.sdk.event import Event
    from zeebe_connectors.sdk.fields import Hint, Model, Secret, When

# Imported when they are asked for: rooms that know nothing of connectors, such as the local engine, start without them.
_MODULES = {
    "connector": ("Group", "Inbound", "Outbound", "inbound", "outbound"),
    "context": ("Context", "InboundContext"),
    "document": ("Document",),
    "errors": ("ConnectorError", "InputError", "PermanentError", "TransientError"),
    "event": ("Event",),
    "fields": ("Hint", "Model", "Secret", "When"),
}
_HOMES = {name: f"zeebe_connectors.sdk.{module}" for module, names in _MODULES.items() for name in names}

__all__ = [
    "ConnectorError",
    "Context",
    "Document",
    "Event",
    "Group",
    "Hint",
    "Inbound",
    "InboundContext",
    "InputError",
    "Model",
    "Outbound",
    "PermanentError",
    "Secret",
    "TransientError",
    "When",
    "__version__",
    "inbound",
    "outbound",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
