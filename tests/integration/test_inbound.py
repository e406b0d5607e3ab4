"""A mail starts exactly one process on the engine, from a real mailbox, whatever breaks meanwhile."""

from __future__ import annotations

import contextlib
import json
import uuid
from collections import Counter
from itertools import pairwise
from xml.sax.saxutils import quoteattr

import aiosmtplib
import pytest
from tests.integration.inbound_chaos import OwnMailbox, chaos

from zeebe_connectors.config.cluster import ClusterSettings
from zeebe_connectors.config.secrets import SecretResolver
from zeebe_connectors.runtime.documents import LocalDocuments
from zeebe_connectors.runtime.gateway import Activation
from zeebe_connectors.runtime.gateway.zeebe import ZeebeGateway
from zeebe_connectors.runtime.inbound.sources import InboundServices, Sources
from zeebe_connectors.runtime.ledger import SqliteLedger
from zeebe_connectors.runtime.services import Services
from zeebe_connectors.sdk.client_cache import ClientCache
from zeebe_connectors.sdk.files import AllowedFiles
from zeebe_connectors.sdk.registry import Registry

pytestmark = pytest.mark.engine


@pytest.mark.timeout(180)
async def test_each_mail_starts_one_process_while_everything_is_killed(own_zeebe, mail, tmp_path):
    """Runtime and engine by SIGKILL, connections cut; the larger one is `make chaos`."""
    counts = await chaos(30, 3, 4, 3, zeebe=own_zeebe, mail=OwnMailbox(mail), directory=tmp_path)
    log = "\n".join(file.read_text() for file in tmp_path.glob("*.log"))
    assert (counts.lost, counts.doubled, counts.kills, counts.cuts, counts.restarts) == (0, 0, 3, 4, 3), (
        f"{counts.row()}\n{log[-6000:]}"
    )
    assert "order.csv" not in log


def waiting_process(process: str, port: int, mailbox: str) -> bytes:
    """Begins with a mail, then waits for one at an intermediate event, at a receive task and at its boundary."""
    common = {
        "inbound.type": "io.camunda:connector-email-inbound:1",
        "authentication.type": "simple",
        "authentication.username": mailbox,
        "authentication.password": "any",
        "data.imapConfig.imapHost": "127.0.0.1",
        "data.imapConfig.imapPort": str(port),
        "data.imapConfig.imapCryptographicProtocol": "NONE",
        "data.pollingConfigDiscriminator": "unseenPollingConfig",
        "data.pollingConfig.handlingStrategy": "READ",
        "deduplicationMode": "AUTO",
        "consumeUnmatchedEvents": "true",
    }

    def properties(**more: str) -> str:
        items = {**common, **more}
        listed = "".join(f'<zeebe:property name="{name}" value={quoteattr(value)}/>' for name, value in items.items())
        return f"<zeebe:properties>{listed}</zeebe:properties>"

    def caught(word: str) -> str:
        return properties(
            activationCondition=f'=starts with(subject, "{word} ")',
            correlationKeyExpression='=substring after(subject, " ")',
            resultExpression=f"={{{word}: text}}",
        )

    path = ["start", "catch", "receive", "work", "end"]
    flows = [*pairwise(path), ("late", "work2"), ("work2", "end2")]
    listed = "".join(f'<bpmn:sequenceFlow id="{a}-{b}" sourceRef="{a}" targetRef="{b}"/>' for a, b in flows)

    def task(id_: str, kind: str) -> str:
        return f"""<bpmn:serviceTask id="{id_}"><bpmn:extensionElements>
          <zeebe:taskDefinition type="{process}-{kind}"/></bpmn:extensionElements></bpmn:serviceTask>"""

    def message(word: str) -> str:
        return f"""<bpmn:message id="M-{word}" name="{process}-{word}"><bpmn:extensionElements>
          <zeebe:subscription correlationKey="=order"/></bpmn:extensionElements></bpmn:message>"""

    return f"""<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL"
    xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" targetNamespace="t" id="d">
  <bpmn:process id="{process}" isExecutable="true">
    <bpmn:startEvent id="start"><bpmn:extensionElements>{
        properties(activationCondition='=starts with(subject, "order ")', resultExpression="={order: text}")
    }</bpmn:extensionElements></bpmn:startEvent>
    <bpmn:intermediateCatchEvent id="catch"><bpmn:extensionElements>{caught("first")}</bpmn:extensionElements>
      <bpmn:messageEventDefinition id="d1" messageRef="M-first"/></bpmn:intermediateCatchEvent>
    <bpmn:receiveTask id="receive" messageRef="M-second"><bpmn:extensionElements>{caught("second")}
      </bpmn:extensionElements></bpmn:receiveTask>
    <bpmn:boundaryEvent id="late" attachedToRef="receive"><bpmn:extensionElements>{caught("late")}
      </bpmn:extensionElements><bpmn:outgoing>late-work2</bpmn:outgoing>
      <bpmn:messageEventDefinition id="d2" messageRef="M-late"/></bpmn:boundaryEvent>
    {task("work", "received")}{task("work2", "late")}<bpmn:endEvent id="end"/><bpmn:endEvent id="end2"/>{listed}
  </bpmn:process>
  {message("first")}{message("second")}{message("late")}
</bpmn:definitions>""".encode()


@pytest.mark.timeout(120)
async def test_mails_start_a_plain_process_and_reach_every_kind_of_waiting_element(zeebe, mail, tmp_path):
    """Two orders: one is answered at the event and the receive task, the other is interrupted at its boundary event."""
    process, mailbox = f"waits-{uuid.uuid4().hex[:8]}", f"{uuid.uuid4().hex[:8]}@example.test"
    (tmp_path / "diagrams").mkdir()
    xml = waiting_process(process, mail.imap_port, mailbox)
    (tmp_path / "diagrams" / "a.bpmn").write_bytes(xml)
    gateway = ZeebeGateway(ClusterSettings(address=zeebe.grpc_address))
    ledger, clients = SqliteLedger(tmp_path / "ledger.sqlite"), ClientCache()
    shared = InboundServices(
        services=Services(
            secrets=SecretResolver([]),
            clients=clients,
            documents=LocalDocuments(tmp_path / "documents"),
            files=AllowedFiles(),
        ),
        registry=Registry.installed(["imap"]),
        gateway=gateway,
        ledger=ledger,
    )
    sources = Sources(shared, folder=tmp_path / "diagrams")
    try:
        await gateway.deploy({"a.bpmn": xml})
        async with smtp(mail) as client:
            sources.start()
            for subject, text in (
                ("order a", "A"),
                ("order b", "B"),
                ("first A", "one"),
                ("first B", "two"),
                ("second A", "three"),
                ("nothing", "of interest"),
                ("late B", "four"),
            ):
                await client.sendmail(
                    "ann@example.test", [mailbox], f"From: ann@example.test\r\nSubject: {subject}\r\n\r\n{text}"
                )
            seen = {}
            for kind in ("received", "late"):
                jobs = []
                while not jobs:
                    jobs = await gateway.activate(Activation(f"{process}-{kind}", "test", 30), max_jobs=5, wait=20)
                seen[kind] = [json.loads(job.variables) for job in jobs]
        assert seen == {
            "received": [{"order": "A", "first": "one", "second": "three"}],
            "late": [{"order": "B", "first": "two", "late": "four"}],
        }
        assert sources.problems == []
        await sources.drain()  # the last event is acknowledged after its process began
        states = Counter(entry.state for entry in await ledger.entries())
        assert states == {"done": 6, "ignored": 1}
    finally:
        await sources.drain()
        await gateway.aclose()
        await ledger.aclose()
        await clients.aclose()


@contextlib.asynccontextmanager
async def smtp(mail):
    async with aiosmtplib.SMTP(hostname="127.0.0.1", port=mail.smtp_port, start_tls=False, use_tls=False) as client:
        yield client
