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
"""Seconds for which the original of a quarantined event is kept once somebody has decided about it."""
MAX_ORIGINAL = 25 * 1024 * 1024
"""Bytes of a quarantined event's original that are kept."""
MAX_SEARCHED = 20_000
"""Entries that a search looks at, so that it ends in a ledger of any size."""
SEEN_EVERY = 86400.0
"""Minimum seconds between two records that an event was seen again: most sightings are the same mails."""


class LedgerError(Exception):
    """The ledger cannot be used; says where it is, why and what to do."""


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
    """Seconds since `started` by the ledger's clock, which is not that of each replica; set by `Ledger.intend`."""


@dataclass(frozen=True, slots=True)
class Search:
    """What to look for in the ledger.

    Args:
        text: Part of an event's id, source, reason or element, in capitals or not.
        titles: Whether titles are searched too; not where they may not be seen.
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
    """When the oldest of them came into it, in seconds since 1970."""


class Ledger(Protocol):
    """One implementation per store; the tests are the same for all."""

    async def hold(self, source: str, owner: str, seconds: float) -> bool:
        """Takes or renews the lease of a source; False when another owner has it."""
        ...

    async def release(self, source: str, owner: str) -> None:
        """Releases the lease, so that another owner need not wait for its end."""
        ...

    async def find(self, source: str, event: str, alias: Alias | None = None) -> Entry | None:
        """The entry of an event, or that of the same alias under another numbering."""
        ...

    async def settled(self, source: str, events: Mapping[str, Alias | None]) -> dict[str, State]:
        """Which of these ids (with their aliases) need no further work, and why; records that they were seen."""
        ...

    async def alike(self, source: str, events: Mapping[str, Alias]) -> Mapping[str, Mapping[str, int]]:
        """By id: other events of the same text, size, place and numbering, each with the `newest` of its time."""
        ...

    async def intend(
        self, source: str, event: str, *, owner: str, alias: Alias | None, element: str, title: str
    ) -> Entry | None:
        """Records the intention to call the engine.

        Returns:
            The previous entry if the engine may have been called already, else None.

        Raises:
            NotHolder: The owner's lease is over.
        """
        ...

    async def record(
        self, source: str, event: str, state: State, *, key: int = 0, reason: str = "", title: str = ""
    ) -> None:
        """Records how far an event has come; an empty title leaves the one that is known."""
        ...

    async def quarantine(
        self, source: str, event: str, *, alias: Alias | None, reason: str, title: str, original: bytes | None
    ) -> None:
        """Quarantines an event with its reason and its original."""
        ...

    async def entries(
        self, *, source: str | None = None, state: State | None = None, search: Search | None = None, limit: int = 100
    ) -> Sequence[Entry]:
        """Entries, the newest first; with a search, those of the newest `MAX_SEARCHED` that have its text."""
        ...

    async def unsettled(self) -> Sequence[Unsettled]:
        """Counts, exactly and without reading the settled ones, the events that are in no final state."""
        ...

    async def original(self, source: str, event: str) -> bytes | None:
        """The original of a quarantined event."""
        ...

    async def original_size(self, source: str, event: str) -> int | None:
        """Bytes of the original of a quarantined event, without reading it."""
        ...

    async def retry(self, source: str, event: str) -> bool:
        """Marks a quarantined event to be tried again; False when there is none."""
        ...

    async def waiting(self, source: str) -> Sequence[str]:
        """Ids of the events that an operator wants retried."""
        ...

    async def forget(self, source: str, event: str) -> bool:
        """Removes all that is known of an event; False when nothing is. It is new when it is seen again."""
        ...

    async def sweep(self, older_than: float = RETENTION) -> int:
        """Forgets settled events that were last seen so many seconds ago; returns how many.

        Originals of events that were decided about go after `ORIGINAL_RETENTION`; those of quarantined ones stay.
        """
        ...

    async def aclose(self) -> None:
        """Closes the store."""
        ...
