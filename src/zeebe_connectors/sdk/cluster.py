"""Define what a connector may ask of its cluster: start a process, send a message.

The runtime gives it with its own credentials and within what the operator allows; a connector never sees either.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from zeebe_connectors.sdk.errors import PermanentError


@dataclass(frozen=True, slots=True)
class Correlated:
    """A message that came to a waiting process.

    Args:
        message_key: Key of the message.
        process_instance_key: Key of the process instance that it came to.
    """

    message_key: int
    process_instance_key: int


@dataclass(frozen=True, slots=True)
class Finished:
    """A process instance that came to its end.

    Args:
        process_instance_key: Its key.
        variables: What it ended with.
    """

    process_instance_key: int
    variables: Mapping[str, Any] = field(repr=False)


class Cluster(Protocol):
    """The cluster, as far as the operator lets connectors use it.

    Every method raises `ConnectorError`s: `PROCESS_FORBIDDEN`, `PROCESS_NOT_FOUND`, `PROCESS_NO_RESULT`,
    `MESSAGE_EXISTS`, `MESSAGE_NOT_CORRELATED`, `CLUSTER_REFUSED` and `CLUSTER_UNREACHABLE`.
    """

    async def start_process(
        self, process: str, *, version: int = -1, variables: Mapping[str, Any], tenant: str = ""
    ) -> int:
        """Starts an instance of a process.

        Args:
            process: Its BPMN id.
            version: Its version; -1 for the latest.
            variables: What it starts with.
            tenant: Whose process; empty for none.

        Returns:
            The instance's key.
        """
        ...

    async def run_process(
        self,
        process: str,
        *,
        version: int = -1,
        variables: Mapping[str, Any],
        fetch: Sequence[str] = (),
        seconds: float,
        tenant: str = "",
    ) -> Finished:
        """Starts an instance of a process and waits for its end.

        Args:
            process: Its BPMN id.
            version: Its version; -1 for the latest.
            variables: What it starts with.
            fetch: Names of the variables to get; all when empty.
            seconds: How long to wait. The instance goes on when they are over (`PROCESS_NO_RESULT`).
            tenant: Whose process; empty for none.
        """
        ...

    async def publish_message(
        self,
        name: str,
        *,
        correlation_key: str = "",
        message_id: str = "",
        time_to_live: float = 0.0,
        variables: Mapping[str, Any],
        tenant: str = "",
    ) -> int:
        """Publishes a message, for whoever waits for it within its time to live.

        Args:
            name: Its name.
            correlation_key: Whom it is for; empty for the start of a process.
            message_id: A second one with this id is refused (`MESSAGE_EXISTS`) while the first lives; empty for none.
            time_to_live: Seconds for which it waits.
            variables: What it carries.
            tenant: Whose message; empty for none.

        Returns:
            The message's key.
        """
        ...

    async def correlate_message(
        self, name: str, *, correlation_key: str = "", variables: Mapping[str, Any], seconds: float, tenant: str = ""
    ) -> Correlated:
        """Gives a message to a process that waits for it now.

        Args:
            name: Its name.
            correlation_key: Whom it is for; empty for the start of a process.
            variables: What it carries.
            seconds: How long to wait for the cluster.
            tenant: Whose message; empty for none.
        """
        ...


class NoCluster:
    """Stands where a connector is tried without a cluster: every method says so."""

    def __getattr__(self, name: str) -> Any:
        raise PermanentError(
            "CLUSTER_REFUSED", "There is no cluster to start processes or send messages in: run the task in a process"
        )
