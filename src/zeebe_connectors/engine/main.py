"""Run the local engine as a program of its own: `python -m zeebe_connectors.engine`."""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from zeebe_connectors.engine.local import LOOPBACK, LocalEngine
from zeebe_connectors.engine.store import StoreError

DEFAULT_PORT = 26500
DEFAULT_REST_PORT = 8088


async def run(local: LocalEngine, ready: Callable[[LocalEngine], None]) -> None:
    """Serve an engine until the process is asked to end.

    Args:
        local: The engine.
        ready: Called once it listens.

    Raises:
        OSError: A port is taken.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with local:
        gc.collect()
        gc.freeze()  # the program's own objects never become garbage: skipping them saves time at each collection
        ready(local)
        await stop.wait()


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """Return the factory of the event loop: uvloop if it is installed and not declined, as for the connectors."""
    if os.environ.get("ZEEBE_CONNECTORS_EVENT_LOOP", "").strip().lower() != "asyncio":
        try:
            from uvloop import new_event_loop  # noqa: PLC0415 - only where it is installed
        except ImportError:
            pass
        else:
            return new_event_loop
    return asyncio.new_event_loop


def main(arguments: list[str] | None = None) -> int:
    """Read the command line and run; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m zeebe_connectors.engine", description=__doc__)
    parser.add_argument("--grpc", type=int, default=DEFAULT_PORT, help="port of the gateway; 0: a free one")
    parser.add_argument("--rest", type=int, default=DEFAULT_REST_PORT, help="port of the REST API; 0: a free one")
    parser.add_argument("--host", default=LOOPBACK, help="where to listen; anything but loopback is for a container")
    parser.add_argument(
        "--state", type=Path, metavar="FILE", help="the SQLite file of the state; without it: in memory"
    )
    options = parser.parse_args(arguments)

    def ready(local: LocalEngine) -> None:
        sys.stdout.write(f"ready {local.grpc_address} {local.rest_address}\n")
        sys.stdout.flush()

    try:
        local = LocalEngine(options.state, grpc_port=options.grpc, rest_port=options.rest, host=options.host)
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(run(local, ready))
    except (OSError, StoreError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0
