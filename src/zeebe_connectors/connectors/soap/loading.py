"""The name of a module of this folder goes in; it is loaded when it comes back, without holding up the loop."""

from __future__ import annotations

import asyncio
from importlib import import_module

_loaded: set[str] = set()


async def load(name: str) -> None:
    """Loads a module in a thread, once: zeep and lxml take half a second, for which other jobs need not wait.

    Args:
        name: Name of the module within this folder; import it after this.
    """
    if name not in _loaded:
        await asyncio.to_thread(import_module, f"{__package__}.{name}")
        _loaded.add(name)
