"""Several processes may open a new ledger at the same moment."""

from __future__ import annotations

import asyncio
from pathlib import Path

from zeebe_connectors.runtime.ledger import SqliteLedger


async def test_many_open_a_new_file_at_once(tmp_path: Path) -> None:
    """Whoever comes second waits; nobody is told that the file is locked."""
    for number in range(30):
        ledgers = [SqliteLedger(tmp_path / f"{number}.db") for _ in range(6)]
        held = await asyncio.gather(*(ledger.hold("s", str(place), 60) for place, ledger in enumerate(ledgers)))
        assert held.count(True) == 1
        await asyncio.gather(*(ledger.aclose() for ledger in ledgers))
