"""Makes hostile mails, for the tests and as seeds for what is made of them at random."""

from __future__ import annotations

import base64
import struct

TNEF = b"\x78\x9f\x3e\x22\x01\x00"


def nested(depth: int, size: int) -> bytes:
    """Multiparts inside one another around a large text."""
    heads = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(depth))
    return b"Subject: nested\n" + heads + b"Content-Type: text/plain\n\n" + b"x" * 76 * (size // 76)


def attribute(kind: int, value: bytes) -> bytes:
    """One attribute of a winmail.dat."""
    return struct.pack("<BII", 2, kind, len(value)) + value + b"\0\0"


def tnef(attachments: int, name: bytes = b"../../../etc/x") -> bytes:
    """A winmail.dat with many attachments."""
    one = attribute(0x9002, b"") + attribute(0x8010, name + b"\0") + attribute(0x800F, b"data")
    return TNEF + one * attachments


def with_attachment(data: bytes, kind: bytes = b"application/ms-tnef") -> bytes:
    """A mail that is one attachment."""
    head = b"Subject: attached\nContent-Type: " + kind + b"\nContent-Transfer-Encoding: base64\n\n"
    return head + base64.encodebytes(data)


def headed(headers: bytes) -> bytes:
    """A mail of headers and little else."""
    return headers + b"\n\ntext\n"


def multipart(body: bytes, boundary: bytes = b"b") -> bytes:
    """A mail with parts."""
    return b"Subject: parts\nContent-Type: multipart/mixed; boundary=" + boundary + b"\n\n" + body


def integers_inside(depth: int) -> bytes:
    """ASN.1 sequences of indefinite length inside one another."""
    return b"\x30\x80" * depth + b"\0\0" * depth
