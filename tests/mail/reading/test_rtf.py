"""Rich text of Outlook: the compression of MS-OXRTFCP, its text, and the HTML that was wrapped into it."""

from __future__ import annotations

import struct

import pytest

from zeebe_connectors.mail.reading import rtf

# The examples of MS-OXRTFCP, sections 4.1.1 and 4.1.2.
HELLO = bytes.fromhex(
    "2d0000002b0000004c5a4675f1c5c7a703000a007263706731323542320af32068656c090020627705b06c647d0a800fa0"
)
REPEATED = bytes.fromhex("1a0000001c0000004c5a4675e2d44b51410004205758595a0d6e7d010eb0")


def plain(text: bytes) -> bytes:
    return struct.pack("<II4sI", len(text) + 12, len(text), b"MELA", 0) + text


def test_the_examples_of_the_specification_are_expanded() -> None:
    assert rtf.decompress(HELLO) == b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n"
    assert rtf.decompress(REPEATED) == b"{\\rtf1 WXYZWXYZWXYZWXYZWXYZ}"
    assert rtf.read(rtf.decompress(HELLO) or b"") == ("hello world\r\n", None)


@pytest.mark.parametrize(
    ("written", "text"),
    [
        (rb"{\rtf1\ansi\ansicpg1252 Gr\'fc\'dfe\par zwei}", "Grüße\r\nzwei\r\n"),
        (rb"{\rtf1\ansi\ansicpg1251 \'cf\'f0}", "Пр\r\n"),
        (rb"{\rtf1\ansi \u8364?5 \uc0\u26085 x}", "€5 日x\r\n"),
        (rb"{\rtf1{\fonttbl{\f0 Arial;}}{\*\generator Riched;}\pard a\tab b\line c}", "a\tb\r\nc\r\n"),
        (rb"{\rtf1 a\{b\}\\c}", "a{b}\\c\r\n"),
    ],
)
def test_the_text_is_read(written: bytes, text: str) -> None:
    assert rtf.read(rtf.decompress(plain(written)) or b"") == (text, None)


def test_wrapped_html_comes_out_as_it_was() -> None:
    written = (
        rb"{\rtf1\ansi\ansicpg1252\fromhtml1 \deff0{\fonttbl{\f0 Arial;}}"
        rb"{\*\htmltag64 <p>}\htmlrtf \par\htmlrtf0 Gr\'fc\'dfe {\*\htmltag84 <b>}\htmlrtf {\b\htmlrtf0 x"
        rb"\htmlrtf }\htmlrtf0 {\*\htmltag92 </b>}{\*\htmltag72 </p>}}"
    )
    text, html = rtf.read(written)
    assert text is None
    assert html is not None
    assert html.strip() == "<p>Grüße <b>x</b></p>"


@pytest.mark.parametrize("data", [b"", b"x" * 15, HELLO[:20], HELLO[:-3], plain(b"")[:14], b"\0" * 40])
def test_what_is_cut_or_none_never_raises(data: bytes) -> None:
    rtf.read(rtf.decompress(data) or b"")


def test_a_small_input_does_not_grow_beyond_the_bound() -> None:
    """Each reference makes 17 bytes of two: the size is bounded before."""
    data = struct.pack("<II4sI", 0xFFFFFFF, 0xFFFFFFF, b"LZFu", 0) + b"\xff" + (b"\x00\x0f" * 8 + b"\xff") * 200_000
    assert len(rtf.decompress(data) or b"") <= rtf.MAX_RTF_BYTES


@pytest.mark.parametrize(
    ("written", "text"),
    [
        (rb"{\rtf1\ansi \u8364?5 \u-10179?\u-8704?}", "€5 😀\r\n"),
        (rb"{\rtf1\ansi \u-10179? alone}", "\ufffd alone\r\n"),
        (rb"{\rtf1\ansi{\fonttbl{\f0\fnil Arial;}{\f1\fcharset204 Arial;}}\f1 \'cf\'f0{\f0 \'fc}\'e8}", "Прüи\r\n"),
        (rb"{\rtf1\ansi{\fonttbl{\f3\fcharset128 Gothic;}}\f3 \'93\'fa\'96{}\'7b}", "日\ufffd{\r\n"),
        (rb"{\rtf1\mac \'8a}", "ä\r\n"),
        (rb"{\rtf1\pc \'81}", "ü\r\n"),
    ],
)
def test_signs_are_read_in_the_character_set_of_their_font(written: bytes, text: str) -> None:
    assert rtf.read(written) == (text, None)
