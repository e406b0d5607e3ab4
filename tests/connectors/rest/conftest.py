"""What tests of the REST connector have in common: a recording server, and the connector called as the runtime does."""

import logging
import time

import pytest

from zeebe_connectors import ConnectorError, Context
from zeebe_connectors.connectors.rest.connector import Request, request
from zeebe_connectors.runtime.documents import LocalDocuments
from zeebe_connectors.runtime.documents.trust import Everything
from zeebe_connectors.sdk.client_cache import ClientCache
from zeebe_connectors.sdk.context import Job
from zeebe_connectors.sdk.fields import read_input
from zeebe_connectors.sdk.files import AllowedFiles
from zeebe_connectors.testing.servers import HttpServer


class Rest:
    """Calls the connector with raw inputs, as they stand in a job's variables."""

    def __init__(self, clients, documents):
        self.clients, self.documents, self.files = clients, documents, AllowedFiles()

    def allow(self, folder):
        """Lets the connector read below a folder."""
        self.files = AllowedFiles([folder])

    def context(self, seconds=10.0):
        log = logging.LoggerAdapter(logging.getLogger("test"), {})
        return Context(
            Job(1, "rest"), self.clients, self.documents, self.files, log, deadline=time.monotonic() + seconds
        )

    async def __call__(self, url, *, seconds=10.0, **inputs):
        return await request(read_input(Request, Everything().marked({"url": url, **inputs})), self.context(seconds))

    async def error(self, url, **inputs) -> ConnectorError:
        with pytest.raises(ConnectorError) as caught:
            await self(url, **inputs)
        return caught.value


@pytest.fixture
async def server():
    async with HttpServer() as running:
        yield running


@pytest.fixture
async def rest(tmp_path):
    clients = ClientCache()
    documents = LocalDocuments(tmp_path / "documents", hosts=("*",))
    yield Rest(clients, documents)
    await documents.aclose()
    await clients.aclose()


@pytest.fixture(autouse=True)
def _plain_network(monkeypatch):
    """No proxy or rule of the machine that the tests run on."""
    import os  # noqa: PLC0415

    for name in os.environ:
        if name.startswith(("CONNECTOR_HTTP", "CAMUNDA_CONNECTOR_")):
            monkeypatch.delenv(name)
