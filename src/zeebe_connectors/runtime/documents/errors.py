"""Make the errors for documents that cannot be read or stored, in the same words for every store."""

from __future__ import annotations

from datetime import UTC, datetime

from zeebe_connectors.sdk.document import Document
from zeebe_connectors.sdk.errors import ConnectorError, PermanentError, TransientError
from zeebe_connectors.web import HttpResponse

KEEP_SETTING = "ZEEBE_CONNECTORS_DOCUMENTS_KEEP"


def expired_or(error: PermanentError, document: Document, keep: float | None) -> PermanentError:
    """Returns `DOCUMENT_EXPIRED` if the reference says that the document's time is over; otherwise the error itself."""
    ends = document.metadata.get("expiresAt")
    try:
        over = isinstance(ends, str) and datetime.fromisoformat(ends) <= datetime.now(UTC)
    except (ValueError, TypeError):
        over = False
    if error.code != "DOCUMENT_NOT_FOUND" or not over:
        return error
    period = f"{keep / 86_400:.0f} days" if keep else "some time"
    return PermanentError(
        "DOCUMENT_EXPIRED",
        f"The document was not read for {period} and was deleted; let the process create it again, or keep documents "
        f"longer ({KEEP_SETTING})",
    )


def missing() -> PermanentError:
    """Returns the error for a document that is not in the store."""
    return PermanentError(
        "DOCUMENT_NOT_FOUND",
        "The document is not in the store. It may have been deleted by age, or by a runtime on another machine that "
        "does not share its directory",
    )


def unwritten(error: OSError) -> TransientError:
    """Returns the error for a directory that cannot be written."""
    return TransientError(
        "DOCUMENT_UNREACHABLE",
        f"The document cannot be stored ({error.strerror or type(error).__name__}). Is there space, and may the "
        "runtime write to its documents directory (ZEEBE_CONNECTORS_DOCUMENTS)?",
    )


def unread(error: ConnectorError, who: str, max_bytes: int) -> ConnectorError:
    """Returns the error for a server that did not answer; `who` begins the sentence."""
    if error.code == "RESPONSE_TOO_LARGE":
        return too_large("The document is too large", max_bytes)
    kind = TransientError if isinstance(error, TransientError) else ConnectorError
    return kind("DOCUMENT_UNREACHABLE", f"{who} could not be asked: {error.message}", variables=error.variables)


def refused(response: HttpResponse, who: str) -> ConnectorError:
    """Returns the error for a server that answered with an error; `who` begins the sentence."""
    if response.status in {404, 410}:
        return PermanentError("DOCUMENT_NOT_FOUND", f"{who} has no such document ({response.status})")
    kind = TransientError if response.status in {408, 425, 429} or response.status >= 500 else ConnectorError
    return kind(
        "DOCUMENT_UNREACHABLE", f"{who} {response.origin} answered {response.status} {response.reason}".rstrip()
    )


def too_large(what: str, max_bytes: int) -> PermanentError:
    """Returns the error for a document with too many bytes; `what` begins the sentence."""
    return PermanentError("DOCUMENT_TOO_LARGE", f"{what}; at most {max_bytes} bytes are allowed")
