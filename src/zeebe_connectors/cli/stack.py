"""Starts the local engine that `dev`, `demo` and `engine start` run on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from zeebe_connectors.engine.errors import EngineError

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
        EngineError: There is none in this version.
    """
    if MISSING:
        raise EngineError(MISSING)
    yield RunningEngine("", Path())
