"""Check settings, connectors and cluster, and report line by line: `zeebe-connectors check`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import typer

from zeebe_connectors.cli.diagrams import diagrams_readable
from zeebe_connectors.cli.providers import show_checked
from zeebe_connectors.cli.targets import targets_deployed
from zeebe_connectors.config.environment import Environment
from zeebe_connectors.config.providers import Provider, providers_file, read_file
from zeebe_connectors.config.secrets import installed_providers
from zeebe_connectors.config.settings import Settings
from zeebe_connectors.net.connect import is_loopback
from zeebe_connectors.runtime.gateway import GatewayError
from zeebe_connectors.runtime.gateway.zeebe import ZeebeGateway
from zeebe_connectors.runtime.inbound.elements import Found, Source, group, read_folder, read_sources
from zeebe_connectors.runtime.ledger import LedgerError, SqliteStore, Store, StoredLedger, StoredMemory, store_of
from zeebe_connectors.runtime.ledger.cluster import difference, owner_of
from zeebe_connectors.runtime.outbound.jobs import operator_defaults
from zeebe_connectors.runtime.providers import ENVIRONMENT_SETTING
from zeebe_connectors.runtime.providers.checking import signs_in_unencrypted
from zeebe_connectors.runtime.services import services_of
from zeebe_connectors.sdk.errors import ConnectorError
from zeebe_connectors.sdk.registry import Registry


async def report(environment: Environment, settings: Settings, *, connect: bool) -> int:
    """Prints what would run and what is wrong; returns 0 when nothing is wrong."""
    code = 0
    warnings: list[str] = []
    _print("Cluster", settings.cluster.describe())
    registry = Registry.installed()
    running = [c for c in registry.outbound.values() if settings.outbound.runs(c.name, c.type)]
    typer.echo(f"Connectors   {', '.join(sorted(c.name for c in running)) or 'none'}")
    for connector in running:
        operator_defaults(connector, environment)
    for missing in registry.unavailable.values():
        typer.echo(f"             {missing.name}: {missing.reason}")
    watched, warned = _sources(settings, registry, warnings)
    if not running and not watched:
        typer.echo("             nothing would run; check CONNECTOR_OUTBOUND_ENABLED and CONNECTOR_OUTBOUND_DISABLED")
        code = 1
    places = [getattr(provider, "place", type(provider).__name__) for provider in installed_providers(environment)]
    typer.echo(f"Secrets      {'; '.join(places) or 'nowhere'}")
    if (file := providers_file(environment)) is not None:
        in_force = environment.text(ENVIRONMENT_SETTING) or "the only one of each"
        found = read_file(file).providers
        typer.echo(f"Providers    {len(found)} in {file}; environment: {in_force}")
        warnings += _unencrypted_providers(found)
    store = store_of(settings.ledger, settings.data)
    typer.echo(f"Ledger       {store.place}")
    warnings += _unencrypted_store(store)
    for directory in settings.files:
        if not directory.is_dir():
            typer.echo(f"Files        {directory} does not exist; create it or correct ZEEBE_CONNECTORS_FILES")
            code = 1
    if connect:
        well, deployed = await _reached(settings, environment, store), await targets_deployed(settings)
        readable = await diagrams_readable(settings)
        code = code if well and readable else 1
        warned = warned or not deployed
    await store.aclose()
    _print("Security", [f"WARNING: {line}" for line in warnings])
    typer.echo(_verdict(code, warned=settings.cluster.exposes_credentials or bool(warnings) or warned))
    return code


def _verdict(code: int, *, warned: bool) -> str:
    """Returns the last line of the report."""
    if code:
        return "Something needs fixing, see above"
    return "Nothing is broken, but see the warnings above" if warned else "All is well"


def _print(head: str, lines: Sequence[str]) -> None:
    for number, line in enumerate(lines):
        typer.echo(f"{'' if number else head:<13}{line}")


def _sources(settings: Settings, registry: Registry, warnings: list[str]) -> tuple[bool, bool]:
    """Prints what would be watched, and what cannot be.

    Args:
        settings: Where sources are configured.
        registry: Which connectors there are.
        warnings: Collects a line for each source that signs in without encryption.

    Returns:
        Whether there may be anything to watch, and whether a line reports something that cannot be watched.
    """
    elements = read_sources(settings.sources) if settings.sources else []
    found = read_folder(settings.diagrams) if settings.diagrams else Found()
    sources, problems = group([*elements, *found.elements])
    runs = {c.type for c in registry.inbound.values() if settings.inbound.runs(c.name, c.type)}
    warnings += [line for source in sources if (line := _unencrypted(source, registry))]
    lines = [s.name if s.type in runs else f"{s.name}: no connector for {s.type} runs here" for s in sources]
    lines += found.problems + problems
    warned = bool(found.problems or problems) or any(s.type not in runs for s in sources)
    if settings.polling:
        lines.append("those of deployed processes")
    _print("Sources", lines)
    return settings.polling or any(s.type in runs for s in sources), warned


def _unencrypted_providers(providers: Mapping[str, Provider]) -> list[str]:
    return [
        f"{name}/{environment}: credentials go unencrypted; use TLS outside a trusted network"
        for name, provider in providers.items()
        for environment in provider.environments
        if signs_in_unencrypted(provider, environment)
    ]


def _unencrypted_store(store: Store) -> list[str]:
    in_clear = getattr(store, "in_clear", "")
    return [f"Ledger: the password may go to {in_clear} unencrypted; write ?sslmode=verify-full"] if in_clear else []


def _unencrypted(source: Source, registry: Registry) -> str:
    """Returns a warning if a source reaches another machine without encryption, by its form; else an empty text."""
    connector = registry.inbound_of(source.type)
    if connector is None:
        return ""
    given = source.elements[0].properties
    chosen = {
        place.source: str(given[name]) for place in connector.provider_places if (name := ".".join(place.path)) in given
    }
    if chosen.get("security", "").lower() != "none" or is_loopback(chosen.get("host", "")):
        return ""
    return f"{source.name}: credentials and mails go unencrypted; choose TLS outside a trusted network"


async def _reached(settings: Settings, environment: Environment, store: Store) -> bool:
    cluster = await _connections(settings, store)
    return await _providers(settings, environment, store) and cluster


async def _providers(settings: Settings, environment: Environment, store: Store) -> bool:
    """Tests each provider in the environment in force; returns whether all can be used."""
    services = services_of(settings, environment, store=store)
    providers = services.providers
    if providers is None:
        return True
    try:
        await providers.directory.refresh()
        return await show_checked(services, store, environment=providers.environment)
    except LedgerError:  # reported with the ledger
        return False
    finally:
        await providers.aclose()
        await services.aclose()


async def _connections(settings: Settings, store: Store) -> bool:
    """Reaches the cluster, and the ledger's database where there is one; returns whether both answer."""
    well, found = True, ""
    gateway = ZeebeGateway(settings.cluster)
    try:
        topology = await gateway.topology()
        found = topology.cluster
        typer.echo(
            f"Connection   Zeebe {topology.version}, {topology.brokers} broker{'' if topology.brokers == 1 else 's'}, "
            f"{topology.healthy_partitions} of {topology.partitions} partitions healthy"
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
    return await _of_this_cluster(store, found) and well


async def _of_this_cluster(store: Store, cluster: str) -> bool:
    """Returns whether the ledger, if it exists yet, belongs to this cluster; prints a line when it does not."""
    if not cluster or (isinstance(store, SqliteStore) and not store.file.exists()):
        return True
    try:
        problem = difference(store.place, await owner_of(StoredMemory(store)), cluster)
    except ConnectorError:  # reported above
        return False
    if problem:
        typer.echo(f"             {problem}")
    return not problem
