"""A job that is tried again after its mail was sent answers with the receipt; a memory that fails stops no mail."""

import asyncio
import logging
import time

import pytest

from zeebe_connectors import TransientError
from zeebe_connectors.config.secrets import SecretResolver
from zeebe_connectors.connectors.smtp.connector import send
from zeebe_connectors.mail.smtp import delivery
from zeebe_connectors.runtime.documents import LocalDocuments
from zeebe_connectors.runtime.gateway import Activation
from zeebe_connectors.runtime.gateway.fake import FakeGateway
from zeebe_connectors.runtime.ledger import SqliteStore, StoredMemory
from zeebe_connectors.runtime.outbound.jobs import JobHandler
from zeebe_connectors.runtime.outbound.outcome import Complete, Fail
from zeebe_connectors.runtime.outbound.worker import Worker
from zeebe_connectors.runtime.services import Services
from zeebe_connectors.sdk.client_cache import ClientCache
from zeebe_connectors.sdk.files import AllowedFiles
from zeebe_connectors.sdk.memory import ShortMemory
from zeebe_connectors.testing import run


def mail(server, **inputs):
    return {
        "host": "127.0.0.1",
        "port": server.port,
        "security": "none",
        "from": "billing@example.com",
        "to": "jane@example.com",
        "subject": "Hello",
        "text": "Hello, Jane",
        "authentication": {"type": "none"},
        **inputs,
    }


@pytest.fixture
async def memory(tmp_path):
    store = SqliteStore(tmp_path / "ledger.sqlite")
    memory = StoredMemory(store)
    yield memory
    await memory.aclose()
    await store.aclose()


async def sent(server, memory, *, key=7, seconds=30.0, **inputs):
    return await run(send, mail(server, **inputs), result_variable="sent", memory=memory, key=key, seconds=seconds)


async def test_the_second_try_has_the_first_ones_result_and_sends_nothing(server, memory):
    first = await sent(server, memory)
    assert isinstance(first, Complete)
    assert await sent(server, memory) == first
    assert len(server.mails) == 1


async def test_another_job_or_another_mail_is_sent(server, memory):
    """An operator who corrects the address of a failed task wants it sent there."""
    await sent(server, memory)
    await sent(server, memory, key=8)
    await sent(server, memory, to="john@example.com")
    assert [mail.to for mail in server.mails] == [["jane@example.com"], ["jane@example.com"], ["john@example.com"]]


async def test_refused_recipients_are_remembered_with_the_rest(server, memory):
    server.say("RCPT", "550 5.1.1 Unknown", text="bad@", times=1)
    to = {"to": "jane@example.com, bad@example.com", "onRefused": "continue"}
    first = await sent(server, memory, **to)
    assert first.variables["sent"]["refused"] == [
        {"address": "bad@example.com", "code": 550, "reason": "550 5.1.1 Unknown"}
    ]
    assert await sent(server, memory, **to) == first
    assert len(server.mails) == 1


async def test_a_mail_that_nobody_took_is_not_remembered(server, memory):
    server.say("DOT", "451 4.3.0 Later", times=1)
    assert isinstance(await sent(server, memory), Fail)
    assert isinstance(await sent(server, memory), Complete)
    assert len(server.mails) == 1


async def test_what_is_tried_without_an_engine_is_not_remembered(server, smtp):
    context = smtp.context()
    context.job = type(context.job)(1, "smtp")
    context.memory = None  # asking it would fail
    for _ in range(2):
        await send(send.input.model_validate(mail(server)), context)
    assert len(server.mails) == 2


class Broken(ShortMemory):
    """A ledger that is away when it should recall, when it should remember, or that does not answer."""

    def __init__(self, *, when, how=None):
        super().__init__()
        self.when, self.how = when, how

    async def _away(self, now):
        if now in self.when:
            if self.how == "silent":
                await asyncio.sleep(3600)
            raise TransientError("LEDGER_UNAVAILABLE", "The ledger x cannot be used: disk full")

    async def recall(self, place, ids):
        await self._away("recall")
        return await super().recall(place, ids)

    async def remember(self, place, id, text):  # noqa: A002
        await self._away("remember")
        return await super().remember(place, id, text)


@pytest.mark.parametrize("how", ["refuses", "silent"])
@pytest.mark.parametrize(("when", "warning"), [("recall", "so it is sent"), ("remember", "sent but not remembered")])
async def test_a_ledger_that_is_away_stops_no_mail(server, caplog, monkeypatch, when, warning, how):
    monkeypatch.setattr(delivery, "_MEMORY_PATIENCE", 0.1)
    with caplog.at_level(logging.WARNING):
        outcome = await sent(server, Broken(when={when}, how=how))
    assert isinstance(outcome, Complete)
    assert len(server.mails) == 1
    (line,) = [record.getMessage() for record in caplog.records]
    assert warning in line
    assert ("disk full" if how == "refuses" else "no answer within") in line
    assert "jane@" not in line


@pytest.mark.parametrize("when", ["recall", "remember"])
async def test_a_ledger_that_is_away_stops_no_mail_of_a_short_job(server, when):
    """Its time must not be over before the mail is sent, nor after: the mail would be sent again with each try."""
    started = time.monotonic()
    outcome = await sent(server, Broken(when={when}, how="silent"), seconds=4.0)
    assert isinstance(outcome, Complete), outcome
    assert len(server.mails) == 1
    assert time.monotonic() - started < 4


async def test_a_job_that_is_stopped_while_it_remembers_is_remembered(server, memory):
    """A mail that took nearly all of the job's time must not come again."""
    requested = asyncio.Event()
    remember = memory.remember

    async def slow(place, id, text):  # noqa: A002
        await remember(place, id, text)
        requested.set()
        await asyncio.sleep(3600)

    memory.remember = slow
    first = asyncio.ensure_future(sent(server, memory))
    await requested.wait()
    first.cancel()
    await asyncio.wait([first])
    memory.remember = remember
    assert isinstance(await sent(server, memory), Complete)
    assert len(server.mails) == 1


@pytest.fixture
async def worker(memory, tmp_path):
    """The connector at work for an engine in memory."""
    gateway, clients = FakeGateway(), ClientCache()
    services = Services(SecretResolver([]), clients, LocalDocuments(tmp_path), AllowedFiles(), memory=memory)
    running = Worker(gateway, Activation(send.type, "test", 30), JobHandler(send, services))
    running.start()
    yield gateway
    await running.drain(1)
    await clients.aclose()


async def left(memory):
    """What is remembered still, once what was let go is written."""
    await memory.aclose()
    return await memory.entries(place="smtp")


async def test_the_receipt_is_discarded_when_the_engine_has_the_result(server, memory, worker):
    """An engine that is set up anew uses the same keys again, and its mails must be sent."""
    worker.put(send.type, mail(server))
    await worker.until("completed", 1)
    await asyncio.sleep(0.1)
    assert await left(memory) == []
    assert len(server.mails) == 1


async def test_the_receipt_stays_while_the_job_may_be_tried_again(server, memory, worker):
    """The engine refuses the result: an incident, after which a person lets the job run again."""
    worker.refuse("complete", "INVALID_ARGUMENT")
    key = worker.put(send.type, mail(server))
    await worker.until("incident", 1)
    assert len(await left(memory)) == 1
    worker._release(worker.jobs[key], 0.0)  # as Operate's "retry" does
    await worker.until("completed", 1)
    assert len(server.mails) == 1
    await asyncio.sleep(0.1)
    assert await left(memory) == []


async def test_an_expression_that_fails_after_the_mail_sends_no_second_one(server, memory, worker):
    key = worker.put(send.type, mail(server), {"resultExpression": '={a: assert(null, false, "no")}'}, retries=2)
    await worker.until("incident", 1)
    assert worker.jobs[key].activations == 2
    assert len(server.mails) == 1
    assert len(await left(memory)) == 1


async def test_the_receipt_is_discarded_when_the_task_ends_with_a_bpmn_error(server, memory, worker):
    broken = {"resultExpression": '={a: assert(null, false, "no")}', "errorExpression": '=bpmnError("MAIL", "x")'}
    for headers in ({"errorExpression": '=bpmnError("MAIL", "x")'}, broken):
        worker.put(send.type, mail(server), headers)
    await worker.until("thrown", 2)
    await asyncio.sleep(0.1)
    assert len(server.mails) == 2
    assert await left(memory) == []
