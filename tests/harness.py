"""Holds what tests of sources and of their events share: an engine in memory, a ledger, documents, and what runs."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from tests.waiting import until

from zeebe_connectors.config.secrets import SecretResolver
from zeebe_connectors.runtime.documents import LocalDocuments
from zeebe_connectors.runtime.gateway.fake import FakeGateway
from zeebe_connectors.runtime.inbound import sources as sources_module
from zeebe_connectors.runtime.inbound.elements import element
from zeebe_connectors.runtime.inbound.sources import InboundServices, Sources
from zeebe_connectors.runtime.ledger import SqliteLedger
from zeebe_connectors.runtime.services import Services
from zeebe_connectors.sdk.client_cache import ClientCache
from zeebe_connectors.sdk.connector import Inbound
from zeebe_connectors.sdk.files import AllowedFiles
from zeebe_connectors.sdk.memory import Memory, ShortMemory
from zeebe_connectors.sdk.registry import Registry


class Harness:
    """An engine in memory and a directory with ledger, documents and allowed files; subclasses add the other side.

    Args:
        directory: Of all that is written.
    """

    connector: ClassVar[Inbound]
    """What `runtime` watches with."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.gateway = FakeGateway()
        self.documents = LocalDocuments(directory / "documents")
        self.allowed = directory / "allowed"
        self.allowed.mkdir(parents=True, exist_ok=True)
        self.memory: Memory | None = None
        """What outlives a runtime; None: each gets one of its own."""
        self.running: list[Sources] = []

    def properties(self, **changes: Any) -> dict[str, Any]:
        """The properties of the element; in the names of `changes` two underscores stand for a dot."""
        return {name.replace("__", "."): value for name, value in changes.items()}

    async def runtime(
        self, *, gateway: FakeGateway | None = None, memory: Memory | None = None, **changes: Any
    ) -> Sources:
        """Starts what watches for a message start event."""
        waiting = element(self.properties(**changes), process="p", id="mail", kind="message-start", message="m")
        services = InboundServices(
            services=Services(
                secrets=SecretResolver([]),
                clients=ClientCache(),
                documents=self.documents,
                files=AllowedFiles([self.allowed]),
                memory=memory or self.memory or ShortMemory(),
            ),
            registry=Registry([self.connector]),
            gateway=gateway or self.gateway,
            ledger=SqliteLedger(self.directory / "ledger.db"),
        )
        sources = Sources(services, elements=[waiting])
        sources.start()
        self.running.append(sources)
        return sources

    async def end(self, sources: Sources) -> None:
        """Ends what watches, as a runtime that is stopped does."""
        await sources.drain(grace=5)
        await sources._shared.ledger.aclose()
        await sources._shared.services.clients.aclose()
        self.running.remove(sources)

    def subjects(self) -> list[str]:
        """Subjects of the mails that the engine has, in the order in which they came."""
        return [message.data["variables"]["subject"] for message in self.gateway.messages.values()]

    async def until(self, reached: Callable[[], bool]) -> None:
        """Waits for a condition that the sources bring about."""
        await until(reached, within=20)

    async def arrived(self, *subjects: str) -> None:
        """Waits until exactly these were handed over, in whatever order."""
        await self.until(lambda: set(subjects) <= set(self.subjects()))
        assert sorted(self.subjects()) == sorted(subjects)


HarnessT = TypeVar("HarnessT", bound=Harness)


@contextlib.asynccontextmanager
async def running(harness: HarnessT, monkeypatch, *, permanent: float | None = None) -> AsyncIterator[HarnessT]:
    """A harness whose sources begin again soon and end with the test.

    Args:
        harness: The harness.
        monkeypatch: Shortens the pauses.
        permanent: Seconds after which what somebody has to repair is tried again; the runtime's own when left out.
    """
    monkeypatch.setattr(sources_module, "_MIN_PAUSE", 0.05)
    if permanent is not None:
        monkeypatch.setattr(sources_module, "_MAX_PAUSE_PERMANENT", permanent)
    yield harness
    for sources in list(harness.running):
        await harness.end(sources)


def health(sources: Sources) -> tuple[str, str]:
    """Status and reason of the only source."""
    source = next(iter(sources.health()["sources"].values()), {"status": "", "reason": ""})
    return source["status"], str(source["reason"])
