"""The standard library's parser, which shares nothing with our writer, reads what was written."""

import base64
import email
import email.policy
from email.headerregistry import Address as Parsed

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zeebe_connectors import InputError
from zeebe_connectors.mail.smtp import compose
from zeebe_connectors.mail.smtp.compose import Address, Message, Part, address, addresses, build, extra_headers

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


# --- addresses


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a@example.com", [("", "a@example.com")]),
        (" a@example.com , b@example.com,", [("", "a@example.com"), ("", "b@example.com")]),
        ("a@example.com; b@example.com", [("", "a@example.com"), ("", "b@example.com")]),
        ('"Doe, John" <john@example.com>, x@y.example', [("Doe, John", "john@example.com"), ("", "x@y.example")]),
        (r'"Doe \"JD\" \\ John" <john@example.com>', [('Doe "JD" \\ John', "john@example.com")]),
        ("John Doe <john@example.com>", [("John Doe", "john@example.com")]),
        ("John (from accounts, b@c.example) <john@example.com>", [("John", "john@example.com")]),
        ("Jürgen Größe <j@example.com>", [("Jürgen Größe", "j@example.com")]),
        ('"<odd>, name" <j@example.com>', [("<odd>, name", "j@example.com")]),
        ('"quoted local"@example.com', [("", '"quoted local"@example.com')]),
        ("<a@example.com>", [("", "a@example.com")]),
        ("root@localhost", [("", "root@localhost")]),
        ("a@[127.0.0.1]", [("", "a@[127.0.0.1]")]),
        ("a@münchen.example", [("", "a@xn--mnchen-3ya.example")]),
        ("josé@example.com", [("", "josé@example.com")]),
        (["a@example.com", "b@example.com, c@example.com"], [("", f"{c}@example.com") for c in "abc"]),
        ("", []),
        ([], []),
        (None, []),
    ],
)
def test_addresses_are_read_as_people_write_them(text, expected):
    """Lists, commas, semicolons, quotes, comments and international names."""
    assert [(one.name, one.address) for one in addresses(text, field="to")] == expected


@pytest.mark.parametrize(
    "text",
    [
        "jane",
        "@example.com",
        "jane@",
        "jane@exa mple.com",
        "jane doe@example.com",
        "jane@example..com",
        "jane@-example.com",
        "jane..doe@example.com",
        "jane@example.com>",
        "<jane@example.com",
        "Jane <jane@example.com> x",
        "<a@example.com> <b@example.com>",
        '"Jane <jane@example.com>',
        "Jane (x <jane@example.com>",
        "jane@example.com\r\nBcc: eve@example.com",
        "jane@example.com\neve@example.com",
        "jane@example.com\0",
        "x" * 65 + "@example.com",
        "jane@" + "a." * 130 + "com",
        "jane@[999]",
        "ja\u200bne@example.com",
        "jane@exa\u200bmple\u2028.com",
        ["jane@example.com", ""],
        [5],
        "mailto:jane@example.com",
    ],
)
def test_what_is_no_address_is_refused(text):
    """Before anything is sent, naming the field."""
    if text == ["jane@example.com", ""]:
        assert len(addresses(text, field="to")) == 1, "an empty item is no address"
        return
    with pytest.raises(InputError, match=r"^to: address \d+ ") as caught:
        addresses(text, field="to")
    assert caught.value.code == "INVALID_ADDRESS"


def test_the_position_of_a_wrong_address_is_told():
    """In a long list it would be hard to find."""
    with pytest.raises(InputError, match="address 3 "):
        addresses("a@example.com, b@example.com, c", field="to")


def test_one_address_is_one():
    """A sender is not a list."""
    with pytest.raises(InputError, match="exactly one"):
        address("a@example.com, b@example.com", field="from")


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


def test_encoded_words_are_short_and_whole():
    """RFC 2047: at most 75 characters, and no character in two words."""
    words = compose.encoded_words("é😀" * 60).split(" ")
    assert all(len(word) <= 75 for word in words)
    for word in words:
        assert word.startswith("=?utf-8?b?")
        base64.b64decode(word[10:-2]).decode()


def test_many_recipients_are_folded_between_addresses():
    """Lines stay short."""
    many = [Address("", f"person-{number}@example.com") for number in range(200)]
    data = written(to=many)
    head = data.partition(b"\r\n\r\n")[0]
    assert max(map(len, head.split(b"\r\n"))) <= 78
    assert [one.addr_spec for one in read(to=many)["To"].addresses] == [one.address for one in many]


@pytest.mark.parametrize("text", ["a\nb", "a\rb", "a\r\nBcc: eve@example.com", "a\0b", "a\u2028b", "a\x0bb"])
def test_line_breaks_in_headers_are_refused(text):
    """Header injection."""
    with pytest.raises(InputError) as caught:
        compose.header_text(text, field="subject")
    assert caught.value.code == "HEADER_INJECTION"
    for headers in ({"X-A": text}, {text: "a"}):
        with pytest.raises(InputError) as caught:
            extra_headers(headers, field="headers")
        assert caught.value.code == "HEADER_INJECTION"


@pytest.mark.parametrize(
    "name", ["From", "TO", "bcc", "Subject", "Content-Type", "Message-ID", "Resent-To", "Sender", "x-priority", "Date"]
)
def test_headers_that_inputs_write_cannot_be_overridden(name):
    """Nobody gets a second From."""
    with pytest.raises(InputError) as caught:
        extra_headers({name: "x"}, field="headers", taken=["X-Priority"])
    assert caught.value.code == "HEADER_NOT_ALLOWED"


@pytest.mark.parametrize("headers", [{"X A": "x"}, {"": "x"}, {"X:": "x"}, {"X-Ü": "x"}, {"X-A": {}}, {"X-A": True}])
def test_what_is_no_header_is_refused(headers):
    """A name is a token, a value text or a number."""
    with pytest.raises(InputError):
        extra_headers(headers, field="headers")


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
