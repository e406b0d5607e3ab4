"""Deadlines share one timer of the loop: each ends its own task in time, and nothing else."""

from __future__ import annotations

import asyncio
import time

import pytest

from zeebe_connectors.sdk.deadlines import Within, deadlines


async def test_a_limit_ends_its_task_in_time() -> None:
    began = time.monotonic()
    limit = Within(began + 0.05)
    with pytest.raises(TimeoutError), limit:
        await asyncio.sleep(30)
    assert limit.expired
    assert 0.045 < time.monotonic() - began < 1
    assert asyncio.current_task().cancelling() == 0  # type: ignore[union-attr]


async def test_what_ends_before_its_limit_is_left_alone() -> None:
    with Within(time.monotonic() + 0.02) as limit:
        pass
    await asyncio.sleep(0.05)
    assert not limit.expired


async def test_without_a_limit_nothing_ends_it() -> None:
    with Within(None) as limit:
        await asyncio.sleep(0.01)
    assert not limit.expired


async def test_a_time_that_is_over_already_ends_at_the_next_step() -> None:
    with pytest.raises(TimeoutError), Within(time.monotonic() - 1):
        await asyncio.sleep(30)


async def test_who_cancels_the_task_gets_its_cancellation() -> None:
    async def work() -> None:
        with Within(time.monotonic() + 30):
            await asyncio.sleep(30)

    task = asyncio.create_task(work())
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_of_two_limits_the_earlier_one_says_so() -> None:
    inner = Within(time.monotonic() + 0.02)
    with Within(time.monotonic() + 30) as outer, pytest.raises(TimeoutError), inner:
        await asyncio.sleep(30)
    assert inner.expired
    assert not outer.expired


async def test_an_outer_limit_goes_through_an_inner_one() -> None:
    outer, inner = Within(time.monotonic() + 0.02), Within(time.monotonic() + 30)
    with pytest.raises(TimeoutError), outer, inner:
        await asyncio.sleep(30)
    assert outer.expired
    assert not inner.expired


async def test_an_error_of_its_own_stays_what_it_is() -> None:
    async def work() -> None:
        with Within(time.monotonic() + 0.01):
            try:
                await asyncio.sleep(30)
            except asyncio.CancelledError:
                raise KeyError("mine") from None

    with pytest.raises(KeyError):
        await work()


async def test_many_in_any_order_end_each_at_its_own_time() -> None:
    began = time.monotonic()
    ended: dict[int, float] = {}

    async def work(number: int) -> None:
        try:
            with Within(began + 0.02 * (number % 7 + 1)):
                await asyncio.sleep(30 if number % 3 else 0)
        except TimeoutError:
            ended[number] = time.monotonic() - began

    await asyncio.gather(*(work(number) for number in reversed(range(210))))
    assert set(ended) == {number for number in range(210) if number % 3}
    assert all(seconds >= 0.02 * (number % 7 + 1) - 0.001 for number, seconds in ended.items())


async def test_a_thousand_jobs_need_one_timer() -> None:
    loop = asyncio.get_running_loop()
    made = 0
    call_at = loop.call_at

    def counted(*args: object, **more: object) -> object:
        nonlocal made
        made += 1
        return call_at(*args, **more)  # type: ignore[arg-type]

    loop.call_at = counted  # type: ignore[method-assign, assignment]
    for number in range(1000):
        with Within(time.monotonic() + 30 + number):
            pass
    assert made <= 1
    assert deadlines() is deadlines()
