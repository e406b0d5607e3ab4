"""Find the diagram of a job's process: fetched once, cached within a bound, and never guessed.

The sources in order: what this process deployed itself; the cluster's REST API; and if that is not available (no
address, or a cluster before 8.8), what was deployed from this machine earlier and the folder of diagrams.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zeebe_connectors.runtime.backoff import Backoff
from zeebe_connectors.runtime.diagrams.cluster import FIRST_VERSION, ClusterApi, ClusterError
from zeebe_connectors.runtime.diagrams.reading import (
    MAX_DIAGRAM,
    Diagram,
    DiagramError,
    Element,
    Place,
    ProcessText,
    diagram_files,
    read,
)
from zeebe_connectors.runtime.diagrams.records import DeployedHere
from zeebe_connectors.sdk.context import Job

MAX_DIAGRAMS = 1000
"""Default number of cached diagrams."""
SECONDS = 10.0
"""Seconds for fetching one diagram from the cluster."""
_FIRST_PAUSE, _MAX_PAUSE = 1.0, 60.0
_UNKNOWN_FOR = 30.0
"""Seconds after which the files are searched again for a missing diagram."""
_OLD_FOR = 600.0
"""Seconds after which a cluster that was too old is asked for its version again; it may have been updated."""
_PARSED_IN_PLACE = 64 * 1024
"""Bytes above which a diagram is read in a thread."""
_VERSIONED = re.compile(r"[.@_-]v?(\d+)$", re.IGNORECASE)
_log = logging.getLogger("zeebe_connectors.diagrams")


class DiagramUnavailable(Exception):  # noqa: N818 - a state that passes, not a fault of the job
    """The diagram exists but cannot be read now.

    Args:
        message: Why, and what to do.
        delay: Seconds after which asking again makes sense.
    """

    def __init__(self, message: str, delay: float) -> None:
        super().__init__(message)
        self.message = message
        self.delay = delay


@dataclass(slots=True)
class _Failure:
    """Why a diagram could not be read last time, and until when that answer is reused."""

    message: str
    backoff: Backoff
    until: float


class Diagrams:
    """The diagrams of deployed processes.

    Args:
        cluster: The cluster's REST API; None when its address is not set.
        here: What was deployed from here.
        folder: A folder of diagrams. A file's name says its version (`order.v3.bpmn`, `order@3.bpmn`).
        max_cached: How many are cached; 0 asks again each time.
    """

    def __init__(
        self,
        cluster: ClusterApi | None = None,
        *,
        here: DeployedHere | None = None,
        folder: Path | None = None,
        max_cached: int = MAX_DIAGRAMS,
    ) -> None:
        self.here = here or DeployedHere()
        self._cluster = cluster
        self._folder = folder
        self._max_cached = max_cached
        self._cached: OrderedDict[int, Diagram] = OrderedDict()
        self._unknown: OrderedDict[int, float] = OrderedDict()
        self._fetching: dict[int, asyncio.Task[Diagram | None]] = {}
        self._failures: OrderedDict[int, _Failure] = OrderedDict()
        self._replaced: OrderedDict[int, float] = OrderedDict()
        self._too_old_until = 0.0

    async def element(self, job: Job) -> Element | None:
        """Returns the element of a job; None when its diagram is unknown.

        An element that is not in its diagram grants nothing.

        Raises:
            DiagramUnavailable: The cluster must be asked and does not answer.
        """
        key, name = job.process_definition_key, job.bpmn_process_id
        known = self._cached.get(key)
        process = known.processes.get(name) if known is not None else None
        if process is not None:
            self._cached.move_to_end(key)
        elif known is None and time.monotonic() < self._unknown.get(key, 0.0):
            return None
        else:
            process = await self.process(key, name, job.process_definition_version)
            if process is None:
                return None
        return process.elements.get(job.element_id) or Element(Place())

    async def version_tag(self, key: int, *, process: str = "", version: int = -1) -> str | None:
        """Returns the version tag of a process definition; None when it has none, or its diagram is unknown.

        Args:
            key: Key of the process definition.
            process: BPMN process id, where the file holds several.
            version: Of the process definition, for a folder of diagrams.

        Raises:
            DiagramUnavailable: As `element`.
        """
        found = await self.process(key, process, version)
        return found.version_tag if found is not None else None

    async def process(self, key: int, process: str, version: int) -> ProcessText | None:
        """Returns one process of a definition's diagram; None when it is unknown.

        Raises:
            DiagramUnavailable: As `element`.
        """
        diagram = await self._diagram(key, process, version)
        if diagram is not None and process and process not in diagram.processes and self._may_be_another(key):
            diagram = await self._diagram(key, process, version)
        return None if diagram is None else _process_of(diagram, process)

    def _may_be_another(self, key: int) -> bool:
        """Discards what is cached under a key whose process it is not: a fresh cluster gives the same keys again.

        Returns:
            Whether to ask again; not when that was done a moment ago.
        """
        now = time.monotonic()
        if now < self._replaced.get(key, 0.0) or self._cached.pop(key, None) is None:
            return False
        self._replaced[key] = now + _UNKNOWN_FOR
        _bound(self._replaced, MAX_DIAGRAMS)
        return True

    async def _diagram(self, key: int, process: str, version: int) -> Diagram | None:
        if key in self._cached:
            self._cached.move_to_end(key)
            return self._cached[key]
        if time.monotonic() < self._unknown.get(key, 0.0):
            return None
        failure = self._failures.get(key)
        if failure is not None and time.monotonic() < failure.until:
            raise DiagramUnavailable(failure.message, failure.until - time.monotonic())
        task = self._fetching.get(key)
        if task is None:
            task = asyncio.create_task(self._find(key, process, version), name=f"diagram {key}")
            self._fetching[key] = task
            task.add_done_callback(lambda _: self._fetching.pop(key, None))
        return await asyncio.shield(task)

    async def _find(self, key: int, process: str, version: int) -> Diagram | None:
        """Asks each source in order, and caches the answer."""
        try:
            if (own := self.here.own(key)) is not None:
                found: Diagram | None = await _read(own)
            elif self._cluster is not None and time.monotonic() >= self._too_old_until:
                found = await self._from_cluster(self._cluster, key, process, version)
            else:
                found = await self._from_here(key, process, version)
        except (ClusterError, DiagramError) as error:
            raise self._failed(key, str(error)) from None
        self._failures.pop(key, None)
        self._unknown.pop(key, None)
        if found is None:
            self._unknown[key] = time.monotonic() + _UNKNOWN_FOR
        elif self._max_cached:
            self._cached[key] = found
        _bound(self._unknown, MAX_DIAGRAMS)
        _bound(self._cached, self._max_cached)
        return found

    async def _from_cluster(self, cluster: ClusterApi, key: int, process: str, version: int) -> Diagram | None:
        try:
            return await _read(await cluster.diagram(str(key), seconds=SECONDS))
        except ClusterError as error:
            if error.status not in {404, 405, 501}:
                raise
            # A cluster before 8.8 lacks this endpoint. A later one may not have exported the definition yet.
            reported = await cluster.version(seconds=SECONDS)
            if not reported or reported[:2] >= FIRST_VERSION:
                raise
            _log.warning(
                "The cluster is %s, whose REST API provides no diagrams (8.8 and later do): placeholders of secrets "
                "resolve by place only",
                ".".join(map(str, reported)),
            )
            self._too_old_until = time.monotonic() + _OLD_FOR
        return await self._from_here(key, process, version)

    async def _from_here(self, key: int, process: str, version: int) -> Diagram | None:
        xml = await asyncio.to_thread(self._files, key, process, version)
        try:
            return None if xml is None else await _read(xml)
        except DiagramError:
            return None

    def _files(self, key: int, process: str, version: int) -> bytes | None:
        """Reads a definition's diagram from the disk."""
        found = self.here.find(key, process, version)
        if found is not None or self._folder is None or version < 1:
            return found
        for path in diagram_files(self._folder):
            named = _VERSIONED.search(path.stem)
            if named is None or int(named[1]) != version:
                continue
            try:
                if path.stat().st_size > MAX_DIAGRAM:
                    continue
                xml = path.read_bytes()
                if process in read(xml).processes:
                    return xml
            except (OSError, DiagramError):
                continue
        return None

    def _failed(self, key: int, message: str) -> DiagramUnavailable:
        """Remembers a failure, so that following jobs do not all ask again."""
        before = self._failures.pop(key, None)
        backoff = before.backoff if before else Backoff(_FIRST_PAUSE, _MAX_PAUSE)
        pause = backoff.next()
        self._failures[key] = _Failure(message, backoff, time.monotonic() + pause)
        _bound(self._failures, MAX_DIAGRAMS)
        if before is None:
            _log.warning("The diagram of the process definition %d cannot be read: %s", key, message)
        return DiagramUnavailable(message, pause)


def _process_of(diagram: Diagram, process: str) -> ProcessText:
    """Returns a process of a diagram by its id, or its only one; a process without elements if it has no such."""
    if not process and len(diagram.processes) == 1:
        return next(iter(diagram.processes.values()))
    found = diagram.processes.get(process)
    return found if found is not None else ProcessText(process, None, {})


async def _read(xml: bytes) -> Diagram:
    return read(xml) if len(xml) <= _PARSED_IN_PLACE else await asyncio.to_thread(read, xml)


def _bound(cached: OrderedDict[int, Any], size: int) -> None:
    while len(cached) > size:
        cached.popitem(last=False)
