"""What lies below the envelope: client certificates from keystores, and NTLM's three messages on one connection."""

import ssl

import pytest
import trustme
from tests.servers.auth import NtlmGuard
from tests.servers.pairs import jks
from tests.servers.soap import SoapServer, envelope

from zeebe_connectors.testing.servers import HttpServer, Reply

OK = Reply(200, envelope("<Pong/>"), [("Content-Type", "text/xml")])


@pytest.fixture
async def tls_server(authority):
    """A server that lets in only who has a certificate of the authority; and what to trust."""
    ca = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)  # as most servers: without Python 3.13's stricter X.509 checks
    context.load_verify_locations(cadata=authority.pem)
    context.verify_mode = ssl.CERT_REQUIRED
    ca.issue_cert("127.0.0.1").configure_cert(context)
    async with HttpServer(tls=context) as running:
        running.answer("/", OK)
        yield running, ca.cert_pem.bytes().decode()


@pytest.mark.parametrize("kind", ["pkcs12", "jks", "pem"])
async def test_client_certificate(tls_server, soap, pair, kind):
    """The service sees our certificate, whatever file it comes from."""
    server, trusted = tls_server
    given = {"clientTls": {"trustedCertificate": trusted}}
    if kind == "pem":
        given["clientTls"] |= {"clientCertificate": pair.pem, "clientPrivateKey": pair.key_pem()}
    else:
        data = pair.p12("changeit") if kind == "pkcs12" else jks(pair, "changeit")
        (soap.files / "store").write_bytes(data)
        given["clientKeystore"] = {"keystoreLocation": "store", "keystorePassword": "changeit"}
    await soap(server.url("/"), **given)
    assert server.last.peer_certificate["subject"] == ((("commonName", "client"),),)


async def test_no_client_certificate(tls_server, soap):
    """Without one there is no connection, and an untrusted service is told as such."""
    server, trusted = tls_server
    error = await soap.error(server.url("/"), clientTls={"trustedCertificate": trusted})
    assert error.code in {"SSL_HANDSHAKE_FAILED", "408"}
    assert (await soap.error(server.url("/"))).variables["reason"] == "certificate"


async def test_empty_keystore_fields(server, soap):
    """A form whose keystore fields nobody filled in asks for no keystore."""
    server.answer("/", OK)
    await soap(server.url("/"), clientKeystore={"keystoreLocation": "", "keystorePassword": "", "alias": None})


@pytest.fixture
async def ntlm_server(tmp_path, monkeypatch):
    """A server that asks for NTLM, and remembers which connection belongs to whom."""
    users = tmp_path / "users"
    users.write_text("DOM:alice:sécret\n", encoding="utf-8")
    monkeypatch.setenv("NTLM_USER_FILE", str(users))
    async with SoapServer() as running:
        running.answer("/", NtlmGuard(OK))
        yield running


async def test_ntlm(ntlm_server, soap):
    """Greeting, challenge and answer go over one connection; the message goes only with the answer."""
    user = {"type": "ntlm", "username": "DOM\\alice", "password": "sécret"}
    assert (await soap(ntlm_server.url("/"), httpAuthentication=user))["Envelope"]["Body"] == {"Pong": {}}
    assert [bool(seen.body) for seen in ntlm_server.seen] == [False, True]
    assert {seen.connection for seen in ntlm_server.seen} == {1}


async def test_ntlm_wrong_password(ntlm_server, soap):
    """A wrong password is a 401."""
    user = {"type": "ntlm", "username": "DOM\\alice", "password": "wrong"}
    assert (await soap.error(ntlm_server.url("/"), httpAuthentication=user)).code == "401"


async def test_ntlm_is_not_offered(server, soap):
    """A service that does not ask for NTLM still gets the message; a 401 without a challenge stays one."""
    server.answer("/", OK)
    user = {"type": "ntlm", "username": "alice", "password": "x"}
    assert (await soap(server.url("/"), httpAuthentication=user))["Envelope"]["Body"] == {"Pong": {}}
    assert server.last.body
    server.answer("/", Reply(401, b"", [("WWW-Authenticate", "Basic")], "Unauthorized"))
    assert (await soap.error(server.url("/"), httpAuthentication=user)).code == "401"
