"""Find the elements that wait for events in a cluster's deployed processes, through its REST API (8.8 and later).

The cluster is asked for the latest version of every process and for the older versions that still have waiting
instances. Diagrams are fetched once and cached, so that each poll costs two searches. A definition that cannot be read
does not affect the others, and unknown older versions do not affect the latest ones.
"""

from __future__ import annotations

import contextlib
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
MAX_CACHED = 2 * MAX_DEFINITIONS
"""Maximum diagrams whose elements are cached, so that none of two whole searches is fetched twice."""
ASK_AGAIN = 600.0
"""Seconds after which a cluster without statistics is asked for them again; it may have been updated."""
_SECONDS = 30.0
_FOR_DIAGRAM = 10.0
"""Seconds for one diagram, so that one that does not come leaves time for the others."""
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
        number = str(item.get("version"))
        return cls(
            str(item.get("processDefinitionKey") or ""),
            str(item.get("processDefinitionId") or ""),
            int(number) if number.isdecimal() and int(number) > 0 else -1,
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
        self._diagrams: OrderedDict[_Definition, Found] = OrderedDict()
        self._stale: set[_Definition] = set()
        self._unread: set[_Definition] = set()
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
        try:
            latest = await self._latest(ends, found)
        except ClusterError as error:
            if error.status == 0:
                # What comes back after an outage may be a fresh cluster, which gives the same keys to other processes.
                self._stale.update(self._diagrams)
                self._definitions.clear()
            raise
        # Those that could not be read last time come last, so that they do not take the others' time.
        for definition, _ in sorted(latest, key=lambda one: one[0] in self._unread):
            self._keep(self._definitions, definition.key, definition)
            await self._add(definition, ends, found)
        if not latest:
            found.hints.append(_EMPTY)
        keys = {definition.key for definition, _ in latest}
        ends = max(ends, time.monotonic() + _FOR_DIAGRAM)
        for key in await self._keys_waited_at(ends, found):
            if key not in keys:
                await self._add_older(key, ends, found)
        self._unread.intersection_update({definition for definition, _ in latest})
        self._stale.intersection_update(self._diagrams)
        return found

    async def names(self) -> set[str]:
        """Returns the ids of all deployed processes.

        Raises:
            ConnectorError: The cluster does not answer, or refuses.
        """
        latest = await self._latest(time.monotonic() + _SECONDS, Found())
        return {definition.process for definition, _ in latest}

    async def startable(self) -> list[Startable]:
        """Returns what can be started from outside: the start events of the latest versions, by process.

        Raises:
            ConnectorError: The cluster does not answer, or refuses.
        """
        ends = time.monotonic() + _SECONDS
        found: list[Startable] = []
        async for definition, name, xml in self._latest_diagrams(ends):
            starts, _ = reached(xml, definition.process)
            found += [Startable(definition.process, name, definition.version, message) for message in starts]
        return sorted(found, key=lambda one: (one.process, one.message))

    async def messages(self) -> set[str]:
        """Returns the names of the messages that start or continue a deployed process.

        Raises:
            ConnectorError: The cluster does not answer, or refuses.
        """
        ends = time.monotonic() + _SECONDS
        return {
            name
            async for definition, _, xml in self._latest_diagrams(ends)
            for name in reached(xml, definition.process)[1]
        }

    async def _latest(self, ends: float, found: Found) -> list[tuple[_Definition, str]]:
        """Returns the latest version of each process, with its name.

        Between two pages somebody may deploy, so that both versions of a process are in the answers.
        """
        latest: dict[tuple[str, str], tuple[_Definition, str]] = {}
        async for item in self._search("search", {"isLatestVersion": True}, ends, found):
            one = _Definition.of(item)
            if not one.key or str(item.get("state") or "ACTIVE").upper() != "ACTIVE":
                continue
            known = latest.get((one.tenant, one.process))
            if known is None or one.version > known[0].version:
                latest[one.tenant, one.process] = one, str(item.get("name") or "")
        return list(latest.values())

    async def _latest_diagrams(self, ends: float) -> AsyncIterator[tuple[_Definition, str, bytes]]:
        """Yields the latest version of each process with its name and file, except those that cannot be fetched now."""
        for definition, name in await self._latest(ends, Found()):
            with contextlib.suppress(ClusterError):
                yield definition, name, await self._file(definition.key, ends)

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
            diagram = await self._diagram(definition, ends)
        except (ClusterError, DiscoveryError) as error:
            if not isinstance(error, ClusterError) or error.status != 404:  # deleted meanwhile
                found.problems.append(f"process definition {definition.key}: {error}")
                self._unread.add(definition)
            return
        self._unread.discard(definition)
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
            items = self._search(what, filters, min(ends, time.monotonic() + _FOR_DIAGRAM), found)
            keys = [key async for item in items if (key := _Definition.of(item).key)]
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
        """Yields all items of a search, page by page up to `MAX_DEFINITIONS`.

        A server may give fewer at once than it was asked for, and repeat itself.
        """
        cursors: set[str] = set()
        before: list[Mapping[str, Any]] = []
        page: dict[str, Any] = {"limit": PAGE}
        seen = 0
        right = RIGHT if what == "search" else RIGHT_TO_STATISTICS
        while True:
            answer = await self._api.object(
                "POST",
                f"/process-definitions/{what}",
                {"filter": filters, "page": page},
                seconds=_left(ends),
                right=right,
            )
            items, about = answer.get("items"), answer.get("page")
            items = [item for item in items if isinstance(item, Mapping)] if isinstance(items, list) else []
            about = about if isinstance(about, Mapping) else {}
            if items == before:
                return
            for item in items:
                yield item
            before = items
            seen += len(items)
            after, total = about.get("endCursor"), about.get("totalItems")
            if not isinstance(after, str) or not after or after in cursors:
                return
            if about.get("hasMoreTotalItems") is not True and isinstance(total, int) and seen >= total:
                return
            if seen >= MAX_DEFINITIONS:
                found.problems.append(f"only the first {MAX_DEFINITIONS} process definitions are watched")
                return
            cursors.add(after)
            page = {"limit": PAGE, "after": after}

    async def _diagram(self, definition: _Definition, ends: float) -> Found:
        """Returns the elements of a definition's file, which never change, without versions.

        Raises:
            ClusterError: It is unavailable now.
            DiscoveryError: What came is not this process's file. It is asked for again: no cluster deploys what is no
                diagram, so something on the way may have answered.
        """
        known = self._diagrams.get(definition)
        if known is None or definition in self._stale:
            try:
                known = await self._read(definition, ends)
                self._stale.discard(definition)
            except ClusterError as error:
                if known is None or error.status == 404:
                    raise
        self._keep(self._diagrams, definition, known)
        return known

    async def _read(self, definition: _Definition, ends: float) -> Found:
        known = read_diagram(await self._file(definition.key, ends))
        if definition.process and definition.process not in known.processes:
            raise DiscoveryError(
                f"what the cluster gave as its diagram holds no process {definition.process}; is something between "
                "this runtime and the cluster that answers in its place, such as a login page?"
            )
        return known

    async def _file(self, key: str, ends: float) -> bytes:
        return await self._api.diagram(key, seconds=min(_FOR_DIAGRAM, _left(ends)))

    @staticmethod
    def _keep(cache: OrderedDict[Any, Any], key: _Definition | str, value: Any) -> None:
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
