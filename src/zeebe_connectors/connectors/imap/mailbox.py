"""Open a mailbox and its keys, and read mails with them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from zeebe_connectors import InboundContext
from zeebe_connectors.connectors.imap.model import Mailbox
from zeebe_connectors.mail import Mail, read_mail
from zeebe_connectors.mail.imap import ImapSession
from zeebe_connectors.mail.imap_syntax import Fetched
from zeebe_connectors.mail.reading.smime.settings import open_keyring
from zeebe_connectors.net.tls import trust

if TYPE_CHECKING:
    from zeebe_connectors.mail.reading.smime.unwrap import Keyring


async def open_mailbox(mailbox: Mailbox, context: InboundContext) -> ImapSession:
    """Connects and signs in.

    Raises:
        ConnectorError: As the session's `open`.
    """
    server = mailbox.data.imap_config
    tls = await asyncio.to_thread(trust, server.trusted_certificate, field="data.imapConfig.trustedCertificate")
    return await ImapSession.open(
        server.imap_host,
        server.port,
        server.security,
        login=mailbox.authentication,
        clients=context.clients,
        tls=tls,
    )


async def keyring_of(mailbox: Mailbox, context: InboundContext) -> Keyring | None:
    """Returns the mailbox's keys.

    Raises:
        InputError: As `open_keyring`.
    """
    return await open_keyring(mailbox.data, context, max_bytes=mailbox.data.max_mail_size, prefix="data.")


async def parsed(raw: bytes, head: Fetched, mailbox: Mailbox, context: InboundContext) -> Mail:
    """Reads a mail, decrypted with the mailbox's keys."""
    return await read_mail(raw, received=head.received, keyring=await keyring_of(mailbox, context))
