"""Evaluate expressions for an event loop: quick ones at once, longer ones in a thread.

An evaluation cannot be paused, so each is tried under `QUICK_LIMITS` first, about ten milliseconds. One that needs more
is restarted in a thread, under its full limits; there it shares the interpreter with the loop, which takes its turn
every few milliseconds, and never holds one of the loop's callbacks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

from zeebe_connectors.feel.errors import FeelLimitError
from zeebe_connectors.feel.limits import DEFAULT_LIMITS, QUICK_LIMITS, Limits

Value = TypeVar("Value")
_LONG_TEXT = 2_000
"""Characters beyond which parsing alone may take longer than the loop allows."""
_THREADS = 2
"""More would not evaluate more: they share one interpreter. Two let a short evaluation pass a long one."""


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_THREADS, "feel")


async def offload(text: str, work: Callable[[Limits], Value], limits: Limits = DEFAULT_LIMITS) -> Value:
    """Parse and evaluate an expression, on the loop where it is quick and in a thread otherwise.

    Args:
        text: The expression.
        work: Does it under the limits that it is given. It may be called twice, the second time in a thread, and must
            leave no trace of the first call.
        limits: The full limits.

    Raises:
        FeelError: What `work` raises under the full limits.
    """
    if len(text) < _LONG_TEXT:
        try:
            return work(QUICK_LIMITS)
        except FeelLimitError:
            pass
    return await asyncio.get_running_loop().run_in_executor(_threads(), work, limits)
