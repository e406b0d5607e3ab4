"""A Java command line goes in, a process group of its own comes out: started, watched and ended by its id."""

import asyncio
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from zeebe_connectors.engine.errors import EngineError

LOOPBACK = "127.0.0.1"
"""The only address that anything in this room listens on."""

# Below the range from which Linux, macOS and Windows take the ports of outgoing connections: a port that a killed
# server leaves can then not be taken by some client's connection before the server is started again on it.
_PORTS = range(20_000, 32_000)

# What a child needs from the environment. Nothing else is passed on: the engine must not see the secrets of the
# runtime beside it, and a variable like SPRING_PROFILES_ACTIVE or JAVA_TOOL_OPTIONS must not change how it behaves.
_PASSED_ON = ("PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "SYSTEMROOT")


@dataclass(frozen=True, slots=True)
class Identity:
    """A process that cannot be mistaken for another one that got its id later."""

    pid: int
    started: str

    @property
    def alive(self) -> bool:
        """Whether this very process runs."""
        return _started(self.pid) == self.started

    def signal_group(self, number: int) -> None:
        """Send a signal to the process's whole group; none when it is gone."""
        if self.alive:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, number)


class JavaProcess:
    """One Java program in its own process group.

    Args:
        command: Program and arguments.
        directory: Working directory.
        output: File that takes standard output and error; overwritten at each start.
        environment: Variables beside the few that every program gets.
        detached: True: the process outlives this one. False: it ends with this one, even when this one is killed.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        directory: Path,
        output: Path,
        environment: Mapping[str, str] | None = None,
        detached: bool = False,
    ) -> None:
        if sys.platform == "win32":
            raise EngineError(
                "The local engine runs on Linux and macOS. On Windows use the Windows Subsystem for Linux, Docker "
                "Compose, or the address of a gateway."
            )
        inherited = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        with output.open("wb") as sink:
            self._process = subprocess.Popen(  # noqa: S603 - the program found by find_java
                command,
                cwd=directory,
                env=inherited | dict(environment or {}),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._guard = None if detached else _guard(self._process.pid)
        self.identity = Identity(self._process.pid, _started(self._process.pid) or "")

    @property
    def pid(self) -> int:
        """Process id, which is the group's id too."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative: the signal that ended it."""
        return self._process.poll()

    def kill(self) -> None:
        """End the whole group at once, as `kill -9` does, and wait until it is gone."""
        if self._process.poll() is None:  # else its id may be another process's by now
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
        self._release()

    async def stop(self, grace: float) -> None:
        """Ask it to end; after `grace` seconds end it."""
        if self._process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGTERM)
            deadline = time.monotonic() + grace
            while self._process.poll() is None and time.monotonic() < deadline:  # noqa: ASYNC110 - no event tells
                await asyncio.sleep(0.02)
        self.kill()

    def detach(self) -> None:
        """Leave the process to itself: it was started detached, and its parent is about to go on without it."""
        self._process.returncode = 0  # keeps Popen from warning about a child that still runs, which is the intention

    def _release(self) -> None:
        if self._guard is not None:
            self._guard.kill()
            if self._guard.stdin:
                self._guard.stdin.close()
            self._guard.wait()
            self._guard = None


def _guard(pid: int) -> subprocess.Popen[bytes]:
    """Start a shell that kills the group when this process is gone.

    It waits on a pipe of which only this process holds the other end, which closes with it, however it ends.
    """
    return subprocess.Popen(  # noqa: S603
        ["/bin/sh", "-c", 'read -r _; kill -s KILL -- "-$1"', "sh", str(pid)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def end(identity: Identity, grace: float) -> None:
    """End a process that another one started: ask, wait up to `grace` seconds, then end its whole group."""
    identity.signal_group(signal.SIGTERM)
    deadline = time.monotonic() + grace
    while identity.alive and time.monotonic() < deadline:
        time.sleep(0.05)
    identity.signal_group(signal.SIGKILL)


def free_ports(count: int) -> list[int]:
    """Find different ports of loopback that nothing listens on now.

    Raises:
        EngineError: There are not so many.
    """
    found: list[int] = []
    for port in random.sample(_PORTS, len(_PORTS)):
        if is_free(port):
            found.append(port)
            if len(found) == count:
                return found
    raise EngineError(f"No {count} free ports on {LOOPBACK} between {_PORTS.start} and {_PORTS.stop}.")


def is_free(port: int) -> bool:
    """Whether a server could listen on this port of loopback, over TCP and UDP."""
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            if kind == socket.SOCK_STREAM:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the JVM does: TIME_WAIT is no obstacle
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                return False
    return True


def resident_memory(pid: int) -> int | None:
    """Bytes of memory that a process has in RAM; None where the platform does not tell."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        kilobytes = _ps(pid, "rss=")
        return int(kilobytes) * 1024 if kilobytes else None
    line = next((line for line in text.splitlines() if line.startswith("VmRSS:")), None)
    return int(line.split()[1]) * 1024 if line else None


def tail(path: Path, lines: int = 20) -> str:
    """Return the last lines of a text file, or nothing when there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 20_000))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


def _started(pid: int) -> str | None:
    """Return when the process with this id began; None when there is none or it has ended and waits for its parent."""
    try:
        # The name in the second field may hold spaces and parentheses; what follows the last one is regular.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return _ps(pid, "lstart=") if sys.platform == "darwin" else None
    except ProcessLookupError:
        return None
    return None if fields[0] in "ZX" else fields[19]


def _ps(pid: int, column: str) -> str | None:
    try:
        done = subprocess.run(  # noqa: S603
            ["ps", "-o", column, "-p", str(pid)],  # noqa: S607 - where it lies differs by platform
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except OSError:
        return None
    return done.stdout.strip() or None
