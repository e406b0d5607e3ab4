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
    ("Ann [mailto:a@x.test]", [("Ann", "a@x.test")]),
    ("Ann [SMTP:a@x.test], b@y.test", [("Ann", "a@x.test"), ("", "b@y.test")]),
    ("Ann <\u202aa@x.test\u202c>, b@y.test\u200b", [("Ann", "a@x.test"), ("", "b@y.test")]),
    ("John a@x.test", [("John", "a@x.test")]),
    ("=?utf-8?Q?J=C3=BCrgen?= <j@x.test>", [("Jürgen", "j@x.test")]),
    ("a@[IPv6:::1], b@[127.0.0.1]", [("", "a@[IPv6:::1]"), ("", "b@[127.0.0.1]")]),
    ('"a@x.test" <b@y.test>', [("a@x.test", "b@y.test")]),
    ("Ann <a@x.test> Smith", [("Ann", "a@x.test")]),
    ("<a@x.test, b@y.test>", [("", "a@x.test"), ("", "b@y.test")]),
    ("<a@x.test", [("", "a@x.test")]),
    ("a@x.test,,b@y.test,", [("", "a@x.test"), ("", "b@y.test")]),
    ("=?utf-8?Q?M=C3=BCller,_J=C3=B6rg?= <j@x.test>, b@y.test", [("Müller, Jörg", "j@x.test"), ("", "b@y.test")]),
    ("=?utf-8?Q?evil@e.test?= <j@x.test>", [("evil@e.test", "j@x.test")]),
    ("=?utf-8?Q?Boss?= =?utf-8?Q?_<boss@x.test>?=", [("Boss", "boss@x.test")]),
    ("=?utf-8?Q?J=C3=B6rg?=", [("Jörg", "")]),
    ('"boss@x.test"', [("", "boss@x.test")]),
    ("Boss <<boss@x.test>>", [("Boss", "boss@x.test")]),
    ("Boss <boss@x.test> eve@y.test", [("Boss", "boss@x.test"), ("", "eve@y.test")]),
    (
        "Boss <boss@x.test> ann@z.test Eve <eve@y.test>",
        [("Boss", "boss@x.test"), ("", "ann@z.test"), ("Eve", "eve@y.test")],
    ),
    ("Boss <a@x.test b@y.test>", [("Boss", "a@x.test"), ("Boss", "b@y.test")]),
    ("<boss @ x . test>", [("", "boss@x.test")]),
    ("a . b @ x . test", [("", "a.b@x.test")]),
    ("Dr. J. Smith, PhD <s@x.test>", [("Dr. J. Smith, PhD", "s@x.test")]),
    ("Smith, John, Dr. <s@x.test>", [("Smith, John, Dr.", "s@x.test")]),
    ("山田, 太郎 <y@x.test>", [("山田, 太郎", "y@x.test")]),
    ("Smith (Sales <s@x.test>", [("Smith (Sales", "s@x.test")]),
    ("a@x.test (b (c (d <evil@e.test>))), b@y.test", [("b (c (d <evil@e.test>))", "a@x.test"), ("", "b@y.test")]),
    ("Boss <boss(<evil@e.test>)@x.test>", [("Boss", "boss@x.test")]),
    ("<a(c(d))@x.test>", [("", "a@x.test")]),
    ("'ann'@x.test, 'b@y.test'", [("", "'ann'@x.test"), ("", "b@y.test")]),
    ("a@x.test/b@y.test|c@z.test", [("", "a@x.test"), ("", "b@y.test"), ("", "c@z.test")]),
    ("a@x.test\uff0cb@y.test\uff1bc@z.test", [("", "a@x.test"), ("", "b@y.test"), ("", "c@z.test")]),
]


@pytest.mark.parametrize(("header", "expected"), HEADERS, ids=[header for header, _ in HEADERS])
def test_names_and_addresses_stay_with_each_other(header: str, expected: list[tuple[str, str]]) -> None:
    assert [(each.name, each.address) for each in addresses(header.encode())] == expected


@pytest.mark.parametrize("header", [b"<" * 60_000, b"(" * 60_000, b'"' * 60_000, b"a@" * 30_000, b"a b " * 15_000])
def test_a_long_header_takes_no_time(header: bytes) -> None:
    addresses(header)


def test_a_list_that_is_too_long_ends_with_a_whole_address() -> None:
    found = addresses(b", ".join(b"u%d@x.test" % number for number in range(9000)))
    assert len(found) > 3000
    assert all(each.address.endswith("@x.test") for each in found)
