"""Read the conditions under which an element template shows a property."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def conditions_of(item: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Returns a property's conditions, all of which must hold; none for one that is always shown."""
    condition = item.get("condition")
    if not condition:
        return []
    return list(condition["allMatch"]) if "allMatch" in condition else [condition]
