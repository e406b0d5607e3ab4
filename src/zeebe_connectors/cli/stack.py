"""Run the local engine and the local mail server in processes of their own, for `zeebe-connectors engine`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from zeebe_connectors.testing.process import ServerProcess, cache_directory
from zeebe_connectors.testing.servers.mail import MailPorts

GRPC_PORT = 26500
"""Where a gateway listens by default, and where clients connect to."""
REST_PORT = 8088
"""Where the REST API listens by default; 8080 is the runtime's own."""


def engine_directory() -> Path:
    """Returns where `zeebe-connectors engine start` keeps its engine's state by default."""
    return cache_directory() / "engine"


def mail_directory() -> Path:
    """Returns where `zeebe-connectors engine start --mail` keeps the state of its mail server."""
    return cache_directory() / "mail"


def mail_process() -> ServerProcess:
    """Returns the local mail server at its usual ports, not yet started."""
    module = "zeebe_connectors.testing.servers.mail"
    return ServerProcess("mail server", module, asdict(MailPorts.usual()), mail_directory())
