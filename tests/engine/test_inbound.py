"""A mail starts exactly one process on a real engine, from a real mailbox, whatever breaks meanwhile."""

from __future__ import annotations

import pytest
from tests.engine.inbound_chaos import chaos

pytestmark = pytest.mark.engine


@pytest.mark.timeout(180)
async def test_each_mail_starts_one_process_while_runtime_and_connections_are_killed(zeebe, mail, tmp_path):
    """The larger one, with restarts of the engine, is `make chaos`."""
    counts = await chaos(30, 3, 4, 0, zeebe=zeebe, mail=mail, directory=tmp_path)
    log = "\n".join(file.read_text() for file in tmp_path.glob("*.log"))
    assert (counts.lost, counts.doubled, counts.kills, counts.cuts) == (0, 0, 3, 4), f"{counts}\n{log[-6000:]}"
    assert "order.csv" not in log
