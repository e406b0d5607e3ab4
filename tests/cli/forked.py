"""Run `zeebe-connectors` in processes that need not import it first, for tests of what the commands say and do.

A server process imports what the commands use, once, and forks for each. Arguments, folder, environment, standard
streams, exit code and the way to it are those of a process. Tests of imports and of signals start the command itself.
"""

from __future__ import annotations

import gc
import importlib
import importlib.metadata
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

ROOT = Path(__file__).parents[2]


class Commands:
    """The server process; it starts with the first command."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._server: subprocess.Popen[str] | None = None

    def run(
        self, *arguments: str, folder: Path, environment: dict[str, str], given: str | None = None, seconds: int = 60
    ) -> subprocess.CompletedProcess[str]:
        """What a command printed and its exit code, which is negative if it was ended because it took too long."""
        with self._lock, tempfile.TemporaryDirectory() as place:
            streams = [Path(place) / name for name in ("stdin", "stdout", "stderr")]
            streams[0].write_text(given or "", encoding="utf-8")
            order = {"arguments": arguments, "folder": str(folder), "environment": environment, "seconds": seconds}
            code = self._answer({**order, "streams": [str(stream) for stream in streams]})
            texts = [stream.read_text(encoding="utf-8") for stream in streams[1:]]
        return subprocess.CompletedProcess(arguments, code, *texts)

    def _answer(self, order: dict[str, object]) -> int:
        if self._server is None:
            self._server = subprocess.Popen(
                [sys.executable, "-c", f"import {__name__} as forked; forked.serve()"],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        assert self._server.stdin
        assert self._server.stdout
        self._server.stdin.write(json.dumps(order) + "\n")
        self._server.stdin.flush()
        return int(self._server.stdout.readline())

    def close(self) -> None:
        """Ends the server process."""
        if self._server is not None:
            self._server.communicate(timeout=10)
            self._server = None


def serve() -> None:
    """Forks for each line of JSON that comes in, and answers with the exit code."""
    main = importlib.import_module("zeebe_connectors.cli.main")
    commands = importlib.import_module("zeebe_connectors.cli.commands")
    runtime = "zeebe_connectors.runtime"
    for name in (f"{runtime}.supervisor", f"{runtime}.gateway.zeebe", *commands.PARTS.values()):
        importlib.import_module(name)
    for declared in importlib.metadata.entry_points(group="zeebe_connectors"):
        declared.load()
    gc.freeze()
    while line := sys.stdin.readline():
        child = os.fork()
        if not child:
            become(**json.loads(line))
            main.main()
            return  # to the interpreter's end, as the command goes there
        sys.stdout.write(f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n")
        sys.stdout.flush()


def become(arguments: list[str], folder: str, environment: dict[str, str], streams: list[str], seconds: int) -> None:
    """Makes this process what a shell would start."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["zeebe-connectors", *arguments]
    sys.path[:1] = [
        str(Path(sys.executable).parent),
        *filter(None, environment.get("PYTHONPATH", "").split(os.pathsep)),
    ]
    for number, (path, mode) in enumerate(zip(streams, ("r", "w", "w"), strict=True)):
        with Path(path).open(mode, encoding="utf-8") as stream:
            os.dup2(stream.fileno(), number)
    signal.alarm(seconds)
