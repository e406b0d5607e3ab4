"""Run the local engine as a program of its own: `python -m zeebe_connectors.engine`."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from zeebe_connectors.engine.core import Engine
from zeebe_connectors.engine.gateway import Gateway
from zeebe_connectors.engine.host import Host
from zeebe_connectors.engine.store import SqliteStore, StoreError


async def run(address: str, state: Path | None, ready: Callable[[Gateway], None]) -> None:
    """Serve an engine until the process is asked to end.

    Args:
        address: Where to listen, as `127.0.0.1:26500`.
        state: The SQLite file of its state; None: in memory.
        ready: Called once it listens.

    Raises:
        OSError: The address is taken.
        StoreError: The state cannot be opened.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    engine = Engine(SqliteStore(state) if state is not None else None)
    async with Host(engine) as host, Gateway(host, address) as gateway:
        ready(gateway)
        await stop.wait()


def main(arguments: list[str] | None = None) -> int:
    """Read the command line and run; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m zeebe_connectors.engine", description=__doc__)
    parser.add_argument("--address", default="127.0.0.1:26500", help="where to listen (port 0: a free one)")
    parser.add_argument(
        "--state", type=Path, metavar="FILE", help="the SQLite file of the state; without it: in memory"
    )
    options = parser.parse_args(arguments)

    def ready(gateway: Gateway) -> None:
        sys.stdout.write(f"ready {gateway.address}\n")
        sys.stdout.flush()

    try:
        asyncio.run(run(options.address, options.state, ready))
    except (OSError, StoreError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0
