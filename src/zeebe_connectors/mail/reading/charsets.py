"""Find the codec for a character set's label, and decode what Python's own codecs refuse.

Which character set a text has is decided in `text.py`.

Labels are those of the WHATWG encoding standard, plus other spellings that mail programs use. The Japanese codecs
read what vendors added to the standards (NEC's row 13 with its circled numbers, half-width kana), as `cp50221` and
`cp51932` do elsewhere.
"""

from __future__ import annotations

import codecs
import contextlib
import re

from zeebe_connectors.sdk.text import is_character_set

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
    "koi8-r": "cskoi8r koi koi8 koi8-r cp20866",
    "koi8-u": "koi8-ru koi8-u cp21866",
    "mac-roman": "csmacintosh mac macintosh x-mac-roman cp10000",
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
    "windows-936 ms936 cp54936",
    "big5hkscs": "big5 big5-hkscs cn-big5 csbig5 x-x-big5 x-big5 cp950 windows-950",
    "euc-jp": "cseucpkdfmtjapanese euc-jp x-euc-jp x-euc cp51932 ujis",
    "iso2022-jp": "csiso2022jp iso-2022-jp iso-2022-jp-1 iso-2022-jp-2 iso-2022-jp-3 iso-2022-jp-ms "
    "iso-2022-jp-2004 iso-2022-jp-ext csiso2022jp2 cp50220 cp50221 cp50222 jis",
    "cp932": "csshiftjis ms932 ms_kanji shift-jis shift_jis sjis windows-31j x-sjis x-ms-cp932 cp932 windows-932",
    "cp949": "cseuckr csksc56011987 euc-kr iso-ir-149 korean ks_c_5601-1987 ks_c_5601-1989 ksc5601 windows-949 uhc "
    "cp949 x-windows-949 cp51949",
    "iso2022-kr": "csiso2022kr iso-2022-kr cp50225",
    "iso2022-cn": "iso-2022-cn iso-2022-cn-ext csiso2022cn cp50227",
    "hz": "hz-gb-2312 hz",
    "utf-16-be": "unicodefffe utf-16be",
    "utf-16": "csunicode iso-10646-ucs-2 ucs-2 unicode unicodefeff utf-16 utf-16le",
    "utf-7": "utf-7 unicode-1-1-utf-7 x-unicode-2-0-utf-7",
}
_STATEFUL = {"iso2022-jp", "iso2022-kr", "iso2022-cn", "hz", "utf-7"}
_MAX_CAREFUL = 512 * 1024
"""Maximum bytes of a text that is read character by character; Python's codecs read longer ones far faster."""
_JAPANESE = ("iso2022_jp_2", "iso2022_jp_ext", "iso2022_jp_2004", "iso2022_jp_3")
_OTHER = re.compile(r"[^a-z0-9]")
_ESCAPE = re.compile(rb"\x1b(\([BJIH]|\$[@B]|\$\(D|\$\(@)|([\x0e\x0f])")
_KANA = {"(I", "\x0e"}
_AS_JIS_HAS_IT = str.maketrans("\uff5e\u2225\uff0d\uffe0\uffe1\uffe2", "\u301c\u2016\u2212\u00a2\u00a3\u00ac")
_ROWS = {"$@", "$B", "$(@"}
_HZ = re.compile(rb"~\{([^\r\n]*?)(?:~\}|(?=\r?\n)|\Z)|~\r?\n|~?(~)|([^~]+)", re.DOTALL)
_SHIFTED_OUT = re.compile(rb"\x1b\$[)*+](.)|\x1b[NO]|([\x0e\x0f\r\n])|([^\x0e\x0f\x1b\r\n]+)")
_SHIFTED_TO = {b"A": "gb18030", b"E": "gb18030", b"C": "cp949"}
# Characters of the WHATWG's encodings that Python's codecs lack.
_ALSO = {"gb18030": {b"\x80": "\u20ac"}, "big5hkscs": {b"\xa3\xe1": "\u20ac"}}


def _key(label: str) -> str:
    """Levels differences of spelling in a label: `KOI8R`, `koi8-r` and `koi8_r` are the same."""
    return _OTHER.sub("", label.lower())


_CODECS = {_key(label): codec for codec, labels in _LABELS.items() for label in labels.split()}


def codec_of(label: str | None) -> str | None:
    """Returns the codec for a label; None if there is none that decodes text."""
    name = (label or "us-ascii").strip(" \t\"'").lower()
    known = _CODECS.get(_key(name))
    if known is not None:
        return known
    name = re.sub(r"^cp-(?=\d)", "cp", name)
    try:
        info = codecs.lookup(name)
    except (LookupError, ValueError):
        return None
    return name if is_character_set(info) else None


def is_stateful(codec: str) -> bool:
    """Returns whether a codec writes 7 bits with shifts: such bytes always decode as UTF-8 too, but to gibberish."""
    return codec in _STATEFUL


def decode_stateful(data: bytes, codec: str) -> str:
    """Decodes text of a codec that `is_stateful`; broken parts become U+FFFD."""
    if not data.isascii() and b"\x1b" not in data:  # such text has 7 bits, so it is something else
        with contextlib.suppress(UnicodeError):
            return data.decode("utf-8")
    if codec == "utf-7":
        return data.decode("utf-7" if data.isascii() else "cp1252", "replace")
    if codec != "iso2022-jp":
        if len(data) > _MAX_CAREFUL:
            return data.decode({"iso2022-cn": "gb18030"}.get(codec, codec), "replace")
        return _hz(data) if codec == "hz" else _iso2022_shifted(data, "cp949" if codec == "iso2022-kr" else "gb18030")
    for candidate in _JAPANESE:
        with contextlib.suppress(UnicodeError, ValueError):
            return data.decode(candidate)
    return decode_japanese(data, codec)


def decode_leniently(data: bytes, codec: str) -> str:
    """Decodes text that a codec refuses, including vendors' additional characters; the rest becomes U+FFFD."""
    if codec == "euc-jp":
        return decode_japanese(data, codec)
    return data.decode(codec, "zeebe-connectors-mail" if len(data) <= _MAX_CAREFUL else "replace")


def decode_japanese(data: bytes, codec: str) -> str:
    """Decodes EUC-JP or ISO-2022-JP including vendors' characters; broken parts become U+FFFD."""
    return _iso2022(data) if codec == "iso2022-jp" else _euc(data)


def _with_others(error: UnicodeError) -> tuple[str, int]:
    """Handles errors of `codecs`: returns a character that only the standard has, else U+FFFD."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    for octets, sign in _ALSO.get(error.encoding, {}).items():
        if error.object.startswith(octets, error.start):
            return sign, error.start + len(octets)
    return "\ufffd", error.end


codecs.register_error("zeebe-connectors-mail", _with_others)


def _hz(data: bytes) -> str:
    """Decodes Chinese between `~{` and `~}` or the end of the line (RFC 1843)."""
    pieces: list[str] = []
    for match in _HZ.finditer(data):
        shifted, tilde, plain = match.groups()
        if shifted is not None:
            pieces.append(_with_eighth_bit(shifted.rstrip(b"~"), "gb18030"))
        elif tilde or plain:
            pieces.append((tilde or plain).decode("gb18030", "replace"))
    return "".join(pieces)


def _iso2022_shifted(data: bytes, plain: str) -> str:
    """Decodes Chinese or Korean between the controls SO and SI; a line end ends a shift too, as some programs need."""
    pieces: list[str] = []
    shifted_to: str | None = plain
    is_shifted = False
    for designated, control, text in _SHIFTED_OUT.findall(data):
        if designated:
            shifted_to = _SHIFTED_TO.get(designated)
        elif control:
            is_shifted = control == b"\x0e"
            pieces.append(control.decode("ascii").strip("\x0e\x0f"))
        else:
            pieces.append(_with_eighth_bit(text, shifted_to) if is_shifted else text.decode(plain, "replace"))
    return "".join(pieces)


def _with_eighth_bit(data: bytes, codec: str | None) -> str:
    """Decodes two bytes for each character; if there is no codec for the set, each becomes U+FFFD."""
    if codec is None:
        return "\ufffd" * (len(data) // 2)
    return bytes(octet | 0x80 if octet > 0x20 else octet for octet in data).decode(codec, "replace")


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
    """Decodes rows and cells of JIS X 0208 as NEC and IBM extended it."""
    codes = [_shifted(data[at] & 0x7F, data[at + 1] & 0x7F) for at in range(0, len(data) - 1, 2)]
    text = "".join("\ufffd" if code is None else code.decode("cp932", "replace") for code in codes)
    return text.translate(_AS_JIS_HAS_IT) + ("\ufffd" if len(data) % 2 else "")


def _shifted(row: int, cell: int) -> bytes | None:
    """Returns the Shift_JIS bytes for a JIS character by row and cell (both from 0x21); None if there are none."""
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
