"""The local mail server, obtained once, run on loopback without Docker."""

from zeebe_connectors.engine.errors import ArtifactUnavailableError, EngineError, JavaNotFoundError, StartError
from zeebe_connectors.engine.mail import LocalMail, MailPorts

__all__ = [
    "ArtifactUnavailableError",
    "EngineError",
    "JavaNotFoundError",
    "LocalMail",
    "MailPorts",
    "StartError",
]
