"""Find the elements that wait for events in a cluster's deployed processes, through its REST API (8.8 and later).

The cluster is asked for the latest version of every process and for the older versions that still have waiting
instances. Diagrams are fetched once and cached, so that each poll costs two searches. A definition that cannot be read
does not affect the others, and unknown older versions do not affect the latest ones.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from zeebe_connectors.config.cluster import ClusterSettings
from zeebe_connectors.runtime.cluster_login import cluster_scheme
from zeebe_connectors.runtime.diagrams import ClusterApi, ClusterError
from zeebe_connectors.runtime.diagrams.cluster import RIGHT, RIGHT_TO_STATISTICS
from zeebe_connectors.runtime.inbound.elements import DiscoveryError, Found, reached, read_diagram
from zeebe_connectors.sdk.client_cache import ClientCache
from zeebe_connectors.web import Scheme

PAGE = 200
"""Process definitions per page of a search."""
MAX_DEFINITIONS = 5000
"""Maximum process definitions of one search; more are reported as a problem."""
MAX_CACHED = 1000
"""Maximum diagrams whose elements are cached; beyond that, the least recently used are dropped."""
ASK_AGAIN = 600.0
"""Seconds after which a cluster without statistics is asked for them again; it may have been updated."""
_SECONDS = 30.0
_NOT_OFFERED = frozenset({404, 405, 501})
_EMPTY = (
    "the cluster shows no process definition. If there are any, this runtime's login lacks a permission: grant it "
    f"{RIGHT} in the cluster's Identity"
)


@dataclass(frozen=True, slots=True)
class _Definition:
    """One version of one process."""

    key: str
    process: str
    version: int
    tenant: str

    @classmethod
    def of(cls, item: Mapping[str, Any]) -> _Definition:
        number = item.get("version")
        return cls(
            str(item.get("processDefinitionKey")),
            str(item.get("processDefinitionId") or ""),
            number if isinstance(number, int) and number > 0 else -1,
            str(item.get("tenantId") or ""),
        )


@dataclass(frozen=True, slots=True)
class Startable:
    """One way to start a deployed process from outside.

    Args:
        process: Its BPMN id.
        name: Its name, which may be empty.
        version: Its latest version.
        message: The message that starts it; empty for a plain start event.
    """

    process: str
    name: str
    version: int
    message: str


class DeployedProcesses:
    """Reads what is deployed in a cluster.

    Args:
        address: Base URL of the cluster, such as `https://cluster.example.com`; with or without `/v2`.
        clients: The runtime's clients.
        scheme: How to identify oneself.
    """

    def __init__(self, address: str, clients: ClientCache, *, scheme: Scheme | None = None) -> None:
        self._api = ClusterApi(address, clients, scheme=scheme)
        self._diagrams: OrderedDict[str, Found] = OrderedDict()
        self._definitions: OrderedDict[str, _Definition] = OrderedDict()
        self._waiting: Sequence[str] = ()
        self._no_statistics_until = 0.0

    async def read(self) -> Found:
        """Returns the elements of the latest versions, and those of older versions with waiting instances.

        Raises:
            ConnectorError: The cluster does not answer, or refuses.
        """
        found = Found()
        ends = time.monotonic() + _SECONDS
        latest: set[str] = set()
        async for item in self._search("search", {"isLatestVersion": True}, ends, found):
            if item.get("state") in {None, "ACTIVE"}:
                definition = _Definition.of(item)
                latest.add(definition.key)
                self._keep(self._definitions, definition.key, definition)
                await self._add(definition, ends, found)
        if not latest:
            found.hints.append(_EMPTY)
        for key in await self._keys_waited_at(ends, found):
            if key not in latest:
                await self._add_older(key, ends, found)
        return found

    async def names(self) -> set[str]:
        """Returns the ids of all deployed processes.

        Raises:
            ConnectorError: The cluster does not answer, or refuses.
        """
        ends = time.monotonic() + _SECONDS
        found = self._search("search", {"isLatestVersion": True}, ends, Found())
        return {_Definition.of(item).process async for item in found if item.get("state") in {None, "ACTIVE"}}

    async def startable(self) -> list[Startable]:
        """Returns what can be started from outside: the start events of the latest versions, by process.

        Raises:
            ConnectorError: The cluster does not answer, or refuses.
        """
        ends = time.monotonic() + _SECONDS
        found: list[Startable] = []
        async for item, xml in self._latest_diagrams(ends):
            definition = _Definition.of(item)
            starts, _ = reached(xml, definition.process)
            found += [
                Startable(definition.process, str(item.get("name") or ""), definition.version, message)
                for message in starts
            ]
        return sorted(found, key=lambda one: (one.process, one.message))

    async def messages(self) -> set[str]:
        """Returns the names of the messages that start or continue a deployed process.

        Raises:
            ConnectorError: The cluster does not answer, or refuses.
        """
        ends = time.monotonic() + _SECONDS
        return {
            name
            async for item, xml in self._latest_diagrams(ends)
            for name in reached(xml, _Definition.of(item).process)[1]
        }

    async def _latest_diagrams(self, ends: float) -> AsyncIterator[tuple[Mapping[str, Any], bytes]]:
        """Yields the latest version of each process with its file; one that is unavailable now is left out."""
        async for item in self._search("search", {"isLatestVersion": True}, ends, Found()):
            if item.get("state") in {None, "ACTIVE"}:
                try:
                    yield item, await self._api.diagram(_Definition.of(item).key, seconds=_left(ends))
                except ClusterError as error:
                    if error.status == 0:
                        raise

    async def _add_older(self, key: str, ends: float, found: Found) -> None:
        """Adds the elements at which instances of an older version wait."""
        known = self._definitions.get(key)
        if known is None:
            try:
                path = f"/process-definitions/{quote(key, safe='')}"
                known = _Definition.of(await self._api.object("GET", path, seconds=_left(ends)))
            except ClusterError as error:
                if error.status != 404:  # deleted meanwhile
                    found.problems.append(f"process definition {key}: {error}")
                return
            self._keep(self._definitions, key, known)
        older = Found()
        await self._add(replace(known, key=key), ends, older)
        found.elements += [element for element in older.elements if element.kind == "catch"]
        found.problems += older.problems

    async def _add(self, definition: _Definition, ends: float, found: Found) -> None:
        """Adds the elements of one process; other processes in the file have versions of their own."""
        try:
            diagram = await self._diagram(definition.key, ends)
        except ClusterError as error:
            if error.status == 0:
                raise
            if error.status != 404:  # deleted meanwhile
                found.problems.append(f"process definition {definition.key}: {error}")
            return
        found.elements += [
            replace(element, version=definition.version, tenant=definition.tenant)
            for element in diagram.elements
            if definition.process in {"", element.process}
        ]
        found.problems += diagram.problems_of(definition.process)

    async def _keys_waited_at(self, ends: float, found: Found) -> Sequence[str]:
        """Definitions with open message subscriptions; none on a cluster that cannot say (before 8.9)."""
        if time.monotonic() < self._no_statistics_until:
            return ()
        filters = {"messageSubscriptionState": "CREATED"}
        what = "statistics/message-subscriptions"
        try:
            keys = [str(item.get("processDefinitionKey")) async for item in self._search(what, filters, ends, found)]
        except ClusterError as error:
            if error.status in _NOT_OFFERED:
                self._no_statistics_until = time.monotonic() + ASK_AGAIN
                return ()
            found.hints.append(f"older versions with waiting instances are as last known: {error}")
            return self._waiting
        self._waiting = list(dict.fromkeys(keys))
        return self._waiting

    async def _search(
        self, what: str, filters: Mapping[str, Any], ends: float, found: Found
    ) -> AsyncIterator[Mapping[str, Any]]:
        """Yields all items of a search, page by page up to `MAX_DEFINITIONS`."""
        after: str | None = None
        seen = 0
        right = RIGHT if what == "search" else RIGHT_TO_STATISTICS
        while True:
            page = {"limit": PAGE} if after is None else {"limit": PAGE, "after": after}
            body = {"filter": filters, "page": page}
            answer = await self._api.object(
                "POST", f"/process-definitions/{what}", body, seconds=_left(ends), right=right
            )
            items = [item for item in answer.get("items") or [] if isinstance(item, Mapping)]
            for item in items:
                yield item
            seen += len(items)
            after = (answer.get("page") or {}).get("endCursor")
            if len(items) < PAGE or not after:
                return
            if seen >= MAX_DEFINITIONS:
                found.problems.append(f"only the first {MAX_DEFINITIONS} process definitions are watched")
                return

    async def _diagram(self, key: str, ends: float) -> Found:
        """The elements of one file, which never changes, without versions.

        Raises:
            ClusterError: It is unavailable now.
        """
        known = self._diagrams.get(key)
        if known is None:
            xml = await self._api.diagram(key, seconds=_left(ends))
            try:
                known = read_diagram(xml)
            except DiscoveryError as error:
                known = Found(problems=[f"process definition {key}: {error}"])
        self._keep(self._diagrams, key, known)
        return known

    @staticmethod
    def _keep(cache: OrderedDict[str, Any], key: str, value: Any) -> None:
        cache[key] = value
        cache.move_to_end(key)
        while len(cache) > MAX_CACHED:
            cache.popitem(last=False)


def _left(ends: float) -> float:
    return max(0.0, ends - time.monotonic())


def deployed_processes(cluster: ClusterSettings, clients: ClientCache) -> DeployedProcesses | None:
    """Returns the reader of the configured cluster's processes; None when its REST address is not set."""
    if not cluster.rest_address:
        return None
    return DeployedProcesses(cluster.rest_address, clients, scheme=cluster_scheme(cluster))
