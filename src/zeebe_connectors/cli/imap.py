"""Show which mails an IMAP source would hand over, and with which variables: `zeebe-connectors imap test`."""

from __future__ import annotations

from zeebe_connectors.cli.preview import commands

app = commands("imap", "IMAP mailboxes")
