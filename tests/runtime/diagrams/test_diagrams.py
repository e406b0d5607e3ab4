"""Diagrams are found where they may be, kept within bounds, and what they say is what the modeler wrote."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.servers.cluster import ClusterServer, bpmn

from zeebe_connectors.runtime.diagrams import ClusterApi, DeployedHere, DiagramError, Diagrams, DiagramUnavailable
from zeebe_connectors.runtime.diagrams import known as known_module
from zeebe_connectors.runtime.diagrams.reading import read
from zeebe_connectors.runtime.gateway import Deployed
from zeebe_connectors.sdk.client_cache import ClientCache
from zeebe_connectors.sdk.context import Job
from zeebe_connectors.testing.servers import Reply

KEY = 2251799813685251


def job(key: int = KEY, *, element: str = "task", process: str = "order", version: int = 1) -> Job:
    return Job(
        1,
        "t",
        process_definition_key=key,
        element_id=element,
        bpmn_process_id=process,
        process_definition_version=version,
    )


def asking(server: ClusterServer, clients: ClientCache, **more) -> Diagrams:
    return Diagrams(ClusterApi(server.url("").rstrip("/"), clients), **more)


@pytest.fixture
async def clients():
    clients = ClientCache()
    yield clients
    await clients.aclose()


def allowed(place, *path: str) -> set[str]:
    for name in path:
        place = place.at(name)
    return set(place.marks.secrets)


def test_a_mapping_gives_its_own_target_only():
    """A part with a mapping of its own has what stands there, and nothing of the whole; later mappings replace."""
    place = (
        read(
            bpmn(
                {
                    "url": "=order.callbackUrl",
                    "authentication.token": "{{secrets.TOKEN}}",
                    "headers": '={"X-Key": "{{ secrets.KEY }}", "X-Other": secrets.OTHER}',
                    "headers.Mine": "=mine",
                    "body": '={a: "{{secrets.BODY}}", deep: [{b: "secrets.BARE"}]}',
                }
            )
        )
        .processes["order"]
        .elements["task"]
        .place
    )
    assert allowed(place, "url") == set()
    assert allowed(place, "authentication", "token") == {"TOKEN"}
    assert allowed(place, "authentication") == allowed(place, "authentication", "user") == set()
    assert allowed(place, "headers") == allowed(place, "headers", "X-Key") == {"KEY", "OTHER"}
    assert allowed(place, "headers", "Mine") == set()
    assert allowed(place, "body", "deep") == {"BODY", "BARE"}
    assert set(place.at("body").at("deep").item().marks.secrets) == {"BODY", "BARE"}
    assert allowed(place, "never") == set()


def test_a_whole_that_is_mapped_last_replaces_its_parts():
    """As the engine carries mappings out, in order."""
    place = read(bpmn({"a.b": "{{secrets.X}}", "a": "=other"})).processes["order"].elements["task"].place
    assert allowed(place, "a", "b") == set()


@pytest.mark.parametrize("xml", [b"", b"<a", b"<definitions/>", b"<!DOCTYPE a><a/>"])
def test_what_is_no_diagram_is_refused(xml):
    """With the reason."""
    with pytest.raises(DiagramError):
        read(xml)


async def test_one_question_serves_all_who_ask(clients):
    """And what was learned is kept."""
    async with ClusterServer() as server:
        server.diagrams[KEY] = bpmn({"a": "{{secrets.X}}"}, tag="v7")
        diagrams = asking(server, clients)
        found = await asyncio.gather(*(diagrams.element(job()) for _ in range(20)))
        assert all(allowed(element.place, "a") == {"X"} for element in found)
        assert await diagrams.version_tag(KEY) == "v7"
        assert server.requests == [f"/v2/process-definitions/{KEY}/xml"]


async def test_the_diagrams_kept_have_a_bound(clients):
    """Those unused for longest make room; with none kept, each is asked for anew."""
    async with ClusterServer() as server:
        server.diagrams.update({key: bpmn({"a": "b"}) for key in (1, 2, 3)})
        diagrams = asking(server, clients, max_cached=2)
        for key in (1, 2, 1, 3, 1, 2):
            await diagrams.element(job(key))
        assert [path.split("/")[3] for path in server.requests] == ["1", "2", "3", "2"]
        none = asking(server, clients, max_cached=0)
        server.seen.clear()
        for _ in range(3):
            await none.element(job(1))
        assert len(server.seen) == 3


async def test_two_processes_of_a_file_have_elements_of_their_own(clients):
    """Also where an element's id is the same in both."""
    other = bpmn({"a": "{{secrets.Y}}"}, process="other", tag="o").decode()
    more = other[other.index("<process") : other.index("</definitions>")]
    async with ClusterServer() as server:
        server.diagrams[KEY] = bpmn({"a": "{{secrets.X}}"}, more=more)
        diagrams = asking(server, clients)
        assert allowed((await diagrams.element(job())).place, "a") == {"X"}
        assert allowed((await diagrams.element(job(process="other"))).place, "a") == {"Y"}
        assert await diagrams.version_tag(KEY, process="other") == "o"
        assert await diagrams.version_tag(KEY, process="order") is None
        assert allowed((await diagrams.element(job(element="gone"))).place, "a") == set()


@pytest.mark.parametrize(
    ("refusal", "message"),
    [
        (Reply.json({"detail": "Unauthorized to perform READ"}, 403), "READ_PROCESS_DEFINITION on the resource"),
        (Reply.json({"detail": "Unauthorized to perform READ"}, 403), "Unauthorized to perform READ"),
        (Reply(401), "login"),
        (Reply(500), "500"),
        (Reply(204), "no diagram"),
        (Reply(200, b"<html>log in</html>"), "no process"),
        (Reply(200, b"not xml"), "not XML"),
        (Reply.json({"detail": "no definition"}, 404), "no definition"),
    ],
)
async def test_a_cluster_that_does_not_answer_is_no_unknown_diagram(clients, refusal, message):
    """The reason is said, and for a moment nobody asks again."""
    async with ClusterServer() as server:
        server.refusal = refusal
        diagrams = asking(server, clients)
        for _ in range(3):
            with pytest.raises(DiagramUnavailable, match=message) as raised:
                await diagrams.element(job())
            assert raised.value.delay > 0
        assert server.requests.count(f"/v2/process-definitions/{KEY}/xml") == 1


async def test_a_cluster_that_is_away_is_no_unknown_diagram(clients):
    """Nothing listens there."""
    async with ClusterServer() as server:
        address = server.url("").rstrip("/")
    with pytest.raises(DiagramUnavailable, match="cannot be asked"):
        await Diagrams(ClusterApi(address, clients)).element(job())


async def test_after_a_pause_it_is_asked_again(clients, monkeypatch):
    """A definition that was just deployed is exported a moment later; the pause grows with each failure."""
    monkeypatch.setattr(known_module, "_FIRST_PAUSE", 0.01)
    async with ClusterServer() as server:
        diagrams = asking(server, clients)
        with pytest.raises(DiagramUnavailable):
            await diagrams.element(job())
        server.diagrams[KEY] = bpmn({"a": "{{secrets.X}}"})
        await asyncio.sleep(0.02)
        assert allowed((await diagrams.element(job())).place, "a") == {"X"}


@pytest.mark.parametrize("version", ["8.7.12", "8.6.0-alpha1"])
async def test_a_cluster_before_8_8_leaves_the_diagram_unknown(clients, version):
    """It has no such endpoint; it is not asked for each job."""
    async with ClusterServer(version) as server:
        diagrams = asking(server, clients)
        assert await diagrams.element(job()) is None
        assert await diagrams.element(job(5)) is None
        assert server.requests == [f"/v2/process-definitions/{KEY}/xml", "/v2/topology"]


async def test_what_is_no_cluster_is_not_an_old_one(clients):
    """A wrong REST address never widens where secrets resolve."""
    async with ClusterServer() as server:
        server.answer("/v2/topology", Reply(404))
        with pytest.raises(DiagramUnavailable):
            await asking(server, clients).element(job())


async def test_what_this_process_deployed_needs_no_question(clients):
    """Its key came with the engine's answer."""
    here = DeployedHere()
    here.remember({"o.bpmn": bpmn({"a": "{{secrets.X}}"})}, [Deployed("order", 1, KEY, "o.bpmn")])
    async with ClusterServer() as server:
        found = await asking(server, clients, here=here).element(job())
        assert allowed(found.place, "a") == {"X"}
        assert server.requests == []


async def test_what_was_deployed_earlier_counts_for_its_version(tmp_path: Path):
    """A fresh engine gives keys again; the files are their owner's only."""
    DeployedHere(tmp_path / "d").remember(
        {"o.bpmn": bpmn({"a": "{{secrets.X}}"})}, [Deployed("order", 3, KEY, "o.bpmn")]
    )
    assert all(path.stat().st_mode & 0o077 == 0 for path in [tmp_path / "d", *(tmp_path / "d").iterdir()])
    later = Diagrams(here=DeployedHere(tmp_path / "d"))
    assert allowed((await later.element(job(version=3))).place, "a") == {"X"}
    assert await Diagrams(here=DeployedHere(tmp_path / "d")).element(job(version=4)) is None
    assert await Diagrams(here=DeployedHere(tmp_path / "d")).element(job(process="other", version=3)) is None


async def test_a_folders_file_counts_for_the_version_that_its_name_gives(tmp_path: Path):
    """Without one, or with another, nobody knows which version it is."""
    (tmp_path / "order.v3.bpmn").write_bytes(bpmn({"a": "{{secrets.X}}"}))
    (tmp_path / "broken.v4.bpmn").write_bytes(b"<")
    (tmp_path / "gone.v4.bpmn").symlink_to(tmp_path / "nowhere")
    (tmp_path / "order.bpmn").write_bytes(bpmn({"a": "{{secrets.Y}}"}))
    assert allowed((await Diagrams(folder=tmp_path).element(job(version=3))).place, "a") == {"X"}
    for version in (1, 2, 4):
        assert await Diagrams(folder=tmp_path).element(job(version=version)) is None


async def test_without_any_source_nothing_is_known():
    """As on a cluster before 8.8 whose REST address is not set."""
    diagrams = Diagrams()
    assert await diagrams.element(job()) is None
    assert await diagrams.version_tag(KEY) is None


async def test_a_key_that_is_another_process_now_is_read_anew(clients):
    """A fresh cluster gives the same keys again; what is not there even then is asked for once in a while only."""
    async with ClusterServer() as server:
        server.diagrams[KEY] = bpmn({"url": "{{secrets.OLD}}"})
        diagrams = asking(server, clients)
        assert allowed((await diagrams.element(job())).place, "url") == {"OLD"}
        server.diagrams[KEY] = bpmn({"url": "{{secrets.NEW}}"}, process="invoice")
        assert allowed((await diagrams.element(job(process="invoice"))).place, "url") == {"NEW"}
        for _ in range(3):
            assert allowed((await diagrams.element(job(process="third"))).place, "url") == set()
        assert len(server.requests) == 2
