"""Providers in whole runtimes: one switch for the environment, rules over replicas and protocols, sources that stop."""

import asyncio
import contextlib
import itertools
import json
import os
import time

import pytest
from tests.waiting import until

from zeebe_connectors.config.environment import Environment
from zeebe_connectors.config.settings import Settings
from zeebe_connectors.connectors.pop3.connector import watch
from zeebe_connectors.connectors.pop3.fetch import fetch
from zeebe_connectors.connectors.rest.connector import request as rest
from zeebe_connectors.connectors.smtp.connector import send as smtp
from zeebe_connectors.engine import Engine, Host
from zeebe_connectors.engine.gateway import serve
from zeebe_connectors.runtime.gateway.zeebe import ZeebeGateway
from zeebe_connectors.runtime.inbound.elements import read_diagram
from zeebe_connectors.runtime.supervisor import Runtime
from zeebe_connectors.sdk.registry import Registry
from zeebe_connectors.testing import FakeGateway
from zeebe_connectors.testing.servers import HttpServer, Pop3Server, Reply, SmtpServer

TASK = """<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL"
    xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" targetNamespace="t">
  <bpmn:process id="order" isExecutable="true">
    <bpmn:extensionElements>{tag}</bpmn:extensionElements>
    <bpmn:startEvent id="s"><bpmn:outgoing>a</bpmn:outgoing></bpmn:startEvent>
    <bpmn:sequenceFlow id="a" sourceRef="s" targetRef="t"/>
    <bpmn:serviceTask id="t">
      <bpmn:extensionElements>
        <zeebe:taskDefinition type="io.camunda:http-json:1"/>
        <zeebe:ioMapping><zeebe:input source="=orders" target="url"/></zeebe:ioMapping>
        <zeebe:taskHeaders><zeebe:header key="provider" value="erp"/></zeebe:taskHeaders>
      </bpmn:extensionElements>
      <bpmn:incoming>a</bpmn:incoming><bpmn:outgoing>b</bpmn:outgoing>
    </bpmn:serviceTask>
    <bpmn:sequenceFlow id="b" sourceRef="t" targetRef="e"/>
    <bpmn:endEvent id="e"><bpmn:incoming>b</bpmn:incoming></bpmn:endEvent>
  </bpmn:process>
</bpmn:definitions>
"""


@pytest.fixture(autouse=True)
def _plain_network(monkeypatch):
    for name in os.environ:
        if name.startswith(("CONNECTOR_HTTP", "CAMUNDA_CONNECTOR_", "ZEEBE_CONNECTORS_")):
            monkeypatch.delenv(name)


def runtime(tmp_path, providers, gateway=None, connectors=(rest,), **settings):
    file = tmp_path / "providers.yaml"
    file.write_text(json.dumps({"providers": providers}))
    environment = Environment(
        (
            "environment",
            {
                "ZEEBE_CONNECTORS_DATA": str(tmp_path / "data"),
                "ZEEBE_CONNECTORS_PROVIDERS": str(file),
                "ZEEBE_CONNECTORS_ENVIRONMENT": "test",
                "CAMUNDA_CLIENT_WORKER_DEFAULTS_STREAM_ENABLED": "false",
                **settings,
            },
        )
    )
    read = Settings.read(environment)
    return Runtime(read, Registry(connectors), gateway or ZeebeGateway(read.cluster), environment=environment)


@pytest.fixture
async def stack():
    async with contextlib.AsyncExitStack() as opened:
        yield opened


async def test_the_same_diagram_runs_in_every_environment_by_one_switch(tmp_path, stack):
    """On the local engine, deployed once: test, acceptance and live are three servers."""
    names = ("test", "acceptance", "live")
    servers = {name: HttpServer() for name in names}
    for server in servers.values():
        server.answer("*", Reply.json({}))
        await stack.enter_async_context(server)
    erp = {"protocol": "http", "environments": {name: {"url": servers[name].url("/api/")} for name in names}}
    engine = Engine()
    async with Host(engine) as host, serve(host, "127.0.0.1:0") as gateway:
        await host.do(lambda: engine.deploy([("order.bpmn", TASK.format(tag="").encode())]))
        address = {"CAMUNDA_CLIENT_GRPC_ADDRESS": f"http://127.0.0.1:{gateway.port}"}
        for name in names:
            running = runtime(tmp_path, {"erp": erp}, **address, ZEEBE_CONNECTORS_ENVIRONMENT=name)
            running.start()
            await host.do(lambda name=name: engine.create_instance("order", variables={"orders": f"orders/{name}"}))
            await until(lambda name=name: servers[name].seen)
            await running.drain()
    for name, server in servers.items():
        assert [seen.target for seen in server.seen] == [f"/api/orders/{name}"]


async def test_a_version_tag_chooses_the_environment_where_the_provider_allows_it(tmp_path):
    diagrams = tmp_path / "diagrams"
    diagrams.mkdir()
    (diagrams / "order.bpmn").write_text(TASK.format(tag='<zeebe:versionTag value="acceptance"/>'))
    engine = Engine()
    async with (
        HttpServer() as server,
        Host(engine) as host,
        serve(host, "127.0.0.1:0") as gateway,
    ):
        server.answer("*", Reply.json({}))
        there = {name: {"url": server.url(f"/{name}/")} for name in ("test", "acceptance")}
        xml = (diagrams / "order.bpmn").read_bytes()
        (diagrams / "order.bpmn").rename(diagrams / "order.v1.bpmn")
        await host.do(lambda: engine.deploy([("order.bpmn", xml)]))
        for by, expected in ((["versionTag"], "/acceptance/x"), ([], "/test/x")):
            erp = {"protocol": "http", "environments": there, "environmentBy": by}
            running = runtime(
                tmp_path,
                {"erp": erp},
                CAMUNDA_CLIENT_GRPC_ADDRESS=f"http://127.0.0.1:{gateway.port}",
                ZEEBE_CONNECTORS_DIAGRAMS=str(diagrams),
            )
            running.start()
            before = len(server.seen)
            await host.do(lambda: engine.create_instance("order", variables={"orders": "x"}))
            await until(lambda before=before: len(server.seen) > before)
            assert server.last.target == expected
            await running.drain()


MAILBOX = """<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL"
    xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" targetNamespace="t">
  <bpmn:process id="order" isExecutable="true">
    <bpmn:extensionElements><zeebe:versionTag value="{tag}"/></bpmn:extensionElements>
    <bpmn:startEvent id="s">
      <bpmn:extensionElements><zeebe:properties>
        <zeebe:property name="inbound.type" value="{type}"/>
        <zeebe:property name="provider" value="box"/>
      </zeebe:properties></bpmn:extensionElements>
    </bpmn:startEvent>
  </bpmn:process>
</bpmn:definitions>
"""


@pytest.mark.parametrize(
    ("tag", "by", "expected"),
    [("acceptance", ["versionTag"], "acceptance"), ("acceptance", [], "test"), ("none", ["versionTag"], "test")],
)
async def test_a_version_tag_chooses_the_environment_of_a_source(tmp_path, tag, by, expected):
    diagrams = tmp_path / "diagrams"
    diagrams.mkdir()
    (diagrams / "order.bpmn").write_text(MAILBOX.format(tag=tag, type=watch.type))
    async with Pop3Server() as test, Pop3Server() as acceptance:
        servers = {"test": test, "acceptance": acceptance}
        login = {"type": "basic", "username": "alice@example.test", "password": "secret"}
        there = {
            name: {"host": "127.0.0.1", "port": server.port, "security": "none", "authentication": login}
            for name, server in servers.items()
        }
        box = {"protocol": "pop", "environments": there, "environmentBy": by}
        running = runtime(tmp_path, {"box": box}, FakeGateway(), (watch,), ZEEBE_CONNECTORS_DIAGRAMS=str(diagrams))
        running.start()
        await until(lambda: "UIDL" in servers[expected].commands)
        await running.drain()
        assert [name for name, server in servers.items() if server.commands] == [expected]


def test_versions_with_other_tags_do_not_share_a_source_of_a_provider():
    """Each may be meant for another environment."""
    texts = [MAILBOX.format(tag=tag, type="t").encode() for tag in ("test", "live")]
    one, other = (read_diagram(text).elements[0] for text in texts)
    assert (one.version_tag, other.version_tag) == ("test", "live")
    assert one.fingerprint() != other.fingerprint()


def most_within(times, seconds):
    return max(sum(1 for other in times if one <= other < one + seconds) for one in times)


async def test_a_rule_holds_over_two_replicas_and_harms_no_other_provider(tmp_path):
    """Both share a database; the jobs that wait leave three quarters of the slots to others."""
    times = []
    async with HttpServer() as server:
        server.answer("/slow/", lambda _: times.append(time.monotonic()) or Reply.json({}))
        server.answer("/free/", Reply.json({}))
        providers = {
            "slow": {
                "protocol": "http",
                "environments": {"test": {"url": server.url("/slow/")}},
                "rules": {"maxPerSecond": 50},
            },
            "free": {"protocol": "http", "environments": {"test": {"url": server.url("/free/")}}},
        }
        gateway = FakeGateway()
        replicas = [runtime(tmp_path, providers, gateway) for _ in range(2)]
        for _ in range(200):
            gateway.put("io.camunda:http-json:1", {}, {"provider": "slow"})
        for replica in replicas:
            replica.start()
        await until(lambda: len(times) > 10)
        free = [gateway.put("io.camunda:http-json:1", {}, {"provider": "free"}) for _ in range(50)]
        await until(lambda: all(gateway.jobs[key].state == "completed" for key in free))
        assert len(times) < 200, "the others did not wait for these"
        await until(lambda: len(times) == 200)
        await gateway.until("completed", 250)
        assert all(job.retries == 3 for job in gateway.jobs.values())
        limits = [replica.services.providers.limits()["slow/test"] for replica in replicas]
        granted = sorted(moment for limit in limits for moment in limit.counts.recent)
        assert most_within(granted, 1.0) <= 50
        assert 199 / (times[-1] - times[0]) > 0.3 * 50  # as far as a machine that runs other tests too lets it
        for replica in replicas:
            await replica.drain()


async def test_a_delay_is_kept_by_rest_smtp_and_pop3_alike(tmp_path):
    """One request is an HTTP exchange, a mail, a look at a mailbox; the delay counts from start to start."""
    rules = {"minDelayMs": 250, "maxPerSecond": 100}
    calls: list[float] = []
    async with HttpServer() as http, SmtpServer() as mails, Pop3Server() as box:
        http.answer("*", lambda _: calls.append(time.monotonic()) or Reply.json({}))
        box.mails = {str(number): b"Subject: x\r\n\r\ny\r\n" for number in range(4)}
        login = {"type": "basic", "username": "alice@example.test", "password": "secret"}

        def host(protocol, port, **more):
            there = {"host": "127.0.0.1", "port": port, "security": "none", **more}
            return {"protocol": protocol, "environments": {"test": there}, "rules": rules}

        providers = {
            "http": {"protocol": "http", "environments": {"test": {"url": http.url("/")}}, "rules": rules},
            "smtp": host("smtp", mails.port),
            "pop": host("pop", box.port, authentication=login),
        }
        gateway = FakeGateway()
        running = runtime(tmp_path, providers, gateway, (rest, smtp, fetch))
        mail = {"from": "a@example.com", "to": "b@example.com", "subject": "s", "text": "x"}
        running.start()
        for number in range(5):
            gateway.put("io.camunda:http-json:1", {}, {"provider": "http"})
            gateway.put("io.github.zeebe-connectors:smtp:1", mail, {"provider": "smtp"})
            gateway.put("io.github.zeebe-connectors:pop3:1", {"operation": "MAIL_RECEIVE"}, {"provider": "pop"})
            if number == 0:  # the first of each connects, which its server sees as a delay of its own
                await gateway.until("completed", 3, within=20)
        await gateway.until("completed", 15, within=20)
        sent = sorted(mail.answered for mail in mails.mails)
        for times in (calls, sent):
            assert len(times) == 5
            assert all(later - one > 0.23 for one, later in itertools.pairwise(sorted(times)[1:])), times
        await running.drain()
        limits = running.services.providers.limits()
        for name in ("http", "smtp", "pop"):
            began = list(limits[f"{name}/test"].counts.recent)
            assert len(began) == 5
            assert all(later - one >= 0.249 for one, later in itertools.pairwise(began)), name


async def test_too_many_requests_slow_the_provider_for_everyone(tmp_path):
    """The job that was told goes back for as long as it was told; the others wait as long."""
    times = []

    def answer(_):
        times.append(time.monotonic())
        return Reply.json({}, 429, Retry_After="1") if len(times) == 1 else Reply.json({})

    async with HttpServer() as server:
        server.answer("*", answer)
        erp = {"protocol": "http", "environments": {"test": {"url": server.url("/")}}}
        gateway = FakeGateway()
        running = runtime(tmp_path, {"erp": erp}, gateway)
        running.start()
        gateway.put("io.camunda:http-json:1", {}, {"provider": "erp"})
        await until(lambda: times)
        await asyncio.sleep(0.1)
        gateway.put("io.camunda:http-json:1", {}, {"provider": "erp"})
        await gateway.until("completed", 2)
        assert times[1] - times[0] > 0.95
        await running.drain()


async def test_a_source_takes_a_provider_and_stops_when_it_is_switched_off(tmp_path):
    sources = tmp_path / "sources.toml"
    sources.write_text(
        '[box]\ntype = "io.github.zeebe-connectors:pop3-inbound:1"\nprocess = "p"\n'
        'provider = "box"\ncheckEvery = "PT1S"\n'
    )
    async with Pop3Server() as box:
        login = {"type": "basic", "username": "alice@example.test", "password": "secret"}
        there = {"host": "localhost", "port": box.port, "security": "none", "authentication": login}
        provider = {"protocol": "pop", "environments": {"test": there}}
        running = runtime(
            tmp_path, {"box": provider}, FakeGateway(), (rest, watch), ZEEBE_CONNECTORS_SOURCES=str(sources)
        )
        running.start()
        try:
            watched = running.sources
            await until(lambda: [one.status for one in watched.watches.values()] == ["UP"])
            (tmp_path / "providers.yaml").write_text(json.dumps({"providers": {"box": {**provider, "active": False}}}))
            await until(
                lambda: any("switched off" in (one.reason or "") for one in watched.watches.values()), within=25
            )
        finally:
            await running.drain()
