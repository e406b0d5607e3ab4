"""Postfix, with Dovecot's SASL to check logins, on free ports of loopback: Debian's packages, started for one session.

Nothing leaves the machine: every mail is delivered as a file into the directory `mails`. Postfix can only be started by
root; `why_not()` says what is missing, so that tests can skip themselves with that reason.
"""

from __future__ import annotations

import base64
import email
import email.policy
import hashlib
import hmac
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from email.message import EmailMessage
from pathlib import Path

import trustme

DAEMONS = Path("/usr/lib/postfix/sbin")
SIGNING_KEY = b"testkey-testkey-testkey-testkey-"
USERS = {"jane@example.com": "pass word", "bob@example.com": "secret"}


def why_not() -> str | None:
    """What is missing to start it here; None when it can be."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return "Postfix starts as root only"
    missing = [name for name in ("postfix", "postconf", "dovecot") if not shutil.which(name)]
    if missing or not DAEMONS.is_dir():
        return f"not installed: {', '.join(missing) or DAEMONS} (Debian: postfix dovecot-core)"
    return None


def token(user: str, *, key: bytes = SIGNING_KEY, life: int = 600) -> str:
    """An access token as an identity provider signs it (JWT, HS256); Dovecot checks signature and time."""

    def part(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    now = int(time.time())
    head = part(json.dumps({"alg": "HS256", "typ": "JWT"}).encode())
    claims = {"email": user, "sub": user, "iat": now - 10, "nbf": now - 10, "exp": now + life, "scope": "mail"}
    signed = f"{head}.{part(json.dumps(claims).encode())}"
    return f"{signed}.{part(hmac.new(key, signed.encode(), hashlib.sha256).digest())}"


class Postfix:
    """A running Postfix.

    The port `plain` takes mail for example.com without a login; `submission` demands STARTTLS and a login; so does
    `submissions`, which speaks TLS from the start.

    Args:
        authority: Who issues its certificate.
    """

    def __init__(self, authority: trustme.CA) -> None:
        # Not a directory of pytest: the daemons run under users of their own, who may not enter that.
        self.directory = Path(tempfile.mkdtemp(prefix="postfix-"))
        self.directory.chmod(0o755)
        self.mails_directory = self.directory / "mails"
        self.plain, self.submission, self.submissions = _free_ports(3)
        self._dovecot: subprocess.Popen | None = None
        certificate = authority.issue_cert("localhost", "127.0.0.1")
        self._certificate = self.directory / "server.pem"
        certificate.private_key_and_cert_chain_pem.write_to_path(str(self._certificate))
        self._certificate.chmod(0o600)

    def __enter__(self):
        self.mails_directory.mkdir()
        shutil.chown(self.mails_directory, "nobody")
        self._start_dovecot()
        self._configure()
        self._run("start")
        for port in (self.plain, self.submission, self.submissions):
            _wait_for(port)
        return self

    def __exit__(self, *_):
        self._run("stop")
        self._dovecot.terminate()
        self._dovecot.wait(10)
        shutil.rmtree(self.directory)

    def _run(self, command: str) -> None:
        subprocess.run(["postfix", "-c", str(self.directory / "conf"), command], check=True, capture_output=True)

    def _start_dovecot(self) -> None:
        keys = self.directory / "keys/default/HS256"
        keys.mkdir(parents=True)
        (keys / "default").write_bytes(base64.b64encode(SIGNING_KEY))
        (self.directory / "users").write_text(
            "".join(f"{name}:{{PLAIN}}{word}::::::\n" for name, word in USERS.items())
        )
        (self.directory / "oauth2").write_text(
            f"introspection_mode = local\nlocal_validation_key_dict = fs:posix:prefix={self.directory}/keys/\n"
            "username_attribute = email\nusername_format = %Lu\n"
        )
        settings = self.directory / "dovecot.conf"
        settings.write_text(DOVECOT.format(directory=self.directory))
        self._dovecot = subprocess.Popen(["dovecot", "-F", "-c", str(settings)])
        _wait_for_file(self.directory / "sasl")

    def _configure(self) -> None:
        conf = self.directory / "conf"
        for name in ("conf", "queue", "data"):
            (self.directory / name).mkdir()
        shutil.chown(self.directory / "data", "postfix")
        (self.directory / "postfix.log").touch()
        (conf / "main.cf").write_text(MAIN.format(directory=self.directory, certificate=self._certificate))
        deliver = (
            f"cat > {self.mails_directory}/$$.tmp && mv {self.mails_directory}/$$.tmp {self.mails_directory}/$$.eml"
        )
        (conf / "deliver.sh").write_text(f"#!/bin/sh\n{deliver}\n")
        (conf / "deliver.sh").chmod(0o755)
        (conf / "master.cf").write_text(
            MASTER.format(
                plain=self.plain, submission=self.submission, submissions=self.submissions, script=conf / "deliver.sh"
            )
        )

    def received(self, message_id: str, *, seconds: float = 20) -> EmailMessage:
        """The mail with this id, as it was delivered."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for path in self.mails_directory.glob("*.eml"):
                mail = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
                if mail["Message-ID"] == message_id:
                    return mail
            time.sleep(0.05)
        log = (self.directory / "postfix.log").read_text()[-3000:]
        raise AssertionError(f"not delivered within {seconds} s:\n{log}")


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _wait_for(port: int, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
        else:
            return


def _wait_for_file(path: Path, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < end, f"{path.name} did not appear"
        time.sleep(0.05)


DOVECOT = """\
base_dir = {directory}/dovecot
log_path = {directory}/dovecot.log
protocols =
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain login cram-md5 xoauth2
auth_failure_delay = 0
first_valid_uid = 1
passdb {{
  driver = oauth2
  mechanisms = xoauth2
  args = {directory}/oauth2
}}
passdb {{
  driver = passwd-file
  args = username_format=%u {directory}/users
}}
userdb {{
  driver = static
  args = uid=nobody gid=nogroup home=/nonexistent
}}
service auth {{
  unix_listener {directory}/sasl {{
    mode = 0666
  }}
}}
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
"""

MAIN = """\
compatibility_level = 3.6
queue_directory = {directory}/queue
data_directory = {directory}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
meta_directory = /etc/postfix
shlib_directory = /usr/lib/postfix
maillog_file = {directory}/postfix.log
maillog_file_prefixes = /
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = localhost
mydestination =
mynetworks = 127.0.0.0/8
alias_maps =
alias_database =
local_recipient_maps =
smtputf8_enable = yes
virtual_mailbox_domains = example.com
virtual_mailbox_maps = static:all
virtual_transport = file
default_transport = error:nothing leaves the test machine
relay_transport = error:nothing leaves the test machine
smtpd_tls_security_level = may
smtpd_tls_chain_files = {certificate}
smtpd_sasl_type = dovecot
smtpd_sasl_path = {directory}/sasl
smtpd_sasl_auth_enable = no
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
smtpd_recipient_restrictions = reject_unauth_destination, permit
smtpd_relay_restrictions = reject_unauth_destination
file_destination_recipient_limit = 1
"""

_LOGIN = """\
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_recipient_restrictions=permit_sasl_authenticated,reject
  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject
"""

MASTER = (
    """\
127.0.0.1:{plain} inet n - n - 100 smtpd
127.0.0.1:{submission} inet n - n - 100 smtpd
  -o smtpd_tls_security_level=encrypt
"""
    + _LOGIN
    + """\
127.0.0.1:{submissions} inet n - n - 100 smtpd
  -o smtpd_tls_wrappermode=yes
"""
    + _LOGIN
    + """\
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
file unix - n n - - pipe
  flags=XO user=nobody argv={script}
"""
)
