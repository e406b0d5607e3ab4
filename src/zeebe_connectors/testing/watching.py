"""Run an inbound connector without an engine, for its author's tests."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from zeebe_connectors.config.secrets import EnvironmentSecrets, Mask, SecretResolver
from zeebe_connectors.net.custody import holding
from zeebe_connectors.runtime.documents import LocalDocuments
from zeebe_connectors.runtime.inbound.elements import Element, Source
from zeebe_connectors.runtime.inbound.properties import Properties
from zeebe_connectors.sdk.client_cache import ClientCache
from zeebe_connectors.sdk.connector import Inbound
from zeebe_connectors.sdk.context import InboundContext
from zeebe_connectors.sdk.event import Alias, Event
from zeebe_connectors.sdk.files import AllowedFiles

MAX_WAITING = 100
"""Maximum events that wait for the test before the connector is blocked."""


class Watching:
    """A connector that watches its source under a test.

    Attributes:
        reports: The connector's reports about its source: None for a successful contact, else what is wrong.
        acknowledged: Ids of the events that were acknowledged, in order.
    """

    def __init__(self, *, acknowledge: bool) -> None:
        self.reports: list[str | None] = []
        self.acknowledged: list[str] = []
        self._acknowledge = acknowledge
        self._events: asyncio.Queue[Event] = asyncio.Queue(MAX_WAITING)
        self._handed_over: set[str] = set()
        self._task: asyncio.Task[None] | None = None

    async def next(self, seconds: float = 10.0) -> Event:
        """Returns the next event, which the runtime would hand over to a process, with all its data.

        Args:
            seconds: How long to wait for it.

        Raises:
            TimeoutError: There was none; the message has the connector's last report.
            Exception: The connector's own error, if it ended.
        """
        waiting = asyncio.ensure_future(self._events.get())
        watching = [waiting] if self._task is None else [waiting, self._task]
        await asyncio.wait(watching, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if waiting.done():
            return waiting.result()
        waiting.cancel()
        if self._task is not None and self._task.done():
            self._task.result()
            raise RuntimeError("the connector stopped watching; it should watch until it is cancelled")
        reported = f"; it reported: {self.reports[-1]}" if self.reports and self.reports[-1] else ""
        raise TimeoutError(f"no event within {seconds:g} s{reported}")

    async def none(self, seconds: float = 0.5) -> None:
        """Waits, and fails the test if an event comes.

        Raises:
            AssertionError: An event came.
        """
        with contextlib.suppress(TimeoutError):
            raise AssertionError(f"an event came: {(await self.next(seconds)).id}")

    async def settled(self, events: Mapping[str, Alias | None]) -> Mapping[str, str]:
        """Answers the connector's question which of these events are settled: the acknowledged ones."""
        return {id_: "done" for id_ in events if id_ in self.acknowledged}

    def report(self, reason: str | None, next_within: float | None = None, /) -> None:  # noqa: ARG002 - the protocol's
        """Records the connector's report about its source."""
        self.reports.append(reason)

    async def pump(self, connector: Inbound, given: Any, context: InboundContext) -> None:
        """Hands over each id once and acknowledges it, as the runtime does."""
        async with contextlib.aclosing(_generator(connector, given, context)) as events:
            async for event in events:
                if event.id not in self._handed_over:
                    self._handed_over.add(event.id)
                    event.data.update(await event.more())
                    await self._events.put(event)
                if self._acknowledge:
                    await event.done()
                    if event.id not in self.acknowledged:
                        self.acknowledged.append(event.id)

    def begin(self, work: Any) -> asyncio.Task[None]:
        """Starts watching."""
        self._task = asyncio.create_task(work)
        return self._task


def _generator(connector: Inbound, given: Any, context: InboundContext) -> Any:
    return connector.watch(given, context)


@contextlib.asynccontextmanager
async def watch(
    connector: Inbound,
    settings: Mapping[str, Any],
    *,
    secrets: Mapping[str, str] | None = None,
    files: Sequence[Path] = (),
    acknowledge: bool = True,
) -> AsyncIterator[Watching]:
    """Watches a source as the runtime would, without an engine.

        async with watch(folder_watch, {"folder": str(tmp_path)}, files=[tmp_path]) as watching:
            (tmp_path / "order.csv").write_text("1")
            assert (await watching.next()).data["name"] == "order.csv"

    Args:
        connector: The result of `@inbound`.
        settings: Its properties by wire name, as in a diagram.
        secrets: Values by name; `{"TOKEN": "x"}` answers `{{secrets.TOKEN}}`.
        files: Directories that the operator allows.
        acknowledge: Whether each event is acknowledged once it is handed over, as when a process takes it.

    Yields:
        The running connector, which returns its events.

    Raises:
        ConnectorError: The settings are wrong; the message names the field.
    """
    watching = Watching(acknowledge=acknowledge)
    resolver = SecretResolver([EnvironmentSecrets({f"SECRET_{name}": text for name, text in (secrets or {}).items()})])
    element = Element(process="test", id="start", kind="start", type=connector.type, properties=dict(settings))
    source = Source("test/start", [element])
    custody = resolver.custody(Mask(), process=element.process, element=source.name)
    clients = ClientCache()
    with tempfile.TemporaryDirectory(prefix="zeebe-connectors-") as directory, holding(custody):
        given, _ = await Properties(resolver).read(source, connector, custody)
        context = InboundContext(
            source=source.name,
            clients=clients,
            documents=LocalDocuments(Path(directory), clients=clients, hosts=("*",)),
            files=AllowedFiles(files),
            log=logging.LoggerAdapter(logging.getLogger("zeebe_connectors.inbound"), {"source": source.name}),
            settled=watching.settled,
            report=watching.report,
        )
        task = watching.begin(watching.pump(connector, given, context))
        try:
            yield watching
        finally:
            task.cancel()
            await asyncio.wait([task])
            if not task.cancelled():
                task.exception()  # `next` raised it, or the test did not read it
            await clients.aclose()
