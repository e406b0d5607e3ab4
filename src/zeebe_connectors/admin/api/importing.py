"""Make templates from descriptions of services, for the API and the page, within the operator's network rules."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from aiohttp import web

from zeebe_connectors.admin.access import Refused, Role
from zeebe_connectors.admin.api.description import Call, Service, TypedDict, described
from zeebe_connectors.admin.busy import AtOnce
from zeebe_connectors.config.secrets import Mask
from zeebe_connectors.runtime.supervisor import Runtime
from zeebe_connectors.sdk.connector import Outbound
from zeebe_connectors.sdk.context import Context, Job
from zeebe_connectors.sdk.fields import read_input
from zeebe_connectors.sdk.importer import Importer, Imports

MAX_TEMPLATES = 200
MAX_AT_ONCE = 2
SECONDS = 50.0


@described
class Inspected(TypedDict):
    """What a description offers."""

    operations: list[dict[str, Any]]
    """Operations as the connector's importer describes them: with at least `operation` and `input`."""
    skipped: list[str]
    """What was left out, and why."""


@described
class TemplateMade(TypedDict):
    """One element template that was made."""

    file: str
    template: dict[str, Any]
    """The element template itself."""


@described
class Made(TypedDict):
    """The templates that were made."""

    templates: list[TemplateMade]
    skipped: list[str]
    """What was left out, and why."""
    warnings: list[str]
    """What users of the templates should know."""


class TemplateImports:
    """Makes templates under one runtime's rules, a few at a time.

    Args:
        runtime: The runtime.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._at_once = AtOnce(MAX_AT_ONCE, f"{MAX_AT_ONCE} imports are running already")

    def importers(self) -> dict[str, tuple[Outbound, Importer]]:
        """Returns the connectors that run here and have an importer, by name."""
        return {
            key: (connector, connector.importer)
            for key, connector in self._runtime.registry.outbound.items()
            if connector.importer is not None and self._runtime.settings.outbound.runs(key, connector.type)
        }

    async def inspect(self, name: str, given: Mapping[str, Any], mask: Mask) -> dict[str, Any]:
        """Returns what a description offers: its `operations`, and as `skipped` what was left out.

        Args:
            name: Name of the connector.
            given: The importer's inputs.
            mask: Learns the password.

        Raises:
            Refused: The connector has no importer (404), or too many imports are running (429).
            ConnectorError: The description cannot be used; the message says where and why.
        """
        connector, importer = self._importer(name)
        request = read_input(importer.input, dict(given), seen=mask.add)
        with self._at_once.one():
            return await importer.inspect(request, self._context(connector))

    async def make(self, name: str, given: Mapping[str, Any], mask: Mask) -> Imports:
        """Makes the templates of the chosen operations.

        Args:
            name: Name of the connector.
            given: The importer's inputs.
            mask: Learns the password.

        Raises:
            Refused: See `inspect`.
            ConnectorError: The description, a name or a preset cannot be used.
        """
        from zeebe_connectors.templates.element_template import templates_of  # noqa: PLC0415 - few runtimes need it

        connector, importer = self._importer(name)
        request = read_input(importer.input, dict(given), seen=mask.add)
        base = (await asyncio.to_thread(templates_of, connector))[connector.name]
        context = self._context(connector)
        with self._at_once.one():
            return await importer.templates(request, context, base, max_templates=MAX_TEMPLATES)

    def _importer(self, name: str) -> tuple[Outbound, Importer]:
        known = self.importers()
        found = known.get(name)
        if found is None:
            raise Refused(404, "NOT_FOUND", f"Templates are imported for: {', '.join(known) or 'no connector'}")
        return found

    def _context(self, connector: Outbound) -> Context:
        services = self._runtime.services
        log = logging.LoggerAdapter(logging.getLogger(connector.module), {"job": "import"})
        deadline = time.monotonic() + SECONDS
        return Context(Job(0, connector.type), services.clients, services.documents, services.files, log, deadline)


def calls(imports: TemplateImports, service: Service) -> list[Call]:
    """Returns the calls `/CONNECTOR/inspect` and `/CONNECTOR/import` for each connector with an importer."""
    return [
        call
        for connector, importer in imports.importers().values()
        for call in _calls_of(imports, service, connector, importer)
    ]


def _calls_of(imports: TemplateImports, service: Service, connector: Outbound, importer: Importer) -> list[Call]:
    name = connector.name

    async def look(request: web.Request) -> web.Response:
        given = await service.given(request)
        return await service.limited(lambda: imports.inspect(name, given, service.mask))

    async def produce(request: web.Request) -> web.Response:
        given = await service.given(request)

        async def work() -> Made:
            found = await imports.make(name, given, service.mask)
            templates: list[Any] = [asdict(item) for item in found.made]
            return {"templates": templates, "skipped": found.skipped, "warnings": found.warnings}

        return await service.limited(work)

    unreachable = tuple(code for code in connector.errors if code.endswith("_UNREACHABLE"))
    errors = {422: ("ANSWER_TOO_LARGE",), 429: ("BUSY",), 502: unreachable}
    say, do = "Says what a description of a service offers", "Makes element templates of a description of a service"
    return [
        Call("POST", f"/{name}/inspect", Role.MODELER, say, look, Inspected, body=importer.input, errors=errors),
        Call("POST", f"/{name}/import", Role.MODELER, do, produce, Made, body=importer.input, errors=errors),
    ]
