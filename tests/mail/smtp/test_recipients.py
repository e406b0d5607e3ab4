"""Addresses as people write them are read, and what is not one is refused with its place."""

import pytest

from zeebe_connectors import InputError
from zeebe_connectors.mail.smtp.recipients import address, addresses


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
        ("[a@example.com, b@example.com]", [("", "a@example.com"), ("", "b@example.com")]),
        ('["Doe <a@example.com>", null, "b@example.com"]', [("Doe", "a@example.com"), ("", "b@example.com")]),
        ("['a@example.com', 'b@example.com']", [("", "a@example.com"), ("", "b@example.com")]),
        ("[]", []),
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
        "[" * 100_000 + "]" * 100_000,
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


def test_the_position_of_a_wrong_address_is_in_the_message():
    """In a long list it would be hard to find."""
    with pytest.raises(InputError, match="address 3 "):
        addresses("a@example.com, b@example.com, c", field="to")


def test_one_address_is_one():
    """A sender is not a list."""
    with pytest.raises(InputError, match="exactly one"):
        address("a@example.com, b@example.com", field="from")
