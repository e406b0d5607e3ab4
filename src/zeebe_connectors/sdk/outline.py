"""Say of this project's connectors what a start must know, so that each is imported with its first job or source.

`outlines.json` is generated from the connectors (`make generate`). Importing all of them takes a third of a start, and
most runtimes use two or three. Connectors of other packages have no outline and are imported at the start.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib.metadata import EntryPoint
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from zeebe_connectors.sdk.connector import Inbound, Outbound
from zeebe_connectors.sdk.fields import settings_of

FILE = Path(__file__).parents[1] / "connectors" / "outlines.json"


@dataclass(frozen=True, slots=True)
class Outline:
    """A connector without its code."""

    name: str
    module: str
    direction: Literal["outbound", "inbound"]
    type: str
    also: tuple[str, ...] = ()
    """Further job types."""
    variables: tuple[str, ...] = ()
    """The top-level variables to fetch with a job."""
    settings: tuple[str, ...] = ()
    """The operator's settings that fill inputs; they are checked at the start."""
    libraries: tuple[str, ...] = ()
    """The modules of other packages without which it is not available."""

    @classmethod
    def of(cls, connector: Outbound | Inbound) -> Outline:
        """Returns the outline of an imported connector."""
        about = (connector.name, connector.module)
        if isinstance(connector, Inbound):
            return cls(*about, "inbound", connector.type, libraries=tuple(connector.libraries))
        return cls(
            *about,
            "outbound",
            connector.type,
            tuple(connector.also),
            tuple(connector.variables),
            tuple(sorted({setting for setting, _ in settings_of(connector.input).values()})),
            tuple(connector.libraries),
        )


def outline_of(point: EntryPoint) -> Outline | None:
    """Returns the outline of what an entry point names; None if it can only be known by importing it.

    Args:
        point: Of the group of connectors.
    """
    outline = _outlines().get(point.name)
    if outline is None or outline.module != point.module or not all(map(find_spec, outline.libraries)):
        return None
    return outline


def outlines_text(connectors: Iterable[Outbound | Inbound]) -> str:
    """Returns the content of `outlines.json`."""
    return json.dumps([asdict(Outline.of(connector)) for connector in connectors], indent=2) + "\n"


@lru_cache(maxsize=1)
def _outlines() -> dict[str, Outline]:
    listed: list[dict[str, Any]] = json.loads(FILE.read_text(encoding="utf-8")) if FILE.is_file() else []
    return {one["name"]: Outline(**{name: _tuple(value) for name, value in one.items()}) for one in listed}


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
