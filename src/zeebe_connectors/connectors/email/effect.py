"""Remember which mail a job began to move or delete, so that a further try takes the same one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from zeebe_connectors import Context

_PLACE = "email"


@dataclass(frozen=True, slots=True)
class Effect:
    """A move or deletion that must not fail because an earlier try did it already and lost the answer.

    Args:
        context: The job's.
        action: What is done.
        message_id: To which mail.
    """

    context: Context
    action: Literal["delete", "move"]
    message_id: str

    @property
    def _id(self) -> str:
        return f"{self.context.key} {self.action} {self.message_id}"

    async def begin(self, mail: str) -> None:
        """Remembers that it is about to begin, and with which mail, until the engine has the job's result."""
        self.context.discard_on_success(_PLACE, self._id)
        await self.context.memory.remember(_PLACE, self._id, mail)

    async def started_before(self) -> str | None:
        """Returns the mail with which an earlier try began; None if none came that far."""
        found = (await self.context.memory.recall(_PLACE, [self._id])).get(self._id)
        if found is not None:
            self.context.discard_on_success(_PLACE, self._id)
        return found
