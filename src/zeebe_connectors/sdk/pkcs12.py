"""Find every private key of a PKCS#12 file (RFC 7292) and its name, for keystores: the library reads only the first."""

from __future__ import annotations

from collections.abc import Iterator

_DATA = bytes.fromhex("2a864886f70d010701")
_KEYS = (bytes.fromhex("2a864886f70d010c0a0101"), bytes.fromhex("2a864886f70d010c0a0102"))  # plain, and encrypted
_FRIENDLY_NAME = bytes.fromhex("2a864886f70d010914")


def shrouded_keys(data: bytes) -> list[tuple[str, bytes]]:
    """Returns name and key of each entry; the key is PKCS#8 in DER, mostly encrypted with the file's password.

    Args:
        data: The file's bytes; of a file in a rarer form (BER, or encrypted as a whole) nothing is found.
    """
    try:
        _, (_, safe), *_ = _parts(_first(data))
        return list(_keys(safe))
    except (ValueError, IndexError):
        return []


def _keys(safe: bytes) -> Iterator[tuple[str, bytes]]:
    for _, contents in _parts(_first(_octets(safe))):
        for _, bag in _parts(_first(_octets(contents))):
            (_, kind), (_, value), *attributes = _parts(bag)
            if kind in _KEYS:
                yield _name(attributes), value


def _octets(contents: bytes) -> bytes:
    """Returns what a ContentInfo holds in clear; an empty sequence where it is encrypted."""
    (_, kind), (_, explicit), *_ = _parts(contents)
    return _first(explicit) if kind == _DATA else b"\x30\x00"


def _name(attributes: list[tuple[int, bytes]]) -> str:
    for _, given in attributes[:1]:
        for _, attribute in _parts(given):
            (_, kind), (_, values), *_ = _parts(attribute)
            if kind == _FRIENDLY_NAME:
                return _first(values).decode("utf-16-be", "replace")
    return ""


def _first(data: bytes) -> bytes:
    """Returns the content of the first value.

    Raises:
        ValueError: There is none, or as `_parts`.
        IndexError: As `_parts`.
    """
    for _, content in _parts(data):  # not `next`, whose StopIteration a generator may not raise
        return content
    raise ValueError("empty")


def _parts(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yields tag and content of each value in DER.

    Raises:
        ValueError: A length is indefinite, or reaches beyond the end.
        IndexError: The data end within a value's head.
    """
    at = 0
    while at < len(data):
        tag, length = data[at], data[at + 1]
        at += 2
        if length & 0x80:
            count = length & 0x7F
            if not count:
                raise ValueError("indefinite")
            length, at = int.from_bytes(data[at : at + count]), at + count
        if at + length > len(data):
            raise ValueError("too long")
        yield tag, data[at : at + length]
        at += length
