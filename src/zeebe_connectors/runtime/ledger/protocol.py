"""Define what the ledger guarantees, in any store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from zeebe_connectors.sdk.event import Alias

State = Literal["publishing", "published", "done", "ignored", "quarantined", "retry"]
SETTLED = ("done", "ignored", "quarantined")
RETENTION = 90 * 86400.0
"""Seconds for which a settled event is remembered after it was last seen outside."""
ORIGINAL_RETENTION = 30 * 86400.0
"""Seconds for which a quarantined event's original is kept once an operator has decided about it."""
MAX_ORIGINAL = 25 * 1024 * 1024
"""Maximum bytes of a quarantined event's original."""
MAX_SEARCHED = 20_000
"""Maximum entries that a search examines, so that it ends quickly in a ledger of any size."""
SEEN_EVERY = 86400.0
"""Minimum seconds between two updates of when an event was seen: the same mails are seen again and again."""


class LedgerError(Exception):
    """The ledger cannot be used; the message has its location, the reason and the remedy."""


class NotHolder(Exception):  # noqa: N818 - not a failure: somebody else has the source now
    """Another owner holds the source; stop working on it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What is known of one event."""

    source: str
    id: str
    state: State
    tries: int = 0
    started: float = 0.0
    """When the engine was first asked, in seconds since 1970."""
    updated: float = 0.0
    reason: str = ""
    """Why it is in quarantine, or was ignored."""
    key: int = 0
    """Key of the message or of the process instance."""
    element: str = ""
    title: str = ""
    has_original: bool = False
    age: float = 0.0
    """Seconds since `started` by the ledger's clock, as replicas' clocks differ; set by `Ledger.intend`."""
    delivered: Sequence[str] = ()
    """Which of its several messages the engine has, as `Ledger.deliver` recorded them."""


@dataclass(frozen=True, slots=True)
class Search:
    """What to look for in the ledger.

    Args:
        text: Part of an event's id, source, reason or element, in any case.
        titles: Whether titles are searched too, which not every user may see.
    """

    text: str
    titles: bool = True


@dataclass(frozen=True, slots=True)
class Unsettled:
    """How many events of one source are in one state."""

    source: str
    state: State
    count: int
    since: float
    """When the oldest of them entered the state, in seconds since 1970."""


class Ledger(Protocol):
    """One implementation per store; the tests are the same for all."""

    async def hold(self, source: str, owner: str, seconds: float) -> bool:
        """Takes or renews the lease of a source; False when another owner has it."""
        ...

    async def release(self, source: str, owner: str) -> None:
        """Releases the lease, so that another owner need not wait for its end."""
        ...

    async def find(self, source: str, event: str, alias: Alias | None = None) -> Entry | None:
        """Returns the entry of an event, or that of the same alias under another numbering; None if there is none."""
        ...

    async def settled(self, source: str, events: Mapping[str, Alias | None]) -> dict[str, State]:
        """Returns the states of those ids (with their aliases) that are settled; records that they were seen."""
        ...

    async def alike(self, source: str, events: Mapping[str, Alias]) -> Mapping[str, Mapping[str, int]]:
        """Returns, by id, other events of the same text, size, place and numbering, each with its `newest`."""
        ...

    async def intend(
        self, source: str, event: str, *, owner: str, alias: Alias | None, element: str, title: str
    ) -> Entry | None:
        """Records the intention to call the engine.

        Returns:
            The previous entry if the engine may have been called already, else None.

        Raises:
            NotHolder: The owner's lease has ended.
        """
        ...

    async def record(
        self, source: str, event: str, state: State, *, key: int = 0, reason: str = "", title: str = ""
    ) -> None:
        """Records how far an event has come; an empty title leaves the one that is known."""
        ...

    async def deliver(self, source: str, event: str, delivered: Sequence[str], *, key: int = 0) -> None:
        """Records which of the several messages of an intended event the engine has, so that none is sent twice.

        Args:
            source: Name of the source.
            event: Id of the event.
            delivered: Names of all of them so far.
            key: Key of the event's first message or instance; 0 leaves the one that is known.
        """
        ...

    async def quarantine(
        self, source: str, event: str, *, alias: Alias | None, reason: str, title: str, original: bytes | None
    ) -> None:
        """Quarantines an event with its reason and its original."""
        ...

    async def entries(
        self, *, source: str | None = None, state: State | None = None, search: Search | None = None, limit: int = 100
    ) -> Sequence[Entry]:
        """Returns entries, the newest first; with a search, the matching ones of the newest `MAX_SEARCHED`."""
        ...

    async def unsettled(self) -> Sequence[Unsettled]:
        """Counts exactly the events that are not in a final state, without reading the settled ones."""
        ...

    async def original(self, source: str, event: str) -> bytes | None:
        """Returns the original of a quarantined event; None if there is none."""
        ...

    async def original_size(self, source: str, event: str) -> int | None:
        """Returns the size of a quarantined event's original in bytes, without reading it."""
        ...

    async def retry(self, source: str, event: str) -> bool:
        """Marks a quarantined event to be tried again; False when there is none."""
        ...

    async def waiting(self, source: str) -> Sequence[str]:
        """Returns the ids of the events that an operator wants retried."""
        ...

    async def forget(self, source: str, event: str) -> bool:
        """Removes everything about an event; False when nothing is known. If it is seen again, it counts as new."""
        ...

    async def sweep(self, older_than: float = RETENTION) -> int:
        """Forgets settled events not seen for this many seconds; returns how many.

        Originals of decided events are deleted after `ORIGINAL_RETENTION`; those of quarantined events stay.
        """
        ...

    async def aclose(self) -> None:
        """Closes the store."""
        ...
