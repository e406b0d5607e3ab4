"""Run the local stack, and deploy a folder's diagrams as they change: `zeebe-connectors dev`."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import signal
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import NoReturn, cast
from urllib.parse import quote

import typer
from rich.console import Console

from zeebe_connectors.admin.metrics import PrometheusMetrics
from zeebe_connectors.admin.server import AdminServer
from zeebe_connectors.cli import log_setup
from zeebe_connectors.cli.deploy import deploy_together
from zeebe_connectors.cli.engines import announced
from zeebe_connectors.cli.stack import GRPC_PORT, REST_PORT, mail_directory, mail_process
from zeebe_connectors.cli.steps import Steps
from zeebe_connectors.config.environment import Environment
from zeebe_connectors.config.secrets import Mask
from zeebe_connectors.config.settings import ADMIN_TOKEN_SETTING, Settings
from zeebe_connectors.engine.local import LocalEngine
from zeebe_connectors.runtime.diagrams import DeployedHere
from zeebe_connectors.runtime.gateway.zeebe import ZeebeGateway
from zeebe_connectors.runtime.supervisor import Runtime
from zeebe_connectors.sdk.registry import Registry
from zeebe_connectors.testing.process import ServerError, is_free, running

_LOOK_EVERY = 0.5  # seconds between looks at the folder
_KINDS = (".bpmn", ".dmn", ".form")


async def develop(folder: Path, environment: Environment) -> int:
    """Runs until SIGTERM or Ctrl+C, even during start-up; returns the exit code."""
    console = Console(highlight=False, soft_wrap=True, stderr=True)
    mask = Mask()
    log_setup.configure(mask)
    task = cast("asyncio.Task[int]", asyncio.current_task())
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    try:
        async with AsyncExitStack() as stack:
            mail = await _mail_ports(stack)
            ports = [port if is_free(port) else 0 for port in (GRPC_PORT, REST_PORT)]
            local = await stack.enter_async_context(LocalEngine(grpc_port=ports[0], rest_port=ports[1]))
            stack.enter_context(announced({"grpc": local.grpc_port, "rest": local.rest_port}))
            local.engine.observe(Steps(typer.echo, mask.text))
            # What the runtime must not repeat lives and dies with this engine, whose keys start over at each start.
            data = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="zeebe-connectors-dev-")))
            settings = local_settings(environment, folder, address=local.grpc_address, data=data)
            gateway = ZeebeGateway(settings.cluster)
            metrics = PrometheusMetrics()
            runtime = Runtime(
                settings,
                Registry.installed(),
                gateway,
                environment=environment,
                metrics=metrics,
                source_metrics=metrics,
                log_mask=mask,
            )
            runtime.start()
            stack.push_async_callback(runtime.drain)
            page = await _page(stack, runtime, metrics)
            console.print(f"Engine     {local.grpc_address}, REST {local.rest_address}")
            console.print(f"Mail       SMTP port {mail['smtp']}, IMAP port {mail['imap']}, see `engine mails`")
            if page:
                console.print(f"Page       {page}")
            console.print(f"Diagrams   {folder}, deployed as they change; Ctrl+C ends it all")
            await _deploy_changes(folder, gateway, runtime.services.diagrams.here)
    except asyncio.CancelledError:
        return 0
    except (OSError, ServerError) as error:
        console.print(str(error), style="red", markup=False)
        return 1
    return 0


async def _page(stack: AsyncExitStack, runtime: Runtime, metrics: PrometheusMetrics) -> str:
    """Serves the operator's page; returns a link that signs in, or nothing where the settings want no port.

    The token follows `#`: browsers keep that part to themselves, and the page sends it in a form.
    """
    settings = runtime.settings
    if settings.port < 0:
        return ""
    port = settings.port if settings.port and is_free(settings.port) else 0
    server = AdminServer(runtime, metrics, host=settings.host, port=port)
    await server.start()
    stack.push_async_callback(server.aclose)
    return f"http://{settings.host}:{server.port}/signin#{quote(settings.admin_token.reveal(), safe='')}"


async def _mail_ports(stack: AsyncExitStack) -> dict[str, int]:
    """Returns the ports of the mail server that is already running, or of one that ends with this command."""
    if found := running(mail_directory()):
        return found.ports
    return (await stack.enter_async_context(mail_process())).ports


def local_settings(environment: Environment, folder: Path, *, address: str, data: Path) -> Settings:
    """Returns the user's settings for a local engine that starts from nothing.

    Args:
        environment: The user's settings.
        folder: The diagrams.
        address: The engine's.
        data: What must survive as long as the engine. Its keys start over, so a ledger of another engine would take
            new tasks for old ones; and a lease in a real one would keep its runtime from its sources.
    """
    here = {
        "ZEEBE_ADDRESS": address,
        "ZEEBE_INSECURE_CONNECTION": "true",
        "ZEEBE_CONNECTORS_DIAGRAMS": str(folder),
        "ZEEBE_CONNECTORS_DATA": str(data),
        "ZEEBE_CONNECTORS_LEDGER": "",
    }
    if not environment.text(ADMIN_TOKEN_SETTING):
        here[ADMIN_TOKEN_SETTING] = secrets.token_urlsafe(24)
    return Settings.read(
        Environment(("zeebe-connectors dev", here), ("your settings", _without_cluster(environment))),
    )


def _without_cluster(environment: Environment) -> dict[str, str]:
    """Returns the user's settings without the cluster's, so that a local run never works on a real one by mistake."""
    ours = ("ZEEBE_CONNECTORS", "CAMUNDA_CONNECTOR", "CONNECTOR_", "CAMUNDA_CLIENT_WORKER")
    return {name: environment[name] for name in environment if name.upper().replace(".", "_").startswith(ours)}


async def _deploy_changes(folder: Path, gateway: ZeebeGateway, here: DeployedHere) -> NoReturn:
    known: dict[Path, float] = {}
    while True:
        found = await asyncio.to_thread(_files, folder)
        changed = [file for file, when in found.items() if known.get(file) != when]
        # Together, as `deploy` does; one by one when one is refused, so that it does not hold up the others.
        alone = len(changed) == 1
        if changed and not await deploy_together(gateway, changed, quiet=not alone, here=here) and not alone:
            for file in changed:
                await deploy_together(gateway, [file], here=here)
        known = found
        await asyncio.sleep(_LOOK_EVERY)


def _files(folder: Path) -> dict[Path, float]:
    found = {}
    for file in sorted(folder.rglob("*")):
        if file.suffix not in _KINDS or ".venv" in file.parts or "node_modules" in file.parts:
            continue
        # An editor may have renamed it while saving.
        with contextlib.suppress(FileNotFoundError):
            found[file] = file.stat().st_mtime
    return found
