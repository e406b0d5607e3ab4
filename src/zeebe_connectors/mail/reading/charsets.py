"""Find the codec for a character set's label, and decode what Python's own codecs refuse.

Labels are those of the WHATWG encoding standard, plus other spellings that mail programs use. The Japanese codecs
read what vendors added to the standards (NEC's row 13 with its circled numbers, half-width kana), as `cp50221` and
`cp51932` do elsewhere.
"""

from __future__ import annotations

import codecs
import re

_LABELS = {
    "utf-8": "unicode-1-1-utf-8 unicode11utf8 unicode20utf8 utf-8 utf8 x-unicode20utf8 utf8mb4 utf",
    "cp866": "866 cp866 csibm866 ibm866",
    "iso8859-2": "csisolatin2 iso-8859-2 iso-ir-101 iso_8859-2:1987 l2 latin2",
    "iso8859-3": "csisolatin3 iso-8859-3 iso-ir-109 iso_8859-3:1988 l3 latin3",
    "iso8859-4": "csisolatin4 iso-8859-4 iso-ir-110 iso_8859-4:1988 l4 latin4",
    "iso8859-5": "csisolatincyrillic cyrillic iso-8859-5 iso-ir-144 iso_8859-5:1988",
    "iso8859-6": "arabic asmo-708 csiso88596e csiso88596i csisolatinarabic ecma-114 iso-8859-6 iso-8859-6-e "
    "iso-8859-6-i iso-ir-127 iso_8859-6:1987",
    "iso8859-7": "csisolatingreek ecma-118 elot_928 greek greek8 iso-8859-7 iso-ir-126 iso_8859-7:1987 sun_eu_greek",
    "iso8859-8": "csiso88598e csisolatinhebrew hebrew iso-8859-8 iso-8859-8-e iso-ir-138 iso_8859-8:1988 visual "
    "csiso88598i iso-8859-8-i logical",
    "iso8859-10": "csisolatin6 iso-8859-10 iso-ir-157 l6 latin6",
    "iso8859-13": "iso-8859-13",
    "iso8859-14": "iso-8859-14",
    "iso8859-15": "csisolatin9 iso-8859-15 l9 latin9",
    "iso8859-16": "iso-8859-16",
    "koi8-r": "cskoi8r koi koi8 koi8-r",
    "koi8-u": "koi8-ru koi8-u",
    "mac-roman": "csmacintosh mac macintosh x-mac-roman",
    "mac-cyrillic": "x-mac-cyrillic x-mac-ukrainian",
    "cp874": "dos-874 iso-8859-11 tis-620 windows-874 win-874",
    "cp1250": "cp1250 windows-1250 x-cp1250 win-1250",
    "cp1251": "cp1251 windows-1251 x-cp1251 win-1251",
    "cp1252": "ansi_x3.4-1968 ansi_x3.110-1983 ascii cp1252 cp819 csisolatin1 ibm819 iso-8859-1 iso-ir-100 "
    "iso_8859-1:1987 l1 latin1 us-ascii windows-1252 x-cp1252 win-1252",
    "cp1253": "cp1253 windows-1253 x-cp1253 win-1253",
    "cp1254": "cp1254 csisolatin5 iso-8859-9 iso-ir-148 iso_8859-9:1989 l5 latin5 windows-1254 x-cp1254 win-1254",
    "cp1255": "cp1255 windows-1255 x-cp1255 win-1255",
    "cp1256": "cp1256 windows-1256 x-cp1256 win-1256",
    "cp1257": "cp1257 windows-1257 x-cp1257 win-1257",
    "cp1258": "cp1258 windows-1258 x-cp1258 win-1258",
    "gb18030": "chinese csgb2312 csiso58gb231280 gb2312 gb_2312-80 gbk iso-ir-58 x-gbk gb18030 cn-gb euc-cn cp936 "
    "windows-936 ms936",
    "big5hkscs": "big5 big5-hkscs cn-big5 csbig5 x-x-big5 x-big5 cp950 windows-950",
    "euc-jp": "cseucpkdfmtjapanese euc-jp x-euc-jp x-euc cp51932 ujis",
    "iso2022-jp": "csiso2022jp iso-2022-jp iso-2022-jp-1 iso-2022-jp-2 iso-2022-jp-3 iso-2022-jp-ms cp50220 cp50221 "
    "cp50222 jis",
    "cp932": "csshiftjis ms932 ms_kanji shift-jis shift_jis sjis windows-31j x-sjis x-ms-cp932 cp932 windows-932",
    "cp949": "cseuckr csksc56011987 euc-kr iso-ir-149 korean ks_c_5601-1987 ks_c_5601-1989 ksc5601 windows-949 uhc "
    "cp949 x-windows-949",
    "iso2022-kr": "csiso2022kr iso-2022-kr",
    "hz": "hz-gb-2312 hz",
    "utf-16-be": "unicodefffe utf-16be",
    "utf-16": "csunicode iso-10646-ucs-2 ucs-2 unicode unicodefeff utf-16 utf-16le",
    "utf-7": "utf-7 unicode-1-1-utf-7 x-unicode-2-0-utf-7",
}
_NOT_CHARACTER_SETS = {  # codecs of Python that are slow by design, unescape code or do not decode text
    "idna", "punycode", "unicode-escape", "raw-unicode-escape", "undefined", "mbcs", "oem",
}  # fmt: skip
_STATEFUL = {"iso2022-jp", "iso2022-kr", "hz", "utf-7"}
_OTHER = re.compile(r"[^a-z0-9]")
_ESCAPE = re.compile(rb"\x1b(\([BJIH]|\$[@B]|\$\(D|\$\(@)|([\x0e\x0f])")
_KANA = {"(I", "\x0e"}
_AS_JIS_HAS_IT = str.maketrans("\uff5e\u2225\uff0d\uffe0\uffe1\uffe2", "\u301c\u2016\u2212\u00a2\u00a3\u00ac")
_ROWS = {"$@", "$B", "$(@"}


def _key(label: str) -> str:
    """A label without the differences of spelling: `KOI8R`, `koi8-r` and `koi8_r` are one."""
    return _OTHER.sub("", label.lower())


_CODECS = {_key(label): codec for codec, labels in _LABELS.items() for label in labels.split()}


def codec_of(label: str | None) -> str | None:
    """Names the codec that a label means; None where there is none that decodes text."""
    name = (label or "us-ascii").strip(" \t\"'").lower()
    known = _CODECS.get(_key(name))
    if known is not None:
        return known
    name = re.sub(r"^cp-(?=\d)", "cp", name)
    try:
        info = codecs.lookup(name)
    except (LookupError, ValueError):
        return None
    if not getattr(info, "_is_text_encoding", True) or info.name.replace("_", "-") in _NOT_CHARACTER_SETS:
        return None
    return name


def is_stateful(codec: str) -> bool:
    """Whether a codec writes in 7 bits with shifts: such bytes always decode as UTF-8 too, and are then unreadable."""
    return codec in _STATEFUL


def decode_japanese(data: bytes, codec: str) -> str:
    """Decodes EUC-JP or ISO-2022-JP with the vendors' characters; broken parts become U+FFFD."""
    return _iso2022(data) if codec == "iso2022-jp" else _euc(data)


def _iso2022(data: bytes) -> str:
    pieces: list[str] = []
    at, state = 0, "(B"
    for match in _ESCAPE.finditer(data):
        pieces.append(_segment(data[at : match.start()], state))
        at = match.end()
        state = "\x0e" if match[2] == b"\x0e" else "(B" if match[2] else match[1].decode("ascii")
    pieces.append(_segment(data[at:], state))
    return "".join(pieces)


def _segment(data: bytes, state: str) -> str:
    if not data:
        return ""
    if state in _KANA:
        return bytes(octet | 0x80 if 0x21 <= octet <= 0x5F else octet for octet in data).decode("cp932", "replace")
    if state in _ROWS:
        # A line end also ends the shift without an escape, since some mail programs truncate lines.
        lines = re.split(rb"([\r\n]+)", data)
        return "".join(_rows(line) if index % 2 == 0 else line.decode("ascii") for index, line in enumerate(lines))
    if state == "$(D":
        return b"".join(
            b"\x8f" + bytes(octet | 0x80 for octet in data[at : at + 2]) for at in range(0, len(data), 2)
        ).decode("euc_jp", "replace")
    return data.decode("cp932", "replace")  # ASCII; with its eighth bit set, half-width kana


def _rows(data: bytes) -> str:
    """Rows and cells of JIS X 0208 as NEC and IBM extended it."""
    codes = [_shifted(data[at] & 0x7F, data[at + 1] & 0x7F) for at in range(0, len(data) - 1, 2)]
    text = "".join("\ufffd" if code is None else code.decode("cp932", "replace") for code in codes)
    return text.translate(_AS_JIS_HAS_IT) + ("\ufffd" if len(data) % 2 else "")


def _shifted(row: int, cell: int) -> bytes | None:
    """A character of JIS by row and cell (both from 0x21) as Shift_JIS has it; None where there is none."""
    if not (0x21 <= row <= 0x7E and 0x21 <= cell <= 0x7E):
        return None
    lead = (row - 0x21 >> 1) + (0x81 if row < 0x5F else 0xC1)
    if row % 2:
        return bytes((lead, cell + (0x1F if cell < 0x60 else 0x20)))
    return bytes((lead, cell + 0x7E))


_EUC = re.compile(rb"\x8e([\xa1-\xdf])|(\x8f[\xa1-\xfe]{2})|([\xa1-\xfe]{2})|([\x00-\x7f]+)|(.)", re.DOTALL)


def _euc(data: bytes) -> str:
    pieces: list[str] = []
    for kana, extra, double, plain, _ in _EUC.findall(data):
        if plain:
            pieces.append(plain.decode("ascii"))
        elif double:
            pieces.append(_rows(double))
        elif kana:
            pieces.append(kana.decode("cp932"))
        else:
            pieces.append(extra.decode("euc_jp", "replace") if extra else "\ufffd")
    return "".join(pieces)
