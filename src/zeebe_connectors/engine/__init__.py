"""The local stack: a real Zeebe and a real mail server, obtained once, run on loopback without Docker."""

from zeebe_connectors.engine.errors import ArtifactUnavailableError, EngineError, JavaNotFoundError, StartError
from zeebe_connectors.engine.mail import LocalMail, MailPorts
from zeebe_connectors.engine.zeebe import LocalZeebe, Ports, Status

__all__ = [
    "ArtifactUnavailableError",
    "EngineError",
    "JavaNotFoundError",
    "LocalMail",
    "LocalZeebe",
    "MailPorts",
    "Ports",
    "StartError",
    "Status",
]
