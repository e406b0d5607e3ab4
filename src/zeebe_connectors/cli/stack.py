"""Starts the local engine and the local mail server that `dev`, `demo` and `engine start` run on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from zeebe_connectors.testing.process import ServerError, ServerProcess, cache_directory
from zeebe_connectors.testing.servers.mail import MailPorts

MISSING = (
    "The local engine is not part of this version yet. Give the address of a cluster to `zeebe-connectors run` "
    "(ZEEBE_ADDRESS=host:26500), or start one with: docker compose --profile cluster up."
)


@dataclass(frozen=True, slots=True)
class RunningEngine:
    """An engine on loopback.

    Attributes:
        grpc_address: `host:port` of its gateway.
        directory: Its data; gone with it.
    """

    grpc_address: str
    directory: Path


@asynccontextmanager
async def local_engine() -> AsyncIterator[RunningEngine]:
    """Run the local engine as long as the context lasts.

    Raises:
        ServerError: There is none in this version.
    """
    if MISSING:
        raise ServerError(MISSING)
    yield RunningEngine("", Path())


def mail_directory() -> Path:
    """Where `zeebe-connectors engine start --mail` keeps the state of its mail server."""
    return cache_directory() / "mail"


def mail_process() -> ServerProcess:
    """Return the local mail server at its usual ports, not yet started."""
    module = "zeebe_connectors.testing.servers.mail"
    return ServerProcess("mail server", module, asdict(MailPorts.usual()), mail_directory())
