"""The log's lines are masked, come in order and complete, and a reader that is too slow holds up nobody."""

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from zeebe_connectors.cli import log_setup
from zeebe_connectors.config.secrets import Mask


class Reader(io.StringIO):
    """Takes its time for each write."""

    def __init__(self, seconds: float = 0.0) -> None:
        super().__init__()
        self.seconds = seconds
        self.writes = 0

    def write(self, text: str) -> int:
        time.sleep(self.seconds)
        self.writes += 1
        return super().write(text)


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    made = logging.getLogger("test of the log")
    made.setLevel(logging.INFO)
    made.propagate = False
    yield made
    for handler in list(made.handlers):
        if isinstance(handler, log_setup.WritingHandler):
            handler.close()
            made.removeHandler(handler)


def test_only_what_outsiders_can_cause_has_one_line_a_second() -> None:
    program = """
import logging
from zeebe_connectors.cli import log_setup
from zeebe_connectors.config.secrets import Mask

log_setup.configure(Mask())
for name in ("asyncio", "aiohttp.server", "zeebe_connectors.admin", "zeebe_connectors.jobs"):
    for _ in range(3):
        logging.getLogger(name).warning("seen by %s", name)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert [line.rpartition(" ")[2] for line in done.stderr.splitlines()] == [
        "asyncio",
        "aiohttp.server",
        "zeebe_connectors.admin",
        *["zeebe_connectors.jobs"] * 3,
    ]


def _handler(reader: io.StringIO, *, as_json: bool = False, max_lines: int = 1000) -> log_setup.WritingHandler:
    handler = log_setup.WritingHandler(reader, max_lines=max_lines)
    handler.setFormatter(log_setup._Masked(Mask(["hunter2"]), as_json=as_json))
    return handler


def test_lines_are_masked_in_order_and_written_together(logger: logging.Logger) -> None:
    reader = Reader()
    handler = _handler(reader)
    logger.addHandler(handler)
    for number in range(500):
        logger.info("line %d of hunter2", number)
    handler.close()
    lines = reader.getvalue().splitlines()
    assert [line.split(" ", 1)[1] for line in lines] == [f"INFO    line {number} of ***" for number in range(500)]
    assert reader.writes < 50


def test_what_is_masked_is_known_when_a_line_is_written(logger: logging.Logger) -> None:
    """A secret that was resolved after the line was logged; and a learned one that was forgotten meanwhile."""
    reader = Reader()
    mask = Mask(["hunter2"])
    handler = log_setup.WritingHandler(reader, max_lines=1000)
    handler.setFormatter(log_setup._Masked(mask, as_json=False))
    with handler._writing:  # nothing is written yet
        logger.addHandler(handler)
        logger.info("later s3cr3t-value and %s", "hunter%32")
        mask.add("s3cr3t-value")
        mask.learn("token-0000")
        logger.info("learned token-0000")
        for number in range(300):
            mask.learn(f"other-{number}")
    handler.close()
    assert [line.split("INFO", 1)[1].strip() for line in reader.getvalue().splitlines()] == [
        "later *** and ***",
        "learned ***",
    ]


def test_a_warning_does_not_wait_for_others(logger: logging.Logger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_setup, "_PAUSE", 30.0)
    reader = Reader()
    handler = _handler(reader)
    logger.addHandler(handler)
    logger.info("first")
    logger.warning("second")
    ends = time.monotonic() + 10
    while "second" not in reader.getvalue():
        assert time.monotonic() < ends
        time.sleep(0.005)
    assert reader.getvalue().index("first") < reader.getvalue().index("second")


def test_a_slow_reader_holds_up_nobody_and_learns_what_it_missed(logger: logging.Logger) -> None:
    reader = Reader(seconds=0.3)
    handler = _handler(reader, as_json=True, max_lines=100)
    logger.addHandler(handler)
    began = time.monotonic()
    for number in range(5000):
        logger.info("line %d", number)
    assert time.monotonic() - began < 10.0  # each write takes 0.3 s: waiting for them would take 1,500
    handler.close()
    found = [json.loads(line)["message"] for line in reader.getvalue().splitlines()]
    missed = [int(line.split()[0]) for line in found if "were dropped" in line]
    assert missed
    assert sum(missed) + sum(line.startswith("line ") for line in found) == 5000


def test_a_reader_that_is_gone_or_stuck_does_not_keep_the_process(logger: logging.Logger) -> None:
    read, write = os.pipe()
    os.set_blocking(write, True)
    stream = os.fdopen(write, "w")
    handler = _handler(stream)  # type: ignore[arg-type]
    logger.addHandler(handler)
    logger.warning("x" * 200_000)  # more than a pipe holds, and nobody reads
    logger.warning("after it")
    began = time.monotonic()
    handler.close()
    assert time.monotonic() - began < 5
    os.close(read)  # the thread's write ends with an error, which nobody sees


def test_a_record_has_all_that_formatters_ask_for() -> None:
    """Records are made without looking for file and line; any formatter of the library still finds its fields."""
    record = log_setup._Record(
        "a.b", logging.WARNING, "(unknown file)", 0, "%(x)s of %(y)d", ({"x": "one", "y": 2},), None
    )
    usual = logging.LogRecord("a.b", logging.WARNING, "(unknown file)", 0, "%s", (1,), None)
    assert set(vars(usual)) <= set(vars(record))
    line = logging.Formatter("%(name)s %(levelname)s %(filename)s:%(lineno)d %(message)s").format(record)
    assert line == "a.b WARNING (unknown file):0 one of 2"
