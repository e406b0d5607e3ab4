"""Sets up logging: one line for each record, as text or JSON, with every known secret masked."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable
from typing import Literal

from zeebe_connectors.config.secrets import Mask
from zeebe_connectors.runtime.log_fields import log_fields


class _Masked(logging.Formatter):
    """Formats a record and masks the result, the second line of defence behind messages that hold no secret."""

    def __init__(self, mask: Mask, *, as_json: bool) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S")
        self._mask = mask
        self._as_json = as_json

    def format(self, record: logging.LogRecord) -> str:
        if not self._as_json:
            return self._mask.text(super().format(record))
        line = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **log_fields(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return self._mask.text(json.dumps(line, ensure_ascii=False))


class OncePerSecond(logging.Filter):
    """Lets one record of a kind through each second, of those that somebody outside can cause as often as he likes.

    A kind is a logger and a message before its values are filled in. The next record says how many were left out.
    """

    loggers = frozenset({"asyncio", "aiohttp.server", "zeebe_connectors.admin"})
    max_kinds = 1000

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._seen: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record is written."""
        if record.name not in self.loggers:
            return True
        kind = record.name, str(record.msg).partition("\n")[0][:200]
        now = self._clock()
        last, left_out = self._seen.get(kind, (float("-inf"), 0))
        if now - last < 1:
            self._seen[kind] = last, left_out + 1
            return False
        if len(self._seen) >= self.max_kinds:
            self._seen.clear()
        self._seen[kind] = now, 0
        if left_out:
            record.msg, record.args = f"{record.getMessage()} ({left_out} more like it)", None
        return True


def configure(mask: Mask, *, form: Literal["text", "json"] = "text", verbose: bool = False) -> None:
    """Sends the runtime's log to standard error.

    Args:
        mask: Values that no line may hold.
        form: Text for people, JSON for collectors.
        verbose: Also what is only of interest when something is wrong.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Masked(mask, as_json=form == "json"))
    handler.addFilter(OncePerSecond())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)  # libraries log bodies and headers below that
    logging.getLogger("zeebe_connectors").setLevel(logging.DEBUG if verbose else logging.INFO)
