"""Run Camunda 8's connectors in Python. The names defined here are all that a connector imports.

They are imported when they are used first: a program that needs one room only, as the local engine, starts without
the rest.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from zeebe_connectors._version import __version__

if TYPE_CHECKING:
    from zeebe_connectors.sdk.connector import Group, Inbound, Outbound, inbound, outbound
    from zeebe_connectors.sdk.context import Context, InboundContext
    from zeebe_connectors.sdk.document import Document
    from zeebe_connectors.sdk.errors import ConnectorError, InputError, PermanentError, TransientError
    from zeebe_connectors.sdk.event import Alias, Event
    from zeebe_connectors.sdk.fields import Hint, Model, Secret, When

_HOMES = {
    "connector": ("Group", "Inbound", "Outbound", "inbound", "outbound"),
    "context": ("Context", "InboundContext"),
    "document": ("Document",),
    "errors": ("ConnectorError", "InputError", "PermanentError", "TransientError"),
    "event": ("Alias", "Event"),
    "fields": ("Hint", "Model", "Secret", "When"),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Alias",
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
    """Import one of the names above."""
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"zeebe_connectors.sdk.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
