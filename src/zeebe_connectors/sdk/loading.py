"""Load slow modules without holding up the event loop: aiohttp takes a fifth of a second, zeep and lxml half of one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

_loaded: set[Callable[[], object]] = set()


async def load(importing: Callable[[], object]) -> None:
    """Loads modules in a thread, once, so that other jobs need not wait.

    Args:
        importing: A function that imports them; import what you need of them after this.
    """
    if importing not in _loaded:
        await asyncio.to_thread(importing)
        _loaded.add(importing)
