"""Answers to FETCH and LIST are read as servers write them, and nothing of one mail is taken for another's."""

from __future__ import annotations

import pytest

from zeebe_connectors.mail.folders import decode_folder
from zeebe_connectors.mail.imap_syntax import LISTED, fetched, search_text

LITERAL = [b"abc", b" UID 5)"]


@pytest.mark.parametrize(
    "answer",
    [
        [b"1 FETCH (BODY[] {3}", *LITERAL],
        [b"1  FETCH  (BODY[]   {3}", *LITERAL],
        [b"1 FETCH (BODY[]{3}", *LITERAL],
        [b"1 FETCH (BODY[] ~{3}", *LITERAL],
        [b"1 FETCH (BODY.PEEK[] {3}", *LITERAL],
        [b"1 FETCH (RFC822.SIZE 3 RFC822 {3}", *LITERAL],
        [b"1 FETCH (BODY[]<0> {3}", *LITERAL],
        [b"1 FETCH (body[header.fields ({2}", b"To", b")] {3}", *LITERAL],
        [b'1 FETCH (UID  5 BODY[] "abc")'],
        [b'1 FETCH (X-GM-LABELS ("UID 9" "a)b") UID 5 BODY[] "abc")'],
        [b'1 FETCH (FLAGS (UID 9) UID 5 BODY[] "abc")'],
    ],
)
def test_a_body_is_found_however_it_is_written(answer: list[bytes]) -> None:
    found = fetched([answer])
    assert list(found) == [5]
    assert found[5].body == b"abc"


@pytest.mark.parametrize("later", [b"1 FETCH (UID 5 BODY[] NIL)", b"1 FETCH (FLAGS (\\Seen))", b"3 EXISTS"])
def test_a_later_word_takes_nothing_away(later: bytes) -> None:
    assert fetched([[b"1 FETCH (BODY[] {3}", *LITERAL], [later]])[5].body == b"abc"


def test_after_vanished_numbers_name_nobody() -> None:
    """It names UIDs, and the mails behind it move up by so many places that one cannot tell."""
    mails = [[b'1 FETCH (UID 5 BODY[] "five")'], [b'2 FETCH (UID 6 BODY[] "six")']]
    found = fetched([*mails, [b"VANISHED 4:5"], [b"1 FETCH (FLAGS (\\Seen))"], [b"2 FETCH (UID 7 FLAGS (\\Deleted))"]])
    assert {uid: one.flags for uid, one in found.items()} == {5: set(), 6: set(), 7: {"\\deleted"}}


@pytest.mark.parametrize(
    ("line", "separator", "name"),
    [
        (b'LIST (\\HasNoChildren)  "/"  "a b"', b"/", b'"a b"'),
        (b"LIST () / x", b"/", b"x"),
        (b'LIST () "\\\\" x', b"\\", b"x"),
        (b'LIST () "" x', b"", b"x"),
        (b"LIST () NIL R & D", b"", b"R & D"),
    ],
)
def test_a_listed_folder_is_read_however_it_is_spaced(line: bytes, separator: bytes, name: bytes) -> None:
    match = LISTED.match(line)
    assert match is not None
    assert (match["separator"] or match["bare"] or b"", match["name"]) == (separator, name)


def test_a_folder_named_in_neither_utf_7_nor_utf_8_is_latin() -> None:
    assert decode_folder(b"Gel\xf6scht".decode("utf-8", "surrogateescape")) == "Gelöscht"


def test_half_a_character_is_searched_for_as_a_replacement() -> None:
    """UTF-8 cannot carry it, and no mail holds it."""
    assert search_text("a\ud800b") == "a\ufffdb".encode()
