"""A real FTP server (pyftpdlib) in a process of its own: in clear, with TLS by AUTH, or with TLS from the start.

As a program it loads the library once, reads what to serve as a line of JSON, and forks a server for it that prints its
port and process id: two hundred tests start one each. All end with its input.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any, Self

USER, PASSWORD = "ann", "s3cr:t/p@ss"


@cache
def _program() -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", __file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        bufsize=1,
        start_new_session=True,
    )


class FtpServer:
    """Serves a directory to the user `ann`.

    Args:
        root: The directory, her home.
        tls: `none`, `explicit` or `implicit`.
        certificate: PEM file with certificate and key, for TLS.
        without: Commands that it does not have, such as MLSD.
        listing: `unix`, `dos` or `vms`: how LIST writes.
        encoding: Of file names.
        password: Hers.
    """

    def __init__(self, root: Path, *, tls: str = "none", certificate: Path | None = None, **options: Any) -> None:
        self.given = {"root": str(root), "tls": tls, "certificate": str(certificate or ""), **options}
        self.port = 0

    def __enter__(self) -> Self:
        program = _program()
        program.stdin.write(json.dumps(self.given) + "\n")
        self.port, self._process = map(int, program.stdout.readline().split())
        return self

    def __exit__(self, *exc: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process, signal.SIGKILL)


def main() -> None:
    """Forks a server for each line of its input, until that ends."""
    import pyftpdlib.handlers  # noqa: F401, PLC0415 - loaded before the forks

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
    while line := sys.stdin.readline():
        if os.fork() == 0:
            os.close(sys.stdin.fileno())
            serve(json.loads(line))
    os.killpg(0, signal.SIGKILL)  # the session is its own: those that were forked, and this program


def serve(given: dict[str, Any]) -> None:
    """Serves for ever."""
    # Here, so that tests which only start it need not load it.
    from pyftpdlib.authorizers import DummyAuthorizer  # noqa: PLC0415
    from pyftpdlib.handlers import FTPHandler, TLS_FTPHandler  # noqa: PLC0415
    from pyftpdlib.servers import FTPServer  # noqa: PLC0415

    authorizer = DummyAuthorizer()
    authorizer.add_user(USER, given.get("password", PASSWORD), given["root"], perm="elradfmwMT")
    base = FTPHandler if given["tls"] == "none" else TLS_FTPHandler

    class Handler(base):
        def handle(self):
            if given["tls"] == "implicit":
                self.secure_connection(self.ssl_context or self.get_ssl_context())
            super().handle()

        def ftp_LIST(self, path):  # noqa: N802 - the library's name
            if given.get("listing", "unix") == "unix":
                return super().ftp_LIST(path)
            lines = []
            for entry in sorted(Path(path).iterdir()):
                size = "      <DIR>         " if entry.is_dir() else f"{entry.stat().st_size:>20}"
                dos = f"01-02-26  03:04PM {size} {entry.name}\r\n"
                vms = f"{entry.name};1    1/2    2-JAN-2026 10:20:30  [GRP,OWN]  (RWED,RWED,RE,)\r\n"
                lines.append(dos if given["listing"] == "dos" else vms)
            self.push_dtp_data("".join(lines).encode(given.get("encoding", "utf8")), cmd="LIST")
            return path

    Handler.authorizer = authorizer
    Handler.proto_cmds = {name: what for name, what in base.proto_cmds.items() if name not in given.get("without", ())}
    Handler.use_encoding = given.get("encoding", "utf8")
    Handler.encoding = given.get("encoding", "utf8")
    if given["tls"] != "none":
        Handler.certfile = given["certificate"]
        Handler.tls_control_required = Handler.tls_data_required = True
    server = FTPServer(("127.0.0.1", 0), Handler)
    sys.stdout.write(f"{server.address[1]} {os.getpid()}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main()
