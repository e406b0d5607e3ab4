"""`zeebe-connectors pop3 test`: show which mails a POP3 source would hand over, and with which variables."""

from __future__ import annotations

from zeebe_connectors.cli.preview import commands

app = commands("pop3", "POP3 mailboxes")
