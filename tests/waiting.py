"""Wait in tests for what has no event of its own: a condition, or a line that a process prints."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


async def until(reached: Callable[[], object], *, within: float = 15.0) -> None:
    """Waits until a condition holds; fails when it does not in time.

    Args:
        reached: The condition.
        within: Seconds.
    """
    async with asyncio.timeout(within):
        while not reached():  # noqa: ASYNC110 - what is waited for has no event of its own
            await asyncio.sleep(0.01)


async def until_printed(stream: asyncio.StreamReader | None, text: str, *, within: float = 60.0) -> str:
    """Reads lines until one completes a text; returns all that was read.

    Args:
        stream: A process's output.
        text: What to wait for.
        within: Seconds.
    """
    assert stream is not None
    seen = ""
    async with asyncio.timeout(within):
        while text not in seen:
            line = (await stream.readline()).decode()
            assert line, f"the process ended before it printed {text!r}:\n{seen}"
            seen += line
    return seen
