"""Describe importers, which make element templates out of a service's description."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from zeebe_connectors.sdk.context import Context


@dataclass(frozen=True, slots=True)
class Imported:
    """One element template that was made, with the name of its file."""

    file: str
    template: dict[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Imports:
    """What an import made.

    Args:
        made: The templates.
        skipped: What could not be used, and why.
        warnings: What its user should know of the templates.
    """

    made: list[Imported]
    skipped: list[str]
    warnings: list[str] = field(default_factory=list)


class MakeTemplates(Protocol):
    """Makes a template for each operation that is asked for."""

    async def __call__(
        self, wanted: Any, context: Context, base: Mapping[str, Any], *, max_templates: int | None
    ) -> Imports:
        """Makes them.

        Args:
            wanted: What to read and what to make of it.
            context: As a job's.
            base: The connector's own template.
            max_templates: How many are made at most; no limit when None.

        Raises:
            ConnectorError: The description cannot be used; the message says where and why.
        """
        ...


@dataclass(frozen=True, slots=True)
class Importer:
    """What an outbound connector can do with descriptions of services, for commands and the operator's page.

    Args:
        input: Model of its inputs: which description, which operations.
        inspect: Reads a description; gives what there is to choose from, as JSON.
        templates: Makes the templates.
    """

    input: Any
    inspect: Callable[[Any, Context], Awaitable[dict[str, Any]]]
    templates: MakeTemplates
