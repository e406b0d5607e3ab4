"""Choose the event loop that the runtime runs on: uvloop's where it is installed, Python's own otherwise."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

Result = TypeVar("Result")
SETTING = "ZEEBE_CONNECTORS_EVENT_LOOP"
"""Environment variable: `asyncio` selects Python's own loop."""


def loop_factory(settings: Mapping[str, str]) -> Callable[[], asyncio.AbstractEventLoop]:
    """Chooses the factory of the event loop.

    Args:
        settings: The operator's, by name.
    """
    if settings.get(SETTING, "").strip().lower() != "asyncio":
        try:
            from uvloop import new_event_loop
        except ImportError:
            pass
        else:
            return new_event_loop
    return asyncio.new_event_loop


def run(work: Coroutine[Any, Any, Result], settings: Mapping[str, str]) -> Result:
    """Runs a coroutine to its end, as `asyncio.run` does.

    Args:
        work: What to run.
        settings: The operator's, by name.
    """
    with asyncio.Runner(loop_factory=loop_factory(settings)) as runner:
        return runner.run(work)
