"""The example of all protocols, checked against servers on this machine: all are well, and what is wrong is told."""

import base64
import os
import ssl
from pathlib import Path

import pytest
import trustme
from tests.servers.coapd import CoapServer
from tests.servers.ftpd import FtpServer
from tests.servers.postgres import PASSWORD
from tests.servers.sftpd import PASSWORD as SFTP_PASSWORD
from tests.servers.sftpd import SftpServer

from zeebe_connectors.config.environment import Environment
from zeebe_connectors.config.settings import Settings
from zeebe_connectors.runtime.providers.checking import check
from zeebe_connectors.runtime.services import services_of
from zeebe_connectors.testing.servers import HttpServer, ImapServer, Pop3Server, Reply, SmtpServer

EXAMPLE = Path(__file__).parents[3] / "examples" / "providers.yaml"
AUTHORITY = trustme.CA()
SECRETS = {
    "LOCAL_CA": AUTHORITY.cert_pem.bytes().decode(),
    "ERP_LOCAL": "canary-erp",
    "CRM": "canary-crm",
    "STOCK": "canary-stock",
    "WEATHER": "canary-weather",
    "BILLING": "canary-billing",
    "MAILER": "canary-mailer",
    "SUPPORT": "secret",
    "INVOICES": "secret",
    "EXCHANGE": SFTP_PASSWORD,
    "SCANS": "canary-scans",
    "WAREHOUSE": PASSWORD,
}


@pytest.fixture(autouse=True)
def _plain_network(monkeypatch):
    for name in os.environ:
        if name.startswith(("CONNECTOR_HTTP", "CAMUNDA_CONNECTOR_")):
            monkeypatch.delenv(name)


def basic(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.fixture
async def ports(tmp_path, postgresql):
    """Servers that check each login, and the ports of the example with those that they have."""
    home = tmp_path / "home"
    home.mkdir()
    certificate = tmp_path / "localhost.pem"
    AUTHORITY.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(certificate))
    database = postgresql.database().rpartition("/")[2]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert("localhost").configure_cert(context)
    users = {"mailer": SECRETS["MAILER"]}
    async with (
        HttpServer() as http,
        HttpServer(tls=context) as https,
        SmtpServer(users=users) as smtp,
        SmtpServer(users=users, tls=context, implicit=True) as smtps,
        ImapServer() as imap,
        Pop3Server() as pop,
        SftpServer(home) as sftp,
        CoapServer() as coap,
    ):
        ftp = FtpServer(home, tls="explicit", certificate=certificate, password=SECRETS["SCANS"])
        imap.users = {"alice@example.test": SECRETS["SUPPORT"]}

        def guarded(header, value):
            return lambda seen: Reply.json({}) if seen.header(header) == value else Reply(401, b"")

        https.answer("/erp/", guarded("authorization", basic("erp-user", SECRETS["ERP_LOCAL"])))
        https.answer("/graphql", guarded("authorization", f"Bearer {SECRETS['CRM']}"))
        http.answer("/stock", Reply(405, b""))
        http.answer("/shop/", Reply.json({}))
        http.answer(
            "/weather/", lambda seen: Reply.json({}) if ("key", SECRETS["WEATHER"]) in seen.query else Reply(403, b"")
        )
        http.answer("/token", Reply.json({"access_token": "good-one", "expires_in": 60}))
        http.answer("/billing/", guarded("authorization", "Bearer good-one"))
        with ftp:
            yield {
                "known hosts": sftp.known_hosts,
                "12022": str(sftp.port),
                "12021": str(ftp.port),
                "15432/warehouse": f"{postgresql.port}/{database}",
                "15683": str(coap.port),
                "18443": https.url().split(":")[2].strip("/"),
                "18080": http.url().split(":")[2].strip("/"),
                "11025": str(smtp.port),
                "11465": str(smtps.port),
                "11143": str(imap.port),
                "11110": str(pop.port),
            }


async def findings(ports, tmp_path, secrets=SECRETS):
    text = EXAMPLE.read_text()
    for port, real in ports.items():
        if port != "known hosts":
            assert port in text
            text = text.replace(port, real)
    file = tmp_path / "providers.yaml"
    file.write_text(text)
    named = {**secrets, "EXCHANGE_HOST_KEY": ports["known hosts"]}
    given = {
        "ZEEBE_CONNECTORS_PROVIDERS": str(file),
        "ZEEBE_CONNECTORS_DATA": str(tmp_path / "data"),
        "ZEEBE_CONNECTORS_ENVIRONMENT": "local",
        **{f"SECRET_{name}": value for name, value in named.items()},
    }
    operators = Environment(("environment", given))
    services = services_of(Settings.read(operators), operators)
    providers = services.providers
    try:
        found = {
            name: await check(providers, known, "local", services=services)
            for name, known in providers.directory.all().items()
        }
    finally:
        await providers.aclose()
        await services.aclose()
    assert "canary" not in repr(found)
    return found


async def test_all_of_the_example_is_well(ports, tmp_path):
    found = await findings(ports, tmp_path)
    assert len(found) == 16
    assert not [item for items in found.values() for item in items if item.verdict == "failed"], found
    last = {name: (items[-1].what, items[-1].verdict) for name, items in found.items()}
    assert last == {
        "erp": ("connection", "ok"),
        "crm": ("connection", "ok"),
        "stock": ("connection", "ok"),
        "shops": ("connection", "ok"),
        "partners": ("address", "warning"),  # which address, only a task says
        "weather": ("connection", "ok"),
        "billing": ("connection", "ok"),
        "archive": ("address", "warning"),  # switched off
        "mailer": ("login", "ok"),
        "newsletter": ("login", "ok"),
        "support": ("login", "ok"),
        "invoices": ("login", "ok"),
        "exchange": ("login", "ok"),
        "scans": ("login", "ok"),
        "warehouse": ("login", "ok"),
        "sensors": ("connection", "ok"),
    }


async def test_wrong_credentials_are_reported_for_each(ports, tmp_path):
    wrong = {name: value if name == "LOCAL_CA" else "canary-wrong" for name, value in SECRETS.items()}
    found = await findings(ports, tmp_path, wrong)
    failed = {name for name, items in found.items() if items[-1].verdict == "failed"}
    assert failed == {
        "erp",
        "crm",
        "weather",
        "mailer",
        "newsletter",
        "support",
        "invoices",
        "exchange",
        "scans",
        "warehouse",
    }
    assert {items[-1].what for name, items in found.items() if name in failed} == {"login"}


async def test_a_secret_that_is_missing_is_named(ports, tmp_path):
    found = await findings(ports, tmp_path, {name: value for name, value in SECRETS.items() if name != "CRM"})
    assert (found["crm"][-1].what, found["crm"][-1].verdict) == ("secrets", "failed")
    assert "CRM" in found["crm"][-1].text
