"""Key pairs with certificates, made for a test: RSA or EC, by an authority or their own, and Java keystores of them."""

import datetime as dt
import hashlib
import os
import struct

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID


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
        return pkcs12.serialize_key_and_certificates(name, self.key, self.certificate, None, how)


def der(tag, content):
    size = len(content)
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag]) + (bytes([size]) if size < 128 else bytes([0x80 | len(octets)]) + octets) + content


def jks(pair, password, *, key_password=None, alias="client", extra=None):
    """A Java keystore, written as the format is known: the key xored with a chain of SHA-1."""
    secret = (key_password or password).encode("utf-16-be")
    plain = pair.key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    salt = os.urandom(20)
    stream, block = b"", salt
    while len(stream) < len(plain):
        block = hashlib.sha1(secret + block).digest()
        stream += block
    sealed = salt + bytes(a ^ b for a, b in zip(plain, stream, strict=False)) + hashlib.sha1(secret + plain).digest()
    algorithm = der(0x30, bytes.fromhex("060a2b060104012a02110101") + b"\x05\x00")
    protected = der(0x30, algorithm + der(0x04, sealed))

    def text(value):
        return struct.pack(">H", len(value)) + value.encode()

    def block_of(data):
        return struct.pack(">i", len(data)) + data

    body = struct.pack(">Iii", 0xFEEDFEED, 2, 2 if extra else 1)
    if extra:
        body += struct.pack(">i", 2) + text("trusted") + b"\0" * 8 + text("X.509") + block_of(extra.der)
    body += struct.pack(">i", 1) + text(alias) + b"\0" * 8 + block_of(protected)
    body += struct.pack(">i", 1) + text("X.509") + block_of(pair.der)
    return body + hashlib.sha1(password.encode("utf-16-be") + b"Mighty Aphrodite" + body).digest()
