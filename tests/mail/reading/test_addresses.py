"""An address that is found stands in the header, and a name belongs to the address beside which it was written."""

from __future__ import annotations

import pytest

from zeebe_connectors.mail.reading.addresses import addresses

HEADERS = [
    ("a@x.test", [("", "a@x.test")]),
    ("Ann <a@x.test>", [("Ann", "a@x.test")]),
    ("a@x.test b@y.test", [("", "a@x.test"), ("", "b@y.test")]),
    ("Boss <boss@x.test> Eve <eve@y.test>", [("Boss", "boss@x.test"), ("Eve", "eve@y.test")]),
    ("a@x.test Eve <eve@y.test>", [("", "a@x.test"), ("Eve", "eve@y.test")]),
    ('"quoted local"@x.test', [("", '"quoted local"@x.test')]),
    ('Q <"a, b"@x.test>, c@x.test', [("Q", '"a, b"@x.test'), ("", "c@x.test")]),
    ("MAILER DAEMON <>", [("MAILER DAEMON", "")]),
    ("MAILER DAEMON", []),
    ("<>", []),
    ("", []),
    ("<@relay.test:a@x.test>", [("", "a@x.test")]),
    ("Ann <@r1.test,@r2.test:a@x.test>", [("Ann", "a@x.test")]),
    ("<a(c)@x.test>", [("", "a@x.test")]),
    ("a@x.test (Ann)", [("Ann", "a@x.test")]),
    ("<a@x.test> (Ann), b@y.test", [("Ann", "a@x.test"), ("", "b@y.test")]),
    ("Ann <a@x.test> (work)", [("Ann", "a@x.test")]),
    ('"Doe, John" <j@x.test>; b@y.test', [("Doe, John", "j@x.test"), ("", "b@y.test")]),
    ("team: a@x.test, B <b@y.test>;", [("", "a@x.test"), ("B", "b@y.test")]),
    ("undisclosed-recipients:;", []),
    ("root", [("", "root")]),
    ("root, a@x.test", [("", "root"), ("", "a@x.test")]),
    ("Doe, John <j@x.test>, b@y.test", [("Doe, John", "j@x.test"), ("", "b@y.test")]),
    ("Root, a@x.test", [("", "Root"), ("", "a@x.test")]),
    ("Root", [("", "Root")]),
    ('\\"Ann\\" <a@x.test>', [("Ann", "a@x.test")]),
    ('"Ann <a@x.test>"', [("Ann", "a@x.test")]),
    ("[a@x.test]", [("", "a@x.test")]),
    ("mailto:a@x.test, <mailto:b@x.test>", [("", "a@x.test"), ("", "b@x.test")]),
    ("a @ x.test", [("", "a@x.test")]),
    ("John a@x.test", [("John", "a@x.test")]),
    ("=?utf-8?Q?J=C3=BCrgen?= <j@x.test>", [("Jürgen", "j@x.test")]),
    ("a@[IPv6:::1], b@[127.0.0.1]", [("", "a@[IPv6:::1]"), ("", "b@[127.0.0.1]")]),
    ('"a@x.test" <b@y.test>', [("a@x.test", "b@y.test")]),
    ("Ann <a@x.test> Smith", [("Ann", "a@x.test")]),
    ("<a@x.test, b@y.test>", [("", "a@x.test"), ("", "b@y.test")]),
    ("<a@x.test", [("", "a@x.test")]),
    ("a@x.test,,b@y.test,", [("", "a@x.test"), ("", "b@y.test")]),
]


@pytest.mark.parametrize(("header", "expected"), HEADERS, ids=[header for header, _ in HEADERS])
def test_names_and_addresses_stay_with_each_other(header: str, expected: list[tuple[str, str]]) -> None:
    assert [(each.name, each.address) for each in addresses(header.encode())] == expected


@pytest.mark.parametrize("header", [b"<" * 60_000, b"(" * 60_000, b'"' * 60_000, b"a@" * 30_000, b"a b " * 15_000])
def test_a_long_header_takes_no_time(header: bytes) -> None:
    addresses(header)
