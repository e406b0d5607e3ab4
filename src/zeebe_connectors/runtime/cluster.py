"""Let connectors use the runtime's own cluster, with its credentials, as far as the operator allows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, NoReturn

from zeebe_connectors.runtime.diagrams.cluster import ClusterApi, ClusterError
from zeebe_connectors.runtime.gateway import Gateway, GatewayError
from zeebe_connectors.runtime.payload import encode, plain
from zeebe_connectors.sdk.cluster import Correlated, Finished
from zeebe_connectors.sdk.errors import ConnectorError, InputError, PermanentError, TransientError

PROCESSES_SETTING = "ZEEBE_CONNECTORS_PROCESSES"
"""Setting that names the processes that tasks may start."""
_RIGHT_TO_MESSAGES = "CREATE on the resource MESSAGE"
_DENIED = frozenset({"PERMISSION_DENIED", "UNAUTHENTICATED"})


class GatewayCluster:
    """A `Cluster` on a gateway.

    Args:
        gateway: The engine.
        api: Its REST API, for correlating messages; None when its address is not set.
        processes: BPMN ids of the processes that may be started; `*` stands for any text.
    """

    def __init__(self, gateway: Gateway, api: ClusterApi | None, processes: Sequence[str]) -> None:
        self._gateway = gateway
        self._api = api
        self._processes = tuple(processes)

    async def start_process(
        self, process: str, *, version: int = -1, variables: Mapping[str, Any], tenant: str = ""
    ) -> int:
        """See `Cluster.start_process`."""
        self._check(process)
        payload = _payload(variables)
        try:
            return await self._gateway.create_instance(process, version=version, payload=payload, tenant=tenant)
        except GatewayError as error:
            _refused(error, f"the process {process!r}")

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
        """See `Cluster.run_process`."""
        self._check(process)
        payload = _payload(variables)
        try:
            key, text = await self._gateway.run_process(
                process, version=version, payload=payload, seconds=seconds, fetch=fetch, tenant=tenant
            )
        except GatewayError as error:
            if error.status == "DEADLINE_EXCEEDED":
                raise PermanentError(
                    "PROCESS_NO_RESULT",
                    f"The process {process!r} was started and did not end within {seconds:.0f} s; it continues. Check "
                    "its incidents, give the task more time (jobTimeout), or let the process answer by a message",
                ) from None
            _refused(error, f"the process {process!r}")
        return Finished(key, json.loads(text or "{}"))

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
        """See `Cluster.publish_message`."""
        payload = _payload(variables)
        try:
            return await self._gateway.publish(
                name,
                correlation_key=correlation_key,
                message_id=message_id,
                time_to_live=time_to_live,
                payload=payload,
                tenant=tenant,
            )
        except GatewayError as error:
            if error.status == "ALREADY_EXISTS":
                raise ConnectorError(
                    "MESSAGE_EXISTS",
                    f"A message {name!r} with this id was already published and is still alive; give this one another "
                    "id if it is a different message",
                ) from None
            _refused(error, f"the message {name!r}")

    async def correlate_message(
        self, name: str, *, correlation_key: str = "", variables: Mapping[str, Any], seconds: float, tenant: str = ""
    ) -> Correlated:
        """See `Cluster.correlate_message`."""
        if self._api is None:
            raise InputError(
                "correlationType.type: a message is correlated over the cluster's REST API, whose address this runtime "
                "does not know; publish the message, or ask the operator to set ZEEBE_REST_ADDRESS",
                code="CLUSTER_REFUSED",
            )
        body: dict[str, Any] = {"name": name, "correlationKey": correlation_key, "variables": plain(dict(variables))}
        if tenant:
            body["tenantId"] = tenant
        try:
            answer = await self._api.object(
                "POST", "/messages/correlation", body, seconds=seconds, right=_RIGHT_TO_MESSAGES
            )
            return Correlated(int(answer["messageKey"]), int(answer["processInstanceKey"]))
        except (KeyError, TypeError, ValueError):
            raise TransientError(
                "CLUSTER_UNREACHABLE", "The cluster's answer names no message; it is tried again"
            ) from None
        except ClusterError as error:
            if error.status == 404:
                raise ConnectorError(
                    "MESSAGE_NOT_CORRELATED",
                    f"No process waits for the message {name!r} with this correlation key now; publish it with a time "
                    "to live if it may arrive before the process waits",
                ) from None
            if error.status in {0, 429, 503}:
                raise TransientError(
                    "CLUSTER_UNREACHABLE", f"The message {name!r} was not sent: {error.message}"
                ) from None
            raise PermanentError("CLUSTER_REFUSED", f"The message {name!r} was not sent: {error.message}") from None

    def _check(self, process: str) -> None:
        if not any(fnmatchcase(process, pattern) for pattern in self._processes):
            raise InputError(
                f"processId: the operator does not let tasks start the process {process!r}; ask for it to be added to "
                f"{PROCESSES_SETTING}",
                code="PROCESS_FORBIDDEN",
            )


def _payload(variables: Mapping[str, Any]) -> str:
    return encode(plain(dict(variables)), "The variables")


def _refused(error: GatewayError, what: str) -> NoReturn:
    """Raises the error that a task gets for a refused command."""
    failure = f"{what[:1].upper()}{what[1:]} was not"
    if error.is_not_found:
        raise PermanentError(
            "PROCESS_NOT_FOUND",
            f"{failure} started: it is not deployed in this version ({error.message}); check its id",
        ) from None
    if error.is_refusal or error.status in _DENIED:
        raise PermanentError("CLUSTER_REFUSED", f"{failure} accepted by the cluster: {error}") from None
    raise TransientError(
        "CLUSTER_UNREACHABLE", f"{failure} accepted by the cluster: {error}; it is tried again"
    ) from None
