"""Ask the Orchestration Cluster's REST API (8.8 and later) what is deployed, and explain its refusals."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import quote

from multidict import CIMultiDict

from zeebe_connectors.runtime.diagrams.reading import MAX_DIAGRAM
from zeebe_connectors.sdk.budget import read_json
from zeebe_connectors.sdk.client_cache import ClientCache
from zeebe_connectors.sdk.errors import ConnectorError
from zeebe_connectors.web import Call, Exchange, HttpRequest, HttpResponse, NoAuth, Scheme, encoded_url
from zeebe_connectors.web.charset import as_utf8
from zeebe_connectors.web.words import words_of

RIGHT = "READ_PROCESS_DEFINITION on the resource PROCESS_DEFINITION"
"""Permission that a client of the cluster needs to read processes and their diagrams."""
RIGHT_TO_STATISTICS = f"{RIGHT}, and READ_PROCESS_INSTANCE,"
FIRST_VERSION = (8, 8)
"""First version of the cluster whose REST API returns diagrams."""
_NAME = "the cluster's REST address"


class ClusterError(ConnectorError):
    """The cluster's REST API refused, or did not answer.

    Args:
        status: The HTTP status; 0 when there was no answer.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__("CLUSTER_REFUSED", message)
        self.status = status


class ClusterApi:
    """The REST API of one cluster.

    Args:
        address: Base URL of the cluster, such as `https://cluster.example.com`; with or without `/v2`.
        clients: The runtime's clients.
        scheme: How to authenticate.
    """

    def __init__(self, address: str, clients: ClientCache, *, scheme: Scheme | None = None) -> None:
        self._address = address.rstrip("/").removesuffix("/v2") + "/v2"
        self._clients = clients
        self._scheme = scheme or NoAuth()

    async def ask(
        self, method: str, path: str, body: Any = None, *, seconds: float, right: str = RIGHT, limit: int = MAX_DIAGRAM
    ) -> HttpResponse:
        """Sends one request; returns a response below 400.

        Args:
            method: In upper case.
            path: Below `/v2`.
            body: Sent as JSON; None sends none.
            seconds: How long it may take.
            right: The permission that is needed, for the message of a refusal.
            limit: Maximum bytes of the response.

        Raises:
            ClusterError: There was no answer, or a refusal; the message quotes the cluster's reason.
        """
        if seconds <= 0:
            raise ClusterError(0, f"{self._address} was not asked: other requests took all the time that there was")
        headers = CIMultiDict({"Accept": "application/json, text/xml"})
        data = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            data = json.dumps(body).encode()
        request = HttpRequest(method, encoded_url(self._address + path, name=_NAME), headers, data)
        try:
            call = Call(self._clients, time.monotonic() + seconds)
            response = await Exchange(call, limit=limit).call(request, self._scheme)
        except ClusterError:
            raise
        except ConnectorError as error:
            raise ClusterError(*_unread(error, self._address, seconds, limit)) from None
        if response.status >= 300:
            raise _refusal(response, right, await _detail(response))
        return response

    async def object(
        self, method: str, path: str, body: Any = None, *, seconds: float, right: str = RIGHT
    ) -> dict[str, Any]:
        """Does the same as `ask`, and returns the JSON object in the response."""
        response = await self.ask(method, path, body, seconds=seconds, right=right)
        try:
            answer = await read_json(as_utf8(response.body, response.header("content-type") or ""))
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise ClusterError(
                response.status,
                f"{response.origin} answered {response.status} with something that is not a JSON object; is it "
                f"{_NAME}?",
            )
        return answer

    async def diagram(self, key: str, *, seconds: float) -> bytes:
        """Returns the BPMN file of one process definition.

        Raises:
            ClusterError: It is not available; status 404 when the cluster does not know the definition.
        """
        response = await self.ask("GET", f"/process-definitions/{quote(key, safe='')}/xml", seconds=seconds)
        if response.status == 204 or not response.body.strip():
            raise ClusterError(
                response.status, f"{response.origin} has no diagram of the process definition {key} ({response.status})"
            )
        return response.body

    async def version(self, *, seconds: float) -> tuple[int, ...]:
        """Returns the cluster's version, such as `(8, 8, 3)`; empty when the cluster does not say."""
        answer = await self.object("GET", "/topology", seconds=seconds)
        numbers = str(answer.get("gatewayVersion") or "").partition("-")[0].split(".")
        return tuple(int(number) for number in numbers) if all(number.isdecimal() for number in numbers) else ()


def _unread(error: ConnectorError, origin: str, seconds: float, limit: int) -> tuple[int, str]:
    """Returns the status and the message for an answer that did not come or could not be read.

    What the client says is for a task, whose time and limits are others.
    """
    why = error.message
    if (error.variables or {}).get("reason") == "deadline":
        why = f"{origin} did not answer completely within {seconds:.0f} seconds"
    elif error.code == "RESPONSE_TOO_LARGE":
        why = f"the answer of {origin} is larger than {limit:,} bytes"
    return 0, f"the cluster's REST API cannot be asked: {why}"


def _refusal(response: HttpResponse, right: str, detail: str) -> ClusterError:
    """Returns the error for a status, quoting the cluster."""
    answered = f"{response.origin} answered {response.status}" + (f" ({detail})" if detail else "")
    match response.status:
        case 401:
            remedy = "it does not accept this runtime's login; check CAMUNDA_CLIENT_AUTH_METHOD and its credentials"
        case 403:
            remedy = f"this runtime's login lacks a permission: grant it {right} in the cluster's Identity"
        case 404:
            remedy = "it does not know this request; check the REST address, and that the cluster is 8.8 or later"
        case status if status < 400:
            remedy = f"it is a redirect; is it {_NAME}, or does a login page stand before it?"
        case 501:
            remedy = "this cluster does not offer it"
        case _:
            remedy = "it will be asked again later"
    return ClusterError(response.status, f"{answered}: {remedy}")


async def _detail(response: HttpResponse) -> str:
    """Returns what the cluster, or what stands before it, says about its refusal."""
    from zeebe_connectors.web.result import lenient_body  # noqa: PLC0415 - only for refusals

    try:
        return words_of(await lenient_body(response))
    except ConnectorError:  # too large to be words
        return ""
