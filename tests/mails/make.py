"""Writes the nasty mails of this folder and `expected.json`, what each must become: `python tests/mails/make.py`.

Each mail is written out as bytes because no library would write most of them. Expectations are written by hand, from
the RFCs and from what mail programs show; a key that is absent is not compared. `attachments` and `inline` are lists of
[name, type, content], where content is text, or a number of bytes.
"""

from __future__ import annotations

import base64
import json
import struct
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
MAILS: dict[str, tuple[bytes, dict[str, Any]]] = {}


def mail(name: str, written: str | bytes, /, **expected: Any) -> None:
    """Adds a mail, written with bare line feeds; they become CRLF unless the mail is given as bytes."""
    raw = written if isinstance(written, bytes) else written.lstrip("\n").replace("\n", "\r\n").encode()
    assert name not in MAILS
    MAILS[name] = (raw, expected)


def crlf(data: bytes) -> bytes:
    return data.lstrip(b"\n").replace(b"\n", b"\r\n")


TOP = "From: Ann <ann@example.test>\nTo: bob@example.test\nSubject: s\nMessage-ID: <1@example.test>\n"
BTOP = TOP.encode()


# --- Character sets -------------------------------------------------------------------------------------------------
mail(
    "plain",
    TOP + "Date: Tue, 3 Nov 2026 10:00:00 +0100\n\nHello\nworld\n",
    subject="s",
    fromAddress="ann@example.test",
    fromName="Ann",
    to=["bob@example.test"],
    plainTextBody="Hello\r\nworld\r\n",
    htmlBody=None,
    attachments=[],
    messageId="<1@example.test>",
    date="2026-11-03T09:00:00Z",
    errors=0,
)
mail(
    "charset-utf8-quoted-printable",
    TOP + "Content-Type: text/plain; charset=utf-8\n"
    "Content-Transfer-Encoding: quoted-printable\n\nGr=C3=BC=C3=9Fe =E2=82=AC a soft=\n break\n",
    plainTextBody="Grüße € a soft break\r\n",
)
mail(
    "charset-latin1-8bit",
    crlf(BTOP + b"Content-Type: text/plain; charset=iso-8859-1\n\nGr\xfc\xdfe\n"),
    plainTextBody="Grüße\r\n",
)
mail(
    "charset-latin1-is-windows",
    crlf(BTOP + b"Content-Type: text/plain; charset=iso-8859-1\n\n\x93quoted\x94 \x80 5\n"),
    plainTextBody="“quoted” € 5\r\n",
)
mail(
    "charset-latin1-declared-utf8-sent",
    crlf(BTOP + b"Content-Type: text/plain; charset=iso-8859-1\n\n") + "Grüße".encode(),
    plainTextBody="Grüße",
)
mail(
    "charset-utf8-declared-latin1-sent",
    crlf(BTOP + b"Content-Type: text/plain; charset=utf-8\n\nGr\xfc\xdfe"),
    plainTextBody="Gr\ufffd\ufffde",
)
mail(
    "charset-unknown",
    crlf(BTOP + b"Content-Type: text/plain; charset=x-klingon\n\n") + "né".encode(),
    plainTextBody="né",
)
mail("charset-none-8bit", crlf(BTOP) + b"\r\nGr\xfc\xdfe", plainTextBody="Grüße")
mail(
    "charset-gb2312-is-gb18030",
    crlf(BTOP + b"Content-Type: text/plain; charset=gb2312\n\n") + "镕基 你好".encode("gb18030"),
    plainTextBody="镕基 你好",
)
mail(
    "charset-iso2022jp",
    crlf(BTOP + b"Subject: x\nContent-Type: text/plain; charset=ISO-2022-JP\n\n") + "こんにちは".encode("iso2022_jp"),
    plainTextBody="こんにちは",
)
mail(
    "charset-shift-jis-windows",
    crlf(BTOP + b"Content-Type: text/plain; charset=Shift_JIS\n\n") + "①㈱".encode("cp932"),
    plainTextBody="①㈱",
)
mail(
    "charset-ks-c-5601",
    crlf(BTOP + b"Content-Type: text/plain; charset=ks_c_5601-1987\n\n") + "안녕".encode("cp949"),
    plainTextBody="안녕",
)
mail(
    "charset-koi8-r",
    crlf(BTOP + b"Content-Type: text/plain; charset=koi8-r\n\n") + "Привет".encode("koi8-r"),
    plainTextBody="Привет",
)
mail(
    "charset-utf7",
    TOP + "Content-Type: text/plain; charset=unicode-1-1-utf-7\n\nGr+APwA3w-e\n",
    plainTextBody="Grüße\r\n",
)
mail(
    "charset-utf16-base64",
    TOP
    + "Content-Type: text/plain; charset=utf-16\nContent-Transfer-Encoding: base64\n\n"
    + base64.b64encode("Zürich".encode("utf-16")).decode()
    + "\n",
    plainTextBody="Zürich",
)
mail(
    "charset-utf8-with-mark",
    crlf(BTOP + b"Content-Type: text/plain; charset=utf-8\n\n") + "\ufeffné".encode(),
    plainTextBody="né",
)
mail("charset-quoted-twice", TOP + "Content-Type: text/plain; charset=\"'utf-8'\"\n\nnaïve", plainTextBody="naïve")
mail(
    "charset-is-a-codec-that-is-none",
    TOP + "Content-Type: text/plain; charset=base64\n\nSGVsbG8=",
    plainTextBody="SGVsbG8=",
)
mail(
    "charset-html-meta",
    crlf(BTOP + b'Content-Type: text/html\n\n<html><meta charset="koi8-r"><p>') + "Привет</p>".encode("koi8-r"),
    htmlBody='<html><meta charset="koi8-r"><p>Привет</p>',
    text="Привет",
    plainTextBody=None,
)
mail("nul-bytes", crlf(BTOP) + b"\r\na\0b", plainTextBody="ab")

# --- Transfer encodings ---------------------------------------------------------------------------------------------
mail("base64-broken", TOP + "Content-Transfer-Encoding: base64\n\nSGVs!!bG8g d29y bGQ", plainTextBody="Hello world")
mail("base64-cut", TOP + "Content-Transfer-Encoding: base64\n\nSGVsbG8gd29ybGQhISEhI", plainTextBody="Hello world!!!!")
mail(
    "quoted-printable-blanks-behind-a-soft-break",
    TOP + "Content-Transfer-Encoding: quoted-printable\n\none li= \t\nne=20\ntwo\n",
    plainTextBody="one line \r\ntwo\r\n",
)
mail(
    "quoted-printable-broken",
    TOP + "Content-Transfer-Encoding: quoted-printable\n\n100=% =ZZ =4",
    plainTextBody="100=% =ZZ =4",
)
mail("encoding-unknown", TOP + "Content-Transfer-Encoding: x-strange\n\nHello", plainTextBody="Hello")
mail("encoding-upper-case", TOP + "Content-Transfer-Encoding:   BASE64  \n\nSGVsbG8=", plainTextBody="Hello")
mail(
    "uuencoded-attachment",
    TOP
    + """Content-Type: application/octet-stream; name=cat.txt
Content-Transfer-Encoding: x-uuencode
Content-Disposition: attachment

begin 644 cat.txt
#0V%T
`
end
""",
    attachments=[["cat.txt", "application/octet-stream", "Cat"]],
)

# --- Headers --------------------------------------------------------------------------------------------------------
mail(
    "subject-encoded-words",
    TOP.replace("Subject: s", "Subject: =?utf-8?B?R3LDvA==?= =?utf-8?Q?=C3=9Fe?= plain"),
    subject="Grüße plain",
)
mail(
    "subject-split-inside-a-character",
    TOP.replace("Subject: s", "Subject: =?utf-8?B?R3LD?=\n =?utf-8?B?vMOf?="),
    subject="Grüß",
)
mail(
    "subject-word-with-spaces",
    TOP.replace("Subject: s", "Subject: =?iso-8859-1?Q?Gr=FC=DFe an alle?="),
    subject="Grüße an alle",
)
mail("subject-unknown-charset", TOP.replace("Subject: s", "Subject: =?x-unknown?Q?caf=C3=A9?="), subject="café")
mail("subject-with-language", TOP.replace("Subject: s", "Subject: =?utf-8*de?Q?Stra=C3=9Fe?="), subject="Straße")
mail("subject-broken-base64", TOP.replace("Subject: s", "Subject: =?utf-8?B?SGVsbG8?="), subject="Hello")
mail("subject-raw-8bit", crlf(BTOP.replace(b"Subject: s", b"Subject: Gr\xfc\xdfe")) + b"\r\n", subject="Grüße")
mail("subject-raw-utf8", TOP.replace("Subject: s", "Subject: ねこ"), subject="ねこ")
mail(
    "subject-folded",
    TOP.replace("Subject: s", "Subject: a long\n subject\n\tin three"),
    subject="a long subject in three",
)
mail(
    "subject-smuggles-a-line",
    TOP.replace("Subject: s", "Subject: =?utf-8?Q?a=0D=0ABcc:_x?="),
    subject="a Bcc:_x".replace("_", " "),
)
mail("subject-twice", TOP + "Subject: second\n\nx", subject="s")
mail(
    "headers-missing",
    "Received: from a by b; Tue, 3 Nov 2026 10:00:05 +0000\n\nHello",
    subject="",
    fromAddress=None,
    to=[],
    messageId=None,
    plainTextBody="Hello",
    receivedDateTime="2026-11-03T10:00:05Z",
)
mail("headers-only", TOP.rstrip("\n"), subject="s", plainTextBody="", fromAddress="ann@example.test")
mail(
    "no-headers",
    b"just some text\r\nwithout any header",
    subject="",
    plainTextBody="just some text\r\nwithout any header",
    errors=1,
)
mail("empty", b"", subject="", plainTextBody="", fromAddress=None)
mail(
    "header-without-colon",
    TOP + "this line is no header\nX-After: yes\n\nbody",
    plainTextBody="body",
    subject="s",
    errors=1,
)
mail(
    "blank-line-missing",
    TOP + "Hello there\nthis is the body: yes\n",
    plainTextBody="Hello there\r\nthis is the body: yes\r\n",
    errors=1,
)
mail("blank-line-missing-before-one-line", TOP + "Hello there", plainTextBody="Hello there", errors=1)
mail(
    "blank-line-missing-in-parts",
    TOP + "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\nplain\n\n--b\n"
    "Content-Type: text/html\n<b>h</b>\n--b--\n",
    plainTextBody="plain\r\n",
    htmlBody="<b>h</b>",
)
mail(
    "mbox-separator",
    "From ann@example.test Tue Nov  3 10:00:00 2026\n" + TOP + "\nbody",
    plainTextBody="body",
    subject="s",
)
mail("line-feeds-only", (TOP + "\nline one\nline two\n").encode(), plainTextBody="line one\nline two\n", subject="s")
mail("carriage-returns-only", (TOP + "\none\ntwo").replace("\n", "\r").encode(), plainTextBody="one\ntwo", subject="s")
mail(
    "huge-header", TOP + "X-Big: " + "x" * 200_000 + "\nX-Small: 1\n\nbody", plainTextBody="body", subject="s", errors=1
)
mail("many-headers", TOP + "".join(f"X-{i}: {i}\n" for i in range(5000)) + "\nbody", plainTextBody="body", subject="s")
mail("date-nonsense", TOP + "Date: yesterday, about noon\n\nx", date=None)
mail("date-obsolete", TOP + "Date: Tue, 03 Nov 26 10:00 EST\n\nx", date="2026-11-03T15:00:00Z")
mail("date-year-out-of-range", TOP + "Date: Tue, 03 Nov 99999 10:00:00 +0000\n\nx", date=None)
mail("message-id-odd", TOP.replace("<1@example.test>", "no brackets at all") + "\nx", messageId="no brackets at all")
mail(
    "references",
    TOP + "In-Reply-To: <a@b>\nReferences: <x@y>\n <a@b>\n\nx",
    inReplyTo="<a@b>",
    references=["<x@y>", "<a@b>"],
)

# --- Addresses ------------------------------------------------------------------------------------------------------
mail(
    "from-with-comma-in-name",
    TOP.replace("Ann <ann@example.test>", '"Doe, Jane" <jane@example.test>'),
    fromName="Doe, Jane",
    fromAddress="jane@example.test",
)
mail(
    "from-encoded-name",
    TOP.replace("Ann <", "=?utf-8?Q?J=C3=BCrgen=2C_M=2E?= <"),
    fromName="Jürgen, M.",
    fromAddress="ann@example.test",
)
mail(
    "from-comment",
    TOP.replace("Ann <ann@example.test>", "ann@example.test (Ann (the one))"),
    fromName="Ann (the one)",
    fromAddress="ann@example.test",
)
mail(
    "from-spoofed-name",
    TOP.replace("Ann <", '"boss@bank.test" <'),
    fromName="boss@bank.test",
    fromAddress="ann@example.test",
)
mail(
    "from-unquoted-brackets",
    TOP.replace("Ann <", "Ann [IT] (ext.) <"),
    fromName="Ann [IT]",
    fromAddress="ann@example.test",
)
mail("from-not-closed", TOP.replace("<ann@example.test>", "<ann@example.test"), fromAddress="ann@example.test")
mail("from-missing-sender-there", TOP.replace("From:", "Sender:"), fromAddress="ann@example.test")
mail(
    "to-group",
    TOP.replace("To: bob@example.test", "To: Team: bob@example.test, Eve <eve@example.test>;, c@example.test"),
    to=["bob@example.test", "eve@example.test", "c@example.test"],
)
mail("to-undisclosed", TOP.replace("To: bob@example.test", "To: undisclosed-recipients:;"), to=[])
mail(
    "to-semicolons",
    TOP.replace("To: bob@example.test", "To: bob@example.test; eve@example.test"),
    to=["bob@example.test", "eve@example.test"],
)
mail("address-international", TOP.replace("ann@example.test", "żółw@例え.test"), fromAddress="żółw@例え.test")

# --- Structure ------------------------------------------------------------------------------------------------------
mail(
    "alternative",
    TOP
    + """Content-Type: multipart/alternative; boundary=b

This is a MIME message.
--b
Content-Type: text/plain

plain
--b
Content-Type: text/html

<p>rich</p>
--b--
epilogue
""",
    plainTextBody="plain",
    htmlBody="<p>rich</p>",
    attachments=[],
)
mail(
    "html-only",
    TOP + "Content-Type: text/html\n\n<html><head><style>p{}</style></head><body><p>One &amp; two</p><p>three</body>",
    plainTextBody=None,
    text="One & two\n\nthree",
)
mail(
    "mixed-with-footer",
    TOP
    + """Content-Type: multipart/mixed; boundary=b

--b
Content-Type: text/plain

body
--b
Content-Type: text/csv
Content-Disposition: attachment; filename=list.csv

a,b
--b
Content-Type: text/plain

the list's footer
--b--
""",
    plainTextBody="body\r\nthe list's footer",
    attachments=[["list.csv", "text/csv", "a,b"]],
)
mail(
    "related-inline-image",
    TOP
    + """Content-Type: multipart/related; boundary="=_r"

--=_r
Content-Type: multipart/alternative; boundary="=_r_a"

--=_r_a
Content-Type: text/plain

p
--=_r_a
Content-Type: text/html

<img src="cid:logo@x">
--=_r_a--
--=_r
Content-Type: image/png; name="logo.png"
Content-ID: <logo@x>
Content-Disposition: inline; filename="logo.png"
Content-Transfer-Encoding: base64

iVBORw0KGgo=
--=_r--
""",
    plainTextBody="p",
    htmlBody='<img src="cid:logo@x">',
    inline=[["logo.png", "image/png", 8]],
    attachments=[],
)
mail(
    "attachment-without-disposition",
    TOP
    + """Content-Type: multipart/mixed; boundary=b

--b

text
--b
Content-Type: application/pdf; name="a.pdf"
Content-Transfer-Encoding: base64

JVBERg==
--b--
""",
    plainTextBody="text",
    attachments=[["a.pdf", "application/pdf", "%PDF"]],
)
mail(
    "single-part-attachment",
    TOP + "Content-Type: application/pdf\nContent-Disposition: attachment; filename=a.pdf\n"
    "Content-Transfer-Encoding: base64\n\nJVBERg==\n",
    plainTextBody=None,
    attachments=[["a.pdf", "application/pdf", "%PDF"]],
)
mail(
    "nested-message-in-utf8",
    TOP
    + 'Content-Type: multipart/mixed; boundary="b"\n\n--b\n\nsee below\n'
    + "--b\nContent-Type: message/global\n\nSubject: Prüfung\n\nHello\n--b--\n",
    text="see below",
    attachments=[["Prüfung.eml", "message/global", "Subject: Prüfung\r\n\r\nHello"]],
)
mail(
    "nested-message",
    TOP
    + """Content-Type: multipart/mixed; boundary=b

--b

see below
--b
Content-Type: message/rfc822

Subject: =?utf-8?Q?Inner_caf=C3=A9?=
Content-Type: multipart/mixed; boundary=b2

--b2

inner text
--b2--
--b--
""",
    plainTextBody="see below",
    attachments=[["Inner café.eml", "message/rfc822", None]],
)
mail(
    "digest",
    TOP + "Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: one\n\nx\n--b\n\nSubject: two\n\ny\n--b--\n",
    attachments=[
        ["one.eml", "message/rfc822", "Subject: one\r\n\r\nx"],
        ["two.eml", "message/rfc822", "Subject: two\r\n\r\ny"],
    ],
)
mail(
    "bounce",
    TOP
    + """Content-Type: multipart/report; report-type=delivery-status; boundary=b

--b

It could not be delivered.
--b
Content-Type: message/delivery-status

Action: failed
--b
Content-Type: text/rfc822-headers

Subject: lost
--b--
""",
    plainTextBody="It could not be delivered.",
    attachments=[
        ["delivery-status.txt", "message/delivery-status", "Action: failed"],
        ["attachment-2.txt", "text/rfc822-headers", "Subject: lost"],
    ],
)
mail(
    "calendar-invitation",
    TOP
    + """Content-Type: multipart/alternative; boundary=b

--b

You are invited
--b
Content-Type: text/calendar; method=REQUEST; charset=utf-8

BEGIN:VCALENDAR
END:VCALENDAR
--b--
""",
    plainTextBody="You are invited",
    calendar="BEGIN:VCALENDAR\r\nEND:VCALENDAR",
    attachments=[],
)
mail(
    "calendar-alone",
    TOP + "Content-Type: text/calendar\n\nBEGIN:VCALENDAR\nEND:VCALENDAR\n",
    calendar="BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n",
    plainTextBody=None,
    attachments=[],
)
mail(
    "signed",
    TOP
    + """Content-Type: multipart/signed; protocol="application/pkcs7-signature"; micalg=sha-256; boundary=b

--b
Content-Type: text/plain

signed text
--b
Content-Type: application/pkcs7-signature; name=smime.p7s
Content-Disposition: attachment; filename=smime.p7s
Content-Transfer-Encoding: base64

MIIB
--b--
""",
    plainTextBody="signed text",
    attachments=[["smime.p7s", "application/pkcs7-signature", 3]],
)
mail(
    "empty-body-with-attachment",
    TOP
    + """Content-Type: multipart/mixed; boundary=b

--b
Content-Type: text/plain


--b
Content-Disposition: attachment; filename=empty.bin

--b--
""",
    plainTextBody="",
    attachments=[["empty.bin", "text/plain", ""]],
)

# --- Broken structure -----------------------------------------------------------------------------------------------
mail(
    "boundary-not-closed",
    TOP
    + "Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\nContent-Type: text/plain; name=t.txt\n\ncut of",
    plainTextBody="one",
    attachments=[["t.txt", "text/plain", "cut of"]],
    errors=1,
)
mail(
    "boundary-missing",
    TOP + "Content-Type: multipart/mixed\n\n--xyz\nContent-Type: text/plain\n\nguessed\n--xyz--\n",
    plainTextBody="guessed",
    errors=1,
)
mail(
    "boundary-wrong",
    TOP + "Content-Type: multipart/mixed; boundary=abc\n\n--xyz\nContent-Type: text/plain\n\nguessed\n--xyz--\n",
    plainTextBody="guessed",
    errors=1,
)
mail(
    "boundary-never-used",
    TOP + "Content-Type: multipart/mixed; boundary=abc\n\njust text\n",
    plainTextBody="just text\r\n",
    errors=1,
)
mail(
    "boundary-is-a-prefix",
    TOP
    + """Content-Type: multipart/mixed; boundary=b

--b
Content-Type: multipart/alternative; boundary=bb

--bb

inner
--bb--
--b

outer
--b--
""",
    plainTextBody="inner\r\nouter",
)
mail(
    "boundary-with-quotes-and-spaces",
    TOP + "Content-Type: multipart/mixed; boundary=\"a b='c\"\n\n--a b='c  \n\nx\n--a b='c--\n",
    plainTextBody="x",
)
mail(
    "boundary-folded-parameter",
    TOP + 'Content-Type: multipart/mixed;\n\tboundary*0="lo";\n\tboundary*1=ng\n\n--long\n\nx\n--long--\n',
    plainTextBody="x",
)
mail("multipart-empty", TOP + "Content-Type: multipart/mixed; boundary=b\n\n--b--\n", attachments=[], errors=1)
mail(
    "multipart-in-base64",
    TOP
    + "Content-Type: multipart/mixed; boundary=b\nContent-Transfer-Encoding: base64\n\n"
    + base64.b64encode(b"--b\r\n\r\nhidden\r\n--b--\r\n").decode()
    + "\n",
    plainTextBody="hidden",
    errors=1,
)
mail("content-type-nonsense", TOP + "Content-Type: text\n\nHello", plainTextBody="Hello", errors=1)
mail(
    "content-type-twice",
    TOP + "Content-Type: text/plain\nContent-Type: text/html\n\n<b>",
    plainTextBody="<b>",
    htmlBody=None,
)
mail(
    "content-type-with-comma",
    TOP + "Content-Type: text/html; charset=utf-8; format=flowed; x\n\n<p>é</p>",
    htmlBody="<p>é</p>",
)
mail(
    "nested-deep",
    TOP + "".join(f"Content-Type: multipart/mixed; boundary=b{i}\n\n--b{i}\n" for i in range(60)) + "\ndeep\n",
    errors=2,
)
mail(
    "parts-too-many", TOP + "Content-Type: multipart/mixed; boundary=b\n\n" + "--b\n\nx\n" * 1500 + "--b--\n", errors=1
)


# --- File names -----------------------------------------------------------------------------------------------------
def named(title: str, headers: str | bytes, expected: str) -> None:
    head = crlf(BTOP) + (headers if isinstance(headers, bytes) else headers.replace("\n", "\r\n").encode())
    mail(title, head + b"\r\n\r\nx", attachments=[[expected, "application/pdf", "x"]])


named(
    "name-rfc2231",
    "Content-Type: application/pdf\nContent-Disposition: attachment; filename*=utf-8''%E2%82%AC%20rates.pdf",
    "€ rates.pdf",
)
named(
    "name-rfc2231-continued",
    "Content-Type: application/pdf\nContent-Disposition: attachment;\n filename*0*=utf-8'de'Gr%C3;\n filename*1*=%BC;\n"
    ' filename*2="%C3.pdf"',
    "Grü%C3.pdf",
)
named(
    "name-rfc2231-pieces-of-an-encoded-word",
    "Content-Type: application/pdf\nContent-Disposition: attachment;\n"
    ' filename*0="=?utf-8?Q?Gr=C3=BC"; filename*1="=C3=9Fe=2Epdf?="',
    "Grüße.pdf",
)
named(
    "name-rfc2231-out-of-order",
    "Content-Type: application/pdf\nContent-Disposition: attachment; filename*1=b.pdf; filename*0=a",
    "ab.pdf",
)
named(
    "name-rfc2231-beats-plain",
    "Content-Type: application/pdf\nContent-Disposition: attachment; filename=\"_.pdf\"; filename*=UTF-8''%C3%A9.pdf",
    "é.pdf",
)
named(
    "name-encoded-word",
    'Content-Type: application/pdf\nContent-Disposition: attachment; filename="=?utf-8?B?w6kucGRm?="',
    "é.pdf",
)
named(
    "name-raw-8bit",
    b'Content-Type: application/pdf\r\nContent-Disposition: attachment; filename="Gr\xfc\xdfe.pdf"',
    "Grüße.pdf",
)
named(
    "name-without-quotes",
    "Content-Type: application/pdf\nContent-Disposition: attachment; filename=my report (1).pdf",
    "my report (1).pdf",
)
named(
    "name-with-path",
    'Content-Type: application/pdf\nContent-Disposition: attachment; filename="..\\\\..\\\\etc/../evil.pdf"',
    "evil.pdf",
)
named(
    "name-with-direction-mark",
    "Content-Type: application/pdf\nContent-Disposition: attachment; filename*=utf-8''a%E2%80%AEfdp.exe",
    "afdp.exe",
)
named(
    "name-quote-not-closed",
    'Content-Type: application/pdf\nContent-Disposition: attachment; filename="open.pdf',
    "open.pdf",
)
named(
    "name-only-in-content-type",
    'Content-Type: application/pdf; name="only.pdf"\nContent-Disposition: attachment',
    "only.pdf",
)
named("name-missing", "Content-Type: application/pdf\nContent-Disposition: attachment", "attachment-1.pdf")
named(
    "name-semicolon-inside",
    'Content-Type: application/pdf\nContent-Disposition: attachment; filename="a;b.pdf"',
    "a;b.pdf",
)
named(
    "name-very-long",
    "Content-Type: application/pdf\nContent-Disposition: attachment; filename=" + "n" * 400 + ".pdf",
    "n" * 196 + ".pdf",
)


# --- TNEF -----------------------------------------------------------------------------------------------------------
def attribute(kind: int, type_: int, value: bytes, level: int = 2) -> bytes:
    return struct.pack("<BII", level, type_ << 16 | kind, len(value)) + value + struct.pack("<H", sum(value) & 0xFFFF)


def long_name(name: str) -> bytes:
    value = name.encode("utf-16-le") + b"\0\0"
    return (
        struct.pack("<I", 2)
        + struct.pack("<HHI", 0x3, 0x0E20, 5)
        + struct.pack("<HHII", 0x1F, 0x3707, 1, len(value))
        + value
        + b"\0" * (-len(value) % 4)
    )


TNEF = (
    b"\x78\x9f\x3e\x22\x01\x00"
    + attribute(0x9007, 6, struct.pack("<II", 1252, 0), 1)
    + attribute(0x800C, 2, b"Text from Outlook\0", 1)
    + attribute(0x9002, 6, b"\x01\x00" + b"\0" * 12)
    + attribute(0x8010, 1, b"REPORT~1.TXT\0")
    + attribute(0x800F, 6, b"content")
    + attribute(0x9005, 6, long_name("Bericht für März.txt"))
    + attribute(0x9002, 6, b"\x01\x00" + b"\0" * 12)
    + attribute(0x8010, 1, b"b.bin\0")
    + attribute(0x800F, 6, b"\1\2")
)


def winmail(data: bytes) -> str:
    return (
        TOP + "Content-Type: application/ms-tnef; name=winmail.dat\nContent-Transfer-Encoding: base64\n"
        "Content-Disposition: attachment; filename=winmail.dat\n\n" + base64.b64encode(data).decode() + "\n"
    )


OUTLOOK = [["Bericht für März.txt", "text/plain", "content"], ["b.bin", "application/octet-stream", "\1\2"]]
mail("tnef", winmail(TNEF), attachments=OUTLOOK, plainTextBody="Text from Outlook")
mail("tnef-cut", winmail(TNEF[:-6]), attachments=[OUTLOOK[0], ["b.bin", "application/octet-stream", ""]])
mail("tnef-is-none", winmail(b"not tnef"), attachments=[["winmail.dat", "application/ms-tnef", "not tnef"]], errors=1)
mail("body-too-large", TOP + "\n" + "0123456789abcdef" * 40_000, errors=1, subject="s")


# --- What mailers write instead of addresses and dates ------------------------------------------------------------
def addressed(name: str, written: str, *people: str, **expected: Any) -> None:
    mail(name, f"From: Ann <ann@example.test>\nTo: {written}\nSubject: s\n\nHello\n", to=list(people), **expected)


addressed("to-with-spaces-between", "a@x.test b@y.test", "a@x.test", "b@y.test")
addressed("to-without-comma", "Boss <boss@x.test> Eve <eve@y.test>", "boss@x.test", "eve@y.test")
addressed("to-quoted-local-part", '"quoted local"@x.test', '"quoted local"@x.test')
addressed("to-with-route", "<@relay.test:a@x.test>, <@r1.test,@r2.test:b@x.test>", "a@x.test", "b@x.test")
addressed("to-comment-inside", "<a(c)@x.test>", "a@x.test")
addressed("to-local-user", "root", "root")
addressed("to-names-only", "MAILER DAEMON")
mail(
    "from-without-address",
    "From: MAILER DAEMON <>\nTo: bob@example.test\nSubject: s\n\nHello\n",
    fromAddress=None,
    fromName="MAILER DAEMON",
)


def dated(name: str, written: str, moment: str | None) -> None:
    mail(name, TOP + f"Date: {written}\n\nHello\n", date=moment)


dated("date-offset-with-colon", "Tue, 3 Nov 2026 10:00:00 +02:00", "2026-11-03T08:00:00Z")
dated("date-offset-behind-gmt", "Tue, 3 Nov 2026 10:00:00 GMT+0200", "2026-11-03T08:00:00Z")
dated("date-iso", "2026-11-03T10:00:00+02:00", "2026-11-03T08:00:00Z")
dated("date-zone-by-name", "Tue, 3 Nov 2026 10:00:00 CET", "2026-11-03T09:00:00Z")
dated("date-zone-unknown", "Tue, 3 Nov 2026 10:00:00 XYZ", None)
dated("date-hours-of-twelve", "Tue, 3 Nov 2026 10:00 PM +0100", None)
dated("date-offset-impossible", "Tue, 3 Nov 2026 10:00:00 +9900", None)


# --- Japanese as vendors write it, and labels -----------------------------------------------------------------------
def encoded(name: str, charset: str, data: bytes, text: str) -> None:
    mail(name, crlf(BTOP + f"Content-Type: text/plain; charset={charset}\n\n".encode()) + data, plainTextBody=text)


encoded("charset-iso2022jp-circled-one", "iso-2022-jp", b"\x1b$B-!F|K\\\x1b(B", "①日本")
encoded("charset-iso2022jp-half-width", "iso-2022-jp", b"\x1b(I12E\x1b(B x", "ｱｲﾅ x")
encoded("charset-iso2022jp-broken", "iso-2022-jp", b"\x1b$BF|K\xff\x1b(B!", "日\ufffd!")
encoded("charset-euc-jp-circled-one", "euc-jp", b"\xad\xa1\xc6\xfc\xcb\xdc", "①日本")
encoded("charset-x-euc-jp", "x-euc-jp", "日本".encode("euc_jp"), "日本")
encoded("charset-win-1251", "win-1251", "Привет".encode("cp1251"), "Привет")
encoded("charset-koi8r", "koi8r", "Привет".encode("koi8-r"), "Привет")
encoded("charset-windows-949", "windows-949", "한글".encode("cp949"), "한글")
encoded("charset-big-5", "big-5", "中文".encode("big5"), "中文")
encoded("charset-hz", "hz-gb-2312", "中文".encode("hz"), "中文")


# --- Headers and parts that are almost right ------------------------------------------------------------------------
mail(
    "header-with-line-of-blanks",
    "From: Ann <ann@example.test>\nTo: a@x.test,\n\t\n\tb@x.test\nSubject: s\n\nHello\n",
    to=["a@x.test", "b@x.test"],
    subject="s",
    plainTextBody="Hello\r\n",
    errors=1,
)
mail("header-ends-with-line-of-blanks", TOP + " \t\nHello\n", subject="s", plainTextBody="Hello\r\n")
mail("header-after-byte-order-mark", b"\xef\xbb\xbf" + crlf(BTOP + b"\nHello\n"), subject="s", fromName="Ann")
mail("header-after-blank", b" " + crlf(BTOP + b"\nHello\n"), fromAddress="ann@example.test", plainTextBody="Hello\r\n")
mail("header-after-blank-line", b" \r\n" + crlf(BTOP + b"\nHello\n"), fromAddress="ann@example.test", subject="s")
mail(
    "content-type-with-comment", TOP + "Content-Type: text/html (x)\n\n<p>Hi</p>\n", htmlBody="<p>Hi</p>\r\n", text="Hi"
)
mail(
    "multipart-says-base64-and-is-not",
    TOP + "Content-Type: multipart/mixed; boundary=b\nContent-Transfer-Encoding: base64\n\n--b\n\nHello\n--b\n"
    "Content-Type: application/pdf; name=a.pdf\n\npdf\n--b--\n",
    plainTextBody="Hello",
    attachments=[["a.pdf", "application/pdf", "pdf"]],
)
mail(
    "base64-in-pieces",
    TOP + "Content-Transfer-Encoding: base64\n\naGVsbG8=\nd29ybGQ=\n",
    plainTextBody="helloworld",
)
mail(
    "base64-in-pieces-of-other-lengths",
    TOP + "Content-Transfer-Encoding: base64\n\nYQ==\nYmM=\nZGVm\nZw==",
    plainTextBody="abcdefg",
)
mail(
    "boundary-used-inside-too",
    TOP + "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: multipart/alternative; boundary=b\n\n"
    "--b\nContent-Type: text/plain\n\nHello\n--b\nContent-Type: text/html\n\n<p>Hello</p>\n--b--\n"
    "--b\nContent-Type: application/pdf; name=a.pdf\n\npdf\n--b--\n",
    plainTextBody="Hello",
    htmlBody="<p>Hello</p>",
    attachments=[["a.pdf", "application/pdf", "pdf"]],
)
mail(
    "alternative-with-names",
    TOP + "Content-Type: multipart/alternative; boundary=b\n\n--b\nContent-Type: text/plain; name=body.txt\n"
    "Content-Disposition: inline; filename=body.txt\n\nHello\n--b\nContent-Type: text/html; name=body.html\n\n"
    "<p>Hello</p>\n--b--\n",
    plainTextBody="Hello",
    htmlBody="<p>Hello</p>",
    text="Hello",
    attachments=[],
)


# --- What else a winmail.dat holds ----------------------------------------------------------------------------------
def properties(*values: tuple[int, int, bytes]) -> bytes:
    """MAPI properties of variable length, or numbers of four bytes: type, tag, value."""
    return struct.pack("<I", len(values)) + b"".join(
        struct.pack("<HH", type_, tag)
        + (b"" if type_ == 0x3 else struct.pack("<II", 1, len(value)))
        + value
        + b"\0" * (-len(value) % 4)
        for type_, tag, value in values
    )


RTF = rb"{\rtf1\ansi\ansicpg1252 Gr\'fc\'dfe}"
RICH = struct.pack("<II4sI", len(RTF) + 12, len(RTF), b"MELA", 0) + RTF
TNEF_START = b"\x78\x9f\x3e\x22\x01\x00" + attribute(0x9007, 6, struct.pack("<II", 1252, 0), 1)
TNEF_INSIDE = TNEF_START + attribute(
    0x9003, 6, properties((0x1E, 0x0037, b"Inner\0"), (0x1E, 0x1000, b"Inner text\0")), 1
)


def attached(*values: tuple[int, int, bytes]) -> bytes:
    return attribute(0x9002, 6, b"\x01\x00" + b"\0" * 12) + attribute(0x9005, 6, properties(*values))


mail(
    "tnef-rich-text",
    winmail(TNEF_START + attribute(0x9003, 6, properties((0x102, 0x1009, RICH)), 1)),
    plainTextBody="Grüße\r\n",
    attachments=[],
    errors=0,
)
mail(
    "tnef-rich-text-broken",
    winmail(TNEF_START + attribute(0x9003, 6, properties((0x102, 0x1009, b"no rich text, whatever it says")), 1)),
    attachments=[],
    errors=1,
)
mail(
    "tnef-mail-inside",
    winmail(TNEF_START + attached((0xD, 0x3701, b"i" * 16 + TNEF_INSIDE))),
    attachments=[["Inner.txt", "text/plain", "Inner text"]],
    errors=0,
)
mail(
    "tnef-object-inside",
    winmail(TNEF_START + attached((0x1E, 0x3707, b"chart.ole\0"), (0xD, 0x3701, b"i" * 16 + b"ole"))),
    attachments=[["chart.ole", "application/octet-stream", "ole"]],
    errors=1,
)


def fixed(tag: int, value: int) -> tuple[int, int, bytes]:
    return (0x3, tag, struct.pack("<I", value))


mail(
    "tnef-html-in-its-code-page",
    winmail(
        TNEF_START
        + attribute(0x9003, 6, properties(fixed(0x3FDE, 1251), (0x102, 0x1013, "Привет".encode("cp1251"))), 1)
    ),
    htmlBody="Привет",
)
mail(
    "tnef-html-says-its-charset",
    winmail(TNEF_START + attribute(
        0x9003, 6, properties((0x102, 0x1013, "<meta charset=windows-1251>Привет".encode("cp1251"))), 1)),
    htmlBody="<meta charset=windows-1251>Привет",
)  # fmt: skip
mail(
    "tnef-other-names",
    winmail(
        TNEF_START
        + attached((0x1E, 0x3704, b"REPORT~1.PDF\0"), (0x102, 0x3701, b"PDF"))
        + attached((0x1E, 0x3704, b"REPORT~1.PDF\0"), (0x1E, 0x3001, b"Report.pdf\0"), (0x102, 0x3701, b"PDF"))
    ),
    attachments=[["REPORT~1.PDF", "application/pdf", "PDF"], ["Report.pdf", "application/pdf", "PDF"]],
    errors=0,
)
mail(
    "tnef-attachment-elsewhere",
    winmail(TNEF_START + attached((0x1E, 0x3707, b"a.pdf\0"), (0x1E, 0x370D, b"//server/a.pdf\0"))),
    attachments=[["a.pdf", "application/pdf", ""]],
    errors=1,
)
mail(
    "tnef-inline-image",
    winmail(TNEF_START + attached(
        (0x1E, 0x3707, b"i.png\0"), (0x1E, 0x3712, b"<i@x>\0"), (0x1E, 0x370E, b"image/png\0"),
        (0x102, 0x3701, b"PNG"))),
    attachments=[],
    inline=[["i.png", "image/png", "PNG"]],
)  # fmt: skip


# --- What stands where another program would not look for it ---------------------------------------------------------
def typed(name: str, written: str) -> None:
    mail(name, TOP + f"Content-Type: {written}\n\n<b>h</b>", htmlBody="<b>h</b>", attachments=[])


typed("content-type-comment-with-semicolon", "text/html (a ; b); charset=utf-8")
typed("content-type-comments-nested", "(x) text/html (a (b) c) ; (d) charset=utf-8 (e)")
typed("content-type-without-semicolon", "text/html charset=utf-8")
typed("content-type-quoted", '"text/html"')
typed("content-type-with-spaces", "text / html")
for name, encoding in (
    ("encoding-with-comment", "(yes) base64"),
    ("encoding-with-semicolon", "base64;"),
    ("encoding-experimental", "x-base64"),
):
    mail(name, TOP + f"Content-Transfer-Encoding: {encoding}\n\naGVsbG8=\n", plainTextBody="hello")
mail(
    "encoding-with-underscore", TOP + "Content-Transfer-Encoding: quoted_printable\n\na=3Db\n", plainTextBody="a=b\r\n"
)
mail(
    "base64-that-is-plain-text",
    TOP + "Content-Transfer-Encoding: base64\n\nHello, this was never encoded!\n",
    plainTextBody="Hello, this was never encoded!\r\n",
)
mail(
    "header-line-of-blanks-before-indented-text",
    TOP + "\t\n   indented\nmore\n",
    plainTextBody="   indented\r\nmore\r\n",
)
mail(
    "header-behind-stray-line", "+OK 120 octets\n" + TOP + "\nHello\n", subject="s", plainTextBody="Hello\r\n", errors=1
)
mail(
    "header-after-mbox-line-and-mark",
    "From a@b Mon\n\ufeff" + TOP + "\nHello\n",
    subject="s",
    plainTextBody="Hello\r\n",
)
mail("subject-empty-and-again", "Subject:\n" + TOP + "\nHello\n", subject="s")
mail(
    "subject-word-with-question-mark",
    TOP.replace(": s\n", ": =?utf-8?q?Really??= =?utf-8?q?_a?b?=\n") + "\n",
    subject="Really? a?b",
)
mail("subject-raw-jis", crlf(BTOP.replace(b": s\n", b": \x1b$BF|K\\\x1b(B\n") + b"\nx"), subject="日本")
mail(
    "headers-in-the-charset-of-the-body",
    crlf(
        "From: 张三 <z@x.test>\nSubject: 你好\nContent-Type: multipart/mixed; boundary=b\n\n--b\n"
        'Content-Type: text/plain; charset=gb2312\n\n你好\n--b\nContent-Type: application/pdf; name="报告.pdf"\n\n'
        "x\n--b--\n".encode("gbk")
    ),
    subject="你好",
    fromName="张三",
    plainTextBody="你好",
    attachments=[["报告.pdf", "application/pdf", "x"]],
)
mail(
    "name-with-unescaped-path",
    TOP + 'Content-Type: application/pdf\nContent-Disposition: attachment; filename="C:\\temp\\a.pdf"\n\nx',
    attachments=[["a.pdf", "application/pdf", "x"]],
)
mail(
    "name-encoded-word-with-semicolon",
    TOP + "Content-Type: application/pdf\nContent-Disposition: attachment; filename==?utf-8?Q?a;b=C3=A9.pdf?=\n\nx",
    attachments=[["a;bé.pdf", "application/pdf", "x"]],
)
mail(
    "disposition-without-value",
    TOP + "Content-Type: application/pdf\nContent-Disposition: filename=a.pdf\n\nx",
    attachments=[["a.pdf", "application/pdf", "x"]],
)
mail(
    "mixed-begins-with-named-text",
    TOP + "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain; name=body.txt\n"
    "Content-Disposition: inline; filename=body.txt\n\nplain\n--b\nContent-Type: text/plain\n"
    "Content-Disposition: inline; filename=more.txt\n\nmore\n--b--\n",
    plainTextBody="plain",
    attachments=[["more.txt", "text/plain", "more"]],
)
mail(
    "boundary-used-inside-too-with-spaces",
    TOP
    + 'Content-Type: multipart/mixed; BOUNDARY="b"\n\n--b\nContent-Type: multipart/alternative;\n BOUNDARY = "b"\n\n'
    "--b\nContent-Type: text/plain\n\nplain\n--b\nContent-Type: text/html\n\n<b>h</b>\n--b--\n\n"
    "--b\nContent-Type: application/pdf; name=x.pdf\n\nPDF\n--b--\n",
    plainTextBody="plain",
    attachments=[["x.pdf", "application/pdf", "PDF"]],
)
mail(
    "multipart-in-base64-with-comment",
    TOP
    + "Content-Type: multipart/mixed; boundary=b\nContent-Transfer-Encoding: BASE64 (x)\n\n"
    + base64.encodebytes(b"--b\r\nContent-Type: text/plain\r\n\r\nplain\r\n--b--\r\n").decode(),
    plainTextBody="plain",
)
mail("rich-text-alone", TOP + "Content-Type: text/rtf\n\n{\\rtf1 hello}", plainTextBody="hello\r\n", attachments=[])
mail(
    "alternative-with-marked-up-text",
    TOP + "Content-Type: multipart/alternative; boundary=b\n\n--b\nContent-Type: text/plain\n\nplain\n--b\n"
    "Content-Type: text/enriched\n\n<bold>rich</bold>\n--b\nContent-Type: text/rtf\n\n{\\rtf1 rich}\n--b--\n",
    plainTextBody="plain",
)
mail(
    "headers-after-one-that-is-too-long",
    "X-Long: " + "x" * 70_000 + "\n" + TOP + "\nHello\n",
    subject="s",
    headers=[dict(zip(("key", "value"), line.split(": "), strict=True)) for line in TOP.splitlines()],
    errors=1,
)


mail(
    "uuencoded-inside-text",
    TOP
    + """
Please find attached
begin 644 my cat.txt
#0V%T
`
end
regards
begin 600 of his letters
and no end
""",
    plainTextBody="Please find attached\r\nregards\r\nbegin 600 of his letters\r\nand no end\r\n",
    attachments=[["my cat.txt", "text/plain", "Cat"]],
)
mail(
    "uuencoded-inside-text-without-blanks",
    TOP + '\nbegin 644 a.bin\n#   !\n\nend\nbegin 755 b.bin\n$    "P\n`\nend\nlast',
    plainTextBody="last",
    attachments=[["a.bin", "application/octet-stream", "\0\0\1"], ["b.bin", "application/octet-stream", "\0\0\0\x0b"]],
)
mail(
    "uuencoded-text-that-is-none",
    TOP + "\nbegin 644 is what he said\nand then he came to an\nend\n",
    plainTextBody="begin 644 is what he said\r\nand then he came to an\r\nend\r\n",
    attachments=[],
)
for number, (kind, html) in enumerate({"html": "<b>x</b>", "text/htm": "<b>x</b>", "plain/text": None}.items(), 1):
    mail(
        f"content-type-slip-{number}",
        TOP + f"Content-Type: {kind}\n\n{html or 'x'}",
        plainTextBody=None if html else "x",
        htmlBody=html,
        text="x",
        attachments=[],
    )
mail(
    "content-type-multipart-alone",
    TOP + "Content-Type: multipart; boundary=b\n\n--b\n\nplain\n--b\nContent-Type: text/csv; name=a.csv\n\n1\n--b--\n",
    plainTextBody="plain",
    attachments=[["a.csv", "text/csv", "1"]],
)
mail(
    "receipt-for-reading",
    TOP
    + "Content-Type: multipart/report; report-type=disposition-notification; boundary=b\n\n--b\n\nIt was read.\n--b\n"
    "Content-Type: message/disposition-notification\n\nDisposition: manual-action/MDN-sent-manually; displayed\n"
    "--b--\n",
    plainTextBody="It was read.",
    attachments=[
        [
            "disposition-notification.txt",
            "message/disposition-notification",
            "Disposition: manual-action/MDN-sent-manually; displayed",
        ]
    ],
)


mail(
    "mixed-begins-with-named-text-without-disposition",
    TOP + "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain; name=msg.txt\n\nplain\n--b\n"
    "Content-Type: text/plain; name=more.txt\n\nmore\n--b--\n",
    plainTextBody="plain",
    attachments=[["more.txt", "text/plain", "more"]],
)
mail(
    "mixed-begins-with-attachment-without-disposition",
    TOP + "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain; name=msg.txt\n\nfile\n--b\n"
    "Content-Type: text/plain\n\nplain\n--b--\n",
    plainTextBody="plain",
    attachments=[["msg.txt", "text/plain", "file"]],
)
mail(
    "line-ends-converted-twice",
    crlf(
        TOP.encode() + b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\nplain\nmore\n--b\n"
        b"Content-Type: text/csv; name=a.csv\n\n1\n--b--\n"
    ).replace(b"\r\n", b"\r\r\n"),
    subject="s",
    plainTextBody="plain\r\nmore",
    attachments=[["a.csv", "text/csv", "1"]],
    errors=0,
)
mail(
    "boundary-in-eight-bits",
    crlf(TOP.encode() + b'Content-Type: multipart/mixed; boundary="=_\xfc"\n\n--=_\xfc\n\nplain\n--=_\xfc--\n'),
    plainTextBody="plain",
)
mail(
    "boundary-in-apostrophes",
    TOP + "Content-Type: multipart/mixed; boundary='b'\n\n--b\n\nplain\n--b\n\nmore\n--b--\n",
    plainTextBody="plain\r\nmore",
)
mail(
    "alternative-for-some-programs",
    TOP + "Content-Type: multipart/alternative; boundary=b\n\n--b\nContent-Type: text/plain\n\nplain\n--b\n"
    "Content-Type: text/x-amp-html\n\n<html amp4email>\n--b\nContent-Type: text/watch-html\n\n<b>w</b>\n--b\n"
    "Content-Type: text/html\n\n<b>h</b>\n--b--\n",
    plainTextBody="plain",
    htmlBody="<b>h</b>",
    attachments=[],
)
for number, charset in enumerate(("us-ascii", "utf-8", "x-unknown", "_iso-2022-jp$ESC"), 1):
    mail(
        f"charset-iso2022jp-under-another-name-{number}",
        crlf(TOP.encode() + f"Content-Type: text/plain; charset={charset}\n\n".encode() + b"\x1b$BF|K\\\x1b(B\n"),
        plainTextBody="日本\r\n",
    )


def main() -> None:
    """Writes the files."""
    for old in FOLDER.glob("*.eml"):
        old.unlink()
    for name, (raw, _) in MAILS.items():
        (FOLDER / f"{name}.eml").write_bytes(raw)
    expected = {name: wanted for name, (_, wanted) in sorted(MAILS.items())}
    (FOLDER / "expected.json").write_text(json.dumps(expected, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
