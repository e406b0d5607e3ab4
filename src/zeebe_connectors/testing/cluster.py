"""Let the connectors of a test start processes and send messages in the test's own engine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, NoReturn, TypeVar

from zeebe_connectors.engine import Engine as Core
from zeebe_connectors.engine import Rejection, RejectionCode
from zeebe_connectors.engine.flow.instances import ProcessInstance
from zeebe_connectors.runtime.payload import plain
from zeebe_connectors.sdk.cluster import Correlated, Finished
from zeebe_connectors.sdk.errors import ConnectorError, PermanentError

V = TypeVar("V")
TENANT = "<default>"


class EngineCluster:
    """A `Cluster` on an engine inside the test's process; every process may be started.

    Args:
        core: The engine.
        settled: Lets the connectors work until none has a job, as a started process may need them.
    """

    def __init__(self, core: Core, settled: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._core = core
        self._settled = settled
        self.home: asyncio.AbstractEventLoop | None = None
        """The loop that owns the engine while a coroutine waits for the connectors; None while the test is blocked."""

    async def start_process(
        self, process: str, *, version: int = -1, variables: Mapping[str, Any], tenant: str = ""
    ) -> int:
        """See `Cluster.start_process`."""

        async def start() -> int:
            return self._start(process, version, variables, tenant).key

        return await self._at_home(start)

    async def run_process(
        self,
        process: str,
        *,
        version: int = -1,
        variables: Mapping[str, Any],
        fetch: Sequence[str] = (),
        seconds: float,  # noqa: ARG002 - time stands still: a process that waits while all is idle would never end
        tenant: str = "",
    ) -> Finished:
        """See `Cluster.run_process`."""

        async def run() -> Finished:
            ended: list[dict[str, Any]] = []
            started = self._start(
                process, version, variables, tenant, lambda instance: ended.append(dict(instance.root.variables or {}))
            )
            if not ended:
                await self._settled()
            self._core.no_longer_await(started.key)
            if not ended:
                raise PermanentError(
                    "PROCESS_NO_RESULT",
                    f"The process {process!r} was started and waits, with every connector idle: in a test, what it "
                    "waits for cannot come while this task waits for its end",
                )
            (result,) = ended
            return Finished(started.key, {name: result[name] for name in fetch or result if name in result})

        return await self._at_home(run)

    async def publish_message(
        self,
        name: str,
        *,
        correlation_key: str = "",
        message_id: str = "",
        time_to_live: float = 0.0,
        variables: Mapping[str, Any],
        tenant: str = "",
    ) -> int:
        """See `Cluster.publish_message`."""

        async def publish() -> int:
            _check_tenant(tenant)
            try:
                return self._core.publish_message(
                    name,
                    correlation_key,
                    variables=plain(dict(variables)),
                    ttl_ms=round(time_to_live * 1000),
                    message_id=message_id,
                )
            except Rejection as rejection:
                _refused(rejection, f"The message {name!r}", RejectionCode.ALREADY_EXISTS, "MESSAGE_EXISTS")

        return await self._at_home(publish)

    async def correlate_message(
        self,
        name: str,
        *,
        correlation_key: str = "",
        variables: Mapping[str, Any],
        seconds: float,  # noqa: ARG002 - the engine answers at once
        tenant: str = "",
    ) -> Correlated:
        """See `Cluster.correlate_message`."""

        async def correlate() -> Correlated:
            _check_tenant(tenant)
            try:
                found = self._core.correlate_message(name, correlation_key, variables=plain(dict(variables)))
                return Correlated(*found.keys())
            except Rejection as rejection:
                _refused(rejection, f"The message {name!r}", RejectionCode.NOT_FOUND, "MESSAGE_NOT_CORRELATED")

        return await self._at_home(correlate)

    def _start(
        self,
        process: str,
        version: int,
        variables: Mapping[str, Any],
        tenant: str,
        on_end: Callable[[ProcessInstance], None] | None = None,
    ) -> ProcessInstance:
        _check_tenant(tenant)
        try:
            return self._core.create_instance(process, version=version, variables=plain(dict(variables)), on_end=on_end)
        except Rejection as rejection:
            if rejection.code is RejectionCode.NOT_FOUND:
                raise PermanentError("PROCESS_NOT_FOUND", rejection.message) from None
            raise PermanentError("CLUSTER_REFUSED", rejection.message) from None

    async def _at_home(self, command: Callable[[], Coroutine[Any, Any, V]]) -> V:
        """Executes a command on the loop that owns the engine, so that nothing else uses it meanwhile."""
        if self.home is None:
            return await command()
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(command(), self.home))


def _check_tenant(tenant: str) -> None:
    if tenant not in {"", TENANT}:
        raise PermanentError("CLUSTER_REFUSED", f"The engine of a test knows no tenant but {TENANT!r}, not {tenant!r}")


def _refused(rejection: Rejection, what: str, usual: RejectionCode, code: str) -> NoReturn:
    """Raises the error that a connector gets, with the same codes as in the runtime."""
    if rejection.code is usual:
        raise ConnectorError(code, f"{what} was not sent: {rejection.message}") from None
    raise PermanentError("CLUSTER_REFUSED", f"{what} was not sent: {rejection.message}") from None
