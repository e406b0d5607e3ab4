"""A directory and a Java command line go in, a local server comes out: started, awaited, told, stopped and killed."""

import asyncio
import json
import shutil
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, ClassVar, Generic, Self, TypeVar

from rich.console import Console

from zeebe_connectors.engine.artifacts import locked
from zeebe_connectors.engine.errors import EngineError, StartError
from zeebe_connectors.engine.java import Java, find_java
from zeebe_connectors.engine.process import Identity, JavaProcess, end, is_free, resident_memory, tail

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

P = TypeVar("P", bound="DataclassInstance")


@dataclass(slots=True)
class State:
    """What the state file in a server's directory tells another process.

    Attributes:
        pid: Process id.
        started: When that process began, in the operating system's words.
        time: The same in seconds since 1970.
        ports: Name to port.
    """

    pid: int
    started: str
    time: float
    ports: dict[str, int]

    @property
    def identity(self) -> Identity:
        """The process that wrote it was about."""
        return Identity(self.pid, self.started)

    @property
    def running(self) -> bool:
        """Whether that very process lives."""
        return self.identity.alive

    @classmethod
    def read(cls, file: Path) -> Self | None:
        """Read it; None when there is none, or none that can be understood."""
        try:
            return cls(**json.loads(file.read_text()))
        except (OSError, ValueError, TypeError):
            return None

    def write(self, file: Path) -> None:
        """Write it in one step, so that a reader never sees half of it."""
        scratch = file.with_suffix(".tmp")
        scratch.write_text(json.dumps(asdict(self), indent=2) + "\n")
        scratch.replace(file)


class LocalServer(ABC, Generic[P]):
    """A Java server on loopback that belongs to this process and ends with it, unless it is started detached.

    Args:
        directory: Where data, log and state are kept for the next start. None: a new one, deleted at the end.
        ports: Where to listen. None: as at the last start in this directory, else free ones.
        start_timeout: Seconds until a start counts as failed.
        console: Where the progress of the first download is shown; standard error by default.
    """

    NAME: ClassVar[str]
    STATE: ClassVar[str]
    LOGS: ClassVar[tuple[str, ...]]
    PORTS: type[P]

    def __init__(
        self, directory: Path | None, ports: P | None, *, start_timeout: float, console: Console | None
    ) -> None:
        self._temporary = directory is None
        self.directory = Path(directory or tempfile.mkdtemp(prefix=f"{self.NAME.lower()}-")).absolute()
        self.ports: P = ports or self._last_ports() or self._free_ports()
        self._start_timeout = start_timeout
        self._console = console
        self._process: JavaProcess | None = None

    @property
    def pid(self) -> int | None:
        """Process id; None when it does not run."""
        return self._process.pid if self._process and self._process.exit_code is None else None

    @property
    def memory(self) -> int | None:
        """Bytes in RAM; None when it does not run."""
        return resident_memory(self.pid) if self.pid else None

    async def start(self, *, detached: bool = False) -> Self:
        """Start the server and wait until it does its work.

        Args:
            detached: True: it goes on when this process ends; `stop_detached` ends it.

        Raises:
            ArtifactUnavailableError: What it consists of is not in the cache and cannot be downloaded.
            JavaNotFoundError: No Java is new enough.
            StartError: It ended, or did not get ready in time; the message ends with its log.
            EngineError: One already runs in this directory, or a port is taken.
        """
        artifact = await asyncio.to_thread(self._obtain)
        java = await asyncio.to_thread(find_java)
        self.directory.mkdir(parents=True, exist_ok=True)
        with locked(self.directory / "start.lock"):
            state = State.read(self.directory / self.STATE)
            if state is not None and state.running:
                raise EngineError(
                    f"A {self.NAME} already runs in {self.directory} (process {state.pid}). Stop it with "
                    "`zeebe-connectors engine stop`, or use another directory."
                )
            self._process = process = self._spawn(artifact, java, detached=detached)
            identity = process.identity
            state = State(identity.pid, identity.started, time.time(), asdict(self.ports))
            state.write(self.directory / self.STATE)
        try:
            await self._until_ready(process)
        except BaseException:
            process.kill()
            raise
        if detached:
            process.detach()
        return self

    async def stop(self, grace: float = 20.0) -> None:
        """Stop it: ask, and after `grace` seconds kill. What is in its directory stays."""
        if self._process is not None:
            await self._process.stop(grace)
            self._process = None

    async def kill(self) -> None:
        """Kill it as a crash would: no warning, nothing written. What is in its directory stays as it was."""
        if self._process is not None:
            await asyncio.to_thread(self._process.kill)
            self._process = None

    async def restart(self) -> None:
        """Stop and start on the same data and ports."""
        await self.stop()
        await self.start()

    async def close(self) -> None:
        """Stop it, and delete its directory when that was made for it."""
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

    @abstractmethod
    def _obtain(self) -> Path:
        """Return the path of what it consists of, downloaded when need be."""

    @abstractmethod
    def _free_ports(self) -> P:
        """Choose ports that are free now."""

    @abstractmethod
    def _command(self, artifact: Path, java: Java) -> Sequence[str]:
        """Return the JVM's options and what it runs."""

    @abstractmethod
    async def _ready(self) -> bool:
        """Ask it whether it does its work."""

    def _environment(self) -> Mapping[str, str]:
        return {}

    def _last_ports(self) -> P | None:
        state = State.read(self.directory / self.STATE)
        try:
            return self.PORTS(**state.ports) if state else None
        except TypeError:
            return None

    def _spawn(self, artifact: Path, java: Java, *, detached: bool) -> JavaProcess:
        for name, port in asdict(self.ports).items():
            if not is_free(port):
                raise EngineError(
                    f"Port {port} ({name}) is taken on this machine: stop what listens there, or choose another port."
                )
        scratch = self.directory / "tmp"  # native libraries are unpacked here; a killed JVM leaves them behind
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
        return JavaProcess(
            [str(java.executable), f"-Djava.io.tmpdir={scratch}", *self._command(artifact, java)],
            directory=self.directory,
            output=self.directory / "java.log",
            environment=self._environment(),
            detached=detached,
        )

    async def _until_ready(self, process: JavaProcess) -> None:
        deadline = time.monotonic() + self._start_timeout
        while not await self._ready():
            if process.exit_code is not None:
                raise StartError(
                    f"{self.NAME} ended with exit code {process.exit_code} while it started.\n{self._last_words()}"
                )
            if time.monotonic() > deadline:
                raise StartError(
                    f"{self.NAME} did not get ready within {self._start_timeout:.0f} s.\n{self._last_words()}"
                )
            await asyncio.sleep(0.05)

    def _last_words(self) -> str:
        return "\n".join(text for name in self.LOGS if (text := tail(self.directory / name)))


def stop_detached(directory: Path, server: type[LocalServer[P]], grace: float = 20.0) -> bool:
    """Stop the server of this kind in a directory, whoever started it; tell whether one ran."""
    state = State.read(directory / server.STATE)
    if state is None or not state.running:
        return False
    end(state.identity, grace)
    return True
