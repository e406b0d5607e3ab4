"""Find what installed packages declare for this project: one look at all of them serves connectors and secrets."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points


def declared(group: str) -> list[EntryPoint]:
    """Returns the entry points of a group, sorted by name; nothing is imported.

    Args:
        group: As packages' metadata names it.
    """
    return sorted(_select(tuple(sys.path))(group=group), key=lambda point: point.name)


@lru_cache(maxsize=1)
def _select(_path: tuple[str, ...]) -> Callable[..., Iterable[EntryPoint]]:
    """Selects among all entry points of the packages on a path; to read them all takes 15 ms."""
    return entry_points().select
