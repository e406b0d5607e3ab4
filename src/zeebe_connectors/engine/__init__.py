"""The local stack: a real Zeebe and a real mail server, obtained once, run on loopback without Docker."""

from zeebe_connectors.engine.errors import ArtifactUnavailableError, EngineError, JavaNotFoundError, StartError
from zeebe_connectors.engine.zeebe import LocalZeebe, Ports, Status

__all__ = [
    "ArtifactUnavailableError",
    "EngineError",
    "JavaNotFoundError",
    "LocalZeebe",
    "Ports",
    "StartError",
    "Status",
]
