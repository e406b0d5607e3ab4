"""Checks settings, connectors and cluster, and reports line by line: `zeebe-connectors check`."""

from __future__ import annotations

import typer

from zeebe_connectors.cli.providers import show_checked
from zeebe_connectors.config.environment import Environment
from zeebe_connectors.config.providers import providers_file, read_file
from zeebe_connectors.config.secrets import installed_providers
from zeebe_connectors.config.settings import Settings
from zeebe_connectors.runtime.gateway import GatewayError
from zeebe_connectors.runtime.gateway.zeebe import ZeebeGateway
from zeebe_connectors.runtime.inbound.elements import Found, group, read_folder, read_sources
from zeebe_connectors.runtime.ledger import LedgerError, SqliteStore, Store, StoredLedger, store_of
from zeebe_connectors.runtime.outbound.jobs import operator_defaults
from zeebe_connectors.runtime.providers import ENVIRONMENT_SETTING
from zeebe_connectors.runtime.services import services_of
from zeebe_connectors.sdk.registry import Registry


async def report(environment: Environment, settings: Settings, *, connect: bool) -> int:
    """Prints what would run and what is wrong; gives 0 when nothing is."""
    code = 0
    for number, line in enumerate(settings.cluster.describe()):
        typer.echo(f"{'' if number else 'Cluster':<13}{line}")
    registry = Registry.installed()
    running = [c for c in registry.outbound.values() if settings.outbound.runs(c.name, c.type)]
    typer.echo(f"Connectors   {', '.join(sorted(c.name for c in running)) or 'none'}")
    for connector in running:
        operator_defaults(connector, environment)
    for missing in registry.unavailable.values():
        typer.echo(f"             {missing.name}: {missing.reason}")
    watched = _sources(settings, registry)
    if not running and not watched:
        typer.echo("             nothing would run; look at CONNECTOR_OUTBOUND_ENABLED and CONNECTOR_OUTBOUND_DISABLED")
        code = 1
    typer.echo(f"Secrets      {', '.join(type(p).__name__ for p in installed_providers(environment)) or 'nowhere'}")
    if (file := providers_file(environment)) is not None:
        in_force = environment.text(ENVIRONMENT_SETTING) or "the only one of each"
        typer.echo(f"Providers    {len(read_file(file).providers)} in {file}; environment: {in_force}")
    store = store_of(settings.ledger, settings.data)
    typer.echo(f"Ledger       {store.place}")
    for directory in settings.files:
        if not directory.is_dir():
            typer.echo(f"Files        {directory} does not exist; create it or correct ZEEBE_CONNECTORS_FILES")
            code = 1
    if connect and not await _reached(settings, environment, store):
        code = 1
    await store.aclose()
    warned = settings.cluster.exposes_credentials
    if warned and code == 0:
        typer.echo("Nothing is broken, but see the warning above")
    else:
        typer.echo("All is well" if code == 0 else "Something has to be mended, see above")
    return code


def _sources(settings: Settings, registry: Registry) -> bool:
    """Prints what would be watched, and what cannot be; gives whether there may be anything to watch."""
    elements = read_sources(settings.sources) if settings.sources else []
    found = read_folder(settings.diagrams) if settings.diagrams else Found()
    sources, problems = group([*elements, *found.elements])
    runs = {c.type for c in registry.inbound.values() if settings.inbound.runs(c.name, c.type)}
    lines = [s.name if s.type in runs else f"{s.name}: no connector for {s.type} runs here" for s in sources]
    lines += found.problems + problems
    if settings.polling:
        lines.append("those of deployed processes")
    for number, line in enumerate(lines):
        typer.echo(f"{'' if number else 'Sources':<13}{line}")
    return settings.polling or any(s.type in runs for s in sources)


async def _reached(settings: Settings, environment: Environment, store: Store) -> bool:
    cluster = await _connections(settings, store)
    return await _providers(settings, environment, store) and cluster


async def _providers(settings: Settings, environment: Environment, store: Store) -> bool:
    """Has each provider tested in the environment in force; gives whether all can be used."""
    services = services_of(settings, environment, store=store)
    providers = services.providers
    if providers is None:
        return True
    try:
        await providers.directory.refresh()
        return await show_checked(services, store, environment=providers.environment)
    except LedgerError:  # said with the ledger
        return False
    finally:
        await providers.aclose()
        await services.aclose()


async def _connections(settings: Settings, store: Store) -> bool:
    """Reaches the cluster, and the ledger's database where there is one; gives whether both answer."""
    well = True
    gateway = ZeebeGateway(settings.cluster)
    try:
        found = await gateway.topology()
        typer.echo(
            f"Connection   Zeebe {found.version}, {found.brokers} broker{'' if found.brokers == 1 else 's'}, "
            f"{found.healthy_partitions} of {found.partitions} partitions healthy"
        )
    except GatewayError as error:
        typer.echo(f"Connection   failed: {error.status}: {error.message}")
        well = False
    finally:
        await gateway.aclose()
    if not isinstance(store, SqliteStore):
        try:
            await StoredLedger(store).entries(limit=1)
        except LedgerError as error:
            typer.echo(f"             {error}")
            well = False
    return well
