"""Finds the elements that wait for events in a cluster's deployed processes.

The Orchestration Cluster REST API (8.8 and later) is asked for the latest version of every process and for the older
versions that still have waiting instances. Diagrams are fetched once and kept, so that a look costs two searches.
"""

from __future__ import annotations

import json
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import quote

from multidict import CIMultiDict

from zeebe_connectors.config.cluster import ClusterSettings
from zeebe_connectors.runtime.inbound.elements import MAX_DIAGRAM, DiscoveryError, Found, read_diagram
from zeebe_connectors.runtime.login import cluster_scheme
from zeebe_connectors.sdk.client_cache import ClientCache
from zeebe_connectors.sdk.errors import ConnectorError
from zeebe_connectors.web import Call, Exchange, HttpRequest, HttpResponse, NoAuth, Scheme, encoded_url

PAGE = 200
"""Process definitions asked for at once."""
MAX_DEFINITIONS = 5000
"""Process definitions that one search reads; more are reported as a problem."""
MAX_KEPT = 1000
"""Diagrams whose elements are kept; beyond it those unused for longest are fetched again when they are needed."""
_SECONDS = 30.0


class DeployedProcesses:
    """Reads what is deployed in a cluster.

    Args:
        address: Base URL of the cluster, such as `https://cluster.example.com`; with or without `/v2`.
        clients: The runtime's clients.
        scheme: How to identify oneself.
    """

    def __init__(self, address: str, clients: ClientCache, *, scheme: Scheme | None = None) -> None:
        self._address = address.rstrip("/").removesuffix("/v2") + "/v2/process-definitions"
        self._clients = clients
        self._scheme = scheme or NoAuth()
        self._diagrams: OrderedDict[str, Found] = OrderedDict()
        self._has_statistics = True

    async def read(self) -> Found:
        """The elements of the latest versions, and those of older ones for which instances wait.

        Raises:
            ConnectorError: The cluster does not answer, or refuses.
        """
        found = Found()
        call = Call(self._clients, time.monotonic() + _SECONDS)
        latest: set[str] = set()
        async for item in self._search("search", {"isLatestVersion": True}, call, found):
            key = str(item.get("processDefinitionKey"))
            latest.add(key)
            one = await self._diagram(key, call, version=int(item.get("version") or -1), tenant=_tenant(item))
            found.elements += one.elements
            found.problems += one.problems
        async for item in self._waiting(call, found):
            key = str(item.get("processDefinitionKey"))
            if key not in latest:
                one = await self._diagram(key, call, version=0, tenant=_tenant(item))
                found.elements += [element for element in one.elements if element.kind == "catch"]
        return found

    async def _waiting(self, call: Call, found: Found) -> AsyncIterator[Mapping[str, Any]]:
        """Process definitions with open message subscriptions; none on a cluster that cannot tell (before 8.9)."""
        if not self._has_statistics:
            return
        filters = {"messageSubscriptionState": "CREATED"}
        async for item in self._search("statistics/message-subscriptions", filters, call, found, optional=True):
            yield item

    async def _search(
        self, what: str, filters: Mapping[str, Any], call: Call, found: Found, *, optional: bool = False
    ) -> AsyncIterator[Mapping[str, Any]]:
        """All items of a search, page by page up to `MAX_DEFINITIONS`."""
        after: str | None = None
        seen = 0
        while True:
            page = {"limit": PAGE} if after is None else {"limit": PAGE, "after": after}
            response = await self._ask("POST", f"/{what}", call, {"filter": filters, "page": page})
            if optional and response.status in {404, 405}:
                self._has_statistics = False
                return
            answer = _json(response)
            items = answer.get("items") or []
            for item in items:
                yield item
            seen += len(items)
            after = (answer.get("page") or {}).get("endCursor")
            if len(items) < PAGE or not after:
                return
            if seen >= MAX_DEFINITIONS:
                found.problems.append(f"only the first {MAX_DEFINITIONS} process definitions are looked at")
                return

    async def _diagram(self, key: str, call: Call, *, version: int, tenant: str) -> Found:
        """The elements of one definition, which never change; what cannot be read is reported and stops no other."""
        known = self._diagrams.get(key)
        if known is None:
            response = await self._ask("GET", f"/{quote(key, safe='')}/xml", call)
            if response.status == 404:
                return Found()  # deleted meanwhile
            _refuse(response)
            try:
                known = read_diagram(response.body, version=version, tenant=tenant)
            except DiscoveryError as error:
                known = Found(problems=[f"process definition {key}: {error}"])
            self._diagrams[key] = known
            while len(self._diagrams) > MAX_KEPT:
                self._diagrams.popitem(last=False)
        self._diagrams.move_to_end(key)
        return known

    async def _ask(self, method: str, path: str, call: Call, body: Any = None) -> HttpResponse:
        headers = CIMultiDict({"Accept": "application/json, text/xml"})
        data = b""
        if body is not None:
            headers["Content-Type"] = "application/json"
            data = json.dumps(body).encode()
        request = HttpRequest(
            method, encoded_url(self._address + path, name="the cluster's REST address"), headers, data
        )
        response = await Exchange(call, limit=MAX_DIAGRAM).call(request, self._scheme)
        if response.status not in {404, 405}:
            _refuse(response)
        return response


def deployed_processes(cluster: ClusterSettings, clients: ClientCache) -> DeployedProcesses | None:
    """What reads the processes of the configured cluster; None when its REST address is not set."""
    if not cluster.rest_address:
        return None
    return DeployedProcesses(cluster.rest_address, clients, scheme=cluster_scheme(cluster))


def _tenant(item: Mapping[str, Any]) -> str:
    return str(item.get("tenantId") or "")


def _refuse(response: HttpResponse) -> None:
    if response.status >= 400:
        raise ConnectorError(
            "CLUSTER_REFUSED",
            f"{response.origin} answered {response.status}; the runtime needs the permission to read process "
            "definitions, and a cluster of version 8.8 or later",
        )


def _json(response: HttpResponse) -> dict[str, Any]:
    _refuse(response)
    try:
        answer = json.loads(response.body)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise ConnectorError("CLUSTER_REFUSED", f"{response.origin} gave no JSON; is it the cluster's REST address?")
    return answer
