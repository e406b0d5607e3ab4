"""Documents: every kind of reference is read, what is created can be read again, and nothing else can."""

import asyncio
import datetime as dt
import hashlib
import json
import os
import re
import time
from base64 import b64decode, urlsafe_b64decode
from email import message_from_bytes
from email.policy import HTTP

import pytest

from zeebe_connectors import ConnectorError, Document
from zeebe_connectors.config.environment import Environment, SettingsError
from zeebe_connectors.config.settings import Settings
from zeebe_connectors.runtime.documents import ClusterDocuments, LocalDocuments
from zeebe_connectors.runtime.documents.trust import Everything
from zeebe_connectors.runtime.ledger import SqliteStore, StoredLedger
from zeebe_connectors.runtime.outbound.intrinsics import resolve_intrinsics
from zeebe_connectors.runtime.services import services_of
from zeebe_connectors.testing.servers import HttpServer, Reply
from zeebe_connectors.web.auth import Basic

INLINE = {"camunda.document.type": "inline", "content": "héllo", "name": "a.txt", "contentType": "text/plain"}


@pytest.fixture
async def server():
    async with HttpServer() as running:
        yield running


@pytest.fixture
async def local(tmp_path):
    documents = LocalDocuments(tmp_path / "documents", max_bytes=100_000, hosts=["127.0.0.1", "nowhere.invalid"])
    yield documents
    await documents.aclose()


async def refused(documents, reference) -> ConnectorError:
    with pytest.raises(ConnectorError) as caught:
        await documents.read(Document(reference), seconds=5)
    return caught.value


async def test_create_and_read(local):
    """The reference has the official runtime's shape, and leads back to the bytes."""
    document = await local.create(b"\0data", name="ü.bin", content_type="application/x-thing")
    reference = json.loads(json.dumps(document.reference))
    key, digest = reference["documentId"], hashlib.sha256(b"\0data").hexdigest()
    assert re.fullmatch("[0-9a-f]{64}", key)
    assert reference == {
        "camunda.document.type": "camunda",
        "storeId": "zeebe-connectors",
        "documentId": key,
        "contentHash": digest,
        "metadata": {"contentType": "application/x-thing", "size": 5, "fileName": "ü.bin"},
    }
    content = await local.read(Document(reference), seconds=5)
    assert (content.data, content.name, content.content_type) == (b"\0data", "ü.bin", "application/x-thing")


@pytest.mark.parametrize(
    ("name", "safe"),
    [("../../etc/passwd", "passwd"), ("C:\\a\\b.txt", "b.txt"), ("x\u202etxt.exe", "xtxt.exe"), ("a\0b", "ab")],
)
async def test_no_name_is_a_path(local, server, name, safe):
    """When it is stored, and when it is read again from a reference that somebody else made."""

    async def pieces():
        yield b"x"

    assert (await local.create(b"x", name=name)).name == safe
    assert (await local.store(pieces(), name=name)).reference["metadata"]["fileName"] == safe
    inline = Document({**INLINE, "name": name})
    assert inline.name == (await local.read(inline, seconds=5)).name == safe
    async with local.open(inline, seconds=5) as opened:
        assert opened.name == safe
    server.answer("/x", Reply(200, b"x"))
    external = Document({"camunda.document.type": "external", "url": server.url("/x"), "name": name})
    assert external.name == (await local.read(external, seconds=5)).name == safe
    stored = (await local.create(b"y")).reference
    foreign = Document({**stored, "metadata": {**stored["metadata"], "fileName": name}})
    assert foreign.name == (await local.read(foreign, seconds=5)).name == safe


async def test_a_name_of_which_nothing_is_left(local):
    """It is none, and reading gives a plain one."""
    assert "fileName" not in (await local.create(b"x", name="..")).reference["metadata"]
    unnamed = Document({**INLINE, "name": "../"})
    assert unnamed.name is None
    assert (await local.read(unnamed, seconds=5)).name == "document"


async def test_type_is_guessed(local):
    """Without a type, the name tells it; without both, it is bytes."""
    assert (await local.create(b"", name="a.pdf")).content_type == "application/pdf"
    assert (await local.create(b"")).content_type == "application/octet-stream"


async def test_same_content_is_stored_once(local):
    """The same bytes are one file, also when they are created at the same time."""
    made = await asyncio.gather(*(local.create(b"same", name=f"{n}.txt") for n in range(20)))
    files = [
        path for path in local.directory.rglob("*") if path.is_file() and path.suffix != ".json" and path.name != ".key"
    ]
    assert len(files) == 1
    assert {document.name for document in made} == {f"{n}.txt" for n in range(20)}


async def test_reference_without_metadata(local):
    """A reference that lost its metadata is completed from what lies beside the file."""
    document = await local.create(b"x", name="a.txt")
    bare = {key: value for key, value in document.reference.items() if key != "metadata"}
    content = await local.read(Document(bare), seconds=5)
    assert (content.name, content.content_type) == ("a.txt", "text/plain")


@pytest.mark.parametrize(
    "change",
    [
        {"documentId": "0" * 64},
        {"documentId": "../../../etc/passwd"},
        {"documentId": "/etc/passwd"},
        {"documentId": 5},
        {"documentId": None},
        {"storeId": "gcp"},
    ],
)
async def test_not_found(local, change):
    """What is not in the store, or no id of it, is an incident; a path is never followed."""
    document = await local.create(b"x")
    error = await refused(local, {**document.reference, **change})
    assert (type(error).__name__, error.code) == ("PermanentError", "DOCUMENT_NOT_FOUND")


async def test_damaged(local):
    """A file whose content changed is not handed out."""
    document = await local.create(b"good")
    next(path for path in local.directory.glob("??/*") if path.is_file() and not path.suffix).write_bytes(b"evil")
    assert (await refused(local, document.reference)).code == "DOCUMENT_NOT_FOUND"


async def test_nothing_half_written(local):
    """A damaged leftover of the same size as announced is replaced by the next create, and no temporary file stays."""
    document = await local.create(b"good")
    path = next(path for path in local.directory.glob("??/*") if path.is_file() and not path.suffix)
    path.write_bytes(b"goo")
    await local.create(b"good")
    assert (await local.read(document, seconds=5)).data == b"good"
    assert not [path for path in local.directory.rglob(".*") if path.is_file() and path.name != ".key"]


async def test_too_large(local):
    """The size is limited when documents are created and when they are read."""
    with pytest.raises(ConnectorError) as caught:
        await local.create(b"x" * 100_001)
    assert (type(caught.value).__name__, caught.value.code) == ("PermanentError", "DOCUMENT_TOO_LARGE")


async def test_directory_that_cannot_be_written(tmp_path):
    """A store that cannot be written is tried again; the message names the setting."""
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ConnectorError) as caught:
        await LocalDocuments(tmp_path / "file").create(b"x")
    assert (type(caught.value).__name__, caught.value.code) == ("TransientError", "DOCUMENT_UNREACHABLE")
    assert "ZEEBE_CONNECTORS_DOCUMENTS" in caught.value.message


async def test_sweep(tmp_path):
    """Documents older than the retention are deleted; creating one again keeps it; the reference tells its end."""
    documents = LocalDocuments(tmp_path, keep=3600)
    old, kept, new = [await documents.create(text) for text in (b"old", b"kept", b"new")]
    assert "expiresAt" in new.reference["metadata"]
    for path in tmp_path.rglob("*"):
        if path.is_file() and path.stem in {old.reference["contentHash"], kept.reference["contentHash"]}:
            os.utime(path, (time.time() - 7200, time.time() - 7200))
    await documents.create(b"kept")
    assert documents.sweep() == 1
    assert (await refused(documents, old.reference)).code == "DOCUMENT_NOT_FOUND"
    for document, data in ((kept, b"kept"), (new, b"new")):
        assert (await documents.read(document, seconds=5)).data == data
    assert not list(tmp_path.rglob(f"{old.reference['documentId']}*"))


async def test_inline(local):
    """Inline content is its own bytes; other JSON than text is written out; name and type have defaults."""
    content = await local.read(Document(INLINE), seconds=5)
    assert (content.data, content.name, content.content_type) == ("héllo".encode(), "a.txt", "text/plain")
    bare = await local.read(Document({"camunda.document.type": "inline", "content": {"a": 1}}), seconds=5)
    assert (bare.data, bare.content_type) == (b'{"a": 1}', "application/octet-stream")
    assert bare.name
    named = await local.read(Document({"camunda.document.type": "inline", "content": "", "name": "x.csv"}), seconds=5)
    assert named.content_type == "text/csv"


@pytest.mark.parametrize(
    ("reference", "headers", "name"),
    [
        ({"name": "given.png"}, [], "given.png"),
        ({"name": None}, [("Content-Disposition", 'attachment; filename="../../told.png"')], "told.png"),
        ({}, [("Content-Disposition", "attachment; filename*=UTF-8''%C3%BC.png")], "ü.png"),
    ],
)
async def test_external(local, server, reference, headers, name):
    """A document on the web is fetched, over redirects; its name is the reference's or the server's."""
    server.answer("/f", Reply(302, b"", [("Location", "/g")]))
    server.answer("/g", Reply(200, b"png", [("Content-Type", "image/png"), *headers]))
    document = Document({"camunda.document.type": "external", "url": server.url("/f"), **reference})
    content = await local.read(document, seconds=5)
    assert (content.data, content.name, content.content_type) == (b"png", name, "image/png")


async def test_external_without_a_name(local, server):
    """Without any name there is one with a fitting ending."""
    server.answer("/f", Reply(200, b"png", [("Content-Type", "image/png; x=y")]))
    content = await local.read(Document({"camunda.document.type": "external", "url": server.url("/f")}), seconds=5)
    assert content.name.endswith(".png")


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (404, "PermanentError", "DOCUMENT_NOT_FOUND"),
        (410, "PermanentError", "DOCUMENT_NOT_FOUND"),
        (403, "ConnectorError", "DOCUMENT_UNREACHABLE"),
        (500, "TransientError", "DOCUMENT_UNREACHABLE"),
    ],
)
async def test_external_refused(local, server, status, kind, code):
    """A document that its server does not give is told by its own code."""
    server.answer("/f", Reply(status, b"", [], "No"))
    error = await refused(local, {"camunda.document.type": "external", "url": server.url("/f")})
    assert (type(error).__name__, error.code) == (kind, code)


async def test_external_unreachable(local):
    """A server that is away is tried again."""
    error = await refused(local, {"camunda.document.type": "external", "url": "http://nowhere.invalid/f"})
    assert (type(error).__name__, error.code) == ("TransientError", "DOCUMENT_UNREACHABLE")


async def test_external_too_large(local, server):
    """A document over the limit is cut off."""
    server.answer("/f", Reply(200, b"x" * 100_001))
    error = await refused(local, {"camunda.document.type": "external", "url": server.url("/f")})
    assert error.code == "DOCUMENT_TOO_LARGE"


@pytest.mark.parametrize("url", ["file:///etc/passwd", "", None, "ftp://x/"])
async def test_external_bad_url(local, url):
    """Only http(s) is fetched."""
    assert (await refused(local, {"camunda.document.type": "external", "url": url})).code == "INVALID_INPUT"


async def test_external_takes_too_long(local, server):
    """The time that was given is the most it takes."""

    async def hang(seen, reader, writer):
        await reader.read()

    server.script("/f", hang)
    with pytest.raises(ConnectorError) as caught:
        await local.read(Document({"camunda.document.type": "external", "url": server.url("/f")}), seconds=0.3)
    assert caught.value.variables == {"reason": "deadline"}


class Cluster:
    """Stands in for the cluster's document API, as its public description has it."""

    def __init__(self, server):
        self.stored = {}
        server.answer("/v2/documents", self.create)
        server.answer("*", self.other)

    def create(self, seen):
        assert seen.header("Authorization") == "Basic dTpw"
        head = f"Content-Type: {seen.header('Content-Type')}\r\n\r\n".encode()
        parts = {
            part.get_param("name", header="Content-Disposition"): part
            for part in message_from_bytes(head + seen.body, policy=HTTP).iter_parts()
        }
        key = f"id {len(self.stored)}/x"
        metadata = json.loads(parts["metadata"].get_payload(decode=True))
        assert parts["metadata"]["Content-Type"] == "application/json"
        assert parts["file"].get_filename() == metadata["fileName"]
        self.stored[key] = parts["file"].get_payload(decode=True)
        reference = {"storeId": "in-memory", "documentId": key, "contentHash": "abc", "metadata": metadata}
        return Reply(201, json.dumps(reference).encode(), [("Content-Type", "application/json")], "Created")

    def other(self, seen):
        assert dict(seen.query) == {"storeId": "in-memory", "contentHash": "abc"}
        if seen.target.startswith("/v2/documents/id%200%2Fx/links"):
            return Reply.json({"url": f"https://link/{seen.json.get('timeToLive')}", "expiresAt": "later"})
        if seen.target.startswith("/v2/documents/id%200%2Fx?"):
            return Reply(200, self.stored["id 0/x"], [("Content-Type", "application/octet-stream")])
        return Reply.json({"title": "NOT_FOUND"}, 404)


@pytest.fixture
async def cluster(tmp_path, server):
    Cluster(server)
    scheme = Basic(type="basic", username="u", password="p")
    documents = ClusterDocuments(
        server.url("/"), tmp_path, scheme=scheme, max_bytes=100_000, hosts=["127.0.0.1", "nowhere.invalid"]
    )
    yield documents
    await documents.aclose()


async def test_cluster(cluster):
    """The cluster's own store takes documents and gives them back, with its own references."""
    document = await cluster.create(b"\0x", name="a.bin", content_type="application/x-thing")
    assert document.reference["storeId"] == "in-memory"
    assert document.kind == "camunda"
    content = await cluster.read(document, seconds=5)
    assert (content.data, content.name, content.content_type) == (b"\0x", "a.bin", "application/x-thing")
    assert await cluster.link(document, life=60, seconds=5) == "https://link/60000"
    assert await cluster.link(document, life=None, seconds=5) == "https://link/None"


async def test_the_cluster_gets_no_path_as_a_name(cluster):
    """Its store would hand it to whoever fetches the document."""
    document = await cluster.create(b"x", name="../../etc/passwd")
    assert document.reference["metadata"]["fileName"] == document.name == "passwd"


async def test_cluster_not_found(cluster):
    """What the cluster does not have is an incident."""
    error = await refused(
        cluster,
        {"camunda.document.type": "camunda", "storeId": "in-memory", "documentId": "gone", "contentHash": "abc"},
    )
    assert error.code == "DOCUMENT_NOT_FOUND"


async def test_cluster_reads_local_documents(cluster, tmp_path):
    """Documents from before the cluster's store was configured stay readable."""
    document = await LocalDocuments(tmp_path).create(b"before")
    assert (await cluster.read(document, seconds=5)).data == b"before"


async def test_cluster_is_away(tmp_path):
    """A cluster that cannot be reached is tried again."""
    documents = ClusterDocuments("http://127.0.0.1:1", tmp_path)
    with pytest.raises(ConnectorError) as caught:
        await documents.create(b"x")
    await documents.aclose()
    assert (type(caught.value).__name__, caught.value.code) == ("TransientError", "DOCUMENT_UNREACHABLE")


def function(name, *params):
    return {"camunda.function.type": name, "params": list(params)}


async def resolved(documents, data, **more):
    return await resolve_intrinsics(Everything().marked(data), documents, deadline=time.monotonic() + 5, **more)


async def test_functions(local):
    """Function objects anywhere in the inputs are replaced by their results, innermost first."""
    js = {"camunda.document.type": "inline", "content": {"a": {"b": 2}}}
    data = {
        "text": function("base64", "ü"),
        "list": [function("base64", INLINE), {"deep": function("getText", INLINE)}],
        "json": function("getJson", js),
        "nested": function("base64", function("getText", INLINE, "utf-8")),
        "link": function("createLink", {"camunda.document.type": "external", "url": "https://x/y"}),
        "document": INLINE,
    }
    assert await resolved(local, data) == {
        "text": "w7w=",
        "list": ["aMOpbGxv", {"deep": "héllo"}],
        "json": {"a": {"b": 2}},
        "nested": "aMOpbGxv",
        "link": "https://x/y",
        "document": INLINE,
    }


async def test_text_in_any_character_set(local):
    """By any label that senders use; a byte order mark is no character of the text."""
    marked = {"camunda.document.type": "inline", "content": "\ufeff[1]"}
    data = [function("getText", marked), function("getText", marked, None), function("getJson", marked)]
    assert await resolved(local, data) == ["[1]", "[1]", [1]]
    stored = await local.create("при".encode("cp1251"), name="a.txt")
    assert await resolved(local, function("getText", dict(stored.reference), "win-1251")) == "при"


async def test_get_json_with_an_expression(local):
    """A part of a JSON document is taken with FEEL."""
    js = {"camunda.document.type": "inline", "content": {"a": {"b": [1, 2]}}}
    assert await resolved(local, function("getJson", js, "=a.b[2]")) == 2


async def test_inputs_without_functions_stay(local):
    """Inputs without function objects are handed through as they are."""
    data = {"a": [1, {"b": None}]}
    assert await resolved(local, data) is data


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (function("shell", "ls"), "there is no function 'shell'"),
        ({"camunda.function.type": 5}, "there is no function"),
        ({"camunda.function.type": "base64", "params": "x"}, "params must be a list"),
        (function("base64"), "takes 1 parameter but got 0"),
        (function("getText", "x"), "must be a document"),
        (function("getText", INLINE, "klingon"), "not a known character set"),
        (function("getText", INLINE, "ascii"), "not text in ascii"),
        (function("getText", INLINE, 5), "'5' is not a known character set"),
        (function("getJson", INLINE), "is not JSON"),
        (function("createLink", INLINE), "no link to an inline document"),
        (function("createLink", INLINE, "soon"), "must be a duration"),
        (function("createGithubAppInstallationToken", "no key", 1, 2), "privateKey is not a private key in PEM"),
        ([function("base64", "x")] * 11, "more than 10"),
    ],
)
async def test_bad_function(local, given, says):
    """A function that cannot be carried out is an incident with the reason."""
    with pytest.raises(ConnectorError, match=r"^(camunda\.function\.type|createLink): ") as caught:
        await resolved(local, {"x": given})
    assert type(caught.value).__name__ == "InputError"
    assert says in caught.value.message


async def test_github_token(local, server):
    """A GitHub app's token is fetched with a signed assertion."""
    pytest.importorskip("jwt")
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415 - an extra's library
    from cryptography.hazmat.primitives.asymmetric import padding, rsa  # noqa: PLC0415

    key = rsa.generate_private_key(65537, 2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    ).decode()
    server.answer("/app/installations/77/access_tokens", Reply.json({"token": "ghs_1"}, 201))
    given = function("createGithubAppInstallationToken", pem, "42", "77")
    assert await resolved(local, {"t": given}, github=server.url("")) == {"t": "ghs_1"}
    head, claims, signature = server.last.header("Authorization").removeprefix("Bearer ").split(".")
    key.public_key().verify(
        urlsafe_b64decode(signature + "=="), f"{head}.{claims}".encode(), padding.PKCS1v15(), hashes.SHA256()
    )
    claimed = json.loads(b64decode(claims + "=="))
    assert claimed["iss"] == "42"
    assert claimed["iat"] < time.time() < claimed["exp"] <= time.time() + 600


def configured(tmp_path, **values):
    env = Environment(("environment", {"ZEEBE_CONNECTORS_DOCUMENTS": str(tmp_path), **values}))
    return services_of(Settings.read(env), env)


async def test_local_store_is_the_default(tmp_path):
    """Without a setting, documents go to the directory and are kept for 180 days; for ever with `PT0S`."""
    needed = configured(tmp_path)
    document = await needed.documents.create(b"x")
    assert document.reference["storeId"] == "zeebe-connectors"
    ends = dt.datetime.fromisoformat(document.reference["metadata"]["expiresAt"])
    assert 179 < (ends - dt.datetime.now(dt.UTC)).days + 1 <= 181
    for_ever = configured(tmp_path, ZEEBE_CONNECTORS_DOCUMENTS_KEEP="PT0S")
    assert "expiresAt" not in (await for_ever.documents.create(b"x")).reference["metadata"]
    kept_for_a_day = configured(tmp_path, ZEEBE_CONNECTORS_DOCUMENTS_KEEP="P1D")
    assert "expiresAt" in (await kept_for_a_day.documents.create(b"x")).reference["metadata"]


async def test_cluster_store_by_setting(tmp_path, server):
    """The cluster's store is used when the operator says so, with the cluster's own login."""
    Cluster(server)
    needed = configured(
        tmp_path,
        ZEEBE_CONNECTORS_DOCUMENT_STORE="cluster",
        CAMUNDA_CLIENT_REST_ADDRESS=server.url("/"),
        CAMUNDA_CLIENT_AUTH_METHOD="basic",
        CAMUNDA_CLIENT_AUTH_USERNAME="u",
        CAMUNDA_CLIENT_AUTH_PASSWORD="p",
    )
    document = await needed.documents.create(b"x")
    assert document.reference["storeId"] == "in-memory"
    assert (await needed.documents.read(document, seconds=5)).data == b"x"
    await needed.aclose()


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"ZEEBE_CONNECTORS_DOCUMENT_STORE": "s3"}, "must be 'local' or 'cluster'"),
        ({"ZEEBE_CONNECTORS_DOCUMENT_STORE": "cluster"}, "CAMUNDA_CLIENT_REST_ADDRESS"),
        ({"ZEEBE_CONNECTORS_DOCUMENTS_KEEP": "long"}, "ZEEBE_CONNECTORS_DOCUMENTS_KEEP"),
    ],
)
def test_wrong_store_setting(tmp_path, values, says):
    """A wrong setting is told at the start, by its name."""
    with pytest.raises(SettingsError, match=says):
        configured(tmp_path, **values)


async def test_a_document_expires_when_nobody_reads_it(tmp_path):
    """Each reading keeps it for another while; afterwards the code says that its time was over."""
    documents = LocalDocuments(tmp_path / "documents", keep=3600)
    document = await documents.create(b"data", name="a.txt")
    (path,) = (one for one in documents.directory.glob("??/*") if not one.suffix and one.parent.name != "__")
    os.utime(path, (1, 1))
    await documents.read(Document(document.reference), seconds=5)
    assert documents.sweep() == 0
    os.utime(path, (1, 1))
    assert documents.sweep() == 1
    assert (await refused(documents, document.reference)).code == "DOCUMENT_NOT_FOUND"  # too early by its own word
    metadata = {**document.reference["metadata"], "expiresAt": "2001-01-01T00:00:00+00:00"}
    late = await refused(documents, {**document.reference, "metadata": metadata})
    assert late.code == "DOCUMENT_EXPIRED"
    assert "ZEEBE_CONNECTORS_DOCUMENTS_KEEP" in late.message
    await documents.aclose()


async def test_a_document_is_erased(tmp_path):
    """For good, by the hash of its content."""
    documents = LocalDocuments(tmp_path / "documents")
    document = await documents.create(b"data")
    digest = document.reference["contentHash"]
    assert documents.erase(digest)
    assert not documents.erase(digest)
    assert not documents.erase("../../etc/passwd")
    await documents.aclose()


async def test_files_are_for_the_owner_alone(tmp_path):
    """From their making, whatever the umask."""
    before = os.umask(0)
    try:
        documents = LocalDocuments(tmp_path / "var" / "documents")
        await documents.create(b"data")
        store = SqliteStore(tmp_path / "var" / "ledger" / "ledger.db")
        await StoredLedger(store).entries(limit=1)
        made = list((tmp_path / "var").rglob("*"))
        modes = {path.name: path.stat().st_mode & 0o777 for path in made}
        await store.aclose()
        await documents.aclose()
    finally:
        os.umask(before)
    assert made
    assert {name: oct(mode) for name, mode in modes.items() if mode & 0o077} == {}


async def test_the_cluster_itself_is_asked_whatever_holds_for_tasks(tmp_path, server):
    """Its address is the operator's; host validation, which refuses this machine, is for what tasks call."""
    server.answer("/v2/documents", Reply.json({"documentId": "d", "storeId": "s", "contentHash": "h"}, 201))
    settings = {
        "CAMUNDA_CONNECTOR_VALIDATION_HOSTS_ENABLED": "true",
        "CAMUNDA_CLIENT_REST_ADDRESS": server.url("").rstrip("/"),
        "ZEEBE_CONNECTORS_DOCUMENT_STORE": "cluster",
        "ZEEBE_CONNECTORS_DATA": str(tmp_path),
    }
    environment = Environment(("environment", settings))
    services = services_of(Settings.read(environment), environment)
    document = await services.documents.create(b"x")
    assert document.reference["documentId"] == "d"
    await services.aclose()
