"""Define what the runtime hands a connector besides its inputs: the job, the time left, clients, documents, log."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Protocol

from zeebe_connectors.sdk.client_cache import ClientCache
from zeebe_connectors.sdk.cluster import Cluster, NoCluster
from zeebe_connectors.sdk.document import Documents
from zeebe_connectors.sdk.event import Alias
from zeebe_connectors.sdk.files import AllowedFiles
from zeebe_connectors.sdk.memory import Memory, ShortMemory


@dataclass(slots=True)
class Job:
    """One activated job, as the gateway gave it; to be read only.

    It is not frozen: a frozen class of as many fields takes seven times as long to make, with every job.
    """

    key: int
    type: str
    variables: str = field(default="{}", repr=False)
    """The fetched variables, as the JSON text that came over the wire."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The task's custom headers: static text from the diagram."""
    retries: int = 3
    deadline: float = field(default_factory=lambda: time.monotonic() + 300)
    """When the job is given to someone else, in seconds of `time.monotonic()`."""
    process_instance_key: int = 0
    process_definition_key: int = 0
    process_definition_version: int = 0
    bpmn_process_id: str = ""
    element_id: str = ""
    element_instance_key: int = 0
    tenant_id: str = "<default>"


def _discard_nothing(place: str, each: str) -> None:
    """Does nothing, for connectors that run without an engine."""


@dataclass(slots=True)
class Context:
    """Handed to each call of a connector."""

    job: Job
    clients: ClientCache
    documents: Documents
    files: AllowedFiles
    log: logging.LoggerAdapter[logging.Logger]
    deadline: float
    """When the call must be over, in seconds of `time.monotonic()`; before the job's, so that an answer fits in."""
    memory: Memory = field(default_factory=ShortMemory)
    """For effects that must not be repeated although the runtime dies."""
    discard_on_success: Callable[[str, str], None] = _discard_nothing
    """Called with place and id of an entry of the memory: lets it be discarded once the engine has the job's result,
    since no try follows then."""
    cluster: Cluster = field(default_factory=NoCluster)
    """The cluster that the job came from: for connectors that start processes and send messages in it."""

    def seconds_left(self) -> float:
        """Returns the seconds until the call must be over; never below zero. Give it to every network call."""
        return max(0.0, self.deadline - time.monotonic())

    @property
    def key(self) -> str:
        """A name of this piece of work that stays the same over retries: for message ids and idempotency keys."""
        return f"{self.job.process_instance_key}-{self.job.element_instance_key}"


class Report(Protocol):
    """Says how a source is."""

    def __call__(self, reason: str | None, next_within: float | None = None, /) -> None:
        """Takes note.

        Args:
            reason: None after each successful contact, else what is wrong, in words for the operator.
            next_within: Seconds within which it will be called again; a connector that does not keep this word, by a
                quarter of an hour, counts as hanging and is restarted. Left out by those who only wait to be called.
        """
        ...


async def _none_alike(_: Mapping[str, Alias]) -> Mapping[str, Mapping[str, int]]:
    """Knows no event, for sources that are tried without a ledger."""
    return {}


@dataclass(slots=True)
class InboundContext:
    """Handed to an inbound connector as long as it watches."""

    source: str
    """Name of the source: the same over restarts and new versions of the diagram."""
    clients: ClientCache
    documents: Documents
    files: AllowedFiles
    log: logging.LoggerAdapter[logging.Logger]
    settled: Callable[[Mapping[str, Alias | None]], Awaitable[Mapping[str, str]]]
    """Which events, given as id and alias, need nothing any more: `done`, `ignored` or `quarantined`; ask first."""
    report: Report
    """Says how the source is; see `Report`."""
    alike: Callable[[Mapping[str, Alias]], Awaitable[Mapping[str, Mapping[str, int]]]] = _none_alike
    """By id: earlier things of the same text, size, place and numbering, each with the `newest` of its time."""
    memory: Memory = field(default_factory=ShortMemory)
    """What the source must not forget over a restart, such as where it began."""
    turn: Callable[[], AbstractAsyncContextManager[None]] = nullcontext
    """Around each look at the other side: waits until the provider's rules allow it; without a provider, at once."""
