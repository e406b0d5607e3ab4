"""Refuse to use a ledger that belongs to another cluster, because a fresh engine assigns the same keys again.

A mail's receipt is remembered by the key of its job. With a new, empty engine, the same ledger would take a new job for
an old one and not send its mail. So the ledger remembers the id of its cluster, which clusters from 8.8 on and the
local engine report; older ones cannot be told apart.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable

from zeebe_connectors.runtime.gateway import Gateway, GatewayError
from zeebe_connectors.runtime.ledger.memory import StoredMemory
from zeebe_connectors.sdk.errors import TransientError

PLACE = "cluster"
_ID = "id"
CHECK_EVERY = 2.0
"""Seconds for which an answer is valid: replacing an engine takes longer."""
ASK_AGAIN = 600.0
"""Seconds after which a cluster without an id is asked again; it may have been updated."""
_SECONDS = 10.0
_log = logging.getLogger(__name__)


class ClusterMemory:
    """The memory of one cluster's connectors; see `Memory`.

    Args:
        memory: Holds the texts, and the id of the cluster that they belong to.
        gateway: The cluster that the runtime works for.
        ledger: The ledger's location, for the message.
    """

    def __init__(self, memory: StoredMemory, gateway: Gateway, *, ledger: str) -> None:
        self._memory = memory
        self._gateway = gateway
        self._ledger = ledger
        self._until = 0.0
        self._checking = asyncio.Lock()
        self.problem = ""
        """Why the ledger is not used; empty while no reason is known."""

    async def recall(self, place: str, ids: Iterable[str]) -> dict[str, str]:
        """See `Memory.recall`."""
        await self._confirm()
        return await self._memory.recall(place, ids)

    async def remember(self, place: str, id: str, text: str) -> str:  # noqa: A002 - the word for it
        """See `Memory.remember`."""
        await self._confirm()
        return await self._memory.remember(place, id, text)

    async def forget(self, place: str, id: str) -> None:  # noqa: A002
        """See `Memory.forget`."""
        await self._confirm()
        await self._memory.forget(place, id)

    def discard_later(self, place: str, id: str) -> None:  # noqa: A002
        """See `Memory.discard_later`."""
        if not self.problem:
            self._memory.discard_later(place, id)

    async def _confirm(self) -> None:
        """Makes sure that the ledger is this cluster's; while the cluster does not answer, it is assumed to be.

        Raises:
            TransientError: `LEDGER_OF_ANOTHER_CLUSTER`, or the ledger cannot be used.
        """
        if time.monotonic() >= self._until:
            async with self._checking:
                if time.monotonic() >= self._until:
                    await self.check()
        if self.problem:
            raise TransientError("LEDGER_OF_ANOTHER_CLUSTER", self.problem)

    async def check(self) -> str:
        """Asks the cluster for its id and compares; returns what is wrong, or an empty text.

        Raises:
            TransientError: The ledger cannot be used.
        """
        try:
            async with asyncio.timeout(_SECONDS):
                found = (await self._gateway.topology()).cluster
        except (GatewayError, TimeoutError):
            return self.problem
        if not found:
            self._until = time.monotonic() + ASK_AGAIN
            return self.problem
        known = await owner_of(self._memory) or await self._memory.remember(PLACE, _ID, found)
        problem = difference(self._ledger, known, found)
        if problem and not self.problem:
            _log.error("%s", problem)
        self.problem = problem
        self._until = time.monotonic() + CHECK_EVERY
        return problem


async def owner_of(memory: StoredMemory) -> str:
    """Returns the id of the cluster that a ledger belongs to; empty when it is unknown.

    Raises:
        TransientError: The ledger cannot be used.
    """
    return (await memory.recall(PLACE, [_ID])).get(_ID, "")


async def disown(memory: StoredMemory) -> None:
    """Lets the ledger belong to the next cluster that it is used with.

    Raises:
        TransientError: The ledger cannot be used.
    """
    await memory.forget(PLACE, _ID)


def difference(ledger: str, known: str, found: str) -> str:
    """Returns why a ledger does not fit a cluster, and what to do; empty when it does.

    Args:
        ledger: The ledger's location.
        known: The id of the cluster that it belongs to; empty for none.
        found: The id of the connected cluster.
    """
    if known in {"", found}:
        return ""
    return (
        f"The ledger {ledger} belongs to the cluster {known}, and this is the cluster {found}, in which the same keys "
        "stand for other things. Give this cluster a ledger of its own (ZEEBE_CONNECTORS_DATA or "
        "ZEEBE_CONNECTORS_LEDGER); or, if it is the same one with a new id, run: zeebe-connectors ledger adopt"
    )
