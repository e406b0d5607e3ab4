"""How late the loop is."""

from __future__ import annotations

import asyncio
import time

from zeebe_connectors.runtime.loop_lag import INTERVAL, LoopLag


async def test_what_holds_the_loop_up_is_measured_and_nothing_afterwards():
    lag = LoopLag()
    lag.start()
    time.sleep(INTERVAL + 0.2)  # noqa: ASYNC251 - that is what is measured
    await asyncio.sleep(0)
    await asyncio.sleep(0.01)
    assert 0.1 < lag.worst == lag.last_minute
    lag.stop()
    worst = lag.worst
    time.sleep(INTERVAL + 0.3)  # noqa: ASYNC251
    await asyncio.sleep(0.01)
    assert lag.worst == worst
