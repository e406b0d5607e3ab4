"""How much the tests do that grow with what they are given: little in `make test`, much in `make nightly`."""

from __future__ import annotations

import os


def size(quick: int, full: int) -> int:
    """The full size where `FULL_SIZES` is set, else one that shows the same in less time."""
    return full if os.environ.get("FULL_SIZES") else quick
