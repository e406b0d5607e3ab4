"""Dovecot on free ports of loopback: IMAP, POP3 and LMTP by Debian's packages, started for one session.

It is a strict server with a memory on disk: it checks access tokens itself (JWT, HS256), encodes folder names, numbers
folders anew, and tells watchers of mails that arrive by LMTP. Root runs it as the package's users, others as
themselves. `why_not()` says what is missing, so that tests can skip themselves with that reason.
"""

from __future__ import annotations

import base64
import getpass
import grp
import hashlib
import hmac
import json
import os
import pwd
import shutil
import signal
import smtplib
import subprocess
import tempfile
import time
from pathlib import Path

import trustme

from zeebe_connectors.testing.process import free_ports

MODULES = Path("/usr/lib/dovecot")
KEY = b"a-key-that-only-these-tests-know"
PASSWORD = 'pass "word" \\ é'  # a client must quote it


def why_not() -> str | None:
    """What is missing to start it here; None when it can be."""
    needed = {MODULES / name for name in ("imap", "pop3", "lmtp")}
    missing = sorted(path.name for path in needed if not path.exists())
    if not shutil.which("dovecot") or missing:
        return f"not installed: {', '.join(missing) or 'dovecot'} (Debian: dovecot-imapd dovecot-pop3d dovecot-lmtpd)"
    version = subprocess.run(["dovecot", "--version"], check=False, capture_output=True, text=True).stdout
    if not version.startswith("2.3"):
        return f"Dovecot {version.split()[0] if version else '?'} has another syntax than 2.3"
    return None


def token(user: str, *, life: float = 600, key: bytes = KEY) -> str:
    """An access token as an identity provider signs it; the server checks signature, user and time."""

    def part(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    now = int(time.time())
    head = part(json.dumps({"alg": "HS256", "typ": "JWT"}).encode())
    claims = {"email": user, "sub": user, "iat": now - 10, "nbf": now - 10, "exp": int(now + life), "scope": "mail"}
    signed = f"{head}.{part(json.dumps(claims).encode())}"
    return f"{signed}.{part(hmac.new(key, signed.encode(), hashlib.sha256).digest())}"


class Dovecot:
    """A running Dovecot. Every address of example.test has a mailbox, which the password or a token opens.

    Args:
        separator: Between a folder and those below it.
        capabilities: What it says that it can over IMAP; by default the truth.
        authority: Who issues its certificate; its own by default.
    """

    def __init__(self, *, separator: str = "/", capabilities: str = "", authority: trustme.CA | None = None) -> None:
        # Not a directory of pytest: the daemons run under users of their own, who may not enter that.
        self.directory = Path(tempfile.mkdtemp(prefix="dovecot-"))
        self.directory.chmod(0o755)
        self.authority = authority or trustme.CA()
        self.separator, self.capabilities = separator, capabilities
        self.imap_port, self.imaps_port, self.pop3_port, self.pop3s_port, self.lmtp_port = free_ports(5)
        self._settings = self.directory / "dovecot.conf"
        self._process: subprocess.Popen | None = None

    def __enter__(self):
        self._configure()
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.directory)

    @property
    def authorities(self) -> str:
        """In PEM, whom a client must trust."""
        return self.authority.cert_pem.bytes().decode()

    def start(self) -> None:
        """Starts it; what it holds and its ports are those of before."""
        with (self.directory / "start.log").open("ab") as log:
            self._process = subprocess.Popen(
                ["dovecot", "-F", "-c", str(self._settings)], stdout=log, stderr=log, start_new_session=True
            )
        end = time.monotonic() + 20
        while True:
            try:
                with smtplib.LMTP("127.0.0.1", self.lmtp_port, timeout=5):
                    return
            except (OSError, smtplib.SMTPException):
                assert self._process.poll() is None, (self.directory / "start.log").read_text()
                assert time.monotonic() < end, self.log()
                time.sleep(0.05)

    def stop(self) -> None:
        """Ends it and all sessions, so that connections are refused."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGTERM)  # its sessions outlive their master for a while
            self._process.wait(20)
            self._process = None

    def deliver(self, user: str, message: bytes, *, folder: str = "INBOX") -> None:
        """Puts a mail into a folder; into INBOX as mail servers do, so that watchers are told."""
        if folder == "INBOX":
            with smtplib.LMTP("127.0.0.1", self.lmtp_port, timeout=20) as client:
                client.sendmail("ann@example.test", [user], message)
        else:
            self.admin("save", "-u", user, "-m", folder, data=message)

    def admin(self, *arguments: str, data: bytes | None = None, check: bool = True) -> str:
        """What the operator's command prints, such as `kick USER` or `mailbox delete -u USER FOLDER`."""
        command = ["doveadm", "-c", str(self._settings), *arguments]
        done = subprocess.run(command, input=data, check=False, capture_output=True)
        assert not check or done.returncode == 0, done.stderr.decode() + self.log()
        return done.stdout.decode()

    def flags(self, user: str, folder: str = "INBOX") -> dict[str, set[str]]:
        r"""Flags and keywords of a folder's mails, by subject, without `\Recent`."""
        lines = self.admin("-f", "flow", "fetch", "-u", user, "hdr.subject flags", "mailbox", folder).splitlines()
        found = {}
        for line in lines:
            subject, _, flags = line.removeprefix("hdr.subject=").rpartition(" flags=")
            found[subject] = {*flags.split()} - {"\\Recent"}
        return found

    def log(self) -> str:
        """The end of its log."""
        file = self.directory / "dovecot.log"
        return file.read_text()[-4000:] if file.exists() else ""

    def _configure(self) -> None:
        root = os.geteuid() == 0
        user = "mail" if root else getpass.getuser()
        group = "mail" if root else grp.getgrgid(pwd.getpwnam(user).pw_gid).gr_name
        for name in ("mail", "run"):
            (self.directory / name).mkdir()
        if root:
            shutil.chown(self.directory / "mail", user, group)
        keys = self.directory / "keys/default/HS256"
        keys.mkdir(parents=True)
        (keys / "default").write_bytes(base64.b64encode(KEY))
        word = PASSWORD.encode().hex()

        certificate = self.authority.issue_cert("localhost", "127.0.0.1")
        certificate.private_key_and_cert_chain_pem.write_to_path(str(self.directory / "server.pem"))
        (self.directory / "oauth2").write_text(
            f"introspection_mode = local\nlocal_validation_key_dict = fs:posix:prefix={self.directory}/keys/\n"
            "username_attribute = email\nusername_format = %Lu\n"
        )
        text = SETTINGS.format(
            directory=self.directory,
            user=user,
            group=group,
            word=word,
            separator=self.separator,
            capabilities=f"imap_capability = {self.capabilities}" if self.capabilities else "",
            imap=self.imap_port,
            imaps=self.imaps_port,
            pop3=self.pop3_port,
            pop3s=self.pop3s_port,
            lmtp=self.lmtp_port,
        )
        self._settings.write_text(text + ("" if root else UNPRIVILEGED.format(user=user, group=group)))


SETTINGS = """\
base_dir = {directory}/run
state_dir = {directory}/run
log_path = {directory}/dovecot.log
protocols = imap pop3 lmtp
listen = 127.0.0.1
ssl = yes
ssl_cert = <{directory}/server.pem
ssl_key = <{directory}/server.pem
disable_plaintext_auth = no
auth_mechanisms = plain login xoauth2
auth_failure_delay = 0
auth_username_chars =
auth_username_format = %Lu
first_valid_uid = 1
mail_uid = {user}
mail_gid = {group}
mail_location = maildir:{directory}/mail/%u
mail_max_userip_connections = 300
default_process_limit = 300
default_client_limit = 3000
{capabilities}
namespace inbox {{
  inbox = yes
  separator = {separator}
  mailbox Trash {{
    auto = create
    special_use = \\Trash
  }}
}}
passdb {{
  driver = oauth2
  mechanisms = xoauth2
  args = {directory}/oauth2
}}
passdb {{
  driver = static
  mechanisms = plain login
  args = password={{PLAIN.HEX}}{word}
}}
userdb {{
  driver = static
  args = uid={user} gid={group} home={directory}/mail/%u allow_all_users=yes
}}
service imap-login {{
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
}}
service pop3-login {{
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = {pop3s}
    ssl = yes
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    port = {lmtp}
  }}
}}
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
"""

UNPRIVILEGED = """\
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
service anvil {{
  chroot =
}}
service imap-login {{
  chroot =
}}
service pop3-login {{
  chroot =
}}
service stats {{
  user = {user}
}}
"""
