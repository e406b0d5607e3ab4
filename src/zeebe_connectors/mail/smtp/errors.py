"""Translate failures of an SMTP session: the code, whether to try again, and what to do."""

from __future__ import annotations

import re

from zeebe_connectors import ConnectorError, PermanentError, TransientError
from zeebe_connectors.mail.smtp.model import Refusal, Reply, Server
from zeebe_connectors.net import custody
from zeebe_connectors.net.connect import connect_error, connect_errors, reason_of

_SIZE = re.compile(r"(size|message|mail) .{0,40}(exceed|too (big|large)|larger than)", re.IGNORECASE)
_QUOTA = re.compile(r"quota|mailbox (is )?full|full mailbox", re.IGNORECASE)
_TLS = re.compile(
    r"STARTTLS|(encrypt\w*|tls|ssl|secure connection)( \w+)? (is )?(required|needed|mandatory)|"
    r"(requires?|needs?|must (use|be)) (a |an )?(tls|ssl|encrypt|secure)",
    re.IGNORECASE,
)


_RELAY = re.compile(r"\brelay|rcpthosts|5\.7\.54", re.IGNORECASE)
_FOR_NOW = "The refusal is temporary; it is tried again"


class LostError(Exception):
    """The session ended before the message was handed over, so it may be sent again at once."""

    def __init__(self, stage: str, why: str) -> None:
        super().__init__(f"{stage}: {why}")
        self.stage = stage
        self.why = why


class NotSmtpError(ConnectionError):
    """The received bytes are not a mail server's answer."""


def is_size(reply: Reply) -> bool:
    """Returns whether the server refused the mail for its size; an enhanced code, if present, takes precedence."""
    if reply.enhanced:
        return reply.enhanced[1:] in {".3.4", ".2.3"}
    if reply.code == 552:
        return _QUOTA.search(reply.text) is None
    return reply.code >= 500 and _SIZE.search(reply.text) is not None


def names_size(reply: Reply) -> bool:
    """Returns whether a refusal speaks of the mail's size in words."""
    return not reply.enhanced and _SIZE.search(reply.text) is not None


def is_missing_tls(reply: Reply) -> bool:
    """Returns whether the server requires STARTTLS first."""
    if reply.enhanced in {"5.7.10", "5.7.11"}:
        return True
    return reply.code in {454, 523, 530, 538, 550, 554} and _TLS.search(reply.text) is not None


def wants_tls(server: Server, reply: Reply) -> ConnectorError:
    """Returns the error for an unencrypted session with a server that requires STARTTLS."""
    return PermanentError(
        "SMTP_TLS_FAILED",
        f"security: {server} requires an encrypted session: {reply}. Set security to STARTTLS",
        variables=reply_variables(reply),
    )


def reply_variables(reply: Reply) -> dict[str, object]:
    """Returns the variables of an error that a reply caused."""
    return {"smtpCode": reply.code, "enhancedCode": reply.enhanced, "reply": custody.clipped(reply.text, 1000)}


def by_code(reply: Reply, code: str, message: str) -> ConnectorError:
    """Returns the error for a reply: transient for 4xx, permanent for all others."""
    kind = TransientError if 400 <= reply.code < 500 else PermanentError
    return kind(code, message, variables=reply_variables(reply))


def remedy(reply: Reply, for_good: str) -> str:
    """Returns what to do about a refusal: nothing if it is temporary."""
    return _FOR_NOW if 400 <= reply.code < 500 else for_good


def service_refused(server: Server, reply: Reply) -> ConnectorError:
    """Returns the error for a server that does not serve this client."""
    what = remedy(reply, "Ask its operator whether this machine may send, and check the client name")
    return by_code(reply, "SMTP_SERVICE_REFUSED", f"host: {server} refused to serve this client: {reply}. {what}")


def recipients_refused(server: Server, accepted: list[str], refused: list[Refusal]) -> ConnectorError:
    """Returns the error for a mail that went to nobody because recipients were refused."""
    listed = "; ".join(f"{refusal.address}: {refusal.reason}" for refusal in refused[:5])
    if len(refused) > 5:
        listed += f"; and {len(refused) - 5} more"
    if accepted and all(refusal.too_many for refusal in refused):
        return PermanentError(
            "SMTP_TOO_MANY_RECIPIENTS",
            f"to, cc, bcc: {server} takes {len(accepted)} recipients at once, and the mail has "
            f"{len(accepted) + len(refused)}, so nobody got it: {refused[0].reason}. Send it to fewer at once, or let "
            "the mail go to the others when some are refused (onRefused): the rest is then sent separately",
            variables={"accepted": accepted, "limit": len(accepted)},
        )
    scope = "no recipient was accepted" if not accepted else f"{len(refused)} recipients were refused, so nobody got it"
    temporary = any(r.temporary for r in refused) if not accepted else all(r.temporary for r in refused)
    kind = TransientError if temporary else PermanentError
    if temporary:
        what = _FOR_NOW
    elif any(_RELAY.search(r.reason) for r in refused):
        what = "It passes mail on to other domains only for those who sign in: choose how to sign in, or another server"
    else:
        what = "Correct the addresses, or let the mail go to the others"
    return kind(
        "SMTP_RECIPIENT_REFUSED",
        f"to, cc, bcc: {scope} by {server}: {listed}. {what}",
        variables={
            "refused": [{"address": r.address, "code": r.code, "reason": r.reason} for r in refused],
            "accepted": accepted,
        },
    )


def timed_out(server: Server, stage: str, patience: float) -> ConnectorError:
    """Returns the error for a server that did not answer in time, with nothing sent."""
    hint = ""
    if stage == "the greeting" and server.security != "tls":
        hint = "; if this port speaks TLS from the start, choose implicit TLS"
    return TransientError(
        "SMTP_TIMEOUT",
        f"timeout: {server} did not answer within {patience:g} s at {stage}, or the job's time ran out{hint}. Nothing "
        "was sent; it is tried again",
    )


def outcome_unknown(server: Server, error: Exception) -> ConnectorError:
    """Returns the error for a mail that was sent but never confirmed."""
    why = "no answer came in time" if isinstance(error, TimeoutError) else reason_of(error)
    return TransientError(
        "SMTP_OUTCOME_UNKNOWN",
        f"{server} got the whole mail, and then {why}; it may or may not deliver it. It is sent again with the same "
        "Message-ID, by which a duplicate can be recognized",
    )


def not_smtp(server: Server, stage: str, error: Exception) -> ConnectorError:
    """Returns the error for a server that does not speak SMTP."""
    return PermanentError(
        "SMTP_PROTOCOL",
        f"host: {server} does not behave as a mail server ({stage}): {error}. Check host and port; 587, 465 and 25 are "
        "the usual ones",
    )


def opening_failed(server: Server, stage: str, error: Exception, patience: float) -> BaseException:
    """Returns the error for a session that could not be opened."""
    if isinstance(error, TimeoutError):
        return timed_out(server, stage, patience)
    if isinstance(error, NotSmtpError):
        return not_smtp(server, stage, error)
    return connect_error("SMTP", server.host, server.port, error, patience=patience, stage=stage)


ERRORS = {
    **connect_errors("SMTP"),
    "HOST_FORBIDDEN": "The operator restricts which addresses may be reached, and this host's is not one of them.",
    "SMTP_PROTOCOL": "What answers there is not a mail server: it speaks another protocol, or its answer has no "
    "end. Check host and port.",
    "SMTP_TIMEOUT": "The server did not answer within the timeout, or the job's time ran out; nothing was sent. Tried "
    "again.",
    "SMTP_SERVICE_REFUSED": "The server does not serve this client. Ask its operator. Tried again after a 4xx answer.",
    "SMTP_AUTH_FAILED": "The login was refused, or the chosen method is not offered. Check type, username and password "
    "or token. Tried again after a 4xx answer.",
    "MAIL_TOKEN_FAILED": "No access token could be obtained. Check the token endpoint, client and scopes. Tried again "
    "unless the endpoint refused the credentials.",
    "SMTP_SENDER_REFUSED": "The server does not accept mail from this sender. Use an address that the account may send "
    "from. Tried again after a 4xx answer.",
    "SMTP_RECIPIENT_REFUSED": "Recipients were refused and nobody got the mail; `error.variables.refused` lists "
    "address, code and reason. Correct the addresses, or let the mail go to the others. Tried again when all "
    "refusals are temporary.",
    "SMTP_TOO_MANY_RECIPIENTS": "The mail has more recipients than the server accepts at once; nobody got it. Send it "
    "to fewer at once, or let it go to the others when some are refused: the rest is then sent separately.",
    "SMTP_MESSAGE_REFUSED": "The server refused the content, by policy or quota; its answer says why. Tried again "
    "after a 4xx answer.",
    "SMTP_TOO_LARGE": "The mail is larger than the server accepts (or a file larger than any server does). Send a "
    "link instead.",
    "SMTP_UTF8_NOT_OFFERED": "An address has letters other than ASCII before its @, and the server does not offer "
    "SMTPUTF8.",
    "SMTP_CONNECTION_LOST": "The connection was lost twice before the mail was handed over; nothing was sent. Tried "
    "again.",
    "SMTP_OUTCOME_UNKNOWN": "The connection was lost after the whole mail was handed over and before the server's "
    "answer: it may or may not be delivered. Tried again with the same Message-ID; catch the code where a duplicate is "
    "worse than a missing mail.",
    "SMTP_NO_RECIPIENT": "To, Cc and Bcc are all empty. Fill one in.",
    "INVALID_ADDRESS": "An address cannot be read; the message names field and position. Write name@example.com.",
    "HEADER_INJECTION": "A line break in text that goes into a header. Remove it.",
    "HEADER_NOT_ALLOWED": "An extra header that another input writes, such as From. Use that input.",
    "FILE_FORBIDDEN": "A path outside the directories that the operator allowed. Move the file, or pass a document.",
    "FILE_NOT_FOUND": "There is no such file below the allowed directories. Check the path.",
    "FILE_NOT_READABLE": "The runtime may not read the file. Check its permissions.",
    "INVALID_INPUT": "An input is missing or has an unknown value; the message names it and what is expected.",
}
