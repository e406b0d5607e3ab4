"""Issue keys as a cluster does: ascending, unique, with the partition in the upper bits."""

from __future__ import annotations

PARTITION = 1
FIRST_KEY = (PARTITION << 51) + 1
_RESERVED_AT_ONCE = 256


class Keys:
    """The engine's counter of keys.

    A key may become known outside only once the store has recorded it as reserved. So the store writes `reserve()` in
    the same transaction as the state that uses the key, and a restart continues after the reserved keys.
    """

    def __init__(self, next_key: int = FIRST_KEY) -> None:
        self._next = next_key
        self._reserved = next_key

    def take(self) -> int:
        """Return the next key."""
        key = self._next
        self._next = key + 1
        return key

    def reserve(self) -> int | None:
        """Return the new end of the reserved keys if it must be written; None while the old one suffices."""
        if self._next <= self._reserved:
            return None
        self._reserved = self._next + _RESERVED_AT_ONCE
        return self._reserved
