"""Hostile mails: each is read as far as it may be, says what was left out, and stops nobody."""

from __future__ import annotations

import base64
import time
import tracemalloc
from collections.abc import Callable

import pytest
from tests.integration.hostile.bystanders import Bystanders
from tests.integration.hostile.mails import (
    TNEF,
    attribute,
    headed,
    integers_inside,
    multipart,
    nested,
    tnef,
    with_attachment,
)
from tests.sizes import size

from zeebe_connectors.mail import read_mail

PROPERTIES = (500_000).to_bytes(4, "little") + b"\x02\x10\x00\x10" + b"\xff\xff\xff\0" + b"\0" * 100_000
SPACES = b"--" + b" " * 190 + b"x\n"
QUOTED = b"Content-Type: multipart/mixed; boundary=c\nContent-Transfer-Encoding: quoted-printable\n\n"

# Name, what makes the mail, and what stands in its errors; None where nothing is left out.
MAILS: list[tuple[str, Callable[[], bytes], str | None]] = [
    ("39 multiparts around a large part", lambda: nested(39, size(20, 49) * 1024 * 1024), "closing line"),
    ("50 multiparts", lambda: nested(50, 1000), "nested more than"),
    ("8.8 MB against the guessed boundary", lambda: multipart(SPACES * 45_000, b"other"), "without parts"),
    ("8.8 MB of half a boundary", lambda: multipart((b"--" + b"a " * 98 + b"\n") * 45_000, b"other"), "without parts"),
    (
        "lines that look like a boundary",
        lambda: multipart(b"--bb\n" * size(1_200_000, 2_000_000)),
        "look like a boundary",
    ),
    ("a boundary of dashes", lambda: multipart(b"-" * 8_000_000, b"-"), "without parts"),
    ("a hundred thousand parts", lambda: multipart(b"--b\n\nx\n" * 100_000), "only the first 1000 parts"),
    ("half a million attachments of TNEF", lambda: with_attachment(tnef(500_000)), "winmail.dat holds more"),
    (
        "many properties of TNEF",
        lambda: with_attachment(TNEF + attribute(0x9003, PROPERTIES) * 15),
        "winmail.dat holds more",
    ),
    ("a header of 9 MB", lambda: headed(b"Subject: " + b"x" * 9_000_000), "headers"),
    ("a header of many lines", lambda: headed(b"Subject: a" + b"\n b" * 3_000_000), "headers beyond"),
    ("many headers", lambda: headed(b"To: a@x.test\n" * size(200_000, 500_000)), "headers"),
    ("a subject of many words", lambda: headed(b"Subject: " + b"=?utf-8?q?a?= " * 70_000), None),
    ("an address of brackets", lambda: headed(b"To: " + b"(" * 500_000 + b"<" * 400_000), "headers"),
    ("parameters of semicolons", lambda: headed(b"Content-Type: text/plain" + b";" * 900_000 + b'a="'), "headers"),
    ("HTML of open tags", lambda: headed(b"Content-Type: text/html\n\n" + b"<a " * 2_000_000), "cut after"),
    ("HTML of quotes", lambda: headed(b"Content-Type: text/html\n\n" + b"<a b='" * 1_000_000), "cut after"),
    (
        "ASN.1 inside ASN.1",
        lambda: with_attachment(integers_inside(200_000), b"application/pkcs7-mime"),
        "cannot be read",
    ),
    (
        "uuencoded lines",
        lambda: headed(b"Content-Transfer-Encoding: x-uuencode\n\nbegin 644 a\n" + b"#\n" * 2_000_000),
        None,
    ),
    ("quoted-printable inside itself", lambda: multipart(b"--b\n" + QUOTED + b"--c\n" * 900_000), "first 1000 parts"),
]
_MEMORY = 6
"""How many times its size a mail may take while it is read; what is copied once a level takes forty."""


@pytest.mark.slow
@pytest.mark.parametrize(("name", "make", "left_out"), MAILS, ids=[each[0] for each in MAILS])
async def test_a_mail_stops_nobody(name: str, make: Callable[[], bytes], left_out: str | None) -> None:
    """It is read, its errors name the limit, and the jobs beside it go on."""
    raw = make()
    async with Bystanders() as watch:
        began = time.process_time()  # other work on the machine counts in the clock's
        mail = await read_mail(raw)
        took = time.process_time() - began
        errors, attachments = " ".join(mail.defects), len(mail.parts)
        del mail
    print(f"{name}: {took:.2f} s")  # noqa: T201 - with -s
    assert left_out is None or left_out in errors, errors
    assert attachments <= 1000
    assert took < 30
    watch.check()


async def test_a_nested_mail_takes_no_multiple_of_its_size() -> None:
    """Parts are places in the mail, not copies of it."""
    raw = nested(39, 4 * 1024 * 1024)
    tracemalloc.start()
    try:
        mail = await read_mail(raw)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert mail.plain
    assert peak < _MEMORY * len(raw)


async def test_names_in_a_winmail_dat_are_no_paths() -> None:
    """One rule for all names."""
    mail = await read_mail(with_attachment(tnef(2)))
    assert [part.name for part in mail.parts] == ["x", "x"]
    assert [part.data for part in mail.parts] == [b"data", b"data"]
    assert base64.b64encode(mail.parts[0].data) == b"ZGF0YQ=="
