"""Define what the runtime needs of an engine, as a protocol: `zeebe` talks to a real one, `fake` is for tests."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from zeebe_connectors.sdk.context import Job

_REFUSALS = frozenset({"NOT_FOUND", "INVALID_ARGUMENT", "FAILED_PRECONDITION", "ALREADY_EXISTS", "OUT_OF_RANGE"})
# The first is our own (we received too much), the second from grpc-java's server (we sent too much).
_OVERSIZE = ("larger than max", "exceeds maximum size")


class GatewayError(Exception):
    """A command did not reach the engine or was refused.

    Args:
        status: Name of the gRPC status, such as `RESOURCE_EXHAUSTED`.
        message: What the gateway said.
    """

    def __init__(self, status: str, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status
        self.message = message

    @property
    def is_not_found(self) -> bool:
        """Whether the job, process or element is gone: another worker answered, or it was cancelled."""
        return self.status == "NOT_FOUND"

    @property
    def is_away(self) -> bool:
        """Whether the cluster cannot be reached, as opposed to refusing something."""
        return self.status in {"UNAVAILABLE", "DEADLINE_EXCEEDED"}

    @property
    def is_refusal(self) -> bool:
        """Whether sending the same command again cannot succeed."""
        return self.is_oversize or self.status in _REFUSALS

    @property
    def is_oversize(self) -> bool:
        """Whether a message exceeded a size limit; otherwise the same status means that the engine is busy."""
        return self.status == "RESOURCE_EXHAUSTED" and any(text in self.message for text in _OVERSIZE)


@dataclass(frozen=True, slots=True)
class Activation:
    """What a worker asks for.

    Args:
        type: Job type.
        worker: Name shown in the cluster.
        timeout: Seconds for which an activated job belongs to this worker.
        variables: Names of the variables to fetch; empty fetches all.
        tenants: Tenant ids; empty means the default tenant.
    """

    type: str
    worker: str
    timeout: float
    variables: Sequence[str] = ()
    tenants: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Topology:
    """The cluster's description of itself."""

    version: str
    brokers: int
    partitions: int
    healthy_partitions: int
    cluster: str = ""
    """The cluster's id, which a new cluster does not share; empty before 8.8, where clusters have none."""


@dataclass(frozen=True, slots=True)
class Deployed:
    """One deployed resource.

    Args:
        bpmn_process_id: The id of the process, decision, form or other resource.
        version: Its version.
        process_definition_key: Its key.
        resource_name: The file that it came in.
        kind: The kind of resource.
    """

    bpmn_process_id: str
    version: int
    process_definition_key: int
    resource_name: str
    kind: Literal["process", "decision", "form", "resource"] = "process"


class Gateway(Protocol):
    """The commands of an engine. Every command has a deadline; failures are `GatewayError`s, never raw gRPC errors."""

    async def activate(self, activation: Activation, *, max_jobs: int, wait: float) -> Sequence[Job]:
        """Long-polls for at most `max_jobs` jobs; returns an empty list after `wait` seconds without one.

        With a `wait` of zero, the engine answers at once with the jobs that are available now.
        """
        ...

    def stream(self, activation: Activation) -> AsyncGenerator[Job, None]:
        """Yields jobs as the engine pushes them; ends or raises when the stream breaks. Closing it ends the stream."""
        ...

    async def complete(self, job: int, payload: str) -> None:
        """Completes a job with variables given as JSON text."""
        ...

    async def fail(self, job: int, *, retries: int, message: str, backoff: float, payload: str) -> None:
        """Fails a job; `backoff` in seconds."""
        ...

    async def throw(self, job: int, *, code: str, message: str, payload: str) -> None:
        """Throws a BPMN error from a job."""
        ...

    async def update_timeout(self, job: int, seconds: float) -> None:
        """Sets the job's timeout to this many seconds from now."""
        ...

    async def publish(
        self, name: str, *, correlation_key: str, message_id: str, time_to_live: float, payload: str, tenant: str
    ) -> int:
        """Publishes a message; returns its key. `ALREADY_EXISTS` is raised as such."""
        ...

    async def create_instance(self, process: str, *, version: int = -1, payload: str = "{}", tenant: str = "") -> int:
        """Starts a process instance (by BPMN process id; -1 is the latest version); returns its key."""
        ...

    async def run_process(
        self,
        process: str,
        *,
        version: int = -1,
        payload: str = "{}",
        seconds: float = 60.0,
        fetch: Sequence[str] = (),
        tenant: str = "",
    ) -> tuple[int, str]:
        """Starts a process instance and waits for its end; returns its key and its variables as JSON text.

        `DEADLINE_EXCEEDED` is raised when it did not end within `seconds`, for example because of an incident.

        Args:
            process: BPMN process id.
            version: -1 is the latest.
            payload: Variables as JSON text.
            seconds: How long to wait.
            fetch: Names of the variables to return; empty returns all.
            tenant: Tenant id.
        """
        ...

    async def deploy(self, resources: Mapping[str, bytes], *, tenant: str = "") -> Sequence[Deployed]:
        """Deploys resources by file name, all of them or none; returns what they hold, processes first."""
        ...

    async def topology(self) -> Topology:
        """Asks the cluster for its state."""
        ...

    async def aclose(self) -> None:
        """Closes the connection."""
        ...


@dataclass(slots=True)
class Command:
    """One command as a gateway received it; `FakeGateway` records them."""

    name: str
    job: int = 0
    data: dict[str, Any] = field(default_factory=dict)
