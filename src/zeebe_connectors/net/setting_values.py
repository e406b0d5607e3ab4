"""Read numbers from the operator's network settings, for `egress` and `proxies`."""

from __future__ import annotations

from zeebe_connectors.sdk.errors import InputError


def whole_number(text: str, name: str, maximum: int) -> int:
    """Returns a number from 1 to a maximum.

    Raises:
        InputError: It is none; the message names the setting.
    """
    if not text.strip().isdecimal() or not 1 <= int(text) <= maximum:
        raise InputError(f"{name}: must be a whole number from 1 to {maximum}; the operator sets it in the environment")
    return int(text)
