"""Read which provider a task or source names, for which process, and who may choose its environment."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from zeebe_connectors.sdk.errors import PermanentError
from zeebe_connectors.sdk.provided import CONNECTION, ENVIRONMENT, PROVIDER

VersionTag = Callable[[], Awaitable[str | None]]


async def no_version_tag() -> str | None:
    """Returns None, for callers without a process."""
    return None


@dataclass(frozen=True, slots=True)
class Asking:
    """A request for a provider.

    Args:
        name: The provider's name.
        environment: The environment that the task names; empty for the one in force.
        process: BPMN process id.
        tenant: Tenant id.
        version_tag: Returns the version tag of the deployed process.
        by_hand: Whether somebody tries it by hand: then any environment may be named, and processes are not checked.
    """

    name: str
    environment: str = ""
    process: str = ""
    tenant: str = ""
    version_tag: VersionTag = no_version_tag
    by_hand: bool = False


def asking(texts: Mapping[str, str], **who: Any) -> Asking | None:
    """Reads the provider that a task's headers or a source's properties name; returns None without one.

    Raises:
        PermanentError: `PROVIDER_UNKNOWN` when the form says that there is a provider, and no name.
    """
    name = (texts.get(PROVIDER) or "").strip()
    connection = (texts.get(CONNECTION) or "").strip()
    if not name and connection == PROVIDER:
        raise PermanentError(
            "PROVIDER_UNKNOWN",
            "provider: is required, because the connection is a provider's; name one, or fill in host and credentials "
            "in the form itself",
        )
    if not name or connection == "here":
        return None
    return Asking(name, (texts.get(ENVIRONMENT) or "").strip(), **who)
