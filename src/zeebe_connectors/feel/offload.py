"""Evaluate expressions for an event loop: quick ones at once, longer ones in a thread.

An evaluation cannot be paused, so each is first tried under `QUICK_LIMITS`, about ten milliseconds. One that needs more
is restarted in a thread under its full limits. There it shares the interpreter with the event loop, which gets its turn
every few milliseconds.
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
"""Characters above which parsing alone may take longer than the loop allows."""
_THREADS = 2
"""More threads would not evaluate more, as they share one interpreter. Two let a short evaluation pass a long one."""


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_THREADS, "feel")


async def offload(text: str, work: Callable[[Limits], Value], limits: Limits = DEFAULT_LIMITS) -> Value:
    """Parses and evaluates an expression, on the loop if it is quick and in a thread otherwise.

    Args:
        text: The expression.
        work: Does it under the given limits. It may be called twice, the second time in a thread, and the first call
            must leave no trace.
        limits: The full limits.

    Raises:
        FeelError: Raised by `work` under the full limits.
    """
    if len(text) < _LONG_TEXT:
        try:
            return work(QUICK_LIMITS)
        except FeelLimitError:
            pass
    return await asyncio.get_running_loop().run_in_executor(_threads(), work, limits)
