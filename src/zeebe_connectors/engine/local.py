"""Run an engine with both its servers in this process, for `dev`, `demo`, tests, and the engine's own program."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from zeebe_connectors.engine.clock import Clock
from zeebe_connectors.engine.core import Engine
from zeebe_connectors.engine.gateway import Gateway
from zeebe_connectors.engine.host import Host
from zeebe_connectors.engine.rest import RestServer
from zeebe_connectors.engine.store import SqliteStore

LOOPBACK = "127.0.0.1"


class LocalEngine:
    """An engine of this process that speaks gRPC and REST.

        async with LocalEngine() as local:
            print(local.grpc_address, local.rest_address)

    Args:
        state: The SQLite file of its state, which is loaded if it exists; documents are stored beside it. None: in
            memory.
        grpc_port: Where the gateway listens; 0 picks a free port.
        rest_port: Where the REST API listens; likewise.
        host: Address to listen on; anything but loopback is for a container.
        clock: The engine's time. None: the machine's, which `engine.advance` can move.

    Raises:
        StoreError: The state cannot be opened.
    """

    def __init__(
        self,
        state: Path | None = None,
        *,
        grpc_port: int = 0,
        rest_port: int = 0,
        host: str = LOOPBACK,
        clock: Clock | None = None,
    ) -> None:
        self._documents = state.with_name(f"{state.stem}-documents") if state is not None else None
        self._address = host
        self._ports = (grpc_port, rest_port)
        self.engine = Engine(SqliteStore(state) if state is not None else None, clock)
        self.host = Host(self.engine)
        self._stack = AsyncExitStack()
        self.grpc_port = 0
        self.rest_port = 0

    @property
    def grpc_address(self) -> str:
        """`host:port` of the gateway."""
        return f"{self._address}:{self.grpc_port}"

    @property
    def rest_address(self) -> str:
        """Base URL of the REST API."""
        return f"http://{self._address}:{self.rest_port}"

    async def __aenter__(self) -> Self:
        """Start listening.

        Raises:
            OSError: A port is taken.
        """
        grpc, rest = self._ports
        try:
            host = await self._stack.enter_async_context(self.host)
            gateway = await self._stack.enter_async_context(Gateway(host, f"{self._address}:{grpc}"))
            server = await self._stack.enter_async_context(
                RestServer(host, f"{self._address}:{rest}", documents=self._documents, grpc_port=gateway.port)
            )
        except BaseException:
            await self._stack.aclose()
            raise
        self.grpc_port, self.rest_port = gateway.port, server.port
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()
