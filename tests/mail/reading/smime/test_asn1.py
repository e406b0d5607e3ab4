"""The reader of BER reads what streams and DER have, and bytes that were made to be slow or deep end soon."""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import UTC, datetime

import pytest
from tests.servers.pairs import der
from tests.servers.smime import HEADERS, INNER, Person, encrypted, mail, needs_openssl, ring

from zeebe_connectors.mail import parse_mail
from zeebe_connectors.mail.reading.smime.asn1 import OCTETS, Damaged, Value, read
from zeebe_connectors.mail.reading.smime.envelope import message


def test_strings_in_pieces_are_joined_at_any_depth():
    inner = b"\x24\x80\x04\x01b\x04\x00\x04\x02cd\x00\x00"
    assert read(b"\x24\x80\x04\x01a" + inner + b"\x24\x03\x04\x01e\x00\x00").octets() == b"abcde"
    assert read(b"\x04\x03abc rest").octets() == b"abc"
    assert read(b"\x24\x80\x00\x00").octets() == b""


def test_parts_are_read_in_definite_and_indefinite_lengths():
    for data in (b"\x30\x06\x02\x01\x05\x04\x01x", b"\x30\x80\x02\x01\x05\x04\x01x\x00\x00"):
        parts = read(data).parts()
        assert parts.take().number() == 5
        assert parts.optional(0xA0) is None
        assert parts.take(OCTETS).octets() == b"x"
        with pytest.raises(Damaged):
            parts.take()


@pytest.mark.parametrize(
    ("data", "ask", "value"),
    [
        (bytes.fromhex("06092a864886f70d010703"), Value.oid, "1.2.840.113549.1.7.3"),
        (bytes.fromhex("0603550403"), Value.oid, "2.5.4.3"),
        (bytes.fromhex("06028837"), Value.oid, "2.999"),
        (bytes.fromhex("0202ff38"), Value.number, -200),
        (bytes.fromhex("03020041"), Value.bits, b"A"),
        (b"\x17\x0d260131120000Z", Value.moment, datetime(2026, 1, 31, 12, tzinfo=UTC)),
        (b"\x17\x0d510131120000Z", Value.moment, datetime(1951, 1, 31, 12, tzinfo=UTC)),
        (b"\x18\x0f20510131120000Z", Value.moment, datetime(2051, 1, 31, 12, tzinfo=UTC)),
    ],
)
def test_simple_values(data, ask, value):
    assert ask(read(data)) == value


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x30",
        b"\x30\x05\x02\x01",
        b"\x30\x80\x02\x01\x05",
        b"\x04\x80ab\x00\x00",
        b"\x1f\x81\x01\x00",
        b"\x30\x84\xff\xff\xff\xff",
        b"\x30\x89" + b"\x01" * 20,
        b"\x24\x80" * 100_000,
        b"\x30\x80" * 100_000,
        (b"\x24\x80" * 100) + b"\x04\x01a" + b"\x00\x00" * 100,
    ],
)
def test_what_is_broken_or_too_deep_is_damaged(data):
    with pytest.raises(Damaged):
        read(data).octets()


def test_a_message_in_countless_pieces_ends_soon():
    pieces = b"\x24\x80" + b"\x04\x01a" * 3_000_000 + b"\x00\x00"
    started = time.process_time()
    with pytest.raises(Damaged, match="pieces"):
        read(pieces)
    assert time.process_time() - started < 10


@needs_openssl
def test_a_message_that_names_its_recipient_countless_times_ends_soon():
    """Each would cost decrypting all of the content."""
    bob = Person("bob@example.test")
    content = b"Content-Type: text/plain\r\n\r\n" + b"x" * 3_000_000
    raw = encrypted(bob, "-des3", content=content)
    _, value = message(raw)
    parts = list(value.parts())
    one = bytearray(next(iter(parts[1].parts())).whole)
    one[-1] ^= 1  # a key that is not the content's
    recipients = der(0x31, bytes(one) * 900)
    enveloped = der(0x30, bytes(parts[0].whole) + recipients + bytes(parts[2].whole))
    made = der(0x30, bytes.fromhex("06092a864886f70d010703") + der(0xA0, enveloped))
    started = time.process_time()
    assert parse_mail(mail(made), keyring=ring(bob)).failure.code == "MAIL_NOT_DECRYPTED"
    assert time.process_time() - started < 20


def test_plain_mails_load_no_cryptography():
    """Neither the connectors nor a mail that is not protected need the library."""
    code = (
        "import sys\n"
        "from zeebe_connectors.connectors.pop3 import connector, fetch\n"
        "from zeebe_connectors.mail import parse_mail\n"
        f"assert parse_mail({HEADERS + INNER!r}).parts\n"
        "assert 'cryptography' not in sys.modules and 'aiohttp' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
