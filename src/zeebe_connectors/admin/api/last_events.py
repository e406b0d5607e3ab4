"""Show the last events of a source, asking the ledger seldom however many people look at it."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from functools import partial

from zeebe_connectors.admin.api.events import EventShown, newest_events
from zeebe_connectors.admin.api.runtime import CachedAnswer
from zeebe_connectors.runtime.ledger import LedgerError
from zeebe_connectors.runtime.supervisor import Runtime

ROWS = 10
MAX_WAIT = 1.0
"""Seconds that the ledger gets: the source is shown without it too."""
MAX_SOURCES = 100
"""Sources whose events are kept."""


class LastEvents:
    """The last events of the sources of one runtime.

    Args:
        runtime: Whose ledger.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._known: OrderedDict[str, CachedAnswer] = OrderedDict()

    async def of(self, source: str) -> list[EventShown] | None:
        """Returns the last ten, the newest first, as of at most 5 s ago; None when the ledger does not say.

        Args:
            source: Its name.
        """
        known = self._known.setdefault(source, CachedAnswer(partial(self._ask, source)))
        self._known.move_to_end(source)
        while len(self._known) > MAX_SOURCES:
            self._known.popitem(last=False)
        found: list[EventShown] | None = await known.answer()
        return found

    async def _ask(self, source: str) -> list[EventShown] | None:
        try:
            async with asyncio.timeout(MAX_WAIT):
                return await newest_events(self._runtime, source=source, limit=ROWS)
        except (LedgerError, TimeoutError):
            return None  # the overview says what is wrong with it
