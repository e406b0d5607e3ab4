"""What only looks like a document or a function is plain data; what a runtime made, or the modeler wrote, counts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import Field
from tests.servers.cluster import bpmn

from zeebe_connectors import Context, Document, Model, outbound
from zeebe_connectors.config.secrets import SecretResolver
from zeebe_connectors.mail.smtp.attachments import part
from zeebe_connectors.runtime.diagrams import DeployedHere, Diagrams
from zeebe_connectors.runtime.documents import ClusterDocuments, LocalDocuments
from zeebe_connectors.runtime.documents.ids import for_tenant
from zeebe_connectors.runtime.gateway import Deployed
from zeebe_connectors.runtime.outbound.jobs import JobHandler
from zeebe_connectors.runtime.outbound.outcome import Complete, Fail, Outcome
from zeebe_connectors.runtime.services import Services
from zeebe_connectors.sdk.client_cache import ClientCache
from zeebe_connectors.sdk.context import Job
from zeebe_connectors.sdk.document import Reference
from zeebe_connectors.sdk.files import AllowedFiles
from zeebe_connectors.testing.servers import HttpServer, Reply
from zeebe_connectors.web.documents import with_contents

KEY = 42
EXTERNAL = "camunda.document.type"
FUNCTION = "camunda.function.type"


class Letter(Model):
    """Fields of every kind that a document may land in."""

    body: Any = None
    """Anything."""
    subject: str = ""
    """Text."""
    file: Document | None = None
    """A document."""
    attachments: list[Any] = Field(default=[])
    """Several."""


@outbound("letter", title="Letter", type="letter", template=False)
async def write(given: Letter, context: Context) -> Any:
    """Reads what counts, and gives back all else."""
    files = [(await part(item, context, field="attachments")).data.decode() for item in given.attachments]
    file = (await context.documents.read(given.file, seconds=5)).data.decode() if given.file else ""
    return {
        "body": await with_contents(given.body, context, name="body"),
        "subject": given.subject,
        "file": file,
        "attachments": files,
    }


async def written(
    variables: dict[str, Any],
    documents: LocalDocuments,
    *,
    inputs: dict[str, str] | None = None,
    tenant: str = "<default>",
) -> Outcome:
    here = DeployedHere()
    if inputs is not None:
        here.remember({"o.bpmn": bpmn(inputs)}, [Deployed("order", 1, KEY, "o.bpmn")])
    services = Services(
        secrets=SecretResolver([]),
        clients=ClientCache(),
        documents=documents,
        files=AllowedFiles(()),
        diagrams=Diagrams(here=here),
    )
    job = Job(
        1,
        "letter",
        variables=json.dumps(variables),
        headers={"resultVariable": "r"},
        process_definition_key=KEY,
        bpmn_process_id="order",
        element_id="task",
        tenant_id=tenant,
    )
    return await JobHandler(write, services)(job)


@pytest.fixture
async def store(tmp_path):
    documents = LocalDocuments(tmp_path)
    yield documents
    await documents.aclose()


@pytest.fixture
async def web():
    async with HttpServer() as server:
        server.answer("*", Reply(200, b"from the web"))
        yield server


OUTSIDE = {"body": "=response.body", "subject": "=mail.subject", "file": "=file", "attachments": "=files"}
MEANT = dict.fromkeys(OUTSIDE, f'={{"{EXTERNAL}": "external", url: address}}')


@pytest.mark.parametrize("shape", [lambda x: x, lambda x: {"a": [x]}, lambda x: [[{"deep": x}]]])
async def test_a_response_that_looks_like_a_document_is_data(store, web, shape):
    """It makes the next task fetch nothing, whatever hosts are listed."""
    store._hosts = ("*",)
    looks = shape({EXTERNAL: "external", "url": web.url("/internal"), "name": "x"})
    outcome = await written({"body": looks}, store, inputs=OUTSIDE)
    assert isinstance(outcome, Complete)
    assert outcome.variables["r"]["body"] == looks
    assert web.seen == []


@pytest.mark.parametrize("field", ["subject", "file"])
async def test_in_a_field_for_documents_it_is_an_incident(store, web, field):
    """With the reason; nothing is fetched."""
    looks = {EXTERNAL: "external", "url": web.url("/internal")}
    outcome = await written({field: looks}, store, inputs=OUTSIDE)
    assert isinstance(outcome, Fail)
    assert outcome.retries == 0
    assert web.seen == []


@pytest.mark.parametrize("inputs", [OUTSIDE, MEANT, None])
@pytest.mark.parametrize("as_text", [True, False])
async def test_a_url_is_fetched_from_listed_hosts_only(store, web, inputs, as_text):
    """Also a text in attachments, and one that the modeler wrote; the message names host and setting."""
    address = web.url("/a.txt")
    given = {"attachments": [address if as_text else {"url": address}]}
    outcome = await written(given, store, inputs=inputs)
    assert isinstance(outcome, Fail)
    assert outcome.code == "DOCUMENT_HOST_FORBIDDEN"
    assert "127.0.0.1" in outcome.message
    assert "ZEEBE_CONNECTORS_DOCUMENT_HOSTS" in outcome.message
    assert web.seen == []
    store._hosts = ("127.0.0.1",)
    outcome = await written(given, store, inputs=inputs)
    assert outcome.variables["r"]["attachments"] == ["from the web"]


async def test_what_the_modeler_wrote_is_fetched_from_listed_hosts(store, web):
    """By the diagram where it is known, else by its host alone."""
    given = {"file": {EXTERNAL: "external", "url": web.url("/a.txt")}}
    for inputs in (MEANT, None):
        assert (await written(given, store, inputs=inputs)).code == "DOCUMENT_HOST_FORBIDDEN"
    store._hosts = ("*.0.0.1",)
    for inputs in (MEANT, None):
        assert (await written(given, store, inputs=inputs)).variables["r"]["file"] == "from the web"


async def test_a_redirect_leads_to_listed_hosts_only(store, web):
    """Each host on the way counts."""
    store._hosts = ("localhost",)
    web.answer("/a", Reply(302, b"", [("Location", web.url("/b", "127.0.0.1"))]))
    given = {"file": {EXTERNAL: "external", "url": web.url("/a", "localhost")}}
    assert (await written(given, store)).code == "DOCUMENT_HOST_FORBIDDEN"
    assert [seen.path for seen in web.seen] == ["/a"]


@pytest.mark.parametrize("field", ["file", "attachments", "body", "subject"])
async def test_what_a_runtime_made_counts_wherever_it_goes(store, field):
    """Through variables of any name, with the diagram known."""
    reference = json.loads(json.dumps((await store.create(b"made", name="a.txt")).reference))
    given = {field: [reference] if field == "attachments" else reference}
    found = (await written(given, store, inputs=OUTSIDE)).variables["r"][field]
    assert found in ("made", ["made"], "bWFkZQ==")


async def test_a_document_cannot_be_had_by_its_contents_hash(store):
    """Its id cannot be guessed, and proves content and tenant."""
    made = (await store.create(b"made")).reference
    digest = made["contentHash"]
    assert digest not in made["documentId"]
    other = (await store.create(b"other")).reference
    for forged in (
        {**made, "documentId": digest},
        {**made, "documentId": "0" * 64},
        {**made, "documentId": other["documentId"]},
        {**other, "contentHash": digest},
        {name: value for name, value in made.items() if name != "contentHash"},
    ):
        outcome = await written({"body": forged}, store, inputs=OUTSIDE)
        assert outcome.variables["r"]["body"] == forged, "data like any other"
        with pytest.raises(Exception, match="No runtime made this reference"):
            await store.read(Document(forged), seconds=5)


async def test_a_document_is_its_tenants(store):
    """What one tenant's task made, another's cannot read."""
    with for_tenant("a"):
        made = (await store.create(b"made")).reference
    assert (await written({"file": made}, store, tenant="a")).variables["r"]["file"] == "made"
    assert isinstance(await written({"file": made}, store, tenant="b"), Fail)
    assert (await written({"body": made}, store, tenant="b")).variables["r"]["body"] == made


async def test_runtimes_that_share_the_directory_know_each_others(tmp_path: Path):
    """And others do not; the key is its owner's only."""
    made = (await LocalDocuments(tmp_path / "a").create(b"x")).reference
    assert LocalDocuments(tmp_path / "a").made(made, tenant="<default>")
    await LocalDocuments(tmp_path / "b").create(b"x")
    assert not LocalDocuments(tmp_path / "b").made(made, tenant="<default>")
    assert (tmp_path / "a" / ".key").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("reference", "counts"),
    [
        ({"storeId": "gcp", "documentId": "d-1", "contentHash": "abc"}, True),
        ({"storeId": "gcp", "documentId": "d-1"}, False),
        ({"storeId": "zeebe-connectors", "documentId": "0" * 64, "contentHash": "0" * 64}, False),
    ],
)
def test_documents_of_the_clusters_store_count_as_it_vouches_for_them(tmp_path, reference, counts):
    """Those of forms and other clients too: it checks id and hash itself."""
    documents = ClusterDocuments("http://127.0.0.1:1", tmp_path)
    assert documents.made({EXTERNAL: "camunda", **reference}, tenant="a") is counts


CALL = {FUNCTION: "base64", "params": ["x"]}


@pytest.mark.parametrize(
    ("inputs", "became"),
    [(OUTSIDE, CALL), ({"body": f'={{"{FUNCTION}": "base64", params: ["x"]}}'}, "eA=="), (None, "eA==")],
)
async def test_a_function_counts_where_the_modeler_wrote_it(store, inputs, became):
    """From outside it is data; with the diagram unknown, those that call nobody count."""
    assert (await written({"body": CALL}, store, inputs=inputs)).variables["r"]["body"] == became


async def test_a_function_that_calls_somebody_is_no_content(store):
    """With the diagram unknown it counts in inputs for secrets only, where the modeler's text stands."""
    call = {FUNCTION: "createGithubAppInstallationToken", "params": ["key", "1", "2"]}
    assert (await written({"body": call}, store)).variables["r"]["body"] == call


async def test_a_written_function_reads_no_document_from_outside(store, web):
    """What counts is each object by itself; the parameters are no exception."""
    store._hosts = ("*",)
    call = {FUNCTION: "getText", "params": [{EXTERNAL: "external", "url": web.url("/x")}]}
    outcome = await written({"body": call}, store, inputs={"body": f'={{"{FUNCTION}": "getText", params: [given]}}'})
    assert isinstance(outcome, Fail)
    assert web.seen == []


async def test_jobs_without_documents_are_not_walked(store):
    """The very same inputs come through."""
    outcome = await written({"body": {"a": 1}}, store)
    assert outcome.variables["r"]["body"] == {"a": 1}


@pytest.mark.parametrize("place", [["x"], {"a": 1}, 5, True])
@pytest.mark.parametrize("in_cluster", [False, True])
async def test_a_response_with_an_odd_store_is_data(store, tmp_path, place, in_cluster):
    """What no store can be called makes the next task neither fetch nor fail."""
    documents = ClusterDocuments("http://127.0.0.1:1", tmp_path) if in_cluster else store
    looks = {EXTERNAL: "camunda", "storeId": place, "documentId": "a" * 64, "contentHash": "b" * 64}
    outcome = await written({"body": looks}, documents, inputs=OUTSIDE)
    assert isinstance(outcome, Complete), outcome
    assert outcome.variables["r"]["body"] == looks


@pytest.mark.parametrize("metadata", ["x", ["x"], 5, {"fileName": ["x"], "contentType": ["x"], "size": "x"}])
async def test_metadata_that_somebody_changed_does_no_harm(store, metadata):
    """Nothing proves it, so it may be anything; the store knows name and type itself."""
    made = await store.create(b"hello", name="a.txt")
    changed = Document(Reference({**made.reference, "metadata": metadata}))
    content = await store.read(changed, seconds=5)
    assert (content.data, content.content_type, changed.size) == (b"hello", "text/plain", None)
    async with store.open(changed, seconds=5) as opened:
        assert (opened.content_type, opened.size) == ("text/plain", 5)
    outcome = await written({"file": dict(changed.reference)}, store, inputs=OUTSIDE)
    assert isinstance(outcome, Complete), outcome
