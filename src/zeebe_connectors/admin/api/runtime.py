"""Show the runtime's health and configuration: its parts, replicas, settings and packages, without secrets."""

# ruff: noqa: N815 - names as they are in JSON
from __future__ import annotations

import asyncio
import platform
import resource
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import cache
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any, Literal

from aiohttp import web

from zeebe_connectors._version import __version__
from zeebe_connectors.admin.access import Role
from zeebe_connectors.admin.api.attention import MIN_FAILURES
from zeebe_connectors.admin.api.description import Call, TypedDict, described
from zeebe_connectors.config.effective import effective_settings, unknown_settings
from zeebe_connectors.runtime.documents import ClusterDocuments
from zeebe_connectors.runtime.gateway import GatewayError
from zeebe_connectors.runtime.ledger import LedgerError
from zeebe_connectors.runtime.supervisor import Runtime

ASK_SECONDS = 2.0
"""Seconds for the engine and the ledger to answer."""
CACHE_SECONDS = 5.0
"""Seconds for which their answers are cached, so that frequent reloads rarely ask them."""
SLOW_LOOP = 0.25
"""Seconds of event loop lag that an operator should look into."""
_MAX_LICENCE = 80


@described
class Part(TypedDict):
    """The state of one part of the runtime."""

    state: Literal["up", "warn", "down", "standby"]
    text: str
    more: str


@described
class Replica(TypedDict):
    """A runtime that watches sources, by its leases."""

    name: str
    process: str
    this: bool
    """Whether it is the runtime that answers."""
    sources: int
    """How many sources it watches."""


@described
class SettingShown(TypedDict):
    """One setting as in force."""

    name: str
    value: str
    """`set` for a secret; empty if it is not set."""
    where: str
    """`environment`, `.env` or a file's path; empty for the default."""
    default: str
    isDefault: bool


@described
class UnknownSetting(TypedDict):
    """A name that looks like a setting but is not one."""

    name: str
    meant: str | None
    """The setting that was probably meant."""


@described
class RuntimeShown(TypedDict):
    """The runtime's health and configuration."""

    version: str
    python: str
    platform: str
    replica: str
    since: float
    """When it began, in seconds since 1970."""
    health: dict[str, Part]
    """The parts: `engine`, `jobs`, `sources`, `ledger`, `documents`, `providers`, `memory`, `loop`."""
    replicas: list[Replica]
    settings: list[SettingShown]
    unknown: list[UnknownSetting]


@described
class Package(TypedDict):
    """An installed package."""

    name: str
    version: str
    licence: str


@described
class Packages(TypedDict):
    """The installed packages."""

    packages: list[Package]


def calls(view: RuntimeView) -> list[Call]:
    """Returns the calls `/runtime` and `/runtime/packages`."""

    async def show(_: web.Request) -> web.Response:
        return web.json_response(await view.show())

    async def installed(_: web.Request) -> web.Response:
        return web.json_response({"packages": await asyncio.to_thread(packages)})

    what, which = "Shows health, replicas and effective settings", "Lists installed packages with their licences"
    return [
        Call("GET", "/runtime", Role.VIEWER, what, show, RuntimeShown),
        Call("GET", "/runtime/packages", Role.VIEWER, which, installed, Packages),
    ]


class RuntimeView:
    """One runtime's health and configuration.

    Args:
        runtime: The runtime.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._engine = CachedAnswer(self._ask_engine)
        self._leases = CachedAnswer(self._ask_ledger)

    async def show(self) -> RuntimeShown:
        """Returns everything except the packages."""
        runtime = self._runtime
        engine, leases = await asyncio.gather(self._engine.answer(), self._leases.answer())
        return {
            "version": __version__,
            "python": platform.python_version(),
            "platform": platform.platform(),
            "replica": platform.node(),
            "since": runtime.record.since,
            "health": {
                "engine": engine,
                "jobs": _jobs(runtime),
                "sources": _sources(runtime),
                "ledger": leases[0],
                "documents": _documents(runtime),
                "providers": _providers(runtime),
                "memory": _memory(),
                "loop": _loop(runtime),
            },
            "replicas": leases[1],
            "settings": _settings(runtime),
            "unknown": [{"name": name, "meant": meant} for name, meant in unknown_settings(runtime.environment)],
        }

    async def _ask_engine(self) -> Part:
        runtime = self._runtime
        began = time.perf_counter()
        address = runtime.settings.cluster.address
        try:
            async with asyncio.timeout(ASK_SECONDS):
                found = await runtime.gateway.topology()
        except GatewayError as error:
            return _part("down", "Does not answer", f"{address}: {error}")
        except TimeoutError:
            return _part("down", "Does not answer", f"{address}: nothing within {ASK_SECONDS:g} s")
        took = time.perf_counter() - began
        streams = sum(state.streaming for state in runtime.liveness().values())
        how = "jobs come by stream" if streams else "jobs are polled"
        counts = f"{_number(found.brokers, 'broker')}, {_number(found.partitions, 'partition')}"
        sick = found.partitions - found.healthy_partitions
        more = f"{address}, version {found.version}, {counts}; {how}"
        if sick:
            return _part("warn", f"{_number(sick, 'partition')} not healthy", more)
        return _part("up", f"Answers in {took * 1000:.0f} ms", more)

    async def _ask_ledger(self) -> tuple[Part, list[Replica]]:
        runtime = self._runtime
        where = "PostgreSQL" if runtime.settings.ledger else f"a file in {runtime.settings.data}"
        began = time.perf_counter()
        try:
            async with asyncio.timeout(ASK_SECONDS):
                leases = await runtime.ledger.leases()
        except LedgerError as error:
            return _part("down", "Cannot be used", str(error)), []
        except TimeoutError:
            return _part("down", "Does not answer", f"{where}: nothing within {ASK_SECONDS:g} s"), []
        took = time.perf_counter() - began
        own = "" if runtime.sources is None else runtime.sources.owner
        held = Counter(owner for _, owner, left in leases if left > 0 or owner == own)
        replicas: list[Replica] = [
            {"name": owner.partition("|")[0], "process": _process(owner), "this": owner == own, "sources": count}
            for owner, count in sorted(held.items(), key=lambda pair: (pair[0] != own, pair[0]))
        ]
        return _part("up", f"Answers in {took * 1000:.0f} ms", where), replicas


class CachedAnswer:
    """Caches an answer for `CACHE_SECONDS`; only one caller at a time asks."""

    def __init__(self, ask: Callable[[], Awaitable[Any]]) -> None:
        self._ask = ask
        self._at = -CACHE_SECONDS
        self._last: Any = None
        self._lock = asyncio.Lock()

    async def answer(self) -> Any:
        """Returns the answer, asked for anew if it is too old."""
        async with self._lock:
            if time.monotonic() - self._at > CACHE_SECONDS:
                self._last = await self._ask()
                self._at = time.monotonic()
            return self._last


def _part(state: Literal["up", "warn", "down", "standby"], text: str, more: str) -> Part:
    return {"state": state, "text": text, "more": more}


def _number(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def _process(owner: str) -> str:
    return owner.rsplit("|", 2)[1] if owner.count("|") >= 3 else ""


def _jobs(runtime: Runtime) -> Part:
    states = runtime.liveness().values()
    in_work, slots = sum(state.in_flight for state in states), sum(state.slots for state in states)
    unsent, unanswered = sum(state.unsent for state in states), runtime.record.totals["unanswered"]
    more = f"{in_work:,} of {_number(slots, 'slot')} in use; {unanswered:,} unanswered since the start"
    if not runtime.workers:
        return _part("standby", "No connector for jobs runs here", "")
    if unsent:
        return _part("warn", f"{_number(unsent, 'outcome')} wait to be sent", more)
    if not runtime.is_alive():
        return _part("down", "A worker is stuck; restart the runtime", more)
    return _part("up", "Taken and answered", more)


def _sources(runtime: Runtime) -> Part:
    if runtime.sources is None:
        return _part("standby", "None is watched", "")
    watches = runtime.sources.watches.values()
    down = [watch for watch in watches if watch.status == "DOWN"]
    if down:
        text = f"{len(down):,} of {len(watches):,} {'is' if len(down) == 1 else 'are'} down"
        return _part("down", text, "; ".join(f"{one.source.name}: {one.reason}" for one in down[:3]))
    problems = len(runtime.sources.problems)
    if problems:
        return _part("warn", f"{_number(problems, 'element')} cannot be watched", runtime.sources.problems[0])
    return (
        _part("up", f"{_number(len(watches), 'source')}, none is down", "") if watches else _part("standby", "None", "")
    )


def _documents(runtime: Runtime) -> Part:
    if isinstance(runtime.services.documents, ClusterDocuments):
        return _part("up", "The cluster's store", "")
    keep = runtime.environment.text("ZEEBE_CONNECTORS_DOCUMENTS_KEEP") or "for ever"
    return _part("up", "Local folder", f"{runtime.settings.documents}, kept {keep}; replicas need a shared one")


def _providers(runtime: Runtime) -> Part:
    providers = runtime.services.providers
    known = list(providers.directory.all()) if providers is not None else []
    if providers is None or not known:
        return _part("standby", "None is described", "")
    failing = [key for key, limit in providers.limits().items() if limit.counts.failed_in_a_row >= MIN_FAILURES]
    if failing:
        return _part("warn", f"{len(failing)} of {_number(len(known), 'provider')} failing", ", ".join(failing[:5]))
    slowed = [(key, limit.held_for()) for key, limit in providers.limits().items() if limit.held_for() > 0]
    if slowed:
        more = ", ".join(f"{key} for {seconds:.0f} s" for key, seconds in slowed[:5])
        return _part("warn", f"{len(slowed)} asked to wait", more)
    waiting = sum(limit.waiting for limit in providers.limits().values())
    return _part(
        "up", f"{_number(len(known), 'provider')}, none asked to wait", f"{waiting:,} calls wait for their turn"
    )


def _memory() -> Part:
    highest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    now = _resident() or highest
    return _part("up", f"{now / 2**20:.0f} MiB", f"highest {highest / 2**20:.0f} MiB")


def _resident() -> int:
    """Returns the resident memory in bytes; 0 if the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * resource.getpagesize()


def _loop(runtime: Runtime) -> Part:
    lag = runtime.loop_lag
    more = f"worst since the start {lag.worst * 1000:,.0f} ms"
    text = f"At most {lag.last_minute * 1000:,.0f} ms late in the last minute"
    return _part("up" if lag.last_minute < SLOW_LOOP else "warn", text, more)


def _settings(runtime: Runtime) -> list[SettingShown]:
    return [
        {
            "name": one.name,
            "value": one.value,
            "where": one.where,
            "default": one.default,
            "isDefault": one.is_default,
        }
        for one in effective_settings(runtime.environment)
    ]


@cache
def packages() -> tuple[dict[str, str], ...]:
    """Returns `name`, `version` and `licence` of each installed package, by name; reads files: call it in a thread."""
    found: dict[str, dict[str, str]] = {}
    for one in distributions():
        name = str(one.metadata["Name"] or "")
        if name and name.casefold() not in found:
            found[name.casefold()] = {"name": name, "version": one.version, "licence": licence_of(one)}
    return tuple(found[name] for name in sorted(found))


def licence_of(package: Distribution) -> str:
    """Returns a package's licence by its metadata, the newest field first; `not stated` if there is none."""
    stated = _field(package, "License-Expression")
    if not stated:
        kinds = package.metadata.get_all("Classifier") or []
        stated = ", ".join(str(kind).rpartition(" :: ")[2] for kind in kinds if str(kind).startswith("License ::"))
    if not stated:
        stated = _field(package, "License").partition("\n")[0]
    return stated[:_MAX_LICENCE] if stated and stated != "UNKNOWN" else "not stated"


def _field(package: Distribution, name: str) -> str:
    return next((str(text).strip() for text in package.metadata.get_all(name) or []), "")
