"""`zeebe-connectors engine`: start, stop and look at the local Zeebe that this machine runs for the developer."""

import asyncio
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from zeebe_connectors.engine.artifacts import ZEEBE
from zeebe_connectors.engine.errors import EngineError
from zeebe_connectors.engine.zeebe import (
    DEFAULT_PORT,
    LocalZeebe,
    Ports,
    Status,
    engine_directory,
    is_prepared,
    prepare,
    status,
    stop_detached,
)

app = typer.Typer(no_args_is_help=True, help="The local Zeebe: the real broker, without Docker.")
_console = Console(stderr=True, highlight=False, soft_wrap=True)

_Directory = Annotated[
    Path | None, typer.Option("--directory", help="Where the engine keeps its data.", show_default="the user's cache")
]


@app.command()
def start(
    directory: _Directory = None,
    port: Annotated[int, typer.Option(help="Port of the gateway on 127.0.0.1; 0 chooses a free one.")] = DEFAULT_PORT,
    clean: Annotated[bool, typer.Option("--clean", help="Begin without the data of earlier runs.")] = False,
) -> None:
    """Start the engine in the background and wait until it is healthy."""
    where = directory or engine_directory()
    with _told():
        found = asyncio.run(status(where))
        if found.running:
            _print(found)
            return
        if clean:
            shutil.rmtree(where, ignore_errors=True)
        zeebe = LocalZeebe(where, ports=Ports.free(grpc=port or None), console=_console)
        if not (where / "data").exists():
            _console.print(f"Zeebe {ZEEBE.version}: {ZEEBE.licence}")
        asyncio.run(zeebe.start(detached=True))
        _print(asyncio.run(status(where)))
        if not is_prepared():
            _prepare_in_background()


@app.command()
def stop(directory: _Directory = None) -> None:
    """Stop the engine. Its data stays for the next start."""
    stopped = stop_detached(directory or engine_directory())
    _console.print("Stopped." if stopped else "No engine runs.")


@app.command("status")
def show(directory: _Directory = None) -> None:
    """Tell whether the engine runs, and where. Exit code 3 when it does not."""
    found = asyncio.run(status(directory or engine_directory()))
    _print(found)
    if not found.running:
        raise typer.Exit(3)


@app.command("prepare")
def obtain() -> None:
    """Obtain all that the engine needs and make its later starts quick; for a machine that is being set up."""
    with _told():
        prepare(console=_console)
    _console.print("The engine is ready to be started.")


class _told:  # noqa: N801 - reads as a phrase in a with statement
    """Turn what the engine cannot do into its message and exit code 1."""

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, EngineError):
            _console.print(str(error), style="red", markup=False)
            raise typer.Exit(1) from error


def _print(found: Status) -> None:
    out = Console(highlight=False, soft_wrap=True)
    if not found.running:
        out.print(f"No engine runs in {found.directory}. Start it with: zeebe-connectors engine start", markup=False)
        return
    out.print("Zeebe is healthy." if found.healthy else "Zeebe runs, its partition is not healthy yet.")
    memory = f", {found.memory / 1e6:.0f} MB" if found.memory else ""
    for name, text in (
        ("gateway", found.grpc_address),
        ("REST API", found.rest_address),
        ("process", f"{found.pid}, for {found.seconds or 0:.0f} s{memory}"),
        ("data, log", found.directory),
    ):
        out.print(f"  {name:<10} {text}", markup=False)


def _prepare_in_background() -> None:
    _console.print("In the background it is made to start in a third of the time from now on (half a minute, once).")
    command = [sys.executable, "-m", "zeebe_connectors.cli.engine", "prepare"]
    niced = ["nice", "-n", "19", *command] if shutil.which("nice") else command
    subprocess.Popen(  # noqa: S603 - this very program
        niced,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


if __name__ == "__main__":
    app()
