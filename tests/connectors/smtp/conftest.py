"""What tests of the SMTP connectors have in common: a recording server, and the connectors called as by the runtime."""

import logging
import time

import pytest

from zeebe_connectors import ConnectorError, Context
from zeebe_connectors.connectors.smtp.connector import Mail, send
from zeebe_connectors.connectors.smtp.infosys import InfosysMail
from zeebe_connectors.connectors.smtp.infosys import send as send_infosys
from zeebe_connectors.runtime.documents import LocalDocuments
from zeebe_connectors.runtime.documents.trust import Everything
from zeebe_connectors.sdk.client_cache import ClientCache
from zeebe_connectors.sdk.context import Job
from zeebe_connectors.sdk.fields import read_input
from zeebe_connectors.sdk.files import AllowedFiles
from zeebe_connectors.testing.servers import SmtpServer


class Smtp:
    """Calls the connectors with raw inputs, as they stand in a job's variables."""

    def __init__(self, clients, documents, files):
        self.clients, self.documents, self.files = clients, documents, files

    def context(self, *, key=1, seconds=10.0):
        job = Job(key, "smtp", process_instance_key=key, element_instance_key=key + 1, bpmn_process_id="order")
        log = logging.LoggerAdapter(logging.getLogger("test"), {})
        return Context(job, self.clients, self.documents, self.files, log, deadline=time.monotonic() + seconds)

    async def __call__(self, server, *, key=1, seconds=10.0, **inputs):
        given = {
            "host": "127.0.0.1" if isinstance(server, SmtpServer) else server,
            "port": getattr(server, "port", None),
            "security": "none",
            "from": "billing@example.com",
            "to": "jane@example.com",
            "subject": "Hello",
            "text": "Hello, Jane",
            **inputs,
        }
        return await send(read_input(Mail, Everything().marked(given)), self.context(key=key, seconds=seconds))

    async def error(self, server, code, **inputs) -> ConnectorError:
        with pytest.raises(ConnectorError) as caught:
            await self(server, **inputs)
        assert caught.value.code == code, caught.value.message
        assert code in send.errors, "the code is documented"
        return caught.value

    async def infosys(self, server, *, login=None, **inputs):
        authentication = {"hostname": "127.0.0.1", "port": str(server.port), **(login or {})}
        given = {
            "authentication": authentication,
            "smtpEmailMailBoxName": "billing@example.com",
            "smtpEmailToRecipients": ["jane@example.com"],
            "smtpEmailSubject": "Hello",
            "smtpEmailContentType": "Text",
            "smtpEmailContent": "Hello, Jane",
            **inputs,
        }
        return await send_infosys(read_input(InfosysMail, Everything().marked(given)), self.context())


@pytest.fixture
async def server():
    async with SmtpServer() as running:
        yield running


@pytest.fixture
def files(tmp_path):
    directory = tmp_path / "allowed"
    directory.mkdir()
    return directory


@pytest.fixture
async def smtp(tmp_path, files):
    clients = ClientCache()
    documents = LocalDocuments(tmp_path / "documents", hosts=("*",))
    yield Smtp(clients, documents, AllowedFiles([files]))
    await documents.aclose()
    await clients.aclose()
