"""Count how often the connection to a mailbox ends at the same mail, so that it does not block those after it.

Some servers say BYE, hang up or fall silent whenever one particular mail is read. The source then starts again, and
would reach the same mail for ever.
"""

from __future__ import annotations

from collections import OrderedDict

from zeebe_connectors.sdk.client_cache import ClientCache

MAX_FAILURES = 3
"""Lost connections at one mail after which the mail goes to quarantine (`runtime/inbound/events.py`)."""
_MAX_MAILS = 1000


class ReadFailures:
    """The failures of one source; it outlives the source's connections, but not the runtime."""

    def __init__(self) -> None:
        self._failures: OrderedDict[str, tuple[int, str]] = OrderedDict()
        self.one_by_one = False
        """Whether headers are requested for one mail at a time, because the connection ended during a batch."""

    def failed(self, mail: str, reason: str) -> None:
        """Notes that the connection ended while a mail was read."""
        count, _ = self._failures.pop(mail, (0, ""))
        self._failures[mail] = count + 1, reason
        while len(self._failures) > _MAX_MAILS:
            self._failures.popitem(last=False)

    def succeeded(self, mail: str) -> None:
        """Notes that a mail was read, or that its failures have had their consequence."""
        self._failures.pop(mail, None)

    def verdict(self, mail: str, *, limit: int = MAX_FAILURES) -> str:
        """Returns why a mail must not be read any more; empty while it may be."""
        count, reason = self._failures.get(mail, (0, ""))
        return f"the connection ended {count} times at this mail: {reason}" if count >= limit else ""


async def failures_of(source: str, clients: ClientCache) -> ReadFailures:
    """Returns the failures of a source, which are kept with the clients."""
    return await clients.get(("mail-read-failures", source), ReadFailures)
