"""A task of the official email connector goes in, its result over SMTP, IMAP or POP3 comes out."""

from __future__ import annotations

from zeebe_connectors import Context, Group, PermanentError, outbound
from zeebe_connectors.connectors.email.model import (
    DeletedMail,
    FoundMail,
    ImapTask,
    ListedMail,
    MovedMail,
    ReadMail,
    SentMail,
    SmtpTask,
    Task,
)
from zeebe_connectors.mail.smtp.codes import ERRORS as SMTP_ERRORS

ERRORS = {
    "EMAIL_NOT_FOUND": "No mail with this Message-ID is in the folder. Take the id from a list or search of the same "
    "folder. An incident; an error expression may wait for the mail instead.",
    "EMAIL_TOO_MANY": "More than 5,000 mails would be listed. Give a smaller maxToBeRead, or narrower criteria.",
    "MAIL_TOO_LARGE": "The mail is larger than largestMail allows. Raise it, or leave the mail.",
    "EMAIL_IMAP_NOT_INSTALLED": "IMAP needs the extra `imap`: `pip install 'zeebe-connectors[imap]'`.",
    "IMAP_UNREACHABLE": "Host and port do not answer. Check them, and the network between. Tried again.",
    "IMAP_TLS_FAILED": "Encryption fails: choose what fits the port, or trust the certificate's authority.",
    "IMAP_AUTH_FAILED": "User name, password or token is refused. Many providers want an app password or OAuth 2.0.",
    "IMAP_FOLDER_NOT_FOUND": "The folder does not exist; the message names some that do.",
    "IMAP_CONNECTION_LOST": "The connection ended, or the server fell silent. Tried again.",
    "IMAP_REFUSED": "The server refused a command; the message tells its reason. Tried again.",
    "POP3_UNREACHABLE": "Host and port do not answer. Check them, and the network between. Tried again.",
    "POP3_TLS_FAILED": "Encryption fails: choose what fits the port, or trust the certificate's authority.",
    "POP3_AUTH_FAILED": "User name, password or token is refused. Many providers want an app password or OAuth 2.0.",
    "POP3_IN_USE": "Another session has the mailbox. Tried again after half a minute.",
    "POP3_CONNECTION_LOST": "The connection ended, or the server fell silent. Tried again.",
    "POP3_REFUSED": "The server refused a command; the message tells its reason. Tried again.",
    **SMTP_ERRORS,
}


@outbound(
    "email",
    title="Mail: send, list, search, read, move and delete",
    type="io.camunda:email:1",
    groups=[
        Group("operation", "Operation"),
        Group("authentication", "Authentication"),
        Group("server", "Mail server"),
        Group("mail", "Mail"),
        Group("mailbox", "Mailbox"),
    ],
    errors=ERRORS,
    keywords=["email", "mail", "e-mail", "inbox", "mailbox", "smtp", "imap", "pop3", "send", "read", "search"],
)
async def run(
    task: Task, context: Context
) -> SentMail | ReadMail | DeletedMail | MovedMail | list[ListedMail] | list[FoundMail]:
    """Send a mail over SMTP; list, search, read, move and delete mails over IMAP or POP3.

    The official email templates, of every version, run on this connector.
    """
    if isinstance(task, SmtpTask):
        from zeebe_connectors.connectors.email import sending  # noqa: PLC0415

        return await sending.send(task, context)
    if isinstance(task, ImapTask):
        try:
            from zeebe_connectors.connectors.email import imap  # noqa: PLC0415 - only this needs the extra `imap`
        except ModuleNotFoundError as error:
            raise PermanentError(
                "EMAIL_IMAP_NOT_INSTALLED",
                f"protocol: IMAP needs the library {error.name}, which is not installed; add it with: pip install "
                "'zeebe-connectors[imap]'",
            ) from None
        return await imap.carry_out(task, context)
    from zeebe_connectors.connectors.email import pop3  # noqa: PLC0415 - each protocol costs its import only when used

    return await pop3.carry_out(task, context)
