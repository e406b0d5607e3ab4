"""Sources run as long as their elements are there, begin again whatever ends them, and say how they are."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import AsyncIterator
from typing import Annotated

import pytest
from tests.runtime.inbound.test_elements import diagram, node
from tests.waiting import until

from zeebe_connectors import ConnectorError, Event, Hint, InboundContext, Model, PermanentError, Secret, inbound
from zeebe_connectors.config.secrets import SecretResolver
from zeebe_connectors.runtime.documents import LocalDocuments
from zeebe_connectors.runtime.gateway.fake import FakeGateway
from zeebe_connectors.runtime.inbound import sources as sources_module
from zeebe_connectors.runtime.inbound.elements import Element, Found
from zeebe_connectors.runtime.inbound.sources import InboundServices, Sources
from zeebe_connectors.runtime.ledger import SqliteLedger
from zeebe_connectors.runtime.services import Services
from zeebe_connectors.sdk.client_cache import ClientCache
from zeebe_connectors.sdk.files import AllowedFiles
from zeebe_connectors.sdk.registry import Registry

QUEUES: dict[str, asyncio.Queue[object]] = {}
OPEN: list[str] = []


class Place(Model):
    name: Annotated[str, Hint(secrets=True)]
    password: Secret | None = None
    port: int = 1


@inbound("queue", title="Queue", type="t")
async def watch(given: Place, context: InboundContext) -> AsyncIterator[Event]:
    """Yields what a test puts into a queue; an exception is raised."""
    OPEN.append(given.name)
    try:
        context.report(None)
        queue = QUEUES.setdefault(given.name, asyncio.Queue())
        while True:
            item = await queue.get()
            if isinstance(item, Exception):
                raise item
            yield Event(
                str(item), {"password": given.password.reveal() if given.password else None, "port": given.port}
            )
    finally:
        OPEN.remove(given.name)


class Named:
    async def get(self, name: str, *, tenant: str, process: str) -> str | None:
        return {"PASS": "=not FEEL"}.get(name)


@pytest.fixture(autouse=True)
def _fast(monkeypatch):
    monkeypatch.setattr(sources_module, "_MIN_PAUSE", 0.05)
    monkeypatch.setattr(sources_module, "REFRESH_INTERVAL", 0.05)
    QUEUES.clear()


@pytest.fixture
async def shared(tmp_path):
    shared = InboundServices(
        services=Services(
            secrets=SecretResolver([Named()]),
            clients=ClientCache(),
            documents=LocalDocuments(tmp_path / "documents"),
            files=AllowedFiles(),
        ),
        registry=Registry([watch]),
        gateway=FakeGateway(),
        ledger=SqliteLedger(tmp_path / "ledger.db"),
        lease=3.0,
    )
    yield shared
    await shared.ledger.aclose()


@contextlib.asynccontextmanager
async def running(shared: InboundServices, *elements: Element, **options: object):
    sources = Sources(shared, elements=elements, **options)
    sources.start()
    try:
        yield sources
    finally:
        await sources.drain()
        assert OPEN == []


def waits(id_: str = "e", **properties: object) -> Element:
    return Element("p", id_, "start", "t", {"name": id_, **properties}, result={"resultVariable": "seen"})


def put(name: str, *items: object) -> None:
    for item in items:
        QUEUES.setdefault(name, asyncio.Queue()).put_nowait(item)


async def test_events_start_instances_and_are_counted(shared):
    async with running(shared, waits()) as sources:
        put("e", "x/1/1", "x/1/2", "x/1/1")
        await until(lambda: sources.watches and sum(sources.watches["p#e"].counts.values()) == 3)
        assert len(shared.gateway.instances) == 2
        health = sources.health()
        assert health["status"] == "UP"
        assert health["sources"]["p#e"]["events"] == {"handed over": 2, "known": 1}
        assert health["sources"]["p#e"]["elements"] == ["p/e"]


async def test_a_source_that_fails_is_reported_and_starts_again(shared):
    async with running(shared, waits()) as sources:
        await until(lambda: OPEN)
        put("e", PermanentError("X", "the password is wrong"))
        await until(lambda: sources.health()["status"] == "DOWN")
        assert sources.health()["sources"]["p#e"]["reason"] == "the password is wrong"
        put("e", ValueError("a bug"))
        put("e", "x/1/1")
        await until(lambda: len(shared.gateway.instances) == 1)
        assert sources.health()["status"] == "UP"


async def test_one_broken_source_stops_no_other(shared):
    broken = [waits("unknown"), waits("wrong", port="many"), waits("noname")]
    broken[0] = Element("p", "unknown", "start", "other-type", {})
    broken[2] = Element("p", "noname", "start", "t", {})
    async with running(shared, *broken, waits("good")) as sources:
        put("good", "x/1/1")
        await until(lambda: len(shared.gateway.instances) == 1)
        await until(lambda: [s["status"] for s in sources.health()["sources"].values()].count("DOWN") == 3)
        reasons = {name: source["reason"] for name, source in sources.health()["sources"].items()}
    assert "'other-type'" in reasons["p#unknown"]
    assert "port" in reasons["p#wrong"]
    assert "name" in reasons["p#noname"]


async def test_properties_may_be_feel_and_secrets_which_are_not_evaluated(shared):
    async with running(shared, waits(port="=3+4", password="{{secrets.PASS}}")):
        put("e", "x/1/1")
        await until(lambda: len(shared.gateway.instances) == 1)
    (instance,) = shared.gateway.instances.values()
    assert instance.data["variables"]["seen"] == {"password": "=not FEEL", "port": 7}


async def test_a_password_may_begin_with_an_equals_sign(shared):
    async with running(shared, waits(password="=1+1")):
        put("e", "x/1/1")
        await until(lambda: len(shared.gateway.instances) == 1)
    assert next(iter(shared.gateway.instances.values())).data["variables"]["seen"]["password"] == "=1+1"


async def test_diagrams_come_change_and_go_and_their_sources_with_them(shared, tmp_path):
    folder = tmp_path / "diagrams"
    folder.mkdir()
    file = folder / "a.bpmn"

    def write(name: str) -> None:
        named = f'<zeebe:property name="name" value="{name}" /><zeebe:property name="inbound.type" value="t" />'
        file.write_bytes(diagram(node("startEvent", "e", named, message="")))

    async with running(shared, folder=folder):
        write("first")
        await until(lambda: OPEN == ["first"])
        write("second")
        await until(lambda: OPEN == ["second"])
        file.unlink()
        await until(lambda: OPEN == [])


async def test_a_process_that_is_deployed_or_removed_starts_or_ends_its_source(shared):
    async with running(shared) as sources:
        sources.replace("process p", [waits()])
        await until(lambda: OPEN == ["e"])
        sources.replace("process p", [])
        await until(lambda: OPEN == [])


async def test_a_broken_diagram_is_reported_and_counts_as_down(shared, tmp_path):
    (tmp_path / "broken.bpmn").write_text("nonsense")
    async with running(shared, waits(), folder=tmp_path) as sources:
        await until(lambda: sources.problems)
        await until(lambda: OPEN == ["e"])
        assert sources.health()["status"] == "DOWN"
        assert "broken.bpmn" in sources.health()["problems"][0]


class Processes:
    """A cluster whose answer a test decides."""

    def __init__(self) -> None:
        self.answer: list[Element] | Exception = []

    async def read(self) -> Found:
        if isinstance(self.answer, Exception):
            raise self.answer
        return Found(list(self.answer))


async def test_deployed_processes_are_watched_and_a_cluster_that_is_away_ends_none(shared):
    processes = Processes()
    async with running(shared, deployed=processes) as sources:
        processes.answer = [waits()]
        await until(lambda: OPEN == ["e"])
        processes.answer = ConnectorError("408", "it is away")
        await until(lambda: sources.problems)
        assert "it is away" in sources.health()["problems"][0]
        assert OPEN == ["e"]
        processes.answer = []
        await until(lambda: OPEN == [])
        assert sources.health()["status"] == "UP"


async def test_draining_lets_the_event_in_hand_end_and_gives_the_lease_back(shared):
    shared.gateway.slow("create_instance", 0.3)
    async with running(shared, waits()) as sources:
        put("e", "x/1/1")
        await until(lambda: shared.gateway.count("create_instance"))
        await sources.drain()
    assert len(shared.gateway.instances) == 1
    assert (await shared.ledger.find("p#e", "x/1/1")).state == "done"
    assert await shared.ledger.hold("p#e", "somebody else", 60)


async def test_draining_does_not_wait_for_a_ledger_that_does_not_answer(shared):
    async with running(shared, waits()) as sources:
        await until(lambda: OPEN == ["e"])
        with contextlib.closing(sqlite3.connect(shared.ledger.store.file, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            began = time.monotonic()
            await sources.drain()
            assert time.monotonic() - began < 10


async def test_a_source_that_another_runtime_holds_stands_by_and_takes_over(shared):
    assert await shared.ledger.hold("p#e", "other", 60)
    async with running(shared, waits()) as sources:
        await until(lambda: sources.watches and sources.health()["sources"]["p#e"]["status"] == "STANDBY")
        assert sources.health()["status"] == "UP"
        assert OPEN == []
        await shared.ledger.release("p#e", "other")
        await until(lambda: OPEN == ["e"])


async def test_a_source_whose_lease_was_lost_stops_at_once(shared):
    async with running(shared, waits()) as sources:
        await until(lambda: OPEN == ["e"])
        await shared.ledger.release("p#e", shared.owner)
        assert await shared.ledger.hold("p#e", "other", 60)
        put("e", "x/1/1")
        await until(lambda: OPEN == [])
        assert sources.health()["sources"]["p#e"]["status"] == "STANDBY"
        assert not shared.gateway.instances


async def test_a_connector_that_falls_silent_is_reported_and_started_again(shared, monkeypatch):
    """Whatever it hangs in: no source dies in silence. One that announces a longer pause, or none, is let be."""
    monkeypatch.setattr(sources_module, "SILENCE", 0.5)
    opened = []

    @inbound("mute", title="Mute", type="mute")
    async def mute(given: Place, context: InboundContext) -> AsyncIterator[Event]:
        """Hangs when it is opened first."""
        opened.append(given.name)
        context.report(None, {"mute": 0.0, "patient": 3600.0}.get(given.name))
        if opened.count(given.name) == 1:
            await asyncio.sleep(3600)
        yield Event("x/1/1", {})
        await asyncio.sleep(3600)

    shared.registry.add(mute)
    elements = [Element("p", name, "start", "mute", {"name": name}) for name in ("mute", "patient", "called")]
    reports = []
    async with running(shared, *elements) as sources:

        def reached() -> bool:
            reports.extend(str(watch.reason) for watch in sources.watches.values())
            return len(shared.gateway.instances) == 1

        await until(reached)
        assert any("silent for too long" in reason for reason in reports)
        assert opened.count("mute") == 2
        for quiet in ("patient", "called"):
            assert opened.count(quiet) == 1
            assert sources.watches[f"p#{quiet}"].status == "UP"


async def test_a_source_that_waits_looks_at_once_when_it_is_woken(shared, monkeypatch):
    monkeypatch.setattr(sources_module, "_MIN_PAUSE", 60.0)
    async with running(shared, waits()) as sources:
        await until(lambda: OPEN)
        put("e", PermanentError("X", "the password is wrong"))
        await until(lambda: sources.watches["p#e"].next_try is not None)
        assert sources.health()["sources"]["p#e"]["nextTry"] > time.time() + 20
        put("e", "x/1/1")
        sources.watches["p#e"].wake()
        await until(lambda: len(shared.gateway.instances) == 1)
        assert sources.health()["sources"]["p#e"]["nextTry"] is None


async def test_a_source_that_is_up_is_begun_anew_when_it_is_woken_but_not_within_an_event(shared, caplog):
    async with running(shared, waits()) as sources:
        await until(lambda: OPEN)
        watch = sources.watches["p#e"]
        held, going_on = asyncio.Event(), asyncio.Event()

        async def slow(**_: object) -> int:
            held.set()
            await going_on.wait()
            return 7

        monkeyed, shared.gateway.create_instance = shared.gateway.create_instance, lambda *_, **__: slow()
        put("e", "x/1/1")
        await held.wait()
        begun = watch._task
        watch.wake()
        await asyncio.sleep(0.05)
        assert watch.counts == {}
        shared.gateway.create_instance = monkeyed
        going_on.set()
        await until(lambda: watch.counts["handed over"] == 1)
        put("e", "x/1/2")
        await until(lambda: watch.counts["handed over"] == 2)
        assert watch._task is begun
        assert "ended unexpectedly" not in caplog.text


async def test_a_source_remembers_its_day(shared):
    async with running(shared, waits()) as sources:
        put("e", "x/1/1")
        await until(lambda: sources.watches and sources.watches["p#e"].counts["handed over"] == 1)
        put("e", PermanentError("X", "the password is wrong"))
        await until(lambda: sources.health()["status"] == "DOWN")
        states, events = sources.watches["p#e"].day.shown()
        assert (states[-1], events[-1], sum(events)) == ("d", 1, 1)
