"""Keys: PEM, PKCS#12 and JKS give the same identity, and what is wrong is told without the secret."""

import hashlib
import os
import struct

import pytest
from cryptography.hazmat.primitives import serialization

from zeebe_connectors import InputError
from zeebe_connectors.connectors.soap.keys import from_keystore, from_pem


def der(tag, content):
    size = len(content)
    length = (
        bytes([size]) if size < 128 else (b"\x82" + struct.pack(">H", size) if size > 255 else b"\x81" + bytes([size]))
    )
    return bytes([tag]) + length + content


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


def test_all_formats_give_the_same(pair, authority):
    """PEM, encrypted PEM, PKCS#12 and JKS hold the same key and certificate."""
    found = [
        from_pem(pair.pem, pair.key_pem(), None, where="x"),
        from_pem(pair.pem + authority.pem, pair.key_pem("pw"), "pw", where="x"),
        from_keystore(pair.p12("changeit"), "changeit", None, None, where="x"),
        from_keystore(pair.p12("changeit"), "changeit", "CLIENT", None, where="x"),
        from_keystore(jks(pair, "changeit"), "changeit", "Client", None, where="x"),
        from_keystore(jks(pair, "changeit", key_password="other"), "changeit", None, "other", where="x"),
        from_keystore(jks(pair, "changeit", extra=authority), "changeit", None, None, where="x"),
    ]
    assert len({item.key for item in found}) == 1
    assert {item.chain[0] for item in found} == {pair.certificate}
    assert found[1].chain == (pair.certificate, authority.certificate)


def test_what_is_wrong_is_told(pair, make_pair):
    """Each mistake has its own message, and none has the password in it."""
    other = make_pair("other")
    cases = [
        (lambda: from_pem("nonsense", pair.key_pem(), None, where="a"), "a.certificate: is not"),
        (lambda: from_pem(pair.pem, "nonsense", None, where="a"), "a.privateKey: is not"),
        (lambda: from_pem(pair.pem, pair.key_pem("p"), None, where="a"), "password is wrong or missing"),
        (lambda: from_pem(pair.pem, other.key_pem(), None, where="a"), "do not belong together"),
        (lambda: from_keystore(pair.p12("right"), "hunter2", None, None, where="a"), "password is wrong"),
        (lambda: from_keystore(pair.p12("right"), "right", "bob", None, where="a"), "it holds: client"),
        (lambda: from_keystore(jks(pair, "right"), "hunter2", None, None, where="a"), "password is wrong"),
        (lambda: from_keystore(jks(pair, "right"), "right", "bob", None, where="a"), "it holds: client"),
        (
            lambda: from_keystore(jks(pair, "right", key_password="k"), "right", None, None, where="a"),
            "password of the key",
        ),
        (lambda: from_keystore(b"\xce\xce\xce\xce", "x", None, None, where="a"), "JCEKS"),
        (lambda: from_keystore(b"", "x", None, None, where="a"), "neither"),
    ]
    for attempt, told in cases:
        with pytest.raises(InputError, match=told) as caught:
            attempt()
        assert "hunter2" not in str(caught.value)
        assert caught.value.code == "SOAP_CERTIFICATE_INVALID"
