"""No header can be forged, and encoded words keep to RFC 2047."""

import base64

import pytest

from zeebe_connectors import InputError
from zeebe_connectors.mail.smtp.header_fields import checked_text, encoded_words, extra_headers


def test_encoded_words_are_short_and_whole():
    """RFC 2047: at most 75 characters, and no character in two words."""
    words = encoded_words("é😀" * 60).split(" ")
    assert all(len(word) <= 75 for word in words)
    for word in words:
        assert word.startswith("=?utf-8?b?")
        base64.b64decode(word[10:-2]).decode()


@pytest.mark.parametrize("text", ["a\nb", "a\rb", "a\r\nBcc: eve@example.com", "a\0b", "a\u2028b", "a\x0bb"])
def test_line_breaks_in_headers_are_refused(text):
    """Header injection."""
    with pytest.raises(InputError) as caught:
        checked_text(text, field="subject")
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
