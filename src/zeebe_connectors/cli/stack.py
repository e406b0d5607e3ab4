"""The local engine and the local mail server in processes of their own, as `zeebe-connectors engine` starts them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from zeebe_connectors.testing.process import STATE, ServerProcess, State, cache_directory, running, started_at
from zeebe_connectors.testing.servers.mail import MailPorts

GRPC_PORT = 26500
"""Where a gateway listens by default, and where clients connect to."""
REST_PORT = 8088
"""Where the REST API listens by default; 8080 is the runtime's own."""


def engine_directory() -> Path:
    """Where `zeebe-connectors engine start` keeps its engine's state by default."""
    return cache_directory() / "engine"


def dev_directory() -> Path:
    """Where `zeebe-connectors dev` announces its engine."""
    return cache_directory() / "dev"


def engine_in_use(directory: Path | None) -> State | None:
    """The engine that a command means: the one in a directory, else the one in the background, else that of `dev`."""
    return running(directory) if directory else running(engine_directory()) or running(dev_directory())


@contextmanager
def announced(ports: dict[str, int]) -> Iterator[None]:
    """Lets other commands find the engine of this process, which is `dev`, as long as it runs."""
    directory = dev_directory()
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    State(os.getpid(), started_at(os.getpid()) or "", time.time(), ports).write(directory)
    try:
        yield
    finally:
        (directory / STATE).unlink(missing_ok=True)


def mail_directory() -> Path:
    """Where `zeebe-connectors engine start --mail` keeps the state of its mail server."""
    return cache_directory() / "mail"


def mail_process() -> ServerProcess:
    """Return the local mail server at its usual ports, not yet started."""
    module = "zeebe_connectors.testing.servers.mail"
    return ServerProcess("mail server", module, asdict(MailPorts.usual()), mail_directory())
