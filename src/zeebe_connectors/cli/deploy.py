"""Deploy diagrams, decisions and forms: `zeebe-connectors deploy`."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import typer

from zeebe_connectors.config.settings import Settings
from zeebe_connectors.runtime.diagrams import DeployedHere
from zeebe_connectors.runtime.gateway import Gateway, GatewayError
from zeebe_connectors.runtime.gateway.zeebe import ZeebeGateway

ENDINGS = (".bpmn", ".dmn", ".form")
"""What is deployed of a folder."""


async def deploy_files(files: Sequence[Path], settings: Settings, *, tenant: str = "") -> int:
    """Deploys files together, all of them or none when one is refused; returns the exit code.

    Args:
        files: Diagrams, decisions and forms; of a folder, those in it and below it.
        settings: Which cluster, and where diagrams deployed from here are remembered.
        tenant: The tenant that they belong to; the configured one when left out.
    """
    empty = [folder for folder in files if folder.is_dir() and not _below(folder)]
    if empty:
        typer.echo(f"{', '.join(map(str, empty))}: holds no file that ends with {', '.join(ENDINGS)}", err=True)
        return 1
    files = _each_once(file for given in files for file in (_below(given) if given.is_dir() else [given]))
    tenants = settings.cluster.tenants
    if not tenant and len(tenants) > 1:
        typer.echo(f"Several tenants are configured: {', '.join(tenants)}. Name one with --tenant", err=True)
        return 1
    gateway = ZeebeGateway(settings.cluster)
    here = DeployedHere(settings.data / "diagrams")
    try:
        return 0 if await deploy_together(gateway, files, tenant=tenant or "".join(tenants), here=here) else 1
    finally:
        await gateway.aclose()


async def deploy_together(
    gateway: Gateway,
    files: Sequence[Path],
    *,
    quiet: bool = False,
    tenant: str = "",
    here: DeployedHere | None = None,
) -> bool:
    """Deploys files in one deployment and prints what became of them; returns whether they were accepted.

    Args:
        gateway: The engine.
        files: Two of one name in different folders count as two.
        quiet: Prints nothing when they are refused.
        tenant: Whose they are; empty for the default tenant.
        here: Remembers what was deployed from here.
    """
    names = _names(files)
    try:
        resources = {names[file]: await asyncio.to_thread(file.read_bytes) for file in files}
        deployed = await gateway.deploy(resources, tenant=tenant)
    except (GatewayError, OSError) as error:
        if not quiet:
            typer.echo(f"{', '.join(map(str, files))}: not deployed: {_reason(error, files)}")
        return False
    if here is not None:
        await asyncio.to_thread(here.remember, resources, deployed)
    by_name = {name: file for file, name in names.items()}
    unreported = {names[file] for file in files}
    for one in deployed:
        unreported.discard(one.resource_name)
        what = "" if one.kind == "process" else f"{one.kind} "
        where = by_name.get(one.resource_name, one.resource_name)
        typer.echo(f"{where}: {what}{one.bpmn_process_id}, version {one.version}")
    for name in sorted(unreported):
        typer.echo(f"{by_name[name]}: deployed")
    return True


def _below(folder: Path) -> list[Path]:
    """Returns what a folder holds to deploy, at any depth, except hidden files and folders."""
    return [
        path
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in ENDINGS
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]


def _each_once(files: Iterable[Path]) -> list[Path]:
    """Returns the files without those named twice, also by a link or by another path."""
    return list({file.resolve(): file for file in reversed(list(files))}.values())[::-1]


def _reason(error: GatewayError | OSError, files: Sequence[Path]) -> str:
    """Says why files were not deployed and, if that is not plain, what to do."""
    if isinstance(error, OSError):
        reason = error.strerror or str(error)
        return f"{error.filename}: {reason}" if error.filename and len(files) > 1 else reason
    if error.is_oversize:
        remedy = "deploy fewer files at once" if len(files) > 1 else "the cluster takes no file of this size"
        return f"{error.message}. This is too large for one request: {remedy}"
    return error.message


def _names(files: Sequence[Path]) -> dict[Path, str]:
    """Returns the name of each file for the cluster, with its folder if two have the same name."""
    known = {file: _plain_ending(file) for file in files}
    alike, same = Counter(path.name for path in known.values()), Counter(known.values())

    def name(file: Path, path: Path) -> str:
        if alike[path.name] == 1:
            return path.name
        # Two that differ only in their ending's capitals keep their own spelling.
        return (path if same[path] == 1 else file).as_posix()

    # A name need not be text on disk, but it must be in the request.
    return {file: name(file, path).encode("utf-8", "replace").decode() for file, path in known.items()}


def _plain_ending(file: Path) -> Path:
    """Writes the ending of a path, by which the cluster knows what a file is, in small letters."""
    ending = file.suffix.lower()
    return file.with_suffix(ending) if ending in ENDINGS else file
