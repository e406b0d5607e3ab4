"""Header blocks as RFC 7541 has them, read and written by ours and by the library alone."""

from __future__ import annotations

import contextlib

import hpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zeebe_connectors.rpc.frames import ConnectionFaultError
from zeebe_connectors.rpc.header_blocks import EMPTY_TABLE, Decoder, Encoder, literal

NAMES = st.text(st.characters(min_codepoint=97, max_codepoint=122), min_size=1, max_size=20)
VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=300)
LISTS = st.lists(st.lists(st.tuples(NAMES, VALUES), max_size=6).map(tuple), max_size=12)
TYPE = (("content-type", "application/grpc"),)


@given(LISTS, st.booleans())
def test_what_the_library_writes_is_read(lists, huffman):
    """Block after block, repeated or not."""
    theirs, ours = hpack.Encoder(), Decoder()
    for headers in [*lists, *lists]:
        assert ours.decode(theirs.encode(headers, huffman=huffman)) == headers


@given(LISTS, st.lists(st.integers(0, 5_000), max_size=12))
def test_what_is_written_the_library_reads(lists, sizes):
    """However the other side limits its table in between."""
    ours, theirs = Encoder(), hpack.Decoder()
    for number, headers in enumerate([*lists, *lists, *lists]):
        if number < len(sizes):
            ours.limit_table(sizes[number])
            theirs.max_allowed_table_size = sizes[number]
        assert tuple(theirs.decode(ours.encode(headers) + literal(headers))) == headers * 2


def test_a_change_of_the_table_s_size_is_written_once():
    """And not remembered with the headers."""
    ours = Encoder()
    known = ((":method", "POST"),)
    assert ours.encode(known) == b"\x83"
    ours.limit_table(0)
    assert ours.encode(known) == b"\x20\x83"
    assert ours.encode(known) == b"\x83"


def test_a_block_of_references_means_what_the_table_has():
    """The same bytes mean another header once the table has changed."""
    ours, theirs = Decoder(), hpack.Encoder()
    theirs.encode([])
    for value in ("1", "2"):
        assert ours.decode(theirs.encode([("a", value)])) == (("a", value),)
        assert ours.decode(b"\xbe") == ours.decode(b"\xbe") == (("a", value),)


@given(st.binary(max_size=200))
def test_any_bytes_are_headers_or_a_fault(block):
    """Nothing else is raised."""
    with contextlib.suppress(ConnectionFaultError):
        headers = Decoder().decode(block)
        assert headers is None or all(name for name, _ in headers)


@pytest.mark.parametrize(
    ("name", "value"),
    [("A", "1"), ("a b", "1"), ("a:b", "1"), ("", "1"), (":", "1"), ("é", "1"), ("a\n", "1"), ("a\x7f", "1"),
     ("a", "1\n"), ("a", "\r"), ("a", "\0")],
)  # fmt: skip
def test_what_http2_does_not_allow_is_none(name, value):
    """Each time, not only when it is read first."""
    ours = Decoder()
    for _ in range(2):
        assert ours.decode(literal(((name, value),))) is None
    assert ours.decode(literal(TYPE)) == TYPE


def test_little_is_remembered():
    """A few bytes may mean 64 KiB of headers, and are then read each time."""
    ours = Decoder()
    ours.decode(hpack.Encoder().encode([("a", "v" * 4_000)], huffman=False))
    for count in range(1, 17):
        assert len(ours.decode(b"\xbe" * count)) == count
    assert len(ours._known) == 1
    for number in range(200):
        ours.decode(literal((("a", str(number)),)))
    assert len(ours._known) <= 64


def test_a_table_may_be_emptied_for_good():
    """As the server does in its first block."""
    theirs = hpack.Decoder()
    theirs.max_allowed_table_size = 0
    assert tuple(theirs.decode(EMPTY_TABLE + literal(TYPE))) == TYPE
    assert tuple(theirs.decode(literal(TYPE))) == TYPE
