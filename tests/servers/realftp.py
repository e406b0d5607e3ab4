"""ProFTPD, vsftpd and OpenSSH as child processes with a configuration of their own, where Debian's packages are here.

ProFTPD and vsftpd exclude each other as packages; `make test-servers` unpacks ProFTPD beside, into the directory that
`PROFTPD` names.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers.ports import free_port

USER, PASSWORD = "ann", "s3cret-pass"
_ROOT = Path(os.environ.get("PROFTPD", "/"))


def program(name: str) -> str | None:
    """Where a server is; None when it is not installed."""
    if name == "proftpd":
        path = _ROOT / "usr/sbin/proftpd"
        return str(path) if path.exists() else None
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")


def why_not(name: str) -> str | None:
    """What is missing to start it here; None when it can be."""
    if os.geteuid() != 0:
        return f"{name} is started by root only"
    packages = {"proftpd": "proftpd-core and proftpd-mod-crypto", "vsftpd": "vsftpd", "sshd": "openssh-server"}
    return None if program(name) else f"{name} is not installed (Debian: {packages[name]})"


@contextmanager
def _running(command: list[str], port: int, log: Path) -> Iterator[int]:
    with log.open("w") as sink, subprocess.Popen(command, stdout=sink, stderr=sink) as process:
        try:
            deadline = time.monotonic() + 20
            while True:
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(log.read_text()[-2000:])
                time.sleep(0.05)
            yield port
        finally:
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()


@contextmanager
def proftpd(home: Path, work: Path, certificate: Path, *, implicit: bool = False) -> Iterator[int]:
    """ProFTPD with TLS that must be resumed; ann's home is `home`. Gives the port."""
    port = free_port()
    hashed = subprocess.run(["openssl", "passwd", "-6", PASSWORD], check=True, capture_output=True, text=True)
    (work / "passwd").write_text(f"{USER}:{hashed.stdout.strip()}:33:33::{home}:/bin/sh\n")
    (work / "passwd").chmod(0o600)
    shutil.chown(home, "www-data", "www-data")
    modules = _ROOT / "usr/lib/proftpd"
    config = work / "proftpd.conf"
    config.write_text(f"""
ModulePath {modules}
LoadModule mod_tls.c
ServerType standalone
UseIPv6 off
UseReverseDNS off
DefaultAddress 127.0.0.1
SocketBindTight on
ServerName test
Port {port}
User www-data
Group www-data
PidFile {work}/pid
ScoreboardFile {work}/score
DelayEngine off
WtmpLog off
SystemLog {work}/system.log
TransferLog NONE
AuthOrder mod_auth_file.c
AuthUserFile {work}/passwd
RequireValidShell off
DefaultRoot ~
AllowOverwrite on
AllowStoreRestart on
TLSEngine on
TLSRSACertificateFile {certificate}
TLSRSACertificateKeyFile {certificate}
TLSRequired on
{"TLSOptions UseImplicitSSL" if implicit else ""}
""")
    command = [program("proftpd") or "", "-n", "-c", str(config)]
    with _running(command, port, work / "proftpd.out") as found:
        yield found


@contextmanager
def vsftpd(home: Path, work: Path, certificate: Path, *, implicit: bool = False) -> Iterator[int]:
    """Vsftpd with TLS that must be resumed, for anonymous, who may do all. Gives the port."""
    port = free_port()
    shutil.chown(home, "daemon", "daemon")
    config = work / "vsftpd.conf"
    config.write_text(f"""
listen=YES
listen_address=127.0.0.1
listen_port={port}
background=NO
run_as_launching_user=NO
anonymous_enable=YES
local_enable=NO
ftp_username=daemon
anon_root={home.parent}
no_anon_password=YES
write_enable=YES
anon_upload_enable=YES
anon_mkdir_write_enable=YES
anon_other_write_enable=YES
anon_world_readable_only=NO
anon_umask=022
seccomp_sandbox=NO
secure_chroot_dir={work}/empty
ssl_enable=YES
allow_anon_ssl=YES
force_anon_data_ssl=YES
force_anon_logins_ssl=YES
require_ssl_reuse=YES
implicit_ssl={"YES" if implicit else "NO"}
rsa_cert_file={certificate}
rsa_private_key_file={certificate}
pasv_address=127.0.0.1
utf8_filesystem=YES
""")
    (work / "empty").mkdir(exist_ok=True)
    with _running([program("vsftpd") or "", str(config)], port, work / "vsftpd.out") as found:
        yield found


@contextmanager
def sshd(home: Path, work: Path) -> Iterator[tuple[int, str, str]]:
    """OpenSSH for root with a key. Gives the port, the private key and a line of known_hosts."""
    port = free_port()
    for name in ("host", "id"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(work / name)], check=True)
    (work / "authorized").write_bytes((work / "id.pub").read_bytes())
    Path("/run/sshd").mkdir(exist_ok=True)
    config = work / "sshd_config"
    config.write_text(f"""
ListenAddress 127.0.0.1:{port}
HostKey {work}/host
AuthorizedKeysFile {work}/authorized
PidFile {work}/sshd.pid
PermitRootLogin prohibit-password
PasswordAuthentication no
UsePAM no
StrictModes no
Subsystem sftp internal-sftp
ForceCommand internal-sftp -d {home}
""")
    with _running([program("sshd") or "", "-D", "-e", "-f", str(config)], port, work / "sshd.out"):
        known = f"[127.0.0.1]:{port} {(work / 'host.pub').read_text()}"
        yield port, (work / "id").read_text(), known
