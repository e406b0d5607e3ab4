"""Carry out tasks of the official email connector over SMTP, IMAP and POP3."""

from __future__ import annotations

from zeebe_connectors import Context, Group, PermanentError, outbound
from zeebe_connectors.connectors.email.model import ImapTask, SmtpTask, Task
from zeebe_connectors.connectors.email.results import DeletedMail, FoundMail, ListedMail, MovedMail, ReadMail, SentMail
from zeebe_connectors.mail.smtp.errors import ERRORS as SMTP_ERRORS
from zeebe_connectors.net.connect import connect_errors

ERRORS = {
    "EMAIL_NOT_FOUND": "No mail with this Message-ID is in the folder. Take the id from a list or search of the same "
    "folder. An incident; an error expression may wait for the mail instead.",
    "EMAIL_TOO_MANY": "More than 5,000 mails would be listed. Give a smaller maxToBeRead, or narrower criteria.",
    "MAIL_TOO_LARGE": "The mail is larger than maxMailSize allows. Raise it, or leave the mail.",
    "EMAIL_IMAP_NOT_INSTALLED": "IMAP needs the extra `imap`: `pip install 'zeebe-connectors[imap]'`.",
    **connect_errors("IMAP"),
    "IMAP_AUTH_FAILED": "User name, password or token is refused. Many providers require an app password or OAuth 2.0.",
    "IMAP_IN_USE": "The account has too many sessions on the server, or the server is busy. Tried again after half a "
    "minute.",
    "IMAP_FOLDER_NOT_FOUND": "The folder does not exist; the message names some that do.",
    "IMAP_CONNECTION_LOST": "The connection ended, or the server fell silent. Tried again.",
    "IMAP_REFUSED": "The server refused a command; the message gives its reason. Tried again.",
    **connect_errors("POP3"),
    "POP3_AUTH_FAILED": "User name, password or token is refused. Many providers require an app password or OAuth 2.0.",
    "POP3_IN_USE": "Another session has the mailbox. Tried again after half a minute.",
    "POP3_CONNECTION_LOST": "The connection ended, or the server fell silent. Tried again.",
    "POP3_REFUSED": "The server refused a command; the message gives its reason. Tried again.",
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
        Group("tls", "Certificates", open=False),
    ],
    errors=ERRORS,
    protocols=("smtp", "smtps", "imap", "imaps", "pop", "pops"),
    keywords=["email", "mail", "e-mail", "inbox", "mailbox", "smtp", "imap", "pop3", "send", "read", "search"],
    result_expression="={result: response}",
)
async def run(
    task: Task, context: Context
) -> SentMail | ReadMail | DeletedMail | MovedMail | list[ListedMail] | list[FoundMail]:
    """Send a mail over SMTP; list, search, read, move and delete mails over IMAP or POP3.

    The official email templates, of every version, run on this connector. What each action returns:

    | Action | Result |
    | --- | --- |
    | send | `subject`, `sent`, `messageId`; also `accepted` and `reply` |
    | list | a list of contexts with `messageId`, `fromAddress`, `subject` and `size` |
    | search | a list of contexts with `messageId` and `subject` |
    | read | the mail; see *Result* |
    | delete | `messageId`, `deleted` |
    | move | `messageId`, `from`, `to` |

    A list is available as `response` only. The server sorts and searches where it can; for a list or a search only
    headers are fetched. Each job has a connection of its own over IMAP and POP3, which is closed whatever happens.
    Servers allow few of them: at most five jobs use one IMAP account at a time, and one a POP3 mailbox; the others
    wait for their turn. Connections over SMTP are kept between mails. The operator's rules on hosts apply to all
    three. IMAP needs the extra `imap`; SMTP and POP3 do not.

    When the answer to a move or delete is lost, the next try of the same job finds the mail gone and succeeds, since
    the runtime remembers that this job began to do so; and a mail that is in `toFolder` and no longer in
    `fromFolder` counts as moved. Of several mails with one Message-ID, IMAP takes the oldest and POP3 the newest.
    POP3 has no search: to find a mail, headers are read starting with the newest, a hundred at a time where the
    server allows it. Reading removes nothing here; some POP3 servers remove read mails by a rule of their own.

    It differs from the official connector where that helps and no template depends on it, or where it is safer:

    - TLS over SMTP with a login is required, so that no password is sent unencrypted; the official connector
      sends the mail unencrypted if the server offers no STARTTLS. Without a login both use TLS where it is offered.
      For a server without TLS on a trusted network choose *None*.
    - *STARTTLS* may be chosen for IMAP and POP3 too, and the certificate may come from your own authority. OAuth 2.0
      signs in with XOAUTH2.
    - `TLS` follows the port: STARTTLS on 143 and 110, TLS from the start on 465.
    - Every wait is bounded: by 30 s without an answer, and by the job's time.
    - Text and HTML are `multipart/alternative`; the official connector makes them siblings, and readers show both.
    - Headers that other inputs write (From, To, Subject, Date, ...) are refused in `headers`; `Reply-To` is accepted.
    - The Message-ID of a sent mail stays the same in all tries of a job, and a mail that the server accepted is not
      sent again.
    - Folder names may hold `.` and `/`: a name is first looked up as written, and only then are they read as the
      separator. A new folder lies below another at each `/`, and at `.` where the part before it is a folder.
    - A mail without From, Date or Message-ID, or with a single part that is not text, is listed and read; the
      official connector fails on it. A mail without a date is sorted by its receipt, over POP3 as the oldest.
    - The angle brackets of a Message-ID may be omitted.
    - A mail that is marked as deleted counts as gone. A server without UIDPLUS keeps it, marked, since expunging would
      also remove what others have marked.
    - A mail that is not found is an incident at once (`EMAIL_NOT_FOUND`), and every failure has a code.
    - Parts without a disposition, nested mails and the contents of a winmail.dat count as attachments too; parts that
      the HTML shows are `inlineParts`. `errors` is always empty, as in the official connector; whatever was
      broken in the mail, or cut at 524,288 characters, is in `warnings`.
    - A result lists 5,000 mails at most; more are an error (`EMAIL_TOO_MANY`) rather than a truncated list.
    - `noAuth` is refused for IMAP and POP3, where no server admits anybody without a login.
    - Over POP3, FROM matches a part of the sender, as over IMAP; the text of a mail larger than 50 MiB is not searched.
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
