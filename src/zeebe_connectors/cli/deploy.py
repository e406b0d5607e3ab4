"""Deploys diagrams, decisions and forms: `zeebe-connectors deploy`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import typer

from zeebe_connectors.config.settings import Settings
from zeebe_connectors.runtime.gateway import Gateway, GatewayError
from zeebe_connectors.runtime.gateway.zeebe import ZeebeGateway


async def deploy_files(files: Sequence[Path], settings: Settings) -> int:
    """Deploys files together: all of them, or none when one is refused; gives the exit code."""
    gateway = ZeebeGateway(settings.cluster)
    try:
        return 0 if await deploy_together(gateway, files) else 1
    finally:
        await gateway.aclose()


async def deploy_together(gateway: Gateway, files: Sequence[Path], *, quiet: bool = False) -> bool:
    """Deploys files in one deployment and says what became of them; gives whether they were taken.

    Args:
        gateway: The engine.
        files: Two of one name in different folders count as two.
        quiet: Says nothing when they are refused.
    """
    names = _names(files)
    try:
        resources = {names[file]: await asyncio.to_thread(file.read_bytes) for file in files}
        deployed = await gateway.deploy(resources)
    except (GatewayError, OSError) as error:
        if not quiet:
            typer.echo(f"{', '.join(map(str, files))}: not deployed: {getattr(error, 'message', None) or error}")
        return False
    by_name = {name: file for file, name in names.items()}
    told = {names[file] for file in files}
    for process in deployed:
        told.discard(process.resource_name)
        typer.echo(
            f"{by_name.get(process.resource_name, process.resource_name)}: {process.bpmn_process_id}, version "
            f"{process.version}"
        )
    for name in sorted(told):  # forms and decisions, of which the gateway tells nothing more
        typer.echo(f"{by_name[name]}: deployed")
    return True


def _names(files: Sequence[Path]) -> dict[Path, str]:
    """The name of each file; with its folder where two have the same."""
    plain = [file.name for file in files]
    return {file: file.name if plain.count(file.name) == 1 else file.as_posix() for file in files}
