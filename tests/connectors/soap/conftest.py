"""What tests of the SOAP connector share: a service, a key pair, and the connector called as the runtime does."""

import asyncio
import json
import logging
import os
import time

import pytest
from tests.servers.pairs import Pair
from tests.servers.soap import SoapServer

from zeebe_connectors import ConnectorError, Context
from zeebe_connectors.connectors.soap.connector import call
from zeebe_connectors.connectors.soap.inputs import Request
from zeebe_connectors.runtime.documents import LocalDocuments
from zeebe_connectors.runtime.documents.trust import Everything
from zeebe_connectors.sdk.client_cache import ClientCache
from zeebe_connectors.sdk.context import Job
from zeebe_connectors.sdk.fields import read_input
from zeebe_connectors.sdk.files import AllowedFiles


class Soap:
    """Calls the connector with raw inputs, as they stand in a job's variables."""

    def __init__(self, clients, documents, files):
        self.clients, self.documents, self.files = clients, documents, files

    def context(self, seconds=20.0, variables="{}"):
        log = logging.LoggerAdapter(logging.getLogger("test"), {})
        return Context(
            Job(1, "soap", variables),
            self.clients,
            self.documents,
            AllowedFiles([self.files]),
            log,
            deadline=time.monotonic() + seconds,
        )

    async def __call__(self, url=None, *, seconds=20.0, **inputs):
        raw = {**({"serviceUrl": url} if url else {}), **inputs}
        raw.setdefault("body", {"type": "json", "json": {"Ping": None}})
        text = await asyncio.to_thread(json.dumps, raw, default=str)
        return await call(read_input(Request, Everything().marked(raw)), self.context(seconds, text))

    async def error(self, url=None, **inputs) -> ConnectorError:
        with pytest.raises(ConnectorError) as caught:
            await self(url, **inputs)
        return caught.value


@pytest.fixture(scope="session")
def make_pair():
    return Pair


@pytest.fixture(scope="session")
def authority():
    return Pair("authority", ca=True)


@pytest.fixture(scope="session")
def pair(authority):
    return Pair("client", issuer=authority)


@pytest.fixture
async def server():
    async with SoapServer() as running:
        yield running


@pytest.fixture
async def soap(tmp_path):
    clients = ClientCache()
    documents = LocalDocuments(tmp_path / "documents", hosts=("*",))
    (tmp_path / "files").mkdir()
    yield Soap(clients, documents, tmp_path / "files")
    await documents.aclose()
    await clients.aclose()


@pytest.fixture(autouse=True)
def _plain_network(monkeypatch):
    """No proxy or rule of the machine that the tests run on."""
    for name in list(os.environ):
        if name.startswith(("CONNECTOR_HTTP", "CAMUNDA_CONNECTOR_")):
            monkeypatch.delenv(name)
