"""A body is read in the character set that its sender means, wherever he says so."""

import pytest

from zeebe_connectors.web.charset import as_utf8, codec

BODIES = [
    ("text/html", '<html><meta charset="windows-1251">Привет', "cp1251"),
    ("text/html", '<meta http-equiv="Content-Type" content="text/html; charset=koi8-r">Привет', "koi8-r"),
    ("text/html; charset=utf-8", '<meta charset="windows-1251">Привет', "utf-8"),
    ("application/xhtml+xml", '<?xml version="1.0" encoding="iso-8859-15"?><meta charset="utf-8"/>€', "iso-8859-15"),
    ("text/plain", '<meta charset="windows-1251"> é', "utf-8"),
    ("text/html", '<!-- <meta charset="windows-1251"> --><meta charset="koi8-r">Привет', "koi8-r"),
    ("text/html", '<meta charset="utf-16">é', "utf-8"),
    ("text/xml", '<?xml version="1.0" encoding="UTF-16"?><a>é</a>', "utf-8"),
    ("text/xml", '<?xml version="1.0" encoding="UTF-16"?><a>é</a>', "utf-16-le"),
    ("text/plain; charset=windows-949", "안녕", "cp949"),
    ("text/plain; charset=koi8r", "Привет", "koi8-r"),
    ("text/plain; charset=x-euc-jp", "日本", "euc_jp"),
    ("text/plain; charset=iso-8859-8-i", "שלום", "iso8859-8"),
]


@pytest.mark.parametrize(("content_type", "text", "encoding"), BODIES, ids=[f"{b[0]}, {b[2]}" for b in BODIES])
def test_a_body_is_read_as_its_sender_says(content_type, text, encoding):
    assert as_utf8(text.encode(encoding), content_type).decode() == text


def test_a_page_that_speaks_late_or_nonsense_is_utf8():
    late = "<html>" + " " * 1100 + '<meta charset="windows-1251">é'
    assert as_utf8(late.encode(), "text/html").decode() == late
    assert as_utf8('<meta charset="klingon">é'.encode(), "text/html").decode() == '<meta charset="klingon">é'
    assert codec("klingon") is None
