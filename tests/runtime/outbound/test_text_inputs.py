"""A document where the model wants text becomes base64 of its content, and nowhere else."""

from __future__ import annotations

import asyncio
import base64
import time
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from zeebe_connectors import Context, Document, Hint, Model, Secret, outbound
from zeebe_connectors.connectors.rest.connector import request
from zeebe_connectors.runtime.documents import LocalDocuments
from zeebe_connectors.runtime.outbound.text_inputs import documents_as_text
from zeebe_connectors.sdk import document
from zeebe_connectors.testing import Complete, Fail, run
from zeebe_connectors.testing.servers import HttpServer, Reply

INLINE = {"camunda.document.type": "inline", "content": "héllo", "name": "a.txt"}
BASE64 = base64.b64encode("héllo".encode()).decode()


class Written(Model):
    kind: Literal["written"]
    content: str


class Filed(Model):
    kind: Literal["filed"]
    content: Document


class Part(Model):
    text: str = ""
    labels: dict[str, str] = {}


class Letter(Model):
    subject: str | None = None
    copies: Annotated[str | list[str] | None, Hint(label="Copies")] = None
    lines: list[str] = []
    labels: dict[str, str] = {}
    part: Part = Part()
    parts: list[Part] = []
    content: Annotated[Written | Filed | None, Field(discriminator="kind")] = None
    either: str | Document | None = None
    file: Document | None = None
    anything: Any = None
    free: dict[str, Any] = {}
    token: Secret | None = None
    seen_by: Annotated[str, Field(alias="from")] = ""
    number: int | None = None


@outbound("letter", title="Letter", type="test:letter:1")
async def write(letter: Letter, context: Context) -> dict[str, Any]:
    """Gives back what it got."""
    return letter.model_dump(by_alias=True, exclude_none=True, exclude_defaults=True)


async def written(**inputs: Any) -> Any:
    outcome = await run(write, inputs, result_variable="letter")
    assert isinstance(outcome, Complete), outcome
    return outcome.variables["letter"]


async def refused(**inputs: Any) -> Fail:
    outcome = await run(write, inputs)
    assert isinstance(outcome, Fail)
    return outcome


@pytest.mark.parametrize(
    ("given", "becomes"),
    [
        ({"subject": INLINE}, {"subject": BASE64}),
        ({"subject": [INLINE]}, {"subject": BASE64}),
        ({"from": INLINE}, {"from": BASE64}),
        ({"copies": INLINE}, {"copies": [BASE64]}),
        ({"copies": ["a", INLINE]}, {"copies": ["a", BASE64]}),
        ({"lines": INLINE}, {"lines": [BASE64]}),
        ({"lines": [INLINE, "b", INLINE]}, {"lines": [BASE64, "b", BASE64]}),
        ({"labels": {"a": INLINE, "b": "c"}}, {"labels": {"a": BASE64, "b": "c"}}),
        ({"part": {"text": INLINE, "labels": {"a": INLINE}}}, {"part": {"text": BASE64, "labels": {"a": BASE64}}}),
        ({"parts": [{"text": "a"}, {"text": INLINE}]}, {"parts": [{"text": "a"}, {"text": BASE64}]}),
        (
            {"content": {"kind": "written", "content": INLINE}},
            {"content": {"kind": "written", "content": BASE64}},
        ),
    ],
)
async def test_text_gets_the_content_in_base64(given: dict[str, Any], becomes: dict[str, Any]) -> None:
    """Also nested, in lists of texts, in contexts of texts, and under a name that is no Python name."""
    assert await written(**given) == becomes


@pytest.mark.parametrize(
    "given",
    [
        {"either": INLINE},
        {"file": INLINE},
        {"anything": INLINE},
        {"anything": {"deep": [INLINE]}},
        {"free": {"a": INLINE}},
        {"content": {"kind": "filed", "content": INLINE}},
    ],
)
async def test_where_a_document_may_stand_it_stays(given: dict[str, Any]) -> None:
    """The connector gets the reference, and reads it if and when it needs the content."""
    assert await written(**given) == given


async def test_every_kind_of_document(tmp_path: Any) -> None:
    """A stored document and one on the web are read as inline ones are."""
    store = LocalDocuments(tmp_path, hosts=["127.0.0.1"])
    stored = await store.create(b"\0\xff", name="a.bin")
    async with HttpServer() as server:
        server.answer("/f", Reply(200, b"\x01\x02"))
        external = {"camunda.document.type": "external", "url": server.url("/f")}
        given = {"subject": dict(stored.reference), "lines": [external]}
        outcome = await run(write, given, documents=store, result_variable="letter")
    await store.aclose()
    assert isinstance(outcome, Complete)
    assert outcome.variables == {"letter": {"subject": "AP8=", "lines": ["AQI="]}}


@pytest.mark.parametrize(
    ("given", "code", "says"),
    [
        ({"subject": [INLINE, INLINE]}, "INVALID_INPUT", "subject: is text and takes one document; the list has 2"),
        ({"part": {"text": [INLINE, "b"]}}, "INVALID_INPUT", "part.text: is text and takes one document"),
        ({"subject": {**INLINE, "camunda.document.type": "ftp"}}, "INVALID_INPUT", "subject: is a document reference"),
        ({"file": [INLINE, INLINE]}, "INVALID_INPUT", "file: must be a document reference"),
        ({"number": INLINE}, "INVALID_INPUT", "number: must be a whole number"),
        ({"token": INLINE}, "INVALID_INPUT", "token: must be text"),
        (
            {"parts": [{}, {"text": {"camunda.document.type": "camunda", "documentId": "gone"}}]},
            "DOCUMENT_NOT_FOUND",
            "parts[2].text: ",
        ),
    ],
)
async def test_what_cannot_become_text_is_reported_with_its_field(given: dict[str, Any], code: str, says: str) -> None:
    """An incident, with field and reason."""
    outcome = await refused(**given)
    assert (outcome.code, outcome.retries) == (code, 0)
    assert says in outcome.message
    assert "héllo" not in outcome.message


async def test_a_document_that_is_away_is_tried_again() -> None:
    """The error's own kind stays: here it costs one try."""
    outcome = await refused(subject={"camunda.document.type": "external", "url": "http://nowhere.invalid/f"})
    assert (outcome.code, outcome.retries) == ("DOCUMENT_UNREACHABLE", 2)
    assert outcome.message.startswith("subject: ")


async def test_reading_ends_with_the_jobs_time() -> None:
    """A server that never answers holds the job no longer than it may take."""

    async def hang(seen: Any, reader: Any, writer: Any) -> None:
        await reader.read()

    async with HttpServer() as server:
        server.script("/f", hang)
        external = {"camunda.document.type": "external", "url": server.url("/f")}
        begun = time.monotonic()
        outcome = await run(write, {"subject": external}, seconds=0.5)
    assert isinstance(outcome, Fail)
    assert outcome.code in {"DOCUMENT_UNREACHABLE", "JOB_TIMEOUT"}
    assert time.monotonic() - begun < 5


async def test_all_documents_together_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many documents that are small enough each cannot fill the memory."""
    monkeypatch.setattr(document, "MAX_AS_TEXT", 10)
    outcome = await refused(lines=[INLINE, INLINE])
    assert (outcome.code, outcome.retries) == ("DOCUMENT_TOO_LARGE", 0)
    assert "lines[2]: " in outcome.message


async def test_a_secret_is_never_resolved_in_the_content(tmp_path: Any) -> None:
    """A document that asks for a secret is passed on as it came, also where placeholders resolve."""
    asking = "{{secrets.KEY}}"
    store = LocalDocuments(tmp_path, hosts=["127.0.0.1"])
    stored = dict((await store.create(asking.encode())).reference)
    encoded = base64.b64encode(asking.encode()).decode()
    async with HttpServer() as server:
        server.answer("*", Reply.json({}))
        login = {"type": "basic", "username": stored, "password": "p"}
        inputs = {"url": server.url("/x"), "authentication": login, "headers": {"X-Key": asking}}
        await run(request, inputs, secrets={"KEY": "canary"}, documents=store)
        sent = base64.b64decode(server.last.header("Authorization").removeprefix("Basic ")).decode()
        assert server.last.header("X-Key") == "canary"
    outcome = await run(
        write, {"subject": {**INLINE, "content": asking}}, secrets={"KEY": "canary"}, result_variable="letter"
    )
    await store.aclose()
    assert sent == f"{encoded}:p"
    assert isinstance(outcome, Complete)
    assert outcome.variables == {"letter": {"subject": encoded}}


async def test_inputs_without_documents_are_not_looked_at(tmp_path: Any) -> None:
    """What holds no reference comes back equal, whatever it is."""
    data = {"subject": "a", "lines": ["b", 3, None], "free": {"x": [1]}, "unknown": {"y": {}}}
    read = await documents_as_text(data, Letter, LocalDocuments(tmp_path), deadline=time.monotonic() + 1)
    assert read == data


async def test_a_large_document_leaves_the_loop_free(tmp_path: Any) -> None:
    """Base64 of 24 MB is made beside the event loop, and is whole."""
    data = bytes(range(256)) * 96 * 1024
    store = LocalDocuments(tmp_path)
    reference = (await store.create(data)).reference
    turns = 0

    async def turn() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        turning = group.create_task(turn())
        read = await documents_as_text({"subject": reference}, Letter, store, deadline=time.monotonic() + 30)
        turning.cancel()
    assert base64.b64decode(read["subject"]) == data
    assert turns > 10
