"""Schedule what becomes due: timers, job deadlines, back-offs, messages that expire."""

from __future__ import annotations

import heapq

_SLACK = 64


class Agenda:
    """Keys by their due time. Adding an entry again replaces it, and a removed one costs nothing."""

    def __init__(self) -> None:
        self._due: dict[tuple[str, int], int] = {}
        self._heap: list[tuple[int, int, str, int]] = []
        self._sequence = 0

    def __len__(self) -> int:
        return len(self._due)

    def add(self, kind: str, key: int, due_ms: int) -> None:
        """Remember that something is due, in milliseconds since 1970."""
        self._due[kind, key] = due_ms
        self._sequence += 1
        heapq.heappush(self._heap, (due_ms, self._sequence, kind, key))
        if len(self._heap) > _SLACK + 2 * len(self._due):
            self._compact()

    def remove(self, kind: str, key: int) -> None:
        """Forget an entry."""
        self._due.pop((kind, key), None)

    def next_due(self) -> int | None:
        """Return when the next entry is due; None if there is none."""
        while self._heap:
            due, _, kind, key = self._heap[0]
            if self._due.get((kind, key)) == due:
                return due
            heapq.heappop(self._heap)
        return None

    def pop(self, now_ms: int) -> tuple[str, int] | None:
        """Remove and return the first entry that is due by now; None if there is none."""
        due = self.next_due()
        if due is None or due > now_ms:
            return None
        _, _, kind, key = heapq.heappop(self._heap)
        del self._due[kind, key]
        return kind, key

    def _compact(self) -> None:
        self._heap = [entry for entry in self._heap if self._due.get((entry[2], entry[3])) == entry[0]]
        heapq.heapify(self._heap)
