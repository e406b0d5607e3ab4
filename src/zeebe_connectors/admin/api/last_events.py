"""Says which events of a source the ledger knows last, and asks it seldom however many look at the source."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict

from zeebe_connectors.admin.api.events import EventShown, event_shown
from zeebe_connectors.runtime.ledger import LedgerError
from zeebe_connectors.runtime.supervisor import Runtime

ROWS = 10
MAX_AGE = 5.0
"""Seconds for which an answer of the ledger counts."""
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
        self._known: OrderedDict[str, tuple[float, list[EventShown] | None]] = OrderedDict()

    async def of(self, source: str) -> list[EventShown] | None:
        """The last ten, the newest first, up to 5 s old; None when the ledger does not say.

        Args:
            source: Its name.
        """
        at, found = self._known.get(source, (0.0, None))
        if time.monotonic() - at < MAX_AGE and at:
            return found
        found = None
        try:
            async with asyncio.timeout(MAX_WAIT):
                entries = await self._runtime.ledger.entries(source=source, limit=ROWS)
            titles = self._runtime.settings.page_data != "none"
            found = [event_shown(entry, titles=titles) for entry in entries]
        except (LedgerError, TimeoutError):
            found = None  # the overview says what is wrong with it
        self._known[source] = time.monotonic(), found
        self._known.move_to_end(source)
        while len(self._known) > MAX_SOURCES:
            self._known.popitem(last=False)
        return found
