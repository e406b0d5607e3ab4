"""Serve real protocols on loopback for the tests of connectors: servers record, and can be made to misbehave.

There is one for each protocol, without Java and without a download:

- `HttpServer` with `Reply`, and `ForwardProxy`;
- `SmtpServer`, `ImapServer` and `Pop3Server`, each on its own;
- `MailServer`: all three on one set of mailboxes.

`in_thread` keeps one for the whole session of tests.
"""

from zeebe_connectors.testing.servers.http import ForwardProxy, HttpServer, Reply, Seen, gzipped
from zeebe_connectors.testing.servers.imap import ImapServer
from zeebe_connectors.testing.servers.mail import MailPorts, MailServer
from zeebe_connectors.testing.servers.mailboxes import Folder, Mailbox, Mailboxes, Message, message
from zeebe_connectors.testing.servers.pop3 import Pop3Server
from zeebe_connectors.testing.servers.smtp import HANG_UP, SILENCE, Received, SmtpServer
from zeebe_connectors.testing.servers.threads import in_thread

__all__ = [
    "HANG_UP",
    "SILENCE",
    "Folder",
    "ForwardProxy",
    "HttpServer",
    "ImapServer",
    "MailPorts",
    "MailServer",
    "Mailbox",
    "Mailboxes",
    "Message",
    "Pop3Server",
    "Received",
    "Reply",
    "Seen",
    "SmtpServer",
    "gzipped",
    "in_thread",
    "message",
]
