"""`zeebe-connectors imap test`: show which mails an IMAP source would hand over, and with which variables."""

from __future__ import annotations

from zeebe_connectors.cli.preview import commands

app = commands("imap", "IMAP mailboxes")
