"""Describe the memory of outbound connectors, for effects that must not be repeated."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol


class Memory(Protocol):
    """Texts by place and id that outlive the runtime, shared by all runtimes with the same ledger.

    For effects that must not be repeated: what a mail server took over, which mail of a mailbox which task received.
    """

    async def recall(self, place: str, ids: Iterable[str]) -> dict[str, str]:
        """Returns what is remembered of these ids; they count as seen now, so they are not forgotten soon.

        Raises:
            ConnectorError: The ledger cannot be used.
        """
        ...

    async def remember(self, place: str, id: str, text: str) -> str:  # noqa: A002 - the word for it
        """Remembers the text unless something is remembered already; on disk when it returns.

        Returns:
            What is remembered now: the given text, or what was there before.

        Raises:
            ConnectorError: The ledger cannot be used.
        """
        ...

    async def forget(self, place: str, id: str) -> None:  # noqa: A002
        """Forgets one id.

        Raises:
            ConnectorError: The ledger cannot be used.
        """
        ...

    def discard_later(self, place: str, id: str) -> None:  # noqa: A002
        """Discards one id soon, without waiting: for what nobody will ask for again. A crash may lose it."""
        ...


class ShortMemory:
    """Remembers as long as the process lives: for tests, and for what is tried by hand."""

    def __init__(self) -> None:
        self._texts: dict[tuple[str, str], str] = {}

    async def recall(self, place: str, ids: Iterable[str]) -> dict[str, str]:
        """See `Memory.recall`."""
        return {id: self._texts[place, id] for id in ids if (place, id) in self._texts}  # noqa: A001

    async def remember(self, place: str, id: str, text: str) -> str:  # noqa: A002
        """See `Memory.remember`."""
        return self._texts.setdefault((place, id), text)

    async def forget(self, place: str, id: str) -> None:  # noqa: A002
        """See `Memory.forget`."""
        self.discard_later(place, id)

    def discard_later(self, place: str, id: str) -> None:  # noqa: A002
        """See `Memory.discard_later`."""
        self._texts.pop((place, id), None)
