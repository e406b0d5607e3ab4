"""Decrypt RC2 with short keys (RFC 2268), for mails from old programs.

The library's RC2 accepts 128-bit keys only. This one is slow, so the size of its input is bounded.
"""

from __future__ import annotations

import struct

MAX_SEALED_BYTES = 512 * 1024
"""Maximum bytes to decrypt: a few seconds of work."""
_TABLE = bytes.fromhex(
    "d978f9c419ddb5ed28e9fd794aa0d89dc67e37832b76538e624c6488448bfba2"
    "179a59f587b34f1361456d8d09817d32bd8f40eb86b77b0bf09521225c6b4e82"
    "54d66593ce60b21c7356c014a78cf1dc1275ca1f3bbee4d1423dd430a33cb626"
    "6fbf0eda4669075727f21d9bbc944303f811c7f690ef3ee706c3d52fc8661ed7"
    "08e8eade8052eef784aa72ac354d6a2a961ad2715a1549744b9fd05e0418a4ec"
    "c2e0416e0f51cbcc2491af50a1f47039997c3a8523b8b47afc02365b25559731"
    "2d5dfa98e38a92ae05df2910676cbac9d300e6cfe19ea82c6316013f58e289a9"
    "0d38341bab33ffb0bb480c5fb9b1cd2ec5f3db47e5a59c770aa62068fe7fc1ad"
)
_TURNS = ((3, 5), (2, 3), (1, 2), (0, 1))
_WORD = 0xFFFF


class WeakRc2:
    """Decrypts with a key whose effective length is its actual length."""

    def __init__(self, key: bytes) -> None:
        expanded = bytearray(key)
        while len(expanded) < 128:
            expanded.append(_TABLE[(expanded[-1] + expanded[-len(key)]) & 0xFF])
        at = 128 - len(key)
        expanded[at] = _TABLE[expanded[at]]
        for index in range(at - 1, -1, -1):
            expanded[index] = _TABLE[expanded[index + 1] ^ expanded[index + len(key)]]
        self._words = struct.unpack("<64H", expanded)

    def decrypt(self, start: bytes, sealed: bytes) -> bytes:
        """Returns the plain bytes, including the padding.

        Raises:
            ValueError: They are not whole blocks, or too many.
        """
        if len(start) != 8 or len(sealed) % 8 or len(sealed) > MAX_SEALED_BYTES:
            raise ValueError("not whole blocks, or too many")
        before = int.from_bytes(start, "big")
        plain = bytearray()
        for at in range(0, len(sealed), 8):
            block = sealed[at : at + 8]
            plain += (int.from_bytes(self._block(block), "big") ^ before).to_bytes(8, "big")
            before = int.from_bytes(block, "big")
        return bytes(plain)

    def _block(self, block: bytes) -> bytes:
        words = self._words
        r = list(struct.unpack("<4H", block))
        at = 63
        for rounds in (5, 6, 5):
            if at < 63:
                for index in (3, 2, 1, 0):
                    r[index] = (r[index] - words[r[index - 1] & 63]) & _WORD
            for _ in range(rounds):
                for index, turn in _TURNS:
                    word = (r[index] >> turn | r[index] << 16 - turn) & _WORD
                    one, two, three = r[index - 1], r[index - 2], r[index - 3]
                    r[index] = (word - words[at] - (one & two) - (~one & three)) & _WORD
                    at -= 1
        return struct.pack("<4H", *r)
