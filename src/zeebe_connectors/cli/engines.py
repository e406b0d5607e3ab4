"""Know which local engines run on this machine, so that one command finds what another has started.

Each engine has a file of its own in `engines` in the cache, named after its process. A file whose process has ended is
deleted when the engines are listed.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from zeebe_connectors.cli.stack import engine_directory
from zeebe_connectors.testing.process import LOOPBACK, ServerError, State, cache_directory, running, started_at


@dataclass(frozen=True, slots=True)
class LocalEngineHere:
    """A local engine that runs.

    Attributes:
        state: Its process and ports.
        directory: Where it keeps its state; None: in memory, as that of `zeebe-connectors dev`.
    """

    state: State
    directory: Path | None

    @property
    def address(self) -> str:
        """`host:port` of its gateway."""
        return f"{LOOPBACK}:{self.state.ports['grpc']}"


@contextmanager
def announced(ports: dict[str, int]) -> Iterator[None]:
    """Lets other commands find the engine of this process, which is `dev`, as long as it runs."""
    state = State(os.getpid(), started_at(os.getpid()) or "", time.time(), ports)
    remember(LocalEngineHere(state, None))
    try:
        yield
    finally:
        _file(state.pid).unlink(missing_ok=True)


def remember(engine: LocalEngineHere) -> None:
    """Lets other commands find an engine."""
    file = _file(engine.state.pid)
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    scratch = file.with_suffix(".tmp")
    directory = str(engine.directory) if engine.directory is not None else None
    scratch.write_text(json.dumps({**asdict(engine.state), "directory": directory}) + "\n", encoding="utf-8")
    scratch.replace(file)  # in one step, so that nobody reads half of it


def engines_here(directory: Path | None = None, address: str | None = None) -> list[LocalEngineHere]:
    """Lists the engines that run, the oldest first.

    Args:
        directory: Only the one that keeps its state there.
        address: Only the one whose gateway has this address, `127.0.0.1:26500`, or this port.
    """
    if directory is not None:
        state = running(directory)
        found = {state.pid: LocalEngineHere(state, directory)} if state is not None else {}
    else:
        found = {engine.state.pid: engine for engine in _remembered()}
        usual = running(engine_directory())
        if usual is not None:
            found[usual.pid] = LocalEngineHere(usual, engine_directory())
    port = address.rpartition(":")[2] if address else ""
    chosen = [engine for engine in found.values() if not port or str(engine.state.ports["grpc"]) == port]
    return sorted(chosen, key=lambda engine: engine.state.time)


def only_engine(directory: Path | None, address: str | None) -> LocalEngineHere:
    """Returns the engine that a command means: the chosen one, or the only one.

    Raises:
        ServerError: None runs, or several do.
    """
    found = engines_here(directory, address)
    if len(found) == 1:
        return found[0]
    if found:
        listed = ", ".join(engine.address for engine in found)
        raise ServerError(f"{len(found)} engines run: say which with --engine ADDRESS, one of {listed}")
    if address and (others := engines_here(directory)):
        listed = ", ".join(engine.address for engine in others)
        raise ServerError(f"No engine runs at {address}. These do: {listed}")
    raise ServerError("No engine runs. Start it with: zeebe-connectors engine start")


def _file(pid: int) -> Path:
    return cache_directory() / "engines" / f"{pid}.json"


def _remembered() -> Iterator[LocalEngineHere]:
    for file in sorted(_file(0).parent.glob("*.json")):
        try:
            known = json.loads(file.read_text(encoding="utf-8"))
            directory = known.pop("directory")
            engine = LocalEngineHere(State(**known), Path(directory) if directory else None)
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            continue
        if engine.state.running:
            yield engine
        else:
            file.unlink(missing_ok=True)
