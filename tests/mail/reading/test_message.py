"""Every mail of `tests/mails` becomes what `expected.json` says, and no bytes whatever make the parser raise."""

from __future__ import annotations

import base64
import json
import random
import time
from pathlib import Path
from typing import Any

import pytest

from zeebe_connectors.mail import Mail, Part, parse_mail

MAILS = Path(__file__).parents[2] / "mails"
EXPECTED: dict[str, dict[str, Any]] = json.loads((MAILS / "expected.json").read_text(encoding="utf-8"))


def described(part: Part, content: Any) -> list[Any]:
    """A part as `expected.json` writes it: content as text, as a number of bytes or not at all."""
    seen = len(part.data) if isinstance(content, int) else None if content is None else part.data.decode()
    return [part.name, part.content_type, seen]


def observed(mail: Mail, wanted: dict[str, Any]) -> dict[str, Any]:
    data = mail.data()
    found: dict[str, Any] = {}
    for key, value in wanted.items():
        if key in {"attachments", "inline"}:
            parts = mail.attachments if key == "attachments" else mail.inline
            contents = [item[2] for item in value] + [None] * len(parts)
            found[key] = [described(part, content) for part, content in zip(parts, contents, strict=False)]
        elif key == "to":
            found[key] = [person["address"] for person in data["to"]]
        elif key == "errors":
            found[key] = len(data["errors"])
        else:
            found[key] = data[key]
    return found


def test_there_are_at_least_sixty_mails_and_each_has_an_expectation():
    assert {path.stem for path in MAILS.glob("*.eml")} == set(EXPECTED)
    assert len(EXPECTED) >= 60


@pytest.mark.parametrize("name", EXPECTED)
def test_a_mail_becomes_what_is_expected(name: str):
    mail = parse_mail((MAILS / f"{name}.eml").read_bytes())
    assert observed(mail, EXPECTED[name]) == EXPECTED[name]
    json.dumps(mail.data(), ensure_ascii=False).encode()


def test_mails_that_are_cut_or_damaged_anywhere_never_raise():
    """A thousand mutations, the same each time."""
    chance = random.Random(7)
    originals = [(MAILS / f"{name}.eml").read_bytes()[:20_000] for name in EXPECTED]
    for _ in range(1000):
        raw = bytearray(chance.choice(originals))
        for _ in range(chance.randint(1, 8)):
            if raw:
                at = chance.randrange(len(raw))
                raw[at : at + chance.randint(0, 3)] = bytes(
                    chance.choices(b'"\\()<>,;:=?\r\n\0\x80\xff --', k=chance.randint(0, 3))
                )
        mail = parse_mail(bytes(raw[: chance.randint(0, len(raw))]))
        json.dumps(mail.data(), ensure_ascii=False).encode()


def test_a_fifty_megabyte_attachment_is_read_whole():
    content = random.Random(1).randbytes(1024) * (50 * 1024)
    raw = (
        b"From: a@b.test\r\nSubject: big\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\ntext\r\n--b\r\n"
        b"Content-Type: application/zip\r\nContent-Disposition: attachment; filename=big.zip\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(content) + b"--b--\r\n"
    )
    mail = parse_mail(raw)
    assert mail.attachments[0].data == content
    assert mail.plain == "text"


@pytest.mark.parametrize(
    "raw",
    [
        b"To: " + b"(" * 60_000,
        b"To: " + b'"' * 60_001,
        b"To: " + b"a," * 30_000,
        b"To: " + b"<" * 60_000,
        b"Content-Type: text/plain" + b";a" * 30_000,
        b"Content-Type: text/plain" + b";" * 60_000,
        b'Content-Type: text/plain; a="' + b"\\" * 60_000,
        b"Subject: a" + b"\n b" * 340_000,
        b"Subject: " + b"=?utf-8?Q?" * 6_000,
        b"Subject: " + b"=?utf-8?Q?a?= " * 5_000,
        b"Content-Type: multipart/mixed; boundary=b\n\n" + b"\n--b" * 50_000,
        b"Content-Type: multipart/mixed; boundary=b\n\n" + b"\n--bx" * 50_000,
        b"Content-Type: multipart/mixed\n\n" + b"\n--" * 50_000,
        b"Content-Type: text/html\n\n" + b"<a " * 50_000,
        b"Content-Type: text/html\n\n" + b"<a" * 250_000,
        b"Content-Type: text/html\n\n" + b"<!" * 50_000,
        b"Content-Type: text/html\n\n" + b"<!--" * 100_000,
    ],
    ids=lambda raw: raw[:30].decode(),
)
def test_a_mail_made_to_be_slow_is_read_within_seconds(raw: bytes):
    """The bound is far above what reading takes (milliseconds) and far below what quadratic reading would."""
    start = time.process_time()
    parse_mail(raw)
    assert time.process_time() - start < 5


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<head><title>x</title></head>a<br>b", "a\nb"),
        ("<head><title>x</title><body>the head's end is left out", "the head's end is left out"),
        ('<p title="a>b">x</p><p>y</p>', "x\n\ny"),
        ("1 < 2 &amp; &lt;b&gt; &euro;", "1 < 2 & <b> €"),
        ("<script>if (a<b) { '</p>' }</script><style>p {}</style>z", "z"),
        ("<!DOCTYPE html><!-- a > b -->q<![if !mso]>r<![endif]>", "qr"),
        ("never <closed", "never <closed"),
        ("&#" + "9" * 5000 + ";", "&#" + "9" * 5000 + ";"),
    ],
)
def test_the_text_of_html_is_what_a_reader_sees(html: str, text: str):
    assert parse_mail(b"Content-Type: text/html; charset=utf-8\n\n" + html.encode()).text == text


@pytest.mark.parametrize(
    ("encoding", "body", "text"),
    [
        (b"base64", b"aGVsbG8=\r\n\r\n-- \r\nlist footer\r\n", "hello\n\n-- \r\nlist footer"),
        (b"base64", b"aGVsbG8h\r\n\r\n____\r\na list\r\n", "hello!\n\n____\r\na list"),
        (b"base64", b"Pz8_Pj4-\r\n", "???>>>"),
        (b'"base64"', b"aGVsbG8=", "hello"),
        (b"'quoted-printable'", b"a=3Db", "a=b"),
    ],
)
def test_base64_ends_where_it_ends_and_an_encoding_may_be_quoted(encoding, body, text):
    mail = parse_mail(b"From: a@x.test\r\nContent-Transfer-Encoding: " + encoding + b"\r\n\r\n" + body)
    assert mail.text.rstrip() == text


def test_a_from_with_a_blank_before_its_colon_is_no_separator_of_a_mailbox_file():
    mail = parse_mail(b"From : a@x.test\r\nSubject : s\r\n\r\nhello")
    assert (mail.data()["fromAddress"], mail.subject, mail.text.strip()) == ("a@x.test", "s", "hello")


def test_text_behind_base64_is_no_part_of_an_attachment():
    raw = (
        b"From: a@x.test\r\nContent-Type: application/pdf; name=a.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        b"aGVsbG8=\r\n\r\n-- \r\nlist footer\r\n"
    )
    assert [part.data for part in parse_mail(raw).attachments] == [b"hello"]


def test_lines_of_blanks_are_looked_at_once():
    """They took a time that grew with their number squared."""
    mail = parse_mail(b"Subject: s\n" + b" \n" * 200_000 + b"To: a@x.test\n\nb")
    assert (mail.subject, [person.address for person in mail.to], mail.text) == ("s", ["a@x.test"], "b")
