"""Read the rich text (RTF) that Outlook sends in a winmail.dat: decompress it and extract its text or HTML.

The compression is that of MS-OXRTFCP; HTML that was wrapped into rich text (MS-OXRTFEX) is restored.
"""

from __future__ import annotations

import re
import struct

from zeebe_connectors.mail.reading.decoding import clean

_DICTIONARY = (
    b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript "
    b"\\fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par "
    b"\\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx"
)
_WINDOW = 4096
_COMPRESSED, _PLAIN = b"LZFu", b"MELA"
_HEADER = 16
MAX_RTF_BYTES = 2 * 1024 * 1024
"""Bytes of rich text after decompression; the rest is not read."""

_TOKEN = re.compile(
    rb"""\\(?:'(?P<hex>[0-9a-fA-F]{2})|(?P<word>[a-z]{1,32})(?P<number>-?[0-9]{1,10})?[ ]?|(?P<symbol>[^a-z]))
    |(?P<brace>[{}])|(?P<end>[\r\n]+)|(?P<text>[^\\{}\r\n]+)""",
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
_SKIPPED = {
    "fonttbl", "colortbl", "stylesheet", "info", "pict", "object", "header", "footer", "generator", "listtable",
    "listoverridetable", "rsidtbl", "themedata", "datastore", "latentstyles", "xmlnstbl", "fldinst", "filetbl",
}  # fmt: skip
_SIGNS = {
    "par": "\r\n", "line": "\r\n", "row": "\r\n", "sect": "\r\n", "page": "\r\n", "tab": "\t", "cell": "\t",
    "emdash": "\u2014", "endash": "\u2013", "lquote": "\u2018", "rquote": "\u2019", "ldblquote": "\u201c",
    "rdblquote": "\u201d", "bullet": "\u2022", "emspace": "\u2003", "enspace": "\u2002",
}  # fmt: skip
_FIRST_WORDS = {"mac": "mac_roman", "pc": "cp437", "pca": "cp850"}
# Code pages of fonts' character sets; other fonts use that of the whole text.
_CHARSETS = {
    128: 932, 129: 949, 130: 1361, 134: 936, 136: 950, 161: 1253, 162: 1254, 163: 1258, 177: 1255, 178: 1256,
    186: 1257, 204: 1251, 222: 874, 238: 1250,
}  # fmt: skip
_MAX_FONTS = 1000
_SYMBOLS = {"~": "\u00a0", "_": "\u2011", "{": "{", "}": "}", "\\": "\\", "\r": "\r\n", "\n": "\r\n"}


def decompress(data: bytes) -> bytes | None:
    """Decompresses a rich text, as far as it is intact; returns None when it is not one."""
    if len(data) < _HEADER:
        return None
    _, size, kind = struct.unpack_from("<II4s", data)
    size = min(size, MAX_RTF_BYTES)
    if kind == _PLAIN:
        return data[_HEADER : _HEADER + size]
    if kind != _COMPRESSED:
        return None
    return _expanded(data, size)


def _expanded(data: bytes, size: int) -> bytes:
    """Expands literals and references into a sliding window; a control byte precedes each eight of them."""
    window = bytearray(_DICTIONARY.ljust(_WINDOW, b" "))
    write = len(_DICTIONARY)
    found = bytearray()
    at, control = _HEADER, 1
    while at < len(data) and len(found) < size:
        if control == 1:  # all eight bits are used
            control = data[at] | 0x100
            at += 1
            continue
        is_reference, control = control & 1, control >> 1
        if not is_reference:
            octets = data[at : at + 1]
            at += 1
        elif at + 2 > len(data):
            break
        else:
            offset, length = (data[at] << 8 | data[at + 1]) >> 4, (data[at + 1] & 0xF) + 2
            at += 2
            if offset == write:
                break
            octets = _copied(window, write, offset, length)
        found += octets
        for octet in octets:
            window[write] = octet
            write = (write + 1) % _WINDOW
    return bytes(found[:size])


def _copied(window: bytearray, write: int, offset: int, length: int) -> bytes:
    """Copies the bytes of a reference; one that overlaps its own output repeats it."""
    distance = (write - offset) % _WINDOW
    octets = bytes(window[(offset + step) % _WINDOW] for step in range(min(length, distance)))
    return (octets * (length // len(octets) + 1))[:length]


def read(rtf: bytes) -> tuple[str | None, str | None]:
    """Returns the text of a rich text, or the HTML that was wrapped into it.

    Returns:
        Text and HTML, one of which is None; both are None if it is not rich text.
    """
    if not rtf.startswith(b"{\\rtf"):
        return None, None
    wrapped = b"\\fromhtml" in rtf[:512]
    text = _Reader(wrapped=wrapped).read(rtf)
    return (None, text) if wrapped else (text, None)


class _Reader:
    """Walks through the tokens of a rich text and keeps the state of each open group."""

    def __init__(self, *, wrapped: bool) -> None:
        self.wrapped = wrapped
        self.pieces: list[str] = []
        self.octets = bytearray()
        self.codec = self.usual = "cp1252"
        self.in_fonts = False
        self.font, self.fonts = 0, dict[int, str]()
        # For each open group: whether it is skipped or hidden, how many characters replace an unknown one, the
        # codec, and whether it lists fonts.
        self.groups: list[tuple[bool, bool, int, str, bool]] = []
        self.skips, self.fallback = False, 1
        self.starred = False
        self.left_out = 0
        self.hidden = False

    def read(self, rtf: bytes) -> str:
        for match in _TOKEN.finditer(rtf):
            self._take(match)
        self._flush()
        return clean("".join(self.pieces).strip("\r\n")) + "\r\n"  # joins surrogate halves first

    def _take(self, match: re.Match[bytes]) -> None:
        kind = match.lastgroup
        if kind == "brace":
            self._brace(match["brace"])
        elif match["word"] is not None:
            self._word(match["word"].decode("ascii").lower(), match["number"])
        elif kind == "hex":
            if self.left_out:
                self.left_out -= 1
            elif self._shows():
                self.octets.append(int(match["hex"], 16))
        elif kind == "symbol":
            sign = match["symbol"].decode("latin-1")
            if sign == "*":
                self.starred = True
            elif sign in _SYMBOLS:
                self._add(_SYMBOLS[sign])
        elif kind == "text" and self._shows():
            text = match["text"]
            cut = min(self.left_out, len(text))
            self.left_out -= cut
            self.octets += text[cut:]

    def _shows(self) -> bool:
        return not self.skips and not self.hidden

    def _brace(self, brace: bytes) -> None:
        self._flush()
        self.left_out, self.starred = 0, False
        if brace == b"{":
            self.groups.append((self.skips, self.hidden, self.fallback, self.codec, self.in_fonts))
        elif self.groups:
            self.skips, self.hidden, self.fallback, self.codec, self.in_fonts = self.groups.pop()

    def _word(self, word: str, number: bytes | None) -> None:
        value = None if number is None else int(number)
        starred, self.starred = self.starred, False
        if word == "htmlrtf":
            self.hidden = self.wrapped and value != 0
        elif word in _SKIPPED or (starred and word != "htmltag"):
            self.skips, self.in_fonts = True, word == "fonttbl"
        elif word in _FIRST_WORDS or (word == "ansicpg" and value):
            self._flush()
            self.codec = self.usual = _FIRST_WORDS.get(word, f"cp{value}")
        elif word == "f" and value is not None:
            self._flush()
            self.font = value
            self.codec = self.fonts.get(value, self.usual)
        elif word == "fcharset" and self.in_fonts and value in _CHARSETS and len(self.fonts) < _MAX_FONTS:
            self.fonts[self.font] = f"cp{_CHARSETS[value]}"
        elif word == "uc" and value is not None:
            self.fallback = max(0, min(value, 100))
        elif word == "u" and value is not None:
            self._add(chr(value % 0x10000))
            self.left_out = self.fallback
        elif word in _SIGNS:
            self._add(_SIGNS[word])

    def _add(self, text: str) -> None:
        if self._shows():
            self._flush()
            self.pieces.append(text)

    def _flush(self) -> None:
        if self.octets:
            try:
                self.pieces.append(self.octets.decode(self.codec, "replace"))
            except LookupError:
                self.pieces.append(self.octets.decode("cp1252", "replace"))
            self.octets.clear()
