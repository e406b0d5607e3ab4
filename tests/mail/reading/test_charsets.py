"""Labels mean what the WHATWG table says, and Japanese is read as vendors extended it."""

from __future__ import annotations

import time

import pytest

from zeebe_connectors.mail.reading.charsets import codec_of, decode_japanese
from zeebe_connectors.mail.reading.decoding import decode


@pytest.mark.parametrize(
    ("label", "codec"),
    [
        ("ISO-8859-1", "cp1252"),
        ("iso_8859-1:1987", "cp1252"),
        ("win-1251", "cp1251"),
        ("x-cp1251", "cp1251"),
        ("windows-949", "cp949"),
        ("ks_c_5601-1987", "cp949"),
        ("koi8r", "koi8-r"),
        ("KOI8_U", "koi8-u"),
        ("x-euc-jp", "euc-jp"),
        ("big-5", "big5hkscs"),
        ("windows-31j", "cp932"),
        ("csISO2022JP", "iso2022-jp"),
        ("gb_2312-80", "gb18030"),
        ("dos-874", "cp874"),
        ("x-mac-ukrainian", "mac-cyrillic"),
        ("'utf-8'", "utf-8"),
        ("cp-850", "cp850"),
        ("iso-2022-jp-2004", "iso2022-jp"),
        ("iso-2022-jp-ext", "iso2022-jp"),
        ("ISO-2022-CN-EXT", "iso2022-cn"),
        ("cp54936", "gb18030"),
        ("cp20866", "koi8-r"),
        ("x-klingon", None),
        ("idna", None),
        ("base64", None),
    ],
)
def test_a_label_means_what_browsers_take_it_for(label: str, codec: str | None) -> None:
    assert codec_of(label) == codec


@pytest.mark.parametrize("charset", ["iso-2022-jp", "iso-2022-kr", "hz-gb-2312"])
def test_a_shifted_text_is_never_read_as_utf8(charset: str) -> None:
    """Its bytes are always UTF-8, too: a wrong one would let all the text come out as signs and letters."""
    text = {"iso-2022-jp": "日本", "iso-2022-kr": "한글", "hz-gb-2312": "中文"}[charset]
    assert text[0] in decode(text.encode(charset) + b"\xff", charset)


def test_all_of_jis_is_read_as_the_standard_has_it() -> None:
    """The vendors' reading differs from the standard's in what it adds only."""
    cells = [(row, cell) for row in range(0x21, 0x7F) for cell in range(0x21, 0x7F)]
    known = 0
    for row, cell in cells:
        data = bytes((0x1B, 0x24, 0x42, row, cell))
        try:
            standard = data.decode("iso2022_jp")
        except UnicodeDecodeError:
            continue
        known += 1
        assert decode_japanese(data, "iso2022-jp") == standard
        assert decode_japanese(bytes((row | 0x80, cell | 0x80)), "euc-jp") == standard
    assert known > 6_800


def test_what_vendors_added_is_read() -> None:
    assert decode(b"\x1b$B-!-j|q\x1b(B", "iso-2022-jp") == "\u2460\u3231\u2170"
    assert decode(b"\xad\xa1\x8e\xb1", "euc-jp") == "①ｱ"


@pytest.mark.parametrize(
    ("data", "charset", "text"),
    [
        (b"\x1b$)A\x0eDc:C\x0f hi\r\nho", "iso-2022-cn", "你好 hi\r\nho"),
        (b"\x1b$)G\x0eDc\x0f!", "iso-2022-cn", "\ufffd!"),
        (b"\x0e>H3g\x0f ok", "iso-2022-kr", "안녕 ok"),
        (b"~{<:Ky2;~}a~~b\n~{<:\nc~ d~\ne", "hz-gb-2312", "己所不a~b\n己\nc~ de"),
        (b"\x1b$(O-!\x1b(B", "iso-2022-jp-3", "①"),
        ("Grüße".encode(), "utf-7", "Grüße"),
        ("日本".encode(), "iso-2022-jp", "日本"),
        (b"\x80 5 \xc4\xe3\xff", "gb2312", "€ 5 你\ufffd"),
        (b"\xa3\xe1 \xa4\xa4\xff", "big5", "€ 中\ufffd"),
        ("hé".encode("utf-16-be"), "utf-16", "hé"),
        (b"\x1b$BF|K\\\x1b(B", None, "日本"),
    ],
)
def test_broken_and_rare_texts_are_read_as_far_as_they_can(data: bytes, charset: str | None, text: str) -> None:
    assert decode(data, charset) == text


@pytest.mark.parametrize(("unit", "charset"), [(b"\x80\xff", "gb2312"), (b"~{\n", "hz"), (b"\x0e\x0f", "iso-2022-cn")])
def test_a_long_text_that_is_broken_throughout_takes_no_time(unit: bytes, charset: str) -> None:
    started = time.process_time()
    decode(unit * 2_000_000, charset)
    assert time.process_time() - started < 2
