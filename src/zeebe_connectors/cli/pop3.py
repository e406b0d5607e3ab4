"""Show which mails a POP3 source would hand over, and with which variables: `zeebe-connectors pop3 test`."""

from __future__ import annotations

from zeebe_connectors.cli.preview import commands

app = commands("pop3", "POP3 mailboxes")
