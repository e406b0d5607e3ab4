"""Random inputs for everything that reads bytes from outside: each ends soon, with a value or with its own error.

Three seconds of each here; `FUZZ_SECONDS=600` for longer, as `make nightly` does.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from tests.integration.hostile.mails import TNEF, attribute, integers_inside, multipart, nested, tnef, with_attachment

from zeebe_connectors import ConnectorError, feel
from zeebe_connectors.connectors.soap import reply
from zeebe_connectors.mail import parse_mail
from zeebe_connectors.mail.reading.smime.asn1 import Damaged
from zeebe_connectors.mail.reading.smime.envelope import message
from zeebe_connectors.mail.reading.tnef import parse_tnef
from zeebe_connectors.web.message import HttpResponse
from zeebe_connectors.web.result import ReturnFormat, result_of

SECONDS = float(os.environ.get("FUZZ_SECONDS", "3"))
SLOWEST = 5.0
"""Seconds of processor time that any input may take."""
MAIL = [
    nested(3, 500),
    multipart(b"--b\n\nx\n--b--\n"),
    with_attachment(tnef(2)),
    b"From: a@x.test\nTo: <b@x.test>\n\nx",
]
WORDS = ["boundary=b\n", "--b", "\n\n", "=?utf-8?q?a?=", "Content-Type: multipart/mixed;", "base64", ";", '"', "(", "<"]
XML = [
    *("<a>", "</a>", "<s:Body>", "</s:Body>", "&#1;", "xmlns:b='c'", "<!DOCTYPE a>", "<![CDATA["),
    "<s:Envelope xmlns:s='http://schemas.xmlsoap.org/soap/envelope/'>",
]
FEEL = [
    "for",
    "i",
    "in",
    "1..10",
    "return",
    "if",
    "then",
    "else",
    "every",
    "some",
    "satisfies",
    "1e9",
    *"+-*<={}[](),:",
]
FEEL = [f" {word} " for word in FEEL]
FEEL += ['"x"', "{a: ", "matches(", "replace(", "substring(", "sort(", "function(x) ", "t", "a"]
JSON = ["{", "}", "[", "]", '"a"', ":", ",", "1e999", "NaN", "\\ud800", "\x00", "null"]


def mangled(*seeds: bytes) -> some.SearchStrategy[bytes]:
    """Seeds with bytes cut out, put in twice or changed."""

    def change(seed: bytes, at: int, length: int, new: bytes, times: int) -> bytes:
        at %= len(seed) + 1
        return seed[:at] + new * times + seed[at + length :]

    numbers = some.integers(0, 2000)
    return some.builds(
        change, some.sampled_from(seeds), numbers, numbers, some.binary(max_size=20), some.integers(0, 50)
    )


def pieced(pieces: list[str]) -> some.SearchStrategy[str]:
    """Texts made of a format's own pieces and of anything."""
    return some.lists(some.sampled_from(pieces) | some.text(max_size=5), max_size=60).map("".join)


def feel_value(text: str) -> None:
    with contextlib.suppress(feel.FeelError):
        feel.to_json(feel.compile(text).run({"a": [1, 2], "t": "x" * 2000}).value)


def soap_reply(text: str) -> None:
    try:
        read = reply.read(text.encode("utf-8", "replace"), "text/xml")
        reply.json_of(read.root, {})
        read.fault()
    except ConnectorError:
        pass


def http_result(data: bytes) -> None:
    response = HttpResponse(200, "OK", [("Content-Type", "application/json")], data, "http://a.test/")
    with contextlib.suppress(ConnectorError):
        asyncio.run(result_of(response, ReturnFormat(), None))  # type: ignore[arg-type]  # no document is stored


def smime(data: bytes) -> None:
    parse_mail(with_attachment(data, b"application/pkcs7-mime"))
    with contextlib.suppress(Damaged):
        message(data)


TARGETS = {
    "mail": (parse_mail, mangled(*MAIL) | pieced(WORDS).map(lambda text: text.encode("utf-8", "replace"))),
    "tnef": (parse_tnef, mangled(tnef(3), TNEF + attribute(0x9003, b"\x05\0\0\0" + b"\x1f\0\x00\x10" * 50))),
    "smime": (smime, mangled(integers_inside(20), b"\x30\x82\x01\x00\x06\x09*\x86H\x86\xf7\r\x01\x07\x02\xa0\x80" * 5)),
    "feel": (feel_value, pieced(FEEL)),
    "soap": (soap_reply, pieced(XML)),
    "http": (http_result, pieced(JSON).map(lambda text: text.encode("utf-8", "replace"))),
}


@pytest.mark.slow
@pytest.mark.timeout(0)
@pytest.mark.parametrize("name", TARGETS)
def test_random_inputs_end_soon_and_well(name: str) -> None:
    """Nothing but a value or the reader's own error comes out, within the time that an input may take."""
    target, inputs = TARGETS[name]
    end = time.monotonic() + SECONDS

    @settings(max_examples=100_000_000, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(inputs)
    def once(value: object) -> None:
        if time.monotonic() > end:
            raise _Done
        began = time.process_time()
        target(value)  # type: ignore[arg-type]
        assert time.process_time() - began < SLOWEST

    with pytest.raises(_Done):
        once()


class _Done(BaseException):
    """The time is over."""
