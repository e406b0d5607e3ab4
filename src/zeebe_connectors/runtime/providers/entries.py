"""Name what the store of providers takes and answers: who edits, entries and their history, and what it refuses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from zeebe_connectors.runtime.providers.editing import Place
from zeebe_connectors.sdk.errors import PermanentError


class ProviderConflictError(PermanentError):
    """The provider exists already, or was changed meanwhile.

    Args:
        message: What to do.
        current: The provider as it is now; None if it no longer exists.
    """

    def __init__(self, message: str, current: Entry | None) -> None:
        super().__init__("PROVIDER_CHANGED", message)
        self.current = current


class ProviderUnknownError(PermanentError):
    """There is no such provider in the store."""

    def __init__(self, name: str) -> None:
        super().__init__("PROVIDER_UNKNOWN", f"there is no provider {name[:64]!r} in the database")


class NotAllowedError(PermanentError):
    """The editor may not do this."""

    def __init__(self, message: str) -> None:
        super().__init__("PROVIDER_FORBIDDEN", message)


@dataclass(frozen=True, slots=True)
class Editor:
    """Who makes a change.

    Args:
        name: For the history.
        secrets: Whether secured values may be set.
    """

    name: str
    secrets: bool = True


@dataclass(frozen=True, slots=True)
class SecuredValue:
    """What may be shown of a secured value.

    Args:
        changed: When it was set, in seconds since 1970.
        reference: The reference to a secret; empty for a value.
    """

    changed: float
    reference: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """A stored provider, without its secured values.

    Args:
        dropped: Places whose values the last change dropped, because they would have been sent elsewhere.
        is_broken: Whether its row is not JSON; then the document is empty, and the provider can be replaced or deleted.
    """

    name: str
    document: Mapping[str, Any]
    version: int
    changed: float
    who: str
    secured: Mapping[Place, SecuredValue] = field(default_factory=dict)
    dropped: tuple[Place, ...] = ()
    is_broken: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """One row of the history."""

    version: int
    at: float
    who: str
    what: str
