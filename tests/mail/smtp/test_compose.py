"""The standard library's parser, which shares nothing with our writer, reads what was written."""

import email
import email.policy
from email.headerregistry import Address as Parsed

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zeebe_connectors.mail.smtp.compose import Message, Part, build
from zeebe_connectors.mail.smtp.header_fields import extra_headers
from zeebe_connectors.mail.smtp.recipients import Address

JANE = Address("", "jane@example.com")


def written(**fields):
    message = Message(**{"sender": JANE, "message_id": "<1@example.com>", "to": [JANE], **fields})
    pieces = build(message)
    assert all(piece.endswith(b"\r\n") for piece in pieces)
    data = b"".join(pieces)
    assert all(len(line) <= 998 for line in data.split(b"\r\n"))
    assert data.replace(b"\r\n", b"").count(b"\r") == data.replace(b"\r\n", b"").count(b"\n") == 0
    return data


def read(**fields):
    return email.message_from_bytes(written(**fields).replace(b"\r\n", b"\n"), policy=email.policy.default)


def structure(part):
    kind = part.get_content_type()
    return (kind, [structure(sub) for sub in part.iter_parts()]) if part.is_multipart() else kind


@given(st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp", "Cn", "Co"]), max_size=150))
def test_any_display_name_survives(name):
    """Commas, quotes, umlauts, emoji: the reader sees the name that was given."""
    seen = read(to=[Address(name.strip(), "jane@example.com")])["To"].addresses
    assert [one.addr_spec for one in seen] == ["jane@example.com"]
    # The parser puts a space between encoded words of a name, so spaces are not compared.
    assert "".join(seen[0].display_name.split()) == "".join(name.split())


# --- headers


@given(st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=400))
def test_any_subject_survives(subject):
    """Whatever its length and letters."""
    assert read(subject=subject)["Subject"] == subject


@pytest.mark.parametrize(
    "subject",
    [
        "Grüße aus Köln " * 10,
        "=?utf-8?q?not_encoded?=",
        "a" * 2000,
        " leading and trailing ",
        "two  spaces " * 20 + "end",
        "😀" * 100,
        "tab\there",
    ],
)
def test_odd_subjects_survive(subject):
    """Long, without spaces, or looking as if they were encoded."""
    assert read(subject=subject)["Subject"] == subject


def test_many_recipients_are_folded_between_addresses():
    """Lines stay short."""
    many = [Address("", f"person-{number}@example.com") for number in range(200)]
    data = written(to=many)
    head = data.partition(b"\r\n\r\n")[0]
    assert max(map(len, head.split(b"\r\n"))) <= 78
    assert [one.addr_spec for one in read(to=many)["To"].addresses] == [one.address for one in many]


def test_extra_headers_are_written():
    """Text, numbers, lists; umlauts are encoded."""
    headers = extra_headers({"X-Order": 42, "X-Note": "Grüße", "X-Two": ["a", "b"], "X-None": None}, field="headers")
    message = read(headers=headers)
    assert message["X-Order"] == "42"
    assert message["X-Note"] == "Grüße"
    assert message.get_all("X-Two") == ["a", "b"]
    assert "X-None" not in message


# --- bodies


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029")))
def test_any_text_survives(text):
    """Letters of any script, long lines, dots, control characters; only the last line's end is added."""
    content = read(text=text).get_content().replace("\r\n", "\n")
    assert content == (text if text.endswith("\n") else text + "\n")


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("plain\n.\n..dots\nFrom here", "7bit"),
        ("x" * 5000, "quoted-printable"),
        ("Grüße, Jane\nmit freundlichen Grüßen", "quoted-printable"),
        ("これは日本語の本文です。" * 20, "base64"),
        ("nul\0 here", "quoted-printable"),
        ("mac\rline", "7bit"),
        ("", "7bit"),
    ],
)
def test_the_encoding_fits_the_text(text, encoding):
    """Readable where it can be, never longer than needed."""
    message = read(text=text)
    assert message["Content-Transfer-Encoding"] == encoding
    assert message.get_content().rstrip("\r\n") == text.replace("\r", "\n")


def test_text_alone_is_a_single_part():
    """The simplest mail has the simplest form."""
    assert structure(read(text="a")) == "text/plain"


def test_every_combination_has_the_right_structure():
    """Mixed around related around alternative, as readers expect it."""
    picture = Part(b"png", "logo.png", "image/png", "logo")
    file = Part(b"pdf", "a.pdf", "application/pdf")
    assert structure(read(html="<p>")) == "text/html"
    both = ("multipart/alternative", ["text/plain", "text/html"])
    assert structure(read(text="a", html="<p>")) == both
    related = ("multipart/related", ["text/html", "image/png"])
    assert structure(read(html="<p>", inline=[picture])) == related
    assert structure(read(text="a", html="<p>", inline=[picture])) == (
        "multipart/alternative",
        ["text/plain", related],
    )
    assert structure(read(text="a", attachments=[file])) == ("multipart/mixed", ["text/plain", "application/pdf"])
    assert structure(read(text="a", html="<p>", inline=[picture], attachments=[file, file])) == (
        "multipart/mixed",
        [("multipart/alternative", ["text/plain", related]), "application/pdf", "application/pdf"],
    )


@pytest.mark.parametrize(
    "name",
    [
        "report.pdf",
        "my report.pdf",
        'quo"te\\.pdf',
        "Größe.pdf",
        "a;b=c.pdf",
        "日本語のとても長いファイル名" * 8 + ".pdf",
        "x" * 200 + ".pdf",
        "a'b%41.pdf",
    ],
)
def test_any_file_name_survives(name):
    """Spaces, quotes, umlauts, length (RFC 2231)."""
    part = next(read(text="a", attachments=[Part(b"x", name, "application/pdf")]).iter_attachments())
    assert part.get_filename() == name
    assert part.get_content_disposition() == "attachment"


@pytest.mark.parametrize("size", [0, 1, 56, 57, 58, 57 * 4096, 57 * 4096 + 1, 1_000_000])
def test_any_bytes_survive(size):
    """Also at the borders of lines and blocks."""
    data = bytes(range(256)) * (size // 256 + 1)
    part = next(read(text="a", attachments=[Part(data[:size], "a.bin", "application/octet-stream")]).iter_attachments())
    assert part.get_content() == data[:size]


@pytest.mark.parametrize(
    "line", ["ASCII, as it is", ".dot first", "Grüße, größtenteils lesbar ", "日本語", "=", "x" * 900]
)
def test_a_long_text_survives_in_blocks(line):
    """No piece is much larger than a block, and none is lost or changed at the borders."""
    text = f"{line}\n" * (600_000 // len(line.encode()))
    pieces = build(Message(Address("", "a@example.com"), [Address("", "b@example.com")], text=text, message_id="<a@b>"))
    assert max(map(len, pieces)) < 400_000
    assert all(piece.endswith(b"\r\n") for piece in pieces)
    assert read(text=text).get_content().replace("\r\n", "\n") == text


def test_a_wrong_media_type_does_no_harm():
    """It comes from a process variable."""
    for kind in ("text/plain\r\nX-Evil: 1", "nonsense", "multipart/mixed", "message/rfc822", ""):
        message = read(text="a", attachments=[Part(b"x", "a.bin", kind)])
        part = next(message.iter_attachments())
        assert part.get_content_type() in {"application/octet-stream", "text/plain"}
        assert part["X-Evil"] is None
        assert message["X-Evil"] is None


def test_an_international_local_part_is_written_as_it_is():
    """SMTPUTF8: RFC 6532 allows UTF-8 in headers."""
    data = written(to=[Address("José", "josé@example.com")]).decode()
    message = email.message_from_string(data.replace("\r\n", "\n"), policy=email.policy.default)
    assert message["To"].addresses == (Parsed("José", username="josé", domain="example.com"),)


def test_hidden_recipients_alone_leave_a_to():
    """Some servers refuse mail without To or Cc."""
    assert read(to=[])["To"] == "undisclosed-recipients:;"
