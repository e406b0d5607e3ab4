"""Make templates from descriptions of services, for the API and the page, within the operator's network rules."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any
from weakref import WeakKeyDictionary

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
_running: WeakKeyDictionary[Runtime, AtOnce] = WeakKeyDictionary()


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


def calls(runtime: Runtime, service: Service) -> list[Call]:
    """Returns the calls `/CONNECTOR/inspect` and `/CONNECTOR/import` for each connector with an importer."""
    return [
        call
        for connector, importer in _importers(runtime).values()
        for call in _calls_of(runtime, service, connector, importer)
    ]


def _calls_of(runtime: Runtime, service: Service, connector: Outbound, importer: Importer) -> list[Call]:
    name = connector.name

    async def look(request: web.Request) -> web.Response:
        given = await service.given(request)
        return await service.limited(lambda: inspect(runtime, name, given, service.mask))

    async def produce(request: web.Request) -> web.Response:
        given = await service.given(request)

        async def work() -> Made:
            found = await make(runtime, name, given, service.mask)
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


async def inspect(runtime: Runtime, name: str, given: Mapping[str, Any], mask: Mask) -> dict[str, Any]:
    """Returns what a description offers: its `operations`, and as `skipped` what was left out.

    Args:
        runtime: The runtime.
        name: Name of the connector.
        given: The importer's inputs.
        mask: Learns the password.

    Raises:
        Refused: The connector has no importer (404), or too many imports are running (429).
        ConnectorError: The description cannot be used; the message says where and why.
    """
    connector, importer = _importer(runtime, name)
    request = read_input(importer.input, dict(given), seen=mask.add)
    with _bounded(runtime).one():
        return await importer.inspect(request, _context(runtime, connector))


async def make(runtime: Runtime, name: str, given: Mapping[str, Any], mask: Mask) -> Imports:
    """Returns the templates of the chosen operations.

    Args:
        runtime: The runtime.
        name: Name of the connector.
        given: The importer's inputs.
        mask: Learns the password.

    Raises:
        Refused: See `inspect`.
        ConnectorError: The description, a name or a preset cannot be used.
    """
    from zeebe_connectors.templates.element_template import templates_of  # noqa: PLC0415 - few runtimes need it

    connector, importer = _importer(runtime, name)
    request = read_input(importer.input, dict(given), seen=mask.add)
    base = (await asyncio.to_thread(templates_of, connector))[connector.name]
    context = _context(runtime, connector)
    with _bounded(runtime).one():
        return await importer.templates(request, context, base, max_templates=MAX_TEMPLATES)


def _importers(runtime: Runtime) -> dict[str, tuple[Outbound, Importer]]:
    return {
        key: (connector, connector.importer)
        for key, connector in runtime.registry.outbound.items()
        if connector.importer is not None and runtime.settings.outbound.runs(key, connector.type)
    }


def _importer(runtime: Runtime, name: str) -> tuple[Outbound, Importer]:
    known = _importers(runtime)
    found = known.get(name)
    if found is None:
        raise Refused(404, "NOT_FOUND", f"Templates are imported for: {', '.join(known) or 'no connector'}")
    return found


def _context(runtime: Runtime, connector: Outbound) -> Context:
    services = runtime.services
    log = logging.LoggerAdapter(logging.getLogger(connector.module), {"job": "import"})
    deadline = time.monotonic() + SECONDS
    return Context(Job(0, connector.type), services.clients, services.documents, services.files, log, deadline)


def _bounded(runtime: Runtime) -> AtOnce:
    return _running.setdefault(runtime, AtOnce(MAX_AT_ONCE, f"{MAX_AT_ONCE} imports are running already"))
