"""Find the connectors of all installed packages through their entry points."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from typing import Any, Generic, TypeVar

from zeebe_connectors.sdk.connector import DefinitionError, Inbound, Outbound
from zeebe_connectors.sdk.entry_points import declared
from zeebe_connectors.sdk.outline import Outline, outline_of

GROUP = "zeebe_connectors"
DOCUMENTATION = "https://github.com/zeebe-connectors/zeebe-connectors/blob/main/docs"
"""Where this project is documented; the same stands in its package's metadata."""


@dataclass(frozen=True, slots=True)
class Unavailable:
    """A connector that is installed but cannot be used, and what to do about it."""

    name: str
    reason: str


def documentation_of(connector: Outbound | Inbound) -> str:
    """Returns the link to a connector's documentation: its own, else its package's `Documentation`, else nothing."""
    if connector.documentation:
        return connector.documentation
    if connector.is_own:
        return f"{DOCUMENTATION}/connectors/{connector.name}.md"
    for point in declared(GROUP):
        if point.name == connector.name and point.module == connector.module and point.dist is not None:
            for link in point.dist.metadata.get_all("Project-URL") or ():
                label, _, address = str(link).partition(",")
                if label.strip().casefold() == "documentation":
                    return address.strip()
    return ""


Kind = TypeVar("Kind", Outbound, Inbound)


class Connectors(Mapping[str, Kind], Generic[Kind]):
    """Connectors by name, each imported when it is first looked at."""

    def __init__(self) -> None:
        self._known: dict[str, Kind | tuple[EntryPoint, Outline]] = {}

    def add(self, name: str, connector: Kind | tuple[EntryPoint, Outline]) -> None:
        """Adds a connector, or where to import it from."""
        self._known[name] = connector

    def __getitem__(self, name: str) -> Kind:
        found = self._known[name]
        if isinstance(found, tuple):
            point, outline = found
            found = self._known[name] = point.load()
            if Outline.of(found) != outline:
                raise DefinitionError(f"the outline of the connector {name} is out of date: run `make generate`")
        return found

    def __contains__(self, name: object) -> bool:
        return name in self._known

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


class Registry:
    """Connectors by name; two that claim the same job type are refused.

    Args:
        connectors: Connectors to register, in order.
    """

    def __init__(self, connectors: Iterable[Outbound | Inbound] = ()) -> None:
        self.outbound: Connectors[Outbound] = Connectors()
        self.inbound: Connectors[Inbound] = Connectors()
        self.outlines: dict[str, Outline] = {}
        """What is known of each without an import."""
        self.unavailable: dict[str, Unavailable] = {}
        self._types: dict[str, str] = {}
        for connector in connectors:
            self.add(connector)

    @classmethod
    def installed(cls, only: Iterable[str] | None = None, *, later: bool = False) -> Registry:
        """Loads the connectors of every installed package; one whose library is missing is listed as unavailable.

        Args:
            only: Names to load; all when left out. What is not loaded costs no import.
            later: Whether connectors of which there is an outline are imported when they are first looked at.
        """
        registry = cls()
        wanted = None if only is None else set(only)
        for point in declared(GROUP):
            if wanted is None or point.name in wanted:
                if later and (outline := outline_of(point)) is not None:
                    registry._enter(outline, (point, outline))
                else:
                    registry._load(point)
        return registry

    @staticmethod
    def names() -> list[str]:
        """Returns the names of all installed connectors, without importing any."""
        return sorted({point.name for point in declared(GROUP)})

    def _load(self, point: EntryPoint) -> None:
        try:
            connector = point.load()
        except ModuleNotFoundError as error:
            package = point.dist.name if point.dist else "zeebe-connectors"
            what = f"{package}[{point.extras[0]}]" if point.extras else package
            self.unavailable[point.name] = Unavailable(
                point.name, f"the library {error.name} is not installed; add it with: pip install '{what}'"
            )
            return
        except Exception as error:  # noqa: BLE001 - one broken connector must not keep the others from working
            self.unavailable[point.name] = Unavailable(point.name, f"it cannot be loaded: {error}")
            return
        if not isinstance(connector, Outbound | Inbound):
            self.unavailable[point.name] = Unavailable(
                point.name,
                f"its entry point {point.value!r} must name a function decorated with @outbound or @inbound",
            )
            return
        self.add(connector)

    def add(self, connector: Outbound | Inbound) -> None:
        """Registers one connector.

        Raises:
            DefinitionError: Its name or job type is already taken.
        """
        self._enter(Outline.of(connector), connector)

    def _enter(self, outline: Outline, connector: Outbound | Inbound | tuple[EntryPoint, Outline]) -> None:
        types = (outline.type, *outline.also)
        for kind in types:
            other = self._types.get(kind)
            if other is not None:
                raise DefinitionError(
                    f"the connectors {other!r} and {outline.name!r} both claim the job type {kind!r}; "
                    "disable one of them or give it another type"
                )
        if outline.name in self.outlines:
            raise DefinitionError(f"two connectors are named {outline.name!r}; rename one of them")
        self._types.update(dict.fromkeys(types, outline.name))
        self.outlines[outline.name] = outline
        group: Connectors[Any] = self.outbound if outline.direction == "outbound" else self.inbound
        group.add(outline.name, connector)

    def every(self) -> tuple[Outbound | Inbound, ...]:
        """Returns the connectors for tasks, then those for events; each is imported."""
        return (*self.outbound.values(), *self.inbound.values())

    def inbound_of(self, kind: str) -> Inbound | None:
        """Returns the connector that watches sources of a type."""
        return next((self.inbound[name] for name in self.inbound if self.outlines[name].type == kind), None)
