"""Hold what has a key, and find the entry with the lowest one, which is the oldest."""

from __future__ import annotations

from heapq import heappop, heappush
from typing import Generic, Protocol, TypeVar

_SLACK = 64


class _Keyed(Protocol):
    """What a queue can hold."""

    key: int


V = TypeVar("V", bound=_Keyed)


class KeyQueue(Generic[V]):
    """Entries by key, the lowest key first, whatever the order in which they are added; each is held once."""

    __slots__ = ("_entries", "_order")

    def __init__(self) -> None:
        self._entries: dict[int, V] = {}
        self._order: list[int] = []

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, entry: V) -> None:
        """Add an entry; one that is in the queue already stays as it is."""
        if entry.key not in self._entries:
            self._entries[entry.key] = entry
            heappush(self._order, entry.key)

    def discard(self, entry: V) -> None:
        """Remove an entry if it is in the queue."""
        if self._entries.pop(entry.key, None) is None:
            return
        if self._order[0] == entry.key:
            heappop(self._order)
        elif len(self._order) > _SLACK + 2 * len(self._entries):
            self._order = sorted(self._entries)

    def first(self) -> V:
        """Return the entry with the lowest key; the queue must not be empty."""
        while self._order[0] not in self._entries:
            heappop(self._order)
        return self._entries[self._order[0]]
