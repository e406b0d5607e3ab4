"""Run servers of this package in processes of their own, which can be found by their directory, stopped and killed.

The command `zeebe-connectors engine` and tests that kill a server use it. Everything listens on loopback only.
"""

import asyncio
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

LOOPBACK = "127.0.0.1"
"""The only address on which servers of this module listen."""

STATE = "server.json"
"""The file in a server's directory that describes its process."""

# Below the range from which Linux, macOS and Windows take the ports of outgoing connections, so that no client's
# connection can take the port of a killed server before the server is restarted.
_PORTS = range(20_000, 32_000)

# The variables that a child needs. Nothing else is passed on: a server must not see the secrets of a runtime beside it.
_PASSED_ON = ("PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "SYSTEMROOT", "PYTHONPATH", "VIRTUAL_ENV",
              "ZEEBE_CONNECTORS_EVENT_LOOP")  # fmt: skip


class ServerError(Exception):
    """A local server cannot carry out a request; the message has the reason and the remedy."""


class StartError(ServerError):
    """A server was started but did not become ready; the message ends with the last lines of its log."""


def cache_directory() -> Path:
    """Return the developer's cache directory: `ZEEBE_CONNECTORS_CACHE`, else the user's cache."""
    if override := os.environ.get("ZEEBE_CONNECTORS_CACHE"):
        return Path(override).expanduser().absolute()
    if sys.platform == "win32":
        root = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        root = Path.home() / "Library" / "Caches"
    else:
        root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return root / "zeebe-connectors"


@dataclass(frozen=True, slots=True)
class Identity:
    """Identifies a process even if another one gets the same id later."""

    pid: int
    started: str

    @property
    def alive(self) -> bool:
        """Whether this process is running."""
        return started_at(self.pid) == self.started

    def signal_group(self, number: int) -> None:
        """Send a signal to the process's whole group, unless it is gone."""
        if self.alive:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, number)


class Process:
    """One program in its own process group.

    Args:
        command: Program and arguments.
        directory: Working directory.
        output: File that takes standard output and error; overwritten at each start.
        environment: Variables in addition to the few that every program gets.
        detached: Whether the process outlives this one; otherwise it ends with this one, even if this one is killed.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        directory: Path,
        output: Path,
        environment: Mapping[str, str] | None = None,
        detached: bool = False,
    ) -> None:
        if sys.platform == "win32":
            raise ServerError(
                "Local servers in the background run on Linux and macOS. On Windows use the Windows Subsystem for "
                "Linux, Docker Compose, or the address of a gateway."
            )
        inherited = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        with output.open("wb") as sink:
            self._process = subprocess.Popen(  # noqa: S603 - a program of this package
                command,
                cwd=directory,
                env=inherited | dict(environment or {}),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._guard = None if detached else _guard(self._process.pid)
        self.identity = Identity(self._process.pid, started_at(self._process.pid) or "")

    @property
    def pid(self) -> int:
        """Process id, which is the group's id too."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """The exit code; None while it runs; negative for the signal that ended it."""
        return self._process.poll()

    def kill(self) -> None:
        """End the whole group at once, as `kill -9` does, and wait until it is gone."""
        if self._process.poll() is None:  # otherwise its id may belong to another process by now
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
        self._release()

    async def stop(self, grace: float) -> None:
        """Ask it to end, and kill it after `grace` seconds."""
        if self._process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGTERM)
            deadline = time.monotonic() + grace
            while self._process.poll() is None and time.monotonic() < deadline:  # noqa: ASYNC110 - there is no event for it
                await asyncio.sleep(0.02)
        self.kill()

    def detach(self) -> None:
        """Leave a detached process alone, because its parent continues without it."""
        self._process.returncode = 0  # keeps Popen from warning about the child, which is meant to keep running

    def _release(self) -> None:
        if self._guard is not None:
            self._guard.kill()
            if self._guard.stdin:
                self._guard.stdin.close()
            self._guard.wait()
            self._guard = None


@dataclass(slots=True)
class State:
    """The state file in a server's directory, for other processes.

    Attributes:
        pid: Process id.
        started: When that process started, as the operating system writes it.
        time: The same in seconds since 1970.
        ports: Ports by name.
    """

    pid: int
    started: str
    time: float
    ports: dict[str, int]

    @property
    def identity(self) -> Identity:
        """The identity of the process."""
        return Identity(self.pid, self.started)

    @property
    def running(self) -> bool:
        """Whether that process is still running."""
        return self.identity.alive

    @classmethod
    def read(cls, directory: Path) -> Self | None:
        """Read it; None if there is none, or it is invalid."""
        try:
            return cls(**json.loads((directory / STATE).read_text()))
        except (OSError, ValueError, TypeError):
            return None

    def write(self, directory: Path) -> None:
        """Write it atomically, so that a reader never sees half of it."""
        scratch = directory / f"{STATE}.tmp"
        scratch.write_text(json.dumps(asdict(self), indent=2) + "\n")
        scratch.replace(directory / STATE)


class ServerProcess:
    """A server of this package in a process of its own, which ends with this one unless it is started detached.

    `await server.kill()` and `await server.start()` imitate a crash: the data and the ports stay the same.

    Args:
        name: Its name in messages.
        module: The module for `python -m`; it takes `--NAME PORT` for each port, and prints a line with
            `ready` when it listens.
        ports: Where it listens, by name; 0 picks a free port, or the port of the last start in the directory.
        directory: Directory for the log, the state and the server's data; None for a new one, deleted at the end.
        options: Further arguments.
        start_timeout: Seconds until a start counts as failed.
    """

    def __init__(
        self,
        name: str,
        module: str,
        ports: Mapping[str, int],
        directory: Path | None = None,
        *,
        options: Sequence[str] = (),
        start_timeout: float = 30.0,
    ) -> None:
        self.name = name
        self._module = module
        self._temporary = directory is None
        self.directory = Path(directory or tempfile.mkdtemp(prefix="zeebe-connectors-")).absolute()
        last = State.read(self.directory)
        known = last.ports if last else {}
        chosen = iter(free_ports(len(ports)))
        self.ports = {name: port or known.get(name) or next(chosen) for name, port in ports.items()}
        self._options = tuple(options)
        self._start_timeout = start_timeout
        self._process: Process | None = None

    @property
    def pid(self) -> int | None:
        """Process id; None if it is not running."""
        return self._process.pid if self._process and self._process.exit_code is None else None

    @property
    def memory(self) -> int | None:
        """Bytes in RAM; None if it is not running."""
        return resident_memory(self.pid) if self.pid else None

    @property
    def log_file(self) -> Path:
        """The file with its output since its start."""
        return self.directory / "server.log"

    async def start(self, *, detached: bool = False) -> Self:
        """Start the server and wait until it is ready.

        Args:
            detached: Whether it keeps running when this process ends; `stop_detached` ends it.

        Raises:
            StartError: It ended, or was not ready in time; the message ends with its log.
            ServerError: A server is already running in this directory, or a port is taken.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        state = State.read(self.directory)
        if state is not None and state.running:
            raise ServerError(
                f"The {self.name} already runs in {self.directory} (process {state.pid}). Stop it, or use another "
                "directory."
            )
        for name, port in self.ports.items():
            if not is_free(port):
                raise ServerError(
                    f"Port {port} ({name}) is taken on this machine: stop what listens on it, or choose another port."
                )
        port_options = [word for name, port in self.ports.items() for word in (f"--{name}", str(port))]
        self._process = process = Process(
            [sys.executable, "-m", self._module, *port_options, *self._options],
            directory=self.directory,
            output=self.log_file,
            detached=detached,
        )
        state = State(process.identity.pid, process.identity.started, time.time(), self.ports)
        state.write(self.directory)
        try:
            await self._until_ready(process)
        except BaseException:
            process.kill()
            raise
        if detached:
            process.detach()
        return self

    async def stop(self, grace: float = 20.0) -> None:
        """Ask it to stop, and kill it after `grace` seconds. Its directory stays."""
        if self._process is not None:
            await self._process.stop(grace)
            self._process = None

    async def kill(self) -> None:
        """Kill it like a crash: without warning, and without writing anything. Its directory stays."""
        if self._process is not None:
            await asyncio.to_thread(self._process.kill)
            self._process = None

    async def restart(self) -> None:
        """Stop it, and start it with the same data and ports."""
        await self.stop()
        await self.start()

    async def close(self) -> None:
        """Stop it, and delete its directory if that was created for it."""
        await self.stop()
        if self._temporary:
            shutil.rmtree(self.directory, ignore_errors=True)

    async def __aenter__(self) -> Self:
        try:
            return await self.start()
        except BaseException:
            await self.close()
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _until_ready(self, process: Process) -> None:
        deadline = time.monotonic() + self._start_timeout
        while not _has_begun(self.log_file):
            if process.exit_code is not None:
                raise StartError(
                    f"The {self.name} ended with exit code {process.exit_code} while it started.\n{tail(self.log_file)}"
                )
            if time.monotonic() > deadline:
                raise StartError(
                    f"The {self.name} was not ready within {self._start_timeout:.0f} s.\n{tail(self.log_file)}"
                )
            await asyncio.sleep(0.01)


class EngineProcess(ServerProcess):
    """The local engine in a process of its own, on loopback: for tests that kill it, or that need its real speed.

        async with EngineProcess() as engine:
            print(engine.grpc_address, engine.rest_address)

    Args:
        directory: Directory for log and state, kept for the next start; None for a new one, deleted at the end.
        grpc: Port of the gateway; 0 picks a free one, or that of the last start in the directory.
        rest: Port of the REST API; likewise.
        durable: Whether its state is in a file, so that it survives a kill; otherwise it is in memory.
        start_timeout: Seconds until a start counts as failed.
    """

    def __init__(
        self,
        directory: Path | None = None,
        *,
        grpc: int = 0,
        rest: int = 0,
        durable: bool = True,
        start_timeout: float = 30.0,
    ) -> None:
        ports = {"grpc": grpc, "rest": rest}
        super().__init__("engine", "zeebe_connectors.engine", ports, directory, start_timeout=start_timeout)
        if durable:
            self._options = ("--state", str(self.directory / "engine.sqlite"))

    @property
    def grpc_address(self) -> str:
        """`host:port` of the gateway."""
        return f"{LOOPBACK}:{self.ports['grpc']}"

    @property
    def rest_address(self) -> str:
        """Base URL of the REST API."""
        return f"http://{LOOPBACK}:{self.ports['rest']}"


def _has_begun(log: Path) -> bool:
    try:
        text = log.read_text(errors="replace")
    except OSError:
        return False
    return any(line.startswith("ready ") for line in text.splitlines())


def stop_detached(directory: Path, grace: float = 20.0) -> bool:
    """Stop the server in a directory, whoever started it; return whether one was running."""
    state = State.read(directory)
    if state is None or not state.running:
        return False
    end(state.identity, grace)
    return True


def running(directory: Path) -> State | None:
    """Return the state of the server in a directory; None if none is running."""
    state = State.read(directory)
    return state if state is not None and state.running else None


def _guard(pid: int) -> subprocess.Popen[bytes]:
    """Start a shell that kills the group when this process is gone.

    It waits on a pipe whose other end only this process holds, so that the pipe closes however this process ends.
    """
    return subprocess.Popen(  # noqa: S603
        ["/bin/sh", "-c", 'read -r _; kill -s KILL -- "-$1"', "sh", str(pid)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def end(identity: Identity, grace: float) -> None:
    """End a process that another one started: ask, wait up to `grace` seconds, then end its whole group."""
    identity.signal_group(signal.SIGTERM)
    deadline = time.monotonic() + grace
    while identity.alive and time.monotonic() < deadline:
        time.sleep(0.05)
    identity.signal_group(signal.SIGKILL)


def free_ports(count: int) -> list[int]:
    """Return distinct ports of loopback on which nothing listens now.

    Raises:
        ServerError: There are not enough.
    """
    found: list[int] = []
    for port in random.sample(_PORTS, len(_PORTS)):
        if is_free(port):
            found.append(port)
            if len(found) == count:
                return found
    raise ServerError(f"No {count} free ports on {LOOPBACK} between {_PORTS.start} and {_PORTS.stop}.")


def is_free(port: int) -> bool:
    """Return whether a server could listen on this port of loopback, over TCP and UDP."""
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            if kind == socket.SOCK_STREAM:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # so that TIME_WAIT is no obstacle
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                return False
    return True


def resident_memory(pid: int) -> int | None:
    """Return the bytes that a process has in RAM; None if the platform does not say."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        kilobytes = _ps(pid, "rss=")
        return int(kilobytes) * 1024 if kilobytes else None
    line = next((line for line in text.splitlines() if line.startswith("VmRSS:")), None)
    return int(line.split()[1]) * 1024 if line else None


def tail(path: Path, lines: int = 20) -> str:
    """Return the last lines of a text file; empty if there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 20_000))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


def started_at(pid: int) -> str | None:
    """Return when the process with this id started; None if there is none, or it is a zombie."""
    try:
        # The name in the second field may hold spaces and parentheses; what follows the last one is regular.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return _ps(pid, "lstart=") if sys.platform == "darwin" else None
    except ProcessLookupError:
        return None
    return None if fields[0] in "ZX" else fields[19]


def _ps(pid: int, column: str) -> str | None:
    try:
        done = subprocess.run(  # noqa: S603
            ["ps", "-o", column, "-p", str(pid)],  # noqa: S607 - its path differs by platform
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except OSError:
        return None
    return done.stdout.strip() or None
