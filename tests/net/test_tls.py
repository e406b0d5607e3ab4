"""Servers' certificates are checked, and the same on every version of Python."""

import asyncio
import datetime as dt
import ipaddress
import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from zeebe_connectors import InputError
from zeebe_connectors.connectors.files.ftp_channels import tls_context
from zeebe_connectors.net.tls import ClientTls, checking, trust

PEM = serialization.Encoding.PEM


def certificate(subject, key, issuer, signer, *, authority):
    """One as older tools made them: without key identifiers and key usage."""
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=authority)
    )
    if not authority:
        address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        builder = builder.add_extension(x509.SubjectAlternativeName([address]), critical=False)
    return builder.sign(signer, hashes.SHA256())


@pytest.fixture(scope="module")
def older(tmp_path_factory):
    """A private authority in PEM, and a server's context with a certificate that it signed."""
    top, own = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority = certificate("Old authority", top, "Old authority", top, authority=True)
    leaf = certificate("old server", own, "Old authority", top, authority=False)
    file = tmp_path_factory.mktemp("tls") / "server.pem"
    key = own.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(key + leaf.public_bytes(PEM))
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(file)
    return authority.public_bytes(PEM).decode(), server


async def shaken(server, client):
    """Shakes hands with a server on loopback."""
    listening = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=server)
    async with listening:
        _, writer = await asyncio.open_connection(*listening.sockets[0].getsockname(), ssl=client)
        writer.close()


contexts = pytest.mark.parametrize(
    "context",
    [checking, trust, lambda pem: ClientTls(trusted_certificate=pem).context(), tls_context],
    ids=["net", "mail", "HTTP", "FTPS"],
)


@contexts
async def test_a_private_authoritys_older_certificate_is_accepted(older, context):
    """Python 3.13 refuses it by default; the strict check shows that it is one of those."""
    authority, server = older
    client = context(authority)
    assert not client.verify_flags & ssl.VERIFY_X509_STRICT
    await shaken(server, client)
    strict = checking(authority)
    strict.verify_flags |= ssl.VERIFY_X509_STRICT
    with pytest.raises(ssl.SSLCertVerificationError):
        await shaken(server, strict)


@contexts
async def test_comments_may_be_in_any_script(older, context):
    """As the bundles of many systems have them; what is no certificate is still an error."""
    authority, server = older
    await shaken(server, context(f"# Főtanúsítvány\n{authority}"))
    with pytest.raises((InputError, ssl.SSLError)):
        context("Főtanúsítvány")


async def test_an_unknown_authority_is_still_refused(older):
    with pytest.raises(ssl.SSLCertVerificationError):
        await shaken(older[1], checking())
