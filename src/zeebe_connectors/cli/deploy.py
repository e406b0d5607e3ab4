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
    """Deploys each file on its own, so that one that is refused does not keep back the others; gives the exit code."""
    gateway = ZeebeGateway(settings.cluster)
    try:
        results = [await deploy_one(gateway, file) for file in files]
    finally:
        await gateway.aclose()
    return 0 if all(results) else 1


async def deploy_one(gateway: Gateway, file: Path) -> bool:
    """Deploys one file and says what became of it."""
    try:
        deployed = await gateway.deploy({file.name: await asyncio.to_thread(file.read_bytes)})
    except (GatewayError, OSError) as error:
        typer.echo(f"{file}: not deployed: {getattr(error, 'message', None) or error}")
        return False
    for process in deployed:
        typer.echo(f"{file}: {process.bpmn_process_id}, version {process.version}")
    return True
