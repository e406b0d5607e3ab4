"""What tests of the SOAP connector share: a service, a key pair, and the connector called as the runtime does."""

import datetime as dt
import logging
import os
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from servers.soap import SoapServer
from zeebe_connectors import ConnectorError, Context
from zeebe_connectors.connectors.soap.connector import call
from zeebe_connectors.connectors.soap.fields import Message
from zeebe_connectors.runtime.documents import LocalDocuments
from zeebe_connectors.sdk.context import Job
from zeebe_connectors.sdk.fields import read_input
from zeebe_connectors.sdk.files import AllowedFiles
from zeebe_connectors.sdk.kept import Kept


class Soap:
    """Calls the connector with raw inputs, as they stand in a job's variables."""

    def __init__(self, kept, documents, files):
        self.kept, self.documents, self.files = kept, documents, files

    def context(self, seconds=20.0):
        log = logging.LoggerAdapter(logging.getLogger("test"), {})
        return Context(
            Job(1, "soap"),
            self.kept,
            self.documents,
            AllowedFiles([self.files]),
            log,
            deadline=time.monotonic() + seconds,
        )

    async def __call__(self, url=None, *, seconds=20.0, **inputs):
        raw = {**({"serviceUrl": url} if url else {}), **inputs}
        raw.setdefault("body", {"type": "json", "json": {"Ping": None}})
        return await call(read_input(Message, raw), self.context(seconds))

    async def error(self, url=None, **inputs) -> ConnectorError:
        with pytest.raises(ConnectorError) as caught:
            await self(url, **inputs)
        return caught.value


class Pair:
    """A key with a certificate for it."""

    def __init__(self, name, *, kind="rsa", issuer=None, ca=False):
        self.key = ec.generate_private_key(ec.SECP256R1()) if kind == "ec" else rsa.generate_private_key(65537, 2048)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = dt.datetime.now(dt.UTC)
        self.certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer.certificate.subject if issuer else subject)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .sign((issuer or self).key, hashes.SHA256())
        )

    @property
    def pem(self):
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    @property
    def der(self):
        return self.certificate.public_bytes(serialization.Encoding.DER)

    def key_pem(self, password=None):
        how = serialization.BestAvailableEncryption(password.encode()) if password else serialization.NoEncryption()
        return self.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how).decode()

    def p12(self, password, name=b"client"):
        how = serialization.BestAvailableEncryption(password.encode())
        return serialization.pkcs12.serialize_key_and_certificates(name, self.key, self.certificate, None, how)


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
    kept = Kept()
    documents = LocalDocuments(tmp_path / "documents")
    (tmp_path / "files").mkdir()
    yield Soap(kept, documents, tmp_path / "files")
    await documents.aclose()
    await kept.aclose()


@pytest.fixture(autouse=True)
def _plain_network(monkeypatch):
    """No proxy or rule of the machine that the tests run on."""
    for name in list(os.environ):
        if name.startswith(("CONNECTOR_HTTP", "CAMUNDA_CONNECTOR_")):
            monkeypatch.delenv(name)
