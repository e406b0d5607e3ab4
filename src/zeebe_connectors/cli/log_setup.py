"""Set up logging: one line for each record, as text or JSON, with every known secret masked."""

from __future__ import annotations

import atexit
import contextlib
import json
import logging
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TextIO

from zeebe_connectors.config.secrets import Mask
from zeebe_connectors.runtime.log_fields import log_fields

MAX_LINES = 20_000
"""Lines that may wait for whoever reads the log; further lines are dropped and counted."""
_PAUSE = 0.05
"""Seconds for which lines that report normal operation are gathered into one write."""
_STARTED = time.time()
_LEVELS = {level: name for name, level in logging.getLevelNamesMapping().items() if name not in {"WARN", "FATAL"}}
_LAST_WORDS = 1.0
"""Seconds that a reader gets at the end to take the lines that wait."""


class _Masked(logging.Formatter):
    """Formats a record and masks the result, the second line of defence behind messages that hold no secret."""

    def __init__(self, mask: Mask, *, as_json: bool) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S")
        self._mask = mask
        self._as_json = as_json
        self._second = 0
        self._time = ""

    def format(self, record: logging.LogRecord) -> str:
        return self._mask.text(self._line(record))

    def for_later(self, record: logging.LogRecord) -> str:
        """Makes a record's line for `masked`, which is cheaper for many; masks it now if a secret may be forgotten."""
        return self.format(record) if self._mask.forgets else self._line(record)

    def masked(self, lines: Sequence[str]) -> Sequence[str]:
        """Masks the secrets in lines."""
        return self._mask.texts(lines)

    def _line(self, record: logging.LogRecord) -> str:
        if not self._as_json:
            if record.exc_info or record.stack_info:
                return super().format(record)
            return f"{self._clock(record)} {record.levelname:7} {record.getMessage()}"
        line = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **log_fields(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)

    def _clock(self, record: logging.LogRecord) -> str:
        """Writes the time of day; cached, as thousands of lines share a second."""
        second = int(record.created)
        if second != self._second:
            self._time = self.formatTime(record, self.datefmt)
            self._second = second
        return self._time


class _Record(logging.LogRecord):
    """A record without file and line: no line shows them, and taking paths apart costs half of a record."""

    def __init__(
        self,
        name: str,
        level: int,
        pathname: str,
        lineno: int,
        msg: object,
        args: Any,
        exc_info: Any,
        func: str | None = None,
        sinfo: str | None = None,
        **_: Any,
    ) -> None:
        now = time.time()
        if args and len(args) == 1 and isinstance(args[0], Mapping) and args[0]:
            args = args[0]
        self.name, self.msg, self.args = name, msg, args
        self.levelno, self.levelname = level, _LEVELS.get(level) or logging.getLevelName(level)
        self.pathname = self.filename = self.module = pathname
        self.lineno, self.funcName = lineno, func or ""
        self.exc_info, self.exc_text, self.stack_info = exc_info, None, sinfo
        self.created, self.msecs, self.relativeCreated = now, int(now * 1000) % 1000 + 0.0, (now - _STARTED) * 1000
        self.thread = self.threadName = self.process = self.processName = self.taskName = None


class WritingHandler(logging.Handler):
    """Writes lines from a thread of its own, many at once, so that a slow reader of the log never holds up a job.

    Warnings and errors are written immediately. When the reader is so slow that too many lines wait, further ones are
    dropped, and a line says how many.

    Args:
        stream: Where to.
        max_lines: Lines that may wait.
    """

    def __init__(self, stream: TextIO, *, max_lines: int = MAX_LINES) -> None:
        super().__init__()
        self._stream = stream
        self._max_lines = max_lines
        self._lines: deque[str] = deque()
        self._left_out = 0
        self._wake = threading.Event()
        self._urgent = threading.Event()
        self._writing = threading.Lock()
        self._ended = False
        self._thread: threading.Thread | None = None
        atexit.register(self.close)

    def handle(self, record: logging.LogRecord) -> bool:
        """Handles a record as the library does, but without its lock: a line is queued in one step."""
        passes = bool(self.filter(record))
        if passes:
            self.emit(record)
        return passes

    def emit(self, record: logging.LogRecord) -> None:
        """Queues a record's line for writing."""
        formatter = self.formatter
        try:
            line = formatter.for_later(record) if isinstance(formatter, _Masked) else self.format(record)
        except Exception:  # noqa: BLE001 - as every handler of the library
            self.handleError(record)
            return
        if len(self._lines) >= self._max_lines:
            self._left_out += 1
            return
        self._lines.append(line)
        if record.levelno >= logging.WARNING:
            self._urgent.set()
        if not self._wake.is_set():
            self._wake.set()
            if self._thread is None and not self._ended:
                self._thread = threading.Thread(target=self._write_on, name="log", daemon=True)
                self._thread.start()

    def _write_on(self) -> None:
        while not self._ended:
            self._wake.wait()
            self._urgent.wait(_PAUSE)
            self._urgent.clear()
            self._wake.clear()
            self._write()

    def _write(self, patience: float = -1.0) -> None:
        if not self._writing.acquire(timeout=patience):
            return
        try:
            lines: list[str] = []
            while self._lines:
                lines.append(self._lines.popleft())
            if isinstance(self.formatter, _Masked):
                lines = list(self.formatter.masked(lines))
            if self._left_out:
                lines.append(self.format(_left_out(self._left_out)))
                self._left_out = 0
            if lines:
                # When this fails nobody reads the log any more, and there is no other place to report it.
                with contextlib.suppress(OSError, ValueError):
                    self._stream.write("\n".join(lines) + "\n")
                    self._stream.flush()
        finally:
            self._writing.release()

    def flush(self) -> None:
        """Writes the lines that wait."""
        self._write(_LAST_WORDS)

    def close(self) -> None:
        """Writes the lines that wait, and ends the thread."""
        self._ended = True
        self._urgent.set()
        self._wake.set()
        self._write(_LAST_WORDS)
        super().close()


def _left_out(count: int) -> logging.LogRecord:
    text = "%d lines of the log were dropped: its reader is too slow"
    return _Record(__name__, logging.WARNING, "", 0, text, (count,), None)


class OncePerSecond(logging.Filter):
    """Lets one record of a kind through each second, for what somebody outside can cause at will.

    A kind is a logger and a message before its values are filled in. The next record says how many were dropped. It
    belongs on the loggers in `loggers`: one of the handler would be asked about every line of every job.
    """

    loggers = frozenset({"asyncio", "aiohttp.server", "zeebe_connectors.admin"})
    max_kinds = 1000

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._seen: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Returns whether a record is written."""
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
        verbose: Also log what is only of interest when something is wrong.
    """
    # No line shows where it was written, and finding that costs as much as the rest of a record.
    logging._srcfile = None  # noqa: SLF001 - documented in the library's section "Optimization"
    logging.setLogRecordFactory(_Record)
    handler = WritingHandler(sys.stderr)
    handler.setFormatter(_Masked(mask, as_json=form == "json"))
    once = OncePerSecond()
    for name in once.loggers:
        logging.getLogger(name).filters[:] = [once]
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)  # libraries log bodies and headers below this level
    logging.getLogger("zeebe_connectors").setLevel(logging.DEBUG if verbose else logging.INFO)
