"""How late the loop is."""

from __future__ import annotations

import asyncio
import time

import pytest

from zeebe_connectors.runtime.loop_lag import IDLE_INTERVAL, INTERVAL, LoopLag


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


async def test_an_idle_loop_is_woken_once_a_second_only(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    due: list[float] = []
    set_timer = loop.call_at

    def call_at(when, callback, *arguments, **more):
        due.append(when - loop.time())
        return set_timer(when, callback, *arguments, **more)

    monkeypatch.setattr(loop, "call_at", call_at)
    busy = False
    lag = LoopLag(lambda: busy)
    lag.start()
    lag.stop()
    busy = True
    lag.start()
    lag.stop()
    assert [round(seconds, 1) for seconds in due] == [IDLE_INTERVAL, INTERVAL]


async def test_a_delay_is_forgotten_after_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    lag = LoopLag()
    lag._look(asyncio.get_running_loop().time() - 0.4)
    lag.stop()
    assert lag.last_minute >= 0.399
    later = time.monotonic() + 61
    monkeypatch.setattr("zeebe_connectors.runtime.loop_lag.time.monotonic", lambda: later)
    assert (lag.last_minute, lag.worst >= 0.399) == (0.0, True)
