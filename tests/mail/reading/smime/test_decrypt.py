"""What OpenSSL encrypts is read here, with every algorithm that mail programs use; the rest is told."""

from __future__ import annotations

import asyncio
import base64
import time
import zlib

import pytest
from tests.servers.pairs import der
from tests.servers.smime import (
    HEADERS,
    INNER,
    Person,
    clear_signed,
    compressed,
    encrypted,
    entity,
    mail,
    needs_openssl,
    openssl,
    ring,
    signed,
)

from zeebe_connectors.mail import Mail, parse_mail, read_mail

pytestmark = needs_openssl


@pytest.fixture(scope="module")
def authority():
    return Person("ca@example.test", ca=True)


@pytest.fixture(scope="module")
def bob(authority):
    return Person("bob@example.test", issuer=authority)


@pytest.fixture(scope="module")
def eve(authority):
    return Person("eve@example.test", issuer=authority)


@pytest.fixture(scope="module", params=["ec", "p384"])
def curve(request, authority):
    return Person("bob@example.test", issuer=authority, kind=request.param)


def is_read(read: Mail) -> bool:
    """Whether the text and the attachment of the usual content are there."""
    parts = [(part.name, part.data) for part in read.attachments if part.name != "smime.p7s"]
    return (read.plain or "").strip() == "a secret text" and parts == [("list.csv", b"a,b")] and read.subject == "s"


DATA, SIGNED_DATA = bytes.fromhex("06092a864886f70d010701"), bytes.fromhex("06092a864886f70d010702")
LEGACY = "-provider legacy -provider default"
OAEP = "-aes256 -keyopt rsa_padding_mode:oaep"


@pytest.mark.parametrize(
    "options",
    [
        "-aes128",
        "-aes192",
        "-aes256",
        "-des3",
        f"-rc2-40 {LEGACY}",
        f"-rc2-64 {LEGACY}",
        f"-rc2-128 {LEGACY}",
        "-aes-128-gcm",
        "-aes-192-gcm",
        "-aes-256-gcm",
        "-aes256 -keyid",
        "-aes256 -stream",
        "-aes-256-gcm -stream",
        OAEP,
        f"{OAEP} -keyopt rsa_oaep_md:sha256",
        f"{OAEP} -keyopt rsa_oaep_md:sha256 -keyopt rsa_mgf1_md:sha1",
        f"{OAEP} -keyopt rsa_oaep_label:6162",
    ],
)
def test_a_mail_to_an_rsa_key_is_read(bob, options):
    first, _, keyopts = options.partition(" ")
    message = openssl(f"-encrypt -outform DER {first} -recip {{bob}} {keyopts}", INNER, bob=bob.pem)
    read = parse_mail(mail(message), keyring=ring(bob))
    assert is_read(read)
    assert (read.encrypted, read.failure, read.signature, read.defects) == (True, None, None, [])


@pytest.mark.parametrize(
    "options",
    [
        "-aes128",
        "-aes256",
        "-des3",
        "-aes-256-gcm",
        "-aes256 -keyid",
        "-aes256 -stream",
        "-aes256 -aes128-wrap",
        "-aes128 -aes256-wrap",
        "-aes256 -keyopt ecdh_kdf_md:sha384",
        "-aes256 -keyopt ecdh_kdf_md:sha256 -keyopt ecdh_cofactor_mode:1",
    ],
)
def test_a_mail_to_an_elliptic_curve_is_read(curve, options):
    first, _, keyopts = options.partition(" ")
    message = openssl(f"-encrypt -outform DER {first} -recip {{bob}} {keyopts}", INNER, bob=curve.pem)
    assert is_read(parse_mail(mail(message), keyring=ring(curve)))


def test_of_several_recipients_and_keys_those_that_fit_are_found(bob, eve, curve):
    message = openssl("-encrypt -outform DER -aes256 -recip {eve} -recip {bob}", INNER, eve=eve.pem, bob=bob.pem)
    assert is_read(parse_mail(mail(message), keyring=ring(curve, bob)))
    both = openssl("-encrypt -outform DER -aes256 -recip {a} -recip {b}", INNER, a=curve.pem, b=bob.pem)
    assert is_read(parse_mail(mail(both), keyring=ring(bob)))
    assert is_read(parse_mail(mail(both), keyring=ring(curve)))


def pem(message: bytes, label: bytes) -> bytes:
    text = base64.encodebytes(message)
    return b"-----BEGIN " + label + b"-----\n" + text + b"-----END " + label + b"-----\n"


@pytest.mark.parametrize(
    "made",
    [
        lambda message: entity(message).replace(b"pkcs7-mime", b"x-pkcs7-mime"),
        lambda message: entity(message).replace(b"application/pkcs7-mime", b"application/octet-stream"),
        lambda message: b"Content-Type: application/pkcs7-mime\r\n\r\n" + pem(message, b"CMS"),
        lambda message: b"Content-Type: application/pkcs7-mime\r\n\r\n" + pem(message, b"PKCS7"),
        lambda message: b"Content-Type: application/pkcs7-mime\r\n\r\n" + base64.encodebytes(message),
        lambda message: b"Content-Type: application/pkcs7-mime\r\n\r\n" + message,
        lambda message: b"Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\n" + entity(message) + b"--o--\r\n",
    ],
    ids=["x-pkcs7-mime", "octet-stream", "PEM CMS", "PEM PKCS7", "no encoding", "binary", "only part"],
)
def test_a_message_is_found_in_every_dress(bob, made):
    assert is_read(parse_mail(HEADERS + made(encrypted(bob)), keyring=ring(bob)))


def test_layers_in_any_order_are_opened(bob, authority):
    ann = Person("ann@example.test", issuer=authority)
    keys = ring(bob, trusted=(authority,))
    packed = entity(compressed(), "compressed-data")
    cases = {
        "signed in encrypted": mail(encrypted(bob, content=entity(signed(ann), "signed-data"))),
        "clear signed in encrypted": mail(encrypted(bob, content=clear_signed(ann, headers=b""))),
        "three": mail(
            signed(ann, content=entity(encrypted(bob, content=clear_signed(ann, headers=b"")))), "signed-data"
        ),
        "compressed, signed, encrypted": mail(
            encrypted(bob, content=entity(signed(ann, content=packed), "signed-data"))
        ),
    }
    for name, raw in cases.items():
        read = parse_mail(raw, keyring=keys)
        assert is_read(read), name
        assert read.encrypted
        assert (read.signature.status, read.defects) == ("valid", []), name
    for raw in (
        mail(signed(ann, content=entity(encrypted(bob))), "signed-data"),
        clear_signed(ann, entity(encrypted(bob))),
    ):
        read = parse_mail(raw, keyring=keys)
        assert is_read(read)
        assert read.signature.status == "partial"  # who signed need not know what is in it
    read = parse_mail(mail(compressed(), "compressed-data"))
    assert is_read(read)
    assert not read.encrypted


def test_a_content_that_is_signed_data_itself_is_opened(bob, authority):
    """As RFC 5652 allows: no MIME between the layers."""
    ann = Person("ann@example.test", issuer=authority)
    inside = signed(ann)
    value = inside[inside.index(SIGNED_DATA) + len(SIGNED_DATA) + 4 :]  # behind the explicit tag with its length
    message = encrypted(bob, "-binary -aes256", content=value).replace(DATA, SIGNED_DATA)
    read = parse_mail(mail(message), keyring=ring(bob, trusted=(authority,)))
    assert is_read(read)
    assert read.signature.status == "valid"


def test_the_subject_that_was_encrypted_with_the_content_counts(bob):
    content = b'Subject: the real one\r\nContent-Type: text/plain; hp="cipher"\r\n\r\ntext\r\n'
    assert parse_mail(mail(encrypted(bob, content=content)), keyring=ring(bob)).subject == "the real one"
    without = content.replace(b'; hp="cipher"', b"")
    assert parse_mail(mail(encrypted(bob, content=without)), keyring=ring(bob)).subject == "s"


def test_without_a_key_the_message_is_an_attachment_and_the_mail_says_so(bob):
    read = parse_mail(mail(encrypted(bob)))
    assert [part.name for part in read.attachments] == ["smime.p7m"]
    assert (read.encrypted, read.failure) == (True, None)
    assert "smimeKey" in read.data()["errors"][0]


def flipped(message: bytes, at: int) -> bytes:
    return message[:at] + bytes([message[at] ^ 0x55]) + message[at + 1 :]


def test_why_a_mail_cannot_be_decrypted_is_reported_and_no_more(bob, eve, authority):
    other = Person("bob@example.test", issuer=authority)
    object.__setattr__(other, "certificate", bob.certificate)  # the certificate's name with another key
    message = encrypted(bob)
    sealed_key = message.index(b"\x04\x82\x01\x00") + 20
    keys = ring(bob)
    assert "not encrypted for the key" in parse_mail(mail(encrypted(eve)), keyring=keys).failure.message
    reasons = {
        parse_mail(mail(raw), keyring=keys).failure.message
        for raw in (
            flipped(message, sealed_key),  # the content's key
            flipped(message, len(message) - 1),  # the padding
            flipped(message, len(message) - 20),
            flipped(encrypted(bob, "-aes-256-gcm"), -1),  # the authentication
        )
    }
    assert reasons == {"the mail cannot be decrypted: it is damaged, or was made for another key of the same name"}
    for raw in (message[:-40], message[:30], b"", b"nonsense"):
        failure = parse_mail(mail(raw), keyring=keys).failure
        assert failure.code == "MAIL_NOT_DECRYPTED"
        assert "damaged" in failure.message
    unknown = parse_mail(mail(encrypted(bob, "-camellia128")), keyring=keys).failure
    assert "1.2.392.200011.61.1.1.1.2" in unknown.message
    assert "AES" in unknown.message


def test_a_long_message_with_a_short_rc2_key_is_refused_at_once(bob):
    message = encrypted(bob, f"-rc2-40 {LEGACY}", content=b"Content-Type: text/plain\r\n\r\n" + b"x" * 600_000)
    started = time.thread_time()
    assert "RC2" in parse_mail(mail(message), keyring=ring(bob)).failure.message
    assert time.thread_time() - started < 2


def test_text_beside_an_encrypted_part_is_not_read_as_one_with_it(bob):
    """Somebody may frame a message that was caught with a text of his own, to be sent what was in it."""
    raw = (
        HEADERS + b"Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\nContent-Type: text/html\r\n\r\n"
        b'<img src="https://evil.test/\r\n--o\r\n'
        + entity(encrypted(bob))
        + b'--o\r\nContent-Type: text/html\r\n\r\n">\r\n--o--\r\n'
    )
    read = parse_mail(raw, keyring=ring(bob))
    assert read.plain == "a secret text"
    assert read.html is None
    assert [part.content_type for part in read.attachments] == ["text/html", "text/csv", "text/html"]
    assert "beside it" in read.defects[0]


def test_a_signed_file_that_is_attached_stays_a_file(authority):
    ann = Person("ann@example.test", issuer=authority)
    invoice = entity(signed(ann, content=b"<xml/>"), "signed-data").replace(b"smime.p7m", b"invoice.xml.p7m")
    raw = (
        HEADERS
        + b"Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\n\r\nhello\r\n--o\r\n"
        + invoice
        + b"--o--\r\n"
    )
    read = parse_mail(raw)
    assert [part.name for part in read.attachments] == ["invoice.xml.p7m"]
    assert (read.plain, read.signature, read.encrypted) == ("hello", None, False)


def bomb(size: int) -> bytes:
    """So many bytes, compressed again and again into a few."""
    content = b"Content-Type: text/plain\r\n\r\n" + b"a" * size
    return compressed(content)


def test_what_unpacks_to_more_than_allowed_is_refused(bob):
    failure = parse_mail(mail(bomb(50_000_000), "compressed-data"), keyring=ring(max_bytes=1_000_000)).failure
    assert (failure.code, "1,000,000" in failure.message) == ("MAIL_TOO_LARGE", True)
    twice = compressed(entity(bomb(600_000), "compressed-data"))
    assert parse_mail(mail(twice, "compressed-data"), keyring=ring(max_bytes=1_000_000)).plain
    part = entity(bomb(600_000), "compressed-data")
    two = (
        HEADERS + b"Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\n" + part + b"--o\r\n" + part + b"--o--\r\n"
    )
    assert parse_mail(two, keyring=ring(max_bytes=1_000_000)).failure.code == "MAIL_TOO_LARGE"


def test_a_compressed_message_that_is_cut_is_an_attachment():
    data = bytes.fromhex("06092a864886f70d010701")
    cut = zlib.compress(INNER)[:-6]
    inner = b"\x02\x01\x00" + der(0x30, bytes.fromhex("060b2a864886f70d0109100308"))
    inner += der(0x30, data + der(0xA0, der(0x04, cut)))
    message = der(0x30, bytes.fromhex("060b2a864886f70d0109100109") + der(0xA0, der(0x30, inner)))
    read = parse_mail(mail(message, "compressed-data"))
    assert [part.name for part in read.attachments] == ["smime.p7m"]
    assert "cut off" in read.defects[0]


def test_endless_layers_end(bob):
    content = INNER
    for _ in range(8):
        content = entity(encrypted(bob, content=content))
    assert "layers" in parse_mail(HEADERS + content, keyring=ring(bob)).failure.message


@pytest.mark.parametrize("options", ["-aes256", "-aes256 -stream"])
async def test_a_big_mail_is_read_beside_the_loop(bob, options):
    """While 25 MB are decrypted, others have their turn."""
    content = (
        b"Content-Type: application/zip; name=big.zip\r\nContent-Disposition: attachment; filename=big.zip\r\n"
        b"Content-Transfer-Encoding: binary\r\n\r\n" + bytes(range(256)) * 100_000
    )
    raw = mail(encrypted(bob, f"-binary {options}", content=content))
    keys = ring(bob)
    longest, begun = 0.0, time.monotonic()
    reading = asyncio.create_task(read_mail(raw, keyring=keys))
    while not reading.done():
        turn = time.monotonic()
        await asyncio.sleep(0.005)
        longest = max(longest, time.monotonic() - turn)
    read = await reading
    assert len(read.attachments[0].data) == 25_600_000
    assert longest < (time.monotonic() - begun) / 2  # in the loop it would be all of the time
