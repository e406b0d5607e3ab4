"""A real MariaDB on a free port of loopback, in a directory of its own, where mariadb-server is installed."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Self

from tests.servers.ports import free_port

DAEMON = shutil.which("mariadbd") or "/usr/sbin/mariadbd"
PASSWORD = "s3cr:t/p@ss"


def why_not() -> str | None:
    """What is missing to start it here; None when it can be."""
    return None if Path(DAEMON).exists() else "MariaDB is not installed (Debian: mariadb-server)"


class MariaDb:
    """A running server with the user and the database `test`.

    Args:
        tls: Paths of certificate and key, if it is to offer TLS.
        durable: Whether commits outlive a crash; tests are quicker without.
    """

    def __init__(self, tls: tuple[Path, Path] | None = None, *, durable: bool = False) -> None:
        self.port = free_port()
        self._tls = tls
        self._durable = durable
        self.directory = Path(tempfile.mkdtemp(prefix="mariadb-"))
        self._process: subprocess.Popen | None = None

    def __enter__(self) -> Self:
        user = "mysql" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
        data = self.directory / "data"
        data.mkdir()
        if os.geteuid() == 0:
            shutil.chown(self.directory, user, user)
            shutil.chown(data, user, user)
        common = ["--no-defaults", f"--user={user}", f"--datadir={data}"]
        subprocess.run(
            ["mariadb-install-db", *common, "--auth-root-authentication-method=normal", "--skip-test-db"],
            check=True,
            capture_output=True,
            timeout=120,
        )
        self._socket = str(self.directory / "s")
        tls = []
        for option, file in zip(("cert", "key"), self._tls or (), strict=False):
            here = self.directory / f"{option}.pem"  # where its user may read it
            shutil.copyfile(file, here)
            if os.geteuid() == 0:
                shutil.chown(here, user)
            tls.append(f"--ssl-{option}={here}")
        self._words = [
            DAEMON, *common, "--bind-address=127.0.0.1", f"--port={self.port}", f"--socket={self._socket}",
            f"--pid-file={data}/pid", "--innodb-buffer-pool-size=32M",
            f"--innodb-flush-log-at-trx-commit={int(self._durable)}",
            "--performance-schema=off", *tls,
        ]  # fmt: skip
        self.start()
        self.run(
            f"CREATE DATABASE test CHARACTER SET utf8mb4; CREATE USER test@'%' IDENTIFIED BY '{PASSWORD}'; "
            "GRANT ALL ON test.* TO test@'%'; GRANT PROCESS ON *.* TO test@'%'"
        )
        return self

    def start(self) -> None:
        """Starts it, on the same port and data each time."""
        with (self.directory / "log").open("a") as log:
            self._process = subprocess.Popen(self._words, stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while self.run("SELECT 1", check=False).returncode:
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise RuntimeError((self.directory / "log").read_text()[-2000:])
            time.sleep(0.1)

    def stop(self) -> None:
        """Stops it at once, as a crash does."""
        self._process.kill()
        self._process.wait()

    def run(self, sql: str, *, check: bool = True) -> subprocess.CompletedProcess:
        """Runs SQL as root."""
        return subprocess.run(
            ["mariadb", "--no-defaults", "-uroot", "-S", self._socket, "-N", "-e", sql],
            check=check,
            capture_output=True,
            text=True,
            timeout=30,
        )

    def __exit__(self, *exc: object) -> None:
        if self._process is not None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(20)
            if self._process.poll() is None:
                self._process.kill()
                self._process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)
