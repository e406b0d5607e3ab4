"""People with mail certificates, and `openssl cms` as an independent maker of signed and encrypted mails."""

from __future__ import annotations

import base64
import datetime as dt
import shutil
import subprocess
import tempfile
import zlib
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from tests.servers.pairs import Pair, der

from zeebe_connectors.mail.reading.smime.envelope import Key
from zeebe_connectors.mail.reading.smime.signature import Trust
from zeebe_connectors.mail.reading.smime.unwrap import MAX_UNPACKED, Keyring
from zeebe_connectors.sdk.keys import all_from_keystore

OPENSSL = shutil.which("openssl")
needs_openssl = pytest.mark.skipif(OPENSSL is None, reason="openssl is not installed")
HEADERS = b"From: Ann <ann@example.test>\r\nTo: bob@example.test\r\nSubject: s\r\nMessage-ID: <1@example.test>\r\n"
INNER = (
    b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
    b"a secret text\r\n--x\r\nContent-Type: text/csv; name=list.csv\r\n"
    b"Content-Disposition: attachment; filename=list.csv\r\n\r\na,b\r\n--x--\r\n"
)


class Person(Pair):
    """A key with a certificate for mail."""

    def __init__(self, address, *, kind="rsa", issuer=None, ca=False, days=(-1, 30), usage="mail", ski=True):
        self.address = address
        self.key = {
            "rsa": lambda: rsa.generate_private_key(65537, 2048),
            "ec": lambda: ec.generate_private_key(ec.SECP256R1()),
            "p384": lambda: ec.generate_private_key(ec.SECP384R1()),
        }[kind]()
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, address.partition("@")[0])])
        now = dt.datetime.now(dt.UTC)
        public = self.key.public_key()
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer.certificate.subject if issuer else subject)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + dt.timedelta(days=days[0]))
            .not_valid_after(now + dt.timedelta(days=days[1]))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if ski:
            builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        if issuer is not None:
            identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key())
            builder = builder.add_extension(identifier, critical=False)
        if ca:
            builder = builder.add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
        else:
            purpose = ExtendedKeyUsageOID.EMAIL_PROTECTION if usage == "mail" else ExtendedKeyUsageOID.SERVER_AUTH
            builder = (
                builder.add_extension(x509.SubjectAlternativeName([x509.RFC822Name(address)]), critical=False)
                .add_extension(_usage(digital_signature=True, key_encipherment=True), critical=True)
                .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
            )
        self.certificate = builder.sign((issuer or self).key, hashes.SHA256())


def _usage(**given):
    names = ["digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"]
    names += ["key_cert_sign", "crl_sign", "encipher_only", "decipher_only"]
    return x509.KeyUsage(**{name: given.get(name, False) for name in names})


def openssl(command: str, content: bytes, **files: str) -> bytes:
    """Runs `openssl cms COMMAND`; `{name}` in the command is the path of that file."""
    with tempfile.TemporaryDirectory() as folder:
        places = {"in": Path(folder, "in"), "out": Path(folder, "out")}
        places["in"].write_bytes(content)
        for name, text in files.items():
            places[name] = Path(folder, name)
            places[name].write_text(text)
        words = [word.format(**places) for word in f"cms {command} -in {{in}} -out {{out}}".split()]
        done = subprocess.run([OPENSSL, *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return places["out"].read_bytes()


def ring(*people: Person, trusted: tuple[Person, ...] = (), max_bytes: int = MAX_UNPACKED) -> Keyring:
    """The keys of some people, and whom they trust."""
    keys = [Key.of(all_from_keystore(person.p12("pw"), "pw", where="key", code="BAD")[0]) for person in people]
    return Keyring(tuple(keys), Trust(tuple(person.certificate for person in trusted)), max_bytes)


def encrypted(person: Person, options: str = "-aes256", content: bytes = INNER) -> bytes:
    """A message in DER."""
    return openssl(f"-encrypt -outform DER {options} -recip {{recipient}}", content, recipient=person.pem)


def signed(person: Person, options: str = "-nodetach", content: bytes = INNER, *, more: str = "") -> bytes:
    """A message in DER."""
    extra = "-certfile {more}" if more else ""
    return openssl(
        f"-sign -binary -outform DER -signer {{signer}} -inkey {{key}} {options} {extra}",
        content,
        signer=person.pem,
        key=person.key_pem(),
        more=more,
    )


def compressed(content: bytes = INNER) -> bytes:
    """A message in DER (RFC 3274), written here because OpenSSL is seldom built with zlib."""
    data = bytes.fromhex("06092a864886f70d010701")
    packed = der(0x30, data + der(0xA0, der(0x04, zlib.compress(content))))
    algorithm = der(0x30, bytes.fromhex("060b2a864886f70d0109100308"))
    inner = der(0x30, b"\x02\x01\x00" + algorithm + packed)
    return der(0x30, bytes.fromhex("060b2a864886f70d0109100109") + der(0xA0, inner))


def mail(message: bytes, kind: str = "enveloped-data", *, headers: bytes = HEADERS) -> bytes:
    """A mail that is an S/MIME message."""
    return headers + entity(message, kind)


def entity(message: bytes, kind: str = "enveloped-data") -> bytes:
    """An S/MIME message as a part."""
    return (
        b"Content-Type: application/pkcs7-mime; smime-type=" + kind.encode() + b"; name=smime.p7m\r\n"
        b"Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=smime.p7m\r\n\r\n"
    ) + base64.encodebytes(message).replace(b"\n", b"\r\n")


def clear_signed(
    person: Person, content: bytes = INNER, options: str = "", *, headers: bytes = HEADERS, **more
) -> bytes:
    """A mail whose content is readable, with its signature beside it."""
    signature = base64.encodebytes(signed(person, options, content, **more)).replace(b"\n", b"\r\n")
    return (
        headers + b'Content-Type: multipart/signed; protocol="application/pkcs7-signature"; micalg=sha-256; boundary=s'
        b"\r\n\r\n--s\r\n" + content + b"\r\n--s\r\nContent-Type: application/pkcs7-signature; name=smime.p7s\r\n"
        b"Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=smime.p7s\r\n\r\n"
        + signature
        + b"--s--\r\n"
    )
