"""Zeebe Connectors: the connector runtime for Camunda 8 in Python. These names are all that a connector imports."""

from zeebe_connectors._version import __version__
from zeebe_connectors.sdk.connector import Group, Inbound, Outbound, inbound, outbound
from zeebe_connectors.sdk.context import Context, InboundContext
from zeebe_connectors.sdk.document import Document
from zeebe_connectors.sdk.errors import ConnectorError, InputError, PermanentError, TransientError
from zeebe_connectors.sdk.event import Event
from zeebe_connectors.sdk.fields import Hint, Model, Secret, When

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
