"""A server's words are cut after they were masked: nothing of a secret stands at the cut, wherever it falls."""

from __future__ import annotations

import asyncio

import pytest
from tests.servers.soap import SoapServer

from zeebe_connectors.config.secrets import EnvironmentSecrets, Mask, SecretResolver
from zeebe_connectors.connectors.imap import connector as imap
from zeebe_connectors.connectors.smtp import connector as smtp
from zeebe_connectors.connectors.soap import connector as soap
from zeebe_connectors.runtime.documents import LocalDocuments
from zeebe_connectors.runtime.inbound.elements import Element, Source
from zeebe_connectors.runtime.inbound.preview import preview
from zeebe_connectors.runtime.services import Services
from zeebe_connectors.sdk.client_cache import ClientCache
from zeebe_connectors.sdk.errors import ConnectorError
from zeebe_connectors.sdk.files import AllowedFiles
from zeebe_connectors.testing import Fail, run
from zeebe_connectors.testing.servers import ImapServer, Reply, SmtpServer

CANARY = "canary5eCr3tOf32CharactersXyZ019"
FALLS = [180, 190, 270, 290, 480, 495, 980]
"""Characters before the canary: it lies across each of the limits that there are."""


def is_clean(text: str) -> bool:
    return not any(CANARY[:length] in text for length in range(6, len(CANARY) + 1))


@pytest.mark.parametrize("before", FALLS)
async def test_of_a_mail_server(before):
    """In message and variables of an incident."""
    async with SmtpServer(users={"u": "other"}) as server:
        server.say("AUTH", f"535 5.7.8 {'x' * before}{CANARY} you")
        given = {"host": "127.0.0.1", "port": server.port, "security": "none", "from": "a@example.com"}
        given |= {"to": "b@example.com", "subject": "s", "text": "x"}
        given["authentication"] = {"type": "plain", "username": "u", "password": "{{secrets.K}}"}
        outcome = await run(smtp.send, given, secrets={"K": CANARY})
    assert isinstance(outcome, Fail)
    assert is_clean(repr(outcome))


@pytest.mark.parametrize("before", FALLS)
async def test_of_a_soap_fault(before):
    """Its reason is cut for the message."""
    fault = (
        '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><s:Fault><faultcode>s:Client'
        f"</faultcode><faultstring>{'x' * before}{CANARY} no</faultstring></s:Fault></s:Body></s:Envelope>"
    )
    async with SoapServer() as server:
        server.answer("/s", Reply(500, fault.encode(), [("Content-Type", "text/xml")], "No"))
        given = {
            "serviceUrl": server.url("/s"),
            "httpHeaders": {"X-Key": "{{secrets.K}}"},
            "body": {"type": "json", "json": {"a": 1}},
        }
        outcome = await run(soap.call, given, secrets={"K": CANARY})
    assert isinstance(outcome, Fail)
    assert is_clean(repr(outcome))


@pytest.mark.parametrize("before", [170, 180, 190, 285])
async def test_of_a_mailbox(tmp_path, before):
    """In what a test of a source says, and what its health would."""
    async with ImapServer() as server:
        server.greeting = f"* BYE {'x' * before}{CANARY} gone"
        properties = {
            "authentication.type": "simple",
            "authentication.username": "u",
            "authentication.password": "{{secrets.K}}",
            "data.pollingConfigDiscriminator": "allPollingConfig",
            "data.imapConfig.imapHost": "127.0.0.1",
            "data.imapConfig.imapPort": server.port,
            "data.imapConfig.imapCryptographicProtocol": "NONE",
        }
        source = Source("s", [Element("p", "e", "start", imap.watch.type, properties)])
        clients = ClientCache()
        services = Services(
            SecretResolver([EnvironmentSecrets({"SECRET_K": CANARY})]),
            clients,
            LocalDocuments(tmp_path, clients=clients),
            AllowedFiles(),
        )
        mask = Mask()
        with pytest.raises(ConnectorError) as raised:
            async with asyncio.timeout(10):
                await preview(source, imap.watch, services, hours=1, mask=mask)
        await services.aclose()
    assert is_clean(str(raised.value))
    assert is_clean(mask.text(str(raised.value)))
